"""A recorded market: its trades, its books and what was found in it, by time."""

from bisect import bisect_right
from pathlib import Path
from typing import Any

import numpy as np

from of_nautilus.core import book as books
from of_nautilus.core.ladder import grow_far
from of_nautilus.core.record import Ints
from of_nautilus.core.sessions import SECOND
from of_nautilus.dashboard.channel import DEPTH
from of_nautilus.dashboard.market import MOST_BOOKS, PRINT, MarketState
from of_nautilus.dashboard.units import Units
from of_nautilus.data import (
    FLOW_TYPES,
    OPERATION_TYPES,
    STRATEGY_TYPES,
    FootprintBar,
    PatternSignal,
    SessionRoll,
)
from of_nautilus.engine import BarClosed, FlowConfig, FlowEngine, SessionClosed, SessionStarted
from of_nautilus.ingest.columns import DeltaColumns, TradeColumns
from of_nautilus.ingest.fixedpoint import increment_units
from of_nautilus.journal import read_journal
from of_nautilus.patterns.signal import Signal
from of_nautilus.scan import Market, to_steps, whole_microseconds

MOST_DELTAS = 6_000_000
_BOOK_EVERY = SECOND // 2


class RecordedMarket:
    """One instrument of a catalog.

    What the catalog's journal tells of it is played as it was published; without its bars an
    engine finds in the trades what it does not tell: bars, sessions or signals.

    Parameters
    ----------
    market : Market
    """

    def __init__(self, market: Market) -> None:
        instrument = market.instrument
        scale = market.scale
        self.symbol = str(instrument.id)
        self.currency = str(instrument.get_settlement_currency())
        self.units = Units(
            float(scale.tick),
            float(scale.lot),
            instrument.price_precision,
            instrument.size_precision,
        )
        self.trades = _trades(market)
        self.events, self._told_at = _events(market, self.trades)
        bars = (event for event in self.events if isinstance(event, FootprintBar))
        self.shape = next(((bar.kind, bar.length, bar.ticks_per_row) for bar in bars), None)
        self.rows, self.books_left_out = _deltas(market)
        self.book_ends = self.rows[:, 6]
        halves = self.book_ends // _BOOK_EVERY
        # How many rows of books there were after each half second that had any.
        self.book_stops = np.flatnonzero(np.diff(halves, append=-1)) + 1

    @property
    def start(self) -> int:
        """Time of the first trade, ns UTC."""
        return int(self.trades["ts"][0])

    @property
    def end(self) -> int:
        """Time of the last trade, ns UTC."""
        return int(self.trades["ts"][-1])

    def sessions(self) -> list[int]:
        """Return when sessions begin, ns UTC."""
        return sorted({event.start for event in self.events if isinstance(event, SessionRoll)})

    def player(self) -> "Player":
        """Return one that plays the market from its start."""
        return Player(self)

    def told_until(self, ts: int) -> int:
        """Return how many things had been published at `ts`."""
        return bisect_right(self._told_at, ts)

    def books_until(self, ts: int) -> int:
        """Return how many rows of books had come at `ts`."""
        return int(np.searchsorted(self.book_ends, ts, "right"))


class Player:
    """Plays a recorded market into a `MarketState`; time goes forward only."""

    def __init__(self, recorded: RecordedMarket) -> None:
        self._recorded = recorded
        self.state = MarketState(
            recorded.symbol,
            recorded.units,
            recorded.currency,
            from_start=True,
            shape=recorded.shape,
        )
        self._trades = self._events = self._rows = self._half = 0
        self._book = _Book()

    def play(self, until: int) -> None:
        """Take all that happened up to `until`, ns UTC, it included."""
        recorded, state = self._recorded, self.state
        told = recorded.told_until(until)
        for event in recorded.events[self._events : told]:
            if isinstance(event, SessionRoll):
                # A leap must meet the hours of sessions as playing does.
                self._play_trades(event.ts_init - 1)
            state.take(event)
        self._events = told
        self._play_trades(until)
        self._play_books(until)

    def _play_trades(self, until: int) -> None:
        traded = int(np.searchsorted(self._recorded.trades["ts"], until, "right"))
        if traded > self._trades:
            self.state.take_trades(self._recorded.trades[self._trades : traded])
            self._trades = traded

    def _play_books(self, until: int) -> None:
        """Take a book of each half second, of the last one as far as it has come."""
        recorded = self._recorded
        last = recorded.books_until(until)
        if last == self._rows:
            return
        first, end = np.searchsorted(recorded.book_stops, (self._rows, last), "right")
        stops = recorded.book_stops[first:end].tolist()
        if not stops or stops[-1] < last:
            stops.append(last)
        # After a leap only the newest are looked at; those before lead to them.
        leapt = max(len(stops) - MOST_BOOKS, 0)
        self.state.book_count += leapt
        for stop in stops[leapt:]:
            self._book.run(recorded.rows, self._rows, stop)
            ts = int(recorded.book_ends[stop - 1])
            again = self._rows > 0 and ts // _BOOK_EVERY == self._half
            self.state.take_book(ts, self._book.top(), again=again)
            self._rows, self._half = stop, ts // _BOOK_EVERY


