"""What a catalog holds: one entry an instrument and type."""

from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from of_nautilus.ingest.columns import file_range, iso_time
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.store import Store, open_store

_UNKNOWN = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One kind of data of one instrument (or none, where a type has no instrument)."""

    kind: str
    """The type's folder, such as "trade_tick"."""
    instrument_id: str
    files: int
    rows: int
    bytes: int
    first: int
    """`ts_init` of the first row, in ns UTC, as the file names say."""
    last: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with times in words too."""
        return asdict(self) | {"from": iso_time(self.first), "to": iso_time(self.last)}


def list_catalog(catalog: Any) -> list[Entry]:
    """The entries of a catalog, by kind and instrument.

    Parameters
    ----------
    catalog : path, str or ParquetDataCatalog
        A folder or an fsspec address.

    Raises
    ------
    IngestError
        If there is no catalog, or a file is damaged.

    """
    store = open_store(catalog)
    if not store.exists("data"):
        raise IngestError("no catalog there", store, todo="ingest data into it first")
    entries = []
    for kind in store.names("data"):
        inside = store.names(f"data/{kind}")
        loose = [name for name in inside if name.endswith(".parquet")]
        if loose:
            entries.append(_entry(store, kind, "", loose))
        for owner in (name for name in inside if not name.endswith(".parquet")):
            names = [n for n in store.names(f"data/{kind}/{owner}") if n.endswith(".parquet")]
            if names:
                entries.append(_entry(store, kind, owner, names))
    return entries


def _entry(store: Store, kind: str, owner: str, names: list[str]) -> Entry:
    folder = f"data/{kind}/{owner}" if owner else f"data/{kind}"
    rows = size = 0
    ranges = [file_range(name) for name in names]
    for name in names:
        path = f"{folder}/{name}"
        size += store.size(path)
        try:
            with store.open_parquet(path) as file:
                rows += file.metadata.num_rows
        except (pa.ArrowException, OSError) as error:
            raise IngestError(
                f"damaged Parquet file ({error})",
                store.path(path),
                todo="ingest its data again, with --overlap replace",
            ) from error
    known = [r for r in ranges if r[1] != _UNKNOWN] or [(0, 0)]
    first, last = min(r[0] for r in known), max(r[1] for r in known)
    return Entry(kind, owner, len(names), rows, size, first, last)
