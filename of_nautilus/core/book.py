"""The L2 order book: what is displayed at each price, rebuilt from its changes.

Deltas have the host's meaning: ADD and UPDATE display a size at a price, DELETE removes the level,
CLEAR empties both sides. Changes come in batches (one venue message); only after the last delta of
a batch (flag F_LAST, or the caller's word) is the book one that existed, and only then are `bid`,
`ask` and everything that reads the book brought up to date.

`trusted` is 1 after a batch if the book was complete once (a CLEAR began it), no sequence break has
happened since, both sides have a level, and bid < ask. Whatever happens, the levels are what the
host's own book holds; trust only says whether to act on them. `epoch` changes with every snapshot
and break: whoever compares a book with the one before starts anew when it does.
"""

import numpy as np
from numba import njit

from of_nautilus.core.ladder import (
    LADDER_FIELDS,
    NO_KEY,
    allocate_ladders,
    clear_side,
    must_grow,
    read_best,
    set_level,
    size_at,
)
from of_nautilus.core.record import INT, Ints, State, allocate, record

ADD, UPDATE, DELETE, CLEAR = 1, 2, 3, 4
F_LAST, F_SNAPSHOT = 128, 32
BIDS, ASKS = 0, 1
# A batch of deltas is an int64 array of such rows; `side` 1 is bids, 2 asks; ts in ns.
DELTA_COLUMNS = ("action", "side", "price", "size", "flags", "sequence", "ts")
# What `apply_delta` says instead of a size; nothing has changed then.
GROW = -1
# Price of a level that is not there, infinitely bad for its side: NO_PRICE bid, -NO_PRICE ask.
NO_PRICE = NO_KEY

BOOK = record(
    *LADDER_FIELDS,
    ("bid", INT),  # best prices and sizes after the last whole batch; 0 if a side is empty
    ("ask", INT),
    ("bid_size", INT),
    ("ask_size", INT),
    ("trusted", INT),
    ("epoch", INT),
    ("ts", INT),
    ("sequence", INT),
    ("contiguous", INT),
    ("complete", INT),  # a snapshot was seen and no break since
    ("open", INT),  # inside a batch
    ("clearing", INT),  # the batch holds a CLEAR
    ("from_snapshots", INT),  # 1 if the last batch was a whole depth picture
    ("changed", INT, (2,)),  # best key changed in the batch, or NO_KEY: what to read again
    ("deltas", INT),
    ("batches", INT),
    ("snapshots", INT),
    ("breaks", INT),  # of the sequence, and gaps that the caller marked
    ("backwards", INT),  # deltas older than the one before
    ("bad_deltas", INT),  # unknown action or side, negative size: skipped
    ("crossed", INT),  # batches that left bid > ask
    ("locked", INT),  # batches that left bid == ask
)


def new_book(
    span: int = 32_768, far: int = 4_096, contiguous: bool = False
) -> tuple[State, Ints, Ints, Ints]:
    """Return an empty book: its state, and its ladders' `window`, `blocks` and `far`.

    Parameters
    ----------
    span, far : int
        See `ladder.allocate_ladders`.
    contiguous : bool
        Whether the venue numbers its batches without gaps, so that each sequence must be the one
        before plus 1. Otherwise it must only not decrease.

    Examples
    --------
    >>> state, window, blocks, far = new_book()
    >>> deltas = ((CLEAR, 0, 0, 0, 32), (ADD, 1, 100, 30, 32), (ADD, 2, 101, 10, 32 + 128))
    >>> for action, side, price, size, flags in deltas:
    ...     _ = step_book(state, window, blocks, far, action, side, price, size, flags, 1, 0)
    >>> int(state[0].bid), int(state[0].ask), int(state[0].trusted)
    (100, 101, 1)
    """
    state = allocate(BOOK)
    state["contiguous"] = contiguous
    return state, *allocate_ladders(span, far)


