"""The trading rule of the model: when to enter, where the stop lies, when to leave.

Pure functions over plain values, prices in ticks and times in ns: the same in backtest and live.
What halts a day (loss, losses in a row) is `decision.gate`.
"""

from enum import StrEnum

import msgspec

from of_nautilus.decision.gate import GateConfig

MINUTE = 60_000_000_000
SHORTEST_HOLD, LONGEST_HOLD = 1 * MINUTE, 5 * MINUTE
FLAT_BEFORE_END, NO_ENTRY_BEFORE_END = 5 * MINUTE, 10 * MINUTE


class RuleConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How forecasts are traded.

    `max_position`: the most that is held, base units, > 0; an entry asks for all of it. `long`,
    `short`: calibrated probabilities of a rise in the next minute beyond which to buy and to sell,
    0 <= short <= long <= 1. `threshold`, `extreme`: deviations of order flow imbalance that go
    with the model, and that are faded where the model opposes them, 0 <= threshold <= extreme.
    `entry`: "market", or "limit" at the own side's best price. `entry_expiry_s`: how long a limit
    order waits, > 0. `stop_ticks`: from the fill, >= 1; one more where the spread is wider than a
    tick. `shortest_hold_s`, `longest_hold_s`: after the first a position goes once the model has
    turned against it, after the second it goes, 0 <= shortest <= longest. `cost_gate`: whether the
    forecast move must exceed half the spread, the fees and `slippage_bps` (>= 0). `gate`: limits
    on entries and the day's loss; what it says of levels has no bearing here.
    """

    max_position: float
    long: float = 0.55
    short: float = 0.45
    threshold: float = 1.0
    extreme: float = 3.0
    entry: str = "market"
    entry_expiry_s: float = 10.0
    stop_ticks: int = 2
    shortest_hold_s: float = 60.0
    longest_hold_s: float = 300.0
    cost_gate: bool = True
    slippage_bps: float = 0.0
    gate: GateConfig = GateConfig()

    def __post_init__(self) -> None:
        def check(name: str, ok: bool, rule: str) -> None:
            if not ok:
                raise ValueError(f"`{name}` must be {rule}, was {getattr(self, name)!r}")

        check("max_position", self.max_position > 0, "> 0")
        check("long", 0 <= self.short <= self.long <= 1, f"in [`short` ({self.short}), 1]")
        extreme = f"finite and >= `threshold` ({self.threshold}), which is >= 0"
        check("extreme", 0 <= self.threshold <= self.extreme < float("inf"), extreme)
        check("entry", self.entry in ("market", "limit"), "'market' or 'limit'")
        check("entry_expiry_s", self.entry_expiry_s > 0, "> 0")
        check("stop_ticks", self.stop_ticks >= 1, ">= 1")
        longest = f">= `shortest_hold_s` ({self.shortest_hold_s}), which is >= 0"
        check("longest_hold_s", 0 <= self.shortest_hold_s <= self.longest_hold_s, longest)
        check("slippage_bps", self.slippage_bps >= 0, ">= 0")


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


def stop_price(side: int, entry: int, spread: int, ticks: int = 2) -> int:
    """Return the stop: `ticks` from the entry's fill, one more if the spread is wider than a tick.

    >>> stop_price(1, 10_000, 1), stop_price(-1, 10_000, 2)
    (9998, 10003)
    """
    if side not in (1, -1):
        raise ValueError(f"`side` must be 1 or -1, was {side}")
    return entry - side * (ticks + 1 if spread > 1 else ticks)


def must_exit(
    side: int,
    held: int,
    p1: float,
    to_end: int,
    shortest: int = SHORTEST_HOLD,
    longest: int = LONGEST_HOLD,
) -> str | None:
    """Return why an open position must go now, or None.

    "time" after `longest` ns; "model" after `shortest`, once `p1` has crossed 1/2 against it;
    "session" from five minutes before the session's end (`to_end` ns away).
    """
    if to_end <= FLAT_BEFORE_END:
        return "session"
    if held >= longest:
        return "time"
    if held >= shortest and side * (p1 - 0.5) < 0:
        return "model"
    return None


def may_enter(to_end: int) -> bool:
    """Return whether the session lasts long enough for an entry: more than ten minutes."""
    return to_end > NO_ENTRY_BEFORE_END
