"""The catalog writer: streams columns into day files, and shows them all at once or not at all."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
from nautilus_trader.model.instruments import Instrument
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from of_nautilus.ingest.columns import (
    DAY_NS,
    Columns,
    DeltaColumns,
    DepthColumns,
    QuoteColumns,
    TradeColumns,
    data_files,
    data_folder,
    file_name,
    iso_time,
    iter_file,
)
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.fixedpoint import increment_units, require_high_precision
from of_nautilus.ingest.instruments import held_definition
from of_nautilus.ingest.provenance import (
    IngestLog,
    log_path,
    read_entries,
    rows_entry,
    without_replaced,
)
from of_nautilus.ingest.runs import DayFile
from of_nautilus.ingest.staging import Staging, recover
from of_nautilus.ingest.store import Store, open_store

Overlap = Literal["refuse", "replace", "append"]

_MAX_OFF_GRID = 0.01  # a larger share of off-grid prices means a wrong increment
_MIN_TO_JUDGE = 100


@dataclass(slots=True)
class WriteCounts:
    """What a writer has taken in and left out."""

    rows: Counter[str] = field(default_factory=Counter)
    """Rows written, by the kind's folder name."""
    duplicates: int = 0
    """Trades dropped because one with the same id and time is there."""
    not_positive: int = 0
    """Trades dropped because their size is not above zero."""
    already_there: int = 0
    """Rows dropped by `overlap="append"`: not later than what the catalog holds."""
    off_grid: int = 0
    """Prices or sizes, written as they are, that are no multiple of the increment."""
    first: int | None = None
    """`ts_init` of the first row written; None where there is none."""
    last: int | None = None
    """`ts_init` of the last row written."""

    def include(self, first: int, last: int) -> None:
        """Widen the range of times to these."""
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)


