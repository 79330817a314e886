"""Traded or cancelled in dictionaries, batch by batch."""

from collections import defaultdict
from statistics import median

from tests.naive.book import NaiveBook

Level = tuple[int, int]  # side (0 bids, 1 asks), price


class NaiveTracker:
    """Follows a NaiveBook; the prints of a batch are kept by level and used up."""

    def __init__(self, min_lots: int = 1) -> None:
        self.min_lots = min_lots
        self.book = NaiveBook()
        self.prints: dict[Level, int] = {}
        self.flows: dict[Level, dict[str, int]] = {}
        self.displayed_since: dict[Level, int] = {}
        self.consumed: list[tuple[int, int, int, int, int, int]] = []
        self.before: list[list[tuple[int, int]]] = [[], []]

    def _flow(self, level: Level) -> dict[str, int]:
        if level not in self.flows:
            self.flows[level] = defaultdict(int)
            self.flows[level]["peak"] = self.size(level)
            self.displayed_since[level] = self.size(level)
        return self.flows[level]

    def size(self, level: Level) -> int:
        return self.book.sides[level[0]].get(level[1], 0)

    def trade(self, price: int, size: int, side: int) -> None:
        if side:
            level = (1 if side > 0 else 0, price)
            self._flow(level)
            self.prints[level] = self.prints.get(level, 0) + size

    def _traded(self, level: Level, lots: int) -> None:
        flow = self._flow(level)
        if not flow["traded"]:
            flow["shown"] = self.size(level)
        flow["traded"] += lots

    def delta(self, ts: int, delta: tuple[int, ...]) -> None:
        action, side, price, size = delta[:4]
        level = (side - 1, price)
        before, after = self.size(level), size if action < 3 else 0
        if before == after:
            return
        flow = self._flow(level)
        if after > before:
            back = min(after - before, flow["traded"] - flow["replenished"])
            flow["replenished"] += back
            flow["stacked"] += after - before - back
            flow["peak"] = max(flow["peak"], after)
        else:
            traded = min(before - after, self.prints.get(level, 0))
            if traded:
                self._traded(level, traded)
                self.prints[level] -= traded
            flow["pulled"] += before - after - traded
            if traded > 0.5 * before and before - after > self.min_lots:
                thin = self.thin(side - 1)
                self.consumed.append((side - 1, ts, price, traded, before, thin))
        self.book.apply((*delta[:4], 0, 0))

    def thin(self, side: int) -> int:
        sizes = [lots for _, lots in self.before[side][:20]]
        return sum(lots < median(sizes) / 4 for lots in sizes)

    def end_batch(self) -> None:
        for level, hidden in self.prints.items():
            if hidden:
                self._traded(level, hidden)
                self.flows[level]["replenished"] += hidden
        self.prints = {}
        self.before = [self.book.levels(0), self.book.levels(1)]
