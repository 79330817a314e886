// Starts the page: the instruments, the connection, the screen in the address, the keys.

import { Alerts } from "./alerts.js";
import { get } from "./api.js";
import { commands } from "./commands.js";
import { $, el, option } from "./dom.js";
import { Feed } from "./feed.js";
import { clock, number, words } from "./format.js";
import { Replay } from "./replay.js";
import { SCREENS } from "./screens.js";
import { keep, settings } from "./settings.js";
import { statusClass } from "./status.js";
import { isDark, setTheme } from "./theme.js";

const TIMEFRAMES = [1, 5, 15, 60];
const PROBLEM_MS = 8000,
  MOST_TRADED = 40; // instruments whose trades are told of: a connection has 64 subscriptions

class App {
  constructor() {
    this.probe = {}; // what the panels hold, for tests and for the curious
    this.instrument = null;
    this.mounted = [];
    this.stops = [];
    this.complain = this.complain.bind(this);
    setTheme(
      settings.theme ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark"),
    );
  }

  async start() {
    this.alerts = new Alerts();
    this.feed = new Feed("/ws", (state) => this.connection(state));
    this.tabs();
    this.listen();
    const { source, instruments } = await this.patiently(() => get("/api/instruments"));
    Object.assign(this, { source, instruments });
    document.title = `${source.name} · of-nautilus`;
    $("source").textContent = source.kind;
    $("symbol").replaceChildren(...instruments.map((each) => option(each.symbol, each.symbol)));
    if (source.kind !== "live") this.replay = new Replay(this.feed, this.complain);
    if (source.commands)
      commands(
        () => this.instrument.symbol,
        (text) => this.alerts.raise("bias", text, Date.now()),
      );
    for (const each of instruments.slice(0, MOST_TRADED)) this.alerts.trades(this.feed, each);
    this.feed.subscribe({ channel: "stats", symbol: "*" }, (data) => {
      this.alerts.feeds(data);
      // A node that began a moment ago has told of no bar yet.
      for (const { symbol, bar_seconds } of data.instruments) {
        const own = this.instruments.find((each) => each.symbol === symbol);
        if (own && own.bar_seconds !== bar_seconds) location.reload();
      }
    });
    this.choose(
      instruments.some((each) => each.symbol === settings.symbol)
        ? settings.symbol
        : instruments[0]?.symbol,
    );
  }

  /** A server that is just starting, or gone for a moment, is asked again. */
  async patiently(ask) {
    for (let wait = 300; ; wait = Math.min(wait * 1.5, 4000)) {
      try {
        return await ask();
      } catch (error) {
        this.complain(error);
        await new Promise((done) => setTimeout(done, wait));
      }
    }
  }

  /** Show an instrument, and maybe another screen. */
  choose(symbol, screen) {
    const found = this.instruments.find((each) => each.symbol === symbol);
    if (!found) return this.complain(new Error("the source has no instrument yet"));
    this.instrument = found;
    keep({ symbol });
    $("symbol").value = symbol;
    this.stops.forEach((stop) => stop());
    this.stops = [
      this.alerts.watch(this.feed, found),
      this.feed.subscribe({ channel: "tick", symbol }, ({ last }) => last && this.last(last)),
      this.feed.subscribe({ channel: "trade_state", symbol }, ({ status }) => {
        $("status").textContent = words(status);
        $("status").className = `badge ${statusClass(status)}`;
      }),
    ];
    this.timeframes();
    if (screen && screen !== this.screen?.name) location.hash = screen;
    else this.mount();
    return undefined;
  }

  last({ price, side, time }) {
    $("last").textContent = number(price, this.instrument.price_digits);
    $("last").className = side > 0 ? "buy" : side < 0 ? "sell" : "";
    $("clock").textContent = `${clock(time)} UTC`;
  }

  get tf() {
    return settings.tf && settings.tf % this.instrument.bar_seconds === 0
      ? settings.tf
      : this.instrument.bar_seconds;
  }

