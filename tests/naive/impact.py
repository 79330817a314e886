"""Price impact from all events each time."""

import itertools
import math
from fractions import Fraction


def line(x, y):
    """(slope, intercept, R squared) by fractions, NaN where there is none."""
    n = len(x)
    x, y = [Fraction(v) for v in x], [Fraction(v) for v in y]
    mean_x, mean_y = sum(x) / n, sum(y) / n
    xx = sum((v - mean_x) ** 2 for v in x)
    yy = sum((v - mean_y) ** 2 for v in y)
    xy = sum((v - mean_x) * (w - mean_y) for v, w in zip(x, y, strict=True))
    if xx == 0:
        return math.nan, math.nan, math.nan
    r2 = float(xy * xy / (xx * yy)) if yy else math.nan
    return float(xy / xx), float(mean_y - xy / xx * mean_x), r2


def points(rows, grid):
    """(signed volume, price change, signed roots, return in bp) of each closed grid cell."""
    if not rows:
        return []
    first, last = rows[0][0] // grid, rows[-1][0] // grid
    found = []
    price = rows[0][1]
    for cell in range(first, last):
        inside = [row for row in rows if row[0] // grid == cell]
        after = inside[-1][1] if inside else price
        found.append(
            (
                sum(row[2] * row[3] for row in inside),
                after - price,
                sum(row[3] * math.sqrt(row[1] * row[2]) for row in inside),
                1e4 * (after - price) / price,
            )
        )
        price = after
    return found


def kyle(rows, grid, count, least):
    """((slope, intercept, R squared), slope of returns on roots) after all trades."""
    held = points(rows, grid)[-count:]
    if len(held) < least:
        return (math.nan,) * 3, math.nan
    x, y, roots, returns = zip(*held, strict=True)
    return line(x, y), line(roots, returns)[0]


def amihud(bars, window):
    """Mean of |return| over dollars of the last `window` bars with volume, times 10**6."""
    found = [
        abs(after - before) / before / dollars
        for (before, _), (after, dollars) in itertools.pairwise(bars)
        if dollars > 0
    ]
    return sum(found[-window:]) / window * 1e6 if len(found) >= window else math.nan


def serial_covariance(changes):
    """Population covariance of each change with the one before."""
    pairs = list(itertools.pairwise(changes))
    older = Fraction(sum(pair[0] for pair in pairs), len(pairs))
    newer = Fraction(sum(pair[1] for pair in pairs), len(pairs))
    return float(sum((a - older) * (b - newer) for a, b in pairs) / len(pairs))


def roll(prices, window):
    """Roll's spread of the last `window` price changes."""
    changes = [after - before for before, after in itertools.pairwise(prices)][-window:]
    if len(changes) < window:
        return math.nan
    return 2 * math.sqrt(max(0.0, -serial_covariance(changes)))
