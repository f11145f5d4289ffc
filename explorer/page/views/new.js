// A video that is not in the catalogue: where it would stand, before anything is retrained.

import { ask } from "../api.js";
import { card, grid, shareLegend } from "../cards.js";
import { empty, modelChoice } from "../controls.js";
import { el, percent, replace } from "../dom.js";
import { isClip, readClip, readFeatures } from "../features.js";
import { finder } from "../finder.js";
import { placeTable } from "../whatif.js";

export function show(place, context) {
  const model = () => Number(context.parameters().get("model") ?? 0);
  const takesClips = () => context.about.models[model()].takes_clips;
  const dropped = {}; // Modality to numbers; files are not part of the address.
  let clip = null; // The last clip, whose features are made again when its title changes.
  const note = el("p", { class: "note", role: "status", hidden: true });
  const problem = el("p", { class: "note", role: "alert", hidden: true });
  const sources = el("div", { class: "sources" });
  const result = el("div", { class: "result" });
  const chooser = el("input", { type: "file", multiple: true, class: "unseen", id: "feature-files", onchange: () => take([...chooser.files]) });
  const title = el("input", { type: "text", id: "clip-title", autocomplete: "off", maxlength: 500, onchange: () => clip && take([clip]) });
  const titled = el("label", { for: "clip-title", class: "bar", hidden: true }, "Its title", title);
  const clipWords = el("span", { hidden: true }, "a video, sound or picture; or ");
  const zone = el(
    "div",
    { class: "zone" },
    el("p", {}, el("label", { for: "feature-files", class: "button" }, "Choose files"), " or drop them here: ", clipWords, "one ", el("code", {}, "MODALITY.npy"), " or ", el("code", {}, ".csv"), " for each modality, or one ", el("code", {}, ".json"), " with all."),
    titled,
    chooser,
  );
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    take([...event.dataTransfer.files]);
  });
  replace(place, el("div", { class: "head" }, el("h1", {}, "New video"), el("p", { class: "lead" }, "Give a video that is not in the catalogue, and see how it would rank.")), zone, problem, note, sources, result);

  async function take(files) {
    problem.hidden = true;
    note.hidden = true;
    try {
      for (const file of files) {
        if (isClip(file)) await takeClip(file);
        else Object.assign(dropped, await readFeatures(file));
      }
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
      return;
    } finally {
      chooser.value = "";
    }
    await again();
  }

  async function takeClip(file) {
    if (!takesClips()) throw new Error("This model takes no clips here: its features were not made by records extract, or the explorer runs without PyAV. Give features.");
    note.textContent = `Extracting the features of ${file.name}`;
    note.hidden = false;
    zone.setAttribute("aria-busy", "true");
    try {
      const found = await readClip(file, { model: model(), title: title.value });
      for (const name of context.about.models[model()].modalities) delete dropped[name];
      Object.assign(dropped, found.features);
      clip = file;
      const without = Object.entries(found.problems).map(([name, reason]) => `without ${name}: it ${reason}`);
      note.textContent = [`Features of ${file.name}`, ...without].join("; ");
    } catch (error) {
      note.hidden = true;
      throw error;
    } finally {
      zone.removeAttribute("aria-busy");
    }
  }

  let again = async () => {};

  async function update(parameters, signal) {
    again = () => update(context.parameters(), signal).catch(fail);
    problem.hidden = true;
    const modalities = context.about.models[model()].modalities;
    if (!modalities.length) {
      zone.hidden = true;
      return replace(result, modelChoice(context, model()), empty("This model looks at no features", "It knows the videos of its training by their ids alone, so it cannot place a new one."));
    }
    zone.hidden = false;
    clipWords.hidden = titled.hidden = !takesClips();
    chooser.accept = takesClips() ? "" : ".npy,.json,.csv,.txt";
    const borrowed = Object.fromEntries(parameters.getAll("from").map((text) => [text.slice(0, text.indexOf(":")), text.slice(text.indexOf(":") + 1)]));
    const used = {};
    for (const name of modalities) {
      if (dropped[name]) used[name] = { values: dropped[name] };
      else if (borrowed[name]) used[name] = { item: borrowed[name] };
    }
    const unknown = Object.keys(dropped).filter((name) => !modalities.includes(name));
    replace(
      sources,
      el(
        "div",
        { class: "bar" },
        modelChoice(context, model()),
        el("ul", { class: "chips", "aria-label": "Features of the video" }, modalities.map((name) => chip(name, borrowed))),
        unknown.map((name) => el("button", { class: "chip wrong", onclick: () => forget(name) }, `${name}: no such modality`, el("span", { "aria-hidden": "true" }, "×"))),
        shareLegend(modalities),
      ),
      Object.keys(context.about.features).length
        ? finder({ kind: "item", label: "Or begin with the features of a video", placeholder: "Type a title or an id", model, clears: true, choose: (id) => context.change({ from: modalities.filter((name) => !dropped[name]).map((name) => `${name}:${id}`) }) }).element
        : null,
    );
    if (!Object.keys(used).length) return replace(result, empty("No features yet", "A modality that is left out counts as absent; the model has learned what to do then."));
    const id = Object.values(borrowed)[0];
    const of = await ask("/api/features", { id: id ?? "", model: model() }, { signal });
    const users = [...new Set([...parameters.getAll("for"), ...of.users])].slice(0, 8);
    const found = await ask("/api/place", { model: model() }, { body: { variants: [{ name: "place", modalities: used }], users }, signal });
    const person = finder({ kind: "user", label: "Look at another user", placeholder: "Type a user id", model, choose: (user) => context.change({ for: [...parameters.getAll("for"), user] }), clears: true });
    const [video] = found.variants;
    replace(
      result,
      el("section", { "aria-labelledby": "places" }, el("h2", { id: "places" }, "Its place"), el("p", { class: "lead" }, Object.entries(video.shares).filter(([, share]) => share > 0).map(([name, share]) => `${name} ${percent(share)}`).join(", ") || "No modality makes a difference."), placeTable(found, modalities), el("div", { class: "bar" }, person.element)),
      el("section", { "aria-labelledby": "near" }, el("h2", { id: "near" }, "Nearest videos"), video.neighbours.length ? grid(video.neighbours.map((each) => card(each, { modalities, scoreName: "cosine" })), "Nearest videos") : el("p", { class: "quiet-text" }, "A model on a server does not tell.")),
    );
    context.announce("The place of the new video is shown");
  }

  function chip(name, borrowed) {
    const width = context.about.features[name];
    const given = dropped[name] ? `${dropped[name].length} values` : borrowed[name] ? `of ${borrowed[name]}` : `absent${width ? `, ${width} values` : ""}`;
    if (!dropped[name] && !borrowed[name]) return el("li", { class: "chip absent" }, name, el("small", {}, given));
    return el("li", {}, el("button", { class: "chip", "aria-label": `Take ${name} away`, onclick: () => forget(name) }, name, el("small", {}, given), el("span", { "aria-hidden": "true" }, "×")));
  }

  function forget(name) {
    if (dropped[name]) {
      delete dropped[name];
      again();
    } else context.change({ from: context.parameters().getAll("from").filter((text) => !text.startsWith(`${name}:`)) });
  }

  function fail(error) {
    if (error.name === "AbortError") return;
    problem.textContent = error.message;
    problem.hidden = false;
    replace(result);
  }

  return {
    update: async (parameters, signal) => {
      try {
        await update(parameters, signal);
      } catch (error) {
        if (error.status !== 400) throw error;
        fail(error);
      }
    },
  };
}
