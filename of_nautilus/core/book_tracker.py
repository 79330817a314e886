"""Traded or cancelled: what became of the sizes that the book displayed.

Each decrease of a level is split by the trades printed at its price since the batch before:
`traded = min(lost, printed)`, and the rest was pulled. What was printed and is not missing from the
display came back before anybody saw it go. So at every level, between two snapshots,

    change of display = stacked + replenished - pulled - traded

where `replenished` is size that came back, up to what had traded, and `stacked` is what else was
added. A level is *consumed* when trades took more than half of it and it lost more than `min_lots`.
Replenishment is traded over displayed before the first trade; a level that trades more than it ever
displayed hides an iceberg. This is inferred from sizes by price: the feed does not name orders.

Trades go in by `add_trade`, changes of the book by `add_change`, and `end_batch` follows the book's
own. All sizes are lots. Index 0 is bids (hit by sellers), 1 asks (lifted by buyers).
"""

import numpy as np
from numba import njit

from of_nautilus.core.book_measures import thin_count_of, thin_limit_of
from of_nautilus.core.ladder import NO_KEY, size_at
from of_nautilus.core.record import INT, Ints, State, allocate, record

# Columns of a print, of a level's flow, of a consumed level.
PRINT_PRICE, PRINT_SIDE, PRINTED, MATCHED = range(4)
PRICE, SIDE, STACKED, PULLED, TRADED, REPLENISHED, SHOWN, PEAK = range(8)
CONSUMED_TS, CONSUMED_PRICE, CONSUMED_LOTS, CONSUMED_OF, CONSUMED_THIN = range(5)
# What needs more room; nothing has changed then.
GROW_PRINTS, GROW_FLOWS, GROW_CONSUMED = -2, -3, -4

TRACKER = record(
    ("min_lots", INT),
    ("memory", INT),  # ns that a consumed level is remembered
    ("thin_lots", INT),  # a level below it is thin; 0: below a quarter of the median
    ("prints", INT),  # of them, since the last batch
    ("levels", INT),  # with a flow
    ("heads", INT, (2,)),  # consumed levels ever written
    ("tails", INT, (2,)),  # first one remembered
    ("stacked", INT, (2,)),
    ("pulled", INT, (2,)),
    ("traded", INT, (2,)),
    ("replenished", INT, (2,)),
    ("unclassified", INT),  # lots without a known aggressor: in no level's flow
)


def new_tracker(
    min_lots: int = 1, memory: float = 10.0, thin_lots: int = 0, room: int = 64
) -> tuple[State, Ints, Ints, Ints]:
    """Return a fresh tracker: state, `prints`, `flows` by level, ring of `consumed` levels.

    Parameters
    ----------
    min_lots : int
        A consumed level lost more than this, >= 0.
    memory : float
        Seconds for which consumed levels are remembered, > 0.
    thin_lots : int
        A level with fewer lots is thin, >= 0; 0 for the relative mode, below a quarter of the
        median of the best 20 levels.
    room : int
        Rows in each array at first, a power of 2 >= 2; they can grow.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """
    for name, value in (("min_lots", min_lots), ("thin_lots", thin_lots)):
        if value < 0:
            raise ValueError(f"`{name}` must be >= 0, was {value}")
    if not memory > 0:
        raise ValueError(f"`memory` must be > 0, was {memory}")
    if room < 2 or room & (room - 1):
        raise ValueError(f"`room` must be a power of 2 >= 2, was {room}")
    state = allocate(TRACKER)
    state["min_lots"], state["thin_lots"] = min_lots, thin_lots
    state["memory"] = round(memory * 1e9)
    return (
        state,
        np.zeros((room, 4), np.int64),
        np.zeros((room, 8), np.int64),
        np.zeros((2, room, 5), np.int64),
    )


def grow_prints(prints: Ints) -> Ints:
    """Return `prints` with twice the room."""
    return np.concatenate((prints, np.zeros_like(prints)))


def grow_flows(flows: Ints) -> Ints:
    """Return `flows` with twice the room."""
    wider = np.zeros((2 * len(flows), flows.shape[1]), np.int64)
    for row in flows[flows[:, SIDE] > 0]:
        wider[_slot(wider, row[SIDE] - 1, row[PRICE])] = row
    return wider


def grow_consumed(state: State, consumed: Ints) -> Ints:
    """Return the ring of consumed levels with twice the room."""
    tracker, room = state[0], consumed.shape[1]
    wider = np.zeros((2, 2 * room, consumed.shape[2]), np.int64)
    for side in range(2):
        kept = np.arange(tracker.tails[side], tracker.heads[side])
        wider[side, kept % (2 * room)] = consumed[side, kept % room]
    return wider


