"""Where a catalog is: a local folder, or any address that fsspec understands."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
import pyarrow.parquet as pq

from of_nautilus.ingest.errors import IngestError


class Store:
    """The files of one catalog, addressed relative to its root.

    Parameters
    ----------
    fs : fsspec.AbstractFileSystem
        The file system.
    root : str
        The catalog's folder on it.

    """

    def __init__(self, fs: Any, root: str) -> None:
        self.fs = fs
        self.root = root.rstrip("/")
        protocols = fs.protocol if isinstance(fs.protocol, tuple) else (fs.protocol,)
        self.protocol = protocols[0]
        self.local = "file" in protocols

    def __str__(self) -> str:
        return self.root

    def path(self, relative: str) -> str:
        """The full path of a file or folder of the catalog."""
        return f"{self.root}/{relative}"

    def exists(self, relative: str = "") -> bool:
        """Whether a file or folder is there; without a name, the catalog's own folder."""
        return bool(self.fs.exists(self.path(relative) if relative else self.root))

    def names(self, folder: str) -> list[str]:
        """The names of what a folder holds, sorted; none where there is no such folder."""
        try:
            entries = self.fs.ls(self.path(folder), detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(name for entry in entries if (name := str(entry).rstrip("/").split("/")[-1]))

    def read_text(self, relative: str) -> str:
        """What a text file holds."""
        text: str = self.fs.cat_file(self.path(relative)).decode()
        return text

    def size(self, relative: str) -> int:
        """A file's size in bytes."""
        return int(self.fs.size(self.path(relative)))

    @contextmanager
    def open_parquet(self, relative: str) -> Iterator[pq.ParquetFile]:
        """A Parquet file of the catalog, open for reading."""
        path = self.path(relative)
        if self.local:
            with pq.ParquetFile(path, memory_map=True) as file:
                yield file
        else:
            with self.fs.open(path, "rb") as handle, pq.ParquetFile(handle) as file:
                yield file


def open_store(catalog: Any) -> Store:
    """The store of a folder, an fsspec address or a `ParquetDataCatalog`."""
    if isinstance(catalog, Store):
        return catalog
    if hasattr(catalog, "fs") and hasattr(catalog, "path"):
        return Store(catalog.fs, str(catalog.path))
    if isinstance(catalog, Path) or "://" not in str(catalog):
        return Store(fsspec.filesystem("file"), str(Path(catalog).absolute()))
    with file_system(str(catalog)):
        fs, root = fsspec.core.url_to_fs(str(catalog))
    return Store(fs, root)


@contextmanager
def file_system(address: str) -> Iterator[None]:
    """Tell of a file system that fsspec does not know, or lacks the package for, as it is."""
    try:
        yield
    except ImportError as error:
        package = getattr(error.__cause__, "name", None)
        todo = f"pip install {package}" if package else "install the package that it needs"
        raise IngestError(f"cannot be opened ({error})", address, todo=todo) from None
    except ValueError as error:
        raise IngestError(
            f"is no address of a catalog ({error})",
            address,
            todo="name a folder, or write it like s3://bucket/catalog",
        ) from None
