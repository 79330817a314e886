"""The composite score of a signal at a level, its grade, and the breakdown of its terms."""

from dataclasses import dataclass

import msgspec

from of_nautilus.decision.framing import Bias, Direction

PATTERN_WEIGHTS = {"absorption": 0.30, "divergence": 0.25, "initiative": 0.20, "sweep": 0.20}
OTHER_WEIGHT = 0.15
LEVEL_WEIGHT = 0.25
BIAS_WEIGHT = 0.20
WARNING_PENALTY = 10.0
GRADES = ((85.0, "A+"), (70.0, "A"), (55.0, "B"))


class ScoreConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The choices of the score.

    `min_score`: the raw score that an entry needs, inclusive. `grade_basis`: "normalized" grades
    `raw / (pattern weight + 0.45)`, on which every grade can be reached; "raw" grades the raw
    score, on which A and A+ cannot. `opposed_penalty`: points off when the bias opposes the side.
    `model_weight`: weight of the forecasting model's agreement, >= 0; 0 leaves it out.
    `model_filter`: agreement in [-100, 100] below which nothing is entered, whatever the score;
    None leaves it out. Without a forecast the agreement is 0.
    """

    min_score: float = 40.0
    grade_basis: str = "normalized"
    opposed_penalty: float = 0.0
    model_weight: float = 0.0
    model_filter: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.min_score <= 100.0:
            raise ValueError(f"`min_score` must be in [0, 100], was {self.min_score}")
        if self.grade_basis not in ("normalized", "raw"):
            raise ValueError(
                f"`grade_basis` must be 'normalized' or 'raw', was {self.grade_basis!r}"
            )
        if self.opposed_penalty < 0.0:
            raise ValueError(f"`opposed_penalty` must be >= 0, was {self.opposed_penalty}")
        if self.model_weight < 0.0:
            raise ValueError(f"`model_weight` must be >= 0, was {self.model_weight}")
        if self.model_filter is not None and not -100.0 <= self.model_filter <= 100.0:
            raise ValueError(f"`model_filter` must be in [-100, 100], was {self.model_filter}")

    @property
    def uses_model(self) -> bool:
        """Whether a model's forecasts have a part in it."""
        return self.model_weight > 0.0 or self.model_filter is not None


@dataclass(frozen=True, slots=True)
class Score:
    """A composite score: raw (0 to 100), normalized (0 to 100), grade, and the terms of raw."""

    raw: float
    normalized: float
    grade: str
    enters: bool
    reasons: tuple[tuple[str, float], ...]


def grade(score: float) -> str:
    """Return A+ from 85, A from 70, B from 55, else C.

    >>> grade(85.0), grade(69.999)
    ('A+', 'B')
    """
    return next((name for bound, name in GRADES if score >= bound - 1e-9), "C")


def composite(
    pattern: str,
    strength: float,
    side: int,
    level_strength: float,
    bias: Bias,
    model_agreement: float = 0.0,
    config: ScoreConfig | None = None,
) -> Score:
    """Score a signal: `w*strength + 0.25*level + 0.20*confidence*[aligned] - 10*[WARNING]`.

    The weight w is 0.30 for absorption, 0.25 for divergence, 0.20 for initiative and sweep, 0.15
    for others; the sum is clipped to [0, 100]. Aligned: the bias's side is the signal's.

    Parameters: `strength`, `level_strength` in [0, 100] (0 without a level); `side` +1 or -1;
    `model_agreement` in [-100, 100], positive if the model forecasts the signal's side.

    >>> round(composite("absorption", 72, 1, 50, Bias(Direction.LONG, 79.0)).raw, 6)
    49.9
    """
    config = config or ScoreConfig()
    for name, value in (("strength", strength), ("level_strength", level_strength)):
        if not 0.0 <= value <= 100.0:
            raise ValueError(f"`{name}` must be in [0, 100], was {value}")
    if side not in (1, -1):
        raise ValueError(f"`side` must be +1 or -1, was {side}")
    if not -100.0 <= model_agreement <= 100.0:
        raise ValueError(f"`model_agreement` must be in [-100, 100], was {model_agreement}")
    weight = PATTERN_WEIGHTS.get(pattern, OTHER_WEIGHT)
    reasons = [("pattern", weight * strength), ("level", LEVEL_WEIGHT * level_strength)]
    if bias.direction is Direction.WARNING:
        reasons.append(("warning", -WARNING_PENALTY))
    elif bias.direction.side == side:
        reasons.append(("bias", BIAS_WEIGHT * bias.confidence))
    elif bias.direction.side == -side and config.opposed_penalty > 0.0:
        reasons.append(("opposed", -config.opposed_penalty))
    if config.model_weight > 0.0:
        reasons.append(("model", config.model_weight * model_agreement))
    raw = min(100.0, max(0.0, sum(term for _, term in reasons)))
    vetoed = config.model_filter is not None and model_agreement < config.model_filter - 1e-9
    normalized = min(100.0, raw / (weight + LEVEL_WEIGHT + BIAS_WEIGHT))
    return Score(
        raw=raw,
        normalized=normalized,
        grade=grade(raw if config.grade_basis == "raw" else normalized),
        enters=raw >= config.min_score - 1e-9 and not vetoed,
        reasons=tuple(reasons),
    )


def min_strength(
    pattern: str, level_strength: float, bias_term: float, min_score: float = 40.0
) -> float:
    """Return the pattern strength that reaches `min_score`; above 100 it cannot be reached.

    `bias_term` is what the bias adds: 0.20 times an aligned confidence, -10 for WARNING, or 0.
    """
    weight = PATTERN_WEIGHTS.get(pattern, OTHER_WEIGHT)
    return (min_score - LEVEL_WEIGHT * level_strength - bias_term) / weight
