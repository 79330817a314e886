"""Integer prices (ticks), integer sizes (lots), price rows.

Float arithmetic puts half of all half-tick prices in the wrong row, and sums depend on their order.
Everything inside this package counts in whole ticks of the price increment and whole lots of the
size increment; decimals appear at the edge only.
"""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numba import njit

from of_nautilus.core.record import Ints

BUY = 1
SELL = -1
NO_SIDE = 0


@njit(cache=True)
def row_of(ticks: int, ticks_per_row: int) -> int:
    """Return the row of a price: floor division, right for negative prices too.

    >>> row_of(178459, 10), row_of(-3763, 10)
    (17845, -377)
    """
    return ticks // ticks_per_row


@njit(cache=True)
def whole_microseconds(ts: int) -> int:
    """Return a time in ns rounded to whole microseconds.

    A venue's milliseconds that went through a float come back up to 128 ns off, and a trade on the
    boundary of a bar would fall into the bar before it.

    >>> whole_microseconds(1_723_161_256_321_999_872)
    1723161256322000000
    """
    return (ts + 500) // 1000 * 1000


@njit(cache=True)
def steps_of(value: float, step: float) -> tuple[int, bool]:
    """Return a decimal value in whole steps, floored, and whether it lay on one.

    A double holds a venue's decimals to 15 digits, so the nearest step is beyond doubt as long as
    there are fewer than 10**11 of them; what is further than 1e-4 steps from any is off the grid.

    >>> steps_of(61800.3, 0.1), steps_of(61800.35, 0.1)
    ((618003, True), (618003, False))
    """
    steps = value / step
    nearest = round(steps)
    if abs(steps - nearest) <= 1e-4:
        return int(nearest), True
    return int(np.floor(steps)), False


@dataclass(frozen=True)
class MarketScale:
    """What one tick and one lot are worth.

    Parameters
    ----------
    tick : Decimal
        The price increment, > 0.
    lot : Decimal
        The size increment, > 0.

    Raises
    ------
    ValueError
        If an increment is not positive.

    Examples
    --------
    >>> scale = MarketScale(Decimal("0.10"), Decimal("0.001"))
    >>> scale.to_ticks(Decimal("61800.30")), scale.price(618003)
    (618003, Decimal('61800.30'))
    """

    tick: Decimal
    lot: Decimal

    def __post_init__(self) -> None:
        for name in ("tick", "lot"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` must be > 0, was {getattr(self, name)}")

    def to_ticks(self, price: Decimal) -> int:
        """Return the tick at or below a price."""
        return int((price / self.tick).to_integral_value(rounding="ROUND_FLOOR"))

    def to_lots(self, size: Decimal) -> int:
        """Return the whole lots in a size."""
        return int((size / self.lot).to_integral_value(rounding="ROUND_FLOOR"))

    def price(self, ticks: int) -> Decimal:
        """Return the price of a tick."""
        return int(ticks) * self.tick

    def size(self, lots: int) -> Decimal:
        """Return the size of so many lots."""
        return int(lots) * self.lot


def units_to_steps(units: Ints, step: int) -> tuple[Ints, int]:
    """Return prices or sizes in whole steps of the increment, floored, and how many were off it.

    Parameters
    ----------
    units : int64 array
        Values in units of 10**-precision.
    step : int
        The increment in the same units, >= 1.

    Raises
    ------
    ValueError
        If `step` < 1.
    """
    if step < 1:
        raise ValueError(f"`step` must be >= 1, was {step}")
    if step == 1:
        return units, 0
    steps = units // step
    return steps, int(np.count_nonzero(steps * step != units))