@njit(cache=True)
def _slot(flows, side, price):  # type: ignore[no-untyped-def]
    """Return the row of a level, or the empty one where it belongs."""
    mask = len(flows) - 1
    at = (((2 * price + side) & 0x7FFFFFFF) * 1_640_531_527 >> 16) & mask
    while flows[at, 1] > 0 and (flows[at, 0] != price or flows[at, 1] != side + 1):
        at = (at + 1) & mask
    return at


@njit(cache=True)
def _flow(tracker, flows, side, price, displayed):  # type: ignore[no-untyped-def]
    at = _slot(flows, side, price)
    if flows[at, 1] == 0:
        flows[at, 0] = price
        flows[at, 1] = side + 1
        flows[at, 7] = displayed
        tracker.levels += 1
    return at


@njit(cache=True)
def _trade(tracker, flows, at, side, lots, displayed):  # type: ignore[no-untyped-def]
    if flows[at, 4] == 0:
        flows[at, 6] = displayed
    flows[at, 4] += lots
    tracker.traded[side] += lots


@njit(cache=True)
def _return(tracker, flows, at, side, lots):  # type: ignore[no-untyped-def]
    flows[at, 5] += lots
    tracker.replenished[side] += lots


@njit(cache=True)
def add_trade(  # type: ignore[no-untyped-def]
    tracker, prints, flows, book, window, far, price, size, side
):
    """Take a trade by its aggressor (+1, -1, 0); 0, or a GROW code before anything changed."""
    if side == 0:
        tracker.unclassified += size
        return 0
    resting = 1 if side > 0 else 0
    at = tracker.prints - 1
    while at >= 0 and (prints[at, 0] != price or prints[at, 1] != resting):
        at -= 1
    if at < 0:
        if tracker.prints >= len(prints):
            return -2
        if 2 * (tracker.levels + 1) > len(flows):
            return -3
        at = tracker.prints
        tracker.prints += 1
        prints[at, 0] = price
        prints[at, 1] = resting
        prints[at, 2] = prints[at, 3] = 0
        displayed = size_at(book, window, far, resting, price if resting == 0 else -price)
        _flow(tracker, flows, resting, price, displayed)
    prints[at, 2] += size
    return 0


@njit(cache=True)
def room(tracker, flows, consumed, ts):  # type: ignore[no-untyped-def]
    """Return 0 if a change of the book at `ts` finds room, or a GROW code."""
    if 2 * (tracker.levels + 1) > len(flows):
        return -3
    for side in range(2):
        tail = tracker.tails[side]
        while (
            tail < tracker.heads[side]
            and consumed[side, tail & (consumed.shape[1] - 1), 0] <= ts - tracker.memory
        ):
            tail += 1
        tracker.tails[side] = tail
        if tracker.heads[side] - tail >= consumed.shape[1]:
            return -4
    return 0


@njit(cache=True)
def add_change(  # type: ignore[no-untyped-def]
    tracker, prints, flows, consumed, top, side, price, before, after, ts
):
    """Take the change of one level from `before` to `after` lots; the caller has asked `room`.

    `top` still holds the book before the batch: thin levels are counted in it.
    """
    if before == after:
        return
    at = _flow(tracker, flows, side, price, before)
    flows[at, 7] = max(flows[at, 7], after)
    if after > before:
        back = min(after - before, flows[at, 4] - flows[at, 5])
        _return(tracker, flows, at, side, back)
        flows[at, 2] += after - before - back
        tracker.stacked[side] += after - before - back
        return
    lost = before - after
    traded = 0
    for i in range(tracker.prints):
        if prints[i, 0] == price and prints[i, 1] == side:
            traded = min(lost, prints[i, 2] - prints[i, 3])
            prints[i, 3] += traded
            break
    flows[at, 3] += lost - traded
    tracker.pulled[side] += lost - traded
    if traded > 0:
        _trade(tracker, flows, at, side, traded, before)
    if 2 * traded > before and lost > tracker.min_lots:
        row = consumed[side, tracker.heads[side] & (consumed.shape[1] - 1)]
        tracker.heads[side] += 1
        row[0] = ts
        row[1] = price
        row[2] = traded
        row[3] = before
        row[4] = thin_of(tracker, top, side)


@njit(cache=True)
def thin_of(tracker, top, side):  # type: ignore[no-untyped-def]
    """Return how many of the best 20 levels of a side are thin, in the tracker's mode."""
    limit = tracker.thin_lots if tracker.thin_lots > 0 else thin_limit_of(top, side)
    return thin_count_of(top, side, limit)


@njit(cache=True)
def add_snapshot_level(flows, side, price, size):  # type: ignore[no-untyped-def]
    """Take a level out of a snapshot: nobody saw it come, it is only displayed."""
    at = _slot(flows, side, price)
    if flows[at, 1] > 0:
        flows[at, 7] = max(flows[at, 7], size)


