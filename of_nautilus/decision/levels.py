"""Qualified levels: the prices of finished sessions at which a trade may be entered.

All prices are ticks. `side` is the side a level is traded from: +1 buy, -1 sell, 0 watched only.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from of_nautilus.core.value_area import coarsen, key_prices, low_volume_nodes, merge_profiles
from of_nautilus.decision.framing import Bias, FramingConfig, SessionProfile, ValueArea


class LevelKind(StrEnum):
    """What a level is."""

    VAL = "VAL"
    VAH = "VAH"
    POC = "POC"
    LVN = "LVN"
    MERGED_VAL = "MERGED_VAL"
    MERGED_VAH = "MERGED_VAH"
    NAKED_POC = "NAKED_POC"
    UNFINISHED_AUCTION = "UNFINISHED_AUCTION"
    STACKED_ZONE = "STACKED_ZONE"


STRENGTHS = {
    LevelKind.VAL: 50.0,
    LevelKind.VAH: 50.0,
    LevelKind.POC: 30.0,
    LevelKind.LVN: 40.0,
    LevelKind.MERGED_VAL: 70.0,
    LevelKind.MERGED_VAH: 70.0,
    LevelKind.NAKED_POC: 30.0,
    LevelKind.UNFINISHED_AUCTION: 0.0,
    LevelKind.STACKED_ZONE: 0.0,
}
CONFLUENCE = 20.0
TARGET_KINDS = (
    LevelKind.VAL,
    LevelKind.VAH,
    LevelKind.POC,
    LevelKind.MERGED_VAL,
    LevelKind.MERGED_VAH,
)


class LevelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which levels there are, and how near is near.

    `sessions`: how many finished sessions give their VAL and VAH, >= 1. `merge_overlap`: overlap of
    two value areas, as a share of their mean width, above which they are merged. `lvn_trade`: trade
    at low-volume nodes, else only watch them. `lvn_bins`: bins of the profile that they are sought
    on, None for its own rows. `proximity`: "noise" (half the median bar range for entries, all of
    it for watching, at least 2 ticks) or "percent" (closer than `proximity_pct` of the price).
    """

    sessions: int = 5
    merge_overlap: float = 0.30
    lvn_trade: bool = False
    lvn_bins: int | None = 40
    proximity: str = "noise"
    proximity_pct: float = 0.002

    def __post_init__(self) -> None:
        if self.sessions < 1:
            raise ValueError(f"`sessions` must be >= 1, was {self.sessions}")
        if not 0.0 <= self.merge_overlap <= 1.0:
            raise ValueError(f"`merge_overlap` must be in [0, 1], was {self.merge_overlap}")
        if self.proximity not in ("noise", "percent"):
            raise ValueError(f"`proximity` must be 'noise' or 'percent', was {self.proximity!r}")
        if not self.proximity_pct > 0.0:
            raise ValueError(f"`proximity_pct` must be > 0, was {self.proximity_pct}")


@dataclass(frozen=True, slots=True)
class Level:
    """A price worth watching. `born_ns`: the end of the session that made it."""

    kind: LevelKind
    price: int
    side: int
    strength: float
    born_ns: int
    confluence: bool = False

    @property
    def id(self) -> str:
        """A name that stays the same across restarts."""
        return f"{self.kind}:{self.price}:{self.born_ns}"

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Level":
        """Rebuild a level from its fields."""
        return cls(**(plain | {"kind": LevelKind(plain["kind"])}))


def level_strength(kind: LevelKind, confluence: bool) -> float:
    """Return a level's strength, 20 more (once, up to 100) if an earlier level lies with it.

    VAL and VAH 50, merged 70, POC 30, LVN 40.

    >>> level_strength(LevelKind.MERGED_VAL, True)
    90.0
    """
    return min(100.0, STRENGTHS[kind] + (CONFLUENCE if confluence else 0.0))


def value_overlap(a: ValueArea, b: ValueArea) -> float:
    """Return the overlap of two value areas as a share of their mean width; 0 if they are apart.

    >>> value_overlap(ValueArea(100, 110), ValueArea(105, 115))
    0.5
    """
    width = (a.width + b.width) / 2
    overlap = min(a.vah, b.vah) - max(a.val, b.val)
    return max(0.0, overlap / width) if width > 0 else 0.0


