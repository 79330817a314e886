"""Footprint bars as a Nautilus indicator."""

from collections import deque
from typing import ClassVar

from of_nautilus.core.bar_reading import (
    bar_ratio,
    dominant_side,
    extreme_delta_rows,
    next_streak,
    totals,
    unfinished_auction,
)
from of_nautilus.core.footprint import ClosedBar
from of_nautilus.core.ticks import MarketScale
from of_nautilus.core.value_area import point_of_control, value_area_rows
from of_nautilus.engine import BarType
from of_nautilus.indicators.bars import FootprintIndicator
from of_nautilus.indicators.base import Output

# Share of the volume in a bar's value area, in 1/10000.
_VALUE_AREA = 7_000


class Footprint(FootprintIndicator):
    """Measures how much was bought and sold aggressively at each price, bar by bar.

    An auction is unfinished where both sides traded at the bar's highest row, or at its lowest: one
    that ended has no more sellers at the high, no more buyers at the low. A side dominates a bar
    from three times the other's volume on; bars that it dominates on end are a streak. What
    `FootprintImbalances` reads of the same bars stands there.

    Parameters
    ----------
    scale : MarketScale
        The instrument's tick and lot.
    bar : BarType, default TIME
        What closes a bar.
    bar_size : float, default 60
        How much of it: seconds, prints, base units, quote units or ticks. > 0.
    ticks_per_row : int, default 1
        Height of a row, >= 1.
    session : str, default "FULL_DAY"
        A bar ends with its session; see `core.sessions.SessionClock`.
    keep : int, default 100
        How many closed bars to keep, >= 1.

    Attributes
    ----------
    bars : deque of ClosedBar
        The last closed bars, the newest last; integer ticks and lots.
    last : ClosedBar or None
        The newest of them.
    delta, volume, delta_minimum, delta_maximum : float
        Of the newest closed bar, base units; NaN before one has closed.
    open, high, low, close : float
        Its prices.
    delta_share : float
        Delta over volume, -1 to 1.
    ratio : float
        The larger side over the smaller, which counts at least one lot.
    streak : float
        How many bars on end buyers (+) or sellers (-) dominated; 0 if neither does.
    point_of_control : float
        The lowest price of its row with the most volume.
    value_area_low, value_area_high : float
        First and last tick, in price, of the rows around it that hold 70% of the volume, grown by
        the larger of the next two rows above and the next two below.
    maximum_delta_price, minimum_delta_price : float
        The lowest price of the row with the largest and the smallest delta; ties go to the row
        nearest the close, then to the lower one.
    unfinished_high, unfinished_low : float
        1.0 where the auction is unfinished, else 0.0.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Examples
    --------
    >>> from decimal import Decimal
    >>> footprint = Footprint(MarketScale(Decimal("0.1"), Decimal("0.001")), bar_size=1)
    >>> for ts, size, side in ((0, 0.010, 1), (1, 0.004, -1), (10**9, 0.001, 1)):
    ...     footprint.update_raw(ts, 100.0, size, side)
    >>> footprint.last.delta
    6
    """

    OUTPUTS: ClassVar = {
        "delta": Output("base", sign=-1, scale=1),
        "volume": Output("base", scale=1),
        "delta_minimum": Output("base", sign=-1, mirror="delta_maximum", scale=1),
        "delta_maximum": Output("base", sign=-1, mirror="delta_minimum", scale=1),
        "open": Output("price", shift=1),
        "high": Output("price", shift=1),
        "low": Output("price", shift=1),
        "close": Output("price", shift=1),
        "delta_share": Output("ratio", sign=-1),
        "ratio": Output("ratio"),
        "streak": Output("count", sign=-1),
        "point_of_control": Output("price", shift=1),
        "value_area_low": Output("price", shift=1),
        "value_area_high": Output("price", shift=1),
        "maximum_delta_price": Output("price", mirror="minimum_delta_price", shift=1),
        "minimum_delta_price": Output("price", mirror="maximum_delta_price", shift=1),
        "unfinished_high": Output("flag"),
        "unfinished_low": Output("flag"),
    }

    def __init__(
        self,
        scale: MarketScale,
        bar: BarType = BarType.TIME,
        bar_size: float = 60.0,
        ticks_per_row: int = 1,
        session: str = "FULL_DAY",
        keep: int = 100,
    ) -> None:
        if keep < 1:
            raise ValueError(f"`keep` must be >= 1, was {keep}")
        super().__init__(scale, bar, bar_size, ticks_per_row, session)
        self.bars: deque[ClosedBar] = deque(maxlen=keep)
        self._streak = 0

    @property
    def last(self) -> ClosedBar | None:
        """The newest closed bar."""
        return self.bars[-1] if self.bars else None

    @property
    def delta(self) -> float:
        """Buyer-initiated less seller-initiated volume, base units."""
        return self._of_newest(lambda bar: bar.delta, self._lot)

    @property
    def volume(self) -> float:
        """All that traded, base units."""
        return self._of_newest(lambda bar: bar.volume, self._lot)

    @property
    def delta_minimum(self) -> float:
        """The lowest running delta, base units, <= 0."""
        return self._of_newest(lambda bar: bar.delta_min, self._lot)

    @property
    def delta_maximum(self) -> float:
        """The highest running delta, base units, >= 0."""
        return self._of_newest(lambda bar: bar.delta_max, self._lot)

    @property
    def open(self) -> float:
        """The first price."""
        return self._price_of_newest(lambda bar: bar.open)

    @property
    def high(self) -> float:
        """The highest price."""
        return self._price_of_newest(lambda bar: bar.high)

    @property
    def low(self) -> float:
        """The lowest price."""
        return self._price_of_newest(lambda bar: bar.low)

    @property
    def close(self) -> float:
        """The last price."""
        return self._price_of_newest(lambda bar: bar.close)

    @property
    def delta_share(self) -> float:
        """Delta over volume, -1 to 1."""
        return self._of_newest(lambda bar: bar.delta / bar.volume)

    @property
    def ratio(self) -> float:
        """The larger side over the smaller, which counts at least one lot."""
        return self._of_newest(lambda bar: bar_ratio(bar.buy, bar.sell))

    @property
    def streak(self) -> float:
        """Bars on end that buyers (+) or sellers (-) dominated."""
        return self._when_ready(self._streak)

    @property
    def point_of_control(self) -> float:
        """The lowest price of the row with the most volume."""
        return self._price_of_newest(_point_of_control)

    @property
    def value_area_low(self) -> float:
        """The first tick of the value area, in price."""
        return self._price_of_newest(lambda bar: _first_tick(bar, _value_area(bar)[0]))

    @property
    def value_area_high(self) -> float:
        """The last tick of the value area, in price."""
        return self._price_of_newest(lambda bar: _first_tick(bar, _value_area(bar)[1] + 1) - 1)

    @property
    def maximum_delta_price(self) -> float:
        """The lowest price of the row with the largest delta."""
        return self._price_of_newest(lambda bar: _first_tick(bar, _delta_rows(bar)[0]))

    @property
    def minimum_delta_price(self) -> float:
        """The lowest price of the row with the smallest delta."""
        return self._price_of_newest(lambda bar: _first_tick(bar, _delta_rows(bar)[1]))

    @property
    def unfinished_high(self) -> float:
        """1.0 where both sides traded at the highest row, else 0.0."""
        return self._of_newest(lambda bar: unfinished_auction(bar.cells)[0])

    @property
    def unfinished_low(self) -> float:
        """1.0 where both sides traded at the lowest row, else 0.0."""
        return self._of_newest(lambda bar: unfinished_auction(bar.cells)[1])

    def _on_bar(self, bar: ClosedBar) -> None:
        self.bars.append(bar)
        self._streak = next_streak(self._streak, dominant_side(bar.buy, bar.sell))
        super()._on_bar(bar)

    def _reset(self) -> None:
        super()._reset()
        self.bars.clear()
        self._streak = 0


def _first_tick(bar: ClosedBar, row: int) -> int:
    """Return the lowest tick of a row counted from the bar's lowest."""
    return (bar.low_row + int(row)) * bar.ticks_per_row


def _point_of_control(bar: ClosedBar) -> int:
    return _first_tick(bar, point_of_control(totals(bar.cells)))


def _value_area(bar: ClosedBar) -> tuple[int, int]:
    low, high, _ = value_area_rows(totals(bar.cells), _VALUE_AREA, True)
    return low, high


def _delta_rows(bar: ClosedBar) -> tuple[int, int]:
    most, least = extreme_delta_rows(bar.cells, bar.close // bar.ticks_per_row - bar.low_row)
    return most, least
