// Signal cards: what fired, why, what it scored, and what became of it.

import { el, empty, panel } from "./dom.js";
import { clock, levelName, number, sideWord, signed, stamp, words } from "./format.js";
import { keep, settings } from "./settings.js";
import { drawShape, onTheme, theme } from "./theme.js";

export function signals(app, { compact = false } = {}) {
  const { symbol } = app.instrument;
  const least = el("input", {
    type: "number",
    min: 0,
    max: 100,
    value: settings.strength,
    "aria-label": "Least strength",
    onchange: () => {
      keep({ strength: Number(least.value) });
      draw();
    },
  });
  const { root, body } = panel("Signals", {
    tools: compact ? [] : [el("label", { class: "field" }, "strength from", least)],
  });
  const list = el("div", { class: compact ? "cards compact" : "cards" });
  body.append(list);
  let cards = [];

  function draw() {
    const seen = cards
      .filter((each) => compact || each.strength >= settings.strength || each.decision)
      .slice(0, compact ? 12 : 60);
    list.replaceChildren(
      ...(seen.length
        ? seen.map((each) => card(each, app.instrument, compact))
        : [empty(cards.length ? "None as strong as that." : "No signal yet.")]),
    );
  }

  const same = (a, b) =>
    a.ts === b.ts && a.pattern === b.pattern && a.side === b.side && a.price === b.price;
  const stops = [
    app.feed.subscribe({ channel: "signal", symbol }, (data, whole) => {
      cards = whole
        ? data.signals
        : [
            ...data.signals,
            ...cards.filter((old) => !data.signals.some((fresh) => same(old, fresh))),
          ].slice(0, 300);
      draw();
    }),
    onTheme(draw),
  ];
  app.probe.signals = {
    get cards() {
      return cards;
    },
  };
  return { root, stop: () => stops.forEach((stop) => stop()) };
}

function shape(pattern, side, px) {
  const node = el("canvas", {
    width: px * 2,
    height: px * 2,
    class: "shape",
    "aria-hidden": "true",
  });
  const context = node.getContext("2d");
  context.scale(2, 2);
  drawShape(context, pattern, side, px / 2, px / 2, px - 6, theme().panel);
  return node;
}

function card(each, instrument, compact) {
  const { price_digits: digits } = instrument;
  const head = el(
    "header",
    {},
    shape(each.pattern, each.side, 20),
    el("b", {}, words(each.pattern)),
    el("b", { class: each.side > 0 ? "buy" : "sell" }, sideWord(each.side)),
    el("span", { class: "num" }, number(each.price, digits)),
    el("span", { class: "grow" }),
    each.grade
      ? el("span", { class: `grade g${each.grade[0]}`, title: "grade" }, each.grade)
      : null,
  );
  const verdict =
    each.decision === "planned"
      ? el("b", { class: "good" }, "entry planned")
      : each.refusal
        ? el("span", { class: "warn" }, `refused: ${words(each.refusal)}`)
        : el("span", { class: "muted" }, "no entry considered");
  const line = el(
    "p",
    { class: "muted num" },
    compact ? clock(each.time) : `${stamp(each.time)} UTC`,
    el("span", { class: "grow" }),
    `strength ${number(each.strength, 1)}`,
  );
  if (compact) return el("article", { class: "card" }, head, line, el("p", {}, verdict));
  return el(
    "article",
    { class: "card" },
    head,
    line,
    el(
      "p",
      {},
      verdict,
      each.level
        ? el("span", { class: "muted" }, ` at ${levelName(each.level.split(":")[0])}`)
        : null,
    ),
    each.score === null || each.score === undefined ? null : score(each),
    each.entry
      ? el(
          "p",
          { class: "num plan" },
          el("span", {}, "entry ", el("b", {}, number(each.entry, digits))),
          el("span", { class: "sell" }, "stop ", el("b", {}, number(each.stop, digits))),
          el(
            "span",
            { class: "buy" },
            "target ",
            el("b", {}, each.target ? number(each.target, digits) : "none"),
          ),
          el("span", {}, "R:R ", el("b", {}, number(each.reward_to_risk, 2))),
        )
      : null,
    el(
      "dl",
      { class: "reasons" },
      Object.entries(each.reasons ?? {}).map(([name, value]) =>
        el(
          "div",
          {},
          el("dt", {}, words(name)),
          el(
            "dd",
            { class: "num" },
            typeof value === "number" ? String(Number(value.toPrecision(5))) : String(value),
          ),
        ),
      ),
    ),
  );
}

/** The score's terms as a bar from 0 to 100, with the least that an entry needs. */
function score(each) {
  if (each.decision !== "planned")
    return el("p", { class: "num muted" }, `score ${number(each.score, 1)}`);
  const bar = el("div", { class: "score", title: "terms of the score" });
  for (const [name, value] of each.terms ?? []) {
    if (value <= 0) continue;
    const part = el("i", { class: `t-${name}`, title: `${name} ${signed(value, 1)}` });
    part.style.width = `${Math.min(value, 100)}%`;
    bar.append(part);
  }
  const need = el("u", { title: `an entry needs ${number(each.min_score)}` });
  need.style.left = `${each.min_score ?? 40}%`;
  bar.append(need);
  const terms = (each.terms ?? [])
    .map(([name, value]) => `${name} ${signed(value, 1)}`)
    .join("   ");
  return el(
    "div",
    {},
    el(
      "p",
      { class: "num" },
      "score ",
      el("b", {}, number(each.score, 1)),
      el(
        "span",
        { class: "muted" },
        ` of ${number(each.min_score)} needed, normalized ${number(each.normalized, 1)}`,
      ),
    ),
    bar,
    el("p", { class: "muted num terms" }, terms),
  );
}
