"""DashboardFeed: tells a dashboard, which is a process of its own, what a node sees and does."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import LiveClock
from nautilus_trader.model.data import OrderBookDeltas, TradeTick
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.instruments import Instrument

from of_nautilus.core import book as books
from of_nautilus.core.ladder import grow_far
from of_nautilus.core.ticks import MarketScale
from of_nautilus.dashboard.channel import DEPTH, EVENT_TYPES, About, Abouts, NodeSide
from of_nautilus.dashboard.config import DashboardFeedConfig
from of_nautilus.dashboard.rings import RingError
from of_nautilus.data import OperatorCommand, data_type, listen, subscribe_book
from of_nautilus.indicators.base import SIDES
from of_nautilus.indicators.book import DeltaRows

MOST_WAITING = 50_000  # rows of a book
_SOURCE = "dashboard"


class DashboardFeed(Actor):
    """Writes trades, books and all that flow, strategies and journal publish to a channel.

    It only copies: what a dashboard does with it, or that there is none, costs the node nothing.
    Commands that are left in the channel's mailbox are published as `OperatorCommand`, as those of
    the alerts' chat are. Whatever goes wrong here ends the channel, and nothing else.
    """

    def __init__(self, config: DashboardFeedConfig) -> None:
        super().__init__(config)
        self._side: NodeSide | None = None
        self._numbers = {name: i for i, name in enumerate(config.instrument_ids)}
        self._books: dict[InstrumentId, _Book] = {}

    def on_start(self) -> None:
        """Open the channel, and subscribe."""
        instruments = [self.cache.instrument(name) for name in self.config.instrument_ids]
        if None in instruments:
            unknown = self.config.instrument_ids[instruments.index(None)]
            self.log.error(f"no dashboard: instrument not found: instrument_id={unknown}")
            return
        abouts = Abouts(node=str(self.trader_id), markets=tuple(map(_about, instruments)))
        try:
            self._side = self.open_channel(abouts)
        except RingError as error:
            self.log.error(f"no dashboard: {error}")
            return
        for instrument in instruments:
            for kind in EVENT_TYPES:
                listen(self, kind, instrument.id)
            self.subscribe_trade_ticks(instrument.id)
            if self.config.book:
                self._books[instrument.id] = _Book(instrument)
                subscribe_book(self, instrument.id)
        if isinstance(self.clock, LiveClock):
            loop = asyncio.get_running_loop()
            # The host's live timers run on a thread of their own.
            self.clock.set_timer(
                "mailbox",
                pd.Timedelta(milliseconds=self.config.check_ms),
                callback=lambda _: loop.call_soon_threadsafe(self._guarded, self._look),
            )

    def open_channel(self, abouts: Abouts) -> NodeSide:
        """Return what is written to."""
        return NodeSide(Path(self.config.folder), abouts)

    def on_trade_tick(self, tick: TradeTick) -> None:
        """Tell a trade."""
        side = self._side
        if side is None:
            return
        try:
            side.trade(
                tick.ts_event,
                tick.price.as_double(),
                tick.size.as_double(),
                SIDES[tick.aggressor_side],
                self._numbers[tick.instrument_id],
                tick.trade_id.value.encode(),
            )
        except Exception as error:
            self._end(error)

    def on_order_book_deltas(self, deltas: OrderBookDeltas) -> None:
        """Keep the book, and tell its best levels now and then."""
        if self._side is not None:
            self._guarded(partial(self._take_book, deltas))

    def on_data(self, data: Any) -> None:
        """Tell what was published."""
        if self._side is not None:
            self._guarded(partial(self._side.event, data))

    def on_stop(self) -> None:
        """Leave the channel as it is: a dashboard goes on showing what was."""
        self._side = None

    def _take_book(self, deltas: OrderBookDeltas) -> None:
        assert self._side is not None
        name, ts = deltas.instrument_id, deltas.ts_event
        self._tell_changed(name, ts)
        book = self._books[name]
        if book.take(deltas):
            book.changed = True
            if ts >= book.next_ns:
                book.next_ns = ts
                self._tell_changed(name, ts)

    def _tell_changed(self, name: InstrumentId, now: int) -> None:
        """Tell of a book that changed since it was told, if it is time: as it stood at that time.

        A change that comes too soon after another waits: the last one before a silence would not
        be told otherwise.
        """
        book = self._books[name]
        if self._side is None or not book.changed or not book.trusted or now < book.next_ns:
            return
        self._side.book(self._numbers[name], book.next_ns, book.top())
        book.next_ns += self.config.book_ms * 1_000_000
        book.changed = False

    def _look(self) -> None:
        """Tell what waits, and do what is asked."""
        if self._side is None:
            return
        now = self.clock.timestamp_ns()
        for name in self._books:
            self._tell_changed(name, now)
        asked = self._side.asked(now)
        if asked is None:
            return
        for name in self.config.instrument_ids:
            if str(name) in asked.symbols:
                command = OperatorCommand(
                    ts_event=now,
                    ts_init=now,
                    instrument_id=name,
                    action=asked.action,
                    source=_SOURCE,
                )
                self.publish_data(data_type(OperatorCommand, name), command)

    def _guarded(self, do: Callable[[], None]) -> None:
        try:
            do()
        except Exception as error:
            self._end(error)

    def _end(self, error: Exception) -> None:
        self._side = None
        self.log.error(f"dashboard ended: {type(error).__name__}: {error}")


class _Book:
    """The book of one market."""

    def __init__(self, instrument: Instrument) -> None:
        self._rows = DeltaRows(_scale(instrument))
        self._state, self._window, self._blocks, self._far = books.new_book()
        self.next_ns = 0
        self.changed = False
        self._whole_messages = False

    @property
    def trusted(self) -> bool:
        """Whether the book is whole."""
        return bool(self._state[0].trusted)

    def take(self, deltas: OrderBookDeltas) -> bool:
        """Take a message; return whether the book is whole and to be trusted."""
        rows = self._rows
        if rows.add(deltas):
            self._whole_messages = False
        else:
            # An adapter's snapshot is whole, and so is what follows it where no row says so. What
            # no row ever ends is not kept for good.
            self._whole_messages |= deltas.is_snapshot and len(deltas.deltas) > 1
            if not self._whole_messages and rows.count < MOST_WAITING:
                return False
            rows.rows[rows.count - 1, 4] |= books.F_LAST
        count, rows.count = rows.count, 0
        done = 0
        while done < count:
            done = books.run_book(
                self._state, self._window, self._blocks, self._far, rows.rows, done, count
            )
            if done < count:
                self._far = grow_far(self._far)
        return self.trusted

    def top(self) -> Any:
        """Return the best levels, as the channel takes them."""
        top = books.new_top(DEPTH)
        books.read_top(self._state[0], self._window, self._blocks, self._far, top)
        return top


def _scale(instrument: Instrument) -> MarketScale:
    return MarketScale(
        instrument.price_increment.as_decimal(), instrument.size_increment.as_decimal()
    )


def _about(instrument: Instrument) -> About:
    scale = _scale(instrument)
    return About(
        symbol=str(instrument.id),
        tick=str(scale.tick),
        lot=str(scale.lot),
        price_digits=instrument.price_precision,
        size_digits=instrument.size_precision,
        currency=str(instrument.get_settlement_currency()),
    )
