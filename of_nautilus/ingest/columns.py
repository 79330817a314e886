"""The catalog's column layout: NumPy columns to and from Parquet files that the host also reads.

This is the one module that knows how NautilusTrader lays out its data catalog: folder and file
names, Arrow schemas, fixed-point bytes, enumerations. Everything else handles plain integers:

- prices are int64 in units of 10**-price_precision, sizes in units of 10**-size_precision;
- sides are int8: +1 buyer (or bid), -1 seller (or ask), 0 none;
- times are int64 nanoseconds UTC.

Rows of a file are sorted by `ts_init`, the order in which the host replays them, and every time
range here selects on `ts_init` with both ends included.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.fixedpoint import WIRE_TYPE, decode, encode
from of_nautilus.ingest.store import Store, open_store

ADD, UPDATE, DELETE, CLEAR = 1, 2, 3, 4
F_LAST = 128  # last delta of a message
F_SNAPSHOT = 32
F_UNTRUSTED = 4  # the book may be wrong: a gap came before, and no snapshot yet
DEPTH_LEVELS = 10
DAY_NS = 86_400_000_000_000

_SIDE_TO_WIRE = np.array([0, 1, 2], np.uint8)  # index 0, 1, -1: none, buyer, seller
_SIDE_FROM_WIRE = np.array([0, 1, -1], np.int8)

I64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Columns:
    """Equally long columns of one kind of market data; the base of the four kinds below."""

    price_precision: int
    size_precision: int
    ts_event: I64
    ts_init: I64

    FOLDER: ClassVar[str]
    SCHEMA: ClassVar[pa.Schema]

    def __len__(self) -> int:
        return len(self.ts_init)

    def pick(self, index: Any) -> Self:
        """The rows that a slice, a mask or an array of positions selects."""
        return type(self)(**{name: _pick(value, index) for name, value in _values(self)})

    def sorted(self) -> Self:
        """The rows in the order of `ts_init`, equal times in the order they have now."""
        if np.all(self.ts_init[1:] >= self.ts_init[:-1]):
            return self
        return self.pick(np.argsort(self.ts_init, kind="stable"))

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """Several columns as one; all must have the same precisions."""
        if len(parts) == 1:
            return parts[0]
        return cls(**{f.name: _join([getattr(p, f.name) for p in parts]) for f in fields(cls)})

    def to_table(self, instrument_id: str) -> pa.Table:
        """The Arrow table that the catalog stores for this instrument."""
        metadata = {
            "instrument_id": instrument_id,
            "price_precision": str(self.price_precision),
            "size_precision": str(self.size_precision),
        }
        schema = self.SCHEMA.with_metadata(metadata)
        return pa.Table.from_arrays(self._wire(), schema=schema)

    def _wire(self) -> list[pa.Array]:
        raise NotImplementedError

    @classmethod
    def from_table(cls, table: pa.Table) -> Self:
        """The columns of an Arrow table as the catalog stores it.

        Raises
        ------
        IngestError
            If the table lacks the precisions or a column.

        """
        missing = set(cls.SCHEMA.names) - set(table.schema.names)
        if missing:
            raise IngestError(f"no column {sorted(missing)[0]!r} in a {cls.FOLDER} file")
        price, size = _precisions(table.schema)
        return cls(
            price_precision=price,
            size_precision=size,
            ts_event=_int64(table["ts_event"]),
            ts_init=_int64(table["ts_init"]),
            **cls._own(table, price, size),
        )

    @classmethod
    def _own(cls, table: pa.Table, price: int, size: int) -> dict[str, Any]:
        raise NotImplementedError


def _schema(**types: pa.DataType) -> pa.Schema:
    times = {"ts_event": pa.uint64(), "ts_init": pa.uint64()}
    return pa.schema([pa.field(n, t, nullable=False) for n, t in (types | times).items()])


@dataclass(frozen=True, slots=True)
class TradeColumns(Columns):
    """Trades: `side` is the aggressor; `trade_id` is int64 where every id is a plain number."""

    price: I64
    size: I64
    side: NDArray[np.int8]
    trade_id: "I64 | pa.StringArray"

    FOLDER: ClassVar[str] = "trade_tick"
    SCHEMA: ClassVar[pa.Schema] = _schema(
        price=WIRE_TYPE, size=WIRE_TYPE, aggressor_side=pa.uint8(), trade_id=pa.string()
    )

    def _wire(self) -> list[pa.Array]:
        ids = self.trade_id
        return [
            encode(self.price, self.price_precision),
            encode(self.size, self.size_precision),
            pa.array(_SIDE_TO_WIRE[self.side]),
            pa.array(ids).cast(pa.string()) if isinstance(ids, np.ndarray) else ids,
            *_times(self),
        ]

    @classmethod
    def _own(cls, table: pa.Table, price: int, size: int) -> dict[str, Any]:
        return {
            "price": decode(table["price"], price),
            "size": decode(table["size"], size),
            "side": _SIDE_FROM_WIRE[_numpy(table["aggressor_side"])],
            "trade_id": numeric_ids(table["trade_id"]),
        }


@dataclass(frozen=True, slots=True)
class QuoteColumns(Columns):
    """Best bid and ask."""

    bid_price: I64
    ask_price: I64
    bid_size: I64
    ask_size: I64

    FOLDER: ClassVar[str] = "quote_tick"
    SCHEMA: ClassVar[pa.Schema] = _schema(
        bid_price=WIRE_TYPE, ask_price=WIRE_TYPE, bid_size=WIRE_TYPE, ask_size=WIRE_TYPE
    )

    def _wire(self) -> list[pa.Array]:
        return [
            encode(self.bid_price, self.price_precision),
            encode(self.ask_price, self.price_precision),
            encode(self.bid_size, self.size_precision),
            encode(self.ask_size, self.size_precision),
            *_times(self),
        ]

    @classmethod
    def _own(cls, table: pa.Table, price: int, size: int) -> dict[str, Any]:
        return {
            name: decode(table[name], price if "price" in name else size)
            for name in ("bid_price", "ask_price", "bid_size", "ask_size")
        }


@dataclass(frozen=True, slots=True)
class DeltaColumns(Columns):
    """Book changes: `action` is ADD, UPDATE, DELETE or CLEAR; `flags` holds F_LAST and its kin."""

    action: NDArray[np.uint8]
    side: NDArray[np.int8]
    price: I64
    size: I64
    order_id: NDArray[np.uint64]
    flags: NDArray[np.uint8]
    sequence: I64

    FOLDER: ClassVar[str] = "order_book_deltas"
    SCHEMA: ClassVar[pa.Schema] = _schema(
        action=pa.uint8(),
        side=pa.uint8(),
        price=WIRE_TYPE,
        size=WIRE_TYPE,
        order_id=pa.uint64(),
        flags=pa.uint8(),
        sequence=pa.uint64(),
    )

    def _wire(self) -> list[pa.Array]:
        return [
            pa.array(self.action),
            pa.array(_SIDE_TO_WIRE[self.side]),
            encode(self.price, self.price_precision),
            encode(self.size, self.size_precision),
            pa.array(self.order_id),
            pa.array(self.flags),
            _uint64(self.sequence),
            *_times(self),
        ]

    @classmethod
    def _own(cls, table: pa.Table, price: int, size: int) -> dict[str, Any]:
        return {
            "action": _numpy(table["action"]),
            "side": _SIDE_FROM_WIRE[_numpy(table["side"])],
            "price": decode(table["price"], price),
            "size": decode(table["size"], size),
            "order_id": _numpy(table["order_id"]),
            "flags": _numpy(table["flags"]),
            "sequence": _int64(table["sequence"]),
        }


@dataclass(frozen=True, slots=True)
class DepthColumns(Columns):
    """Books of ten levels: every price, size and count is an array of rows by ten levels."""

    bid_price: I64
    ask_price: I64
    bid_size: I64
    ask_size: I64
    bid_count: NDArray[np.uint32]
    ask_count: NDArray[np.uint32]
    flags: NDArray[np.uint8]
    sequence: I64

    FOLDER: ClassVar[str] = "order_book_depths"
    LADDERS: ClassVar[tuple[str, ...]] = (
        "bid_price",
        "ask_price",
        "bid_size",
        "ask_size",
        "bid_count",
        "ask_count",
    )
    SCHEMA: ClassVar[pa.Schema] = _schema(
        **{
            f"{ladder}_{level}": pa.uint32() if "count" in ladder else WIRE_TYPE
            for ladder in LADDERS
            for level in range(DEPTH_LEVELS)
        },
        flags=pa.uint8(),
        sequence=pa.uint64(),
    )

    def _wire(self) -> list[pa.Array]:
        out = []
        for ladder in self.LADDERS:
            for level in range(DEPTH_LEVELS):
                values = np.ascontiguousarray(getattr(self, ladder)[:, level])
                if "count" in ladder:
                    out.append(pa.array(values))
                else:
                    price = "price" in ladder
                    out.append(encode(values, *_one(self, price)))
        return [*out, pa.array(self.flags), _uint64(self.sequence), *_times(self)]

    @classmethod
    def _own(cls, table: pa.Table, price: int, size: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for ladder in cls.LADDERS:
            columns = [table[f"{ladder}_{level}"] for level in range(DEPTH_LEVELS)]
            precision = price if "price" in ladder else size
            read = [_numpy(c) if "count" in ladder else decode(c, precision) for c in columns]
            out[ladder] = np.column_stack(read)
        return out | {"flags": _numpy(table["flags"]), "sequence": _int64(table["sequence"])}


KINDS: tuple[type[Columns], ...] = (TradeColumns, QuoteColumns, DeltaColumns, DepthColumns)


# -- reading ------------------------------------------------------------------------------------


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
            table = file.read_row_groups(groups, columns=kind.SCHEMA.names)
            piece = kind.from_table(table)
            keep = (piece.ts_init >= low) & (piece.ts_init <= high)
            if not keep.all():
                piece = piece.pick(keep)
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


# -- names --------------------------------------------------------------------------------------


def data_folder(kind: type[Columns], instrument_id: Any) -> str:
    """The folder of one kind of data of one instrument, relative to the catalog."""
    return f"data/{kind.FOLDER}/{str(instrument_id).replace('/', '')}"


def file_name(start: int, end: int) -> str:
    """A data file's name for the times of its first and last row.

    >>> file_name(0, 1_000_000_001)
    '1970-01-01T00-00-00-000000000Z_1970-01-01T00-00-01-000000001Z.parquet'
    """
    return f"{iso_time(start)}_{iso_time(end)}.parquet"


def file_range(name: str) -> tuple[int, int]:
    """The times in a data file's name, or the whole of time where it has another form."""
    try:
        start, end = name.removesuffix(".parquet").split("_")
        return _from_iso(start), _from_iso(end)
    except ValueError:
        return 0, 2**63 - 1


