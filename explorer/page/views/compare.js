// Two models: what they show the same user, and how they agree over all users.

import { addressOf, ask, askUntilThere } from "../api.js";
import { nameOf, picture, videoAddress } from "../cards.js";
import { empty, numberField, progress } from "../controls.js";
import { histogram, plotFiles } from "../chart.js";
import { count, decimal, el, percent, replace, svg } from "../dom.js";
import { finder } from "../finder.js";

const LINE = 52; // Height of a row of the slope, as the style sheet has it.

export function show(place, context) {
  const models = context.about.models;
  replace(place, el("div", { class: "head" }, el("h1", {}, "Two models"), el("p", { class: "lead" }, "What is shared, what moved and what is new.")));
  if (models.length < 2) {
    place.append(empty("There is one model", "Start tf-metammf explore with a second --model to see both side by side: two fusions, or the exports of two days."));
    return { update: async () => {} };
  }
  const field = finder({ kind: "user", label: "Find a user", placeholder: "Type a user id", choose: (user) => context.change({ user }) });
  const ofUser = el("div", { class: "result" });
  const ofAll = el("section", { "aria-labelledby": "over-all" });
  place.append(field.element, ofUser, ofAll);
  let told = "";

  async function update(parameters, signal) {
    const user = parameters.get("user");
    field.value = user ?? "";
    if (user) await slope(user, parameters, signal);
    else replace(ofUser, el("p", { class: "quiet-text" }, "Choose a user to see both rankings side by side."));
    const versions = models.map((model) => model.version).join();
    if (told === versions) return;
    await overall(signal);
    told = versions;
  }

  async function slope(user, parameters, signal) {
    const k = Math.min(50, Number(parameters.get("k") ?? 20));
    const found = await ask("/api/slope", { user, k }, { signal });
    const shared = found.rows.filter((row) => row.first && row.second);
    const moved = shared.filter((row) => row.first !== row.second);
    const gone = found.rows.filter((row) => !row.second);
    const news = found.rows.filter((row) => !row.first);
    context.announce(`${shared.length} shared, ${moved.length} of them moved, ${news.length} new`);
    const places = Math.max(...found.rows.map((row) => Math.max(row.first ?? 0, row.second ?? 0)), 0);
    const y = (at) => (at - 0.5) * LINE;
    const drawing = svg(
      "svg",
      { class: "slope-lines", viewBox: `0 0 100 ${places * LINE}`, preserveAspectRatio: "none", "aria-hidden": "true" },
      found.rows.map((row) => {
        if (row.first && row.second) return svg("path", { "data-id": row.id, class: row.first === row.second ? "stays" : row.second < row.first ? "rises" : "falls", d: `M0 ${y(row.first)} C45 ${y(row.first)} 55 ${y(row.second)} 100 ${y(row.second)}` });
        return row.first ? svg("path", { "data-id": row.id, class: "gone", d: `M0 ${y(row.first)} H16` }) : svg("path", { "data-id": row.id, class: "new", d: `M84 ${y(row.second)} H100` });
      }),
    );
    drawing.style.height = `${places * LINE}px`;
    const side = (which, other) =>
      el(
        "ol",
        { class: `slope-side ${which}`, "aria-label": `Ranking of ${models[which === "first" ? 0 : 1].name}` },
        found.rows
          .filter((row) => row[which])
          .sort((one, two) => one[which] - two[which])
          .map((row) =>
            el(
              "li",
              { "data-id": row.id },
              el("span", { class: "slope-place" }, row[which]),
              picture(row.card),
              el("a", { class: "slope-name", href: videoAddress(row.id), title: nameOf(row.card) }, nameOf(row.card)),
              el("small", { class: "slope-note" }, row[other] ? (row[other] === row[which] ? "" : `${which === "first" ? "→" : "←"} ${row[other]}`) : which === "first" ? "gone" : "new"),
            ),
          ),
      );
    const chart = el("div", { class: "slope" }, side("first", "second"), drawing, side("second", "first"));
    const light = (id) => {
      for (const part of chart.querySelectorAll("[data-id]")) part.classList.toggle("lit", part.dataset.id === id);
      chart.classList.toggle("some-lit", id !== null);
    };
    for (const name of ["pointerover", "focusin"]) chart.addEventListener(name, (event) => light(event.target.closest("[data-id]")?.dataset.id ?? null));
    for (const name of ["pointerleave", "focusout"]) chart.addEventListener(name, () => light(null));
    replace(
      ofUser,
      el(
        "div",
        { class: "bar" },
        numberField("Places", k, { most: 50, change: (value) => context.change({ k: value === 20 ? null : value }) }),
        el("a", { class: "button", href: addressOf("/people", { user }) }, "What the user watched"),
      ),
      !found.known.every(Boolean) && el("p", { class: "note" }, `${models.filter((_, at) => !found.known[at]).map((model) => model.name).join(" and ")} does not know this user and shows popular videos.`),
      el("ul", { class: "tiles" }, tile("shared", shared.length), tile("of them moved", moved.length), tile("gone", gone.length), tile("new", news.length)),
      el("div", { class: "slope-heads" }, models.slice(0, 2).map((model, at) => el("h2", {}, el("i", { class: `line line-${at}` }), model.name))),
      chart,
    );
  }

  async function overall(signal) {
    replace(ofAll, el("h2", { id: "over-all" }, "Over all users"), progress("Asking both models for what users are shown …", 0));
    const found = await askUntilThere("/api/compare", {}, { signal, waiting: (share) => replace(ofAll, el("h2", { id: "over-all" }, "Over all users"), progress("Asking both models for what users are shown …", share)) });
    const agreement = found.agreement;
    const differing = found.drift;
    replace(
      ofAll,
      el("h2", { id: "over-all" }, "Over all users"),
      agreement
        ? [
            el("p", { class: "lead" }, `${agreement.users.toLocaleString("en")} users that both models know.`),
            el(
              "ul",
              { class: "tiles" },
              tile("of the first 20 shared", percent(agreement.overlap["20"], 1)),
              tile("rank-biased overlap", decimal(agreement.rank_biased_overlap, 2), "1 for the same ranking; the first places count most (p = 0.9)"),
              tile("rank correlation of shared", decimal(agreement.kendall_tau, 2), "Kendall's tau over the videos that both show a user, of the first 50"),
              tile("same neighbours", percent(differing.neighbours), "Of the 10 nearest videos of a video, how many both models have"),
            ),
            el(
              "div",
              { class: "columns" },
              el("figure", {}, el("figcaption", {}, "Share of the first 20 that users keep", plotFiles("agreement", "Share of the first 20 that users keep")), histogram(agreement.histogram, `Users by the share of their first 20 that both models have; on average ${percent(agreement.overlap["20"])}`)),
              el("figure", {}, el("figcaption", {}, "For whom most changes"), el("ul", { class: "people" }, agreement.most_changed.map((user) => el("li", {}, el("a", { href: addressOf("/compare", { user: user.id }) }, el("b", {}, user.id), el("small", {}, `${percent(user.overlap)} shared`)))))),
            ),
          ]
        : el("p", { class: "quiet-text" }, "The models have no users in common."),
      el(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": "Both models in numbers" },
        el(
          "table",
          { class: "numbers" },
          el("thead", {}, el("tr", {}, el("td", {}), found.names.map((name, at) => el("th", { scope: "col" }, el("i", { class: `line line-${at}` }), name)))),
          el(
            "tbody",
            {},
            line("videos shown in a first 20", found.summaries, (each) => percent(each.coverage, 1)),
            line("Gini of exposure", found.summaries, (each) => decimal(each.gini, 2)),
            line("places of cold videos", found.summaries, (each) => percent(each.cold, 1)),
            line("places of the long tail", found.summaries, (each) => percent(each.tail, 1)),
            line("videos", [differing.items.first, differing.items.second], (number) => number.toLocaleString("en")),
            line("users", [differing.users.first, differing.users.second], (number) => number.toLocaleString("en")),
          ),
        ),
      ),
      el("p", { class: "quiet-text" }, `${count(differing.items.both, "video")} and ${count(differing.users.both, "user")} are in both. `, el("a", { href: "/health" }, "Their curves are in Health.")),
    );
  }

  const line = (name, values, shown) => el("tr", {}, el("th", { scope: "row" }, name), values.map((value) => el("td", {}, shown(value))));

  return { update };
}

export const tile = (name, value, title) => el("li", { title }, el("b", {}, value), el("span", {}, name));
