"use strict";
(() => {
  const page = JSON.parse(document.getElementById("report-data").textContent);
  const style = page.style;
  const chart = document.getElementById("chart");
  const state = { range: null, bars: null, levels: new Map(), draws: 0, shown: null };

  // -- numbers out of packed columns --------------------------------------------------------------

  const TYPES = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, i4: Int32Array, f8: Float64Array };

  function inflated(text) {
    const raw = atob(text), bytes = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate")));
  }

  // The chart library is compiled beside the page's own work, once that can be seen.
  const library = (async () => {
    await new Promise((seen) => requestAnimationFrame(() => setTimeout(seen, 0)));
    const source = await inflated(document.getElementById("plotly").textContent).blob();
    const script = document.createElement("script");
    script.src = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    await new Promise((done, failed) => {
      script.onload = done;
      script.onerror = () => failed(new Error("the chart library cannot be read"));
      document.head.append(script);
    });
    URL.revokeObjectURL(script.src);
  })();

  async function unpack(packed) {
    const buffer = await inflated(packed.data).arrayBuffer();
    const columns = {};
    let at = 0;
    for (const [name, kind, length] of packed.fields) {
      const Type = TYPES[kind];
      columns[name] = new Type(buffer, at, length);
      at += length * Type.BYTES_PER_ELEMENT;
    }
    return columns;
  }

  // Each chunk of cells is decoded once, when a bar of it is first shown.
  async function chunk(level, number) {
    const key = `${level.factor}:${number}`;
    if (!state.levels.has(key)) state.levels.set(key, unpack(level.chunks[number]));
    return state.levels.get(key);
  }

  async function cellsOf(level, i) {
    const bars = state.bars, number = Math.floor(i / page.chunk), f = level.factor;
    const data = await chunk(level, number);
    let at = 0;
    const rows = (k) => Math.floor(bars.high_row[k] / f) - Math.floor(bars.low_row[k] / f) + 1;
    if (!data.starts) {
      data.starts = [];
      const last = Math.min((number + 1) * page.chunk, bars.open.length);
      for (let k = number * page.chunk; k < last; k++) { data.starts.push(at); at += rows(k); }
    }
    const own = i - number * page.chunk, start = data.starts[own], end = start + rows(i);
    return {
      low: Math.floor(bars.low_row[i] / f),
      sold: data.sold.subarray(start, end),
      bought: data.bought.subarray(start, end),
      flags: data.flags.subarray(start, end),
      poc: data.poc[own],
      ends: data.ends[own],
    };
  }

  // -- words --------------------------------------------------------------------------------------

  const digitsOf = (step) => (String(Number(step.toFixed(12))).split(".")[1] || "").length;
  const priceDigits = digitsOf(page.tick);
  const price = (ticks) => (ticks * page.tick).toFixed(priceDigits);
  const sizeDigits = digitsOf(page.lot), plain = new Intl.NumberFormat("en-US", { maximumFractionDigits: 12 });
  const size = (lots) => plain.format(Number((lots * page.lot).toFixed(sizeDigits)));
  const stamp = (ms, seconds = true) =>
    new Date(ms).toISOString().replace("T", " ").slice(0, seconds ? 19 : 16);
  const rowPrice = (row, level) => (row * level.ticks + (level.ticks - 1) / 2) * page.tick;
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const checked = (name) => document.getElementById(`show-${name}`)?.checked ?? true;

  // -- the main chart -----------------------------------------------------------------------------

  const MIN_CELL_PX = 16, MIN_ROW_PX = 4, CANDLE_PX = 4;

  function panes() {
    const below = ["delta", "cvd"];
    if (page.ofi) below.push("ofi");
    if (page.vpin) below.push("vpin");
    const height = below.length > 2 ? 0.09 : 0.13, gap = 0.022;
    const found = {};
    let top = below.length * (height + gap);
    found.price = [top, 1];
    for (const name of below) {
      found[name] = [top - gap - height, top - gap];
      top -= height + gap;
    }
    return found;
  }

  function sizes() {
    const box = chart.getBoundingClientRect(), narrow = box.width < 640;
    const letters = price(state.bars.high.reduce((a, b) => Math.max(a, b), 0)).length;
    const margin = { l: 14 + 6.4 * letters + (narrow ? 0 : 14), r: 6, t: 26, b: 34 };
    const share = narrow ? 0.84 : 0.87;
    const width = (box.width - margin.l - margin.r) * share;
    const height = box.height - margin.t - margin.b;
    return { narrow, margin, share, width, height };
  }

  // The largest letters with which a usual cell ("1.23 × 4.56▸") fits, or 0 if none can be read.
  function fontFor(level, rowPx, perBar) {
    const letters = 2 * (level.digits ? level.digits + 2 : 3) + 3;
    const px = Math.floor(Math.min(13, rowPx - 2, (perBar * 0.87) / (letters * 0.56)));
    return px >= 8 ? px : 0;
  }

  function choose(i0, i1, low, high, box) {
    const perBar = box.width / (i1 - i0), paneHeight = box.height * (1 - panes().price[0]);
    if (perBar < MIN_CELL_PX || !page.levels.length) return null;
    const picked = (level) => {
      const rowPx = paneHeight / ((high - low) / level.ticks);
      return { level, rowPx, perBar, font: fontFor(level, rowPx, perBar) };
    };
    const wanted = document.getElementById("rows").value;
    const all = page.levels.map(picked);
    if (wanted !== "auto") return all.find((p) => String(p.level.ticks) === wanted);
    return all.find((p) => p.font >= 9) || all.find((p) => p.font) || all.find((p) => p.rowPx >= MIN_ROW_PX) || all.at(-1);
  }

  function visible(range) {
    const n = state.bars.open.length;
    return [Math.max(0, Math.ceil(range[0])), Math.min(n - 1, Math.floor(range[1]))];
  }

  function extent(first, last, range) {
    let low = Infinity, high = -Infinity;
    for (let i = first; i <= last; i++) {
      low = Math.min(low, state.bars.low[i]);
      high = Math.max(high, state.bars.high[i]);
    }
    // A far target would press the cells into lines: it may widen the picture, within measure.
    const [least, most] = [low - 1.2 * (high - low), high + 1.2 * (high - low)];
    if (checked("trades")) for (const t of page.trades) {
      if (t.x1 < range[0] || t.x0 > range[1]) continue;
      for (const p of [t.entry, t.exit, ...t.stops.map((s) => s[1]), t.target]) {
        if (p >= least && p <= most) { low = Math.min(low, p); high = Math.max(high, p); }
      }
    }
    const margin = Math.max((high - low) * 0.06, 3);
    return [low - margin, high + margin];
  }

  function candleTraces(first, last, box) {
    const bars = state.bars, group = Math.max(1, Math.ceil((last - first + 1) / (box.width / CANDLE_PX)));
    const c = { x: [], open: [], high: [], low: [], close: [], text: [] };
    for (let i = first - (first % group); i <= last; i += group) {
      const end = Math.min(i + group, bars.open.length) - 1;
      let high = -Infinity, low = Infinity;
      for (let k = i; k <= end; k++) { high = Math.max(high, bars.high[k]); low = Math.min(low, bars.low[k]); }
      c.x.push((i + end) / 2);
      c.open.push(bars.open[i] * page.tick); c.close.push(bars.close[end] * page.tick);
      c.high.push(high * page.tick); c.low.push(low * page.tick);
      c.text.push(`${stamp(bars.open_ts[i])} UTC${group > 1 ? `, ${group} bars` : ""}`);
    }
    return { group, traces: [{
      type: "candlestick", ...c, name: "price", showlegend: false,
      increasing: { line: { color: style.buy, width: 1 }, fillcolor: css("--panel") },
      decreasing: { line: { color: style.sell, width: 1 }, fillcolor: style.sell },
    }] };
  }

  const line = (x, y, color, width, extra = {}) => ({
    type: "scatter", mode: "lines", x, y, hoverinfo: "skip", showlegend: false,
    line: { color, width, ...(extra.dash ? { dash: extra.dash } : {}) }, ...extra.more });

  async function cellTraces(first, last, pick) {
    const { level, rowPx, font } = pick, bars = state.bars;
    const own = [];
    for (let i = first; i <= last; i++) own.push(await cellsOf(level, i));
    let low = Infinity, high = -Infinity;
    for (const b of own) { low = Math.min(low, b.low); high = Math.max(high, b.low + b.sold.length - 1); }
    const rows = Array.from({ length: high - low + 1 }, (_, r) => low + r);
    const blank = (value) => rows.map(() => new Array(own.length).fill(value));
    const z = blank(null), words = blank(""), exact = blank(null), all = [];
    const spine = { x: [], y: [] }, up = { x: [], y: [] }, down = { x: [], y: [] };
    const buys = { x: [], y: [] }, sells = { x: [], y: [] }, poc = { x: [], y: [] };
    const ends = { x: [], y: [] };
    const half = level.ticks * page.tick / 2;
    const frame = (to, i, r0, r1) => {
      const y0 = rowPrice(r0, level) - half, y1 = rowPrice(r1, level) + half;
      to.x.push(i - 0.43, i + 0.46, i + 0.46, i - 0.43, i - 0.43, null);
      to.y.push(y0, y0, y1, y1, y0, null);
    };
    own.forEach((b, k) => {
      const i = first + k;
      for (let r = 0; r < b.sold.length; r++) {
        const sold = b.sold[r], bought = b.bought[r], flag = b.flags[r], at = b.low - low + r;
        z[at][k] = (bought - sold) * page.lot;
        exact[at][k] = [sold, bought, size(sold), size(bought), size(bought - sold)];
        all.push(Math.abs(bought - sold) * page.lot);
        if (font && (sold || bought)) {
          const left = (sold * page.lot).toFixed(level.digits), right = (bought * page.lot).toFixed(level.digits);
          words[at][k] = `${flag & 2 ? `◂<b>${left}</b>` : left} × ${flag & 1 ? `<b>${right}</b>▸` : right}`;
        }
      }
      for (const [mark, to] of [[4, buys], [8, sells]]) {
        for (let r = 0; r < b.flags.length; r++) {
          if (!(b.flags[r] & mark)) continue;
          let end = r;
          while (end + 1 < b.flags.length && b.flags[end + 1] & mark) end++;
          frame(to, i, b.low + r, b.low + end);
          r = end;
        }
      }
      frame(poc, i, b.low + b.poc, b.low + b.poc);
      const top = b.low + b.sold.length - 1;
      if (b.ends & 1) { ends.x.push(i); ends.y.push(rowPrice(top, level) + 1.7 * half); }
      if (b.ends & 2) { ends.x.push(i); ends.y.push(rowPrice(b.low, level) - 1.7 * half); }
      spine.x.push(i - 0.47, i - 0.47, null);
      spine.y.push(bars.low[i] * page.tick, bars.high[i] * page.tick, null);
      const to = bars.close[i] >= bars.open[i] ? up : down;
      to.x.push(i - 0.47, i - 0.47, null);
      to.y.push(bars.open[i] * page.tick, bars.close[i] * page.tick, null);
    });
    all.sort((a, b) => a - b);
    const strong = all[Math.floor(all.length * 0.97)] || page.lot;
    const clear = rowPx >= 7;
    return [
      line(spine.x, spine.y, css("--muted"), 1),
      line(up.x, up.y, style.buy, 4), line(down.x, down.y, style.sell, 4),
      {
        type: "heatmap", name: "footprint", x: own.map((_, k) => first + k),
        y: rows.map((r) => rowPrice(r, level)), z, text: words, customdata: exact,
        texttemplate: font ? "%{text}" : "", textfont: { size: font || 8, color: css("--ink") },
        colorscale: [[0, css("--sell-cell")], [0.5, css("--even-cell")], [1, css("--buy-cell")]],
        zmin: -strong, zmax: strong, showscale: false,
        xgap: Math.max(2, Math.min(12, pick.perBar * 0.12)), ygap: rowPx >= 6 ? 1 : 0,
        hovertemplate: `%{y:.${priceDigits}f}<br>sold %{customdata[2]}<br>bought %{customdata[3]}<br>delta %{customdata[4]}<extra></extra>`,
      },
      ...(clear ? [line(poc.x, poc.y, css("--ink"), 1.3)] : []),
      line(buys.x, buys.y, style.buy, clear ? 2.5 : 1.2),
      line(sells.x, sells.y, style.sell, clear ? 2.5 : 1.2),
      {
        type: "scatter", mode: "markers", name: "unfinished", ...(clear ? ends : { x: [], y: [] }),
        marker: { symbol: "circle-open", size: 7, color: css("--ink"), line: { width: 1.5 } },
        hovertemplate: "unfinished auction<extra></extra>", showlegend: false,
      },
    ];
  }

  function signalTraces(range) {
    if (!checked("signals")) return [];
    const by = new Map();
    for (const s of page.signals) {
      if (s.x < range[0] - 1 || s.x > range[1] + 1) continue;
      if (!by.has(s.pattern)) by.set(s.pattern, []);
      by.get(s.pattern).push(s);
    }
    return [...by].map(([pattern, own]) => {
      const shapes = style.shapes[pattern] || ["circle", "circle"];
      return {
        type: "scatter", mode: "markers", name: pattern, showlegend: false,
        x: own.map((s) => s.x), y: own.map((s) => s.price * page.tick),
        marker: {
          symbol: own.map((s) => shapes[s.side > 0 ? 0 : 1]),
          color: style.patterns[pattern] || style.other,
          size: own.map((s) => 9 + s.strength / 20),
          line: { width: 1.5, color: css("--panel") },
        },
        customdata: own.map((s) => [s.side > 0 ? "buy" : "sell", s.strength, s.reasons, s.time]),
        hovertemplate: `<b>${pattern}</b> %{customdata[0]} at %{y:.${priceDigits}f}<br>%{customdata[3]} UTC<br>strength %{customdata[1]:.1f} of 100<br>%{customdata[2]}<extra></extra>`,
      };
    });
  }

  function tradeTraces(range) {
    if (!checked("trades")) return [];
    const own = page.trades.filter((t) => t.x1 >= range[0] - 1 && t.x0 <= range[1] + 1);
    const path = { x: [], y: [] }, stops = { x: [], y: [] }, targets = { x: [], y: [] };
    const end = (t) => Math.max(t.x1, t.x0 + 0.5);
    const put = (to, t, a, b) => {
      to.x.push(t.x0, end(t), null);
      to.y.push(a * page.tick, b * page.tick, null);
    };
    for (const t of own) {
      put(path, t, t.entry, t.exit);
      t.stops.forEach(([x, at], k) => {
        const until = k + 1 < t.stops.length ? t.stops[k + 1][0] : end(t);
        stops.x.push(k ? x : t.x0, until);
        stops.y.push(at * page.tick, at * page.tick);
      });
      stops.x.push(null); stops.y.push(null);
      if (t.target) put(targets, t, t.target, t.target);
    }
    const ink = css("--trade");
    const outline = { width: 1.5, color: css("--panel") };
    return [
      line(path.x, path.y, ink, 2),
      line(stops.x, stops.y, ink, 1.8, { dash: "dot", more: { name: "stops" } }),
      line(targets.x, targets.y, ink, 1.8, { dash: "dash" }),
      {
        type: "scatter", mode: "markers+text", name: "entries", showlegend: false, textposition: "top left",
        textfont: { color: ink, size: 12 }, text: own.map((t) => `<b>${t.number}</b>`),
        x: own.map((t) => t.x0), y: own.map((t) => t.entry * page.tick), customdata: own.map((t) => t.number),
        marker: { symbol: own.map((t) => (t.side > 0 ? "triangle-right" : "triangle-right-open")), size: 14, color: ink, line: outline },
        hovertext: own.map((t) => t.said_entry), hovertemplate: "%{hovertext}<extra></extra>",
      },
      {
        type: "scatter", mode: "markers", name: "exits", showlegend: false,
        x: own.map((t) => Math.max(t.x1, t.x0 + 0.5)), y: own.map((t) => t.exit * page.tick),
        customdata: own.map((t) => t.number),
        marker: { symbol: "square", size: 10, color: ink, line: outline },
        text: own.map((t) => t.said_exit), hovertemplate: "%{text}<extra></extra>",
      },
    ];
  }

  function levelShapes(range, pricesShown) {
    if (!checked("levels")) return { shapes: [], annotations: [] };
    const shapes = [], annotations = [];
    const [low, high] = pricesShown, box = sizes();
    const space = ((high - low) * page.tick * 14) / (box.height * (1 - panes().price[0])), wide = ((range[1] - range[0]) * 130) / box.width;
    const trades = checked("trades") ? page.trades.flatMap((t) => [[t.x0, t.entry], [Math.max(t.x1, t.x0 + 0.5), t.exit]]) : [];
    for (const l of page.market_levels) {
      if (l.x1 < range[0] || l.x0 > range[1]) continue;
      shapes.push({
        type: "line", layer: "below", xref: "x", yref: "y", x0: Math.max(l.x0, range[0]), x1: Math.min(l.x1, range[1]),
        y0: l.price * page.tick, y1: l.price * page.tick,
        line: { color: css("--muted"), width: 1, dash: l.side > 0 ? "dash" : l.side < 0 ? "dashdot" : "solid" },
      });
      // The name stands on its line, clear of other names and of where trades begin and end.
      const y = l.price * page.tick, end = Math.min(l.x1, range[1]) - 0.7 * wide;
      const taken = (at) => annotations.some((p) => Math.abs(p.y - y) < space && Math.abs(p.x - at) < wide)
        || trades.some(([tx, ty]) => Math.abs(ty * page.tick - y - space / 2) < space && tx > at - 0.1 * wide && tx < at + 0.85 * wide);
      let x = Math.max(l.x0, range[0]);
      while (x <= end && taken(x)) x += wide / 4;
      if (x > end) continue;
      annotations.push({
        xref: "x", yref: "y", x, y: l.price * page.tick, text: `${l.kind} ${price(l.price)}`, showarrow: false,
        xanchor: "left", yanchor: "bottom", font: { size: 10, color: css("--muted") }, bgcolor: css("--veil"), borderpad: 1,
      });
    }
    for (const s of page.sessions) {
      if (s.x0 < 0 || s.x0 <= range[0] || s.x0 >= range[1]) continue;
      shapes.push({ type: "line", layer: "below", xref: "x", yref: "paper", x0: s.x0, x1: s.x0, y0: 0, y1: 1,
        line: { color: css("--muted"), width: 1, dash: "dot" } });
    }
    return { shapes, annotations };
  }

  function profileTraces(range, box) {
    const middle = (range[0] + range[1]) / 2;
    const session = page.sessions.find((s) => middle >= s.x0 && middle < s.x1) || page.sessions.at(-1);
    if (!session || !session.price.length) return { traces: [], shapes: [], annotations: [] };
    const half = session.height / 2, inside = (p) => p >= session.val - half && p <= session.vah + half;
    const sides = [["sold", style.sell], ["bought", style.buy]];
    if (session.unclassified.some((lots) => lots)) sides.push(["unclassified", css("--muted")]);
    const traces = sides.map(([name, color]) => ({
      type: "bar", orientation: "h", xaxis: "x2", yaxis: "y", name, showlegend: false,
      x: session[name].map((lots) => lots * page.lot), y: session.price, width: session.height,
      customdata: session[name].map((lots) => size(lots)),
      marker: { color, opacity: session.price.map((p) => (inside(p) ? 0.85 : 0.4)), line: { width: 0 } },
      hovertemplate: `%{y:.${priceDigits}f}<br>${name} %{customdata}<extra></extra>`,
    }));
    traces.push({
      type: "scatter", mode: "markers", xaxis: "x2", yaxis: "y", showlegend: false, name: "low-volume nodes",
      x: session.low_nodes.map(() => 0), y: session.low_nodes,
      marker: { symbol: "triangle-right-open", size: 9, color: css("--ink") },
      hovertemplate: `low-volume node %{y:.${priceDigits}f}<extra></extra>`,
    });
    const shapes = [], annotations = [];
    for (const [name, dash] of [["poc", "solid"], ["vah", "dash"], ["val", "dash"]]) {
      shapes.push({ type: "line", xref: "x2 domain", yref: "y", x0: 0, x1: 1, y0: session[name], y1: session[name],
        line: { color: css("--ink"), width: 1.3, dash } });
      annotations.push({ xref: "x2 domain", yref: "y", x: 1, y: session[name], text: name.toUpperCase(), showarrow: false,
        xanchor: "right", yanchor: "bottom", font: { size: 10, color: css("--ink") } });
    }
    annotations.push({ xref: "x2 domain", yref: "paper", x: 1, y: 1, yanchor: "bottom", xanchor: "right", showarrow: false,
      text: box.narrow ? session.shape : `profile ${session.label}, shape ${session.shape}`, font: { size: 10, color: css("--muted") } });
    return { traces, shapes, annotations };
  }

  function paneTraces(first, last, group) {
    const bars = state.bars, x = [], delta = [], ofi = [], said = [];
    for (let i = first - (first % group); i <= last; i += group) {
      const end = Math.min(i + group, bars.open.length);
      let sum = 0, flow = 0, known = false;
      for (let k = i; k < end; k++) {
        sum += bars.buy[k] - bars.sell[k];
        if (page.ofi && Number.isFinite(state.ofi[k])) { flow += state.ofi[k]; known = true; }
      }
      x.push((i + end - 1) / 2);
      delta.push(sum * page.lot);
      ofi.push(known ? flow * page.lot : null);
      said.push(`${stamp(bars.open_ts[i])} UTC<br>volume ${size(bars.buy[i] + bars.sell[i] + bars.unclassified[i])}`);
    }
    const each = [];
    for (let i = first; i <= last; i++) each.push(i);
    const bar = (y, yaxis, name) => ({
      type: "bar", x, y, yaxis, name, showlegend: false, text: said, textposition: "none",
      marker: { color: y.map((v) => (v >= 0 ? style.buy : style.sell)), line: { width: 0 } },
      hovertemplate: `%{text}<br>${name} %{y:.6~g}<extra></extra>`,
    });
    const curve = (y, yaxis, name) => ({
      type: "scatter", mode: "lines", x: each, y, yaxis, name, showlegend: false, connectgaps: false,
      line: { color: style.buy, width: 1.5 }, hovertemplate: `${name} %{y:.6~g}<extra></extra>`,
    });
    const traces = [bar(delta, "y2", "delta"), curve(each.map((i) => bars.cvd[i] * page.lot), "y3", "CVD")];
    const parted = checked("signals")
      ? page.signals.filter((s) => s.pattern === "divergence" && s.x >= first - 0.5 && s.x <= last + 0.6) : [];
    if (parted.length) {
      const shapes = style.shapes.divergence;
      traces.push({
        type: "scatter", mode: "markers", yaxis: "y3", name: "divergence", showlegend: false,
        x: parted.map((s) => s.x),
        y: parted.map((s) => bars.cvd[Math.min(Math.max(Math.round(s.x - 0.01), 0), bars.cvd.length - 1)] * page.lot),
        marker: { symbol: parted.map((s) => shapes[s.side > 0 ? 0 : 1]), size: 11, color: style.patterns.divergence, line: { width: 1, color: css("--panel") } },
        customdata: parted.map((s) => [s.side > 0 ? "buy" : "sell", s.reasons]),
        hovertemplate: "divergence %{customdata[0]}<br>%{customdata[1]}<extra></extra>",
      });
    }
    let axis = 4;
    if (page.ofi) traces.push(bar(ofi, `y${axis++}`, "OFI"));
    if (page.vpin) traces.push(curve(each.map((i) => (Number.isFinite(state.vpin[i]) ? state.vpin[i] : null)), `y${axis++}`, "VPIN"));
    return traces;
  }

  const STEPS = [1, 5, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];

  function timeTicks(first, last, most) {
    const ts = state.bars.open_ts, span = (state.bars.close_ts[last] - ts[first]) / 1000;
    const step = (STEPS.find((s) => span / s <= most) || 2592000) * 1000;
    const at = [], text = [];
    let day = "";
    for (let i = first; i <= last; i++) {
      if (i > first && Math.floor(ts[i] / step) === Math.floor(ts[i - 1] / step)) continue;
      if (i === first && ts[i] % step) continue;
      const said = stamp(ts[i]), fresh = said.slice(0, 10) !== day;
      day = said.slice(0, 10);
      at.push(i - 0.5);
      text.push(step >= 86400000 ? said.slice(5, 10) : said.slice(11, step < 60000 ? 19 : 16) + (fresh ? `<br>${said.slice(0, 10)}` : ""));
    }
    if (!at.length && last >= first) { at.push(first); text.push(stamp(ts[first])); }
    return { tickmode: "array", tickvals: at, ticktext: text };
  }

  async function draw() {
    const mine = ++state.draws, range = state.range, box = sizes();
    const [first, last] = visible(range);
    if (last < first) return;
    const [low, high] = extent(first, last, range);
    const pick = choose(range[0], range[1], low, high, box);
    let body, group = 1;
    if (pick) body = await cellTraces(first, last, pick);
    else ({ group, traces: body } = candleTraces(first, last, box));
    if (mine !== state.draws) return;
    const marks = levelShapes(range, [low, high]), profile = profileTraces(range, box), where = panes();
    const pane = (name, title, more = {}) => ({
      domain: where[name], fixedrange: true, gridcolor: css("--grid"), zerolinecolor: css("--muted"), zerolinewidth: 1,
      title: { text: box.narrow ? "" : title, font: { size: 11 }, standoff: 4 }, tickfont: { size: 10 }, nticks: 4, anchor: "x", ...more });
    const layout = {
      margin: box.margin, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: css("--ink"), size: 11, family: "system-ui, sans-serif" },
      dragmode: "pan", hovermode: "closest", barmode: "relative", bargap: 0.2, showlegend: false,
      hoverlabel: { align: "left" },
      xaxis: { range: [...range], domain: [0, box.share], showgrid: false, zeroline: false, rangeslider: { visible: false },
        anchor: `y${3 + (page.ofi ? 1 : 0) + (page.vpin ? 1 : 0)}`, ...timeTicks(first, last, box.narrow ? 4 : 9) },
      xaxis2: { domain: [box.share + 0.01, 1], anchor: "y", fixedrange: true, showgrid: false, showticklabels: false, zeroline: false },
      yaxis: pane("price", `price, ${page.money}`, { range: [low * page.tick, high * page.tick], tickformat: `.${priceDigits}f`, nticks: 9 }),
      yaxis2: pane("delta", "delta"), yaxis3: pane("cvd", "CVD"),
      shapes: [...marks.shapes, ...profile.shapes], annotations: [...marks.annotations, ...profile.annotations],
    };
    if (box.narrow) for (const name of ["delta", "cvd", ...(page.ofi ? ["ofi"] : []), ...(page.vpin ? ["vpin"] : [])]) {
      layout.annotations.push({ xref: "paper", yref: "paper", x: 0, y: where[name][1], text: name === "delta" ? name : name.toUpperCase(),
        showarrow: false, xanchor: "left", yanchor: "top", font: { size: 10, color: css("--muted") }, bgcolor: css("--veil"), borderpad: 1 });
    }
    let axis = 4;
    if (page.ofi) layout[`yaxis${axis++}`] = pane("ofi", "OFI");
    if (page.vpin) layout[`yaxis${axis++}`] = pane("vpin", "VPIN", { range: [0, state.vpin.some((v) => v > 0.5) ? 1 : 0.5] });
    const traces = [...body, ...profile.traces, ...paneTraces(first, last, group), ...tradeTraces(range), ...signalTraces(range)];
    state.drawing = true;
    await Plotly.react(chart, traces, layout, { displayModeBar: false, scrollZoom: true, responsive: false, doubleClick: false });
    state.drawing = false;
    state.shown = { mode: pick ? "cells" : "candles", factor: pick?.level.factor ?? null, text: Boolean(pick?.font), first, last, group };
    tell(pick, first, last, group);
  }

  function tell(pick, first, last, group) {
    const bars = state.bars;
    const what = pick
      ? `cells on rows of ${price(pick.level.ticks)}: sold × bought in ${page.size}, color = delta; ◂ ▸ imbalance (${pick.level.ratio} : 1 against the diagonal, at least ${size(pick.level.least)} ${page.size}), thick frame = stack, box = POC, ○ = unfinished auction`
      : `candles${group > 1 ? ` of ${group} bars` : ""}; zoom in for the cells`;
    document.getElementById("shown").textContent =
      `${stamp(bars.open_ts[first])} to ${stamp(bars.close_ts[last])} UTC, ${last - first + 1} bars: ${what}.`;
  }

  function clamp(range) {
    const n = state.bars.open.length;
    let [a, b] = range;
    const width = Math.min(Math.max(b - a, 3), n + 4);
    const middle = Math.min(Math.max((a + b) / 2, 0), n - 1);
    return [middle - width / 2, middle + width / 2];
  }

  function view(a, b) {
    state.range = clamp([a, b]);
    return draw();
  }

  function zoom(factor) {
    const [a, b] = state.range, middle = (a + b) / 2, half = (b - a) / 2 * factor;
    return view(middle - half, middle + half);
  }

  function pan(share) {
    const [a, b] = state.range, by = (b - a) * share;
    return view(a + by, b + by);
  }

  function widest() { return view(-0.6, state.bars.open.length - 0.4); }

  function showTrade(number) {
    const trade = page.trades.find((t) => t.number === number);
    if (!trade) return;
    const pad = Math.max(5, (trade.x1 - trade.x0) * 0.4);
    document.querySelectorAll("tr.chosen").forEach((row) => row.classList.remove("chosen"));
    document.getElementById(`trade-${number}`)?.classList.add("chosen");
    state.trade = number;
    document.getElementById("market").scrollIntoView({ block: "start" });
    return view(trade.x0 - pad, trade.x1 + pad);
  }

  function stepTrade(by) {
    if (!page.trades.length) return;
    const numbers = page.trades.map((t) => t.number), at = numbers.indexOf(state.trade);
    const next = at < 0 ? (by > 0 ? 0 : numbers.length - 1) : (at + by + numbers.length) % numbers.length;
    return showTrade(numbers[next]);
  }

  function stepSignal(by) {
    if (!page.signals.length) return;
    const middle = (state.range[0] + state.range[1]) / 2, all = page.signals;
    const next = by > 0 ? all.find((s) => s.x > middle + 0.01) : all.findLast((s) => s.x < middle - 0.01);
    if (!next) return;
    const half = Math.min((state.range[1] - state.range[0]) / 2, 8);
    return view(next.x - half, next.x + half);
  }

  const KEYS = {
    ArrowLeft: () => pan(-0.2), ArrowRight: () => pan(0.2), PageUp: () => pan(-0.9), PageDown: () => pan(0.9),
    "+": () => zoom(0.6), "=": () => zoom(0.6), "-": () => zoom(1 / 0.6), ArrowUp: () => zoom(0.6), ArrowDown: () => zoom(1 / 0.6),
    0: widest, Home: () => { const w = state.range[1] - state.range[0]; return view(-1, w - 1); },
    End: () => { const n = state.bars.open.length, w = state.range[1] - state.range[0]; return view(n - w, n); },
    t: () => stepTrade(1), T: () => stepTrade(-1), s: () => stepSignal(1), S: () => stepSignal(-1),
  };

  function listen() {
    chart.on("plotly_relayout", (event) => {
      if (state.drawing) return;
      const a = event["xaxis.range[0]"] ?? event["xaxis.range"]?.[0], b = event["xaxis.range[1]"] ?? event["xaxis.range"]?.[1];
      if (a !== undefined && b !== undefined) {
        clearTimeout(state.timer);
        state.timer = setTimeout(() => view(Number(a), Number(b)), 60);
      }
    });
    chart.on("plotly_click", (event) => {
      const point = event.points[0];
      if (["entries", "exits"].includes(point.data.name)) {
        const row = document.getElementById(`trade-${point.customdata}`);
        showTrade(point.customdata);
        row?.querySelector("a")?.focus({ preventScroll: true });
      }
    });
    chart.on("plotly_doubleclick", () => zoom(0.4));
    chart.addEventListener("keydown", (event) => {
      const act = event.ctrlKey || event.metaKey || event.altKey ? null : KEYS[event.key];
      if (act) { event.preventDefault(); act(); }
    });
    document.querySelectorAll("[data-bars]").forEach((button) => button.addEventListener("click", () => {
      const wanted = Number(button.dataset.bars);
      if (!wanted) return widest();
      const middle = (state.range[0] + state.range[1]) / 2;
      return view(middle - wanted / 2, middle + wanted / 2);
    }));
    document.querySelectorAll("[data-act]").forEach((button) => button.addEventListener("click", () => KEYS[button.dataset.act]()));
    document.querySelectorAll(".tools input, .tools select").forEach((input) => input.addEventListener("change", draw));
    document.querySelectorAll("a[data-trade]").forEach((link) => link.addEventListener("click", (event) => {
      event.preventDefault();
      history.replaceState(null, "", link.getAttribute("href"));
      showTrade(Number(link.dataset.trade));
    }));
    let width = chart.clientWidth, height = chart.clientHeight;
    new ResizeObserver(() => {
      if (Math.abs(chart.clientWidth - width) < 2 && Math.abs(chart.clientHeight - height) < 2) return;
      width = chart.clientWidth;
      height = chart.clientHeight;
      clearTimeout(state.timer);
      state.timer = setTimeout(async () => { await Plotly.Plots.resize(chart); await draw(); }, 80);
    }).observe(chart);
  }

  // -- the other pictures: drawn when they are about to be seen ------------------------------------

  const drawn = new Set();

  function themed(layout) {
    const axis = { gridcolor: css("--grid"), zerolinecolor: css("--muted") };
    const out = { ...layout, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: css("--ink"), size: 12, family: "system-ui, sans-serif" } };
    delete out.template;
    for (const key of Object.keys(out)) if (/^[xy]axis\d*$/.test(key)) {
      out[key] = { ...out[key], ...axis, fixedrange: true };
      if (out[key].title) out[key].title = { ...out[key].title, standoff: 8 };
    }
    return out;
  }

  async function drawFigure(box) {
    const figure = page.figures[box.id];
    drawn.add(box.id);
    box.style.minHeight = `${figure.layout.height || 300}px`;
    await library;
    return Plotly.react(box, figure.data, themed(figure.layout), { displayModeBar: false, responsive: true });
  }

  function watchFigures() {
    const boxes = [...document.querySelectorAll(".figure")];
    const seen = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting && !drawn.has(entry.target.id)) drawFigure(entry.target);
    }, { rootMargin: "400px" });
    boxes.forEach((box) => {
      box.style.minHeight = `${page.figures[box.id].layout.height || 300}px`;
      seen.observe(box);
    });
  }

  // -- light and dark -----------------------------------------------------------------------------

  function setTheme(name) {
    document.documentElement.dataset.theme = name;
    document.getElementById("theme").textContent = name === "dark" ? "Light" : "Dark";
    for (const id of drawn) drawFigure(document.getElementById(id));
    if (state.bars && state.range) draw();
  }

  document.getElementById("theme").addEventListener("click", () =>
    setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
  setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

  async function begin() {
    watchFigures();
    if (!chart || !page.bars) return;
    state.bars = await unpack(page.bars);
    if (page.ofi || page.vpin) Object.assign(state, await unpack(page.measures));
    await library;
    await widest();
    listen();
    const named = /^#trade-(\d+)$/.exec(location.hash);
    if (named) await showTrade(Number(named[1]));
  }

  window.report = {
    ready: begin(), view, showTrade, state, page,
    cells: async (i, factor) => {
      const level = page.levels.find((l) => l.factor === factor), found = await cellsOf(level, i);
      return { low: found.low, sold: [...found.sold], bought: [...found.bought], flags: [...found.flags], poc: found.poc };
    },
  };
})();
