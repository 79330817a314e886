"""Trading sessions: when a profile, a CVD or a VWAP starts anew.

A session is known by name, by hours in a time zone, or by a fixed length counted from midnight UTC.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

NAMED = {
    "NY_CASH": "09:30-16:00 America/New_York",
    "LONDON": "08:00-16:30 Europe/London",
    "ASIAN": "00:00-09:00 UTC",
    "FULL_DAY": "00:00-24:00 UTC",
}
_HOURS = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d) (\S+)")
_LENGTH = re.compile(r"(\d+)(min|h)")


def _nanos(moment: datetime) -> int:
    return int(moment.timestamp()) * SECOND


@dataclass(frozen=True)
class SessionClock:
    """Tells the session of a time.

    Parameters
    ----------
    spec : str
        A name (NY_CASH, LONDON, ASIAN, FULL_DAY), hours such as "09:30-16:00 America/New_York",
        or a length that divides the day, such as "30min" or "4h", counted from midnight UTC.

    Raises
    ------
    ValueError
        If `spec` is none of these.

    Examples
    --------
    >>> SessionClock("4h").bounds(5 * HOUR) == (4 * HOUR, 8 * HOUR)
    True
    """

    spec: str = "FULL_DAY"

    def __post_init__(self) -> None:
        self.bounds(0)

    def bounds(self, ts: int) -> tuple[int, int]:
        """Return the start and end, ns UTC, of the session that holds `ts`, or else the next one.

        The end is exclusive. Daylight saving is the time zone's.
        """
        length = _LENGTH.fullmatch(self.spec)
        if length:
            span = int(length[1]) * (MINUTE if length[2] == "min" else HOUR)
            if span == 0 or DAY % span:
                raise ValueError(f"`spec` must be a length that divides the day, was {self.spec!r}")
            start = ts - ts % span
            return start, start + span
        opens, closes, overnight, zone = self._hours()
        day = datetime.fromtimestamp(ts // SECOND, UTC).astimezone(zone).date() - timedelta(days=1)
        while True:
            start, end = _day_bounds(day, opens, closes, overnight, zone)
            if ts < end:
                return start, end
            day += timedelta(days=1)

    def contains(self, ts: int) -> bool:
        """Return whether `ts` lies inside a session."""
        return self.bounds(ts)[0] <= ts

    def _hours(self) -> tuple[time, time, bool, ZoneInfo]:
        match = _HOURS.fullmatch(NAMED.get(self.spec, self.spec))
        known = f"one of {', '.join(NAMED)}, hours like '09:30-16:00 America/New_York', or '30min'"
        if not match:
            raise ValueError(f"`spec` must be {known}, was {self.spec!r}")
        try:
            zone = ZoneInfo(match[5])
            opens = time(int(match[1]), int(match[2]))
            closes = time(int(match[3]) % 24, int(match[4]))
        except (ValueError, ZoneInfoNotFoundError) as error:
            raise ValueError(f"`spec` must be {known}, was {self.spec!r}: {error}") from None
        return opens, closes, closes <= opens, zone


def _day_bounds(
    day: date, opens: time, closes: time, overnight: bool, zone: ZoneInfo
) -> tuple[int, int]:
    last_day = day + timedelta(days=1) if overnight else day
    return (
        _nanos(datetime.combine(day, opens, zone)),
        _nanos(datetime.combine(last_day, closes, zone)),
    )