class CatalogWriter:
    """Writes one instrument's data; use it as a context manager.

    Rows may come in pieces of any size and in any order; they are written sorted by `ts_init`, one
    file a UTC day and kind. The catalog does not change before the block ends without an error;
    then all files appear together, and a crash in between is completed by the next writer.

    Parameters
    ----------
    catalog : path, str or ParquetDataCatalog
        The catalog's folder (made if absent) or an fsspec address. Several files at a remote
        address appear one after the other, each of them whole.
    instrument : Instrument
        Its definition; written too.
    overlap : {"refuse", "replace", "append"}, default "refuse"
        What to do where the catalog already holds this kind of data in a file's time range:
        refuse; replace the rows within that range; or add only rows later than all it holds.
    row_group_size : int, default 100_000
        Rows a Parquet row group; > 0.
    unique_ids : bool, default True
        Whether two trades with one id and event time are one; false for feeds whose ids are not
        the trades' own.
    log : IngestLog, optional
        What the reader met, by day: written beside the data, with what the writer left out.

    Raises
    ------
    IngestError
        If ranges overlap, increments contradict the data or the catalog's own definition, or the
        disk is full.

    Examples
    --------
    >>> with CatalogWriter("/data/catalog", instrument) as writer:  # doctest: +SKIP
    ...     writer.write(trades)

    """

    def __init__(
        self,
        catalog: Any,
        instrument: Instrument,
        overlap: Overlap = "refuse",
        row_group_size: int = 100_000,
        unique_ids: bool = True,
        log: IngestLog | None = None,
    ) -> None:
        if overlap not in ("refuse", "replace", "append"):
            raise ValueError(f"`overlap` must be refuse, replace or append, was {overlap!r}")
        if row_group_size <= 0:
            raise ValueError(f"`row_group_size` must be > 0, was {row_group_size}")
        require_high_precision()
        self.counts = WriteCounts()
        self.instrument = instrument
        self._id = str(instrument.id)
        self._overlap = overlap
        self._row_group_size = row_group_size
        self._unique_ids = unique_ids
        self._log = log
        self._store: Store = open_store(catalog)
        self._tick = increment_units(instrument.price_increment, instrument.price_precision)
        self._lot = increment_units(instrument.size_increment, instrument.size_precision)
        self._days: dict[tuple[type[Columns], int], DayFile] = {}
        self._current: dict[type[Columns], DayFile] = {}
        self._floor: dict[type[Columns], int] = {}
        self._judged: Counter[type[Columns]] = Counter()
        self._off: Counter[type[Columns]] = Counter()
        self._staging: Staging

    def __enter__(self) -> Self:
        try:
            self._staging = Staging(self._store)
        except OSError as problem:
            raise _disk_error(problem, self._store) from problem
        try:
            self._check_definition()
        except BaseException:
            self._staging.discard()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._commit()
        except OSError as problem:
            raise _disk_error(problem, self._store, self._staging.decided) from problem
        finally:
            for day in self._days.values():
                day.abandon()
            self._staging.discard()
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
            raise _disk_error(error, self._store) from error

    def write(self, columns: Columns) -> None:
        """Take in rows of one kind: trades, quotes, deltas or depth."""
        kind = type(columns)
        self._check_precision(columns)
        rows = columns.sorted()
        if self._overlap == "append":
            rows = self._later(rows)
        if isinstance(rows, TradeColumns):
            rows = self._positive(rows)
        if not len(rows):
            return
        self._check_grid(rows)
        days = rows.ts_init // DAY_NS
        for day in range(int(days[0]), int(days[-1]) + 1):
            low, high = np.searchsorted(days, [day, day + 1])
            if low < high:
                self._day(kind, day).append(rows.pick(slice(low, high)))

    def _day(self, kind: type[Columns], day: int) -> DayFile:
        file = self._days.get((kind, day))
        if file is None:
            file = self._new_file(kind)
            self._days[kind, day] = file
        current = self._current.get(kind)
        if current is not file:
            if current is not None:
                current.pause()
            self._current[kind] = file
        return file

    def _new_file(self, kind: type[Columns]) -> DayFile:
        unique = self._unique_ids and kind is TradeColumns
        return DayFile(kind, self._id, self._staging, self._row_group_size, unique)

    # -- checks -----------------------------------------------------------------------------------

    def _check_definition(self) -> None:
        """The catalog's own definition of the instrument, if any, must have the same grid."""
        held = held_definition(self._store, self._id)
        if held is None:
            return
        for name in ("price_precision", "size_precision", "price_increment", "size_increment"):
            mine, theirs = getattr(self.instrument, name), getattr(held, name)
            if mine != theirs:
                raise IngestError(
                    f"holds {self._id} with {name} {theirs}, not {mine}",
                    self._store,
                    todo="give the definition it was written with, or use another catalog",
                )

    def _check_precision(self, columns: Columns) -> None:
        mine = (self.instrument.price_precision, self.instrument.size_precision)
        theirs = (columns.price_precision, columns.size_precision)
        if mine != theirs:
            raise ValueError(f"`columns` must have the precisions {mine}, had {theirs}")

    def _check_grid(self, rows: Columns) -> None:
        """Count off-grid values; fail where they are too many for the increment to be right."""
        for name, step in (("price", self._tick), ("size", self._lot)):
            if step == 1:
                continue
            values = _values(rows, name)
            off = int(np.count_nonzero(values % step))
            self.counts.off_grid += off
            self._off[type(rows)] += off
            self._judged[type(rows)] += values.size
            share = self._off[type(rows)] / self._judged[type(rows)]
            if self._judged[type(rows)] >= _MIN_TO_JUDGE and share > _MAX_OFF_GRID:
                increment = getattr(self.instrument, f"{name}_increment")
                raise IngestError(
                    f"{share:.0%} of the {name}s are no multiple of {self._id}'s {name} "
                    f"increment {increment}",
                    todo="give the right increment",
                )

    def _positive(self, trades: TradeColumns) -> TradeColumns:
        good = trades.size > 0
        if good.all():
            return trades
        self.counts.not_positive += int(np.count_nonzero(~good))
        if self._log is not None:
            self._log.leave_out("size not above zero", trades.ts_init[~good])
        return trades.pick(good)

    def _later[C: Columns](self, rows: C) -> C:
        kind = type(rows)
        if kind not in self._floor:
            held = data_files(self._store, kind, self._id)
            self._floor[kind] = max((last for _, _, last in held), default=-1)
        start = int(np.searchsorted(rows.ts_init, self._floor[kind], side="right"))
        self.counts.already_there += start
        if self._log is not None and start:
            self._log.leave_out("not later than the catalog's data", rows.ts_init[:start])
        return rows.pick(slice(start, None)) if start else rows

    # -- commit -----------------------------------------------------------------------------------

    def _commit(self) -> None:
        finished = []
        for kind, day in sorted(self._days, key=lambda key: (key[0].FOLDER, key[1])):
            file = self._days[kind, day]
            finished.append((kind, file, file.finish(self._days.get((kind, day - 1)))))
        moves: list[tuple[Path, str]] = []
        removed: list[str] = []
        ranges: dict[type[Columns], list[tuple[int, int]]] = {}
        with self._staging.locked():
            recover(self._store)  # a writer may have been killed since this one began
            for kind, file, path in finished:
                self.counts.rows[kind.FOLDER] += file.rows
                self.counts.duplicates += file.duplicates
                if file.empty:
                    continue  # nothing but repeats of the day before
                self.counts.include(file.first, file.last)
                ranges.setdefault(kind, []).append((file.first, file.last))
                name = file_name(file.first, file.last)
                moves.append((path, f"{data_folder(kind, self._id)}/{name}"))
            for kind, new in ranges.items():
                for held, inside in self._overlapping(kind, sorted(new)):
                    removed.append(held)
                    moves += self._remainders(kind, held, inside)
            if held_definition(self._store, self._id) is None:
                moves += self._definition()
            self._entries(moves, removed)
            self._staging.publish(moves, removed)

    def _entries(self, moves: list[tuple[Path, str]], removed: list[str]) -> None:
        """Bring the files that say what ingests left out up to date with what is written now."""
        written: dict[int, dict[str, Any]] = {}
        for (kind, day), file in self._days.items():
            if not file.empty:
                rows = rows_entry(file.rows, file.first, file.last)
                written.setdefault(day, {})[kind.FOLDER] = rows
            if self._log is not None and file.duplicates:
                self._log.day(day).left_out["repeated trade"] += file.duplicates
        if self._log is not None and self._overlap != "append":
            for day, met in self._log.days.items():
                if met.left_out:
                    written.setdefault(day, {})
        for day, rows in written.items():
            path = log_path(self._id, day)
            try:
                held = read_entries(self._store, path)
            except ValueError:
                held = []  # damaged; what it said is lost already
            entries = without_replaced(held, rows) if self._overlap == "replace" else list(held)
            if self._log is not None:
                entries.append(self._log.entry(day, rows))
            if held:
                removed.append(path)
            if entries:
                staged = self._staging.new_file()
                staged.write_text(json.dumps(entries, indent=1) + "\n")
                moves.append((staged, path))

    def _overlapping(
        self, kind: type[Columns], ranges: list[tuple[int, int]]
    ) -> list[tuple[str, list[tuple[int, int]]]]:
        """Each held file that new rows fall into, with those of their ranges that do."""
        found = []
        for path, start, end in data_files(self._store, kind, self._id):
            inside = [(first, last) for first, last in ranges if start <= last and end >= first]
            if not inside:
                continue
            if self._overlap != "replace":
                raise IngestError(
                    f"already holds {kind.FOLDER} of {self._id} between {iso_time(inside[0][0])} "
                    f"and {iso_time(inside[0][1])} ({path.rsplit('/', 1)[-1]})",
                    self._store,
                    todo="choose to replace them or to append only what is later",
                )
            found.append((path, inside))
        return found

    def _remainders(
        self, kind: type[Columns], held: str, ranges: list[tuple[int, int]]
    ) -> list[tuple[Path, str]]:
        """What a replaced file holds before, between and after new ranges, a file each."""
        out = []
        starts = [None, *(last + 1 for _, last in ranges)]
        ends = [*(first - 1 for first, _ in ranges), None]
        for start, end in zip(starts, ends, strict=True):
            rest = self._new_file(kind)
            for piece in iter_file(kind, self._store, held, start, end, self._row_group_size):
                rest.append(piece)
            if not rest.empty:
                path = rest.finish()
                name = f"{data_folder(kind, self._id)}/{file_name(rest.first, rest.last)}"
                out.append((path, name))
        return out

    def _definition(self) -> list[tuple[Path, str]]:
        folder = self._staging.folder / "definition"
        ParquetDataCatalog(str(folder)).write_data([self.instrument])
        return [(p, str(p.relative_to(folder))) for p in folder.rglob("*.parquet")]


def _values(rows: Columns, name: str) -> Any:
    """All prices or all sizes of some rows, as one array."""
    if isinstance(rows, (TradeColumns, DeltaColumns)):
        return getattr(rows, name)
    if isinstance(rows, (QuoteColumns, DepthColumns)):
        bid, ask = getattr(rows, f"bid_{name}"), getattr(rows, f"ask_{name}")
        return np.concatenate([bid.ravel(), ask.ravel()])
    raise TypeError(f"unknown columns {type(rows).__name__}")


def _disk_error(problem: OSError, store: Store, decided: bool = False) -> IngestError:
    return IngestError(
        f"cannot be written ({problem.strerror or problem})",
        store,
        todo="decided but not completed; the next ingest completes it"
        if decided
        else "nothing was changed; make room or choose another catalog",
    )
