// The book through time: the stronger its color, the more rests at that price. Trades lie over it.

import { Canvas, font, niceStep, Tip } from "./canvas.js";
import { get } from "./api.js";
import { panel } from "./dom.js";
import { clock, number, size } from "./format.js";
import { isDark, onTheme } from "./theme.js";

const MOST = 600;

export function heatmap(app) {
  const { symbol, price_digits: digits, size_digits: lots, tick } = app.instrument;
  const { root, body } = panel("Heat map of the book", {
    still: true,
    key: [
      "stronger color: more size rests there",
      "line: best bid and ask",
      "● bought, ○ sold: large trades",
    ],
  });
  const state = { books: [], prints: [], tick, digits },
    tip = new Tip(body);
  const canvas = new Canvas(body, "Heat map of the order book", (c, width, height, colors) =>
    paint(c, width, height, colors, state),
  );
  const add = (book) => {
    if (!book.bids.length && !book.asks.length) return;
    if (state.books.length && book.time < state.books.at(-1).time) state.books = []; // a seek back
    if (book.time !== state.books.at(-1)?.time) state.books.push(book);
    if (state.books.length > MOST) state.books.splice(0, state.books.length - MOST);
  };
  get(`/api/orderbook/${symbol}`, { levels: 40, history: 300 }).then((book) => {
    if (book.history?.length && state.books.length < book.history.length) {
      const live = state.books;
      state.books = [];
      for (const each of [
        ...book.history,
        ...live.filter((own) => own.time > book.history.at(-1).time),
      ])
        add(each);
    }
    canvas.draw();
  }, app.complain);
  canvas.node.addEventListener("pointerleave", () => tip.hide());
  canvas.node.addEventListener("pointermove", (event) => {
    const [x, y] = canvas.at(event),
      found = state.under?.(x, y);
    if (!found) return tip.hide();
    tip.show(
      x,
      y,
      `${clock(found.time)}\n${number(found.price, digits)}\n${found.size ? size(found.size, lots) : "nothing seen"}`,
    );
  });
  const stops = [
    app.feed.subscribe({ channel: "orderbook", symbol }, (book) => {
      add(book);
      canvas.draw();
    }),
    app.feed.subscribe({ channel: "tick", symbol }, ({ prints }) => {
      state.prints.push(...prints.filter((each) => each.large).reverse());
      state.prints.splice(0, Math.max(0, state.prints.length - 300));
    }),
    onTheme(() => canvas.draw()),
  ];
  app.probe.heatmap = state;
  return {
    root,
    stop: () => {
      stops.forEach((stop) => stop());
      canvas.stop();
    },
  };
}

