"""Clients of a dashboard: `python -m benchmarks._dashboard_clients URL CLIENTS SYMBOL...`.

Each hears every throttled channel of every symbol. Prints "ready" once all have their snapshots;
on the end of its input, how many deltas of each channel came in how many seconds, as JSON.
"""

import asyncio
import json
import sys
import time
from collections import Counter

from websockets.asyncio.client import ClientConnection, connect

CHANNELS = ("tick", "delta", "orderbook", "candle", "trade_state", "signal")
span: dict[str, float] = {}  # when the first and the last delta came


async def _hear(url: str, symbols: list[str], counts: Counter[str], ready: asyncio.Event) -> None:
    asked = [(channel, symbol) for channel in CHANNELS for symbol in symbols]
    async with connect(url, max_size=2**24, compression=None) as socket:
        for channel, symbol in asked:
            tf = {"tf": 60} if channel in ("delta", "candle") else {}
            await socket.send(
                json.dumps({"op": "subscribe", "channel": channel, "symbol": symbol} | tf)
            )
        await _count(socket, len(asked), counts, ready)


async def _count(
    socket: ClientConnection, snapshots: int, counts: Counter[str], ready: asyncio.Event
) -> None:
    async for message in socket:
        # Parsing all of them would cost the machine more than the server does.
        head = str(message)[:80]
        if '"type":"error"' in head:
            raise RuntimeError(message)
        if '"type":"snapshot"' in head:
            snapshots -= 1
            if snapshots == 0:
                ready.set()
        else:
            now = time.monotonic()
            span.setdefault("first", now)
            span["last"] = now
            counts[head.partition('"channel":"')[2].partition('"')[0]] += 1


async def _main(url: str, clients: int, symbols: list[str]) -> None:
    counts: Counter[str] = Counter()
    ready = [asyncio.Event() for _ in range(clients)]
    hearing = [asyncio.create_task(_hear(url, symbols, counts, each)) for each in ready]
    await asyncio.wait_for(asyncio.gather(*(each.wait() for each in ready)), 60)
    print("ready", flush=True)
    counts.clear()
    span.clear()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    seconds = span["last"] - span["first"]
    print(json.dumps({"seconds": seconds, "counts": counts}), flush=True)
    for task in hearing:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
