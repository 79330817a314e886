"""Volume profile: volume by price row since a session opened, over recent bars, or of sessions.

The histogram is an int64 array of three lines (VOLUME, BUY, SELL), one element a price row; element
`i` is row `base_row + i`. Where a price lies outside it `add_trade` says so before it changes
anything and the caller lays it anew (`widen`). Nothing is dropped.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numba import njit

from of_nautilus.core.record import INT, Bytes, Ints, State, allocate, record
from of_nautilus.core.value_area import key_prices, merge_profiles, value_area_rows
from of_nautilus.core.value_area import point_of_control as poc_row

# Lines of a histogram; what is in neither BUY nor SELL had no known aggressor.
VOLUME, BUY, SELL = range(3)

PROFILE = record(
    ("ticks_per_row", INT),
    ("base_row", INT),
    ("low_row", INT),
    ("high_row", INT),
    ("open_ts", INT),
    ("last_ts", INT),
    ("open", INT),
    ("high", INT),
    ("low", INT),
    ("close", INT),
    ("trades", INT),
    ("volume", INT),
    ("buy", INT),
    ("sell", INT),
)


def new_profile(ticks_per_row: int = 1, rows: int = 512) -> tuple[State, Ints]:
    """Return a fresh profile state and its histogram.

    Raises
    ------
    ValueError
        If `ticks_per_row` or `rows` is < 1.
    """
    for name, value in (("ticks_per_row", ticks_per_row), ("rows", rows)):
        if value < 1:
            raise ValueError(f"`{name}` must be >= 1, was {value}")
    state = allocate(PROFILE)
    state["ticks_per_row"] = ticks_per_row
    return state, np.zeros((3, rows), np.int64)


@njit(cache=True)
def add_trade(profile, hist, ts, price, size, side):  # type: ignore[no-untyped-def]
    """Add one trade; False, and nothing changed, if its row is outside `hist` (compiled)."""
    # Rows of one tick are spared the division, which costs as much as all the rest.
    row = price if profile.ticks_per_row == 1 else price // profile.ticks_per_row
    first = profile.trades == 0
    base = row - hist.shape[1] // 2 if first else profile.base_row
    at = row - base
    if at < 0 or at >= hist.shape[1]:
        return False
    if first:
        profile.base_row = base
        profile.low_row = row
        profile.high_row = row
        profile.open_ts = ts
        profile.open = price
        profile.high = price
        profile.low = price
    buy = size * (side > 0)
    sell = size * (side < 0)
    hist[0, at] += size
    hist[1, at] += buy
    hist[2, at] += sell
    profile.low_row = min(profile.low_row, row)
    profile.high_row = max(profile.high_row, row)
    profile.high = max(profile.high, price)
    profile.low = min(profile.low, price)
    profile.close = price
    profile.last_ts = ts
    profile.trades += 1
    profile.volume += size
    profile.buy += buy
    profile.sell += sell
    return True


@njit(cache=True)
def add_trades(profile, hist, ts, price, size, side):  # type: ignore[no-untyped-def]
    """Add trades to a profile that has trades, and rows for all (compiled).

    As `add_trade` for each, with the sums in registers.
    """
    height, base = profile.ticks_per_row, profile.base_row
    high, low = profile.high, profile.low
    volume, buy, sell = profile.volume, profile.buy, profile.sell
    for i in range(len(ts)):
        at, lots, way = price[i], size[i], side[i]
        row = (at if height == 1 else at // height) - base
        bought, sold = lots * (way > 0), lots * (way < 0)
        hist[0, row] += lots
        hist[1, row] += bought
        hist[2, row] += sold
        high = max(high, at)
        low = min(low, at)
        volume += lots
        buy += bought
        sell += sold
    profile.high, profile.low, profile.close = high, low, price[-1]
    profile.high_row = max(profile.high_row, high // height)
    profile.low_row = min(profile.low_row, low // height)
    profile.volume, profile.buy, profile.sell = volume, buy, sell
    profile.last_ts = ts[-1]
    profile.trades += len(ts)


@njit(cache=True)
def start_profile(profile, hist):  # type: ignore[no-untyped-def]
    """Clear the profile and the rows it used, for the next session (compiled)."""
    if profile.trades > 0:
        hist[:, profile.low_row - profile.base_row : profile.high_row - profile.base_row + 1] = 0
    profile.trades = 0
    profile.volume = 0
    profile.buy = 0
    profile.sell = 0


@njit(cache=True)
def key_rows(profile, hist, basis_points, by_two):  # type: ignore[no-untyped-def]
    """Return the rows (POC, VAL, VAH) so far; the profile must hold a trade (compiled)."""
    low = profile.low_row
    at = low - profile.base_row
    used = hist[0, at : at + profile.high_row - low + 1]
    val, vah, _ = value_area_rows(used, basis_points, by_two)
    return low + poc_row(used), low + val, low + vah


@njit(cache=True)
def step_profile(state: State, hist: Ints, ts: int, price: int, size: int, side: int) -> int:
    """Advance a profile by one trade: 0, or -1 if `hist` must be widened first."""
    return 0 if add_trade(state[0], hist, ts, price, size, side) else -1


@njit(cache=True)
def next_profile(state: State, hist: Ints) -> None:
    """Clear a profile for the next session."""
    start_profile(state[0], hist)


@njit(cache=True)
def run_profile(
    state: State, hist: Ints, ts: Ints, price: Ints, size: Ints, side: Bytes, start: int
) -> int:
    """Advance a profile by the trades from `start` on; return the index reached.

    Less than all trades are done where the histogram is too small: `widen` it and call again.
    """
    profile = state[0]
    for i in range(start, len(ts)):
        if not add_trade(profile, hist, ts[i], price[i], size[i], side[i]):
            return i
    return len(ts)


def widen(state: State, hist: Ints, price: int) -> Ints:
    """Return the histogram laid anew, `base_row` moved, so that `price` fits."""
    profile = state[0]
    row = price // int(profile.ticks_per_row)
    return _lay(state, hist, row, row)


def _lay(state: State, hist: Ints, low_row: int, high_row: int) -> Ints:
    profile = state[0]
    low = min(int(profile.low_row), low_row)
    high = max(int(profile.high_row), high_row)
    rows = 2 * hist.shape[1]
    while rows < 2 * (high - low + 1):
        rows *= 2
    base = (low + high) // 2 - rows // 2
    wider = np.zeros((3, rows), np.int64)
    used = used_rows(state, hist)
    at = int(profile.low_row) - base
    wider[:, at : at + used.shape[1]] = used
    profile.base_row = base
    return wider


def used_rows(state: State, hist: Ints) -> Ints:
    """Return the span of rows between the lowest and the highest traded one: a view."""
    profile = state[0]
    start = int(profile.low_row - profile.base_row)
    return hist[:, start : start + int(profile.high_row - profile.low_row) + 1]


@dataclass(frozen=True, eq=False)
class Profile:
    """A finished profile: prices in ticks, volume in lots, `hist[0]` being row `low_row`."""

    open_ts: int
    last_ts: int
    open: int
    high: int
    low: int
    close: int
    ticks_per_row: int
    low_row: int
    hist: Ints

    def key_prices(self, pct: float = 0.70, method: str = "two_row") -> tuple[int, int, int]:
        """Return (POC, VAL, VAH) in ticks: the middle, the first and the last tick of their rows.

        Parameters
        ----------
        pct : float
            Share of the volume inside the value area, in (0, 1].
        method : str
            How the area grows around the POC: "two_row" or "one_row" at a time.
        """
        return key_prices(self.hist, self.low_row, self.ticks_per_row, pct, method)


def snapshot(state: State, hist: Ints) -> Profile:
    """Return a copy of a profile as it stands; it must hold a trade.

    >>> state, hist = new_profile()
    >>> for price, size in ((100, 10), (101, 30), (102, 10)):
    ...     _ = step_profile(state, hist, 0, price, size, 1)
    >>> snapshot(state, hist).key_prices()
    (101, 101, 102)
    """
    profile = state[0]
    if profile.trades == 0:
        raise ValueError("`state` must hold at least one trade, was empty")
    names = ("open_ts", "last_ts", "open", "high", "low", "close", "ticks_per_row", "low_row")
    fields = {name: int(state[name][0]) for name in names}
    return Profile(**fields, hist=used_rows(state, hist)[VOLUME].copy())


def composite(profiles: Iterable[Profile]) -> Profile:
    """Return the sum of profiles of equal row size, in order of time.

    Raises
    ------
    ValueError
        If there are none, or their row sizes differ.
    """
    parts = sorted(profiles, key=lambda part: part.open_ts)
    sizes = {part.ticks_per_row for part in parts}
    if len(sizes) != 1:
        raise ValueError(f"`profiles` must share one `ticks_per_row`, had {sorted(sizes)}")
    low_row, hist = merge_profiles((part.low_row, part.hist) for part in parts)
    return Profile(
        open_ts=parts[0].open_ts,
        last_ts=max(part.last_ts for part in parts),
        open=parts[0].open,
        high=max(part.high for part in parts),
        low=min(part.low for part in parts),
        close=parts[-1].close,
        ticks_per_row=sizes.pop(),
        low_row=low_row,
        hist=hist,
    )


class RollingProfile:
    """Profile of the last bars: each bar is added as it closes and taken off as it leaves.

    Parameters
    ----------
    bars : int, optional
        How many bars it holds, >= 1.
    span : int, optional
        How many ns of bars it holds, >= 1: bars that closed in (t - span, t].
    ticks_per_row : int
        Ticks of a row, a multiple of the bars' own.
    rows : int
        Rows of the histogram at first.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or neither `bars` nor `span` is given.
    """

    def __init__(
        self,
        bars: int | None = None,
        span: int | None = None,
        ticks_per_row: int = 1,
        rows: int = 512,
    ) -> None:
        if bars is None and span is None:
            raise ValueError("`bars` or `span` must be given, was neither")
        for name, value in (("bars", bars), ("span", span)):
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be >= 1, was {value}")
        for name, value in (("ticks_per_row", ticks_per_row), ("rows", rows)):
            if value < 1:
                raise ValueError(f"`{name}` must be >= 1, was {value}")
        self.bars = bars
        self.span = span
        self.ticks_per_row = ticks_per_row
        self._hist = np.zeros(rows, np.int64)
        self._base: int | None = None
        self._blocks: deque[tuple[int, int, Ints]] = deque()

    def __len__(self) -> int:
        return len(self._blocks)

    def reset(self) -> None:
        """Forget all bars."""
        self._hist[:] = 0
        self._base = None
        self._blocks.clear()

    def add_bar(self, ts: int, low_row: int, volume: Ints, ticks_per_row: int = 1) -> None:
        """Add a bar that closed at `ts`: the volume of its rows, lowest first, in its own row size.

        Raises
        ------
        ValueError
            If the rows of the profile are no multiple of the bar's.
        """
        times, rest = divmod(self.ticks_per_row, ticks_per_row)
        if ticks_per_row < 1 or rest:
            raise ValueError(
                f"`ticks_per_row` must divide {self.ticks_per_row}, was {ticks_per_row}"
            )
        first = low_row // times
        block = np.zeros((low_row + len(volume) - 1) // times - first + 1, np.int64)
        np.add.at(block, (low_row + np.arange(len(volume))) // times - first, volume)
        self._make_room(first, first + len(block))
        self._add(first, block, 1)
        self._blocks.append((ts, first, block))
        while (self.bars is not None and len(self._blocks) > self.bars) or (
            self.span is not None and self._blocks[0][0] <= ts - self.span
        ):
            _, first, block = self._blocks.popleft()
            self._add(first, block, -1)

    def volume(self) -> tuple[int, Ints]:
        """Return (lowest traded row, volume of the rows from there to the highest traded one).

        Without volume the array is empty.
        """
        traded = np.flatnonzero(self._hist)
        if not len(traded) or self._base is None:
            return 0, self._hist[:0].copy()
        return self._base + int(traded[0]), self._hist[traded[0] : traded[-1] + 1].copy()

    def key_prices(self, pct: float = 0.70, method: str = "two_row") -> tuple[int, int, int] | None:
        """Return (POC, VAL, VAH) in ticks, or None without volume."""
        low_row, hist = self.volume()
        return key_prices(hist, low_row, self.ticks_per_row, pct, method) if len(hist) else None

    def _add(self, first: int, block: Ints, sign: int) -> None:
        at = first - (self._base or 0)
        self._hist[at : at + len(block)] += sign * block

    def _make_room(self, first: int, end: int) -> None:
        rows = len(self._hist)
        if self._base is None:
            self._base = (first + end) // 2 - rows // 2
        if first >= self._base and end <= self._base + rows:
            return
        low, hist = self.volume()
        low, high = (min(low, first), max(low + len(hist), end)) if len(hist) else (first, end)
        while rows < 2 * (high - low):
            rows *= 2
        moved = np.zeros(rows, np.int64)
        base = (low + high) // 2 - rows // 2
        start, hist = self.volume()
        if len(hist):
            moved[start - base : start - base + len(hist)] = hist
        self._hist, self._base = moved, base


class NakedPocs:
    """Points of control of past sessions that the market has not traded at since."""

    def __init__(self) -> None:
        self.prices: dict[int, int] = {}

    def add(self, ts: int, price: int) -> None:
        """Add the POC (ticks) of the session that ended at `ts`."""
        self.prices[ts] = price

    def touch(self, low: int, high: int) -> list[int]:
        """Take off, and return, the POCs within prices traded since: `low` to `high`, inclusive.

        >>> pocs = NakedPocs()
        >>> pocs.add(1, 100)
        >>> pocs.add(2, 110)
        >>> pocs.touch(105, 112), pocs.prices
        ([110], {1: 100})
        """
        touched = {ts: price for ts, price in self.prices.items() if low <= price <= high}
        for ts in touched:
            del self.prices[ts]
        return list(touched.values())
