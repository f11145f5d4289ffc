// Line plots and slopes, drawn as SVG in the colours of the page.

import { el, newId, percent, svg } from "./dom.js";

const WIDTH = 460, HEIGHT = 280, LEFT = 52, RIGHT = 22, TOP = 10, BOTTOM = 40;

export function linePlot(plot) {
  const curves = plot.curves.map((curve) => ({ ...curve, points: curve.across.map((x, at) => [x, curve.up[at]]).filter(([, y]) => y !== null) }));
  const all = curves.flatMap((curve) => curve.points);
  const mostX = plot.percent ? 1 : Math.max(1, ...all.map(([x]) => x));
  const leastX = plot.percent ? 0 : Math.min(mostX, ...all.map(([x]) => x));
  const mostY = plot.percent ? 1 : niceTop(Math.max(0.001, ...all.map(([, y]) => y)));
  const x = (value) => LEFT + ((value - leastX) / (mostX - leastX || 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - (value / mostY) * (HEIGHT - TOP - BOTTOM);
  const titleId = newId("plot");
  const ticksY = [0, 0.25, 0.5, 0.75, 1].map((share) => share * mostY);
  const ticksX = plot.percent ? [0, 0.25, 0.5, 0.75, 1] : [leastX, 10, 20, 30, 40, 50].filter((tick, at, ticks) => tick <= mostX && tick >= leastX && ticks.indexOf(tick) === at);
  const digits = mostY < 0.04 ? 1 : 0;
  let drawn = 0;
  const lines = curves.map((curve) => {
    const even = curve.name === "even";
    const path = curve.points.map(([across, up], at) => `${at ? "L" : "M"}${x(across).toFixed(1)} ${y(up).toFixed(1)}`).join("");
    return svg("path", { d: path || "M0 0", class: even ? "curve even" : `curve curve-${drawn++}` });
  });
  return el(
    "div",
    { class: "plot" },
    svg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-labelledby": titleId },
      svg("title", { id: titleId }, `${plot.title}: ${plot.up} over ${plot.across}. ${curves.filter((curve) => curve.points.length && curve.name !== "even").map((curve) => `${curve.name} ends at ${percent(curve.points.at(-1)[1], 1)}`).join(", ")}`),
      ticksY.map((tick) => [svg("line", { class: "rule", x1: LEFT, x2: WIDTH - RIGHT, y1: y(tick), y2: y(tick) }), svg("text", { class: "tick end", x: LEFT - 8, y: y(tick) + 4 }, percent(tick, digits))]),
      ticksX.map((tick) => svg("text", { class: "tick middle", x: x(tick), y: HEIGHT - BOTTOM + 18 }, plot.percent ? percent(tick) : tick)),
      svg("text", { class: "axis middle", x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 4 }, plot.across),
      lines,
    ),
  );
}

function niceTop(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return Math.min(1, [1, 2, 4, 5, 8, 10].map((step) => step * power).find((top) => top >= most) ?? 1);
}

export function curveLegend(names) {
  return el("ul", { class: "legend" }, names.map((name, number) => el("li", {}, el("i", { class: `line line-${number}` }), name)));
}

export function histogram(counts, label) {
  const most = Math.max(1, ...counts);
  const total = counts.reduce((sum, number) => sum + number, 0);
  return el(
    "div",
    { class: "histogram", role: "img", "aria-label": label },
    counts.map((number, bin) => {
      const bar = el("i", {});
      bar.style.height = `${(100 * number) / most}%`;
      return el("span", { title: `${bin * 10} to ${bin * 10 + 10} % shared: ${number.toLocaleString("en")} of ${total.toLocaleString("en")} users` }, bar, el("small", {}, bin % 5 === 0 ? `${bin * 10} %` : bin === 9 ? "100 %" : ""));
    }),
  );
}

// Links to a plot as PNG and its numbers as CSV.
export const plotFiles = (name, title) =>
  el("span", { class: "files" }, ["png", "csv"].map((kind) => el("a", { href: `/api/health/${name}.${kind}`, download: true, "aria-label": `${title} as ${kind.toUpperCase()}` }, kind.toUpperCase())));
