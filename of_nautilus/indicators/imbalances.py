"""Footprint imbalances as a Nautilus indicator."""

from typing import ClassVar

from of_nautilus.core.footprint import ClosedBar
from of_nautilus.core.imbalance import (
    BUY_FLAG,
    SELL_FLAG,
    ImbalanceRule,
    imbalance_flags,
    imbalance_stacks,
)
from of_nautilus.core.record import Bytes
from of_nautilus.core.ticks import MarketScale
from of_nautilus.engine import BarType
from of_nautilus.indicators.bars import FootprintIndicator
from of_nautilus.indicators.base import Output


class FootprintImbalances(FootprintIndicator):
    """Finds rows of a footprint bar where one aggressor outweighs the other, and stacks of them.

    By the default rule a row is a buy imbalance where what was bought there is at least three times
    what was sold one row below, a sell imbalance where what was sold is at least three times what
    was bought one row above; three on end are a stack. Other packages' rules go by their names, and
    each parameter can be set (`core.imbalance.ImbalanceRule`).

    Parameters
    ----------
    scale : MarketScale
        The instrument's tick and lot.
    rule : ImbalanceRule or str, default "default"
        A rule, or the name of one: default, atas, flowsurface, pine, orderflowbot, freqtrade. Least
        volumes of a rule are lots.
    bar : BarType, default TIME
        What closes a bar.
    bar_size : float, default 60
        How much of it: seconds, prints, base units, quote units or ticks. > 0.
    ticks_per_row : int, default 1
        Height of a row, >= 1.
    session : str, default "FULL_DAY"
        A bar ends with its session; see `core.sessions.SessionClock`.

    Attributes
    ----------
    buys, sells : float
        Rows of the newest closed bar that are imbalances; NaN before one has closed.
    buy_stacks, sell_stacks : float
        Its stacks.
    rows : list of (float, int)
        The imbalances: the row's lowest price, and +1 (buy) or -1 (sell); the lowest first.
    stacks : list of (float, float, int)
        The stacks: their first and last tick in price, and the side; those of buyers first.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Examples
    --------
    >>> from decimal import Decimal
    >>> scale = MarketScale(Decimal("1"), Decimal("1"))
    >>> found = FootprintImbalances(scale, bar=BarType.TICK, bar_size=4)
    >>> for price, size, side in ((99, 5, -1), (100, 14, 1), (100, 5, -1), (101, 15, 1)):
    ...     found.update_raw(0, float(price), float(size), side)
    >>> found.rows, found.buy_stacks
    ([(101.0, 1)], 0.0)
    """

    OUTPUTS: ClassVar = {
        # Diagonals lean to one side: the rows are others when buyers and sellers change places.
        "buys": Output("count", sign=0),
        "sells": Output("count", sign=0),
        "buy_stacks": Output("count", sign=0),
        "sell_stacks": Output("count", sign=0),
    }

    def __init__(
        self,
        scale: MarketScale,
        rule: ImbalanceRule | str = "default",
        bar: BarType = BarType.TIME,
        bar_size: float = 60.0,
        ticks_per_row: int = 1,
        session: str = "FULL_DAY",
    ) -> None:
        try:
            self.rule = ImbalanceRule.preset(rule) if isinstance(rule, str) else rule
        except ValueError as error:
            raise ValueError(str(error).replace("`name`", "`rule`")) from None
        super().__init__(scale, bar, bar_size, ticks_per_row, session, params=[rule])

    @property
    def buys(self) -> float:
        """Rows where buyers outweigh sellers."""
        return self._of_newest(lambda bar: _count(self._flags(bar), BUY_FLAG))

    @property
    def sells(self) -> float:
        """Rows where sellers outweigh buyers."""
        return self._of_newest(lambda bar: _count(self._flags(bar), SELL_FLAG))

    @property
    def buy_stacks(self) -> float:
        """Stacks of buy imbalances."""
        return self._of_newest(lambda bar: self._stacks(bar, 1))

    @property
    def sell_stacks(self) -> float:
        """Stacks of sell imbalances."""
        return self._of_newest(lambda bar: self._stacks(bar, -1))

    @property
    def rows(self) -> list[tuple[float, int]]:
        """The imbalances of the newest closed bar as (lowest price, side)."""
        bar = self._newest
        if bar is None:
            return []
        sides = ((BUY_FLAG, 1), (SELL_FLAG, -1))
        return [
            (self._price(bar, row), side)
            for row, flags in enumerate(self._flags(bar))
            for flag, side in sides
            if flags & flag
        ]

    @property
    def stacks(self) -> list[tuple[float, float, int]]:
        """The stacks of the newest closed bar as (first tick, last tick, side)."""
        bar = self._newest
        if bar is None:
            return []
        return [
            (self._price(bar, low), self._price(bar, high + 1, -1), side)
            for low, high, side in imbalance_stacks(self.rule, bar.cells)
        ]

    def _flags(self, bar: ClosedBar) -> Bytes:
        return imbalance_flags(self.rule, bar.cells)

    def _stacks(self, bar: ClosedBar, side: int) -> int:
        return sum(stack[2] == side for stack in imbalance_stacks(self.rule, bar.cells))

    def _price(self, bar: ClosedBar, row: int, more: int = 0) -> float:
        return float(self._scale.price((bar.low_row + row) * bar.ticks_per_row + more))


def _count(flags: Bytes, flag: int) -> int:
    return int(((flags & flag) > 0).sum())
