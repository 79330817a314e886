"""The journal: listens for what flow and strategies publish, and writes it to a catalog.

The files have the catalog's own layout, so `ParquetDataCatalog.query` and any Parquet reader read
them. Every part is written to a temporary file that then takes its name: a crash leaves whole files
only. What an earlier backtest wrote about the same time makes way for the later run; what a live
run has kept, nothing removes. Live, a thread of its own writes: no order waits for the disk.
"""

import os
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from operator import attrgetter
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as dataset
import pyarrow.parquet as pq
from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import LiveClock
from nautilus_trader.core.datetime import unix_nanos_to_iso8601
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.persistence.funcs import class_to_filename

from of_nautilus.config import JournalConfig
from of_nautilus.data import (
    FLOW_TYPES,
    OPERATION_TYPES,
    STRATEGY_TYPES,
    ClosedTrade,
    listen,
)
from of_nautilus.errors import UserError

type Rows = dict[tuple[type[Any], InstrumentId], list[Any]]
_LIVE = {b"of_nautilus.run": b"live"}
ALL_TYPES = (*FLOW_TYPES, *STRATEGY_TYPES, *OPERATION_TYPES)


class Journal(Actor):
    """Keeps the journal of some instruments.

    It only listens. What it has heard is written when a trade closes, when it has heard enough, and
    when it stops.
    """

    def __init__(self, config: JournalConfig) -> None:
        super().__init__(config)
        self._parts = Parts(config.catalog)
        self._writer: ThreadPoolExecutor | None = None
        self._writing: list[Future[list[Path]]] = []

    def on_start(self) -> None:
        """Subscribe to everything that is published about the instruments."""
        live = isinstance(self.clock, LiveClock)
        if live:
            self._writer = ThreadPoolExecutor(1, "journal")
        self._parts.begin(self.clock.timestamp_ns(), self.config.instrument_ids, live=live)
        for instrument_id in self.config.instrument_ids:
            for kind in ALL_TYPES:
                listen(self, kind, instrument_id)

    def on_data(self, data: Any) -> None:
        """Keep what was published."""
        self._parts.add(data)
        if self.config.part_rows <= len(self._parts) or (
            self.config.write_trades and isinstance(data, ClosedTrade)
        ):
            self._write()

    def on_stop(self) -> None:
        """Write what is left, and wait for it."""
        self._write()
        if self._writer is not None:
            self._writer.shutdown()
            self._writer = None
        self._look_after()

    def _write(self) -> None:
        now = self.clock.timestamp_ns()
        if self._writer is None:
            self._parts.write(now)
            return
        self._look_after()
        self._writing.append(self._writer.submit(self._parts.store, self._parts.take(), now))

    def _look_after(self) -> None:
        """Say what could not be written: trading goes on without it."""
        while self._writing and self._writing[0].done():
            if (error := self._writing.pop(0).exception()) is not None:
                self.log.error(f"journal not written: reason={error!r}")


