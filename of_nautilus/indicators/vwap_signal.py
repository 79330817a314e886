"""What recent flow says of a price away from its VWAP, as a Nautilus indicator."""

import math
from typing import ClassVar

from of_nautilus.core.ticks import MarketScale
from of_nautilus.core.vwap import DeviationSignal, deviation_signal
from of_nautilus.indicators.base import Output, TradeIndicator
from of_nautilus.indicators.tape import RollingFlow
from of_nautilus.indicators.vwap import VolumeWeightedAveragePrice


class VwapDeviationSignal(TradeIndicator):
    """Tells whether the flow of the last seconds bears out a price above or below its VWAP.

    A trend is confirmed where the side that the price leans to bought (or sold) more, and large
    parent orders are at least `large_min` of its volume; a reversal is possible where the other
    side did; neutral is the rest. The last trade is the price. A trade outside any session is left
    out.

    Parameters
    ----------
    scale : MarketScale
        The instrument's tick and lot.
    session : str, default "FULL_DAY"
        When the VWAP starts anew; see `core.sessions.SessionClock`.
    seconds : float, default 60
        Length of the window of the flow, > 0.
    large_min : float, default 0.10
        Least share of large orders in a side's volume, 0 to 1.
    quantile : float, default 0.95
        From which quantile of sizes on a parent order is large, in (0, 1).
    sizes : int, default 1000
        How many parent orders the quantile is taken of, >= 2.

    Attributes
    ----------
    value : float
        A `core.vwap.DeviationSignal`: 1.0 and -1.0 confirm a trend up and down, 2.0 and -2.0 hint
        at a reversal up and down, 0.0 is neutral; NaN before there are `sizes` orders.
    signal : DeviationSignal
        The same by name; NEUTRAL before.
    vwap, flow : VolumeWeightedAveragePrice, RollingFlow
        What it is made of.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Examples
    --------
    >>> from decimal import Decimal
    >>> signal = VwapDeviationSignal(MarketScale(Decimal("1"), Decimal("1")), sizes=2)
    >>> for second, (price, size) in enumerate([(100, 1), (100, 1), (101, 9), (102, 1)]):
    ...     signal.update_raw(second * 10**9, float(price), float(size), 1)
    >>> signal.signal.name
    'TREND_UP_CONFIRMED'
    """

    # Sides alone are mirrored, not the price: what it says then is another thing.
    OUTPUTS: ClassVar = {"value": Output("signal", sign=0)}

    def __init__(
        self,
        scale: MarketScale,
        session: str = "FULL_DAY",
        seconds: float = 60.0,
        large_min: float = 0.10,
        quantile: float = 0.95,
        sizes: int = 1000,
    ) -> None:
        if not 0.0 <= large_min <= 1.0:
            raise ValueError(f"`large_min` must be in 0 to 1, was {large_min}")
        self.vwap = VolumeWeightedAveragePrice(scale, session)
        self.flow = RollingFlow(scale, seconds, quantile, sizes)
        super().__init__([session, seconds, large_min])
        self._large_min = large_min
        self._price = math.nan

    @property
    def value(self) -> float:
        """What the flow says, as a number."""
        return self._when_ready(self._told() if self.initialized else 0)

    @property
    def signal(self) -> DeviationSignal:
        """What the flow says, by name."""
        return DeviationSignal(self._told() if self.initialized else 0)

    def update_raw(self, ts: int, price: float, size: float, side: int) -> None:
        """Update with a trade in decimals."""
        before = self.vwap.outside_session
        self.vwap.update_raw(ts, price, size, side)
        if self.vwap.outside_session > before:
            self._seen(ready=False)
            return
        self.flow.update_raw(ts, price, size, side)
        self._price = price
        self._seen(ready=not math.isnan(self.flow.large_threshold))

    def _told(self) -> int:
        flow, average = self.flow, self.vwap.value
        buys, sells = (flow.large_buy, flow.buy), (flow.large_sell, flow.sell)
        large, volume = buys if self._price > average else sells
        share = large / volume if volume > 0 else 0.0
        # The core compares exact volumes; of these only the order matters.
        bought, sold = (1, 0) if flow.delta > 0 else ((0, 1) if flow.delta < 0 else (0, 0))
        return int(deviation_signal(self._price, average, bought, sold, share, self._large_min))

    def _reset(self) -> None:
        self.vwap.reset()
        self.flow.reset()
        self._price = math.nan
