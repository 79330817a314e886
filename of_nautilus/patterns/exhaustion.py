"""Exhaustion: a move goes on while the volume and the delta behind it fade."""

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from of_nautilus.core.footprint import ClosedBar
from of_nautilus.core.imbalance import Compare, ImbalanceRule, imbalance_flags
from of_nautilus.patterns.signal import Pattern, Signal


class ExhaustionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What counts as exhaustion.

    Parameters
    ----------
    declining_bars : int
        Bars on end that must fade after the first, >= 2.
    min_decline : float
        Least fall of volume from the first bar to the last, in (0, 1).
    contrarian_ratio : float
        From what ratio on a row of the last bar is an imbalance against the move, > 0.
    outer : float
        Part of the last bar's range, from its extreme, in which that row must lie, in (0, 1].
    """

    declining_bars: int = 3
    min_decline: float = 0.25
    contrarian_ratio: float = 2.5
    outer: float = 0.3

    def __post_init__(self) -> None:
        if self.declining_bars < 2:
            raise ValueError(f"`declining_bars` must be >= 2, was {self.declining_bars}")
        if not 0 < self.min_decline < 1:
            raise ValueError(f"`min_decline` must be in (0, 1), was {self.min_decline}")
        if not self.contrarian_ratio > 0:
            raise ValueError(f"`contrarian_ratio` must be > 0, was {self.contrarian_ratio}")
        if not 0 < self.outer <= 1:
            raise ValueError(f"`outer` must be in (0, 1], was {self.outer}")


def exhaustion(
    bars: Sequence[ClosedBar],
    config: ExhaustionConfig,
    *,
    big: float = 1.0,
    source: bool = False,
) -> Signal | None:
    """Return the exhaustion that ends with the last bar, or None.

    The last bar of the window must make its high (its low, for the mirror), beyond the first
    bar's; volume must have fallen by `min_decline` with at most one rise between neighbors; and the
    trends of volume and of the delta along the move must both be negative. The strength is
    ``40 + 5 |volume trend| + 5 |delta trend| + 20 contrarian``. It suggests to trade against the
    move.

    Parameters
    ----------
    bars : sequence of ClosedBar
        Oldest first; the window is the last ``declining_bars + 1``.
    config : ExhaustionConfig
    big : float
        Least lots of the row that shows contrarian pressure.
    source : bool
        Whether a bar that is both extremes counts as a high, and the contrarian row is looked for
        in bars of fewer than four rows too; else neither.
    """
    window = bars[-(config.declining_bars + 1) :]
    if len(window) <= config.declining_bars:
        return None
    first, last = window[0], window[-1]
    if first.volume <= last.volume or (last.high <= first.high and last.low >= first.low):
        return None
    up = last.high > first.high and last.high >= max(bar.high for bar in window)
    down = last.low < first.low and last.low <= min(bar.low for bar in window)
    if not (up or down) or (up and down and not source):
        return None
    way = 1 if up else -1
    trends = fading(
        [bar.volume for bar in window], [way * bar.delta for bar in window], config.min_decline
    )
    if trends is None:
        return None
    volume_trend, delta_trend = trends
    contrarian = (source or len(last.cells) >= 4) and opposed(last, way, big, config)
    return Signal(
        ts=last.close_ts,
        pattern=Pattern.EXHAUSTION,
        side=-way,
        price=last.high if way > 0 else last.low,
        strength=strength(volume_trend, delta_trend, contrarian),
        reasons={
            "first_volume": first.volume,
            "last_volume": last.volume,
            "decline": (first.volume - last.volume) / first.volume,
            "volume_trend": volume_trend,
            "delta_trend": delta_trend,
            "contrarian": int(contrarian),
        },
    )


def strength(volume_trend: float, delta_trend: float, contrarian: bool) -> float:
    """Return the strength, 40 to 70."""
    return 40.0 + 5.0 * abs(volume_trend) + 5.0 * abs(delta_trend) + 20.0 * contrarian


def fading(
    volumes: Sequence[int], deltas: Sequence[int], min_decline: float
) -> tuple[float, float] | None:
    """Return the trends of volume and of the delta along the move if both fade, else None."""
    first, last = volumes[0], volumes[-1]
    rises = sum(late > early for early, late in pairwise(volumes))
    if first <= 0 or (first - last) / first < min_decline - 1e-9 or rises > 1:
        return None
    volume_trend = trend(volumes, sum(volumes))
    delta_trend = trend(deltas, sum(abs(delta) for delta in deltas))
    if volume_trend < 0 and delta_trend < 0:
        return volume_trend, delta_trend
    return None


def trend(values: Sequence[int], total: int) -> float:
    """Return the least-squares change over the window as a part of the mean, clipped to [-1, 1].

    ``slope * (n - 1) / mean`` with ``mean = total / n``; 0 if the mean is 0.

    >>> trend([100, 80, 60, 40], 280) == -60 / 70
    True
    """
    n = len(values)
    if total == 0:
        return 0.0
    # Twice the distances from the middle, so that everything up to the division is whole.
    lean = sum((2 * i - n + 1) * value for i, value in enumerate(values))
    slope = 6.0 * lean / (n * (n * n - 1))
    return max(-1.0, min(1.0, slope * (n - 1) * n / total))


def opposed(bar: ClosedBar, way: int, big: float, config: ExhaustionConfig) -> bool:
    """Return whether a row near the extreme of a bar is an imbalance against the move."""
    rule = ImbalanceRule(
        compare=Compare.SAME_ROW,
        ratio=config.contrarian_ratio,
        min_volume=max(1, int(-(-big // 1))),
        stack=0,
    )
    flags = imbalance_flags(rule, bar.cells)
    against = 2 if way > 0 else 1
    span = len(flags) - 1
    reach = config.outer * span + 1e-9
    return any(
        flag & against and (span - i if way > 0 else i) <= reach
        for i, flag in enumerate(flags.tolist())
    )
