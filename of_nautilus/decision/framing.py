"""Session framing: the frozen profile of a session, its value relation, and the daily bias.

The frame of a session is the profile of the last completed session, frozen when the session opens;
"previous" is the session before that. The first session of a run has no frame, so nothing can be
traded in it. All prices are ticks.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec
import numpy as np

from of_nautilus.core.value_area import Histogram, Shape, key_prices, profile_shape


class Direction(StrEnum):
    """Which side the frame favors; WARNING means that highs of value were rejected."""

    LONG = "LONG"
    SHORT = "SHORT"
    NEUTRAL = "NEUTRAL"
    WARNING = "WARNING"

    @property
    def side(self) -> int:
        """+1 for LONG, -1 for SHORT, 0 otherwise."""
        return {"LONG": 1, "SHORT": -1}.get(self.value, 0)


class Relation(StrEnum):
    """Where a value area lies relative to the one before it."""

    HIGHER = "HIGHER"
    OVERLAPPING_HIGHER = "OVERLAPPING_HIGHER"
    LOWER = "LOWER"
    OVERLAPPING_LOWER = "OVERLAPPING_LOWER"
    INSIDE = "INSIDE"
    OUTSIDE = "OUTSIDE"


class Hook(StrEnum):
    """A failed auction: a probe beyond the previous value area that closed back inside it."""

    NONE = "NONE"
    BULL = "BULL"
    BEAR = "BEAR"
    BOTH = "BOTH"


@dataclass(frozen=True, slots=True)
class ValueArea:
    """The value area's lowest and highest tick."""

    val: float
    vah: float

    @property
    def width(self) -> float:
        """`vah - val`, in ticks."""
        return self.vah - self.val


class FramingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The choices of the framing.

    `strict_value`: only a value area wholly above (below) the previous one counts as accepted.
    `promote_neutral`: accepted value turns NEUTRAL into LONG or SHORT and adds 10.
    `hook_mode`: "opposed" takes 10 off for a hook against the bias, "always" for any hook.
    `warn_val`: rejections at VAL warn too. `shape_grid`: bins of the normalized profile that tells
    the shape, None to use the rows as they are. `value_area_pct` in (0, 1], `value_area_method`
    "two_row" or "one_row".
    """

    strict_value: bool = False
    promote_neutral: bool = False
    hook_mode: str = "opposed"
    warn_val: bool = False
    shape_grid: int | None = 24
    value_area_pct: float = 0.70
    value_area_method: str = "two_row"

    def __post_init__(self) -> None:
        if self.hook_mode not in ("opposed", "always"):
            raise ValueError(f"`hook_mode` must be 'opposed' or 'always', was {self.hook_mode!r}")


@dataclass(frozen=True, slots=True)
class SessionProfile:
    """One completed session: its prices in ticks, its rows, and what they say.

    `complete` is False when data were missing during the session.
    """

    start_ns: int
    end_ns: int
    high: int
    low: int
    close: int
    ticks_per_row: int
    low_row: int
    volumes: Histogram = field(repr=False, compare=False)
    poc: int = 0
    val: int = 0
    vah: int = 0
    shape: Shape = Shape.UNKNOWN
    poc_pct: float = 0.5
    complete: bool = True

    @property
    def value(self) -> ValueArea:
        """The value area."""
        return ValueArea(self.val, self.vah)

    def to_dict(self) -> dict[str, Any]:
        """Return the profile as plain values that JSON can hold."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return plain | {"volumes": self.volumes.tolist(), "shape": self.shape.value}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "SessionProfile":
        """Rebuild a profile from `to_dict`."""
        volumes = np.array(plain["volumes"], dtype=np.int64)
        return cls(**(plain | {"volumes": volumes, "shape": Shape(plain["shape"])}))


