"""What the cells of one footprint bar say: POC, value area, extreme delta rows, auction ends.

A bar's cells are an int64 array, one row of prices each, lowest first, with the columns of
`of_nautilus.core.footprint`. Rows in a reading are counted from the bar's lowest row.
"""

import numpy as np
from numba import njit

from of_nautilus.core.record import INT, Ints, State, allocate, record
from of_nautilus.core.value_area import point_of_control, value_area_rows

BAR_READING = record(
    ("poc", INT),
    ("val", INT),
    ("vah", INT),
    ("max_delta_row", INT),
    ("min_delta_row", INT),
    ("unfinished_high", INT),
    ("unfinished_low", INT),
    ("streak", INT),
)


def new_bar_reading() -> State:
    """Return a fresh reading state; only its `streak` lives from bar to bar."""
    return allocate(BAR_READING)


@njit(cache=True)
def totals(cells):  # type: ignore[no-untyped-def]
    """Return the volume of each row, all sides."""
    volume = np.empty(len(cells), np.int64)
    for i in range(len(cells)):
        volume[i] = cells[i, 0] + cells[i, 1] + cells[i, 2]
    return volume


@njit(cache=True)
def extreme_delta_rows(cells: Ints, close_row: int) -> tuple[int, int]:
    """Return the rows with the largest and the smallest delta (ask - bid).

    Ties go to the row nearest `close_row`, then to the lower one. Rows that did not trade have no
    delta and do not compete.
    """
    high = low = -1
    high_delta = low_delta = 0
    for i in range(len(cells)):
        if cells[i, 3] + cells[i, 4] + cells[i, 5] == 0:
            continue
        delta = cells[i, 1] - cells[i, 0]
        away = abs(i - close_row)
        if high < 0 or delta > high_delta or (delta == high_delta and away < abs(high - close_row)):
            high, high_delta = i, delta
        if low < 0 or delta < low_delta or (delta == low_delta and away < abs(low - close_row)):
            low, low_delta = i, delta
    return high, low


@njit(cache=True)
def unfinished_auction(cells: Ints) -> tuple[bool, bool]:
    """Return whether both sides traded at the highest row, and at the lowest row.

    An auction that ended has no sellers left to hit bids at the high (bid 0 there), no buyers
    lifting offers at the low (ask 0 there).
    """
    top = len(cells) - 1
    return (
        cells[top, 0] > 0 and cells[top, 1] > 0,
        cells[0, 0] > 0 and cells[0, 1] > 0,
    )


@njit(cache=True)
def dominant_side(buy: int, sell: int, ratio_per_10000: int = 30_000) -> int:
    """Return +1 or -1 if one side of a bar is at least `ratio` times the other, else 0.

    A side that traded against nothing dominates. The ratio is given in 1/10000.

    >>> dominant_side(30, 10), dominant_side(0, 1), dominant_side(29, 10), dominant_side(0, 0)
    (1, -1, 0, 0)
    """
    if max(buy, sell) * 10_000 < ratio_per_10000 * min(buy, sell) or buy == sell:
        return 0
    return 1 if buy > sell else -1


@njit(cache=True)
def bar_ratio(buy: int, sell: int) -> float:
    """Return the larger side of a bar over the smaller; the smaller counts at least one lot.

    >>> bar_ratio(382, 82) == bar_ratio(82, 382) == 382 / 82
    True
    """
    return max(buy, sell) / max(min(buy, sell), 1)


@njit(cache=True)
def next_streak(streak: int, side: int) -> int:
    """Return the signed number of bars in a row that one side dominated, one bar later."""
    if side == 0:
        return 0
    return streak + side if streak * side > 0 else side


@njit(cache=True)
def read(reading, bar, cells, basis_points, by_two, ratio_per_10000):  # type: ignore[no-untyped-def]
    """Read a closed bar: a BAR_READING and a BAR record, and the bar's traded span of cells."""
    volume = totals(cells)
    reading.poc = point_of_control(volume)
    low, high, _ = value_area_rows(volume, basis_points, by_two)
    reading.val = low
    reading.vah = high
    close_row = bar.close // bar.ticks_per_row - bar.low_row
    most, least = extreme_delta_rows(cells, close_row)
    reading.max_delta_row = most
    reading.min_delta_row = least
    at_high, at_low = unfinished_auction(cells)
    reading.unfinished_high = 1 if at_high else 0
    reading.unfinished_low = 1 if at_low else 0
    side = dominant_side(bar.buy, bar.sell, ratio_per_10000)
    reading.streak = next_streak(reading.streak, side)


@njit(cache=True)
def step_bar_reading(
    state: State,
    bar: State,
    cells: Ints,
    basis_points: int = 7_000,
    by_two: bool = True,
    ratio_per_10000: int = 30_000,
) -> None:
    """Advance a reading by one closed bar.

    Parameters
    ----------
    state : State
        From `new_bar_reading`.
    bar : State
        The bar, of `of_nautilus.core.footprint`.
    cells : int64 array
        Its traded span (`bar_cells`).
    basis_points : int
        The share of the volume in the value area, in 1/10000.
    by_two : bool
        Whether the value area grows by two rows at a time, or by one.
    ratio_per_10000 : int
        From what ratio of buying to selling on a bar counts for the streak, in 1/10000.
    """
    read(state[0], bar[0], cells, basis_points, by_two, ratio_per_10000)
