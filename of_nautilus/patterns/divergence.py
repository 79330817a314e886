"""Divergence: price makes a new extreme that cumulative delta does not confirm."""

from collections.abc import Sequence

import msgspec

from of_nautilus.core.footprint import ClosedBar
from of_nautilus.patterns.signal import Pattern, Signal


class DivergenceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What counts as divergence.

    Parameters
    ----------
    lookback : int
        Bars before the last, >= 2.
    max_ratio : float
        The second push of cumulative delta must stay below this part of the first, in (0, 1].
    excess_ticks : int
        A new extreme by so many ticks gets the whole bonus of 10, >= 1.
    min_push : float
        The first push must be so many times the usual |bar delta| by the robust rules, >= 0.
    """

    lookback: int = 10
    max_ratio: float = 0.8
    excess_ticks: int = 2
    min_push: float = 1.0

    def __post_init__(self) -> None:
        for name, low in (("lookback", 2), ("excess_ticks", 1), ("min_push", 0)):
            if not getattr(self, name) >= low:
                raise ValueError(f"`{name}` must be >= {low}, was {getattr(self, name)}")
        if not 0 < self.max_ratio <= 1:
            raise ValueError(f"`max_ratio` must be in (0, 1], was {self.max_ratio}")


def divergence(
    bars: Sequence[ClosedBar], config: DivergenceConfig, *, min_push: float = 0.0
) -> Signal | None:
    """Return the divergence that the last bar completes, or None.

    Bearish: the last high exceeds the highest one of the `lookback` bars before it, but cumulative
    delta since that bar stays below `max_ratio` of its peak up to it, both counted from the start
    of the window. The strength is ``30 + 40 (1 - ratio) + 10 min(excess / excess_ticks, 1)`` with
    the ratio clipped to [0, 1]. Bullish is the mirror; a bar that shows both shows neither. The
    window begins anew where cumulative delta does, and needs two bars before the last.

    Parameters
    ----------
    bars : sequence of ClosedBar
        Oldest first.
    config : DivergenceConfig
    min_push : float
        Least height of the first push, lots; NaN if not known yet.
    """
    if len(bars) < 3:
        return None
    early, late, last = bars[-3], bars[-2], bars[-1]
    if last.high <= max(early.high, late.high) and last.low >= min(early.low, late.low):
        return None
    window = since_reset(bars[-(config.lookback + 1) :])
    if len(window) < 3:
        return None
    found = [
        signal
        for way in (1, -1)
        if (signal := _diverges(window, way, config, min_push)) is not None
    ]
    return found[0] if len(found) == 1 else None


def since_reset(bars: Sequence[ClosedBar]) -> Sequence[ClosedBar]:
    """Return the last bars through which cumulative delta ran on without a reset.

    It did between two bars if the later one's value less its own delta is the earlier one's value.
    """
    for i in range(len(bars) - 1, 0, -1):
        if bars[i].cvd - bars[i].delta != bars[i - 1].cvd:
            return bars[i:]
    return bars


def _diverges(
    window: Sequence[ClosedBar], way: int, config: DivergenceConfig, min_push: float
) -> Signal | None:
    last = window[-1]
    extremes = [bar.high for bar in window] if way > 0 else [-bar.low for bar in window]
    prior = max(extremes[:-1])
    excess = extremes[-1] - prior
    if excess < 1:
        return None
    at = extremes.index(prior)
    anchor = window[0].cvd - window[0].delta
    push = max(way * (bar.cvd - anchor) for bar in window[: at + 1])
    second = max(way * (bar.cvd - anchor) for bar in window[at + 1 :])
    ratio = push_ratio(push, second)
    if ratio is None or not push >= min_push - 1e-9 or ratio >= config.max_ratio - 1e-9:
        return None
    return Signal(
        ts=last.close_ts,
        pattern=Pattern.DIVERGENCE,
        side=-way,
        price=last.high if way > 0 else last.low,
        strength=strength(ratio, excess, config.excess_ticks),
        reasons={
            "push": push,
            "second_push": second,
            "ratio": ratio,
            "excess_ticks": excess,
            "min_push": min_push,
        },
    )


def push_ratio(push: int, second: int) -> float | None:
    """Return the second push over the first, or None if there was no first."""
    return second / push if push > 0 else None


def strength(ratio: float, excess: int, excess_ticks: int = 2) -> float:
    """Return the strength, 30 to 80.

    >>> strength(0.25, 2), strength(-0.05, 2), strength(0.5, 1)
    (70.0, 80.0, 55.0)
    """
    clipped = max(0.0, min(1.0, ratio))
    return 30.0 + 40.0 * (1.0 - clipped) + 10.0 * min(excess / excess_ticks, 1.0)
