"""A scan over a catalog: every pattern, profile and framing unit on, as dense as a large market.

The demo's tape, run forty times as fast, has some 3,700 trades a minute, as a recorded minute of
the largest perpetual contract has; forwards and backwards in turn, so that price never jumps.
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks._host import INSTRUMENT, ROUNDS, market
from of_nautilus.core.record import Ints
from of_nautilus.engine import FlowConfig
from of_nautilus.ingest.columns import TradeColumns
from of_nautilus.ingest.writer import CatalogWriter
from of_nautilus.scan import Market, scan

BARS = {"scan_trades_per_s": (">=", 6e6)}
FASTER = 40
TURNS = 16


def run() -> dict[str, float]:
    """Measure trades a second of one core, from the files to the signals."""
    with tempfile.TemporaryDirectory() as folder:
        with CatalogWriter(folder, INSTRUMENT) as writer:
            writer.write(_tape())
        return _rates(Market(Path(folder), INSTRUMENT))


def _rates(catalog: Market) -> dict[str, float]:
    rates = []
    for _ in range(ROUNDS + 1):
        # Time of the processor: the bar is one for a core, whoever else runs on the machine.
        begin = time.process_time()
        found = scan(catalog, FlowConfig(session="6h"))
        rates.append(found.trades / (time.process_time() - begin))
    return {
        "scan_trades_per_s": statistics.median(rates[1:]),
        "scan_trades_per_bar": found.trades / found.bars,
        "scan_signals": float(len(found.found)),
    }


def _tape() -> TradeColumns:
    tape = market().trades
    since = (tape.ts - tape.ts[0]) // FASTER // 1000 * 1000
    length = int(since[-1]) + 1_000_000
    ts = np.concatenate([turn * length + _turned(turn, since) for turn in range(TURNS)])
    columns = (tape.price, tape.size, tape.side)
    price, size, side = (
        np.concatenate([c[:: 1 - 2 * (turn % 2)] for turn in range(TURNS)]) for c in columns
    )
    ts += int(tape.ts[0])
    ids = np.arange(len(ts), dtype=np.int64)
    return TradeColumns(1, 3, ts, ts, price, size, side.astype(np.int8), ids)


def _turned(turn: int, since: Ints) -> Ints:
    return since if turn % 2 == 0 else since[-1] - since[::-1]
