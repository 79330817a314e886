"""The tape: who was the aggressor of each trade.

In order of precedence: the venue's flag, the quote rule of Lee and Ready, the tick rule. What none
of them tells stays unknown (side 0) and is counted.
"""

from enum import IntEnum

import numpy as np
from numba import njit

from of_nautilus.core.record import INT, Bytes, Ints, State, allocate, record


class Classification(IntEnum):
    """How far the search for an aggressor goes."""

    FLAG = 0  # the venue's flag alone
    TICK_RULE = 1  # else the sign of the last change of price
    LEE_READY = 2  # else price against the midpoint, else the tick rule


TAPE = record(
    ("method", INT),
    ("quote_lag", INT),
    ("reset_on_session", INT),
    ("has_price", INT),
    ("last_price", INT),
    ("direction", INT),
    ("quotes", INT),
    ("by_flag", INT),
    ("by_quote", INT),
    ("by_tick", INT),
    ("unknown", INT),
)
QUOTE = record(("ts", INT), ("bid", INT), ("ask", INT))

# A trade may come so long after quotes that are newer, ns, and still meets the one of its own time,
# unless more quotes than these came meanwhile.
LATE = 1_000_000_000
LATE_QUOTES = 65_536


def new_tape(
    method: Classification = Classification.LEE_READY,
    quote_lag: int = 0,
    reset_on_session: bool = False,
    capacity: int = 64,
) -> tuple[State, State]:
    """Return a fresh tape state and its ring of quotes.

    Parameters
    ----------
    method : Classification
        How far to search for an aggressor where the venue flags none.
    quote_lag : int
        A trade is held against the last quote with `ts <= trade ts - quote_lag`, ns, >= 0.
    reset_on_session : bool
        Whether `start_session` makes the tick rule forget the last price.
    capacity : int
        Quotes that the ring holds at first, >= 2; rounded up to a power of two.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """
    if quote_lag < 0:
        raise ValueError(f"`quote_lag` must be >= 0, was {quote_lag}")
    if capacity < 2:
        raise ValueError(f"`capacity` must be >= 2, was {capacity}")
    state = allocate(TAPE)
    state["method"], state["quote_lag"] = Classification(method), quote_lag
    state["reset_on_session"] = reset_on_session
    return state, np.zeros(1 << (capacity - 1).bit_length(), QUOTE)


@njit(cache=True)
def add_quote(tape, ring, ts, bid, ask):  # type: ignore[no-untyped-def]
    """Add a quote in order of time; False if the ring must grow first (compiled).

    The ring overwrites a quote only where a later one is already old enough to be used, also for a
    trade that comes LATE. A quote without bid or ask is given as locked (bid >= ask).
    """
    mask = len(ring) - 1
    if tape.quotes >= len(ring):
        age = ts - ring[(tape.quotes + 1) & mask].ts - tape.quote_lag
        if age < 0 or (age < LATE and len(ring) < LATE_QUOTES):
            return False
    quote = ring[tape.quotes & mask]
    quote.ts = ts
    quote.bid = bid
    quote.ask = ask
    tape.quotes += 1
    return True


@njit(cache=True)
def _quote_side(tape, ring, ts, price):  # type: ignore[no-untyped-def]
    """Return the side by the quote in force at `ts`, 0 at the midpoint or without a quote."""
    mask = len(ring) - 1
    limit = ts - tape.quote_lag
    high = tape.quotes
    low = max(high - len(ring), 0)
    if high > low and ring[(high - 1) & mask].ts <= limit:
        low = high
    while low < high:
        middle = (low + high) >> 1
        if ring[middle & mask].ts <= limit:
            low = middle + 1
        else:
            high = middle
    if high == max(tape.quotes - len(ring), 0):
        return 0
    quote = ring[(high - 1) & mask]
    if quote.bid >= quote.ask:
        return 0
    away = 2 * price - quote.bid - quote.ask
    return 1 if away > 0 else (-1 if away < 0 else 0)


