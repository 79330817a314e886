"""The trading rule of the model: when to enter, where the stop lies, when to leave.

Pure functions over plain values, prices in ticks and times in ns: the same in backtest and live.
What halts a day (loss, losses in a row) is `decision.gate`.
"""

from enum import StrEnum

MINUTE = 60_000_000_000
SHORTEST_HOLD, LONGEST_HOLD = 1 * MINUTE, 5 * MINUTE
FLAT_BEFORE_END, NO_ENTRY_BEFORE_END = 5 * MINUTE, 10 * MINUTE


class Action(StrEnum):
    """What the rule says."""

    LONG = "LONG"
    SHORT = "SHORT"
    LONG_REVERSION = "LONG_REVERSION"
    SHORT_REVERSION = "SHORT_REVERSION"
    FLAT = "FLAT"

    @property
    def side(self) -> int:
        """+1, -1 or 0."""
        return {"L": 1, "S": -1, "F": 0}[self.value[0]]


def decide(
    p1: float,
    p5: float,
    ofi_z: float,
    *,
    long: float = 0.55,
    short: float = 0.45,
    threshold: float = 1.0,
    extreme: float = 3.0,
) -> Action:
    """Return the action for calibrated probabilities of a rise in 1 and 5 minutes and OFI's z.

    LONG if `p1 > long` and `ofi_z > threshold`, SHORT if `p1 < short` and `ofi_z < -threshold`, all
    strict. An extreme flow (`|ofi_z| >= extreme`) that the model opposes is faded. `p5` must not
    contradict: >= 0.5 to buy, <= 0.5 to sell. NaN anywhere is FLAT.

    >>> decide(0.56, 0.5, 1.2), decide(0.4, 0.5, 3.5)
    (<Action.LONG: 'LONG'>, <Action.SHORT_REVERSION: 'SHORT_REVERSION'>)
    """
    if p1 > long and p5 >= 0.5:
        if ofi_z > threshold:
            return Action.LONG
        if ofi_z <= -extreme:
            return Action.LONG_REVERSION
    if p1 < short and p5 <= 0.5:
        if ofi_z < -threshold:
            return Action.SHORT
        if ofi_z >= extreme:
            return Action.SHORT_REVERSION
    return Action.FLAT


def pays(magnitude: float, half_spread: float, fees: float, slippage: float) -> bool:
    """Return whether the forecast move exceeds what the trade costs, all in basis points."""
    return abs(magnitude) > half_spread + fees + slippage


def stop_price(side: int, entry: int, spread: int) -> int:
    """Return the stop, ticks: 2 from the entry's fill, 3 if the spread is wider than a tick.

    >>> stop_price(1, 10_000, 1), stop_price(-1, 10_000, 2)
    (9998, 10003)
    """
    if side not in (1, -1):
        raise ValueError(f"`side` must be 1 or -1, was {side}")
    return entry - side * (3 if spread > 1 else 2)


def must_exit(side: int, held: int, p1: float, to_end: int) -> str | None:
    """Return why an open position must go now, or None.

    "time" after five minutes; "model" after one, once `p1` has crossed 1/2 against it; "session"
    from five minutes before the session's end (`to_end` ns away).
    """
    if to_end <= FLAT_BEFORE_END:
        return "session"
    if held >= LONGEST_HOLD:
        return "time"
    if held >= SHORTEST_HOLD and side * (p1 - 0.5) < 0:
        return "model"
    return None


def may_enter(to_end: int) -> bool:
    """Return whether the session lasts long enough for an entry: more than ten minutes."""
    return to_end > NO_ENTRY_BEFORE_END
