// Colours of points: a ramp for numbers, distinct ones for kinds.

const DISTINCT = ["#4e79c7", "#e0913a", "#4aa076", "#c25b7c", "#8a6fc4", "#3ea3b5", "#a98b2d", "#d3745f", "#7f8aa0", "#86ad3c", "#9aa0ab"];
const RAMP = { light: ["#c5cfe9", "#7f9fdd", "#3455c9", "#1b1f6b"], dark: ["#31384d", "#4968c0", "#8fb0ff", "#f2e9c9"] };

const isDark = () => getComputedStyle(document.documentElement).colorScheme.includes("dark");

const parts = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

function ramp(share) {
  const stops = RAMP[isDark() ? "dark" : "light"].map(parts);
  const at = Math.min(0.9999, Math.max(0, share)) * (stops.length - 1);
  const low = Math.floor(at);
  return stops[low].map((value, channel) => Math.round(value + (stops[low + 1][channel] - value) * (at - low)));
}

export const rampStops = () => RAMP[isDark() ? "dark" : "light"];

export const distinct = (number) => DISTINCT[number % DISTINCT.length];

// values: one byte a point. Colours of cold or warm, and of kinds, are distinct; others are on the ramp.
export function coloursOf(values, legend) {
  const table = Array.from({ length: 256 }, (_, value) => (legend.kind === "range" ? ramp(value / 255) : parts(distinct(value))));
  const colours = new Uint8Array(3 * values.length);
  for (let point = 0; point < values.length; point++) colours.set(table[values[point]], 3 * point);
  return colours;
}