@njit(cache=True)
def apply_delta(  # type: ignore[no-untyped-def]
    book, window, blocks, far, action, side, price, size, flags, sequence, ts
):
    """Apply one delta inside a batch: the lots displayed there before, or GROW.

    `side` is 1 for bids, 2 for asks. On GROW nothing has changed: give `far` more room and come
    again. The batch is not ended, whatever `flags` says.
    """
    if not book.open:
        _begin(book, sequence, flags, action)
    if action == 4:
        clear_side(book, window, blocks, 0)
        clear_side(book, window, blocks, 1)
        book.clearing = 1
        book.changed[0] = book.changed[1] = -NO_KEY
        _count(book, ts)
        return 0
    at = side - 1
    if at < 0 or at > 1 or size < 0 or action < 1 or action > 4:
        book.bad_deltas += 1
        return 0
    if action == 3:
        size = 0
    elif size > 0 and must_grow(book, far, at):
        return -1
    key = price if at == 0 else -price
    previous = set_level(book, window, blocks, far, at, key, size)
    book.changed[at] = max(book.changed[at], key)
    _count(book, ts)
    return previous


@njit(cache=True)
def _begin(book, sequence, flags, action):  # type: ignore[no-untyped-def]
    book.open = 1
    book.changed[0] = book.changed[1] = NO_KEY
    starts_anew = action == 4 or (flags & 32) != 0
    if starts_anew and book.levels[0] + book.levels[1] == 0:
        book.clearing = 1
    if sequence > 0:
        if book.sequence > 0 and not starts_anew:
            step = sequence - book.sequence
            if step < 0 or (book.contiguous and step != 1):
                mark_gap(book)
        book.sequence = sequence


@njit(cache=True)
def _count(book, ts):  # type: ignore[no-untyped-def]
    book.deltas += 1
    if ts < book.ts:
        book.backwards += 1
    else:
        book.ts = ts


@njit(cache=True)
def end_batch(book, window, far):  # type: ignore[no-untyped-def]
    """End the batch: bring `bid`, `ask`, `trusted` and `epoch` up to date."""
    book.open = 0
    book.batches += 1
    book.from_snapshots = 0
    if book.clearing:
        book.clearing = 0
        book.complete = 1
        book.snapshots += 1
        book.epoch += 1
    _read_best(book, window, far)


@njit(cache=True)
def _read_best(book, window, far):  # type: ignore[no-untyped-def]
    book.bid = book.bid_size = book.ask = book.ask_size = 0
    if book.levels[0] > 0:
        book.bid = book.best[0]
        book.bid_size = size_at(book, window, far, 0, book.best[0])
    if book.levels[1] > 0:
        book.ask = -book.best[1]
        book.ask_size = size_at(book, window, far, 1, book.best[1])
    two_sided = book.levels[0] > 0 and book.levels[1] > 0
    if two_sided and book.bid > book.ask:
        book.crossed += 1
    elif two_sided and book.bid == book.ask:
        book.locked += 1
    book.trusted = 1 if book.complete and two_sided and book.bid < book.ask else 0


@njit(cache=True)
def mark_gap(book):  # type: ignore[no-untyped-def]
    """Distrust the book until its next snapshot: updates were lost."""
    book.breaks += 1
    book.epoch += 1
    book.complete = 0
    book.trusted = 0


@njit(cache=True)
def step_gap(state: State) -> None:
    """Distrust a book state until its next snapshot: the feed says that updates were lost."""
    mark_gap(state[0])


@njit(cache=True)
def step_complete(state: State) -> None:
    """Take a book state as complete from here on: the feed sends no snapshots, but all levels."""
    state[0].complete = 1


