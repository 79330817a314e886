// What a trader has chosen, kept in the browser.

const KEY = "of-nautilus";
const DEFAULTS = {
  theme: null,
  symbol: null,
  tf: null,
  ratio: 3,
  profile: true,
  levels: true,
  markers: true,
  trades: true,
  sound: false,
  strength: 0,
  alertFrom: 60,
  days: 1,
  own: {},
};

let kept = {};
try {
  kept = JSON.parse(localStorage.getItem(KEY) ?? "{}");
} catch {
  kept = {}; // storage that is shut, or not ours
}

export const settings = { ...DEFAULTS, ...kept };

/** A choice that is one instrument's own: its sizes and rows mean nothing to another. */
export const ownOf = (symbol, name) => settings.own[symbol]?.[name] ?? null;

export function keepOwn(symbol, name, value) {
  keep({ own: { ...settings.own, [symbol]: { ...settings.own[symbol], [name]: value } } });
}

export function keep(facts) {
  Object.assign(settings, facts);
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // without storage the choice holds until the page is closed
  }
}
