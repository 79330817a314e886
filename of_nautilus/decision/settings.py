"""Everything that decides a trade, in one config with two sets of defaults."""

import msgspec

from of_nautilus.decision.framing import FramingConfig
from of_nautilus.decision.gate import SECOND, GateConfig
from of_nautilus.decision.levels import LevelConfig
from of_nautilus.decision.risk import RiskConfig
from of_nautilus.decision.score import ScoreConfig
from of_nautilus.decision.state import LifecycleConfig
from of_nautilus.decision.table import Kind

RULES = ("robust", "source")
EXIT_PATTERNS = ("exhaustion", "divergence")


class TradeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How one instrument is traded.

    `rules`: "robust", distances in units of the market's own bars, or "source", the fixed
    percentages and the value area's edges. It sets what is left out of the parts: a part that is
    given is taken whole. `entry`: "market", or "limit" at `limit_offset_ticks` (>= 0) behind the
    last price. `entry_expiry_ns`: how long an entry may wait, > 0. `exit_threshold`: strength in
    [0, 100] from which an exhaustion or divergence against a trade closes it;
    `exhaustion_threshold` replaces it for exhaustion, whose strength ends at 70.
    """

    rules: str = "robust"
    framing: FramingConfig | None = None
    levels: LevelConfig | None = None
    score: ScoreConfig | None = None
    risk: RiskConfig | None = None
    gate: GateConfig | None = None
    lifecycle: LifecycleConfig | None = None
    entry: str = "market"
    limit_offset_ticks: int = 0
    entry_expiry_ns: int = 60 * SECOND
    exit_threshold: float = 70.0
    exhaustion_threshold: float | None = None

    def __post_init__(self) -> None:
        if self.rules not in RULES:
            raise ValueError(f"`rules` must be one of {RULES}, was {self.rules!r}")
        if self.entry not in ("market", "limit"):
            raise ValueError(f"`entry` must be 'market' or 'limit', was {self.entry!r}")
        if self.limit_offset_ticks < 0:
            raise ValueError(f"`limit_offset_ticks` must be >= 0, was {self.limit_offset_ticks}")
        if self.entry_expiry_ns < 1:
            raise ValueError(f"`entry_expiry_ns` must be >= 1, was {self.entry_expiry_ns}")
        for name in ("exit_threshold", "exhaustion_threshold"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value <= 100.0:
                raise ValueError(f"`{name}` must be in [0, 100], was {value}")

    @property
    def robust(self) -> bool:
        """Whether distances come from the market's own bars."""
        return self.rules == "robust"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a `TradeConfig`, with its defaults filled in."""

    framing: FramingConfig
    levels: LevelConfig
    score: ScoreConfig
    risk: RiskConfig
    gate: GateConfig
    lifecycle: LifecycleConfig
    exit_thresholds: dict[str, float]


def settle(config: TradeConfig) -> Settings:
    """Fill in what a config leaves out, by its `rules`."""
    robust = config.robust
    exhaustion = config.exhaustion_threshold
    if exhaustion is None:
        exhaustion = min(65.0, config.exit_threshold) if robust else config.exit_threshold
    return Settings(
        framing=config.framing or FramingConfig(shape_grid=24 if robust else None),
        levels=config.levels
        or (
            LevelConfig() if robust else LevelConfig(sessions=1, lvn_bins=None, proximity="percent")
        ),
        score=config.score or ScoreConfig(),
        risk=config.risk
        or (RiskConfig() if robust else RiskConfig(stops="frame", min_rr=0.0, max_cost_r=None)),
        gate=config.gate
        or (
            GateConfig()
            if robust
            else GateConfig(max_entries_per_level=None, block_after_stop_ns=0)
        ),
        lifecycle=config.lifecycle or LifecycleConfig(robust=robust),
        exit_thresholds={"exhaustion": exhaustion, "divergence": config.exit_threshold},
    )


def exit_warning(strength: float, threshold: float) -> Kind:
    """Return the exit event of a signal against the trade: strong from `threshold` on.

    >>> exit_warning(69.999, 70.0).value, exit_warning(70.0, 70.0).value
    ('EXIT_WARN_WEAK', 'EXIT_WARN_STRONG')
    """
    strong = strength >= threshold - 1e-9
    return Kind.EXIT_WARN_STRONG if strong else Kind.EXIT_WARN_WEAK
