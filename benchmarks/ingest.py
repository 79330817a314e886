"""How fast files become a catalog, beside the host's own way, and how much memory it takes.

Rates are a core's: rows by the processor time of all threads. `run` takes about two minutes and
2.5 GB of the temporary folder.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
from nautilus_trader.persistence.catalog import ParquetDataCatalog
from nautilus_trader.persistence.wranglers import TradeTickDataWrangler

from of_nautilus.ingest import tardis
from of_nautilus.ingest.binance_archive import ingest_trades
from of_nautilus.ingest.instruments import find_instrument

INSTRUMENT = "BTCUSDT-PERP.BINANCE"
START_MS = 1_723_161_600_000
BLOCK = 500_000
BARS = {
    "ingest_rows_per_s": (">=", 1.5e6),
    "ingest_vs_nautilus": (">=", 15.0),
    "ingest_deltas_per_s": (">=", 1.0e6),
    "ingest_peak_mb": ("<", 600.0),
}


def run(
    trades: int = 2_000_000, deltas: int = 2_000_000, host_trades: int = 200_000, gb: float = 2.0
) -> dict[str, float]:
    """Measure on generated files.

    Parameters
    ----------
    trades, deltas : int
        Rows of the files that are timed; > 0.
    host_trades : int
        Rows given to the host's wrangler and `write_data`; 1 to `trades`.
    gb : float
        Size of the file whose ingest's memory is measured, in GB; > 0.

    Returns
    -------
    dict[str, float]
        `ingest_rows_per_s`, `ingest_vs_nautilus`, `ingest_deltas_per_s`, `ingest_peak_mb`.

    """
    with tempfile.TemporaryDirectory(prefix="of-nautilus-bench-") as folder:
        root = Path(folder)
        csv = write_trades(root / "trades.csv", trades)
        ours = _best(lambda n: ingest_trades([csv], INSTRUMENT, root / f"c{n}", aggregated=True))
        host = _best(lambda n: _host(csv, host_trades, root / f"h{n}"), times=1)
        book = write_deltas(root / "book.csv", deltas)
        levels = _best(lambda n: tardis.ingest_book([book], INSTRUMENT, root / f"d{n}"))
        csv.unlink()
        big = write_trades(root / "big.csv", int(gb * 1e9 / (csv_row_bytes())))
        return {
            "ingest_rows_per_s": trades / ours,
            "ingest_vs_nautilus": (host / host_trades) / (ours / trades),
            "ingest_deltas_per_s": deltas / levels,
            "ingest_peak_mb": _peak_mb(big, root / "peak"),
        }


def csv_row_bytes() -> float:
    """Bytes of a generated trade, on average."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_trades(Path(folder) / "x.csv", 10_000)
        return path.stat().st_size / 10_000


def write_trades(path: Path, rows: int) -> Path:
    """An archive of aggregate trades, with its header."""
    rng = np.random.default_rng(1)
    price, at = 6_000_000, START_MS
    options = pacsv.WriteOptions(quoting_style="none")
    with path.open("wb") as out:
        for first in range(0, rows, BLOCK):
            count = min(BLOCK, rows - first)
            ticks = price + 10 * np.cumsum(rng.integers(-1, 2, count))
            times = at + np.cumsum(rng.integers(0, 20, count))
            price, at = int(ticks[-1]), int(times[-1])
            ids = 2_000_000_000 + first + np.arange(count)
            table = pa.table(
                {
                    "agg_trade_id": ids,
                    "price": ticks / 100,
                    "quantity": rng.integers(1, 5_000, count) / 1_000,
                    "first_trade_id": 2 * ids,
                    "last_trade_id": 2 * ids + 1,
                    "transact_time": times,
                    "is_buyer_maker": rng.random(count) < 0.5,
                }
            )
            options.include_header = first == 0
            pacsv.write_csv(table, out, options)
    return path


def write_deltas(path: Path, rows: int) -> Path:
    """An incremental book of 40 levels a message."""
    rng = np.random.default_rng(2)
    options = pacsv.WriteOptions(quoting_style="none")
    with path.open("wb") as out:
        for first in range(0, rows, BLOCK):
            count = min(BLOCK, rows - first)
            times = 1_000 * START_MS + (first + np.arange(count)) // 40 * 100_000
            size = np.where(rng.random(count) < 0.3, 0.0, rng.integers(1, 9_000, count) / 1_000)
            table = pa.table(
                {
                    "exchange": pa.array(["binance-futures"] * count),
                    "symbol": pa.array(["BTCUSDT"] * count),
                    "timestamp": times,
                    "local_timestamp": times + 7_000,
                    "is_snapshot": first + np.arange(count) < 40,
                    "side": np.where(np.arange(count) % 2, "ask", "bid"),
                    "price": (6_000_000 + 10 * rng.integers(-2_000, 2_000, count)) / 100,
                    "amount": size,
                }
            )
            options.include_header = first == 0
            pacsv.write_csv(table, out, options)
    return path


def _best(work, times: int = 3) -> float:  # type: ignore[no-untyped-def]
    """The least processor time of some runs; each gets its number."""
    spent = []
    for number in range(times):
        started = time.process_time()
        work(number)
        spent.append(time.process_time() - started)
    return min(spent)


def _host(csv: Path, rows: int, root: Path) -> None:
    """The same rows through pandas, the host's wrangler and its catalog."""
    root.mkdir()
    columns = ["agg_trade_id", "price", "quantity", "transact_time", "is_buyer_maker"]
    frame = pd.read_csv(csv, nrows=rows, usecols=columns)
    frame = frame.rename(columns={"agg_trade_id": "trade_id", "is_buyer_maker": "buyer_maker"})
    frame.index = pd.to_datetime(frame.pop("transact_time"), unit="ms", utc=True)
    ticks = TradeTickDataWrangler(find_instrument(INSTRUMENT)).process(frame)
    ParquetDataCatalog(str(root)).write_data(ticks)


_CHILD = """
import resource, sys
from of_nautilus.ingest.binance_archive import ingest_trades
ingest_trades([sys.argv[1]], sys.argv[2], sys.argv[3], aggregated=True)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def _peak_mb(csv: Path, root: Path) -> float:
    """The most memory that a process of its own takes."""
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _CHILD, str(csv), INSTRUMENT, str(root)],
        check=True,
        capture_output=True,
        text=True,
    )
    unit = 1 if sys.platform == "darwin" else 1024
    return int(answer.stdout) * unit / 1e6
