"""From a trade's message to the order that it leads to, in a live node over a venue's double.

All that a live config has is on, and all indicators and detectors; every tenth trade closes a bar,
on which the strategy decides and places an order: the slowest kind of trade. The node talks to its
venue over sockets, trades and book together, and once more with an alert service that is dead.

The machine's own part is measured beside it, as a virtual machine may be slow for a moment without
telling: a few microseconds of computation every 2 ms tell which orders met such a moment, and what
the 99th percentile of the others is; and a computation that takes as long as half of the orders do,
once in a while, with nothing else to do, tells what its own 99th percentile is.
"""

import json
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from of_nautilus.core.record import Floats, Ints
from tests.venues.binance import BinanceDouble
from tests.venues.feed import Hook
from tests.venues.replay import node_config, wait_for
from tests.venues.session import Recorded, Session
from tests.venues.stage import without_keys
from tests.venues.telegram import TelegramDouble

BARS = {
    "live_tick_to_order_p99_us": ("<=", 2_000.0),
    "live_tick_to_order_dead_alerts_ratio": ("<=", 1.2),
}
TRADES, BAR, WARM_UP = 5_000, 10, 40
MS = 4  # between two trades: 250 a second
ROUNDS = 2
PROBES = 500
# When the machine takes so many times its usual time for the same it is slow, and so near to it.
SLOW, NEAR_NS = 2.0, 10_000_000

Span = tuple[int, int]  # of an order: when the message came, when the order had left, ns
FLOW = {
    "bar": "tick",
    "bar_size": BAR,
    "session": "6h",
    "confirmations": True,
    "vwap": True,
    "windows_s": [10.0, 60.0, 300.0],
    "large_trades": True,
    "vpin": {"bucket": 5.0},
    "impact": True,
    "book": {},
}


def run() -> dict[str, float]:
    """Measure with the alert service answering and with it dead, in turns."""
    market = session()
    took: dict[bool, list[Span]] = {True: [], False: []}
    with _watched() as watch:
        for _ in range(ROUNDS):
            for answers in (True, False):
                took[answers] += measured(market, answers)
    all_us, slow = times_us(took[True]), _met_slow(took[True], *watch)
    of_each = [50, 90, 99, 100]
    alive, dead = np.percentile(all_us, of_each), np.percentile(times_us(took[False]), of_each)
    machine = np.percentile(_machine(float(alive[0])), 99)
    return {
        "live_tick_to_order_p50_us": float(alive[0]),
        "live_tick_to_order_p90_us": float(alive[1]),
        "live_tick_to_order_p99_us": float(alive[2]),
        "live_tick_to_order_max_us": float(alive[3]),
        "live_tick_to_order_dead_alerts_p50_us": float(dead[0]),
        "live_tick_to_order_dead_alerts_p99_us": float(dead[2]),
        "live_tick_to_order_dead_alerts_ratio": float(dead[2] / alive[2]),
        "live_orders_measured": float(len(all_us)),
        "live_machine_slow_share": float(slow.mean()),
        "live_tick_to_order_not_slow_p99_us": float(np.percentile(all_us[~slow], 99)),
        "live_machine_same_p50_p99_us": float(machine),
    }


def times_us(spans: Sequence[Span]) -> Floats:
    """Return how long each order took, us."""
    return np.diff(np.array(spans), axis=1)[:, 0] / 1000


@contextmanager
def _watched() -> Iterator[list[Ints]]:
    """Watch the machine; afterwards the list has when it was looked at and what it took, ns."""
    command = [sys.executable, "-m", "benchmarks._watch"]
    seen: list[Ints] = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as watch:
        try:
            yield seen
        finally:
            out, _ = watch.communicate()
    seen += [np.array(column) for column in json.loads(out)]


def _met_slow(spans: Sequence[Span], looked: Ints, took: Ints) -> NDArray[np.bool_]:
    """Return which orders met a moment in which the machine was slow."""
    slow = np.flatnonzero(took > SLOW * np.median(took))
    moments = looked[slow]
    begin, end = np.array(spans).T
    first = np.searchsorted(moments, begin - NEAR_NS)
    return first < np.searchsorted(moments, end + NEAR_NS)


def _machine(us: float) -> list[float]:
    """Return how long a computation takes that should take so long, us, each time it is done."""
    rounds = 1_000

    def taken() -> float:
        begin = time.perf_counter_ns()
        total = 0
        for i in range(rounds):
            total += i * i
        return (time.perf_counter_ns() - begin) / 1000

    rounds = int(rounds * us / np.median([taken() for _ in range(200)]))
    found = []
    for _ in range(PROBES):
        time.sleep(BAR * MS / 1000)
        found.append(taken())
    return found


