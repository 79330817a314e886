"""Large trades: sizes above an exact trailing quantile of the sizes before them.

Of the last n sizes only the upper part is held together, with some to spare; most sizes come and go
below it and touch nothing but the ring. It is held in no order: a size leaves its place to the last
one, and where a new size stands is counted when it comes. When the part runs short it is taken from
the ring anew.
"""

import math

import numpy as np
from numba import njit

from of_nautilus.core.record import FLOAT, INT, Bytes, Floats, Ints, State, allocate, record

# Sizes kept below those that the quantile needs: few, so that each count is cheap, and enough for
# the count of a thousand sizes above a threshold, which seldom strays so far.
_SPARE = 32

# Lines of the ring and of its upper part, and where a size of one is found in the other.
SIZE, PLACE = range(2)

SIZE_QUANTILE = record(
    ("window", INT),
    ("seen", INT),
    ("at", INT),
    ("above", INT),
    ("fraction", FLOAT),
    ("floor", INT),
    ("kept", INT),
    ("trim_at", INT),
)


def new_size_quantile(quantile: float = 0.95, window: int = 1000) -> tuple[State, Ints, Ints]:
    """Return a fresh trailing quantile: its state, the ring of sizes, and their upper part.

    Parameters
    ----------
    quantile : float
        Which quantile, in (0, 1).
    window : int
        How many sizes it is taken of, >= 2.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """
    if not 0.0 < quantile < 1.0:
        raise ValueError(f"`quantile` must be in (0, 1), was {quantile}")
    if window < 2:
        raise ValueError(f"`window` must be >= 2, was {window}")
    state = allocate(SIZE_QUANTILE)
    rank = (window - 1) * quantile
    below = min(math.floor(rank), window - 2)
    state["window"], state["above"], state["fraction"] = window, window - below, rank - below
    return state, np.zeros((2, window), np.int64), np.zeros((2, window + 1), np.int64)


@njit(cache=True)
def _interpolate(quantile, low, high):  # type: ignore[no-untyped-def]
    # Rounds as numpy does, from the nearer end.
    if quantile.fraction >= 0.5:
        return high - (high - low) * (1.0 - quantile.fraction)
    return low + (high - low) * quantile.fraction


@njit(cache=True)
def _keep_top(quantile, ring, top):  # type: ignore[no-untyped-def]
    """Keep the largest sizes of the ring, some to spare, and all that equal their least."""
    ordered = np.sort(ring[SIZE])
    floor = ordered[max(len(ordered) - quantile.above - _SPARE, 0)]
    kept = 0
    for at in range(ring.shape[1]):
        if ring[SIZE, at] >= floor:
            top[SIZE, kept] = ring[SIZE, at]
            top[PLACE, kept] = at
            ring[PLACE, at] = kept
            kept += 1
    quantile.floor = floor
    quantile.kept = kept
    quantile.trim_at = 2 * kept


@njit(cache=True)
def _stands_out(quantile, top, size):  # type: ignore[no-untyped-def]
    """Return whether a size in the upper part is greater than the quantile."""
    above = 0
    for k in range(quantile.kept):
        above += top[SIZE, k] >= size
    if above != quantile.above - 1:
        return above < quantile.above
    # Between the two sizes that the quantile lies between.
    low, high = 0, 0x7FFFFFFFFFFFFFFF
    for k in range(quantile.kept):
        kept = top[SIZE, k]
        if kept < size:
            low = max(low, kept)
        else:
            high = min(high, kept)
    return size > _interpolate(quantile, low, high)


@njit(cache=True)
def _exchange(quantile, ring, top, at, leaving, size):  # type: ignore[no-untyped-def]
    """Judge a size that has taken the place of another in the ring, one of them not a small one."""
    if quantile.seen < quantile.window:
        quantile.seen += 1
        if quantile.seen == quantile.window:
            _keep_top(quantile, ring, top)
        return False
    floor = quantile.floor
    large = size >= floor and _stands_out(quantile, top, size)
    kept = quantile.kept
    if leaving >= floor:
        kept -= 1
        place, last = ring[PLACE, at], top[PLACE, kept]
        top[SIZE, place] = top[SIZE, kept]
        top[PLACE, place] = last
        ring[PLACE, last] = place
    if size >= floor:
        top[SIZE, kept] = size
        top[PLACE, kept] = at
        ring[PLACE, at] = kept
        kept += 1
    quantile.kept = kept
    if kept < quantile.above or kept > quantile.trim_at:
        _keep_top(quantile, ring, top)
    return large


@njit(cache=True)
def add_size(quantile, ring, top, size):  # type: ignore[no-untyped-def]
    """Take in a size; return whether it is greater than the quantile of those before (compiled).

    No size is before the window is full.
    """
    at = quantile.at
    leaving = ring[SIZE, at]
    ring[SIZE, at] = size
    quantile.at = at + 1 if at + 1 < quantile.window else 0
    if max(leaving, size) < quantile.floor:
        return False
    return _exchange(quantile, ring, top, at, leaving, size)


@njit(cache=True)
def add_sizes(quantile, ring, top, size, large):  # type: ignore[no-untyped-def]
    """Take in sizes as `add_size` does each; `large` tells of each (compiled)."""
    at, floor, window = quantile.at, quantile.floor, quantile.window
    for i in range(len(size)):
        leaving = ring[SIZE, at]
        ring[SIZE, at] = size[i]
        large[i] = 0
        if max(leaving, size[i]) >= floor:
            large[i] = _exchange(quantile, ring, top, at, leaving, size[i])
            floor = quantile.floor
        at = at + 1 if at + 1 < window else 0
    quantile.at = at


@njit(cache=True)
def oldest_size(quantile, ring):  # type: ignore[no-untyped-def]
    """Return the size that the next one puts out of the window, 0 before it is full (compiled)."""
    return ring[SIZE, quantile.at]


@njit(cache=True)
def read_quantile(quantile, top):  # type: ignore[no-untyped-def]
    """Return the quantile of the window's sizes, NaN before it is full (compiled)."""
    if quantile.seen < quantile.window:
        return math.nan
    ordered = np.sort(top[SIZE, : quantile.kept])
    at = quantile.kept - quantile.above
    return _interpolate(quantile, ordered[at], ordered[at + 1])


@njit(cache=True)
def step_size_quantile(state: State, ring: Ints, top: Ints, size: int) -> bool:
    """Advance by one size; return whether it is large.

    It is if it is greater than the quantile of the `window` sizes before it, which lies between two
    ordered sizes, by linear interpolation (the default of `numpy.quantile`).

    >>> state, ring, top = new_size_quantile(0.5, 3)
    >>> [step_size_quantile(state, ring, top, size) for size in (5, 1, 3, 9, 8)]
    [False, False, False, True, True]
    >>> read_quantile(state[0], top)
    8.0
    """
    return add_size(state[0], ring, top, size)


@njit(cache=True)
def run_size_quantile(state: State, ring: Ints, top: Ints, size: Ints) -> tuple[Floats, Bytes]:
    """Advance by many sizes; return the quantile before each, and whether each is large."""
    values, large = np.empty(len(size)), np.empty(len(size), np.int8)
    quantile = state[0]
    for i in range(len(size)):
        values[i] = read_quantile(quantile, top)
        large[i] = add_size(quantile, ring, top, size[i])
    return values, large
