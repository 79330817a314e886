"""Sweep: one side runs through several price levels within a moment.

What runs through them is told by the book, level by level as each is consumed, or where there is
no book by the trades alone. Both come in as prints: (time, price, volume, side of the aggressor),
those of a book with what it showed before: how many thin levels, and the usual size of one.
"""

from typing import Any

import msgspec
import numpy as np
from numba import njit

from of_nautilus.core.record import FLOAT, INT, Ints, State, allocate, record
from of_nautilus.patterns.signal import Pattern, Signal

_NS = 1_000_000_000
# Columns of a print in the ring.
TS, PRICE, SIZE, SIDE, THIN, USUAL = range(6)
_COLUMNS = 6

SWEEP = record(
    # What fires: ticks, lots and ns.
    ("ready", INT),
    ("window", INT),
    ("min_span", INT),
    ("min_levels", INT),
    ("min_share", FLOAT),
    ("max_per_level", FLOAT),
    ("row_ticks", INT),
    ("cooldown", INT),
    ("r1", FLOAT),
    # The ring: prints ever written, the first that is still summed up, and the sums.
    ("head", INT),
    ("tail", INT),
    ("bought", INT),
    ("sold", INT),
    ("unclassified", INT),
    # Lowest buy and highest sell of the present and of the last stretch of `window` ns: together
    # they bound what the window can span, and nearly always show that it is too little.
    ("muted_until", INT),
    ("stretch", INT),
    ("low", INT),
    ("high", INT),
    ("low_before", INT),
    ("high_before", INT),
    # What fired in the last step.
    ("fired_count", INT),
    ("fired_ts", INT),
    ("fired_side", INT),
    ("fired_start", INT),
    ("fired_end", INT),
    ("fired_volume", INT),
    ("fired_all_volume", INT),
    ("fired_levels", INT),
    ("fired_prices", INT),
    ("fired_thin", INT),
    ("fired_usual", INT),
)
_LEVELS = 64  # counted one by one up to here
_FAR = 1 << 62


class SweepConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What counts as a sweep.

    Parameters
    ----------
    window_s : float
        Within which time the levels fall by the robust rules, > 0.
    min_r1 : float
        Least span in usual bar ranges by the robust rules, > 0.
    min_share : float
        Least part of the volume on the sweep's side by the robust rules, in (0, 1].
    max_time_s : float
        Within which time the levels fall by the source rules, > 0.
    min_levels : int
        Least levels by the source rules, >= 2.
    max_volume_per_level : float
        Most volume a level by the source rules, base units, > 0.
    thin_book : float
        A level below this size is thin, base units, > 0.
    cooldown_s : float
        Pause after a sweep, >= 0.
    """

    window_s: float = 0.25
    min_r1: float = 0.5
    min_share: float = 0.8
    max_time_s: float = 2.0
    min_levels: int = 3
    max_volume_per_level: float = 8.0
    thin_book: float = 5.0
    cooldown_s: float = 5.0

    def __post_init__(self) -> None:
        for name in ("window_s", "min_r1", "max_time_s", "max_volume_per_level", "thin_book"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` must be > 0, was {getattr(self, name)}")
        if not 0 < self.min_share <= 1:
            raise ValueError(f"`min_share` must be in (0, 1], was {self.min_share}")
        if self.min_levels < 2:
            raise ValueError(f"`min_levels` must be >= 2, was {self.min_levels}")
        if not self.cooldown_s >= 0:
            raise ValueError(f"`cooldown_s` must be >= 0, was {self.cooldown_s}")


def new_sweep(prints: int = 256) -> tuple[State, Ints]:
    """Return a fresh state, not ready until its limits are set, and its ring of prints.

    Parameters
    ----------
    prints : int
        Prints that the ring holds at first, a power of two.

    Raises
    ------
    ValueError
        If `prints` is not a power of two.
    """
    if prints < 1 or prints & (prints - 1):
        raise ValueError(f"`prints` must be a power of two, was {prints}")
    return allocate(SWEEP), np.zeros((prints, _COLUMNS), np.int64)


def set_robust_limits(
    sweep: Any, config: SweepConfig, *, min_span: int, row_ticks: int, r1: float
) -> None:
    """Set the robust rules in a state's record: ticks.

    Parameters
    ----------
    sweep : record
        Of `SWEEP`.
    config : SweepConfig
    min_span : int
        Least ticks from the first level to the last.
    row_ticks : int
        Height of the rows that count as levels in the strength.
    r1 : float
        Usual high - low of a bar, > 0.
    """
    _set(sweep, int(config.window_s * _NS), config)
    sweep.min_span, sweep.min_levels, sweep.row_ticks, sweep.r1 = min_span, 1, row_ticks, r1
    sweep.min_share, sweep.max_per_level = config.min_share, 0.0


def set_source_limits(sweep: Any, config: SweepConfig, *, max_per_level: float) -> None:
    """Set the source rules in a state's record; `max_per_level` in lots."""
    _set(sweep, int(config.max_time_s * _NS), config)
    sweep.min_span, sweep.min_levels = config.min_levels - 1, config.min_levels
    sweep.row_ticks, sweep.r1 = 1, 0.0
    sweep.min_share, sweep.max_per_level = 0.0, max_per_level


