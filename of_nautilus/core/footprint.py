"""Footprint bars: volume by price row and aggressor, and what a bar of it shows.

`bid` is what sellers hit, `ask` is what buyers lifted. One aggregator makes every kind of bar: by
time, prints, volume, dollars, range or delta. The rows of the open bar lie in `cells`, an int64
array whose first row is `base_row`; where the bar outgrows it, `add_trade` says so before it
changes anything and the caller lays it anew (`widen`). Nothing is dropped.
"""

import struct
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from of_nautilus.core.record import INT, Ints, State, allocate, record

# Columns of a bar's cells, a row of prices each.
BID, ASK, UNCLASSIFIED, BID_PRINTS, ASK_PRINTS, UNCLASSIFIED_PRINTS = range(6)
CELL_COLUMNS = 6


class BarKind(IntEnum):
    """What closes a bar."""

    TIME = 0  # `length` ns of event time, aligned to the epoch
    TICK = 1  # `length` prints
    VOLUME = 2  # `length` lots
    DOLLAR = 3  # `length` tick-lots (price in ticks times size in lots)
    RANGE = 4  # high - low of `size` ticks
    DELTA = 5  # |delta| of `size` lots


BAR = record(
    ("open_ts", INT),
    ("close_ts", INT),
    ("last_ts", INT),
    ("open", INT),
    ("high", INT),
    ("low", INT),
    ("close", INT),
    ("buy", INT),
    ("sell", INT),
    ("unclassified", INT),
    ("trades", INT),
    ("delta_min", INT),
    ("delta_max", INT),
    ("dollars", INT),
    ("cvd", INT),
    ("kind", INT),
    ("length", INT),
    ("ticks_per_row", INT),
    ("low_row", INT),
    ("high_row", INT),
    ("base_row", INT),
)


class ClosedBar(NamedTuple):
    """A closed footprint bar: times in ns UTC, prices in ticks, sizes in lots.

    `rows` are the bytes of its `cells`. `buy` is volume with a buyer as the aggressor. `delta_min`
    and `delta_max` bound the running delta, which starts at 0. `dollars` is the sum of price times
    size, tick-lots. `cvd` is the cumulative delta at the close.
    """

    open_ts: int
    close_ts: int
    last_ts: int
    open: int
    high: int
    low: int
    close: int
    buy: int
    sell: int
    unclassified: int
    trades: int
    delta_min: int
    delta_max: int
    dollars: int
    cvd: int
    kind: int
    length: int
    ticks_per_row: int
    low_row: int
    high_row: int
    rows: bytes

    @classmethod
    def of(cls, state: State, cells: Ints) -> "ClosedBar":
        """Return the bar of a state, with a copy of the rows that it used."""
        numbers: tuple[int, ...] = state.item()
        low, high, base = numbers[-3:]
        return cls._make((*numbers[:-1], cells[low - base : high - base + 1].tobytes()))

    @property
    def cells(self) -> Ints:
        """Its price rows, the lowest first (row `low_row`), with the columns named above: a copy.

        Made when asked for: of most bars nobody looks at them.
        """
        return np.frombuffer(bytearray(self.rows), np.int64).reshape(-1, CELL_COLUMNS)

    @property
    def delta(self) -> int:
        """Buyer-initiated less seller-initiated volume."""
        return self.buy - self.sell

    @property
    def volume(self) -> int:
        """All that traded."""
        return self.buy + self.sell + self.unclassified

    def to_bytes(self) -> bytes:
        """Return the bar as bytes: equal exactly if the bars are."""
        return struct.pack(_PACKED, *self[:-1]) + self.rows


_PACKED = f"<{len(ClosedBar._fields) - 1}q"


def new_footprint(
    kind: BarKind, length: int, ticks_per_row: int = 1, rows: int = 256
) -> tuple[State, Ints]:
    """Return a fresh bar state and its cells.

    Raises
    ------
    ValueError
        If `length`, `ticks_per_row` or `rows` is < 1.
    """
    for name, value in (("length", length), ("ticks_per_row", ticks_per_row), ("rows", rows)):
        if value < 1:
            raise ValueError(f"`{name}` must be >= 1, was {value}")
    state = allocate(BAR)
    state["kind"], state["length"], state["ticks_per_row"] = kind, length, ticks_per_row
    return state, allocate_cells(rows)


def allocate_cells(rows: int) -> Ints:
    """Return zeroed cells for so many price rows."""
    return np.zeros((rows, CELL_COLUMNS), np.int64)


@njit(cache=True)
def is_due(bar, ts):  # type: ignore[no-untyped-def]
    """Return whether time alone closes the open bar at `ts` (inside the compiler)."""
    return bar.trades > 0 and ts >= bar.close_ts


@njit(cache=True)
def is_full(bar):  # type: ignore[no-untyped-def]
    """Return whether the last trade completed a bar that is not counted in time."""
    if bar.kind == 0 or bar.trades == 0:
        return False
    if bar.kind == 1:
        return bar.trades >= bar.length
    if bar.kind == 2:
        return bar.buy + bar.sell + bar.unclassified >= bar.length
    if bar.kind == 3:
        return bar.dollars >= bar.length
    if bar.kind == 4:
        return bar.high - bar.low >= bar.length
    return abs(bar.buy - bar.sell) >= bar.length


