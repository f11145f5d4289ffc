// How models spread what they show.

import { askUntilThere } from "../api.js";
import { curveLegend, linePlot, plotFiles } from "../chart.js";
import { empty, progress } from "../controls.js";
import { decimal, el, percent, replace } from "../dom.js";
import { tile } from "./compare.js";

const NOTES = {
  lorenz: "Under the dashed line, few videos get most places.",
  coverage: "Videos that at least one of the asked users has in the first k places.",
  cold: "Videos without any interaction in training.",
  tail: "Videos outside the fifth with the most interactions.",
};

export function show(place, context) {
  const result = el("div", { class: "result" });
  replace(place, el("div", { class: "head" }, el("h1", {}, "Health"), el("p", { class: "lead" }, "Who is shown and who is not, over the catalogue as a whole.")), result);

  async function update(_, signal) {
    const waiting = (share) => replace(result, progress("Asking for what users are shown …", share));
    waiting(0);
    const found = await askUntilThere("/api/health", {}, { signal, waiting });
    if (!found.models.some((model) => model.population)) return replace(result, empty("No users are known", "A model on a server does not tell which users it knows. Start with --records."));
    const several = found.models.length > 1;
    replace(
      result,
      found.models.map((model, at) =>
        el(
          "section",
          {},
          el("h2", {}, several && el("i", { class: `line line-${at}` }), model.name, el("span", { class: "amount" }, `version ${model.version}`)),
          el(
            "ul",
            { class: "tiles" },
            tile("of the videos are in some user's first 20", percent(model.coverage, 1)),
            tile(`Gini of exposure; ${decimal(model.gini_of_training, 2)} in training`, decimal(model.gini, 2), "0: all videos have the same number of places; 1: one has all"),
            tile(`of the places are cold videos; ${percent(model.cold_of_catalogue, 1)} of the catalogue`, percent(model.cold, 1)),
            tile("of the places are long tail; 80 % of the catalogue", percent(model.tail, 1)),
          ),
          el("p", { class: "quiet-text" }, model.surveyed === model.population ? `Of all ${model.population.toLocaleString("en")} users.` : `Of a sample of ${model.surveyed.toLocaleString("en")} of ${model.population.toLocaleString("en")} users.`),
        ),
      ),
      several && curveLegend(found.models.map((model) => model.name)),
      el(
        "div",
        { class: "plots" },
        Object.entries(found.plots).map(([name, plot]) =>
          el(
            "figure",
            {},
            el("figcaption", {}, el("b", {}, plot.title), plotFiles(name, plot.title)),
            linePlot(plot),
            el("p", { class: "quiet-text" }, NOTES[name]),
          ),
        ),
      ),
      groups(found.models),
    );
    context.announce("Health is shown");
  }

  function groups(models) {
    const measured = models.filter((model) => model.metrics.length);
    if (!measured.length) return el("p", { class: "quiet-text" }, "The exports carry no metrics of their own.");
    return el(
      "section",
      { "aria-labelledby": "groups" },
      el("h2", { id: "groups" }, "By group, on the test split"),
      el("p", { class: "lead" }, "As the model cards have it; popularity is what ranking by views reaches."),
      el("div", { class: "columns" }, measured.map((model) =>
        el(
          "div",
          { class: "scroll", tabindex: 0, role: "region", "aria-label": `Metrics of ${model.name}` },
          el(
            "table",
            { class: "numbers" },
            el("caption", {}, model.name),
            el("thead", {}, el("tr", {}, ["group of videos", "metric", "model", "popularity"].map((name) => el("th", { scope: "col", class: name === "metric" ? "text" : null }, name)))),
            el("tbody", {}, model.metrics.map((row) => el("tr", {}, el("th", { scope: "row" }, row.group.replaceAll("_", " ")), el("td", { class: "text" }, row.metric), el("td", {}, el("b", {}, decimal(row.value, 4))), el("td", {}, decimal(row.popularity, 4))))),
          ),
        ),
      )),
    );
  }

  return { update };
}
