"""Turns what is published, one thing after the other, into the alerts to send."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from nautilus_trader.model.events import OrderEvent, OrderFilled

from of_nautilus.alerts import market_texts, text, trade_texts
from of_nautilus.alerts.kept import DAY_NS
from of_nautilus.alerts.memory import Day, Market, Memory, numbers_of
from of_nautilus.alerts.outbox import Message, Urgency
from of_nautilus.data import (
    LIVE,
    ClosedTrade,
    DailyBias,
    EntryDecision,
    ExecutionTrouble,
    FeedStatus,
    JournalNote,
    OperatorCommand,
    PatternSignal,
    TradeTransition,
)
from of_nautilus.decision.table import Kind, Phase

_Told = tuple[str, Message]


@dataclass(frozen=True, slots=True)
class Farewell:
    """The last thing that the node says, HTML text."""

    text: str


class Story:
    """Listens for some markets, and remembers what is needed to tell about them.

    Parameters
    ----------
    markets : items of Market
        Whom to tell about; whatever concerns others is left out.
    kinds : collection of str
        Which alerts to tell, of `config.KINDS`.
    since : int
        When the listening began, ns UTC: no day before it is summed up.
    """

    def __init__(self, markets: Iterable[Market], kinds: Collection[str], since: int) -> None:
        self.memories = {market.instrument_id: Memory(market) for market in markets}
        for memory in self.memories.values():
            memory.day.number = since // DAY_NS
        self._kinds = frozenset(kinds)
        self._framed: dict[str, DailyBias] = {}

    def hear(self, item: Any) -> list[Message]:
        """Take custom data or an order's event; return what to send about it."""
        memory = self.memories.get(str(item.instrument_id))
        if memory is None:
            return []
        if isinstance(item, OrderEvent):
            if isinstance(item, OrderFilled):
                memory.hear_fill(item)
            return []
        told = self._new_day(item.ts_event, memory)
        memory.hear(item)
        told += self._tell(item, memory)
        return [message for kind, message in told if kind in self._kinds]

    def remember(self, items: Iterable[Any]) -> None:
        """Take what was published before the start: nothing is told of it."""
        for item in items:
            memory = self.memories.get(str(item.instrument_id))
            past_day = (
                isinstance(item, ClosedTrade)
                and memory is not None
                and (item.ts_event // DAY_NS != memory.day.number)
            )
            if memory is None or past_day:
                continue
            if isinstance(item, JournalNote):
                self._stop(item, memory)
            memory.hear(item)

    def settle(self) -> list[Message]:
        """Return what was held back until all that belongs to it has come: a frame's levels do."""
        # While the past is read, one frame follows the other: only the last is news.
        ready = [name for name in self._framed if not self.memories[name].warming]
        framed = [(self._framed.pop(name), self.memories[name]) for name in ready]
        if "bias" not in self._kinds:
            return []
        return [Message(market_texts.daily_bias(item, memory)) for item, memory in framed]

    def farewell(self, item: Farewell) -> Message:
        """Return a stop's words, with what the day has brought so far."""
        today = self._summaries() if "summary" in self._kinds else ""
        return Message(text.joined((item.text, today)), Urgency.HIGH)

    def _summaries(self) -> str:
        return text.joined(
            market_texts.summary(one.day, one.market) for one in self.memories.values()
        )

    def _new_day(self, ts: int, memory: Memory) -> list[_Told]:
        """Sum up the day when the first thing of a later one comes."""
        number, before = ts // DAY_NS, memory.day
        if number <= before.number:
            return []
        memory.day = Day(number)
        return [("summary", Message(market_texts.summary(before, memory.market)))]

    def _stop(self, item: JournalNote, memory: Memory) -> list[_Told]:
        """Tell where a stop rests, now that the venue has taken it, if it has moved."""
        before, stop = memory.stop, int(numbers_of(item.numbers)["price"])
        if stop == before:
            return []
        memory.stop = stop
        ts, key = item.ts_event, f"stop {memory.market.instrument_id}"
        if memory.phase not in (Phase.BREAK_EVEN, Phase.TRAILING):
            if before:
                return []
            return [("entry", Message(trade_texts.protected(memory, stop, ts), Urgency.NORMAL))]
        memory.stop_moves += 1
        title = "BREAK EVEN" if memory.phase is Phase.BREAK_EVEN else "TRAIL"
        told = trade_texts.stop_moved(memory, title, before, stop, ts)
        if memory.phase is Phase.BREAK_EVEN:
            return [("break_even", Message(told))]
        return [("trail", Message(told, Urgency.LOW, key))]

    def _tell(self, item: Any, memory: Memory) -> list[_Told]:
        name = memory.market.instrument_id
        match item:
            case EntryDecision(decision="planned"):
                return [("entry", Message(trade_texts.entry(item, memory), Urgency.HIGH))]
            case TradeTransition():
                return self._moved(item, memory)
            case ClosedTrade():
                return [("exit", Message(trade_texts.exit_result(item, memory), Urgency.HIGH))]
            case DailyBias():
                self._framed[name] = item
            case FeedStatus():
                live = item.state == LIVE
                told = market_texts.feed(item, memory, live)
                return [("feed", Message(told, Urgency.NORMAL, f"feed {name}"))]
            case ExecutionTrouble():
                told = market_texts.execution(item, memory)
                return [("execution", Message(told, Urgency.HIGH, f"{item.kind} {name}"))]
            case JournalNote(what="exit_warn_weak"):
                told = trade_texts.exit_warning(memory, item.reason, False, item.ts_event)
                return [("exit_warning", Message(told, Urgency.NORMAL, f"warning {name}"))]
            case JournalNote(what="stop_rests"):
                return self._stop(item, memory)
            case JournalNote(alarm=True):
                return [("execution", Message(market_texts.note(item, memory), Urgency.HIGH))]
            case OperatorCommand():
                return [("operator", Message(market_texts.operator(item, memory), Urgency.HIGH))]
            case PatternSignal():
                return [("signal", Message(market_texts.signal(item, memory), Urgency.LOW))]
        return []

    def _moved(self, item: TradeTransition, memory: Memory) -> list[_Told]:
        match item.event:
            case Kind.ENTRY_FILLED:
                return [("entry", Message(trade_texts.filled(memory, item.ts_event), Urgency.HIGH))]
            case Kind.ENTRY_REJECTED:
                told = trade_texts.not_filled(memory, item.reason, item.ts_event)
                return [("entry", Message(told))]
            case Kind.EXIT_WARN_STRONG:
                told = trade_texts.exit_warning(memory, item.reason, True, item.ts_event)
                return [("exit_warning", Message(told, Urgency.HIGH))]
        return []
