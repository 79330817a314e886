"""All that is read from an instrument's book, advanced together: one call a batch of deltas.

The record nests the book, OFI, the tracker, resilience and the spread's history; this is the order
in which they see things. A trade goes to the tracker and to resilience. A delta goes to the book
and, as a change of one level, to the tracker. The end of a batch brings `top` up to date, and from
it OFI, the spread, and resilience; the rest of the measures are computed when they are read.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from of_nautilus.core import book as book_
from of_nautilus.core import book_measures, book_tracker, ofi, resilience
from of_nautilus.core.book import BOOK, DELTA_COLUMNS, apply_delta, apply_depth, new_top, read_top
from of_nautilus.core.book_measures import SPREAD, depth_of
from of_nautilus.core.book_tracker import TRACKER, add_change, add_snapshot_level
from of_nautilus.core.direct import Places, array_at, cube_at, direct, table_at
from of_nautilus.core.ladder import grow_far
from of_nautilus.core.ofi import OFI
from of_nautilus.core.record import INT, Ints, State, allocate, digest, record
from of_nautilus.core.resilience import RESILIENCE
from of_nautilus.core.ticks import steps_of, whole_microseconds

GROW_ROWS = -5
SHOCK_LEVELS = 10  # best levels whose depth resilience follows
# Handing all these arrays from function to function costs more than the work itself, so what runs
# with every delta is written into its caller: `inline="always"` halves the time.

BOOK_FLOW = record(
    ("book", BOOK),
    ("ofi", OFI),
    ("tracker", TRACKER),
    ("resilience", RESILIENCE),
    ("spread", SPREAD),
)


class BookArrays(NamedTuple):
    """The arrays beside the record, as one argument of the compiled code.

    Reading one counts a reference: loops unpack them once.
    """

    window: Ints
    blocks: Ints
    far: Ints
    top: Ints
    rows: Ints
    history: Ints
    prints: Ints
    flows: Ints
    consumed: Ints


@njit(cache=True)
def add_trade(  # type: ignore[no-untyped-def]
    flow, window, far, prints, flows, ts, price, size, side
):
    """Take one trade; 0, or a GROW code of the tracker before anything changed."""
    code = book_tracker.add_trade(
        flow.tracker, prints, flows, flow.book, window, far, price, size, side
    )
    if code == 0:
        resilience.add_trade(flow.resilience, ts, size, side)
    return code


@njit(cache=True, inline="always")
def _end_batch(  # type: ignore[no-untyped-def]
    flow, window, blocks, far, top, rows, history, prints, flows
):
    book = flow.book
    book_tracker.end_batch(
        flow.tracker, prints, flows, book, window, far, book.clearing or not book.complete
    )
    book_.end_batch(book, window, far)
    _read(flow, window, blocks, far, top, rows, history)


@njit(cache=True, inline="always")
def _read(flow, window, blocks, far, top, rows, history):  # type: ignore[no-untyped-def]
    book = flow.book
    read_top(book, window, blocks, far, top)
    flow.ofi.from_snapshots |= book.from_snapshots
    ofi.add_top(flow.ofi, rows, history, book.ts, top, book.trusted, book.epoch)
    if book.trusted:
        book_measures.add_spread(flow.spread, book.ts, book.ask - book.bid)
        bids, asks = depth_of(top, 0, SHOCK_LEVELS), depth_of(top, 1, SHOCK_LEVELS)
        resilience.add_depth(flow.resilience, book.ts, bids, asks)
    else:
        book_measures.add_spread(flow.spread, book.ts, 0)
        resilience.lose_book(flow.resilience)


@njit(cache=True, inline="always")
def add_delta(  # type: ignore[no-untyped-def]
    flow,
    window,
    blocks,
    far,
    top,
    rows,
    history,
    prints,
    flows,
    consumed,
    delta,
    ts,
):
    """Take one delta (a row of `DELTA_COLUMNS`, as of `ts`).

    Return 1 if it ended a batch, 0 if not, or a GROW code before anything changed.
    """
    action, side, price, size = delta[0], delta[1], delta[2], delta[3]
    flags, sequence = delta[4], delta[5]
    book = flow.book
    ends = flags & 128
    if ends and not ofi.has_room(flow.ofi, rows, history, max(ts, book.ts)):
        return -5
    code = book_tracker.room(flow.tracker, flows, consumed, ts)
    if code != 0:
        return code
    before = apply_delta(book, window, blocks, far, action, side, price, size, flags, sequence, ts)
    if before < 0:
        return before
    if 1 <= action <= 3 and 1 <= side <= 2 and size >= 0:
        after = size if action < 3 else 0
        if book.clearing:
            add_snapshot_level(flows, side - 1, price, after)
        else:
            add_change(
                flow.tracker,
                prints,
                flows,
                consumed,
                top,
                side - 1,
                price,
                before,
                after,
                book.ts,
            )
    if ends:
        _end_batch(flow, window, blocks, far, top, rows, history, prints, flows)
        return 1
    return 0


@njit(inline="always")
def placed(places):  # type: ignore[no-untyped-def]
    """Return the record and the arrays of `BookArrays` from `BookFlow.places` (compiled)."""
    return (
        array_at(places, 0, BOOK_FLOW)[0],
        table_at(places, 1, INT),
        table_at(places, 2, INT),
        cube_at(places, 3, INT),
        cube_at(places, 4, INT),
        table_at(places, 5, INT),
        table_at(places, 6, INT),
        table_at(places, 7, INT),
        table_at(places, 8, INT),
        cube_at(places, 9, INT),
    )


@njit(cache=True)
def _run(places, deltas, start, stop):  # type: ignore[no-untyped-def]
    """Take the deltas from `start` to `stop`: `stop`, or a GROW code and where to go on."""
    flow, window, blocks, far, top, rows, history, prints, flows, consumed = placed(places)
    for i in range(start, stop):
        code = add_delta(
            flow, window, blocks, far, top, rows, history, prints, flows, consumed,
            deltas[i], deltas[i, 6],
        )  # fmt: skip
        if code < 0:
            return i, code
    return stop, 0


@njit(cache=True)
def _step_trade(places, ts, price, size, side):  # type: ignore[no-untyped-def]
    flow, window, _, far, _, _, _, prints, flows, _ = placed(places)
    return add_trade(flow, window, far, prints, flows, ts, price, size, side)


@njit(cache=True)
def _step_tick(places, ts, price, tick, size, lot, side):  # type: ignore[no-untyped-def]
    ticks, _ = steps_of(price, tick)
    lots, _ = steps_of(size, lot)
    return _step_trade(places, whole_microseconds(ts), ticks, lots, side)


@njit(cache=True)
def _step_depth(state, arrays, picture, sequence, ts):  # type: ignore[no-untyped-def]
    flow = state[0]
    book = flow.book
    window, blocks, far, top, rows, history, prints, flows, consumed = arrays
    if far.shape[1] < picture.shape[1]:
        return -1
    if not ofi.has_room(flow.ofi, rows, history, max(ts, book.ts)):
        return -5
    known = book.complete
    if known:
        seen = top[:, : picture.shape[1]]
        code = book_tracker.add_picture(
            flow.tracker, prints, flows, consumed, seen, picture, max(ts, book.ts)
        )
        if code != 0:
            return code
    apply_depth(book, window, blocks, far, picture, sequence, ts)
    book_tracker.end_batch(flow.tracker, prints, flows, book, window, far, not known)
    _read(flow, window, blocks, far, top, rows, history)
    return 0


@njit(cache=True)
def _step_end(state, arrays):  # type: ignore[no-untyped-def]
    window, blocks, far, top, rows, history, prints, flows, _ = arrays
    if not ofi.has_room(state[0].ofi, rows, history, state[0].book.ts):
        return -5
    _end_batch(state[0], window, blocks, far, top, rows, history, prints, flows)
    return 0


@njit(cache=True)
def _step_measures(out, state, top, per_lots):  # type: ignore[no-untyped-def]
    book_measures.read_measures(out[0], state[0].book, state[0].spread, top, per_lots)


@njit(cache=True)
def _step_consumed(state, consumed, side, ts, span):  # type: ignore[no-untyped-def]
    return book_tracker.consumed_within(state[0].tracker, consumed, side, ts, span)


class Consumed(NamedTuple):
    """Levels that trades consumed on one side, best first."""

    levels: int
    lots: int
    start: int  # ticks: the first price that went
    end: int  # and the last
    thin: int  # thin levels of the side before the first went


class BookFlow:
    """The book of one instrument and all that is read from it.

    Parameters
    ----------
    span, contiguous
        See `book.new_book`.
    ofi_depth, ofi_windows
        See `ofi.new_ofi`; `ofi_depth` <= `depth`.
    min_lots, memory, thin_lots
        See `book_tracker.new_tracker`.
    dt
        See `resilience.new_resilience`.
    depth : int
        Levels in `top`, >= 1. Thin levels look at 20 of them.

    Examples
    --------
    >>> import numpy as np
    >>> flow = BookFlow()
    >>> rows = (4, 0, 0, 0, 32, 1, 0), (1, 1, 100, 30, 32, 1, 0), (1, 2, 101, 10, 160, 1, 0)
    >>> flow.apply(np.array(rows))
    >>> flow.measures()["imbalance_1"].item()
    0.5
    """

    def __init__(
        self,
        span: int = 32_768,
        contiguous: bool = False,
        ofi_depth: int = 5,
        ofi_windows: tuple[float, float, float] = (10.0, 60.0, 300.0),
        min_lots: int = 1,
        memory: float = 10.0,
        thin_lots: int = 0,
        dt: float = 3.0,
        depth: int = 20,
    ) -> None:
        if depth < ofi_depth:
            raise ValueError(f"`depth` must be >= `ofi_depth` ({ofi_depth}), was {depth}")
        self.state: State = allocate(BOOK_FLOW)
        book, self.window, self.blocks, self.far = book_.new_book(span, contiguous=contiguous)
        flow_ofi, self.rows, self.history = ofi.new_ofi(ofi_depth, ofi_windows)
        tracker, self.prints, self.flows, self.consumed_levels = book_tracker.new_tracker(
            min_lots, memory, thin_lots
        )
        self.top = new_top(depth)
        self._nothing = book_measures.new_reading()
        self.state["book"], self.state["ofi"], self.state["tracker"] = book, flow_ofi, tracker
        self.state["resilience"] = resilience.new_resilience(dt)
        self._bind()

    def _bind(self) -> None:
        """Hand the arrays to the compiled code; to be done when one is another."""
        self.places = Places(self.state, *self.arrays)
        owned = (self.places,)
        self._trade = direct(_step_trade, owned, 0, 0, 0, 0)
        self._tick = direct(_step_tick, owned, 0, 0.0, 0.0, 0.0, 0.0, 0)
        self._run = direct(_run, owned, np.zeros((1, len(DELTA_COLUMNS)), np.int64), 0, 0)

    @property
    def arrays(self) -> BookArrays:
        """What the compiled code takes beside `state`; others after an array has grown."""
        return BookArrays(
            self.window,
            self.blocks,
            self.far,
            self.top,
            self.rows,
            self.history,
            self.prints,
            self.flows,
            self.consumed_levels,
        )

    def trade(self, ts: int, price: int, size: int, side: int) -> None:
        """Take a trade: ns, ticks, lots, aggressor (+1, -1, 0)."""
        while code := self._trade(ts, price, size, side):
            self.grow(code)

    def tick(self, ts: int, price: float, tick: float, size: float, lot: float, side: int) -> None:
        """Take a trade in decimals, and what one tick and one lot are."""
        while code := self._tick(ts, price, tick, size, lot, side):
            self.grow(code)

    def apply(self, deltas: Ints, count: int = -1) -> None:
        """Take the first `count` rows of `deltas`, or all; columns are `book.DELTA_COLUMNS`.

        Batches end at the flag F_LAST.
        """
        deltas = np.ascontiguousarray(deltas, np.int64)
        at, stop = 0, len(deltas) if count < 0 else count
        while True:
            at, code = self._run(deltas, at, stop)
            if code == 0:
                return
            self.grow(code)

    def end_batch(self) -> None:
        """End a batch that no F_LAST ended."""
        while _step_end(self.state, self.arrays):
            self.grow(GROW_ROWS)

    def apply_depth(self, picture: Ints, sequence: int, ts: int) -> None:
        """Take a depth picture, (2, n, 2): price and lots of bids and asks, 0 lots for no level."""
        if picture.shape[1] > self.top.shape[1]:
            raise ValueError(
                f"`picture` must have <= {self.top.shape[1]} levels, was {picture.shape[1]}"
            )
        while True:
            code = _step_depth(self.state, self.arrays, picture, sequence, ts)
            if code == 0:
                return
            self.grow(code)

    def grow(self, code: int) -> None:
        """Make room for what the compiled code stopped in front of; it says for what."""
        if code == book_.GROW:
            self.far = grow_far(self.far)
        elif code == book_tracker.GROW_PRINTS:
            self.prints = book_tracker.grow_prints(self.prints)
        elif code == book_tracker.GROW_FLOWS:
            self.flows = book_tracker.grow_flows(self.flows)
        elif code == book_tracker.GROW_CONSUMED:
            self.consumed_levels = book_tracker.grow_consumed(
                self.state["tracker"], self.consumed_levels
            )
        else:
            self.rows = ofi.grow_rows(self.state["ofi"], self.rows)
        self._bind()

    def mark_gap(self) -> None:
        """Distrust the book until its next snapshot: updates were lost."""
        book_.mark_gap(self.state[0].book)

    def start_session(self) -> None:
        """Start a session: flows by level from zero, OFI compares with nothing, weights refit."""
        book_tracker.start_session(self.state[0].tracker, self.flows)
        ofi.forget_previous(self.state[0].ofi)
        ofi.refit(self.state["ofi"])

    def measures(self, per_lots: float = 100.0) -> State:
        """Return what the book shows now, one READING record; slopes for `per_lots` lots."""
        out = self._nothing.copy()
        _step_measures(out, self.state, self.top, per_lots)
        return out

    def consumed(self, side: int, ts: int, span: int) -> Consumed:
        """Return what trades consumed on a side (0 bids, 1 asks) in (ts - span, ts], ns."""
        return Consumed(*_step_consumed(self.state, self.consumed_levels, side, ts, span))

    def digest(self) -> str:
        """Return the SHA-256 of all state."""
        return digest(
            self.state,
            self.window,
            self.far[:, : int(self.state["book"]["far_levels"].max())],
            self.top,
            self.rows,
            self.history,
            self.flows,
            self.consumed_levels,
        )
