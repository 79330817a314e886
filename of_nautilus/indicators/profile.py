"""Volume profile of the session as a Nautilus indicator."""

from collections import deque
from collections.abc import Callable
from typing import ClassVar

from numba import njit

from of_nautilus.core.profile import (
    NakedPocs,
    Profile,
    add_trade,
    new_profile,
    next_profile,
    snapshot,
    widen,
)
from of_nautilus.core.record import Ints, State
from of_nautilus.core.sessions import SessionClock
from of_nautilus.core.ticks import MarketScale, steps_of
from of_nautilus.core.value_area import (
    VALUE_AREA_METHODS,
    Shape,
    high_volume_nodes,
    low_volume_nodes,
    profile_shape,
)
from of_nautilus.indicators.base import Output, SessionIndicator

# Bins that a profile is brought to before its nodes are looked for: a fine one has many by chance.
_NODE_BINS = 40


@njit(cache=True)
def _update(
    state: State, hist: Ints, ts: int, price: float, tick: float, lots: float, side: int
) -> bool:
    ticks, _ = steps_of(price, tick)
    return bool(add_trade(state[0], hist, ts, ticks, round(lots), side))


class VolumeProfile(SessionIndicator):
    """Measures at which prices a session's volume traded: its POC and its value area.

    The POC is the row with the most volume (ties: nearest the middle, then the lower); the value
    area grows around it until it holds `pct` of the volume. Both develop with each trade.

    Parameters
    ----------
    scale : MarketScale
        The instrument's tick and lot.
    ticks_per_row : int, default 1
        Height of a row, >= 1.
    session : str, default "FULL_DAY"
        When the profile starts anew; see `core.sessions.SessionClock`.
    pct : float, default 0.70
        Share of the volume in the value area, in (0, 1].
    method : str, default "two_row"
        How the value area grows: "two_row" or "one_row" at a time.
    keep : int, default 5
        How many finished sessions to keep, >= 1.

    Attributes
    ----------
    point_of_control, value_area_low, value_area_high : float
        The middle tick of the POC's row, the first and the last tick of the value area, in price;
        NaN before the first trade.
    volume : float
        What the session traded, base units.
    shape : Shape
        P (volume high), b (low), D (middle), DOUBLE, or UNKNOWN.
    high_volume_nodes, low_volume_nodes : list of float
        The middle ticks of the rows, in price, where volume peaks above the mean by one deviation,
        and where it dips below it by one and a half (or below a fifth of it).
    sessions : deque of Profile
        The last finished sessions, the newest last; integer ticks and lots.
    naked : NakedPocs
        Their POCs that the market has not traded at since, ticks.
    outside_session : int
        Trades outside any session: they were left out.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Examples
    --------
    >>> from decimal import Decimal
    >>> profile = VolumeProfile(MarketScale(Decimal("0.5"), Decimal("1")))
    >>> for price, size in ((100.0, 10.0), (100.5, 30.0), (101.0, 10.0)):
    ...     profile.update_raw(0, price, size, 1)
    >>> profile.point_of_control, profile.value_area_low, profile.value_area_high
    (100.5, 100.5, 101.0)
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
        ticks_per_row: int = 1,
        session: str = "FULL_DAY",
        pct: float = 0.70,
        method: str = "two_row",
        keep: int = 5,
    ) -> None:
        if not 0.0 < pct <= 1.0:
            raise ValueError(f"`pct` must be in (0, 1], was {pct}")
        if method not in VALUE_AREA_METHODS:
            raise ValueError(f"`method` must be one of {VALUE_AREA_METHODS}, was {method!r}")
        if keep < 1:
            raise ValueError(f"`keep` must be >= 1, was {keep}")
        state, hist = new_profile(ticks_per_row)
        super().__init__(SessionClock(session), [ticks_per_row, session, pct, method])
        self._scale = scale
        self._tick = float(scale.tick)
        self._lots_per_unit = float(1 / scale.lot)
        self._pct, self._method = pct, method
        self._state, self._hist = state, hist
        self._read: tuple[int, tuple[int, int, int]] = (0, (0, 0, 0))
        self.sessions: deque[Profile] = deque(maxlen=keep)
        self.naked = NakedPocs()

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
        """What the session traded, base units."""
        return self._when_ready(float(self._scale.size(self._lots())))

    @property
    def shape(self) -> Shape:
        """Where the volume lies; UNKNOWN before the first trade."""
        return profile_shape(self._shown().hist).shape if self.initialized else Shape.UNKNOWN

    @property
    def high_volume_nodes(self) -> list[float]:
        """Where volume peaks, in price, the lowest first."""
        return self._prices_of(high_volume_nodes)

    @property
    def low_volume_nodes(self) -> list[float]:
        """Where volume dips, in price, the lowest first."""
        return self._prices_of(low_volume_nodes)

    @property
    def developing(self) -> Profile:
        """A copy of the session's profile so far; `ValueError` before its first trade."""
        return snapshot(self._state, self._hist)

    def update_raw(self, ts: int, price: float, size: float, side: int) -> None:
        """Update with a trade in decimals."""
        if not self._first <= ts < self._end and not self._opens(ts):
            return
        lots = size * self._lots_per_unit
        while not _update(self._state, self._hist, ts, price, self._tick, lots, side):
            self._hist = widen(self._state, self._hist, steps_of(price, self._tick)[0])
        if self.naked.prices:
            ticks = int(self._state["close"][0])
            self.naked.touch(ticks, ticks)
        self._seen(ready=True)

    def _open_session(self, start: int) -> None:
        if self.initialized:
            self._finish()

    def _finish(self) -> None:
        finished = self.developing
        self.sessions.append(finished)
        self.naked.add(finished.last_ts, finished.key_prices(self._pct, self._method)[0])
        next_profile(self._state, self._hist)

    def _shown(self) -> Profile:
        """Return the profile that the outputs are of."""
        return self.developing

    def _lots(self) -> int:
        """Return its volume."""
        return int(self._state["volume"][0])

    def _prices_of(self, nodes: Callable[[Ints, int], list[int]]) -> list[float]:
        if not self.initialized:
            return []
        shown = self._shown()
        height = shown.ticks_per_row
        rows = [shown.low_row + row for row in nodes(shown.hist, _NODE_BINS)]
        return [float(self._scale.price(row * height + (height - 1) // 2)) for row in rows]

    def _key_price(self, which: int) -> float:
        trades = int(self._state["trades"][0])
        if not trades:
            return self._when_ready(float("nan"))
        if self._read[0] != trades:
            self._read = trades, self._shown().key_prices(self._pct, self._method)
        return self._when_ready(float(self._scale.price(self._read[1][which])))

    def _reset(self) -> None:
        super()._reset()
        self._state, self._hist = new_profile(int(self._state["ticks_per_row"][0]))
        self._read = (0, (0, 0, 0))
        self.sessions.clear()
        self.naked = NakedPocs()
