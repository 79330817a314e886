// Numbers, times and words as the page writes them. Times are UTC; the server sends ms or ns text.

const formats = new Map();

function fixed(digits) {
  if (!formats.has(digits)) {
    formats.set(
      digits,
      new Intl.NumberFormat("en-US", {
        minimumFractionDigits: digits,
        maximumFractionDigits: digits,
      }),
    );
  }
  return formats.get(digits);
}

export const NONE = "–";
const known = (value) => typeof value === "number" && Number.isFinite(value);

/** A number with as many decimals as asked; what is not known is a dash. */
export const number = (value, digits = 0) =>
  known(value) ? fixed(digits).format(value === 0 ? 0 : value) : NONE;

/** A number with its sign. */
export const signed = (value, digits = 0) =>
  known(value)
    ? `${value > 0 ? "+" : value < 0 ? "−" : ""}${fixed(digits).format(Math.abs(value))}`
    : NONE;

/** A size with as many decimals as its lot has, without zeros at the end. */
export const size = (value, digits = 8) =>
  known(value) ? plain.format(Number(value.toFixed(digits))) : NONE;
const plain = new Intl.NumberFormat("en-US", { maximumFractionDigits: 12 });

/** A size in few letters: 12.3k, 0.041. */
export function short(value) {
  if (!known(value)) return NONE;
  const most = Math.abs(value);
  if (most >= 1e6) return `${trim((value / 1e6).toFixed(most >= 1e7 ? 1 : 2))}M`;
  if (most >= 1e4) return `${trim((value / 1e3).toFixed(most >= 1e5 ? 0 : 1))}k`;
  if (most >= 100 || most === 0) return value.toFixed(0);
  if (most >= 10) return trim(value.toFixed(1));
  if (most >= 1) return trim(value.toFixed(2));
  return trim(value.toPrecision(2));
}

const trim = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);

export const share = (value, digits = 0) =>
  known(value) ? `${(value * 100).toFixed(digits)}%` : NONE;

const iso = (ms) => new Date(ms).toISOString();
export const day = (ms) => (known(ms) ? iso(ms).slice(0, 10) : NONE);
export const clock = (ms) => (known(ms) ? iso(ms).slice(11, 19) : NONE);
export const minute = (ms) => (known(ms) ? iso(ms).slice(11, 16) : NONE);
export const stamp = (ms) => (known(ms) ? `${day(ms)} ${clock(ms)}` : NONE);
export const millis = (ms) => (known(ms) ? iso(ms).slice(11, 23) : NONE);

/** A length of time in words: 3m 20s. */
export function span(ms) {
  if (!known(ms)) return NONE;
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m ${s % 60}s`;
  if (s < 86400) return `${Math.floor(s / 3600)}h ${Math.floor((s % 3600) / 60)}m`;
  return `${Math.floor(s / 86400)}d ${Math.floor((s % 86400) / 3600)}h`;
}

/** BREAK_EVEN as "break even". */
export const words = (name) =>
  String(name ?? "")
    .toLowerCase()
    .replaceAll("_", " ");
/** MERGED_VAH as "merged VAH". */
export const levelName = (kind) =>
  String(kind ?? "")
    .replace(/^MERGED_/, "merged ")
    .replaceAll("_", " ");
export const sideWord = (side) => (side > 0 ? "buy" : side < 0 ? "sell" : "none");
export const sideClass = (value) => (value > 0 ? "buy" : value < 0 ? "sell" : "");
