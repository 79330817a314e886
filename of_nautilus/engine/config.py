"""What the engine computes: plain values, so that JSON holds them."""

from enum import StrEnum

import msgspec

from of_nautilus.core.sessions import SessionClock
from of_nautilus.patterns.absorption import AbsorptionConfig
from of_nautilus.patterns.divergence import DivergenceConfig
from of_nautilus.patterns.exhaustion import ExhaustionConfig
from of_nautilus.patterns.initiative import InitiativeConfig
from of_nautilus.patterns.sweep import SweepConfig
from of_nautilus.patterns.thresholds import Rules, Thresholds


class BarType(StrEnum):
    """What closes a bar."""

    TIME = "time"
    TICK = "tick"
    VOLUME = "volume"
    DOLLAR = "dollar"
    RANGE = "range"
    DELTA = "delta"


class CvdResets(StrEnum):
    """When the cumulative delta starts from zero again."""

    SESSION = "session"
    UTC_DAY = "utc_day"
    NEVER = "never"


class VpinConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How VPIN is read.

    Parameters
    ----------
    bucket : float, optional
        Volume of a bucket, base units, > 0. Absent: a fiftieth of the mean volume of the last 20
        sessions, and no reading in the first.
    buckets : int
        How many of them a reading spans, >= 1.
    """

    bucket: float | None = None
    buckets: int = 50

    def __post_init__(self) -> None:
        if self.bucket is not None and not self.bucket > 0:
            raise ValueError(f"`bucket` must be > 0, was {self.bucket}")
        if self.buckets < 1:
            raise ValueError(f"`buckets` must be >= 1, was {self.buckets}")


class BookConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the order book is read.

    Parameters
    ----------
    ofi_depth : int
        Levels of the multi-level order flow imbalance, 1 to 20.
    ofi_windows_s : tuple of three floats
        Its windows, seconds, ascending, each > 0.
    contiguous : bool
        Whether the feed numbers its messages without gaps, so that a missing one can be seen.
    thin_lots : int
        A level below so many lots is thin, >= 0; 0 for a quarter of the median of its side.
    """

    ofi_depth: int = 5
    ofi_windows_s: tuple[float, float, float] = (10.0, 60.0, 300.0)
    contiguous: bool = False
    thin_lots: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.ofi_depth <= 20:
            raise ValueError(f"`ofi_depth` must be 1 to 20, was {self.ofi_depth}")
        if not 0 < self.ofi_windows_s[0] < self.ofi_windows_s[1] < self.ofi_windows_s[2]:
            raise ValueError(f"`ofi_windows_s` must ascend from > 0, was {self.ofi_windows_s}")
        if self.thin_lots < 0:
            raise ValueError(f"`thin_lots` must be >= 0, was {self.thin_lots}")


class FlowConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the engine computes; what is off costs nothing.

    Parameters
    ----------
    bar : BarType
        What closes a bar.
    bar_size : float
        How much of it: seconds for time bars, prints for tick bars, base units for volume and delta
        bars, quote units for dollar bars, ticks for range bars. > 0.
    ticks_per_row : int
        Height of a footprint row, >= 1.
    session : str
        See `core.sessions.SessionClock`.
    cvd_reset : CvdResets
        When the cumulative delta starts anew.
    tick_rule : bool
        Whether a trade without a known aggressor takes the sign of the last change of price; for
        feeds that do not say who it was.
    rules : Rules
        Whose definitions the detectors follow: "robust", in units taken from the market, or
        "source", in ticks and lots.
    thresholds : Thresholds
        Where sizes come from: "quantile", from the market, or "absolute", from the configs below.
    absorption, initiative, sweep, exhaustion, divergence : optional
        The detectors; null switches one off.
    confirmations : bool
        Whether stacked imbalances, unfinished auctions and imbalance streaks are signals too.
    profile : bool
        Whether sessions have a volume profile.
    profile_row_ticks : int
        Height of its rows, >= 1; 0 for the median range of the last five sessions over 40.
    vwap : bool
        Whether sessions have a VWAP with bands.
    windows_s : tuple of float
        Rolling windows of the tape, seconds, each > 0.
    large_trades : bool
        Whether large parent orders (trailing quantile) are told apart.
    vpin : VpinConfig, optional
        VPIN, if present.
    impact : bool
        Whether Kyle's lambda, Amihud's illiquidity and Roll's spread are measured.
    book : BookConfig, optional
        The order book with its measures and order flow imbalance, if present. No detector depends
        on it: the same signals come out of trades alone.
    """

    bar: BarType = BarType.TIME
    bar_size: float = 60.0
    ticks_per_row: int = 1
    session: str = "FULL_DAY"
    cvd_reset: CvdResets = CvdResets.SESSION
    tick_rule: bool = False
    rules: Rules = Rules.ROBUST
    thresholds: Thresholds = Thresholds.QUANTILE
    absorption: AbsorptionConfig | None = AbsorptionConfig()
    initiative: InitiativeConfig | None = InitiativeConfig()
    sweep: SweepConfig | None = SweepConfig()
    exhaustion: ExhaustionConfig | None = ExhaustionConfig()
    divergence: DivergenceConfig | None = DivergenceConfig()
    confirmations: bool = False
    profile: bool = True
    profile_row_ticks: int = 0
    vwap: bool = False
    windows_s: tuple[float, ...] = ()
    large_trades: bool = False
    vpin: VpinConfig | None = None
    impact: bool = False
    book: BookConfig | None = None

    def __post_init__(self) -> None:
        for field, choices in _CHOICES.items():
            self._choose(field, choices)
        if not self.bar_size > 0:
            raise ValueError(f"`bar_size` must be > 0, was {self.bar_size}")
        if self.ticks_per_row < 1:
            raise ValueError(f"`ticks_per_row` must be >= 1, was {self.ticks_per_row}")
        if self.profile_row_ticks < 0:
            raise ValueError(f"`profile_row_ticks` must be >= 0, was {self.profile_row_ticks}")
        if not all(span > 0 for span in self.windows_s):
            raise ValueError(f"`windows_s` must hold spans > 0, was {self.windows_s}")
        SessionClock(self.session)

    def _choose(self, field: str, choices: type[StrEnum]) -> None:
        """Make a choice by name the choice itself: the engine asks which one it `is`."""
        told = getattr(self, field)
        try:
            msgspec.structs.force_setattr(self, field, choices(told))
        except ValueError:
            known = ", ".join(choices)
            raise ValueError(f"`{field}` must be one of {known}, was {told!r}") from None

    @property
    def detects(self) -> bool:
        """Whether any detector is on."""
        detectors = (
            self.absorption, self.initiative, self.sweep, self.exhaustion, self.divergence,
        )  # fmt: skip
        return self.confirmations or any(detectors)

    @classmethod
    def bars_only(cls, **fields: object) -> "FlowConfig":
        """Return a config without detectors and profile."""
        off = dict.fromkeys(("absorption", "initiative", "sweep", "exhaustion", "divergence"))
        return cls(**{**off, "profile": False, **fields})  # type: ignore[arg-type]


_CHOICES: dict[str, type[StrEnum]] = {
    "bar": BarType,
    "cvd_reset": CvdResets,
    "rules": Rules,
    "thresholds": Thresholds,
}
