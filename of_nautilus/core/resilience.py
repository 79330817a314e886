"""Resilience: how much of its depth, and how fast, a side of the book wins back after a shock.

A shock is a trade of at least twice the mean size of the trades before it. With the depth of the
side that it hit before it, right after it, and `dt` after it,

    recovery = (depth(t + dt) - post) / (pre - post),

and the half-life is the time until half of the loss is back. Both are smoothed over about the last
ten shocks (exponentially, 2 / 11). A shock that took no depth is skipped; one that comes while the
side still recovers belongs to the one before.
"""

import numpy as np
from numba import njit

from of_nautilus.core.record import FLOAT, INT, State, allocate, record

SIZES, MIN_SIZES = 1_000, 30
_ALPHA = 2.0 / 11.0
_PATIENCE = 10  # a half-life longer than so many dt is not waited for

SHOCK = record(
    ("active", INT),
    ("ts", INT),
    ("pre", INT),
    ("post", INT),
    ("hit", INT),  # `post` is known
    ("measured", INT),
    ("half_ts", INT),
    ("recovery", FLOAT),
)
RESILIENCE = record(
    ("dt", INT),
    ("trades", INT),
    ("lots", INT),  # sum of the ring
    ("sizes", INT, (SIZES,)),
    ("known", INT),  # `depth` is
    ("depth", INT, (2,)),
    ("bids", SHOCK),
    ("asks", SHOCK),
    ("shocks", INT),
    ("skipped", INT),
    ("recoveries", INT),
    ("half_lives", INT),
    ("recovery", FLOAT),  # NaN until a shock was measured
    ("half_life", FLOAT),  # seconds; NaN until one was reached
)


def new_resilience(dt: float = 3.0) -> State:
    """Return a fresh state; `dt` in seconds, > 0.

    Raises
    ------
    ValueError
        If `dt` <= 0.
    """
    if not dt > 0:
        raise ValueError(f"`dt` must be > 0, was {dt}")
    state = allocate(RESILIENCE)
    state["dt"] = round(dt * 1e9)
    state["recovery"] = state["half_life"] = np.nan
    return state


@njit(cache=True)
def add_trade(resilience, ts, size, side):  # type: ignore[no-untyped-def]
    """Take a trade (best a whole market order): a shock to the side it hits, or not."""
    count = min(resilience.trades, SIZES)
    is_shock = count >= MIN_SIZES and size * count >= 2 * resilience.lots
    if is_shock and resilience.known and side > 0:
        _hit(resilience.asks, ts, resilience.depth[1])
    elif is_shock and resilience.known and side < 0:
        _hit(resilience.bids, ts, resilience.depth[0])
    at = resilience.trades % SIZES
    resilience.lots += size - resilience.sizes[at]
    resilience.sizes[at] = size
    resilience.trades += 1


@njit(cache=True)
def _hit(shock, ts, depth):  # type: ignore[no-untyped-def]
    if shock.active:
        return
    shock.active = 1
    shock.ts = ts
    shock.pre = depth
    shock.hit = shock.measured = shock.half_ts = 0


@njit(cache=True)
def add_depth(resilience, ts, bids, asks):  # type: ignore[no-untyped-def]
    """Take the depth of both sides after a batch: lots on a fixed number of best levels."""
    _recover(resilience, resilience.bids, ts, resilience.depth[0], bids)
    _recover(resilience, resilience.asks, ts, resilience.depth[1], asks)
    resilience.known = 1
    resilience.depth[0] = bids
    resilience.depth[1] = asks


@njit(cache=True)
def _recover(resilience, shock, ts, before, depth):  # type: ignore[no-untyped-def]
    if not shock.active:
        return
    if not shock.hit:
        shock.hit = 1
        shock.post = depth
        if shock.pre <= depth:
            shock.active = 0
            resilience.skipped += 1
        else:
            resilience.shocks += 1
        return
    due = shock.ts + resilience.dt
    if not shock.measured and ts > due:
        shock.measured = 1
        shock.recovery = (before - shock.post) / (shock.pre - shock.post)
    if shock.half_ts == 0 and 2 * (depth - shock.post) >= shock.pre - shock.post:
        shock.half_ts = ts
    too_late = ts > shock.ts + _PATIENCE * resilience.dt
    if shock.measured and (shock.half_ts > 0 or too_late):
        _learn(resilience, shock)


@njit(cache=True)
def _learn(resilience, shock):  # type: ignore[no-untyped-def]
    shock.active = 0
    first = resilience.recoveries == 0
    resilience.recoveries += 1
    resilience.recovery = _smooth(resilience.recovery, shock.recovery, first)
    if 0 < shock.half_ts <= shock.ts + _PATIENCE * resilience.dt:
        first = resilience.half_lives == 0
        resilience.half_lives += 1
        seconds = (shock.half_ts - shock.ts) / 1e9
        resilience.half_life = _smooth(resilience.half_life, seconds, first)


@njit(cache=True)
def _smooth(mean, value, first):  # type: ignore[no-untyped-def]
    return value if first else mean + _ALPHA * (value - mean)


@njit(cache=True)
def lose_book(resilience):  # type: ignore[no-untyped-def]
    """Give up the shocks under way: the book is not trusted."""
    resilience.bids.active = resilience.asks.active = 0
    resilience.known = 0


@njit(cache=True)
def step_trade(state: State, ts: int, size: int, side: int) -> None:
    """Advance by one trade; see `add_trade`."""
    add_trade(state[0], ts, size, side)


@njit(cache=True)
def step_depth(state: State, ts: int, bids: int, asks: int) -> None:
    """Advance by the depth after a batch; see `add_depth`."""
    add_depth(state[0], ts, bids, asks)
