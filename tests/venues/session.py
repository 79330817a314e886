"""Recorded Binance websocket sessions: one `<receive time> <json>` line a message."""

import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import gcd
from pathlib import Path
from typing import Any, Literal

Kind = Literal["trade", "depth", "quote", "snapshot"]
Order = Literal["received", "event_time"]

_KINDS: dict[str, Kind] = {"trade": "trade", "depthUpdate": "depth", "bookTicker": "quote"}
# At one millisecond the book's change is put before the trades, as a depth message of that
# time already holds what they took.
_RANK = {"snapshot": 0, "depth": 1, "quote": 2, "trade": 3}


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded message: its kind, the venue's time of it (ms), and its payload.

    `copies` and `late` are faults of the wire: how often the message is sent, and after how
    many later ones.
    """

    kind: Kind
    time_ms: int
    message: dict[str, Any]
    copies: int = 1
    late: int = 0

    @property
    def number(self) -> int:
        """The trade's id, or that of the book's change."""
        of_kind = {"trade": "t", "snapshot": "lastUpdateId"}
        return int(self.message[of_kind.get(self.kind, "u")])


@dataclass(frozen=True, slots=True)
class Increment:
    """The smallest step of a price or size, as text with as many digits as the venue writes."""

    text: str
    decimals: int

    @classmethod
    def of(cls, values: Iterable[str]) -> "Increment":
        """The largest step of which all values are multiples."""
        values = list(values)
        decimals = len(values[0].partition(".")[2])
        step = reduce(gcd, (int(value.replace(".", "")) for value in values))
        digits = f"{step:0{decimals + 1}d}"
        return cls(f"{digits[:-decimals]}.{digits[-decimals:]}", decimals)


@dataclass(frozen=True, slots=True)
class Session:
    """What one recording holds, in the order in which it is to be replayed."""

    symbol: str
    events: list[Recorded]

    def increments(self) -> tuple[Increment, Increment]:
        """The price and the size increment, as far as the first thousand trades show them."""
        trades = self.of("trade")[:1000]
        return Increment.of(t["p"] for t in trades), Increment.of(t["q"] for t in trades)

    def of(self, kind: Kind) -> list[dict[str, Any]]:
        """The payloads of one kind, in replay order."""
        return [event.message for event in self.events if event.kind == kind]

    def index(self, kind: Kind, number: int) -> int:
        """The place in `events` of the message with this number (from 0) among its kind."""
        return [i for i, event in enumerate(self.events) if event.kind == kind][number]

    def faulty(self, kind: Kind, number: int, *, copies: int = 1, late: int = 0) -> "Session":
        """The same session, one of whose messages is lost (0 copies), repeated or late."""
        events = list(self.events)
        place = self.index(kind, number)
        events[place] = replace(events[place], copies=copies, late=late)
        return replace(self, events=events)

    def moved(self, by_ms: int) -> "Session":
        """The same session at another time: some adapters refuse what is old."""
        events = []
        for event in self.events:
            times = {name: event.message[name] + by_ms for name in "ET" if name in event.message}
            message = event.message | times
            events.append(replace(event, time_ms=event.time_ms + by_ms, message=message))
        return replace(self, events=events)

    def first(self, count: int) -> "Session":
        """The session's first messages only."""
        return replace(self, events=self.events[:count])


def read_session(paths: Path | Sequence[Path], *, order: Order = "received") -> Session:
    """Read recorded files, in the order given, as one session.

    Prints that are no trades of the market (`X` other than MARKET) are left out. With `order`
    "event_time" the messages are put in the order of the venue's own time, which is how a
    backtest over the same recording sees them.
    """
    events: list[Recorded] = []
    symbol = ""
    for path in [paths] if isinstance(paths, Path) else paths:
        with gzip.open(path, "rt") as lines:
            for line in lines:
                received, _, text = line.partition(" ")
                message = json.loads(text)
                # What has no time of the venue (spot has none in some) takes that of reception.
                now = int(received[:13])
                data = message.get("data")
                if data is None:
                    snapshot = {"E": now, "T": now} | message
                    events.append(Recorded("snapshot", snapshot["T"], snapshot))
                    continue
                kind = _KINDS.get(data.get("e", "bookTicker"))
                if kind and data.get("X", "MARKET") == "MARKET":
                    symbol = data["s"]
                    events.append(Recorded(kind, data.get("T", data.get("E", now)), data))
    if order == "event_time":
        events.sort(key=lambda event: (event.time_ms, _RANK[event.kind]))
    return Session(symbol, events)
