"""OrderFlowActor: drives the engine with a market's trades and publishes what it finds."""

from typing import Any

from nautilus_trader.common.actor import Actor
from nautilus_trader.model.data import OrderBookDeltas, TradeTick

from of_nautilus.config import OrderFlowActorConfig
from of_nautilus.core.ticks import MarketScale
from of_nautilus.data import (
    FLOW_TYPES,
    FeedStatus,
    FeedTrust,
    FootprintBar,
    PatternSignal,
    SessionRoll,
    data_type,
    listen,
    subscribe_book,
)
from of_nautilus.engine import BarClosed, Event, FlowEngine, SessionClosed, SessionStarted
from of_nautilus.indicators.book import DeltaRows
from of_nautilus.patterns.signal import Signal

_SIDES = (0, 1, -1)  # by the host's AggressorSide: none, buyer, seller


class OrderFlowActor(Actor):
    """Reads the order flow of one instrument.

    Publishes a `FootprintBar` for every closed bar, a `PatternSignal` for every pattern and a
    `SessionRoll` for every new session, under `data.data_type(cls, instrument_id)`. While a
    `FeedStatus` says that the feed is suspended no pattern is published, and the session is told of
    as incomplete.
    """

    def __init__(self, config: OrderFlowActorConfig) -> None:
        super().__init__(config)
        self.engine: FlowEngine | None = None
        self.signals: list[Signal] = []
        self._feed = FeedTrust()
        self._trusted = self._complete = True
        self._types = {kind: data_type(kind, config.instrument_id) for kind in FLOW_TYPES}

    def on_start(self) -> None:
        """Find the instrument and subscribe to its trades."""
        instrument = self.cache.instrument(self.config.instrument_id)
        if instrument is None:
            self.log.error(f"instrument not found: instrument_id={self.config.instrument_id}")
            self.stop()
            return
        self._scale = MarketScale(
            instrument.price_increment.as_decimal(), instrument.size_increment.as_decimal()
        )
        self.engine = FlowEngine(self._scale, self.config.flow)
        listen(self, FeedStatus, self.config.instrument_id)
        self.subscribe_trade_ticks(self.config.instrument_id)
        if self.config.flow.book is not None:
            self._rows = DeltaRows(self._scale)
            subscribe_book(self, self.config.instrument_id)

    def on_trade_tick(self, tick: TradeTick) -> None:
        """Decode a trade, and publish what the engine makes of it."""
        engine = self.engine
        if engine is None:
            return
        ts, price, size = tick.ts_event, tick.price, tick.size
        side = _SIDES[tick.aggressor_side]
        # Compiled code makes floats of them with fewer steps than a call of theirs from here.
        if code := engine.take(ts, price, size, side):
            events = engine.finish(code, ts, float(price), float(size), side)
            self._publish(events, tick.ts_init)

    def on_order_book_deltas(self, deltas: OrderBookDeltas) -> None:
        """Decode a message of the book, and let the engine have it once it is whole."""
        rows = self._rows
        if rows.add(deltas):
            count, rows.count = rows.count, 0
            if self.engine:
                self.engine.on_book(rows.rows, count)

    def on_data(self, data: Any) -> None:
        """Hear whether the feed is to be trusted."""
        if isinstance(data, FeedStatus):
            self._trusted = self._feed.hear(data)
            self._complete &= self._trusted

    def on_stop(self) -> None:
        """Say what was read."""
        if self.engine:
            self.log.info(f"flow read: bars={self.engine.bar_count} signals={len(self.signals)}")

    def on_reset(self) -> None:
        """Forget everything."""
        self.signals.clear()
        self._feed = FeedTrust()
        self._trusted = self._complete = True
        if self.engine:
            self.engine.reset()

    def _publish(self, events: list[Event], ts_init: int) -> None:
        instrument_id, scale = self.config.instrument_id, self._scale
        ended: SessionClosed | None = None
        for event in events:
            match event:
                case BarClosed():
                    # Its patterns first: who acts on the bar has them by then.
                    for signal in event.signals:
                        self._signal(signal, ts_init, at_close=True)
                    bar = FootprintBar.of(event, instrument_id, scale, ts_init)
                    self.publish_data(self._types[FootprintBar], bar)
                case Signal():
                    self._signal(event, ts_init, at_close=False)
                case SessionClosed():
                    ended = event
                case SessionStarted():
                    roll = SessionRoll.of(
                        event, ended, instrument_id, scale, ts_init, complete=self._complete
                    )
                    self._complete = self._trusted
                    self.publish_data(self._types[SessionRoll], roll)

    def _signal(self, signal: Signal, ts_init: int, *, at_close: bool) -> None:
        if not self._trusted:
            return
        self.signals.append(signal)
        data = PatternSignal.of(
            signal, self.config.instrument_id, self._scale, ts_init, at_close=at_close
        )
        self.publish_data(self._types[PatternSignal], data)
