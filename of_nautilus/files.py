"""Where output goes: looked at before the work, written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from of_nautilus.errors import UserError


def folder_only(text: object, where: object = None) -> None:
    """Refuse an address such as "s3://bucket/catalog" where only a folder will do."""
    if "://" in str(text):
        raise UserError(
            "is an address, and this is read and written in a folder",
            text if where is None else f"{where} {text}",
            todo="name a folder of this machine",
        )


def check_file(path: str | Path, option: str) -> Path:
    """Return where a file is to be written; raise if it cannot be, before the work is done."""
    path = Path(path)
    if path.is_dir():
        raise UserError("is a folder", f"{option} {path}", todo="name a file")
    if not path.parent.is_dir():
        raise UserError(f"no folder {path.parent}", f"{option} {path}", todo="make it first")
    return path


def nearest(path: Path) -> Path:
    """Return a path, or where it is not there the nearest folder above it that is."""
    return next(p for p in (path, *path.absolute().parents) if p.exists())


def check_folder(path: str | Path, where: object) -> Path:
    """Return a folder that is there or can be made; raise if it cannot be."""
    path = Path(path)
    there = nearest(path)
    if not there.is_dir():
        raise UserError(f"{there} is a file", where, todo="name a folder")
    if not os.access(there, os.W_OK):
        raise UserError(f"{there} cannot be written to", where, todo="name another folder")
    return path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to, which takes the name of `path` when it is whole.

    What the system refuses is told of `path`: nobody has heard of the temporary one.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        what = os.strerror(error.errno) if error.errno else f"{error}"
        raise UserError(what, path, todo="write it to another place") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
