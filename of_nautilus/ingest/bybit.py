"""Bybit's public files: trades (`csv.gz`, derivatives and spot) and order books (`ob500` zip).

Trades: the side is the taker's. Derivatives' times are seconds with decimals, spot's are
milliseconds; some old files run backwards, which the writer sorts. `ts_init` is `ts_event`.

Order books: one JSON message a line, a snapshot or a change with absolute sizes. A change whose
update id `u` does not follow the one before is a sequence break: counted, still applied, and marked
F_UNTRUSTED until the next snapshot. `sequence` is the venue's cross sequence `seq`; `ts_init` is
`max(previous + 1, ts_event)`, one moment a message.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from nautilus_trader.model.instruments import Instrument
from numpy.typing import NDArray

from of_nautilus.ingest.columns import (
    ADD,
    CLEAR,
    F_SNAPSHOT,
    F_UNTRUSTED,
    UPDATE,
    Columns,
    TradeColumns,
)
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.ladders import CLEAR_LEVEL, Ladders
from of_nautilus.ingest.pipeline import Job, run
from of_nautilus.ingest.summary import IngestSummary
from of_nautilus.ingest.tables import CODED, check_coded, read_table, sides
from of_nautilus.ingest.times import nanoseconds

_MS = 1_000_000
_FLUSH_ROWS = 250_000

_TRADE_TYPES = {
    "timestamp": pa.float64(),
    "symbol": CODED,
    "side": CODED,
    "size": pa.float64(),
    "price": pa.float64(),
    "id": pa.string(),
}
_ALIASES = {"trdMatchID": "id", "volume": "size"}


def ingest_trades(
    files: Sequence[str | Path], instrument: Instrument | str, catalog: Any, **options: Any
) -> IngestSummary:
    """Write the public archive's trades; parameters as `pipeline.run`."""
    return run("bybit-trades", files, instrument, catalog, _trades, **options)


def ingest_book(
    files: Sequence[str | Path], instrument: Instrument | str, catalog: Any, **options: Any
) -> IngestSummary:
    """Write the public archive's order books; parameters as `pipeline.run`."""
    return run("bybit-book", files, instrument, catalog, _Book().read, **options)


def _trades(job: Job, path: Path) -> Iterator[Columns]:
    table = read_table(
        job.sources, path, _TRADE_TYPES, header=True, aliases=_ALIASES, optional=("symbol",)
    )
    for line, batch in table:
        if "symbol" in batch.schema.names:
            check_coded(batch["symbol"], job, path, line)
        times = _times(batch["timestamp"].to_numpy(), path, line)
        yield TradeColumns(
            **job.precisions,
            ts_event=times,
            ts_init=times,
            price=job.prices(batch["price"].to_numpy(), path, line),
            size=job.sizes(batch["size"].to_numpy(), path, line),
            side=sides(batch["side"], path, line),
            trade_id=_ids(batch["id"]),
        )


def _ids(column: pa.Array) -> Any:
    """Long ids as the host would hold them: no more than 36 characters."""
    return pc.utf8_slice_codeunits(column, 0, 36)


def _times(seconds: NDArray[np.float64], path: Path, line: int) -> NDArray[np.int64]:
    if len(seconds) and seconds.max() > 1e11:
        return nanoseconds(seconds.astype(np.int64), path, line)
    micros = np.rint(seconds * 1e6).astype(np.int64)
    return nanoseconds(micros, path, line)


class _Level2(msgspec.Struct):
    s: str
    u: int
    seq: int = 0
    b: msgspec.Raw = msgspec.Raw(b"[]")
    a: msgspec.Raw = msgspec.Raw(b"[]")


class _Message(msgspec.Struct):
    type: str
    ts: int
    data: _Level2


class _Book:
    """Follows the messages of one symbol over its files."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Message).decode
        self._update = -1
        self._init = 0
        self._trusted = False

    def read(self, job: Job, path: Path) -> Iterator[Columns]:
        """Read one file to its end."""
        ladders = Ladders()
        for number, text in job.sources.lines(path):
            try:
                message = self._decode(text)
            except msgspec.MsgspecError as error:
                raise IngestError(
                    f"broken line ({error})", path, line=number, todo="fetch the file again"
                ) from error
            job.check_symbol(message.data.s, path, number)
            self._take(message, ladders, job, number)
            if ladders.rows > _FLUSH_ROWS:
                yield ladders.columns(job, path)
                ladders = Ladders()
        if ladders.rows:
            yield ladders.columns(job, path)

    def _take(self, message: _Message, ladders: Ladders, job: Job, line: int) -> None:
        data, summary = message.data, job.summary
        event = message.ts * _MS
        snapshot = message.type == "snapshot"
        if snapshot:
            self._trusted = True
            summary.snapshots += 1
        elif self._update < 0:
            job.leave_out("change before a snapshot", event)
            return
        else:
            if data.u != self._update + 1:
                summary.sequence_breaks += 1
                self._trusted = False
            summary.depth_messages += 1
        self._update = data.u
        self._init = max(self._init + 1, event)
        flags = (F_SNAPSHOT if snapshot else 0) | (0 if self._trusted else F_UNTRUSTED)
        action = ADD if snapshot else UPDATE
        facts = (flags, data.seq, event, self._init, line)
        if snapshot:
            ladders.add(CLEAR_LEVEL, 0, CLEAR, *facts)
        ladders.add(bytes(data.b), 1, action, *facts)
        ladders.add(bytes(data.a), -1, action, *facts)
        ladders.end_message()
