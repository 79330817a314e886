"""The kinds of market data as NumPy columns, and their Arrow tables."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.fixedpoint import WIRE_TYPE, decode, encode

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


def numeric_ids(ids: pa.Array | pa.ChunkedArray) -> "I64 | pa.StringArray":
    """Trade ids as int64 where each is a number in plain form, else the strings themselves."""
    flat = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    try:
        numbers = flat.cast(pa.int64())
    except pa.ArrowInvalid:
        return flat
    plain = len(numbers) == 0 or pc.all(pc.equal(numbers.cast(flat.type), flat)).as_py()
    return numbers.to_numpy().copy() if plain else flat


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
    """A column as an array of its own: Arrow's views are read-only, another type to Numba."""
    values = np.asarray(column.to_numpy())
    return values if values.flags.writeable else values.copy()


def _int64(column: pa.ChunkedArray) -> I64:
    return np.asarray(_numpy(column).view(np.int64))


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
