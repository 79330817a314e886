"""Profile and VWAP from the list of trades, by dictionaries and fractions."""

from fractions import Fraction
from math import isqrt

from tests.naive.imbalance import poc, value_area


def volume_by_row(rows, ticks_per_row, side=None):
    """{row: lots} of the trades of one side, or of all."""
    found = {}
    for _, price, size, trade_side in rows:
        if side is None or trade_side == side:
            row = price // ticks_per_row
            found[row] = found.get(row, 0) + size
    return found


def dense(by_row, low, high):
    """Volumes of the rows from low to high."""
    return [by_row.get(row, 0) for row in range(low, high + 1)]


def key_prices(by_row, ticks_per_row, step=2):
    """(POC, VAL, VAH) in ticks."""
    low = min(by_row)
    volumes = dense(by_row, low, max(by_row))
    val, vah = value_area(volumes, step=step)
    first = (low + poc(volumes)) * ticks_per_row
    ticks = range(first, first + ticks_per_row)
    return (
        ticks[(len(ticks) - 1) // 2],
        (low + val) * ticks_per_row,
        (low + vah) * ticks_per_row + ticks_per_row - 1,
    )


def vwap(rows):
    """(VWAP, variance) as fractions."""
    volume = sum(row[2] for row in rows)
    mean = Fraction(sum(row[1] * row[2] for row in rows), volume)
    return mean, sum(row[2] * (row[1] - mean) ** 2 for row in rows) / volume


def root(value):
    """The square root of a fraction, right to 18 digits."""
    scale = 10**36
    return float(Fraction(isqrt(int(value * scale * scale)), scale))
