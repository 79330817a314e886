"""Binance websocket messages as recorded, one `<receive time> <json>` a line.

Trades, the book (a REST snapshot carried on by depth messages) and top-of-book quotes, of spot and
USD-M futures. Files are read in the given order and joined. Of single and aggregate trades the kind
that comes first is taken; only prints of the market (`X` is MARKET, where it is given) are trades.

Times: `ts_event` is the venue's (transaction time `T` where a message has one, else event time
`E`, else the latest one seen before), exact to the millisecond. `ts_init` rises by at least one
nanosecond with each message, in the order of arrival: `max(previous + 1, ts_event)`. The host
replays by `ts_init`, so a backtest sees the messages in the order in which they came, across all
kinds; all deltas of a message share its times.

Book: futures drop messages with u < lastUpdateId, the first used has U <= lastUpdateId <= u (or pu
equal to it), and each next has pu equal to the u before. Spot drops u <= lastUpdateId, the first
used has U <= lastUpdateId + 1 <= u, and each next has U equal to the u before plus one. A message
that does not follow is a sequence break: it is counted and still applied, as sizes are absolute and
most of the book heals, and its deltas and all later ones carry F_UNTRUSTED until a new snapshot.
"""

from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from nautilus_trader.model.instruments import Instrument

from of_nautilus.ingest.columns import (
    ADD,
    CLEAR,
    DAY_NS,
    F_SNAPSHOT,
    F_UNTRUSTED,
    UPDATE,
    Columns,
    QuoteColumns,
    TradeColumns,
)
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.ladders import CLEAR_LEVEL, Ladders, numbers
from of_nautilus.ingest.pipeline import Job, run
from of_nautilus.ingest.summary import IngestSummary, Progress
from of_nautilus.ingest.writer import Overlap

_MS = 1_000_000
_FLUSH_ROWS = 250_000
_RECENT = 2_000  # depth messages kept to join a snapshot that comes after them


class _Data(msgspec.Struct):
    e: str = ""
    E: int = 0
    T: int = 0
    s: str = ""
    u: int = 0
    U: int = 0
    pu: int | None = None
    t: int = 0
    p: str = ""
    q: str = ""
    m: bool = False
    X: str = "MARKET"
    b: msgspec.Raw = msgspec.Raw(b"[]")
    a: msgspec.Raw = msgspec.Raw(b"[]")
    B: msgspec.Raw = msgspec.Raw(b"")
    A: msgspec.Raw = msgspec.Raw(b"")


class _Line(msgspec.Struct):
    stream: str = ""
    data: _Data | None = None
    snapshot_id: int | None = msgspec.field(default=None, name="lastUpdateId")
    bids: msgspec.Raw = msgspec.Raw(b"[]")
    asks: msgspec.Raw = msgspec.Raw(b"[]")
    E: int = 0
    T: int = 0


class _Depth(NamedTuple):
    first: int
    last: int
    previous: int | None
    event: int
    bids: bytes
    asks: bytes
    line: int


@dataclass(slots=True)
class _Trades:
    price: list[str] = field(default_factory=list)
    size: list[str] = field(default_factory=list)
    side: list[int] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    event: list[int] = field(default_factory=list)
    init: list[int] = field(default_factory=list)
    line: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Quotes:
    values: list[bytes] = field(default_factory=list)
    event: list[int] = field(default_factory=list)
    init: list[int] = field(default_factory=list)
    line: list[int] = field(default_factory=list)


