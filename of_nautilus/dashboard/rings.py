"""Bounded rings of rows in mapped files: how a node tells a dashboard what it sees.

Writing is one copy into memory. It never waits, makes no system call and asks nothing of a reader,
so a reader that is slow, dead or absent costs the writer nothing. The oldest rows are written over;
each row has a number, by which a reader knows how many it has missed. A ring outlives both sides:
who comes back reads on.
"""

import mmap
import os
import struct
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

_MAGIC = b"OFRING01"
_HEADER = struct.Struct("=8sIIQ")  # magic, what a row is, its bytes, rows
_HEADER_ROOM = 64
# A row that is so close to being written over may be torn: it counts as missed.
_MARGIN = 8


class RingError(Exception):
    """A ring that cannot be made or read; the text says which, why and what to do."""


class Layout(NamedTuple):
    """What a row holds: in native order and alignment, its number last (8 bytes, a whole store)."""

    packed: struct.Struct
    dtype: np.dtype[Any]

    @property
    def check(self) -> int:
        """A number that another layout does not have."""
        return crc32(f"{self.packed.format} {self.dtype.descr}".encode())


class RingWriter:
    """Writes rows; a ring that is there is continued, if it is of this layout and size.

    Parameters
    ----------
    path : Path
    layout : Layout
    rows : int
        Room of the ring, > 2 * 8.

    Raises
    ------
    RingError
        If the file cannot be made.
    """

    def __init__(self, path: Path, layout: Layout, rows: int) -> None:
        size = layout.packed.size
        header = _HEADER.pack(_MAGIC, layout.check, size, rows)
        room = _HEADER_ROOM + rows * size
        if not _is(path, header, room):
            make_file(path, header, room)
        self._map = mapped_file(path, write=True)
        self._pack = layout.packed.pack_into
        self._rows, self._size = rows, size
        self.number = int(_rows(self._map, layout, rows)["number"].max())

    def write(self, *values: Any) -> None:
        """Write a row, given by its values but the number."""
        number = self.number
        self.number = number + 1
        offset = _HEADER_ROOM + number % self._rows * self._size
        self._pack(self._map, offset, *values, number + 1)


class RingReader:
    """Reads what a `RingWriter` writes, from the oldest row that is still there.

    Raises
    ------
    RingError
        If there is no such ring, or one of another version.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self._map = mapped_file(path, write=False)
        magic, check, size, rows = _HEADER.unpack_from(self._map)
        if (magic, check, size) != (_MAGIC, layout.check, layout.packed.size):
            raise RingError(f"{path}: written by another version of of_nautilus than this")
        self._ring = _rows(self._map, layout, rows)
        self._known = int(self._ring["number"].max())
        self._read = max(0, self._known - rows)
        self.missed = 0

    def read(self) -> Any:
        """Return the rows since the last call, oldest first; `missed` counts the lost ones."""
        newest = self._newest()
        rows = self._ring[np.arange(self._kept(newest), newest) % len(self._ring)]
        # Those that were written over while they were copied are told by the number of the newest.
        lost = self._kept(self._newest()) - (newest - len(rows))
        rows = rows[max(0, lost) :]
        self.missed += newest - self._read - len(rows)
        self._read = newest
        return rows

    def _newest(self) -> int:
        """Return the number of the newest row: from where it was, in growing strides and back."""
        numbers, rows = self._ring["number"], len(self._ring)
        known, stride = self._known, 1
        while stride:
            if stride < rows and numbers[(known + stride - 1) % rows] == known + stride:
                known += stride
                stride *= 2
            else:
                stride //= 2
        # A whole round since the last look leaves nothing of the row after it.
        if numbers[known % rows] > known:
            known = int(numbers.max())
        self._known = known
        return known

    def _kept(self, newest: int) -> int:
        """Return the first row that is to be read and safe to read."""
        return max(self._read, newest - len(self._ring) + _MARGIN)


def _rows(mapped: mmap.mmap, layout: Layout, rows: int) -> Any:
    return np.frombuffer(mapped, layout.dtype, rows, _HEADER_ROOM)


def _is(path: Path, header: bytes, room: int) -> bool:
    if not path.is_file() or path.stat().st_size != room:
        return False
    with path.open("rb") as file:
        return file.read(len(header)) == header


def make_file(path: Path, header: bytes, room: int) -> None:
    """Make a ring, with all its blocks: to write to a mapped file on a full disk ends a process."""
    made = path.with_suffix(".new")
    try:
        handle = os.open(made, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "r+b") as file:
            os.posix_fallocate(handle, 0, room)
            file.write(header)
        os.replace(made, path)
    except OSError as error:
        made.unlink(missing_ok=True)
        raise RingError(f"{path}: cannot take {room >> 10} KiB: {error.strerror}") from error


def mapped_file(path: Path, *, write: bool) -> mmap.mmap:
    try:
        with path.open("r+b" if write else "rb") as file:
            access = mmap.ACCESS_WRITE if write else mmap.ACCESS_READ
            return mmap.mmap(file.fileno(), 0, access=access)
    except FileNotFoundError:
        raise RingError(f"{path}: not there; is a node running with a DashboardFeed?") from None
    except (OSError, ValueError) as error:
        raise RingError(f"{path}: cannot be mapped: {error}") from error
