// Dark and light, and the colors and shapes of the drawings: buying blue, selling orange; whatever
// color says, a shape or a sign says too.

const NAMES = [
  "paper",
  "panel",
  "raised",
  "ink",
  "muted",
  "grid",
  "line",
  "accent",
  "buy",
  "sell",
  "buy-fill",
  "sell-fill",
  "sell-cell",
  "even-cell",
  "buy-cell",
  "trade",
  "warn",
  "good",
  "veil",
];

// Okabe and Ito's palette, as in the report's pictures.
export const PATTERNS = {
  absorption: "#cc79a7",
  initiative: "#009e73",
  sweep: "#e69f00",
  exhaustion: "#d55e00",
  divergence: "#0072b2",
};
export const OTHER = "#8c6bb1";

let colors = null;
const listeners = new Set();

export const isDark = () => document.documentElement.dataset.theme === "dark";

/** The colors of the page as they stand. */
export function theme() {
  if (!colors) {
    const style = getComputedStyle(document.documentElement);
    colors = Object.fromEntries(
      NAMES.map((name) => [name.replace("-", "_"), style.getPropertyValue(`--${name}`).trim()]),
    );
  }
  return colors;
}

export function setTheme(name) {
  document.documentElement.dataset.theme = name;
  colors = null;
  for (const listener of listeners) listener();
}

/** Call `listener` after each change; returns how to stop. */
export function onTheme(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The color of a pattern; the blue of divergence is lightened on a dark page. */
export const patternColor = (pattern) =>
  isDark() && pattern === "divergence" ? "#56b4e9" : (PATTERNS[pattern] ?? OTHER);

/** Draw a pattern's shape, filled for buying and hollow or turned over for selling. */
export function drawShape(context, pattern, side, x, y, size, background) {
  const color = patternColor(pattern),
    r = size / 2,
    up = side > 0 ? 1 : -1;
  context.beginPath();
  const path = (...points) =>
    points.forEach(([dx, dy], i) => context[i ? "lineTo" : "moveTo"](x + dx * r, y + dy * r));
  if (pattern === "absorption") path([0, -1], [1, 0], [0, 1], [-1, 0]);
  else if (pattern === "initiative") path([0, -up], [1, up * 0.8], [-1, up * 0.8]);
  else if (pattern === "sweep")
    path([0, -up], [0.95, 0], [0.4, 0], [0.4, up], [-0.4, up], [-0.4, 0], [-0.95, 0]);
  else if (pattern === "exhaustion")
    path(
      [-1, -0.5],
      [-0.5, -1],
      [0, -0.5],
      [0.5, -1],
      [1, -0.5],
      [0.5, 0],
      [1, 0.5],
      [0.5, 1],
      [0, 0.5],
      [-0.5, 1],
      [-1, 0.5],
      [-0.5, 0],
    );
  else if (pattern === "divergence")
    path(
      [0, -up],
      [0.3, -up * 0.2],
      [1, up * 0.8],
      [0, up * 0.35],
      [-1, up * 0.8],
      [-0.3, -up * 0.2],
    );
  else context.arc(x, y, r * 0.8, 0, 7);
  context.closePath();
  const hollow = side < 0 && !["initiative", "sweep", "divergence"].includes(pattern);
  context.lineWidth = 3;
  context.strokeStyle = background;
  context.stroke();
  context.fillStyle = hollow ? background : color;
  context.fill();
  context.lineWidth = 1.5;
  context.strokeStyle = color;
  context.stroke();
}
