"""Slow, obvious twins of the pattern detectors, from the words of their rules."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from of_nautilus.core.footprint import CELL_COLUMNS, ClosedBar

Trade = tuple[int, int, int, int]  # ns, ticks, lots, side


def bar(  # type: ignore[no-untyped-def]
    open=100, close=100, *, high=None, low=None, buy=0, sell=0, cvd=None, ts=60, trades=10,
    cells=None, **facts,
) -> ClosedBar:  # fmt: skip
    """A closed bar of which only what a test is about is given; times in seconds."""
    high = max(open, close) if high is None else high
    low = min(open, close) if low is None else low
    if cells is None:
        cells = np.zeros((high - low + 1, CELL_COLUMNS), np.int64)
        cells[:, 3:5] = 1
        cells[0, :2] = sell, buy
    close_ts = ts * 10**9
    return ClosedBar(
        **{
            "open_ts": close_ts - 60 * 10**9, "close_ts": close_ts, "last_ts": close_ts - 1,
            "open": open, "high": high, "low": low, "close": close,
            "buy": buy, "sell": sell, "unclassified": 0, "trades": trades,
            "delta_min": 0, "delta_max": 0, "dollars": 0, "cvd": buy - sell if cvd is None else cvd,
            "kind": 0, "length": 60 * 10**9, "ticks_per_row": 1, "low_row": low, "high_row": high,
            "rows": cells.tobytes(),
        } | facts
    )  # fmt: skip


def flow(volume: float, delta: float) -> dict[str, int]:
    """Buy and sell lots, doubled so that any whole volume and delta can be had."""
    return {"buy": round(volume + delta), "sell": round(volume - delta)}


@dataclass
class Burst:
    """Prints of one side at one row on end."""

    row: int
    side: int
    start: int
    last: int
    volume: int = 0
    prints: list[int] = field(default_factory=list)  # every price printed since its start
    over: bool = False
    spent: bool = False


def level_absorptions(  # type: ignore[no-untyped-def]
    trades: Iterable[Trade], *, row_ticks, big, min_volume, min_attempts, max_displacement,
    window, gap, away_rows, hold,
) -> list[tuple[int, int, int, int, int, int]]:  # fmt: skip
    """What `level_absorption` fires: (ts, row, side, volume, attempts, ticks)."""
    bursts: list[Burst] = []
    muted: dict[int, int] = {}
    held: list[tuple[int, int, int, tuple[int, ...]]] = []  # due, limit, side, facts
    fired = []
    for ts, price, size, side in trades:
        fired += sorted(
            (facts for due, _, _, facts in held if due <= ts), key=lambda facts: facts[0]
        )
        held = [h for h in held if h[0] > ts]
        held = [h for h in held if (price - h[1]) * h[2] <= 0]
        row = price // row_ticks
        for burst in bursts:
            burst.prints.append(price)
            if abs(row - burst.row) >= away_rows:
                burst.over = True
        if side == 0:
            continue
        mine = [b for b in bursts if not b.over and (b.row, b.side) == (row, side)]
        if not mine or ts - mine[-1].last > gap:
            for burst in mine:
                burst.over = True
            mine = [Burst(row, side, ts, ts, prints=[price])]
            bursts += mine
        burst = mine[-1]
        burst.last = ts
        burst.volume += size
        if burst.spent or burst.start <= ts - window or burst.volume < big:
            continue
        if muted.get(row, ts - window) > ts - window:
            continue
        counted = [
            b
            for b in bursts
            if (b.row, b.side) == (row, side)
            and not b.spent
            and b.start > ts - window
            and b.volume >= big
        ]
        volume = sum(b.volume for b in counted)
        low, high = row * row_ticks, row * row_ticks + row_ticks - 1
        beyond = max(max(p - high if side > 0 else low - p for p in b.prints) for b in counted)
        beyond = max(0, beyond)
        if volume < min_volume or len(counted) < min_attempts or beyond > max_displacement:
            continue
        for b in bursts:
            if b.row == row and b.start > ts - window and b.volume >= big:
                b.spent = True
        muted[row] = ts
        facts = (ts + hold, row, side, volume, len(counted), beyond)
        if hold == 0:
            fired.append(facts)
        else:
            limit = high + max_displacement if side > 0 else low - max_displacement
            held.append((ts + hold, limit, side, facts))
    return fired


def sweeps(  # type: ignore[no-untyped-def]
    prints: Iterable[Trade], *, window, min_span, min_levels, min_share, max_per_level, row_ticks,
    cooldown,
) -> list[tuple[int, int, int, int, int, int, int]]:  # fmt: skip
    """What `sweep.add_print` fires: (ts, side, start, end, own volume, all volume, levels)."""
    past: list[Trade] = []
    fired = []
    muted_until = 0
    for ts, price, size, side in prints:
        past.append((ts, price, size, side))
        if side == 0 or ts < muted_until:
            continue
        inside = [p for p in past if p[0] > ts - window]
        own = [p for p in inside if p[3] == side]
        start = min(p[1] for p in own) if side > 0 else max(p[1] for p in own)
        bought, total = sum(p[2] for p in own), sum(p[2] for p in inside)
        prices = {p[1] for p in own}
        levels = {p[1] // row_ticks for p in own}
        if (
            abs(price - start) < min_span
            or bought < min_share * total - 1e-9
            or len(levels) < min_levels
            or (max_per_level and bought / len(prices) > max_per_level + 1e-9)
        ):
            continue
        muted_until = ts + cooldown
        fired.append((ts, side, start, price, bought, total, len(levels)))
    return fired


def tape_sizes(trades: Iterable[Trade], row_ticks: int, window: int) -> tuple[list[int], list[int]]:
    """Parents that have ended, and the row volumes of the windows that have."""
    trades = list(trades)
    starts = [0] + [
        i for i, (a, b) in enumerate(pairwise(trades), 1) if (a[0], a[3]) != (b[0], b[3])
    ]
    parents = [sum(t[2] for t in trades[a:b]) for a, b in pairwise(starts)]
    volumes: list[int] = []
    last_window = trades[-1][0] // window
    for number in sorted({t[0] // window for t in trades} - {last_window}):
        for side in (-1, 1):
            rows: dict[int, int] = {}
            for ts, price, size, way in trades:
                if ts // window == number and way == side:
                    rows[price // row_ticks] = rows.get(price // row_ticks, 0) + size
            if rows:
                volumes.append(max(rows.values()))
    return parents, volumes
