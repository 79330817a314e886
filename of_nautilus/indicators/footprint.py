"""Footprint bars as a Nautilus indicator."""

from collections import deque
from collections.abc import Callable
from typing import ClassVar

from of_nautilus.core.footprint import ClosedBar
from of_nautilus.core.ticks import MarketScale
from of_nautilus.core.value_area import point_of_control
from of_nautilus.engine import BarClosed, BarType, FlowConfig, FlowEngine
from of_nautilus.indicators.base import Output, TradeIndicator


class Footprint(TradeIndicator):
    """Measures how much was bought and sold aggressively at each price, bar by bar.

    Parameters
    ----------
    scale : MarketScale
        The instrument's tick and lot.
    bar : BarType, default TIME
        What closes a bar.
    bar_size : float, default 60
        How much of it: seconds, prints, base units, quote units or ticks. > 0.
    ticks_per_row : int, default 1
        Height of a row, >= 1.
    session : str, default "FULL_DAY"
        A bar ends with its session; see `core.sessions.SessionClock`.
    keep : int, default 100
        How many closed bars to keep, >= 1.

    Attributes
    ----------
    bars : deque of ClosedBar
        The last closed bars, the newest last; integer ticks and lots.
    last : ClosedBar or None
        The newest of them.
    delta, volume, delta_minimum, delta_maximum : float
        Of the newest closed bar, base units; NaN before one has closed.
    open, high, low, close : float
        Its prices.
    point_of_control : float
        The lowest price of its row with the most volume.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Examples
    --------
    >>> from decimal import Decimal
    >>> footprint = Footprint(MarketScale(Decimal("0.1"), Decimal("0.001")), bar_size=1)
    >>> for ts, size, side in ((0, 0.010, 1), (1, 0.004, -1), (10**9, 0.001, 1)):
    ...     footprint.update_raw(ts, 100.0, size, side)
    >>> footprint.last.delta
    6
    """

    OUTPUTS: ClassVar = {
        "delta": Output("base", sign=-1, scale=1),
        "volume": Output("base", scale=1),
        "delta_minimum": Output("base", sign=-1, mirror="delta_maximum", scale=1),
        "delta_maximum": Output("base", sign=-1, mirror="delta_minimum", scale=1),
        "open": Output("price", shift=1),
        "high": Output("price", shift=1),
        "low": Output("price", shift=1),
        "close": Output("price", shift=1),
        "point_of_control": Output("price", shift=1),
    }

    def __init__(
        self,
        scale: MarketScale,
        bar: BarType = BarType.TIME,
        bar_size: float = 60.0,
        ticks_per_row: int = 1,
        session: str = "FULL_DAY",
        keep: int = 100,
    ) -> None:
        if keep < 1:
            raise ValueError(f"`keep` must be >= 1, was {keep}")
        config = FlowConfig.bars_only(
            bar=bar, bar_size=bar_size, ticks_per_row=ticks_per_row, session=session
        )
        super().__init__([str(bar), bar_size, ticks_per_row])
        self._engine = FlowEngine(scale, config)
        self._tick, self._lot = float(scale.tick), float(scale.lot)
        self.bars: deque[ClosedBar] = deque(maxlen=keep)

    @property
    def last(self) -> ClosedBar | None:
        """The newest closed bar."""
        return self.bars[-1] if self.bars else None

    @property
    def delta(self) -> float:
        """Buyer-initiated less seller-initiated volume, base units."""
        return self._of_last(lambda bar: bar.delta, self._lot)

    @property
    def volume(self) -> float:
        """All that traded, base units."""
        return self._of_last(lambda bar: bar.volume, self._lot)

    @property
    def delta_minimum(self) -> float:
        """The lowest running delta, base units, <= 0."""
        return self._of_last(lambda bar: bar.delta_min, self._lot)

    @property
    def delta_maximum(self) -> float:
        """The highest running delta, base units, >= 0."""
        return self._of_last(lambda bar: bar.delta_max, self._lot)

    @property
    def open(self) -> float:
        """The first price."""
        return self._of_last(lambda bar: bar.open, self._tick)

    @property
    def high(self) -> float:
        """The highest price."""
        return self._of_last(lambda bar: bar.high, self._tick)

    @property
    def low(self) -> float:
        """The lowest price."""
        return self._of_last(lambda bar: bar.low, self._tick)

    @property
    def close(self) -> float:
        """The last price."""
        return self._of_last(lambda bar: bar.close, self._tick)

    @property
    def point_of_control(self) -> float:
        """The lowest price of the row with the most volume."""
        return self._of_last(_point_of_control, self._tick)

    def _of_last(self, number: Callable[[ClosedBar], int], unit: float) -> float:
        return self._when_ready(round(number(self.bars[-1]) * unit, 12) if self.bars else 0.0)

    def update_raw(self, ts: int, price: float, size: float, side: int) -> None:
        """Update with a trade in decimals."""
        for event in self._engine.on_tick(ts, price, size, side):
            if isinstance(event, BarClosed):
                self.bars.append(event.bar)
        self._seen(ready=bool(self.bars))

    def _reset(self) -> None:
        self._engine.reset()
        self.bars.clear()


def _point_of_control(bar: ClosedBar) -> int:
    row = bar.low_row + int(point_of_control(bar.cells[:, :3].sum(axis=1)))
    return row * bar.ticks_per_row
