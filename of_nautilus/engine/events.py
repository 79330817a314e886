"""What the engine says happened."""

from dataclasses import dataclass
from typing import NamedTuple

from of_nautilus.core.footprint import ClosedBar
from of_nautilus.core.profile import Profile
from of_nautilus.patterns.signal import Signal
from of_nautilus.patterns.units import FrozenUnits


class BarClosed(NamedTuple):
    """A bar closed; these patterns it shows, in a fixed order, judged by these units."""

    bar: ClosedBar
    signals: tuple[Signal, ...] = ()
    units: FrozenUnits | None = None


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """A session begins at `ts` and ends at `end`, ns UTC; `units` hold for it, if known yet."""

    ts: int
    end: int
    units: FrozenUnits | None = None


@dataclass(frozen=True, slots=True)
class SessionClosed:
    """A session in which something traded is over, at `end`, ns UTC; this was its profile.

    The rows are as high as the config says, or chosen so that usual sessions have 40 of them.
    """

    start: int
    end: int
    profile: Profile


Event = BarClosed | Signal | SessionStarted | SessionClosed
