"""The compiled loop over merged events: trades and book changes in, feature vectors out.

An event is a row of seven numbers, `book.DELTA_COLUMNS`; a trade has the action 0 and its aggressor
as the side. A vector for grid time t knows all events up to t and is written in front of the first
event after it. The loop stops where Python must act (a bar or session ended, an array must grow,
the vectors have no more room) and takes the same event again.

A snapshot that makes an untrusted book whole is held back until the next book message, and taken at
its time. Venues give such snapshots no time of their own: a recorder may have noted when it came, a
live adapter gives them the time of this machine, and what is computed must not depend on either.
"""

import numpy as np
from numba import njit

from of_nautilus.core import (
    book_flow,
    book_measures,
    footprint,
    impact,
    large_trades,
    microprice,
    ofi,
    profile,
    vpin,
    vwap,
    windows,
)
from of_nautilus.core.book_flow import BookArrays, placed
from of_nautilus.core.direct import array_at, table_at
from of_nautilus.core.imbalance import find_stacks, flag_rows
from of_nautilus.core.record import FLOAT, INT
from of_nautilus.core.windows import TAIL, TAPE_ENTRY
from of_nautilus.model import seconds, vector
from of_nautilus.model.state import FEATURES, TradeArrays

NEVER = 0x7FFFFFFFFFFFFFFF
SILENCE = 60_000_000_000  # so long after the last event there are no more vectors
LEAST_BARS = 30
# What the loop says, besides the book's own codes, which are below 0.
DONE, BAR_CLOSED, SESSION_ENDED, FULL, GROW_TAPE, GROW_PARENTS, GROW_PROFILE, GROW_CELLS = range(8)
HOLD, RELEASE = 8, 9


@njit(cache=True)
def set_next_due(s):  # type: ignore[no-untyped-def]
    """Find out when something is due next: a vector just after its grid time."""
    s.next_due = min(s.next_grid + 1, s.session_end)
    if s.bar.trades > 0:
        s.next_due = min(s.next_due, s.bar.close_ts)


@njit(cache=True)
def due_of_python(s):  # type: ignore[no-untyped-def]
    """Return what Python must do before the next vector, or 0 if the vector is first."""
    if s.bar.trades > 0 and min(s.bar.close_ts, s.session_end) <= s.next_grid:
        return 1
    return 2 if s.session_end <= s.next_grid else 0


@njit(cache=True)
def end_parent(s, parents):  # type: ignore[no-untyped-def]
    """Count the market order whose prints came last, and judge its size by those before it."""
    lots = s.parent_lots
    if lots == 0:
        return
    large = s.large
    count = large.seen
    if count >= 30 and lots * count > 2 * s.large_lots:
        s.big_ts = s.parent_ts
    s.large_lots += lots - large_trades.oldest_size(large, s.large_ring)
    is_large = large_trades.add_size(large, s.large_ring, s.large_top, lots)
    windows.add_trade(s.parents, parents, s.parent_ts, s.parent_price, 1, s.parent_side)
    windows.add_parent(s.parents, lots, s.parent_side, is_large)
    s.parent_lots = 0


@njit(cache=True)
def write_vector(s, flow, book, trades, out):  # type: ignore[no-untyped-def]
    """Bring everything to the grid's time and write its vector."""
    t = s.next_grid
    ofi.advance(flow.ofi, book.rows, book.history, t)
    book_measures.add_spread(flow.spread, t, flow.spread.in_force)
    seconds.sample_before(s.seconds, t + 1)
    if impact.is_due(s.kyle, t):
        impact.close_cells(s.kyle, s.kyle_ring, t)
    end_parent(s, trades.parents)
    vector.write_flow(s, flow, book.history, t, out)
    vector.write_depth(s, flow, book.top, out)
    usual = vector.write_trades(s, trades, t, out)
    vector.write_shape(s, flow, book, usual, out)
    vector.write_technical(s, t, out)
    vector.write_time(s, t, out)
    vector.write_toxicity(s, trades, out)
    vector.write_context(s, out)


