"""LiveFlow: the order flow actor of a live node, which first reads what has been.

Before anything is told of the live market, the engine goes through the past: its saved state, if
there is one; the trades of the catalog; the venue's recent trades; and the live ones that came
meanwhile. Where two of these overlap, trade ids join them, so that nothing is counted twice.

Bars and sessions of the past are told on a topic of their own (`past_topic`): a strategy needs them
for its levels, and nobody else is to take them for news. Patterns of the past are told to nobody,
so nothing is entered before the market is known. Where the venue does not tell enough (Bybit tells
its newest thousand trades, Binance is asked for an hour at most) there is a gap, which is said, and
the session that it lies in is told of as incomplete.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pandas as pd
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.data import TradeTick
from nautilus_trader.model.identifiers import InstrumentId

from of_nautilus.actor import OrderFlowActor
from of_nautilus.core.ticks import whole_microseconds
from of_nautilus.data import LIVE, SUSPENDED, FeedStatus, FootprintBar, SessionRoll, data_type
from of_nautilus.engine import BarClosed, Event, SessionClosed, SessionStarted
from of_nautilus.ingest.columns import TradeColumns, iter_columns
from of_nautilus.ingest.fixedpoint import increment_units
from of_nautilus.ingest.store import open_store
from of_nautilus.live.config import LiveFlowConfig

WARMING = "warming_up"
_SOURCE = "past"
_HOUR = 3_600_000_000_000
_PIECE = 200_000
_PAGE = 1_000
_ANSWER_S = 30.0
# The host's times are off by some ns, and its answers cut by them.
_OVERLAP = 2_000_000
_EXACT = 1_000
_SIDES = (0, 1, -1)


def past_topic(instrument_id: InstrumentId) -> str:
    """Return the topic on which an instrument's past bars and sessions are told, and its end."""
    return f"of_past.{instrument_id}"


