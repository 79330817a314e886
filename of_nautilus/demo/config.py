"""What a synthetic market contains."""

from dataclasses import dataclass
from datetime import UTC, datetime

from of_nautilus.demo.tape import SECOND

HOUR = 3_600 * SECOND


@dataclass(frozen=True)
class DemoConfig:
    """What the synthetic market contains.

    Parameters
    ----------
    seed : int
        The only source of chance, >= 0.
    sessions : int
        Sessions one after another, >= 1.
    session_hours : int
        Hours of a session: 24 or a divisor of it.
    bar_seconds : int
        Length of the bars that patterns are aligned with, a divisor of an hour, >= 60.
    start : str
        UTC day of the first session, as YYYY-MM-DD.
    price_ticks : int
        Price at the start in ticks of 0.1, > 10,000.
    order_size : int
        Usual lots of a market order, > 0: fewer lots mean more orders and trades.
    range_ticks : float
        Usual high-low of a bar in ticks, in [15, 45].
    planted, near_misses : int
        How many of each kind of pattern, and of its near misses, >= 0.
    episodes : bool
        Whether sessions after the first hold scripted trades at the last value area's edges.
    power : float
        Multiplies the size of the planted patterns, > 0; 1 is found by the demo's thresholds.
    ofi_alpha : float
        Drift over the next minute, in standard deviations of a minute, for one standard deviation
        of the last minute's flow imbalance; 0 plants no relation.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    """

    seed: int = 7
    sessions: int = 5
    session_hours: int = 6
    bar_seconds: int = 60
    start: str = "2024-01-08"
    price_ticks: int = 60_000
    order_size: int = 140
    range_ticks: float = 26.0
    planted: int = 10
    near_misses: int = 4
    episodes: bool = True
    power: float = 1.0
    ofi_alpha: float = 0.0

    def __post_init__(self) -> None:
        def check(name: str, ok: bool, rule: str) -> None:
            if not ok:
                raise ValueError(f"`{name}` must be {rule}, was {getattr(self, name)!r}")

        check("seed", self.seed >= 0, ">= 0")
        check("sessions", self.sessions >= 1, ">= 1")
        check("session_hours", self.session_hours in (1, 2, 3, 4, 6, 8, 12, 24), "a divisor of 24")
        check(
            "bar_seconds",
            self.bar_seconds >= 60 and 3600 % self.bar_seconds == 0,
            "a divisor of 3600 and >= 60",
        )
        check("price_ticks", self.price_ticks > 10_000, "> 10000")
        check("order_size", self.order_size > 0, "> 0")
        check("range_ticks", 15 <= self.range_ticks <= 45, "in [15, 45]")
        check("planted", self.planted >= 0, ">= 0")
        check("near_misses", self.near_misses >= 0, ">= 0")
        check("power", self.power > 0, "> 0")
        check("ofi_alpha", abs(self.ofi_alpha) <= 1, "in [-1, 1]")
        _ = self.start_ns

    @property
    def start_ns(self) -> int:
        """The first ns of the first session."""
        try:
            day = datetime.strptime(self.start, "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError as error:
            raise ValueError(f"`start` must be YYYY-MM-DD, was {self.start!r}") from error
        return int(day.timestamp()) * SECOND

    @property
    def session_ns(self) -> int:
        """The length of a session."""
        return self.session_hours * HOUR

    @property
    def bars_per_session(self) -> int:
        """Bars of a session."""
        return self.session_hours * 3600 // self.bar_seconds

    @property
    def bar_ns(self) -> int:
        """The length of a bar."""
        return self.bar_seconds * SECOND