@njit(cache=True)
def lacks_room(s, tape, tape_tails, parents, parent_tails, hist, cells, ts, price):  # type: ignore[no-untyped-def]
    """Return what must grow before a trade at `price` can be taken, or 0."""
    if windows.is_full(s.tape, tape) and not windows.make_room(s.tape, tape, tape_tails, ts):
        return 4
    if not has_parent_room(s, parents, parent_tails, ts):
        return 5
    if s.profile.trades > 0:
        at = price // s.profile.ticks_per_row - s.profile.base_row
        if at < 0 or at >= hist.shape[1]:
            return 6
    if s.bar.trades > 0:
        at = price // s.bar.ticks_per_row - s.bar.base_row
        if at < 0 or at >= len(cells):
            return 7
    return 0


@njit(cache=True)
def has_parent_room(s, parents, tails, ts):  # type: ignore[no-untyped-def]
    """Return whether one more market order fits into the rolling windows."""
    if not windows.is_full(s.parents, parents):
        return True
    return windows.make_room(s.parents, parents, tails, ts)


@njit(cache=True)
def take_trade(s, tape, parents, hist, cells, buckets, ts, price, size, side):  # type: ignore[no-untyped-def]
    """Take a trade for which there is room."""
    if ts != s.parent_ts or side != s.parent_side:
        end_parent(s, parents)
    s.parent_ts = ts
    s.parent_side = side
    s.parent_lots += size
    s.parent_price = price
    s.cvd += side * size
    windows.add_trade(s.tape, tape, ts, price, size, side)
    profile.add_trade(s.profile, hist, ts, price, size, side)
    vwap.add_trade(s.vwap, ts, price, size)
    if s.on_vpin:
        vpin.add_volume(s.vpin, buckets, size, side)
    if impact.is_due(s.kyle, ts):
        impact.close_cells(s.kyle, s.kyle_ring, ts)
    impact.add_trade(s.kyle, price, size, side)
    footprint.add_trade(s.bar, cells, ts, price, size, side)
    if s.bar.trades == 1:
        s.next_due = min(s.next_due, s.bar.close_ts)


@njit(cache=True)
def take_book(s, book, ts):  # type: ignore[no-untyped-def]
    """Take the book (a BOOK record) after a batch."""
    microprice.add_quote(
        s.micro, book.bid, book.bid_size, book.ask, book.ask_size, book.trusted, book.epoch
    )
    s.seconds.in_force = 0
    if book.trusted:
        s.seconds.in_force = book.bid + book.ask
        if impact.is_due(s.kyle, ts):
            impact.close_cells(s.kyle, s.kyle_ring, ts)
        impact.add_mid(s.kyle, book.bid + book.ask)


