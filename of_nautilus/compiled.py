"""Keeps compiled code from outliving its source.

Numba's cache on disk notices a change of a function's own file, but not of a file whose functions
were compiled into it: after an upgrade in place, a step could go on with old code inside. So when
any source with compiled functions has changed, all of the cached code is forgotten, once.
"""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

_PACKAGE = Path(__file__).parent


def sources_digest() -> str:
    """Return a digest of the names, times and lengths of the sources with compiled functions."""
    sha = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        with suppress(OSError):
            stat = path.stat()
            if b"@njit" in path.read_bytes():
                name = path.relative_to(_PACKAGE)
                sha.update(f"{name} {stat.st_mtime_ns} {stat.st_size}\n".encode())
    return sha.hexdigest()


def forget_stale() -> None:
    """Remove cached code that was compiled from other sources than those that are there now.

    Where the package's folder cannot be written to, its sources do not change in place either.
    """
    digest = sources_digest()
    folders = [_PACKAGE / "__pycache__"]
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        folders.append(Path(chosen))
    for folder in folders:
        stamp = folder / "of_nautilus_sources.sha256"
        with suppress(OSError):
            if stamp.is_file() and stamp.read_text() == digest:
                continue
            folder.mkdir(parents=True, exist_ok=True)
            for index in (_PACKAGE if folder.parent == _PACKAGE else folder).rglob("*.nbi"):
                index.unlink(missing_ok=True)
            stamp.write_text(digest)
