"""Keeps compiled code from outliving its source.

Numba's cache on disk notices a change of a function's own file, but not of a file whose functions
were compiled into it. So whenever any source of the package has changed, all of the package's
cached code is forgotten, once, and compiled anew when it is called.
"""

import hashlib
from contextlib import suppress
from pathlib import Path

_PACKAGE = Path(__file__).parent


def sources_digest() -> str:
    """Return a digest of the names, times and lengths of the package's sources."""
    sha = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        with suppress(OSError):
            stat = path.stat()
            sha.update(f"{path.relative_to(_PACKAGE)} {stat.st_mtime_ns} {stat.st_size}\n".encode())
    return sha.hexdigest()


def forget_stale() -> None:
    """Remove the cached code of the package if its sources are not those it was compiled from.

    Where the package's folder cannot be written to, its sources do not change in place either.
    """
    stamp = Path(__file__).parent / "__pycache__" / "sources.sha256"
    digest = sources_digest()
    with suppress(OSError):
        if stamp.is_file() and stamp.read_text() == digest:
            return
        stamp.parent.mkdir(exist_ok=True)
        for index in _PACKAGE.rglob("*.nbi"):
            index.unlink(missing_ok=True)
        stamp.write_text(digest)
