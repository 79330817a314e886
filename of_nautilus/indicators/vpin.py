"""VPIN as Nautilus indicators: by the aggressors of trades, and in bulk by bars."""

import math
from decimal import Decimal
from typing import ClassVar

from numba import njit

from of_nautilus.core.bvc import new_bvc, step_bvc
from of_nautilus.core.footprint import ClosedBar
from of_nautilus.core.record import Ints, State
from of_nautilus.core.ticks import MarketScale
from of_nautilus.core.vpin import (
    add_volume,
    new_rank,
    new_vpin,
    set_bucket,
    step_rank,
    step_vpin_bulk,
)
from of_nautilus.engine import BarType
from of_nautilus.indicators.bars import BarIndicator
from of_nautilus.indicators.base import FlowIndicator, Output, TradeIndicator


@njit(cache=True)
def _update(state: State, ring: Ints, lots: float, side: int) -> int:
    return int(add_volume(state[0], ring, round(lots), side))


class _Buckets(FlowIndicator):
    """Buckets of equal volume and what is read from them, the same for both ways to fill them."""

    OUTPUTS: ClassVar = {"value": Output("ratio")}

    def _make_buckets(self, lot: Decimal, bucket: float, buckets: int, history: int) -> None:
        if not lot > 0:
            raise ValueError(f"`lot` must be > 0, was {lot}")
        if history < 2:
            raise ValueError(f"`history` must be >= 2, was {history}")
        self._increment = lot
        self._bucket = self._lots_of(bucket)
        self._spans = buckets, history
        self._empty_buckets()

    def _empty_buckets(self) -> None:
        buckets, history = self._spans
        self._state, self._ring = new_vpin(self._bucket, buckets)
        self._history, self._values = new_rank(history)
        self._rank = math.nan

    def _lots_of(self, bucket: float) -> int:
        lots = round(Decimal(str(bucket)) / self._increment)
        if lots < 1:
            raise ValueError(f"`bucket` must be >= {self._increment}, was {bucket}")
        return lots

    def _closed(self, count: int) -> None:
        """Take note that so many buckets closed."""
        if count:
            value = float(self._state["value"][0])
            self._rank = float(step_rank(self._history, self._values, value))
        self._seen(ready=self.closed_buckets >= self._ring.shape[1])

    @property
    def value(self) -> float:
        """VPIN, 0 to 1."""
        return self._when_ready(self._state["value"][0])

    @property
    def rank(self) -> float:
        """Share of the earlier readings that are at most as high as this one."""
        return self._rank

    @property
    def closed_buckets(self) -> int:
        """How many buckets have been filled."""
        return int(self._state["buckets"][0])

    def set_bucket(self, bucket: float) -> None:
        """Set the volume of the buckets to come, base units, at least one lot."""
        set_bucket(self._state, self._lots_of(bucket))


class Vpin(_Buckets, TradeIndicator):
    """Measures how one-sided the flow is, in volume time: the probability of informed trading.

    ``VPIN = sum(|buy - sell|) / sum(volume)`` over the last buckets of equal volume; a trade that
    is larger than the room left in a bucket is split. Evidence on its use is mixed: it rises with
    trading intensity, and says nothing about direction.

    Parameters
    ----------
    lot : Decimal
        The instrument's size increment, > 0.
    bucket : float
        Volume of a bucket in base units, at least one lot: the mean daily volume over 50.
    buckets : int, default 50
        How many buckets a reading spans, >= 1.
    history : int, default 2500
        Over how many earlier buckets' readings the rank is taken, >= 2.

    Attributes
    ----------
    value : float
        VPIN, 0 to 1; NaN before so many buckets are full.
    rank : float
        Share of the `history` readings before this one that are at most as high; NaN until there
        are so many.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Source: Easley, Lopez de Prado and O'Hara (2012), Review of Financial Studies 25(5).

    Examples
    --------
    >>> vpin = Vpin(Decimal("1"), bucket=100, buckets=3)
    >>> for size, side in ((250.0, 1), (50.0, -1)):
    ...     vpin.update_raw(0, 100.0, size, side)
    >>> vpin.value
    0.6666666666666666
    """

    def __init__(self, lot: Decimal, bucket: float, buckets: int = 50, history: int = 2500) -> None:
        self._make_buckets(lot, bucket, buckets, history)
        super().__init__([str(lot), bucket, buckets])
        self._lots_per_unit = float(1 / lot)

    def update_raw(self, ts: int, price: float, size: float, side: int) -> None:
        """Update with a trade in decimals; `ts` and `price` are not used."""
        self._closed(_update(self._state, self._ring, size * self._lots_per_unit, side))

    def _reset(self) -> None:
        self._empty_buckets()


class BulkVpin(_Buckets, BarIndicator):
    """Measures how one-sided the flow is, in volume time, without knowing any aggressor.

    VPIN as its authors have it: how much of each bar was bought is told from its change of price
    (`BulkVolume`), and the bar, as one flow in that proportion and in whole lots, fills buckets of
    equal volume; ``VPIN = sum(|buy - sell|) / sum(volume)`` over the last ones. The first bar has
    no change of price and fills none. `Vpin` is the one for feeds that name the aggressor.

    Parameters
    ----------
    scale : MarketScale
        The instrument's tick and lot.
    bucket : float
        Volume of a bucket in base units, at least one lot: the mean daily volume over 50.
    buckets : int, default 50
        How many buckets a reading spans, >= 1.
    history : int, default 2500
        Over how many earlier readings the rank is taken, >= 2.
    window : int, default 50
        Bars over which the deviation of price changes is taken, >= 2.
    freedom : float, default 0
        Degrees of freedom of the Student-t distribution, > 0, or 0 for the normal one.
    bar : BarType, default TIME
        What closes a bar.
    bar_size : float, default 60
        How much of it: seconds, prints, base units, quote units or ticks. > 0.
    session : str, default "FULL_DAY"
        A bar ends with its session; see `core.sessions.SessionClock`. Buckets go on.

    Attributes
    ----------
    value : float
        VPIN, 0 to 1; NaN before so many buckets are full.
    rank : float
        Share of the `history` readings before this one that are at most as high; NaN until there
        are so many.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Source: Easley, Lopez de Prado and O'Hara (2012), Review of Financial Studies 25(5).

    Examples
    --------
    >>> scale = MarketScale(Decimal("1"), Decimal("1"))
    >>> vpin = BulkVpin(scale, bucket=10, buckets=2, bar=BarType.TICK, bar_size=1)
    >>> for price in (100.0, 101.0, 101.0):
    ...     vpin.update_raw(0, price, 10.0, 0)
    >>> vpin.value
    0.5
    """

    def __init__(
        self,
        scale: MarketScale,
        bucket: float,
        buckets: int = 50,
        history: int = 2500,
        window: int = 50,
        freedom: float = 0.0,
        bar: BarType = BarType.TIME,
        bar_size: float = 60.0,
        session: str = "FULL_DAY",
    ) -> None:
        self._make_buckets(scale.lot, bucket, buckets, history)
        self._bulk, self._changes = new_bvc(window, freedom)
        super().__init__(scale, bar, bar_size, session=session, params=[bucket, buckets, window])
        self._freedom = freedom

    def _on_bar(self, bar: ClosedBar) -> None:
        buy = step_bvc(self._bulk, self._changes, bar.close, bar.volume)
        if buy == buy:
            self._closed(step_vpin_bulk(self._state, self._ring, bar.volume, buy))

    def _reset(self) -> None:
        super()._reset()
        self._empty_buckets()
        self._bulk, self._changes = new_bvc(len(self._changes), self._freedom)
