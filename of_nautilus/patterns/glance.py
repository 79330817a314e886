"""One look at a closed bar: which detectors have something to judge.

Most bars show nothing, and to find that out detector by detector costs more than all the trades of
the bar. One compiled call says what may be there; whether it is, and with which numbers, stays the
detector's own business. The look never rules out what a detector would find.
"""

import numpy as np
from numba import njit

from of_nautilus.core.bar_reading import dominant_side, unfinished_auction
from of_nautilus.core.direct import array_at, table_at
from of_nautilus.core.footprint import BAR
from of_nautilus.core.imbalance import RULE, find_stacks, flag_rows
from of_nautilus.core.record import FLOAT, INT, record
from of_nautilus.patterns.confirmations import STREAK_RATIO

# What the look says: bits.
EXHAUSTION, DIVERGENCE, STACKS, UNFINISHED, DOMINATED = 1, 2, 4, 8, 16
EVERYTHING = 31
# Columns of a remembered bar.
HIGH, LOW, DELTA, VOLUME, CVD = range(5)

REMEMBERED = 64  # a power of two
_PER_10000 = round(STREAK_RATIO * 10_000)

MEMORY = record(
    ("declining", INT),
    ("min_decline", FLOAT),
    ("lookback", INT),
    ("max_ratio", FLOAT),
    ("count", INT),
    ("bars", INT, (REMEMBERED, 5)),
)


@njit(cache=True)
def look(places):  # type: ignore[no-untyped-def]
    """Look at a closed bar and remember it: `places` of MEMORY, BAR, its base cells and RULE."""
    memory, bar = array_at(places, 0, MEMORY)[0], array_at(places, 1, BAR)[0]
    rule = array_at(places, 3, RULE)[0]
    cells = table_at(places, 2, INT)[bar.low_row - bar.base_row : bar.high_row - bar.base_row + 1]
    remember(memory, bar.high, bar.low, bar.buy, bar.sell, bar.unclassified, bar.cvd)
    seen = 0
    if _may_exhaust(memory):
        seen |= 1
    if _may_diverge(memory, 1) or _may_diverge(memory, -1):
        seen |= 2
    flags = np.empty(len(cells), np.int8)
    flag_rows(rule, cells, flags)
    if find_stacks(rule, cells, flags, np.empty((2 * len(cells), 3), np.int64)) > 0:
        seen |= 4
    at_high, at_low = unfinished_auction(cells)
    if at_high or at_low:
        seen |= 8
    if dominant_side(bar.buy, bar.sell, _PER_10000) != 0:
        seen |= 16
    return seen


@njit(cache=True)
def remember(memory, high, low, buy, sell, unclassified, cvd):  # type: ignore[no-untyped-def]
    """Add a bar to a MEMORY record."""
    at = memory.count & (REMEMBERED - 1)
    memory.bars[at, 0] = high
    memory.bars[at, 1] = low
    memory.bars[at, 2] = buy - sell
    memory.bars[at, 3] = buy + sell + unclassified
    memory.bars[at, 4] = cvd
    memory.count += 1


@njit(cache=True)
def _may_exhaust(memory):  # type: ignore[no-untyped-def]
    """Return whether the last bar of the window is an extreme of it, and volume fades to it."""
    declining = memory.declining
    if memory.count <= declining or declining >= REMEMBERED:
        return False
    mask, start = REMEMBERED - 1, memory.count - 1 - declining
    bars, first, last = memory.bars, start & mask, (memory.count - 1) & mask
    fall = bars[first, 3] - bars[last, 3]
    if fall <= 0 or fall < (memory.min_decline - 1e-8) * bars[first, 3]:
        return False
    up = bars[last, 0] > bars[first, 0]
    down = bars[last, 1] < bars[first, 1]
    rises = 0
    for number in range(start, memory.count):
        at = number & mask
        up = up and bars[at, 0] <= bars[last, 0]
        down = down and bars[at, 1] >= bars[last, 1]
        rises += number > start and bars[at, 3] > bars[(number - 1) & mask, 3]
    return (up or down) and rises <= 1


@njit(cache=True)
def _may_diverge(memory, way):  # type: ignore[no-untyped-def]
    """Return whether the last bar is a new extreme that cumulative delta does not confirm."""
    bars, mask, last = memory.bars, REMEMBERED - 1, memory.count - 1
    oldest = max(memory.count - min(memory.lookback + 1, REMEMBERED), 0)
    # The window begins anew where cumulative delta does.
    first = last
    while first > oldest:
        at = first & mask
        if bars[at, 4] - bars[at, 2] != bars[(first - 1) & mask, 4]:
            break
        first -= 1
    if last - first < 2:
        return False
    column = 0 if way > 0 else 1
    anchor = bars[first & mask, 4] - bars[first & mask, 2]
    prior = way * bars[first & mask, column]
    push = way * (bars[first & mask, 4] - anchor)
    highest = push
    second = -(1 << 62)
    for number in range(first + 1, last):
        at = number & mask
        extreme, delta = way * bars[at, column], way * (bars[at, 4] - anchor)
        highest = max(highest, delta)
        second = max(second, delta)
        if extreme > prior:
            prior, push, second = extreme, highest, -(1 << 62)
    second = max(second, way * (bars[last & mask, 4] - anchor))
    if way * bars[last & mask, column] <= prior:
        return False
    return push > 0 and second < memory.max_ratio * push
