"""The journal: custom data buffered while a node runs and written to the catalog in one piece.

The files have the catalog's own layout, so `ParquetDataCatalog.query` and any Parquet reader read
them. One file a data type and instrument holds one run; a later run over the same time takes the
place of the earlier one. A crash leaves the old file or the new one, never half of one.
"""

import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from nautilus_trader.core.datetime import unix_nanos_to_iso8601
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.persistence.funcs import class_to_filename


class Journal:
    """Buffers custom data, and writes it when asked.

    Parameters
    ----------
    catalog : str or Path
        Folder of the catalog.
    """

    def __init__(self, catalog: str | Path) -> None:
        self._data = Path(catalog) / "data"
        self._rows: dict[tuple[type[Any], InstrumentId], list[Any]] = defaultdict(list)

    def add(self, item: Any) -> None:
        """Buffer one item of custom data that has an `instrument_id`."""
        self._rows[type(item), item.instrument_id].append(item)

    def write(self) -> list[Path]:
        """Write what is buffered, in the order of `ts_init`, and forget it; return the files."""
        written = []
        for (cls, instrument_id), rows in self._rows.items():
            rows.sort(key=lambda row: row.ts_init)
            folder = self._data / class_to_filename(cls) / str(instrument_id)
            written.append(_write(folder, cls, rows))
        self._rows.clear()
        return written


def _write(folder: Path, cls: type[Any], rows: list[Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    first, last = rows[0].ts_init, rows[-1].ts_init
    path = folder / f"{_stamp(first)}_{_stamp(last)}.parquet"
    temporary = path.with_suffix(".tmp")
    table = pa.Table.from_pylist([row.to_dict() for row in rows], schema=cls._schema)
    pq.write_table(table, temporary)
    os.replace(temporary, path)
    for old in folder.glob("*.parquet"):
        begins, ends = old.stem.split("_")
        if old != path and begins <= _stamp(last) and ends >= _stamp(first):
            old.unlink()
    return path


def _stamp(ts: int) -> str:
    return unix_nanos_to_iso8601(ts).replace(":", "-").replace(".", "-")
