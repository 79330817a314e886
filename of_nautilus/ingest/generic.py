"""Any CSV or Parquet file of trades or quotes, with a mapping of its columns."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from nautilus_trader.model.instruments import Instrument
from numpy.typing import NDArray

from of_nautilus.ingest.columns import Columns, QuoteColumns, TradeColumns, numeric_ids
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.pipeline import Job, run
from of_nautilus.ingest.summary import IngestSummary
from of_nautilus.ingest.tables import CODED, check_coded, check_header, read_table, sides
from of_nautilus.ingest.times import from_local, nanoseconds, zone

_TRADE = {"time": pa.string(), "price": pa.float64(), "size": pa.float64()}
_QUOTE = {"time": pa.string()} | dict.fromkeys(
    ("bid_price", "ask_price", "bid_size", "ask_size"), pa.float64()
)
_OPTIONAL = {"id": pa.string(), "side": CODED, "symbol": CODED}
_ROWS = 250_000


def ingest_generic(
    files: Sequence[str | Path],
    instrument: Instrument | str,
    catalog: Any,
    *,
    columns: Mapping[str, str] | None = None,
    kind: Literal["trades", "quotes"] = "trades",
    timezone: str = "UTC",
    delimiter: str = ",",
    **options: Any,
) -> IngestSummary:
    """Write CSV files with a header line, or Parquet files, of trades or quotes.

    Parameters
    ----------
    files, instrument, catalog
        As for `pipeline.run`.
    columns : mapping, optional
        The file's name of each field that has another there; no other column stands in for it.
        Fields of trades are time, price, size, and where present side (buy and sell in words, 1 and
        -1, 0 for unknown), id and symbol; of quotes time, bid_price, ask_price, bid_size and
        ask_size.
    kind : {"trades", "quotes"}, default "trades"
        What a row is.
    timezone : str, default "UTC"
        The zone of times that are text without one. Whole numbers are s, ms, µs or ns since 1970.
    delimiter : str, default ","
        The CSV file's; one character.
    **options
        As for `pipeline.run`.

    """
    if kind not in ("trades", "quotes"):
        raise ValueError(f"`kind` must be trades or quotes, was {kind!r}")
    types = (_TRADE if kind == "trades" else _QUOTE) | _OPTIONAL
    mapping = dict(columns or {})
    for field in mapping:
        if field not in types:
            raise IngestError(f"unknown field {field!r}", todo=f"fields are {', '.join(types)}")
    if len(delimiter) != 1 or not delimiter.isascii():
        raise IngestError(
            f"delimiter {delimiter!r} is not one character", todo="write a tab as $'\\t'"
        )
    zone(timezone)
    read = partial(_read, types, _names(types, mapping), set(mapping), timezone, delimiter)
    return run("generic", files, instrument, catalog, read, **options)


def _names(types: Mapping[str, pa.DataType], mapping: dict[str, str]) -> dict[str, str]:
    """The file's column of each field; an optional one has none where that is another's."""
    taken = list(mapping.values())
    names = {
        field: mapping.get(field, field)
        for field in types
        if field in mapping or field not in _OPTIONAL or field not in taken
    }
    for name in taken:
        if list(names.values()).count(name) > 1:
            raise IngestError(
                f"column {name!r} stands for two fields", todo="name one column for each"
            )
    return names


def _read(
    types: Mapping[str, pa.DataType],
    names: dict[str, str],
    needed: set[str],
    timezone: str,
    delimiter: str,
    job: Job,
    path: Path,
) -> Iterator[Columns]:
    optional = [name for field, name in names.items() if field in _OPTIONAL.keys() - needed]
    with path.open("rb") as handle:
        parquet = handle.read(4) == b"PAR1"
    batches = (
        _parquet(path, types, names, optional)
        if parquet
        else read_table(
            job.sources,
            path,
            {name: types[field] for field, name in names.items()},
            header=True,
            delimiter=delimiter,
            optional=optional,
            nullable=[name for field, name in names.items() if field in _OPTIONAL],
        )
    )
    fields = {name: field for field, name in names.items()}
    for line, plain in batches:
        batch = plain.rename_columns([fields[name] for name in plain.schema.names])
        if "symbol" in batch.schema.names:
            check_coded(batch["symbol"], job, path, line)
        times = _times(batch["time"], timezone, path, line)
        common = job.precisions | {"ts_event": times, "ts_init": times}
        if "price" not in types:
            yield QuoteColumns(
                **common,
                bid_price=job.prices(batch["bid_price"].to_numpy(), path, line),
                ask_price=job.prices(batch["ask_price"].to_numpy(), path, line),
                bid_size=job.sizes(batch["bid_size"].to_numpy(), path, line),
                ask_size=job.sizes(batch["ask_size"].to_numpy(), path, line),
            )
            continue
        yield TradeColumns(
            **common,
            price=job.prices(batch["price"].to_numpy(), path, line),
            size=job.sizes(batch["size"].to_numpy(), path, line),
            side=_sides(batch, path, line),
            trade_id=_ids(batch, line),
        )


def _parquet(
    path: Path, types: Mapping[str, pa.DataType], names: dict[str, str], optional: Sequence[str]
) -> Iterator[tuple[int, pa.RecordBatch]]:
    line = 1
    try:
        with pq.ParquetFile(path) as file:
            found = file.schema_arrow.names
            check_header(found, names.values(), optional, path)
            there = {field: name for field, name in names.items() if name in found}
            for batch in file.iter_batches(_ROWS, columns=list(there.values())):
                picked = [_as(batch[name], types[field], field) for field, name in there.items()]
                yield line, pa.RecordBatch.from_arrays(picked, names=list(there.values()))
                line += len(batch)
    except (pa.ArrowException, OSError) as error:  # a damaged page is an OSError
        raise IngestError(
            f"broken file near row {line} ({error})", path, todo="fetch it again"
        ) from error


def _as(column: pa.Array, kind: pa.DataType, name: str) -> pa.Array:
    if column.null_count and name not in _OPTIONAL:
        raise pa.ArrowInvalid(f"{name} is null")
    if name == "time":
        return column
    if kind == CODED:
        return column.cast(pa.string()).dictionary_encode()
    return column.cast(kind)


def _times(column: pa.Array, timezone: str, path: Path, line: int) -> NDArray[np.int64]:
    stamps = pa.types.is_timestamp(column.type)
    if not stamps:
        with suppress(pa.ArrowException):
            return nanoseconds(np.asarray(column.cast(pa.int64()).to_numpy()), path, line)
    for zoned in (False,) if stamps and column.type.tz is None else (True, False):
        try:
            if zoned:
                moments = column.cast(pa.timestamp("ns", "UTC"))
                return np.asarray(moments.cast(pa.int64()).to_numpy())
            return from_local(column.cast(pa.timestamp("ns")), timezone, path, line)
        except pa.ArrowException:
            continue
    raise IngestError(
        f"broken line (time {column[0].as_py()!r} is neither a whole number nor ISO 8601)",
        path,
        line=line,
    )


def _sides(batch: pa.RecordBatch, path: Path, line: int) -> NDArray[np.int8]:
    if "side" not in batch.schema.names:
        return np.zeros(len(batch), np.int8)
    return sides(batch["side"], path, line)


def _ids(batch: pa.RecordBatch, line: int) -> Any:
    if "id" in batch.schema.names and not batch["id"].null_count:
        return numeric_ids(pc.utf8_slice_codeunits(batch["id"], 0, 36))
    return np.arange(line, line + len(batch), dtype=np.int64)
