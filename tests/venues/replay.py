"""Runs a real trading node over a recorded session, replayed by a venue double."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
from nautilus_trader.common.config import msgspec_encoding_hook
from nautilus_trader.config import ImportableActorConfig, ImportableStrategyConfig

from tests.venues.binance import BinanceDouble
from tests.venues.bybit import BybitDouble
from tests.venues.double import VenueDouble
from tests.venues.session import Kind, Order, Session, read_session
from tests.venues.stage import ROOT, ForkedNode, stage

QUICK = {
    "logging": {"log_level": "INFO", "log_colors": False},
    "timeout_connection": 20.0,
    "timeout_reconciliation": 10.0,
    "timeout_portfolio": 10.0,
    "timeout_disconnection": 5.0,
    "timeout_post_stop": 0.5,
    "timeout_shutdown": 2.0,
}
# The host's own checks, as often as a test can wait for; the configs' are 5 times slower.
CHECKS = {
    "inflight_check_interval_ms": 500,
    "inflight_check_threshold_ms": 1000,
    "inflight_check_retries": 2,
    "open_check_interval_secs": 1.0,
    "open_check_threshold_ms": 500,
    "position_check_interval_secs": 1.0,
    "position_check_threshold_ms": 500,
    "reconciliation_startup_delay_secs": 0.01,
}
type Stream = Literal["trades", "book", "quotes"]
type Components = Sequence[ImportableActorConfig | ImportableStrategyConfig | Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a node has captured, by component id; what was sent to it; its log."""

    captured: dict[str, Any]
    sent: Counter[Kind]
    log: str
    seconds: float


class Node(Protocol):
    """A running node."""

    @property
    def log(self) -> str: ...

    def is_running(self) -> bool: ...


@contextmanager
def running_node(double: VenueDouble, config: Mapping[str, Any]) -> Iterator[ForkedNode]:
    """A node running beside the test; it is dead when the block ends."""
    node = stage().node(config, f"{double.ws_url}/control")
    try:
        yield node
    finally:
        node.kill()


def importable(components: Components) -> list[Any]:
    """Configs of actors or strategies as the JSON values that a node config holds."""
    encoded = msgspec.json.encode(list(components), enc_hook=msgspec_encoding_hook)
    return list(msgspec.json.decode(encoded))


def node_config(
    file: str,
    double: VenueDouble,
    actors: Components = (),
    strategies: Components = (),
    *,
    quick_checks: bool = False,
) -> dict[str, Any]:
    """A config of `configs/` with the double's addresses and these components.

    `quick_checks`: the host checks its orders and positions with the venue every second, where a
    test waits for it; not for a market that runs many times as fast as it did.
    """
    config: dict[str, Any] = json.loads((ROOT / "configs" / file).read_text())
    if quick_checks:
        config["exec_engine"] |= CHECKS
    for clients in ("data_clients", "exec_clients"):
        for client in config[clients].values():
            if "sandbox" not in client["path"]:
                double.point_here(clients, client)
                loaded = [double.instrument_id]
                client["config"]["instrument_provider"] = {"load_ids": loaded}
    config |= {"actors": importable(actors), "strategies": importable(strategies)}
    return config | QUICK


def replay_live(
    recording: Path | Sequence[Path] | Session,
    actors: Components,
    strategies: Components = (),
    *,
    venue: Literal["binance", "bybit"] = "binance",
    order: Order = "received",
    speed: float | None = None,
    in_step: bool = False,
    streams: Sequence[Stream] = ("trades", "book"),
    timeout_s: float = 150.0,
) -> Replayed:
    """Replay a recording into a real node with paper execution; return what it captured.

    The node runs in a process of its own, built from the `configs/paper_*.json` of the venue with
    the adapter pointed at a double that replays `recording` (one or more files, or a session read
    before) in `order`, at `speed` times real time (None: as fast as the node handles it, `in_step`
    with what it does about each trade). The replay starts once components have subscribed to each
    of `streams` ("trades", "book", and at Binance "quotes"): name those that the components under
    test use. When it has finished and the node has handled all of it, the node is stopped as by
    Ctrl-C.

    `actors` and `strategies` are importable configs (or their dicts) of classes that the child
    process can import, such as `tests.venues.components:Recorder`. A component hands its results
    out in an attribute `captured`, any object that can be pickled; it is read after `on_stop`.

    >>> result = replay_live(path, [recorder("BTCUSDT-PERP.BINANCE")])  # doctest: +SKIP
    >>> result.captured["Recorder-000"]["trades"].shape  # doctest: +SKIP
    """
    session = recording if isinstance(recording, Session) else read_session(recording, order=order)
    begin = time.perf_counter()
    double_class = {"binance": BinanceDouble, "bybit": BybitDouble}[venue]
    with double_class(session, speed=speed, lifetime_s=timeout_s + 30) as double:
        double.needs = {double.STREAMS[stream] for stream in streams}
        double.feed.in_step = in_step
        config = node_config(f"paper_{venue}.json", double, actors, strategies)
        with running_node(double, config) as node:
            wait_for(double, node, timeout_s)
            captured = node.stop()
            log = node.log
        if double.unhandled:
            raise RuntimeError(f"the double has no answer for {double.unhandled}")
        return Replayed(captured, double.feed.sent, log, time.perf_counter() - begin)


def wait_for(double: VenueDouble, node: Node, timeout_s: float) -> None:
    """Wait until the replay has finished; say why where it cannot."""
    end = time.monotonic() + timeout_s
    while not double.feed.finished.wait(0.05):
        if not node.is_running() or time.monotonic() > end or double.errors:
            why = f"at message {double.feed.position}, sent {dict(double.feed.sent)}"
            error = f"{double.errors}\n" if double.errors else ""
            raise RuntimeError(f"the replay did not finish: {why}\n{error}{node.log[-4000:]}")
