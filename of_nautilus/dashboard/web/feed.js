// The websocket: subscriptions that survive a lost connection, and numbered messages without holes.

const FIRST_WAIT = 400,
  LONGEST_WAIT = 6000,
  SILENCE = 15000;

const keyOf = ({ channel, symbol, tf }) => `${channel} ${symbol} ${tf ?? ""}`;

export class Feed {
  /** `tell(state)` hears "connecting", "open" and "lost". */
  constructor(path, tell) {
    this.path = path;
    this.tell = tell;
    this.subscriptions = new Map();
    this.wait = FIRST_WAIT;
    this.resyncs = this.connections = 0;
    this.connect();
    setInterval(() => this.watch(), 5000);
  }

  connect() {
    this.tell("connecting");
    const socket = new WebSocket(new URL(this.path, location.href.replace(/^http/, "ws")));
    this.socket = socket;
    socket.onopen = () => {
      this.connections += 1;
      this.wait = FIRST_WAIT;
      this.heard = Date.now();
      for (const each of this.subscriptions.values()) this.ask("subscribe", each);
      this.tell("open");
    };
    socket.onmessage = (event) => {
      this.heard = Date.now();
      this.take(JSON.parse(event.data));
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.tell("lost");
      setTimeout(() => this.connect(), this.wait);
      this.wait = Math.min(this.wait * 1.6, LONGEST_WAIT);
    };
  }

  /** A connection that says nothing for long, not even to a ping, is given up. */
  watch() {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    if (Date.now() - this.heard > SILENCE) this.socket.close();
    else this.socket.send(JSON.stringify({ op: "ping" }));
  }

  /** Hear a channel: `hear(data, isSnapshot)`. Returns how to stop. */
  subscribe(what, hear) {
    const key = keyOf(what);
    let own = this.subscriptions.get(key);
    if (own) this.ask("resync", own);
    else {
      own = { what, seq: null, hearers: new Set() };
      this.subscriptions.set(key, own);
      this.ask("subscribe", own);
    }
    own.hearers.add(hear);
    return () => {
      own.hearers.delete(hear);
      if (own.hearers.size || this.subscriptions.get(key) !== own) return;
      this.subscriptions.delete(key);
      this.ask("unsubscribe", own);
    };
  }

  ask(op, own) {
    if (op !== "unsubscribe") own.seq = null;
    if (this.socket.readyState === WebSocket.OPEN)
      this.socket.send(JSON.stringify({ op, ...own.what }));
  }

  take(message) {
    if (message.type === "error")
      return console.warn(`the server refused a message: ${message.detail}`);
    const own = this.subscriptions.get(keyOf(message));
    if (!own || (message.type !== "snapshot" && message.type !== "delta")) return;
    const whole = message.type === "snapshot";
    if (!whole) {
      if (own.seq === null) return; // a snapshot is on its way
      if (message.seq !== own.seq + 1) {
        this.resyncs += 1;
        return this.ask("resync", own);
      }
    }
    own.seq = message.seq;
    for (const hear of own.hearers) hear(message.data, whole);
  }
}
