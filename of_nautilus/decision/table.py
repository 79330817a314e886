"""The trade's transition table: 7 phases, 15 kinds of events, 30 legal transitions.

A market signal that has no row is ignored; a lifecycle event that has none is illegal.
"""

from enum import StrEnum


class Phase(StrEnum):
    """Where a trade stands. NONE is the absence of one."""

    NONE = "NONE"
    WATCHING = "WATCHING"
    ABSORPTION_DETECTED = "ABSORPTION_DETECTED"
    POSITION_OPEN = "POSITION_OPEN"
    BREAK_EVEN = "BREAK_EVEN"
    TRAILING = "TRAILING"
    CLOSED = "CLOSED"


class Kind(StrEnum):
    """What may happen to a trade; the last five are reports of its own orders."""

    LEVEL_APPROACH = "LEVEL_APPROACH"
    LEVEL_LEFT = "LEVEL_LEFT"
    ABSORPTION_OK = "ABSORPTION_OK"
    ABSORPTION_LOW = "ABSORPTION_LOW"
    SWEEP = "SWEEP"
    INIT_SAME = "INIT_SAME"
    INIT_OPP = "INIT_OPP"
    EXIT_WARN_WEAK = "EXIT_WARN_WEAK"
    EXIT_WARN_STRONG = "EXIT_WARN_STRONG"
    FORCE_CLOSE = "FORCE_CLOSE"
    ENTRY_FILLED = "ENTRY_FILLED"
    ENTRY_REJECTED = "ENTRY_REJECTED"
    SL_HIT = "SL_HIT"
    TP_HIT = "TP_HIT"
    RESET = "RESET"


class IllegalTransition(ValueError):  # noqa: N818 - it names what happened
    """A lifecycle event that cannot happen in the phase it met; nothing was changed."""

    def __init__(self, phase: Phase, kind: Kind, why: str = "") -> None:
        super().__init__(f"{kind} is illegal in {phase}" + (f": {why}" if why else ""))
        self.phase = phase
        self.kind = kind


IN_TRADE = (Phase.POSITION_OPEN, Phase.BREAK_EVEN, Phase.TRAILING)
LIFECYCLE_KINDS = (
    Kind.ENTRY_FILLED,
    Kind.ENTRY_REJECTED,
    Kind.SL_HIT,
    Kind.TP_HIT,
    Kind.RESET,
)

LEGAL: dict[tuple[Phase, Kind], Phase] = {
    (Phase.NONE, Kind.LEVEL_APPROACH): Phase.WATCHING,
    (Phase.NONE, Kind.ABSORPTION_OK): Phase.ABSORPTION_DETECTED,
    (Phase.WATCHING, Kind.LEVEL_APPROACH): Phase.WATCHING,
    (Phase.WATCHING, Kind.LEVEL_LEFT): Phase.NONE,
    (Phase.WATCHING, Kind.ABSORPTION_OK): Phase.ABSORPTION_DETECTED,
    (Phase.WATCHING, Kind.ABSORPTION_LOW): Phase.WATCHING,
    (Phase.WATCHING, Kind.SWEEP): Phase.WATCHING,
    (Phase.WATCHING, Kind.FORCE_CLOSE): Phase.NONE,
    (Phase.ABSORPTION_DETECTED, Kind.ENTRY_FILLED): Phase.POSITION_OPEN,
    (Phase.ABSORPTION_DETECTED, Kind.ENTRY_REJECTED): Phase.WATCHING,
    (Phase.ABSORPTION_DETECTED, Kind.FORCE_CLOSE): Phase.NONE,
    (Phase.POSITION_OPEN, Kind.INIT_SAME): Phase.BREAK_EVEN,
    (Phase.BREAK_EVEN, Kind.INIT_SAME): Phase.TRAILING,
    (Phase.TRAILING, Kind.INIT_SAME): Phase.TRAILING,
    (Phase.CLOSED, Kind.RESET): Phase.NONE,
}
for _phase in IN_TRADE:
    LEGAL[_phase, Kind.EXIT_WARN_WEAK] = _phase
    for _kind in (Kind.EXIT_WARN_STRONG, Kind.SL_HIT, Kind.TP_HIT, Kind.FORCE_CLOSE):
        LEGAL[_phase, _kind] = Phase.CLOSED


def transition(phase: Phase, kind: Kind) -> Phase | None:
    """Return the phase that an event leads to, or None if it is ignored.

    Raises `IllegalTransition` for a lifecycle event without a row.

    >>> transition(Phase.WATCHING, Kind.ABSORPTION_OK).value
    'ABSORPTION_DETECTED'
    """
    target = LEGAL.get((phase, kind))
    if target is None and kind in LIFECYCLE_KINDS:
        raise IllegalTransition(phase, kind)
    return target
