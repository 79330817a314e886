// Heights of price rows, in ticks, that an instrument may be shown on.

const STEPS = [1, 2, 4, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];

export const heights = ({ row_ticks: least }) =>
  STEPS.map((step) => step * least).filter((height) => height <= 10_000);

/** The smallest height that spans `price`, a difference of prices. */
export function heightFor(price, instrument) {
  const all = heights(instrument);
  return all.find((height) => height * instrument.tick >= price - 1e-9) ?? all.at(-1);
}
