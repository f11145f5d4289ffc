// What a user watched, and what the user would be shown.

import { addressOf, ask } from "../api.js";
import { card, grid, nameOf, placeholders, row, shareLegend } from "../cards.js";
import { checkBox, empty, modelChoice, numberField } from "../controls.js";
import { count, el, replace } from "../dom.js";
import { finder } from "../finder.js";

const SUGGESTED = 12;

export function show(place, context) {
  const model = () => Number(context.parameters().get("model") ?? 0);
  const field = finder({
    kind: "user",
    label: "Find a user",
    placeholder: "Type a user id",
    model,
    choose: (user) => context.change({ user, exclude: null, all: null }),
  });
  const result = el("div", { class: "result" });
  replace(place, el("div", { class: "head" }, el("h1", {}, "People"), el("p", { class: "lead" }, "What a user watched, and what they would be shown next.")), field.element, result);

  async function update(parameters, signal) {
    const user = parameters.get("user");
    field.value = user ?? "";
    if (!user) return suggest(signal);
    if (result.dataset.user !== user) replace(result, placeholders(6, "row"), placeholders(12));
    result.dataset.user = user;
    const k = Number(parameters.get("k") ?? 20);
    const exclude = parameters.getAll("exclude");
    const found = await ask("/api/person", { user, k, exclude, seen: parameters.get("seen"), all: parameters.get("all"), model: parameters.get("model") }, { signal });
    const modalities = context.about.models[model()].modalities;
    const names = new Map(found.recommended.map((video) => [video.id, nameOf(video)]));
    context.announce(`${count(found.recommended.length, "recommendation")} for ${user}`);
    replace(
      result,
      el(
        "div",
        { class: "bar" },
        modelChoice(context, model()),
        numberField("Places", k, { change: (value) => context.change({ k: value === 20 ? null : value }) }),
        checkBox("Include watched", parameters.get("seen") === "1", (on) => context.change({ seen: on })),
        context.about.models.length > 1 && el("a", { class: "button", href: addressOf("/compare", { user }) }, "Compare models"),
        shareLegend(modalities),
      ),
      !found.known && el("p", { class: "note" }, "The model does not know this user: what follows are the popular videos."),
      history(found, parameters),
      el(
        "section",
        { "aria-labelledby": "shown" },
        el("h2", { id: "shown" }, "Would be shown"),
        exclude.length
          ? el(
              "p",
              { class: "chips" },
              el("span", {}, "Left out:"),
              exclude.map((id) =>
                el("button", { class: "chip", "aria-label": `Show ${id} again`, onclick: () => context.change({ exclude: exclude.filter((other) => other !== id) }) }, names.get(id) ?? id, el("span", { "aria-hidden": "true" }, "×")),
              ),
            )
          : null,
        found.recommended.length
          ? grid(
              found.recommended.map((video, position) =>
                card(video, {
                  place: position + 1,
                  modalities,
                  actions: [
                    el("button", { title: "Leave this video out", "aria-label": `Leave ${nameOf(video)} out`, onclick: () => context.change({ exclude: [...exclude, video.id] }) }, "×"),
                    el("a", { title: "Begin a persona with this video", "aria-label": `Begin a persona with ${nameOf(video)}`, href: addressOf("/persona", { item: video.id }) }, "+"),
                  ],
                }),
              ),
              `Recommendations for ${user}`,
            )
          : empty("Nothing is left", "Everything is excluded. Include watched videos, or show excluded ones again."),
      ),
    );
  }

  function history(found, parameters) {
    const modalities = context.about.models[model()].modalities;
    const more = found.watched > found.history.length;
    return el(
      "section",
      { "aria-labelledby": "watched" },
      el("h2", { id: "watched" }, "Watched ", el("span", { class: "amount" }, found.watched.toLocaleString("en"))),
      found.history.length
        ? row(found.history.map((video) => card(video, { modalities })), "Watched videos")
        : el("p", { class: "quiet-text" }, context.about.models[model()].items ? "Nothing in training." : "Unknown: start with --records to see what was watched."),
      more && el("button", { class: "more", onclick: () => context.change({ all: true }) }, `Show all ${found.watched.toLocaleString("en")}`),
    );
  }

  async function suggest(signal) {
    delete result.dataset.user;
    const found = await ask("/api/search", { kind: "user", q: "", model: model() || null }, { signal });
    const users = found.found.slice(0, SUGGESTED);
    replace(
      result,
      modelChoice(context, model()) && el("div", { class: "bar" }, modelChoice(context, model())),
      users.length
        ? el(
            "section",
            {},
            el("h2", {}, "Begin with one of these"),
            el("ul", { class: "people" }, users.map((user) => el("li", {}, el("a", { href: addressOf("/people", { user: user.id }) }, el("b", {}, user.id), el("small", {}, `${user.watched.toLocaleString("en")} watched`))))),
          )
        : empty("Type the id of a user", "A server does not tell which users it knows. Start with --records to choose from them."),
    );
  }

  return { update };
}
