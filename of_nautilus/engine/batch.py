"""The batch path: many trades, concept by concept where nothing comes between them.

Trade by trade, as `step` takes them, every concept's state passes through the processor's registers
for every trade. Most trades are plain: in order, before anything is due, with room everywhere. Over
a span of these each concept runs alone, which is three times as fast and leaves the same bytes.
What may fire at any trade goes first, as it decides where the span ends.
"""

import numpy as np
from numba import njit

from of_nautilus.core import delta, footprint, impact, large_trades, profile, vpin, vwap, windows
from of_nautilus.core.tape import tick_direction
from of_nautilus.engine.step import piece, step
from of_nautilus.patterns import level_absorption, sweep, tape_sizes

SPAN = 1024  # trades whose columns stay in the nearest cache
SHORTEST = 4


@njit(cache=True)
def _plain(engine, cells, hist, tape, ts, price, size, start):  # type: ignore[no-untyped-def]
    """Return the end of the plain trades from `start` on, at most SPAN of them."""
    bar, session = engine.bar, engine.profile
    if bar.kind != 0 or bar.trades == 0 or (engine.on.profile and session.trades == 0):
        return start
    height = bar.ticks_per_row
    low, high = bar.base_row * height, (bar.base_row + len(cells)) * height
    if engine.on.profile:
        height = session.ticks_per_row
        low = max(low, session.base_row * height)
        high = min(high, (session.base_row + hist.shape[1]) * height)
    stop = min(start + SPAN, len(ts))
    if engine.on.tape:
        stop = min(stop, start + len(tape) - (engine.tape.trades - engine.tape.oldest))
    last = max(engine.last_ts, engine.session_start)
    due = engine.next_event
    for i in range(start, stop):
        now = ts[i]
        if now < last or now >= due or size[i] <= 0 or price[i] < low or price[i] >= high:
            return i
        last = now
    return stop


@njit(cache=True)
def _patterns(  # type: ignore[no-untyped-def]
    engine, bursts, rows, prints, ts, price, size, side, ways, start, stop
):
    """Let what may fire see the span; fill `ways` with the sides; return its end and what fired."""
    on = engine.on
    if not (on.tick_rule or on.sizes or on.absorption or on.sweep):
        for i in range(start, stop):
            ways[i - start] = side[i]
        return stop, 0
    for i in range(start, stop):
        now, at, lots = ts[i], price[i], size[i]
        if now >= engine.next_event:
            return i, 0
        if on.absorption and not level_absorption.has_room(engine.level, bursts):
            return i, 0
        if on.sizes and not tape_sizes.has_room(engine.sizes, rows, now, at):
            return i, 0
        if on.sweep and not sweep.has_room(engine.sweep, prints, now):
            return i, 0
        way = np.int64(side[i])
        if on.tick_rule:
            direction = tick_direction(engine.ticker, at)
            if way == 0:
                way = direction
                engine.quality.by_tick_rule += way != 0
        ways[i - start] = way
        if on.sizes:
            tape_sizes.add_trade(engine.sizes, rows, now, at, lots, way)
        fired = 0
        if on.absorption:
            fired = level_absorption.add_trade(engine.level, bursts, now, at, lots, way)
            engine.next_event = min(engine.next_event, engine.level.next_due)
        if on.sweep:
            fired += sweep.add_print(engine.sweep, prints, now, at, lots, way)
        if fired > 0:
            return i + 1, 8
    return stop, 0


@njit(cache=True)
def _parents(engine, tape, ts, price, size, way):  # type: ignore[no-untyped-def]
    """Put prints of one time and side together, judge them, and let the rolling windows see both.

    The same as `step` does print by print. Free of branches: where an order ends is unpredictable.
    """
    # Of each order: the print before which it had ended, its lots and side, whether it is large.
    ended = np.empty(len(ts) + 1, np.int64)
    lots, whose = np.empty_like(ended), np.empty_like(ended)
    large = np.zeros(len(ts) + 1, np.int8)
    count = 0
    if engine.on.large:
        at, side, summed = engine.parent_ts, engine.parent_side, engine.parent_lots
        for i in range(len(ts)):
            goes_on = (ts[i] == at) & (way[i] == side)
            ended[count], lots[count], whose[count] = i, summed, side
            count += (not goes_on) & (summed > 0)
            summed = size[i] + summed * goes_on
            at, side = ts[i], way[i]
        engine.parent_ts, engine.parent_side, engine.parent_lots = at, side, summed
        large_trades.add_sizes(
            engine.large, engine.large_ring, engine.large_top, lots[:count], large
        )
    ended[count], lots[count], whose[count] = len(ts), 0, 0
    if engine.on.tape:
        windows.add_trades(engine.tape, tape, ts, price, size, way, ended, lots, whose, large)


@njit(cache=True)
def _measure(engine, cells, hist, buckets, tape, ts, price, size, way):  # type: ignore[no-untyped-def]
    """Let everything that fires nothing see a span of plain trades."""
    on = engine.on
    footprint.add_trades(engine.bar, cells, ts, price, size, way)
    engine.quality.unclassified += delta.add_trades(engine.cvd, ts, size, way)
    if on.profile:
        profile.add_trades(engine.profile, hist, ts, price, size, way)
    if on.vwap:
        vwap.add_trades(engine.vwap, ts, price, size)
    if on.large or on.tape:
        _parents(engine, tape, ts, price, size, way)
    if on.vpin:
        vpin.add_trades(engine.vpin, buckets, size, way)
    if on.impact:
        impact.add_trades(engine.kyle, engine.kyle_ring, ts, price, size, way)
        impact.add_prices(engine.roll, engine.roll_ring, price)
    engine.last_ts = ts[-1]
    engine.quality.trades += len(ts)


@njit(cache=True)
def run(state, arena, tape, tails, ts, price, size, side, start):  # type: ignore[no-untyped-def]
    """Take trades until one is not simply taken: its index and what it said."""
    engine = state[0]
    cells, bursts = piece(engine, arena, 0), piece(engine, arena, 1)
    hist, rows = piece(engine, arena, 2), piece(engine, arena, 3)
    prints, buckets = piece(engine, arena, 4), piece(engine, arena, 5)
    ways = np.empty(SPAN, np.int64)
    i = start
    while i < len(ts):
        stop = _plain(engine, cells, hist, tape, ts, price, size, i)
        if stop - i >= SHORTEST:
            stop, code = _patterns(
                engine, bursts, rows, prints, ts, price, size, side, ways, i, stop
            )
            if stop > i:
                _measure(
                    engine, cells, hist, buckets, tape,
                    ts[i:stop], price[i:stop], size[i:stop], ways[: stop - i],
                )  # fmt: skip
                i = stop
                if code != 0:
                    return i - 1, code
                continue
        code = step(state, arena, tape, tails, ts[i], price[i], size[i], np.int64(side[i]))
        if code != 0:
            return i, code
        i += 1
    return len(ts), 0
