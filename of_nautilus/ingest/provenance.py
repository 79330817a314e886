"""What an ingest left out and met, by day: counted on the way in, kept beside the catalog's data.

Rows that are not there cannot be counted from the catalog. So each ingest writes, together with its
data, one JSON file an instrument and UTC day, `of_nautilus/ingest/INSTRUMENT/DAY.json`: a list with
an entry for each ingest that wrote rows of that day. A catalog that others wrote has none.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from of_nautilus.ingest.columns import DAY_NS, iso_time
from of_nautilus.ingest.store import Store

FOLDER = "of_nautilus/ingest"

Times = int | NDArray[np.integer[Any]]
"""Event time in ns of one record, or those of many."""


@dataclass(slots=True)
class DayLog:
    """What one ingest met on one day (UTC)."""

    left_out: Counter[str] = field(default_factory=Counter)
    """Records not written, by reason."""
    kept: Counter[str] = field(default_factory=Counter)
    """Records written although they are odd, by what is odd."""
    recorder_delay_ms: float | None = None
    """Median of local receive time less the venue's event time; below 0 that clock is behind."""
    files: list[str] = field(default_factory=list)


class IngestLog:
    """Counts of one ingest by day; `format_` is its format's name."""

    def __init__(self, format_: str) -> None:
        self.format = format_
        self.days: dict[int, DayLog] = {}

    def day(self, number: int) -> DayLog:
        """The log of a day, counted from 1970."""
        return self.days.setdefault(number, DayLog())

    def leave_out(self, reason: str, times: Times) -> None:
        """Count records that are not written."""
        for number, count in _by_day(times):
            self.day(number).left_out[reason] += count

    def keep(self, oddity: str, times: Times) -> None:
        """Count odd records that are written all the same."""
        for number, count in _by_day(times):
            self.day(number).kept[oddity] += count

    def saw(self, file: str, first: int, last: int) -> None:
        """Note that a file has rows from `first` to `last` (ns)."""
        for number in range(first // DAY_NS, last // DAY_NS + 1):
            files = self.day(number).files
            if file not in files:
                files.append(file)

    def entry(self, number: int, rows: dict[str, Any]) -> dict[str, Any]:
        """Plain values of a day, with the rows written of each kind."""
        log = self.day(number)
        return {
            "format": self.format,
            "files": log.files,
            "rows": rows,
            "left_out": dict(sorted(log.left_out.items())),
            "kept": dict(sorted(log.kept.items())),
            "recorder_delay_ms": log.recorder_delay_ms,
        }


def entry_text(entry: dict[str, Any]) -> str:
    """What an entry says that a person should know, in words."""
    delay = entry.get("recorder_delay_ms")
    said = [] if delay is None else [f"recorder's delay {delay:.1f} ms"]
    for title, name in (("left out", "left_out"), ("kept", "kept")):
        counts = ", ".join(f"{count} {what}" for what, count in entry[name].items())
        said += [f"{title}: {counts}"] if counts else []
    return "; ".join(said) or "all as it came"


def rows_entry(rows: int, first: int, last: int) -> dict[str, Any]:
    """What an entry says of the rows of one kind; times are `ts_init`."""
    return {"rows": rows, "first": iso_time(first), "last": iso_time(last)}


def without_replaced(
    entries: list[dict[str, Any]], rows: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """The entries of a day, once `rows` have taken the place of those in their ranges.

    An entry goes with the last of its rows; one that loses some of a kind is marked.
    """
    left = []
    for entry in entries:
        held = entry["rows"]
        for kind, new in rows.items():
            old = held.get(kind)
            if old is None or old["last"] < new["first"] or old["first"] > new["last"]:
                continue
            if old["first"] >= new["first"] and old["last"] <= new["last"]:
                del held[kind]
            else:
                old["partly_replaced"] = True
        if held:
            left.append(entry)
    return left


def log_path(instrument_id: Any, day: int) -> str:
    """The file of an instrument's day, relative to the catalog."""
    return f"{_folder(instrument_id)}/{_date(day)}.json"


def read_entries(store: Store, path: str) -> list[dict[str, Any]]:
    """The entries of one file; none where there is none. Raises ValueError where it is damaged."""
    if not store.exists(path):
        return []
    entries = json.loads(store.read_text(path))
    fields = {"format", "files", "rows", "left_out", "kept", "recorder_delay_ms"}
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and entry.keys() >= fields for entry in entries
    ):
        raise ValueError("not what an ingest writes")
    return entries


def read_days(
    store: Store, instrument_id: Any, start: int | None, end: int | None
) -> tuple[list[dict[str, Any]], list[str]]:
    """All entries of an instrument with their days, in order; and the paths of damaged files."""
    found: list[dict[str, Any]] = []
    damaged = []
    for name in store.names(_folder(instrument_id)):
        day = name.removesuffix(".json")
        if (start is not None and day < _date(start // DAY_NS)) or (
            end is not None and day > _date(end // DAY_NS)
        ):
            continue
        try:
            for entry in read_entries(store, f"{_folder(instrument_id)}/{name}"):
                found.append({"instrument_id": str(instrument_id), "day": day, **entry})
        except ValueError:
            damaged.append(f"{_folder(instrument_id)}/{name}")
    return found, damaged


def _folder(instrument_id: Any) -> str:
    return f"{FOLDER}/{str(instrument_id).replace('/', '')}"


def _date(day: int) -> str:
    return datetime.fromtimestamp(min(day, 2_900_000) * DAY_NS // 10**9, UTC).date().isoformat()


def _by_day(times: Times) -> list[tuple[int, int]]:
    if isinstance(times, (int, np.integer)):
        return [(int(times) // DAY_NS, 1)]
    days, counts = np.unique(np.asarray(times, np.int64) // DAY_NS, return_counts=True)
    return list(zip(days.tolist(), counts.tolist(), strict=True))
