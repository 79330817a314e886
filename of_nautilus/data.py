"""The custom data types: what travels on the message bus and rests in the catalog.

Prices are whole ticks and sizes whole lots, exact to compare and to sum; `tick` and `lot` say what
one of them is worth. Arrays travel as bytes. No type's name may begin another's: the host's topics
match by prefix.
"""

import json
import math
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
from nautilus_trader.common.actor import Actor
from nautilus_trader.core.data import Data
from nautilus_trader.model.custom import customdataclass
from nautilus_trader.model.data import DataType
from nautilus_trader.model.enums import BookType
from nautilus_trader.model.identifiers import InstrumentId

from of_nautilus.core.footprint import CELL_COLUMNS, ClosedBar
from of_nautilus.core.profile import Profile
from of_nautilus.core.record import Ints
from of_nautilus.core.ticks import MarketScale
from of_nautilus.decision.orders import Moved, Note
from of_nautilus.decision.records import (
    EntryPlanned,
    EntryRefused,
    Framed,
    Halted,
    TradeClosed,
)
from of_nautilus.decision.registry import LevelChange
from of_nautilus.engine import BarClosed, SessionClosed, SessionStarted
from of_nautilus.patterns.signal import Pattern, Signal

_NOWHERE = InstrumentId.from_str("NONE.NONE")
LIVE, SUSPENDED = "LIVE", "SUSPENDED"
PAUSE, RESUME, FLATTEN = "PAUSE", "RESUME", "FLATTEN"


@customdataclass
class FootprintBar(Data):
    """A closed footprint bar; see `core.footprint.ClosedBar` for the meaning of the fields.

    `cells` holds int64 rows of bid, ask, unclassified volume and bid, ask, unclassified prints, the
    lowest price row first; `rows()` gives them as an array. `r1` is the usual high - low of a bar,
    ticks, NaN while there are too few.
    """

    instrument_id: InstrumentId = _NOWHERE
    tick: float = 0.0
    lot: float = 0.0
    open_ts: int = 0
    close_ts: int = 0
    last_ts: int = 0
    open: int = 0
    high: int = 0
    low: int = 0
    close: int = 0
    buy: int = 0
    sell: int = 0
    unclassified: int = 0
    trades: int = 0
    delta_min: int = 0
    delta_max: int = 0
    dollars: int = 0
    cvd: int = 0
    kind: int = 0
    length: int = 0
    ticks_per_row: int = 1
    low_row: int = 0
    high_row: int = 0
    r1: float = math.nan
    cells: bytes = b""

    @classmethod
    def of(
        cls, closed: BarClosed, instrument_id: InstrumentId, scale: MarketScale, ts_init: int
    ) -> "FootprintBar":
        """Return the data of a closed bar."""
        bar = closed.bar
        r1 = closed.units.r1 if closed.units else math.nan
        # In the order of the fields: a bar comes every minute, and names cost more than the rest.
        return cls(
            bar.close_ts, ts_init, instrument_id, float(scale.tick), float(scale.lot),
            *bar[:-1], r1, bar.rows,
        )  # fmt: skip

    def bar(self) -> ClosedBar:
        """Return the closed bar that this is the data of."""
        return ClosedBar._make((*_bar_facts(self), self.cells))

    def rows(self) -> Ints:
        """Return the price rows as an int64 array, the lowest (row `low_row`) first."""
        return np.frombuffer(self.cells, np.int64).reshape(-1, CELL_COLUMNS)

    @property
    def delta(self) -> float:
        """Buyer-initiated less seller-initiated volume, base units."""
        return (self.buy - self.sell) * self.lot

    @property
    def volume(self) -> float:
        """All that traded, base units."""
        return (self.buy + self.sell + self.unclassified) * self.lot


_bar_facts = attrgetter(*ClosedBar._fields[:-1])
_sorted_json = json.JSONEncoder(sort_keys=True).encode


