"""What is remembered of one market from what was published about it, to tell and answer from it."""

import json
import math
from collections import Counter, deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from nautilus_trader.model.events import OrderFilled

from of_nautilus.alerts.kept import ENDS
from of_nautilus.core.sessions import MINUTE
from of_nautilus.data import (
    LIVE,
    RESUME,
    ClosedTrade,
    DailyBias,
    EntryDecision,
    ExecutionTrouble,
    FeedStatus,
    FootprintBar,
    JournalNote,
    LevelEvent,
    OperatorCommand,
    PatternSignal,
    TradeTransition,
)
from of_nautilus.decision.orders import Role
from of_nautilus.decision.status import ScannerRow, stand
from of_nautilus.decision.table import IN_TRADE, Phase

BARS_KEPT = 12
STALE = 5 * MINUTE
# The reason of a `FeedStatus` that tells of the reading of the past, before the start.
WARMING = "warming_up"
# The kinds of `ExecutionTrouble` that end one.
ALL_CLEAR = ("protected", "flat")


@dataclass(frozen=True, slots=True)
class Market:
    """A market's name and units: prices in ticks of `tick`, sizes in lots of `lot`."""

    instrument_id: str
    tick: Decimal
    lot: Decimal
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Holding:
    """What the node holds of a market, from its cache: signed quantity, prices, None if none."""

    instrument_id: str
    quantity: Decimal = Decimal(0)
    average: Decimal | None = None
    stop: Decimal | None = None
    target: Decimal | None = None
    open_orders: int = 0


@dataclass(slots=True)
class Day:
    """What one UTC day has brought."""

    number: int = 0
    trades: list[ClosedTrade] = field(default_factory=list)
    signals: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    suspensions: Counter[str] = field(default_factory=Counter)

    @property
    def money(self) -> Decimal:
        """The result net of fees."""
        return sum((Decimal(trade.money) for trade in self.trades), Decimal(0))


class Memory:
    """What has been published about one market, as far as alerts and answers need it.

    `stop` is the one that the venue has accepted last, ticks, 0 if none; `plan` the entry decision
    of the present trade; `fill` the average of its entry, ticks, NaN before; `paused` is None
    while nothing has been heard of it.
    """

    def __init__(self, market: Market) -> None:
        self.market = market
        self.bars: deque[FootprintBar] = deque(maxlen=BARS_KEPT)
        self.signals: dict[str, PatternSignal] = {}
        self.levels: dict[str, LevelEvent] = {}
        self.bias: DailyBias | None = None
        self.feed: FeedStatus | None = None
        self.phase = Phase.NONE
        self.plan: EntryDecision | None = None
        self.paused: bool | None = None
        self.last_ts = 0
        self.day = Day()
        self.fresh_trade()

    def fresh_trade(self) -> None:
        """Forget the trade."""
        self.stop = 0
        self.stop_moves = 0
        self._filled_lots = 0
        self._filled_sum = 0

    @property
    def warming(self) -> bool:
        """Whether the past is still being read."""
        return self.feed is not None and self.feed.state != LIVE and self.feed.reason == WARMING

    @property
    def fill(self) -> float:
        """The average price of the entry's fills, ticks."""
        return self._filled_sum / self._filled_lots if self._filled_lots else math.nan

    @property
    def filled(self) -> Decimal:
        """The quantity of the entry that has been filled."""
        return self._filled_lots * self.market.lot

    @property
    def price(self) -> int | None:
        """The last closed bar's close, ticks."""
        return self.bars[-1].close if self.bars else None

    def hear(self, data: Any) -> None:
        """Remember what a piece of custom data says."""
        self.last_ts = max(self.last_ts, data.ts_event)
        match data:
            case FootprintBar():
                self.bars.append(data)
            case PatternSignal():
                self.signals[data.pattern] = data
                self.day.signals[data.pattern] += 1
            case DailyBias():
                self.bias = data
            case LevelEvent(what=what):
                if what in ENDS:
                    self.levels.pop(data.level, None)
                else:
                    self.levels[data.level] = data
            case EntryDecision(decision="planned"):
                self.plan = data
                self.fresh_trade()
            case EntryDecision():
                if data.decision == "paused":
                    self.paused = True
                self.day.refused[data.decision] += 1
            case TradeTransition():
                self.phase = Phase(data.target)
            case ClosedTrade():
                self.day.trades.append(data)
            case ExecutionTrouble() if data.kind not in ALL_CLEAR:
                self.day.troubles[data.kind] += 1
            case JournalNote(alarm=True):
                self.day.troubles[data.what] += 1
            case FeedStatus():
                if data.state != LIVE and data.reason != WARMING:
                    self.day.suspensions[data.reason] += 1
                self.feed = data
            case OperatorCommand():
                self.paused = data.action != RESUME

    def hear_fill(self, event: OrderFilled) -> None:
        """Remember a fill, if it is the entry's."""
        if str(event.client_order_id).rpartition("-")[2] == Role.ENTRY:
            lots = int(event.last_qty.as_decimal() / self.market.lot)
            ticks = (event.last_px.as_decimal() / self.market.tick).to_integral_value()
            self._filled_lots += lots
            self._filled_sum += lots * int(ticks)

    def phase_with(self, holding: Holding) -> Phase:
        """Return the phase that was published last, or an open trade if the node just holds one."""
        if holding.quantity and self.phase not in IN_TRADE:
            return Phase.POSITION_OPEN
        return self.phase

    def row(self, now: int, holding: Holding) -> ScannerRow:
        """Return where the market stands at `now`, ns UTC."""
        phase = self.phase_with(holding)
        levels = [level.price for level in self.levels.values() if level.side]
        silent = self.last_ts > 0 and now - self.last_ts > STALE
        suspended = self.feed is not None and self.feed.state != LIVE
        status, steps = stand(
            phase,
            price=self.price,
            levels=levels,
            r1=self.bars[-1].r1 if self.bars else math.nan,
            has_profile=bool(self.bars) or self.bias is not None,
            has_frame=self.bias is not None,
            stale=silent or suspended,
        )
        return ScannerRow(self.market.instrument_id, status, steps)


def numbers_of(text: str) -> dict[str, Any]:
    """Return the numbers in JSON text, none if it is not what it should be."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
