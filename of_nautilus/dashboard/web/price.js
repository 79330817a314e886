// The price: candles, delta and CVD below them; over them profile, levels, trades and signals.

import { get } from "./api.js";
import { Tip } from "./canvas.js";
import {
  at,
  CandlestickSeries,
  Chart,
  chartKey,
  HistogramSeries,
  LineSeries,
  show,
} from "./chart.js";
import { el, panel } from "./dom.js";
import { number, sideWord, signed, size, stamp, words } from "./format.js";
import { Overlay } from "./overlay.js";
import { heightFor } from "./rows.js";
import { Series } from "./series.js";
import { keep, settings } from "./settings.js";

const SHOWN = [
  ["profile", "Profile"],
  ["levels", "Levels"],
  ["markers", "Signals"],
  ["trades", "Trades"],
];

const ROWS_SEEN = 70,
  ASK_MS = 3000;

export function price(app) {
  const { symbol, price_digits: digits, size_digits: lots } = app.instrument;
  const said = el("span", { class: "muted num legend" });
  const toggles = SHOWN.map(([name, title]) =>
    el(
      "button",
      {
        class: "plain",
        "aria-pressed": String(settings[name]),
        onclick: (event) => {
          keep({ [name]: !settings[name] });
          event.currentTarget.setAttribute("aria-pressed", String(settings[name]));
          lay();
        },
      },
      title,
    ),
  );
  const { root, head, body } = panel("Price", { still: true, tools: toggles });
  head.firstChild.after(said);
  const host = el("div", {
    class: "canvas",
    tabindex: 0,
    role: "img",
    "aria-label": "Price, delta and CVD by bar",
  });
  body.append(host);
  const chart = new Chart(host),
    tip = new Tip(body);
  const candles = chart.add(CandlestickSeries, 0, digits, (c) => ({
    upColor: c.panel,
    downColor: c.sell_fill,
    borderUpColor: c.buy_fill,
    borderDownColor: c.sell_fill,
    wickUpColor: c.buy_fill,
    wickDownColor: c.sell_fill,
  }));
  const delta = chart.add(HistogramSeries, 1, Math.min(lots, 3), () => ({}));
  const cvd = chart.add(LineSeries, 2, Math.min(lots, 3), (c) => ({
    color: c.accent,
    lineWidth: 2,
  }));
  chart.api.panes().forEach((pane, i) => pane.setStretchFactor([6, 1, 1][i]));
  const bars = new Series(),
    facts = { profile: null, levels: [], markers: [], trade: null, trades: [] };
  const over = new Overlay(() => bars.items);
  candles.attachPrimitive(over);

  function lay() {
    over.set({
      profile: settings.profile ? facts.profile : null,
      levels: settings.levels ? facts.levels : [],
      markers: settings.markers ? facts.markers : [],
      trade: settings.trades ? facts.trade : null,
      trades: settings.trades ? facts.trades : [],
    });
  }

  function draw(from) {
    const colors = { buy: css("--buy-fill"), sell: css("--sell-fill") };
    show(candles, bars.items, from, (bar) => ({
      time: at(bar),
      open: bar.open,
      high: bar.high,
      low: bar.low,
      close: bar.close,
    }));
    show(delta, bars.items, from, (bar) => ({
      time: at(bar),
      value: bar.delta,
      color: bar.delta < 0 ? colors.sell : colors.buy,
    }));
    show(cvd, bars.items, from, (bar) => ({ time: at(bar), value: bar.cvd }));
    tell(bars.items.at(-1));
  }

  function tell(bar) {
    if (!bar) return;
    said.textContent = `${stamp(bar.time)}  O ${number(bar.open, digits)}  H ${number(bar.high, digits)}  L ${number(bar.low, digits)}  C ${number(bar.close, digits)}  V ${size(bar.volume, lots)}  Δ ${signed(bar.delta, lots)}  CVD ${signed(bar.cvd, lots)}`;
  }

  chart.api.subscribeCrosshairMove((move) => {
    const bar =
      move.logical === undefined || move.logical === null
        ? null
        : bars.items[Math.round(move.logical)];
    tell(bar ?? bars.items.at(-1));
    const spot = move.point && move.paneIndex === 0 ? over.under(move.point.x, move.point.y) : null;
    if (spot) tip.show(move.point.x, move.point.y, spotText(spot, digits));
    else tip.hide();
  });
  chart.api.subscribeClick((move) => {
    const spot = move.point && over.under(move.point.x, move.point.y);
    if (spot) tip.show(move.point.x, move.point.y, spotText(spot, digits));
  });

  // On a market of fine ticks the profile is asked for on rows that can be seen.
  let asked = 0;
  async function profileTold(told, whole) {
    const rows = told ? heightFor((told.high - told.low) / ROWS_SEEN, app.instrument) : 0;
    if (rows > app.instrument.row_ticks) {
      if (!whole && performance.now() - asked < ASK_MS) return;
      asked = performance.now();
      const answer = await get(`/api/volume-profile/${symbol}`, { days: 1, rows });
      facts.profile = answer.profiles[0] ?? null;
    } else facts.profile = told;
    lay();
  }

  let first = true;
  const stops = [
    app.feed.subscribe({ channel: "candle", symbol, tf: app.tf }, (data, whole) => {
      draw(bars.put(data.candles, whole));
      const seen = chart.api.timeScale().getVisibleLogicalRange();
      if (whole && !first && seen && seen.from > bars.items.length - 5)
        chart.api.timeScale().scrollToRealTime(); // after a seek back
      if (first && bars.items.length) {
        first = false;
        const n = bars.items.length,
          wide = Math.min(Math.max(host.clientWidth / 8, 40), 160);
        chart.api.timeScale().setVisibleLogicalRange({ from: n - wide, to: n + 6 });
      }
    }),
    app.feed.subscribe({ channel: "volume_profile", symbol }, (data, whole) =>
      profileTold(data.profile, whole).catch(app.complain),
    ),
    app.feed.subscribe({ channel: "bias", symbol }, (data) => {
      facts.levels = data.levels;
      lay();
    }),
    app.feed.subscribe({ channel: "trade_state", symbol }, (data, whole) => {
      facts.trade = data.trade;
      facts.trades = whole ? data.closed : [...data.closed, ...facts.trades];
      lay();
    }),
    app.feed.subscribe({ channel: "signal", symbol }, (data, whole) => {
      if (whole)
        get(`/api/markers/${symbol}`, { count: 500 }).then((answer) => {
          facts.markers = answer.markers;
          lay();
        }, app.complain);
      else {
        // A signal is told once more when an entry was decided on.
        const name = ({ ts, pattern, side, price }) => `${ts} ${pattern} ${side} ${price}`;
        const known = new Set(facts.markers.map(name));
        facts.markers = [...facts.markers, ...data.signals.filter((each) => !known.has(name(each)))];
        lay();
      }
    }),
  ];
  const key = (event) => chartKey(chart.api, event.key) && event.preventDefault();
  host.addEventListener("keydown", key);
  app.probe.price = { bars, facts, chart: chart.api, candles };
  return {
    root,
    key: (name) => chartKey(chart.api, name),
    stop: () => {
      stops.forEach((stop) => stop());
      chart.stop();
    },
  };
}

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function reasonsText(reasons) {
  return Object.entries(reasons ?? {})
    .map(
      ([name, value]) =>
        `${words(name)} ${typeof value === "number" ? Number(value.toPrecision(6)) : value}`,
    )
    .join("\n");
}

function spotText({ what, marker, trade }, digits) {
  if (what === "signal") {
    return `${words(marker.pattern)} ${sideWord(marker.side)} at ${number(marker.price, digits)}\n${stamp(marker.time)} UTC\nstrength ${number(marker.strength, 1)} of 100\n${reasonsText(marker.reasons)}`;
  }
  const head =
    `${trade.side > 0 ? "long" : "short"} ${trade.grade ? `grade ${trade.grade}` : ""}`.trim();
  const levels = `entry ${number(trade.entry, digits)}  stop ${number(trade.stop, digits)}  target ${number(trade.target, digits)}`;
  if (what === "entry") return `${head}\n${stamp(trade.opened)} UTC\n${levels}`;
  return `${head}, closed: ${words(trade.reason)}\n${stamp(trade.closed)} UTC\nexit ${number(trade.exit, digits)}  ${signed(trade.pnl_ticks, 1)} ticks  ${signed(trade.r_multiple, 2)} R\nnet ${signed(trade.money, 2)}`;
}
