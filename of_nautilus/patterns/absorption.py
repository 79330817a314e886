"""Absorption: aggressive volume that price does not follow.

Method 1 reads a closed bar: delta on one side, the close on the other. Method 2 reads the tape and
is in `level_absorption`. Somebody is filling passive orders; the signal is on the passive side.
"""

from typing import Any

import msgspec

from of_nautilus.core.footprint import ClosedBar
from of_nautilus.patterns.signal import Pattern, Signal

MOST_AWAY_ROWS = 4


class AbsorptionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What counts as absorption.

    Parameters
    ----------
    min_volume : float
        Aggressive volume, base units, > 0.
    level_min_volume : float, optional
        The same at a row (method 2), > 0; absent: `min_volume`.
    big_trade : float
        Prints of one side at one row count as an attempt from this volume on, base units, > 0.
    min_attempts : int
        Attempts at the row, >= 1.
    max_displacement_ticks : int
        How far price may print beyond the row, >= 0.
    window_s, gap_s : float
        Over which time the attempts count, and the pause that ends one; seconds, > 0.
    row_ticks : int
        Height of a row by the source rules, >= 1.
    cap : float
        Largest strength, 0 to 100.
    hold_s : float, optional
        The row must hold for so long before the signal, >= 0; robust 5, source 0.
    away_rows : int, optional
        A print so many rows away ends an attempt, >= 1; robust 2, source 1.
    count_cap : int, optional
        Attempts beyond this many add no strength, 0 for no limit; robust 3, source 0.
    min_trades : int, optional
        Prints that a bar needs for method 1, >= 0; robust 5, source 0.
    """

    min_volume: float = 20.0
    level_min_volume: float | None = None
    big_trade: float = 3.0
    min_attempts: int = 2
    max_displacement_ticks: int = 3
    window_s: float = 30.0
    gap_s: float = 2.0
    row_ticks: int = 1
    cap: float = 100.0
    hold_s: float | None = None
    away_rows: int | None = None
    count_cap: int | None = None
    min_trades: int | None = None

    def __post_init__(self) -> None:
        for name in ("min_volume", "level_min_volume", "big_trade", "window_s", "gap_s"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"`{name}` must be > 0, was {value}")
        for name, low in (
            ("min_attempts", 1),
            ("row_ticks", 1),
            ("away_rows", 1),
            ("max_displacement_ticks", 0),
            ("hold_s", 0),
            ("count_cap", 0),
            ("min_trades", 0),
        ):
            value = getattr(self, name)
            if value is not None and not value >= low:
                raise ValueError(f"`{name}` must be >= {low}, was {value}")
        if (self.away_rows or 1) > MOST_AWAY_ROWS:
            raise ValueError(f"`away_rows` must be <= {MOST_AWAY_ROWS}, was {self.away_rows}")
        if not 0 <= self.cap <= 100:
            raise ValueError(f"`cap` must be 0 to 100, was {self.cap}")

    def resolved(self, *, robust: bool) -> "AbsorptionConfig":
        """Return the config with what was left open filled in as the rules have it."""
        own = _ROBUST if robust else _SOURCE
        left = {name: value for name, value in own.items() if getattr(self, name) is None}
        return msgspec.structs.replace(self, **left)


_ROBUST: dict[str, Any] = {"hold_s": 5.0, "away_rows": 2, "count_cap": 3, "min_trades": 5}
_SOURCE: dict[str, Any] = {"hold_s": 0.0, "away_rows": 1, "count_cap": 0, "min_trades": 0}


def bar_absorption(
    bar: ClosedBar, min_volume: float, cap: float = 100.0, min_trades: int = 0
) -> Signal | None:
    """Return the absorption that a closed bar shows, or None (method 1).

    A bar whose delta is positive but that closed lower absorbed its buyers: sell, at its high; the
    mirror buys at its low. A bar that closed where it opened shows neither. The strength is
    ``min(cap, 40 * |delta| / min_volume)``.

    Parameters
    ----------
    bar : ClosedBar
    min_volume : float
        Least |delta|, lots; NaN if not known yet.
    """
    delta = bar.delta
    move = bar.close - bar.open
    if not abs(delta) >= min_volume - 1e-9 or delta * move >= 0 or bar.trades < min_trades:
        return None
    side = -1 if delta > 0 else 1
    return Signal(
        ts=bar.close_ts,
        pattern=Pattern.ABSORPTION,
        side=side,
        price=bar.high if side < 0 else bar.low,
        strength=bar_strength(abs(delta), min_volume, cap),
        reasons={
            "method": 1,
            "delta": delta,
            "move_ticks": move,
            "min_volume": min_volume,
        },
    )


def bar_strength(volume: float, min_volume: float, cap: float) -> float:
    """Return the strength of method 1."""
    return min(cap, 40.0 * volume / min_volume)


def level_strength(
    volume: float, attempts: int, min_volume: float, cap: float, count_cap: int = 0
) -> float:
    """Return the strength of method 2."""
    counted = min(attempts, count_cap) if count_cap else attempts
    return min(cap, 30.0 * volume / min_volume + 15.0 * counted)
