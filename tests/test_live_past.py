"""Recording and warm-up: what was live is read again exactly, nothing twice and nothing missed."""

import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from of_nautilus.core.ticks import MarketScale
from of_nautilus.engine import FlowConfig, FlowEngine
from of_nautilus.errors import UserError
from of_nautilus.ingest.columns import read_deltas, read_trades
from of_nautilus.live.flow import LiveFlow
from of_nautilus.patterns.signal import signals_digest
from tests.market import actor, backtest, ingested
from tests.recorded import beginning
from tests.venues.binance import BinanceDouble
from tests.venues.bybit import BybitDouble
from tests.venues.components import recorder
from tests.venues.double import VenueDouble
from tests.venues.replay import node_config, replay_live, running_node, wait_for
from tests.venues.session import Session, read_session

pytestmark = pytest.mark.slow
DOUBLES = {"binance": BinanceDouble, "bybit": BybitDouble}
FLOW = {
    "bar_size": 5.0,
    "session": "30min",
    "thresholds": "absolute",
    "absorption": {"min_volume": 1.0, "big_trade": 0.2, "hold_s": 1.0, "min_trades": 3},
}


class CapturedLiveFlow(LiveFlow):
    """The live flow, with what it found in a form that leaves its process."""

    def on_stop(self) -> None:
        super().on_stop()
        assert self.engine is not None
        self.captured = {
            "warm": self.warm,
            "counts": self.counts,
            "signals": len(self.signals),
            "bars": self.engine.bar_count,
            "bars_sha256": self.engine.bars_sha256,
            "state_sha256": self.engine.state_sha256,
            "quality": self.engine.quality,
        }


def live_flow(instrument_id: str, catalog: Path) -> dict[str, Any]:
    config = {"instrument_id": instrument_id, "flow": FLOW, "catalog": str(catalog)}
    return {
        "actor_path": "tests.test_live_past:CapturedLiveFlow",
        "config_path": "of_nautilus.live.config:LiveFlowConfig",
        "config": config,
    }


def recording(instrument_id: str, catalog: Path, part_secs: float) -> dict[str, Any]:
    config = {"instrument_id": instrument_id, "catalog": str(catalog), "part_secs": part_secs}
    config["component_id"] = "LiveRecorder"
    return {
        "actor_path": "of_nautilus.live.recorder:Recorder",
        "config_path": "of_nautilus.live.config:RecorderConfig",
        "config": config,
    }


def kept(path: Path) -> dict[str, Any]:
    return {
        "actor_path": "of_nautilus.live.state:StateKeeper",
        "config_path": "of_nautilus.live.config:StateKeeperConfig",
        "config": {"path": str(path)},
    }


@pytest.fixture(scope="module")
def file(real_data: Path) -> Path:
    return real_data / "binance" / "usdm_btcusdt_20240808.gz"


@pytest.fixture(scope="module")
def session(file: Path) -> Session:
    return read_session(file)


@pytest.mark.parametrize(("venue", "trades"), [("binance", 21_313), ("bybit", 12_000)])
@pytest.mark.timeout(600)
def test_live_recorded_and_backtested_are_one(file, venue, trades, tmp_path) -> None:
    file = beginning(file, tmp_path, trades)
    session = read_session(file)
    market = DOUBLES[venue](session).instrument_id
    catalog = tmp_path / "live"
    # Short parts: the session is cut at many places, trades and book at once.
    actors = [recording(market, catalog, 1.0), recorder(market), actor(FLOW, market)]
    live = replay_live(session, actors, venue=venue, timeout_s=300.0)
    lived = next(found for found in live.captured.values() if "bars_sha256" in found)
    rows = next(found for found in live.captured.values() if "kind" in found)
    (again,) = backtest(catalog, tmp_path, market, [actor(FLOW, market)]).actors
    original = ingested([file], market, tmp_path / "original")
    (tested,) = backtest(original, tmp_path, market, [actor(FLOW, market)]).actors
    assert lived["bars_sha256"] == again.engine.bars_sha256 == tested.engine.bars_sha256
    digests = {signals_digest(one) for one in (lived["signals"], again.signals, tested.signals)}
    assert len(digests) == 1
    assert len(again.signals) > 20
    for engine in (again.engine, tested.engine):
        assert lived["state_sha256"] == engine.state_sha256
        assert lived["quality"] == engine.quality
    # The book too, change by change, and each message at its place among the trades.
    book, trades = read_deltas(catalog, market), read_trades(catalog, market)
    changes = {name: column[rows["kind"] == 1] for name, column in rows.items()}
    assert book.sequence.tolist() == changes["number"].tolist()
    assert (book.price * 10**6).tolist() == changes["price"].tolist()
    assert book.action.tolist() == changes["action"].tolist()
    order = np.argsort(np.concatenate([trades.ts_init, book.ts_init]), kind="stable")
    numbers = np.concatenate([np.asarray(trades.trade_id), book.sequence])[order]
    assert numbers.tolist() == rows["number"].tolist()
    files = list((catalog / "data").rglob("*.parquet"))
    assert len(files) > 4


