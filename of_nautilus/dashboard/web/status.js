// How a status looks wherever it stands.

const BUSY = ["ENTRY_READY", "AT_LEVEL_SCANNING", "WATCHING"],
  ON = ["IN_TRADE", "BREAK_EVEN", "TRAILING"],
  OFF = ["OFFLINE", "NO_DATA"];

export const statusClass = (status) =>
  ON.includes(status) ? "on" : BUSY.includes(status) ? "busy" : OFF.includes(status) ? "off" : "";
