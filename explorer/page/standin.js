// A drawn picture for a video that has none, the same for the same id everywhere.

import { svg } from "./dom.js";

// FNV-1a, then xorshift: a few numbers between 0 and 1 that depend on the id alone.
function randomOf(text) {
  let state = 2166136261;
  for (const character of text) state = Math.imul(state ^ character.codePointAt(0), 16777619);
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 4294967296;
  };
}

const colour = (hue, saturation, light) => `hsl(${Math.round(hue) % 360} ${saturation}% ${light}%)`;

const SCENES = [
  // A sun over hills.
  (random, hue) => [
    svg("circle", { cx: 40 + 80 * random(), cy: 50 + 30 * random(), r: 18 + 14 * random(), fill: colour(hue + 40, 62, 82) }),
    svg("path", { d: `M0 ${130 + 20 * random()} Q50 ${80 + 40 * random()} 90 ${130 + 15 * random()} T160 ${120 + 20 * random()} V200 H0Z`, fill: colour(hue + 12, 34, 52) }),
    svg("path", { d: `M0 ${160 + 10 * random()} Q60 ${125 + 25 * random()} 110 ${160 + 10 * random()} T160 ${150 + 10 * random()} V200 H0Z`, fill: colour(hue + 18, 36, 38) }),
  ],
  // Rings.
  (random, hue) => {
    const x = 45 + 70 * random(), y = 70 + 60 * random();
    return [70, 52, 36, 21].map((radius, ring) => svg("circle", { cx: x, cy: y, r: radius, fill: colour(hue + 14 * ring, 38, 46 + 10 * ring) }));
  },
  // Waves.
  (random, hue) =>
    [0, 1, 2, 3].map((wave) => {
      const y = 62 + 34 * wave + 10 * random(), height = 12 + 14 * random();
      return svg("path", { d: `M0 ${y} Q40 ${y - height} 80 ${y} T160 ${y} V200 H0Z`, fill: colour(hue + 10 * wave, 36, 66 - 9 * wave) });
    }),
  // Blocks of a town.
  (random, hue) =>
    [0, 1, 2, 3, 4].map((house) => {
      const height = 50 + 90 * random();
      return svg("rect", { x: 8 + 29 * house, y: 200 - height, width: 27, height, fill: colour(hue + 16 * random(), 30, 40 + 18 * random()) });
    }),
  // Two leaves.
  (random, hue) => {
    const turn = 40 * random() - 20;
    const leaf = (x, y, size, light) =>
      svg("path", { d: `M0 ${-size} Q${size * 0.8} 0 0 ${size} Q${-size * 0.8} 0 0 ${-size}Z`, fill: colour(hue + 20, 36, light), transform: `translate(${x} ${y}) rotate(${turn + x})` });
    return [leaf(60, 110, 62, 46), leaf(105, 95, 52, 60), leaf(85, 140, 40, 38)];
  },
];

export function standIn(id) {
  const random = randomOf(id);
  random();
  const hue = 360 * random();
  const scene = SCENES[Math.floor(SCENES.length * random())];
  return svg(
    "svg",
    { class: "stand-in", viewBox: "0 0 160 200", preserveAspectRatio: "xMidYMid slice", "aria-hidden": "true" },
    svg("rect", { width: 160, height: 200, fill: colour(hue, 34, 76) }),
    scene(random, hue),
  );
}
