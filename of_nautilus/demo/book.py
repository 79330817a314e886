"""The matching kernel: market orders against a ten-level book, and the prints and deltas they make.

Every tick between the best price and the tenth level holds a queue, and the spread is one tick.
Where the touch goes is given with each order; the book follows it by trade (levels consumed) or by
quotes (levels cancelled and added). After each order one batch of deltas brings the displayed book
to its new state, so an order only ever meets what was displayed before it.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]

# What an order does: trade, change a quote, raise a wall, thin a side, walk through the book.
MARKET, QUOTE, WALL, THIN, WALK = range(5)
ADD, UPDATE, DELETE, CLEAR = 1, 2, 3, 4

LEVELS = 10  # shown at least
THIN_LOTS = 70  # of a level on a thinned side, on average
KEPT = 20  # shown at most: far levels stay until they are this far
_REACH = 4  # levels that an ordinary order may print at
_STEP = 5  # ticks that the touch moves with an ordinary order at most
_SOON = 90_000_000  # ns: orders closer than this move it less
BOOK_DELAY = 400_000  # ns from an order to the batch of deltas that it causes

# Columns of the order list.
ORDER_TS, ORDER_SIDE, ORDER_SIZE, ORDER_TARGET, ORDER_FLAG = range(5)
# Rows of the trade and delta lists, which hold an event a column.
TRADE_TS, TRADE_PRICE, TRADE_SIZE, TRADE_SIDE = range(4)
DELTA_TS, DELTA_ACTION, DELTA_SIDE, DELTA_PRICE, DELTA_SIZE, DELTA_SEQUENCE, DELTA_LAST = range(7)
# The book's own state.
BID, LOW, HIGH, SEQUENCE, CARRY_BUY, CARRY_SELL, THIN_SIDE, WALL_PRICE, WALL_SIZE, BASE, LAST_TS = (
    range(11)
)
STATE_FIELDS = 11


@njit(cache=True)
def _queue(rng, mean, distance, price, thin):  # type: ignore[no-untyped-def]
    """Draw the size of a new level: deeper is larger, round prices draw more."""
    if thin:
        return THIN_LOTS - 30 + int(60 * rng.random())
    size = mean * (0.6 + 0.05 * distance) * np.exp(0.5 * rng.standard_normal())
    if price % 10 == 0:
        size *= 1.6
    return 20 + int(size)


@njit(cache=True)
def _settle(rng, state, queue, full, bid, mean):  # type: ignore[no-untyped-def]
    """Move the touch to `bid` and its neighbor, and keep 10 to 20 levels a side."""
    base, old = state[BASE], state[BID]
    for p in range(old + 1, bid + 1):  # asks gone, bids in their place
        queue[p - base] = full[p - base] = _queue(rng, mean, 0, p, False)
    for p in range(bid + 1, old + 1):
        thin = state[THIN_SIDE] == 1
        queue[p - base] = full[p - base] = -_queue(rng, mean, 0, p, thin)
    state[BID] = bid
    state[LOW], state[HIGH] = min(state[LOW], bid + 1), max(state[HIGH], bid)
    while bid - state[LOW] + 1 < LEVELS:
        state[LOW] -= 1
        p = state[LOW]
        queue[p - base] = full[p - base] = _queue(rng, mean, bid - p, p, state[THIN_SIDE] == -1)
    while state[HIGH] - bid < LEVELS:
        state[HIGH] += 1
        p = state[HIGH]
        queue[p - base] = full[p - base] = -_queue(rng, mean, p - bid, p, state[THIN_SIDE] == 1)
    while bid - state[LOW] + 1 > KEPT:
        queue[state[LOW] - base] = 0
        state[LOW] += 1
    while state[HIGH] - bid > KEPT:
        queue[state[HIGH] - base] = 0
        state[HIGH] -= 1


@njit(cache=True)
def _emit(ts, state, queue, shown, first, last, deltas, n):  # type: ignore[no-untyped-def]
    """Write what changed in the displayed book, removals first, as one batch."""
    base, start = state[BASE], n
    for p in range(first, last + 1):
        was, now = shown[p - base], queue[p - base]
        if was != 0 and was != now:
            stays = (was > 0) == (now > 0) and now != 0
            deltas[DELTA_ACTION, n] = UPDATE if stays else DELETE
            deltas[DELTA_SIDE, n] = 1 if was > 0 else -1
            deltas[DELTA_PRICE, n] = p
            deltas[DELTA_SIZE, n] = abs(now) if stays else 0
            n += 1
    for p in range(first, last + 1):
        was, now = shown[p - base], queue[p - base]
        if now != 0 and (was == 0 or (was > 0) != (now > 0)):
            deltas[DELTA_ACTION, n] = ADD
            deltas[DELTA_SIDE, n] = 1 if now > 0 else -1
            deltas[DELTA_PRICE, n] = p
            deltas[DELTA_SIZE, n] = abs(now)
            n += 1
        shown[p - base] = now
    if n > start:
        state[SEQUENCE] += 1
        deltas[DELTA_TS, start:n] = ts
        deltas[DELTA_SEQUENCE, start:n] = state[SEQUENCE]
        deltas[DELTA_LAST, start:n] = 0
        deltas[DELTA_LAST, n - 1] = 1
    return n


@njit(cache=True)
def open_book(rng, ts, state, queue, full, shown, mean, deltas):  # type: ignore[no-untyped-def]
    """Fill an empty book around `state[BID]` and write its snapshot; return the rows written."""
    state[LOW], state[HIGH] = state[BID] + 1, state[BID]
    _settle(rng, state, queue, full, state[BID], mean)
    deltas[DELTA_ACTION, 0] = CLEAR
    deltas[DELTA_SIDE, 0] = deltas[DELTA_PRICE, 0] = deltas[DELTA_SIZE, 0] = 0
    n = _emit(ts, state, queue, shown, state[LOW], state[HIGH], deltas, 1)
    deltas[DELTA_TS, 0] = ts
    deltas[DELTA_SEQUENCE, 0] = state[SEQUENCE]
    deltas[DELTA_LAST, 0] = 0
    return n


@njit(cache=True)
def _take(state, queue, side, size, target, walk, ts, trades, n):  # type: ignore[no-untyped-def]
    """Print an order against the displayed queues; return (rows written, lots left over)."""
    base, bid = state[BASE], state[BID]
    price = bid + 1 if side > 0 else bid
    end = state[HIGH] if side > 0 else state[LOW]
    levels = 0
    while size > 0 and side * (end - price) >= 0:
        # A level that the touch leaves behind may go whole; any other one keeps a remnant.
        leaves = price <= target if side > 0 else price > target
        if (walk and not leaves) or (not walk and levels == _REACH):
            break
        there = abs(queue[price - base])
        lots = min(size, there if leaves else there - max(1, there // 20))
        if lots > 0:
            trades[TRADE_TS, n] = ts
            trades[TRADE_PRICE, n] = price
            trades[TRADE_SIZE, n] = lots
            trades[TRADE_SIDE, n] = side
            n += 1
            size -= lots
            queue[price - base] -= -side * lots
        if not leaves:
            break
        price += side
        levels += 1
    return n, size


@njit(cache=True)
def match(rng, orders, first, state, queue, full, shown, mean, trades, n_trades, deltas, n_deltas):  # type: ignore[no-untyped-def]
    """Match orders from `first` on; return (next order, trades, deltas).

    It stops early when the trade or delta list could overflow; the caller grows it and goes on.
    """
    base = state[BASE]
    i = first
    while i < len(orders):
        if n_trades + 64 > trades.shape[1] or n_deltas + 160 > deltas.shape[1]:
            break
        ts, side, size = orders[i, ORDER_TS], orders[i, ORDER_SIDE], orders[i, ORDER_SIZE]
        target, flag = orders[i, ORDER_TARGET], orders[i, ORDER_FLAG]
        low, high = state[LOW], state[HIGH]
        if flag == QUOTE:
            distance = int(LEVELS * rng.random() * rng.random())
            p = state[BID] + 1 + distance if side > 0 else state[BID] - distance
            if p != state[WALL_PRICE] and state[THIN_SIDE] == 0:
                full[p - base] = -side * _queue(rng, mean, distance, p, False)
                queue[p - base] = full[p - base]
        elif flag == WALL:
            # `side` is the aggressor that will meet the wall; size 0 takes it down.
            p = state[BID] + 1 if side > 0 else state[BID]
            state[WALL_PRICE], state[WALL_SIZE] = p, size
            if size > 0:
                queue[p - base] = full[p - base] = -side * size
            else:
                state[WALL_PRICE] = 0
        elif flag == THIN:
            state[THIN_SIDE] = side
            span = high - state[BID] if side > 0 else state[BID] - low + 1
            for k in range(span):
                p = state[BID] + 1 + k if side > 0 else state[BID] - k
                full[p - base] = queue[p - base] = -side * _queue(rng, mean, k, p, True)
        else:
            slot = CARRY_BUY if side > 0 else CARRY_SELL
            walk = flag == WALK
            if not walk:  # price follows its path in small steps: a jump would be a sweep
                most = _STEP if ts - state[LAST_TS] >= _SOON else 2
                target = max(state[BID] - most, min(state[BID] + most, target))
            state[LAST_TS] = ts
            # What an order cannot get here, the next one of its side asks for.
            wanted = 1 << 40 if walk else size + state[slot]
            n_trades, left = _take(state, queue, side, wanted, target, walk, ts, trades, n_trades)
            if not walk:
                state[slot] = left
            _settle(rng, state, queue, full, target, mean)
            if walk and size > 0:  # the last order of a sweep
                state[THIN_SIDE] = 0
            p = state[BID] + 1 if side > 0 else state[BID]
            here = abs(queue[p - base])
            if p == state[WALL_PRICE]:
                queue[p - base] = -side * state[WALL_SIZE]
            elif here < 0.35 * abs(full[p - base]):
                queue[p - base] = int(full[p - base] * (0.5 + 0.5 * rng.random()))
            queue[p - base] -= side * max(0, state[slot])  # for the rest of the order
        n_deltas = _emit(
            ts + BOOK_DELAY,
            state,
            queue,
            shown,
            min(low, state[LOW]),
            max(high, state[HIGH]),
            deltas,
            n_deltas,
        )
        i += 1
    return i, n_trades, n_deltas
