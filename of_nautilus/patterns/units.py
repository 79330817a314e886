"""The units that thresholds are counted in: usual ranges, deltas, volumes and sizes.

A threshold in lots or ticks fits one market at one time. These units are taken from the market
itself, always from before the bar they judge, so that one configuration serves all markets:

- ``R1``: median high - low of the last 240 bars, at least one tick; from it the detector row
  ``max(1, round(0.05 R1))`` ticks
- ``B95``: 95th percentile of the last 20,000 parent orders
- ``RV95``: 95th percentile of the row volumes of the last 960 half minutes and sides
- ``D75``: 75th percentile of |bar delta|, ``D50`` its median, and the mean volume of 50 bars

The first three are frozen from one session's start to the next, so that rows stand still; the
others follow bar by bar and follow the time of day: ``q(x, t) = f(t) Q(x / f)``, where `f` is the
median of x within 15 minutes of the same time of day in the earlier days, over the median of all
times, and `Q` the quantile of the last 240 bars.

`f` needs 30 bars, one session's half hour of minutes: its median is then off by about a quarter,
where the last half hour of a stock market is off by a factor of three, and bars of 5 and 15 minutes
get one after five and ten days. At a session's two ends the half hour is its first or last one.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numba import njit

from of_nautilus.core.direct import direct
from of_nautilus.core.footprint import ClosedBar
from of_nautilus.core.record import Floats, Ints
from of_nautilus.patterns import tape_sizes

BARS = 240
MIN_BARS = 30
AVERAGE_BARS, MIN_AVERAGE_BARS = 50, 10
DAYS = 10
MIN_SAMPLES = 30
_MINUTE = 60_000_000_000
_MINUTES = 1440
_AROUND = 15


@dataclass(frozen=True, slots=True)
class FrozenUnits:
    """The units of a session: ticks and lots.

    Attributes
    ----------
    r1 : float
        Usual high - low of a bar, ticks, >= 1.
    row_ticks : int
        Height of a detector row, ticks.
    b95 : float
        Size of a large parent order, lots.
    rv95 : float
        Large volume of one side at one row within half a minute, lots; 0 if there is none yet.
    """

    r1: float
    row_ticks: int
    b95: float
    rv95: float


class BarUnits(NamedTuple):
    """The units that judge one bar, lots; NaN = too few bars before it.

    Attributes
    ----------
    d75, d50 : float
        75th percentile and median of |bar delta|, for the bar's time of day.
    volume : float
        Mean volume of the 50 bars before, for the bar's time of day.
    plain_volume : float
        The same whatever the time of day.
    """

    d75: float
    d50: float
    volume: float
    plain_volume: float


class Units:
    """Keeps the units of one instrument up to date.

    Parameters
    ----------
    daily : bool
        Whether sessions come once a day. The time of day is then counted from their start, which
        carries it over daylight saving; else from midnight UTC.

    Attributes
    ----------
    frozen : FrozenUnits or None
        None until 30 bars have closed and a parent order is complete.
    """

    def __init__(self, daily: bool = True) -> None:
        self._daily = daily
        self._day_start = -1
        self._today: list[tuple[int, int, int]] = []
        self._days: list[Ints] = []
        # A ring of |delta|, volume, high - low, minute of the day; `_count` bars were ever put in.
        self._bars: Ints = np.zeros((BARS, 4), np.int64)
        # |delta| and volume over their usual values at that time of day; the former in order too.
        self._ratios: Floats = np.zeros((BARS, 2))
        self._ordered: Floats = np.zeros(BARS)
        rings = self._bars, self._ratios, self._ordered
        self._step = direct(_step, rings, 0, 0, 0, 0, 0, 0.0, 0.0)
        self._count = 0
        self.frozen: FrozenUnits | None = None
        self._index_days()

    def on_session(self, start: int, sizes: Any) -> None:
        """Begin a session: freeze its units, if there are bars enough.

        Parameters
        ----------
        start : int
            When it starts, ns UTC.
        sizes : record
            Of `tape_sizes.TAPE_SIZES`, at that time.
        """
        day_start = start if self._daily else start - start % (_MINUTES * _MINUTE)
        if day_start != self._day_start:
            if self._today:
                self._days = [*self._days, np.array(self._today, np.int64)][-DAYS:]
                self._today = []
            self._day_start = day_start
            self._index_days()
        self._freeze_if_known(sizes)

    def on_bar(self, bar: ClosedBar, sizes: Any) -> BarUnits:
        """Return the units that judge a closed bar, from the bars before it; then count it.

        Parameters
        ----------
        bar : ClosedBar
        sizes : record
            Of `tape_sizes.TAPE_SIZES`, at the bar's close.
        """
        minute = (bar.open_ts - max(self._day_start, 0)) // _MINUTE % _MINUTES
        usual_delta, usual_volume = self._usual(minute)
        delta, volume = abs(bar.delta), bar.volume
        units = BarUnits(
            *self._step(
                self._count, delta, volume, bar.high - bar.low, minute, usual_delta, usual_volume
            )
        )
        self._today.append((minute, delta, volume))
        self._count += 1
        if self.frozen is None:
            if self._count < MIN_BARS:
                tape_sizes.set_row_ticks(sizes, row_height(self._range()))
            self._freeze_if_known(sizes)
        return units

    def _range(self) -> float:
        """Return R1."""
        return max(1.0, float(np.median(self._bars[: min(self._count, BARS), 2])))

    def _freeze_if_known(self, sizes: Any) -> None:
        """Freeze the units, if there are bars enough and an order to tell sizes by.

        One order alone may make many bars: it is not complete before another one comes.
        """
        if self._count < MIN_BARS or not sizes.parents_seen:
            return
        r1 = self._range()
        row_volume = tape_sizes.large_row_volume(sizes)
        self.frozen = FrozenUnits(
            r1=r1,
            row_ticks=row_height(r1),
            b95=tape_sizes.large_parent(sizes),
            rv95=row_volume if row_volume > 0 else 0.0,
        )
        tape_sizes.set_row_ticks(sizes, self.frozen.row_ticks)

    def _index_days(self) -> None:
        """Order the earlier days' bars by time of day, and restate the kept bars by it."""
        self._by_minute: dict[int, tuple[float, float]] = {}
        days = np.concatenate([np.zeros((0, 3), np.int64), *self._days])
        self._medians = np.median(days[:, 1:], axis=0) if len(days) else np.zeros(2)
        days = days[np.argsort(days[:, 0], kind="stable")]
        # Either end of the day is next to the other.
        before = days[days[:, 0] >= _MINUTES - _AROUND] - [_MINUTES, 0, 0]
        after = days[days[:, 0] < _AROUND] + [_MINUTES, 0, 0]
        self._samples = np.concatenate([before, days, after])
        self._minutes = self._samples[:, 0].tolist()
        # Where a session ends before it meets its own start, its last half hour is whole.
        self._ends = (0, -1)
        if self._daily and len(days) and days[-1, 0] - days[0, 0] < _MINUTES - 2 * _AROUND:
            self._ends = (int(days[0, 0]), int(days[-1, 0]))
        kept = min(self._count, BARS)
        for i in range(kept):
            delta, volume, _, minute = self._bars[i].tolist()
            usual_delta, usual_volume = self._usual(minute)
            self._ratios[i] = delta / usual_delta, volume / usual_volume
        self._ordered[:kept] = np.sort(self._ratios[:kept, 0])

    def _usual(self, minute: int) -> tuple[float, float]:
        """Return the factors of a minute of the day, for |delta| and for volume."""
        known = self._by_minute.get(minute)
        if known is None:
            middle = minute
            if self._ends[0] <= minute <= self._ends[1]:
                middle = max(min(minute, self._ends[1] - _AROUND), self._ends[0] + _AROUND)
            first = bisect_left(self._minutes, middle - _AROUND)
            last = bisect_right(self._minutes, middle + _AROUND)
            known = (1.0, 1.0)
            if last - first >= MIN_SAMPLES:
                known = _factors(self._samples, first, last, self._medians)
            self._by_minute[minute] = known
        return known

    def save(self) -> bytes:
        """Return the state as bytes."""
        kept = np.arange(max(0, self._count - BARS), self._count) % BARS
        return msgspec.msgpack.encode(
            _Saved(
                self._daily,
                self._day_start,
                self._today,
                [day.tolist() for day in self._days],
                self._bars[kept].tolist(),
                self.frozen,
            )
        )

    def load(self, saved: bytes) -> None:
        """Take up a saved state.

        Raises
        ------
        ValueError
            If it was saved with another `daily`.
        """
        state = msgspec.msgpack.decode(saved, type=_Saved)
        if state.daily != self._daily:
            raise ValueError(f"`daily` must be as saved, {state.daily}, was {self._daily}")
        self._day_start, self.frozen = state.day_start, state.frozen
        self._today = [(minute, delta, volume) for minute, delta, volume in state.today]
        self._days = [np.array(day, np.int64) for day in state.days]
        self._count = len(state.bars)
        self._bars[: self._count] = np.array(state.bars, np.int64).reshape(-1, 4)
        self._index_days()


