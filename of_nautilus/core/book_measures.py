"""What a book looks like: spread, depth, imbalance, slope, cost of a market order, thin levels.

All of it is computed from `top` (`book.read_top`) or from the ladders when somebody reads it, not
with every batch; only the spread is sampled as time passes, once a second. Sizes are lots, prices
and spreads ticks. What cannot be said is NaN: an imbalance of an empty book, a ratio over no asks,
anything of a book that is not trusted.
"""

from enum import IntEnum

import numpy as np
from numba import njit

from of_nautilus.core.ladder import size_at, worse
from of_nautilus.core.record import FLOAT, INT, Ints, State, allocate, record
from of_nautilus.core.zscore import z_score

SECOND = 1_000_000_000
SPREADS = 300
THIN_LEVELS = 20  # best levels among which thin ones are counted
# Relative imbalance of the ten best levels from which one side is called the easier one.
PATH_THRESHOLD = 0.15

SPREAD = record(
    ("started", INT),
    ("next_second", INT),
    ("in_force", INT),  # ticks; 0 while the book is not trusted
    ("samples", INT),  # ever taken
    ("ring", INT, (SPREADS,)),
)
READING = record(
    ("mid", FLOAT),
    ("spread", FLOAT),
    ("spread_bps", FLOAT),
    ("spread_z", FLOAT),
    ("imbalance_1", FLOAT),
    ("imbalance_3", FLOAT),
    ("imbalance_5", FLOAT),
    ("imbalance_10", FLOAT),
    ("imbalance_all", FLOAT),
    ("total_depth", FLOAT),  # lots on the five best levels of both sides
    ("depth_ratio", FLOAT),  # bids over asks, five levels
    ("depth_concentration", FLOAT),  # share of the best level in these five, both sides
    ("bid_slope", FLOAT),
    ("ask_slope", FLOAT),
    ("weighted_mid", FLOAT),
    ("path", FLOAT),
)


class Path(IntEnum):
    """Which way the ten best levels resist less."""

    DOWN = -1
    NEUTRAL = 0
    UP = 1


def new_spread() -> State:
    """Return a spread history without samples."""
    return allocate(SPREAD)


def new_reading() -> State:
    """Return a reading in which nothing is known."""
    state = allocate(READING)
    for name in READING.names or ():
        state[name] = np.nan
    return state


