"""What a dashboard costs a node: tick to order with it and without, beside 20 clients.

The node trades one market through its adapter, and its DashboardFeed tells of three that trade
250 times a second each; a server and 20 clients, which hear every channel of all three, run beside
it in processes of their own.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import psutil

from benchmarks.live import Span, component, measured, session, times_us

BARS = {
    "dashboard_tick_ratio": ("<=", 1.2),
    "dashboard_server_cores": ("<=", 1.0),
    # A client's messages of one market at the throttle of the channel, 200 and 500 ms.
    "dashboard_tick_messages_per_s": ("<=", 5.1),
    "dashboard_book_messages_per_s": ("<=", 2.04),
}
CLIENTS, ROUNDS = 20, 3


def run() -> dict[str, float]:
    """Measure with a dashboard and without, in turns."""
    market = session()
    took: dict[bool, list[Span]] = {True: [], False: []}
    rates: list[dict[str, float]] = []
    for _ in range(ROUNDS):
        took[False] += measured(market, answers=True)
        with ExitStack() as stack:
            beside = _Beside(Path(stack.enter_context(tempfile.TemporaryDirectory())), stack)
            took[True] += measured(market, answers=True, more=[beside.actor], hook=beside.begin)
            rates.append(beside.rates())
    without, with_it = (np.percentile(times_us(took[shown]), [50, 99]) for shown in (False, True))
    return {
        "dashboard_tick_ratio": float(with_it[1] / without[1]),
        "dashboard_tick_p50_ratio": float(with_it[0] / without[0]),
        "dashboard_tick_to_order_p99_us": float(with_it[1]),
        "dashboard_none_tick_to_order_p99_us": float(without[1]),
        **{name: float(np.median([rate[name] for rate in rates])) for name in rates[0]},
    }


class _Beside:
    """The server and its clients, begun once the node has written its channel."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self.actor = component(
            "benchmarks._live_node:BusyFeed",
            "of_nautilus.dashboard.config",
            None,
            config="DashboardFeedConfig",
            instrument_ids=["BTCUSDT-PERP.BINANCE"],
            folder=str(folder),
        )

    async def begin(self) -> None:
        """Start them, while the market stands still."""
        await asyncio.to_thread(self._begin)

    def _begin(self) -> None:
        log = self._stack.enter_context((self._folder / "server.log").open("w"))
        server = subprocess.Popen(
            [sys.executable, "-m", "of_nautilus", "dashboard", str(self._folder), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        self._stack.callback(server.kill)
        assert server.stdout is not None
        url = server.stdout.readline().partition("http://")[2].split()[0]
        abouts = json.loads((self._folder / "about.json").read_text())
        symbols = [market["symbol"] for market in abouts["markets"]]
        self._clients = subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks._dashboard_clients"),
                *(f"ws://{url}/ws", str(CLIENTS), *symbols),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: os.nice(15),
        )
        self._stack.callback(self._clients.kill)
        assert self._clients.stdout is not None
        if self._clients.stdout.readline().strip() != "ready":
            raise RuntimeError(f"no clients: {(self._folder / 'server.log').read_text()[-2000:]}")
        self._markets = len(symbols)
        self._server = psutil.Process(server.pid)
        self._cpu, self._since = sum(self._server.cpu_times()[:2]), time.monotonic()

    def rates(self) -> dict[str, float]:
        """Return the server's share of a core, and how often each client heard of each market."""
        cores = (sum(self._server.cpu_times()[:2]) - self._cpu) / (time.monotonic() - self._since)
        told, _ = self._clients.communicate("", timeout=30)
        heard = json.loads(told)
        # From the first message to the last: the market trades for a part of the time only.
        each = heard["seconds"] * CLIENTS * self._markets
        return {
            "dashboard_server_cores": cores,
            "dashboard_server_mb": self._server.memory_info().rss / 2**20,
            "dashboard_tick_messages_per_s": heard["counts"]["tick"] / each,
            "dashboard_book_messages_per_s": heard["counts"]["orderbook"] / each,
            "dashboard_messages_per_s": sum(heard["counts"].values()) / heard["seconds"],
        }
