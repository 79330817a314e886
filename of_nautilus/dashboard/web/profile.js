// Volume profiles: what traded at each price, split into bought and sold, with the value area.

import { get } from "./api.js";
import { Canvas, font, niceStep, Tip } from "./canvas.js";
import { el, option, panel } from "./dom.js";
import { day, levelName, minute, number, share, size } from "./format.js";
import { heightFor, heights } from "./rows.js";
import { keep, keepOwn, ownOf, settings } from "./settings.js";
import { onTheme } from "./theme.js";

const DAYS = [1, 2, 3, 5],
  ROWS_SEEN = 55;

export function profile(app) {
  const { symbol, tick, price_digits: digits, size_digits: lots } = app.instrument;
  const days = el(
    "select",
    {
      "aria-label": "Sessions",
      onchange: () => {
        keep({ days: Number(days.value) });
        load();
      },
    },
    DAYS.map((n) => option(n, n === 1 ? "this session" : `${n} sessions`, settings.days)),
  );
  const rows = el(
    "select",
    {
      "aria-label": "Row height",
      onchange: () => {
        keepOwn(symbol, "profileRows", Number(rows.value));
        load();
      },
    },
    heights(app.instrument).map((height) => option(height, number(height * tick, digits))),
  );
  const { root, body } = panel("Volume profile", {
    still: true,
    tools: [el("label", { class: "field" }, "Row", rows), days],
    key: [
      "blue: bought",
      "orange: sold",
      "gray: aggressor unknown",
      "strong: value area",
      "POC, VAH, VAL as lines",
      "◂ thin price (LVN)",
    ],
  });
  let chosen = false;
  const state = { profiles: [] },
    tip = new Tip(body);
  const canvas = new Canvas(body, "Volume profiles by session", (context, width, height, colors) =>
    paint(context, width, height, colors, state, digits),
  );
  async function load() {
    try {
      const answer = await get(`/api/volume-profile/${symbol}`, {
        days: days.value,
        rows: rows.value,
      });
      state.profiles = answer.profiles;
      canvas.draw();
    } catch (error) {
      app.complain(error);
    }
  }
  canvas.node.addEventListener("pointerleave", () => tip.hide());
  canvas.node.addEventListener("pointermove", (event) => {
    const [x, y] = canvas.at(event),
      found = state.under?.(x, y);
    if (!found) return tip.hide();
    tip.show(
      x,
      y,
      `${number(found.row.price, digits)}\nvolume ${size(found.row.volume, lots)}\nbought ${size(found.row.buy, lots)}\nsold ${size(found.row.sell, lots)}${found.row.unclassified ? `\nunknown ${size(found.row.unclassified, lots)}` : ""}`,
    );
  });
  const stop = app.feed.subscribe({ channel: "volume_profile", symbol }, ({ profile: told }) => {
    if (told && !chosen) {
      chosen = true;
      const usual = heightFor((told.high - told.low) / ROWS_SEEN, app.instrument);
      rows.value = ownOf(symbol, "profileRows") ?? usual;
    }
    load();
  });
  const unlisten = onTheme(() => canvas.draw());
  app.probe.profile = state;
  return {
    root,
    stop: () => {
      stop();
      unlisten();
      canvas.stop();
    },
  };
}