def until(condition: Callable[[], bool], timeout_s: float = 120.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def reference(session: Session) -> FlowEngine:
    engine = FlowEngine(MarketScale(Decimal("0.1"), Decimal("0.001")), _flow())
    for trade in session.of("trade"):
        side = -1 if trade["m"] else 1
        engine.on_tick(trade["T"] * 10**6, float(trade["p"]), float(trade["q"]), side)
    return engine


def _flow() -> FlowConfig:
    import msgspec

    return msgspec.convert(FLOW, FlowConfig)


def recorded(catalog: Path, double: VenueDouble) -> int:
    try:
        return len(read_trades(catalog, double.instrument_id))
    except UserError:
        return 0


@pytest.mark.parametrize(("venue", "keeps"), [("binance", True), ("bybit", False)])
@pytest.mark.timeout(600)
def test_a_killed_node_reads_what_it_missed(session, venue, keeps, tmp_path) -> None:
    # Bybit tells its newest thousand trades only.
    first, missed = 1_500, {"binance": 2_100, "bybit": 1_700}[venue]
    some = session.first(session.index("trade", 4_000))
    # The venues' recent trades are asked for by time.
    some = some.moved(int(time.time() * 1000) - some.events[-1].time_ms)
    double = DOUBLES[venue](some, speed=5)
    double.needs = {double.STREAMS["trades"]}
    double.feed.at(some.index("trade", first), double.feed.pause)
    double.feed.at(some.index("trade", missed), double.feed.pause)
    catalog, market = tmp_path / "catalog", double.instrument_id
    actors = [recording(market, catalog, 0.5), live_flow(market, catalog)]
    if keeps:
        actors.append(kept(tmp_path / "state" / "node.state"))
    with double:
        config = node_config(f"paper_{venue}.json", double, actors)
        with running_node(double, config) as node:
            until(lambda: recorded(catalog, double) >= (first if venue == "bybit" else 1_000))
            node.kill()
        left = [path.name for path in (catalog / "data").rglob("*") if path.is_file()]
        assert left
        assert all(name.endswith(".parquet") for name in left)
        # The market goes on while nobody listens.
        until(lambda: double.feed.position >= some.index("trade", first))
        double.feed.resume()
        until(lambda: double.feed.position >= some.index("trade", missed))
        # The venue answers late: live trades come meanwhile, and are in its answer too.
        double.faults.http_delay_s = 0.5
        with running_node(double, config) as node:
            until(lambda: double.is_ready())
            double.feed.resume()
            wait_for(double, node, 200)
            got = next(found for found in node.stop().values() if "counts" in found)
            log = node.log
    assert double.unhandled == []
    straight = reference(some)
    assert got["warm"], log[-3000:]
    assert got["quality"] == straight.quality
    assert got["bars"] == straight.bar_count > 10
    assert got["bars_sha256"] == straight.bars_sha256
    assert got["state_sha256"] == straight.state_sha256
    assert ("engine of" in log) == keeps
    assert got["counts"]["venue"] > 0
