"""Volume-weighted average price as a Nautilus indicator."""

from typing import ClassVar

from numba import njit

from of_nautilus.core.record import State
from of_nautilus.core.sessions import SessionClock
from of_nautilus.core.ticks import MarketScale, steps_of
from of_nautilus.core.vwap import add_trade, new_vwap, next_vwap, read_vwap
from of_nautilus.indicators.base import Output, SessionIndicator


@njit(cache=True)
def _update(state: State, ts: int, price: float, tick: float, lots: float) -> None:
    ticks, _ = steps_of(price, tick)
    add_trade(state[0], ts, ticks, round(lots))


@njit(cache=True)
def _read(state: State) -> tuple[float, float]:
    average, deviation = read_vwap(state[0])
    return average, deviation


class VolumeWeightedAveragePrice(SessionIndicator):
    """Measures the average price of what traded in the session, and how far prices lie from it.

    ``VWAP = sum(p * q) / sum(q)``, ``deviation = sqrt(sum(q * (p - VWAP)**2) / sum(q))``, from
    exact sums. The session is told by date and time, so a month apart is not the same day.

    Parameters
    ----------
    scale : MarketScale
        The instrument's tick and lot.
    session : str, default "FULL_DAY"
        When the average starts anew; see `core.sessions.SessionClock`.

    Attributes
    ----------
    value, deviation : float
        The VWAP and the standard deviation around it, in price; NaN before the first trade.
    outside_session : int
        Trades outside any session: they were left out.

    Raises
    ------
    ValueError
        If `session` is unknown.

    Examples
    --------
    >>> from decimal import Decimal
    >>> vwap = VolumeWeightedAveragePrice(MarketScale(Decimal("1"), Decimal("1")))
    >>> for price, size in ((100.0, 10.0), (101.0, 20.0), (99.0, 10.0), (102.0, 10.0)):
    ...     vwap.update_raw(0, price, size, 1)
    >>> round(vwap.value, 9), round(vwap.band(-1), 9)
    (100.6, 99.580196097)
    """

    OUTPUTS: ClassVar = {"value": Output("price", shift=1), "deviation": Output("price")}

    def __init__(self, scale: MarketScale, session: str = "FULL_DAY") -> None:
        try:
            clock = SessionClock(session)
        except ValueError as error:
            raise ValueError(str(error).replace("`spec`", "`session`")) from None
        super().__init__(clock, [session])
        self._tick = float(scale.tick)
        self._lots_per_unit = float(1 / scale.lot)
        self._state = new_vwap()

    @property
    def value(self) -> float:
        """The VWAP, in price."""
        return self._when_ready(_read(self._state)[0] * self._tick)

    @property
    def deviation(self) -> float:
        """The volume-weighted standard deviation around the VWAP, in price."""
        return self._when_ready(_read(self._state)[1] * self._tick)

    def band(self, k: float) -> float:
        """Return VWAP + k deviations, in price; NaN before the first trade."""
        return self.value + k * self.deviation

    def update_raw(self, ts: int, price: float, size: float, side: int) -> None:
        """Update with a trade in decimals; `side` is not used."""
        if not self._first <= ts < self._end and not self._opens(ts):
            return
        _update(self._state, ts, price, self._tick, size * self._lots_per_unit)
        self._seen(ready=True)

    def _open_session(self, start: int) -> None:
        next_vwap(self._state)

    def _reset(self) -> None:
        super()._reset()
        self._state = new_vwap()
