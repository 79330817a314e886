"""LOBSTER files: a message file and the order book file beside it, row by row.

Trades are the messages of types 4 (a visible order executed), 5 (a hidden one) and 6 (an auction
cross, whose side is 0). A message names the resting order's side, so the aggressor is the other: an
executed sell order had a buyer. The book after each message becomes a ten-level book; deeper files
are cut, missing levels are empty.

Times are seconds after midnight in New York with nanoseconds; the date stands in the file's name or
is given. `ts_init` rises by two from message to message where the time does not, the trade first,
the book after it one nanosecond later.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from nautilus_trader.model.instruments import Instrument
from numpy.typing import NDArray

from of_nautilus.ingest.columns import (
    DEPTH_LEVELS,
    F_LAST,
    F_SNAPSHOT,
    Columns,
    DepthColumns,
    TradeColumns,
)
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.pipeline import Job, run
from of_nautilus.ingest.summary import IngestSummary
from of_nautilus.ingest.tables import read_table
from of_nautilus.ingest.times import day_in_name, day_start

_NAMES = ("seconds", "type", "order_id", "size", "price", "direction")
_TYPES = {
    "seconds": pa.float64(),
    "type": pa.int64(),
    "size": pa.int64(),
    "price": pa.int64(),
    "direction": pa.int64(),
}
_EMPTY = 9_999_999_999  # the price of a level that is not there
_HALT = 7


def ingest_lobster(
    files: Sequence[str | Path],
    instrument: Instrument | str,
    catalog: Any,
    *,
    date: str | None = None,
    **options: Any,
) -> IngestSummary:
    """Write LOBSTER message files, each with the order book file beside it if there is one.

    Parameters
    ----------
    files : sequence of path
        The message files; order book files in the list are found by their messages' names.
    instrument, catalog
        As for `pipeline.run`.
    date : str, optional
        The day, where the file's name does not hold it.
    **options
        As for `pipeline.run`.

    """
    messages = [path for path in map(Path, files) if "orderbook" not in path.name]
    return run("lobster", messages, instrument, catalog, partial(_read, date), **options)


def _read(date: str | None, job: Job, path: Path) -> Iterator[Columns]:
    midnight = day_start(day_in_name(path, date), "America/New_York")
    book_path = path.with_name(path.name.replace("message", "orderbook"))
    books = _books(job, book_path) if book_path != path and book_path.exists() else None
    last = 0
    rest: NDArray[np.int64] | None = None
    for line, batch in read_table(job.sources, path, _TYPES, names=_NAMES, header=False):
        event = midnight + np.rint(batch["seconds"].to_numpy() * 1e9).astype(np.int64)
        steps = 2 * np.arange(len(event))
        init = np.maximum.accumulate(np.maximum(event - steps, last + 2)) + steps
        last = int(init[-1])
        yield _trades(job, batch, event, init, path, line)
        if books is not None:
            parts = [] if rest is None else [rest]
            while sum(map(len, parts)) < len(event):
                more = next(books, None)
                if more is None:
                    raise IngestError(
                        "has fewer rows than its message file", book_path, line=line + len(event)
                    )
                parts.append(more)
            whole = np.concatenate(parts)
            rows, rest = whole[: len(event)], whole[len(event) :]
            yield _depth(job, rows, event, init + 1, book_path, line)
    if books is not None and (next(books, None) is not None or (rest is not None and len(rest))):
        raise IngestError("has more rows than its message file", book_path)


def _trades(
    job: Job,
    batch: pa.RecordBatch,
    event: NDArray[np.int64],
    init: NDArray[np.int64],
    path: Path,
    line: int,
) -> TradeColumns:
    kind = batch["type"].to_numpy()
    unknown = (kind < 1) | (kind > _HALT)
    if unknown.any():
        bad = int(np.argmax(unknown))
        raise IngestError(f"broken line (message type {kind[bad]})", path, line=line + bad)
    job.leave_out("trading halt", event[kind == _HALT])
    at = np.flatnonzero((kind >= 4) & (kind < _HALT))
    resting = batch["direction"].to_numpy()[at]
    return TradeColumns(
        **job.precisions,
        ts_event=event[at],
        ts_init=init[at],
        price=job.prices(batch["price"].to_numpy()[at] / 1e4, path, line + at),
        size=batch["size"].to_numpy()[at] * 10**job.size_precision,
        side=np.where(kind[at] == 6, 0, -resting).astype(np.int8),
        trade_id=line + at,
    )


def _books(job: Job, path: Path) -> Iterator[NDArray[np.int64]]:
    """Rows of ask price, ask size, bid price, bid size, level by level."""
    with path.open("rb") as handle:
        width = handle.readline().count(b",") + 1
    if width % 4:
        raise IngestError(f"has {width} columns, not four a level", path, line=1)
    names = [f"c{i}" for i in range(min(width, 4 * DEPTH_LEVELS))]
    types = dict.fromkeys(names, pa.int64())
    for _, batch in read_table(job.sources, path, types, names=names, header=False):
        yield np.column_stack([column.to_numpy() for column in batch.columns])


def _depth(
    job: Job,
    rows: NDArray[np.int64],
    event: NDArray[np.int64],
    init: NDArray[np.int64],
    path: Path,
    line: int,
) -> DepthColumns:
    ladders: dict[str, Any] = {}
    for name, first in (("ask", 0), ("bid", 2)):
        price, size = rows[:, first::4], rows[:, first + 1 :: 4]
        there = np.abs(price) != _EMPTY
        flat = np.where(there, price, 0).ravel() / 1e4
        lines = np.repeat(np.arange(line, line + len(rows)), price.shape[1])
        wide = (len(rows), DEPTH_LEVELS)
        prices, sizes = np.zeros(wide, np.int64), np.zeros(wide, np.int64)
        counts = np.zeros(wide, np.uint32)
        levels = price.shape[1]
        prices[:, :levels] = job.prices(flat, path, lines).reshape(price.shape)
        sizes[:, :levels] = np.where(there, size, 0) * 10**job.size_precision
        counts[:, :levels] = there
        ladders |= {
            f"{name}_price": prices,
            f"{name}_size": sizes,
            f"{name}_count": counts,
        }
    return DepthColumns(
        **job.precisions,
        ts_event=event,
        ts_init=init,
        **ladders,
        flags=np.full(len(event), F_SNAPSHOT | F_LAST, np.uint8),
        sequence=np.arange(line, line + len(event)),
    )
