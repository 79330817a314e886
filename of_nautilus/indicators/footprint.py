"""Footprint bars as a Nautilus indicator."""

from collections import deque

from of_nautilus.core.footprint import ClosedBar
from of_nautilus.core.ticks import MarketScale
from of_nautilus.engine import BarType, FlowConfig, FlowEngine
from of_nautilus.indicators.base import TradeIndicator


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
        The last closed bars, the newest last.
    last : ClosedBar or None
        The newest of them.

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
        config = FlowConfig(
            bar=bar,
            bar_size=bar_size,
            ticks_per_row=ticks_per_row,
            session=session,
            absorption=None,
        )
        super().__init__([str(bar), bar_size, ticks_per_row])
        self._engine = FlowEngine(scale, config)
        self.bars: deque[ClosedBar] = deque(maxlen=keep)

    @property
    def last(self) -> ClosedBar | None:
        """The newest closed bar."""
        return self.bars[-1] if self.bars else None

    def update_raw(self, ts: int, price: float, size: float, side: int) -> None:
        """Update with a trade in decimals."""
        events = self._engine.on_tick(ts, price, size, side)
        if not self.has_inputs:
            self._set_has_inputs(True)
        for event in events:
            if isinstance(event, ClosedBar):
                self.bars.append(event)
                self._set_initialized(True)

    def _reset(self) -> None:
        self._engine.reset()
        self.bars.clear()
