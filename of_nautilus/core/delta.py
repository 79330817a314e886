"""Delta and cumulative volume delta (CVD): who was the aggressor, by how much.

Buyer-initiated volume counts plus, seller-initiated minus; volume without a known aggressor is in
no delta. All values are lots.
"""

from enum import IntEnum

import numpy as np
from numba import njit

from of_nautilus.core.record import INT, Bytes, Ints, State, allocate, record

CVD = record(
    ("value", INT),
    ("anchor_ts", INT),
    ("minimum", INT),
    ("maximum", INT),
    ("buy", INT),
    ("sell", INT),
    ("unclassified", INT),
    ("trades", INT),
)


class CvdReset(IntEnum):
    """When the CVD starts from zero again."""

    NEVER = 0
    SESSION = 1
    UTC_DAY = 2


def new_cvd() -> State:
    """Return a fresh CVD state."""
    return allocate(CVD)


@njit(cache=True)
def anchor(cvd, ts):  # type: ignore[no-untyped-def]
    """Start the sum anew at `ts` (inside the compiler; a CVD record)."""
    cvd.value = 0
    cvd.minimum = 0
    cvd.maximum = 0
    cvd.buy = 0
    cvd.sell = 0
    cvd.unclassified = 0
    cvd.trades = 0
    cvd.anchor_ts = ts


@njit(cache=True)
def add_trade(cvd, ts, size, side):  # type: ignore[no-untyped-def]
    """Add one trade to a CVD record (inside the compiler)."""
    if cvd.trades == 0 and cvd.anchor_ts == 0:
        cvd.anchor_ts = ts
    cvd.trades += 1
    cvd.buy += size * (side > 0)
    cvd.sell += size * (side < 0)
    cvd.unclassified += size * (side == 0)
    cvd.value += side * size
    cvd.minimum = min(cvd.minimum, cvd.value)
    cvd.maximum = max(cvd.maximum, cvd.value)


@njit(cache=True)
def add_trades(cvd, ts, size, side):  # type: ignore[no-untyped-def]
    """Add trades as `add_trade` does each, the sums in registers; return how many had no side."""
    if cvd.trades == 0 and cvd.anchor_ts == 0 and len(ts) > 0:
        cvd.anchor_ts = ts[0]
    value, minimum, maximum = cvd.value, cvd.minimum, cvd.maximum
    buy, sell, unclassified = cvd.buy, cvd.sell, cvd.unclassified
    sideless = 0
    for i in range(len(ts)):
        sideless += side[i] == 0
        value += side[i] * size[i]
        buy += size[i] * (side[i] > 0)
        sell += size[i] * (side[i] < 0)
        unclassified += size[i] * (side[i] == 0)
        minimum = min(minimum, value)
        maximum = max(maximum, value)
    cvd.trades += len(ts)
    cvd.value, cvd.minimum, cvd.maximum = value, minimum, maximum
    cvd.buy, cvd.sell, cvd.unclassified = buy, sell, unclassified
    return sideless


@njit(cache=True)
def step_cvd(state: State, ts: int, size: int, side: int) -> None:
    """Advance a CVD state by one trade of `size` lots on `side` (+1, -1 or 0).

    >>> state = new_cvd()
    >>> for size, side in ((10, 1), (4, -1)):
    ...     step_cvd(state, 0, size, side)
    >>> int(state[0].value)
    6
    """
    add_trade(state[0], ts, size, side)


@njit(cache=True)
def run_cvd(state: State, ts: Ints, size: Ints, side: Bytes) -> Ints:
    """Advance a CVD state by many trades; return its value after each."""
    values = np.empty(len(ts), np.int64)
    cvd = state[0]
    for i in range(len(ts)):
        add_trade(cvd, ts[i], size[i], side[i])
        values[i] = cvd.value
    return values


ROLLING_DELTA = record(("value", INT), ("bars", INT), ("at", INT))


def new_rolling_delta(bars: int) -> tuple[State, Ints]:
    """Return a fresh sum of the deltas of the last `bars` bars (>= 1), and its ring."""
    if bars < 1:
        raise ValueError(f"`bars` must be >= 1, was {bars}")
    return allocate(ROLLING_DELTA), np.zeros(bars, np.int64)


@njit(cache=True)
def step_rolling_delta(state: State, ring: Ints, delta: int) -> int:
    """Advance by one closed bar's delta; return the sum over the last bars, this one included.

    >>> state, ring = new_rolling_delta(3)
    >>> [step_rolling_delta(state, ring, delta) for delta in (10, -4, 7, -20)]
    [10, 6, 13, -17]
    """
    rolling = state[0]
    at = rolling.at
    rolling.value += delta - ring[at]
    ring[at] = delta
    rolling.at = at + 1 if at + 1 < len(ring) else 0
    rolling.bars += 1
    return int(rolling.value)
