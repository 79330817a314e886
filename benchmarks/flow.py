"""The actor with everything on against the floor, and the batch path."""

import json
import resource
import statistics
import tempfile
import time
from typing import Any

import msgspec
import numpy as np
from nautilus_trader.common.config import ActorFactory, ImportableActorConfig
from nautilus_trader.trading.config import ImportableStrategyConfig, StrategyFactory

from benchmarks._host import INSTRUMENT, LOT, ROUNDS, TICK, deltas, market, ratio, trades
from of_nautilus.actor import OrderFlowActor
from of_nautilus.cli.demo import SHIPPED
from of_nautilus.config import OrderFlowActorConfig
from of_nautilus.core.ticks import MarketScale
from of_nautilus.engine import BookConfig, FlowConfig, FlowEngine, VpinConfig

BARS = {
    "backtest_trades_ratio": ("<=", 1.5),
    "backtest_full_ratio": ("<=", 1.6),
    "indicators_trades_ratio": ("<=", 1.35),
    "indicators_deltas_ratio": ("<=", 1.6),
}


EVERYTHING = FlowConfig(
    session="6h",
    confirmations=True,
    vwap=True,
    windows_s=(10.0, 60.0, 300.0),
    large_trades=True,
    vpin=VpinConfig(),
    impact=True,
)


def _actor() -> list[Any]:
    return [OrderFlowActor(OrderFlowActorConfig(instrument_id=INSTRUMENT.id, flow=EVERYTHING))]


def _indicators() -> list[Any]:
    off = dict.fromkeys(("absorption", "initiative", "sweep", "exhaustion", "divergence"))
    flow = msgspec.structs.replace(EVERYTHING, confirmations=False, **off)
    return [OrderFlowActor(OrderFlowActorConfig(instrument_id=INSTRUMENT.id, flow=flow))]


def _book() -> list[Any]:
    flow = msgspec.structs.replace(EVERYTHING, book=BookConfig())
    return [OrderFlowActor(OrderFlowActorConfig(instrument_id=INSTRUMENT.id, flow=flow))]


def _system(catalog: str) -> list[Any]:
    """The demo's own actor, strategy and journal."""
    engine = json.loads(SHIPPED.read_text())[0]["engine"]
    engine["actors"][0]["config"]["catalog"] = catalog
    actors = [ActorFactory.create(ImportableActorConfig(**made)) for made in engine["actors"]]
    strategies = [ImportableStrategyConfig(**made) for made in engine["strategies"]]
    return [*actors, *(StrategyFactory.create(made) for made in strategies)]


def run() -> dict[str, float]:
    """Measure the actor in a backtest, and the engine over arrays."""
    on_trades, floor_trades = ratio(_actor, trades())
    indicators, _ = ratio(_indicators, trades())
    with tempfile.TemporaryDirectory() as catalog:
        full, _ = ratio(lambda: _system(catalog), trades())
    on_deltas, floor_deltas = ratio(_book, deltas(), book=True)
    on_feed, _ = ratio(_book, deltas(30), book=True)
    return {
        "floor_trade_ns": floor_trades,
        "backtest_trades_ratio": on_trades,
        "backtest_full_ratio": full,
        "floor_delta_ns": floor_deltas,
        "backtest_deltas_ratio": on_deltas,
        "indicators_trades_ratio": indicators,
        "indicators_deltas_ratio": on_feed,
        "batch_trades_per_s": _batch(EVERYTHING),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _batch(flow: FlowConfig) -> float:
    tape = market().trades
    side = tape.side.astype(np.int8)
    rates = []
    for _ in range(ROUNDS + 1):
        engine = FlowEngine(MarketScale(TICK, LOT), flow)
        begin = time.perf_counter()
        engine.run_trades(tape.ts, tape.price, tape.size, side)
        rates.append(len(tape) / (time.perf_counter() - begin))
    return statistics.median(rates[1:])
