"""Comma- or tab-separated files as Arrow batches: known columns, exact line numbers in errors."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.pipeline import Job
from of_nautilus.ingest.sources import Sources

BLOCK = 1 << 20
CODED = pa.dictionary(pa.int32(), pa.string())
"""The type of a column with few different texts."""
_ROW = re.compile(r"Row #(\d+): ?")
_COLUMN = re.compile(r"In CSV column #(\d+): ")


def read_table(
    sources: Sources,
    path: Path,
    types: Mapping[str, pa.DataType],
    *,
    names: Sequence[str] = (),
    header: bool | None = None,
    aliases: Mapping[str, str] | None = None,
    delimiter: str = ",",
    optional: Sequence[str] = (),
    nullable: Sequence[str] = (),
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Batches of the wanted columns, each with the line number of its first row.

    Parameters
    ----------
    sources : Sources
        Where the file belongs to.
    path : Path
        The file.
    types : mapping
        Wanted columns, by the name that the caller uses, and their types.
    names : sequence of str
        The column names of a file without a header line; more columns may follow.
    header : bool, optional
        Whether the first line is one; found out where not given and `names` are.
    aliases : mapping, optional
        Names in the file's header to those of `types`.
    delimiter : str, default ","
        One character.
    optional : sequence of str
        Wanted columns that may be absent or empty.
    nullable : sequence of str
        Wanted columns that must be there, but may be empty in a line.

    Raises
    ------
    IngestError
        If the header lacks a column or has it twice, a line has too few or too many fields, or a
        field is empty or not of its type; with the line.

    """
    with sources.open(path) as handle:
        peek = getattr(handle, "peek", None)
        first = (peek(1 << 16) if peek else b"")[: 1 << 16].split(b"\n", 1)[0]
        given = [
            f.strip().strip('"') for f in first.decode("utf-8-sig", "replace").split(delimiter)
        ]
        found = [(aliases or {}).get(name, name) for name in given]
        headed = _has_header(found, names) if header is None else header
        if not headed:
            if len(found) < len(names):
                raise IngestError(
                    f"has {len(found)} columns and no header where {len(names)} are expected "
                    f"({', '.join(names)})",
                    path,
                    line=1,
                )
            found = [*names, *(f"extra {i}" for i in range(len(found) - len(names)))]
        check_header(found, types, optional, path, given)
        present = {name: kind for name, kind in types.items() if name in found}
        empty = {*optional, *nullable}
        yield from _batches(handle, path, found, present, int(headed), delimiter, empty)


def check_header(
    found: Sequence[str],
    wanted: Iterable[str],
    optional: Sequence[str],
    path: Path,
    given: Sequence[str] = (),
) -> None:
    """Fail where a wanted column is not among those found, or there twice."""
    for name in wanted:
        if found.count(name) == 1 or (name not in found and name in optional):
            continue
        problem = "no column {!r}" if name not in found else "more than one column {!r}"
        raise IngestError(
            f"wrong header: {problem.format(name)} among {', '.join(given or found)[:120]}",
            path,
            line=1,
            todo="check the format's name",
        )


def _has_header(found: list[str], names: Sequence[str]) -> bool:
    if set(found) & set(names):
        return True
    return not any(re.fullmatch(r"-?\d+(\.\d+)?", name) for name in found)


def _batches(
    handle: IO[bytes],
    path: Path,
    names: list[str],
    types: Mapping[str, pa.DataType],
    skip: int,
    delimiter: str,
    nullable: set[str],
) -> Iterator[tuple[int, pa.RecordBatch]]:
    line = 1 + skip
    bad: list[pacsv.InvalidRow] = []

    def note(row: Any) -> str:
        bad.append(row)
        return "error"

    try:
        reader = pacsv.open_csv(
            handle,
            pacsv.ReadOptions(
                block_size=BLOCK, use_threads=False, column_names=names, skip_rows=skip
            ),
            pacsv.ParseOptions(delimiter=delimiter, invalid_row_handler=note),
            pacsv.ConvertOptions(
                include_columns=list(types),
                column_types=dict(types),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
        for batch in reader:
            _no_nulls(batch, path, line, nullable)
            yield line, batch
            line += len(batch)
    except pa.ArrowInvalid as error:
        if str(error).startswith("Empty CSV"):
            return
        raise _explained(str(error), path, names) from error


def _no_nulls(batch: pa.RecordBatch, path: Path, line: int, nullable: set[str]) -> None:
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if column.null_count and name not in nullable:
            at = pc.index(pc.is_null(column), True).as_py()
            raise IngestError(
                f"broken line (no {name})", path, line=line + at, todo="fetch the file again"
            )


def _explained(text: str, path: Path, names: list[str]) -> IngestError:
    row = _ROW.search(text)
    column = _COLUMN.search(text)
    what = _COLUMN.sub("", _ROW.sub("", text)).removeprefix("CSV parse error: ")
    what = what.removeprefix("CSV conversion error ").split("\n")[0][:160]
    if column is not None:
        what = f"{names[int(column[1])]}: {what}"
    line = int(row[1]) if row is not None else None
    return IngestError(f"broken line ({what})", path, line=line, todo="fetch the file again")


_BUY = {"buy", "b", "bid", "buyer", "1"}
_SELL = {"sell", "s", "ask", "a", "seller", "-1", "2"}
_NONE = {"", "unknown", "none", "n", "0", "no_aggressor"}


def check_coded(column: pa.DictionaryArray, job: Job, path: Path, line: int) -> None:
    """Fail at the first row of another symbol than the job's."""
    names = column.dictionary.to_pylist()
    other = [i for i, name in enumerate(names) if name.upper() != job.symbol.upper()]
    if other:
        at = int(np.argmax(np.isin(column.indices.to_numpy(), other)))
        job.check_symbol(names[other[0]], path, line + at)


def sides(column: pa.DictionaryArray, path: Path, line: int) -> NDArray[np.int8]:
    """A column of buy and sell in words, as +1, -1 and 0 (unknown)."""
    table = []
    for code, name in enumerate(column.dictionary.to_pylist()):
        word = name.strip().lower()
        if word not in _BUY | _SELL | _NONE:
            at = int(np.argmax(column.indices.to_numpy() == code))
            raise IngestError(f"broken line (side {name!r})", path, line=line + at)
        table.append((word in _BUY) - (word in _SELL))
    indices = column.indices.fill_null(len(table)).to_numpy()
    return np.array([*table, 0], np.int8)[indices]
