"""For processes of tests that run at once: they share what they compile, and compile it once."""

import fcntl
import hashlib
import os
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CACHE = Path(__file__).resolve().parent.parent / ".pytest_cache" / "numba"

_held: Counter[Path] = Counter()


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


def compile_once() -> None:
    """In a run on several processes, let who comes second wait, and read what the first compiled.

    A process that a test starts calls it too, before anything compiles.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    os.environ["NUMBA_CACHE_DIR"] = str(CACHE)
    (CACHE / "locks").mkdir(parents=True, exist_ok=True)

    with _alone_with("of_nautilus"):  # one of them forgets what is stale
        import of_nautilus  # noqa: F401
    from numba.core.caching import IndexDataCacheFile, NullCache
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.dispatcher import Dispatcher

    compile_or_read = Dispatcher.compile

    def compile_alone(self: Any, sig: Any) -> Any:
        if isinstance(self._cache, NullCache):
            return compile_or_read(self, sig)
        function = self.py_func
        with global_compiler_lock, _alone_with(f"{function.__module__}.{function.__qualname__}"):
            return compile_or_read(self, sig)

    def data_name(self: Any, number: int) -> str:
        return f"{Path(self._index_name).stem}.{uuid.uuid4().hex[:12]}.nbc"

    Dispatcher.compile = compile_alone
    # A command that a test runs takes no locks. Numba counts files to name the next one, and could
    # there give the same name at the same moment.
    IndexDataCacheFile._data_name = data_name
