"""Presets of 31 markets: tick, profile row, session and detector thresholds in the feed's own lots.

The thresholds are absolute numbers of lots of the feeds that they were chosen on; on another feed,
where a lot is worth something else, they fire always or never, and thresholds taken from the
market's own past should be used instead. The tick is the preset's too: take the instrument's own
price increment where they differ (a spot and a perpetual contract often do).
"""

import csv
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from of_nautilus.engine import FlowConfig
from of_nautilus.patterns.absorption import AbsorptionConfig
from of_nautilus.patterns.divergence import DivergenceConfig
from of_nautilus.patterns.exhaustion import ExhaustionConfig
from of_nautilus.patterns.initiative import InitiativeConfig
from of_nautilus.patterns.sweep import SweepConfig
from of_nautilus.patterns.thresholds import Thresholds


@dataclass(frozen=True, slots=True)
class Preset:
    """One market's preset.

    `tick`, `vp_tick` (height of a profile row) in price; `ticks_per_row = vp_tick / tick`;
    `session` a session name; volumes in lots of the feed; `exhaustion_vol_decline`,
    `divergence_fail` shares; `initiative_vol_accel` a ratio; `sweep_max_ms` milliseconds;
    `absorption_window_s` seconds; the rest ticks or counts.
    """

    symbol: str
    group: str
    tick: Decimal
    vp_tick: Decimal
    ticks_per_row: int
    session: str
    absorption_min_vol: int
    initiative_min_delta: int
    big_trade: int
    sweep_max_vol_per_level: int
    thin_book: int
    absorption_max_disp_ticks: int
    initiative_min_body_ticks: int
    exhaustion_vol_decline: float
    initiative_vol_accel: float
    sweep_max_ms: int
    sweep_min_levels: int
    absorption_min_attempts: int
    absorption_window_s: int
    divergence_lookback: int
    divergence_fail: float

    def __post_init__(self) -> None:
        if self.vp_tick != self.ticks_per_row * self.tick:
            raise ValueError(
                f"`vp_tick` must be `ticks_per_row` ({self.ticks_per_row}) times `tick`"
                f" ({self.tick}), was {self.vp_tick}"
            )


@cache
def presets() -> dict[str, Preset]:
    """Return all presets by symbol, in the order of the table.

    >>> len(presets())
    31
    """
    text = files("of_nautilus").joinpath("instruments.csv").read_text(encoding="utf-8")
    read = {"Decimal": Decimal, "int": int, "float": float, "str": str}
    kinds = {f.name: f.type if isinstance(f.type, str) else f.type.__name__ for f in fields(Preset)}
    found = {}
    for row in csv.DictReader(text.splitlines()):
        values: dict[str, Any] = {name: read[kinds[name]](text) for name, text in row.items()}
        found[row["symbol"]] = Preset(**values)
    return found


def preset(symbol: str) -> Preset:
    """Return one market's preset; raises `ValueError` naming those that exist.

    >>> preset("NAS100").ticks_per_row
    10
    """
    try:
        return presets()[symbol]
    except KeyError:
        known = ", ".join(presets())
        raise ValueError(f"`symbol` must be one of {known}, was {symbol!r}") from None


def flow_config(symbol: str, **overrides: Any) -> FlowConfig:
    """Return an engine's config with the absolute thresholds of one market's preset.

    Parameters
    ----------
    symbol : str
        One of `presets()`.
    **overrides
        Fields of `FlowConfig` to set otherwise, such as ``rules="source"`` or ``bar_size=300.0``.

    Raises
    ------
    ValueError
        If there is no such preset or no such field, or a value is out of its range.

    Examples
    --------
    >>> flow = flow_config("NAS100", bar_size=300.0)
    >>> flow.absorption.min_volume, flow.initiative.min_delta, flow.session
    (50.0, 30.0, 'NY_CASH')
    """
    for name in overrides:
        if name not in FlowConfig.__struct_fields__:
            raise ValueError(f"`{name}` must be a field of FlowConfig")
    p = preset(symbol)
    fields: dict[str, Any] = {
        "session": p.session,
        "ticks_per_row": p.ticks_per_row,
        "profile_row_ticks": p.ticks_per_row,
        "thresholds": Thresholds.ABSOLUTE,
        "absorption": AbsorptionConfig(
            min_volume=float(p.absorption_min_vol),
            big_trade=float(p.big_trade),
            min_attempts=p.absorption_min_attempts,
            max_displacement_ticks=p.absorption_max_disp_ticks,
            window_s=float(p.absorption_window_s),
        ),
        "initiative": InitiativeConfig(
            min_delta=float(p.initiative_min_delta),
            min_body_ticks=p.initiative_min_body_ticks,
            acceleration=p.initiative_vol_accel,
        ),
        "sweep": SweepConfig(
            max_time_s=p.sweep_max_ms / 1000,
            min_levels=p.sweep_min_levels,
            max_volume_per_level=float(p.sweep_max_vol_per_level),
            thin_book=float(p.thin_book),
        ),
        "exhaustion": ExhaustionConfig(min_decline=p.exhaustion_vol_decline),
        "divergence": DivergenceConfig(lookback=p.divergence_lookback, max_ratio=p.divergence_fail),
    }
    return FlowConfig(**fields | overrides)
