"""Parent orders as a Nautilus indicator."""

from typing import ClassVar

from nautilus_trader.model.data import TradeTick

from of_nautilus.core.parents import NO_ID, new_parent, step_parent
from of_nautilus.core.ticks import MarketScale, steps_of, whole_microseconds
from of_nautilus.indicators.base import SIDES, Output, TradeIndicator

# Digits of a trade id that fit into 64 bits, whatever they are.
_ID_DIGITS = 18


class ParentOrders(TradeIndicator):
    """Puts the prints of one market order together again.

    Prints on end with one event time and aggressor side, and consecutive trade ids where ids are
    numbers, are one order. It is complete when a print comes that does not belong to it, so the
    outputs are those of the order before the newest print's. Prints without size are passed over
    and counted.

    Parameters
    ----------
    scale : MarketScale
        The instrument's tick and lot.

    Attributes
    ----------
    side : float
        Of the last complete order: 1.0 buyer, -1.0 seller, 0.0 unknown; NaN before there is one.
    size : float
        Base units.
    prints, levels : float
        Its prints, and the prices it went through: one, and one for each change of price.
    first, last, low, high, average : float
        Its prices; `average` is weighted by size.
    ts : int
        Its event time, ns UTC; 0 before there is one.
    completed : int
        How many orders have been completed.
    bad_sizes : int
        How many prints had no size.

    Raises
    ------
    ValueError
        If an increment of `scale` is not positive.

    Examples
    --------
    >>> from decimal import Decimal
    >>> orders = ParentOrders(MarketScale(Decimal("1"), Decimal("1")))
    >>> for ts, price, size, side in ((5, 100.0, 3.0, 1), (5, 101.0, 1.0, 1), (9000, 101, 2, 1)):
    ...     orders.update_raw(ts, price, size, side)
    >>> orders.size, orders.levels, orders.average
    (4.0, 2.0, 100.25)
    """

    OUTPUTS: ClassVar = {
        "side": Output("sign", sign=-1),
        "size": Output("base", scale=1),
        "prints": Output("count"),
        "levels": Output("count"),
        "first": Output("price", shift=1),
        "last": Output("price", shift=1),
        "low": Output("price", shift=1),
        "high": Output("price", shift=1),
        "average": Output("price", shift=1),
    }

    def __init__(self, scale: MarketScale) -> None:
        super().__init__([str(scale.tick), str(scale.lot)])
        self._scale = scale
        self._tick, self._lot = float(scale.tick), float(scale.lot)
        self._lots_per_unit = float(1 / scale.lot)
        self._start()

    def _start(self) -> None:
        self._open, self._order = new_parent(), new_parent()
        self.completed = self.bad_sizes = 0

    @property
    def side(self) -> float:
        """Of the last complete order: 1.0 buyer, -1.0 seller, 0.0 unknown."""
        return self._field("side")

    @property
    def size(self) -> float:
        """Its size, base units."""
        return self._field("lots", self._lot)

    @property
    def prints(self) -> float:
        """Of how many prints it was made."""
        return self._field("prints")

    @property
    def levels(self) -> float:
        """The prices that it went through."""
        return self._field("levels")

    @property
    def first(self) -> float:
        """The price of its first print."""
        return self._price("first")

    @property
    def last(self) -> float:
        """The price of its last print."""
        return self._price("last")

    @property
    def low(self) -> float:
        """Its lowest price."""
        return self._price("low")

    @property
    def high(self) -> float:
        """Its highest price."""
        return self._price("high")

    @property
    def average(self) -> float:
        """Its price, weighted by size."""
        lots = max(int(self._order["lots"][0]), 1)
        return self._when_ready(int(self._order["dollars"][0]) / lots * self._tick)

    @property
    def ts(self) -> int:
        """Its event time, ns UTC."""
        return int(self._order["ts"][0])

    def handle_trade_tick(self, tick: TradeTick) -> None:
        """Update the indicator with a trade."""
        name = tick.trade_id.value
        numbered = name.isdecimal() and len(name) <= _ID_DIGITS
        self.update_raw(
            tick.ts_event,
            tick.price.as_double(),
            tick.size.as_double(),
            SIDES[tick.aggressor_side],
            int(name) if numbered else NO_ID,
        )

    def update_raw(
        self, ts: int, price: float, size: float, side: int, trade_id: int = NO_ID
    ) -> None:
        """Update with a print in decimals; `trade_id` is -1 where ids are no numbers."""
        ts, ticks = int(whole_microseconds(ts)), steps_of(price, self._tick)[0]
        lots = round(size * self._lots_per_unit)
        if lots < 1:
            self.bad_sizes += 1
        elif step_parent(self._open, self._order, ts, ticks, lots, side, 0, trade_id):
            self.completed += 1
        self._seen(ready=self.completed > 0)

    def _price(self, name: str) -> float:
        return self._when_ready(float(self._scale.price(int(self._order[name][0]))))

    def _field(self, name: str, unit: float = 1.0) -> float:
        return self._when_ready(round(int(self._order[name][0]) * unit, 12))

    def _reset(self) -> None:
        self._start()
