"""Shared fixtures: where the specification's vectors and the recorded markets are, if they are."""

import json
import os
from pathlib import Path
from typing import Any

import pytest


def _folder(variable: str, inside: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set: it names the folder that holds {inside}")
    folder = Path(value)
    if not folder.is_dir():
        pytest.skip(f"{variable} names no folder: {folder}")
    return folder.resolve()


def vectors(name: str) -> dict[str, dict[str, Any]]:
    """The records of one vector file (such as "v03_volume_profile"), by their id."""
    path = _folder("OF_NAUTILUS_SPEC", "vectors/*.json") / "vectors" / f"{name}.json"
    return {record["id"]: record for record in json.loads(path.read_text())}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where the kernels' tests alone are wanted, load no file that has none."""
    if config.option.markexpr != "nojit" or not collection_path.name.startswith("test_"):
        return None
    return "nojit" not in collection_path.read_text() or None


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of recorded markets (binance/, equities/, ...)."""
    return _folder("OF_NAUTILUS_REAL_DATA", "binance/, equities/, ...")
