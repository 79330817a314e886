"""Joined files: the same rows in fewer files, whatever happens meanwhile."""

import os
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from of_nautilus.ingest import staging
from of_nautilus.ingest.columns import TradeColumns, read_trades
from of_nautilus.ingest.joining import HOUR_NS, join_files
from of_nautilus.ingest.store import open_store
from tests.fixtures_ingest import DAY0, PERP, trades
from tests.test_catalog_writer import write

MINUTE = HOUR_NS // 60


def recorded(catalog: Path, minutes: range, step: int = 20) -> None:
    """Write a part each so many minutes, as a recorder does."""
    for minute in minutes[::step]:
        times = DAY0 + minute * MINUTE + np.arange(7) * 1_000_000_000
        write(catalog, trades(times), overlap="append")


def files(catalog: Path) -> list[str]:
    return sorted(p.name[11:13] for p in (catalog / "data/trade_tick" / PERP).iterdir())


def join(catalog: Path, until: int) -> int:
    return join_files(catalog, TradeColumns, PERP, DAY0 + until)


def test_an_hour_that_is_over_becomes_one_file_and_then_a_day(tmp_path: Path) -> None:
    recorded(tmp_path, range(22 * 60, 25 * 60))
    before = read_trades(tmp_path, PERP).to_table(PERP)
    assert files(tmp_path) == ["00"] * 3 + ["22"] * 3 + ["23"] * 3
    assert join(tmp_path, 23 * HOUR_NS) == 3
    assert files(tmp_path) == ["00"] * 3 + ["22"] + ["23"] * 3
    # Midnight: the last hour, and then both hours of the day.
    assert join(tmp_path, 24 * HOUR_NS) == 3 + 2
    assert files(tmp_path) == ["00"] * 3 + ["22"]
    assert join(tmp_path, 24 * HOUR_NS) == 0
    assert read_trades(tmp_path, PERP).to_table(PERP).equals(before)
    recorded(tmp_path, range(25 * 60, 26 * 60))
    assert len(read_trades(tmp_path, PERP)) == len(before) + 3 * 7


# What is done before the crash: of the parts, one is gone already; or all, and nothing put there.
@pytest.mark.parametrize(("moment", "before_it"), [("unlink", 1), ("replace", 0)])
def test_a_crash_while_joining_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, before_it: int
) -> None:
    recorded(tmp_path, range(60))
    before = read_trades(tmp_path, PERP).to_table(PERP)
    owner = Path if moment == "unlink" else os
    do, calls = getattr(owner, moment), count()

    def dying(*args: Any, **kwargs: Any) -> None:
        if next(calls) == before_it:
            raise KeyboardInterrupt
        do(*args, **kwargs)

    monkeypatch.setattr(owner, moment, dying)
    with pytest.raises(KeyboardInterrupt):
        join(tmp_path, HOUR_NS)
    monkeypatch.undo()
    assert staging.recover(open_store(tmp_path)) == 1
    assert files(tmp_path) == ["00"]
    assert read_trades(tmp_path, PERP).to_table(PERP).equals(before)


def test_files_that_overlap_stay_as_they_are(tmp_path: Path) -> None:
    recorded(tmp_path, range(40))
    folder = tmp_path / "data/trade_tick" / PERP
    first, second = sorted(folder.iterdir())
    # A file that says to begin before the one before has ended.
    second.rename(folder / f"{first.stem[:20]}500000000Z_{second.stem.partition('_')[2]}.parquet")
    assert join(tmp_path, HOUR_NS) == 0
    assert len(files(tmp_path)) == 2
