"""Joins the many small files of a recording: those of an hour that is over, then those of a day.

The joined file appears and its parts go in one step of the catalog's staging: a crash in between is
completed by the next writer, and rows stay as they are, in their order.
"""

import os
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from of_nautilus.ingest.columns import DAY_NS, Columns, data_files, data_folder, file_name
from of_nautilus.ingest.runs import open_writer
from of_nautilus.ingest.staging import Staging, recover
from of_nautilus.ingest.store import Store, open_store

HOUR_NS = 3_600_000_000_000
_ROWS = 100_000

Part = tuple[str, int, int]
"""A file's path, first and last time, as `data_files` lists it."""


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
            if len(parts) > 1 and (period + 1) * span <= until:
                joined += _join(store, kind, instrument_id, parts)
    return joined


def _are_one(store: Store, parts: list[Part]) -> bool:
    """Whether parts follow one another, in the same layout with the same precisions."""
    if any(end >= start for (_, _, end), (_, start, _) in pairwise(parts)):
        return False
    schemas = [pq.read_schema(store.path(path)) for path, _, _ in parts]
    return all(schema.equals(schemas[0], check_metadata=True) for schema in schemas)


def _join(store: Store, kind: type[Columns], instrument_id: Any, parts: list[Part]) -> int:
    """Put one file in the place of its parts; return how many, 0 where these may not be joined.

    The parts are copied while others may write: where one of them has, they stay as they are.
    """
    staging = Staging(store)
    try:
        before = _marks(store, parts)
        if not _are_one(store, parts):
            return 0
        path = staging.new_file()
        _copy([Path(store.path(name)) for name, _, _ in parts], path)
        first, last = parts[0][1], parts[-1][2]
        with staging.locked():
            recover(store)
            files = data_files(store, kind, instrument_id)
            now = [part for part in files if part[1] <= last and part[2] >= first]
            if now != parts or _marks(store, now) != before:
                return 0
            target = f"{data_folder(kind, instrument_id)}/{file_name(first, last)}"
            staging.publish([(path, target)], [name for name, _, _ in parts])
    except FileNotFoundError:
        return 0  # another writer took a part away while it was looked at
    finally:
        staging.discard()
    return len(parts)


def _marks(store: Store, parts: list[Part]) -> list[tuple[int, int]]:
    """What is another once another writer has put a file in a part's place."""
    stats = [os.stat(store.path(path)) for path, _, _ in parts]
    return [(stat.st_ino, stat.st_mtime_ns) for stat in stats]


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
