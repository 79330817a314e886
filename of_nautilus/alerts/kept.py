"""What was published before a start, as far as answers after it need it: saved with the node."""

from typing import Any

import msgspec

from of_nautilus.data import (
    ClosedTrade,
    DailyBias,
    EntryDecision,
    JournalNote,
    LevelEvent,
    OperatorCommand,
    TradeTransition,
)

DAY_NS = 86_400_000_000_000
ENDS = ("broken", "retired")
_TYPES = {
    kind.__name__: kind
    for kind in (
        *(ClosedTrade, DailyBias, EntryDecision, JournalNote),
        *(LevelEvent, OperatorCommand, TradeTransition),
    )
}


class Kept:
    """The last frame, plan, phase, stop and command of each market, its levels, its day's trades.

    `items` gives them in the order in which they were published.
    """

    def __init__(self) -> None:
        self._items: dict[tuple[str, ...], Any] = {}
        self._saved: bytes | None = None

    def hear(self, item: Any) -> None:
        """Keep what is published, in place of what it makes out of date."""
        name = str(item.instrument_id)
        match item:
            case LevelEvent(what="born"):
                self._put(("level", name, item.level), item)
            case LevelEvent(what=what) if what in ENDS:
                if self._items.pop(("level", name, item.level), None) is not None:
                    self._saved = None
            case EntryDecision(decision="planned"):
                self._put(("plan", name), item)
            case JournalNote(what="stop_rests"):
                self._put(("stop", name), item)
            case DailyBias() | TradeTransition() | OperatorCommand():
                self._put((type(item).__name__, name), item)
            case ClosedTrade():
                self._put(("trade", name, str(item.ts_event)), item)
                self._forget_before(item.ts_event // DAY_NS)

    def _put(self, key: tuple[str, ...], item: Any) -> None:
        self._items.pop(key, None)
        self._items[key] = item
        self._saved = None

    def _forget_before(self, day: int) -> None:
        old = [
            key
            for key, item in self._items.items()
            if key[0] == "trade" and item.ts_event // DAY_NS < day
        ]
        for key in old:
            del self._items[key]

    def items(self) -> list[Any]:
        """Return all that is kept."""
        return list(self._items.values())

    def save(self) -> bytes:
        """Return it as bytes, the same object as long as nothing has changed."""
        if self._saved is None:
            self._saved = msgspec.json.encode([item.to_dict() for item in self._items.values()])
        return self._saved

    def load(self, saved: bytes) -> None:
        """Take up what `save` returned."""
        for plain in msgspec.json.decode(saved):
            numbers = {name: float("nan") for name, value in plain.items() if value is None}
            self.hear(_TYPES[plain["type"]].from_dict(plain | numbers))