@njit(cache=True)
def add_spread(history, ts, spread):  # type: ignore[no-untyped-def]
    """Take the spread in force from `ts` on; 0 for a book that is not trusted.

    Each whole second before `ts` is a sample of the spread that was in force then.
    """
    if not history.started:
        history.started = 1
        history.next_second = -(-ts // SECOND) * SECOND
    if ts - history.next_second > SPREADS * SECOND:
        history.next_second = ts - ts % SECOND - SPREADS * SECOND
    while history.next_second < ts:
        if history.in_force > 0:
            history.ring[history.samples % SPREADS] = history.in_force
            history.samples += 1
        history.next_second += SECOND
    history.in_force = spread


@njit(cache=True)
def step_spread(state: State, ts: int, spread: int) -> None:
    """Advance a spread history; see `add_spread`."""
    add_spread(state[0], ts, spread)


@njit(cache=True)
def spread_z(history, minimum=30):  # type: ignore[no-untyped-def]
    """Return the z-score of the spread against the last 300 one-second samples, itself excluded."""
    if history.in_force == 0:
        return np.nan
    return z_score(history.ring[: min(history.samples, SPREADS)], history.in_force, minimum)


@njit(cache=True)
def depth_of(top, side, levels):  # type: ignore[no-untyped-def]
    """Return the lots on the best `levels` of a side (0 bids, 1 asks)."""
    total = 0
    for i in range(min(levels, top.shape[1])):
        total += top[side, i, 1]
    return total


@njit(cache=True)
def imbalance_of(bids, asks):  # type: ignore[no-untyped-def]
    """Return (bids - asks) / (bids + asks), -1 to 1; NaN without either.

    >>> imbalance_of(30, 10), imbalance_of(0, 25)
    (0.5, -1.0)
    """
    return (bids - asks) / (bids + asks) if bids + asks > 0 else np.nan


@njit(cache=True)
def ratio_of(bids, asks):  # type: ignore[no-untyped-def]
    """Return bids / asks; NaN without asks."""
    return bids / asks if asks > 0 else np.nan


@njit(cache=True)
def path_of(imbalance, threshold=PATH_THRESHOLD):  # type: ignore[no-untyped-def]
    """Return the path of least resistance: 1 up, -1 down, 0 neutral, away from the fuller side.

    `imbalance` is that of the ten best levels; beyond `threshold` (0 to 1, strict) it tells.
    """
    if imbalance > threshold:
        return 1
    return -1 if imbalance < -threshold else 0


@njit(cache=True)
def weighted_mid_of(top):  # type: ignore[no-untyped-def]
    """Return (Pa Qb + Pb Qa) / (Qa + Qb) in ticks: the heavier queue pushes the price away."""
    bid, bid_lots = top[0, 0, 0], top[0, 0, 1]
    ask, ask_lots = top[1, 0, 0], top[1, 0, 1]
    if bid_lots == 0 or ask_lots == 0:
        return np.nan
    return bid + (ask - bid) * (bid_lots / (bid_lots + ask_lots))


@njit(cache=True)
def slope_of(top, side, per_lots, levels=5):  # type: ignore[no-untyped-def]
    """Return by how many ticks `per_lots` lots move the price from the mid; higher is thinner.

    The line through the origin that fits (cumulative lots, distance from mid) of the best levels
    best. NaN with fewer than two levels or an empty other side.
    """
    if top[0, 0, 1] == 0 or top[1, 0, 1] == 0 or top.shape[1] < 2 or top[side, 1, 1] == 0:
        return np.nan
    mid = (top[0, 0, 0] + top[1, 0, 0]) / 2
    cumulative = 0
    xy = xx = 0.0
    for i in range(min(levels, top.shape[1])):
        if top[side, i, 1] == 0:
            break
        cumulative += top[side, i, 1]
        xy += cumulative * abs(top[side, i, 0] - mid)
        xx += cumulative * float(cumulative)
    return xy / xx * per_lots


@njit(cache=True)
def walk(book, window, blocks, far, side, lots):  # type: ignore[no-untyped-def]
    """Walk a market order of `lots` through a side (0 sells to bids, 1 buys from asks).

    Return its exact cost in tick-lots and the worst price paid; (0, 0) if the side holds less.
    """
    if lots <= 0 or book.total[side] < lots:
        return 0, 0
    sign = 1 - 2 * side
    key = book.best[side]
    cost = 0
    while True:
        here = min(size_at(book, window, far, side, key), lots)
        cost += here * key * sign
        lots -= here
        if lots == 0:
            return cost, key * sign
        key = worse(book, window, blocks, far, side, key)


@njit(cache=True)
def impact_of(book, window, blocks, far, side, lots):  # type: ignore[no-untyped-def]
    """Return by how many ticks a market order's average price is worse than the mid, >= 0.

    NaN if the side holds less than `lots`, or the other side is empty.
    """
    if book.levels[0] == 0 or book.levels[1] == 0:
        return np.nan
    cost, _ = walk(book, window, blocks, far, side, lots)
    if lots <= 0 or book.total[side] < lots:
        return np.nan
    twice_mid = book.best[0] - book.best[1]
    return (2 * side - 1) * (2 * cost - twice_mid * lots) / (2.0 * lots)


@njit(cache=True)
def step_impact(state: State, window: Ints, blocks: Ints, far: Ints, side: int, lots: int) -> float:
    """Return `impact_of` a book state."""
    return impact_of(state[0], window, blocks, far, side, lots)


@njit(cache=True)
def thin_limit_of(top, side):  # type: ignore[no-untyped-def]
    """Return a quarter of the median size of the best 20 levels of a side; 0 for an empty one.

    Below it a level is thin in the relative mode, which needs no threshold in lots.
    """
    ordered = np.empty(THIN_LEVELS, np.int64)
    count = 0
    while count < min(THIN_LEVELS, top.shape[1]) and top[side, count, 1] > 0:
        at = count
        while at > 0 and ordered[at - 1] > top[side, count, 1]:
            ordered[at] = ordered[at - 1]
            at -= 1
        ordered[at] = top[side, count, 1]
        count += 1
    if count == 0:
        return 0.0
    return (ordered[(count - 1) // 2] + ordered[count // 2]) / 8.0


@njit(cache=True)
def thin_count_of(top, side, limit):  # type: ignore[no-untyped-def]
    """Return how many of the best 20 levels of a side hold fewer than `limit` lots."""
    count = 0
    for i in range(min(THIN_LEVELS, top.shape[1])):
        if 0 < top[side, i, 1] < limit:
            count += 1
    return count


def thin_levels(top: Ints, side: int, limit: float) -> list[int]:
    """Return the prices among the best 20 levels that hold fewer than `limit` lots, best first."""
    best = top[side, :THIN_LEVELS]
    return [int(price) for price, lots in best if 0 < lots < limit]


@njit(cache=True)
def read_measures(out, book, spread, top, per_lots):  # type: ignore[no-untyped-def]
    """Write what the book shows to a READING record; all NaN if it is not trusted.

    `spread` is a SPREAD record, `per_lots` the lots that slopes are given for, > 0.
    """
    if not book.trusted:
        _unknown(out)
        return
    mid = (book.bid + book.ask) / 2
    out.mid = mid
    out.spread = book.ask - book.bid
    out.spread_bps = (book.ask - book.bid) / mid * 1e4 if mid > 0 else np.nan
    out.spread_z = spread_z(spread)
    out.imbalance_1 = imbalance_of(depth_of(top, 0, 1), depth_of(top, 1, 1))
    out.imbalance_3 = imbalance_of(depth_of(top, 0, 3), depth_of(top, 1, 3))
    bids, asks = depth_of(top, 0, 5), depth_of(top, 1, 5)
    out.imbalance_5 = imbalance_of(bids, asks)
    out.total_depth = bids + asks
    out.depth_ratio = ratio_of(bids, asks)
    out.depth_concentration = (top[0, 0, 1] + top[1, 0, 1]) / (bids + asks)
    out.imbalance_10 = imbalance_of(depth_of(top, 0, 10), depth_of(top, 1, 10))
    out.imbalance_all = imbalance_of(book.total[0], book.total[1])
    out.bid_slope = slope_of(top, 0, per_lots)
    out.ask_slope = slope_of(top, 1, per_lots)
    out.weighted_mid = weighted_mid_of(top)
    out.path = path_of(out.imbalance_10)


@njit(cache=True)
def _unknown(out):  # type: ignore[no-untyped-def]
    out.mid = out.spread = out.spread_bps = out.spread_z = np.nan
    out.imbalance_1 = out.imbalance_3 = out.imbalance_5 = np.nan
    out.imbalance_10 = out.imbalance_all = np.nan
    out.total_depth = out.depth_ratio = out.depth_concentration = np.nan
    out.bid_slope = out.ask_slope = out.weighted_mid = out.path = np.nan


@njit(cache=True)
def step_measures(out: State, book: State, spread: State, top: Ints, per_lots: float) -> None:
    """Write what a book state shows; see `read_measures`."""
    read_measures(out[0], book[0], spread[0], top, per_lots)
