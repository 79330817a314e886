"""Order-flow imbalance (OFI): by how much the queues moved toward buyers, in lots.

From one book to the next, on each side, a level contributes what joined it less what left it:

    e = 1{Pb' >= Pb} qb' - 1{Pb' <= Pb} qb - 1{Pa' <= Pa} qa' + 1{Pa' >= Pa} qa

and OFI(t, w) is the sum of e over the books with times in (t - w, t] (Cont, Kukanov and Stoikov
2014, "The price impact of order book events"). Level m, the m-th populated price, has an e of its
own (Xu, Gould and Howison 2019, "Multi-level order-flow imbalance"); a level that is not there
counts as no lots at an infinitely bad price. The integrated OFI weighs the levels by the first
eigenvector of their past covariance (Cont, Cucuringu and Zhang 2023, "Cross-impact of order flow
imbalance in equity markets").

A positive value is buying pressure. Computed from whole books only, never between the deltas of a
batch. From a feed of depth pictures at intervals it is a coarser figure: `from_snapshots` says so.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from of_nautilus.core.record import FLOAT, INT, Floats, Ints, State, allocate, record
from of_nautilus.core.zscore import z_score

MAX_LEVELS = 10
WINDOWS = 3
SECOND = 1_000_000_000
HISTORY = 3_600  # one-second samples that a z-score looks back on
GROW = -1
# Columns of a row: time, books, sum of best-level lots, sum of lots on all levels, then e by level.
_TS, _BOOKS, _BEST, _ALL, _E = range(5)

OFI = record(
    ("depth", INT),  # levels M
    ("windows", INT, (WINDOWS,)),  # ns, ascending
    ("events", INT),  # books that had one before to compare with
    ("resets", INT),
    ("ts", INT),
    ("epoch", INT),
    ("comparable", INT),  # whether `previous` may be compared with
    ("from_snapshots", INT),
    ("head", INT),  # rows ever written
    ("tails", INT, (WINDOWS,)),  # first row inside each window
    ("books", INT, (WINDOWS,)),
    ("best_lots", INT, (WINDOWS,)),
    ("all_lots", INT, (WINDOWS,)),
    ("last", INT, (MAX_LEVELS,)),  # e of the last book
    ("sums", INT, (WINDOWS, MAX_LEVELS)),
    ("previous", INT, (2, MAX_LEVELS, 2)),
    ("next_second", INT),
    ("samples", INT),  # one-second samples ever taken
    ("fitted", INT),
    ("weights", FLOAT, (MAX_LEVELS,)),
    ("vectors", INT),  # scaled vectors in the moments
    ("moment", FLOAT, (MAX_LEVELS,)),
    ("moments", FLOAT, (MAX_LEVELS, MAX_LEVELS)),
)


def new_ofi(
    depth: int = 5, windows: tuple[float, float, float] = (10.0, 60.0, 300.0), room: int = 1_024
) -> tuple[State, Ints, Ints]:
    """Return a fresh OFI state, the ring of its rows and the ring of its one-second samples.

    Parameters
    ----------
    depth : int
        Levels, 1 to 10.
    windows : tuple of float
        Three lengths in seconds, > 0, ascending.
    room : int
        Rows in the ring at first, a power of 2; it can grow.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """
    if not 1 <= depth <= MAX_LEVELS:
        raise ValueError(f"`depth` must be 1 to {MAX_LEVELS}, was {depth}")
    if len(windows) != WINDOWS or not 0 < windows[0] < windows[1] < windows[2]:
        raise ValueError(f"`windows` must be three lengths > 0, ascending, was {windows}")
    if room < 1 or room & (room - 1):
        raise ValueError(f"`room` must be a power of 2, was {room}")
    state = allocate(OFI)
    state["depth"] = depth
    state["windows"] = [round(window * SECOND) for window in windows]
    return state, np.zeros((room, _E + depth), np.int64), np.zeros((HISTORY, WINDOWS), np.int64)


def grow_rows(state: State, rows: Ints) -> Ints:
    """Return the ring of rows with twice the room."""
    wider = np.zeros((2 * len(rows), rows.shape[1]), np.int64)
    kept = np.arange(state[0].tails[WINDOWS - 1], state[0].head)
    wider[kept % len(wider)] = rows[kept % len(rows)]
    return wider


@njit(cache=True)
def _expire(ofi, rows, ts):  # type: ignore[no-untyped-def]
    mask = len(rows) - 1
    for w in range(3):
        tail = ofi.tails[w]
        until = ts - ofi.windows[w]
        while tail < ofi.head and rows[tail & mask, 0] <= until:
            row = rows[tail & mask]
            ofi.books[w] -= row[1]
            ofi.best_lots[w] -= row[2]
            ofi.all_lots[w] -= row[3]
            for m in range(ofi.depth):
                ofi.sums[w, m] -= row[4 + m]
            tail += 1
        ofi.tails[w] = tail


@njit(cache=True)
def advance(ofi, rows, history, ts):  # type: ignore[no-untyped-def]
    """Let time pass to `ts`: rows leave the windows, whole seconds before `ts` are sampled."""
    if ts < ofi.ts:
        return
    ofi.ts = ts
    if ofi.events == 0:
        return
    if ts - ofi.next_second > HISTORY * SECOND:
        # All of the ring is written anew, so what lies before does not matter.
        ofi.next_second = ts - ts % SECOND - HISTORY * SECOND
    while ofi.next_second < ts:
        _expire(ofi, rows, ofi.next_second)
        at = ofi.samples % HISTORY
        for w in range(3):
            history[at, w] = ofi.sums[w, 0]
        ofi.samples += 1
        if ofi.next_second % ofi.windows[0] < SECOND and ofi.books[0] > 0:
            _add_moments(ofi)
        ofi.next_second += SECOND
    _expire(ofi, rows, ts)


@njit(cache=True)
def _add_moments(ofi):  # type: ignore[no-untyped-def]
    scale = 2.0 * ofi.depth * ofi.books[0] / ofi.all_lots[0]
    ofi.vectors += 1
    for m in range(ofi.depth):
        x = ofi.sums[0, m] * scale
        ofi.moment[m] += x
        for n in range(m + 1):
            ofi.moments[m, n] += x * ofi.sums[0, n] * scale


@njit(cache=True)
def queue_change(before, before_lots, after, after_lots):  # type: ignore[no-untyped-def]
    """Return what joined less what left a level, its price given so that higher is better.

    >>> queue_change(100, 50, 100, 60), queue_change(100, 50, 101, 7), queue_change(100, 50, 99, 8)
    (10, 7, -50)
    """
    return (after_lots if after >= before else 0) - (before_lots if after <= before else 0)


@njit(cache=True)
def forget_previous(ofi):  # type: ignore[no-untyped-def]
    """Compare the next book with nothing: a session starts, or the book was lost."""
    if ofi.comparable:
        ofi.resets += 1
    ofi.comparable = 0


@njit(cache=True)
def has_room(ofi, rows, history, ts):  # type: ignore[no-untyped-def]
    """Let time pass to `ts`; return whether one more row finds room."""
    advance(ofi, rows, history, ts)
    return ofi.head - ofi.tails[2] < len(rows)


@njit(cache=True)
def add_top(ofi, rows, history, ts, top, trusted, epoch):  # type: ignore[no-untyped-def]
    """Take the book after a batch; 1 if it was compared with the one before, 0 if not, or GROW.

    `top` holds at least `depth` levels, as `book.read_top` writes them. A book that is not trusted
    (one side empty, crossed) is skipped, and nothing is compared across it or across a new epoch.
    On GROW nothing that a value depends on has changed; call again with `grow_rows(...)`.
    """
    if not has_room(ofi, rows, history, ts):
        return -1
    ts = ofi.ts
    merges = ofi.head > ofi.tails[2] and rows[(ofi.head - 1) & (len(rows) - 1), 0] == ts
    if not trusted or epoch != ofi.epoch:
        forget_previous(ofi)
        ofi.epoch = epoch
    compared = ofi.comparable
    if trusted:
        if compared:
            _compare(ofi, rows, ts, top, merges)
        ofi.comparable = 1
        for side in range(2):
            for m in range(ofi.depth):
                ofi.previous[side, m, 0] = top[side, m, 0]
                ofi.previous[side, m, 1] = top[side, m, 1]
    return compared if trusted else 0


@njit(cache=True)
def _compare(ofi, rows, ts, top, merges):  # type: ignore[no-untyped-def]
    if not merges:
        rows[ofi.head & (len(rows) - 1), :] = 0
        ofi.head += 1
    row = rows[(ofi.head - 1) & (len(rows) - 1)]
    if ofi.events == 0:
        ofi.next_second = -(-ts // SECOND) * SECOND
    ofi.events += 1
    lots = 0
    for m in range(ofi.depth):
        bid, bid_lots = top[0, m, 0], top[0, m, 1]
        ask, ask_lots = top[1, m, 0], top[1, m, 1]
        e = queue_change(
            ofi.previous[0, m, 0], ofi.previous[0, m, 1], bid, bid_lots
        ) - queue_change(-ofi.previous[1, m, 0], ofi.previous[1, m, 1], -ask, ask_lots)
        ofi.last[m] = e
        row[4 + m] += e
        lots += bid_lots + ask_lots
        for w in range(3):
            ofi.sums[w, m] += e
    best = top[0, 0, 1] + top[1, 0, 1]
    row[0] = ts
    row[1] += 1
    row[2] += best
    row[3] += lots
    for w in range(3):
        ofi.books[w] += 1
        ofi.best_lots[w] += best
        ofi.all_lots[w] += lots


@njit(cache=True)
def step_ofi(state: State, rows: Ints, history: Ints, ts: int, top: Ints, epoch: int) -> int:
    """Advance an OFI state by one trusted book; see `add_top`."""
    return add_top(state[0], rows, history, ts, top, 1, epoch)


@njit(cache=True)
def step_quote(
    state: State,
    rows: Ints,
    history: Ints,
    top: Ints,
    ts: int,
    bid: int,
    bid_size: int,
    ask: int,
    ask_size: int,
) -> int:
    """Advance an OFI state of depth 1 by one best quote; `top` is scratch, `book.new_top(1)`.

    A quote with an empty side, or crossed or locked, is skipped and nothing is compared across it.
    """
    top[0, 0, 0] = bid
    top[0, 0, 1] = bid_size
    top[1, 0, 0] = ask
    top[1, 0, 1] = ask_size
    trusted = bid < ask and bid_size > 0 and ask_size > 0
    return add_top(state[0], rows, history, ts, top, trusted, 0)


@njit(cache=True)
def step_ofi_time(state: State, rows: Ints, history: Ints, ts: int) -> None:
    """Let time pass to `ts` without a book."""
    advance(state[0], rows, history, ts)


@njit(cache=True)
def run_quotes(
    state: State,
    rows: Ints,
    history: Ints,
    top: Ints,
    ts: Ints,
    bid: Ints,
    bid_size: Ints,
    ask: Ints,
    ask_size: Ints,
    values: Ints,
    start: int,
) -> int:
    """Advance by many quotes; write OFI by window after each to `values` (n, 3).

    Return the number of quotes, or the index at which `rows` must grow: go on there.
    """
    for i in range(start, len(ts)):
        code = step_quote(
            state, rows, history, top, ts[i], bid[i], bid_size[i], ask[i], ask_size[i]
        )
        if code < 0:
            return i
        for w in range(3):
            values[i, w] = state[0].sums[w, 0]
    return len(ts)


@njit(cache=True)
def norm_of(ofi, w):  # type: ignore[no-untyped-def]
    """Return OFI over the mean best-level size (qb + qa) / 2 of the books in window `w`."""
    if ofi.events == 0:
        return np.nan
    if ofi.books[w] == 0:
        return 0.0
    return 2.0 * ofi.sums[w, 0] * ofi.books[w] / ofi.best_lots[w]


@njit(cache=True)
def z_of(ofi, history, w):  # type: ignore[no-untyped-def]
    """Return the z-score of OFI in window `w` against its one-second samples of the last hour.

    NaN with fewer than 30 samples; 0 where they do not vary.
    """
    return z_score(history[: min(ofi.samples, HISTORY), w], ofi.sums[w, 0])


@njit(cache=True)
def scaled_of(ofi, w, out):  # type: ignore[no-untyped-def]
    """Write OFI by level over Q, the mean of (qb + qa) / 2 over levels and books of window `w`."""
    for m in range(ofi.depth):
        lots = ofi.all_lots[w]
        out[m] = 2.0 * ofi.depth * ofi.books[w] * ofi.sums[w, m] / lots if lots > 0 else 0.0


@dataclass(frozen=True)
class Weights:
    """How much each level counts in the integrated OFI; absolute values sum to 1."""

    levels: Floats
    explained: float  # share of the variance along them, 0 to 1

    def integrate(self, levels: Floats) -> Floats:
        """Return the integrated OFI of vectors by level (last axis)."""
        return np.asarray(levels @ self.levels)


def weigh_levels(covariance: Floats) -> Weights:
    """Return the first eigenvector of a covariance by level, L1-normalized, with a sum > 0.

    >>> weigh_levels(np.array([[2.0, 1.0], [1.0, 2.0]])).levels
    array([0.5, 0.5])
    """
    values, vectors = np.linalg.eigh(covariance)
    first = vectors[:, -1]
    first = first / np.abs(first).sum()
    total = values.sum()
    return Weights(
        first if first.sum() > 0 else -first, float(values[-1] / total) if total > 0 else np.nan
    )


def fit_weights(levels: Floats) -> Weights:
    """Return the weights of past vectors by level, (n, M), n >= 2.

    Raises
    ------
    ValueError
        If there are fewer than two vectors.
    """
    if len(levels) < 2:
        raise ValueError(f"`levels` must hold >= 2 vectors, was {len(levels)}")
    return weigh_levels(np.atleast_2d(np.cov(levels, rowvar=False, ddof=0)))


def refit(state: State, minimum: int = 30) -> bool:
    """Weigh the levels anew by what the shortest window showed since the last time; or say no.

    Call it between sessions: the weights then hold for the next one. The vectors are those at each
    multiple of the shortest window. With fewer than `minimum` of them nothing changes.
    """
    ofi = state[0]
    if ofi.vectors < minimum:
        return False
    depth = int(ofi.depth)
    mean = ofi.moment[:depth] / ofi.vectors
    lower = ofi.moments[:depth, :depth] / ofi.vectors - np.outer(mean, mean)
    ofi.weights[:depth] = weigh_levels(np.tril(lower) + np.tril(lower, -1).T).levels
    ofi.fitted = 1
    ofi.vectors = 0
    ofi.moment[:] = 0.0
    ofi.moments[:] = 0.0
    return True


def integrated(state: State, w: int) -> float:
    """Return the integrated OFI of window `w`, in mean level sizes; NaN before a `refit`."""
    ofi = state[0]
    if not ofi.fitted or ofi.events == 0:
        return np.nan
    scaled = np.empty(int(ofi.depth))
    scaled_of(ofi, w, scaled)
    return float(scaled @ ofi.weights[: int(ofi.depth)])


@dataclass(frozen=True)
class OfiImpact:
    """A linear law of price moves: move = alpha + beta . ofi."""

    alpha: float
    beta: Floats
    r2: float


def fit_ofi_impact(ofi: Floats, moves: Floats, ridge: float = 0.0) -> OfiImpact:
    """Regress price moves (ticks) on OFI, (n,) or (n, M) by level.

    Parameters
    ----------
    ofi, moves : float arrays
        One row an interval.
    ridge : float
        Penalty on the slopes, >= 0. Levels move together (correlations above 0.7), so with more
        than one of them it should be > 0.

    Raises
    ------
    ValueError
        If `ridge` < 0.
    """
    if ridge < 0:
        raise ValueError(f"`ridge` must be >= 0, was {ridge}")
    x = np.asarray(ofi, float).reshape(len(moves), -1)
    centered, move = x - x.mean(axis=0), moves - np.mean(moves)
    normal = centered.T @ centered + ridge * np.eye(x.shape[1])
    beta = np.linalg.solve(normal, centered.T @ move)
    residual = move - centered @ beta
    r2 = 1.0 - float(residual @ residual) / float(move @ move)
    return OfiImpact(float(np.mean(moves) - x.mean(axis=0) @ beta), beta, r2)