@customdataclass
class PatternSignal(Data):
    """A pattern that a detector saw; see `patterns.signal.Signal` for the meaning of the fields.

    `reasons` is JSON text with every number that made it fire. `at_close` tells whether the close
    of a bar showed it: it is published just before that bar.
    """

    instrument_id: InstrumentId = _NOWHERE
    tick: float = 0.0
    pattern: str = ""
    side: int = 0
    price: int = 0
    strength: float = 0.0
    reasons: str = "{}"
    at_close: bool = False

    @classmethod
    def of(
        cls,
        signal: Signal,
        instrument_id: InstrumentId,
        scale: MarketScale,
        ts_init: int,
        *,
        at_close: bool,
    ) -> "PatternSignal":
        """Return the data of a signal."""
        return cls(
            ts_event=signal.ts,
            ts_init=ts_init,
            instrument_id=instrument_id,
            tick=float(scale.tick),
            pattern=str(signal.pattern),
            side=signal.side,
            price=signal.price,
            strength=signal.strength,
            reasons=_sorted_json(signal.reasons),
            at_close=at_close,
        )

    def signal(self) -> Signal:
        """Return the signal that this is the data of."""
        return Signal(
            ts=self.ts_event,
            pattern=Pattern(self.pattern),
            side=self.side,
            price=self.price,
            strength=self.strength,
            reasons=json.loads(self.reasons),
        )


@customdataclass
class SessionRoll(Data):
    """A session begins; the one before it, if it held trades, is over and this was its profile.

    Times in ns UTC, prices in ticks. `volumes` holds int64 lots by row, row `low_row` first; it is
    empty if there is no finished session. `complete` is False if data were missing in it.
    """

    instrument_id: InstrumentId = _NOWHERE
    tick: float = 0.0
    lot: float = 0.0
    start: int = 0
    end: int = 0
    finished_start: int = 0
    finished_end: int = 0
    open: int = 0
    high: int = 0
    low: int = 0
    close: int = 0
    ticks_per_row: int = 1
    low_row: int = 0
    volumes: bytes = b""
    complete: bool = True

    @classmethod
    def of(
        cls,
        started: SessionStarted,
        ended: SessionClosed | None,
        instrument_id: InstrumentId,
        scale: MarketScale,
        ts_init: int,
        *,
        complete: bool = True,
    ) -> "SessionRoll":
        """Return the data of a session's start and of the end of the one before it."""
        finished = {} if ended is None else _finished(ended, ended.profile)
        return cls(
            ts_event=started.ts,
            ts_init=ts_init,
            instrument_id=instrument_id,
            tick=float(scale.tick),
            lot=float(scale.lot),
            start=started.ts,
            end=started.end,
            complete=complete,
            **finished,
        )

    def rows(self) -> Ints:
        """Return the finished profile's volumes by row, lots; empty if there is none."""
        return np.frombuffer(self.volumes, np.int64)


def _finished(ended: SessionClosed, profile: Profile) -> dict[str, Any]:
    return {
        "finished_start": ended.start,
        "finished_end": ended.end,
        "open": profile.open,
        "high": profile.high,
        "low": profile.low,
        "close": profile.close,
        "ticks_per_row": profile.ticks_per_row,
        "low_row": profile.low_row,
        "volumes": profile.hist.tobytes(),
    }


@customdataclass
class DailyBias(Data):
    """The frame of a session: shape and value area of the last one, and the bias drawn from them.

    Prices in ticks, `confidence` 0 to 100; `reasons` is JSON text of its terms.
    """

    instrument_id: InstrumentId = _NOWHERE
    strategy_id: str = ""
    tick: float = 0.0
    direction: str = ""
    confidence: float = 0.0
    shape: str = ""
    poc: int = 0
    val: int = 0
    vah: int = 0
    relation: str = ""
    hook: str = ""
    reasons: str = "{}"

    @classmethod
    def of(cls, framed: Framed, about: "About", ts_init: int) -> "DailyBias":
        """Return the data of a session's frame."""
        profile, bias = framed.profile, framed.bias
        return cls(
            ts_event=framed.ts,
            ts_init=ts_init,
            **about.fields(),
            direction=str(bias.direction),
            confidence=float(bias.confidence),
            shape=str(profile.shape),
            poc=profile.poc,
            val=profile.val,
            vah=profile.vah,
            relation=str(bias.relation or ""),
            hook=str(bias.hook),
            reasons=json.dumps(dict(bias.reasons)),
        )


