"""Composite volume profile as a Nautilus indicator."""

from of_nautilus.core.profile import Profile, composite
from of_nautilus.core.ticks import MarketScale
from of_nautilus.indicators.profile import VolumeProfile


class CompositeVolumeProfile(VolumeProfile):
    """Measures at which prices the volume of several sessions traded, the running one included.

    The profiles of the last finished sessions and of the one that develops are added row by row;
    POC, value area, shape and nodes are those of the sum, as `VolumeProfile` has them of one. While
    fewer sessions have finished it is the sum of those.

    Parameters
    ----------
    scale : MarketScale
        The instrument's tick and lot.
    past : int, default 4
        How many finished sessions are added to the running one, >= 1.
    ticks_per_row : int, default 1
        Height of a row, >= 1.
    session : str, default "FULL_DAY"
        When a session ends; see `core.sessions.SessionClock`.
    pct : float, default 0.70
        Share of the volume in the value area, in (0, 1].
    method : str, default "two_row"
        How the value area grows: "two_row" or "one_row" at a time.

    Attributes
    ----------
    point_of_control, value_area_low, value_area_high : float
        The middle tick of the POC's row, the first and the last tick of the value area, in price;
        NaN before the first trade.
    volume : float
        What these sessions traded, base units.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Examples
    --------
    >>> from decimal import Decimal
    >>> profile = CompositeVolumeProfile(MarketScale(Decimal("0.5"), Decimal("1")), session="1h")
    >>> for hour, price, size in ((0, 100.0, 30.0), (1, 101.0, 20.0)):
    ...     profile.update_raw(hour * 3600 * 10**9, price, size, 1)
    >>> profile.point_of_control, profile.volume
    (100.0, 50.0)
    """

    def __init__(
        self,
        scale: MarketScale,
        past: int = 4,
        ticks_per_row: int = 1,
        session: str = "FULL_DAY",
        pct: float = 0.70,
        method: str = "two_row",
    ) -> None:
        if past < 1:
            raise ValueError(f"`past` must be >= 1, was {past}")
        super().__init__(scale, ticks_per_row, session, pct, method, keep=past)
        self._past: Profile | None = None

    def _shown(self) -> Profile:
        return self.developing if self._past is None else composite([self._past, self.developing])

    def _lots(self) -> int:
        return super()._lots() + (0 if self._past is None else int(self._past.hist.sum()))

    def _finish(self) -> None:
        super()._finish()
        self._past = composite(self.sessions)

    def _reset(self) -> None:
        super()._reset()
        self._past = None