class _Book:
    def __init__(self) -> None:
        self._state, self._window, self._blocks, self._far = books.new_book()

    def run(self, rows: Ints, start: int, stop: int) -> None:
        while start < stop:
            start = books.run_book(
                self._state, self._window, self._blocks, self._far, rows, start, stop
            )
            if start < stop:
                self._far = grow_far(self._far)

    def top(self) -> Ints | None:
        if not self._state[0].trusted:
            return None
        top = books.new_top(DEPTH)
        # A fresh `top` has seen nothing: all of it is read.
        books.read_top(self._state[0], self._window, self._blocks, self._far, top)
        return top


def _trades(market: Market) -> Any:
    price, size = market.instrument.price_increment, market.instrument.size_increment
    pieces = [np.zeros(0, PRINT)]
    for piece in market.pieces(TradeColumns):
        made = np.zeros(len(piece), PRINT)
        made["ts"] = whole_microseconds(piece.ts_event)
        made["price"] = to_steps(piece.price, increment_units(price, piece.price_precision))
        made["size"] = to_steps(piece.size, increment_units(size, piece.size_precision))
        made["side"] = piece.side
        made["id"] = np.asarray(piece.trade_id).astype("S38")
        pieces.append(made)
    return np.concatenate(pieces)


def _events(market: Market, trades: Any) -> tuple[list[Any], list[int]]:
    name = str(market.instrument.id)
    told: list[Any] = []
    absent = set(FLOW_TYPES)
    journaled = False
    first, last = market.start or 0, market.end
    for kind in (*FLOW_TYPES, *STRATEGY_TYPES, *OPERATION_TYPES):
        table = read_journal(market.catalog, kind, name)
        table = table[table["ts_init"] >= first]
        if last is not None:
            table = table[table["ts_init"] <= last]
        if len(table):
            absent.discard(kind)
            journaled |= kind is FootprintBar
        told += [kind.from_dict(row) for row in table.to_dict("records")]
    # Where bars were told, signals that were not did not fire.
    if absent and not journaled and len(trades):
        told += [event for event in _found(market, trades) if type(event) in absent]
    # Python's sort keeps what was published at one moment in the order of its kinds.
    told.sort(key=lambda event: event.ts_init)
    return told, [event.ts_init for event in told]


def _found(market: Market, trades: Any) -> list[Any]:
    engine, scale, name = FlowEngine(market.scale, FlowConfig()), market.scale, market.instrument.id
    found: list[Any] = []
    ended: SessionClosed | None = None
    columns = (np.ascontiguousarray(trades[c]) for c in ("ts", "price", "size", "side"))
    for event in engine.run_trades(*columns):
        match event:
            case BarClosed():
                at = event.bar.close_ts
                found += [
                    PatternSignal.of(signal, name, scale, at, at_close=True)
                    for signal in event.signals
                ]
                found.append(FootprintBar.of(event, name, scale, at))
            case Signal():
                found.append(PatternSignal.of(event, name, scale, event.ts, at_close=False))
            case SessionClosed():
                ended = event
            case SessionStarted():
                found.append(SessionRoll.of(event, ended, name, scale, event.ts))
    return found


def _deltas(market: Market) -> tuple[Ints, bool]:
    """Return the book's changes by `core.book.DELTA_COLUMNS`; none, and True, if too many."""
    price, size = market.instrument.price_increment, market.instrument.size_increment
    pieces = [np.zeros((0, len(books.DELTA_COLUMNS)), np.int64)]
    count = 0
    for piece in market.pieces(DeltaColumns):
        count += len(piece)
        if count > MOST_DELTAS:
            return pieces[0][:0], True
        side = np.where(piece.side > 0, 1, np.where(piece.side < 0, 2, 0))
        pieces.append(
            np.column_stack(
                (
                    piece.action,
                    side,
                    to_steps(piece.price, increment_units(price, piece.price_precision)),
                    to_steps(piece.size, increment_units(size, piece.size_precision)),
                    piece.flags,
                    piece.sequence,
                    piece.ts_event,
                )
            ).astype(np.int64)
        )
    return np.concatenate(pieces), False


def catalog_markets(catalog: Path, start: int | None, end: int | None) -> list[Market]:
    """Return the instruments of a catalog that it has trades of, in a range of ns UTC."""
    from nautilus_trader.persistence.catalog import ParquetDataCatalog

    found = {str(one.id): one for one in ParquetDataCatalog(str(catalog)).instruments()}
    traded = (catalog / "data" / "trade_tick").glob("*/*.parquet")
    names = {path.parent.name for path in traded}
    return [
        Market(str(catalog), one, start, end)
        for name, one in sorted(found.items())
        if name.replace("/", "") in names
    ]
