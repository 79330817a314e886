// Draws a footprint chart: its axes and scales, the bars, and each bar's sums below them.

import { font, niceStep } from "./canvas.js";
import { BarPainter, strongest } from "./footprint_bars.js";
import { day, minute, number, short } from "./format.js";

const CELLS_FROM = 14,
  TEXT_FROM = 58,
  ROW_PX = 13,
  AXIS = 20,
  SUM_PX = 16;
export class FootprintPainter extends BarPainter {
  constructor(view, { tick, digits, lots }) {
    super();
    Object.assign(this, {
      view,
      tick,
      digits,
      lots,
      rowHeight: tick,
      plot: 0,
      center: 0,
      perPx: 1,
      mode: "",
      range: [0, -1],
    });
  }

  paint(c, width, height, colors, bars) {
    Object.assign(this, { c, colors, width, height });
    const end = bars.length,
      { barPx } = this.view;
    this.scaleWidth = 16 + 6.6 * number(bars.at(-1)?.high ?? 0, this.digits).length;
    this.plot = width - this.scaleWidth;
    this.sums = barPx >= 46 ? 3 * SUM_PX : 46;
    this.bottom = height - AXIS - this.sums;
    this.right = this.view.right ?? end + 0.4;
    this.range = [
      Math.max(0, Math.floor(this.right - this.plot / barPx)),
      Math.min(end - 1, Math.ceil(this.right) - 1),
    ];
    if (!end || this.range[1] < this.range[0]) return this.nothing(end);
    const seen = bars.slice(this.range[0], this.range[1] + 1);
    this.fit(seen);
    this.drawScale();
    c.save();
    c.beginPath();
    c.rect(0, 0, this.plot, height);
    c.clip();
    this.drawTimes(seen);
    c.save();
    c.beginPath();
    c.rect(0, 0, this.plot, this.bottom);
    c.clip();
    this.mode = barPx < CELLS_FROM ? "candles" : this.fontPx(seen) ? "numbers" : "cells";
    const strong = this.mode === "candles" ? 0 : strongest(seen);
    seen.forEach((bar, k) =>
      this.mode === "candles"
        ? this.candle(bar, this.x(this.range[0] + k))
        : this.cells(bar, this.x(this.range[0] + k), strong),
    );
    this.lastPrice(bars.at(-1));
    c.restore();
    this.drawSums(seen);
    c.restore();
    this.lastLabel(bars.at(-1));
    this.sumNames();
  }

  nothing(end) {
    this.c.fillStyle = this.colors.muted;
    this.c.textAlign = "center";
    this.c.fillText(
      end ? "Nothing here: press End for the newest bar" : "Waiting for the first bar",
      this.width / 2,
      this.height / 2,
    );
  }

  /** Prices fit the bars that are seen, unless that would press the rows too flat to be read. */
  fit(seen) {
    const low = Math.min(...seen.map((bar) => bar.low)),
      high = Math.max(...seen.map((bar) => bar.high));
    const rows = this.view.barPx >= TEXT_FROM ? this.rowHeight / ROW_PX : 0;
    const whole = (high - low + 3 * this.rowHeight) / this.bottom,
      tight = rows ? Math.min(whole, rows) : whole;
    const last = seen.at(-1).close;
    this.perPx = Math.max(tight * this.view.spread, this.tick / 60);
    const half = (this.perPx * this.bottom) / 2;
    const middle =
      whole <= this.perPx
        ? (low + high) / 2
        : Math.min(Math.max(last, low + half - this.rowHeight), high - half + this.rowHeight);
    this.center = this.view.center ?? middle;
    this.rowPx = this.rowHeight / this.perPx;
  }

  x(index) {
    return this.plot - (this.right - index) * this.view.barPx;
  }

  y(price) {
    return this.bottom / 2 - (price - this.center) / this.perPx;
  }

  drawScale() {
    const { c, colors } = this,
      step = niceStep(this.perPx * this.bottom, this.bottom / 42, this.tick);
    const low = this.center - (this.perPx * this.bottom) / 2;
    c.font = font(11);
    c.textAlign = "left";
    for (let k = Math.ceil(low / step); ; k++) {
      const price = k * step,
        y = this.y(price);
      if (y < 6) break;
      if (y > this.bottom - 4) continue;
      c.fillStyle = colors.grid;
      c.fillRect(0, Math.round(y), this.plot, 1);
      c.fillStyle = colors.muted;
      c.fillText(number(price, this.digits), this.plot + 7, y);
    }
    c.fillStyle = colors.line;
    c.fillRect(this.plot, 0, 1, this.height);
    c.fillRect(0, this.bottom, this.width, 1);
    c.fillRect(0, this.height - AXIS, this.width, 1);
  }

