// Alerts in the page: what happened that a trader should look up for.

import { $, el } from "./dom.js";
import { clock, number, sideWord, signed, words } from "./format.js";
import { keep, settings } from "./settings.js";

const SHOWN_MS = 9000,
  KEPT = 100;

export class Alerts {
  constructor() {
    this.all = [];
    this.unread = 0;
    this.last = new Map();
    this.biases = new Map();
    $("bell").addEventListener("click", () => this.open());
    $("alert-from").value = settings.alertFrom;
    $("alert-from").addEventListener("change", () =>
      keep({ alertFrom: Number($("alert-from").value) }),
    );
    $("sound").setAttribute("aria-pressed", String(settings.sound));
    $("sound").addEventListener("click", () => {
      keep({ sound: !settings.sound });
      $("sound").setAttribute("aria-pressed", String(settings.sound));
      if (settings.sound) this.beep();
    });
  }

  /** Listen to the instrument that is shown; a whole state told at once is news to nobody. */
  watch(feed, instrument) {
    const { symbol, price_digits: digits } = instrument;
    const stops = [
      feed.subscribe({ channel: "signal", symbol }, (data, whole) => {
        if (whole) return;
        for (const each of data.signals) {
          if (each.decision === "planned")
            this.raise(
              "trade",
              `${symbol}: entry ${sideWord(each.side)} at ${number(each.entry, digits)}, grade ${each.grade}`,
              each.time,
            );
          else if (!each.refusal && each.strength >= settings.alertFrom)
            this.raise(
              "signal",
              `${symbol}: ${words(each.pattern)} ${sideWord(each.side)} at ${number(each.price, digits)}, strength ${number(each.strength)}`,
              each.time,
            );
        }
      }),
      feed.subscribe({ channel: "bias", symbol }, (data, whole) => {
        const time = data.bias?.time ?? null,
          before = this.biases.get(symbol);
        this.biases.set(symbol, time);
        if (!whole && time && time !== before)
          this.raise(
            "bias",
            `${symbol}: bias ${words(data.bias.direction)}, confidence ${number(data.bias.confidence)}`,
            data.bias.time,
          );
      }),
    ];
    return () => stops.forEach((stop) => stop());
  }

  /** Trades of any instrument, whichever is shown. */
  trades(feed, { symbol }) {
    feed.subscribe({ channel: "trade_state", symbol }, (data, whole) => {
      if (whole) return;
      for (const each of data.closed)
        this.raise(
          "trade",
          `${symbol}: closed, ${signed(each.pnl_ticks, 1)} ticks, ${signed(each.r_multiple, 2)} R (${words(each.reason)})`,
          each.closed,
        );
      for (const each of data.transitions)
        if (
          ["BREAK_EVEN", "TRAILING", "POSITION_OPEN"].includes(each.target) &&
          each.source !== each.target
        )
          this.raise("trade", `${symbol}: ${words(each.target)}`, each.time);
    });
  }

  /** Feeds that turned bad or good, of all instruments. */
  feeds(data) {
    for (const each of data.instruments) {
      const before = this.last.get(each.symbol);
      this.last.set(each.symbol, each.feed);
      if (before && before !== each.feed)
        this.raise(
          each.feed === "LIVE" ? "bias" : "bad",
          `${each.symbol}: feed ${words(each.feed)}${each.feed_reason ? `, ${words(each.feed_reason)}` : ""}`,
          data.time,
        );
    }
  }

  raise(kind, text, time) {
    const key = `${text} ${time}`;
    if (this.all.some((each) => each.key === key)) return;
    this.all = [{ kind, text, time, key }, ...this.all].slice(0, KEPT);
    this.unread += 1;
    this.count();
    const node = el(
      "div",
      { class: `toast ${kind}` },
      el("span", { class: "muted num" }, clock(time)),
      ` ${text}`,
    );
    $("toasts").prepend(node);
    while ($("toasts").children.length > 4) $("toasts").lastChild.remove();
    setTimeout(() => node.remove(), SHOWN_MS);
    if (settings.sound && kind !== "signal") this.beep();
  }

  count() {
    $("bell").textContent = this.unread ? `Alerts ${this.unread}` : "Alerts";
  }

  open() {
    this.unread = 0;
    this.count();
    $("alerts-list").replaceChildren(
      ...(this.all.length
        ? this.all.map((each) =>
            el(
              "li",
              { class: each.kind },
              el("span", { class: "muted num" }, `${clock(each.time)} `),
              each.text,
            ),
          )
        : [el("li", { class: "muted" }, "Nothing yet since this page was opened.")]),
    );
    $("alerts").showModal();
  }

  beep() {
    this.sound ??= new AudioContext();
    const tone = this.sound.createOscillator(),
      volume = this.sound.createGain(),
      now = this.sound.currentTime;
    tone.connect(volume).connect(this.sound.destination);
    tone.frequency.value = 740;
    volume.gain.setValueAtTime(0.08, now);
    volume.gain.exponentialRampToValueAtTime(0.001, now + 0.25);
    tone.start(now);
    tone.stop(now + 0.26);
  }
}
