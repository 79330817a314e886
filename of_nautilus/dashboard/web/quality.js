// Whether the data can be trusted: feeds, gaps, rates, delays; and the market's measures now.

import { get } from "./api.js";
import { el, panel, row, table } from "./dom.js";
import { clock, number, span, stamp, words } from "./format.js";

const COLUMNS = [
  ["Instrument", true],
  ["Feed", true],
  ["Trades"],
  ["A second"],
  ["Books"],
  ["Bars"],
  ["Signals"],
  ["Newest (UTC)", true],
  ["Delay"],
  ["Missed"],
  ["Troubles", true],
];

export function quality(app) {
  const { root, body } = panel("Data quality", {
    key: [
      "delay: from the event to this page's server",
      "books: looks at the book, two a second at most",
      "missed: messages that the dashboard itself could not keep up with; trading is not touched",
    ],
  });
  const list = table(COLUMNS, "Data quality by instrument"),
    said = el("p", { class: "pad muted num counts" });
  body.append(said, list.root);
  const stop = app.feed.subscribe({ channel: "stats", symbol: "*" }, (data) => {
    app.probe.stats = data;
    said.textContent = `${stamp(data.time)} UTC   running ${span(data.uptime)}   ${number(data.clients)} pages open   ${number(data.messages)} messages sent   this page: ${app.feed.connections} connections, ${app.feed.resyncs} resyncs`;
    list.body.replaceChildren(
      ...data.instruments.map((each) => {
        const counts = Object.entries(each.counts ?? {})
          .filter(([, count]) => count)
          .map(([name, count]) => `${words(name)} ${count}`)
          .join(", ");
        const live = each.feed === "LIVE";
        return row(
          [
            [el("b", {}, each.symbol)],
            [
              el(
                "span",
                { class: `badge ${live ? "on" : "off"}` },
                live
                  ? "live"
                  : `${words(each.feed)}${each.feed_reason ? `: ${words(each.feed_reason)}` : ""}`,
              ),
            ],
            number(each.trades),
            number(each.trades_per_second, 1),
            number(each.books),
            number(each.bars),
            number(each.signals),
            clock(each.last_time),
            each.lag_ms === null ? "–" : `${number(each.lag_ms)} ms`,
            [number(each.missed), each.missed ? "warn" : ""],
            counts || "none",
          ],
          COLUMNS,
        );
      }),
    );
  });
  return { root, stop };
}

export function microstructure(app) {
  const { symbol } = app.instrument;
  const { root, body } = panel("Microstructure");
  body.classList.add("pad");
  const list = el("dl", { class: "facts wide" });
  body.append(list);
  async function load() {
    try {
      const { facts } = await get(`/api/microstructure/${symbol}`);
      list.replaceChildren(
        ...facts.map((each) =>
          el(
            "div",
            { title: each.text ?? null },
            el("dt", {}, each.name),
            el(
              "dd",
              { class: "num" },
              each.value === null
                ? "–"
                : typeof each.value === "number"
                  ? `${each.value} ${each.unit ?? ""}`.trim()
                  : words(each.value),
            ),
          ),
        ),
      );
    } catch (error) {
      app.complain(error);
    }
  }
  load();
  const timer = setInterval(load, 3000);
  return { root, stop: () => clearInterval(timer) };
}
