"""The delta of the last bars as a Nautilus indicator."""

from typing import ClassVar

from of_nautilus.core.delta import new_rolling_delta, step_rolling_delta
from of_nautilus.core.footprint import ClosedBar
from of_nautilus.core.ticks import MarketScale
from of_nautilus.engine import BarType
from of_nautilus.indicators.bars import BarIndicator
from of_nautilus.indicators.base import Output


class RollingDelta(BarIndicator):
    """Measures by how much buyers were the aggressors over the last bars.

    The cumulative delta whose anchor moves on with each bar; `RollingFlow` is the one whose window
    is time, `CumulativeVolumeDelta` the one that starts with a session, a day, or never again.

    Parameters
    ----------
    scale : MarketScale
        The instrument's tick and lot.
    bars : int, default 60
        How many bars it spans, >= 1.
    bar : BarType, default TIME
        What closes a bar.
    bar_size : float, default 60
        How much of it: seconds, prints, base units, quote units or ticks. > 0.
    session : str, default "FULL_DAY"
        A bar ends with its session; see `core.sessions.SessionClock`.

    Attributes
    ----------
    value : float
        Bought less sold, base units; NaN before so many bars have closed.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Examples
    --------
    >>> from decimal import Decimal
    >>> scale = MarketScale(Decimal("1"), Decimal("1"))
    >>> delta = RollingDelta(scale, bars=2, bar=BarType.TICK, bar_size=1)
    >>> for size, side in ((10.0, 1), (4.0, -1), (7.0, 1)):
    ...     delta.update_raw(0, 100.0, size, side)
    >>> delta.value
    3.0
    """

    OUTPUTS: ClassVar = {"value": Output("base", sign=-1, scale=1)}

    def __init__(
        self,
        scale: MarketScale,
        bars: int = 60,
        bar: BarType = BarType.TIME,
        bar_size: float = 60.0,
        session: str = "FULL_DAY",
    ) -> None:
        self._state, self._ring = new_rolling_delta(bars)
        super().__init__(scale, bar, bar_size, session=session, params=[bars])

    @property
    def value(self) -> float:
        """Bought less sold, base units."""
        return self._when_ready(round(int(self._state["value"][0]) * self._lot, 12))

    def _on_bar(self, bar: ClosedBar) -> None:
        step_rolling_delta(self._state, self._ring, bar.delta)
        self._seen(ready=self._state["bars"][0] >= len(self._ring))

    def _reset(self) -> None:
        super()._reset()
        self._state, self._ring = new_rolling_delta(len(self._ring))
