"""Parent orders: prints of one market order put together again.

Prints on end with one venue, event time and aggressor side, and consecutive trade ids where ids are
numbers, are one market order. It is complete when a print comes that does not belong to it.
"""

import numpy as np
from numba import njit

from of_nautilus.core.record import INT, Bytes, Ints, State, allocate, record

# A trade id that is no number.
NO_ID = -1

PARENT = record(
    ("venue", INT),
    ("ts", INT),
    ("side", INT),
    ("lots", INT),
    ("prints", INT),
    ("first", INT),
    ("last", INT),
    ("low", INT),
    ("high", INT),
    ("levels", INT),
    ("dollars", INT),
    ("last_id", INT),
)


def new_parent() -> State:
    """Return a fresh parent state: no print yet.

    Its `lots` are its size, `first`, `last`, `low` and `high` are ticks, `levels` counts the prices
    it went through (one, and one for each change of price from print to print), `dollars` is the
    sum of price times size, so that `dollars / lots` is its average price in ticks.
    """
    return allocate(PARENT)


@njit(cache=True)
def belongs(parent, venue, ts, side, trade_id):  # type: ignore[no-untyped-def]
    """Return whether a print belongs to the open parent (compiled).

    `trade_id` is `NO_ID` where ids are no numbers.
    """
    return (
        parent.prints > 0
        and ts == parent.ts
        and side == parent.side
        and venue == parent.venue
        and (trade_id < 0 or parent.last_id < 0 or trade_id == parent.last_id + 1)
    )


@njit(cache=True)
def start_parent(parent, venue, ts, price, size, side, trade_id):  # type: ignore[no-untyped-def]
    """Open a parent with its first print; what it held before is gone (compiled)."""
    parent.venue = venue
    parent.ts = ts
    parent.side = side
    parent.lots = size
    parent.prints = 1
    parent.first = price
    parent.last = price
    parent.low = price
    parent.high = price
    parent.levels = 1
    parent.dollars = price * size
    parent.last_id = trade_id


@njit(cache=True)
def add_print(parent, price, size, trade_id):  # type: ignore[no-untyped-def]
    """Add a print that belongs to the open parent (compiled)."""
    parent.lots += size
    parent.prints += 1
    parent.levels += price != parent.last
    parent.last = price
    parent.low = min(parent.low, price)
    parent.high = max(parent.high, price)
    parent.dollars += price * size
    parent.last_id = trade_id


@njit(cache=True)
def step_parent(
    state: State,
    completed: State,
    ts: int,
    price: int,
    size: int,
    side: int,
    venue: int = 0,
    trade_id: int = NO_ID,
) -> bool:
    """Advance by one print; return whether it completed a parent, now in `completed`.

    >>> state, done = new_parent(), new_parent()
    >>> step_parent(state, done, 5, 100, 3, 1), step_parent(state, done, 5, 101, 4, 1)
    (False, False)
    >>> step_parent(state, done, 6, 100, 1, -1), int(done[0].lots), int(done[0].levels)
    (True, 7, 2)
    """
    parent = state[0]
    if belongs(parent, venue, ts, side, trade_id):
        add_print(parent, price, size, trade_id)
        return False
    closes = parent.prints > 0
    if closes:
        completed[0] = state[0]
    start_parent(parent, venue, ts, price, size, side, trade_id)
    return closes


@njit(cache=True)
def run_parents(
    state: State,
    ts: Ints,
    price: Ints,
    size: Ints,
    side: Bytes,
    trade_id: Ints,
    out: State,
) -> int:
    """Advance by many prints of one venue; return how many parents were completed, put in `out`.

    `out` is an array of PARENT records, as long as the prints; `trade_id` may be of length 0.
    """
    parent = state[0]
    count = 0
    ids = len(trade_id) > 0
    for i in range(len(ts)):
        number = trade_id[i] if ids else -1
        if belongs(parent, 0, ts[i], side[i], number):
            add_print(parent, price[i], size[i], number)
        else:
            if parent.prints > 0:
                out[count] = state[0]
                count += 1
            start_parent(parent, 0, ts[i], price[i], size[i], side[i], number)
    return count


def parent_orders(
    ts: Ints, price: Ints, size: Ints, side: Bytes, trade_id: Ints | None = None
) -> State:
    """Return the parent orders of one venue's prints, the last one included, as PARENT records."""
    state = new_parent()
    out = np.zeros(len(ts) + 1, PARENT)
    ids = np.empty(0, np.int64) if trade_id is None else trade_id
    count = run_parents(state, ts, price, size, side, ids, out)
    if len(ts):
        out[count] = state[0]
        count += 1
    return out[:count]
