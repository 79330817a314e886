"""From whole ticks, lots and nanoseconds to what a page is sent."""

from decimal import Decimal
from typing import NamedTuple

from of_nautilus.core.ticks import MarketScale


def ms(ts: int) -> int:
    """Return a time of ns in whole ms.

    >>> ms(1_999_999)
    1
    """
    return int(ts) // 1_000_000


def known(value: float) -> float | None:
    """Return a number, None for NaN."""
    return float(value) if value == value else None


class Units(NamedTuple):
    """What a tick and a lot of a market are worth, and how many decimals its numbers have."""

    tick: float
    lot: float
    price_digits: int
    size_digits: int

    @property
    def scale(self) -> MarketScale:
        """The same, exact."""
        return MarketScale(Decimal(str(self.tick)), Decimal(str(self.lot)))

    def price(self, ticks: float) -> float:
        """Return a price in quote units.

        >>> Units(0.1, 0.001, 1, 3).price(618003)
        61800.3
        """
        return round(ticks * self.tick, self.price_digits)

    def mean_price(self, ticks: float) -> float:
        """Return a price that may lie between two ticks."""
        return round(ticks * self.tick, self.price_digits + 3)

    def price_or_none(self, ticks: int) -> float | None:
        """Return a price where 0 says that there is none."""
        return self.price(ticks) if ticks else None

    def size(self, lots: int) -> float:
        """Return a size in base units."""
        return round(lots * self.lot, self.size_digits)

    def lots(self, size: float) -> int:
        """Return a size in the nearest whole lots."""
        return round(size / self.lot)

    def middle(self, row: int, height: int) -> float:
        """Return the price in the middle of a row of `height` ticks.

        >>> Units(0.1, 0.001, 1, 3).middle(1000, 10)
        1000.45
        """
        return round((row * height + (height - 1) / 2) * self.tick, self.price_digits + 3)
