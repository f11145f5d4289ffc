// A field that finds users or videos while one types.

import { ask } from "./api.js";
import { picture, nameOf } from "./cards.js";
import { el, newId, replace } from "./dom.js";

// kind: "user" or "item". choose(id) is called with what is chosen, or with the text itself on Enter.
export function finder({ kind, label, placeholder, model = () => 0, choose, clears = false }) {
  const list = el("ul", { class: "found", role: "listbox", id: newId("found"), "aria-label": label, hidden: true });
  const field = el("input", {
    type: "text",
    role: "combobox",
    id: newId("finder"),
    placeholder,
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": list.id,
    maxlength: 8000,
  });
  let options = [];
  let active = -1;
  let request = null;
  let timer = null;

  const close = () => {
    list.hidden = true;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
    active = -1;
  };
  const take = (id) => {
    request?.abort();
    clearTimeout(timer);
    field.value = clears ? "" : id;
    close();
    choose(id);
  };
  const mark = (number) => {
    active = options.length ? (number + options.length) % options.length : -1;
    [...list.children].forEach((option, position) => option.setAttribute("aria-selected", String(position === active)));
    if (active < 0) return;
    field.setAttribute("aria-activedescendant", list.children[active].id);
    list.children[active].scrollIntoView({ block: "nearest" });
  };
  const look = async () => {
    request?.abort();
    request = new AbortController();
    try {
      const answer = await ask("/api/search", { kind, q: field.value.trim(), model: model() || null }, { signal: request.signal });
      options = answer.found;
      replace(
        list,
        options.map((option, position) =>
          el(
            "li",
            { role: "option", id: `${list.id}-${position}`, "aria-selected": "false", onpointerdown: (event) => event.preventDefault(), onclick: () => take(option.id) },
            kind === "item" ? picture(option) : null,
            el("span", { class: "found-name" }, kind === "item" ? nameOf(option) : option.id),
            el("small", {}, kind === "item" ? (option.title ? option.id : "") : `${option.watched.toLocaleString("en")} watched`),
          ),
        ),
        options.length || !field.value.trim() ? null : el("li", { class: "none", role: "option", "aria-disabled": "true" }, "Nothing found. Enter takes the text as it is."),
      );
      list.hidden = !list.children.length;
      field.setAttribute("aria-expanded", String(!list.hidden));
      active = -1;
    } catch (error) {
      if (error.name !== "AbortError") close();
    }
  };

  field.addEventListener("input", () => {
    clearTimeout(timer);
    request?.abort();
    // What was found for less of the text must not be chosen now.
    options = [];
    replace(list);
    close();
    timer = setTimeout(look, 90);
  });
  field.addEventListener("focus", () => {
    field.select();
    look();
  });
  field.addEventListener("blur", () => {
    request?.abort();
    clearTimeout(timer);
    close();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) look();
      else mark(active + (event.key === "ArrowDown" ? 1 : active < 0 ? 0 : -1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      const id = active >= 0 ? options[active].id : field.value;
      if (id) take(id);
    } else if (event.key === "Escape") close();
  });

  const element = el("div", { class: "finder" }, el("label", { for: field.id }, label), field, list);
  return {
    element,
    set value(text) {
      if (document.activeElement !== field) field.value = text;
    },
  };
}