@customdataclass
class LevelEvent(Data):
    """Something that happened to a level: born, touched, traded_through, broken, retired.

    `price` in ticks. With `retired` come the level's whole life: touches, and the mean of the
    furthest moves with and against it after a touch, ticks.
    """

    instrument_id: InstrumentId = _NOWHERE
    strategy_id: str = ""
    tick: float = 0.0
    what: str = ""
    level: str = ""
    kind: str = ""
    price: int = 0
    side: int = 0
    strength: float = 0.0
    touches: int = 0
    mean_best: float = math.nan
    mean_worst: float = math.nan

    @classmethod
    def of(cls, change: LevelChange, about: "About", ts_init: int) -> "LevelEvent":
        """Return the data of a change of a level."""
        level = change.level
        touches = change.record.touches if change.record else []
        return cls(
            ts_event=change.ts,
            ts_init=ts_init,
            **about.fields(),
            what=change.what,
            level=level.id,
            kind=str(level.kind),
            price=int(level.price),
            side=level.side,
            strength=float(level.strength),
            touches=len(touches),
            mean_best=_mean([touch.best for touch in touches]),
            mean_worst=_mean([touch.worst for touch in touches]),
        )


def _mean(values: list[int]) -> float:
    return sum(values) / len(values) if values else math.nan


@customdataclass
class EntryDecision(Data):
    """What became of an entry signal: `planned`, or the code of its refusal.

    Prices in ticks, quantity in lots; stop, target and quantity are 0 where nothing was planned,
    scores NaN where none was made. `numbers` is JSON text: the refusal's numbers, or the terms of
    the score.
    """

    instrument_id: InstrumentId = _NOWHERE
    strategy_id: str = ""
    tick: float = 0.0
    decision: str = ""
    pattern: str = ""
    side: int = 0
    price: int = 0
    strength: float = 0.0
    level: str = ""
    score: float = math.nan
    normalized: float = math.nan
    grade: str = ""
    entry: int = 0
    stop: int = 0
    target: int = 0
    quantity: int = 0
    numbers: str = "{}"

    @classmethod
    def of(
        cls, outcome: EntryPlanned | EntryRefused, about: "About", ts_init: int
    ) -> "EntryDecision":
        """Return the data of a planned or refused entry."""
        signal, score = outcome.signal, outcome.score
        facts: dict[str, Any] = {}
        if score is not None:
            facts = {"score": score.raw, "normalized": score.normalized, "grade": score.grade}
        if isinstance(outcome, EntryPlanned):
            plan = outcome.plan
            facts |= {
                "decision": "planned",
                "level": outcome.level.id,
                "entry": plan.entry,
                "stop": plan.stop,
                "target": plan.target or 0,
                "quantity": plan.qty,
                "numbers": json.dumps(dict(outcome.score.reasons)),
            }
        else:
            facts |= {
                "decision": outcome.refusal.reason,
                "level": outcome.level,
                "numbers": json.dumps(dict(outcome.refusal.numbers)),
            }
        return cls(
            ts_event=outcome.ts,
            ts_init=ts_init,
            **about.fields(),
            pattern=signal.pattern,
            side=signal.side,
            price=signal.price,
            strength=signal.strength,
            **facts,
        )


@customdataclass
class TradeTransition(Data):
    """A move of the trade's state machine between phases, and the event that made it."""

    instrument_id: InstrumentId = _NOWHERE
    strategy_id: str = ""
    tick: float = 0.0
    source: str = ""
    target: str = ""
    event: str = ""
    reason: str = ""

    @classmethod
    def of(cls, moved: Moved, about: "About", ts_init: int) -> "TradeTransition":
        """Return the data of a transition."""
        return cls(
            ts_event=moved.ts,
            ts_init=ts_init,
            **about.fields(),
            source=str(moved.source),
            target=str(moved.target),
            event=str(moved.kind),
            reason=moved.reason,
        )


