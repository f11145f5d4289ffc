// What if a video lacked a modality, or had that of another: where it would stand for users.

import { ask } from "./api.js";
import { shareBar } from "./cards.js";
import { decimal, el, replace } from "./dom.js";
import { finder } from "./finder.js";

// Places of variants for users, one row a user; the first variant is what the others are held against.
export function placeTable(found, modalities) {
  return el(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Places for users" },
    el(
      "table",
      { class: "places" },
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "User"), found.variants.map((variant) => el("th", { scope: "col" }, el("span", {}, variant.name), shareBar(variant.shares, modalities))))),
      el(
        "tbody",
        {},
        found.users.map((user) =>
          el(
            "tr",
            {},
            el("th", { scope: "row" }, el("span", { class: "clip" }, user.id), user.known ? null : el("small", {}, " unknown")),
            user.ranks.map((rank, number) => el("td", { title: `score ${decimal(user.scores[number])}` }, el("b", {}, rank.toLocaleString("en")), number ? moved(user.ranks[0], rank) : null)),
          ),
        ),
      ),
    ),
  );
}

function moved(before, after) {
  if (before === after) return el("small", { class: "moved" }, "same");
  const up = after < before;
  const text = Math.abs(before - after).toLocaleString("en");
  return el("small", { class: up ? "moved up" : "moved down", "aria-label": `${text} places ${up ? "up" : "down"}` }, up ? `▲ ${text}` : `▼ ${text}`);
}

export async function whatIf(place, { context, id, model, modalities, parameters, signal, users, hasFeatures }) {
  if (!modalities.length) return replace(place, el("p", { class: "quiet-text" }, "This model looks at no features."));
  if (!hasFeatures) return replace(place, el("p", { class: "quiet-text" }, "Start tf-metammf explore with --records to drop or replace modalities of this video."));
  const of = await ask("/api/features", { id, model }, { signal });
  const present = of.present.filter((name) => modalities.includes(name));
  const swaps = parameters.getAll("swap").map((text) => [text.slice(0, text.indexOf(":")), text.slice(text.indexOf(":") + 1)]);
  const own = Object.fromEntries(present.map((name) => [name, { item: id }]));
  const without = (name) => Object.fromEntries(Object.entries(own).filter(([other]) => other !== name));
  const variants = [
    { name: "as it is", modalities: own },
    ...(present.length > 1 ? present.map((name) => ({ name: `without ${name}`, modalities: without(name) })) : []),
    ...swaps.filter(([name]) => modalities.includes(name)).map(([name, other]) => ({ name: `${name} of ${other}`, modalities: { ...own, [name]: { item: other } } })),
  ].slice(0, 12);
  const asked = [...new Set([...parameters.getAll("for"), ...users, ...of.users])].slice(0, 8);
  const found = await ask("/api/place", { model }, { body: { variants, users: asked }, signal });
  let chosen = modalities[0];
  const select = el("select", { "aria-label": "Modality to replace", onchange: () => (chosen = select.value) }, modalities.map((name) => el("option", { value: name }, name)));
  const other = finder({ kind: "item", label: "with that of", placeholder: "Type a title or an id", model: () => model, choose: (item) => context.change({ swap: [...parameters.getAll("swap"), `${chosen}:${item}`] }), clears: true });
  const person = finder({ kind: "user", label: "Look at another user", placeholder: "Type a user id", model: () => model, choose: (user) => context.change({ for: [...parameters.getAll("for"), user] }), clears: true });
  replace(
    place,
    el("p", { class: "lead" }, "Its place among what each user has not watched, by its features alone, as if it were new. Nothing is retrained."),
    placeTable(found, modalities),
    el("div", { class: "bar replace" }, el("span", { class: "control" }, "Replace", select), other.element, person.element, swaps.length ? el("button", { onclick: () => context.change({ swap: null }) }, "Undo replacements") : null),
  );
}
