"""What is large on this tape: sizes of parent orders, and volumes of single price rows.

Two trailing samples, gathered trade by trade. Prints at one time and of one side that follow each
other are one market order, the parent. In each half minute, the row that took the most volume of
a side gives one row volume for that side. A detector's thresholds are quantiles of these.
"""

from typing import Any

import numpy as np
from numba import njit

from of_nautilus.core.record import INT, Ints, State, allocate, record

WINDOW = 30_000_000_000
PARENTS = 20_000
ROW_VOLUMES = 960  # four hours of half minutes, two sides

TAPE_SIZES = record(
    ("parent_ts", INT),
    ("parent_side", INT),
    ("parent_size", INT),
    ("parents_seen", INT),
    ("next_parent", INT),
    ("row_ticks", INT),
    ("next_row_ticks", INT),
    ("window_end", INT),
    ("low_row", INT),
    ("high_row", INT),
    ("last_row", INT),
    ("row_low", INT),  # the prices of the last row
    ("row_high", INT),
    ("most_sold", INT),
    ("most_bought", INT),
    ("volumes_seen", INT),
    ("volumes", INT, (ROW_VOLUMES,)),
    ("parents", INT, (PARENTS,)),
)


def new_tape_sizes(rows: int = 256) -> tuple[State, Ints]:
    """Return a fresh state and the rows of its window; rows count once `set_row_ticks` was called.

    Parameters
    ----------
    rows : int
        Rows that a window holds at first, a power of two.

    Raises
    ------
    ValueError
        If `rows` is not a power of two.
    """
    if rows < 1 or rows & (rows - 1):
        raise ValueError(f"`rows` must be a power of two, was {rows}")
    return allocate(TAPE_SIZES), np.zeros((rows, 2), np.int64)


def set_row_ticks(sizes: Any, row_ticks: int) -> None:
    """Set the height of a row, ticks, from the next window on (a state's record)."""
    sizes.next_row_ticks = row_ticks


@njit(cache=True)
def has_room(sizes, rows, ts, price):  # type: ignore[no-untyped-def]
    """Return whether the window has a row for `price`; a new window has one for any (compiled)."""
    if sizes.row_low <= price <= sizes.row_high:
        return True
    if ts >= sizes.window_end or sizes.row_ticks == 0:
        return True
    row = price // sizes.row_ticks
    return max(sizes.high_row, row) - min(sizes.low_row, row) < len(rows)


@njit(cache=True)
def add_trade(sizes, rows, ts, price, size, side):  # type: ignore[no-untyped-def]
    """Add one trade for which there is room (compiled)."""
    if ts == sizes.parent_ts and side == sizes.parent_side:
        sizes.parent_size += size
    else:
        _end_parent(sizes)
        sizes.parent_ts = ts
        sizes.parent_side = side
        sizes.parent_size = size
    if ts >= sizes.window_end:
        _end_window(sizes, rows)
        sizes.window_end = ts - ts % WINDOW + WINDOW
        sizes.row_ticks = sizes.next_row_ticks
        if sizes.row_ticks > 0:
            _enter_row(sizes, price)
            sizes.low_row = sizes.last_row
            sizes.high_row = sizes.last_row
    if side == 0 or sizes.row_ticks == 0:
        return
    if price < sizes.row_low or price > sizes.row_high:
        _enter_row(sizes, price)
        sizes.low_row = min(sizes.low_row, sizes.last_row)
        sizes.high_row = max(sizes.high_row, sizes.last_row)
    at = sizes.last_row & (len(rows) - 1)
    # Sides are unpredictable: a branch on them costs more than the rest.
    bought = np.int64(side > 0)
    lots = rows[at, bought] + size
    rows[at, bought] = lots
    sizes.most_bought = max(sizes.most_bought, lots * bought)
    sizes.most_sold = max(sizes.most_sold, lots * (1 - bought))


@njit(cache=True)
def _enter_row(sizes, price):  # type: ignore[no-untyped-def]
    sizes.last_row = price // sizes.row_ticks
    sizes.row_low = sizes.last_row * sizes.row_ticks
    sizes.row_high = sizes.row_low + sizes.row_ticks - 1


@njit(cache=True)
def _end_parent(sizes):  # type: ignore[no-untyped-def]
    if sizes.parent_size > 0:
        at = sizes.next_parent
        sizes.parents[at] = sizes.parent_size
        sizes.next_parent = at + 1 if at + 1 < PARENTS else 0
        sizes.parents_seen += 1


@njit(cache=True)
def _end_window(sizes, rows):  # type: ignore[no-untyped-def]
    """Sample each side that traded, and clear its rows."""
    if sizes.most_sold > 0:
        sizes.volumes[sizes.volumes_seen % ROW_VOLUMES] = sizes.most_sold
        sizes.volumes_seen += 1
    if sizes.most_bought > 0:
        sizes.volumes[sizes.volumes_seen % ROW_VOLUMES] = sizes.most_bought
        sizes.volumes_seen += 1
    if sizes.row_ticks > 0:
        for row in range(sizes.low_row, sizes.high_row + 1):
            rows[row & (len(rows) - 1), 0] = 0
            rows[row & (len(rows) - 1), 1] = 0
    sizes.most_sold = 0
    sizes.most_bought = 0


@njit(cache=True)
def step_tape_sizes(state: State, rows: Ints, ts: int, price: int, size: int, side: int) -> int:
    """Advance by one trade: 0, or -1 and nothing changed if `rows` must grow first."""
    if not has_room(state[0], rows, ts, price):
        return -1
    add_trade(state[0], rows, ts, price, size, side)
    return 0


def widen_rows(sizes: Any, rows: Ints) -> Ints:
    """Return twice as many rows that hold the same window."""
    wider = np.zeros((2 * len(rows), 2), np.int64)
    used = np.arange(int(sizes.low_row), int(sizes.high_row) + 1)
    wider[used % len(wider)] = rows[used % len(rows)]
    return wider


def large_parent(sizes: Any, quantile: float = 0.95) -> float:
    """Return the quantile of the sizes of the last 20,000 parents, lots; NaN if there is none.

    The parent that may still go on is not among them.
    """
    return _quantile(sizes.parents[: min(int(sizes.parents_seen), PARENTS)], quantile)


def large_row_volume(sizes: Any, quantile: float = 0.95) -> float:
    """Return the quantile of the last 960 row volumes, lots; NaN if there is none."""
    return _quantile(sizes.volumes[: min(int(sizes.volumes_seen), ROW_VOLUMES)], quantile)


def _quantile(values: Ints, quantile: float) -> float:
    return float(np.quantile(values, quantile)) if len(values) else float("nan")
