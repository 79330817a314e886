"""For a whole run (`make test`): live nodes beside the rest, long modules first, compiling once.

There are two processes for the live nodes, which mostly wait, and two for everything else.
"""

import fcntl
import hashlib
import os
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

LIVE = {"venue": ("test_venue_", "test_alerts_"), "node": ("test_live_", "test_model_live")}
CACHE = Path(__file__).resolve().parent.parent / ".pytest_cache" / "numba"

_held: Counter[Path] = Counter()


def live_group(path: Path) -> str | None:
    """Return the group of a file whose tests run live nodes."""
    return next((group for group, names in LIVE.items() if path.name.startswith(names)), None)


@contextmanager
def _alone_with(name: str) -> Iterator[None]:
    """Hold the lock of a function, so that no two processes compile it at the same moment.

    Locks are taken from caller to callee, as compiling goes: nobody waits in a circle.
    """
    path = CACHE / "locks" / hashlib.sha256(name.encode()).hexdigest()[:24]
    with path.open("w") as lock:
        if not _held[path]:
            fcntl.flock(lock, fcntl.LOCK_EX)
        _held[path] += 1
        try:
            yield
        finally:
            _held[path] -= 1


def _compile_once() -> None:
    """Let the processes of a run share what they compile: who comes second waits, then reads."""
    os.environ["NUMBA_CACHE_DIR"] = str(CACHE)
    (CACHE / "locks").mkdir(parents=True, exist_ok=True)

    with _alone_with("of_nautilus"):  # one of them forgets what is stale
        import of_nautilus  # noqa: F401
    from numba.core.caching import IndexDataCacheFile
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.dispatcher import Dispatcher

    compile_or_read = Dispatcher.compile

    def compile_alone(self: Any, sig: Any) -> Any:
        function = self.py_func
        with global_compiler_lock, _alone_with(f"{function.__module__}.{function.__qualname__}"):
            return compile_or_read(self, sig)

    def data_name(self: Any, number: int) -> str:
        return f"{Path(self._index_name).stem}.{uuid.uuid4().hex[:12]}.nbc"

    Dispatcher.compile = compile_alone
    # A node that a test starts takes no locks. Numba counts files to name the next one, and could
    # give the same name as we at the same moment.
    IndexDataCacheFile._data_name = data_name


if "PYTEST_XDIST_WORKER" in os.environ:
    _compile_once()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a module, whose tests share what they set up, in one process; begin with what is long.

    Live nodes first, in two processes, then modules with slow tests, then the others.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (live_group(item.path) is None, item.path not in slow))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(live_group(item.path) or item.path.stem))


@cache
def _step_back() -> None:
    os.nice(10)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give way to live nodes, which keep to the clock, in a process that runs other tests."""
    if live_group(item.path) is None:
        _step_back()
