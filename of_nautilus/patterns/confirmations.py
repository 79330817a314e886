"""What a closed bar confirms for free: stacked imbalances, unfinished auctions, streaks."""

from collections.abc import Sequence

from of_nautilus.core.bar_reading import dominant_side, unfinished_auction
from of_nautilus.core.footprint import ClosedBar
from of_nautilus.core.imbalance import ImbalanceRule, imbalance_stacks
from of_nautilus.patterns.signal import Pattern, Signal

STREAK_RATIO = 3.0


def stacked_imbalances(bar: ClosedBar, rule: ImbalanceRule) -> list[Signal]:
    """Return a signal for each stack of imbalances in a bar, buy stacks first.

    A buy stack lies under price as support: its price is its lowest tick; a sell stack's is its
    highest. The strength is ``min(100, 20 * rows)``.
    """
    signals = []
    for low, high, side in imbalance_stacks(rule, bar.cells):
        bottom = (bar.low_row + low) * bar.ticks_per_row
        top = (bar.low_row + high + 1) * bar.ticks_per_row - 1
        rows = high - low + 1
        signals.append(
            Signal(
                ts=bar.close_ts,
                pattern=Pattern.STACKED_IMBALANCE,
                side=side,
                price=bottom if side > 0 else top,
                strength=min(100.0, 20.0 * rows),
                reasons={"rows": rows, "low_ticks": bottom, "high_ticks": top, "stack": rule.stack},
            )
        )
    return signals


def unfinished_auctions(bar: ClosedBar) -> list[Signal]:
    """Return a signal for each end of a bar at which both sides still traded, the high first.

    An auction that did not end draws price back: buy for one at the high, sell for one at the low.
    The strength is the smaller side over the larger at that row, times 100.
    """
    at_high, at_low = unfinished_auction(bar.cells)
    signals = []
    for unfinished, side, row, price in ((at_high, 1, -1, bar.high), (at_low, -1, 0, bar.low)):
        if unfinished:
            bid, ask = int(bar.cells[row, 0]), int(bar.cells[row, 1])
            signals.append(
                Signal(
                    ts=bar.close_ts,
                    pattern=Pattern.UNFINISHED_AUCTION,
                    side=side,
                    price=price,
                    strength=100.0 * min(bid, ask) / max(bid, ask),
                    reasons={"bid": bid, "ask": ask},
                )
            )
    return signals


def imbalance_streak(
    bars: Sequence[ClosedBar], *, ratio: float = STREAK_RATIO, minimum: int = 3
) -> Signal | None:
    """Return the run of bars on end that one side dominated, if it is long enough.

    Parameters
    ----------
    bars : sequence of ClosedBar
        Oldest first; the run ends with the last.
    ratio : float
        A side dominates with at least so many times the volume of the other, > 0.
    minimum : int
        Least number of bars, >= 1.

    The strength is ``min(100, 20 * bars)``.
    """
    per_10000 = round(ratio * 10_000)
    side = dominant_side(bars[-1].buy, bars[-1].sell, per_10000) if bars else 0
    streak = 0
    for bar in reversed(bars):
        if side == 0 or dominant_side(bar.buy, bar.sell, per_10000) != side:
            break
        streak += 1
    if streak < minimum or streak == 0:
        return None
    last = bars[-1]
    return Signal(
        ts=last.close_ts,
        pattern=Pattern.IMBALANCE_STREAK,
        side=side,
        price=last.close,
        strength=min(100.0, 20.0 * streak),
        reasons={"bars": streak, "ratio": ratio, "buy": last.buy, "sell": last.sell},
    )
