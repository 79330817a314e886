"""The recent tape as Nautilus indicators: rolling flow, and large trades in it."""

from typing import ClassVar

from of_nautilus.core.large_trades import (
    new_size_quantile,
    read_quantile,
    step_size_quantile,
)
from of_nautilus.core.parents import new_parent, step_parent
from of_nautilus.core.record import State
from of_nautilus.core.sessions import SECOND
from of_nautilus.core.ticks import MarketScale, steps_of, whole_microseconds
from of_nautilus.core.windows import (
    grow_ring,
    new_windows,
    step_window_parent,
    step_windows,
    window_sums,
)
from of_nautilus.indicators.base import Output, TradeIndicator


class RollingFlow(TradeIndicator):
    """Measures what was bought and sold aggressively in the last seconds, and how often.

    The window is (t - seconds, t]. Prints of one time and side are one parent order; `rate` counts
    parents that are complete, and large ones are those above a trailing quantile of the sizes of
    the parents before them.

    Parameters
    ----------
    scale : MarketScale
        The instrument's tick and lot.
    seconds : float, default 60
        Length of the window, > 0.
    quantile : float, default 0.95
        From which quantile of sizes on a parent order is large, in (0, 1).
    sizes : int, default 1000
        How many parent orders the quantile is taken of, >= 2.

    Attributes
    ----------
    delta, buy, sell, volume : float
        In the window, base units; NaN before the first trade.
    rate : float
        Parent orders a second.
    large_threshold : float
        The size above which a parent order is large, base units; NaN before there are `sizes`.
    large_buy, large_sell : float
        Volume of large parent orders in the window, base units.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Examples
    --------
    >>> from decimal import Decimal
    >>> flow = RollingFlow(MarketScale(Decimal("1"), Decimal("1")), seconds=10)
    >>> for second, size, side in ((0, 5.0, 1), (5, 2.0, -1), (10, 4.0, 1)):
    ...     flow.update_raw(second * SECOND, 100.0, size, side)
    >>> flow.delta, flow.volume
    (2.0, 6.0)
    """

    OUTPUTS: ClassVar = {
        "delta": Output("base", sign=-1, scale=1),
        "buy": Output("base", mirror="sell", scale=1),
        "sell": Output("base", mirror="buy", scale=1),
        "volume": Output("base", scale=1),
        "rate": Output("per second"),
        "large_buy": Output("base", mirror="large_sell", scale=1),
        "large_sell": Output("base", mirror="large_buy", scale=1),
    }

    def __init__(
        self,
        scale: MarketScale,
        seconds: float = 60.0,
        quantile: float = 0.95,
        sizes: int = 1000,
    ) -> None:
        if not seconds > 0:
            raise ValueError(f"`seconds` must be > 0, was {seconds}")
        try:
            new_size_quantile(quantile, sizes)
        except ValueError as error:
            raise ValueError(str(error).replace("`window`", "`sizes`")) from None
        super().__init__([seconds, quantile, sizes])
        self._seconds = seconds
        self._quantile, self._sizes = quantile, sizes
        self._scale = scale
        self._tick = float(scale.tick)
        self._lots_per_unit = float(1 / scale.lot)
        self._start()

    def _start(self) -> None:
        span = max(1, round(self._seconds * SECOND))
        self._windows, self._ring, self._tails = new_windows([span])
        self._parent, self._completed = new_parent(), new_parent()
        self._large = new_size_quantile(self._quantile, self._sizes)
        self._sums: State | None = None

    @property
    def delta(self) -> float:
        """Bought less sold, base units."""
        return self._of_window("buy", less="sell")

    @property
    def buy(self) -> float:
        """Volume with a buyer as the aggressor, base units."""
        return self._of_window("buy")

    @property
    def sell(self) -> float:
        """Volume with a seller as the aggressor, base units."""
        return self._of_window("sell")

    @property
    def volume(self) -> float:
        """All volume, base units."""
        return self._of_window("buy", "sell", "unclassified")

    @property
    def rate(self) -> float:
        """Completed parent orders a second."""
        return self._when_ready(self._held("parents") / self._seconds)

    @property
    def large_threshold(self) -> float:
        """The size above which a parent order is large, base units."""
        state, _, top = self._large
        return float(read_quantile(state[0], top)) * float(self._scale.lot)

    @property
    def large_buy(self) -> float:
        """Volume of large buyers, base units."""
        return self._of_window("large_buy")

    @property
    def large_sell(self) -> float:
        """Volume of large sellers, base units."""
        return self._of_window("large_sell")

    def update_raw(self, ts: int, price: float, size: float, side: int) -> None:
        """Update with a trade in decimals."""
        ts = int(whole_microseconds(ts))
        ticks = int(steps_of(price, self._tick)[0])
        lots = round(size * self._lots_per_unit)
        if step_parent(self._parent, self._completed, ts, ticks, lots, side):
            order = self._completed[0]
            large = step_size_quantile(*self._large, order.lots)
            step_window_parent(self._windows, order.lots, order.side, large)
        while step_windows(self._windows, self._ring, self._tails, ts, ticks, lots, side) < 0:
            self._ring = grow_ring(self._windows, self._ring)
        self._sums = None
        self._seen(ready=True)

    def _held(self, name: str) -> int:
        if self._sums is None:
            self._sums = window_sums(self._windows, self._ring, self._tails, 0)
        return int(self._sums[name][0])

    def _of_window(self, *names: str, less: str = "") -> float:
        lots = sum(self._held(name) for name in names) - (self._held(less) if less else 0)
        return self._when_ready(float(self._scale.size(lots)))

    def _reset(self) -> None:
        self._start()
