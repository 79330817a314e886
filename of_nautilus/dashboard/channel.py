"""The channel between a node and its dashboard: rings of trades, books, events, and a mailbox.

All of it lies in one folder that only its user may enter: `about.json` (the markets),
`trades.ring`, `books.ring`, `events.ring` and `mailbox`. The node writes the rings; the dashboard
leaves one command at a time in the mailbox, which the node looks into twice a second.
"""

import fcntl
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from of_nautilus.core.record import Ints
from of_nautilus.dashboard.rings import (
    Layout,
    RingError,
    RingReader,
    RingWriter,
    make_file,
    mapped_file,
)
from of_nautilus.data import FLOW_TYPES, OPERATION_TYPES, STRATEGY_TYPES

DEPTH = 25
EVENT_TYPES = (*FLOW_TYPES, *STRATEGY_TYPES, *OPERATION_TYPES)
_CHUNK = 1008
_TRADE = Layout(
    struct.Struct("@qddbB38sQ"),
    np.dtype(
        [
            ("ts", "i8"),
            ("price", "f8"),
            ("size", "f8"),
            ("side", "i1"),
            ("market", "u1"),
            ("id", "S38"),
            ("number", "u8"),
        ]
    ),
)
_BOOK = Layout(
    struct.Struct(f"@qq{4 * DEPTH}qQ"),
    np.dtype([("ts", "i8"), ("market", "i8"), ("levels", "i8", (2, DEPTH, 2)), ("number", "u8")]),
)
# An event is cut into chunks: whether it is its `first`, and how many of it are `left`.
_EVENT = Layout(
    struct.Struct(f"@BBHI{_CHUNK}sQ"),
    np.dtype(
        [
            ("kind", "u1"),
            ("first", "u1"),
            ("left", "u2"),
            ("length", "u4"),
            ("data", f"V{_CHUNK}"),
            ("number", "u8"),
        ]
    ),
)
_RINGS = {"trades": _TRADE, "books": _BOOK, "events": _EVENT}
_MAILBOX = struct.Struct(
    "@QQQI"
)  # the node's last look (ns), commands asked, commands done, length
_MAILBOX_ROOM = 4096
_MOST_ROOMS = 8
_ALIVE, _ASKED, _DONE = 0, 8, 16
_ONE = struct.Struct("@Q")
_LENGTH = struct.Struct("@I")


class About(msgspec.Struct, frozen=True, kw_only=True):
    """A market as the node's instrument has it; `tick` and `lot` are decimals as text."""

    symbol: str
    tick: str
    lot: str
    price_digits: int
    size_digits: int
    currency: str


