"""Price ladders: displayed size by tick, a dense window near the market and a list far from it.

A ladder is addressed by key, not by price: the key of a bid is its price in ticks, the key of an
ask the price negated. A higher key is then the better price on both sides, and one code serves
both. Three arrays hold a book's two ladders (first index 0 bids, 1 asks):

- `window`: lots by key, from `origin` upward. It always holds the best level;
- `blocks`: how many populated levels each 64 keys of the window have, so that gaps are skipped;
- `far`: the levels below the window, rows of (key, lots), ascending.

When the best level leaves the middle of the window, the window moves and levels change places. A
level is never dropped: `far` must have room for every level of a side, and `must_grow` says when it
has not.
"""

import numpy as np
from numba import njit

from of_nautilus.core.record import INT, Ints

BLOCK = 64
# No level there: a price infinitely bad for a bid, and negated for an ask.
NO_KEY = -(1 << 62)

# Fields of a record that owns two ladders; index 0 bids, 1 asks.
LADDER_FIELDS = (
    ("best", INT, (2,)),  # key of the best level
    ("origin", INT, (2,)),  # key of the window's first row
    ("levels", INT, (2,)),  # populated levels
    ("far_levels", INT, (2,)),  # those of them that lie in `far`
    ("total", INT, (2,)),  # lots on all of them
)


