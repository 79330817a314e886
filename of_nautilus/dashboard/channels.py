"""What each channel of `/ws` says: a whole snapshot, then what changed since the last message."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from of_nautilus.dashboard import answers
from of_nautilus.dashboard.market import MarketState
from of_nautilus.dashboard.sources import Source

SNAPSHOT_BARS, SNAPSHOT_CARDS, SNAPSHOT_PRINTS = 500, 50, 50
SNAPSHOT_TRADES = 200
BOOK_LEVELS = 25

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel: how often it speaks at most, and how it is made.

    `latest`: only the newest message matters, so that one who is slow may miss those between.
    `with_tf`: it is of a timeframe. `of_all`: it is of no symbol.
    """

    name: str
    throttle_ms: int
    make: "type[Talk]"
    latest: bool = False
    with_tf: bool = False
    of_all: bool = False


class Talk:
    """One channel of one market (and timeframe) as it goes on; `snapshot` tells all of it.

    `delta` returns what changed since it was asked last, None for nothing.
    """

    def __init__(self, source: Source, symbol: str, tf: int) -> None:
        self._source, self._symbol, self._tf = source, symbol, tf
        self.begin()

    @property
    def _market(self) -> MarketState:
        return self._source.markets[self._symbol]

    def begin(self) -> None:
        """Take what is now as told."""

    @property
    def is_behind(self) -> bool:
        """Whether some of what was not told is gone, so that only a snapshot is right."""
        return False

    def snapshot(self) -> Json:
        """Return all of it."""
        raise NotImplementedError

    def delta(self) -> Json | None:
        """Return what changed."""
        raise NotImplementedError


class _Prints(Talk):
    def begin(self) -> None:
        self._told = self._market.trade_count

    @property
    def is_behind(self) -> bool:
        return self._market.trade_count - self._told > len(self._market.prints)

    def snapshot(self) -> Json:
        # As of the last delta: one that follows must not repeat anything.
        market = self._market
        fresh = market.trade_count - self._told
        rows = market.prints[: len(market.prints) - fresh][-SNAPSHOT_PRINTS:]
        told = answers.prints(market, rows)
        return {"last": told[0] if told else None, "prints": told}

    def delta(self) -> Json | None:
        market = self._market
        fresh = market.trade_count - self._told
        if fresh <= 0:
            return None
        self._told = market.trade_count
        told = answers.prints(market, market.prints[-fresh:])
        return {"last": told[0], "prints": told}


class _Candles(Talk):
    def begin(self) -> None:
        market = self._market
        market.refresh()
        self._serial, self._trades = market.bars.serial, market.trade_count
        self._open = market.bars.open.open_ts if market.bars.open else 0

    def _candles(self, count: int, since: int = 0) -> list[Json]:
        market = self._market
        market.refresh()
        return [market.bars.candle(bar) for bar in market.bars.at(self._tf, count, since)]

    def _changed(self) -> list[Json]:
        market = self._market
        bars = market.bars
        if (bars.serial, market.trade_count) == (self._serial, self._trades):
            return []
        since = bars.changed_since(self._serial)
        changed = self._open if since is None else min(since, self._open)
        self.begin()
        return self._candles(SNAPSHOT_BARS, changed)

    def snapshot(self) -> Json:
        return {"candles": self._candles(SNAPSHOT_BARS)}

    def delta(self) -> Json | None:
        changed = self._changed()
        return {"candles": changed} if changed else None


class _Deltas(_Candles):
    def snapshot(self) -> Json:
        return {"points": answers.points(self._candles(SNAPSHOT_BARS))}

    def delta(self) -> Json | None:
        changed = self._changed()
        return {"points": answers.points(changed)} if changed else None


class _Signals(Talk):
    def begin(self) -> None:
        self._serial = self._market.serial

    def snapshot(self) -> Json:
        return {"signals": self._cards(0, SNAPSHOT_CARDS)}

    def delta(self) -> Json | None:
        cards = self._cards(self._serial, None)
        self.begin()
        return {"signals": cards} if cards else None

    def _cards(self, since: int, count: int | None) -> list[Json]:
        market = self._market
        own = [card for card in market.cards.values() if card.serial > since]
        return [answers.card(market, card) for card in (own[-count:] if count else own)[::-1]]


class _Trade(Talk):
    def begin(self) -> None:
        self._serial = self._market.serial
        self._last: Json | None = None

    def _standing(self) -> Json:
        market = self._market
        status = answers.status(market, self._source.now_ns)
        trade = answers.running(market, market.open_trade)
        return {"trade": trade, **{name: status[name] for name in ("phase", "status", "steps")}}

    def snapshot(self) -> Json:
        market = self._market
        return answers.trade(market, SNAPSHOT_TRADES) | self._standing()

    def delta(self) -> Json | None:
        market, since = self._market, self._serial
        standing = self._standing()
        closed = [answers.closed(market, own) for at, own in market.closed if at > since]
        moves = [answers.transition(own) for at, own in market.moves if at > since]
        self._serial = market.serial
        if standing == self._last and not closed and not moves:
            return None
        self._last = standing
        return standing | {"closed": closed[::-1], "transitions": moves[::-1]}


class _Whole(Talk):
    """A channel whose every message is all of it, sent when it differs from the one before."""

    def begin(self) -> None:
        self._last: Json | None = None

    def delta(self) -> Json | None:
        now = self.snapshot()
        if now == self._last:
            return None
        self._last = now
        return now


class _Profile(_Whole):
    def begin(self) -> None:
        super().begin()
        self._count = -1

    def snapshot(self) -> Json:
        market = self._market
        market.refresh()
        made = answers.profiles(market, 1, market.profile_rows)
        return {"profile": made[0] if made else None}

    def delta(self) -> Json | None:
        market = self._market
        if market.trade_count == self._count:
            return None
        self._count = market.trade_count
        return super().delta()


class _Bias(_Whole):
    def begin(self) -> None:
        super().begin()
        self._serial = -1

    def snapshot(self) -> Json:
        return answers.bias(self._market)

    def delta(self) -> Json | None:
        if self._market.serial == self._serial:
            return None
        self._serial = self._market.serial
        return super().delta()


class _Book(_Whole):
    def begin(self) -> None:
        super().begin()
        self._count = -1

    def snapshot(self) -> Json:
        market = self._market
        return answers.book(market, market.books[-1] if market.books else None, BOOK_LEVELS)

    def delta(self) -> Json | None:
        if self._market.book_serial == self._count:
            return None
        self._count = self._market.book_serial
        return super().delta()


class _Stats(_Whole):
    tell: Callable[[], Json]

    def snapshot(self) -> Json:
        return self.tell()


class _Replay(_Whole):
    def snapshot(self) -> Json:
        return self._source.replay() or {}


CHANNELS = {
    channel.name: channel
    for channel in (
        Channel("tick", 200, _Prints, latest=True),
        Channel("candle", 0, _Candles, with_tf=True),
        Channel("delta", 200, _Deltas, latest=True, with_tf=True),
        Channel("signal", 0, _Signals),
        Channel("trade_state", 0, _Trade),
        Channel("volume_profile", 1_000, _Profile),
        Channel("bias", 0, _Bias),
        Channel("orderbook", 500, _Book, latest=True),
        Channel("stats", 5_000, _Stats, of_all=True),
        Channel("replay", 250, _Replay, latest=True, of_all=True),
    )
}
