"""What indicators of bars share: they build their bars from trades themselves."""

from collections.abc import Callable, Sequence

from of_nautilus.core.footprint import ClosedBar
from of_nautilus.core.ticks import MarketScale
from of_nautilus.engine import BarClosed, BarType, FlowConfig, FlowEngine
from of_nautilus.indicators.base import TradeIndicator


class BarIndicator(TradeIndicator):
    """An indicator of the bars that its trades make; `_on_bar` takes each one as it closes.

    A bar closes by the trade that completes it, or, if it is counted in time, by the first trade
    after its end; it ends with its session.

    Parameters
    ----------
    scale : MarketScale
        The instrument's tick and lot.
    bar : BarType
        What closes a bar.
    bar_size : float
        How much of it: seconds, prints, base units, quote units or ticks. > 0.
    ticks_per_row : int
        Height of a row, >= 1.
    session : str
        See `core.sessions.SessionClock`.
    params : sequence
        What else tells this indicator from others of its class, for the host.
    """

    def __init__(
        self,
        scale: MarketScale,
        bar: BarType,
        bar_size: float,
        ticks_per_row: int = 1,
        session: str = "FULL_DAY",
        params: Sequence[object] = (),
    ) -> None:
        try:
            config = FlowConfig.bars_only(
                bar=bar, bar_size=bar_size, ticks_per_row=ticks_per_row, session=session
            )
        except ValueError as error:
            raise ValueError(str(error).replace("`spec`", "`session`")) from None
        super().__init__([str(bar), bar_size, ticks_per_row, *params])
        self._engine = FlowEngine(scale, config)
        self._scale = scale
        self._tick, self._lot = float(scale.tick), float(scale.lot)

    @property
    def quality(self) -> dict[str, int]:
        """Counts of what the feed had: trades, bad sizes, prices off the grid, times gone back."""
        return self._engine.quality

    def update_raw(self, ts: int, price: float, size: float, side: int) -> None:
        """Update with a trade in decimals."""
        if not self.has_inputs:
            self._set_has_inputs(True)
        for event in self._engine.on_tick(ts, price, size, side):
            if isinstance(event, BarClosed):
                self._on_bar(event.bar)

    def _on_bar(self, bar: ClosedBar) -> None:
        raise NotImplementedError

    def _reset(self) -> None:
        self._engine.reset()


class FootprintIndicator(BarIndicator):
    """An indicator whose outputs are facts of the newest bar, worked out when they are read."""

    _newest: ClosedBar | None = None

    def _on_bar(self, bar: ClosedBar) -> None:
        self._newest = bar
        self._seen(ready=True)

    def _of_newest(self, number: Callable[[ClosedBar], float], unit: float = 1.0) -> float:
        bar = self._newest
        return self._when_ready(0.0 if bar is None else round(number(bar) * unit, 12))

    def _price_of_newest(self, ticks: Callable[[ClosedBar], int]) -> float:
        bar = self._newest
        return self._when_ready(0.0 if bar is None else float(self._scale.price(ticks(bar))))

    def _reset(self) -> None:
        super()._reset()
        self._newest = None