@njit(cache=True)
def step_book(
    state: State,
    window: Ints,
    blocks: Ints,
    far: Ints,
    action: int,
    side: int,
    price: int,
    size: int,
    flags: int,
    sequence: int,
    ts: int,
) -> int:
    """Advance a book by one delta: 1 if it ended a batch, 0 if not, GROW if `far` must grow.

    On GROW nothing has changed; call again with `ladder.grow_far(far)`.
    """
    book = state[0]
    if (
        apply_delta(book, window, blocks, far, action, side, price, size, flags, sequence, ts)
        == GROW
    ):
        return GROW
    if flags & 128:
        end_batch(book, window, far)
        return 1
    return 0


@njit(cache=True)
def run_book(
    state: State, window: Ints, blocks: Ints, far: Ints, deltas: Ints, start: int, stop: int
) -> int:
    """Advance a book by the rows of `deltas` (see DELTA_COLUMNS) from `start` to `stop`.

    Return `stop`, or the index of the delta at which `far` must grow: go on there with more room.
    """
    book = state[0]
    for i in range(start, stop):
        row = deltas[i]
        before = apply_delta(
            book, window, blocks, far, row[0], row[1], row[2], row[3], row[4], row[5], row[6]
        )
        if before < 0:
            return i
        if row[4] & 128:
            end_batch(book, window, far)
    return stop


@njit(cache=True)
def apply_depth(book, window, blocks, far, picture, sequence, ts):  # type: ignore[no-untyped-def]
    """Replace the whole book by a depth picture, a batch in itself; GROW if `far` is too small.

    `picture` is (2, n, 2) int64 like `top`; where there is no level its lots are 0. Pictures of one
    feed follow each other without starting a new epoch, except the first after a break.
    """
    if far.shape[1] < picture.shape[1]:
        return -1
    if not book.complete:
        book.epoch += 1
    for side in range(2):
        clear_side(book, window, blocks, side)
        for i in range(picture.shape[1]):
            if picture[side, i, 1] > 0:
                key = picture[side, i, 0] * (1 - 2 * side)
                set_level(book, window, blocks, far, side, key, picture[side, i, 1])
    book.changed[0] = book.changed[1] = -NO_KEY
    book.sequence = sequence
    _count(book, ts)
    book.open = book.clearing = 0
    book.complete = 1
    book.batches += 1
    book.from_snapshots = 1
    _read_best(book, window, far)
    return 0


@njit(cache=True)
def step_depth(
    state: State, window: Ints, blocks: Ints, far: Ints, picture: Ints, sequence: int, ts: int
) -> int:
    """Advance a book by a depth picture such as the host's OrderBookDepth10: 0, or GROW."""
    return apply_depth(state[0], window, blocks, far, picture, sequence, ts)


def new_top(depth: int = 20) -> Ints:
    """Return a `top` for `read_top` that has seen no book.

    Raises
    ------
    ValueError
        If `depth` < 1.
    """
    if depth < 1:
        raise ValueError(f"`depth` must be >= 1, was {depth}")
    top = np.zeros((2, depth, 2), np.int64)
    top[:, :, 0] = np.array([[NO_PRICE], [-NO_PRICE]])
    return top


@njit(cache=True)
def read_top(book, window, blocks, far, top):  # type: ignore[no-untyped-def]
    """Write the best levels of both sides to `top`, int64 (2, n, 2): price and lots, best first.

    A level that is not there has the price NO_PRICE (bids) or -NO_PRICE (asks) and no lots. Call it
    after every batch: a side where nothing as good as its last row changed in the last batch is
    left as it is.
    """
    for side in range(2):
        if book.changed[side] >= top[side, top.shape[1] - 1, 0] * (1 - 2 * side):
            read_best(book, window, blocks, far, side, top)


def levels(state: State, window: Ints, far: Ints, side: int) -> Ints:
    """Return all levels of a side (BIDS or ASKS), best first: rows of (price, lots)."""
    book = state[0]
    populated = np.flatnonzero(window[side])[::-1]
    near = np.column_stack((populated + book.origin[side], window[side][populated]))
    rows = np.concatenate((near, far[side, : book.far_levels[side]][::-1]))
    rows[:, 0] *= 1 - 2 * side
    return rows
