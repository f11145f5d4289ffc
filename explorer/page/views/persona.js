// Somebody who is nothing but a few videos.

import { ask } from "../api.js";
import { card, grid, nameOf, row, shareLegend } from "../cards.js";
import { empty, modelChoice, numberField } from "../controls.js";
import { count, el, replace } from "../dom.js";
import { finder } from "../finder.js";

export function show(place, context) {
  const model = () => Number(context.parameters().get("model") ?? 0);
  const items = () => context.parameters().getAll("item");
  const add = (id) => items().includes(id) || context.change({ item: [...items(), id] });
  const field = finder({ kind: "item", label: "Add a video", placeholder: "Type a title or an id", model, choose: add, clears: true });
  const result = el("div", { class: "result" });
  replace(place, el("div", { class: "head" }, el("h1", {}, "Persona"), el("p", { class: "lead" }, "Put videos together; recommendations follow at once. Nobody has to exist who watched them.")), field.element, result);

  async function update(parameters, signal) {
    const chosen = parameters.getAll("item");
    const modalities = context.about.models[model()].modalities;
    const k = Number(parameters.get("k") ?? 20);
    const found = await ask("/api/persona", { item: chosen, k, model: parameters.get("model") }, { signal });
    context.announce(`${count(chosen.length, "video")} chosen, ${count(found.recommended.length, "recommendation")}`);
    replace(
      result,
      el(
        "div",
        { class: "bar" },
        modelChoice(context, model()),
        numberField("Places", k, { change: (value) => context.change({ k: value === 20 ? null : value }) }),
        chosen.length ? el("button", { onclick: () => context.change({ item: null }) }, "Start again") : null,
        shareLegend(modalities),
      ),
      el(
        "section",
        { "aria-labelledby": "likes" },
        el("h2", { id: "likes" }, "Likes ", el("span", { class: "amount" }, chosen.length)),
        chosen.length
          ? row(
              found.history.map((video) =>
                card(video, { modalities, actions: [el("button", { title: "Take away", "aria-label": `Take ${nameOf(video)} away`, onclick: () => context.change({ item: chosen.filter((id) => id !== video.id) }) }, "×")] }),
              ),
              "Chosen videos",
            )
          : empty("Nothing chosen yet", "Type above, or press + on a card below. Without videos, popular ones are shown."),
      ),
      el(
        "section",
        { "aria-labelledby": "shown" },
        el("h2", { id: "shown" }, found.known ? "Would be shown" : "Popular"),
        grid(
          found.recommended.map((video, position) =>
            card(video, { place: position + 1, modalities, actions: [el("button", { title: "Add to the persona", "aria-label": `Add ${nameOf(video)} to the persona`, onclick: () => add(video.id) }, "+")] }),
          ),
          "Recommendations for the persona",
        ),
      ),
    );
  }

  return { update };
}
