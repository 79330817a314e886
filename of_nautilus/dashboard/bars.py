"""The footprint bars of a market: those that closed, and the one that grows."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby, islice

import numpy as np

from of_nautilus.core.footprint import (
    CELL_COLUMNS,
    BarKind,
    ClosedBar,
    new_footprint,
    next_bar,
    step_footprint,
    widen,
)
from of_nautilus.core.record import Ints
from of_nautilus.core.sessions import DAY

KEPT = 6_000  # closed bars: four days of minutes


class BarBook:
    """The newest bars of one market, oldest first, in ticks and lots.

    Trades make the bar that grows, by the engine's own rule; the engine's bar takes its place when
    it closes.

    Parameters
    ----------
    kind : BarKind
    length : int
        Of a bar, see `BarKind`.
    ticks_per_row : int
    cvd_reset : str
        "session", "utc_day" or "never": when the cumulative delta starts from zero.
    """

    def __init__(self, kind: BarKind, length: int, ticks_per_row: int, cvd_reset: str) -> None:
        self.kind, self.length, self.ticks_per_row = kind, length, ticks_per_row
        self.closed: deque[ClosedBar] = deque(maxlen=KEPT)
        self.count = 0  # bars that closed, all of them
        self.changes = 0  # trades and bars that were taken
        self._cvd_reset = cvd_reset
        self._cvd = self._day = 0
        self._state, self._cells = new_footprint(kind, length, ticks_per_row)

    def trade(self, ts: int, price: int, size: int, side: int) -> None:
        """Let the growing bar take a trade."""
        bar = self._state[0]
        if bar.trades and ts >= bar.close_ts:
            # Its close has not been told of yet, or nobody does: what was seen of it holds.
            self._append(self._growing())
        if self._cvd_reset == "utc_day" and ts // DAY != self._day:
            self._day = ts // DAY
            self._cvd = 0
        while step_footprint(self._state, self._cells, ts, price, size, side) < 0:
            self._cells = widen(self._state[0], self._cells, price)
        self.changes += 1

    def close(self, bar: ClosedBar) -> None:
        """Take a bar that the engine closed."""
        for k in range(1, min(len(self.closed), 3) + 1):
            if self.closed[-k].open_ts == bar.open_ts:
                self.closed[-k] = bar
                self.changes += 1
                break
        else:
            if not self.closed or bar.open_ts > self.closed[-1].open_ts:
                self._append(bar, clear=self._state[0].open_ts <= bar.open_ts)
        if self.closed[-1] is bar:
            self._cvd = bar.cvd

    def roll(self) -> None:
        """Begin a session."""
        if self._cvd_reset == "session":
            self._cvd = 0

    def _append(self, bar: ClosedBar, *, clear: bool = True) -> None:
        self.closed.append(bar)
        self._cvd = bar.cvd
        self.count += 1
        self.changes += 1
        if clear:
            next_bar(self._state, self._cells)

    def _growing(self) -> ClosedBar:
        bar = ClosedBar.of(self._state, self._cells)
        bar.cvd = self._cvd + bar.delta
        return bar

    @property
    def growing(self) -> ClosedBar | None:
        """The bar that grows as it stands, None between bars."""
        return self._growing() if self._state[0].trades else None

    def newest(self, count: int, since: int = 0) -> list[ClosedBar]:
        """Return the newest `count` bars that close after `since` (ns), the growing one included."""
        growing = self.growing
        told = [growing] if growing else []
        for bar in islice(reversed(self.closed), max(0, count - len(told))):
            if bar.close_ts <= since:
                break
            told.append(bar)
        return told[::-1]

    def merged(self, tf: int, count: int, since: int = 0, *, cells: bool = False) -> list[ClosedBar]:
        """Return bars of `tf` ns, each of the bars that began within it.

        `tf` is a multiple of the bars' own length, or 0 for the bars as they are. Without `cells`
        the rows are left out.
        """
        if tf in (0, self.length) or self.kind is not BarKind.TIME:
            return self.newest(count, since)
        own = self.newest((count + 1) * (tf // self.length), since and since - since % tf)
        groups = [
            merge(list(group), key * tf, tf, cells=cells)
            for key, group in groupby(own, lambda bar: bar.open_ts // tf)
        ]
        return groups[-count:]

    def since(self, ts: int) -> Iterator[ClosedBar]:
        """Return the bars that opened at `ts` or later, the newest first."""
        if growing := self.growing:
            yield growing
        for bar in reversed(self.closed):
            if bar.open_ts < ts:
                return
            yield bar


_NO_CELLS = np.zeros((0, CELL_COLUMNS), np.int64)


def merge(bars: Sequence[ClosedBar], open_ts: int, length: int, *, cells: bool) -> ClosedBar:
    """Return bars that follow each other as one that opens at `open_ts`; every sum stays exact."""
    first, last = bars[0], bars[-1]
    low, high = min(bar.low_row for bar in bars), max(bar.high_row for bar in bars)
    before, delta_min, delta_max = 0, 0, 0
    for bar in bars:
        delta_min = min(delta_min, before + bar.delta_min)
        delta_max = max(delta_max, before + bar.delta_max)
        before += bar.delta
    return ClosedBar(
        open_ts=open_ts,
        close_ts=open_ts + length,
        last_ts=last.last_ts,
        open=first.open,
        high=max(bar.high for bar in bars),
        low=min(bar.low for bar in bars),
        close=last.close,
        buy=sum(bar.buy for bar in bars),
        sell=sum(bar.sell for bar in bars),
        unclassified=sum(bar.unclassified for bar in bars),
        trades=sum(bar.trades for bar in bars),
        delta_min=delta_min,
        delta_max=delta_max,
        dollars=sum(bar.dollars for bar in bars),
        cvd=last.cvd,
        kind=first.kind,
        length=length,
        ticks_per_row=first.ticks_per_row,
        low_row=low,
        high_row=high,
        cells=_together(bars, low, high) if cells else _NO_CELLS,
    )


def _together(bars: Sequence[ClosedBar], low: int, high: int) -> Ints:
    cells = np.zeros((high - low + 1, CELL_COLUMNS), np.int64)
    for bar in bars:
        cells[bar.low_row - low : bar.high_row - low + 1] += bar.cells
    return cells


