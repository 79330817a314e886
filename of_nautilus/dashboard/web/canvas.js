// A canvas as sharp as the screen, redrawn at most once a frame, and only while it can be seen.

import { theme } from "./theme.js";

export class Canvas {
  /** `draw(context, width, height, colors)` works in CSS pixels. */
  constructor(host, label, draw) {
    this.node = document.createElement("canvas");
    this.node.tabIndex = 0;
    this.node.setAttribute("role", "img");
    this.node.setAttribute("aria-label", label);
    const frame = document.createElement("div");
    frame.className = "canvas";
    frame.append(this.node);
    host.append(frame);
    this.paint = draw;
    this.asked = 0;
    this.width = this.height = 0;
    this.size = new ResizeObserver(() => this.draw());
    this.size.observe(frame);
  }

  draw() {
    this.asked ||= requestAnimationFrame(() => {
      this.asked = 0;
      this.now();
    });
  }

  now() {
    const { width, height } = this.node.getBoundingClientRect(),
      scale = window.devicePixelRatio || 1;
    if (!width || !height) return;
    const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
    if (this.node.width !== w || this.node.height !== h)
      [this.node.width, this.node.height] = [w, h];
    [this.width, this.height] = [width, height];
    const context = this.node.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = font(11);
    context.textBaseline = "middle";
    this.paint(context, width, height, theme());
  }

  /** Where a pointer is, in the canvas's own CSS pixels. */
  at(event) {
    const box = this.node.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  stop() {
    cancelAnimationFrame(this.asked);
    this.size.disconnect();
  }
}

export const font = (px, weight = "") =>
  `${weight} ${px}px system-ui, "Segoe UI", "Liberation Sans", sans-serif`.trim();

/** Round steps (1, 2, 2.5 or 5 times a power of ten) that leave at most `most` marks in a span. */
export function niceStep(span, most, least) {
  if (!(span > 0)) return least;
  const raw = Math.max(span / Math.max(most, 1), least),
    power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find((k) => k * power >= raw * 0.9999) * power;
  return Math.ceil(step / least - 1e-9) * least;
}

/** A box of text beside a point of a panel, kept within it. */
export class Tip {
  constructor(host) {
    this.node = document.createElement("div");
    this.node.className = "tip";
    this.node.hidden = true;
    this.host = host;
    host.append(this.node);
  }

  show(x, y, text) {
    this.node.hidden = false;
    this.node.textContent = text;
    const { clientWidth: w, clientHeight: h } = this.host,
      own = this.node;
    const left = x + 14 + own.offsetWidth > w ? Math.max(0, x - 14 - own.offsetWidth) : x + 14;
    own.style.left = `${left}px`;
    own.style.top = `${Math.max(0, Math.min(y + 12, h - own.offsetHeight - 4))}px`;
  }

  hide() {
    this.node.hidden = true;
  }
}
