"""The bars of one market at every timeframe, and what a page shows of them."""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from of_nautilus.core.footprint import CELL_COLUMNS, BarKind, ClosedBar
from of_nautilus.core.imbalance import ImbalanceRule
from of_nautilus.core.record import Ints
from of_nautilus.core.sessions import SECOND
from of_nautilus.dashboard.units import Units, ms
from of_nautilus.report.bars import Bars, read_cells
from of_nautilus.report.footprint import display_rule

MOST_BARS = 4_320
Shape = tuple[int, int, int]  # kind, length, ticks of a row
USUAL: Shape = int(BarKind.TIME), 60 * SECOND, 1
_MOST_KEPT = 6_000
_CHANGES = 512


class BarBook:
    """Closed bars in order and the one that is open; sums of several make a longer timeframe.

    `serial` counts the changes; `changed_since` tells from which moment on they were.

    Parameters
    ----------
    units : Units
    shape : Shape
        Of the source's own bars.
    """

    def __init__(self, units: Units, shape: Shape) -> None:
        self.units, self.shape = units, shape
        self.closed: list[ClosedBar] = []
        self.open: ClosedBar | None = None
        self.serial = 0
        self._opens: list[int] = []
        self._changes: deque[tuple[int, int]] = deque(maxlen=_CHANGES)
        self._merged: dict[tuple[int, int], ClosedBar] = {}
        self._drawn: dict[tuple[Any, ...], msgspec.Raw] = {}

    @property
    def seconds(self) -> int:
        """Length of a bar; 60 where bars are not counted in time."""
        kind, length, _ = self.shape
        return length // SECOND if kind == BarKind.TIME else 60

    @property
    def row_ticks(self) -> int:
        """Height of a bar's rows."""
        return self.shape[2]

    def holds(self, open_ts: int) -> bool:
        """Whether there is a closed bar that opened then."""
        at = bisect_left(self._opens, open_ts)
        return at < len(self._opens) and self._opens[at] == open_ts

    @property
    def running(self) -> ClosedBar | None:
        """The open bar, until its closed form has been told of."""
        return None if self.open is None or self.holds(self.open.open_ts) else self.open

    def put(self, bar: ClosedBar) -> None:
        """Take a closed bar, in place of the one that opened at the same time."""
        at = bisect_left(self._opens, bar.open_ts)
        if self.holds(bar.open_ts):
            self.closed[at] = bar
        else:
            self.closed.insert(at, bar)
            self._opens.insert(at, bar.open_ts)
        self.serial += 1
        self._changes.append((self.serial, bar.open_ts))
        for kept in (self._merged, self._drawn):
            stale = [key for key in kept if key[0] and key[1] == bar.open_ts // key[0]]
            for key in stale:
                del kept[key]
        if len(self.closed) > MOST_BARS:
            del self.closed[: MOST_BARS // 10], self._opens[: MOST_BARS // 10]

    def clear(self, shape: Shape) -> None:
        """Forget all bars: others come."""
        self.shape, self.open = shape, None
        for kept in (self.closed, self._opens, self._changes, self._merged, self._drawn):
            kept.clear()
        self.serial += 1

    def changed_since(self, serial: int) -> int | None:
        """Return when the first bar opened that changed after `serial`; None if none did."""
        if serial == self.serial:
            return None
        if not self._changes or self._changes[0][0] > serial + 1:
            return 0
        return min(open_ts for number, open_ts in self._changes if number > serial)

    def at(self, tf: int, count: int, since: int = 0) -> list[ClosedBar]:
        """Return the newest `count` bars of `tf` seconds, those that end after `since` (ns UTC)."""
        span = tf * SECOND
        found: list[ClosedBar] = []
        for key, parts in self._groups(span):
            if len(found) == count or (key + 1) * span <= since:
                break
            found.append(self._of(span, key, parts))
        return found[::-1]

    def between(self, start: int, end: int | None) -> list[ClosedBar]:
        """Return the source's own bars that open from `start` up to `end`, ns UTC."""
        first = bisect_left(self._opens, start)
        last = len(self._opens) if end is None else bisect_left(self._opens, end)
        bars = self.closed[first:last]
        running = self.running
        if (
            running is not None
            and start <= running.open_ts
            and (end is None or running.open_ts < end)
        ):
            bars.append(running)
        return bars

    def candle(self, bar: ClosedBar) -> dict[str, Any]:
        """Return a bar as the page has it."""
        price, size = self.units.price, self.units.size
        return {
            "time": ms(bar.open_ts),
            "end": ms(bar.close_ts if bar.kind == BarKind.TIME else bar.last_ts),
            "open": price(bar.open),
            "high": price(bar.high),
            "low": price(bar.low),
            "close": price(bar.close),
            "volume": size(bar.volume),
            "buy": size(bar.buy),
            "sell": size(bar.sell),
            "delta": size(bar.delta),
            "cvd": size(bar.cvd),
            "trades": bar.trades,
        }

    def footprints(
        self, bars: Sequence[ClosedBar], rows: int, ratio: float, least: float | None
    ) -> list[msgspec.Raw]:
        """Return bars with their cells on rows of `rows` ticks, as JSON.

        A cell is an imbalance at `ratio` times the opposite side and `least` (base units) at least;
        None: at least the median side of a cell of its bar.
        """
        return [self._drawn_bar(bar, rows, ratio, least) for bar in bars]

    def _drawn_bar(
        self, bar: ClosedBar, rows: int, ratio: float, least: float | None
    ) -> msgspec.Raw:
        span = bar.length if bar.kind == BarKind.TIME else 0
        key = (span, bar.open_ts // (span or 1), rows, ratio, least)
        whole = span > 0 and (self.open is None or self.open.open_ts >= bar.close_ts)
        if whole and key in self._drawn:
            return self._drawn[key]
        drawn = msgspec.Raw(msgspec.json.encode(self._footprint(bar, rows, ratio, least)))
        if whole:
            if len(self._drawn) >= _MOST_KEPT:
                self._drawn.clear()
            self._drawn[key] = drawn
        return drawn

    def _footprint(
        self, bar: ClosedBar, rows: int, ratio: float, least: float | None
    ) -> dict[str, Any]:
        units = self.units
        one = Bars.of([bar], "", units.tick, units.lot).coarser(rows // bar.ticks_per_row)
        fewest = display_rule(one).min_volume if least is None else units.lots(least)
        read = read_cells(one, ImbalanceRule(ratio=ratio, min_volume=max(fewest, 0)))
        poc = int(one.low_row[0]) + int(read.poc[0])
        candle = self.candle(bar)
        sides = np.column_stack((one.row_index, one.cells, read.flags))[::-1].tolist()
        return candle | {
            "open_ts": candle["time"],
            "bid": candle["sell"],
            "ask": candle["buy"],
            "poc": units.middle(poc, rows),
            "unfinished_high": bool(read.unfinished_high[0]),
            "unfinished_low": bool(read.unfinished_low[0]),
            "levels": [
                {
                    "p": units.middle(row, rows),
                    "bid": units.size(bid),
                    "ask": units.size(ask),
                    "n": sold + bought + other,
                    "delta": units.size(ask - bid),
                    "flags": flags,
                }
                for row, bid, ask, _, sold, bought, other, flags in sides
            ],
        }

    def _groups(self, span: int) -> Iterator[tuple[int, list[ClosedBar]]]:
        """Yield the bars that make one of `span` ns, and its number; the newest first."""
        group: list[ClosedBar] = []
        number = 0
        newest = [] if self.running is None else [self.running]
        for bar in (*newest, *reversed(self.closed)):
            own = bar.open_ts // span
            if group and own != number:
                yield number, group[::-1]
                group = []
            number = own
            group.append(bar)
        if group:
            yield number, group[::-1]

    def _of(self, span: int, number: int, parts: list[ClosedBar]) -> ClosedBar:
        own = parts[0].kind == BarKind.TIME and parts[0].length == span
        if own and len(parts) == 1:
            return parts[0]
        # One that is not counted in time is merged even where it is alone: the minute that it
        # makes begins with the minute, as it will with those that follow.
        if parts[-1] is self.open:
            return merge(parts, span)
        key = span, number
        if key not in self._merged:
            if len(self._merged) >= _MOST_KEPT:
                self._merged.clear()
            self._merged[key] = merge(parts, span)
        return self._merged[key]


def merge(parts: Sequence[ClosedBar], span: int) -> ClosedBar:
    """Return bars that follow each other as one time bar of `span` ns; every sum is exact."""
    low, high = min(p.low_row for p in parts), max(p.high_row for p in parts)
    cells: Ints = np.zeros((high - low + 1, CELL_COLUMNS), np.int64)
    delta = delta_min = delta_max = 0
    for part in parts:
        cells[part.low_row - low : part.high_row - low + 1] += part.cells
        delta_min = min(delta_min, delta + part.delta_min)
        delta_max = max(delta_max, delta + part.delta_max)
        delta += part.delta
    start = parts[0].open_ts // span * span
    return parts[-1]._replace(
        kind=int(BarKind.TIME),
        length=span,
        open_ts=start,
        close_ts=start + span,
        open=parts[0].open,
        high=max(p.high for p in parts),
        low=min(p.low for p in parts),
        buy=sum(p.buy for p in parts),
        sell=sum(p.sell for p in parts),
        unclassified=sum(p.unclassified for p in parts),
        trades=sum(p.trades for p in parts),
        dollars=sum(p.dollars for p in parts),
        delta_min=delta_min,
        delta_max=delta_max,
        low_row=low,
        high_row=high,
        rows=cells.tobytes(),
    )
