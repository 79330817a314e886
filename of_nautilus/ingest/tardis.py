"""Tardis CSV files: trades, quotes, incremental_book_L2, book_snapshot_5 and book_snapshot_25.

`ts_event` is the exchange's `timestamp`, `ts_init` is `local_timestamp` (both microseconds), as the
host's own loader has it. A book message ends where the exchange's time changes; a snapshot begins
with a CLEAR. Of a snapshot file the ten best levels are kept.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from nautilus_trader.model.instruments import Instrument
from numpy.typing import NDArray

from of_nautilus.ingest.columns import (
    ADD,
    CLEAR,
    DELETE,
    DEPTH_LEVELS,
    F_LAST,
    F_SNAPSHOT,
    UPDATE,
    Columns,
    DeltaColumns,
    DepthColumns,
    QuoteColumns,
    TradeColumns,
    numeric_ids,
)
from of_nautilus.ingest.pipeline import Job, run
from of_nautilus.ingest.summary import IngestSummary
from of_nautilus.ingest.tables import CODED, check_coded, read_table, sides
from of_nautilus.ingest.times import nanoseconds

_COMMON = {"symbol": CODED, "timestamp": pa.int64(), "local_timestamp": pa.int64()}
_LADDERS = [
    (side, field, level)
    for level in range(DEPTH_LEVELS)
    for side in ("asks", "bids")
    for field in ("price", "amount")
]


def ingest_trades(
    files: Sequence[str | Path], instrument: Instrument | str, catalog: Any, **options: Any
) -> IngestSummary:
    """Write `trades` files; parameters as `pipeline.run`."""
    return run("tardis-trades", files, instrument, catalog, _trades, **options)


def ingest_quotes(
    files: Sequence[str | Path], instrument: Instrument | str, catalog: Any, **options: Any
) -> IngestSummary:
    """Write `quotes` files; parameters as `pipeline.run`."""
    return run("tardis-quotes", files, instrument, catalog, _quotes, **options)


def ingest_book(
    files: Sequence[str | Path], instrument: Instrument | str, catalog: Any, **options: Any
) -> IngestSummary:
    """Write `incremental_book_L2` files as book changes; parameters as `pipeline.run`."""
    return run("tardis-book", files, instrument, catalog, _deltas, **options)


def ingest_snapshots(
    files: Sequence[str | Path], instrument: Instrument | str, catalog: Any, **options: Any
) -> IngestSummary:
    """Write `book_snapshot_5` and `_25` files as ten-level books; parameters as `pipeline.run`."""
    return run("tardis-snapshots", files, instrument, catalog, _depth, **options)


def _batches(
    job: Job,
    path: Path,
    types: dict[str, pa.DataType],
    *,
    optional: Sequence[str] = (),
    nullable: Sequence[str] = (),
) -> Iterator[tuple[int, pa.RecordBatch, dict[str, Any]]]:
    table = read_table(
        job.sources, path, _COMMON | types, header=True, optional=optional, nullable=nullable
    )
    for line, batch in table:
        check_coded(batch["symbol"], job, path, line)
        times = {
            "ts_event": nanoseconds(batch["timestamp"].to_numpy(), path, line),
            "ts_init": nanoseconds(batch["local_timestamp"].to_numpy(), path, line),
        }
        yield line, batch, job.precisions | times


def _trades(job: Job, path: Path) -> Iterator[Columns]:
    types = {"id": pa.string(), "side": CODED, "price": pa.float64(), "amount": pa.float64()}
    for line, batch, common in _batches(job, path, types, nullable=("id", "side")):
        yield TradeColumns(
            **common,
            price=job.prices(batch["price"].to_numpy(), path, line),
            size=job.sizes(batch["amount"].to_numpy(), path, line),
            side=sides(batch["side"], path, line),
            trade_id=_ids(batch, line),
        )


def _ids(batch: pa.RecordBatch, line: int) -> Any:
    """The venue's ids; where it gives none, one from time and line, the same on every run."""
    ids = batch["id"]
    if ids.null_count:
        lines = pa.array(np.arange(line, line + len(batch))).cast(pa.string())
        made = pc.binary_join_element_wise(batch["timestamp"].cast(pa.string()), lines, "-")
        ids = pc.coalesce(ids, made)
    return numeric_ids(pc.utf8_slice_codeunits(ids, 0, 36))


