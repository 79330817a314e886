"""Many files appear in a catalog together: staged beside it, then moved after a journal."""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import IO, Any

from of_nautilus.ingest.store import Store

_FOLDER = ".staging"
_JOURNAL = "journal.json"


class Staging:
    """A private folder for one writer's finished files, and the step that publishes them.

    On a local catalog the folder lies inside it (`.staging`, where the host does not look), so that
    a move is one rename. The journal is written when every file is complete: before it nothing has
    changed, after it the moves are completed, by this process or by the next writer. At a remote
    address the folder is a local temporary one and files are uploaded one after the other.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._numbers = count()
        self._alive: IO[Any] | None = None
        self._made: list[Path] = []
        self.decided = False  # whether the journal was written: the moves will be completed
        if not store.local:
            self.folder = Path(tempfile.mkdtemp(prefix="of-nautilus-"))
            return
        self._make_root(Path(store.root))
        with self.locked():
            recover(store)
            base = Path(store.root) / _FOLDER
            base.mkdir(exist_ok=True)
            self.folder = Path(tempfile.mkdtemp(dir=base))
            self._alive = _lock(self.folder / "alive")

    def _make_root(self, root: Path) -> None:
        self._made = [p for p in (root, *root.parents) if not p.exists()]
        root.mkdir(parents=True, exist_ok=True)

    def new_file(self) -> Path:
        """A path for a new file."""
        return self.folder / f"{next(self._numbers)}.parquet"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other writers of this catalog from starting or publishing meanwhile."""
        if not self._store.local:
            yield
            return
        folder = os.open(self._store.root, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def publish(self, moves: list[tuple[Path, str]], removed: list[str]) -> None:
        """Put files in their places and take away those that they replace."""
        if not self._store.local:
            _upload(self._store, moves, removed)
            return
        for path, _ in moves:
            _sync(path)
        entries = [[str(path.relative_to(self.folder)), target] for path, target in moves]
        targets = {target for _, target in moves}
        plan = {"moves": entries, "removed": [name for name in removed if name not in targets]}
        draft = self.folder / "journal.tmp"
        draft.write_text(json.dumps(plan))
        _sync(draft)
        draft.rename(self.folder / _JOURNAL)
        self.decided = True
        try:
            _sync(self.folder)
            _carry_out(self._store, self.folder)
        except BaseException:
            self._release()  # still under the lock: who waits for it completes this first
            raise

    def discard(self) -> None:
        """Remove what is left in the folder, unless its moves are decided but not completed."""
        if not (self.folder / _JOURNAL).exists():
            shutil.rmtree(self.folder, ignore_errors=True)
        self._release()
        if self._store.local and Path(self._store.root).exists():
            with self.locked(), suppress(OSError):
                (Path(self._store.root) / _FOLDER).rmdir()
                for folder in self._made:  # empty only where nothing was written
                    folder.rmdir()

    def _release(self) -> None:
        """Let other writers take this one for dead."""
        if self._alive is not None:
            self._alive.close()
            self._alive = None


def recover(store: Store) -> int:
    """Complete what a killed writer had decided, clear what it had not; how many were completed."""
    base = Path(store.root) / _FOLDER
    if not store.local or not base.is_dir():
        return 0
    completed = 0
    for folder in sorted(p for p in base.iterdir() if p.is_dir()):
        handle = _lock(folder / "alive")
        if handle is None:
            continue  # its writer is at work
        if (folder / _JOURNAL).exists():
            _carry_out(store, folder)
            completed += 1
        shutil.rmtree(folder, ignore_errors=True)
        handle.close()
    return completed


def _carry_out(store: Store, folder: Path) -> None:
    plan = json.loads((folder / _JOURNAL).read_text())
    root = Path(store.root)
    for name, target in plan["moves"]:
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # moved before the crash
            os.replace(folder / name, root / target)
    for name in plan["removed"]:  # last: where a move fails, what was there still is
        (root / name).unlink(missing_ok=True)
    for parent in {(root / target).parent for _, target in plan["moves"]}:
        _sync(parent)
    (folder / _JOURNAL).unlink()


def _upload(store: Store, moves: list[tuple[Path, str]], removed: list[str]) -> None:
    done: list[str] = []
    try:
        for path, target in moves:
            folder = store.path(target).rsplit("/", 1)[0]
            store.fs.makedirs(folder, exist_ok=True)
            store.fs.put_file(str(path), store.path(target))
            done.append(target)
    except BaseException:
        for target in done:
            if target not in removed:
                store.fs.rm_file(store.path(target))
        raise
    for name in removed:
        if name not in done:
            store.fs.rm_file(store.path(name))


def _lock(path: Path) -> IO[Any] | None:
    handle = path.open("a")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
