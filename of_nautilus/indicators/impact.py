"""Price impact as Nautilus indicators: Kyle's lambda and Roll's spread."""

from typing import ClassVar

from nautilus_trader.model.data import QuoteTick
from numba import njit

from of_nautilus.core.impact import (
    add_mid,
    add_trade,
    close_cells,
    is_due,
    new_kyle,
    new_roll,
    step_roll,
)
from of_nautilus.core.record import Floats, State
from of_nautilus.core.sessions import SECOND
from of_nautilus.core.ticks import MarketScale, steps_of, whole_microseconds
from of_nautilus.indicators.base import Output, TradeIndicator


@njit(cache=True)
def _quote(state: State, ring: Floats, ts: int, bid: float, ask: float, tick: float) -> None:
    ts = whole_microseconds(ts)
    if is_due(state[0], ts):
        close_cells(state[0], ring, ts)
    low, _ = steps_of(bid, tick)
    high, _ = steps_of(ask, tick)
    add_mid(state[0], low + high)


@njit(cache=True)
def _trade(
    state: State, ring: Floats, ts: int, price: float, tick: float, lots: float, side: int
) -> None:
    ts = whole_microseconds(ts)
    if is_due(state[0], ts):
        close_cells(state[0], ring, ts)
    ticks, _ = steps_of(price, tick)
    add_trade(state[0], ticks, round(lots), side)


class KyleLambda(TradeIndicator):
    """Measures by how much the price moves for each unit that is bought on balance.

    The slope, with intercept, of the change of the mid price on signed volume, over a grid in event
    time. Without quotes (`update_quote`, or `register_indicator_for_quote_ticks`) trade prices
    stand for the mid. Where volume does not vary over the window the last slope stays.

    Parameters
    ----------
    scale : MarketScale
        The instrument's tick and lot.
    seconds : float, default 10
        Length of a point of the regression, > 0.
    points : int, default 30
        Points of the trailing window, >= 3.
    least : int, default 20
        Points from which there is a reading, 3 to `points`.

    Attributes
    ----------
    value : float
        Lambda, price per base unit; NaN before there are enough points.
    hasbrouck : float
        The slope of returns on the sum of signed roots of traded value, basis points per square
        root of a quote unit; NaN where there is none.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Source: Kyle (1985), Econometrica 53(6); Hasbrouck (2009), Journal of Finance 64(3).

    Examples
    --------
    >>> from decimal import Decimal
    >>> kyle = KyleLambda(MarketScale(Decimal("1"), Decimal("1")), seconds=1, points=4, least=4)
    >>> for second, (price, side) in enumerate([(100, 1), (101, 1), (102, -1), (101, 1), (102, 1)]):
    ...     kyle.update_raw(second * SECOND, float(price), 5.0, side)
    >>> kyle.initialized
    True
    """

    OUTPUTS: ClassVar = {"value": Output("price per base", sign=-1, scale=-1)}

    def __init__(
        self, scale: MarketScale, seconds: float = 10.0, points: int = 30, least: int = 20
    ) -> None:
        if not seconds > 0:
            raise ValueError(f"`seconds` must be > 0, was {seconds}")
        self._grid = max(1, round(seconds * SECOND))
        state, ring = new_kyle(self._grid, points, least)
        super().__init__([seconds, points, least])
        self._least = least
        self._tick, self._lot = float(scale.tick), float(scale.lot)
        self._lots_per_unit = float(1 / scale.lot)
        self._state, self._ring = state, ring
        self._value = 0.0
        self._quoted = False

    @property
    def value(self) -> float:
        """Lambda, price per base unit."""
        return self._when_ready(self._value * self._tick / self._lot)

    @property
    def hasbrouck(self) -> float:
        """Basis points per square root of a quote unit."""
        return float(self._state["root_slope"][0]) / (self._tick * self._lot) ** 0.5

    def handle_quote_tick(self, tick: QuoteTick) -> None:
        """Update the indicator with a quote."""
        self.update_quote(tick.ts_event, tick.bid_price.as_double(), tick.ask_price.as_double())

    def update_quote(self, ts: int, bid: float, ask: float) -> None:
        """Update with the best bid and ask in decimals."""
        self._quoted = True
        _quote(self._state, self._ring, ts, bid, ask, self._tick)
        self._note()

    def update_raw(self, ts: int, price: float, size: float, side: int) -> None:
        """Update with a trade in decimals."""
        if not self._quoted:
            _quote(self._state, self._ring, ts, price, price, self._tick)
        lots = size * self._lots_per_unit
        _trade(self._state, self._ring, ts, price, self._tick, lots, side)
        self._note()

    def _note(self) -> None:
        slope = float(self._state["slope"][0])
        if slope == slope:
            self._value = slope
        self._seen(ready=slope == slope)

    def _reset(self) -> None:
        self._state, self._ring = new_kyle(self._grid, self._ring.shape[1], self._least)
        self._value = 0.0
        self._quoted = False


class RollSpread(TradeIndicator):
    """Measures the spread that trades pay, from the bounce of their prices alone.

    ``2 * sqrt(-cov(dP, previous dP))`` over the trailing price changes, 0 where the covariance is
    not negative.

    Parameters
    ----------
    scale : MarketScale
        The instrument's tick and lot.
    window : int, default 300
        Price changes, trade to trade, that it spans, >= 3.

    Attributes
    ----------
    value : float
        The spread in price; NaN before the window is full.

    Raises
    ------
    ValueError
        If `window` < 3.

    Source: Roll (1984), Journal of Finance 39(4).

    Examples
    --------
    >>> from decimal import Decimal
    >>> roll = RollSpread(MarketScale(Decimal("0.5"), Decimal("1")), window=3)
    >>> for price in (100.0, 100.5, 100.0, 100.5):
    ...     roll.update_raw(0, price, 1.0, 1)
    >>> roll.value
    1.0
    """

    OUTPUTS: ClassVar = {"value": Output("price")}

    def __init__(self, scale: MarketScale, window: int = 300) -> None:
        state, ring = new_roll(window)
        super().__init__([window])
        self._tick = float(scale.tick)
        self._state, self._ring = state, ring
        self._value = float("nan")

    @property
    def value(self) -> float:
        """The spread in price."""
        return self._when_ready(self._value * self._tick)

    def update_raw(self, ts: int, price: float, size: float, side: int) -> None:
        """Update with a trade in decimals; only `price` is used."""
        self._value = float(step_roll(self._state, self._ring, steps_of(price, self._tick)[0]))
        self._seen(ready=self._value == self._value)

    def _reset(self) -> None:
        self._state, self._ring = new_roll(len(self._ring))
        self._value = float("nan")
