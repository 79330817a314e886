"""The channel from node to dashboard: what is told is read, what is lost is counted."""

import multiprocessing
import stat
from pathlib import Path

import numpy as np
import pytest
from nautilus_trader.model.identifiers import InstrumentId

from of_nautilus.dashboard import rings
from of_nautilus.dashboard.channel import (
    DEPTH,
    About,
    Abouts,
    Asked,
    DashboardSide,
    NodeSide,
    Room,
)
from of_nautilus.dashboard.rings import RingError
from of_nautilus.data import FeedStatus, FootprintBar, JournalNote

MARKET = InstrumentId.from_str("BTCUSDT-PERP.BINANCE")
ABOUTS = Abouts(
    node="TEST-001",
    markets=(
        About(
            symbol=str(MARKET),
            tick="0.1",
            lot="0.001",
            price_digits=2,
            size_digits=3,
            currency="USDT",
        ),
    ),
)
SMALL = Room(trades=64, books=16, events=32)


def trade(side: NodeSide, number: int) -> None:
    side.trade(number, 100.0 + number, 0.5, 1, 0, str(number).encode())


def bar(number: int, rows: int = 300) -> FootprintBar:
    """A bar of several chunks."""
    cells = np.full((rows, 6), number, np.int64).tobytes()
    return FootprintBar(number, number, MARKET, 0.1, 0.001, open_ts=number, r1=1.0, cells=cells)


def test_what_the_node_tells_is_read_once(tmp_path: Path) -> None:
    node = NodeSide(tmp_path / "channel", ABOUTS)
    trade(node, 1)
    levels = np.arange(4 * DEPTH).reshape(2, DEPTH, 2)
    node.book(0, 7, levels)
    told = [bar(1), FeedStatus(2, 2, instrument_id=MARKET, reason="gap"), bar(3, rows=1)]
    for data in told:
        node.event(data)
    side = DashboardSide(tmp_path / "channel")
    assert side.abouts == ABOUTS
    read = side.read()
    assert read.trades.tolist() == [(1, 101.0, 0.5, 1, 0, b"1", 1)]
    assert read.books["levels"].tolist() == [levels.tolist()]
    assert [data.to_dict() for data in read.events] == [data.to_dict() for data in told]
    trade(node, 2)
    again = side.read()
    assert again.trades["ts"].tolist() == [2]
    assert not again.events
    assert set(side.missed.values()) == {0}


def test_a_dashboard_that_comes_back_reads_all_that_is_still_there(tmp_path: Path) -> None:
    node = NodeSide(tmp_path, ABOUTS)
    for number in range(1, 500):
        node.event(bar(number, rows=1))
    first = DashboardSide(tmp_path).read().events
    node.event(bar(500, rows=1))
    again = DashboardSide(tmp_path).read().events
    assert [data.open_ts for data in first] == list(range(1, 500))
    assert [data.open_ts for data in again] == list(range(1, 501))


def test_a_node_that_comes_back_writes_on(tmp_path: Path) -> None:
    trade(NodeSide(tmp_path, ABOUTS), 1)
    side = DashboardSide(tmp_path)
    assert side.read().trades["ts"].tolist() == [1]
    trade(NodeSide(tmp_path, ABOUTS), 2)
    assert side.read().trades["ts"].tolist() == [2]


def test_rings_of_other_markets_end(tmp_path: Path) -> None:
    trade(NodeSide(tmp_path, ABOUTS), 1)
    other = Abouts(node="TEST-002", markets=ABOUTS.markets)
    NodeSide(tmp_path, other)
    side = DashboardSide(tmp_path)
    assert side.abouts.node == "TEST-002"
    assert not len(side.read().trades)


def test_what_was_written_over_is_counted(tmp_path: Path) -> None:
    node = NodeSide(tmp_path, ABOUTS, SMALL)
    side = DashboardSide(tmp_path)
    for number in range(200):
        trade(node, number)
    read = side.read()
    assert len(read.trades) + side.missed["trades"] == 200
    assert read.trades["ts"].tolist() == list(range(200 - len(read.trades), 200))
    assert len(read.trades) > SMALL.trades // 2


