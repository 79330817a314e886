"""Initiative: one side pays up, and price follows it on rising volume."""

import msgspec

from of_nautilus.core.footprint import ClosedBar
from of_nautilus.core.imbalance import ImbalanceRule, imbalance_flags, imbalance_stacks
from of_nautilus.patterns.signal import Pattern, Signal


class InitiativeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What counts as initiative.

    Parameters
    ----------
    min_delta : float
        Least |delta| where thresholds are absolute, base units, > 0.
    min_body_ticks : int
        Least |close - open| by the source rules, >= 1.
    min_body_r1 : float
        The same by the robust rules, in usual bar ranges, > 0.
    bounce_ticks : int
        The body by the robust rules is more than so many ticks, >= 0. From the bid to the ask is
        one tick without any change of price: where a usual bar spans one tick, half of all bodies
        are that and no more.
    acceleration : float
        Least volume over its average, > 0.
    """

    min_delta: float = 15.0
    min_body_ticks: int = 4
    min_body_r1: float = 0.5
    bounce_ticks: int = 1
    acceleration: float = 1.5

    def __post_init__(self) -> None:
        for name in ("min_delta", "min_body_r1", "acceleration"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` must be > 0, was {getattr(self, name)}")
        if self.min_body_ticks < 1:
            raise ValueError(f"`min_body_ticks` must be >= 1, was {self.min_body_ticks}")
        if self.bounce_ticks < 0:
            raise ValueError(f"`bounce_ticks` must be >= 0, was {self.bounce_ticks}")


def initiative(
    bar: ClosedBar,
    *,
    min_delta: float,
    min_body: float,
    average_volume: float,
    acceleration: float = 1.5,
    rule: ImbalanceRule | None = None,
    source: bool = False,
) -> Signal | None:
    """Return the initiative that a closed bar shows, or None.

    Needs ``|delta| >= min_delta``, ``volume >= acceleration * average_volume`` and a body of at
    least `min_body` in the direction of delta. It suggests to trade with the delta.

    Parameters
    ----------
    bar : ClosedBar
    min_delta : float
        Lots, > 0; NaN if not known yet.
    min_body : float
        Least |close - open|, ticks, > 0; NaN if not known yet.
    average_volume : float
        Usual volume of such a bar, without this one, lots; NaN if not known yet.
    acceleration : float
        Least volume over `average_volume`.
    rule : ImbalanceRule, optional
        What counts as an imbalance in the bar's rows.
    source : bool
        Whether strength counts every imbalance (`source_strength`) or caps each part
        (`robust_strength`).
    """
    delta, body = bar.delta, bar.close - bar.open
    if delta * body <= 0 or not abs(delta) >= min_delta - 1e-9 or not abs(body) >= min_body - 1e-9:
        return None
    if not average_volume > 0 or bar.volume / average_volume < acceleration - 1e-9:
        return None
    side = 1 if delta > 0 else -1
    pace = bar.volume / average_volume
    rule = rule or ImbalanceRule()
    reasons: dict[str, float] = {
        "delta": delta,
        "min_delta": min_delta,
        "volume": bar.volume,
        "average_volume": average_volume,
        "body_ticks": body,
        "min_body_ticks": min_body,
    }
    if source:
        imbalances = count_imbalances(bar, rule, side)
        reasons["imbalances"] = imbalances
        strength = source_strength(abs(delta) / min_delta, pace, abs(body), imbalances)
    else:
        stacked = any(way == side for _, _, way in imbalance_stacks(rule, bar.cells))
        reasons["stacked"] = int(stacked)
        strength = robust_strength(abs(delta) / min_delta, pace, abs(body) / min_body, stacked)
    return Signal(bar.close_ts, Pattern.INITIATIVE, side, bar.close, strength, reasons)


def source_strength(delta: float, pace: float, body_ticks: float, imbalances: int) -> float:
    """Return ``min(100, 20 delta + 15 pace + 5 body_ticks + 10 imbalances)``.

    `delta` is in units of its threshold, `pace` is volume over its average.
    """
    return min(100.0, 20.0 * delta + 15.0 * pace + 5.0 * body_ticks + 10.0 * imbalances)


def robust_strength(delta: float, pace: float, body: float, stacked: bool) -> float:
    """Return ``20 min(delta, 2) + 10 min(pace, 3) + 10 min(body, 2) + 10 stacked``, 45 to 100.

    `delta` and `body` are in units of their thresholds, `pace` is volume over its average.
    """
    parts = 20.0 * min(delta, 2.0) + 10.0 * min(pace, 3.0) + 10.0 * min(body, 2.0)
    return min(100.0, parts + 10.0 * stacked)


def count_imbalances(bar: ClosedBar, rule: ImbalanceRule, side: int) -> int:
    """Return how many rows of a bar are imbalances of a side."""
    flags = imbalance_flags(rule, bar.cells)
    return int(((flags & (1 if side > 0 else 2)) != 0).sum())
