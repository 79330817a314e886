"""Databento DBN files (plain or zstd): market by order, ten-level books, top of book, and trades.

The records have a fixed size, so the file is read as one NumPy array after another; the result is
that of the host's own loader, which makes an object of every record. `ts_event` and `ts_init` are
the capture server's `ts_recv`, as there.

Market by order gives book changes with order ids (add, modify, cancel, clear) and trades; of
ten-level and top-of-book records the book after the event is kept, and trades too.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from nautilus_trader.model.instruments import Instrument
from numpy.typing import NDArray

from of_nautilus.ingest.columns import (
    ADD,
    CLEAR,
    DELETE,
    DEPTH_LEVELS,
    UPDATE,
    Columns,
    DeltaColumns,
    DepthColumns,
    QuoteColumns,
    TradeColumns,
)
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.pipeline import Job, run
from of_nautilus.ingest.summary import IngestSummary

_UNDEFINED = 2**63 - 1
_BLOCK = 8 << 20

_HEAD = [
    ("length", "u1"),
    ("rtype", "u1"),
    ("publisher_id", "<u2"),
    ("instrument_id", "<u4"),
    ("ts_event", "<u8"),
]
_MBO = np.dtype(
    [
        *_HEAD,
        ("order_id", "<u8"),
        ("price", "<i8"),
        ("size", "<u4"),
        ("flags", "u1"),
        ("channel_id", "u1"),
        ("action", "u1"),
        ("side", "u1"),
        ("ts_recv", "<i8"),
        ("ts_in_delta", "<i4"),
        ("sequence", "<u4"),
    ]
)
_TRADE_FIELDS = [
    *_HEAD,
    ("price", "<i8"),
    ("size", "<u4"),
    ("action", "u1"),
    ("side", "u1"),
    ("flags", "u1"),
    ("depth", "u1"),
    ("ts_recv", "<i8"),
    ("ts_in_delta", "<i4"),
    ("sequence", "<u4"),
]
_LEVEL = np.dtype(
    [
        ("bid_px", "<i8"),
        ("ask_px", "<i8"),
        ("bid_sz", "<u4"),
        ("ask_sz", "<u4"),
        ("bid_ct", "<u4"),
        ("ask_ct", "<u4"),
    ]
)
_TYPES = {
    160: _MBO,
    0: np.dtype(_TRADE_FIELDS),
    1: np.dtype([*_TRADE_FIELDS, ("levels", _LEVEL, (1,))]),
    10: np.dtype([*_TRADE_FIELDS, ("levels", _LEVEL, (DEPTH_LEVELS,))]),
}
_ACTIONS = np.zeros(256, np.uint8)
_ACTIONS[[ord(c) for c in "AMCR"]] = ADD, UPDATE, DELETE, CLEAR
_SIDES = np.zeros(256, np.int8)
_SIDES[[ord("B"), ord("A")]] = 1, -1


def ingest_databento(
    files: Sequence[str | Path], instrument: Instrument | str, catalog: Any, **options: Any
) -> IngestSummary:
    """Write DBN files of the schemas mbo, mbp-10, mbp-1 (and tbbo) or trades.

    Parameters are those of `pipeline.run`. A file of several instruments is refused.
    """
    # A trade's id is its packet's sequence number, which trades of one packet share.
    return run("databento", files, instrument, catalog, _read, unique_ids=False, **options)


def _read(job: Job, path: Path) -> Iterator[Columns]:
    records = 0
    owner: int | None = None
    for rows in _records(job, path):
        if owner is None:
            owner = int(rows["instrument_id"][0])
        other = rows["instrument_id"] != owner
        if other.any():
            found = int(rows["instrument_id"][np.argmax(other)])
            raise IngestError(
                f"holds several instruments ({owner} and {found})",
                path,
                line=records + int(np.argmax(other)) + 1,
                todo="request one symbol a file",
            )
        yield from _columns(job, rows, path)
        records += len(rows)


def _records(job: Job, path: Path) -> Iterator[NDArray[Any]]:
    """Arrays of records of one type; records that carry no market data are passed over."""
    with job.sources.open(path) as handle:
        data = _unpacked(handle, path)
        start = data.read(8)
        if start[:3] != b"DBN" or len(start) < 8:
            raise IngestError("is no DBN file", path, todo="check the format's name")
        data.read(int.from_bytes(start[4:8], "little"))
        left = b""
        while block := data.read(_BLOCK):
            left += block
            arrays, left = _split(left, path)
            yield from arrays
        if left:
            raise IngestError("ends within a record", path, todo="fetch it again")


def _unpacked(handle: Any, path: Path) -> Any:
    if handle.peek(4)[:4] == b"\x28\xb5\x2f\xfd":
        return _Zstd(pa.CompressedInputStream(pa.PythonFile(handle), "zstd"), path)
    return handle


class _Zstd:
    """A compressed stream whose damage is said like every other."""

    def __init__(self, stream: Any, path: Path) -> None:
        self._stream = stream
        self._path = path

    def read(self, size: int) -> bytes:
        """Up to so many bytes; fewer only at the end."""
        try:
            return bytes(self._stream.read(size))
        except OSError as error:
            raise IngestError(
                f"damaged or truncated archive ({error})", self._path, todo="fetch it again"
            ) from error


def _split(data: bytes, path: Path) -> tuple[list[NDArray[Any]], bytes]:
    """The runs of equal records in some bytes, and what remains of the last."""
    out = []
    at = 0
    while at + 2 <= len(data):
        size, kind = data[at] * 4, data[at + 1]
        if size < 16:
            raise IngestError(f"broken record of {size} bytes", path, todo="fetch it again")
        count = (len(data) - at) // size
        if not count:
            break
        heads = np.frombuffer(data, np.uint8, count * size, at).reshape(count, size)
        same = (heads[:, 0] == data[at]) & (heads[:, 1] == kind)
        run_length = count if same.all() else int(np.argmin(same))
        if kind in _TYPES:
            if size != _TYPES[kind].itemsize:
                raise IngestError(f"unknown layout of record type {kind} ({size} bytes)", path)
            out.append(np.frombuffer(data, _TYPES[kind], run_length, at))
        at += run_length * size
    return out, data[at:]


def _columns(job: Job, rows: NDArray[Any], path: Path) -> Iterator[Columns]:
    kind = int(rows["rtype"][0])
    trades = rows["action"] == ord("T")
    if trades.any():
        yield _trades(job, rows[trades], path)
    if kind == 160:
        changes = rows[_ACTIONS[rows["action"]] > 0]
        if len(changes):
            yield _deltas(job, changes, path)
    elif kind == 10:
        yield _depth(job, rows, path)
    elif kind == 1:
        whole = rows["levels"]["bid_px"][:, 0] != _UNDEFINED
        whole &= rows["levels"]["ask_px"][:, 0] != _UNDEFINED
        job.leave_out("one-sided quote", rows["ts_recv"][~whole])
        yield _quotes(job, rows[whole], path)


def _common(job: Job, rows: NDArray[Any]) -> dict[str, Any]:
    times = np.ascontiguousarray(rows["ts_recv"])
    return job.precisions | {"ts_event": times, "ts_init": times}


def _prices(job: Job, values: NDArray[Any], path: Path) -> NDArray[np.int64]:
    """Prices in units of 1e-9 in those of the instrument; an undefined one is 0."""
    nanos = np.where(values == _UNDEFINED, 0, values)
    units, rest = np.divmod(nanos, 10 ** (9 - job.price_precision))
    if rest.any():
        at = int(np.argmax(rest != 0))
        raise IngestError(
            f"price {float(values.ravel()[at] / 1e9)!r} does not fit the instrument's "
            f"{job.price_precision} decimals",
            path,
            todo="give the instrument's own increments",
        )
    return units


def _sizes(job: Job, values: NDArray[Any]) -> NDArray[np.int64]:
    return values.astype(np.int64) * 10**job.size_precision


def _trades(job: Job, rows: NDArray[Any], path: Path) -> TradeColumns:
    return TradeColumns(
        **_common(job, rows),
        price=_prices(job, rows["price"], path),
        size=_sizes(job, rows["size"]),
        side=_SIDES[rows["side"]],
        trade_id=rows["sequence"].astype(np.int64),
    )


def _deltas(job: Job, rows: NDArray[Any], path: Path) -> DeltaColumns:
    return DeltaColumns(
        **_common(job, rows),
        action=_ACTIONS[rows["action"]],
        side=_SIDES[rows["side"]],
        price=_prices(job, rows["price"], path),
        size=_sizes(job, rows["size"]),
        order_id=np.ascontiguousarray(rows["order_id"]),
        flags=np.ascontiguousarray(rows["flags"]),
        sequence=rows["sequence"].astype(np.int64),
    )


def _depth(job: Job, rows: NDArray[Any], path: Path) -> DepthColumns:
    levels = rows["levels"]
    return DepthColumns(
        **_common(job, rows),
        bid_price=_prices(job, levels["bid_px"], path),
        ask_price=_prices(job, levels["ask_px"], path),
        bid_size=_sizes(job, levels["bid_sz"]),
        ask_size=_sizes(job, levels["ask_sz"]),
        bid_count=np.ascontiguousarray(levels["bid_ct"]),
        ask_count=np.ascontiguousarray(levels["ask_ct"]),
        flags=np.ascontiguousarray(rows["flags"]),
        sequence=rows["sequence"].astype(np.int64),
    )


def _quotes(job: Job, rows: NDArray[Any], path: Path) -> QuoteColumns:
    top = rows["levels"][:, 0]
    return QuoteColumns(
        **_common(job, rows),
        bid_price=_prices(job, top["bid_px"], path),
        ask_price=_prices(job, top["ask_px"], path),
        bid_size=_sizes(job, top["bid_sz"]),
        ask_size=_sizes(job, top["ask_sz"]),
    )
