"""The node of the live benchmark: `python -m benchmarks._live_node CONFIG OUT CONTROL`.

It is a node as a user runs it, with two clocks: one reads when a trade's message reaches the data
client, the other when the strategy has handed on the order that it makes at each bar's close.
"""

import re
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from nautilus_trader.adapters.binance.data import BinanceCommonDataClient
from nautilus_trader.model.data import TradeTick
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.identifiers import ClientOrderId

from of_nautilus.dashboard.actor import DashboardFeed
from of_nautilus.dashboard.channel import DEPTH, Abouts, NodeSide
from of_nautilus.dashboard.config import DashboardFeedConfig
from of_nautilus.data import FootprintBar
from of_nautilus.live.flow import LiveFlow
from of_nautilus.strategy import OrderFlowStrategy
from tests.venues.node import run

_NUMBER = re.compile(rb'"a": ?(\d+)')

reached: dict[str, int] = {}
flows: list["TimedFlow"] = []


class TimedFlow(LiveFlow):
    """The live flow, known to the strategy: it says which trade closed a bar."""

    def on_start(self) -> None:
        flows.append(self)
        super().on_start()


class TimedStrategy(OrderFlowStrategy):
    """The strategy, which on each bar places an order far from the market after all its work.

    It takes back the one before, once the new one is out: a trader has a few orders, not hundreds.
    """

    def on_start(self) -> None:
        super().on_start()
        self.took: list[tuple[int, int]] = []
        self._count = 0

    def _take_bar(self, data: FootprintBar) -> None:
        super()._take_bar(data)
        (flow,) = flows
        if not flow.warm or (begin := reached.get(flow._last_id)) is None:
            return
        self._count += 1
        order = self.order_factory.limit(
            self.config.instrument_id,
            OrderSide.BUY,
            self._instrument.make_qty(self._scale.size(1)),
            self._own.price(data.close // 2),
            client_order_id=ClientOrderId(f"B{self._count}"),
        )
        self.submit_order(order)
        self.took.append((begin, time.perf_counter_ns()))
        reached.clear()
        before = self.cache.order(ClientOrderId(f"B{self._count - 1}"))
        if before is not None and before.is_open:
            self.cancel_order(before)

    def on_stop(self) -> None:
        super().on_stop()
        self.captured: Any = self.took


class BusyFeed(DashboardFeed):
    """The dashboard's feed of three markets that trade as the one does."""

    def __init__(self, config: DashboardFeedConfig) -> None:
        super().__init__(config)
        self._ticks = 0
        away = np.arange(DEPTH)
        self._levels = np.stack(
            [np.stack([600_000 - away, 1 + away], 1), np.stack([600_001 + away, 1 + away], 1)]
        )

    def open_channel(self, abouts: Abouts) -> NodeSide:
        (one,) = abouts.markets
        others = (msgspec.structs.replace(one, symbol=f"OTHER{i}.BINANCE") for i in (1, 2))
        return super().open_channel(msgspec.structs.replace(abouts, markets=(one, *others)))

    def on_trade_tick(self, tick: TradeTick) -> None:
        super().on_trade_tick(tick)
        side = self._side
        assert side is not None
        price, size = tick.price.as_double(), tick.size.as_double()
        for market in (1, 2):
            side.trade(tick.ts_event, price, size, 1, market, tick.trade_id.value.encode())
        self._ticks += 1
        if self._ticks % 50 == 0:
            for market in (0, 1, 2):
                side.book(market, tick.ts_event, self._levels + self._ticks % 3)


def _timed(client: BinanceCommonDataClient, raw: bytes) -> None:
    now = time.perf_counter_ns()
    if b"aggTrade" in raw and (found := _NUMBER.search(raw)):
        reached[found[1].decode()] = now
    _handle(client, raw)


_handle = BinanceCommonDataClient._handle_ws_message

if __name__ == "__main__":
    # What the config names must be this module, not a second one beside it.
    sys.modules["benchmarks._live_node"] = sys.modules["__main__"]
    BinanceCommonDataClient._handle_ws_message = _timed
    config, out, control = sys.argv[1:]
    run(Path(config).read_bytes(), Path(out), control)
