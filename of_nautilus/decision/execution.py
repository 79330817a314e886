"""What an order would have met: latency, queue position, slippage. For reports, not for trading.

Prices are ticks, quantities lots, times ns unless said otherwise.
"""

from dataclasses import dataclass

import numpy as np

from of_nautilus.core.record import Ints


def price_after(times: Ints, prices: Ints, decided: int, latency: int) -> int:
    """Return the price in force when an order decided at `decided` arrives, `latency` later.

    `times` are those of the price changes, rising. Raises `ValueError` if there is no price yet.

    >>> price_after(np.array([0, 20, 60]), np.array([101, 102, 103]), 10, 15)
    102
    """
    if latency < 0:
        raise ValueError(f"`latency` must be >= 0, was {latency}")
    index = int(np.searchsorted(times, decided + latency, side="right")) - 1
    if index < 0:
        raise ValueError(f"`decided` must not precede the first price, was {decided}")
    return int(prices[index])


@dataclass(frozen=True, slots=True)
class Queue:
    """A resting order's place: what is ahead of it, its size, and what has filled.

    Conservative: all that was displayed when it was placed is ahead of it; trades at its price take
    from the front; when the displayed size falls below what is ahead, the rest had left.

    >>> Queue(ahead=25, size=5).traded(10).traded(10).traded(7)
    Queue(ahead=0, size=5, filled=2)
    """

    ahead: int
    size: int
    filled: int = 0

    def __post_init__(self) -> None:
        if self.ahead < 0:
            raise ValueError(f"`ahead` must be >= 0, was {self.ahead}")
        if not 0 <= self.filled <= self.size:
            raise ValueError(f"`filled` must be in [0, size], was {self.filled}")

    def traded(self, qty: int) -> "Queue":
        """Return the place after a trade of `qty` at the order's price."""
        through = max(0, qty - self.ahead)
        filled = min(self.size, self.filled + through)
        return Queue(max(0, self.ahead - qty), self.size, filled)

    def displayed(self, qty: int) -> "Queue":
        """Return the place after the displayed size at the order's price became `qty`."""
        return Queue(min(self.ahead, qty), self.size, self.filled)


def slippage(side: int, decision_mid: float, fill: float, qty: float) -> tuple[float, float]:
    """Return what a fill cost against the mid of its decision: (money, basis points of the mid).

    Positive if the fill was worse. Prices in money, `side` +1 bought, -1 sold.

    >>> slippage(1, 100.5, 101.0, 200)[0]
    100.0
    """
    if not decision_mid > 0.0:
        raise ValueError(f"`decision_mid` must be > 0, was {decision_mid}")
    worse = side * (fill - decision_mid)
    return worse * qty, worse / decision_mid * 1e4
