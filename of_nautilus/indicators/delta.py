"""Cumulative volume delta as a Nautilus indicator."""

from decimal import Decimal
from typing import ClassVar

from numba import njit

from of_nautilus.core.delta import CvdReset, add_trade, anchor, new_cvd
from of_nautilus.core.record import State
from of_nautilus.core.sessions import SessionClock
from of_nautilus.indicators.base import Output, SessionIndicator

_NEVER = 0x7FFFFFFFFFFFFFFF


@njit(cache=True)
def _update(state: State, ts: int, lots: float, side: int) -> None:
    add_trade(state[0], ts, round(lots), side)


class CumulativeVolumeDelta(SessionIndicator):
    """Measures by how much buyers were the aggressors since an anchor.

    ``CVD = sum(side * size)``, side +1 where the buyer was the aggressor, -1 where the seller was,
    0 where nobody knows.

    Parameters
    ----------
    lot : Decimal
        The instrument's size increment, > 0: sums are exact in whole lots.
    reset : CvdReset, default SESSION
        When the sum starts from zero again.
    session : str, default "FULL_DAY"
        Which session; see `core.sessions.SessionClock`. It matters only where `reset` is SESSION.

    Attributes
    ----------
    value, minimum, maximum : float
        The CVD and its bounds since the anchor, base units; NaN before the first trade.
    anchor_ts : int
        When the sum started, ns UTC.
    outside_session : int
        Trades outside any session: they were left out.

    Raises
    ------
    ValueError
        If `lot` is not positive or `session` is unknown.

    Examples
    --------
    >>> cvd = CumulativeVolumeDelta(lot=Decimal("0.001"))
    >>> for size, side in ((0.010, 1), (0.004, -1)):
    ...     cvd.update_raw(0, 100.0, size, side)
    >>> cvd.value
    0.006
    """

    OUTPUTS: ClassVar = {
        "value": Output("base", sign=-1, scale=1),
        "minimum": Output("base", sign=-1, mirror="maximum", scale=1),
        "maximum": Output("base", sign=-1, mirror="minimum", scale=1),
    }

    def __init__(
        self,
        lot: Decimal,
        reset: CvdReset = CvdReset.SESSION,
        session: str = "FULL_DAY",
    ) -> None:
        if not lot > 0:
            raise ValueError(f"`lot` must be > 0, was {lot}")
        clock = SessionClock("FULL_DAY" if reset == CvdReset.UTC_DAY else session)
        self._resets = reset != CvdReset.NEVER
        super().__init__(clock, [str(lot), reset.name, session])
        self._lot = float(lot)
        self._lots_per_unit = float(1 / lot)
        self._state = new_cvd()

    @property
    def value(self) -> float:
        """The CVD, base units."""
        return self._in_units("value")

    @property
    def minimum(self) -> float:
        """The lowest CVD since the anchor, base units."""
        return self._in_units("minimum")

    @property
    def maximum(self) -> float:
        """The highest CVD since the anchor, base units."""
        return self._in_units("maximum")

    @property
    def anchor_ts(self) -> int:
        """When the sum started, ns UTC."""
        return int(self._state["anchor_ts"][0])

    def update_raw(self, ts: int, price: float, size: float, side: int) -> None:
        """Update with a trade in decimals; `price` is not used."""
        if not self._first <= ts < self._end and not self._opens(ts):
            return
        _update(self._state, ts, size * self._lots_per_unit, side)
        self._seen(ready=True)

    def _open_session(self, start: int) -> None:
        anchor(self._state[0], start)

    def _forget_session(self) -> None:
        super()._forget_session()
        if not self._resets:
            self._end = _NEVER

    def _in_units(self, name: str) -> float:
        return self._when_ready(round(int(self._state[name][0]) * self._lot, 12))

    def _reset(self) -> None:
        super()._reset()
        self._state = new_cvd()