class _Recording:
    """Turns messages into columns; its state carries over from one file to the next."""

    def __init__(self) -> None:
        self._job: Job
        self._path: Path
        self._decode = msgspec.json.Decoder(_Line).decode
        self._decode_plain = msgspec.json.Decoder(_Data).decode
        self._event = 0
        self._init = 0
        self._waiting: tuple[_Line, int] | None = None
        self._trade_kind = ""
        self._trade_id = -1
        self._quote_id = -1
        self._book_id: int | None = None
        self._fresh = False
        self._trusted = True
        self._recent: deque[_Depth] = deque(maxlen=_RECENT)
        self._delays: dict[int, array[int]] = {}
        self._clear()

    def _clear(self) -> None:
        self._trades, self._quotes, self._deltas = _Trades(), _Quotes(), Ladders()

    # -- messages ---------------------------------------------------------------------------------

    def read(self, job: Job, path: Path) -> Iterator[Columns]:
        """Read one file to its end."""
        self._job, self._path, self._summary = job, path, job.summary
        for number, text in job.sources.lines(path):
            received, _, payload = text.partition(b" ")
            try:
                line = self._decode(payload)
                data = line.data
                if data is None and line.snapshot_id is None:
                    data = self._decode_plain(payload)
                self._take(line, data, number)
                if not number % 64 and data is not None and data.E:
                    event = data.E * _MS
                    delays = self._delays.setdefault(event // DAY_NS, array("q"))
                    delays.append(_nanoseconds(int(received)) - event)
            except (msgspec.MsgspecError, ValueError) as error:
                raise IngestError(
                    f"broken line ({error})", path, line=number, todo="mend or remove it"
                ) from error
            if self._deltas.rows + len(self._quotes.line) + len(self._trades.line) > _FLUSH_ROWS:
                yield from self._flush()
        yield from self._flush()

    def close(self, job: Job) -> None:
        """Say what never found a place, and how late the recorder was."""
        if self._book_id is None:
            for message in self._recent:
                job.leave_out("depth without a snapshot", message.event)
        for day, delays in self._delays.items():
            job.log.day(day).recorder_delay_ms = _median_ms(delays)
        if self._delays:
            job.summary.recorder_delay_ms = _median_ms(np.concatenate([*self._delays.values()]))

    def _take(self, line: _Line, data: _Data | None, number: int) -> None:
        if data is None:
            self._snapshot(line, number)
            return
        if data.s and data.s != self._job.symbol:
            self._job.check_symbol(data.s, self._path, number)
        event = (data.T or data.E) * _MS
        if event:
            self._event = max(self._event, event)
            if self._waiting is not None:
                early, self._waiting = self._waiting, None
                self._snapshot(*early)
        kind = data.e or line.stream.rpartition("@")[2]
        if kind in ("trade", "aggTrade"):
            self._trade(data, kind, event, number)
        elif kind == "bookTicker":
            self._quote(data, event or self._event, number)
        elif kind == "depthUpdate":
            self._depth(
                _Depth(data.U, data.u, data.pu, event, bytes(data.b), bytes(data.a), number)
            )
        else:
            self._job.leave_out(kind or "unknown", event or self._event)

    def _stamp(self, event: int) -> int:
        self._init = max(self._init + 1, event)
        return self._init

    def _trade(self, data: _Data, kind: str, event: int, number: int) -> None:
        if kind != (self._trade_kind or kind):
            self._job.leave_out(kind, event)
            return
        self._trade_kind = kind
        if data.X != "MARKET":
            self._job.leave_out(f"trade {data.X}", event)
            return
        trade_id = int(bytes(data.a)) if kind == "aggTrade" else data.t
        if trade_id <= self._trade_id:
            self._summary.duplicates += 1
            self._job.log.leave_out("repeated trade", event)
            return
        if not event:
            raise ValueError("a trade without a time")
        self._trade_id = trade_id
        rows = self._trades
        rows.price.append(data.p)
        rows.size.append(data.q)
        rows.side.append(-1 if data.m else 1)  # m: the buyer was the maker, so a seller took
        rows.ids.append(trade_id)
        rows.event.append(event)
        rows.init.append(self._stamp(event))
        rows.line.append(number)

    def _quote(self, data: _Data, event: int, number: int) -> None:
        if data.u <= self._quote_id:
            self._job.leave_out("repeated quote", event)
            return
        if not event:
            self._summary.skipped["quote before any time"] += 1  # so it is of no day
            return
        self._quote_id = data.u
        rows = self._quotes
        rows.values += (bytes(data.b), bytes(data.a), bytes(data.B), bytes(data.A))
        rows.event.append(event)
        rows.init.append(self._stamp(event))
        rows.line.append(number)

    # -- book -------------------------------------------------------------------------------------

    def _snapshot(self, line: _Line, number: int) -> None:
        if line.snapshot_id is None:
            raise ValueError("neither a stream message nor a snapshot")
        event = (line.T or line.E) * _MS
        self._event = max(self._event, event)
        if not self._event:
            self._waiting = (line, number)  # it has no time of its own: it takes the next one
            return
        if self._book_id is not None and self._trusted and line.snapshot_id < self._book_id:
            self._job.leave_out("snapshot older than the book", event or self._event)
            return
        event = event or self._event
        stamp = self._stamp(event)
        for levels, side, action in (
            (CLEAR_LEVEL, 0, CLEAR),
            (bytes(line.bids), 1, ADD),
            (bytes(line.asks), -1, ADD),
        ):
            self._deltas.add(
                levels, side, action, F_SNAPSHOT, line.snapshot_id, event, stamp, number
            )
        self._deltas.end_message()
        self._summary.snapshots += 1
        self._book_id = line.snapshot_id
        self._fresh, self._trusted = True, True
        for message in list(self._recent):
            self._follow(message)

    def _depth(self, message: _Depth) -> None:
        if self._book_id is None:
            if len(self._recent) == _RECENT:
                self._job.leave_out("depth without a snapshot", self._recent[0].event)
            self._recent.append(message)
            return
        self._recent.append(message)
        self._follow(message)

    def _follow(self, message: _Depth) -> None:
        book_id = self._book_id
        assert book_id is not None
        futures = message.previous is not None
        if message.last <= book_id and not (self._fresh and futures and message.last == book_id):
            self._job.leave_out("depth older than the book", message.event)
            return
        if self._fresh:
            follows = message.first <= book_id + (not futures) or message.previous == book_id
        elif futures:
            follows = message.previous == book_id
        else:
            follows = message.first == book_id + 1
        if not follows:
            self._summary.sequence_breaks += 1
            self._trusted = False
        self._fresh = False
        self._book_id = message.last
        if not message.event:
            raise ValueError("a depth message without a time")
        flags = 0 if self._trusted else F_UNTRUSTED
        stamp = self._stamp(message.event)
        for levels, side in ((message.bids, 1), (message.asks, -1)):
            self._deltas.add(
                levels, side, UPDATE, flags, message.last, message.event, stamp, message.line
            )
        self._deltas.end_message()
        self._summary.depth_messages += 1

    # -- columns ----------------------------------------------------------------------------------

    def _flush(self) -> Iterator[Columns]:
        if self._trades.line:
            yield self._trade_columns(self._trades)
        if self._quotes.line:
            yield self._quote_columns(self._quotes)
        if self._deltas.rows:
            yield self._deltas.columns(self._job, self._path)
        self._clear()

    def _trade_columns(self, rows: _Trades) -> TradeColumns:
        price = numbers([s.encode() for s in rows.price], self._path, rows.line)
        size = numbers([s.encode() for s in rows.size], self._path, rows.line)
        return TradeColumns(
            **self._job.precisions,
            ts_event=np.array(rows.event, np.int64),
            ts_init=np.array(rows.init, np.int64),
            price=self._job.prices(price, self._path, rows.line),
            size=self._job.sizes(size, self._path, rows.line),
            side=np.array(rows.side, np.int8),
            trade_id=np.array(rows.ids, np.int64),
        )

    def _quote_columns(self, rows: _Quotes) -> QuoteColumns:
        values = numbers(rows.values, self._path, np.repeat(rows.line, 4)).reshape(-1, 4)
        return QuoteColumns(
            **self._job.precisions,
            ts_event=np.array(rows.event, np.int64),
            ts_init=np.array(rows.init, np.int64),
            bid_price=self._job.prices(values[:, 0], self._path, rows.line),
            ask_price=self._job.prices(values[:, 1], self._path, rows.line),
            bid_size=self._job.sizes(values[:, 2], self._path, rows.line),
            ask_size=self._job.sizes(values[:, 3], self._path, rows.line),
        )


def _median_ms(delays: Any) -> float:
    return float(np.median(np.asarray(delays))) / _MS


def _nanoseconds(stamp: int) -> int:
    """A time since 1970 in seconds, ms, µs or ns as ns; the digits tell which."""
    while 0 < stamp < 10**18:
        stamp *= 1_000
    return stamp


def ingest_binance_ws(
    files: Sequence[str | Path],
    instrument: Instrument | str,
    catalog: Any,
    overlap: Overlap = "refuse",
    progress: Progress | None = None,
) -> IngestSummary:
    """Write recorded Binance websocket files into a catalog, all of them or nothing.

    Parameters and errors are those of `pipeline.run`.
    """
    recording = _Recording()
    return run(
        "binance-ws",
        files,
        instrument,
        catalog,
        recording.read,
        overlap,
        progress,
        end=recording.close,
    )
