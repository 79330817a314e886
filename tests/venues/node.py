"""Runs a live node in a process of its own: `python -m tests.venues.node CONFIG OUT CONTROL`.

The node runs until SIGINT. Its event loop answers pings at the websocket address CONTROL, by
which a venue double knows how far the loop is. What its actors and strategies hold in an
attribute `captured` is then written to OUT, a pickle of a dict by component id.
"""

import asyncio
import pickle
import sys
from pathlib import Path

import aiohttp
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.live.node import TradingNode


async def answer(address: str) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
        await socket.receive()


def main(config: str, out: str, control: str) -> None:
    node = TradingNode(config=TradingNodeConfig.parse(Path(config).read_bytes()))
    node.build()
    loop = node.get_event_loop()
    answering = loop.create_task(answer(control))
    try:
        node.run()
        answering.cancel()
        loop.run_until_complete(asyncio.wait([answering]))
        components = [*node.trader.actors(), *node.trader.strategies()]
        captured = {str(c.id): c.captured for c in components if hasattr(c, "captured")}
        Path(out).write_bytes(pickle.dumps(captured))
    finally:
        node.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:])
