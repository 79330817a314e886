"""The level registry: every qualified level with its birth, touches, reactions, and end.

It advances by closed bars. Prices are ticks, times ns.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from of_nautilus.decision.levels import TARGET_KINDS, Level, LevelKind, dedupe

REACTION_NS = 300_000_000_000
MAX_TRACKED = 256
_ONE_SESSION = (LevelKind.POC, LevelKind.LVN, LevelKind.MERGED_VAL, LevelKind.MERGED_VAH)


@dataclass(slots=True)
class Touch:
    """One visit of a level and what followed within 5 minutes of the bar that made it.

    `side`: the direction that counts as a reaction, the level's own or else back to where the price
    came from; `best`, `worst`: the furthest moves with and against it, ticks >= 0.
    """

    ts: int
    side: int
    best: int = 0
    worst: int = 0


@dataclass(slots=True)
class LevelRecord:
    """A level's life so far; times are None until it happens.

    `entries`: trades entered there this session; `blocked_ns`: until when it rests after a stop.
    """

    level: Level
    touches: list[Touch] = field(default_factory=list)
    touching: bool = False
    through_ns: int | None = None
    broken_ns: int | None = None
    entries: int = 0
    blocked_ns: int = 0


@dataclass(frozen=True, slots=True)
class LevelChange:
    """For the journal: something that happened to a level.

    `what`: born, touched, traded_through, broken, retired (with the whole record).
    """

    what: str
    ts: int
    level: Level
    record: LevelRecord | None = None


class LevelRegistry:
    """Keeps the levels that still matter, and tells what happens to them."""

    def __init__(self) -> None:
        self._records: dict[str, LevelRecord] = {}
        self._last_close: int | None = None

    def __len__(self) -> int:
        """The number of levels that are being followed."""
        return len(self._records)

    @property
    def records(self) -> list[LevelRecord]:
        """The levels that are being followed, oldest first."""
        return list(self._records.values())

    def get(self, level_id: str) -> LevelRecord | None:
        """Return a level's record, or None once it is no longer followed."""
        return self._records.get(level_id)

    def add(self, level: Level, ts: int) -> list[LevelChange]:
        """Follow a level; one that is already followed stays as it is."""
        if level.id in self._records:
            return []
        self._records[level.id] = LevelRecord(level)
        changes = [LevelChange("born", ts, level)]
        while len(self._records) > MAX_TRACKED:
            changes.append(self._retire(next(iter(self._records)), ts))
        return changes

    def open_session(self, levels: Iterable[Level], ts: int, keep: int) -> list[LevelChange]:
        """Begin a session with its new levels; of earlier sessions `keep - 1` keep VAL and VAH.

        A POC that was never touched since stays as a naked POC, to be watched.
        """
        changes: list[LevelChange] = []
        born = sorted({r.level.born_ns for r in self._records.values() if _is_edge(r.level)})
        kept = born[-(keep - 1) :] if keep > 1 else []
        for level_id, record in list(self._records.items()):
            level = record.level
            record.entries = 0
            if level.kind in _ONE_SESSION or (_is_edge(level) and level.born_ns not in kept):
                changes.append(self._retire(level_id, ts))
            if level.kind is LevelKind.POC and not record.touches and record.through_ns is None:
                naked = Level(LevelKind.NAKED_POC, level.price, 0, level.strength, level.born_ns)
                changes += self.add(naked, ts)
        for level in levels:
            changes += self.add(level, ts)
        return changes

    def on_bar(
        self, open_ns: int, ts: int, low: int, high: int, close: int, break_ticks: float
    ) -> list[LevelChange]:
        """Advance by a bar that opened at `open_ns` and closed at `ts`.

        A level is touched when a bar's range reaches it after one that did not; traded through when
        the price comes from one side and prints on the other; broken when a bar closes more than
        `break_ticks` beyond it, seen from its side. A naked POC ends with its first touch, an
        unfinished auction and a stacked zone when they are traded through.
        """
        changes: list[LevelChange] = []
        before = self._last_close if self._last_close is not None else close
        for level_id, record in list(self._records.items()):
            level, price = record.level, record.level.price
            for touch in record.touches[-8:]:
                if open_ns < touch.ts + REACTION_NS:
                    up, down = max(0, high - price), max(0, price - low)
                    touch.best = max(touch.best, up if touch.side > 0 else down)
                    touch.worst = max(touch.worst, down if touch.side > 0 else up)
            reached = low <= price <= high
            if reached and not record.touching:
                side = level.side or (1 if before >= price else -1)
                record.touches.append(Touch(ts, side))
                changes.append(LevelChange("touched", ts, level))
            record.touching = reached
            crossed = (before > price and low < price) or (before < price and high > price)
            if crossed and record.through_ns is None:
                record.through_ns = ts
                changes.append(LevelChange("traded_through", ts, level))
            if (
                level.side
                and record.broken_ns is None
                and level.side * (price - close) > break_ticks
            ):
                record.broken_ns = ts
                changes.append(LevelChange("broken", ts, level))
            if _is_over(record, open_ns):
                changes.append(self._retire(level_id, ts))
        self._last_close = close
        return changes

    def candidates(
        self, side: int, low: float, high: float, distance: float, price: int
    ) -> list[LevelRecord]:
        """Return the unbroken levels of a side inside [low, high], the strongest first.

        Levels within `distance` of a stronger one are left out before the range is looked at.
        """
        usable = [
            r.level for r in self._records.values() if r.level.side == side and r.broken_ns is None
        ]
        kept = dedupe(usable, distance, price)
        return [self._records[level.id] for level in kept if low <= level.price <= high]

    def nearest(self, price: int, within: float) -> Level | None:
        """Return the nearest unbroken level that can be traded, if one lies within reach."""
        near = [
            r.level
            for r in self._records.values()
            if r.level.side and r.broken_ns is None and abs(r.level.price - price) <= within
        ]
        return min(near, key=lambda one: (abs(one.price - price), one.id), default=None)

    def tradable(self) -> list[int]:
        """Return the prices of the unbroken levels that have a side."""
        records = self._records.values()
        return [r.level.price for r in records if r.level.side and r.broken_ns is None]

    def targets(self) -> list[int]:
        """Return the prices of all VAL, VAH and POC levels, merged ones included."""
        return [r.level.price for r in self._records.values() if r.level.kind in TARGET_KINDS]

    def entered(self, level_id: str) -> None:
        """Count an entry at a level."""
        record = self._records.get(level_id)
        if record is not None:
            record.entries += 1

    def block(self, level_id: str, until_ns: int) -> None:
        """Let a level rest until a time."""
        record = self._records.get(level_id)
        if record is not None:
            record.blocked_ns = until_ns

    def to_dict(self) -> dict[str, Any]:
        """Return the registry as plain values that JSON can hold."""
        records = [asdict(record) for record in self._records.values()]
        return {"records": records, "last_close": self._last_close}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "LevelRegistry":
        """Rebuild a registry from `to_dict`."""
        registry = cls()
        for saved in plain["records"]:
            level = Level.from_dict(saved["level"])
            touches = [Touch(**touch) for touch in saved["touches"]]
            registry._records[level.id] = LevelRecord(
                **(saved | {"level": level, "touches": touches})
            )
        registry._last_close = plain["last_close"]
        return registry

    def _retire(self, level_id: str, ts: int) -> LevelChange:
        record = self._records.pop(level_id)
        return LevelChange("retired", ts, record.level, record)


def _is_edge(level: Level) -> bool:
    return level.kind in (LevelKind.VAL, LevelKind.VAH)


def _is_over(record: LevelRecord, open_ns: int) -> bool:
    """Whether a watched level has met its end and the reaction to that has been seen."""
    if record.touches and open_ns < record.touches[-1].ts + REACTION_NS:
        return False
    kind = record.level.kind
    if kind is LevelKind.NAKED_POC:
        return bool(record.touches) or record.through_ns is not None
    watched = kind in (LevelKind.UNFINISHED_AUCTION, LevelKind.STACKED_ZONE)
    return watched and record.through_ns is not None
