"""Time windows over the tape: rolling delta, volume, trade rate, large volume.

All windows share one ring of recent trades. Each trade in it carries the running totals before it,
so a window's sum is the difference of two totals and adding a trade costs the same whatever the
window holds. Windows are right-closed: (t - span, t]. Their tails move on when they are read
(`advance`) or when the ring is full (`make_room`); if every trade in it is still needed then, the
caller grows it (`grow_ring`) before the next trade is added.
"""

from collections.abc import Sequence

import numpy as np
from numba import njit

from of_nautilus.core.record import INT, Bytes, Ints, State, allocate, record

WINDOWS = record(
    ("trades", INT),
    ("buy", INT),
    ("sell", INT),
    ("unclassified", INT),
    ("parents", INT),
    ("large_buy", INT),
    ("large_sell", INT),
    ("last_ts", INT),
    ("oldest", INT),
)
# One trade of the ring: itself, and the totals before it.
TAPE_ENTRY = record(
    ("ts", INT),
    ("price", INT),
    ("buy", INT),
    ("sell", INT),
    ("unclassified", INT),
    ("parents", INT),
    ("large_buy", INT),
    ("large_sell", INT),
)
TAIL = record(("span", INT), ("first", INT))
# What a window holds.
WINDOW_SUMS = record(
    ("trades", INT),
    ("buy", INT),
    ("sell", INT),
    ("unclassified", INT),
    ("parents", INT),
    ("large_buy", INT),
    ("large_sell", INT),
)


def new_windows(spans: Sequence[int], capacity: int = 1024) -> tuple[State, State, State]:
    """Return fresh windows: their state, the ring (a power of two entries) and one tail a span.

    Parameters
    ----------
    spans : sequence of int
        Lengths of the windows in ns, each >= 1.
    capacity : int
        Trades that the ring holds at first, >= 1; rounded up to a power of two.

    Raises
    ------
    ValueError
        If a span or the capacity is < 1, or no span is given.
    """
    if not spans or min(spans) < 1:
        raise ValueError(f"`spans` must hold lengths >= 1, was {spans}")
    if capacity < 1:
        raise ValueError(f"`capacity` must be >= 1, was {capacity}")
    tails = np.zeros(len(spans), TAIL)
    tails["span"] = spans
    return allocate(WINDOWS), np.zeros(1 << (capacity - 1).bit_length(), TAPE_ENTRY), tails


@njit(cache=True)
def advance(windows, ring, tails, ts):  # type: ignore[no-untyped-def]
    """Move each window's tail past the trades that `ts` leaves behind (compiled)."""
    mask = len(ring) - 1
    trades = windows.trades
    oldest = trades
    for k in range(len(tails)):
        tail = tails[k]
        limit = ts - tail.span
        first = tail.first
        while first < trades and ring[first & mask].ts <= limit:
            first += 1
        tail.first = first
        oldest = min(oldest, first)
    windows.oldest = oldest


@njit(cache=True)
def is_full(windows, ring):  # type: ignore[no-untyped-def]
    """Return whether `make_room` must come before the next `add_trade` (compiled)."""
    return windows.trades - windows.oldest >= len(ring)


@njit(cache=True)
def make_room(windows, ring, tails, ts):  # type: ignore[no-untyped-def]
    """Let go of the trades that no window needs at `ts`; False if that frees nothing (compiled)."""
    advance(windows, ring, tails, max(ts, windows.last_ts))
    return windows.trades - windows.oldest < len(ring)


@njit(cache=True)
def add_trade(windows, ring, ts, price, size, side):  # type: ignore[no-untyped-def]
    """Add one trade to a ring that is not full (compiled).

    Time that runs backwards is taken as the latest time seen.
    """
    # This stays free of branches and calls: sides are unpredictable, and a call would make the
    # compiler count references to the arrays on every trade.
    ts = max(ts, windows.last_ts)
    entry = ring[windows.trades & (len(ring) - 1)]
    entry.ts = ts
    entry.price = price
    entry.buy = windows.buy
    entry.sell = windows.sell
    entry.unclassified = windows.unclassified
    entry.parents = windows.parents
    entry.large_buy = windows.large_buy
    entry.large_sell = windows.large_sell
    windows.last_ts = ts
    windows.trades += 1
    windows.buy += size * (side > 0)
    windows.sell += size * (side < 0)
    windows.unclassified += size * (side == 0)


@njit(cache=True)
def add_trades(windows, ring, ts, price, size, side, ended, lots, whose, large):  # type: ignore[no-untyped-def]
    """Add trades in order of time for which the ring has room, and parent orders (compiled).

    As `add_trade` for each with the totals in registers, and `add_parent` for the parent of `lots`
    and side `whose` that had ended before the trade at index `ended`; of these, the last one is the
    number of trades.
    """
    mask = len(ring) - 1
    trades, buy, sell = windows.trades, windows.buy, windows.sell
    unclassified, parents = windows.unclassified, windows.parents
    large_buy, large_sell = windows.large_buy, windows.large_sell
    k = 0
    for i in range(len(ts)):
        ends = ended[k] == i
        counted = lots[k] * (ends & (large[k] != 0))
        parents += ends
        large_buy += counted * (whose[k] > 0)
        large_sell += counted * (whose[k] < 0)
        k += ends
        entry = ring[(trades + i) & mask]
        entry.ts = ts[i]
        entry.price = price[i]
        entry.buy = buy
        entry.sell = sell
        entry.unclassified = unclassified
        entry.parents = parents
        entry.large_buy = large_buy
        entry.large_sell = large_sell
        buy += size[i] * (side[i] > 0)
        sell += size[i] * (side[i] < 0)
        unclassified += size[i] * (side[i] == 0)
    windows.last_ts = ts[-1]
    windows.trades += len(ts)
    windows.buy, windows.sell, windows.unclassified = buy, sell, unclassified
    windows.parents, windows.large_buy, windows.large_sell = parents, large_buy, large_sell


