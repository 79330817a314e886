"""Which samples may train a model that is judged on others: purge, embargo, walk-forward."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from of_nautilus.core.record import Ints


def purged(n: int, test: tuple[int, int], horizon: int, embargo: int = 0) -> Ints:
    """Return the samples of `range(n)` that may train for a test on `test` (both ends included).

    Sample i, whose label spans i to i + `horizon`, is kept if it ends before the test starts, or
    starts later than `horizon + embargo` after the test ends.

    Source: Lopez de Prado (2018), "Advances in Financial Machine Learning", chapter 7.

    >>> purged(12, (4, 5), horizon=2, embargo=1).tolist()
    [0, 1, 9, 10, 11]
    """
    first, last = test
    if not 0 <= first <= last < n:
        raise ValueError(f"`test` must lie in 0 to {n - 1}, was {test}")
    if horizon < 0 or embargo < 0:
        raise ValueError(f"`horizon` and `embargo` must be >= 0, were {horizon}, {embargo}")
    samples = np.arange(n)
    return samples[(samples + horizon < first) | (samples > last + horizon + embargo)]


def walk_forward(
    n: int, train: int, test: int, horizon: int, gap: int = 0, *, expanding: bool = False
) -> Iterator[tuple[Ints, Ints]]:
    """Yield (train, test) samples of `range(n)`, each test later than all that trains for it.

    Parameters
    ----------
    n, train, test : int
        Samples in all, of a training window and of a test, >= 1. Windows move on by one test.
    horizon : int
        Samples that a label spans, >= 0: training samples whose label reaches the test are purged.
    gap : int
        Samples left out between the two, >= 0. With `gap >= horizon` nothing needs purging.
    expanding : bool
        Whether training always begins at the first sample.

    >>> [(a[[0, -1]].tolist(), b.tolist()) for a, b in walk_forward(9, 4, 2, horizon=1, gap=0)]
    [([0, 2], [4, 5]), ([2, 4], [6, 7])]
    """
    for name, value, low in (
        ("train", train, 1), ("test", test, 1), ("horizon", horizon, 0), ("gap", gap, 0),
    ):  # fmt: skip
        if value < low:
            raise ValueError(f"`{name}` must be >= {low}, was {value}")
    start = 0
    while start + train + gap + test <= n:
        at = start + train + gap
        window = np.arange(0 if expanding else start, start + train)
        yield window[window + horizon < at], np.arange(at, at + test)
        start += test


@dataclass(frozen=True)
class Fold:
    """Row numbers of one fold: what trains, what stops training early, what judges."""

    train: Ints
    stop: Ints
    test: Ints


def session_folds(
    ts: Ints,
    session: Ints,
    known: Ints,
    train: int,
    test: int,
    lookback: int,
    *,
    expanding: bool = False,
    stop_share: float = 0.15,
) -> list[Fold]:
    """Return walk-forward folds of whole sessions.

    A row trains only if its label was known (`known`) before the first test row could look back
    (`lookback` ns) upon it. The last `stop_share` of the training window, itself cut off from the
    rest in the same way, decides when training stops; the test never does.

    Parameters
    ----------
    ts, known : int64 arrays
        Times of the rows in order, and when the last of each row's labels was known, ns.
    session : int64 array
        A number that is equal within a session and rises.
    train, test : int
        Sessions of a training window and of a test, >= 1.
    lookback : int
        ns that features look back on, >= 0.
    """
    if not 0 < stop_share < 1:
        raise ValueError(f"`stop_share` must be in (0, 1), was {stop_share}")
    names = np.unique(session)
    folds = []
    for window, tested in walk_forward(len(names), train, test, 0, expanding=expanding):
        inside = np.flatnonzero(np.isin(session, names[window]))
        judged = np.flatnonzero(np.isin(session, names[tested]))
        usable = inside[known[inside] < ts[judged[0]] - lookback]
        if len(usable) == 0:
            continue
        border = ts[usable[min(len(usable) - 1, int(len(usable) * (1 - stop_share)))]]
        stop = usable[ts[usable] >= border]
        kept = usable[known[usable] < border - lookback]
        folds.append(Fold(kept, stop, judged))
    return folds
