// One video: what it is made of, what is like it, who would be shown it, and what if it were otherwise.

import { addressOf, ask, askUntilThere } from "../api.js";
import { attentionRows } from "../attention.js";
import { card, facts, grid, nameOf, picture, placeholders, shareLegend } from "../cards.js";
import { empty, modelChoice, progress } from "../controls.js";
import { decimal, el, percent, replace } from "../dom.js";
import { finder } from "../finder.js";
import { whatIf } from "../whatif.js";

export function show(place, context) {
  const model = () => Number(context.parameters().get("model") ?? 0);
  const field = finder({ kind: "item", label: "Find a video", placeholder: "Type a title or an id", model, choose: (id) => context.change({ id, drop: null, swap: null, for: null }) });
  const result = el("div", { class: "result" });
  replace(place, el("div", { class: "head" }, el("h1", {}, "Video")), field.element, result);

  async function update(parameters, signal) {
    const id = parameters.get("id");
    field.value = id ?? "";
    if (!id) return suggest(signal);
    if (result.dataset.id !== id) replace(result, placeholders(6));
    result.dataset.id = id;
    const found = await ask("/api/video", { id, model: parameters.get("model") }, { signal });
    const modalities = context.about.models[model()].modalities;
    const video = found.video;
    const audience = el("div", {}, progress("Asking for what users are shown …", 0));
    const changes = el("div", {}, progress("Placing it …", 0));
    replace(
      result,
      modelChoice(context, model()) && el("div", { class: "bar" }, modelChoice(context, model())),
      el(
        "div",
        { class: "video" },
        el("div", { class: "video-picture" }, picture(video)),
        el(
          "div",
          { class: "video-text" },
          el("h2", { class: "video-name" }, nameOf(video)),
          video.title ? el("p", { class: "card-id" }, video.id) : null,
          el("p", { class: "card-facts" }, facts(video), video.popularity_rank && el("span", {}, `place ${video.popularity_rank.toLocaleString("en")} by views`)),
          Object.keys(video.kinds ?? {}).length ? el("dl", { class: "kinds" }, Object.entries(video.kinds).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))) : null,
          modalities.length ? shareRows(video.shares, modalities) : null,
          Object.keys(found.attention).length ? attentionRows(found.attention, modalities) : null,
          el("p", { class: "links" }, el("a", { class: "button", href: addressOf("/persona", { item: video.id }) }, "Begin a persona"), video.number !== undefined && context.about.models[model()].spaces.length ? el("a", { class: "button", href: addressOf("/map", { q: video.id }) }, "Show on the map") : null),
        ),
      ),
      el("section", { "aria-labelledby": "whom" }, el("h2", { id: "whom" }, "Who would be shown it"), audience),
      el("section", { "aria-labelledby": "if" }, el("h2", { id: "if" }, "What if"), changes),
      el(
        "section",
        { "aria-labelledby": "similar" },
        el("h2", { id: "similar" }, "Similar videos"),
        found.similar.length ? grid(found.similar.map((each) => card(each, { modalities, scoreName: "cosine" })), "Similar videos") : el("p", { class: "quiet-text" }, found.no_similar || "The model does not know this video."),
      ),
    );
    const users = await showAudience(audience, id, parameters, signal);
    await whatIf(changes, { context, id, model: model(), modalities, parameters, signal, users, hasFeatures: found.has_features });
  }

  function shareRows(shares, modalities) {
    const known = modalities.some((name) => shares?.[name] > 0);
    if (!known) return el("p", { class: "quiet-text" }, "Nothing is known of its modalities.");
    return el(
      "table",
      { class: "bars" },
      el("caption", {}, "How much each modality counts"),
      modalities.map((name) => {
        const bar = el("span", { class: `bar-fill modality-${modalities.indexOf(name) % 8}` });
        bar.style.width = `${100 * (shares[name] ?? 0)}%`;
        return el("tr", {}, el("th", { scope: "row" }, name), el("td", { class: "bar-cell" }, el("span", { class: "bar-track" }, bar)), el("td", { class: "number" }, percent(shares[name])));
      }),
    );
  }

  async function showAudience(place, id, parameters, signal) {
    const found = await askUntilThere("/api/for-whom", { id, model: parameters.get("model") }, { signal, waiting: (share) => replace(place, progress("Looking at what users are shown …", share)) });
    if (!found.surveyed) {
      replace(place, el("p", { class: "quiet-text" }, "Unknown for this video."));
      return [];
    }
    const all = found.surveyed === found.population;
    const of = all ? `all ${found.population.toLocaleString("en")} users` : `a sample of ${found.surveyed.toLocaleString("en")} of ${found.population.toLocaleString("en")} users`;
    replace(
      place,
      el("p", { class: "lead" }, found.count ? `In the first 20 of ${found.count.toLocaleString("en")} of ${of} (${percent(found.count / found.surveyed, 1)}).` : `In no user's first 20, among ${of}.`),
      found.users.length
        ? el("ul", { class: "people" }, found.users.map((user) => el("li", {}, el("a", { href: addressOf("/people", { user: user.id }) }, el("b", {}, user.id), el("small", {}, `place ${user.place} · ${decimal(user.score)}`)))))
        : null,
    );
    return found.users.slice(0, 6).map((user) => user.id);
  }

  async function suggest(signal) {
    delete result.dataset.id;
    const found = await ask("/api/search", { kind: "item", q: "", model: model() || null }, { signal });
    const modalities = context.about.models[model()].modalities;
    replace(
      result,
      found.found.length ? el("section", {}, el("div", { class: "bar" }, el("h2", {}, "Begin with one of these"), shareLegend(modalities)), grid(found.found.map((video) => card(video, { modalities })), "Videos")) : empty("Type the id of a video", "Start with --records to choose from them."),
    );
  }

  return { update };
}
