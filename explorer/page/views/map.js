// All videos as points of a plane.

import { addressOf, ask, askBytes, askUntilThere } from "../api.js";
import { card, grid, nameOf } from "../cards.js";
import { coloursOf, distinct, rampStops } from "../colours.js";
import { empty, modelChoice, progress, selectField } from "../controls.js";
import { count, el, percent, replace, svg } from "../dom.js";
import { Scatter } from "../scatter.js";

const SPACES = { embeddings: "Embeddings", kernels: "Generated kernels" };
const MOST_SELECTED = 60;

export function show(place, context) {
  const model = () => Number(context.parameters().get("model") ?? 0);
  const bar = el("div", { class: "bar" });
  const canvas = el("canvas", { tabindex: 0, role: "img", "aria-label": "Map of the videos. Arrows move it, plus and minus zoom, 0 shows all, S selects what is in view." });
  const outline = svg("svg", { class: "lasso", "aria-hidden": "true" }, svg("path", { d: "" }));
  const hint = el("div", { class: "hint", hidden: true });
  const legend = el("div", { class: "map-legend" });
  const csv = el("a", { class: "button", download: true, "aria-label": "All points as CSV" }, "CSV");
  const tools = el(
    "div",
    { class: "map-tools" },
    el("button", { id: "lasso", type: "button", "aria-pressed": "false", title: "Draw around videos to select them (or hold Shift)", onclick: () => setLasso(!lassoing) }, "Lasso"),
    el("button", { type: "button", title: "Select the videos in view (S)", onclick: () => selectInView() }, "Select view"),
    el("button", { type: "button", "aria-label": "Zoom in", onclick: () => scatter?.zoomAt(1.5) }, "+"),
    el("button", { type: "button", "aria-label": "Zoom out", onclick: () => scatter?.zoomAt(1 / 1.5) }, "−"),
    el("button", { type: "button", title: "Show all (0)", onclick: () => scatter?.home() }, "All"),
    el("button", { type: "button", "aria-label": "What is in view as PNG", onclick: () => scatter?.save("tf-metammf-map.png") }, "PNG"),
    csv,
  );
  const stage = el("div", { class: "stage" }, canvas, outline, hint, tools, legend);
  const waiting = el("div", { class: "result" });
  const selection = el("section", { class: "selection", "aria-live": "polite" });
  replace(place, el("div", { class: "head" }, el("h1", {}, "Map"), el("p", { class: "lead", id: "map-lead" })), bar, waiting, stage, selection);
  stage.hidden = true;

  let scatter = null;
  let numbers = null; // Item number of each point.
  let places = new Map(); // Point of each item number.
  let loaded = "";
  let coloured = "";
  let values = null, meaning = null;
  let lassoing = false;

  async function update(parameters, signal) {
    const about = context.about.models[model()];
    if (!about.spaces.length) {
      stage.hidden = true;
      replace(bar, modelChoice(context, model()));
      return replace(waiting, empty("There is no map of this model", "A model on a server does not tell its embeddings, and baselines have none. Give the folder of an export."));
    }
    const space = about.spaces.includes(parameters.get("space")) ? parameters.get("space") : about.spaces[0];
    const key = `${model()} ${about.version} ${space}`;
    const found = await askUntilThere("/api/map", { space, model: model() }, { signal, waiting: (share) => {
      stage.hidden = true;
      replace(waiting, progress("Placing the videos, once; the map is kept …", share));
    } });
    if (loaded !== key) {
      const bytes = await askBytes("/api/map/points", { space, model: model() }, { signal });
      const shown = found.shown;
      numbers = new Uint32Array(bytes.slice(4 * shown));
      places = new Map(Array.from(numbers, (number, point) => [number, point]));
      stage.hidden = false;
      replace(waiting);
      scatter = new Scatter(canvas, new Uint16Array(bytes.slice(0, 4 * shown)));
      scatter.resize();
      loaded = key;
      coloured = "";
      replace(selection);
    }
    csv.href = addressOf("/api/map/points.csv", { space, model: model() || null });
    const by = found.colours.some((each) => each.by === parameters.get("by")) ? parameters.get("by") : found.colours[0].by;
    document.getElementById("map-lead").textContent = `${found.about} ${count(found.shown, "video")}${found.shown < found.items ? ` of ${found.items.toLocaleString("en")}` : ""}, ${found.method}.`;
    const search = el("input", { type: "search", placeholder: "Light up", "aria-label": "Light up videos by title or id", value: parameters.get("q") ?? "", onchange: (event) => context.change({ q: event.target.value }) });
    if (!bar.contains(document.activeElement) || document.activeElement.type !== "search") {
      replace(
        bar,
        modelChoice(context, model()),
        about.spaces.length > 1 ? el("div", { class: "segments", role: "group", "aria-label": "Space" }, about.spaces.map((name) => el("button", { type: "button", "aria-pressed": String(name === space), onclick: () => context.change({ space: name }) }, SPACES[name]))) : null,
        selectField("Colour", by, found.colours.map((each) => [each.by, each.name]), (value) => context.change({ by: value })),
        search,
      );
    }
    if (coloured !== by) {
      const bytes = await askBytes("/api/map/colours", { by, model: model() }, { signal });
      const length = new DataView(bytes).getUint32(0, true);
      meaning = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
      values = new Uint8Array(bytes, 4 + length);
      coloured = by;
      colour();
    }
    const query = parameters.get("q");
    const item = parameters.getAll("pick").map(Number).filter((number) => places.has(number));
    if (item.length) await showSelection(item, item.length, signal);
    else if (query) {
      const lit = (await ask("/api/map/find", { q: query, model: model() }, { signal })).numbers;
      const here = lit.filter((number) => places.has(number));
      scatter.setLit(here.map((number) => places.get(number)));
      await showSelection(here, here.length, signal, query);
    } else {
      scatter.setLit(null);
      replace(selection);
    }
  }

  function colour() {
    if (!scatter || !values) return;
    scatter.setColours(coloursOf(values, meaning));
    replace(legend, meaning.kind === "range" ? rangeLegend() : el("ul", { class: "legend" }, meaning.names.map((name, number) => {
      const swatch = el("i", { class: "swatch" });
      swatch.style.background = distinct(number);
      return el("li", {}, swatch, name);
    })));
  }

  function rangeLegend() {
    const strip = el("i", { class: "strip" });
    strip.style.background = `linear-gradient(90deg, ${rampStops().join(", ")})`;
    const shown = (value) => (meaning.unit === "share" ? percent(value) : value.toLocaleString("en"));
    return [el("span", {}, shown(meaning.least)), strip, el("span", {}, shown(meaning.most)), meaning.unit === "share" ? null : el("span", {}, meaning.unit)];
  }

  async function showSelection(chosen, total, signal, query) {
    scatter.setLit(chosen.map((number) => places.get(number)));
    if (!chosen.length) return replace(selection, el("p", { class: "quiet-text" }, query ? `Nothing has “${query}” in its title or id.` : "Nothing is selected."));
    const found = await ask("/api/map/items", { model: model() }, { body: { numbers: chosen.slice(0, MOST_SELECTED) }, signal });
    const modalities = context.about.models[model()].modalities;
    replace(
      selection,
      el(
        "div",
        { class: "bar" },
        el("h2", {}, query ? `With “${query}” ` : "Selected ", el("span", { class: "amount" }, total.toLocaleString("en"))),
        el("button", { onclick: () => context.change({ pick: null, q: null }) }, "Clear"),
        total > found.items.length ? el("span", { class: "quiet-text" }, `The first ${found.items.length} are shown.`) : null,
      ),
      grid(found.items.map((video) => card(video, { modalities })), "Selected videos"),
    );
  }

  function select(points) {
    const chosen = points.map((point) => numbers[point]);
    if (!chosen.length) return context.change({ pick: null, q: null });
    // An address holds so many; a larger selection is shown, but not sent to colleagues.
    if (chosen.length <= MOST_SELECTED) return context.change({ pick: chosen.map(String), q: null });
    context.change({ pick: null, q: null }, { quietly: true });
    return showSelection(chosen, chosen.length).catch(() => {});
  }

  function selectInView() {
    if (!scatter) return;
    const { clientWidth: width, clientHeight: height } = canvas;
    select(scatter.inside([[0, 0], [width, 0], [width, height], [0, height]]));
  }

  function setLasso(on) {
    lassoing = on;
    document.getElementById("lasso").setAttribute("aria-pressed", String(on));
    canvas.classList.toggle("lassoing", on);
  }

  // Pointers: one pans or draws, two zoom.
  const pointers = new Map();
  let drawn = null;
  let dragged = 0;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
    dragged = 0;
    hint.hidden = true;
    drawn = pointers.size === 1 && (lassoing || event.shiftKey) ? [at(event)] : null;
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = at(event);
    const before = pointers.get(event.pointerId);
    if (!before) return point(event, now);
    dragged += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (drawn) {
      drawn.push(now);
      outline.firstChild.setAttribute("d", `M${drawn.map((corner) => corner.join(" ")).join("L")}Z`);
    } else if (pointers.size === 1) scatter?.pan(now[0] - before[0], now[1] - before[1]);
    else {
      const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
      const far = (place) => Math.hypot(place[0] - other[0], place[1] - other[1]) || 1;
      scatter?.zoomAt(far(now) / far(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    }
    pointers.set(event.pointerId, now);
  });
  const release = (event) => {
    pointers.delete(event.pointerId);
    if (drawn && event.type === "pointerup") {
      const corners = drawn;
      drawn = null;
      outline.firstChild.setAttribute("d", "");
      setLasso(false);
      if (corners.length > 2) select(scatter.inside(corners));
    } else if (dragged < 4 && event.type === "pointerup") {
      const nearest = scatter?.nearest(...at(event)) ?? -1;
      if (nearest >= 0) select([nearest]);
    }
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => (hint.hidden = true));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    scatter?.zoomAt(Math.exp(-event.deltaY / 400), ...at(event));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const step = 40;
    const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    if (moves[event.key]) scatter?.pan(...moves[event.key]);
    else if (event.key === "+" || event.key === "=") scatter?.zoomAt(1.25);
    else if (event.key === "-") scatter?.zoomAt(0.8);
    else if (event.key === "0") scatter?.home();
    else if (event.key.toLowerCase() === "s") selectInView();
    else return;
    event.preventDefault();
  });

  let hovered = -1;
  async function point(_, now) {
    const nearest = scatter?.nearest(...now) ?? -1;
    canvas.classList.toggle("over-point", nearest >= 0);
    if (nearest === hovered) return;
    hovered = nearest;
    if (nearest < 0) return void (hint.hidden = true);
    try {
      const found = await ask("/api/map/items", { model: model() }, { body: { numbers: [numbers[nearest]] } });
      if (hovered !== nearest || !found.items.length) return;
      const [video] = found.items;
      const [left, top] = scatter.pixels(nearest);
      replace(hint, el("b", {}, nameOf(video)), el("small", {}, video.cold ? "cold" : count(video.interactions, "view")));
      hint.style.left = `${left}px`;
      hint.style.top = `${top}px`;
      hint.hidden = false;
    } catch {
      hint.hidden = true;
    }
  }

  new ResizeObserver(() => scatter?.resize()).observe(canvas);
  addEventListener("themechange", colour);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", colour);

  return { update };
}

