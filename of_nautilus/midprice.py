"""The path of a market's price: mid prices, or those of trades where there are no quotes.

A silence much longer than the market's own is a gap: nobody recorded, or nobody traded. How long
that is follows from the data, as the trades of a thin coin stand still for minutes every night, and
those of a large market never do: ten times the silence that one in a hundred exceeds, and at least
a minute.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

from of_nautilus.core.book import apply_delta, end_batch, new_book
from of_nautilus.core.ladder import grow_far
from of_nautilus.core.record import Ints
from of_nautilus.core.sessions import MINUTE
from of_nautilus.ingest.columns import (
    Columns,
    DeltaColumns,
    DepthColumns,
    QuoteColumns,
)
from of_nautilus.ingest.fixedpoint import increment_units
from of_nautilus.scan import Market, to_steps, whole_microseconds

_LEAST_GAP, _USUAL, _TIMES = MINUTE, 0.01, 10
_Told = tuple[Ints, Ints]  # rows of time, bid and ask; and when there was a price, changed or not


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
    rows, basis, stretches = np.zeros((0, 3), np.int64), "trades", _Stretches()
    for name, reader in _READERS:
        parts = []
        for part, told in reader(market):
            if len(told):
                stretches.add(told)
                parts.append(part)
        if parts:
            rows, basis = np.concatenate(parts), name
            break
    ts = np.maximum.accumulate(rows[:, 0]) if len(rows) else rows[:, 0]
    bid, ask = rows[:, 1], rows[:, 2]
    mid = bid + ask
    spread = np.where(ask > bid, ask - bid, 1)
    changed = np.ones(len(ts), bool)
    changed[1:] = (np.diff(mid) != 0) | (np.diff(spread) != 0)
    spans = open_spans(sessions, stretches.found())
    return PricePath(ts[changed], mid[changed], spread[changed], spans, basis)


class _Stretches:
    """The stretches of time between gaps, from the times at which a price was told, in pieces."""

    def __init__(self) -> None:
        self._first = self._last = -1
        self._count = 0
        self._long: list[Ints] = []

    def add(self, ts: Ints) -> None:
        """Take more times, at least one."""
        if self._first < 0:
            self._first = self._last = int(ts[0])
        ts = np.maximum.accumulate(np.concatenate(([self._last], ts)))
        silences = np.diff(ts)
        self._count += int(np.count_nonzero(silences))
        # Shorter ones make no limit above the least.
        at = np.flatnonzero(silences > _LEAST_GAP // _TIMES)
        self._long.append(np.column_stack((ts[at], ts[at + 1])))
        self._last = int(ts[-1])

    def found(self) -> list[tuple[int, int]]:
        """Return the first and last time of each stretch, ns."""
        if self._first < 0:
            return []
        long = np.concatenate(self._long)
        silences = long[:, 1] - long[:, 0]
        exceed = int(self._count * _USUAL)
        usual = np.sort(silences)[-exceed - 1] if exceed < len(long) else 0
        gaps = long[silences > max(_LEAST_GAP, _TIMES * usual)]
        edges = [self._first, *gaps.ravel().tolist(), self._last]
        return list(zip(edges[::2], edges[1::2], strict=True))


def open_spans(sessions: Iterable[tuple[int, int]], stretches: Sequence[tuple[int, int]]) -> Ints:
    """Return the stretches of open market within those with data, both ascending.

    >>> open_spans([(0, 10), (10, 20), (30, 40)], [(5, 14), (16, 32), (34, 35)]).tolist()
    [[5, 14], [16, 20], [30, 32], [34, 35]]
    """
    spans: list[list[int]] = []
    at = 0
    for start, end in sessions:
        while at < len(stretches) and stretches[at][0] < end:
            low, high = max(start, stretches[at][0]), min(end, stretches[at][1])
            if low < high and spans and low <= spans[-1][1]:
                spans[-1][1] = high
            elif low < high:
                spans.append([low, high])
            if stretches[at][1] > end:
                break
            at += 1
    return np.array(spans, np.int64).reshape(-1, 2)


def _step(market: Market, precision: int) -> int:
    return increment_units(market.instrument.price_increment, precision)


def _quotes(market: Market) -> Iterator[_Told]:
    for piece in market.pieces(QuoteColumns):
        yield _two_sided(market, piece, piece.bid_price, piece.ask_price)


def _depths(market: Market) -> Iterator[_Told]:
    for piece in market.pieces(DepthColumns):
        yield _two_sided(market, piece, piece.bid_price[:, 0], piece.ask_price[:, 0])


def _two_sided(market: Market, piece: Columns, bid: Ints, ask: Ints) -> _Told:
    step = _step(market, piece.price_precision)
    rows = np.column_stack(
        [whole_microseconds(piece.ts_event), to_steps(bid, step), to_steps(ask, step)]
    )
    rows = rows[(bid > 0) & (ask > bid)]
    return rows, rows[:, 0]


def _trades(market: Market) -> Iterator[_Told]:
    for ts, price, _, _ in market.trades():
        kept = np.concatenate([[True], np.diff(price) != 0])
        yield np.column_stack([ts, price, price])[kept], ts


def _book(market: Market) -> Iterator[_Told]:
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
        stood = np.zeros(len(deltas), np.bool_)
        at = count = 0
        while True:
            at, count = _tops(state, window, blocks, far, deltas, at, out, count, last, stood)
            if at == len(deltas):
                break
            far = grow_far(far)
        yield out[:count], deltas[stood, 6]


@njit(cache=True)
def _tops(state, window, blocks, far, deltas, start, out, count, last, stood):  # type: ignore[no-untyped-def]
    """Follow a book; write time, best bid and ask where they change. Return as `run_book` does.

    And mark in `stood` where a batch left a book to be trusted.
    """
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
            stood[i] = book.trusted
            if book.trusted and (book.bid != last[0] or book.ask != last[1]):
                last[0] = book.bid
                last[1] = book.ask
                out[count, 0] = row[6]
                out[count, 1] = book.bid
                out[count, 2] = book.ask
                count += 1
    return len(deltas), count


_READERS = (("quotes", _quotes), ("book", _depths), ("book", _book), ("trades", _trades))
