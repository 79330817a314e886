"""The state file: whole at every moment, and what happens when it cannot be written."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from of_nautilus.data import EntryDecision, ExecutionTrouble
from of_nautilus.errors import UserError
from of_nautilus.journal import read_journal
from of_nautilus.live.state import SavedState, read_state, write_state
from tests.market import journal
from tests.test_live_end_to_end import strategy
from tests.venues.binance import BinanceDouble
from tests.venues.plan import plan
from tests.venues.replay import node_config, running_node, wait_for
from tests.venues.session import Session, read_session

FULL = OSError(errno.ENOSPC, "No space left on device")


def state(number: int) -> SavedState:
    saved = {"of_state": b"x" * number}
    return SavedState(format=1, ts=number, trader_id="T-1", components={"Strategy-1": saved})


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "node.state"
    assert read_state(path) is None
    for number in (1, 100_000, 2):
        write_state(path, state(number))
        assert read_state(path) == state(number)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_full_disk_leaves_the_state_before(tmp_path: Path, monkeypatch: Any, moment: str) -> None:
    def full(*_: Any) -> None:
        raise FULL

    path = tmp_path / "node.state"
    write_state(path, state(1))
    monkeypatch.setattr(os, moment, full)
    with pytest.raises(OSError, match="No space"):
        write_state(path, state(2))
    monkeypatch.undo()
    assert read_state(path) == state(1)
    assert list(tmp_path.iterdir()) == [path]


def test_a_state_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "node.state"
    write_state(path, state(50))
    whole = path.read_bytes()
    for cut in (0, 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(UserError, match="move it away"):
            read_state(path)
    write_state(path, SavedState(format=99, ts=1, trader_id="T-1", components={}))
    with pytest.raises(UserError, match="format 99"):
        read_state(path)


@pytest.fixture(scope="module")
def session(real_data: Path) -> Session:
    whole = read_session(real_data / "binance" / "usdm_btcusdt_20240808.gz", order="event_time")
    return whole.first(whole.index("trade", 500))


@pytest.mark.slow
def test_nothing_is_entered_while_the_state_cannot_be_saved(session, tmp_path) -> None:
    numbers = [trade["t"] for trade in session.of("trade")]
    # A bar closes, whose state is not written; then comes what would be an entry.
    steps = [(numbers[100], "initiative", 1, 5), (numbers[304], "absorption", 1, 5)]
    path = tmp_path / "state" / "node.state"
    (tmp_path / "state" / "node.state.tmp").mkdir(parents=True)
    double = BinanceDouble(session)
    double.feed.in_step = True
    market = double.instrument_id
    keeper = {
        "actor_path": "of_nautilus.live.state:StateKeeper",
        "config_path": "of_nautilus.live.config:StateKeeperConfig",
        "config": {"path": str(path)},
    }
    actors = [keeper, journal(tmp_path / "journal", market), plan(market, steps)]
    with double:
        config = node_config("paper_binance.json", double, actors, [strategy(market)])
        with running_node(double, config) as node:
            wait_for(double, node, 150)
            node.stop()
            assert node.log.count("state not saved") == 1
    (trouble,) = read_journal(tmp_path / "journal", ExecutionTrouble).itertuples()
    assert (trouble.kind, trouble.position, trouble.protected) == ("state_not_saved", 0, True)
    assert str(path) in trouble.text
    (decision,) = read_journal(tmp_path / "journal", EntryDecision).itertuples()
    assert decision.decision == "paused"
    assert not path.exists()
