"""Columns straight out of a catalog's files: pruned by column, row group and time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from of_nautilus.ingest.columns.files import data_files, iso_time
from of_nautilus.ingest.columns.kinds import (
    Columns,
    DeltaColumns,
    DepthColumns,
    QuoteColumns,
    TradeColumns,
)
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.store import Store, open_store

_FEW_COLUMNS = 12


def read_trades(
    catalog: Any, instrument_id: Any, start: int | None = None, end: int | None = None
) -> TradeColumns:
    """The trades of an instrument whose `ts_init` is in [start, end], straight from the files.

    Parameters
    ----------
    catalog : path, str or ParquetDataCatalog
        A folder or an fsspec address.
    instrument_id : str or InstrumentId
        The instrument.
    start, end : int, optional
        Nanoseconds UTC, both included; None for no bound.

    Raises
    ------
    IngestError
        If there is no such data in that range, or a file is damaged.

    """
    return read_columns(TradeColumns, catalog, instrument_id, start, end)


def read_quotes(
    catalog: Any, instrument_id: Any, start: int | None = None, end: int | None = None
) -> QuoteColumns:
    """The top-of-book quotes of an instrument; parameters and errors as `read_trades`."""
    return read_columns(QuoteColumns, catalog, instrument_id, start, end)


def read_deltas(
    catalog: Any, instrument_id: Any, start: int | None = None, end: int | None = None
) -> DeltaColumns:
    """The book changes of an instrument; parameters and errors as `read_trades`."""
    return read_columns(DeltaColumns, catalog, instrument_id, start, end)


def read_depth(
    catalog: Any, instrument_id: Any, start: int | None = None, end: int | None = None
) -> DepthColumns:
    """The ten-level books of an instrument; parameters and errors as `read_trades`."""
    return read_columns(DepthColumns, catalog, instrument_id, start, end)


def read_columns[C: Columns](
    kind: type[C],
    catalog: Any,
    instrument_id: Any,
    start: int | None = None,
    end: int | None = None,
) -> C:
    """All rows of one kind in a time range; parameters and errors as `read_trades`."""
    parts = list(iter_columns(kind, catalog, instrument_id, start, end))
    if not parts:
        store = open_store(catalog)
        when = f" between {iso_time(start)} and {iso_time(end)}" if start or end else ""
        raise IngestError(
            f"no {kind.FOLDER} of {instrument_id}{when}", store, todo="ingest it first"
        )
    return kind.joined(parts).sorted()


def iter_columns[C: Columns](
    kind: type[C],
    catalog: Any,
    instrument_id: Any,
    start: int | None = None,
    end: int | None = None,
    rows: int = 1_000_000,
) -> Iterator[C]:
    """The same in pieces of about `rows` rows, for bounded memory; no piece is empty.

    Pieces come in the order of the files' names. Files made by this package never overlap, so
    their pieces are in time order; a message's deltas may be cut between two pieces.
    """
    store = open_store(catalog)
    if not store.exists():
        raise IngestError("no catalog there", store, todo="ingest data into it first")
    for path, first, last in data_files(store, kind, instrument_id):
        if (end is None or first <= end) and (start is None or last >= start):
            yield from iter_file(kind, store, path, start, end, rows)


def iter_file[C: Columns](
    kind: type[C], store: Store, path: str, start: int | None, end: int | None, rows: int
) -> Iterator[C]:
    """The rows of one file of a catalog within [start, end], in pieces of about `rows` rows."""
    low = 0 if start is None else start
    high = 2**63 - 1 if end is None else end
    with _said(path), store.open_parquet(path) as file:
        for groups in _group_runs(file.metadata, low, high, rows):
            # To hand few columns to threads costs the processor a third more than to decode them.
            names = kind.SCHEMA.names
            table = file.read_row_groups(
                groups, columns=names, use_threads=len(names) > _FEW_COLUMNS
            )
            piece = kind.from_table(table)
            if piece.ts_init.min(initial=low) < low or piece.ts_init.max(initial=high) > high:
                piece = piece.pick((piece.ts_init >= low) & (piece.ts_init <= high))
            if len(piece):
                yield piece


def _group_runs(metadata: Any, low: int, high: int, rows: int) -> Iterator[list[int]]:
    """Runs of row groups of about `rows` rows, without those outside the time range."""
    column = metadata.schema.names.index("ts_init")
    run: list[int] = []
    size = 0
    for group in range(metadata.num_row_groups):
        info = metadata.row_group(group)
        stats = info.column(column).statistics
        if stats is not None and stats.has_min_max and (stats.max < low or stats.min > high):
            continue
        if run and size + info.num_rows > rows:
            yield run
            run, size = [], 0
        run.append(group)
        size += info.num_rows
    if run:
        yield run


def held_range(kind: type[Columns], store: Store, path: str) -> tuple[int, int]:
    """The first and last `ts_init` that a file holds, whatever its name says."""
    ends: list[int] = []
    with _said(path), store.open_parquet(path) as file:
        column = file.schema_arrow.get_field_index("ts_init")
        for group in range(file.metadata.num_row_groups):
            stats = file.metadata.row_group(group).column(column).statistics
            if stats is None or not stats.has_min_max:
                ends = []
                break
            ends += (stats.min, stats.max)
    if not ends:
        for piece in iter_file(kind, store, path, None, None, 1_000_000):
            ends += (int(piece.ts_init.min()), int(piece.ts_init.max()))
    return min(ends), max(ends)


@contextmanager
def _said(path: str) -> Iterator[None]:
    """Damage in a file as one clear error."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise IngestError(
            f"damaged Parquet file ({error})", path, todo="ingest that day again"
        ) from error
    except IngestError as error:
        raise IngestError(error.what, path, todo="ingest that day again") from error
