// Cards of videos.

import { addressOf } from "./api.js";
import { count, decimal, el, percent } from "./dom.js";
import { standIn } from "./standin.js";

export const nameOf = (video) => video.title || video.id;

export const videoAddress = (id) => addressOf("/video", { id });

// The picture of a video: its own, its clip on hover, its frames one after another on hover, or a drawn one.
export function picture(video) {
  const media = video.media ?? {};
  const source = (kind, frame) => addressOf(`/media/${kind}`, { id: video.id, frame });
  const still = media.picture ? source("picture") : media.frames ? source("frame") : null;
  const box = el("span", { class: "picture" });
  if (still) box.append(el("img", { src: still, alt: "", loading: "lazy", decoding: "async", onerror: (event) => event.target.replaceWith(standIn(video.id)) }));
  else if (media.clip) box.append(el("video", { src: `${source("clip")}#t=0.1`, muted: true, playsinline: true, preload: "metadata", tabindex: -1 }));
  else box.append(standIn(video.id));
  if (media.clip) playOnHover(box, source("clip"), still);
  else if (media.frames > 1) framesOnHover(box, media.frames, (frame) => source("frame", frame), still);
  return box;
}

function playOnHover(box, clip, still) {
  let player = box.querySelector("video");
  box.addEventListener("pointerenter", () => {
    if (!player) {
      player = el("video", { src: clip, muted: true, playsinline: true, loop: true, tabindex: -1 });
      box.append(player);
    }
    player.muted = true;
    player.play().catch(() => {});
  });
  box.addEventListener("pointerleave", () => {
    player?.pause();
    if (still) {
      player?.remove();
      player = null;
    }
  });
}

function framesOnHover(box, frames, source, still) {
  let timer = null;
  let frame = 0;
  const image = box.querySelector("img");
  box.addEventListener("pointerenter", () => {
    timer ??= setInterval(() => (image.src = source((frame = (frame + 1) % frames))), 450);
  });
  box.addEventListener("pointerleave", () => {
    clearInterval(timer);
    timer = null;
    image.src = still;
  });
}

// Shares of the modalities as one bar.
export function shareBar(shares, modalities) {
  const present = modalities.filter((name) => shares?.[name] > 0);
  if (!present.length) return null;
  const label = present.map((name) => `${name} ${percent(shares[name])}`).join(", ");
  const bar = el("span", { class: "shares", role: "img", "aria-label": `Modalities: ${label}`, title: label });
  for (const name of present) {
    const part = el("span", { class: `modality-${modalities.indexOf(name) % 8}` });
    part.style.flexGrow = shares[name];
    bar.append(part);
  }
  return bar;
}

export function shareLegend(modalities) {
  if (!modalities.length) return null;
  return el(
    "ul",
    { class: "legend", "aria-label": "Colours of the modalities" },
    modalities.map((name, number) => el("li", {}, el("i", { class: `swatch modality-${number % 8}` }), name)),
  );
}

export function facts(video) {
  const found = [];
  if (video.cold) found.push(el("span", { class: "tag cold", title: "No interaction in training" }, "cold"));
  if (video.seen) found.push(el("span", { class: "tag" }, "seen"));
  if (video.interactions !== undefined && !video.cold) {
    found.push(el("span", { title: `Place ${video.popularity_rank.toLocaleString("en")} by interactions in training` }, count(video.interactions, "view")));
  }
  if (video.known === false) found.push(el("span", { class: "tag" }, "not in the catalogue"));
  return found;
}

export function card(video, { place, modalities = [], actions = [], scoreName = "score" } = {}) {
  const name = nameOf(video);
  const reason = video.because;
  return el(
    "li",
    { class: "card" },
    el(
      "a",
      { class: "card-picture", href: videoAddress(video.id), "aria-label": place ? `${place}. ${name}` : name },
      picture(video),
      place && el("span", { class: "place", "aria-hidden": "true" }, place),
    ),
    actions.length ? el("div", { class: "card-actions" }, actions) : null,
    el(
      "div",
      { class: "card-text" },
      el("a", { class: "card-name", href: videoAddress(video.id), title: name, tabindex: -1 }, name),
      video.title ? el("span", { class: "card-id", title: video.id }, video.id) : null,
      el(
        "span",
        { class: "card-facts" },
        video.score !== undefined && el("span", { class: "score", title: scoreName }, decimal(video.score)),
        facts(video),
      ),
      shareBar(video.shares, modalities),
      reason &&
        el(
          "a",
          { class: "because", href: videoAddress(reason.id), title: `Nearest of the watched videos, cosine ${decimal(reason.cosine)}` },
          picture(reason),
          el("span", {}, el("small", {}, "because of"), el("span", { class: "because-name" }, nameOf(reason))),
        ),
    ),
  );
}

export const grid = (cards, label) => el("ol", { class: "grid", "aria-label": label }, cards);
export const row = (cards, label) => el("ol", { class: "row", "aria-label": label, tabindex: 0 }, cards);

// Grey shapes in the places of cards that are being fetched.
export const placeholders = (number, kind = "grid") =>
  el("div", { class: kind, "aria-hidden": "true" }, Array.from({ length: number }, () => el("div", { class: "card placeholder" }, el("span", { class: "picture" }), el("i"), el("i"))));