@njit(cache=True)
def add_parent(windows, size, side, large):  # type: ignore[no-untyped-def]
    """Count a parent order whose last print was the last trade added (compiled)."""
    windows.parents += 1
    if large:
        if side > 0:
            windows.large_buy += size
        elif side < 0:
            windows.large_sell += size


@njit(cache=True)
def read_window(windows, ring, tails, k, sums):  # type: ignore[no-untyped-def]
    """Fill `sums` (a WINDOW_SUMS record) with what window `k` holds as last advanced (compiled)."""
    first = tails[k].first
    sums.trades = windows.trades - first
    if first >= windows.trades:
        sums.buy = 0
        sums.sell = 0
        sums.unclassified = 0
        sums.parents = 0
        sums.large_buy = 0
        sums.large_sell = 0
        return
    entry = ring[first & (len(ring) - 1)]
    sums.buy = windows.buy - entry.buy
    sums.sell = windows.sell - entry.sell
    sums.unclassified = windows.unclassified - entry.unclassified
    sums.parents = windows.parents - entry.parents
    sums.large_buy = windows.large_buy - entry.large_buy
    sums.large_sell = windows.large_sell - entry.large_sell


@njit(cache=True)
def window_delta(windows, ring, tails, k):  # type: ignore[no-untyped-def]
    """Return the rolling delta of window `k` as last advanced (compiled)."""
    first = tails[k].first
    if first >= windows.trades:
        return 0
    entry = ring[first & (len(ring) - 1)]
    return (windows.buy - entry.buy) - (windows.sell - entry.sell)


@njit(cache=True)
def step_windows(
    state: State, ring: State, tails: State, ts: int, price: int, size: int, side: int
) -> int:
    """Advance windows by one trade: 0, or -1 if `ring` must grow first (`grow_ring`)."""
    windows = state[0]
    if is_full(windows, ring) and not make_room(windows, ring, tails, ts):
        return -1
    add_trade(windows, ring, ts, price, size, side)
    advance(windows, ring, tails, windows.last_ts)
    return 0


@njit(cache=True)
def step_window_time(state: State, ring: State, tails: State, ts: int) -> None:
    """Let time pass to `ts` without a trade."""
    windows = state[0]
    windows.last_ts = max(windows.last_ts, ts)
    advance(windows, ring, tails, windows.last_ts)


@njit(cache=True)
def step_window_parent(state: State, size: int, side: int, large: bool) -> None:
    """Count a parent order whose last print was the last trade added."""
    add_parent(state[0], size, side, large)


@njit(cache=True)
def run_windows(
    state: State,
    ring: State,
    tails: State,
    ts: Ints,
    price: Ints,
    size: Ints,
    side: Bytes,
    start: int,
    deltas: Ints,
) -> int:
    """Advance windows by the trades from `start` on; return the index reached.

    `deltas` (a row a window, a column a trade) takes the rolling deltas. Less than all trades are
    done where the ring must grow: call again after `grow_ring`.
    """
    windows = state[0]
    for i in range(start, len(ts)):
        if is_full(windows, ring) and not make_room(windows, ring, tails, ts[i]):
            return i
        add_trade(windows, ring, ts[i], price[i], size[i], side[i])
        advance(windows, ring, tails, windows.last_ts)
        for k in range(len(tails)):
            deltas[k, i] = window_delta(windows, ring, tails, k)
    return len(ts)


@njit(cache=True)
def run_tape(
    state: State,
    ring: State,
    tails: State,
    ts: Ints,
    price: Ints,
    size: Ints,
    side: Bytes,
    start: int,
) -> int:
    """Advance windows by the trades from `start` on without reading them; return the index reached.

    As `run_windows` with the tails left where they are, which is several times faster.
    """
    windows = state[0]
    for i in range(start, len(ts)):
        if is_full(windows, ring) and not make_room(windows, ring, tails, ts[i]):
            return i
        add_trade(windows, ring, ts[i], price[i], size[i], side[i])
    return len(ts)


def grow_ring(state: State, ring: State) -> State:
    """Return a ring of twice the size that holds the same trades."""
    grown = np.zeros(2 * len(ring), ring.dtype)
    trades = int(state[0].trades)
    for number in range(max(0, trades - len(ring)), trades):
        grown[number & (len(grown) - 1)] = ring[number & (len(ring) - 1)]
    return grown


def rolling_delta(spans: Sequence[int], ts: Ints, price: Ints, size: Ints, side: Bytes) -> Ints:
    """Return the rolling delta (lots) of each span after each trade, a row a span.

    >>> at = np.array([0, 5, 10])
    >>> lots, sides = np.array([4, 1, 2]), np.array([1, -1, 1], np.int8)
    >>> rolling_delta([10], at, at, lots, sides).tolist()
    [[4, 3, 1]]
    """
    state, ring, tails = new_windows(spans)
    deltas = np.zeros((len(spans), len(ts)), np.int64)
    done = run_windows(state, ring, tails, ts, price, size, side, 0, deltas)
    while done < len(ts):
        ring = grow_ring(state, ring)
        done = run_windows(state, ring, tails, ts, price, size, side, done, deltas)
    return deltas


def window_sums(state: State, ring: State, tails: State, k: int) -> State:
    """Return what window `k` holds, as a one-element WINDOW_SUMS array."""
    sums = allocate(WINDOW_SUMS)
    read_window(state[0], ring, tails, k, sums[0])
    return sums
