"""Footprint imbalances: rows where one aggressor outweighs the other, and stacks of them.

One family of rules covers what the common charting packages and studies do; they differ by what is
compared with what, by how much, and by what happens where the opposite side is zero.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit

from of_nautilus.core.record import INT, Bytes, Ints, State, allocate, record

RULE = record(
    ("compare", INT),
    ("zero", INT),
    ("ratio", INT),
    ("strict", INT),
    ("difference", INT),
    ("own_min", INT),
    ("row_min", INT),
    ("prints", INT),
    ("below", INT),
    ("stack", INT),
    ("every_start", INT),
)

BUY_FLAG, SELL_FLAG = 1, 2


class Compare(IntEnum):
    """What a row's volume is compared with."""

    DIAGONAL = 0  # ask of a row with the bid of the row one below
    DIAGONAL_TRADED = 1  # the same with the nearest row below that traded
    SAME_ROW = 2  # ask and bid of one row


class Zero(IntEnum):
    """What happens where the opposite side is zero."""

    COUNTS = 0  # an imbalance
    IGNORE = 1  # none
    AS_ONE = 2  # the opposite side is taken as one lot


@dataclass(frozen=True)
class ImbalanceRule:
    """Rule for the imbalances of a bar's rows.

    A row is a buy imbalance where `ask >= ratio * opposite bid` (`>` if `strict`), a sell imbalance
    where `bid >= ratio * opposite ask`; sizes are lots and compared as integers.

    Parameters
    ----------
    compare : Compare
        Which cell is opposite. With DIAGONAL the lowest row has no buy test, the highest no sell
        test.
    ratio : float
        Times the opposite side, > 0, read to 1/10000.
    strict : bool
        Whether the ratio must be exceeded.
    difference : int
        Least difference of the two sides, >= 0.
    zero : Zero
        What a zero opposite side means.
    min_volume : int
        Least lots (prints, with `prints`) of the side itself, >= 0.
    min_row_volume : int
        Least lots of the flagged row, both sides and unknown, >= 0.
    prints : bool
        Whether prints are compared in place of lots.
    flag_below : bool
        Whether a diagonal buy imbalance marks the lower row of the pair.
    stack : int
        Rows on end that make a stack, or 0 for no stacks.
    every_start : bool
        Whether each row from which `stack` rows run is a stack of its own.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Examples
    --------
    >>> rule = ImbalanceRule.preset("atas", min_volume=10)
    >>> rule.ratio, rule.strict, rule.min_volume
    (3.0, True, 10)
    """

    compare: Compare = Compare.DIAGONAL
    ratio: float = 3.0
    strict: bool = False
    difference: int = 0
    zero: Zero = Zero.COUNTS
    min_volume: int = 1
    min_row_volume: int = 0
    prints: bool = False
    flag_below: bool = False
    stack: int = 3
    every_start: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.ratio <= 1e6:
            raise ValueError(f"`ratio` must be > 0 and <= 1e6, was {self.ratio}")
        for name in ("difference", "min_volume", "min_row_volume", "stack"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must be >= 0, was {getattr(self, name)}")

    @classmethod
    def preset(cls, name: str, **overrides: Any) -> "ImbalanceRule":
        """Return the rule that a package uses, with some of its parameters overridden.

        Names: default, atas, flowsurface, pine, orderflowbot, freqtrade.
        """
        if name not in PRESETS:
            raise ValueError(f"`name` must be one of {', '.join(PRESETS)}, was {name!r}")
        return replace(PRESETS[name], **overrides)

    def packed(self) -> State:
        """Return the rule as the record that the compiled functions take: not to be written to."""
        return _packed(self)


@lru_cache(maxsize=64)
def _packed(self: ImbalanceRule) -> State:
    state = allocate(RULE)
    rule = state[0]
    rule.compare, rule.zero = int(self.compare), int(self.zero)
    rule.ratio, rule.strict = round(self.ratio * 10_000), self.strict
    rule.difference, rule.own_min = self.difference, self.min_volume
    rule.row_min, rule.prints = self.min_row_volume, self.prints
    rule.below, rule.stack, rule.every_start = self.flag_below, self.stack, self.every_start
    return state


PRESETS = {
    "default": ImbalanceRule(),
    # More than 30 lots on the dominant side.
    "atas": ImbalanceRule(strict=True, zero=Zero.IGNORE, min_volume=31),
    "flowsurface": ImbalanceRule(strict=True, zero=Zero.IGNORE, min_volume=0, stack=0),
    "pine": ImbalanceRule(min_volume=0, stack=0),
    "orderflowbot": ImbalanceRule(ratio=1.5, difference=10, zero=Zero.AS_ONE, min_volume=0),
    "freqtrade": ImbalanceRule(
        compare=Compare.DIAGONAL_TRADED,
        strict=True,
        min_volume=0,
        min_row_volume=1,
        prints=True,
        flag_below=True,
        every_start=True,
    ),
}


@njit(cache=True)
def outweighs(rule, own, opposite):  # type: ignore[no-untyped-def]
    """Return whether `own` is an imbalance against `opposite` (a RULE record; compiled)."""
    if own <= 0 or own < rule.own_min or own - opposite < rule.difference:
        return False
    if opposite == 0:
        if rule.zero == 0:
            return True
        if rule.zero == 1:
            return False
        opposite = 1
    if rule.strict:
        return own * 10_000 > rule.ratio * opposite
    return own * 10_000 >= rule.ratio * opposite


@njit(cache=True)
def row_volume(cells, i):  # type: ignore[no-untyped-def]
    """Return the lots of a row, all sides (compiled)."""
    return cells[i, 0] + cells[i, 1] + cells[i, 2]


@njit(cache=True)
def flag_rows(rule, cells, flags):  # type: ignore[no-untyped-def]
    """Fill `flags` (int8, a row each) for a bar's cells: 0, 1 buy, 2 sell, 3 both (compiled)."""
    bid = 3 if rule.prints else 0
    ask = bid + 1
    below = -1
    for i in range(len(cells)):
        flags[i] = 0
        if rule.compare == 2:
            if row_volume(cells, i) >= rule.row_min:
                if outweighs(rule, cells[i, ask], cells[i, bid]):
                    flags[i] |= 1
                if outweighs(rule, cells[i, bid], cells[i, ask]):
                    flags[i] |= 2
            continue
        if rule.compare == 1 and row_volume(cells, i) == 0:
            continue
        if below >= 0:
            marked = below if rule.below else i
            if row_volume(cells, marked) >= rule.row_min and outweighs(
                rule, cells[i, ask], cells[below, bid]
            ):
                flags[marked] |= 1
            if row_volume(cells, below) >= rule.row_min and outweighs(
                rule, cells[below, bid], cells[i, ask]
            ):
                flags[below] |= 2
        below = i


@njit(cache=True)
def find_stacks(rule, cells, flags, stacks):  # type: ignore[no-untyped-def]
    """Fill `stacks` (int64, 2 * rows by 3) with (low row, high row, side); return how many.

    Buy stacks come first, each side from the lowest row up. Rows that did not trade break a stack,
    except where the rule compares traded rows only.
    """
    found = 0
    if rule.stack == 0:
        return found
    starts = np.empty(len(flags), np.int64)
    for bit in (1, 2):
        run = 0
        for i in range(len(flags) + 1):
            if i < len(flags):
                if rule.compare == 1 and row_volume(cells, i) == 0:
                    continue
                if flags[i] & bit:
                    starts[run] = i
                    run += 1
                    if rule.every_start and run >= rule.stack:
                        stacks[found, 0] = starts[run - rule.stack]
                        stacks[found, 1] = i
                        stacks[found, 2] = 1 if bit == 1 else -1
                        found += 1
                    continue
            if run >= rule.stack and not rule.every_start:
                stacks[found, 0] = starts[0]
                stacks[found, 1] = starts[run - 1]
                stacks[found, 2] = 1 if bit == 1 else -1
                found += 1
            run = 0
    return found


@njit(cache=True)
def _read_stacks(rule, cells, stacks):  # type: ignore[no-untyped-def]
    flags = np.empty(len(cells), np.int8)
    flag_rows(rule[0], cells, flags)
    return find_stacks(rule[0], cells, flags, stacks)


def imbalance_flags(rule: ImbalanceRule, cells: Ints) -> Bytes:
    """Return a flag for each row of a bar's cells: 0 none, 1 buy, 2 sell, 3 both."""
    flags = np.zeros(len(cells), np.int8)
    flag_rows(rule.packed()[0], cells, flags)
    return flags


def imbalance_stacks(rule: ImbalanceRule, cells: Ints) -> list[tuple[int, int, int]]:
    """Return the stacks of a bar's cells as (low row, high row, side), buy stacks first.

    >>> cells = np.array([[9, 1, 0, 1, 1, 0], [2, 27, 0, 1, 1, 0], [1, 6, 0, 1, 1, 0],
    ...                   [0, 3, 0, 0, 1, 0]])
    >>> imbalance_stacks(ImbalanceRule(), cells)
    [(1, 3, 1)]
    """
    stacks = np.empty((2 * len(cells), 3), np.int64)
    found = _read_stacks(rule.packed(), cells, stacks)
    return [(low, high, side) for low, high, side in stacks[:found].tolist()] if found else []
