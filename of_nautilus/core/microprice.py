"""Stoikov's micro-price: where the mid will go, given the queues and the spread.

The book is a state: imbalance I = Qb / (Qb + Qa) in ten buckets, and the spread in ticks, 1 to 3.
From one book to the next either the state alone changes, or the mid moves. Counting both gives Q
(state to state, mid still), R (mean mid move out of a state) and T (state to state, mid moved). The
first move expected is G1 = (I - Q)^-1 R, the state after it B = (I - Q)^-1 T, and

    micro-price = mid + G*,    G* = sum over i >= 0 of B^i G1.

Each book is counted once as it is and once mirrored (buyers for sellers), which makes the sum
converge (Stoikov 2018, "The micro-price: a high-frequency estimator of future prices"). Moves are
counted in half ticks. What was never seen, or could not leave where it was, is unfitted: there the
weighted mid stands in.
"""

import numpy as np
from numba import njit

from of_nautilus.core.record import INT, Floats, Ints, State, allocate, record

BUCKETS, SPREADS = 10, 3
STATES = BUCKETS * SPREADS
_TOLERANCE, _TERMS = 1e-12, 100_000

MICRO = record(
    ("state", INT),  # of the book before; -1 if there is none
    ("twice_mid", INT),
    ("epoch", INT),
    ("books", INT),  # transitions counted
    ("still", INT, (STATES, STATES)),
    ("moved", INT, (STATES, STATES)),
    ("half_ticks", INT, (STATES,)),  # sum of mid moves out of a state
)


def new_micro_counts() -> State:
    """Return counts of nothing."""
    state = allocate(MICRO)
    state["state"] = -1
    return state


@njit(cache=True)
def state_of(bid, bid_lots, ask, ask_lots):  # type: ignore[no-untyped-def]
    """Return the state of a book, or -1 if a side is empty or the spread is not 1 to 3 ticks.

    >>> state_of(100, 30, 101, 10), state_of(100, 30, 102, 10), state_of(100, 30, 105, 10)
    (7, 17, -1)
    """
    spread = ask - bid
    if bid_lots <= 0 or ask_lots <= 0 or spread < 1 or spread > 3:
        return -1
    bucket = min(bid_lots * 10 // (bid_lots + ask_lots), 9)
    return (spread - 1) * 10 + bucket


@njit(cache=True)
def add_quote(counts, bid, bid_lots, ask, ask_lots, trusted, epoch):  # type: ignore[no-untyped-def]
    """Count the step from the book before to this one; none across a gap or an unknown state."""
    after = state_of(bid, bid_lots, ask, ask_lots) if trusted else -1
    before = counts.state if epoch == counts.epoch else -1
    if after >= 0 and before >= 0:
        move = bid + ask - counts.twice_mid
        if move == 0:
            counts.still[before, after] += 1
        else:
            counts.moved[before, after] += 1
            counts.half_ticks[before] += move
        counts.books += 1
    counts.state = after
    counts.twice_mid = bid + ask
    counts.epoch = epoch


@njit(cache=True)
def step_micro_counts(state: State, bid: int, bid_lots: int, ask: int, ask_lots: int) -> None:
    """Advance counts by one best quote of a book without gaps; see `add_quote`."""
    add_quote(state[0], bid, bid_lots, ask, ask_lots, True, 0)


@njit(cache=True)
def run_micro_counts(state: State, bid: Ints, bid_lots: Ints, ask: Ints, ask_lots: Ints) -> None:
    """Advance counts by many best quotes."""
    for i in range(len(bid)):
        add_quote(state[0], bid[i], bid_lots[i], ask[i], ask_lots[i], True, 0)


def solve(still: Floats, move: Floats, moved: Floats) -> tuple[Floats, Floats, Floats]:
    """Return G1, B and G* of probabilities: Q `still`, R `move` (mean), T `moved`.

    Raises
    ------
    ValueError
        If the mid cannot move out of some state, or the sum of moves does not converge (the data
        are not symmetric).

    Examples
    --------
    >>> still = np.array([[0.6, 0.2], [0.2, 0.6]])
    >>> moved = np.array([[0.05, 0.15], [0.15, 0.05]])
    >>> bool(np.allclose(7 * solve(still, np.array([-0.1, 0.1]), moved)[2], [-1, 1]))
    True
    """
    inside = np.eye(len(move)) - still
    try:
        first = np.linalg.solve(inside, move)
        after = np.linalg.solve(inside, moved)
    except np.linalg.LinAlgError:
        raise ValueError("`still` must let the mid move out of every state in the end") from None
    total, term = first.copy(), first
    for _ in range(_TERMS):
        term = after @ term
        total = total + term
        if np.abs(term).max() < _TOLERANCE:
            return first, after, total
    raise ValueError("the moves must sum to a limit: symmetric data are needed")


def _can_move(still: Ints, moved: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which states the mid can move out of in the end."""
    can = moved.sum(axis=1) > 0
    while True:
        more = can | ((still > 0) & can[None, :]).any(axis=1)
        if (more == can).all():
            return can
        can = more


def fit_micro_price(state: State) -> Floats:
    """Return G* by state in ticks, NaN where it is not known, from counts.

    Every transition counts once more with the book mirrored. A state out of which the mid never
    moved, in the end, is left out; where others lead to it no further move is expected.

    Raises
    ------
    ValueError
        If the sum of moves does not converge: the mid only ever went to and fro.

    Examples
    --------
    >>> state = new_micro_counts()
    >>> for quote in ((100, 9, 101, 1), (101, 5, 102, 6), (101, 6, 102, 5), (101, 5, 102, 6)):
    ...     step_micro_counts(state, *quote)
    >>> table = fit_micro_price(state)
    >>> float(table[9]), float(table[0])
    (1.0, -1.0)
    """
    counts = state[0]
    mirror = np.arange(STATES).reshape(SPREADS, BUCKETS)[:, ::-1].ravel()
    still = counts.still + counts.still[np.ix_(mirror, mirror)]
    moved = counts.moved + counts.moved[np.ix_(mirror, mirror)]
    half_ticks = counts.half_ticks - counts.half_ticks[mirror]
    table = unfitted()
    known = np.flatnonzero(_can_move(still, moved))
    if len(known):
        total = (still + moved)[known].sum(axis=1)
        _, _, table[known] = solve(
            still[np.ix_(known, known)] / total[:, None],
            half_ticks[known] / 2 / total,
            moved[np.ix_(known, known)] / total[:, None],
        )
    return table


@njit(cache=True)
def micro_price_of(table, bid, bid_lots, ask, ask_lots):  # type: ignore[no-untyped-def]
    """Return the micro-price in ticks, and whether it was fitted: if not it is the weighted mid.

    NaN with an empty side.
    """
    if bid_lots <= 0 or ask_lots <= 0:
        return np.nan, False
    state = state_of(bid, bid_lots, ask, ask_lots)
    if state >= 0 and not np.isnan(table[state]):
        return (bid + ask) / 2 + table[state], True
    return bid + (ask - bid) * (bid_lots / (bid_lots + ask_lots)), False


def unfitted() -> Floats:
    """Return the table that knows no state."""
    return np.full(STATES, np.nan)
