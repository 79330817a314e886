"""Whether a feed can be acted upon: what is wrong with it, counted, and when it is right again.

It sees the trades and the best prices of the book as they come in, knows no clock but their times,
and says when the market's data become unfit to act on (suspended) and fit again. Times are ns UTC;
`received` is when something came in, `ts` when the venue says that it happened.
"""

from collections import Counter, deque
from dataclasses import dataclass
from enum import StrEnum

import msgspec
import numpy as np

SECOND = 1_000_000_000
_REMEMBERED = 1_000
_GAPS, _EVERY = 10_000, 1_000


class Fault(StrEnum):
    """What can be wrong with a feed."""

    GAP = "gap"  # trade numbers were passed over
    DUPLICATE = "duplicate"  # a trade came twice
    DISORDER = "disorder"  # time or numbers ran backwards
    SEQUENCE = "sequence"  # changes of the book were passed over
    REBUILT = "rebuilt"  # the book began anew: the connection had been lost
    CROSSED = "crossed"  # the best bid is not below the best ask
    SKEW = "skew"  # the venue's clock and ours disagree, or the data are late
    STALE = "stale"  # nothing came


class FeedConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a good feed is.

    `stale_ns`: so long, > 0, and longer than all but one in 1,000 of the silences before, nothing
    may come. `calm_ns`: how long, >= 0, a feed must be good again before it is trusted.
    `max_skew_ns`: largest difference, > 0, between a message's time and its reception; None: not
    looked at, for old data replayed now. `rebuild_ns`: how long, > 0, a book may be wrong before a
    new snapshot is asked for, and again each time. `consecutive_trades`: whether trade ids are
    numbers that rise by one. `consecutive_book`: whether the numbers of the book's messages do.
    """

    stale_ns: int = 5 * SECOND
    calm_ns: int = SECOND
    max_skew_ns: int | None = 2 * SECOND
    rebuild_ns: int = 2 * SECOND
    consecutive_trades: bool = False
    consecutive_book: bool = False

    def __post_init__(self) -> None:
        if self.stale_ns < 1:
            raise ValueError(f"`stale_ns` must be >= 1, was {self.stale_ns}")
        if self.rebuild_ns < 1:
            raise ValueError(f"`rebuild_ns` must be >= 1, was {self.rebuild_ns}")
        if self.calm_ns < 0:
            raise ValueError(f"`calm_ns` must be >= 0, was {self.calm_ns}")
        if self.max_skew_ns is not None and self.max_skew_ns < 1:
            raise ValueError(f"`max_skew_ns` must be >= 1 or None, was {self.max_skew_ns}")


class Silence:
    """How long a stream has been silent, and how long is usual for it.

    A silence is too long beyond `least` and beyond all but one in 1,000 of the last 10,000.
    """

    def __init__(self, least: int) -> None:
        self.last = -1
        self.patience = self._least = least
        self._known = np.zeros(_GAPS, np.int64)
        self._count = 0

    def over(self, now: int) -> bool:
        """Whether at `now` nothing has come for too long."""
        return self.last >= 0 and now - self.last > self.patience

    def heard(self, now: int) -> None:
        """Something came at `now`."""
        if self.last >= 0:
            self._known[self._count % _GAPS] = now - self.last
            self._count += 1
            if self._count % _EVERY == 0:
                known = self._known[: min(self._count, _GAPS)]
                place = len(known) - 1 - len(known) // 1_000
                self.patience = max(self._least, int(np.partition(known, place)[place]))
        self.last = max(self.last, now)


@dataclass(frozen=True, slots=True)
class FeedChange:
    """The feed was suspended (`live` False), or came to life again.

    `fault`: the first that was seen; `since`: when it was suspended.
    """

    live: bool
    fault: Fault
    since: int
    ts: int


class FeedWatch:
    """Watches over one market's trades and book.

    A feed is suspended with the first fault, and live again when it has been without one for
    `calm_ns`, its book is not crossed, and what was passed over in the book has been mended by a
    snapshot. One whose `book` is watched and never comes is stale.

    >>> watch = FeedWatch(FeedConfig(consecutive_trades=True, calm_ns=10))
    >>> [watch.on_trade(i, i, str(i)) for i in (1, 2)]
    [None, None]
    >>> watch.on_trade(5, 5, "5").fault.value, watch.counts["gap"]
    ('gap', 1)
    >>> watch.on_trade(6, 6, "6"), watch.on_trade(15, 15, "7").live
    (None, True)
    """

    def __init__(self, config: FeedConfig | None = None, *, book: bool = True) -> None:
        self.config = config or FeedConfig()
        self._wants_book = book
        self.counts: Counter[str] = Counter()
        self.missed_trades = 0
        self.live = True
        self._fault, self._since = Fault.STALE, 0
        self._quiet_from = 0  # when the last fault was seen
        self._trade_ts = self._sequence = -1
        self._last_id: int | None = None
        self._recent: deque[str] = deque()
        self._ids: set[str] = set()
        self._wrong_from: int | None = None
        self._book_seen = self._broken = self._crossed = self._skewed = self._stale = False
        # A market may be without trades for long; that its book stands still is another matter.
        self._all, self._book = (Silence(self.config.stale_ns) for _ in range(2))

    def on_trade(self, ts: int, received: int, trade_id: str) -> FeedChange | None:
        """Take a trade."""
        faults = self._arrived(ts, received, self._all)
        if trade_id in self._ids:
            faults.append(Fault.DUPLICATE)
        else:
            self._remember(trade_id)
            if ts < self._trade_ts or (
                self.config.consecutive_trades and self._passed_over(int(trade_id), faults)
            ):
                faults.append(Fault.DISORDER)
        self._trade_ts = max(self._trade_ts, ts)
        return self._judge(received, faults)

    def on_book(
        self,
        ts: int,
        received: int,
        sequence: int,
        *,
        snapshot: bool = False,
        bid: int | None = None,
        ask: int | None = None,
    ) -> FeedChange | None:
        """Take a message of the book; `bid` and `ask` are the best prices after it, if known."""
        faults = self._arrived(ts, received, self._all, self._book)
        if snapshot:
            if self._book_seen:
                faults.append(Fault.REBUILT)
            self._book_seen, self._broken = True, False
        elif self._sequence >= 0:
            if sequence < self._sequence:
                faults.append(Fault.DISORDER)
                self._broken = True
            elif self.config.consecutive_book and sequence > self._sequence + 1:
                faults.append(Fault.SEQUENCE)
                self._broken = True
        self._sequence = sequence
        crossed = bid is not None and ask is not None and bid >= ask
        if crossed and not self._crossed:
            faults.append(Fault.CROSSED)
        self._crossed = crossed
        return self._judge(received, faults)

    def on_time(self, now: int) -> FeedChange | None:
        """Let the time pass to `now`: a feed that is silent is stale."""
        self._begin(now)
        if self._stale or not (self._all.over(now) or self._book.over(now)):
            return None
        self._stale = True
        return self._judge(now, [Fault.STALE])

    def wants_snapshot(self, now: int) -> bool:
        """Whether a new snapshot is to be asked for: the book has been wrong for `rebuild_ns`."""
        if not (self._broken or self._crossed or self._book.over(now)):
            self._wrong_from = None
        elif self._wrong_from is None:
            self._wrong_from = now
        elif now - self._wrong_from >= self.config.rebuild_ns:
            self._wrong_from = now
            return True
        return False

    def _begin(self, now: int) -> None:
        """Wait for the book from the first moment on."""
        if self._wants_book and self._book.last < 0:
            self._book.last = now

    def _arrived(self, ts: int, received: int, *streams: Silence) -> list[Fault]:
        """Look at the times of a message."""
        self._begin(received)
        faults = []
        silent = self._all.over(received) or self._book.over(received)
        if silent and not self._stale:
            faults.append(Fault.STALE)
        for stream in streams:
            stream.heard(received)
        still = self._book.over(received)
        if self._stale and not still:
            self._quiet_from = received
        self._stale = still
        limit = self.config.max_skew_ns
        skewed = limit is not None and abs(received - ts) > limit
        if skewed and not self._skewed:
            faults.append(Fault.SKEW)
        self._skewed = skewed
        return faults

    def _remember(self, trade_id: str) -> None:
        self._recent.append(trade_id)
        self._ids.add(trade_id)
        if len(self._recent) > _REMEMBERED:
            self._ids.discard(self._recent.popleft())

    def _passed_over(self, number: int, faults: list[Fault]) -> bool:
        """Count numbers that were passed over; whether this one comes after a later one."""
        last = self._last_id
        if last is not None and number < last:
            return True
        if last is not None and number > last + 1:
            faults.append(Fault.GAP)
            self.missed_trades += number - last - 1
        self._last_id = number
        return False

    def _judge(self, now: int, faults: list[Fault]) -> FeedChange | None:
        for fault in faults:
            self.counts[fault] += 1
        if faults:
            self._quiet_from = now
            if self.live:
                self.live, self._fault, self._since = False, faults[0], now
                return FeedChange(False, faults[0], now, now)
            return None
        bad = self._broken or self._crossed or self._skewed or self._stale
        if self.live or bad or now < self._quiet_from + self.config.calm_ns:
            return None
        self.live = True
        return FeedChange(True, self._fault, self._since, now)
