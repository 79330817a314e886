"""Source files as bytes and lines: plain, gzip or zip, with one clear error for every damage."""

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.summary import Progress

_BUFFER = 1 << 20


class Sources:
    """Files read one after the other, with progress over all of them.

    Parameters
    ----------
    paths : sequence of path
        The files, in the order in which they are to be read; at least one.
    progress : callable, optional
        Gets the bytes read and their total.

    Raises
    ------
    IngestError
        If there is no path, or one of them is no readable file with anything in it.

    """

    def __init__(self, paths: Sequence[str | Path], progress: Progress | None = None) -> None:
        self.paths = [Path(p) for p in paths]
        if not self.paths:
            raise IngestError("no file given", todo="name at least one")
        self._sizes = [_size(path) for path in self.paths]
        self._total = sum(self._sizes)
        self._done = 0
        self._progress = progress

    @contextmanager
    def open(self, path: Path) -> Iterator[IO[bytes]]:
        """A file's content as bytes, unpacked; damage found while reading is an IngestError.

        A file beside those that were given may be opened too; it has no part in the progress.
        """
        listed = path in self.paths
        raw = _Counted(path, self._report if listed else _ignore)
        try:
            yield _unpacked(raw, path)
        except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
            raise IngestError(
                f"damaged or truncated archive ({error or type(error).__name__})",
                path,
                todo="fetch it again",
            ) from error
        except OSError as error:
            raise IngestError(f"cannot be read ({error.strerror or error})", path) from error
        finally:
            raw.close()
            if listed:
                self._done += self._sizes[self.paths.index(path)]
                self._report(0)

    def lines(self, path: Path) -> Iterator[tuple[int, bytes]]:
        """Line number (from 1) and content of every line that is not blank."""
        with self.open(path) as handle:
            for number, line in enumerate(handle, 1):
                if not line.isspace():
                    yield number, line

    def _report(self, inside: int) -> None:
        if self._progress is not None:
            self._progress(self._done + inside, self._total)


def _ignore(_: int) -> None:
    pass


class _Counted(io.FileIO):
    """A file that says how far it has been read."""

    def __init__(self, path: Path, report: Any) -> None:
        super().__init__(path, "rb")
        self._report = report

    def readinto(self, buffer: Any, /) -> int:
        size = super().readinto(buffer) or 0
        self._report(self.tell())
        return size


def _size(path: Path) -> int:
    try:
        if not path.is_file():
            reason = "is no file" if path.exists() else "is not there"
            raise IngestError(reason, path, todo="check the path")
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except OSError as error:
        raise IngestError(f"cannot be read ({error.strerror})", path) from error
    if not size:
        raise IngestError("is empty", path, todo="fetch it again")
    return size


def _unpacked(raw: io.FileIO, path: Path) -> IO[bytes]:
    buffered = io.BufferedReader(raw, _BUFFER)
    magic = buffered.peek(4)[:4]
    if magic[:2] == b"\x1f\x8b":
        return io.BufferedReader(gzip.GzipFile(fileobj=buffered), _BUFFER)
    if magic == b"PK\x03\x04":
        archive = zipfile.ZipFile(buffered)
        members = [m for m in archive.infolist() if not m.is_dir()]
        if len(members) != 1:
            raise IngestError(f"holds {len(members)} files where one is expected", path)
        try:
            return archive.open(members[0])
        except (RuntimeError, NotImplementedError) as error:
            raise IngestError(f"cannot be unpacked ({error})", path) from error
    return buffered
