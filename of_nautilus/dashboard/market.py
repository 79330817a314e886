"""What a dashboard knows of one market: fed with trades, books and what was published."""

import json
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from of_nautilus.core.book_measures import thin_limit_of
from of_nautilus.core.footprint import BarKind, ClosedBar
from of_nautilus.core.record import Ints
from of_nautilus.core.sessions import DAY, MINUTE, SECOND
from of_nautilus.dashboard.bars import USUAL, BarBook, Shape
from of_nautilus.dashboard.units import Units
from of_nautilus.data import (
    LIVE,
    ClosedTrade,
    DailyBias,
    EntryDecision,
    FeedStatus,
    FootprintBar,
    JournalNote,
    LevelEvent,
    PatternSignal,
    SessionRoll,
    TradeTransition,
)
from of_nautilus.decision.status import ScannerRow, stand
from of_nautilus.decision.table import IN_TRADE, Phase
from of_nautilus.engine import (
    BarClosed,
    BarType,
    FlowConfig,
    FlowEngine,
    SessionStarted,
    VpinConfig,
)

PRINT = np.dtype([("ts", "i8"), ("price", "i8"), ("size", "i8"), ("side", "i1"), ("id", "S38")])
MOST_PRINTS, MOST_SIGNALS, MOST_TRADES, MOST_MOVES, MOST_BOOKS = 5_000, 1_000, 2_000, 500, 600
MOST_SESSIONS = 30
STALE = 5 * MINUTE
WINDOW_S = 60
MOST_UNSHAPED = 200_000  # trades that are kept until a bar's shape is known
_GONE = ("broken", "retired")
_RANK = {phase: rank for rank, phase in enumerate((*Phase,))}


@dataclass(slots=True)
class Session:
    """A session: ns UTC; `complete` is False once it is told that data were missing in it.

    `rows`: height of the rows on which the node read it once it was over, ticks; 0: not told.
    """

    start: int
    end: int
    complete: bool = True
    rows: int = 0


@dataclass(slots=True)
class Card:
    """A signal, and what became of it if an entry was considered; `serial` of its last change."""

    signal: PatternSignal
    decision: EntryDecision | None
    serial: int


@dataclass(slots=True)
class OpenTrade:
    """A trade that runs: its plan, since when (ns), and the stop that was told last (ticks)."""

    plan: EntryDecision
    opened: int
    stop: int


@dataclass(slots=True)
class BookSeen:
    """A book: ns UTC, levels (2, n, 2) of ticks and lots, and below what a level is thin, lots."""

    ts: int
    levels: Ints
    thin: tuple[float, float]


