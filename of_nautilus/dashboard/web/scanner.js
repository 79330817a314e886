// All instruments, the first to look at first.

import { get } from "./api.js";
import { el, panel, row, table } from "./dom.js";
import { clock, number, signed, words } from "./format.js";
import { statusClass } from "./status.js";

const COLUMNS = [
  ["Instrument", true],
  ["Status", true],
  ["Steps", true],
  ["Priority"],
  ["Last"],
  ["Change"],
  ["Nearest level"],
  ["Ticks away"],
  ["Levels"],
  ["Newest", true],
];

export function scanner(app) {
  const { root, body } = panel("Scanner", {
    key: ["● step completed", "↑ ↓ choose, Enter or a click opens the instrument"],
  });
  const list = table(COLUMNS, "Instruments by priority");
  body.append(list.root);

  const rowOf = (symbol) =>
    [...list.body.children].find((each) => each.dataset.symbol === symbol) ?? null;

  function move(step) {
    const own = list.body.querySelector(":focus") ?? rowOf(app.instrument?.symbol);
    const next = step > 0 ? own?.nextElementSibling : own?.previousElementSibling;
    (next ?? own)?.focus();
    return true;
  }

  async function load() {
    try {
      const [{ rows }, { instruments }] = await Promise.all([
        get("/api/scanner"),
        get("/api/instruments"),
      ]);
      const known = new Map(instruments.map((each) => [each.symbol, each]));
      const focused = list.body.querySelector(":focus")?.dataset.symbol;
      list.body.replaceChildren(
        ...rows.map((each) => {
          const own = known.get(each.symbol),
            digits = own?.price_digits ?? 2;
          const open = () => app.choose(each.symbol, "market");
          return row(
            [
              [el("b", {}, each.symbol)],
              [el("span", { class: `badge ${statusClass(each.status)}` }, words(each.status))],
              [
                el(
                  "span",
                  {
                    class: "dots",
                    "aria-label": `${each.steps.filter(Boolean).length} of 6 steps`,
                  },
                  each.steps.map((done) => (done ? "●" : "○")).join(""),
                ),
              ],
              number(each.priority),
              number(each.last, digits),
              [
                own?.change === null || own?.change === undefined
                  ? "–"
                  : `${signed(own.change * 100, 2)}%`,
                own?.change > 0 ? "buy" : own?.change < 0 ? "sell" : "",
              ],
              number(each.nearest, digits),
              number(each.distance_ticks),
              number(each.levels),
              clock(each.time),
            ],
            COLUMNS,
            {
              class: `pick${each.symbol === app.instrument?.symbol ? " chosen" : ""}`,
              dataset: { symbol: each.symbol },
              tabindex: 0,
              onclick: open,
              onkeydown: (event) => event.key === "Enter" && open(),
            },
          );
        }),
      );
      rowOf(focused)?.focus({ preventScroll: true });
      app.probe.scanner = rows;
    } catch (error) {
      app.complain(error);
    }
  }
  load();
  const timer = setInterval(load, 2000);
  return {
    root,
    key: (name) => (name === "ArrowDown" ? move(1) : name === "ArrowUp" ? move(-1) : false),
    stop: () => clearInterval(timer),
  };
}
