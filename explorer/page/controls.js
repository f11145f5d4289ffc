// Small controls that several views have.

import { el, newId } from "./dom.js";

// Which of the models is asked; nothing where there is one.
export function modelChoice(context, current) {
  const models = context.about.models;
  if (models.length < 2) return null;
  return el(
    "div",
    { class: "segments", role: "group", "aria-label": "Model" },
    models.map((model, number) =>
      el("button", { type: "button", "aria-pressed": String(number === current), onclick: () => context.change({ model: number || null }) }, model.name),
    ),
  );
}

export function numberField(label, value, { least = 1, most = 200, change }) {
  const id = newId("number");
  const field = el("input", { type: "number", id, min: least, max: most, value, onchange: () => {
    const given = Math.round(Number(field.value));
    change(Number.isFinite(given) ? Math.min(most, Math.max(least, given)) : least);
  } });
  return el("span", { class: "control" }, el("label", { for: id }, label), field);
}

export function checkBox(label, checked, change) {
  const field = el("input", { type: "checkbox", checked, onchange: () => change(field.checked) });
  return el("label", { class: "control check" }, field, label);
}

export function selectField(label, value, options, change) {
  const id = newId("select");
  const field = el("select", { id, onchange: () => change(field.value) }, options.map(([name, text]) => el("option", { value: name, selected: name === value }, text)));
  return el("span", { class: "control" }, el("label", { for: id }, label), field);
}

export const empty = (title, ...text) => el("div", { class: "empty" }, el("h2", {}, title), el("p", {}, text));

export function progress(text, share) {
  const bar = el("progress", { max: 1, "aria-label": text });
  if (share > 0) bar.value = share;
  return el("div", { class: "empty progress" }, el("p", {}, text), bar);
}
