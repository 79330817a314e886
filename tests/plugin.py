"""For a whole run on two processes (`make test`): fast tests first, and no cache in common."""

import os
from pathlib import Path

import pytest

# Numba names a cached function's files by counting what it finds: two processes that compile a
# function for different types at the same moment may take one name for both.
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    cache = Path(__file__).resolve().parent.parent / ".pytest_cache" / "numba" / worker
    os.environ["NUMBA_CACHE_DIR"] = str(cache)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put slow tests behind the others, each group in its own order."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
