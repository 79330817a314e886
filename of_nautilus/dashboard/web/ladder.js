// The book as a ladder: size at each price, thin levels marked.

import { el, empty, panel } from "./dom.js";
import { number, share, size } from "./format.js";

export function ladder(app, { levels = 24, compact = false } = {}) {
  const { symbol, price_digits: digits, size_digits: lots, tick } = app.instrument;
  const said = el("span", { class: "muted num" });
  const { root, head, body } = panel("Ladder", {
    key: compact ? [] : ["hatched: thin level", "double click: back to the middle"],
  });
  head.firstChild.after(said);
  const lines = el("div", { class: "ladder", role: "table", "aria-label": "Order book" });
  body.append(lines);
  let held = false; // the best prices stay in the middle until somebody scrolls
  for (const act of ["wheel", "touchmove", "pointerdown"])
    body.addEventListener(
      act,
      () => {
        held = true;
      },
      { passive: true },
    );
  body.addEventListener("dblclick", () => {
    held = false;
  });

  function rung(each, side, most) {
    const bar = el("i", {});
    bar.style.setProperty("--share", each.size / most);
    return el(
      "div",
      {
        role: "row",
        class: `rung ${side}${each.thin ? " thin" : ""}`,
        title: each.thin ? "thin level" : null,
      },
      el("span", { role: "cell", class: "num" }, size(each.size, lots)),
      bar,
      el("b", { role: "cell", class: "num" }, number(each.price, digits)),
    );
  }

  const stop = app.feed.subscribe({ channel: "orderbook", symbol }, (book) => {
    app.probe.book = book;
    if (!book.bids.length && !book.asks.length)
      return lines.replaceChildren(empty("No book: this source has trades alone."));
    const asks = book.asks.slice(0, levels),
      bids = book.bids.slice(0, levels);
    const most = Math.max(
      ...asks.map((each) => each.size),
      ...bids.map((each) => each.size),
      1e-12,
    );
    said.textContent = `imbalance ${share(book.imbalance)}`;
    lines.replaceChildren(
      ...asks.toReversed().map((each) => rung(each, "sell", most)),
      el(
        "div",
        { class: "spread num" },
        el("span", {}, `spread ${number(book.spread_ticks)} × ${number(tick, digits)}`),
        el("b", {}, number(book.mid, digits + 1)),
      ),
      ...bids.map((each) => rung(each, "buy", most)),
    );
    const spread = lines.querySelector(".spread");
    if (!held) body.scrollTop = spread.offsetTop - (body.clientHeight - spread.offsetHeight) / 2;
    return undefined;
  });
  return { root, stop };
}

/** The book's balance in few figures. */
export function bookFacts(app) {
  const { symbol, price_digits: digits, size_digits: lots } = app.instrument;
  const { root, body } = panel("Book");
  body.classList.add("pad");
  const list = el("dl", { class: "facts" });
  body.append(list);
  const stop = app.feed.subscribe({ channel: "orderbook", symbol }, (book) => {
    const sum = (side) => size(book[`${side}_total`], lots);
    list.replaceChildren(
      ...[
        ["Best bid", number(book.bids[0]?.price, digits), "buy"],
        ["Best ask", number(book.asks[0]?.price, digits), "sell"],
        ["Spread", `${number(book.spread_ticks)} ticks`],
        ["Imbalance", share(book.imbalance)],
        ["Bid depth", sum("bid")],
        ["Ask depth", sum("ask")],
        ["Thin below", size(book.thin_below, lots)],
        [
          "Thin bids, asks",
          `${book.bids.filter((r) => r.thin).length}, ${book.asks.filter((r) => r.thin).length}`,
        ],
      ].map(([name, value, kind]) =>
        el("div", {}, el("dt", {}, name), el("dd", { class: `num ${kind ?? ""}` }, value)),
      ),
    );
  });
  return { root, stop };
}
