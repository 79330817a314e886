"""Rolling volume profile as a Nautilus indicator."""

from typing import ClassVar

from of_nautilus.core.footprint import ClosedBar
from of_nautilus.core.profile import RollingProfile
from of_nautilus.core.ticks import MarketScale
from of_nautilus.core.value_area import VALUE_AREA_METHODS
from of_nautilus.engine import BarType
from of_nautilus.indicators.bars import BarIndicator
from of_nautilus.indicators.base import Output


class RollingVolumeProfile(BarIndicator):
    """Measures at which prices the volume of the last bars traded, across sessions.

    Each bar is added as it closes and taken off as it leaves. The POC is the row with the most
    volume (ties: nearest the middle, then the lower); the value area grows around it until it holds
    `pct` of the volume.

    Parameters
    ----------
    scale : MarketScale
        The instrument's tick and lot.
    bars : int, default 60
        How many bars it spans, >= 1.
    ticks_per_row : int, default 1
        Height of a row, >= 1.
    pct : float, default 0.70
        Share of the volume in the value area, in (0, 1].
    method : str, default "two_row"
        How the value area grows: "two_row" or "one_row" at a time.
    bar : BarType, default TIME
        What closes a bar.
    bar_size : float, default 60
        How much of it: seconds, prints, base units, quote units or ticks. > 0.
    session : str, default "FULL_DAY"
        A bar ends with its session; see `core.sessions.SessionClock`.

    Attributes
    ----------
    point_of_control, value_area_low, value_area_high : float
        The middle tick of the POC's row, the first and the last tick of the value area, in price;
        NaN before so many bars have closed.
    volume : float
        What these bars traded, base units.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Examples
    --------
    >>> from decimal import Decimal
    >>> scale = MarketScale(Decimal("1"), Decimal("1"))
    >>> profile = RollingVolumeProfile(scale, bars=2, bar=BarType.TICK, bar_size=1)
    >>> for price, size in ((100.0, 90.0), (101.0, 30.0), (102.0, 10.0)):
    ...     profile.update_raw(0, price, size, 1)
    >>> profile.point_of_control, profile.volume
    (101.0, 40.0)
    """

    OUTPUTS: ClassVar = {
        "point_of_control": Output("price", shift=1),
        "value_area_low": Output("price", shift=1),
        "value_area_high": Output("price", shift=1),
        "volume": Output("base", scale=1),
    }

    def __init__(
        self,
        scale: MarketScale,
        bars: int = 60,
        ticks_per_row: int = 1,
        pct: float = 0.70,
        method: str = "two_row",
        bar: BarType = BarType.TIME,
        bar_size: float = 60.0,
        session: str = "FULL_DAY",
    ) -> None:
        if not 0.0 < pct <= 1.0:
            raise ValueError(f"`pct` must be in (0, 1], was {pct}")
        if method not in VALUE_AREA_METHODS:
            raise ValueError(f"`method` must be one of {VALUE_AREA_METHODS}, was {method!r}")
        self._bars = bars
        self._profile = RollingProfile(bars, ticks_per_row=ticks_per_row)
        super().__init__(scale, bar, bar_size, ticks_per_row, session, params=[bars, pct, method])
        self._pct, self._method = pct, method
        self._read: tuple[int, int, int] | None = None

    @property
    def point_of_control(self) -> float:
        """The middle tick of the row with the most volume, in price."""
        return self._key_price(0)

    @property
    def value_area_low(self) -> float:
        """The lowest tick of the value area, in price."""
        return self._key_price(1)

    @property
    def value_area_high(self) -> float:
        """The highest tick of the value area, in price."""
        return self._key_price(2)

    @property
    def volume(self) -> float:
        """What these bars traded, base units."""
        lots = int(self._profile.volume()[1].sum())
        return self._when_ready(float(self._scale.size(lots)))

    def _on_bar(self, bar: ClosedBar) -> None:
        volume = bar.cells[:, :3].sum(axis=1)
        self._profile.add_bar(bar.close_ts, bar.low_row, volume, bar.ticks_per_row)
        self._read = None
        self._seen(ready=len(self._profile) >= self._bars)

    def _key_price(self, which: int) -> float:
        self._read = self._read or self._profile.key_prices(self._pct, self._method)
        ticks = self._read[which] if self._read else 0
        return self._when_ready(float(self._scale.price(ticks)))

    def _reset(self) -> None:
        super()._reset()
        self._profile.reset()
        self._read = None
