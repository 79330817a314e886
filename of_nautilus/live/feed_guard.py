"""FeedGuard: watches a market's feed, and tells who acts on it when it is not to be trusted."""

import asyncio
import json
from typing import Any

import pandas as pd
from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import LiveClock
from nautilus_trader.model.data import OrderBookDeltas, TradeTick
from nautilus_trader.model.enums import RecordFlag
from nautilus_trader.model.identifiers import InstrumentId

from of_nautilus.config import FeedGuardConfig
from of_nautilus.data import LIVE, SUSPENDED, FeedStatus, data_type, subscribe_book
from of_nautilus.decision.feed import FeedChange, FeedWatch

_LAST = int(RecordFlag.F_LAST)


def rebuild_topic(instrument_id: InstrumentId | str) -> str:
    """Return the topic on which a data client is asked for an instrument's book anew."""
    return f"of_rebuild.{instrument_id}"


class FeedGuard(Actor):
    """Publishes a `FeedStatus` whenever one market's feed is suspended or live again.

    In a backtest it knows the times of the data only; live, a timer notices a silence while it
    lasts.
    """

    def __init__(self, config: FeedGuardConfig) -> None:
        super().__init__(config)
        self.watch = FeedWatch(config.feed, book=config.book)
        self.changes: list[FeedStatus] = []
        self._type = data_type(FeedStatus, config.instrument_id)

    def on_start(self) -> None:
        """Subscribe to trades and book."""
        instrument_id = self.config.instrument_id
        self.subscribe_trade_ticks(instrument_id)
        if self.config.book:
            subscribe_book(self, instrument_id)
        if isinstance(self.clock, LiveClock):
            loop = asyncio.get_running_loop()
            # The host's live timers run on a thread of their own.
            self.clock.set_timer(
                "stale",
                pd.Timedelta(nanoseconds=self.config.check_ns),
                callback=lambda _: loop.call_soon_threadsafe(self._beat),
            )

    def on_trade_tick(self, tick: TradeTick) -> None:
        """Look at a trade's times and number."""
        change = self.watch.on_trade(_whole(tick.ts_event), tick.ts_init, tick.trade_id.value)
        if change is not None:
            self._tell(change)

    def on_order_book_deltas(self, deltas: OrderBookDeltas) -> None:
        """Look at a message's times and number, and at the book after it."""
        bid = ask = None
        if deltas.flags & _LAST:
            book = self.cache.order_book(deltas.instrument_id)
            best_bid, best_ask = book.best_bid_price(), book.best_ask_price()
            if best_bid is not None and best_ask is not None:
                bid, ask = best_bid.raw, best_ask.raw
        change = self.watch.on_book(
            _whole(deltas.ts_event),
            deltas.ts_init,
            deltas.sequence,
            snapshot=deltas.is_snapshot,
            bid=bid,
            ask=ask,
        )
        if change is not None:
            self._tell(change)
        if not self.watch.live:
            self._mend(deltas.ts_init)

    def on_stop(self) -> None:
        """Say what was counted."""
        counts = json.dumps(self.watch.counts, sort_keys=True)
        self.log.info(f"feed watched: missed_trades={self.watch.missed_trades} counts={counts}")

    def on_reset(self) -> None:
        """Forget everything."""
        self.watch = FeedWatch(self.config.feed, book=self.config.book)
        self.changes.clear()

    def _beat(self) -> None:
        """Live: notice a silence."""
        if not self.is_running:
            return
        now = self.clock.timestamp_ns()
        if (change := self.watch.on_time(now)) is not None:
            self._tell(change)
        self._mend(now)

    def _mend(self, now: int) -> None:
        """Ask the data client for the book anew, if it is time to."""
        if self.watch.wants_snapshot(now):
            instrument_id = self.config.instrument_id
            self.log.warning(f"book to be rebuilt: counts={json.dumps(self.watch.counts)}")
            self.msgbus.publish(topic=rebuild_topic(instrument_id), msg=instrument_id)

    def _tell(self, change: FeedChange) -> None:
        status = FeedStatus(
            ts_event=change.ts,
            ts_init=self.clock.timestamp_ns(),
            instrument_id=self.config.instrument_id,
            state=LIVE if change.live else SUSPENDED,
            reason=change.fault.value,
            count=self.watch.counts[change.fault],
            since=change.since,
            counts=json.dumps(self.watch.counts, sort_keys=True),
            source="guard",
        )
        self.changes.append(status)
        told = f"feed {status.state}: reason={status.reason} counts={status.counts}"
        if change.live:
            self.log.info(told)
        else:
            self.log.warning(told)
        self.publish_data(self._type, status)


def _whole(ts: Any) -> int:
    """Return a time in whole microseconds: some of the host's adapters are off by 128 ns."""
    return int(ts + 500) // 1000 * 1000