@njit(cache=True)
def has_row(bar, cells, price):  # type: ignore[no-untyped-def]
    """Return whether `cells` has the row of a price; an empty bar has it for any (compiled)."""
    if bar.trades == 0:
        return True
    row = price if bar.ticks_per_row == 1 else price // bar.ticks_per_row
    return 0 <= row - bar.base_row < len(cells)


@njit(cache=True)
def add_trade(bar, cells, ts, price, size, side):  # type: ignore[no-untyped-def]
    """Add one trade to the open bar; False, and nothing changed, if its row is outside `cells`."""
    # Rows of one tick are spared the division, which costs as much as all the rest.
    row = price if bar.ticks_per_row == 1 else price // bar.ticks_per_row
    if bar.trades == 0:
        bar.base_row = row - len(cells) // 2
        bar.low_row = row
        bar.high_row = row
        bar.open = price
        bar.high = price
        bar.low = price
        if bar.kind == 0:
            bar.open_ts = ts - ts % bar.length
            bar.close_ts = bar.open_ts + bar.length
        else:
            bar.open_ts = ts
            bar.close_ts = 0x7FFFFFFFFFFFFFFF
    at = row - bar.base_row
    if at < 0 or at >= len(cells):
        return False
    # Sides are unpredictable: a branch on them costs more than the rest.
    column = (side > 0) + 2 * (side == 0)
    cells[at, column] += size
    cells[at, column + 3] += 1
    bar.low_row = min(bar.low_row, row)
    bar.high_row = max(bar.high_row, row)
    bar.high = max(bar.high, price)
    bar.low = min(bar.low, price)
    bar.close = price
    bar.last_ts = ts
    bar.trades += 1
    bar.dollars += price * size
    bar.buy += size * (side > 0)
    bar.sell += size * (side < 0)
    bar.unclassified += size * (side == 0)
    delta = bar.buy - bar.sell
    bar.delta_min = min(bar.delta_min, delta)
    bar.delta_max = max(bar.delta_max, delta)
    return True


@njit(cache=True)
def add_trades(bar, cells, ts, price, size, side):  # type: ignore[no-untyped-def]
    """Add trades to an open bar that has rows for all of them (compiled).

    As `add_trade` for each, with the sums in registers: nothing says that `cells` is not the bar.
    """
    height, base = bar.ticks_per_row, bar.base_row
    high, low = bar.high, bar.low
    buy, sell, unclassified = bar.buy, bar.sell, bar.unclassified
    delta_min, delta_max, dollars = bar.delta_min, bar.delta_max, bar.dollars
    for i in range(len(ts)):
        at, lots, way = price[i], size[i], side[i]
        row = (at if height == 1 else at // height) - base
        column = (way > 0) + 2 * (way == 0)
        cells[row, column] += lots
        cells[row, column + 3] += 1
        high = max(high, at)
        low = min(low, at)
        buy += lots * (way > 0)
        sell += lots * (way < 0)
        unclassified += lots * (way == 0)
        delta_min = min(delta_min, buy - sell)
        delta_max = max(delta_max, buy - sell)
        dollars += at * lots
    bar.high, bar.low, bar.close = high, low, price[-1]
    bar.high_row, bar.low_row = max(bar.high_row, high // height), min(bar.low_row, low // height)
    bar.buy, bar.sell, bar.unclassified = buy, sell, unclassified
    bar.delta_min, bar.delta_max, bar.dollars = delta_min, delta_max, dollars
    bar.last_ts = ts[-1]
    bar.trades += len(ts)


@njit(cache=True)
def start_bar(bar, cells):  # type: ignore[no-untyped-def]
    """Clear the bar and the cells it used, for the next one (inside the compiler)."""
    if bar.trades > 0:
        cells[bar.low_row - bar.base_row : bar.high_row - bar.base_row + 1, :] = 0
    bar.trades = 0
    bar.buy = 0
    bar.sell = 0
    bar.unclassified = 0
    bar.delta_min = 0
    bar.delta_max = 0
    bar.dollars = 0
    bar.cvd = 0
    bar.close_ts = 0x7FFFFFFFFFFFFFFF


@njit(cache=True)
def step_footprint(state: State, cells: Ints, ts: int, price: int, size: int, side: int) -> int:
    """Advance a bar by one trade: 0, or 1 if the bar is full, or -1 if `cells` is too small."""
    if not add_trade(state[0], cells, ts, price, size, side):
        return -1
    return 1 if is_full(state[0]) else 0


@njit(cache=True)
def next_bar(state: State, cells: Ints) -> None:
    """Clear the bar and its cells for the next one."""
    start_bar(state[0], cells)


def widen(bar: Any, cells: Ints, price: int) -> Ints:
    """Return a bar record's cells laid anew, its `base_row` moved, so that `price` fits."""
    row = price // int(bar.ticks_per_row)
    low = min(int(bar.low_row), row)
    high = max(int(bar.high_row), row)
    rows = 2 * len(cells)
    while rows < 2 * (high - low + 1):
        rows *= 2
    base = (low + high) // 2 - rows // 2
    wider = allocate_cells(rows)
    used = bar_cells(bar, cells)
    at = int(bar.low_row) - base
    wider[at : at + len(used)] = used
    bar.base_row = base
    return wider


def bar_cells(bar: Any, cells: Ints) -> Ints:
    """Return the traded span of a bar record: a view of `cells`, lowest row first."""
    start = int(bar.low_row - bar.base_row)
    return cells[start : start + int(bar.high_row - bar.low_row) + 1]