def data_files(store: Store, kind: type[Columns], instrument_id: Any) -> list[tuple[str, int, int]]:
    """Path, first and last time of every data file of an instrument, in time order."""
    folder = data_folder(kind, instrument_id)
    names = [n for n in store.names(folder) if n.endswith(".parquet")]
    found = [(f"{folder}/{name}", *file_range(name)) for name in names]
    return sorted(found, key=lambda entry: entry[1:])


def iso_time(ns: int | None) -> str:
    """A time in the form that file names have, which sorts as the times do."""
    if ns is None:
        return "the end of time"
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H-%M-%S}-{rest:09d}Z"


def _from_iso(text: str) -> int:
    seconds, rest = text.removesuffix("Z").rsplit("-", 1)
    moment = datetime.strptime(seconds, "%Y-%m-%dT%H-%M-%S").replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000_000 + int(rest)


# -- small conversions --------------------------------------------------------------------------


def numeric_ids(ids: pa.Array | pa.ChunkedArray) -> "I64 | pa.StringArray":
    """Trade ids as int64 where each is a number in plain form, else the strings themselves."""
    flat = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    try:
        numbers = flat.cast(pa.int64())
    except pa.ArrowInvalid:
        return flat
    plain = len(numbers) == 0 or pc.all(pc.equal(numbers.cast(flat.type), flat)).as_py()
    return numbers.to_numpy() if plain else flat


