"""A venue's order book, kept in order as it changes."""

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import Any

type Level = tuple[str, str]


class Levels:
    """One side of a book: price and size as the venue writes them, best first."""

    def __init__(self, side: int) -> None:
        self._sign = -side
        self._keys: list[int] = []
        self._levels: dict[int, Level] = {}

    def set(self, price: str, size: str) -> None:
        """Set the size at a price; a size of zero takes the level away.

        All prices of a market have the same number of decimals, so the digits are the order.
        """
        key = self._sign * int(price.replace(".", ""))
        if float(size):
            if key not in self._levels:
                insort(self._keys, key)
            self._levels[key] = (price, size)
        elif self._levels.pop(key, None):
            del self._keys[bisect_left(self._keys, key)]

    def top(self, count: int) -> list[Level]:
        return [self._levels[key] for key in self._keys[:count]]


class Book:
    """Both sides, and the id of the last change."""

    def __init__(self) -> None:
        self.bids, self.asks = Levels(1), Levels(-1)
        self.update_id = 0

    def load(self, snapshot: dict[str, Any]) -> None:
        self.bids, self.asks = Levels(1), Levels(-1)
        self._set(snapshot["bids"], snapshot["asks"])
        self.update_id = snapshot["lastUpdateId"]

    def apply(self, depth: dict[str, Any]) -> None:
        """Apply a depth message that is newer than the book."""
        if depth["u"] > self.update_id:
            self._set(depth["b"], depth["a"])
            self.update_id = depth["u"]

    def _set(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        for levels, changes in ((self.bids, bids), (self.asks, asks)):
            for price, size in changes:
                levels.set(price, size)

    def top(self, side: int, count: int) -> list[Level]:
        """The best `count` levels of the bids (side 1) or the asks (side -1)."""
        return (self.bids if side > 0 else self.asks).top(count)
