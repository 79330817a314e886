"""Times of every kind a file may hold, as nanoseconds UTC."""

from datetime import date, datetime
from datetime import time as clock
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from of_nautilus.ingest.errors import IngestError

_FIRST = 10**18  # 2001-09-09
_LAST = 4_102_444_800 * 10**9  # 2100-01-01
_UNITS = (1_000_000, 1_000, 1, 1_000_000_000)


def nanoseconds(times: NDArray[np.int64], path: Path, line: int) -> NDArray[np.int64]:
    """Whole s, ms, µs or ns since 1970 as ns; the number of digits tells which.

    Raises
    ------
    IngestError
        If a time lies before 2001 or after 2100, or units are mixed.

    """
    if not len(times):
        return times
    low, high = int(times.min()), int(times.max())
    for unit in _UNITS:
        if low * unit >= _FIRST and high * unit < _LAST:
            return times * np.int64(unit)
    middle = int(np.median(times))
    at = int(np.argmin(times)) if middle - low > high - middle else int(np.argmax(times))
    raise IngestError(
        f"time {times[at]} is not one of the years 2001 to 2100, or its unit changes",
        path,
        line=line + at,
    )


def zone(name: str) -> ZoneInfo:
    """A time zone by its name in the IANA database.

    Raises
    ------
    IngestError
        If there is no such zone.

    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise IngestError(
            f"unknown time zone {name!r}", todo="write it like Europe/Athens or Etc/GMT-3"
        ) from error


def from_local(
    times: pa.Array | pa.ChunkedArray, zone_name: str, path: Path, line: int
) -> NDArray[np.int64]:
    """Wall-clock timestamps of a zone as ns; an hour that comes twice is taken as its first.

    Raises
    ------
    IngestError
        If a time is skipped by that zone's change to summer time: the zone is not the file's.

    """
    zone(zone_name)
    naive = times.cast(pa.timestamp("ns"))
    try:
        moments = pc.assume_timezone(naive, zone_name, ambiguous="earliest", nonexistent="raise")
    except pa.ArrowInvalid as error:
        safe = pc.assume_timezone(naive, zone_name, ambiguous="earliest", nonexistent="earliest")
        back = pc.local_timestamp(safe)
        at = pc.index(pc.not_equal(back, naive), True).as_py()
        raise IngestError(
            f"{naive[at]} does not exist in {zone_name}: not the time zone of this file",
            path,
            line=line + max(at, 0),
        ) from error
    return np.asarray(moments.cast(pa.int64()).to_numpy())


def day_start(day: date, zone_name: str) -> int:
    """The moment, in ns, from which wall-clock time of that day is counted.

    Noon less twelve hours: on days when clocks change, times in the day are right all the same.
    """
    noon = datetime.combine(day, clock(12), zone(zone_name))
    return int(noon.timestamp()) * 10**9 - 43_200 * 10**9


def day_in_name(path: Path, given: Any = None) -> date:
    """The date in a file's name (2012-06-21 or 20120621), unless one is given.

    Raises
    ------
    IngestError
        If there is none.

    """
    if given is not None:
        try:
            return date.fromisoformat(str(given))
        except ValueError as error:
            raise IngestError(f"{given!r} is no date", todo="write it like 2012-06-21") from error
    for part in path.stem.replace(".", "_").split("_"):
        try:
            return date.fromisoformat(part)
        except ValueError:
            continue
    raise IngestError("no date in the file's name", path, todo="give it: --date 2012-06-21")