class LiveFlow(OrderFlowActor):
    """Reads the order flow of one instrument, its past first.

    `warm` says whether it is done with the past; until then live trades wait. `progress` is a line
    of how far it is, `gaps` how often trades of the past are missing.
    """

    def __init__(self, config: LiveFlowConfig) -> None:
        super().__init__(config)
        self.warm = False
        self.progress = "not started"
        self.counts: dict[str, int] = {}
        self.gaps = 0
        self._saved: dict[str, bytes] = {}
        self._waiting: deque[TradeTick] = deque()
        self._page: list[TradeTick] = []
        self._task: asyncio.Task[None] | None = None
        self._last_id = ""
        self._told_until = 0

    # -- life -------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Subscribe, and begin with the past."""
        super().on_start()
        if self.engine is None:
            return
        self._tell_status(SUSPENDED)
        self._task = asyncio.get_running_loop().create_task(self._warm_up())

    def on_stop(self) -> None:
        """Leave the past where it is."""
        if self._task is not None:
            self._task.cancel()
        super().on_stop()

    def on_save(self) -> dict[str, bytes]:
        """Return the engine as it is, and the id of the last trade that it took."""
        if self.engine is None or not self._taken_up:
            return self._saved
        return {
            "of_engine": self.engine.save(),
            "of_last_id": self._last_id.encode(),
            "of_last_ts": b"%d" % self.engine.last_ts,
        }

    def on_load(self, state: dict[str, bytes]) -> None:
        """Keep a saved engine for the start."""
        self._saved = dict(state)

    def on_trade_tick(self, tick: TradeTick) -> None:
        """Let the engine have a trade, once it knows the past."""
        if not self.warm:
            self._waiting.append(tick)
            return
        self._last_id = tick.trade_id.value
        super().on_trade_tick(tick)

    def on_data(self, data: Any) -> None:
        """Hear whether the feed is to be trusted; to be warming up takes nothing from a session."""
        if isinstance(data, FeedStatus) and data.source == _SOURCE:
            self._trusted = self._feed.hear(data)
        else:
            super().on_data(data)

    def on_historical_data(self, data: Any) -> None:
        """Collect what the venue answers."""
        if isinstance(data, TradeTick):
            self._page.append(data)

    # -- the past ---------------------------------------------------------------------------------

    async def _warm_up(self) -> None:
        """Go through the past, then let the present in."""
        try:
            self._take_up()
            self._taken_up = True
            await self._read_catalog()
            if self.config.recent:
                async for page in self._recent_pages():
                    self._take(page, "venue")
            self._take(list(self._waiting), "waited")
            self._waiting.clear()
        except Exception as error:
            # A task's exception is nobody's: the market would stay unread without a word.
            self.log.exception("past not read", error)
            self.shutdown_system(f"{self.id} could not read the past: {error!r}")
            return
        self.warm = True
        told = " ".join(f"{name}={count}" for name, count in self.counts.items())
        self._say(f"warm: {told} bars={self.engine.bar_count if self.engine else 0}")
        self._tell_status(LIVE)

    def _take_up(self) -> None:
        """Go on from the saved engine, if it is one of this config."""
        saved = self._saved.get("of_engine")
        if saved is None or self.engine is None:
            return
        self._told_until = int(self._saved["of_last_ts"])
        try:
            self.engine.load(saved)
        except ValueError as error:
            self.log.warning(f"saved engine not taken up: reason={error}")
            self._saved = {}
            return
        self._last_id = self._saved["of_last_id"].decode()
        self._say(f"engine of {pd.Timestamp(self.engine.last_ts, tz='UTC')} taken up")

    async def _read_catalog(self) -> None:
        """Take the catalog's trades that the engine does not have."""
        config, now = self.config, self.clock.timestamp_ns()
        assert self.engine is not None
        if config.catalog is None or not open_store(config.catalog).exists():
            return
        start = max(now - int(config.past_hours * _HOUR), self.engine.last_ts)
        pieces = iter_columns(
            TradeColumns, config.catalog, config.instrument_id, start - _HOUR, None, _PIECE
        )
        # The book has no part in what the past leaves behind, and the engine then runs in one go.
        book, self.engine.book = self.engine.book, None
        try:
            for piece in pieces:
                rows = self._after(piece.sorted(), start)
                if len(rows):
                    self._run(rows)
                    self.counts["catalog"] = self.counts.get("catalog", 0) + len(rows)
                    self._say(f"reading the catalog: trades={self.counts['catalog']}")
                await asyncio.sleep(0)
        finally:
            self.engine.book = book

    def _after(self, rows: TradeColumns, start: int) -> TradeColumns:
        """Return those rows that the engine has not taken: after the last trade's id, or time."""
        ts = whole_microseconds(rows.ts_event)
        if self._last_id:
            ids = np.asarray(rows.trade_id).astype(str)
            (places,) = np.nonzero(ids == self._last_id)
            if len(places):
                return rows.pick(slice(int(places[-1]) + 1, None))
            return rows.pick(ts > start)
        return rows.pick(ts >= start)

    def _run(self, rows: TradeColumns) -> None:
        assert self.engine is not None
        instrument = self.cache.instrument(self.config.instrument_id)
        tick = increment_units(instrument.price_increment, rows.price_precision)
        lot = increment_units(instrument.size_increment, rows.size_precision)
        ts = whole_microseconds(rows.ts_event)
        self._tell_past(self.engine.run_trades(ts, rows.price // tick, rows.size // lot, rows.side))
        self._last_id = str(rows.trade_id[-1])

    async def _recent_pages(self) -> AsyncIterator[list[TradeTick]]:
        """Ask the venue for its recent trades until they reach what is there live.

        One venue tells the oldest since a time, so many at once: it is asked again from the last.
        Another tells the newest only, whatever the time: one answer is all there is.
        """
        now = self.clock.timestamp_ns()
        since = now - int(self.config.recent_minutes * _HOUR / 60)
        if self.engine is not None:
            since = max(since, self.engine.last_ts)
        while True:
            page = _in_order(await self._ask(since))
            self._look_for_gap(page, since)
            yield page
            last = page[-1].ts_event if page else since
            if len(page) < _PAGE or last <= since or self._reaches(page):
                return
            since = last
            self._say(f"asking the venue: reached={pd.Timestamp(last, tz='UTC'):%H:%M:%S}")
            await asyncio.sleep(1.0 / self.config.requests_per_s)

    def _look_for_gap(self, page: list[TradeTick], since: int) -> None:
        """See whether trades are missing between what the engine has and a page of the venue's."""
        last = self.engine.last_ts if self.engine is not None else 0
        if not last or any(tick.trade_id.value == self._last_id for tick in page):
            return
        begins = page[0].ts_event if page else self.clock.timestamp_ns()
        # What was asked for from the last trade on, and is not cut, is whole.
        if begins > last + _EXACT and (since > last or len(page) >= _PAGE):
            self._complete = False
            self.gaps += 1
            between = " to ".join(f"{pd.Timestamp(ts, tz='UTC')}" for ts in (last, begins))
            self.log.warning(f"past has a gap: {between}")

    def _reaches(self, page: list[TradeTick]) -> bool:
        """Whether a page overlaps with the trades that came live."""
        if not self._waiting:
            return False
        first = self._waiting[0]
        return any(tick.trade_id == first.trade_id for tick in page)

    async def _ask(self, since: int) -> list[TradeTick]:
        self._page = []
        answered = asyncio.Event()

        def done(_: UUID4) -> None:
            answered.set()

        self.request_trade_ticks(
            self.config.instrument_id,
            start=pd.Timestamp(since - _OVERLAP, tz="UTC"),
            limit=_PAGE,
            callback=done,
        )
        try:
            await asyncio.wait_for(answered.wait(), _ANSWER_S)
        except TimeoutError:
            self._complete = False
            self.gaps += 1
            self.log.warning("past has a gap: the venue did not tell its recent trades")
        return self._page

    def _take(self, page: list[TradeTick], source: str) -> None:
        """Let the engine have those trades of a page that it has not taken."""
        assert self.engine is not None
        new = _later(page, self._last_id, self.engine.last_ts, all_else=source == "waited")
        for tick in new:
            events = self.engine.on_tick(
                tick.ts_event,
                tick.price.as_double(),
                tick.size.as_double(),
                _SIDES[tick.aggressor_side],
            )
            self._last_id = tick.trade_id.value
            self._tell_past(events)
        self.counts[source] = self.counts.get(source, 0) + len(new)

    # -- telling ----------------------------------------------------------------------------------

    def _tell_past(self, events: list[Event]) -> None:
        """Tell bars and sessions to whom they are of use."""
        config, topic = self.config, past_topic(self.config.instrument_id)
        ended: SessionClosed | None = None
        now = self.clock.timestamp_ns()
        for event in events:
            match event:
                case BarClosed() if event.bar.close_ts > self._told_until:
                    bar = FootprintBar.of(event, config.instrument_id, self._scale, now)
                    self.msgbus.publish(topic=topic, msg=bar)
                case SessionClosed():
                    ended = event
                case SessionStarted() if event.ts > self._told_until:
                    roll = SessionRoll.of(
                        event,
                        ended,
                        config.instrument_id,
                        self._scale,
                        now,
                        complete=self._complete,
                    )
                    self._complete = True
                    self.msgbus.publish(topic=topic, msg=roll)

    def _tell_status(self, state: str) -> None:
        now, instrument_id = self.clock.timestamp_ns(), self.config.instrument_id
        status = FeedStatus(
            ts_event=now,
            ts_init=now,
            instrument_id=instrument_id,
            state=state,
            reason=WARMING,
            source=_SOURCE,
        )
        self.msgbus.publish(topic=past_topic(instrument_id), msg=status)
        self.publish_data(data_type(FeedStatus, instrument_id), status)

    def _say(self, text: str) -> None:
        self.progress = text
        self.log.info(f"past: {text}")


def _in_order(ticks: list[TradeTick]) -> list[TradeTick]:
    """Return trades oldest first, those of one time in the order in which they happened.

    Bybit lists the newest first, and the host turns that around by time alone: within one time its
    trades then stand the wrong way round. Ids that are numbers tell the order themselves.
    """
    numbers = [tick.trade_id.value for tick in ticks]
    if all(number.isdecimal() for number in numbers):
        return sorted(ticks, key=lambda tick: (tick.ts_event, int(tick.trade_id.value)))
    if ticks and ticks[0].instrument_id.venue.value == "BYBIT":
        ticks = [tick for _, group in _by_time(ticks) for tick in reversed(group)]
    return ticks


def _by_time(ticks: list[TradeTick]) -> list[tuple[int, list[TradeTick]]]:
    groups: list[tuple[int, list[TradeTick]]] = []
    for tick in ticks:
        if groups and groups[-1][0] == tick.ts_event:
            groups[-1][1].append(tick)
        else:
            groups.append((tick.ts_event, [tick]))
    return groups


def _later(page: list[TradeTick], last_id: str, last_ts: int, *, all_else: bool) -> list[TradeTick]:
    """Return the trades of a page after that with the last id, or else after the last time.

    `all_else`: those at the last time too; what is known by other ids would be counted twice.
    """
    for place in range(len(page) - 1, -1, -1):
        if page[place].trade_id.value == last_id:
            return page[place + 1 :]
    first = last_ts + (not all_else)
    return [tick for tick in page if whole_microseconds(tick.ts_event) >= first]
