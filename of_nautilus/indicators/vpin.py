"""VPIN as a Nautilus indicator."""

from decimal import Decimal
from typing import ClassVar

from numba import njit

from of_nautilus.core.record import Ints, State
from of_nautilus.core.vpin import add_volume, new_rank, new_vpin, set_bucket, step_rank
from of_nautilus.indicators.base import Output, TradeIndicator


@njit(cache=True)
def _update(state: State, ring: Ints, lots: float, side: int) -> int:
    return int(add_volume(state[0], ring, round(lots), side))


class Vpin(TradeIndicator):
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

    OUTPUTS: ClassVar = {"value": Output("ratio")}

    def __init__(self, lot: Decimal, bucket: float, buckets: int = 50, history: int = 2500) -> None:
        if not lot > 0:
            raise ValueError(f"`lot` must be > 0, was {lot}")
        lots = round(Decimal(str(bucket)) / lot)
        if lots < 1:
            raise ValueError(f"`bucket` must be >= {lot}, was {bucket}")
        state, ring = new_vpin(lots, buckets)
        history_state, values = new_rank(history)
        super().__init__([str(lot), bucket, buckets])
        self._lot = lot
        self._bucket = lots
        self._lots_per_unit = float(1 / lot)
        self._state, self._ring = state, ring
        self._history, self._values = history_state, values
        self._rank = float("nan")

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
        lots = round(Decimal(str(bucket)) / self._lot)
        if lots < 1:
            raise ValueError(f"`bucket` must be >= {self._lot}, was {bucket}")
        set_bucket(self._state, lots)

    def update_raw(self, ts: int, price: float, size: float, side: int) -> None:
        """Update with a trade in decimals; `ts` and `price` are not used."""
        if _update(self._state, self._ring, size * self._lots_per_unit, side):
            value = float(self._state["value"][0])
            self._rank = float(step_rank(self._history, self._values, value))
        self._seen(ready=self.closed_buckets >= self._ring.shape[1])

    def _reset(self) -> None:
        self._state, self._ring = new_vpin(self._bucket, self._ring.shape[1])
        self._history, self._values = new_rank(len(self._values))
        self._rank = float("nan")
