"""The actor with everything on against the floor, and the batch path."""

import resource
import statistics
import time

import numpy as np

from benchmarks._host import INSTRUMENT, LOT, ROUNDS, TICK, deltas, market, ratio, trades
from of_nautilus.actor import OrderFlowActor
from of_nautilus.config import OrderFlowActorConfig
from of_nautilus.core.ticks import MarketScale
from of_nautilus.engine import FlowEngine

BARS = {
    "backtest_trades_ratio": ("<=", 1.5),
}


def _actor() -> OrderFlowActor:
    return OrderFlowActor(OrderFlowActorConfig(instrument_id=INSTRUMENT.id))


def run() -> dict[str, float]:
    """Measure the actor in a backtest, and the engine over arrays."""
    on_trades, floor_trades = ratio(_actor, trades())
    on_deltas, floor_deltas = ratio(_actor, deltas(), book=True)
    return {
        "floor_trade_ns": floor_trades,
        "backtest_trades_ratio": on_trades,
        "floor_delta_ns": floor_deltas,
        "backtest_deltas_ratio": on_deltas,
        "batch_trades_per_s": _batch(),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _batch() -> float:
    tape = market().trades
    side = tape.side.astype(np.int8)
    rates = []
    for _ in range(ROUNDS + 1):
        engine = FlowEngine(MarketScale(TICK, LOT))
        begin = time.perf_counter()
        engine.run_trades(tape.ts, tape.price, tape.size, side)
        rates.append(len(tape) / (time.perf_counter() - begin))
    return statistics.median(rates[1:])
