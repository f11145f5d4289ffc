// Which seconds of a video a fusion over time looked at: a row for each modality, the stronger the more a token counts.

import { decimal, el, percent } from "./dom.js";

// When tokens begin, and when the last one ends: it is as long as the others are in the mean.
function borders(times) {
  const last = times.at(-1);
  const length = times.length > 1 ? (last - times[0]) / (times.length - 1) || 1 : 1;
  return [...times, last + length];
}

export function attentionRows(attention, modalities) {
  const rows = modalities.filter((name) => attention[name]);
  const several = rows.filter((name) => attention[name].times.length > 1);
  const end = Math.max(...several.map((name) => borders(attention[name].times).at(-1)), several.length ? 0 : 1);
  const most = Math.max(...rows.flatMap((name) => attention[name].weights), 1e-12);
  return el(
    "table",
    { class: "attention" },
    el("caption", {}, "When it counts: attention of the fusion over the seconds of the video"),
    rows.map((name) => {
      const { times, weights } = attention[name];
      const edges = times.length > 1 ? borders(times) : [0, end]; // A single token belongs to all of the video.
      const track = el("div", { class: "moments" });
      weights.forEach((weight, token) => {
        const moment = el("span", { class: `modality-${modalities.indexOf(name) % 8}`, title: `${decimal(times[token], 1)} s: ${percent(weight, 1)}` });
        moment.style.left = `${(100 * edges[token]) / end}%`;
        moment.style.width = `${(100 * (edges[token + 1] - edges[token])) / end}%`;
        moment.style.opacity = 0.08 + (0.92 * weight) / most;
        track.append(moment);
      });
      const strongest = weights.indexOf(Math.max(...weights));
      return el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, track, el("span", { class: "unseen" }, `most at ${decimal(times[strongest], 1)} seconds`)), el("td", { class: "number" }, percent(weights.reduce((sum, weight) => sum + weight, 0))));
    }),
    el("tfoot", {}, el("tr", {}, el("td", {}), el("td", { class: "seconds" }, el("span", {}, "0"), el("span", {}, `${decimal(end, 1)} s`)), el("td", {}))),
  );
}
