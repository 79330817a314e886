"""Imbalances and readings of a bar, by lists and fractions."""

import itertools
from fractions import Fraction


def outweighs(rule, own, opposite):
    """Whether one side is an imbalance against the other."""
    if own == 0 or own < rule.min_volume or own - opposite < rule.difference:
        return False
    if opposite == 0 and rule.zero.name == "COUNTS":
        return True
    if opposite == 0 and rule.zero.name == "IGNORE":
        return False
    ratio = Fraction(own, opposite or 1)
    limit = Fraction(str(rule.ratio))
    return ratio > limit if rule.strict else ratio >= limit


def flags(rule, cells):
    """Sets of "buy" and "sell" of each row."""
    rows = [list(map(int, row)) for row in cells]
    bids = [row[3 if rule.prints else 0] for row in rows]
    asks = [row[4 if rule.prints else 1] for row in rows]
    volume = [sum(row[:3]) for row in rows]
    found = [set() for _ in rows]
    if rule.compare.name == "SAME_ROW":
        pairs = [(i, i) for i in range(len(rows))]
    elif rule.compare.name == "DIAGONAL":
        pairs = [(i - 1, i) for i in range(1, len(rows))]
    else:
        traded = [i for i in range(len(rows)) if volume[i]]
        pairs = list(itertools.pairwise(traded))
    for low, high in pairs:
        marked = low if rule.flag_below else high
        if outweighs(rule, asks[high], bids[low]) and volume[marked] >= rule.min_row_volume:
            found[marked].add("buy")
        if outweighs(rule, bids[low], asks[high]) and volume[low] >= rule.min_row_volume:
            found[low].add("sell")
    return found


def stacks(rule, cells):
    """Stacks as (low row, high row, side)."""
    if not rule.stack:
        return []
    marks = flags(rule, cells)
    rows = list(range(len(cells)))
    if rule.compare.name == "DIAGONAL_TRADED":
        rows = [i for i in rows if sum(cells[i][:3])]
    found = []
    for name, side in (("buy", 1), ("sell", -1)):
        runs = [[]]
        for i in rows:
            if name in marks[i]:
                runs[-1].append(i)
            else:
                runs.append([])
        for run in runs:
            if len(run) < rule.stack:
                continue
            if rule.every_start:
                for start in range(len(run) - rule.stack + 1):
                    found.append((run[start], run[start + rule.stack - 1], side))
            else:
                found.append((run[0], run[-1], side))
    return found


def poc(volumes):
    """Row with the most volume; then nearest the middle; then the lower."""
    n = len(volumes)
    return min(range(n), key=lambda i: (-volumes[i], abs(2 * i - (n - 1)), i))


def value_area(volumes, share=Fraction(7, 10), step=2):
    """(lowest row, highest row) that hold the share, grown from the POC by pairs of rows."""
    low = high = poc(volumes)
    held, target = volumes[low], share * sum(volumes)
    while held < target:
        above = sum(volumes[high + 1 : high + 1 + step]) if high < len(volumes) - 1 else -1
        below = sum(volumes[max(0, low - step) : low]) if low > 0 else -1
        held += max(above, below)
        if above >= below:
            high = min(high + step, len(volumes) - 1)
        else:
            low = max(low - step, 0)
    return low, high


def extreme_delta_rows(cells, close_row):
    """Rows of the largest and smallest delta; then nearest the close; then the lower."""
    traded = [i for i in range(len(cells)) if sum(cells[i][3:])]
    delta = {i: int(cells[i][1]) - int(cells[i][0]) for i in traded}
    return (
        min(traded, key=lambda i: (-delta[i], abs(i - close_row), i)),
        min(traded, key=lambda i: (delta[i], abs(i - close_row), i)),
    )
