"""Where data files are and what their names say: folders by kind and instrument, time ranges."""

from datetime import UTC, datetime
from typing import Any

from of_nautilus.ingest.columns.kinds import Columns
from of_nautilus.ingest.store import Store


def data_folder(kind: type[Columns], instrument_id: Any) -> str:
    """The folder of one kind of data of one instrument, relative to the catalog."""
    return f"data/{kind.FOLDER}/{str(instrument_id).replace('/', '')}"


def file_name(start: int, end: int) -> str:
    """A data file's name for the times of its first and last row.

    >>> file_name(0, 1_000_000_001)
    '1970-01-01T00-00-00-000000000Z_1970-01-01T00-00-01-000000001Z.parquet'
    """
    return f"{iso_time(start)}_{iso_time(end)}.parquet"


def file_range(name: str) -> tuple[int, int]:
    """The times in a data file's name, or the whole of time where it has another form."""
    try:
        start, end = name.removesuffix(".parquet").split("_")
        return _from_iso(start), _from_iso(end)
    except ValueError:
        return 0, 2**63 - 1


def data_files(store: Store, kind: type[Columns], instrument_id: Any) -> list[tuple[str, int, int]]:
    """Path, first and last time of every data file of an instrument, in time order."""
    folder = data_folder(kind, instrument_id)
    names = [n for n in store.names(folder) if n.endswith(".parquet")]
    found = [(f"{folder}/{name}", *file_range(name)) for name in names]
    return sorted(found, key=lambda entry: entry[1:])


def iso_time(ns: int | None) -> str:
    """A time in the form that file names have, which sorts as the times do."""
    if ns is None:
        return "the end of time"
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H-%M-%S}-{rest:09d}Z"


def _from_iso(text: str) -> int:
    seconds, rest = text.removesuffix("Z").rsplit("-", 1)
    moment = datetime.strptime(seconds, "%Y-%m-%dT%H-%M-%S").replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000_000 + int(rest)