@njit(cache=True)
def write_due(s, flow, book, trades, out, times, ts):  # type: ignore[no-untyped-def]
    """Write the vectors that are due by `ts`; return what Python must do first, or 0."""
    while ts >= s.next_due:
        code = due_of_python(s)
        if code != 0:
            return code
        if s.next_grid - s.now > SILENCE:
            s.next_grid = -(-ts // s.sample) * s.sample
        else:
            if s.written >= len(out):
                return 3
            if not has_parent_room(s, trades.parents, trades.parent_tails, s.next_grid):
                return 5
            write_vector(s, flow, book, trades, out[s.written])
            times[s.written] = s.next_grid
            s.written += 1
            s.next_grid += s.sample
        set_next_due(s)
    return 0


@njit(cache=True)
def run(places, book_places, events, start, stop):  # type: ignore[no-untyped-def]
    """Take the events from `start` to `stop`: where it stopped, and what it said (DONE, ...).

    `places` are those of the FEATURES record, the `TradeArrays`, and room for vectors and times.
    """
    s = array_at(places, 0, FEATURES)[0]
    tape, tape_tails = array_at(places, 1, TAPE_ENTRY), array_at(places, 2, TAIL)
    parents, parent_tails = array_at(places, 3, TAPE_ENTRY), array_at(places, 4, TAIL)
    hist, cells = table_at(places, 5, INT), table_at(places, 6, INT)
    buckets = table_at(places, 7, INT)
    out, times = table_at(places, 8, FLOAT), array_at(places, 9, INT)
    trades = TradeArrays(tape, tape_tails, parents, parent_tails, hist, cells, buckets)
    flow, window, blocks, far, top, rows, history, prints, flows, consumed = placed(book_places)
    book = BookArrays(window, blocks, far, top, rows, history, prints, flows, consumed)
    for i in range(start, stop):
        event = events[i]
        if event[0] != 0 and s.holding != 2:
            if s.holding == 1:
                return i, 9
            if event[0] == 4 and not flow.book.trusted:
                return i, 8
        ts = max(event[6], s.now)
        if ts >= s.next_due:
            code = write_due(s, flow, book, trades, out, times, ts)
            if code != 0:
                return i, code
        if ts > s.seconds.next_second:
            seconds.sample_before(s.seconds, ts)
        if event[0] == 0:
            price, size, side = event[2], event[3], event[1]
            if size <= 0:
                continue
            inside = ts >= s.session_start
            code = 0
            if inside:
                code = lacks_room(
                    s, tape, tape_tails, parents, parent_tails, hist, cells, ts, price
                )
            if code == 0:
                code = book_flow.add_trade(flow, window, far, prints, flows, ts, price, size, side)
            if code != 0:
                return i, code
            if inside:
                take_trade(s, tape, parents, hist, cells, buckets, ts, price, size, side)
        else:
            code = book_flow.add_delta(
                flow, window, blocks, far, top, rows, history, prints, flows, consumed, event, ts
            )
            if code < 0:
                return i, code
            if code == 1:
                take_book(s, flow.book, ts)
        s.now = ts
    return stop, 0


@njit(cache=True)
def start_session(state, hist, start, end):  # type: ignore[no-untyped-def]
    """Begin a session: profile and VWAP start anew, vectors go on from the last event."""
    s = state[0]
    s.session_start = start
    s.session_end = end
    profile.start_profile(s.profile, hist)
    vwap.start_vwap(s.vwap)
    s.next_grid = -(-max(s.now, start) // s.sample) * s.sample
    set_next_due(s)


@njit(cache=True)
def close_bar(state, cells, closed, rules, deltas):  # type: ignore[no-untyped-def]
    """Copy the open bar to `closed` and read it; return the usual |delta| of the bars before it.

    `rules` holds the imbalance rule, whose least volume follows the size of large market orders.
    The usual is the median of `deltas`, a ring; NaN until LEAST_BARS are there.
    """
    s = state[0]
    rule = rules[0]
    bar = s.bar
    bar.cvd = s.cvd
    bar.close_ts = min(bar.close_ts, s.session_end)
    closed[0] = bar
    impact.add_bar(s.amihud, s.amihud_ring, bar.close, bar.dollars)
    rule.own_min = 1
    if s.large.seen >= s.large.window:
        rule.own_min = max(1, int(large_trades.read_quantile(s.large, s.large_top)))
    used = cells[bar.low_row - bar.base_row : bar.high_row - bar.base_row + 1]
    flags = np.zeros(len(used), np.int8)
    flag_rows(rule, used, flags)
    s.imbalances = 0.0
    for flag in flags:
        s.imbalances += (flag & 1) - ((flag >> 1) & 1)
    stacks = np.empty((2 * len(used), 3), np.int64)
    net = 0
    for k in range(find_stacks(rule, used, flags, stacks)):
        net += stacks[k, 2]
    s.stacked[s.bars_closed % len(s.stacked)] = net
    count = min(s.bars_closed, len(deltas))
    usual = np.median(deltas[:count]) if count >= LEAST_BARS else np.nan
    deltas[s.bars_closed % len(deltas)] = abs(bar.buy - bar.sell)
    s.bars_closed += 1
    footprint.start_bar(bar, cells)
    set_next_due(s)
    return usual