def _quotes(job: Job, path: Path) -> Iterator[Columns]:
    names = ("ask_amount", "ask_price", "bid_price", "bid_amount")
    types = dict.fromkeys(names, pa.float64())
    for line, batch, common in _batches(job, path, types, nullable=names):
        whole = np.all([batch[name].is_valid().to_numpy(False) for name in names], axis=0)
        lines = line + np.flatnonzero(whole)
        if not whole.all():
            job.leave_out("one-sided quote", common["ts_event"][~whole])
            batch = batch.filter(pa.array(whole))
            common |= {name: common[name][whole] for name in ("ts_event", "ts_init")}
        yield QuoteColumns(
            **common,
            bid_price=job.prices(batch["bid_price"].to_numpy(), path, lines),
            ask_price=job.prices(batch["ask_price"].to_numpy(), path, lines),
            bid_size=job.sizes(batch["bid_amount"].to_numpy(), path, lines),
            ask_size=job.sizes(batch["ask_amount"].to_numpy(), path, lines),
        )


def _deltas(job: Job, path: Path) -> Iterator[Columns]:
    types = {
        "is_snapshot": pa.bool_(),
        "side": CODED,
        "price": pa.float64(),
        "amount": pa.float64(),
    }
    latest = 0
    held: DeltaColumns | None = None  # one row, whose message may go on in the next batch
    for line, batch, common in _batches(job, path, types):
        snapshot = batch["is_snapshot"].to_numpy(zero_copy_only=False)
        size = job.sizes(batch["amount"].to_numpy(), path, line)
        action = np.where(snapshot, np.uint8(ADD), np.uint8(UPDATE))
        action[size == 0] = DELETE
        of = np.where(snapshot, common["ts_event"], 0)  # a snapshot's rows have one time
        starts = snapshot & (of != np.append(latest, of[:-1]))
        latest = int(of[-1])
        rows = DeltaColumns(
            **common,
            action=action,
            side=sides(batch["side"], path, line),
            price=job.prices(batch["price"].to_numpy(), path, line),
            size=size,
            order_id=np.zeros(len(size), np.uint64),
            flags=np.zeros(len(size), np.uint8),
            sequence=np.zeros(len(size), np.int64),
        )
        job.summary.snapshots += int(np.count_nonzero(starts))
        rows = _with_clears(rows, starts)
        if held is not None:
            rows = DeltaColumns.joined([held, rows])
        ends = np.flatnonzero(rows.ts_event[1:] != rows.ts_event[:-1])
        rows.flags[ends] |= F_LAST
        job.summary.depth_messages += len(ends)
        held = rows.pick(slice(-1, None))
        yield rows.pick(slice(0, -1))
    if held is not None:
        held.flags[-1] |= F_LAST
        job.summary.depth_messages += 1
        yield held


def _with_clears(rows: DeltaColumns, starts: NDArray[np.bool_]) -> DeltaColumns:
    """A CLEAR before each row at which a snapshot begins."""
    if not starts.any():
        return rows
    out = rows.pick(np.repeat(np.arange(len(rows)), 1 + starts))
    clears = np.flatnonzero(starts) + np.arange(np.count_nonzero(starts))
    out.action[clears] = CLEAR
    out.flags[clears] = F_SNAPSHOT
    for values in (out.side, out.price, out.size):
        values[clears] = 0
    return out


def _depth(job: Job, path: Path) -> Iterator[Columns]:
    types = {f"{side}[{level}].{field}": pa.float64() for side, field, level in _LADDERS}
    best, deeper = list(types)[:4], list(types)[4:]  # a snapshot of five levels has no more
    for line, batch, common in _batches(job, path, types, optional=deeper, nullable=best):
        bids, bid_sizes = _ladder(job, batch, "bids", path, line)
        asks, ask_sizes = _ladder(job, batch, "asks", path, line)
        yield DepthColumns(
            **common,
            bid_price=bids,
            ask_price=asks,
            bid_size=bid_sizes,
            ask_size=ask_sizes,
            bid_count=(bids > 0).astype(np.uint32),
            ask_count=(asks > 0).astype(np.uint32),
            flags=np.full(len(bids), F_SNAPSHOT | F_LAST, np.uint8),
            sequence=np.zeros(len(bids), np.int64),
        )


def _ladder(
    job: Job, batch: pa.RecordBatch, side: str, path: Path, line: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    prices = np.zeros((len(batch), DEPTH_LEVELS), np.int64)
    sizes = np.zeros_like(prices)
    for level in range(DEPTH_LEVELS):
        if not {f"{side}[{level}].price", f"{side}[{level}].amount"} <= {*batch.schema.names}:
            break
        price = batch[f"{side}[{level}].price"].fill_null(0.0).to_numpy()
        size = batch[f"{side}[{level}].amount"].fill_null(0.0).to_numpy()
        prices[:, level] = job.prices(price, path, line)
        sizes[:, level] = job.sizes(size, path, line)
    return prices, sizes
