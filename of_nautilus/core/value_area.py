"""Volume-profile readings over a dense histogram of rows: POC, value area, nodes, shape, merging.

A histogram is a one-dimensional int64 array: element `i` is the volume (lots) of row `low_row + i`,
with zeros for rows that did not trade. Every comparison is made in integers, so a reading never
depends on the order in which the volume was added.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numba import njit
from numpy.typing import NDArray

Histogram = NDArray[np.int64]

VALUE_AREA_METHODS = ("two_row", "one_row")


class Shape(StrEnum):
    """Where a profile's volume lies: high (P), low (b), middle (D), in two places, or not told."""

    P = "P"
    B = "b"
    D = "D"
    DOUBLE = "DOUBLE"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class ProfileShape:
    """A profile's shape and `poc_pct`, the place of its POC from 0 (bottom row) to 1 (top row)."""

    shape: Shape
    poc_pct: float


@njit(cache=True)
def point_of_control(hist: Histogram) -> int:
    """Return the row with the most volume; ties go to the row nearest the middle, then the lower.

    Returns -1 for a histogram without volume. Usable inside compiled code.

    >>> int(point_of_control(np.array([9, 3, 9, 2, 1])))
    2

    Source: the tie rule of Linn Software's market profile study.
    """
    n = len(hist)
    best = -1
    best_volume = 0
    best_distance = 0
    for i in range(n):
        volume = hist[i]
        distance = abs(2 * i - (n - 1))
        if volume > best_volume or (
            volume == best_volume and volume > 0 and distance < best_distance
        ):
            best = i
            best_volume = volume
            best_distance = distance
    return best