def test_an_event_whose_head_is_gone_is_left_out(tmp_path: Path) -> None:
    node = NodeSide(tmp_path, ABOUTS, SMALL)
    for number in range(1, 9):
        node.event(bar(number))
    read = DashboardSide(tmp_path).read().events
    assert [data.open_ts for data in read] == [8]
    np.testing.assert_array_equal(read[0].rows(), 8)


def _write(folder: str, count: int) -> None:
    node = NodeSide(Path(folder), ABOUTS, SMALL)
    for number in range(count):
        trade(node, number)


def test_rows_are_whole_while_another_process_writes(tmp_path: Path) -> None:
    NodeSide(tmp_path, ABOUTS, SMALL)
    side = DashboardSide(tmp_path)
    writer = multiprocessing.get_context("spawn").Process(
        target=_write, args=(str(tmp_path), 200_000)
    )
    writer.start()
    seen = 0
    last = -1
    try:
        while last < 199_999:
            rows = side.read().trades
            if not len(rows):
                assert writer.is_alive() or last == 199_999, writer.exitcode
                continue
            ts = rows["ts"]
            assert ts[0] > last
            assert np.all(np.diff(ts) == 1)
            assert np.all(rows["price"] == ts + 100.0)
            assert np.all(rows["id"] == np.char.encode(ts.astype("U")))
            seen, last = seen + len(rows), int(ts[-1])
    finally:
        writer.join(20)
    assert seen + side.missed["trades"] == 200_000


def test_a_command_is_taken_once(tmp_path: Path) -> None:
    node = NodeSide(tmp_path, ABOUTS)
    side = DashboardSide(tmp_path)
    assert node.asked(5) is None
    assert side.alive_ns == 5
    number = side.ask("PAUSE", [str(MARKET)])
    assert not side.is_done(number)
    with pytest.raises(RingError, match="not taken the command before"):
        side.ask("FLATTEN", [str(MARKET)])
    assert node.asked(6) == Asked("PAUSE", (str(MARKET),))
    assert side.is_done(number)
    assert node.asked(7) is None


def test_what_was_asked_of_a_node_that_is_gone_is_not_done_by_the_next(tmp_path: Path) -> None:
    NodeSide(tmp_path, ABOUTS)
    DashboardSide(tmp_path).ask("FLATTEN", [str(MARKET)])
    assert NodeSide(tmp_path, ABOUTS).asked(1) is None


def test_only_its_user_may_read(tmp_path: Path) -> None:
    NodeSide(tmp_path / "channel", ABOUTS)
    assert stat.S_IMODE((tmp_path / "channel").stat().st_mode) == 0o700
    for path in (tmp_path / "channel").glob("*.ring"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "channel" / "mailbox").stat().st_mode) == 0o600


def test_no_node_has_written_here(tmp_path: Path) -> None:
    with pytest.raises(RingError, match=r"about\.json: not there; is a node running"):
        DashboardSide(tmp_path)


def test_another_version_is_refused(tmp_path: Path) -> None:
    NodeSide(tmp_path, ABOUTS)
    path = tmp_path / "trades.ring"
    raw = bytearray(path.read_bytes())
    raw[8] ^= 1
    path.write_bytes(raw)
    with pytest.raises(RingError, match="another version"):
        DashboardSide(tmp_path)
    # The node makes it anew.
    NodeSide(tmp_path, ABOUTS)
    DashboardSide(tmp_path)


def test_a_full_disk_is_told_when_the_ring_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int, start: int, length: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rings.os, "posix_fallocate", full)
    with pytest.raises(RingError, match=r"cannot take .* KiB: No space left on device"):
        NodeSide(tmp_path, ABOUTS)
    assert not list(tmp_path.glob("*.new"))


def test_events_of_the_journal_go_through(tmp_path: Path) -> None:
    note = JournalNote(1, 2, instrument_id=MARKET)
    node = NodeSide(tmp_path, ABOUTS)
    node.event(note)
    (read,) = DashboardSide(tmp_path).read().events
    assert read.to_dict() == note.to_dict()
