// The page: which view an address means, and what stays while views change.

import { ask, addressOf, Problem } from "./api.js";
import { el, replace } from "./dom.js";

const VIEWS = {
  people: "People",
  compare: "Two models",
  persona: "Persona",
  video: "Video",
  new: "New video",
  map: "Map",
  health: "Health",
};

const place = document.getElementById("view");
const banner = document.getElementById("banner");
const live = document.getElementById("live");

let about = null;
let shown = null; // { name, view }
let running = new AbortController();

const context = {
  get about() {
    return about;
  },
  go,
  change,
  announce: (text) => (live.textContent = text),
  parameters: () => new URLSearchParams(location.search),
};

// Opens a view with parameters of its own.
function go(view, parameters = {}) {
  const model = new URLSearchParams(location.search).get("model");
  open(addressOf(`/${view}`, model ? { model, ...parameters } : parameters));
}

// Changes some parameters of the address, and leaves the others; null takes one away.
function change(parameters, { quietly = false } = {}) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(parameters)) {
    query.delete(name);
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== null && each !== undefined && each !== "" && each !== false) query.append(name, each === true ? "1" : each);
    }
  }
  const text = query.toString();
  const address = location.pathname + (text ? `?${text}` : "");
  if (quietly) history.replaceState(null, "", address);
  else open(address);
}

function open(address) {
  if (address !== location.pathname + location.search) history.pushState(null, "", address);
  render();
}

async function render({ again = false } = {}) {
  running.abort();
  running = new AbortController();
  const signal = running.signal;
  if (location.pathname === "/") history.replaceState(null, "", `/people${location.search}`);
  const name = location.pathname.slice(1);
  try {
    about ??= await ask("/api/about", {}, { signal });
    const module = await import(`./views/${name}.js`);
    if (signal.aborted) return;
    if (shown?.name !== name || again) {
      const first = shown === null;
      replace(place);
      shown = { name, view: module.show(place, context) };
      for (const link of document.querySelectorAll(".tabs a")) {
        const here = new URL(link.href).pathname === `/${name}`;
        if (here) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
        if (here) link.scrollIntoView({ block: "nearest", inline: "center" });
      }
      scrollTo(0, 0);
      if (!first && !again) place.focus({ preventScroll: true });
    }
    document.title = `${VIEWS[name]} · tf-metammf`;
    await shown.view.update(new URLSearchParams(location.search), signal);
    tell("");
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof Problem)) console.error(error);
    tell(error.message, error.status);
  }
}

function tell(message, status) {
  banner.hidden = !message;
  replace(banner, message && el("span", {}, message), message && el("button", { onclick: () => render({ again: true }) }, "Try again"));
  if (message && (status === 0 || status === 503)) waitForServer();
}

let waits = false;
async function waitForServer() {
  if (waits) return;
  waits = true;
  while (!banner.hidden) {
    await new Promise((done) => setTimeout(done, 2000));
    try {
      const response = await fetch("/api/about");
      if (response.ok && !banner.hidden) {
        about = await response.json();
        render({ again: true });
        break;
      }
    } catch {
      // Still gone.
    }
  }
  waits = false;
}

// A version that was replaced while the page is open.
async function lookForNewVersions() {
  if (document.hidden || !about) return;
  try {
    const response = await fetch("/api/about");
    if (!response.ok) return;
    const now = await response.json();
    const versions = (of) => of.models.map((model) => `${model.name} ${model.version}`).join(", ");
    if (versions(now) === versions(about)) return;
    about = now;
    await render({ again: true });
    banner.hidden = false;
    const close = el("button", { onclick: () => (banner.hidden = true) }, "Close");
    replace(banner, el("span", {}, `A newer version is shown now: ${versions(now)}.`), close);
  } catch {
    // Told as soon as something is asked.
  }
}
setInterval(lookForNewVersions, 5000);

addEventListener("popstate", () => render());
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const address = new URL(link.href);
  if (address.origin !== location.origin || link.hasAttribute("download") || link.target) return;
  if (!(address.pathname.slice(1) in VIEWS) || (address.hash && address.pathname === location.pathname)) return;
  event.preventDefault();
  const model = new URLSearchParams(location.search).get("model");
  if (model && !address.searchParams.has("model")) address.searchParams.set("model", model);
  open(address.pathname + address.search);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input, textarea, select")) return;
  const field = place.querySelector("input[role=combobox], input[type=search]");
  if (field) {
    event.preventDefault();
    field.focus();
  }
});
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
  dispatchEvent(new Event("themechange"));
});
document.getElementById("copy").addEventListener("click", async (event) => {
  const button = event.currentTarget;
  try {
    await navigator.clipboard.writeText(location.href);
    button.textContent = "Copied";
  } catch {
    prompt("The address of what you see:", location.href);
  }
  setTimeout(() => (button.textContent = "Copy link"), 1500);
});

render();
