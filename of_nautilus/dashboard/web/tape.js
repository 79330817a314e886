// Time and sales: each print as it comes, large ones marked.

import { get } from "./api.js";
import { el, empty, panel } from "./dom.js";
import { clock, millis, number, sideWord, size } from "./format.js";
import { keepOwn, ownOf } from "./settings.js";

const MOST = 400;

export function tape(app, { full = false } = {}) {
  const { symbol, price_digits: digits, size_digits: lots } = app.instrument;
  const least = el("input", {
    type: "number",
    min: 0,
    step: "any",
    value: ownOf(symbol, "large") ?? "",
    placeholder: "all",
    "aria-label": "Least size shown",
    onchange: () => {
      keepOwn(symbol, "large", least.value === "" ? null : Number(least.value));
      load();
    },
  });
  const hold = el(
    "button",
    {
      class: "plain",
      "aria-pressed": "false",
      onclick: () => {
        paused = !paused;
        hold.setAttribute("aria-pressed", String(paused));
        draw();
      },
    },
    "Hold",
  );
  const { root, body } = panel("Tape", {
    tools: full ? [el("label", { class: "field" }, "from", least), hold] : [hold],
    key: full ? ["▲ bought at the ask", "▼ sold at the bid", "bold with a bar: large trade"] : [],
  });
  const list = el("div", { class: "tape", role: "table", "aria-label": "Time and sales" });
  body.append(list);
  let prints = [],
    paused = false,
    asked = 0;
  const shown = (print) =>
    !full || ownOf(symbol, "large") === null || print.size >= ownOf(symbol, "large");

  function line(print, most) {
    const bar = el("i", {});
    if (print.large) bar.style.width = `${Math.min(100, (print.size / most) * 100)}%`;
    return el(
      "div",
      {
        role: "row",
        class: `print ${print.side > 0 ? "buy" : print.side < 0 ? "sell" : ""}${print.large ? " large" : ""}`,
      },
      bar,
      el(
        "span",
        { role: "cell", class: "muted num" },
        full ? millis(print.time) : clock(print.time),
      ),
      el("span", { role: "cell", class: "num" }, number(print.price, digits)),
      el(
        "span",
        { role: "cell", title: sideWord(print.side) },
        print.side > 0 ? "▲" : print.side < 0 ? "▼" : "·",
      ),
      el("span", { role: "cell", class: "num" }, size(print.size, lots)),
    );
  }

  function draw() {
    if (paused) return;
    asked ||= requestAnimationFrame(() => {
      asked = 0;
      const seen = prints.filter(shown).slice(0, full ? 200 : 60),
        most = Math.max(...prints.map((print) => print.size), 1e-12);
      list.replaceChildren(
        ...(seen.length ? seen.map((print) => line(print, most)) : [empty("No trades yet.")]),
      );
    });
  }

  async function load() {
    try {
      const answer = await get(`/api/tape/${symbol}`, {
        count: 200,
        least: full ? ownOf(symbol, "large") : null,
      });
      const held = new Set(answer.trades.map((print) => print.id));
      prints = [
        ...prints.filter(
          (print) => !held.has(print.id) && print.time >= (answer.trades[0]?.time ?? 0),
        ),
        ...answer.trades,
      ];
      draw();
    } catch (error) {
      app.complain(error);
    }
  }

  const stop = app.feed.subscribe({ channel: "tick", symbol }, (data, whole) => {
    prints = whole ? data.prints : [...data.prints, ...prints].slice(0, MOST);
    draw();
    if (whole) load();
  });
  app.probe.tape = {
    get prints() {
      return prints;
    },
  };
  return {
    root,
    stop: () => {
      stop();
      cancelAnimationFrame(asked);
    },
  };
}