def _set(sweep: Any, window: int, config: SweepConfig) -> None:
    if sweep.window != window:
        # What bounded the old window does not bound the new one.
        sweep.head = sweep.tail = 0
        sweep.bought = sweep.sold = sweep.unclassified = 0
        sweep.stretch = 0
    sweep.window = window
    sweep.cooldown = int(config.cooldown_s * _NS)
    sweep.ready = 1


@njit(cache=True)
def has_room(sweep, ring, ts):  # type: ignore[no-untyped-def]
    """Return whether one more print at `ts` leaves all of its window in the ring (compiled)."""
    if sweep.head - sweep.tail < len(ring):
        return True
    _expire(sweep, ring, ts)
    return sweep.head - sweep.tail < len(ring)


@njit(cache=True)
def _expire(sweep, ring, ts):  # type: ignore[no-untyped-def]
    """Let go of the prints that have left the window."""
    mask = len(ring) - 1
    while sweep.tail < sweep.head and ring[sweep.tail & mask, 0] <= ts - sweep.window:
        at = sweep.tail & mask
        _sum_up(sweep, -ring[at, 2], ring[at, 3])
        sweep.tail += 1


@njit(cache=True)
def _sum_up(sweep, size, side):  # type: ignore[no-untyped-def]
    # Sides are unpredictable: a branch on them costs more than the rest.
    sweep.bought += size * (side > 0)
    sweep.sold += size * (side < 0)
    sweep.unclassified += size * (side == 0)


@njit(cache=True)
def add_print(sweep, ring, ts, price, size, side, thin=0, usual=0):  # type: ignore[no-untyped-def]
    """Add one print for which there is room; return 1 if it completes a sweep (compiled).

    With a book, a print is a consumed level: its price, what traded there, the side that hit it,
    and of its side of the book before: thin levels, and the median lots of a level. Times must not
    run backwards.
    """
    sweep.fired_count = 0
    if sweep.ready == 0:
        return 0
    at = sweep.head & (len(ring) - 1)
    sweep.head += 1
    ring[at, 0] = ts
    ring[at, 1] = price
    ring[at, 2] = size
    ring[at, 3] = side
    ring[at, 4] = thin
    ring[at, 5] = usual
    _sum_up(sweep, size, side)
    if ts >= sweep.stretch:
        _next_stretch(sweep, ts)
    if side == 0:
        return 0
    low, high = min(sweep.low, price), max(sweep.high, price)
    sweep.low = low if side > 0 else sweep.low
    sweep.high = high if side < 0 else sweep.high
    up, down = price - min(low, sweep.low_before), max(high, sweep.high_before) - price
    reach = up if side > 0 else down
    if reach < sweep.min_span or ts < sweep.muted_until:
        return 0
    return _judge(sweep, ring, ts, price, side)


@njit(cache=True)
def _next_stretch(sweep, ts):  # type: ignore[no-untyped-def]
    """Begin a stretch of time; only the one just before it can still lie in the window."""
    follows = sweep.stretch > 0 and ts < sweep.stretch + sweep.window
    sweep.low_before = sweep.low if follows else _FAR
    sweep.high_before = sweep.high if follows else -_FAR
    sweep.low = _FAR
    sweep.high = -_FAR
    sweep.stretch = ts - ts % sweep.window + sweep.window


@njit(cache=True)
def _judge(sweep, ring, ts, price, side):  # type: ignore[no-untyped-def]
    """Look through the window for what the side has run through."""
    _expire(sweep, ring, ts)
    own = sweep.bought if side > 0 else sweep.sold
    total = sweep.bought + sweep.sold + sweep.unclassified
    if own < sweep.min_share * total - 1e-9:
        return 0
    mask = len(ring) - 1
    start = price
    first = sweep.head - 1
    for number in range(sweep.head - 1, sweep.tail - 1, -1):
        at = number & mask
        if ring[at, 3] == side:
            first = number
            if (start - ring[at, 1]) * side > 0:
                start = ring[at, 1]
    # What was only a bound is now known.
    if side > 0:
        sweep.low = start
        sweep.low_before = start
    else:
        sweep.high = start
        sweep.high_before = start
    if (price - start) * side < sweep.min_span:
        return 0
    levels = _count_levels(ring, sweep.tail, sweep.head, side, sweep.row_ticks)
    prices = _count_levels(ring, sweep.tail, sweep.head, side, 1)
    if levels < sweep.min_levels:
        return 0
    if sweep.max_per_level > 0 and own > sweep.max_per_level * prices + 1e-9:
        return 0
    sweep.muted_until = ts + sweep.cooldown
    sweep.fired_count = 1
    sweep.fired_ts = ts
    sweep.fired_side = side
    sweep.fired_start = start
    sweep.fired_end = price
    sweep.fired_volume = own
    sweep.fired_all_volume = total
    sweep.fired_levels = levels
    sweep.fired_prices = prices
    sweep.fired_thin = ring[first & mask, 4]
    sweep.fired_usual = ring[first & mask, 5]
    return 1


