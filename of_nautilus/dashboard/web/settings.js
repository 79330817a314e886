// What a trader has chosen, kept in the browser.

const KEY = "of-nautilus";
const DEFAULTS = {
  theme: null, symbol: null, tf: null, rows: null, ratio: 3, least: null, large: null, profile: true, levels: true,
  markers: true, trades: true, sound: false, strength: 60, days: 1, zoom: {},
};

let kept = {};
try {
  kept = JSON.parse(localStorage.getItem(KEY) ?? "{}");
} catch {
  kept = {}; // storage that is shut, or not ours
}

export const settings = { ...DEFAULTS, ...kept };

export function keep(facts) {
  Object.assign(settings, facts);
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // without storage the choice holds until the page is closed
  }
}
