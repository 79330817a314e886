"""MetaTrader 5 tick exports: tab-separated, with bid, ask, last, volume and flags.

Flags are bits: 2 the bid changed, 4 the ask, 8 the last price, 16 the volume, 32 a buyer was the
aggressor, 64 a seller. A field that did not change is empty and keeps its value. Times are the
broker's server time, so its zone must be named; most forex brokers use one two hours ahead of New
York's summer time rules (`Etc/GMT-3` in summer, `Etc/GMT-2` in winter, or `Europe/Athens`).

Ticks with bid or ask become quotes; MetaTrader gives no sizes at the touch, so each is 1 unit.
Ticks with last price and volume become trades, with the flag's side. Feeds of currencies and CFDs
have no last price: with `synthetic` each change of the bid becomes a trade of one unit without a
side, whose id begins with "SYN", so that whoever reads it knows that its delta is no order flow.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from nautilus_trader.model.instruments import Instrument
from numpy.typing import NDArray

from of_nautilus.ingest.columns import Columns, QuoteColumns, TradeColumns
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.pipeline import Job, run
from of_nautilus.ingest.summary import IngestSummary
from of_nautilus.ingest.tables import read_table
from of_nautilus.ingest.times import from_local, zone

SYNTHETIC_PREFIX = "SYN"
"""How the id of a trade begins that no venue has reported."""

_BID, _ASK, _LAST, _VOLUME, _BUY, _SELL = 2, 4, 8, 16, 32, 64
_TYPES = {
    "date": pa.string(),
    "time": pa.string(),
    "bid": pa.float64(),
    "ask": pa.float64(),
    "last": pa.float64(),
    "volume": pa.float64(),
    "flags": pa.int64(),
}
_ALIASES = {f"<{name.upper()}>": name for name in _TYPES}


def ingest_mt5(
    files: Sequence[str | Path],
    instrument: Instrument | str,
    catalog: Any,
    *,
    timezone: str,
    synthetic: bool = False,
    **options: Any,
) -> IngestSummary:
    """Write MetaTrader 5 tick exports as quotes and trades.

    Parameters
    ----------
    files, instrument, catalog
        As for `pipeline.run`.
    timezone : str
        The zone of the broker's server, such as "Europe/Athens".
    synthetic : bool, default False
        Make trades out of bid changes where the feed has no trades.
    **options
        As for `pipeline.run`.

    """
    zone(timezone)
    read = partial(_read, timezone, synthetic)
    return run("mt5", files, instrument, catalog, read, **options)


def _read(timezone: str, synthetic: bool, job: Job, path: Path) -> Iterator[Columns]:
    values = {"bid": np.nan, "ask": np.nan}
    table = read_table(
        job.sources,
        path,
        _TYPES,
        header=True,
        aliases=_ALIASES,
        delimiter="\t",
        optional=("last", "volume", "flags"),
        nullable=("bid", "ask"),
    )
    for line, batch in table:
        times = _times(batch, timezone, path, line)
        count = len(times)
        bid, ask = _carried(batch, "bid", values), _carried(batch, "ask", values)
        last, volume = _plain(batch, "last", count), _plain(batch, "volume", count)
        flags = _plain(batch, "flags", count).astype(np.int64)
        if "flags" not in batch.schema.names:
            flags = np.where(last > 0, _LAST, _BID)
        traded = (flags & (_LAST | _VOLUME | _BUY | _SELL) != 0) & (last > 0) & (volume > 0)
        if synthetic and not traded.any():
            yield _synthetic(job, bid, times, flags, path, line)
        else:
            yield _trades(job, traded, last, volume, times, flags, path, line)
        quoted = (flags & (_BID | _ASK) != 0) & (bid > 0) & (ask > 0)
        if quoted.any():
            yield _quotes(job, quoted, bid, ask, times, path, line)


def _times(batch: pa.RecordBatch, timezone: str, path: Path, line: int) -> NDArray[np.int64]:
    text = pc.binary_join_element_wise(
        pc.replace_substring(batch["date"], ".", "-"), batch["time"], " "
    )
    try:
        stamps = text.cast(pa.timestamp("ms"))
    except pa.ArrowInvalid as error:
        raise IngestError(f"broken line (time: {error})", path, line=line) from error
    return from_local(stamps, timezone, path, line)


def _carried(batch: pa.RecordBatch, name: str, values: dict[str, Any]) -> NDArray[np.float64]:
    """A column in which an empty field means the value before it, also across batches."""
    column = pc.fill_null_forward(batch[name])
    out = np.asarray(column.fill_null(values[name]).to_numpy(zero_copy_only=False))
    values[name] = out[-1]
    return out


def _plain(batch: pa.RecordBatch, name: str, count: int) -> NDArray[np.float64]:
    if name not in batch.schema.names:
        return np.zeros(count)
    return np.asarray(batch[name].fill_null(0).to_numpy(zero_copy_only=False), np.float64)


def _trades(
    job: Job,
    traded: NDArray[np.bool_],
    last: NDArray[np.float64],
    volume: NDArray[np.float64],
    times: NDArray[np.int64],
    flags: NDArray[np.int64],
    path: Path,
    line: int,
) -> TradeColumns:
    lines = line + np.flatnonzero(traded)
    buy, sell = flags[traded] & _BUY != 0, flags[traded] & _SELL != 0
    return TradeColumns(
        **job.precisions,
        ts_event=times[traded],
        ts_init=times[traded],
        price=job.prices(last[traded], path, lines),
        size=job.sizes(volume[traded], path, lines),
        side=buy.astype(np.int8) - sell.astype(np.int8),  # both at once is no side
        trade_id=lines.astype(np.int64),
    )


def _synthetic(
    job: Job,
    bid: NDArray[np.float64],
    times: NDArray[np.int64],
    flags: NDArray[np.int64],
    path: Path,
    line: int,
) -> TradeColumns:
    changed = (flags & _BID != 0) & (bid > 0)
    lines = line + np.flatnonzero(changed)
    job.keep("no trades in the feed: made of bid changes", times[changed])
    return TradeColumns(
        **job.precisions,
        ts_event=times[changed],
        ts_init=times[changed],
        price=job.prices(bid[changed], path, lines),
        size=np.full(len(lines), 10**job.size_precision, np.int64),
        side=np.zeros(len(lines), np.int8),
        trade_id=pc.binary_join_element_wise(SYNTHETIC_PREFIX, pa.array(lines).cast("string"), ""),
    )


def _quotes(
    job: Job,
    quoted: NDArray[np.bool_],
    bid: NDArray[np.float64],
    ask: NDArray[np.float64],
    times: NDArray[np.int64],
    path: Path,
    line: int,
) -> QuoteColumns:
    lines = line + np.flatnonzero(quoted)
    one = np.full(len(lines), 10**job.size_precision, np.int64)
    return QuoteColumns(
        **job.precisions,
        ts_event=times[quoted],
        ts_init=times[quoted],
        bid_price=job.prices(bid[quoted], path, lines),
        ask_price=job.prices(ask[quoted], path, lines),
        bid_size=one,
        ask_size=one,
    )
