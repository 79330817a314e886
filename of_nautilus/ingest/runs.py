"""One day's file in the making: sorted runs in temporary files, merged in bounded memory."""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from of_nautilus.ingest.columns import Columns, DepthColumns, TradeColumns, iter_file
from of_nautilus.ingest.staging import Staging
from of_nautilus.ingest.store import open_store

# Prices and sizes repeat and times rise: written this way a file has a fifth of the default's size,
# as fast, and the host reads it the same.
_RISING = {
    "ts_event": "DELTA_BINARY_PACKED",
    "ts_init": "DELTA_BINARY_PACKED",
    "sequence": "DELTA_BINARY_PACKED",
    "trade_id": "DELTA_BYTE_ARRAY",
}
_HEADS = 10  # row groups in memory while runs are merged
_APART_NS = 5_000_000_000  # two recorders get the same trade no further apart


def open_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Return a writer of a data file of the catalog."""
    rising = {name: _RISING[name] for name in schema.names if name in _RISING}
    return pq.ParquetWriter(
        path,
        schema,
        use_dictionary=[name for name in schema.names if name not in rising],
        column_encoding=rising,
        write_statistics=["ts_event", "ts_init"],
    )


class DayFile:
    """Takes sorted pieces in any order and ends as one sorted file without repeated trades.

    Pieces are gathered to a row group, sorted and written to a run; what begins before the run's
    end begins a new one. Runs are merged at the end, block by block. A repeated trade,
    dropped if `unique`, has the id and event time of another, received a few seconds before or
    in the same row group.
    """

    def __init__(
        self,
        kind: type[Columns],
        instrument_id: str,
        staging: Staging,
        row_group_size: int,
        unique: bool,
    ) -> None:
        self.rows = 0
        self.duplicates = 0
        self.first = 2**63 - 1
        self.last = -1
        self._kind = kind
        self._id = instrument_id
        self._staging = staging
        # A row of ten levels takes twenty times the room of another.
        self._group = row_group_size if kind is not DepthColumns else max(1, row_group_size // 20)
        self._unique = unique
        self._runs: list[tuple[int, Path]] = []
        self._pending: list[Any] = []
        self._pending_rows = 0
        self._writer: pq.ParquetWriter | None = None
        self._run_end = -1
        self._tail: TradeColumns | None = None

    @property
    def empty(self) -> bool:
        """Whether no row came."""
        return not (self.rows or self._pending_rows)

    def append(self, piece: Columns) -> None:
        """Take in sorted rows of this day; not empty."""
        self._pending.append(piece)
        self._pending_rows += len(piece)
        if self._pending_rows >= self._group:
            self._flush()

    def pause(self) -> None:
        """End the run: rows that come later begin a new one."""
        self._flush(everything=True)
        self._end_run()

    def finish(self, before: Self | None = None) -> Path:
        """The finished file; call it once, when rows came.

        With `before`, the finished file of the day before, trades repeated after midnight are
        dropped too; where none but those came the file is `empty`, and not there.
        """
        self.pause()
        late = self._repeated(before)
        if len(self._runs) == 1 and late is None:
            return self._path
        runs, self._runs = self._runs, []
        self.rows, self.first, self.last = 0, 2**63 - 1, -1
        self._tail = late
        for piece in _merged(self._kind, runs, max(1, _HEADS * self._group // len(runs))):
            self.append(piece)
        self.pause()
        for _, path in runs:
            path.unlink()
        return self._path

    def abandon(self) -> None:
        """Close what is open, without a result."""
        with suppress(OSError):  # what cannot be written is not wanted any more
            self._end_run()

    def _flush(self, everything: bool = False) -> None:
        """Write what is pending, in whole row groups unless it is everything."""
        if not self._pending_rows:
            return
        rows = self._kind.joined(self._pending).sorted()
        whole = len(rows) if everything else len(rows) - len(rows) % self._group
        self._write(rows.pick(slice(0, whole)))
        self._pending = [rows.pick(slice(whole, None))]
        self._pending_rows = len(rows) - whole

    def _write(self, rows: Any) -> None:
        if int(rows.ts_init[0]) < self._run_end:
            self._end_run()
        if self._unique:
            rows = self._without_repeats(rows)
            if not len(rows):
                return
        self.rows += len(rows)
        self._run_end = int(rows.ts_init[-1])
        self.first = min(self.first, int(rows.ts_init[0]))
        self.last = max(self.last, self._run_end)
        table = rows.to_table(self._id)
        if self._writer is None:
            self._writer = self._open(table.schema)
            self._runs.append((int(rows.ts_init[0]), self._path))
        self._writer.write_table(table, row_group_size=self._group)

    def _end_run(self) -> None:
        writer, self._writer = self._writer, None
        self._run_end = -1
        self._tail = None
        if writer is not None:
            writer.close()

    def _open(self, schema: pa.Schema) -> pq.ParquetWriter:
        self._path = self._staging.new_file()
        return open_writer(self._path, schema)

    def _without_repeats(self, piece: TradeColumns) -> TradeColumns:
        fresh = _first_of_each(piece)
        if fresh is not None:
            self.duplicates += int(np.count_nonzero(~fresh))
            piece = piece.pick(fresh)
        tail, end = self._tail, int(piece.ts_init[-1])
        if tail is not None:
            near = int(np.searchsorted(piece.ts_init, tail.ts_init[-1] + _APART_NS, "right"))
            fresh = _first_of_each(TradeColumns.joined([tail, piece.pick(slice(0, near))]))
            if fresh is not None:
                fresh = np.append(fresh[len(tail) :], np.ones(len(piece) - near, np.bool_))
                self.duplicates += int(np.count_nonzero(~fresh))
                piece = piece.pick(fresh)
        late = [part for part in (tail, piece) if part is not None and len(part)]
        late = [part.pick(slice(_first_near(part, end), None)) for part in late]
        # No more than a row group: were all rows of one moment, each would be sought in all others.
        self._tail = TradeColumns.joined(late).pick(slice(-self._group, None))
        return piece

    def _repeated(self, before: Self | None) -> TradeColumns | None:
        """The last trades of the day before, if this one's first may repeat them."""
        if not self._unique or before is None or before.empty:
            return None
        until = before.last + _APART_NS
        if self.first > until:
            return None
        store = open_store(self._staging.folder)
        read = partial(iter_file, TradeColumns, store, rows=self._group)
        late = list(read(before._path.name, before.last - _APART_NS, None))
        if len(self._runs) == 1:
            early = list(read(self._path.name, None, until))
            if _first_of_each(TradeColumns.joined([*late, *early])) is None:
                return None
        return TradeColumns.joined(late)


