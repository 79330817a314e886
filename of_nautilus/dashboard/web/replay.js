// The replay's controls: play, pause, step, speed, and a bar to seek along.

import { get, post } from "./api.js";
import { $, el, option } from "./dom.js";
import { stamp } from "./format.js";

export class Replay {
  constructor(feed, complain) {
    this.complain = complain;
    this.dragging = false;
    this.play = el(
      "button",
      { onclick: () => this.toggle(), title: "Play or pause (space)" },
      "Play",
    );
    this.step = el(
      "button",
      { onclick: () => this.act({ action: "step" }), title: "One bar on (.)" },
      "Step",
    );
    this.speed = el("select", {
      "aria-label": "Speed",
      onchange: () => this.act({ action: "speed", speed: Number(this.speed.value) }),
    });
    this.bar = el("input", { type: "range", "aria-label": "Time of the replay" });
    this.time = el("time", {});
    this.bar.addEventListener("input", () => {
      this.dragging = true;
      this.time.textContent = `${stamp(Number(this.bar.value))} UTC`;
    });
    this.bar.addEventListener("change", () => {
      this.dragging = false;
      this.act({ action: "seek", time: Number(this.bar.value) });
    });
    this.session = el("select", {
      "aria-label": "Go to a session",
      onchange: () =>
        this.session.value && this.act({ action: "seek", time: Number(this.session.value) }),
    });
    $("replay").replaceChildren(
      this.play,
      this.step,
      el("label", { class: "field" }, "Speed", this.speed),
      this.bar,
      this.time,
      this.session,
    );
    $("replay").hidden = false;
    get("/api/replay").then((state) => this.show(state), complain);
    feed.subscribe({ channel: "replay", symbol: "*" }, (state) => this.show(state));
  }

  show(state) {
    this.state = state;
    this.play.textContent =
      state.state === "playing" ? "Pause" : state.state === "ended" ? "Ended" : "Play";
    this.play.disabled = state.state === "ended";
    if (this.speed.options.length !== state.speeds.length)
      this.speed.replaceChildren(...state.speeds.map((speed) => option(speed, `${speed}×`)));
    this.speed.value = String(state.speed);
    if (this.session.options.length !== state.sessions.length + 1) {
      this.session.replaceChildren(
        option("", "Session…"),
        ...state.sessions.map((at) => option(at, stamp(at).slice(0, 16))),
      );
    }
    this.session.value = "";
    if (this.dragging) return;
    Object.assign(this.bar, { min: state.start, max: state.end, step: 1000, value: state.time });
    this.time.textContent = `${stamp(state.time)} UTC`;
  }

  toggle() {
    return this.act({ action: this.state?.state === "playing" ? "pause" : "play" });
  }

  async act(what) {
    try {
      this.show(await post("/api/replay", what));
    } catch (error) {
      this.complain(error);
    }
  }

  key(name) {
    if (name === " ") this.toggle();
    else if (name === ".") this.act({ action: "step" });
    else if (name === "<" || name === ">") {
      const { speeds, speed } = this.state,
        next = speeds[speeds.indexOf(speed) + (name === ">" ? 1 : -1)];
      if (next) this.act({ action: "speed", speed: next });
    } else return false;
    return true;
  }
}