  drawTimes(seen) {
    const { c, colors } = this,
      every = Math.max(1, Math.ceil(52 / this.view.barPx));
    const [first] = this.range;
    c.font = font(11);
    c.textAlign = "center";
    let before = first ? "" : null;
    seen.forEach((bar, k) => {
      if ((first + k) % every) return;
      const x = this.x(first + k) + this.view.barPx / 2,
        fresh = day(bar.time);
      c.fillStyle = colors.muted;
      c.fillText(
        before !== null && before !== "" && fresh !== before ? fresh.slice(5) : minute(bar.time),
        x,
        this.height - AXIS / 2,
      );
      before = fresh;
    });
  }

  lastPrice(bar) {
    const { c, colors } = this,
      y = Math.round(this.y(bar.close)) + 0.5;
    c.strokeStyle = colors.accent;
    c.lineWidth = 1;
    c.setLineDash([2, 3]);
    c.beginPath();
    c.moveTo(0, y);
    c.lineTo(this.plot, y);
    c.stroke();
    c.setLineDash([]);
  }

  lastLabel(bar) {
    const { c, colors } = this,
      y = this.y(bar.close);
    if (y < 0 || y > this.bottom) return;
    c.fillStyle = colors.accent;
    c.fillRect(this.plot + 1, y - 8, this.scaleWidth, 16);
    c.fillStyle = colors.panel;
    c.textAlign = "left";
    c.font = font(11, "600");
    c.fillText(number(bar.close, this.digits), this.plot + 7, y + 0.5);
  }

  drawSums(seen) {
    const { c, colors } = this,
      [first] = this.range,
      { barPx } = this.view;
    const most = Math.max(...seen.map((bar) => Math.abs(bar.delta))) || 1;
    seen.forEach((bar, k) => {
      const x = this.x(first + k),
        color = bar.delta < 0 ? colors.sell_fill : colors.buy_fill;
      if (barPx < 46) {
        const tall = (Math.abs(bar.delta) / most) * (this.sums / 2 - 3),
          middle = this.bottom + this.sums / 2;
        c.fillStyle = color;
        c.fillRect(
          x + barPx * 0.15,
          bar.delta < 0 ? middle : middle - tall,
          Math.max(barPx * 0.7, 1),
          Math.max(tall, 1),
        );
        return;
      }
      c.globalAlpha = 0.1 + 0.45 * (Math.abs(bar.delta) / most);
      c.fillStyle = color;
      c.fillRect(x + 1, this.bottom + 1, barPx - 2, SUM_PX - 1);
      c.globalAlpha = 1;
      c.textAlign = "center";
      c.font = font(11, "600");
      const middle = x + barPx / 2;
      c.fillStyle = colors.ink;
      c.fillText(
        `${bar.delta > 0 ? "+" : bar.delta < 0 ? "−" : ""}${short(Math.abs(bar.delta))}`,
        middle,
        this.bottom + SUM_PX / 2 + 1,
      );
      c.font = font(11);
      c.fillText(short(bar.volume), middle, this.bottom + SUM_PX * 1.5 + 1);
      c.fillStyle = bar.cvd < 0 ? colors.sell : colors.buy;
      c.fillText(
        `${bar.cvd < 0 ? "−" : "+"}${short(Math.abs(bar.cvd))}`,
        middle,
        this.bottom + SUM_PX * 2.5 + 1,
      );
    });
  }

  sumNames() {
    const { c, colors } = this;
    c.font = font(11);
    c.textAlign = "left";
    c.fillStyle = colors.muted;
    const names = this.view.barPx >= 46 ? ["delta", "volume", "CVD"] : ["delta"];
    names.forEach((name, k) =>
      c.fillText(name, this.plot + 7, this.bottom + (this.sums / names.length) * (k + 0.5)),
    );
  }

  /** The bar, and the cell of it, under a point. */
  under(x, y, bars) {
    if (x > this.plot || x < 0 || this.range[1] < 0) return null;
    const bar = bars[Math.floor(this.right - (this.plot - x) / this.view.barPx)];
    if (!bar) return null;
    const price = this.center + (this.bottom / 2 - y) * this.perPx;
    const cell =
      this.mode === "candles" || y > this.bottom
        ? null
        : bar.levels.find((each) => Math.abs(each.p - price) <= this.rowHeight / 2);
    return { bar, cell: cell ?? null };
  }
}
