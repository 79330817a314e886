"""For a whole run (`make test`): live nodes beside the rest, long modules first, compiling once.

There is one process for the live nodes, which mostly wait, and two for everything else.
"""

import os
from functools import cache
from pathlib import Path

import pytest

from tests.compiling import compile_once

LIVE = {"live": ("test_venue_", "test_alerts_", "test_live_", "test_model_live", "test_dashboard_")}

compile_once()


def live_group(path: Path) -> str | None:
    """Return the group of a file whose tests run live nodes."""
    return next((group for group, names in LIVE.items() if path.name.startswith(names)), None)


def pytest_configure(config: pytest.Config) -> None:
    config.option.loadscopereorder = False  # by the number of tests: the order below is by time


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the marks in its own turn of this
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a module, whose tests share what they set up, in one process; begin with what is long.

    Live nodes first, in one process, then modules with slow tests, then the others.
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
