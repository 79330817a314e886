"""Joins the many small files of a recording: those of an hour that is over, then those of a day.

The joined file appears and its parts go in one step of the catalog's staging: a crash in between is
completed by the next writer, and rows stay as they are, in their order.
"""

from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from of_nautilus.ingest.columns import DAY_NS, Columns, data_files, data_folder, file_name
from of_nautilus.ingest.runs import open_writer
from of_nautilus.ingest.staging import Staging
from of_nautilus.ingest.store import Store, open_store

HOUR_NS = 3_600_000_000_000
_ROWS = 100_000


def join_files(catalog: Any, kind: type[Columns], instrument_id: Any, until: int) -> int:
    """Join an instrument's files of one kind, for each UTC hour and day that is over.

    Parameters
    ----------
    catalog : path, str or ParquetDataCatalog
        The catalog's folder.
    kind : type
        What kind of rows, such as `TradeColumns`.
    instrument_id : InstrumentId or str
        Whose.
    until : int
        The time of now, ns UTC.

    Returns
    -------
    int
        How many files have gone into larger ones; none at a remote address.

    Raises
    ------
    OSError
        If the disk is full; the files are as they were.
    """
    store = open_store(catalog)
    joined = 0
    if not store.local:
        return joined
    for span in (HOUR_NS, DAY_NS):
        files = data_files(store, kind, instrument_id)
        for period, some in groupby(files, key=lambda file: file[1] // span):
            parts = list(some)
            if len(parts) > 1 and (period + 1) * span <= until and _are_one(store, parts):
                _join(store, data_folder(kind, instrument_id), parts)
                joined += len(parts)
    return joined


def _are_one(store: Store, parts: list[tuple[str, int, int]]) -> bool:
    """Whether parts follow one another, in the same layout with the same precisions."""
    if any(end >= start for (_, _, end), (_, start, _) in pairwise(parts)):
        return False
    schemas = [pq.read_schema(store.path(path)) for path, _, _ in parts]
    return all(schema.equals(schemas[0], check_metadata=True) for schema in schemas)


def _join(store: Store, folder: str, parts: list[tuple[str, int, int]]) -> None:
    staging = Staging(store)
    try:
        path = staging.new_file()
        _copy([Path(store.path(name)) for name, _, _ in parts], path)
        target = f"{folder}/{file_name(parts[0][1], parts[-1][2])}"
        with staging.locked():
            staging.publish([(path, target)], [name for name, _, _ in parts])
    finally:
        staging.discard()


def _copy(parts: list[Path], path: Path) -> None:
    """Write the rows of some files to one, never more of them in memory than a row group."""
    with open_writer(path, pq.read_schema(parts[0])) as writer:
        waiting: list[Any] = []
        for part in parts:
            with pq.ParquetFile(part) as file:
                for batch in file.iter_batches(_ROWS):
                    waiting.append(batch)
                    if sum(len(one) for one in waiting) >= _ROWS:
                        writer.write_table(pa.Table.from_batches(waiting).combine_chunks())
                        waiting = []
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting).combine_chunks())
