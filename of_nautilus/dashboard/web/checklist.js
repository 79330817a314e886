// The six steps from a framed profile to a managed trade, and the trade itself.

import { el, panel, row, table } from "./dom.js";
import { clock, levelName, number, signed, size, span, words } from "./format.js";
import { statusClass } from "./status.js";

export function checklist(app) {
  const { symbol, price_digits: digits, size_digits: lots } = app.instrument;
  const badge = el("span", { class: "badge" });
  const { root, head, body } = panel("Status");
  head.append(badge);
  body.classList.add("pad");
  const steps = el("ol", { class: "steps" }),
    trade = el("div", { class: "trade" });
  body.append(steps, trade);
  const stop = app.feed.subscribe({ channel: "trade_state", symbol }, (data) => {
    badge.textContent = words(data.status);
    badge.className = `badge ${statusClass(data.status)}`;
    steps.replaceChildren(
      ...data.steps.map((step) =>
        el(
          "li",
          {
            class: step.done ? "done" : "",
            "aria-label": `${step.name}: ${step.done ? "done" : "not yet"}`,
          },
          el("b", {}, step.name),
          el("span", { class: "muted", title: step.text }, levelName(step.text)),
        ),
      ),
    );
    trade.replaceChildren(...(data.trade ? [position(data.trade, digits, lots)] : []));
    app.probe.status = data;
  });
  return { root, stop };
}

function position(trade, digits, lots) {
  const facts = [
    ["Entry", number(trade.entry, digits)],
    ["Stop", number(trade.stop, digits), "sell"],
    ["Target", number(trade.target, digits), "buy"],
    [
      "Result",
      `${signed(trade.pnl_ticks, 1)} ticks`,
      trade.pnl_ticks > 0 ? "good" : trade.pnl_ticks < 0 ? "warn" : "",
    ],
    ["In R", signed(trade.r_multiple, 2)],
    ["Grade", trade.grade || "–"],
  ];
  return el(
    "div",
    {},
    el(
      "h3",
      {},
      `${trade.side > 0 ? "Long" : "Short"} ${size(trade.quantity, lots)} since ${clock(trade.opened)}, ${words(trade.phase)}`,
    ),
    el(
      "dl",
      { class: "facts" },
      facts.map(([name, value, kind]) =>
        el("div", {}, el("dt", {}, name), el("dd", { class: `num ${kind ?? ""}` }, value)),
      ),
    ),
  );
}

const COLUMNS = [
  ["Time", true],
  ["Move", true],
  ["Event", true],
  ["Why", true],
];

/** The moves of the state machine, the newest first. */
export function transitions(app) {
  const { symbol } = app.instrument;
  const { root, body } = panel("Transitions");
  const list = table(COLUMNS, "Transitions of the trade");
  body.append(list.root);
  let all = [];
  const stop = app.feed.subscribe({ channel: "trade_state", symbol }, (data, whole) => {
    all = whole ? data.transitions : [...data.transitions, ...all].slice(0, 200);
    list.body.replaceChildren(
      ...(all.length
        ? all.map((each) =>
            row(
              [
                clock(each.time),
                `${words(each.source)} → ${words(each.target)}`,
                words(each.event),
                each.reason === each.event ? "" : words(each.reason),
              ],
              COLUMNS,
            ),
          )
        : [row([["None yet.", "muted"]], COLUMNS)]),
    );
  });
  return { root, stop };
}

export const lasted = (trade) => span(trade.closed - trade.opened);