class _Node:
    """The node of the benchmark in a process of its own."""

    def __init__(
        self, config: Mapping[str, Any], control: str, folder: Path, environment: Mapping[str, str]
    ) -> None:
        self._out, self._log = folder / "captured.pickle", folder / "node.log"
        (folder / "node.json").write_text(json.dumps(config))
        arguments = [str(folder / "node.json"), str(self._out), control]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks._live_node", *arguments],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def is_running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> dict[str, Any]:
        """Stop the node as a user would, with SIGINT, and return what was captured."""
        self._process.send_signal(signal.SIGINT)
        if self._process.wait(60):
            raise RuntimeError(f"the node failed\n{self.log[-4000:]}")
        captured: dict[str, Any] = pickle.loads(self._out.read_bytes())
        return captured

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def measured(
    session: Session, answers: bool, more: Sequence[Any] = (), hook: Hook | None = None
) -> list[Span]:
    """Run one node through the session; return when each of its orders began and had left.

    `more` are actors that it has besides; `hook` is called once it is warm, before it is measured.
    """
    now = int(time.time() * 1000)
    double = BinanceDouble(session.moved(now - session.events[0].time_ms), speed=1)
    market = double.instrument_id
    # The first trades load the kernels: the market waits for that.
    warm = (double.caught_up,) if hook is None else (double.caught_up, hook)
    double.feed.at(session.index("trade", BAR * WARM_UP), *warm)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        telegram = stack.enter_context(TelegramDouble(lifetime_s=240))
        stack.enter_context(double)
        base_url = telegram.base_url if answers else "http://127.0.0.1:9/bot"
        catalog = str(folder / "catalog")
        actors = [
            component(
                "of_nautilus.live.recorder:Recorder",
                "of_nautilus.live.config",
                market,
                catalog=catalog,
                part_secs=5.0,
            ),
            component(
                "of_nautilus.live.state:StateKeeper",
                "of_nautilus.live.config",
                None,
                path=str(folder / "node.state"),
            ),
            component("of_nautilus.live.feed_guard:FeedGuard", "of_nautilus.config", market),
            component(
                "of_nautilus.alerts:Alerts",
                "of_nautilus.alerts",
                None,
                instrument_ids=[market],
                chats=[1],
                # Every pattern is told: several a second.
                kinds=["signal", "entry", "feed", "execution"],
                base_url=base_url,
            ),
            component(
                "of_nautilus.journal:Journal",
                "of_nautilus.config",
                None,
                instrument_ids=[market],
                catalog=catalog,
                write_trades=True,
            ),
            component(
                "benchmarks._live_node:TimedFlow",
                "of_nautilus.live.config",
                market,
                config="LiveFlowConfig",
                flow=FLOW,
                catalog=None,
                recent=False,
            ),
            *more,
        ]
        strategy = {
            "strategy_path": "benchmarks._live_node:TimedStrategy",
            "config_path": "of_nautilus.config:OrderFlowStrategyConfig",
            "config": {"instrument_id": market, "order_id_tag": "001"},
        }
        config = node_config("paper_binance.json", double, actors, [strategy])
        config["logging"] = {"log_level": "WARNING", "log_colors": False}
        environment = without_keys() | {"TELEGRAM_BOT_TOKEN": telegram.token}
        node = _Node(config, f"{double.ws_url}/control", folder, environment)
        stack.callback(node.kill)
        wait_for(double, node, 200)
        (took,) = (found for found in node.stop().values() if isinstance(found, list))
        if len(took) < TRADES // BAR // 2:
            raise RuntimeError(f"only {len(took)} orders were measured\n{node.log[-3000:]}")
    return took[WARM_UP:]


def component(
    path: str, module: str, market: str | None, /, *, config: str = "", **fields: Any
) -> dict[str, Any]:
    if market is not None:
        fields["instrument_id"] = market
    name = config or f"{path.partition(':')[2]}Config"
    return {"actor_path": path, "config_path": f"{module}:{name}", "config": fields}


def session() -> Session:
    """A market of its own making: a random walk, with the book around it at every fourth trade."""
    chance = np.random.default_rng(7)
    steps = chance.choice([-1, 0, 0, 1], TRADES).cumsum() + 600_000
    sizes = chance.integers(1, 400, TRADES)
    buys = chance.random(TRADES) < 0.5
    begin = 1_700_000_000_000
    events: list[Recorded] = []
    for i, (price, size, buy) in enumerate(zip(steps.tolist(), sizes, buys, strict=True)):
        at = begin + MS * i
        times = {"E": at, "T": at, "s": "BTCUSDT"}
        if i == 0:
            book = {"lastUpdateId": 1, **times, **_levels(price, chance, "bids", "asks")}
            events.append(Recorded("snapshot", at, book))
        elif i % 4 == 0:
            depth = {"U": i, "u": i + 1, "pu": max(1, i - 3), **times}
            depth |= {"e": "depthUpdate", **_levels(price, chance, "b", "a")}
            events.append(Recorded("depth", at, depth))
        trade = {"t": i + 1, "p": _text(price + bool(buy)), "q": f"{size / 1000:.3f}"}
        events.append(Recorded("trade", at, trade | times | {"m": not buy}))
    return Session("BTCUSDT", events)


def _levels(price: int, chance: np.random.Generator, bids: str, asks: str) -> dict[str, Any]:
    sizes = [f"{size / 1000:.3f}" for size in chance.integers(1, 5_000, 20)]
    below = [[_text(price - k), sizes[k]] for k in range(10)] + [[_text(price + 1), "0.000"]]
    above = [[_text(price + 1 + k), sizes[10 + k]] for k in range(10)] + [[_text(price), "0.000"]]
    return {bids: below, asks: above}


def _text(price: int) -> str:
    return f"{price / 10:.2f}"
