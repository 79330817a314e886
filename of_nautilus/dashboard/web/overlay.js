// What lies over the price chart: volume profile, levels, trades and signal markers. It is a series
// primitive of the chart library, so it moves with the chart's own scales.

import { font } from "./canvas.js";
import { levelName } from "./format.js";
import { drawShape, theme } from "./theme.js";

const PROFILE_SHARE = 0.16;

export class Overlay {
  constructor(candles) {
    this.candles = candles; // () => the bars that are drawn, the oldest first
    this.profile = this.trade = null;
    this.levels = this.trades = this.markers = [];
    this.spots = [];
    this.view = {
      zOrder: () => "top",
      renderer: () => ({
        draw: (target) => target.useMediaCoordinateSpace((scope) => this.draw(scope)),
      }),
    };
    this.behind = {
      zOrder: () => "bottom",
      renderer: () => ({
        draw: (target) => target.useMediaCoordinateSpace((scope) => this.drawProfile(scope)),
      }),
    };
  }

  attached({ chart, series, requestUpdate }) {
    Object.assign(this, { chart, series, update: requestUpdate });
  }

  paneViews() {
    return [this.behind, this.view];
  }

  set(facts) {
    Object.assign(this, facts);
    this.update?.();
  }

  /** Where a moment (ms) lies, CSS pixels: within the width of the bar that holds it. */
  x(ms) {
    const bars = this.candles();
    let low = 0,
      high = bars.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (bars[middle].time <= ms) low = middle + 1;
      else high = middle;
    }
    if (!bars.length) return null;
    return this.chart.timeScale().logicalToCoordinate(Math.max(low - 1, 0));
  }

  y(price) {
    return this.series.priceToCoordinate(price);
  }

  drawProfile({ context, mediaSize: { width } }) {
    if (!this.profile?.rows.length) return;
    const colors = theme(),
      { rows, poc, vah, val, row_height: high } = this.profile;
    const most = Math.max(...rows.map((row) => row.volume)),
      wide = width * PROFILE_SHARE;
    context.save();
    for (const row of rows) {
      const y0 = this.y(row.price + high / 2),
        y1 = this.y(row.price - high / 2);
      if (y0 === null || y1 === null) continue;
      const inside = row.price >= val - high / 2 && row.price <= vah + high / 2;
      const buy = (row.buy / most) * wide,
        sell = (row.sell / most) * wide,
        all = (row.volume / most) * wide;
      context.globalAlpha = inside ? 0.55 : 0.3;
      context.fillStyle = colors.muted; // of no known aggressor
      context.fillRect(width - all, y0, all - buy - sell, Math.max(y1 - y0 - 0.5, 0.7));
      context.fillStyle = colors.sell_fill;
      context.fillRect(width - buy - sell, y0, sell, Math.max(y1 - y0 - 0.5, 0.7));
      context.fillStyle = colors.buy_fill;
      context.fillRect(width - buy, y0, buy, Math.max(y1 - y0 - 0.5, 0.7));
    }
    context.globalAlpha = 1;
    context.font = font(10, "600");
    context.textAlign = "right";
    context.textBaseline = "bottom";
    let above = -Infinity;
    for (const [name, price, dash] of [
      ["VAH", vah, [3, 3]],
      ["POC", poc, []],
      ["VAL", val, [3, 3]],
    ]) {
      const y = this.y(price);
      if (y === null) continue;
      context.strokeStyle = context.fillStyle = colors.muted;
      context.setLineDash(dash);
      line(context, width - wide, y, width, y);
      context.setLineDash([]);
      if (y - above > 11) context.fillText(name, width - 3, y - 1);
      above = y;
    }
    context.restore();
  }

  draw({ context, mediaSize: { width, height } }) {
    const colors = theme();
    this.spots = [];
    context.save();
    this.drawLevels(context, width, height, colors);
    for (const trade of this.trades) this.drawTrade(context, trade, this.x(trade.closed), colors);
    if (this.trade) this.drawTrade(context, this.trade, width, colors);
    this.drawMarkers(context, height, colors);
    context.restore();
  }

  drawLevels(context, width, height, colors) {
    context.font = font(10.5, "600");
    context.textAlign = "left";
    context.textBaseline = "middle";
    let below = -Infinity;
    const seen = this.levels
      .map((level) => [this.y(level.price), level])
      .filter(([y]) => y !== null && y > 0 && y < height)
      .sort((a, b) => a[0] - b[0]);
    for (const [y, level] of seen) {
      const color = level.side > 0 ? colors.buy : level.side < 0 ? colors.sell : colors.muted;
      context.strokeStyle = color;
      context.globalAlpha = 0.35 + (0.55 * Math.min(level.strength, 100)) / 100;
      context.setLineDash([7, 4]);
      line(context, 0, y, width, y);
      context.globalAlpha = 1;
      context.setLineDash([]);
      if (y - below < 13) continue;
      below = y;
      label(
        context,
        `${level.side > 0 ? "▲" : level.side < 0 ? "▼" : "◆"} ${levelName(level.kind)} ${Math.round(level.strength)}`,
        6,
        y,
        color,
        colors.veil,
      );
    }
  }

  drawTrade(context, trade, end, colors) {
    const begin = this.x(trade.opened),
      entry = this.y(trade.entry);
    if (begin === null || end === null || entry === null) return;
    const right = Math.max(end, begin + 6);
    const zone = (price, color) => {
      const y = price === null || price === undefined ? null : this.y(price);
      if (y === null) return;
      context.globalAlpha = 0.13;
      context.fillStyle = color;
      context.fillRect(begin, Math.min(y, entry), right - begin, Math.abs(y - entry));
      context.globalAlpha = 1;
      context.strokeStyle = color;
      context.lineWidth = 1.5;
      line(context, begin, y, right, y);
    };
    zone(trade.stop, colors.sell_fill);
    zone(trade.target, colors.buy_fill);
    context.strokeStyle = colors.trade;
    context.lineWidth = 2;
    if (trade.exit === undefined || trade.exit === null) {
      line(context, begin, entry, right, entry);
      context.font = font(10.5, "600");
      context.textAlign = "right";
      for (const [name, price, color] of [
        ["entry", trade.entry, colors.trade],
        ["stop", trade.stop, colors.sell],
        ["target", trade.target, colors.buy],
      ]) {
        const y = price === null || price === undefined ? null : this.y(price);
        if (y !== null) label(context, name, right - 6, y, color, colors.veil);
      }
    } else {
      const y = this.y(trade.exit);
      context.setLineDash([4, 3]);
      if (y !== null) line(context, begin, entry, right, y);
      context.setLineDash([]);
      if (y !== null) this.spot(context, trade, right, y, "exit", colors);
    }
    this.spot(context, trade, begin, entry, "entry", colors);
    context.lineWidth = 1;
  }

  spot(context, trade, x, y, what, colors) {
    context.beginPath();
    context.arc(x, y, 4.5, 0, 7);
    context.fillStyle = what === "entry" ? colors.trade : colors.panel;
    context.strokeStyle = colors.trade;
    context.lineWidth = 2;
    context.fill();
    context.stroke();
    this.spots.push({ x, y, what, trade });
  }

  drawMarkers(context, height, colors) {
    const taken = new Map();
    const range = this.chart.timeScale().getVisibleLogicalRange(),
      bars = this.candles();
    if (!range) return;
    const from = bars[Math.max(Math.floor(range.from), 0)]?.time ?? Infinity;
    const to = bars[Math.min(Math.ceil(range.to), bars.length - 1)];
    for (const marker of this.markers) {
      // The moment at which a bar closes is the first of the next.
      const time = marker.time - (marker.at_close ? 1 : 0);
      if (time < from || time > to.end) continue;
      const x = this.x(time),
        y = this.y(marker.price);
      if (x === null || y === null) continue;
      // Markers of one bar stand beside each other, away from the bar: buying below it, selling above.
      const key = `${Math.round(x)}:${marker.side}`,
        turn = taken.get(key) ?? 0;
      taken.set(key, turn + 1);
      const at = y + (marker.side > 0 ? 1 : -1) * (13 + 14 * turn);
      if (at < 0 || at > height) continue;
      drawShape(
        context,
        marker.pattern,
        marker.side,
        x,
        at,
        7 + marker.strength / 18,
        colors.panel,
      );
      this.spots.push({ x, y: at, what: "signal", marker });
    }
  }

  /** What was drawn within some pixels of a point, the nearest first. */
  under(x, y, reach = 12) {
    const near = this.spots.map((spot) => [Math.hypot(spot.x - x, spot.y - y), spot]);
    return near.filter(([far]) => far <= reach).sort((a, b) => a[0] - b[0])[0]?.[1] ?? null;
  }
}

function line(context, x0, y0, x1, y1) {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}

function label(context, text, x, y, color, veil) {
  const wide = context.measureText(text).width,
    left = context.textAlign === "right" ? x - wide : x;
  context.fillStyle = veil;
  context.fillRect(left - 3, y - 7, wide + 6, 14);
  context.fillStyle = color;
  context.textBaseline = "middle";
  context.fillText(text, x, y + 0.5);
}
