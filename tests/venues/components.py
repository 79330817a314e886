"""Actors and strategies that tests run inside a node."""

import asyncio
from array import array
from datetime import timedelta
from typing import Any

import numpy as np
from nautilus_trader.common.actor import Actor
from nautilus_trader.config import ActorConfig, ImportableActorConfig
from nautilus_trader.model.data import OrderBookDeltas, QuoteTick, TradeTick
from nautilus_trader.model.enums import BookType
from nautilus_trader.model.identifiers import InstrumentId

# One row an event: kind (0 trade, 1 change of the book, 2 quote), event time, price, size, side,
# trade id or sequence, action. Prices and sizes in the host's raw integers over 1e8.
COLUMNS = ("kind", "time", "price", "size", "side", "number", "action")


class RecorderConfig(ActorConfig, frozen=True):  # type: ignore[misc, call-arg]
    """`quotes`: whether to subscribe to quotes too."""

    instrument_id: InstrumentId
    quotes: bool = False


class Recorder(Actor):  # type: ignore[misc]
    """Captures every trade, change of the book and quote, in the order in which they came."""

    def __init__(self, config: RecorderConfig) -> None:
        super().__init__(config)
        self._rows = array("q")
        self.captured: dict[str, Any] = {}

    def on_start(self) -> None:
        instrument_id = self.config.instrument_id
        self.subscribe_trade_ticks(instrument_id)
        self.subscribe_order_book_deltas(instrument_id, BookType.L2_MBP)
        if self.config.quotes:
            self.subscribe_quote_ticks(instrument_id)

    def on_trade_tick(self, tick: TradeTick) -> None:
        side = {1: 1, 2: -1}[tick.aggressor_side.value]
        number = int(tick.trade_id.value)
        self._add(0, tick.ts_event, tick.price.raw, tick.size.raw, side, number, 0)

    def on_order_book_deltas(self, deltas: OrderBookDeltas) -> None:
        for delta in deltas.deltas:
            order, action = delta.order, int(delta.action)
            self._add(
                1,
                delta.ts_event,
                order.price.raw,
                order.size.raw,
                {0: 0, 1: 1, 2: -1}[int(order.side)],
                delta.sequence,
                action,
            )

    def on_quote_tick(self, tick: QuoteTick) -> None:
        self._add(2, tick.ts_event, tick.bid_price.raw, tick.bid_size.raw, 1, 0, 0)
        self._add(2, tick.ts_event, tick.ask_price.raw, tick.ask_size.raw, -1, 0, 0)

    def _add(self, kind: int, time: int, price: int, size: int, *rest: int) -> None:
        self._rows.extend((kind, time, price // 10**8, size // 10**8, *rest))

    def on_stop(self) -> None:
        table = np.array(self._rows, dtype=np.int64).reshape(-1, len(COLUMNS))
        self.captured = {name: table[:, i].copy() for i, name in enumerate(COLUMNS)}


def recorder(instrument_id: str, *, quotes: bool = False) -> ImportableActorConfig:
    """The config of a `Recorder`."""
    return ImportableActorConfig(
        actor_path="tests.venues.components:Recorder",
        config_path="tests.venues.components:RecorderConfig",
        config={"instrument_id": instrument_id, "quotes": quotes},
    )


class Tally(Actor):  # type: ignore[misc]
    """Subscribes like a `Recorder`, and only counts.

    `captured` holds the counts, and how many tasks the event loop had at the start and the end.
    """

    def __init__(self, config: RecorderConfig) -> None:
        super().__init__(config)
        self.captured = {"trades": 0, "messages": 0}

    def on_start(self) -> None:
        self.subscribe_trade_ticks(self.config.instrument_id)
        self.subscribe_order_book_deltas(self.config.instrument_id, BookType.L2_MBP)

    def on_trade_tick(self, tick: TradeTick) -> None:
        if not self.captured["trades"]:
            self.captured["tasks_at_start"] = len(asyncio.all_tasks())
        self.captured["trades"] += 1

    def on_order_book_deltas(self, deltas: OrderBookDeltas) -> None:
        self.captured["messages"] += 1

    def on_stop(self) -> None:
        self.captured["tasks_at_end"] = len(asyncio.all_tasks())


def tally(instrument_id: str) -> ImportableActorConfig:
    """The config of a `Tally`."""
    return ImportableActorConfig(
        actor_path="tests.venues.components:Tally",
        config_path="tests.venues.components:RecorderConfig",
        config={"instrument_id": instrument_id},
    )


class Historian(Actor):  # type: ignore[misc]
    """Asks the venue for its recent trades; `captured` holds their ids, and then the live ones."""

    def __init__(self, config: RecorderConfig) -> None:
        super().__init__(config)
        self.captured: dict[str, list[int]] = {"past": [], "live": []}

    def on_start(self) -> None:
        self.request_trade_ticks(
            self.config.instrument_id,
            start=self.clock.utc_now() - timedelta(minutes=30),
            limit=1000,
            callback=lambda _: self.subscribe_trade_ticks(self.config.instrument_id),
        )

    def on_historical_data(self, tick: TradeTick) -> None:
        self.captured["past"].append(int(tick.trade_id.value))

    def on_trade_tick(self, tick: TradeTick) -> None:
        self.captured["live"].append(int(tick.trade_id.value))


def historian(instrument_id: str) -> ImportableActorConfig:
    """The config of a `Historian`."""
    return ImportableActorConfig(
        actor_path="tests.venues.components:Historian",
        config_path="tests.venues.components:RecorderConfig",
        config={"instrument_id": instrument_id},
    )