@njit(cache=True)
def _count_levels(ring, first, end, side, row_ticks):  # type: ignore[no-untyped-def]
    """Return how many rows a side printed at, at most 64."""
    seen = np.empty(_LEVELS, np.int64)
    count = 0
    for number in range(first, end):
        at = number & (len(ring) - 1)
        if ring[at, 3] != side:
            continue
        row = ring[at, 1] // row_ticks
        known = False
        for k in range(count):
            if seen[k] == row:
                known = True
                break
        if not known:
            seen[count] = row
            count += 1
            if count == _LEVELS:
                break
    return count


@njit(cache=True)
def step_sweep(
    state: State,
    ring: Ints,
    ts: int,
    price: int,
    size: int,
    side: int,
    thin: int = 0,
    usual: int = 0,
) -> int:
    """Advance by one print: 1 if it completes a sweep, 0 if not, -1 if the ring must grow first."""
    if not has_room(state[0], ring, ts):
        return -1
    return add_print(state[0], ring, ts, price, size, side, thin, usual)


def widen_ring(sweep: Any, ring: Ints) -> Ints:
    """Return a ring twice as long that holds the same prints."""
    wider = np.zeros((2 * len(ring), _COLUMNS), np.int64)
    kept = np.arange(int(sweep.tail), int(sweep.head))
    wider[kept % len(wider)] = ring[kept % len(ring)]
    return wider


def fired_signal(sweep: Any) -> Signal:
    """Return the signal of the last step, which fired: to trade the way of the sweep."""
    prices, levels = int(sweep.fired_prices), int(sweep.fired_levels)
    start, end = int(sweep.fired_start), int(sweep.fired_end)
    volume, thin = int(sweep.fired_volume), int(sweep.fired_thin)
    usual, span = int(sweep.fired_usual), abs(end - start)
    reasons: dict[str, float] = {
        "span_ticks": span,
        "min_span_ticks": int(sweep.min_span),
        "start_ticks": start,
        "levels": levels,
        "prices": prices,
        "volume": volume,
        "all_volume": int(sweep.fired_all_volume),
        "thin_levels": thin,
    }
    if sweep.r1 > 0:
        reasons |= {"r1": float(sweep.r1), "usual_level_size": usual}
        strength = robust_strength(levels, volume / prices, usual, span / float(sweep.r1), thin)
    else:
        most = float(sweep.max_per_level)
        reasons["max_per_level"] = most
        strength = source_strength(prices, volume / prices, most, span / max(abs(start), 1), thin)
    side = int(sweep.fired_side)
    return Signal(int(sweep.fired_ts), Pattern.SWEEP, side, end, strength, reasons)


def source_strength(
    levels: int, per_level: float, max_per_level: float, displacement: float, thin: int
) -> float:
    """Return ``15 levels + 20 efficiency + 1000 displacement + 15 [thin >= 2]``, 30 to 100.

    ``efficiency = clip(1 - per_level / max_per_level, 0, 1)``; `displacement` is the span over the
    price where it began.
    """
    efficiency = max(0.0, min(1.0, 1.0 - per_level / max_per_level))
    total = 15.0 * levels + 20.0 * efficiency + 1000.0 * displacement + 15.0 * (thin >= 2)
    return max(30.0, min(100.0, total))


def robust_strength(levels: int, per_price: float, usual: float, span: float, thin: int) -> float:
    """Return ``15 min(levels, 4) + 20 efficiency + 20 min(span, 1) + 15 [thin >= 2]``, 30 to 100.

    ``efficiency = clip(1 - per_price / usual, 0, 1)`` with the usual displayed size of a level, 0
    without a book; `span` is in usual bar ranges.
    """
    efficiency = max(0.0, min(1.0, 1.0 - per_price / usual)) if usual > 0 else 0.0
    total = 15.0 * min(levels, 4) + 20.0 * efficiency + 20.0 * min(span, 1.0) + 15.0 * (thin >= 2)
    return max(30.0, min(100.0, total))
