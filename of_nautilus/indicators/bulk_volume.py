"""Bulk volume classification as a Nautilus indicator."""

import math
from typing import ClassVar

from of_nautilus.core.bvc import new_bvc, step_bvc
from of_nautilus.core.footprint import ClosedBar
from of_nautilus.core.ticks import MarketScale
from of_nautilus.engine import BarType
from of_nautilus.indicators.bars import BarIndicator
from of_nautilus.indicators.base import Output


class BulkVolume(BarIndicator):
    """Estimates how much of each bar was bought, from its change of price alone.

    ``buy = volume * F(dP / sigma)``, ``sell = volume - buy``: dP is the change from close to close,
    sigma its standard deviation over the last bars, this one included, F the normal or a Student-t
    distribution. Without deviation an unchanged price splits the bar in half, a change gives it to
    one side. For feeds that name no aggressor; the tick rule and Lee-Ready (`TradeClassifier`) are
    more accurate where trades come one by one.

    Parameters
    ----------
    scale : MarketScale
        The instrument's tick and lot.
    window : int, default 50
        Bars over which sigma is taken, >= 2.
    freedom : float, default 0
        Degrees of freedom of the Student-t distribution, > 0, or 0 for the normal one.
    bar : BarType, default TIME
        What closes a bar.
    bar_size : float, default 60
        How much of it: seconds, prints, base units, quote units or ticks. > 0.
    session : str, default "FULL_DAY"
        A bar ends with its session; see `core.sessions.SessionClock`.

    Attributes
    ----------
    buy, sell, delta : float
        Of the newest closed bar, base units; NaN before the second bar has closed.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Source: Easley, Lopez de Prado and O'Hara (2012), Review of Financial Studies 25(5).

    Examples
    --------
    >>> from decimal import Decimal
    >>> bulk = BulkVolume(MarketScale(Decimal("1"), Decimal("1")), bar=BarType.TICK, bar_size=1)
    >>> for price in (100.0, 101.0, 101.0):
    ...     bulk.update_raw(0, price, 8.0, 0)
    >>> bulk.buy, bulk.sell
    (4.0, 4.0)
    """

    OUTPUTS: ClassVar = {
        "buy": Output("base", scale=1),
        "sell": Output("base", scale=1),
        "delta": Output("base", scale=1),
    }

    def __init__(
        self,
        scale: MarketScale,
        window: int = 50,
        freedom: float = 0.0,
        bar: BarType = BarType.TIME,
        bar_size: float = 60.0,
        session: str = "FULL_DAY",
    ) -> None:
        self._state, self._ring = new_bvc(window, freedom)
        super().__init__(scale, bar, bar_size, session=session, params=[window, freedom])
        self._freedom = freedom
        self._buy, self._volume = math.nan, 0

    @property
    def buy(self) -> float:
        """Volume that was bought, base units."""
        return self._when_ready(self._buy * self._lot)

    @property
    def sell(self) -> float:
        """Volume that was sold, base units."""
        return self._when_ready((self._volume - self._buy) * self._lot)

    @property
    def delta(self) -> float:
        """Bought less sold, base units."""
        return self._when_ready((2 * self._buy - self._volume) * self._lot)

    def _on_bar(self, bar: ClosedBar) -> None:
        self._volume = bar.volume
        self._buy = step_bvc(self._state, self._ring, bar.close, bar.volume)
        self._seen(ready=self._buy == self._buy)

    def _reset(self) -> None:
        super()._reset()
        self._state, self._ring = new_bvc(len(self._ring), self._freedom)
        self._buy, self._volume = math.nan, 0
