"""Book messages of JSON ladders, `[["price","size"],...]`, gathered and parsed many at once."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from of_nautilus.ingest.columns import DELETE, F_LAST, UPDATE, DeltaColumns
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.pipeline import Job

CLEAR_LEVEL = b'[["0","0"]]'
"""The ladder of a CLEAR, which has one row without price and size."""

_COMMA_TO_NEWLINE = bytes.maketrans(b",", b"\n")
_NOT_NUMBERS = b'[]" \t\r\n'


class Ladders:
    """Ladders (one side of one message each) on their way to columns of book changes."""

    def __init__(self) -> None:
        self.rows = 0
        self._levels: list[bytes] = []
        self._facts: list[tuple[int, int, int, int, int, int, int, int]] = []
        self._ends: list[int] = []

    def add(
        self,
        levels: bytes,
        side: int,
        action: int,
        flags: int,
        sequence: int,
        event: int,
        init: int,
        line: int,
    ) -> None:
        """Take in one ladder; an UPDATE to size 0 will be a DELETE."""
        count = levels.count(b"[") - 1
        if count > 0:
            self._levels.append(levels)
            self._facts.append((count, side, action, flags, sequence, event, init, line))
            self.rows += count

    def end_message(self) -> None:
        """Say that the message is complete: its last row gets F_LAST."""
        if self.rows:
            self._ends.append(self.rows - 1)

    def columns(self, job: Job, path: Path) -> DeltaColumns:
        """All rows so far; an error names the file's line."""
        facts = np.array(self._facts, np.int64)
        count, lines = facts[:, 0], np.repeat(facts[:, 7], facts[:, 0])
        values = numbers(self._levels, path, facts[:, 7], 2 * count).reshape(-1, 2)
        size = job.sizes(values[:, 1], path, lines)
        action = np.repeat(facts[:, 2].astype(np.uint8), count)
        action[(action == UPDATE) & (size == 0)] = DELETE
        flags = np.repeat(facts[:, 3].astype(np.uint8), count)
        flags[self._ends] |= F_LAST
        return DeltaColumns(
            **job.precisions,
            ts_event=np.repeat(facts[:, 5], count),
            ts_init=np.repeat(facts[:, 6], count),
            action=action,
            side=np.repeat(facts[:, 1].astype(np.int8), count),
            price=job.prices(values[:, 0], path, lines),
            size=size,
            order_id=np.zeros(len(lines), np.uint64),
            flags=flags,
            sequence=np.repeat(facts[:, 4], count),
        )


def numbers(
    texts: list[bytes], path: Path, lines: Any, counts: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """The decimal numbers in pieces of JSON, all at once; each piece holds `counts`, else one.

    Raises
    ------
    IngestError
        With the line of the first piece that does not.

    """
    expected = len(texts) if counts is None else int(counts.sum())
    try:
        found = _parse(b",".join(texts))
        if len(found) == expected:
            return found
    except pa.ArrowInvalid:
        pass
    for index, text in enumerate(texts):  # something is wrong: look for the line
        try:
            one = len(_parse(text))
        except pa.ArrowInvalid:
            one = -1
        if one != (1 if counts is None else counts[index]):
            break
    raise IngestError(
        f"broken line (no list of numbers: {texts[index][:40].decode(errors='replace')})",
        path,
        line=int(lines[index]),
        todo="mend or remove it",
    )


def _parse(text: bytes) -> NDArray[np.float64]:
    table = pacsv.read_csv(
        pa.BufferReader(text.translate(_COMMA_TO_NEWLINE, _NOT_NUMBERS)),
        pacsv.ReadOptions(column_names=["x"], use_threads=False),
        pacsv.ParseOptions(quote_char=False, ignore_empty_lines=False),
        pacsv.ConvertOptions(column_types={"x": pa.float64()}, null_values=[]),
    )
    return np.asarray(table["x"].to_numpy())
