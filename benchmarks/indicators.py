"""All indicators in batch, CVD and VPIN beside a known package, and memory over a stream."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil
import wickra

from benchmarks._host import LOT, ROUNDS, TICK
from of_nautilus.core.delta import new_cvd, run_cvd
from of_nautilus.core.ticks import MarketScale
from of_nautilus.core.vpin import new_vpin, run_vpin
from of_nautilus.engine import FlowConfig, FlowEngine, VpinConfig

BARS = {
    "batch_all_trades_per_s": (">=", 15e6),
    "batch_cvd_per_s": (">=", 30e6),
    "batch_vpin_per_s": (">=", 30e6),
    "cvd_vs_wickra": (">=", 20),
    "vpin_vs_wickra": (">=", 20),
    "stream_growth_mb": ("<=", 50),
}
TRADES = 3_000_000  # a day of a busy perpetual
STREAMED = 10_000_000
BUCKET, BUCKETS = 20_000, 50
INDICATORS = FlowConfig.bars_only(
    profile=True,
    vwap=True,
    windows_s=(10.0, 60.0, 300.0),
    large_trades=True,
    vpin=VpinConfig(bucket=20.0),
    impact=True,
)


def _tape(n: int) -> tuple[Any, Any, Any, Any]:
    """A day of trades: bursts at one time, a walk of single ticks, log-normal sizes."""
    rng = np.random.default_rng(7)
    gaps = np.where(rng.random(n) < 0.5, 0, rng.exponential(2 * 86_400e9 / n, n)).astype(np.int64)
    moves = np.where(gaps > 0, rng.integers(-1, 2, n), 0)
    return (
        1_700_000_000_000_000_000 + np.cumsum(gaps),
        600_000 + np.cumsum(moves),
        np.maximum(1, rng.lognormal(4, 1.5, n)).astype(np.int64),
        rng.choice([1, -1], n).astype(np.int8),
    )


def run() -> dict[str, float]:
    """Measure everything on one tape."""
    ts, price, size, side = _tape(TRADES)
    decimals = price * float(TICK), size * float(LOT), side > 0
    cvd = _rate(lambda: run_cvd(new_cvd(), ts, size, side))
    vpin = _rate(lambda: run_vpin(*new_vpin(BUCKET, BUCKETS), size, side))
    their_cvd = _rate(lambda: wickra.CumulativeVolumeDelta().batch(*decimals))
    their_vpin = _rate(lambda: wickra.Vpin(BUCKET * float(LOT), BUCKETS).batch(*decimals))
    return {
        "batch_all_trades_per_s": _rate(lambda: _engine().run_trades(ts, price, size, side)),
        "batch_cvd_per_s": cvd,
        "batch_vpin_per_s": vpin,
        "cvd_vs_wickra": cvd / their_cvd,
        "vpin_vs_wickra": vpin / their_vpin,
        "stream_growth_mb": _growth(ts, price, size, side),
    }


def _engine() -> FlowEngine:
    return FlowEngine(MarketScale(TICK, LOT), INDICATORS)


def _rate(call: Callable[[], Any]) -> float:
    """Return trades a second of processor time, the median of several calls after a first one."""
    call()
    rates = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        call()
        rates.append(TRADES / (time.process_time() - begin))
    return statistics.median(rates)


def _growth(ts: Any, price: Any, size: Any, side: Any) -> float:
    """Return the megabytes that ten million trades, one at a time, add to the process."""
    engine = _engine()
    process = psutil.Process()
    n = 200_000
    rows = [column[:n].tolist() for column in (ts, price, size, side)]
    span = rows[0][-1] - rows[0][0] + 1
    before = 0
    for lap in range(STREAMED // n + 1):
        for at, tick, lots, way in zip(*rows, strict=True):
            engine.on_trade(at + lap * span, tick, lots, way)
        if lap == 0:
            before = process.memory_info().rss
    return (process.memory_info().rss - before) / 2**20
