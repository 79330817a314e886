"""Columns and cells packed for a page: small integers, deflated, as text."""

import base64
import zlib
from typing import Any

import numpy as np

from of_nautilus.report.bars import Bars, read_cells
from of_nautilus.report.footprint import cell_digits, display_rule

CHUNK = 64  # bars that a page decodes at a time
MOST_CELLS = 2_500_000  # of all levels together; the finest are left out beyond
_STEPS = (1, 2, 5)


def pack(columns: dict[str, Any]) -> dict[str, Any]:
    """Return columns of numbers as text: names, types and lengths, and their deflated bytes.

    Integers take the narrowest of u1, u2, u4, i4 that holds them all, else float64, which is exact
    to 2**53.
    """
    arrays = {name: _narrow(np.asarray(column)) for name, column in columns.items()}
    # The widest first, so that every column begins where its type may be read.
    order = sorted(arrays, key=lambda name: -arrays[name].itemsize)
    raw = b"".join(arrays[name].tobytes() for name in order)
    return {
        "fields": [[name, arrays[name].dtype.str[1:], len(arrays[name])] for name in order],
        "data": base64.b64encode(zlib.compress(raw, 6)).decode(),
    }


def _narrow(column: Any) -> Any:
    if column.dtype.kind == "f" or not len(column):
        return column.astype("<f8")
    low, high = int(column.min()), int(column.max())
    for kind, least, most in (
        ("<u1", 0, 2**8),
        ("<u2", 0, 2**16),
        ("<u4", 0, 2**32),
        ("<i4", -(2**31), 2**31),
    ):
        if least <= low and high < most:
            return column.astype(kind)
    if max(-low, high) > 2**53:
        raise ValueError(f"numbers must be within 2**53 to be shown exactly, was {low}..{high}")
    return column.astype("<f8")


def pack_bars(bars: Bars) -> dict[str, Any]:
    """Return what candles, delta and CVD are drawn from; times in ms."""
    return pack(
        {
            "open_ts": bars.open_ts / 1e6,
            "close_ts": bars.close_ts / 1e6,
            **{name: getattr(bars, name) for name in ("open", "high", "low", "close")},
            **{name: getattr(bars, name) for name in ("buy", "sell", "trades", "cvd")},
            "unclassified": bars.unclassified,
            "low_row": bars.low_row,
            "high_row": bars.high_row,
        }
    )


def levels_of(bars: Bars) -> list[int]:
    """Return the row heights (times the bars' own) that a page holds: 1, 2, 5, 10, ..."""
    if not len(bars):
        return []
    cells = len(bars.cells)
    tall = int(np.median(bars.high_row - bars.low_row + 1))
    factors = [step * 10**power for power in range(7) for step in _STEPS]
    factors = [f for f in factors if f == 1 or tall / f >= 2]
    while len(factors) > 1 and sum(cells / f for f in factors) > MOST_CELLS:
        factors.pop(0)
    return factors


def pack_level(bars: Bars, factor: int) -> dict[str, Any]:
    """Return the cells of all bars on rows `factor` times as high, in chunks of 64 bars."""
    wide = bars.coarser(factor)
    rule = display_rule(wide)
    reading = read_cells(wide, rule)
    starts = wide.starts
    has_unclassified = bool(wide.cells[:, 2].any())
    chunks = []
    for first in range(0, len(wide), CHUNK):
        last = min(first + CHUNK, len(wide))
        own = slice(starts[first], starts[last])
        columns = {
            "sold": wide.cells[own, 0],
            "bought": wide.cells[own, 1],
            "flags": reading.flags[own],
            "poc": reading.poc[first:last],
            "ends": reading.unfinished_high[first:last].astype(np.int64)
            + 2 * reading.unfinished_low[first:last],
        }
        if has_unclassified:
            columns["unclassified"] = wide.cells[own, 2]
        chunks.append(pack(columns))
    return {
        "factor": factor,
        "ticks": wide.ticks_per_row,
        "digits": cell_digits(wide),
        "least": rule.min_volume,
        "ratio": rule.ratio,
        "chunks": chunks,
    }
