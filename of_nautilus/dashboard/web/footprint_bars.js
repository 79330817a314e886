// Draws one footprint bar: as a candle, as colored cells, or with the numbers in them.

import { font } from "./canvas.js";
import { short } from "./format.js";

const TEXT_PX = 46; // a bar narrower than this has no numbers
const [BUY, SELL, BUY_STACK, SELL_STACK] = [1, 2, 4, 8];

/** Needs the context `c`, `colors`, `view`, the scale `y(price)`, and what a row measures. */
export class BarPainter {
  candle(bar, x) {
    const { c, colors } = this,
      wide = Math.max(1, this.view.barPx * 0.7),
      middle = x + this.view.barPx / 2;
    const up = bar.close >= bar.open;
    c.fillStyle = up ? colors.buy_fill : colors.sell_fill;
    c.fillRect(middle - 0.5, this.y(bar.high), 1, Math.max(this.y(bar.low) - this.y(bar.high), 1));
    const top = this.y(Math.max(bar.open, bar.close)),
      tall = Math.max(this.y(Math.min(bar.open, bar.close)) - top, 1);
    c.fillRect(middle - wide / 2, top, wide, tall);
    if (up && wide > 3 && tall > 3) {
      c.fillStyle = colors.panel;
      c.fillRect(middle - wide / 2 + 1, top + 1, wide - 2, tall - 2);
    }
  }

  fontPx(seen) {
    if (this.view.barPx < TEXT_PX || this.rowPx < 10) return 0;
    const most = Math.max(
      ...seen.flatMap((bar) => bar.levels.map((cell) => Math.max(cell.bid, cell.ask))),
      0,
    );
    this.decimals =
      most >= 1e4
        ? null
        : Math.min(Math.max(2 - Math.floor(Math.log10(most || 1)), 0), 3, this.lots);
    const letters = Math.max(this.words(most).length, 3);
    const px = Math.floor(
      Math.min(12, this.rowPx - 2, (this.view.barPx - 22) / ((2 * letters + 2.4) * 0.56)),
    );
    this.letters = px >= 8 ? px : 0;
    return this.letters;
  }

  cells(bar, x, strong) {
    const { c, colors } = this,
      { barPx } = this.view,
      gap = barPx > 40 ? 3 : 1;
    const left = x + (barPx > 30 ? 9 : 4),
      wide = Math.max(x + barPx - gap - left, 2),
      middle = left + wide / 2;
    const tall = Math.max(this.rowPx - (this.rowPx > 6 ? 1 : 0), 1);
    this.spine(bar, x + (barPx > 30 ? 4 : 1.5), barPx > 30 ? 4 : 2);
    for (const cell of bar.levels) {
      const y = this.y(cell.p) - this.rowPx / 2;
      if (y > this.bottom || y + tall < 0) continue;
      c.fillStyle = mix(colors, strong ? cell.delta / strong : 0);
      c.fillRect(left, y, wide, tall);
      if (this.mode === "numbers" && (cell.bid || cell.ask)) this.write(cell, middle, y + tall / 2);
      const mark = Math.max(2, Math.min(3, wide / 8));
      if (cell.flags & BUY_STACK) this.edge(left + wide - mark, y, mark, tall, colors.buy_fill);
      if (cell.flags & SELL_STACK) this.edge(left, y, mark, tall, colors.sell_fill);
      if (Math.abs(cell.p - bar.poc) < this.rowHeight / 2 && this.rowPx >= 5) {
        c.strokeStyle = colors.ink;
        c.lineWidth = 1.2;
        c.strokeRect(left + 0.5, y + 0.5, wide - 1, tall - 1);
      }
    }
    if (this.rowPx < 6 || !bar.levels.length) return;
    c.strokeStyle = colors.ink;
    c.lineWidth = 1.4;
    const ring = (y) => {
      c.beginPath();
      c.arc(middle, y, 3, 0, 7);
      c.stroke();
    };
    if (bar.unfinished_high) ring(this.y(bar.levels[0].p) - this.rowPx / 2 - 5);
    if (bar.unfinished_low) ring(this.y(bar.levels.at(-1).p) + this.rowPx / 2 + 5);
  }

  edge(x, y, wide, tall, color) {
    this.c.fillStyle = color;
    this.c.fillRect(x, y, wide, tall + 1);
  }

  words(value) {
    return value === 0 ? "0" : this.decimals === null ? short(value) : value.toFixed(this.decimals);
  }

  write(cell, middle, y) {
    const { c, colors } = this,
      sold = cell.flags & SELL,
      bought = cell.flags & BUY;
    c.fillStyle = colors.ink;
    c.textAlign = "center";
    c.font = font(this.letters);
    c.fillText("×", middle, y + 0.5);
    c.font = font(this.letters, sold ? "700" : "");
    c.textAlign = "right";
    c.fillText(`${sold ? "◂" : ""}${this.words(cell.bid)}`, middle - this.letters * 0.42, y + 0.5);
    c.font = font(this.letters, bought ? "700" : "");
    c.textAlign = "left";
    c.fillText(
      `${this.words(cell.ask)}${bought ? "▸" : ""}`,
      middle + this.letters * 0.42,
      y + 0.5,
    );
  }

  spine(bar, x, wide) {
    const { c, colors } = this;
    c.fillStyle = colors.muted;
    c.fillRect(x - 0.5, this.y(bar.high), 1, Math.max(this.y(bar.low) - this.y(bar.high), 1));
    c.fillStyle = bar.close >= bar.open ? colors.buy_fill : colors.sell_fill;
    const top = this.y(Math.max(bar.open, bar.close));
    c.fillRect(x - wide / 2, top, wide, Math.max(this.y(Math.min(bar.open, bar.close)) - top, 2));
  }
}

/** The delta from which a cell's color is full. */
export function strongest(bars) {
  const all = bars
    .flatMap((bar) => bar.levels.map((cell) => Math.abs(cell.delta)))
    .sort((a, b) => a - b);
  return all[Math.floor(all.length * 0.97)] || all.at(-1) || 0;
}

const parsed = new Map();

function rgb(hex) {
  if (!parsed.has(hex))
    parsed.set(
      hex,
      [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16)),
    );
  return parsed.get(hex);
}

/** The color of a cell: from selling over even to buying, for -1 to 1. */
function mix(colors, strength) {
  const to = rgb(strength < 0 ? colors.sell_cell : colors.buy_cell),
    from = rgb(colors.even_cell);
  const part = Math.min(Math.abs(strength), 1);
  return `rgb(${from.map((value, k) => Math.round(value + (to[k] - value) * part)).join(",")})`;
}
