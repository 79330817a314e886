"""Amihud's illiquidity as a Nautilus indicator."""

from typing import ClassVar

from of_nautilus.core.footprint import ClosedBar
from of_nautilus.core.impact import new_amihud, step_amihud
from of_nautilus.core.ticks import MarketScale
from of_nautilus.engine import BarType
from of_nautilus.indicators.bars import BarIndicator
from of_nautilus.indicators.base import Output


class AmihudIlliquidity(BarIndicator):
    """Measures by how much the price moves for the money that changes hands.

    ``mean(|close / close before - 1| / (sum of price * size)) * 10**6`` over the last bars, which
    it builds from trades itself. Sides are not used: feeds without any will do.

    Parameters
    ----------
    scale : MarketScale
        The instrument's tick and lot.
    window : int, default 50
        Over how many bars the mean is taken, >= 1.
    bar : BarType, default TIME
        What closes a bar.
    bar_size : float, default 60
        How much of it: seconds, prints, base units, quote units or ticks. > 0.
    session : str, default "FULL_DAY"
        A bar ends with its session; see `core.sessions.SessionClock`.

    Attributes
    ----------
    value : float
        Return per million quote units traded; NaN before `window` bars have followed another.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Source: Amihud (2002), Journal of Financial Markets 5(1).

    Examples
    --------
    >>> from decimal import Decimal
    >>> scale = MarketScale(Decimal("1"), Decimal("1"))
    >>> amihud = AmihudIlliquidity(scale, window=1, bar=BarType.TICK, bar_size=1)
    >>> for price in (100.0, 125.0):
    ...     amihud.update_raw(0, price, 8.0, 1)
    >>> amihud.value
    250.0
    """

    OUTPUTS: ClassVar = {"value": Output("per million quote", scale=-1, shift=None)}

    def __init__(
        self,
        scale: MarketScale,
        window: int = 50,
        bar: BarType = BarType.TIME,
        bar_size: float = 60.0,
        session: str = "FULL_DAY",
    ) -> None:
        self._state, self._ring = new_amihud(window)
        super().__init__(scale, bar, bar_size, session=session, params=[window])

    @property
    def value(self) -> float:
        """Return per million quote units."""
        return self._when_ready(self._state["value"][0] / (self._tick * self._lot))

    def _on_bar(self, bar: ClosedBar) -> None:
        value = step_amihud(self._state, self._ring, bar.close, bar.dollars)
        self._seen(ready=value == value)

    def _reset(self) -> None:
        super()._reset()
        self._state, self._ring = new_amihud(len(self._ring))