@njit(cache=True)
def tick_direction(tape, price):  # type: ignore[no-untyped-def]
    """Return the sign of the last change of price, this one included; 0 before any (compiled)."""
    if tape.has_price and price != tape.last_price:
        tape.direction = 1 if price > tape.last_price else -1
    tape.has_price = 1
    tape.last_price = price
    return tape.direction


@njit(cache=True)
def classify(tape, ring, ts, price, flag):  # type: ignore[no-untyped-def]
    """Return the side of a trade (compiled): +1 buyer, -1 seller, 0 unknown."""
    tick_direction(tape, price)
    if flag != 0:
        tape.by_flag += 1
        return 1 if flag > 0 else -1
    if tape.method == 2:
        side = _quote_side(tape, ring, ts, price)
        if side != 0:
            tape.by_quote += 1
            return side
    if tape.method >= 1 and tape.direction != 0:
        tape.by_tick += 1
        return tape.direction
    tape.unknown += 1
    return 0


@njit(cache=True)
def start_session(tape):  # type: ignore[no-untyped-def]
    """Forget the last price if the tape is set to do so at the start of a session (compiled)."""
    if tape.reset_on_session:
        tape.has_price = 0
        tape.direction = 0


@njit(cache=True)
def step_quote(state: State, ring: State, ts: int, bid: int, ask: int) -> int:
    """Advance by one quote, in ticks: 0, or -1 if `ring` must grow first (`grow_quotes`)."""
    return 0 if add_quote(state[0], ring, ts, bid, ask) else -1


@njit(cache=True)
def step_tape(state: State, ring: State, ts: int, price: int, flag: int) -> int:
    """Advance by one trade with the venue's flag (0: none); return its side.

    >>> state, ring = new_tape()
    >>> [step_tape(state, ring, 0, price, 0) for price in (100, 101, 101, 100)]
    [0, 1, 1, -1]
    """
    return classify(state[0], ring, ts, price, flag)


@njit(cache=True)
def next_session(state: State) -> None:
    """Tell the tape that a session starts."""
    start_session(state[0])


@njit(cache=True)
def run_tape(
    state: State,
    ring: State,
    ts: Ints,
    price: Ints,
    flag: Bytes,
    quote_ts: Ints,
    bid: Ints,
    ask: Ints,
    side: Bytes,
) -> int:
    """Classify many trades against many quotes, each in order of time, into `side`.

    A quote comes before a trade of the same time. Returns the index reached: less than all trades
    where the ring must grow, which leaves the state between two trades; call again with the trades
    left and the quotes from `state[0].quotes` on.
    """
    tape = state[0]
    at = 0
    for i in range(len(ts)):
        while at < len(quote_ts) and quote_ts[at] <= ts[i]:
            if not add_quote(tape, ring, quote_ts[at], bid[at], ask[at]):
                return i
            at += 1
        side[i] = classify(tape, ring, ts[i], price[i], flag[i])
    return len(ts)


def grow_quotes(state: State, ring: State) -> State:
    """Return a ring of twice the size that holds the same quotes."""
    grown = np.zeros(2 * len(ring), ring.dtype)
    quotes = int(state[0].quotes)
    for number in range(max(0, quotes - len(ring)), quotes):
        grown[number & (len(grown) - 1)] = ring[number & (len(ring) - 1)]
    return grown


def classify_trades(
    ts: Ints,
    price: Ints,
    flag: Bytes,
    quote_ts: Ints,
    bid: Ints,
    ask: Ints,
    quote_lag: int = 0,
) -> Bytes:
    """Return the side of each trade: the flag, else Lee and Ready's rule, else the tick rule.

    Trades and quotes are each in order of time; prices are ticks.
    """
    state, ring = new_tape(quote_lag=quote_lag)
    side = np.zeros(len(ts), np.int8)
    trade = 0
    while trade < len(ts):
        quote = int(state[0].quotes)
        trade += run_tape(
            state,
            ring,
            ts[trade:],
            price[trade:],
            flag[trade:],
            quote_ts[quote:],
            bid[quote:],
            ask[quote:],
            side[trade:],
        )
        if trade < len(ts):
            ring = grow_quotes(state, ring)
    return side
