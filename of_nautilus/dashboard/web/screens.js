// Which panels stand on which screen.

import { checklist, transitions } from "./checklist.js";
import { barTable, flow } from "./flow.js";
import { footprint } from "./footprint.js";
import { heatmap } from "./heatmap.js";
import { bookFacts, ladder } from "./ladder.js";
import { performance } from "./performance.js";
import { price } from "./price.js";
import { frame, profile } from "./profile.js";
import { microstructure, quality } from "./quality.js";
import { scanner } from "./scanner.js";
import { signals } from "./signals.js";
import { tape } from "./tape.js";

const part = (panel, options) => (app) => panel(app, options);

// Name, title, whether a timeframe bears on it, panels; the style sheet lays out `.screen.NAME`.
export const SCREENS = [
  {
    name: "market",
    title: "Market",
    tf: true,
    panels: [
      price,
      checklist,
      part(ladder, { levels: 10, compact: true }),
      tape,
      part(signals, { compact: true }),
    ],
  },
  { name: "footprint", title: "Footprint", tf: true, panels: [footprint] },
  { name: "profile", title: "Profile", panels: [profile, frame] },
  { name: "flow", title: "Delta", tf: true, panels: [flow, barTable] },
  { name: "book", title: "Book", panels: [heatmap, ladder, bookFacts] },
  { name: "tape", title: "Tape", panels: [part(tape, { full: true }), microstructure] },
  { name: "signals", title: "Signals", panels: [signals, checklist, transitions] },
  { name: "scanner", title: "Scanner", panels: [scanner] },
  { name: "performance", title: "Performance", panels: [performance] },
  { name: "data", title: "Data", panels: [quality] },
];