class Parts:
    """Custom data that is to be written to a catalog.

    Parameters
    ----------
    catalog : str or Path
        Folder of the catalog.
    """

    def __init__(self, catalog: str | Path) -> None:
        self._data = Path(catalog) / "data"
        self._rows: Rows = defaultdict(list)
        self._count = 0
        self._last: dict[Path, int] = {}
        self._began = 0
        self._mine: set[Path] = set()
        self._folders: list[Path] = []
        self._live = False

    def begin(self, ts: int, instrument_ids: Iterable[InstrumentId], *, live: bool = False) -> None:
        """Begin a run at `ts`, ns UTC: from there on, what is written here replaces what was.

        Raises
        ------
        UserError
            If a live run's journal would have to make way for one that is not live.
        """
        self._began = ts
        self._live = live
        self._last.clear()
        self._mine.clear()
        self._folders = [
            self._folder(kind, instrument_id)
            for instrument_id in instrument_ids
            for kind in ALL_TYPES
        ]
        if live:
            return
        for folder in self._folders:
            for old in folder.glob("*.parquet"):
                if old.stem.split("_")[1] >= self._since and _is_live(old):
                    raise UserError(
                        "holds the journal of a live run",
                        old,
                        todo="give this run's Journal a `catalog` of its own",
                    )

    def __len__(self) -> int:
        return self._count

    def add(self, item: Any) -> None:
        """Keep one item of custom data that has an `instrument_id`."""
        self._rows[type(item), item.instrument_id].append(item)
        self._count += 1

    def write(self, until: int) -> list[Path]:
        """Store what is kept, and forget it; return the files."""
        return self.store(self.take(), until)

    def take(self) -> Rows:
        """Return what is kept, and forget it."""
        taken, self._rows = self._rows, defaultdict(list)
        self._count = 0
        return taken

    def store(self, taken: Rows, until: int) -> list[Path]:
        """Write rows in the order of `ts_init`; return the files.

        Whatever an earlier backtest wrote about the time from the beginning `until` now is removed.
        """
        written = []
        for (cls, instrument_id), rows in taken.items():
            rows.sort(key=lambda row: row.ts_init)
            written.append(self._write(self._folder(cls, instrument_id), cls, rows))
        self._mine.update(written)
        for folder in self._folders:
            for old in folder.glob("*.parquet"):
                begins, ends = old.stem.split("_")
                overlaps = begins <= _stamp(until) and ends >= self._since
                # A live node's stays: another one may keep its journal here at this moment.
                if overlaps and old not in self._mine and not _is_live(old):
                    old.unlink()
        return written

    @property
    def _since(self) -> str:
        return _stamp(self._began)

    def _folder(self, kind: type[Any], instrument_id: InstrumentId) -> Path:
        return self._data / class_to_filename(kind) / str(instrument_id)

    def _write(self, folder: Path, cls: type[Any], rows: list[Any]) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        columns = _columns(cls, rows)
        # Files that touch in time are an error to the host: the first rows move on by some ns.
        after = self._last.get(folder, -1) + 1
        columns["ts_init"] = [max(ts, after) for ts in columns["ts_init"]]
        first, last = columns["ts_init"][0], columns["ts_init"][-1]
        path = folder / f"{_stamp(first)}_{_stamp(last)}.parquet"
        temporary = path.with_suffix(".tmp")
        table = pa.Table.from_pydict(columns, schema=cls._schema)
        if self._live:
            table = table.replace_schema_metadata((table.schema.metadata or {}) | _LIVE)
        pq.write_table(table, temporary)
        os.replace(temporary, path)
        self._last[folder] = last
        return path


def _is_live(part: Path) -> bool:
    metadata = pq.read_schema(part).metadata or {}
    return all(metadata.get(key) == value for key, value in _LIVE.items())


def _columns(cls: type[Any], rows: list[Any]) -> dict[str, list[Any]]:
    """Return what `to_dict` says of each row, by column: row by row it costs twice as much."""
    names = [name for name in cls._schema.names if name != "type"]
    values = zip(*map(attrgetter(*names), rows), strict=True)
    columns = dict(zip(names, map(list, values), strict=True))
    columns["instrument_id"] = [instrument_id.value for instrument_id in columns["instrument_id"]]
    columns["type"] = [cls.__name__] * len(rows)
    return columns


def read_journal(
    catalog: str | Path, kind: type[Any], instrument_id: str | None = None
) -> pd.DataFrame:
    """Return one kind of the journal's data as a table, in the order of time.

    Parameters
    ----------
    catalog : str or Path
        Folder of the catalog.
    kind : type
        One of `data.FLOW_TYPES`, `data.STRATEGY_TYPES` or `data.OPERATION_TYPES`.
    instrument_id : str, optional
        Only this instrument's.

    Returns
    -------
    pandas.DataFrame
        A row an item, with the fields of `kind`; empty if there is none.
    """
    folder = Path(catalog) / "data" / class_to_filename(kind) / (instrument_id or "")
    files = sorted(str(path) for path in folder.rglob("*.parquet"))
    if not files:
        return pd.DataFrame({name: [] for name in kind._schema.names})
    table = dataset.dataset(files, schema=kind._schema).to_table()
    return table.to_pandas().sort_values("ts_init", kind="stable", ignore_index=True)


def _stamp(ts: int) -> str:
    return unix_nanos_to_iso8601(ts).replace(":", "-").replace(".", "-")
