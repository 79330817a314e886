// What the journal's trades came to: sums, the equity line, results in R, each trade.

import { get } from "./api.js";
import { Canvas, font, niceStep } from "./canvas.js";
import { lasted } from "./checklist.js";
import { el, panel, row, table } from "./dom.js";
import { number, share, short, sideWord, signed, size, stamp, words } from "./format.js";
import { onTheme } from "./theme.js";

const COLUMNS = [
  ["Closed (UTC)", true],
  ["Side", true],
  ["Size"],
  ["Entry"],
  ["Exit"],
  ["Ticks"],
  ["R"],
  ["Net"],
  ["Lasted"],
  ["Grade", true],
  ["Why", true],
];
const GROUPS = [["", true], ["Trades"], ["Won"], ["Net"], ["Mean R"]];

export function performance(app) {
  const { symbol, price_digits: digits, size_digits: lots } = app.instrument;
  const root = el("div", { class: "stack" });
  const sums = el("dl", { class: "numbers" });
  const equity = panel("Equity, net of fees", { still: true }),
    result = panel("Results in R", { still: true });
  const trades = panel("Trades"),
    groups = panel("By grade and reason");
  const list = table(COLUMNS, "Closed trades"),
    by = table(GROUPS, "Results by group");
  trades.body.append(list.root);
  groups.body.append(by.root);
  root.append(
    sums,
    el("div", { class: "pair" }, equity.root, result.root),
    el("div", { class: "pair wide" }, trades.root, groups.root),
  );
  let facts = null;
  const curve = new Canvas(
    equity.body,
    "Equity by closed trade",
    (c, w, h, colors) => facts && paintEquity(c, w, h, colors, facts.performance),
  );
  const bars = new Canvas(
    result.body,
    "Trades by result in R",
    (c, w, h, colors) => facts && paintBars(c, w, h, colors, facts.performance.r_histogram),
  );

  async function load() {
    try {
      facts = await get(`/api/trade/${symbol}`, { limit: 500 });
      const p = facts.performance,
        money = (value) => `${signed(value, 2)} ${p.currency}`;
      sums.replaceChildren(
        ...[
          ["Trades", number(p.trades)],
          ["Won", `${share(p.win_rate, 1)}`, `${p.wins} of ${p.trades}`],
          ["Net", money(p.net), `fees ${number(p.fees, 2)}`],
          ["Profit factor", number(p.profit_factor, 2)],
          ["Mean R", signed(p.mean_r, 2)],
          ["Deepest fall", `${number(p.max_drawdown, 2)} ${p.currency}`],
        ].map(([name, value, more]) =>
          el(
            "div",
            {},
            el("dt", {}, name),
            el("dd", {}, value),
            more ? el("small", {}, more) : null,
          ),
        ),
      );
      list.body.replaceChildren(
        ...(facts.closed.length
          ? facts.closed.map((each) =>
              row(
                [
                  stamp(each.closed),
                  [sideWord(each.side), each.side > 0 ? "buy" : "sell"],
                  size(each.quantity, lots),
                  number(each.entry, digits),
                  number(each.exit, digits),
                  signed(each.pnl_ticks, 1),
                  signed(each.r_multiple, 2),
                  [signed(each.money, 2), each.money > 0 ? "good" : "warn"],
                  lasted(each),
                  each.grade || "–",
                  words(each.reason),
                ],
                COLUMNS,
              ),
            )
          : [row([["No closed trade yet.", "muted"]], COLUMNS)]),
      );
      by.body.replaceChildren(
        ...[
          ["Grade", p.by_grade],
          ["Closed by", p.by_reason],
        ].flatMap(([title, own]) => [
          row([[el("b", {}, title)], "", "", "", ""], GROUPS),
          ...own.map((g) =>
            row(
              [
                words(g.name).replace(/^([abc]\+?)$/, (grade) => grade.toUpperCase()) || "none",
                number(g.trades),
                share(g.win_rate),
                signed(g.net, 2),
                signed(g.mean_r, 2),
              ],
              GROUPS,
            ),
          ),
        ]),
      );
      curve.draw();
      bars.draw();
      app.probe.performance = facts;
    } catch (error) {
      app.complain(error);
    }
  }
  const stop = app.feed.subscribe(
    { channel: "trade_state", symbol },
    (data, whole) => (whole || data.closed.length) && load(),
  );
  const unlisten = onTheme(() => {
    curve.draw();
    bars.draw();
  });
  return {
    root,
    stop: () => {
      stop();
      unlisten();
      curve.stop();
      bars.stop();
    },
  };
}

function frame(c, width, height, colors, low, high, { left = 56, least = 1e-9 } = {}) {
  const top = 12,
    bottom = height - 24,
    y = (value) => bottom - ((value - low) / (high - low || 1)) * (bottom - top);
  const step = niceStep(high - low || 1, (bottom - top) / 34, least);
  c.font = font(11);
  c.textAlign = "right";
  for (let k = Math.ceil(low / step); k * step <= high; k++) {
    c.fillStyle = colors.grid;
    c.fillRect(left, Math.round(y(k * step)), width - left - 8, 1);
    c.fillStyle = colors.muted;
    c.fillText(short(k * step), left - 7, y(k * step));
  }
  return { y, left, right: width - 10, bottom };
}

function nothing(c, width, height, colors) {
  c.fillStyle = colors.muted;
  c.textAlign = "center";
  c.fillText("No closed trade yet", width / 2, height / 2);
}

function paintEquity(c, width, height, colors, { equity }) {
  if (!equity.length) return nothing(c, width, height, colors);
  const values = [0, ...equity.map((point) => point.net)];
  const box = frame(c, width, height, colors, Math.min(...values), Math.max(...values));
  const x = (k) => box.left + ((box.right - box.left) * k) / (values.length - 1);
  c.strokeStyle = colors.muted;
  c.beginPath();
  c.moveTo(box.left, box.y(0));
  c.lineTo(box.right, box.y(0));
  c.stroke();
  c.strokeStyle = colors.accent;
  c.lineWidth = 2;
  c.beginPath();
  values.forEach((value, k) => c[k ? "lineTo" : "moveTo"](x(k), box.y(value)));
  c.stroke();
  c.fillStyle = colors.accent;
  values.forEach((value, k) => {
    c.beginPath();
    c.arc(x(k), box.y(value), 2.5, 0, 7);
    c.fill();
  });
  c.fillStyle = colors.muted;
  c.textAlign = "left";
  c.fillText("start", box.left, height - 10);
  c.textAlign = "right";
  c.fillText(stamp(equity.at(-1).time), box.right, height - 10);
  return undefined;
}

function paintBars(c, width, height, colors, bins) {
  if (!bins.some((bin) => bin.count)) return nothing(c, width, height, colors);
  const box = frame(c, width, height, colors, 0, Math.max(...bins.map((bin) => bin.count)), {
    left: 34,
    least: 1,
  });
  const wide = (box.right - box.left) / bins.length;
  bins.forEach((bin, k) => {
    c.fillStyle = bin.to <= 0 ? colors.sell_fill : colors.buy_fill;
    c.fillRect(
      box.left + k * wide + 1,
      box.y(bin.count),
      Math.max(wide - 2, 1),
      box.bottom - box.y(bin.count),
    );
    c.fillStyle = colors.muted;
    c.textAlign = "center";
    const every = Math.ceil(34 / wide);
    if (k % every === 0) c.fillText(number(bin.from, 1), box.left + k * wide, height - 10);
  });
  return undefined;
}