def freeze_session(
    *,
    start_ns: int,
    end_ns: int,
    high: int,
    low: int,
    close: int,
    low_row: int,
    ticks_per_row: int,
    volumes: Histogram,
    complete: bool = True,
    config: FramingConfig | None = None,
) -> SessionProfile:
    """Read a finished session's histogram once: POC, value area and shape.

    Raises `ValueError` for a histogram without volume.
    """
    config = config or FramingConfig()
    poc, val, vah = key_prices(
        volumes, low_row, ticks_per_row, config.value_area_pct, config.value_area_method
    )
    found = profile_shape(volumes, config.shape_grid)
    return SessionProfile(
        start_ns=int(start_ns),
        end_ns=int(end_ns),
        high=int(high),
        low=int(low),
        close=int(close),
        ticks_per_row=int(ticks_per_row),
        low_row=int(low_row),
        volumes=volumes.copy(),
        poc=poc,
        val=val,
        vah=vah,
        shape=found.shape,
        poc_pct=found.poc_pct,
        complete=complete,
    )


def auto_ticks_per_row(sessions: Sequence[SessionProfile]) -> int:
    """Return the row height, in ticks, that gives a typical recent session about 40 rows.

    The median range of the last 5 sessions divided by 40, rounded, at least 1. Value areas and
    shapes move with the number of rows: a profile of fewer than 20 or more than 400 says little.
    """
    if not sessions:
        raise ValueError("`sessions` must hold a completed session, was empty")
    ranges = sorted(day.high - day.low for day in sessions[-5:])
    middle = len(ranges) // 2
    doubled = ranges[middle] + ranges[-middle - 1]
    return max(1, (doubled + 40) // 80)


def value_relation(current: ValueArea, previous: ValueArea) -> Relation:
    """Tell where the current value area lies relative to the previous one.

    HIGHER if it begins at or above the previous VAH, LOWER if it ends at or below the previous VAL;
    OVERLAPPING_* if both edges moved the same way; INSIDE if it lies within (equal included); else
    OUTSIDE.

    >>> value_relation(ValueArea(105, 115), ValueArea(100, 110)).value
    'OVERLAPPING_HIGHER'
    """
    if current.val >= previous.vah and current != previous:
        return Relation.HIGHER
    if current.vah <= previous.val and current != previous:
        return Relation.LOWER
    if current.val > previous.val and current.vah > previous.vah:
        return Relation.OVERLAPPING_HIGHER
    if current.val < previous.val and current.vah < previous.vah:
        return Relation.OVERLAPPING_LOWER
    if current.val >= previous.val and current.vah <= previous.vah:
        return Relation.INSIDE
    return Relation.OUTSIDE


def auction_hook(previous: ValueArea, low: float, high: float, close: float) -> Hook:
    """Tell whether a session probed beyond the previous value area and closed back inside.

    BULL: `low < VAL` and `close > VAL`. BEAR: `high > VAH` and `close < VAH`. Strict comparisons.
    """
    bull = low < previous.val < close
    bear = high > previous.vah > close
    if bull and bear:
        return Hook.BOTH
    return Hook.BULL if bull else Hook.BEAR if bear else Hook.NONE


def value_edge_rejected(
    days: Sequence[tuple[float, float, float]], width: float, edge: str = "VAH"
) -> bool:
    """Tell whether the same edge of value was rejected in at least 2 of the last 3 sessions.

    `days` holds (previous session's edge, extreme reached, close) of each session. A VAH is
    rejected when `high >= VAH - tol` and `close < VAH`, a VAL when `low <= VAL + tol` and
    `close > VAL`; `tol` is 10% of the current value area's `width`. The rejected edges must agree
    within `tol`.
    """
    tol = 0.10 * width + 1e-9
    sign = 1 if edge == "VAH" else -1
    rejected = sorted(
        reference
        for reference, extreme, close in days[-3:]
        if sign * (extreme - reference) >= -tol and sign * (close - reference) < 0
    )
    return any(b - a <= tol for a, b in itertools.pairwise(rejected))


@dataclass(frozen=True, slots=True)
class Bias:
    """The frame's direction, its confidence (0 to 100), and every term that made it."""

    direction: Direction
    confidence: float
    relation: Relation | None = None
    hook: Hook = Hook.NONE
    reasons: tuple[tuple[str, float], ...] = ()


def base_bias(shape: Shape, poc_pct: float) -> tuple[Direction, float]:
    """Return a shape's direction and base confidence.

    P: LONG, `40 + 30*poc_pct`. b: SHORT, `40 + 30*(1 - poc_pct)`. D: NEUTRAL, 20. DOUBLE: NEUTRAL,
    30. UNKNOWN: NEUTRAL, 0. A P profile is often short covering: its LONG reading is a heuristic.
    """
    if shape is Shape.P:
        return Direction.LONG, 40.0 + 30.0 * poc_pct
    if shape is Shape.B:
        return Direction.SHORT, 40.0 + 30.0 * (1.0 - poc_pct)
    return Direction.NEUTRAL, {Shape.D: 20.0, Shape.DOUBLE: 30.0}.get(shape, 0.0)


def daily_bias(
    shape: Shape,
    poc_pct: float,
    current: ValueArea,
    previous: ValueArea | None,
    hook: Hook = Hook.NONE,
    vah_days: Sequence[tuple[float, float, float]] = (),
    val_days: Sequence[tuple[float, float, float]] = (),
    config: FramingConfig | None = None,
) -> Bias:
    """Combine shape, accepted value, hooks and rejections into one bias.

    In this order, the confidence clamped to [0, 100] at the end: +15 if value was accepted on the
    bias's side; -10 for a hook against it; two rejections of one VAH make the direction WARNING.
    `vah_days` and `val_days` are as in `value_edge_rejected`.
    """
    config = config or FramingConfig()
    direction, confidence = base_bias(shape, poc_pct)
    reasons: list[tuple[str, float]] = [("base", confidence)]
    relation = None
    if previous is not None:
        relation = value_relation(current, previous)
        up = {Relation.HIGHER} | (set() if config.strict_value else {Relation.OVERLAPPING_HIGHER})
        down = {Relation.LOWER} | (set() if config.strict_value else {Relation.OVERLAPPING_LOWER})
        accepted = 1 if relation in up else -1 if relation in down else 0
        if accepted and accepted == direction.side:
            confidence += 15.0
            reasons.append(("value_accepted", 15.0))
        elif accepted and direction is Direction.NEUTRAL and config.promote_neutral:
            direction = Direction.LONG if accepted > 0 else Direction.SHORT
            confidence += 10.0
            reasons.append(("promoted", 10.0))
    against = {1: (Hook.BEAR, Hook.BOTH), -1: (Hook.BULL, Hook.BOTH)}.get(direction.side, ())
    if hook in against or (config.hook_mode == "always" and hook is not Hook.NONE):
        confidence -= 10.0
        reasons.append(("hook", -10.0))
    if value_edge_rejected(vah_days, current.width) or (
        config.warn_val and value_edge_rejected(val_days, current.width, "VAL")
    ):
        direction = Direction.WARNING
        reasons.append(("rejected", 0.0))
    return Bias(direction, min(100.0, max(0.0, confidence)), relation, hook, tuple(reasons))


def frame_bias(sessions: Sequence[SessionProfile], config: FramingConfig | None = None) -> Bias:
    """Return the bias of the frame `sessions[-1]`, given the completed sessions, oldest first."""
    if not sessions:
        raise ValueError("`sessions` must hold a completed session, was empty")
    frame = sessions[-1]
    previous = sessions[-2].value if len(sessions) > 1 else None
    hook = Hook.NONE
    if previous is not None:
        hook = auction_hook(previous, frame.low, frame.high, frame.close)
    pairs = list(itertools.pairwise(sessions))[-3:]
    return daily_bias(
        frame.shape,
        frame.poc_pct,
        frame.value,
        previous,
        hook,
        [(before.vah, day.high, day.close) for before, day in pairs],
        [(before.val, day.low, day.close) for before, day in pairs],
        config,
    )
