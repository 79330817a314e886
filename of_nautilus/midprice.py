"""The path of a market's price: mid prices, or those of trades where there are no quotes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numba import njit

from of_nautilus.core.book import apply_delta, end_batch, new_book
from of_nautilus.core.ladder import grow_far
from of_nautilus.core.record import Ints
from of_nautilus.ingest.columns import (
    Columns,
    DeltaColumns,
    DepthColumns,
    QuoteColumns,
)
from of_nautilus.ingest.fixedpoint import increment_units
from of_nautilus.scan import Market, to_steps, whole_microseconds


@dataclass(frozen=True, slots=True)
class PricePath:
    """A market's price over time, where it changes.

    Attributes
    ----------
    ts : int64 array
        When, ns UTC, ascending.
    mid : int64 array
        Price from then on, half ticks.
    spread : int64 array
        Ask less bid, ticks; one tick where there are only trades.
    spans : int64 array
        Rows of (first, last): stretches of open market with data, ns UTC, ascending and apart.
    basis : str
        "quotes", "book" or "trades".
    """

    ts: Ints
    mid: Ints
    spread: Ints
    spans: Ints
    basis: str

    def at(self, ts: Ints) -> Ints:
        """Return the index of the last price at or before each time."""
        return np.searchsorted(self.ts, ts, side="right") - 1


def read_path(market: Market, sessions: Iterable[tuple[int, int]]) -> PricePath:
    """Return a market's price path: from quotes, else from the book, else from trades.

    Parameters
    ----------
    market : Market
    sessions : iterable of (int, int)
        Start and end of each session, ns UTC, ascending; those that touch are one span.
    """
    rows, basis = np.zeros((0, 3), np.int64), "trades"
    for name, reader in _READERS:
        parts = [part for part in reader(market) if len(part)]
        if parts:
            rows, basis = np.concatenate(parts), name
            break
    ts = np.maximum.accumulate(rows[:, 0]) if len(rows) else rows[:, 0]
    bid, ask = rows[:, 1], rows[:, 2]
    mid = bid + ask
    spread = np.where(ask > bid, ask - bid, 1)
    changed = np.ones(len(ts), bool)
    changed[1:] = (np.diff(mid) != 0) | (np.diff(spread) != 0)
    ends = (int(ts[0]), int(ts[-1])) if len(ts) else (0, -1)
    return PricePath(ts[changed], mid[changed], spread[changed], open_spans(sessions, *ends), basis)


def open_spans(sessions: Iterable[tuple[int, int]], first: int, last: int) -> Ints:
    """Return the stretches of open market within [first, last].

    >>> open_spans([(0, 10), (10, 20), (30, 40)], 5, 35).tolist()
    [[5, 20], [30, 35]]
    """
    spans: list[list[int]] = []
    for start, end in sessions:
        low, high = max(start, first), min(end, last)
        if low >= high:
            continue
        if spans and low <= spans[-1][1]:
            spans[-1][1] = high
        else:
            spans.append([low, high])
    return np.array(spans, np.int64).reshape(-1, 2)


def _step(market: Market, precision: int) -> int:
    return increment_units(market.instrument.price_increment, precision)


def _quotes(market: Market) -> Iterator[Ints]:
    for piece in market.pieces(QuoteColumns):
        yield _two_sided(market, piece, piece.bid_price, piece.ask_price)


def _depths(market: Market) -> Iterator[Ints]:
    for piece in market.pieces(DepthColumns):
        yield _two_sided(market, piece, piece.bid_price[:, 0], piece.ask_price[:, 0])


def _two_sided(market: Market, piece: Columns, bid: Ints, ask: Ints) -> Ints:
    step = _step(market, piece.price_precision)
    rows = np.column_stack(
        [whole_microseconds(piece.ts_event), to_steps(bid, step), to_steps(ask, step)]
    )
    return rows[(bid > 0) & (ask > bid)]


def _trades(market: Market) -> Iterator[Ints]:
    for ts, price, _, _ in market.trades():
        kept = np.concatenate([[True], np.diff(price) != 0])
        yield np.column_stack([ts, price, price])[kept]


def _book(market: Market) -> Iterator[Ints]:
    state, window, blocks, far = new_book()
    last = np.zeros(2, np.int64)
    for piece in market.pieces(DeltaColumns):
        size_step = increment_units(market.instrument.size_increment, piece.size_precision)
        deltas = np.column_stack(
            [
                piece.action,
                np.array([0, 1, 2], np.int64)[piece.side],
                to_steps(piece.price, _step(market, piece.price_precision)),
                to_steps(piece.size, size_step),
                piece.flags,
                piece.sequence,
                whole_microseconds(piece.ts_event),
            ]
        ).astype(np.int64)
        out = np.zeros((len(deltas), 3), np.int64)
        at = count = 0
        while True:
            at, count = _tops(state, window, blocks, far, deltas, at, out, count, last)
            if at == len(deltas):
                break
            far = grow_far(far)
        yield out[:count]


@njit(cache=True)
def _tops(state, window, blocks, far, deltas, start, out, count, last):  # type: ignore[no-untyped-def]
    """Follow a book; write time, best bid and ask where they change. Return as `run_book` does."""
    book = state[0]
    for i in range(start, len(deltas)):
        row = deltas[i]
        before = apply_delta(
            book, window, blocks, far, row[0], row[1], row[2], row[3], row[4], row[5], row[6]
        )
        if before < 0:
            return i, count
        if row[4] & 128:
            end_batch(book, window, far)
            if book.trusted and (book.bid != last[0] or book.ask != last[1]):
                last[0] = book.bid
                last[1] = book.ask
                out[count, 0] = row[6]
                out[count, 1] = book.bid
                out[count, 2] = book.ask
                count += 1
    return len(deltas), count


_READERS = (("quotes", _quotes), ("book", _depths), ("book", _book), ("trades", _trades))
