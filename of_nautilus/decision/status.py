"""Where each instrument stands: a status, six steps, and a priority to rank many by."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from of_nautilus.decision.levels import LevelConfig, watch_reach
from of_nautilus.decision.table import IN_TRADE, Phase


class Status(StrEnum):
    """What an instrument is doing."""

    OFFLINE = "OFFLINE"
    NO_DATA = "NO_DATA"
    TRAILING = "TRAILING"
    BREAK_EVEN = "BREAK_EVEN"
    IN_TRADE = "IN_TRADE"
    ENTRY_READY = "ENTRY_READY"
    NO_LEVELS = "NO_LEVELS"
    WATCHING = "WATCHING"
    AT_LEVEL_SCANNING = "AT_LEVEL_SCANNING"
    WAITING_FOR_PRICE = "WAITING_FOR_PRICE"
    IDLE = "IDLE"


STEPS = (
    "profile framing",
    "qualified levels",
    "price at level",
    "absorption",
    "entry decision",
    "trade management",
)
_IN_TRADE_STATUS = {
    Phase.TRAILING: Status.TRAILING,
    Phase.BREAK_EVEN: Status.BREAK_EVEN,
    Phase.POSITION_OPEN: Status.IN_TRADE,
    Phase.ABSORPTION_DETECTED: Status.ENTRY_READY,
}
# (base, points for each completed step)
_PRIORITY = {
    Status.IN_TRADE: (100, 3),
    Status.TRAILING: (95, 3),
    Status.BREAK_EVEN: (90, 3),
    Status.ENTRY_READY: (85, 3),
    Status.AT_LEVEL_SCANNING: (70, 3),
    Status.WATCHING: (60, 3),
    Status.WAITING_FOR_PRICE: (40, 0),
    Status.NO_LEVELS: (20, 0),
    Status.NO_DATA: (10, 0),
    Status.OFFLINE: (5, 0),
    Status.IDLE: (0, 0),
}


def status_of(
    phase: Phase | None, *, has_profile: bool, stale: bool, levels: int, near: bool
) -> Status:
    """Return an instrument's status; the first rule that holds decides.

    A stale feed is OFFLINE, no profile (finished or growing) NO_DATA; then the trade's own phase,
    so that missing levels never hide a position; no levels, as in the first session, NO_LEVELS;
    WATCHING; near a level AT_LEVEL_SCANNING; else WAITING_FOR_PRICE. `phase` None (nothing trades
    this instrument): IDLE.

    >>> status_of(Phase.NONE, has_profile=True, stale=False, levels=3, near=True).value
    'AT_LEVEL_SCANNING'
    """
    if stale:
        return Status.OFFLINE
    if not has_profile:
        return Status.NO_DATA
    if phase in _IN_TRADE_STATUS:
        return _IN_TRADE_STATUS[phase]
    if levels == 0:
        return Status.NO_LEVELS
    if phase is Phase.WATCHING:
        return Status.WATCHING
    if near:
        return Status.AT_LEVEL_SCANNING
    return Status.WAITING_FOR_PRICE if phase is not None else Status.IDLE


def steps_done(
    phase: Phase, *, has_frame: bool, levels: int, near: bool
) -> tuple[bool, bool, bool, bool, bool, bool]:
    """Return which of the six `STEPS` are completed.

    An order in flight means that the price was at a level, absorption was found and the entry
    decided; an open position completes all six.
    """
    open_trade = phase in IN_TRADE
    decided = open_trade or phase is Phase.ABSORPTION_DETECTED
    return (
        has_frame,
        levels > 0,
        near or decided or phase is Phase.WATCHING,
        decided,
        decided,
        open_trade,
    )


def stand(
    phase: Phase | None,
    *,
    price: int | None,
    levels: Collection[int],
    r1: float,
    has_profile: bool,
    has_frame: bool,
    stale: bool,
    config: LevelConfig | None = None,
) -> tuple[Status, tuple[bool, ...]]:
    """Return an instrument's status and which of the six `STEPS` are completed.

    Parameters
    ----------
    phase : Phase, optional
        Where the trade stands; None if nothing trades this instrument.
    price : int, optional
        The last price, ticks.
    levels : collection of int
        Prices of the levels that may be traded: those with a side that are not broken, ticks.
        One within the distance of watching is near: `R1`, and no less than two ticks.
    r1 : float
        The usual range of a bar, ticks; NaN: nothing is near.
    has_profile, has_frame : bool
        Whether there is a profile at all; whether one of a finished session.
    stale : bool
        Whether the feed is silent or not to be trusted.
    """
    near = False
    if price is not None:
        within = watch_reach(price, r1, config or LevelConfig())
        near = any(abs(level - price) <= within for level in levels)
    status = status_of(phase, has_profile=has_profile, stale=stale, levels=len(levels), near=near)
    steps = steps_done(phase or Phase.NONE, has_frame=has_frame, levels=len(levels), near=near)
    return status, steps


def priority(status: Status, completed: int) -> int:
    """Return the rank of a status: a base, plus 3 for each completed step while at a level.

    >>> priority(Status.IN_TRADE, 6)
    118
    """
    if not 0 <= completed <= len(STEPS):
        raise ValueError(f"`completed` must be in [0, {len(STEPS)}], was {completed}")
    base, each = _PRIORITY[status]
    return base + each * completed


@dataclass(frozen=True, slots=True)
class ScannerRow:
    """One instrument in the ranking."""

    symbol: str
    status: Status
    steps: tuple[bool, ...]

    @property
    def priority(self) -> int:
        """The row's rank."""
        return priority(self.status, sum(self.steps))


def rank(rows: Iterable[ScannerRow]) -> list[ScannerRow]:
    """Return the rows, highest priority first, equal ones by symbol."""
    return sorted(rows, key=lambda row: (-row.priority, row.symbol))