@njit(cache=True)
def end_batch(tracker, prints, flows, book, window, far, snapshot):  # type: ignore[no-untyped-def]
    """Settle the prints that the book does not miss; after a `snapshot` nothing came back."""
    for i in range(tracker.prints):
        hidden = prints[i, 2] - prints[i, 3]
        if hidden > 0:
            price, side = prints[i, 0], prints[i, 1]
            at = _slot(flows, side, price)
            displayed = size_at(book, window, far, side, price if side == 0 else -price)
            _trade(tracker, flows, at, side, hidden, displayed)
            if not snapshot:
                _return(tracker, flows, at, side, hidden)
    tracker.prints = 0


@njit(cache=True)
def _size_in(top, side, price):  # type: ignore[no-untyped-def]
    for i in range(top.shape[1]):
        if top[side, i, 0] == price and top[side, i, 1] > 0:
            return top[side, i, 1]
    return 0


@njit(cache=True)
def _last_key(picture, side):  # type: ignore[no-untyped-def]
    """Return the key down to which a picture shows all: of its last level, or if short, NO_KEY."""
    last = picture.shape[1] - 1
    return picture[side, last, 0] * (1 - 2 * side) if picture[side, last, 1] > 0 else NO_KEY


@njit(cache=True)
def add_picture(  # type: ignore[no-untyped-def]
    tracker, prints, flows, consumed, before, after, ts
):
    """Take two depth pictures of n levels, (2, n, 2), as changes: 0, or a GROW code.

    Prices beyond the last level of either picture are out of sight and no change.
    """
    levels = before.shape[1]
    if 2 * (tracker.levels + 4 * levels) > len(flows):
        return -3
    code = room(tracker, flows, consumed, ts)
    for side in range(2):
        if tracker.heads[side] - tracker.tails[side] + levels > consumed.shape[1]:
            code = -4
    if code != 0:
        return code
    for side in range(2):
        sign = 1 - 2 * side
        last = max(_last_key(before, side), _last_key(after, side))
        for i in range(levels):
            price, size = before[side, i, 0], before[side, i, 1]
            if size > 0 and price * sign >= last:
                now = _size_in(after, side, price)
                add_change(tracker, prints, flows, consumed, before, side, price, size, now, ts)
        for i in range(levels):
            price, size = after[side, i, 0], after[side, i, 1]
            if size > 0 and price * sign >= last and _size_in(before, side, price) == 0:
                add_change(tracker, prints, flows, consumed, before, side, price, 0, size, ts)
    return 0


@njit(cache=True)
def consumed_within(tracker, consumed, side, ts, span):  # type: ignore[no-untyped-def]
    """Return what was consumed on a side in (ts - span, ts], `span` ns <= `memory`.

    Distinct levels, lots traded on them, best and worst price in the order they went, thin levels
    in the book before the first of them; all 0 if there were none.
    """
    mask = consumed.shape[1] - 1
    first = tracker.heads[side]
    while first > tracker.tails[side] and consumed[side, (first - 1) & mask, 0] > ts - span:
        first -= 1
    count = lots = start = end = thin = 0
    for i in range(first, tracker.heads[side]):
        row = consumed[side, i & mask]
        lots += row[2]
        seen = False
        for j in range(first, i):
            seen = seen or consumed[side, j & mask, 1] == row[1]
        if not seen:
            count += 1
        if i == first:
            start = end = row[1]
            thin = row[4]
        if side == 0:
            start, end = max(start, row[1]), min(end, row[1])
        else:
            start, end = min(start, row[1]), max(end, row[1])
    return count, lots, start, end, thin


@njit(cache=True)
def start_session(tracker, flows):  # type: ignore[no-untyped-def]
    """Forget the flows by level and their totals; what was consumed and printed stays."""
    flows[:, :] = 0
    tracker.levels = 0
    for side in range(2):
        tracker.stacked[side] = tracker.pulled[side] = 0
        tracker.traded[side] = tracker.replenished[side] = 0


def flow_at(flows: Ints, side: int, price: int) -> dict[str, int]:
    """Return a level's flow since the session began: stacked, pulled, traded, ..., in lots."""
    row = flows[_slot(flows, side, price)]
    names = ("stacked", "pulled", "traded", "replenished", "shown", "peak")
    return {name: int(lots) for name, lots in zip(names, row[STACKED:], strict=True)}


def replenishment_at(flows: Ints, side: int, price: int) -> float:
    """Return lots traded at a level over those displayed before the first trade; NaN if none."""
    flow = flow_at(flows, side, price)
    return flow["traded"] / flow["shown"] if flow["shown"] else np.nan


def icebergs(flows: Ints, side: int) -> list[tuple[int, int, int]]:
    """Return the levels that traded more than they ever displayed: (price, traded, peak)."""
    rows = flows[(flows[:, SIDE] == side + 1) & (flows[:, TRADED] > flows[:, PEAK])]
    return sorted((int(r[PRICE]), int(r[TRADED]), int(r[PEAK])) for r in rows)
