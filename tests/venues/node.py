"""Runs a live node, built as by `of-nautilus live`, and tells a venue double how far it is."""

import asyncio
import pickle
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import OrderBookDeltas, TradeTick

from of_nautilus.live.node import build_node


class Progress:
    """How far a node is: its last trade and change of the book, its orders and its position."""

    def __init__(self, node: TradingNode) -> None:
        self.numbers: dict[str, int] = {}
        self._moved = asyncio.Event()
        self._cache = node.cache
        node.kernel.msgbus.subscribe("data.trades.*", self._trade)
        node.kernel.msgbus.subscribe("data.book.deltas.*", self._book)

    def _trade(self, tick: TradeTick) -> None:
        self.numbers["trade"] = int(tick.trade_id.value)
        self._moved.set()

    def _book(self, deltas: OrderBookDeltas) -> None:
        self.numbers["depth"] = deltas.sequence
        self._moved.set()

    async def tell(self, address: str) -> None:
        """Answer every message at the address once its numbers are reached, or after a second."""
        async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
            async for message in socket:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._reach(message.json()), 1)
                await socket.send_json(self.numbers | self._trading())

    async def _reach(self, numbers: dict[str, int]) -> None:
        while any(self.numbers.get(kind) != number for kind, number in numbers.items()):
            self._moved.clear()
            await self._moved.wait()

    def _trading(self) -> dict[str, Any]:
        """What is left of orders at the venue, how many are under way, the position."""
        orders = self._cache.orders()
        resting = [o for o in orders if o.is_open and not o.is_pending_cancel]
        position = sum((p.signed_decimal_qty() for p in self._cache.positions_open()), Decimal(0))
        return {
            "resting": {o.client_order_id.value: str(o.leaves_qty) for o in resting},
            "under_way": sum(not o.is_closed for o in orders) - len(resting),
            "position": str(position),
        }


def run(config: bytes, out: Path, control: str) -> None:
    """Run a node until SIGINT.

    Asked at the websocket address `control`, its event loop says which trade and which change of
    the book its components have handled last, and how its orders stand. What its actors and
    strategies hold in an attribute `captured` is in the end written to `out`, a pickle of a dict by
    component id.
    """
    node = build_node(TradingNodeConfig.parse(config))
    loop = node.get_event_loop()
    answering = loop.create_task(Progress(node).tell(control))
    try:
        node.run()
        answering.cancel()
        loop.run_until_complete(asyncio.wait([answering]))
        components = [*node.trader.actors(), *node.trader.strategies()]
        captured = {str(c.id): c.captured for c in components if hasattr(c, "captured")}
    finally:
        node.dispose()
    out.write_bytes(pickle.dumps(captured))
