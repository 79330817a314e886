"""What counts as large, for every detector at once: from a config's lots or from the market.

Two choices, which combine freely. `Thresholds` says where lots come from: from the config
(absolute), fit for one market, or from the trailing quantiles of `units` (quantile). `Rules` says
whose definitions hold: with `source` distances are ticks of the config, with `robust` they are
parts of the usual range of a bar, and lots have floors.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from of_nautilus.patterns.absorption import AbsorptionConfig
from of_nautilus.patterns.divergence import DivergenceConfig
from of_nautilus.patterns.initiative import InitiativeConfig
from of_nautilus.patterns.units import BarUnits, FrozenUnits

_NAN = float("nan")


class Rules(StrEnum):
    """Whose definitions the detectors follow."""

    ROBUST = "robust"
    SOURCE = "source"


class Thresholds(StrEnum):
    """Where the thresholds that are sizes come from."""

    QUANTILE = "quantile"
    ABSOLUTE = "absolute"


@dataclass(frozen=True, slots=True)
class Lots:
    """The sizes of a config, in lots: used where thresholds are absolute.

    `level` is the volume of absorption at a row; 0: as `absorption`.
    """

    absorption: int
    initiative: int
    big: int
    level: int = 0


class BarLimits(NamedTuple):
    """What judges one closed bar: lots and ticks; NaN = not known yet, so nothing fires.

    Attributes
    ----------
    absorption : float
        Least |delta| of absorption.
    initiative : float
        Least |delta| of initiative.
    body : float
        Least |close - open| of initiative.
    average_volume : float
        Usual volume of such a bar.
    push : float
        Least first push of cumulative delta of divergence.
    """

    absorption: float
    initiative: float
    body: float
    average_volume: float
    push: float


@dataclass(frozen=True, slots=True)
class TapeLimits:
    """What judges the tape between two freezes: lots and ticks.

    Attributes
    ----------
    row_ticks : int
        Height of a detector row.
    big : int
        A large order.
    level_volume : int
        Least volume of absorption at a row.
    displacement : int
        How far price may print beyond that row.
    sweep_span : int
        Least ticks that a sweep runs through.
    r1 : float
        Usual high - low of a bar; 0 by the source rules.
    """

    row_ticks: int
    big: int
    level_volume: int
    displacement: int
    sweep_span: int
    r1: float


def bar_limits(
    rules: Rules,
    thresholds: Thresholds,
    frozen: FrozenUnits | None,
    bar: BarUnits,
    lots: Lots,
    initiative: InitiativeConfig,
    divergence: DivergenceConfig,
) -> BarLimits:
    """Return what judges a bar.

    ======================  ===========================  ==========================
    limit                   robust                       source
    ======================  ===========================  ==========================
    absorption, quantile    ``max(D75, B95)``            ``D75``
    initiative, quantile    ``max(D75, B95)``            ``D75``
    body                    ``max(2, 0.5 R1)``           ticks of the config
    average volume          for the time of day          plain
    push                    median \\|bar delta\\|         0
    ======================  ===========================  ==========================

    Parameters
    ----------
    rules, thresholds
        The two choices.
    frozen : FrozenUnits or None
        Of the session; None: not ready.
    bar : BarUnits
        Of the bar.
    lots : Lots
        The config's.
    initiative, divergence
        Their configs.
    """
    absorbed, pushed = float(lots.absorption), float(lots.initiative)
    if thresholds is Thresholds.QUANTILE:
        absorbed = pushed = bar.d75 if frozen else _NAN
        if frozen and rules is Rules.ROBUST:
            absorbed = pushed = max(bar.d75, frozen.b95)
        # A quiet stretch must not make every lot a pattern.
        absorbed, pushed = _at_least_one(absorbed), _at_least_one(pushed)
    if rules is Rules.SOURCE:
        return BarLimits(absorbed, pushed, initiative.min_body_ticks, bar.plain_volume, 0.0)
    if frozen is None:
        return BarLimits(_NAN, _NAN, _NAN, _NAN, _NAN)
    return BarLimits(
        absorption=absorbed,
        initiative=pushed,
        body=max(initiative.bounce_ticks + 1.0, initiative.min_body_r1 * frozen.r1),
        average_volume=bar.volume,
        push=divergence.min_push * bar.d50,
    )


def tape_limits(
    rules: Rules,
    thresholds: Thresholds,
    frozen: FrozenUnits | None,
    lots: Lots,
    absorption: AbsorptionConfig,
    sweep_min_levels: int = 3,
    sweep_min_r1: float = 0.5,
) -> TapeLimits | None:
    """Return what judges the tape, or None if it is not known yet.

    ======================  ==============================  ==========================
    limit                   robust                          source
    ======================  ==============================  ==========================
    row                     ``max(1, round(0.05 R1))``      ticks of the config
    big, quantile           ``B95``                         ``B95``
    level volume, quantile  ``max(RV95, 2.5 B95)``          ``RV95``
    displacement            ``max(1, round(0.1 R1))``       ticks of the config
    sweep span              ``max(3, 0.5 R1)``              two steps between three levels
    ======================  ==============================  ==========================
    """
    by_market = thresholds is Thresholds.QUANTILE
    if frozen is None and (by_market or rules is Rules.ROBUST):
        return None
    big, volume = float(lots.big), float(lots.level or lots.absorption)
    if frozen and by_market:
        big, volume = frozen.b95, frozen.rv95
        if rules is Rules.ROBUST:
            volume = max(volume, 2.5 * big)
    row_ticks, displacement = absorption.row_ticks, absorption.max_displacement_ticks
    span, r1 = sweep_min_levels - 1, 0.0
    if frozen and rules is Rules.ROBUST:
        r1, row_ticks = frozen.r1, frozen.row_ticks
        displacement = max(1, round(0.1 * r1))
        span = max(3, _up(sweep_min_r1 * r1))
    return TapeLimits(row_ticks, max(1, _up(big)), max(1, _up(volume)), displacement, span, r1)


def _up(value: float) -> int:
    """Return the least whole number of lots or ticks that reaches a threshold."""
    return int(-(-(value - 1e-9) // 1))


def _at_least_one(lots: float) -> float:
    return 1.0 if lots < 1.0 else lots  # NaN stays