def should_merge(a: ValueArea, b: ValueArea, above: float = 0.30) -> bool:
    """Tell whether two value areas overlap by strictly more than `above`."""
    return value_overlap(a, b) > above + 1e-9


def merged_value(
    current: SessionProfile, earlier: SessionProfile, config: FramingConfig
) -> ValueArea:
    """Return the value area of two sessions' volume taken together, on the wider of their rows."""
    rows = max(current.ticks_per_row, earlier.ticks_per_row)
    low, hist = merge_profiles(
        coarsen(day.low_row, day.volumes, day.ticks_per_row, rows) for day in (current, earlier)
    )
    _, val, vah = key_prices(hist, low, rows, config.value_area_pct, config.value_area_method)
    return ValueArea(val, vah)


def is_near(price: float, level: float, pct: float = 0.002) -> bool:
    """Tell whether a price is closer to a level than `pct` of the price.

    >>> is_near(17825, 17820), is_near(17860, 17820)
    (True, False)
    """
    return abs(price - level) < pct * abs(price)


def reach(price: int, r1: float, config: LevelConfig, watching: bool = False) -> float:
    """Return how far, in ticks, a level may lie from `price` to count as reached.

    "noise": `max(2, 0.5*r1)` for entries, `max(2, r1)` for watching. "percent": just under
    `proximity_pct * price` for both.
    """
    if config.proximity == "percent":
        return config.proximity_pct * abs(price) * (1.0 - 1e-12)
    return max(2.0, r1 if watching else 0.5 * r1)


def watch_reach(price: int, r1: float, config: LevelConfig) -> float:
    """Return within how many ticks of `price` a level is watched; NaN while `r1` is not known."""
    if config.proximity == "noise" and not r1 > 0.0:
        return math.nan
    return reach(price, r1, config, watching=True)


def qualified_levels(
    sessions: Sequence[SessionProfile],
    bias: Bias,
    config: LevelConfig | None = None,
    framing: FramingConfig | None = None,
) -> list[Level]:
    """Return the levels that the newest session adds, `sessions` being finished, oldest first.

    VAL (buy) and VAH (sell); the POC, on the bias's side; merged VAL and VAH for each of the two
    sessions before whose value overlaps enough; low-volume nodes. A level gains confluence if it
    lies within `max(1 row, 5% of the value area)` of the previous session's VAL, VAH or POC.
    """
    config = config or LevelConfig()
    framing = framing or FramingConfig()
    frame = sessions[-1]
    near: tuple[int, ...] = ()
    if len(sessions) > 1:
        near = (sessions[-2].val, sessions[-2].vah, sessions[-2].poc)
    tolerance = max(float(frame.ticks_per_row), 0.05 * frame.value.width)

    def level(kind: LevelKind, price: float, side: int) -> Level:
        ticks = int(price)
        together = any(abs(ticks - other) <= tolerance + 1e-9 for other in near)
        strength = level_strength(kind, together)
        return Level(kind, ticks, side, strength, frame.end_ns, together)

    levels = [
        level(LevelKind.VAL, frame.val, 1),
        level(LevelKind.VAH, frame.vah, -1),
        level(LevelKind.POC, frame.poc, bias.direction.side),
    ]
    for earlier in sessions[-3:-1]:
        if should_merge(frame.value, earlier.value, config.merge_overlap):
            value = merged_value(frame, earlier, framing)
            levels.append(level(LevelKind.MERGED_VAL, value.val, 1))
            levels.append(level(LevelKind.MERGED_VAH, value.vah, -1))
    for row in low_volume_nodes(frame.volumes, config.lvn_bins):
        price = (frame.low_row + row) * frame.ticks_per_row + (frame.ticks_per_row - 1) // 2
        # A node below the price is traded from above, as support; one above it from below.
        side = (1 if frame.close > price else -1) if config.lvn_trade else 0
        levels.append(level(LevelKind.LVN, price, side))
    return levels


def dedupe(levels: Iterable[Level], distance: float, price: int) -> list[Level]:
    """Keep the strongest of levels of one side that lie within `distance` of each other.

    Of equally strong ones the nearest to `price` stays, then the lower. Strongest first.
    """
    kept: list[Level] = []
    for level in sorted(
        levels, key=lambda one: (-one.strength, abs(one.price - price), one.price, one.id)
    ):
        if all(
            level.side != other.side or abs(level.price - other.price) > distance for other in kept
        ):
            kept.append(level)
    return kept