@customdataclass
class JournalNote(Data):
    """Something that moved nothing but should be known; `alarm`: somebody should look at it."""

    instrument_id: InstrumentId = _NOWHERE
    strategy_id: str = ""
    tick: float = 0.0
    what: str = ""
    reason: str = ""
    alarm: bool = False
    numbers: str = "{}"

    @classmethod
    def of(cls, note: Note | Halted, about: "About", ts_init: int) -> "JournalNote":
        """Return the data of a note, or of the day's halt."""
        if isinstance(note, Halted):
            what, reason, alarm = "halted", note.reason, True
            numbers = {"realized": float(note.realized), "losses": float(note.losses)}
        else:
            what, reason, alarm, numbers = note.what, note.reason, note.alarm, dict(note.numbers)
        return cls(
            ts_event=note.ts,
            ts_init=ts_init,
            **about.fields(),
            what=what,
            reason=reason,
            alarm=alarm,
            numbers=json.dumps(numbers),
        )


@customdataclass
class ClosedTrade(Data):
    """A finished trade. Its sums are exact: quantities in lots, sums of price times quantity in
    tick-lots, fees and money as decimal text.

    `entry` and `exit` are average prices in ticks; `pnl_ticks` is per lot and before fees, `money`
    net of fees; `planned_*`, `first_stop` and `target` as planned, 0 where there was no plan or no
    target, the first stop of a trade that was adopted at a start too; `last_stop` is where the stop
    was at the end. `r_multiple` is the result before fees in units of the first risk,
    `reward_to_risk` what the plan promised. `signals` is JSON text of [ts, pattern, side, strength]
    that made and accompanied it.
    """

    instrument_id: InstrumentId = _NOWHERE
    strategy_id: str = ""
    tick: float = 0.0
    lot: float = 0.0
    side: int = 0
    quantity: int = 0
    opened: int = 0
    closed: int = 0
    entry: float = math.nan
    exit: float = math.nan
    bought_quantity: int = 0
    bought_sum: int = 0
    sold_quantity: int = 0
    sold_sum: int = 0
    pnl_ticks: float = math.nan
    fees: str = "0"
    money: str = "0"
    reason: str = ""
    phase: str = ""
    planned_entry: int = 0
    first_stop: int = 0
    last_stop: int = 0
    target: int = 0
    reward_to_risk: float = math.nan
    r_multiple: float = math.nan
    slippage: int = 0
    level: str = ""
    score: float = math.nan
    grade: str = ""
    signals: str = "[]"

    @classmethod
    def of(cls, trade: TradeClosed, about: "About", ts_init: int) -> "ClosedTrade":
        """Return the data of a finished trade."""
        closed, plan = trade.closed, trade.plan
        planned: dict[str, Any] = {}
        if plan is not None:
            risk = 0 if plan.adopted else abs(plan.entry - plan.stop)
            planned = {
                "planned_entry": plan.entry,
                "first_stop": 0 if plan.adopted else plan.stop,
                "target": plan.target or 0,
                "reward_to_risk": abs(plan.target - plan.entry) / risk
                if plan.target and risk
                else math.nan,
                "level": plan.level,
                "score": trade.score,
                "grade": trade.grade,
            }
        return cls(
            ts_event=closed.closed_ns,
            ts_init=ts_init,
            **about.fields(),
            lot=about.lot,
            side=closed.side,
            quantity=trade.qty,
            opened=closed.opened_ns,
            closed=closed.closed_ns,
            entry=trade.entry,
            exit=trade.exit,
            bought_quantity=closed.bought_qty,
            bought_sum=closed.bought_sum,
            sold_quantity=closed.sold_qty,
            sold_sum=closed.sold_sum,
            pnl_ticks=trade.pnl / trade.qty if trade.qty else math.nan,
            fees=str(trade.fees),
            money=str(trade.money),
            reason=closed.reason,
            phase=str(closed.phase),
            last_stop=closed.stop,
            r_multiple=trade.r_multiple,
            slippage=trade.slippage,
            signals=json.dumps(trade.signals),
            **planned,
        )