class Abouts(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel is about: a node, and its markets in the order of their numbers."""

    node: str
    markets: tuple[About, ...]


class Room(NamedTuple):
    """How many rows each ring holds."""

    trades: int = 65_536
    books: int = 1_024
    events: int = 32_768

    @classmethod
    def of(cls, markets: int) -> "Room":
        """Return room for a day's bars of so many markets, and of 8 at most."""
        each, times = cls(), min(markets, _MOST_ROOMS)
        return cls(*(rows * times for rows in each))


class Asked(msgspec.Struct, frozen=True):
    """A command of somebody at the dashboard: `action` as `data.OperatorCommand` has it."""

    action: str
    symbols: tuple[str, ...]


class NodeSide:
    """What the node writes, and how it hears.

    Raises
    ------
    RingError
        If a file cannot be made.
    """

    def __init__(self, folder: Path, abouts: Abouts, room: Room | None = None) -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            told = msgspec.json.encode(abouts)
            path = folder / "about.json"
            if not path.is_file() or path.read_bytes() != told:
                # The rings number the markets: those of other markets end here.
                for old in folder.glob("*.ring"):
                    old.unlink()
                path.with_suffix(".new").write_bytes(told)
                os.replace(path.with_suffix(".new"), path)
        except OSError as error:
            raise RingError(f"{folder}: {error.strerror}") from error
        room = room or Room.of(len(abouts.markets))
        self._trades, self._books, self._events = (
            RingWriter(folder / f"{name}.ring", _RINGS[name], getattr(room, name))
            for name in Room._fields
        )
        self.trade = self._trades.write
        mailbox = folder / "mailbox"
        if not mailbox.is_file() or mailbox.stat().st_size != _MAILBOX_ROOM:
            make_file(mailbox, b"", _MAILBOX_ROOM)
        self._mailbox = mapped_file(mailbox, write=True)
        # What was asked of a node that is gone is not done by the next.
        self._mailbox[_DONE : _DONE + 8] = self._mailbox[_ASKED : _ASKED + 8]

    # `trade(ts, price, size, side, market, id)`: ns UTC, decimals, +1 / -1 / 0, and its id's bytes.

    def book(self, market: int, ts: int, levels: Ints) -> None:
        """Tell the best levels, int64 (2, DEPTH, 2): bids and asks, ticks and lots, best first."""
        self._books.write(ts, market, *levels.ravel().tolist())

    def event(self, data: Any) -> None:
        """Tell what was published, of one of `EVENT_TYPES`."""
        told = data.to_bytes()
        kind = EVENT_TYPES.index(type(data))
        last = (len(told) - 1) // _CHUNK
        for i in range(last + 1):
            chunk = told[i * _CHUNK : (i + 1) * _CHUNK]
            self._events.write(kind, i == 0, last - i, len(chunk), chunk)

    def asked(self, now: int) -> Asked | None:
        """Say that the node is alive at `now`, ns, and return what is asked of it, once."""
        _ONE.pack_into(self._mailbox, _ALIVE, now)
        _, asked, done, length = _MAILBOX.unpack_from(self._mailbox)
        if asked == done:
            return None
        text = self._mailbox[_MAILBOX.size : _MAILBOX.size + length]
        _ONE.pack_into(self._mailbox, _DONE, asked)
        return msgspec.json.decode(text, type=Asked)


class Told(NamedTuple):
    """What a node has told: rows of trades and books as it wrote them, events as objects."""

    trades: Any
    books: Any
    events: list[Any]


class DashboardSide:
    """What a dashboard reads, from the oldest that is still there, and how it asks.

    Raises
    ------
    RingError
        If no node has written here, or one of another version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        about = folder / "about.json"
        try:
            self.abouts = msgspec.json.decode(about.read_bytes(), type=Abouts)
        except FileNotFoundError:
            raise RingError(
                f"{about}: not there; is a node running with a DashboardFeed?"
            ) from None
        except (OSError, msgspec.DecodeError) as error:
            raise RingError(f"{about}: {error}") from error
        self._rings = {
            name: RingReader(folder / f"{name}.ring", layout) for name, layout in _RINGS.items()
        }
        self._mailbox = mapped_file(folder / "mailbox", write=True)
        self._chunks: list[bytes] = []

    @property
    def missed(self) -> dict[str, int]:
        """How many rows of each ring were written over before they were read."""
        return {name: ring.missed for name, ring in self._rings.items()}

    @property
    def alive_ns(self) -> int:
        """When the node last looked into its mailbox, by its clock, ns UTC; 0 for never."""
        return int(_ONE.unpack_from(self._mailbox, _ALIVE)[0])

    def read(self) -> Told:
        """Return what came since the last call."""
        return Told(
            self._rings["trades"].read(), self._rings["books"].read(), list(self._read_events())
        )

    def _read_events(self) -> Iterator[Any]:
        events = self._rings["events"]
        missed = events.missed
        rows = events.read()
        if events.missed != missed:
            self._chunks = []
        for row in rows:
            if row["first"]:
                self._chunks = []
            elif not self._chunks:
                continue  # its first chunk was written over
            self._chunks.append(row["data"].tobytes()[: int(row["length"])])
            if row["left"] == 0:
                yield EVENT_TYPES[int(row["kind"])].from_bytes(b"".join(self._chunks))
                self._chunks = []

    def ask(self, action: str, symbols: Sequence[str]) -> int:
        """Leave a command for the node; return its number, for `is_done`.

        Raises
        ------
        RingError
            If the command before was not taken yet.
        """
        text = msgspec.json.encode(Asked(action, tuple(symbols)))
        if len(text) > _MAILBOX_ROOM - _MAILBOX.size:
            raise RingError(f"{self.folder}: a command for {len(symbols)} markets does not fit")
        with self._alone():
            _, asked, done, _ = _MAILBOX.unpack_from(self._mailbox)
            if asked != done:
                raise RingError(f"{self.folder}: the node has not taken the command before")
            self._mailbox[_MAILBOX.size : _MAILBOX.size + len(text)] = text
            _LENGTH.pack_into(self._mailbox, _MAILBOX.size - _LENGTH.size, len(text))
            _ONE.pack_into(self._mailbox, _ASKED, asked + 1)
        return int(asked + 1)

    def is_done(self, number: int) -> bool:
        """Whether the node has taken a command."""
        return int(_ONE.unpack_from(self._mailbox, _DONE)[0]) >= number

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.folder / "mailbox").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
