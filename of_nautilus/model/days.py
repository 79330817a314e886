"""The days by which results are counted: those on which a market was open, traded or not.

A time belongs to the day on which its session ends, so that a session is one day wherever midnight
falls.
"""

import numpy as np

from of_nautilus.core.record import Ints
from of_nautilus.core.sessions import DAY, SessionClock


def session_ends(ts: Ints, session: str) -> Ints:
    """Return when the session of each time ends, ns; times ascend."""
    clock, ends, at = SessionClock(session), np.empty(len(ts), np.int64), 0
    while at < len(ts):
        _, end = clock.bounds(int(ts[at]))
        after = int(np.searchsorted(ts, end))
        ends[at:after] = end
        at = after
    return ends


def days_of(ts: Ints, session: str) -> Ints:
    """Return the number of the day, since 1970, to which each time belongs; times ascend.

    >>> days_of(np.array([3, 21, 27]) * 3_600_000_000_000, "18:00-17:00 UTC").tolist()
    [0, 1, 1]
    """
    return (session_ends(ts, session) - 1) // DAY


def days_a_year(session: str) -> float:
    """Return 365 where a session begins as the one before ends, and 252 where markets close.

    >>> [days_a_year(session) for session in ("FULL_DAY", "4h", "NY_CASH")]
    [365.0, 365.0, 252.0]
    """
    clock = SessionClock(session)
    _, end = clock.bounds(0)
    return 365.0 if clock.contains(end) else 252.0
