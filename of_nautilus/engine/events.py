"""What the engine says happened."""

from dataclasses import dataclass

from of_nautilus.core.footprint import ClosedBar
from of_nautilus.core.profile import Profile
from of_nautilus.patterns.signal import Signal
from of_nautilus.patterns.units import FrozenUnits


@dataclass(frozen=True)
class SessionStarted:
    """A session begins at `ts` and ends at `end`, ns UTC; `units` hold for it, if known yet."""

    ts: int
    end: int
    units: FrozenUnits | None = None


@dataclass(frozen=True)
class SessionClosed:
    """A session in which something traded is over, at `end`, ns UTC; this was its profile."""

    start: int
    end: int
    profile: Profile


Event = ClosedBar | Signal | SessionStarted | SessionClosed