@njit(cache=True)
def value_area_rows(hist: Histogram, basis_points: int, by_two: bool) -> tuple[int, int, int]:
    """Return (lowest row, highest row, volume) of the value area; compiled core of `value_area`.

    `basis_points` is the share of the total in 1/10000. Without volume it gives (-1, -1, 0).
    """
    poc = point_of_control(hist)
    if poc < 0:
        return -1, -1, 0
    n = len(hist)
    total = 0
    for i in range(n):
        total += hist[i]
    # The ceiling of total * basis_points / 10000, taken apart so that it cannot overflow.
    target = (total // 10_000) * basis_points + ((total % 10_000) * basis_points + 9_999) // 10_000
    low = poc
    high = poc
    volume = hist[poc]
    step = 2 if by_two else 1
    while volume < target:
        above = 0
        last = min(high + step, n - 1)
        for i in range(high + 1, last + 1):
            above += hist[i]
        below = 0
        first = max(low - step, 0)
        for i in range(first, low):
            below += hist[i]
        if high < n - 1 and (above >= below or low == 0):
            volume += above
            high = last
        else:
            volume += below
            low = first
    return low, high, volume


def value_area(hist: Histogram, pct: float = 0.70, method: str = "two_row") -> tuple[int, int, int]:
    """Return (lowest row, highest row, volume) of the value area around the POC.

    Starting with the POC row, the side with the more volume in its next two rows (`two_row`) or
    next row (`one_row`) is added whole until at least `pct` of the total is inside; equal sides go
    up; at an edge the rows that exist count. A histogram without volume gives (-1, -1, 0).

    Parameters: `pct` in (0, 1], read to 1/10000; `method` one of "two_row", "one_row".

    >>> value_area(np.array([10, 10, 10, 50, 10, 10, 10]))
    (1, 5, 90)

    Source: Steidlmayer's market profile as the CBOT described it; the one-row form is the usual
    charting variant.
    """
    if not 0.0 < pct <= 1.0:
        raise ValueError(f"`pct` must be in (0, 1], was {pct}")
    if method not in VALUE_AREA_METHODS:
        raise ValueError(f"`method` must be one of {VALUE_AREA_METHODS}, was {method!r}")
    low, high, volume = value_area_rows(hist, round(pct * 10_000), method == "two_row")
    return int(low), int(high), int(volume)


def key_prices(
    hist: Histogram,
    low_row: int,
    ticks_per_row: int,
    pct: float = 0.70,
    method: str = "two_row",
) -> tuple[int, int, int]:
    """Return (POC, VAL, VAH) of a profile in ticks.

    VAL is the first tick of its row, VAH the last tick of its row, the POC the middle tick of its
    row (rounded down). Raises `ValueError` for a histogram without volume.
    """
    if ticks_per_row < 1:
        raise ValueError(f"`ticks_per_row` must be >= 1, was {ticks_per_row}")
    low_row = int(low_row)
    poc = int(point_of_control(hist))
    if poc < 0:
        raise ValueError("`hist` must hold volume, was empty")
    low, high, _ = value_area(hist, pct, method)
    return (
        (low_row + poc) * ticks_per_row + (ticks_per_row - 1) // 2,
        (low_row + low) * ticks_per_row,
        (low_row + high + 1) * ticks_per_row - 1,
    )


def rebin(hist: Histogram, bins: int) -> Histogram:
    """Return the histogram spread evenly over `bins` bins, each value multiplied by `bins`.

    A row's volume is shared by the bins that it overlaps, in proportion to the overlap. The factor
    `bins` (the same for every bin) keeps the shares whole numbers, so nothing is rounded.
    """
    if bins < 1:
        raise ValueError(f"`bins` must be >= 1, was {bins}")
    n = len(hist)
    # In 1/(n * bins) of the range, row i spans bins * [i, i + 1] and bin b spans n * [b, b + 1].
    cumulative = np.concatenate(([0], np.cumsum(hist * bins)))
    edges = n * np.arange(bins + 1, dtype=np.int64)
    row, part = np.divmod(edges, bins)
    inside = np.zeros(bins + 1, dtype=np.int64)
    within = row < n
    inside[within] = hist[row[within]] * part[within]
    return np.diff(cumulative[row] + inside)


def smooth(hist: Histogram) -> Histogram:
    """Return `[1 2 1]` applied once, without the division by 4; edge rows repeat themselves."""
    padded = np.concatenate((hist[:1], hist, hist[-1:]))
    return padded[:-2] + 2 * padded[1:-1] + padded[2:]


def normalize(hist: Histogram, bins: int) -> Histogram:
    """Return a profile of at most `bins` rows that no longer depends on how fine its rows were.

    A profile with more than `bins` rows is rebinned to `bins` and smoothed twice; volumes come out
    multiplied by one common factor. Others are returned as they are.
    """
    return smooth(smooth(rebin(hist, bins))) if len(hist) > bins else hist


def _plateaus(hist: Histogram) -> list[tuple[int, int]]:
    """(first row, row after the last) of each run of equal volume that has rows on both sides."""
    edges = np.flatnonzero(np.diff(hist)) + 1
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def _nodes(hist: Histogram, bins: int | None, sigma: float, floor: float, low: bool) -> list[int]:
    if sigma < 0:
        raise ValueError(f"`sigma` must be >= 0, was {sigma}")
    rows = hist if bins is None else normalize(hist, bins)
    if len(rows) < 5:
        return []
    mean = float(rows.mean())
    spread = float(rows.std())
    found = []
    if low:
        limit = max(mean - sigma * spread, floor * mean)
        for first, end in _plateaus(rows):
            if rows[first] < rows[first - 1] and rows[first] < rows[end] and rows[first] < limit:
                found.append(first)
    else:
        limit = mean + sigma * spread
        for i in range(1, len(rows) - 1):
            if rows[i] > rows[i - 1] and rows[i] >= rows[i + 1] and rows[i] > limit:
                found.append(i)
    if rows is hist:
        return found
    return [(2 * b + 1) * len(hist) // (2 * len(rows)) for b in found]


def low_volume_nodes(
    hist: Histogram, bins: int | None = None, sigma: float = 1.5, floor: float = 0.2
) -> list[int]:
    """Return the rows of low-volume nodes: minima below `max(mean - sigma*sd, floor*mean)`.

    A minimum is an interior row strictly below both neighbors; a plateau counts once, at its lowest
    row. `sd` is the population deviation over all rows. With `bins`, the test runs on the profile
    normalized to that many bins and gives the middle row of the bin. Fewer than 5 rows: none.

    >>> low_volume_nodes(np.array([10, 40, 80, 60, 3, 55, 90, 100, 50, 5, 20]))
    [4, 9]
    """
    return _nodes(hist, bins, sigma, floor, low=True)


def high_volume_nodes(hist: Histogram, bins: int | None = None, sigma: float = 1.0) -> list[int]:
    """Return the rows of high-volume nodes: maxima above `mean + sigma*sd`.

    A maximum is an interior row above the row below it and at least as high as the row above it, so
    a plateau counts once, at its lowest row. `sd` and `bins` as in `low_volume_nodes`.

    >>> high_volume_nodes(np.array([10, 40, 80, 60, 3, 55, 90, 100, 50, 5, 20]))
    [2, 7]
    """
    return _nodes(hist, bins, sigma, 0.0, low=False)


def _is_double(rows: list[int], min_distance: int) -> bool:
    """Two peaks above 1.5 means, one in each half, and a valley under half of the smaller."""
    n = len(rows)
    if n < 10:
        return False
    half = n // 2
    left = max(range(half), key=lambda i: (rows[i], -i))
    right = max(range(half, n), key=lambda i: (rows[i], -i))
    total = sum(rows)
    tall = 2 * n * rows[left] > 3 * total and 2 * n * rows[right] > 3 * total
    if not tall or right - left <= 2 or right - left < min_distance:
        return False
    return 2 * min(rows[left + 1 : right]) < min(rows[left], rows[right])


def profile_shape(hist: Histogram, grid: int | None = 24) -> ProfileShape:
    """Tell a profile's shape from where its POC lies and whether it has two distributions.

    DOUBLE needs at least 10 rows, the highest row of each half above 1.5 times the mean and more
    than 2 rows apart, and a row between them under half of the smaller peak. Otherwise P if
    `poc_pct > 0.65`, b if `poc_pct < 0.35`, else D. Without volume or with a single row: UNKNOWN.

    With `grid` (default 24, None to switch off) a profile of more than `grid` rows is first
    rebinned to `grid` bins and smoothed twice with [1 2 1], and the two peaks must be at least a
    quarter of the bins apart; fewer than 5 rows are UNKNOWN. Without it the reading depends on the
    number of rows: almost every fine profile has two peaks by chance.

    >>> profile_shape(np.array([2, 2, 3, 3, 4, 6, 9, 14, 20, 12, 5]))
    ProfileShape(shape=<Shape.P: 'P'>, poc_pct=0.8)
    """
    if grid is not None and grid < 10:
        raise ValueError(f"`grid` must be >= 10 or None, was {grid}")
    rows = hist if grid is None else normalize(hist, grid)
    n = len(rows)
    poc = int(point_of_control(rows)) if n else -1
    if poc < 0 or n == 1:
        return ProfileShape(Shape.UNKNOWN, 0.5)
    poc_pct = poc / (n - 1)
    if grid is not None and n < 5:
        return ProfileShape(Shape.UNKNOWN, poc_pct)
    min_distance = 0 if rows is hist else -(-n // 4)
    if _is_double(rows.tolist(), min_distance):
        return ProfileShape(Shape.DOUBLE, poc_pct)
    # poc / (n - 1) > 0.65 and < 0.35, without rounding.
    if 20 * poc > 13 * (n - 1):
        return ProfileShape(Shape.P, poc_pct)
    if 20 * poc < 7 * (n - 1):
        return ProfileShape(Shape.B, poc_pct)
    return ProfileShape(Shape.D, poc_pct)


def merge_profiles(parts: Iterable[tuple[int, Histogram]]) -> tuple[int, Histogram]:
    """Add profiles of equal row size, given as (lowest row, histogram), row by row.

    >>> low, hist = merge_profiles([(10, np.array([1, 2])), (12, np.array([5]))])
    >>> low, hist.tolist()
    (10, [1, 2, 5])
    """
    profiles = [(low, hist) for low, hist in parts if len(hist)]
    if not profiles:
        raise ValueError("`parts` must hold at least one profile with rows, was empty")
    low = min(start for start, _ in profiles)
    high = max(start + len(hist) for start, hist in profiles)
    merged = np.zeros(high - low, dtype=np.int64)
    for start, hist in profiles:
        merged[start - low : start - low + len(hist)] += hist
    return low, merged


def coarsen(
    low_row: int, hist: Histogram, ticks_per_row: int, wanted: int
) -> tuple[int, Histogram]:
    """Move a profile onto wider rows: each row's volume goes to the wide row of its middle tick.

    Parameters: `ticks_per_row` of the profile, and `wanted` >= `ticks_per_row`.
    """
    if ticks_per_row < 1:
        raise ValueError(f"`ticks_per_row` must be >= 1, was {ticks_per_row}")
    if wanted < ticks_per_row:
        raise ValueError(f"`wanted` must be >= `ticks_per_row` ({ticks_per_row}), was {wanted}")
    rows = low_row + np.arange(len(hist), dtype=np.int64)
    wide = (rows * ticks_per_row + (ticks_per_row - 1) // 2) // wanted
    first = int(wide[0])
    out = np.zeros(int(wide[-1]) - first + 1, dtype=np.int64)
    np.add.at(out, wide - first, hist)
    return first, out