function paint(c, width, height, colors, state) {
  const { books, digits, tick } = state;
  if (!books.length) {
    c.fillStyle = colors.muted;
    c.textAlign = "center";
    c.fillText("No book yet", width / 2, height / 2);
    state.under = null;
    return;
  }
  const axis =
    16 + 6.6 * number(books.at(-1).asks[0]?.price ?? books.at(-1).bids[0]?.price, digits).length;
  const plot = width - axis,
    foot = 20,
    bottom = height - foot,
    wide = Math.max(plot / Math.max(books.length, 60), 1.2);
  const seen = books.slice(-Math.ceil(plot / wide)),
    mids = seen.map((book) => book.mid).filter((mid) => mid !== null);
  const reach = Math.max(
    ...seen.map((book) =>
      Math.max(
        (book.asks.at(-1)?.price ?? 0) - book.mid,
        book.mid - (book.bids.at(-1)?.price ?? book.mid),
      ),
    ),
    10 * tick,
  );
  const high = Math.max(...mids) + Math.min(reach, 40 * tick),
    low = Math.min(...mids) - Math.min(reach, 40 * tick);
  const perPx = (high - low) / bottom,
    y = (price) => (high - price) / perPx,
    tall = Math.max(tick / perPx, 1);
  const sizes = seen
    .flatMap((book) => [...book.bids, ...book.asks].map((rung) => rung.size))
    .sort((a, b) => a - b);
  const strong = sizes[Math.floor(sizes.length * 0.98)] || 1;
  const x = (k) => plot - (seen.length - k) * wide;
  const heat = isDark()
    ? [
        [18, 23, 30],
        [44, 40, 84],
        [104, 56, 132],
        [190, 96, 160],
        [250, 214, 236],
      ]
    : [
        [255, 255, 255],
        [232, 224, 242],
        [196, 168, 218],
        [150, 88, 170],
        [84, 24, 96],
      ];
  seen.forEach((book, k) => {
    for (const rung of [...book.bids, ...book.asks]) {
      const top = y(rung.price) - tall / 2;
      if (top > bottom || top + tall < 0) continue;
      c.fillStyle = shade(heat, Math.min(1, Math.sqrt(rung.size / strong)));
      c.fillRect(x(k), top, wide + 0.6, Math.min(tall + 0.4, bottom - top));
    }
  });
  for (const [side, color] of [
    ["bids", colors.buy_fill],
    ["asks", colors.sell_fill],
  ]) {
    c.beginPath();
    seen.forEach((book, k) => {
      if (book[side][0]) {
        c.lineTo(x(k), y(book[side][0].price));
        c.lineTo(x(k) + wide, y(book[side][0].price));
      }
    });
    for (const [stroke, px] of [
      [colors.panel, 4],
      [color, 1.8],
    ]) {
      c.strokeStyle = stroke;
      c.lineWidth = px;
      c.stroke();
    }
  }
  const big = Math.max(...state.prints.map((print) => print.size), 1e-12);
  for (const print of state.prints) {
    const k = seen.findIndex((book) => book.time >= print.time);
    if (k < 0 || print.time < seen[0].time) continue;
    c.beginPath();
    c.arc(x(k), y(print.price), 2.5 + 5 * Math.sqrt(print.size / big), 0, 7);
    c.lineWidth = 2;
    c.strokeStyle = print.side > 0 ? colors.buy_fill : colors.sell_fill;
    c.fillStyle = print.side > 0 ? colors.buy_fill : colors.panel;
    c.fill();
    c.stroke();
  }
  c.fillStyle = colors.panel;
  c.fillRect(plot, 0, axis, height);
  c.fillRect(0, bottom, width, foot);
  c.fillStyle = colors.line;
  c.fillRect(plot, 0, 1, height);
  c.fillRect(0, bottom, width, 1);
  c.fillStyle = colors.muted;
  c.font = font(11);
  c.textAlign = "left";
  const step = niceStep(high - low, bottom / 42, tick);
  for (let k = Math.ceil(low / step); k * step < high; k++)
    if (y(k * step) > 8) c.fillText(number(k * step, digits), plot + 7, y(k * step));
  c.textAlign = "center";
  const every = Math.max(1, Math.ceil(90 / wide));
  for (let k = seen.length - 1; k >= 0; k -= every)
    if (x(k) > 30) c.fillText(clock(seen[k].time), Math.min(x(k), plot - 28), height - foot / 2);
  state.under = (px, py) => {
    const book = seen[Math.floor((px - x(0)) / wide)],
      price = Math.round((high - py * perPx) / tick) * tick;
    if (!book || px > plot || py > bottom) return null;
    const rung = [...book.bids, ...book.asks].find(
      (each) => Math.abs(each.price - price) < tick / 2,
    );
    return { time: book.time, price, size: rung?.size };
  };
}

function shade(stops, part) {
  const at = part * (stops.length - 1),
    k = Math.min(Math.floor(at), stops.length - 2),
    t = at - k;
  return `rgb(${stops[k].map((value, i) => Math.round(value + (stops[k + 1][i] - value) * t)).join(",")})`;
}
