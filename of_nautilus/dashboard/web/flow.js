// CVD and delta, with the price beside them: where they part.

import { at, Chart, chartKey, HistogramSeries, LineSeries, show } from "./chart.js";
import { el, panel, row, table } from "./dom.js";
import { minute, number, sideClass, signed, size } from "./format.js";
import { Series } from "./series.js";
import { settings } from "./settings.js";

const COLUMNS = [["Time", true], ["Sold"], ["Bought"], ["Delta"], ["CVD"], ["Volume"]];

export function flow(app) {
  const { symbol, price_digits: digits, size_digits: lots } = app.instrument;
  const { root, head, body } = panel("CVD and delta", {
    still: true,
    key: ["above: CVD (line, right scale), price (dotted, left scale)", "below: delta of each bar"],
  });
  const said = el("span", { class: "muted num legend" });
  head.firstChild.after(said);
  const host = el("div", {
    class: "canvas",
    tabindex: 0,
    role: "img",
    "aria-label": "Cumulative delta, price and delta by bar",
  });
  body.append(host);
  const chart = new Chart(host),
    few = Math.min(lots, 3);
  chart.api.applyOptions({ leftPriceScale: { visible: true } });
  const cvd = chart.add(LineSeries, 0, few, (c) => ({ color: c.accent, lineWidth: 2 }));
  const line = chart.add(LineSeries, 0, digits, (c) => ({
    color: c.muted,
    lineWidth: 1,
    lineStyle: 1,
    priceScaleId: "left",
    priceLineVisible: false,
  }));
  const delta = chart.add(HistogramSeries, 1, few, () => ({}));
  chart.api.panes().forEach((pane, i) => pane.setStretchFactor([2, 1][i]));
  const points = new Series(),
    bars = new Series();
  let fitted = false;
  const tell = (point) => {
    if (point)
      said.textContent = `${minute(point.time)}  Δ ${signed(point.delta, lots)}  CVD ${signed(point.cvd, lots)}`;
  };
  const stops = [
    app.feed.subscribe({ channel: "delta", symbol, tf: app.tf }, (data, whole) => {
      const from = points.put(data.points, whole),
        css = getComputedStyle(document.documentElement);
      const [buy, sell] = ["--buy-fill", "--sell-fill"].map((name) =>
        css.getPropertyValue(name).trim(),
      );
      show(cvd, points.items, from, (point) => ({ time: at(point), value: point.cvd }));
      show(delta, points.items, from, (point) => ({
        time: at(point),
        value: point.delta,
        color: point.delta < 0 ? sell : buy,
      }));
      tell(points.items.at(-1));
      if (!fitted && points.items.length) {
        fitted = true;
        chart.api.timeScale().setVisibleLogicalRange({
          from: points.items.length - Math.max(60, host.clientWidth / 7),
          to: points.items.length + 4,
        });
      }
    }),
    app.feed.subscribe({ channel: "candle", symbol, tf: app.tf }, (data, whole) => {
      const from = bars.put(data.candles, whole);
      show(line, bars.items, from, (bar) => ({ time: at(bar), value: bar.close }));
    }),
  ];
  chart.api.subscribeCrosshairMove((move) =>
    tell(points.items[Math.round(move.logical ?? -1)] ?? points.items.at(-1)),
  );
  app.probe.flow = { points };
  return {
    root,
    key: (name) => chartKey(chart.api, name),
    stop: () => {
      stops.forEach((stop) => stop());
      chart.stop();
    },
  };
}

/** Whether one side of a bar is more than the chosen ratio times the other. */
const oneSided = ({ buy, sell }) => Math.max(buy, sell) > settings.ratio * Math.min(buy, sell);

/** The last bars as a table, the newest first. */
export function barTable(app) {
  const { symbol, size_digits: lots } = app.instrument;
  const { root, body } = panel("Bars", {
    key: [`tinted: one side more than ${settings.ratio} times the other`],
  });
  const list = table(COLUMNS, "The last bars"),
    bars = new Series();
  body.append(list.root);
  const stop = app.feed.subscribe({ channel: "candle", symbol, tf: app.tf }, (data, whole) => {
    bars.put(data.candles, whole);
    list.body.replaceChildren(
      ...bars.items
        .slice(-60)
        .reverse()
        .map((bar) =>
          row(
            [
              minute(bar.time),
              [size(bar.sell, lots), "sell"],
              [size(bar.buy, lots), "buy"],
              [signed(bar.delta, lots), sideClass(bar.delta)],
              [signed(bar.cvd, lots), sideClass(bar.cvd)],
              number(bar.volume, Math.min(lots, 3)),
            ],
            COLUMNS,
            oneSided(bar) ? { class: `tint ${sideClass(bar.delta)}`, title: "one-sided" } : {},
          ),
        ),
    );
  });
  return { root, stop };
}
