"""OrderFlowActor: drives the engine with a market's trades and publishes what it finds."""

from typing import Any

from nautilus_trader.common.actor import Actor
from nautilus_trader.model.data import TradeTick

from of_nautilus.config import OrderFlowActorConfig
from of_nautilus.core.footprint import ClosedBar
from of_nautilus.core.ticks import MarketScale
from of_nautilus.data import FootprintBar, PatternSignal, data_type
from of_nautilus.engine import Event, FlowEngine
from of_nautilus.journal import Journal
from of_nautilus.patterns.signal import Signal

_SIDES = (0, 1, -1)  # by the host's AggressorSide: none, buyer, seller


class OrderFlowActor(Actor):
    """Reads the order flow of one instrument.

    Publishes a `FootprintBar` for every closed bar and a `PatternSignal` for every pattern, under
    `data.data_type(cls, instrument_id)`, and writes them to the journal when it stops.
    """

    def __init__(self, config: OrderFlowActorConfig) -> None:
        super().__init__(config)
        self.engine: FlowEngine | None = None
        self.signals: list[Signal] = []
        self._bar_type = data_type(FootprintBar, config.instrument_id)
        self._signal_type = data_type(PatternSignal, config.instrument_id)
        self._journal = Journal(config.journal) if config.journal else None

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
        self._on_tick = self.engine.on_tick
        self.subscribe_trade_ticks(self.config.instrument_id)

    def on_trade_tick(self, tick: TradeTick) -> None:
        """Decode a trade, and publish what the engine makes of it."""
        events = self._on_tick(
            tick.ts_event,
            tick.price.as_double(),
            tick.size.as_double(),
            _SIDES[tick.aggressor_side],
        )
        if events:
            self._publish(events, tick.ts_init)

    def on_stop(self) -> None:
        """Write the journal."""
        if self._journal:
            self._journal.write()
        if self.engine:
            self.log.info(f"flow read: bars={self.engine.bar_count} signals={len(self.signals)}")

    def on_reset(self) -> None:
        """Forget everything."""
        self.signals.clear()
        if self.engine:
            self.engine.reset()

    def _publish(self, events: list[Event], ts_init: int) -> None:
        instrument_id = self.config.instrument_id
        for event in events:
            data: Any
            if isinstance(event, ClosedBar):
                kind, data = (
                    self._bar_type,
                    FootprintBar.of(event, instrument_id, self._scale, ts_init),
                )
            elif isinstance(event, Signal):
                self.signals.append(event)
                kind, data = (
                    self._signal_type,
                    PatternSignal.of(event, instrument_id, self._scale, ts_init),
                )
            else:
                continue
            if self._journal:
                self._journal.add(data)
            self.publish_data(kind, data)
