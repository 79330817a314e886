"""For a whole run on two processes (`make test`): fast tests first, and no cache in common."""

import os
from pathlib import Path

import pytest

LIVE = ("test_live_", "test_venue_", "test_alerts_", "test_model_live")

# Numba names a cached function's files by counting what it finds: two processes that compile a
# function for different types at the same moment may take one name for both.
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    cache = Path(__file__).resolve().parent.parent / ".pytest_cache" / "numba" / worker
    os.environ["NUMBA_CACHE_DIR"] = str(cache)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put slow tests behind the others, and those that run a live node into one process.

    A node keeps to the clock: two of them, and a compiler beside, would starve each other.
    """
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
    for item in items:
        if item.path.name.startswith(LIVE):
            item.add_marker(pytest.mark.xdist_group("live"))
