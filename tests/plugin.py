"""For a whole run (`make test`): live nodes beside the rest, long modules first, compiling once.

There are two processes for the live nodes, which mostly wait, and two for everything else.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.compiling import compile_once

LIVE = ("test_venue_", "test_alerts_node", "test_live_", "test_model_live", "test_dashboard_live")

compile_once()


def is_live(file: str) -> bool:
    """Return whether a file's tests run live nodes."""
    return Path(file).name.startswith(LIVE)


def keeps_to_the_clock(file: str) -> bool:
    """Return whether a file's tests run what may be too slow on a busy machine: nodes, browsers."""
    return is_live(file) or Path(file).name.startswith("test_dashboard_")


class OneProcessAModule(LoadScopeScheduling):  # type: ignore[misc]
    """Keeps a module, whose tests share what they set up, in one process, and live ones in two."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if not is_live(file):
            return file
        return "test_live" if Path(file).name.startswith("test_live") else "other live tests"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneProcessAModule:
    config.option.loadscopereorder = False  # by the number of tests: the order below is by time
    return OneProcessAModule(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what is long: live nodes, then modules with slow tests, then the others."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (not is_live(item.path.name), item.path not in slow))


@cache
def _step_back() -> None:
    os.nice(10)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give way to live nodes and browsers in a process that runs other tests."""
    if not keeps_to_the_clock(item.path.name):
        _step_back()
