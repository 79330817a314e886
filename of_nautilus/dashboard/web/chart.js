// The chart library, in the page's colors. Its own logo is off because it brings inline styles; the
// attribution that its licence asks for stands in the page's foot.

import { minute, day, number } from "./format.js";
import { isDark, onTheme, theme } from "./theme.js";

const Charts = window.LightweightCharts;
export const { CandlestickSeries, HistogramSeries, LineSeries } = Charts;

const seconds = (ms) => ms / 1000;

export class Chart {
  constructor(host) {
    this.api = Charts.createChart(host, {
      autoSize: true,
      layout: {
        attributionLogo: false,
        fontSize: 11,
        background: { color: "transparent" },
        panes: { enableResize: true },
      },
      crosshair: { mode: Charts.CrosshairMode.Normal },
      timeScale: {
        timeVisible: true,
        secondsVisible: false,
        rightOffset: 6,
        minBarSpacing: 0.5,
        tickMarkFormatter: mark,
      },
      localization: { timeFormatter: (at) => `${day(at * 1000)} ${minute(at * 1000)}` },
      handleScale: { axisPressedMouseMove: true },
    });
    this.colored = [];
    this.unlisten = onTheme(() => this.color());
    this.color();
  }

  /** Add a series; `options(colors)` gives its colors whenever the theme changes. */
  add(kind, pane, digits, options) {
    const least = 10 ** -digits;
    const series = this.api.addSeries(
      kind,
      {
        priceFormat: {
          type: "custom",
          minMove: least,
          formatter: (value) => number(value, digits),
        },
        priceLineVisible: pane === 0,
        lastValueVisible: true,
        ...options(theme()),
      },
      pane,
    );
    this.colored.push([series, options]);
    return series;
  }

  color() {
    const colors = theme();
    this.api.applyOptions({
      layout: {
        textColor: colors.muted,
        fontFamily: 'system-ui, "Segoe UI", "Liberation Sans", sans-serif',
        panes: { separatorColor: colors.line, separatorHoverColor: colors.grid },
      },
      grid: { vertLines: { color: colors.grid }, horzLines: { color: colors.grid } },
      rightPriceScale: { borderColor: colors.line },
      timeScale: { borderColor: colors.line },
      crosshair: {
        vertLine: { color: colors.muted, labelBackgroundColor: isDark() ? "#3a4654" : "#5c6773" },
        horzLine: { color: colors.muted, labelBackgroundColor: isDark() ? "#3a4654" : "#5c6773" },
      },
    });
    for (const [series, options] of this.colored) series.applyOptions(options(colors));
  }

  stop() {
    this.unlisten();
    this.api.remove();
  }
}

const newest = new WeakMap();

/** Tell a library's series of changed items: a few at the end one by one, more of them all anew. */
export function show(series, items, from, point) {
  if (!items.length) return series.setData([]);
  if (from < items.length - 3 || from === 0) series.setData(items.map(point));
  else
    for (const item of items.slice(from))
      series.update(point(item), item.time < newest.get(series));
  newest.set(series, items.at(-1).time);
  return undefined;
}

export const at = (item) => seconds(item.time);

function mark(time, kind) {
  const ms = time * 1000;
  return kind <= 2 ? day(ms).slice(kind === 0 ? 0 : 5) : minute(ms);
}

/** Keys of a chart: arrows move it, + and - zoom, 0 shows all, End goes to the newest. */
export function chartKey(api, key) {
  const scale = api.timeScale(),
    range = scale.getVisibleLogicalRange();
  if (!range) return false;
  const wide = range.to - range.from,
    middle = (range.from + range.to) / 2;
  const view = (from, to) => scale.setVisibleLogicalRange({ from, to });
  const acts = {
    ArrowLeft: () => view(range.from - wide * 0.15, range.to - wide * 0.15),
    ArrowRight: () => view(range.from + wide * 0.15, range.to + wide * 0.15),
    "+": () => view(middle - wide * 0.3, middle + wide * 0.3),
    "=": () => view(middle - wide * 0.3, middle + wide * 0.3),
    "-": () => view(middle - wide * 0.8, middle + wide * 0.8),
    0: () => scale.fitContent(),
    End: () => scale.scrollToRealTime(),
  };
  if (!acts[key]) return false;
  acts[key]();
  return true;
}