function paint(c, width, height, colors, state, digits) {
  const profiles = state.profiles.filter((each) => each.rows.length);
  if (!profiles.length) {
    c.fillStyle = colors.muted;
    c.textAlign = "center";
    c.fillText("No profile yet", width / 2, height / 2);
    state.under = null;
    return;
  }
  const high = Math.max(...profiles.map((each) => each.rows[0].price)),
    low = Math.min(...profiles.map((each) => each.rows.at(-1).price));
  const row = profiles[0].row_height,
    top = 40,
    bottom = height - 12,
    axis = 16 + 6.6 * number(high, digits).length;
  const perPx = Math.max((high - low + 2 * row) / (bottom - top), 1e-12),
    y = (price) => top + (high + row - price) / perPx;
  const wide = (width - axis) / profiles.length;
  const step = niceStep(high - low + 2 * row, (bottom - top) / 42, row);
  c.textAlign = "left";
  c.font = font(11);
  for (let k = Math.ceil((low - row) / step); k * step <= high + row; k++) {
    c.fillStyle = colors.grid;
    c.fillRect(0, Math.round(y(k * step)), width - axis, 1);
    c.fillStyle = colors.muted;
    c.fillText(number(k * step, digits), width - axis + 7, y(k * step));
  }
  profiles.forEach((each, k) => {
    const left = k * wide,
      most = Math.max(...each.rows.map((r) => r.volume)),
      room = wide - 60,
      tall = Math.max(row / perPx - (row / perPx > 3 ? 1 : 0), 0.8);
    c.textAlign = "left";
    c.font = font(12, "600");
    c.fillStyle = colors.ink;
    c.fillText(`${each.shape ?? "–"} shape`, left + 10, 12);
    c.font = font(11);
    c.fillStyle = colors.muted;
    c.fillText(
      `${day(each.start)} ${minute(each.start)}${each.complete ? "" : ", data missing"}`,
      left + 10,
      27,
    );
    for (const r of each.rows) {
      const inside = r.price >= each.val - row / 2 && r.price <= each.vah + row / 2,
        buy = (r.buy / most) * room,
        sell = (r.sell / most) * room,
        all = (r.volume / most) * room;
      c.globalAlpha = inside ? 0.95 : 0.4;
      c.fillStyle = colors.buy_fill;
      c.fillRect(left + 8, y(r.price + row / 2), buy, tall);
      c.fillStyle = colors.sell_fill;
      c.fillRect(left + 8 + buy, y(r.price + row / 2), sell, tall);
      c.fillStyle = colors.muted;
      c.fillRect(left + 8 + buy + sell, y(r.price + row / 2), all - buy - sell, tall);
    }
    c.globalAlpha = 1;
    c.font = font(11, "600");
    let above = -Infinity;
    for (const [name, price, dash] of [
      ["VAH", each.vah, [4, 3]],
      ["POC", each.poc, []],
      ["VAL", each.val, [4, 3]],
    ]) {
      if (price === null || price === undefined) continue;
      c.strokeStyle = c.fillStyle = colors.ink;
      c.setLineDash(dash);
      c.beginPath();
      c.moveTo(left + 4, y(price));
      c.lineTo(left + wide - 50, y(price));
      c.stroke();
      c.setLineDash([]);
      if (wide > 150) c.fillText(name, left + wide - 46, Math.max(y(price), above + 12));
      above = Math.max(y(price), above + 12);
    }
    c.fillStyle = colors.trade;
    for (const price of each.lvn ?? []) c.fillText("◂", left + wide - 60, y(price));
  });
  state.under = (x, at) => {
    const each = profiles[Math.floor(x / wide)],
      price = high + row - (at - top) * perPx;
    const found = each?.rows.find((r) => Math.abs(r.price - price) <= row / 2);
    return found ? { row: found } : null;
  };
}

/** The value area in figures, and the bias drawn from it. */
export function frame(app) {
  const { symbol, price_digits: digits, size_digits: lots } = app.instrument;
  const { root, body } = panel("Frame");
  body.classList.add("pad");
  const list = el("dl", { class: "facts" });
  const reasons = el("dl", { class: "facts" }),
    levels = el("ul", { class: "levels" });
  body.append(list, el("h3", {}, "Bias"), reasons, el("h3", {}, "Qualified levels"), levels);
  const facts = (pairs) =>
    pairs.map(([name, value, kind]) =>
      el("div", {}, el("dt", {}, name), el("dd", { class: kind }, value)),
    );
  const stops = [
    app.feed.subscribe({ channel: "volume_profile", symbol }, ({ profile: own }) => {
      list.replaceChildren(
        ...(own
          ? facts([
              ["Session", `${day(own.start)} ${minute(own.start)}`],
              ["Read on rows of", number(own.key_height, digits)],
              ["Shape", own.shape ?? "–"],
              ["POC", number(own.poc, digits)],
              ["VAH", number(own.vah, digits)],
              ["VAL", number(own.val, digits)],
              ["High", number(own.high, digits)],
              ["Low", number(own.low, digits)],
              ["Volume", size(own.volume, lots)],
            ])
          : [el("p", { class: "muted" }, "No trades in this session yet.")]),
      );
    }),
    app.feed.subscribe({ channel: "bias", symbol }, ({ bias, levels: own }) => {
      reasons.replaceChildren(
        ...(bias
          ? facts([
              [
                "Direction",
                bias.direction,
                bias.direction === "LONG" ? "buy" : bias.direction === "SHORT" ? "sell" : "",
              ],
              ["Confidence", share(bias.confidence / 100)],
              ["Last shape", bias.shape],
              ["Value area", bias.relation || "–"],
              ["Hook", bias.hook || "none"],
              ["Last VAH", number(bias.vah, digits)],
              ["Last POC", number(bias.poc, digits)],
              ["Last VAL", number(bias.val, digits)],
            ])
          : [el("p", { class: "muted" }, "No bias: it comes with the first finished session.")]),
      );
      levels.replaceChildren(
        ...(own.length
          ? own.map((level) =>
              el(
                "li",
                { class: level.side > 0 ? "buy" : level.side < 0 ? "sell" : "" },
                el("b", { class: "num" }, number(level.price, digits)),
                ` ${levelName(level.kind)} `,
                el(
                  "span",
                  { class: "muted" },
                  `strength ${number(level.strength)}, touched ${level.touches}`,
                ),
              ),
            )
          : [el("li", { class: "muted" }, "None.")]),
      );
    }),
  ];
  return { root, stop: () => stops.forEach((stop) => stop()) };
}
