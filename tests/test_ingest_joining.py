"""Joined files: the same rows in fewer files, whatever happens meanwhile."""

import json
import os
import random
import shutil
import signal
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from of_nautilus.ingest import joining, staging
from of_nautilus.ingest.columns import TradeColumns, read_trades
from of_nautilus.ingest.joining import HOUR_NS, join_files
from of_nautilus.ingest.store import open_store
from tests.fixtures_ingest import DAY0, PERP, trades
from tests.test_catalog_writer import child, write

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


# What is done before the crash: the file is there, and one of its parts is gone; or nothing is.
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


@pytest.mark.parametrize("moment", ["before the copy", "after the copy"])
def test_parts_that_another_writer_replaces_meanwhile_are_not_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    recorded(tmp_path, range(60))
    copy = joining._copy
    new = trades(DAY0 + np.arange(45) * MINUTE, price=7_000_000)

    def slow(parts: list[Path], path: Path) -> None:
        if moment == "after the copy":
            copy(parts, path)
        write(tmp_path, new, overlap="replace")
        if moment == "before the copy":
            copy(parts, path)

    monkeypatch.setattr(joining, "_copy", slow)
    assert join(tmp_path, HOUR_NS) == 0
    monkeypatch.undo()
    assert read_trades(tmp_path, PERP).to_table(PERP).equals(new.to_table(PERP))
    assert not (tmp_path / ".staging").exists()


KILLED = """
    import sys
    from tests.test_ingest_joining import kill_joins
    kill_joins(sys.argv[1])
"""
AT_RANDOM = 12


def kill_joins(root: str) -> None:
    """Join copies of `root`/whole in processes that are killed: at some of their file operations,
    and at random times. Says which copies were killed, as JSON; one is joined unharmed.
    """
    chance = random.Random(3)

    def begun(name: str, dies_at: int | None = None) -> int:
        """Fork a process that joins a copy, and ends with how many file operations that took."""
        catalog = shutil.copytree(Path(root, "whole"), Path(root, name))
        if child := os.fork():
            return child
        operations = count()

        def hook(event: str, _: Any) -> None:
            on_files = event == "open" or event.startswith(("os.", "shutil.", "fcntl."))
            if on_files and next(operations) == dies_at:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        join(catalog, 24 * HOUR_NS)
        os._exit(next(operations))

    def ended(process: int) -> tuple[bool, int]:
        _, status = os.waitpid(process, 0)
        return os.WIFSIGNALED(status), os.WEXITSTATUS(status)

    # The first one loads what the others have at hand.
    ended(begun("warming"))
    begin = time.perf_counter()
    _, operations = ended(begun("unharmed"))
    took = time.perf_counter() - begin
    killed = []
    for moment in sorted(chance.sample(range(operations), 2 * AT_RANDOM)):
        if ended(begun(f"operation {moment}", moment))[0]:
            killed.append(f"operation {moment}")
    for i in range(AT_RANDOM):
        process = begun(f"time {i}")
        time.sleep(chance.uniform(0.0, took))
        os.kill(process, signal.SIGKILL)
        if ended(process)[0]:
            killed.append(f"time {i}")
    print(json.dumps(killed))


@pytest.mark.slow
def test_a_join_killed_at_any_moment_loses_no_row_and_doubles_none(tmp_path: Path) -> None:
    recorded(tmp_path / "whole", range(22 * 60, 24 * 60), step=15)
    before = read_trades(tmp_path / "whole", PERP).to_table(PERP)
    done = child(KILLED, tmp_path)
    assert done.returncode == 0, done.stderr
    killed = json.loads(done.stdout)
    assert len(killed) >= 2 * AT_RANDOM
    unharmed = files(tmp_path / "unharmed")
    assert unharmed == ["22"]
    for name in killed:
        catalog = tmp_path / name
        staging.recover(open_store(catalog))
        assert read_trades(catalog, PERP).to_table(PERP).equals(before), name
        join(catalog, 24 * HOUR_NS)
        assert files(catalog) == unharmed, name
        assert read_trades(catalog, PERP).to_table(PERP).equals(before), name
        assert not list(catalog.glob(".staging/*")), name


def test_files_that_overlap_stay_as_they_are(tmp_path: Path) -> None:
    recorded(tmp_path, range(40))
    folder = tmp_path / "data/trade_tick" / PERP
    first, second = sorted(folder.iterdir())
    # A file that says to begin before the one before has ended.
    second.rename(folder / f"{first.stem[:20]}500000000Z_{second.stem.partition('_')[2]}.parquet")
    assert join(tmp_path, HOUR_NS) == 0
    assert len(files(tmp_path)) == 2