@customdataclass
class ExecutionTrouble(Data):
    """Something went wrong with an order or a position, and what is left of it.

    `kind` is the name of what happened, such as `stop_lost`, `order_silent` or `position_outside`;
    `text` what the venue said of it. `position` in signed lots at that moment; `protected`: whether
    it is flat, or a stop of its size rests at the venue. `numbers` is JSON text.
    """

    instrument_id: InstrumentId = _NOWHERE
    strategy_id: str = ""
    tick: float = 0.0
    kind: str = ""
    text: str = ""
    position: int = 0
    protected: bool = False
    numbers: str = "{}"

    @classmethod
    def of(
        cls, note: Note, position: int, protected: bool, about: "About", ts_init: int
    ) -> "ExecutionTrouble":
        """Return the data of a note that is an alarm."""
        return cls(
            ts_event=note.ts,
            ts_init=ts_init,
            **about.fields(),
            kind=note.what,
            text=note.reason,
            position=position,
            protected=protected,
            numbers=json.dumps(dict(note.numbers)),
        )


@customdataclass
class FeedStatus(Data):
    """A market's data became unfit to act on (SUSPENDED), or fit again (LIVE).

    `reason` is what was seen first, such as `gap`, `stale`, `crossed` or `disconnected`; `count`
    how often that has been seen since the start, `since` when the suspension began (ns UTC), so
    that LIVE's `ts_event - since` is the time to recover. `counts` is JSON text of all that has
    been counted, by reason. `source` says who tells: each takes back only what it said itself.
    """

    instrument_id: InstrumentId = _NOWHERE
    state: str = LIVE
    reason: str = ""
    count: int = 0
    since: int = 0
    counts: str = "{}"
    source: str = ""


class FeedTrust:
    """Whether a market's data may be acted upon: nobody who watches over them says otherwise."""

    def __init__(self) -> None:
        self._against: set[str] = set()

    def hear(self, status: FeedStatus) -> bool:
        """Take what one of them says, and return whether the data may be acted upon."""
        if status.state == LIVE:
            self._against.discard(status.source)
        else:
            self._against.add(status.source)
        return not self._against


@customdataclass
class OperatorCommand(Data):
    """What somebody asks of the strategies of a market: PAUSE, RESUME or FLATTEN.

    PAUSE: no more entries, an open trade is managed on. RESUME: entries again. FLATTEN: cancel and
    close, and pause. `source` says who asked.
    """

    instrument_id: InstrumentId = _NOWHERE
    action: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """Whose journal a row belongs to."""

    instrument_id: InstrumentId
    strategy_id: str
    tick: float
    lot: float

    def fields(self) -> dict[str, Any]:
        """Return what every row carries."""
        return {
            "instrument_id": self.instrument_id,
            "strategy_id": self.strategy_id,
            "tick": self.tick,
        }


# What the flow tells, what a strategy tells, what bears on both; the journal keeps them all.
FLOW_TYPES = (FootprintBar, PatternSignal, SessionRoll)
STRATEGY_TYPES = (
    DailyBias,
    LevelEvent,
    EntryDecision,
    TradeTransition,
    JournalNote,
    ExecutionTrouble,
    ClosedTrade,
)
OPERATION_TYPES = (FeedStatus, OperatorCommand)


def subscribe_book(component: Actor, instrument_id: InstrumentId) -> None:
    """Subscribe a component to the changes of an instrument's book, by price level."""
    # In a backtest the host asks for more, from the day's start, in words that pandas 3 deprecates.
    now = {"from_day_start": False}
    component.subscribe_order_book_deltas(instrument_id, BookType.L2_MBP, params=now)


def listen(component: Actor, cls: type[Any], instrument_id: InstrumentId) -> None:
    """Let a component's `on_data` have all data of one kind about an instrument.

    The host's own `subscribe_data` would also ask the venue's client for it, which knows nothing of
    our types, and says so as an error.
    """
    topic = f"data.{data_type(cls, instrument_id).topic}"
    component.msgbus.subscribe(topic=topic, handler=component.handle_data)


def data_type(cls: type[Any], instrument_id: InstrumentId) -> DataType:
    """Return the type under which the data of one instrument is published and subscribed to."""
    return DataType(cls, metadata={"instrument_id": instrument_id})
