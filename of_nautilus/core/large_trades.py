"""Large trades: sizes above an exact trailing quantile of the sizes before them.

Of the last n sizes only the upper part is kept in order, with some to spare; most sizes come and go
below it and touch nothing but the ring. When it runs short it is taken from the ring anew.
"""

import math

import numpy as np
from numba import njit

from of_nautilus.core.record import FLOAT, INT, Floats, Ints, State, allocate, record

# Sizes kept below those that the quantile needs: few, so that each change is cheap, and enough for
# the count of a thousand sizes above a threshold, which seldom strays so far.
_SPARE = 32

SIZE_QUANTILE = record(
    ("window", INT),
    ("seen", INT),
    ("at", INT),
    ("above", INT),
    ("fraction", FLOAT),
    ("value", FLOAT),
    ("floor", INT),
    ("kept", INT),
    ("trim_at", INT),
)


def new_size_quantile(quantile: float = 0.95, window: int = 1000) -> tuple[State, Ints, Ints]:
    """Return a fresh trailing quantile: its state, the ring of sizes, and their ordered upper part.

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
    state["value"] = math.nan
    return state, np.zeros(window, np.int64), np.zeros(window + 1, np.int64)


@njit(cache=True)
def _interpolate(quantile, top):  # type: ignore[no-untyped-def]
    at = quantile.kept - quantile.above
    low = top[at]
    high = top[at + 1]
    # Rounds as numpy does, from the nearer end.
    if quantile.fraction >= 0.5:
        quantile.value = high - (high - low) * (1.0 - quantile.fraction)
    else:
        quantile.value = low + (high - low) * quantile.fraction


@njit(cache=True)
def _keep_top(quantile, sizes, top):  # type: ignore[no-untyped-def]
    """Keep, in order, the largest of `sizes`, some to spare, and all that equal their least."""
    ordered = np.sort(sizes)
    first = max(len(ordered) - quantile.above - _SPARE, 0)
    floor = ordered[first]
    while first > 0 and ordered[first - 1] == floor:
        first -= 1
    kept = len(ordered) - first
    top[:kept] = ordered[first:]
    quantile.floor = floor
    quantile.kept = kept
    quantile.trim_at = 2 * kept


@njit(cache=True)
def exchange(quantile, ring, size):  # type: ignore[no-untyped-def]
    """Put a size into the ring and return the one that leaves the window (compiled)."""
    at = quantile.at
    leaving = ring[at]
    ring[at] = size
    quantile.at = at + 1 if at + 1 < quantile.window else 0
    return leaving


@njit(cache=True)
def reorder(quantile, ring, top, leaving, size):  # type: ignore[no-untyped-def]
    """Bring the ordered upper part up to date after `exchange` (compiled).

    Not needed where both sizes are below `quantile.floor`.
    """
    if quantile.seen < quantile.window:
        quantile.seen += 1
        if quantile.seen == quantile.window:
            _keep_top(quantile, ring, top)
            _interpolate(quantile, top)
        return
    floor = quantile.floor
    kept = quantile.kept
    # Every place is looked at, without a branch: so they go many at a time.
    if leaving >= floor:
        kept -= 1
        for i in range(kept):
            top[i] = top[i] if top[i] < leaving else top[i + 1]
    if size >= floor:
        place = 0
        for i in range(kept):
            place += top[i] <= size
        for i in range(kept, place, -1):
            top[i] = top[i - 1]
        top[place] = size
        kept += 1
    quantile.kept = kept
    if kept < quantile.above:
        _keep_top(quantile, ring, top)
    elif kept > quantile.trim_at:
        _keep_top(quantile, top[:kept].copy(), top)
    _interpolate(quantile, top)


@njit(cache=True)
def step_size_quantile(state: State, ring: Ints, top: Ints, size: int) -> float:
    """Advance by one size; return the quantile of the `window` sizes before it, NaN if too few.

    A trade is large if its size is greater than what is returned. The quantile lies between two
    ordered sizes, by linear interpolation (the default of `numpy.quantile`).

    >>> state, ring, top = new_size_quantile(0.5, 3)
    >>> [step_size_quantile(state, ring, top, size) for size in (5, 1, 3, 9, 8)]
    [nan, nan, nan, 3.0, 3.0]
    """
    quantile = state[0]
    value = quantile.value
    leaving = exchange(quantile, ring, size)
    if max(leaving, size) >= quantile.floor:
        reorder(quantile, ring, top, leaving, size)
    return value


@njit(cache=True)
def run_size_quantile(state: State, ring: Ints, top: Ints, size: Ints) -> Floats:
    """Advance by many sizes; return the quantile before each."""
    values = np.empty(len(size))
    quantile = state[0]
    for i in range(len(size)):
        values[i] = quantile.value
        leaving = exchange(quantile, ring, size[i])
        if max(leaving, size[i]) >= quantile.floor:
            reorder(quantile, ring, top, leaving, size[i])
    return values
