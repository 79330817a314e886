"""What patterns and strategies told of one instrument: signals, levels, bias, the trade, results."""

import json
import math
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

from of_nautilus.data import (
    ClosedTrade,
    DailyBias,
    EntryDecision,
    ExecutionTrouble,
    JournalNote,
    LevelEvent,
    PatternSignal,
    TradeTransition,
)
from of_nautilus.decision.status import STEPS, ScannerRow, Status, status_of, steps_done
from of_nautilus.decision.table import IN_TRADE, Phase

KEPT = 2_000  # signals, and rows of each kind
_ENDS = ("broken", "retired")
_WITHOUT_TRADE = (Phase.NONE, Phase.WATCHING, Phase.CLOSED)

CardKey = tuple[int, str, int, int]


@dataclass
class Card:
    """A signal and what a strategy decided on it; either may come first. `version` counts changes."""

    key: CardKey
    version: int = 0
    signal: PatternSignal | None = None
    decision: EntryDecision | None = None


@dataclass
class Story:
    """What one strategy told of one instrument."""

    phase: Phase = Phase.NONE
    levels: dict[str, LevelEvent] = field(default_factory=dict)
    bias: DailyBias | None = None
    plan: EntryDecision | None = None
    opened: int | None = None
    stop: int | None = None

    def hear(self, data: Any) -> None:
        """Take what the strategy published."""
        match data:
            case LevelEvent():
                if data.what in _ENDS:
                    self.levels.pop(data.level, None)
                else:
                    self.levels[data.level] = data
            case DailyBias():
                self.bias = data
            case EntryDecision():
                if data.decision == "planned":
                    self.plan, self.stop, self.opened = data, None, None
            case TradeTransition():
                self._move(data)
            case JournalNote():
                if data.what == "stop_rests":
                    self.stop = int(json.loads(data.numbers).get("price", 0)) or self.stop

    def _move(self, moved: TradeTransition) -> None:
        self.phase = Phase(moved.target)
        if self.phase in _WITHOUT_TRADE:
            self.plan = self.opened = self.stop = None
        elif self.phase in IN_TRADE and self.opened is None:
            self.opened = moved.ts_event

    def nearest(self, price: int | None) -> int | None:
        """Return the level that is nearest to a price, ticks."""
        if price is None or not self.levels:
            return None
        return min((level.price for level in self.levels.values()), key=lambda at: abs(at - price))


@dataclass(frozen=True)
class Standing:
    """Where an instrument stands: its row in the scanner, and by whose story."""

    row: ScannerRow
    story: Story
    nearest: int | None
    distance: int | None


class Stories:
    """All that was told of one instrument, by every strategy. `version` counts the events."""

    def __init__(self, about: Any) -> None:
        self.about = about
        self.version = 0
        self.cards: OrderedDict[CardKey, Card] = OrderedDict()
        self.closed: deque[ClosedTrade] = deque(maxlen=KEPT)
        self.closed_count = 0
        self.transitions: deque[TradeTransition] = deque(maxlen=KEPT)
        self.transition_count = 0
        self.troubles: deque[ExecutionTrouble] = deque(maxlen=KEPT)
        self.r1 = math.nan
        self.has_frame = False
        self._of: dict[str, Story] = {}

    def hear(self, data: Any) -> None:
        """Take an item of custom data."""
        self.version += 1
        match data:
            case PatternSignal():
                self._card(data).signal = data
                return
            case EntryDecision():
                self._card(data).decision = data
            case ClosedTrade():
                self.closed.append(data)
                self.closed_count += 1
            case TradeTransition():
                self.transitions.append(data)
                self.transition_count += 1
            case ExecutionTrouble():
                self.troubles.append(data)
        if strategy := getattr(data, "strategy_id", ""):
            self._of.setdefault(strategy, Story()).hear(data)

    def _card(self, data: PatternSignal | EntryDecision) -> Card:
        key = data.ts_event, data.pattern, data.side, data.price
        card = self.cards.setdefault(key, Card(key))
        card.version = self.version
        while len(self.cards) > KEPT:
            self.cards.popitem(last=False)
        return card

    def standing(self, price: int | None, *, has_data: bool, stale: bool) -> Standing:
        """Return where the instrument stands: of several strategies, the one that ranks first."""
        each = [
            self._standing(story, bool(self._of), price, has_data, stale)
            for story in self._of.values() or [Story()]
        ]
        return max(each, key=lambda standing: standing.row.priority)

    def _standing(
        self, story: Story, traded: bool, price: int | None, has_data: bool, stale: bool
    ) -> Standing:
        nearest = story.nearest(price)
        distance = None if nearest is None or price is None else abs(nearest - price)
        reach = max(2.0, 0.5 * self.r1) if self.r1 == self.r1 else 2.0
        near = distance is not None and distance <= reach
        levels = len(story.levels)
        status = status_of(
            story.phase if traded else None,
            has_profile=self.has_frame or has_data,
            stale=stale,
            levels=levels,
            near=near,
        )
        done = steps_done(story.phase, has_frame=self.has_frame, levels=levels, near=near)
        if status in (Status.OFFLINE, Status.NO_DATA) and not traded:
            done = (self.has_frame, *(False,) * (len(STEPS) - 1))  # type: ignore[assignment]
        return Standing(ScannerRow(self.about.symbol, status, done), story, nearest, distance)
