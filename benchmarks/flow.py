"""The actor with everything on against the floor, and the batch path."""

import resource
import statistics
import time

import msgspec
import numpy as np

from benchmarks._host import INSTRUMENT, LOT, ROUNDS, TICK, deltas, market, ratio, trades
from of_nautilus.actor import OrderFlowActor
from of_nautilus.config import OrderFlowActorConfig
from of_nautilus.core.ticks import MarketScale
from of_nautilus.engine import BookConfig, FlowConfig, FlowEngine, VpinConfig

BARS = {
    "backtest_trades_ratio": ("<=", 1.5),
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


def _actor() -> OrderFlowActor:
    return OrderFlowActor(OrderFlowActorConfig(instrument_id=INSTRUMENT.id, flow=EVERYTHING))


def _indicators() -> OrderFlowActor:
    off = dict.fromkeys(("absorption", "initiative", "sweep", "exhaustion", "divergence"))
    flow = msgspec.structs.replace(EVERYTHING, confirmations=False, **off)
    return OrderFlowActor(OrderFlowActorConfig(instrument_id=INSTRUMENT.id, flow=flow))


def _book() -> OrderFlowActor:
    flow = msgspec.structs.replace(EVERYTHING, book=BookConfig())
    return OrderFlowActor(OrderFlowActorConfig(instrument_id=INSTRUMENT.id, flow=flow))


def run() -> dict[str, float]:
    """Measure the actor in a backtest, and the engine over arrays."""
    on_trades, floor_trades = ratio(_actor, trades())
    indicators, _ = ratio(_indicators, trades())
    on_deltas, floor_deltas = ratio(_book, deltas(), book=True)
    on_feed, _ = ratio(_book, deltas(30), book=True)
    return {
        "floor_trade_ns": floor_trades,
        "backtest_trades_ratio": on_trades,
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
