"""What the market did afterwards: labels for training, never loaded by what trades.

The mid is taken as of a time: the last book at or before it. A label begins when a decision could
have reached the venue, `delay` after its features were known, and there is none where the book was
lost, nothing was recorded (see `quotes`) or a session ended before the label did.
"""

import numpy as np

from of_nautilus.core.record import Floats, Ints

MS = 1_000_000
DELAY = 50 * MS


def mid_as_of(ts: Ints, mid: Floats, at: Ints) -> Floats:
    """Return the mid in force at each time of `at`; NaN before the first one.

    >>> mid_as_of(np.array([0, 10]), np.array([100.0, 101.0]), np.array([-1, 9, 10])).tolist()
    [nan, 100.0, 101.0]
    """
    index = np.searchsorted(ts, at, side="right") - 1
    return np.where(index >= 0, mid[np.maximum(index, 0)], np.nan)


def forward_returns(
    ts: Ints, mid: Floats, at: Ints, horizon: int, delay: int = DELAY, end: Ints | None = None
) -> Floats:
    """Return `(mid(t + delay + h) / mid(t + delay) - 1) * 1e4`, basis points, for each t.

    Parameters
    ----------
    ts, mid : arrays
        Mids in order of time (ns), NaN from when the book cannot be trusted until it can.
    at : int64 array
        The times t, ns.
    horizon : int
        h, ns, > 0.
    delay : int
        From the features to the market, ns, >= 0.
    end : int64 array, optional
        When the session or the data of each t end; a label that would reach beyond is NaN.

    Raises
    ------
    ValueError
        If `horizon` or `delay` is out of range.
    """
    if horizon <= 0:
        raise ValueError(f"`horizon` must be > 0, was {horizon}")
    if delay < 0:
        raise ValueError(f"`delay` must be >= 0, was {delay}")
    start, stop = at + delay, at + delay + horizon
    returns = np.asarray((mid_as_of(ts, mid, stop) / mid_as_of(ts, mid, start) - 1.0) * 1e4)
    lost = np.concatenate(([0], np.cumsum(np.isnan(mid))))
    first, last = (np.searchsorted(ts, t, side="right") for t in (start, stop))
    returns[lost[last] > lost[first]] = np.nan
    # The last mid says nothing of what came after it.
    limit = ts[-1] if end is None else np.minimum(end, ts[-1])
    returns[stop > limit] = np.nan
    return returns


def directions(returns: Floats, dead_zone: float = 0.0) -> Floats:
    """Return 1 where the return is above `dead_zone` bps (>= 0), 0 below minus it, else NaN.

    >>> directions(np.array([2.0, -1.0, 0.0])).tolist()
    [1.0, 0.0, nan]
    """
    if dead_zone < 0:
        raise ValueError(f"`dead_zone` must be >= 0, was {dead_zone}")
    up, down = returns > dead_zone, returns < -dead_zone
    return np.where(up, 1.0, np.where(down, 0.0, np.nan))


def triple_barrier(
    ts: Ints,
    mid: Floats,
    at: Ints,
    horizon: int,
    width: Floats,
    delay: int = DELAY,
    end: Ints | None = None,
) -> tuple[Floats, Ints]:
    """Return which barrier the mid reached first, and when each label was known.

    1 for `width` basis points up, 0 for as many down, NaN if neither came within `horizon` or the
    book was lost first. The time is that of the touch, or of the horizon. Parameters are those of
    `forward_returns`; `width` holds one barrier > 0 for each t.

    Source: Lopez de Prado (2018), "Advances in Financial Machine Learning", chapter 3.
    """
    if not (width > 0).all():
        raise ValueError("`width` must be > 0 everywhere")
    whole = ~np.isnan(forward_returns(ts, mid, at, horizon, delay, end))
    side = np.full(len(at), np.nan)
    known = at + delay + horizon
    for i in np.flatnonzero(whole):
        start = at[i] + delay
        first = np.searchsorted(ts, start, side="right")
        last = np.searchsorted(ts, start + horizon, side="right")
        move = (mid[first:last] / mid[first - 1] - 1.0) * 1e4
        touched = np.flatnonzero(np.abs(move) >= width[i])
        if len(touched):
            side[i] = float(move[touched[0]] > 0)
            known[i] = ts[first + touched[0]]
    return side, known


def uniqueness(start: Ints, end: Ints) -> Floats:
    """Return the average uniqueness of labels that span [start, end): weights for samples.

    At each instant a label shares the market with the other labels alive then; its weight is the
    mean over its life of one over how many they are, in (0, 1].

    Source: Lopez de Prado (2018), "Advances in Financial Machine Learning", chapter 4.

    >>> uniqueness(np.array([0, 5, 100]), np.array([10, 15, 110])).tolist()
    [0.75, 0.75, 1.0]
    """
    if not (end > start).all():
        raise ValueError("`end` must be > `start` everywhere")
    edges = np.unique(np.concatenate((start, end)))
    first, last = np.searchsorted(edges, start), np.searchsorted(edges, end)
    births = np.bincount(first, minlength=len(edges)) - np.bincount(last, minlength=len(edges))
    alive = np.cumsum(births)[:-1]
    share = np.diff(edges) / np.maximum(alive, 1)
    total = np.concatenate(([0.0], np.cumsum(share)))
    return np.asarray((total[last] - total[first]) / (end - start))