class _Saved(msgspec.Struct):
    daily: bool
    day_start: int
    today: list[tuple[int, int, int]]
    days: list[list[tuple[int, int, int]]]
    bars: list[tuple[int, int, int, int]]
    frozen: FrozenUnits | None


def row_height(r1: float) -> int:
    """Return the height of a detector row, ticks: ``max(1, round(0.05 R1))``.

    >>> row_height(1.0), row_height(31.0), row_height(200.0)
    (1, 2, 10)
    """
    return max(1, round(0.05 * r1))


@njit(cache=True)
def _factors(samples, first, last, medians):  # type: ignore[no-untyped-def]
    """Return the medians of some samples over those of all, or 1 where one is 0."""
    delta = np.median(samples[first:last, 1])
    volume = np.median(samples[first:last, 2])
    return (
        delta / medians[0] if delta > 0 and medians[0] > 0 else 1.0,
        volume / medians[1] if volume > 0 and medians[1] > 0 else 1.0,
    )


@njit(cache=True)
def _quantile(ordered, count, part):  # type: ignore[no-untyped-def]
    """Return a quantile of ordered values, by linear interpolation."""
    rank = part * (count - 1)
    low = int(rank)
    high = min(low + 1, count - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)


@njit(cache=True)
def _step(  # type: ignore[no-untyped-def]
    bars, ratios, ordered, count, delta, volume, span, minute, usual_delta, usual_volume
):
    """Return what judges a bar (D75, D50, mean volume, plain mean volume), and put it in."""
    kept = min(count, BARS)
    d75 = d50 = mean = plain = np.nan
    if kept >= MIN_BARS:
        d75 = usual_delta * _quantile(ordered, kept, 0.75)
        d50 = usual_delta * _quantile(ordered, kept, 0.5)
    last = min(kept, AVERAGE_BARS)
    if last >= MIN_AVERAGE_BARS:
        ratio, lots = 0.0, 0
        for i in range(count - last, count):
            ratio += ratios[i % BARS, 1]
            lots += bars[i % BARS, 1]
        mean = usual_volume * (ratio / last)
        plain = lots / last
    at = count % BARS
    if kept == BARS:
        kept -= 1
        for i in range(np.searchsorted(ordered, ratios[at, 0]), kept):
            ordered[i] = ordered[i + 1]
    bars[at, 0] = delta
    bars[at, 1] = volume
    bars[at, 2] = span
    bars[at, 3] = minute
    ratios[at, 0] = delta / usual_delta
    ratios[at, 1] = volume / usual_volume
    place = kept
    while place > 0 and ordered[place - 1] > ratios[at, 0]:
        ordered[place] = ordered[place - 1]
        place -= 1
    ordered[place] = ratios[at, 0]
    return d75, d50, mean, plain
