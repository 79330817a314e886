"""Order-flow imbalance as Nautilus indicators: of best quotes, and of the book by level."""

import math
from typing import ClassVar

import numpy as np
from nautilus_trader.model.data import QuoteTick

from of_nautilus.core import ofi
from of_nautilus.core.book import new_top
from of_nautilus.core.book_flow import BookFlow
from of_nautilus.core.record import Floats
from of_nautilus.core.ticks import MarketScale, whole_microseconds
from of_nautilus.indicators.base import FlowIndicator, Output
from of_nautilus.indicators.book import BookIndicator

Windows = tuple[float, float, float]
_WINDOWS: Windows = (10.0, 60.0, 300.0)
_OUTPUTS = {
    "short": Output("base", sign=-1, scale=1),
    "medium": Output("base", sign=-1, scale=1),
    "long": Output("base", sign=-1, scale=1),
    "short_norm": Output("ratio", sign=-1),
    "medium_norm": Output("ratio", sign=-1),
    "long_norm": Output("ratio", sign=-1),
}


class _Readings:
    """The outputs of an OFI state, the same for quotes and for the book."""

    _ofi: np.record
    _history: np.ndarray
    _lot: float
    initialized: bool

    def _sum(self, w: int) -> float:
        if not self.initialized:
            return math.nan
        return round(int(self._ofi.sums[w, 0]) * self._lot, 12)

    def _norm(self, w: int) -> float:
        return float(ofi.norm_of(self._ofi, w)) if self.initialized else math.nan

    @property
    def short(self) -> float:
        """OFI of the shortest window, base units."""
        return self._sum(0)

    @property
    def medium(self) -> float:
        """OFI of the middle window, base units."""
        return self._sum(1)

    @property
    def long(self) -> float:
        """OFI of the longest window, base units."""
        return self._sum(2)

    @property
    def short_norm(self) -> float:
        """OFI of the shortest window over its mean best size."""
        return self._norm(0)

    @property
    def medium_norm(self) -> float:
        """OFI of the middle window over its mean best size."""
        return self._norm(1)

    @property
    def long_norm(self) -> float:
        """OFI of the longest window over its mean best size."""
        return self._norm(2)

    def z_score(self, window: int) -> float:
        """Return the z-score of window 0, 1 or 2 against the last hour; NaN before 30 seconds."""
        return float(ofi.z_of(self._ofi, self._history, window))


class QuoteImbalance(_Readings, FlowIndicator):
    """Measures the order-flow imbalance of best quotes (Cont, Kukanov and Stoikov 2014).

    ``e = 1{Pb' >= Pb} qb' - 1{Pb' <= Pb} qb - 1{Pa' <= Pa} qa' + 1{Pa' >= Pa} qa``, summed over the
    quotes in (t - w, t]; buying pressure is positive. `register_indicator_for_quote_ticks` feeds
    it. A quote that is crossed, or has an empty side, is skipped and nothing is compared across it.

    Parameters
    ----------
    scale : MarketScale
        The instrument's tick and lot.
    windows : tuple of float, default (10, 60, 300)
        Lengths in seconds, > 0, ascending.

    Examples
    --------
    >>> from decimal import Decimal
    >>> flow = QuoteImbalance(MarketScale(Decimal("0.1"), Decimal("0.001")))
    >>> for ts, bid_size in enumerate((0.050, 0.060)):
    ...     flow.update_raw(ts, 100.0, bid_size, 100.1, 0.040)
    >>> flow.short
    0.01
    """

    OUTPUTS: ClassVar = _OUTPUTS

    def __init__(self, scale: MarketScale, windows: Windows = _WINDOWS) -> None:
        super().__init__([str(scale.tick), str(scale.lot), *windows])
        self._tick, self._lot = float(scale.tick), float(scale.lot)
        self._windows = windows
        self._start()

    def _start(self) -> None:
        self._state, self._rows, self._history = ofi.new_ofi(1, self._windows)
        self._ofi, self._scratch = self._state[0], new_top(1)

    def _reset(self) -> None:
        self._start()

    def handle_quote_tick(self, tick: QuoteTick) -> None:
        """Update the indicator with a quote."""
        self.update_raw(
            int(whole_microseconds(tick.ts_event)),
            tick.bid_price.as_double(),
            tick.bid_size.as_double(),
            tick.ask_price.as_double(),
            tick.ask_size.as_double(),
        )

    def update_raw(self, ts: int, bid: float, bid_size: float, ask: float, ask_size: float) -> None:
        """Update with a quote in decimals."""
        quote = (
            ts,
            round(bid / self._tick),
            round(bid_size / self._lot),
            round(ask / self._tick),
            round(ask_size / self._lot),
        )
        arrays = (self._history, self._scratch)
        code = ofi.step_quote(self._state, self._rows, *arrays, *quote)
        if code == ofi.GROW:
            self._rows = ofi.grow_rows(self._state, self._rows)
            code = ofi.step_quote(self._state, self._rows, *arrays, *quote)
        self._seen(ready=code == 1)


class BookImbalance(_Readings, BookIndicator):
    """Measures the order-flow imbalance of the book, by level and integrated.

    `short`, `medium` and `long` are of the best level, as in `QuoteImbalance`; `by_level` gives
    the m-th populated level's own (Xu, Gould and Howison 2019). `integrated` weighs the levels by
    the first eigenvector of their past covariance (Cont, Cucuringu and Zhang 2023): call
    `start_session` between sessions, which fits it to the one that ended. From depth pictures the
    values are of a lower resolution, and `from_snapshots` is True.

    Parameters
    ----------
    scale : MarketScale
        The instrument's tick and lot.
    depth : int, default 5
        Levels, 1 to 10.
    windows : tuple of float, default (10, 60, 300)
        Lengths in seconds, > 0, ascending.
    whole_batches, snapshots : bool
        See `BookIndicator`.
    """

    OUTPUTS: ClassVar = _OUTPUTS

    def __init__(
        self,
        scale: MarketScale,
        depth: int = 5,
        windows: Windows = _WINDOWS,
        whole_batches: bool = False,
        snapshots: bool = True,
    ) -> None:
        self._depth, self._windows = depth, windows
        super().__init__(scale, whole_batches, snapshots)

    def _new_flow(self) -> BookFlow:
        flow = BookFlow(ofi_depth=self._depth, ofi_windows=self._windows)
        self._ofi, self._history = flow.state[0].ofi, flow.history
        return flow

    def _is_ready(self) -> bool:
        return super()._is_ready() and bool(self._ofi.events > 0)

    def by_level(self, window: int) -> Floats:
        """Return OFI by level of window 0, 1 or 2, base units, best level first."""
        sums = self._ofi.sums[window, : self._depth]
        return np.round(sums * self._lot, 12) if self.initialized else np.full(self._depth, np.nan)

    def integrated(self, window: int) -> float:
        """Return the integrated OFI of window 0, 1 or 2, in mean level sizes; NaN until fitted."""
        return ofi.integrated(self.flow.state["ofi"], window) if self.initialized else math.nan

    @property
    def from_snapshots(self) -> bool:
        """Whether depth pictures were among the input."""
        return bool(self._ofi.from_snapshots)

    def start_session(self) -> None:
        """Start a session: compare nothing across it, and fit the weights to the one before."""
        self.flow.start_session()