class MarketState:
    """Everything that is shown of one market.

    Bars come from the node's own `FootprintBar`s; an engine over the trades makes the one that is
    open, those that nobody has told of, and the measures of the tape.

    Parameters
    ----------
    symbol : str
    units : Units
    currency : str
    from_start : bool
        Whether the first trade taken is the first of its bar; if not, that bar is not kept.
    shape : Shape, optional
        Of the bars that will be told; absent: as the first that is told.
    """

    def __init__(
        self,
        symbol: str,
        units: Units,
        currency: str,
        *,
        from_start: bool,
        shape: Shape | None = None,
    ) -> None:
        self.symbol, self.units, self.currency = symbol, units, currency
        self.bars = BarBook(units, shape or USUAL)
        self.prints: Any = np.zeros(0, PRINT)
        self.trade_count = 0
        self.last: int | None = None
        self.last_ts = 0
        self.sessions: list[Session] = []
        self.cards: dict[tuple[int, str, int, int], Card] = {}
        self.levels: dict[tuple[str, str], LevelEvent] = {}
        self.bias: DailyBias | None = None
        self.phases: dict[str, Phase] = {}
        self.plans: dict[str, EntryDecision] = {}
        self.min_scores: dict[str, float] = {}  # as refusals for the score told them
        self.open_trade: OpenTrade | None = None
        self.closed: deque[tuple[int, ClosedTrade]] = deque(maxlen=MOST_TRADES)
        self.moves: deque[tuple[int, TradeTransition]] = deque(maxlen=MOST_MOVES)
        self.feed: FeedStatus | None = None
        self.books: deque[BookSeen] = deque(maxlen=MOST_BOOKS)
        self.book_count = self.book_serial = 0
        self._book_kept = False
        self.signal_count = 0
        self.serial = 0
        self._whole_first = self._from_start = from_start
        self._rolls_told = False
        self._shaped = shape is not None
        self._unshaped: list[Any] = []
        self.epoch = 0  # how often all bars were made anew
        self._r1 = float("nan")
        self._profile_rows: int | None = None
        self._engine: FlowEngine | None = None
        self._hours = ""  # the sessions of that engine
        self._cvds: dict[int, int] = {}
        self._cvd_ahead = 0
        self._open_at = -1

    # -- what comes in ----------------------------------------------------------------------------

    def take_trades(self, rows: Any) -> None:
        """Take trades, rows of `PRINT` in the order of time."""
        if not len(rows):
            return
        if not self._shaped:
            self._unshaped.append(rows)
            while sum(map(len, self._unshaped)) > MOST_UNSHAPED:
                del self._unshaped[0]
                self._whole_first = False
        self._run(rows)
        self.prints = np.concatenate((self.prints, rows))[-MOST_PRINTS:]
        self.trade_count += len(rows)
        self.last, self.last_ts = int(rows["price"][-1]), max(self.last_ts, int(rows["ts"][-1]))
        self._open_at = -1

    def _run(self, rows: Any) -> None:
        engine = self._engine = self._engine or self._new_engine()
        for event in engine.run_trades(
            *(np.ascontiguousarray(rows[name]) for name in ("ts", "price", "size", "side"))
        ):
            if isinstance(event, BarClosed):
                self._own_bar(event.bar)
            elif isinstance(event, SessionStarted):
                self._cvd_ahead = 0
                if not self._rolls_told:
                    self._begin(event.ts, event.end)

    def take_book(self, ts: int, levels: Ints | None, *, again: bool = False) -> None:
        """Take the best levels as `core.book.read_top` writes them; None if not to be trusted.

        `again`: in place of those that were taken before.
        """
        if again and self._book_kept:
            self.books.pop()
        self.book_count += not again
        self.book_serial += 1
        self.last_ts = max(self.last_ts, ts)
        self._book_kept = levels is not None
        if levels is not None:
            thin = float(thin_limit_of(levels, 0)), float(thin_limit_of(levels, 1))
            self.books.append(BookSeen(ts, levels, thin))

    def take(self, data: Any) -> None:
        """Take what a node has published."""
        self.serial += 1
        match data:
            case FootprintBar():
                self._told_bar(data)
            case PatternSignal():
                self.signal_count += 1
                self.cards[data.ts_event, data.pattern, data.side, data.price] = Card(
                    data, None, self.serial
                )
                if len(self.cards) > MOST_SIGNALS:
                    del self.cards[next(iter(self.cards))]
            case SessionRoll():
                if not self._rolls_told:
                    self._rolls_told = True
                    self.sessions.clear()
                if self.sessions and data.finished_start == self.sessions[-1].start:
                    self.sessions[-1].complete = data.complete
                    self.sessions[-1].rows = data.ticks_per_row
                if data.finished_end:
                    self._profile_rows = data.ticks_per_row
                self._begin(data.start, data.end)
                self._follow_hours()
            case DailyBias():
                self.bias = data
            case LevelEvent():
                key = data.strategy_id, data.level
                if data.what in _GONE:
                    self.levels.pop(key, None)
                else:
                    self.levels[key] = data
            case EntryDecision():
                card = self.cards.get((data.ts_event, data.pattern, data.side, data.price))
                if card is not None:
                    card.decision, card.serial = data, self.serial
                if data.decision == "score":
                    needed = json.loads(data.numbers).get("min_score")
                    if needed is not None:
                        self.min_scores[data.strategy_id] = needed
                if data.decision == "planned":
                    self.plans[data.strategy_id] = data
            case TradeTransition():
                self.moves.append((self.serial, data))
                self._move(data)
            case JournalNote(what="stop_rests"):
                if self.open_trade is not None and self._is_open(data.strategy_id):
                    self.open_trade.stop = int(json.loads(data.numbers)["price"])
            case ClosedTrade():
                self.closed.append((self.serial, data))
            case FeedStatus():
                self.feed = data

    def _new_engine(self) -> FlowEngine:
        kind, length, height = self.bars.shape
        units = self.units
        worth = {BarKind.TIME: 1 / SECOND, BarKind.DOLLAR: units.tick * units.lot}
        worth |= dict.fromkeys((BarKind.VOLUME, BarKind.DELTA), units.lot)
        self._hours = _spec(self.sessions)
        config = FlowConfig.bars_only(
            bar=BarType[BarKind(kind).name],
            bar_size=length * worth.get(BarKind(kind), 1),
            ticks_per_row=height,
            session=self._hours,
            vwap=True,
            windows_s=(float(WINDOW_S),),
            large_trades=True,
            vpin=VpinConfig(),
            impact=True,
        )
        return FlowEngine(units.scale, config)

    def _own_bar(self, bar: ClosedBar) -> None:
        self._cvds[bar.open_ts] = bar.cvd
        if len(self._cvds) > 64:
            del self._cvds[next(iter(self._cvds))]
        whole, self._from_start = self._from_start, True
        if self.bars.holds(bar.open_ts):
            self._settle(bar.open_ts)
        elif whole and not self._outside(bar.open_ts):
            self.bars.put(bar._replace(cvd=bar.cvd + self._cvd_ahead))

    def _told_bar(self, data: FootprintBar) -> None:
        shape = data.kind, data.length, data.ticks_per_row
        if not self._shaped:
            self._shaped = True
            if shape != self.bars.shape:
                self._start_again(shape)
            self._unshaped.clear()
        if shape != self.bars.shape:
            return  # another actor's bars of the same market
        self._r1 = data.r1
        self.bars.put(data.bar())
        self.last_ts = max(self.last_ts, data.last_ts)
        if self.last is None or not self.trade_count:
            self.last = data.close
        self._settle(data.open_ts)

    def _start_again(self, shape: Shape) -> None:
        """Make bars of the shape that was told from the trades so far, in place of the usual."""
        self.bars.clear(shape)
        self._cvds.clear()
        self._cvd_ahead, self._from_start = 0, self._whole_first
        self._engine = None
        for rows in self._unshaped:
            self._run(rows)
        self._open_at = -1
        self.epoch += 1

    def _settle(self, open_ts: int) -> None:
        """Let the engine's running delta follow the node's, which may have begun earlier."""
        if open_ts in self._cvds:
            told = self.bars.between(open_ts, open_ts + 1)[0]
            self._cvd_ahead = told.cvd - self._cvds[open_ts]

    def _begin(self, start: int, end: int) -> None:
        if self.sessions and start <= self.sessions[-1].start:
            return
        if self.sessions:
            # A node that came back with other hours.
            self.sessions[-1].end = min(self.sessions[-1].end, start)
        self.sessions.append(Session(start, end))
        del self.sessions[:-MOST_SESSIONS]

    def _follow_hours(self) -> None:
        """Make the engine anew where the sessions that are told are no longer its own."""
        if self._engine is None or self._hours == _spec(self.sessions):
            return
        self._engine, self._from_start = None, False
        own = self.prints[self.prints["ts"] >= self.sessions[-1].start]
        if len(own):
            self._run(own)
        self._open_at = -1

    def _outside(self, ts: int) -> bool:
        """Whether a moment lies before or between the sessions that were told."""
        after = bisect_right(self.sessions, ts, key=lambda session: session.start)
        return (
            self._rolls_told
            and after < len(self.sessions)
            and (after == 0 or ts >= self.sessions[after - 1].end)
        )

    def _move(self, data: TradeTransition) -> None:
        phase = Phase(data.target)
        self.phases[data.strategy_id] = phase
        if phase is Phase.POSITION_OPEN and data.source != data.target:
            plan = self.plans.get(data.strategy_id)
            if plan is not None:
                self.open_trade = OpenTrade(plan, data.ts_event, plan.stop)
        elif phase not in IN_TRADE and self._is_open(data.strategy_id):
            self.open_trade = None

    def _is_open(self, strategy_id: str) -> bool:
        """Whether the open trade is a strategy's: another may watch the same market."""
        return self.open_trade is not None and self.open_trade.plan.strategy_id == strategy_id

    # -- what it comes to -------------------------------------------------------------------------

    def refresh(self) -> None:
        """Bring the open bar up to date, if there were trades since the last time."""
        if self._engine is None or self._open_at == self.trade_count:
            return
        self._open_at = self.trade_count
        bar = self._engine.open_bar
        if bar is not None:
            outside = self._outside(bar.open_ts)
            bar = None if outside else bar._replace(cvd=bar.cvd + self._cvd_ahead)
        self.bars.open = bar

    @property
    def engine(self) -> FlowEngine | None:
        """The engine over the trades; None before the first."""
        return self._engine

    @property
    def begun(self) -> list[Session]:
        """The sessions that have begun: the next is told of when one is over."""
        return [session for session in self.sessions if session.start <= self.last_ts]

    @property
    def session(self) -> Session | None:
        """The newest session that has begun."""
        begun = self.begun
        return begun[-1] if begun else None

    @property
    def phase(self) -> Phase | None:
        """Where the trade stands, of several strategies the furthest; None if nothing trades."""
        return max(self.phases.values(), key=_RANK.__getitem__, default=self._idle)

    @property
    def _idle(self) -> Phase | None:
        return Phase.NONE if self.bias is not None or self.levels else None

    @property
    def profile_rows(self) -> int:
        """Height of a profile's rows, ticks: as the node's own, from which its levels come."""
        return self.rows_of(self._profile_rows or 10 * self.bars.row_ticks)

    def rows_of(self, height: int) -> int:
        """Return the multiple of a bar's rows that is next to a height, in ticks, from below."""
        own = self.bars.row_ticks
        return max(1, height // own) * own

    @property
    def large(self) -> int:
        """From how many lots on a trade is large."""
        size = self._engine.large_size if self._engine else float("nan")
        if size == size:
            return int(size)
        return int(np.quantile(self.prints["size"], 0.99)) if len(self.prints) else 0

    @property
    def trusted(self) -> bool:
        """Whether nobody has said that the feed is unfit."""
        return self.feed is None or self.feed.state == LIVE

    @property
    def qualified(self) -> list[LevelEvent]:
        """The levels that may be traded: the others are there to be watched."""
        return [level for level in self.levels.values() if level.side]

    @property
    def nearest(self) -> LevelEvent | None:
        """The qualified level nearest to the last price."""
        last = self.last
        if last is None:
            return None
        return min(self.qualified, key=lambda level: abs(level.price - last), default=None)

    def row(self, now: int) -> ScannerRow:
        """Return where the market stands at `now`, ns UTC."""
        status, done = stand(
            self.phase,
            price=self.last,
            levels=[level.price for level in self.qualified],
            r1=self._r1,
            has_profile=bool(self.bars.closed) or self.last is not None,
            has_frame=self.bias is not None or len(self.sessions) > 1,
            stale=self.last_ts > 0 and (now - self.last_ts > STALE or not self.trusted),
        )
        return ScannerRow(self.symbol, status, done)


def _spec(sessions: list[Session]) -> str:
    """Return a config's words for sessions such as the last one, in the hours of UTC.

    Where a length that divides the day would say the same, two that begin at one time of day are
    hours: sessions of a length fill the day.
    """
    if not sessions:
        return "FULL_DAY"
    start, end = sessions[-1].start, sessions[-1].end
    span = end - start
    if span == DAY and start % DAY == 0:
        return "FULL_DAY"
    daily = len(sessions) > 1 and (start - sessions[-2].start) % DAY == 0
    if span < DAY and DAY % span == 0 and span % MINUTE == 0 and start % span == 0 and not daily:
        return f"{span // MINUTE}min"
    # The day on which a zone's clocks go back has more than 24 hours.
    opens, closes = (
        f"{minutes // 60:02}:{minutes % 60:02}"
        for minutes in (ts % DAY // MINUTE for ts in (start, min(end, start + DAY)))
    )
    return f"{opens}-{closes} UTC"