  timeframes() {
    $("timeframes").replaceChildren(
      ...TIMEFRAMES.map((k) => {
        const tf = k * this.instrument.bar_seconds;
        return el(
          "button",
          {
            "aria-pressed": String(tf === this.tf),
            dataset: { tf },
            onclick: () => {
              keep({ tf });
              this.timeframes();
              this.mount();
            },
          },
          tf % 3600 === 0 ? `${tf / 3600}h` : tf % 60 === 0 ? `${tf / 60}m` : `${tf}s`,
        );
      }),
    );
  }

  mount() {
    if (!this.instrument) return;
    this.mounted.forEach((each) => each.stop());
    this.screen = SCREENS.find((each) => `#${each.name}` === location.hash) ?? SCREENS[0];
    const host = el("div", { class: `screen ${this.screen.name}` });
    $("main").replaceChildren(host);
    this.mounted = this.screen.panels.map((make) => {
      const made = make(this);
      host.append(made.root);
      return made;
    });
    $("timeframes").hidden = !this.screen.tf;
    for (const tab of $("tabs").children) {
      if (tab.hash === `#${this.screen.name}`) {
        tab.setAttribute("aria-current", "page");
        tab.scrollIntoView({ block: "nearest", inline: "center" });
      } else tab.removeAttribute("aria-current");
    }
  }

  tabs() {
    $("tabs").replaceChildren(
      ...SCREENS.map(({ name, title }, k) =>
        el("a", { href: `#${name}`, title: k < 9 ? `${title} (${k + 1})` : title }, title),
      ),
    );
  }

  connection(state) {
    $("connection").textContent = {
      open: "connected",
      connecting: "connecting",
      lost: "connection lost",
    }[state];
    $("stale").hidden = state === "open" || !this.feed?.connections;
    document.body.classList.toggle("lost", !$("stale").hidden);
    $("connection").className = `badge ${{ open: "on", connecting: "busy", lost: "off" }[state]}`;
    if (state !== "connecting" && this.instruments) this.lookAgain();
  }

  /** Behind the same address there may be another source by now, or one that wants the token. */
  async lookAgain() {
    const names = (all) => all.map((each) => each.symbol).join();
    try {
      const { instruments } = await get("/api/instruments");
      if (names(instruments) !== names(this.instruments)) location.reload();
    } catch (error) {
      if (error.status === 401) location.reload();
    }
  }

  /** Say what went wrong, in the page, for a while. */
  complain(error) {
    $("problem").textContent =
      error.message === "Failed to fetch"
        ? "The server does not answer; trying again."
        : error.message;
    $("problem").hidden = false;
    clearTimeout(this.problem);
    this.problem = setTimeout(() => {
      $("problem").hidden = true;
    }, PROBLEM_MS);
  }

  listen() {
    addEventListener("hashchange", () => this.mount());
    $("symbol").addEventListener("change", () => this.choose($("symbol").value));
    $("theme").addEventListener("click", () => this.turn());
    $("help").addEventListener("click", () => $("keys").showModal());
    for (const button of document.querySelectorAll("[data-close]"))
      button.addEventListener("click", () => button.closest("dialog").close());
    addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (event.target.closest?.("input, select, textarea, dialog")) return;
      if (event.key === " " && event.target.closest?.("button, a")) return;
      if (this.key(event.key)) event.preventDefault();
    });
  }

  turn() {
    const theme = isDark() ? "light" : "dark";
    keep({ theme });
    setTheme(theme);
  }

  key(name) {
    if (/^[0-9]$/.test(name) && name !== "0") location.hash = SCREENS[Number(name) - 1].name;
    else if (name === "d") this.turn();
    else if (name === "?") $("keys").showModal();
    else if (name === "a") this.alerts.open();
    else if (name === "[" || name === "]") {
      const symbols = this.instruments.map((each) => each.symbol),
        n = symbols.length;
      this.choose(
        symbols[(symbols.indexOf(this.instrument.symbol) + (name === "]" ? 1 : n - 1)) % n],
      );
    } else if (name === "t") {
      const all = [...$("timeframes").children],
        next = (all.findIndex((each) => Number(each.dataset.tf) === this.tf) + 1) % all.length;
      all[next].click();
    } else return this.replay?.key(name) || this.mounted.some((each) => each.key?.(name));
    return true;
  }
}

window.app = new App();
window.app.ready = window.app.start();
