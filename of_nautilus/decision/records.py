"""What goes into a trade manager besides order reports, and what comes out of it."""

import math
from dataclasses import dataclass
from decimal import Decimal

from of_nautilus.decision.framing import Bias, SessionProfile
from of_nautilus.decision.levels import Level
from of_nautilus.decision.orders import Closed, Command
from of_nautilus.decision.registry import LevelChange
from of_nautilus.decision.risk import Refusal
from of_nautilus.decision.score import Score
from of_nautilus.decision.state import Plan


@dataclass(frozen=True, slots=True)
class Bar:
    """A closed bar, prices in ticks. `r1`: median high-low of the bars before it, NaN if not ready.

    `spread` in ticks at its close.
    """

    open_ns: int
    ts: int
    low: int
    high: int
    close: int
    r1: float = math.nan
    spread: float = 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A pattern as a detector saw it.

    `low`, `high`: what the pattern stands on, ticks: its bar, or its price row if it fired inside
    a bar. `last`: the last price.
    """

    ts: int
    pattern: str
    side: int
    price: int
    strength: float
    low: int
    high: int
    last: int


@dataclass(frozen=True, slots=True)
class Framed:
    """For the journal: a session's frame."""

    ts: int
    profile: SessionProfile
    bias: Bias


@dataclass(frozen=True, slots=True)
class EntryRefused:
    """For the journal: a signal that did not become a trade, and why."""

    ts: int
    signal: Seen
    refusal: Refusal
    level: str = ""
    score: Score | None = None


@dataclass(frozen=True, slots=True)
class EntryPlanned:
    """For the journal: a signal that becomes a trade."""

    ts: int
    signal: Seen
    level: Level
    score: Score
    plan: Plan


@dataclass(frozen=True, slots=True)
class Halted:
    """For the journal: trading ends for the day."""

    ts: int
    reason: str
    realized: Decimal
    losses: int


@dataclass(frozen=True, slots=True)
class TradeClosed:
    """For the journal: a finished trade with what made it.

    `pnl` in ticks times lots, before fees; `money` net of `fees`. Averages in ticks, NaN where
    there was none. `slippage`: what the entry cost beyond its planned price, ticks times lots,
    positive if it was worse. A `plan` of None: a fill that came after its trade had been given up.
    `signals`: (time, pattern, side, strength) of the entry and of what came during the trade.
    """

    closed: Closed
    entry: float
    exit: float
    qty: int
    plan: Plan | None
    pnl: int
    money: Decimal
    fees: Decimal
    r_multiple: float
    slippage: int
    score: float
    grade: str
    signals: tuple[tuple[int, str, int, float], ...]


Output = Command | LevelChange | Framed | EntryRefused | EntryPlanned | Halted | TradeClosed
