// Elements made and found in few words. Text is always set as text: nothing here parses HTML.

export const $ = (id) => document.getElementById(id);

/** An element: `el("td", { class: "text", onclick: f, dataset: { id: 1 } }, "words", child)`. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "dataset") Object.assign(node.dataset, value);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(
    ...children.flat().filter((child) => child !== null && child !== undefined && child !== false),
  );
  return node;
}

export const option = (value, text, chosen) =>
  el("option", { value, selected: value === chosen }, text);

export const empty = (text) => el("p", { class: "empty" }, text);

/** A panel with a title, its tools at the right of it, and a body. */
export function panel(title, { id, tools = [], still = false, key = [] } = {}) {
  const body = el("div", { class: still ? "body still" : "body", id });
  const head = el("header", {}, el("h2", {}, title), el("span", { class: "grow" }), ...tools);
  const foot = key.length
    ? [
        el(
          "p",
          { class: "key" },
          key.map((text) => el("i", {}, text)),
        ),
      ]
    : [];
  return {
    root: el("section", { class: "panel", "aria-label": title }, head, body, ...foot),
    head,
    body,
  };
}

/** A table; `columns` are [title, is text]. Returns it with a function that sets its rows. */
export function table(columns, label) {
  const body = el("tbody");
  const head = el(
    "tr",
    {},
    columns.map(([title, text]) => el("th", { class: text && "text", scope: "col" }, title)),
  );
  return { root: el("table", { "aria-label": label }, el("thead", {}, head), body), body };
}

/** A row of cells; a cell is text, or [text, class], or an element. */
export function row(cells, columns, props = {}) {
  return el(
    "tr",
    props,
    cells.map((cell, i) => {
      const [text, name] = Array.isArray(cell) ? cell : [cell, ""];
      const side = columns?.[i]?.[1] ? "text" : "";
      return el("td", { class: `${side} ${name}`.trim() || null }, text ?? "");
    }),
  );
}
