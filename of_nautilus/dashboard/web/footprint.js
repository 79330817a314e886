// Footprint bars: candles from afar, colored cells nearer, sold × bought in every cell up close.

import { get } from "./api.js";
import { Canvas, Tip } from "./canvas.js";
import { el, option, panel } from "./dom.js";
import { FootprintPainter } from "./footprint_paint.js";
import { number, signed, size, stamp } from "./format.js";
import { heightFor, heights } from "./rows.js";
import { Series } from "./series.js";
import { keep, keepOwn, ownOf, settings } from "./settings.js";
import { onTheme } from "./theme.js";

const WIDEST = 230,
  NARROWEST = 3,
  BAR_ROWS = 8;

export function footprint(app) {
  const { symbol, tick, price_digits: digits, size_digits: lots } = app.instrument;
  const rows = el(
    "select",
    {
      "aria-label": "Row height",
      onchange: () => {
        keepOwn(symbol, "rows", Number(rows.value));
        open();
      },
    },
    heights(app.instrument).map((height) => option(height, number(height * tick, digits))),
  );
  const ratio = el("input", {
    type: "number",
    min: 1,
    max: 20,
    step: 0.5,
    value: settings.ratio,
    "aria-label": "Imbalance ratio",
    onchange: () => {
      keep({ ratio: Number(ratio.value) });
      open();
    },
  });
  const floor = el("input", {
    type: "number",
    min: 0,
    step: "any",
    value: ownOf(symbol, "least") ?? "",
    placeholder: "auto",
    "aria-label": "Least size of an imbalance",
    onchange: () => {
      keepOwn(symbol, "least", floor.value === "" ? null : Number(floor.value));
      open();
    },
  });
  const zoomed = (factor) => () => zoom(factor, view.width / 2);
  const tools = [
    el("label", { class: "field" }, "Row", rows),
    el("label", { class: "field" }, "Imbalance", ratio, ": 1"),
    el("label", { class: "field" }, "from", floor),
    el(
      "span",
      { class: "group" },
      el("button", { onclick: zoomed(1 / 1.5), "aria-label": "Zoom out" }, "−"),
      el("button", { onclick: zoomed(1.5), "aria-label": "Zoom in" }, "+"),
      el("button", { onclick: () => newest(), title: "To the newest bar (End)" }, "Newest"),
    ),
  ];
  const key = [
    "sold × bought",
    "◂ ▸ imbalance against the diagonal",
    "thick edge: stack of imbalances",
    "frame: POC",
    "○ unfinished auction",
  ];
  const { root, body } = panel("Footprint", { still: true, tools, key });
  const bars = new Series();
  const view = {
    barPx: innerWidth < 760 ? 92 : 96,
    right: null,
    center: null,
    spread: 1,
    width: 0,
  }; // right: index at the right edge, null follows
  const painter = new FootprintPainter(view, { tick, digits, lots });
  const canvas = new Canvas(body, "Footprint chart", (context, width, height, colors) => {
    view.width = width;
    painter.paint(context, width, height, colors, bars.items);
  });
  const tip = new Tip(body);
  let socket = null,
    seq = 0,
    wait = 400,
    ended = false,
    timer = 0;

  /** The rows that were chosen before, else such that a usual bar has eight or so. */
  async function choose() {
    const own = ownOf(symbol, "rows");
    const { candles } = own
      ? { candles: [] }
      : await get(`/api/candles/${symbol}`, { tf: app.tf, count: 30 });
    const ranges = candles.map((bar) => bar.high - bar.low).sort((a, b) => a - b);
    rows.value = own ?? heightFor((ranges[ranges.length >> 1] ?? 0) / BAR_ROWS, app.instrument);
  }

  function open() {
    if (ended) return;
    clearTimeout(timer);
    if (socket) {
      socket.onclose = null;
      socket.close();
    }
    const query = new URLSearchParams({
      symbol,
      tf: app.tf,
      rows: rows.value,
      lookback: 240,
      emit_ms: 300,
      ratio: ratio.value,
    });
    if (floor.value !== "") query.set("least", floor.value);
    socket = new WebSocket(new URL(`/ws/orderflow?${query}`, location.href.replace(/^http/, "ws")));
    socket.onmessage = (event) => take(JSON.parse(event.data));
    socket.onopen = () => {
      wait = 400;
    };
    socket.onclose = () => {
      if (!ended) timer = setTimeout(open, wait);
      wait = Math.min(wait * 1.6, 6000);
    };
  }

  function take(message) {
    if (message.type === "error") return app.complain(new Error(message.detail));
    if (message.type === "snapshot") {
      bars.put(message.candles, true);
      painter.rowHeight = message.step;
    } else if (message.type === "delta") {
      if (message.seq !== seq + 1) return socket.close(); // opened again, it begins with a snapshot
      bars.put([message.candle], false);
    }
    seq = message.seq;
    canvas.draw();
  }

  function zoom(factor, x) {
    const before = view.barPx;
    view.barPx = Math.min(Math.max(before * factor, NARROWEST), WIDEST);
    if (view.right !== null) view.right += (painter.plot - x) * (1 / view.barPx - 1 / before);
    canvas.draw();
  }

  function pan(dx, dy) {
    const end = bars.items.length;
    view.right = Math.min(Math.max((view.right ?? end) - dx / view.barPx, 2), end + 3);
    if (view.right >= end && dx < 0) view.right = null;
    if (dy) view.center = (view.center ?? painter.center) + dy * painter.perPx;
    canvas.draw();
  }

  function newest() {
    Object.assign(view, { right: null, center: null, spread: 1 });
    canvas.draw();
  }

  const acts = {
    ArrowLeft: () => pan(view.barPx, 0),
    ArrowRight: () => pan(-view.barPx, 0),
    ArrowUp: () => pan(0, 40),
    ArrowDown: () => pan(0, -40),
    "+": zoomed(1.3),
    "=": zoomed(1.3),
    "-": zoomed(1 / 1.3),
    0: () => {
      view.barPx = painter.plot / Math.max(bars.items.length, 1);
      newest();
    },
    End: newest,
  };
  const act = (name) => {
    if (acts[name]) acts[name]();
    return Boolean(acts[name]);
  };

  const node = canvas.node,
    fingers = new Map();
  node.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const factor = Math.exp(-event.deltaY / 400);
      if (event.shiftKey) {
        view.spread = Math.min(Math.max(view.spread / factor, 0.2), 6);
        canvas.draw();
      } else zoom(factor, canvas.at(event)[0]);
    },
    { passive: false },
  );
  node.addEventListener("pointerdown", (event) => {
    node.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, canvas.at(event));
  });
  node.addEventListener("pointerup", (event) => fingers.delete(event.pointerId));
  node.addEventListener("pointercancel", (event) => fingers.delete(event.pointerId));
  node.addEventListener("pointerleave", () => tip.hide());
  node.addEventListener("pointermove", (event) => {
    const [x, y] = canvas.at(event),
      last = fingers.get(event.pointerId);
    if (!last) return hover(x, y);
    tip.hide();
    if (fingers.size === 2) {
      const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
      const apart = Math.hypot(last[0] - other[0], last[1] - other[1]);
      zoom(Math.hypot(x - other[0], y - other[1]) / Math.max(apart, 1), (x + other[0]) / 2);
    } else pan(x - last[0], y - last[1]);
    fingers.set(event.pointerId, [x, y]);
  });
  node.addEventListener("dblclick", newest);

  function hover(x, y) {
    const found = painter.under(x, y, bars.items);
    if (!found) return tip.hide();
    const { bar, cell } = found,
      head = `${stamp(bar.time)} UTC`;
    const whole = `volume ${size(bar.volume, lots)}  delta ${signed(bar.delta, lots)}  CVD ${signed(bar.cvd, lots)}`;
    tip.show(
      x,
      y,
      cell
        ? `${head}\n${number(cell.p, digits)}\nsold ${size(cell.bid, lots)}  bought ${size(cell.ask, lots)}\ndelta ${signed(cell.delta, lots)}  prints ${cell.n}\n${whole}`
        : `${head}\nO ${number(bar.open, digits)}  H ${number(bar.high, digits)}\nL ${number(bar.low, digits)}  C ${number(bar.close, digits)}\n${whole}`,
    );
  }

  const unlisten = onTheme(() => canvas.draw());
  choose().then(open, app.complain);
  app.probe.footprint = { bars, view, painter, zoom, canvas };
  return {
    root,
    key: act,
    stop: () => {
      ended = true;
      clearTimeout(timer);
      socket?.close();
      canvas.stop();
      unlisten();
    },
  };
}