def _first_near(trades: TradeColumns, end: int) -> int:
    return int(np.searchsorted(trades.ts_init, end - _APART_NS))


def _first_of_each(trades: TradeColumns) -> Any:
    """A mask without repeats of an id at one event time, or None where nothing repeats."""
    ids = trades.trade_id
    if isinstance(ids, np.ndarray):
        if np.all(ids[1:] > ids[:-1]):
            return None
        keys = ids
    else:
        keys = ids.dictionary_encode().indices.to_numpy()
    order = np.lexsort((keys, trades.ts_event))
    same = (np.diff(keys[order]) == 0) & (np.diff(trades.ts_event[order]) == 0)
    if not same.any():
        return None
    fresh = np.ones(len(trades), np.bool_)
    fresh[order[1:][same]] = False
    return fresh


def _merged(kind: type[Columns], runs: list[tuple[int, Path]], rows: int) -> Iterator[Columns]:
    """The rows of sorted files (with their first times) in one order, ties in that of the files.

    A file is opened when its first time is reached, so those that follow one another, as in an
    archive that runs backwards, are in memory one at a time.
    """
    waiting = sorted((first, number, path) for number, (first, path) in enumerate(runs))
    heads: dict[int, Columns] = {}
    sources: dict[int, Iterator[Columns]] = {}
    while waiting or heads:
        # Up to the first end of a block that goes on, nothing unread can come in between.
        cut = min((int(heads[n].ts_init[-1]) for n in sources), default=2**63 - 1)
        if waiting and waiting[0][0] <= cut:
            _, number, path = waiting.pop(0)
            sources[number] = _blocks(kind, path, rows)
            heads[number] = next(sources[number])
            continue
        due = []
        for number in sorted(heads):
            head = heads[number]
            at = int(np.searchsorted(head.ts_init, cut))
            due.append(head.pick(slice(0, at)))
            heads[number] = head.pick(slice(at, None))
            if number in sources and int(head.ts_init[-1]) == cut:
                more = next(sources[number], None)
                if more is None:
                    del sources[number]
                else:
                    heads[number] = kind.joined([heads[number], more])
            if not len(heads[number]):
                del heads[number]
        piece = kind.joined(due).sorted()
        if len(piece):
            yield piece


def _blocks(kind: type[Columns], path: Path, rows: int) -> Iterator[Columns]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=rows):
            yield kind.from_table(pa.Table.from_batches([batch]))