def allocate_ladders(span: int = 32_768, far: int = 4_096) -> tuple[Ints, Ints, Ints]:
    """Return empty `window`, `blocks` and `far` for both sides of a book.

    Parameters
    ----------
    span : int
        Keys in the window, a positive multiple of 64.
    far : int
        Room for so many levels a side, >= 1; it can grow.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """
    if span < BLOCK or span % BLOCK:
        raise ValueError(f"`span` must be a positive multiple of {BLOCK}, was {span}")
    if far < 1:
        raise ValueError(f"`far` must be >= 1, was {far}")
    return (
        np.zeros((2, span), np.int64),
        np.zeros((2, span // BLOCK), np.int64),
        np.zeros((2, far, 2), np.int64),
    )


def grow_far(far: Ints) -> Ints:
    """Return `far` with twice the room."""
    wider = np.zeros((2, 2 * far.shape[1], 2), np.int64)
    wider[:, : far.shape[1]] = far
    return wider


@njit(cache=True)
def must_grow(book, far, side):  # type: ignore[no-untyped-def]
    """Return whether one more level on `side` could find no room."""
    return book.levels[side] >= far.shape[1]


@njit(cache=True)
def _search(far, side, count, key):  # type: ignore[no-untyped-def]
    """Return the index of the first far level whose key is not below `key`."""
    low, high = 0, count
    while low < high:
        middle = (low + high) >> 1
        if far[side, middle, 0] < key:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True)
def _set_far(book, far, side, key, size):  # type: ignore[no-untyped-def]
    count = book.far_levels[side]
    at = _search(far, side, count, key)
    if at < count and far[side, at, 0] == key:
        previous = far[side, at, 1]
        if size > 0:
            far[side, at, 1] = size
        else:
            for i in range(at, count - 1):
                far[side, i, 0] = far[side, i + 1, 0]
                far[side, i, 1] = far[side, i + 1, 1]
            book.far_levels[side] = count - 1
            book.levels[side] -= 1
        return previous
    if size > 0:
        for i in range(count, at, -1):
            far[side, i, 0] = far[side, i - 1, 0]
            far[side, i, 1] = far[side, i - 1, 1]
        far[side, at, 0] = key
        far[side, at, 1] = size
        book.far_levels[side] = count + 1
        book.levels[side] += 1
    return 0


@njit(cache=True)
def _move_window(book, window, blocks, far, side, key):  # type: ignore[no-untyped-def]
    """Lay the window so that `key`, the best level to be, has three quarters of it below."""
    span = window.shape[1]
    base = key - 3 * (span // 4)
    count = book.far_levels[side]
    held = np.empty((book.levels[side], 2), np.int64)
    for i in range(count):
        held[i, 0] = far[side, i, 0]
        held[i, 1] = far[side, i, 1]
    for block in range(blocks.shape[1]):
        if blocks[side, block] > 0:
            for i in range(block * 64, block * 64 + 64):
                if window[side, i] > 0:
                    held[count, 0] = book.origin[side] + i
                    held[count, 1] = window[side, i]
                    count += 1
                    window[side, i] = 0
            blocks[side, block] = 0
    book.origin[side] = base
    outside = 0
    for i in range(count):
        at = held[i, 0] - base
        if at >= 0:
            window[side, at] = held[i, 1]
            blocks[side, at // 64] += 1
        else:
            far[side, outside, 0] = held[i, 0]
            far[side, outside, 1] = held[i, 1]
            outside += 1
    book.far_levels[side] = outside


@njit(cache=True)
def worse(book, window, blocks, far, side, key):  # type: ignore[no-untyped-def]
    """Return the key of the next level worse than `key`, or NO_KEY."""
    base = book.origin[side]
    i = min(key - base, window.shape[1]) - 1
    if i >= 0:
        block = i // 64
        first = block * 64
        while i >= first:
            if window[side, i] > 0:
                return base + i
            i -= 1
        block -= 1
        while block >= 0:
            if blocks[side, block] > 0:
                i = block * 64 + 63
                while window[side, i] == 0:
                    i -= 1
                return base + i
            block -= 1
    at = _search(far, side, book.far_levels[side], key)
    return far[side, at - 1, 0] if at > 0 else NO_KEY


@njit(cache=True)
def read_best(book, window, blocks, far, side, top):  # type: ignore[no-untyped-def]
    """Write the best levels of a side to `top[side]`: rows of price and lots, best first.

    Rows beyond the last level have the price of NO_KEY and no lots.
    """
    sign = 1 - 2 * side
    origin = book.origin[side]
    count = min(book.levels[side], top.shape[1])
    at = book.best[side] - origin
    row = 0
    while row < count and at >= 0:
        lots = window[side, at]
        if lots > 0:
            top[side, row, 0] = (origin + at) * sign
            top[side, row, 1] = lots
            row += 1
        at -= 1
        while at >= 0 and at % 64 == 63 and blocks[side, at // 64] == 0:
            at -= 64
    outside = book.far_levels[side]
    while row < count:
        outside -= 1
        top[side, row, 0] = far[side, outside, 0] * sign
        top[side, row, 1] = far[side, outside, 1]
        row += 1
    while row < top.shape[1]:
        top[side, row, 0] = NO_KEY * sign
        top[side, row, 1] = 0
        row += 1


@njit(cache=True)
def size_at(book, window, far, side, key):  # type: ignore[no-untyped-def]
    """Return the lots displayed at `key`."""
    at = key - book.origin[side]
    if at >= window.shape[1]:
        return 0
    if at >= 0:
        return window[side, at]
    count = book.far_levels[side]
    at = _search(far, side, count, key)
    return far[side, at, 1] if at < count and far[side, at, 0] == key else 0


@njit(cache=True)
def set_level(book, window, blocks, far, side, key, size):  # type: ignore[no-untyped-def]
    """Display `size` lots at `key` (0 removes the level); return the lots that were there.

    The caller has asked `must_grow`.
    """
    span = window.shape[1]
    if size > 0 and (book.levels[side] == 0 or key >= book.origin[side] + span):
        _move_window(book, window, blocks, far, side, key)
    at = key - book.origin[side]
    if at >= span:
        return 0
    if at < 0:
        previous = _set_far(book, far, side, key, size)
        book.total[side] += size - previous
        return previous
    previous = window[side, at]
    window[side, at] = size
    book.total[side] += size - previous
    if size > 0:
        if previous == 0:
            blocks[side, at // 64] += 1
            book.levels[side] += 1
            if book.levels[side] == 1 or key > book.best[side]:
                book.best[side] = key
    elif previous > 0:
        blocks[side, at // 64] -= 1
        book.levels[side] -= 1
        if key == book.best[side] and book.levels[side] > 0:
            best = worse(book, window, blocks, far, side, key)
            book.best[side] = best
            if best < book.origin[side] + span // 4:
                _move_window(book, window, blocks, far, side, best)
    return previous


@njit(cache=True)
def clear_side(book, window, blocks, side):  # type: ignore[no-untyped-def]
    """Remove every level of a side."""
    for block in range(blocks.shape[1]):
        if blocks[side, block] > 0:
            window[side, block * 64 : block * 64 + 64] = 0
            blocks[side, block] = 0
    book.levels[side] = 0
    book.far_levels[side] = 0
    book.total[side] = 0