def _precisions(schema: pa.Schema) -> tuple[int, int]:
    metadata = schema.metadata or {}
    try:
        return int(metadata[b"price_precision"]), int(metadata[b"size_precision"])
    except (KeyError, ValueError):
        raise IngestError("no price and size precision in the file's metadata") from None


def _one(columns: Columns, price: bool) -> tuple[int]:
    return (columns.price_precision if price else columns.size_precision,)


def _times(columns: Columns) -> list[pa.Array]:
    return [_uint64(columns.ts_event), _uint64(columns.ts_init)]


def _uint64(values: I64) -> pa.Array:
    return pa.array(np.ascontiguousarray(values).view(np.uint64))


def _numpy(column: pa.ChunkedArray) -> Any:
    return column.to_numpy()


def _int64(column: pa.ChunkedArray) -> I64:
    return np.asarray(column.to_numpy()).view(np.int64)


def _values(columns: Columns) -> Iterator[tuple[str, Any]]:
    return ((f.name, getattr(columns, f.name)) for f in fields(columns))


def _pick(value: Any, index: Any) -> Any:
    if isinstance(value, int):
        return value
    if isinstance(value, pa.Array) and not isinstance(index, slice):
        mask = np.asarray(index).dtype == np.bool_
        return value.filter(pa.array(index)) if mask else value.take(pa.array(index))
    return value[index]


def _join(values: list[Any]) -> Any:
    if isinstance(values[0], int):
        if len(set(values)) > 1:
            raise IngestError(f"files of different precisions {sorted(set(values))} in one range")
        return values[0]
    if any(isinstance(v, pa.Array) for v in values):
        texts = [v if isinstance(v, pa.Array) else pa.array(v).cast(pa.string()) for v in values]
        return pa.concat_arrays(texts)
    return np.concatenate(values)
