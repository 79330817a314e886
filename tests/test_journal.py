"""The journal's parts: a later run's replace an earlier one's, but never those of a live run."""

from pathlib import Path

import pytest
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from of_nautilus.data import JournalNote
from of_nautilus.errors import UserError
from of_nautilus.journal import Parts, read_journal

MARKET = InstrumentId.from_str("BTCUSDT-PERP.BINANCE")


def kept(folder: Path, ts: int, what: str, *, live: bool = False) -> None:
    """Let a run that begins at a time keep two notes."""
    parts = Parts(folder)
    parts.begin(ts, [MARKET], live=live)
    for after in (1, 2):
        parts.add(
            JournalNote(ts_event=ts + after, ts_init=ts + after, instrument_id=MARKET, what=what)
        )
    parts.write(ts + 10)


def test_a_later_run_replaces_what_an_earlier_one_wrote_about_the_same_time(tmp_path: Path) -> None:
    kept(tmp_path, 100, "first")
    kept(tmp_path, 1_000, "other time")
    kept(tmp_path, 100, "second")
    assert (
        read_journal(tmp_path, JournalNote)["what"].tolist() == ["second"] * 2 + ["other time"] * 2
    )


def test_what_a_live_run_kept_is_not_written_over(tmp_path: Path) -> None:
    kept(tmp_path, 100, "live", live=True)
    with pytest.raises(UserError, match="holds the journal of a live run"):
        kept(tmp_path, 50, "backtest")
    assert read_journal(tmp_path, JournalNote)["what"].tolist() == ["live"] * 2
    # About a later time it says nothing; and a node that goes on finds its own.
    kept(tmp_path, 500, "backtest")
    kept(tmp_path, 1_000, "live again", live=True)
    told = read_journal(tmp_path, JournalNote)["what"].tolist()
    assert told == ["live"] * 2 + ["backtest"] * 2 + ["live again"] * 2


def test_two_nodes_keep_their_journals_in_one_folder(tmp_path: Path) -> None:
    nodes = [Parts(tmp_path), Parts(tmp_path)]
    for parts, ts in zip(nodes, (100, 150), strict=True):
        parts.begin(ts, [MARKET], live=True)
    for ts in range(200, 210):
        parts = nodes[ts % 2]
        what = ["first", "second"][ts % 2]
        parts.add(JournalNote(ts_event=ts, ts_init=ts, instrument_id=MARKET, what=what))
        parts.write(ts)
    assert read_journal(tmp_path, JournalNote)["what"].tolist() == ["first", "second"] * 5


def test_the_host_reads_what_a_live_run_kept(tmp_path: Path) -> None:
    kept(tmp_path, 100, "live", live=True)
    found = ParquetDataCatalog(tmp_path).custom_data(JournalNote)
    assert [note.data.what for note in found] == ["live"] * 2
