"""The catalog writer: whole days, no repeats, all or nothing."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from nautilus_trader.model.data import TradeTick
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from of_nautilus.ingest import staging as staging_module
from of_nautilus.ingest.columns import DAY_NS, QuoteColumns, TradeColumns, read_quotes, read_trades
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.instruments import find_instrument, from_increments
from of_nautilus.ingest.listing import list_catalog
from of_nautilus.ingest.staging import recover
from of_nautilus.ingest.store import open_store
from of_nautilus.ingest.writer import CatalogWriter
from tests.fixtures_ingest import DAY0, PERP, fields_of, objects, trades

INSTRUMENT = find_instrument(PERP)
SECOND = 1_000_000_000


def tree(root: Path) -> dict[str, bytes]:
    """Every file of a folder with its content."""
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def write(root: Any, *pieces: Any, **options: Any) -> CatalogWriter:
    with CatalogWriter(root, INSTRUMENT, **options) as writer:
        for piece in pieces:
            writer.write(piece)
    return writer


def test_one_file_a_day_in_time_order_whatever_the_order_of_the_pieces(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    times = DAY0 + np.sort(rng.choice(3 * 86_400_000, 5_000, replace=False)) * 1_000_000
    whole = trades(times)
    order = rng.permutation(5_000)
    pieces = [whole.pick(np.sort(order[i : i + 500])) for i in range(0, 5_000, 500)]
    writer = write(tmp_path, *pieces, row_group_size=100)
    files = sorted(p.name for p in (tmp_path / "data/trade_tick" / PERP).iterdir())
    assert [f[:10] for f in files] == ["2024-08-08", "2024-08-09", "2024-08-10"]
    assert read_trades(tmp_path, PERP).to_table(PERP).equals(whole.to_table(PERP))
    assert writer.counts.rows == {"trade_tick": 5_000}
    assert (writer.counts.first, writer.counts.last) == (times[0], times[-1])
    read = objects(tmp_path, TradeTick, PERP)
    assert [t.ts_init for t in read] == times.tolist()
    assert [t.price.raw for t in read[:3]] == [p * 10**14 for p in whole.price[:3].tolist()]


def test_reverse_order_within_a_piece_is_sorted(tmp_path: Path) -> None:
    whole = trades(DAY0 + np.arange(100) * SECOND)
    write(tmp_path, whole.pick(np.arange(99, -1, -1)))
    assert read_trades(tmp_path, PERP).to_table(PERP).equals(whole.to_table(PERP))


def test_a_file_that_runs_backwards_is_merged_run_by_run(tmp_path: Path) -> None:
    whole = trades(DAY0 + np.arange(5_000) // 3 * SECOND)  # three trades a second
    pieces = [whole.pick(slice(at, at + 50)) for at in range(4_950, -50, -50)]
    write(tmp_path, *pieces, row_group_size=40)
    read = read_trades(tmp_path, PERP)
    assert (np.diff(read.ts_init) >= 0).all()
    assert sorted(read.trade_id.tolist()) == whole.trade_id.tolist()


def test_equal_times_keep_the_order_in_which_they_came(tmp_path: Path) -> None:
    times = np.repeat(DAY0 + np.arange(5) * SECOND, 200)
    whole = trades(times)
    late = whole.pick(np.arange(1, 1_000, 2))
    early = whole.pick(np.arange(0, 1_000, 2))
    write(tmp_path, early, late, row_group_size=100)
    read = read_trades(tmp_path, PERP)
    for second in range(5):
        ids = read.trade_id[read.ts_init == DAY0 + second * SECOND].tolist()
        first, then = ids[:100], ids[100:]
        assert [i % 2 for i in first] == [1] * 100  # ids count from 1: the early ones are odd
        assert first == sorted(first)
        assert then == sorted(then)


@pytest.mark.parametrize("text", [False, True], ids=["numbers", "text"])
def test_trades_with_one_id_and_time_are_written_once(text: bool, tmp_path: Path) -> None:
    times = DAY0 + np.repeat(np.arange(300), 4) * SECOND
    ids: Any = np.arange(1_200) // 2 + 1  # each id twice, two ids a second
    if text:
        ids = pa.array([f"id-{i}" for i in ids])
    whole = trades(times, ids)
    again = whole.pick(slice(100, 500))
    one = write(tmp_path / "a", whole, row_group_size=64)
    assert one.counts.duplicates == 600
    cut = [whole.pick(slice(i, i + 7)) for i in range(0, 1_200, 7)]  # repeats across pieces
    two = write(tmp_path / "b", *cut, again, row_group_size=64)
    assert two.counts.duplicates == 1_000
    assert two.counts.rows["trade_tick"] == 600
    for root in ("a", "b"):
        read = read_trades(tmp_path / root, PERP)
        assert read.to_table(PERP).equals(whole.pick(slice(0, None, 2)).to_table(PERP))


@pytest.mark.parametrize("late", [0, 7_000_000])
@pytest.mark.parametrize("text", [False, True], ids=["numbers", "text"])
def test_what_a_second_recorder_gets_of_the_same_trades_is_dropped_also_after_midnight(
    text: bool, late: int, tmp_path: Path
) -> None:
    number = np.arange(3_000)
    times = DAY0 + DAY_NS - 3 * SECOND + number // 3 * 6_000_000  # messages of three trades
    ids: Any = pa.array([f"id-{i}" for i in number]) if text else number
    rows = trades(times + (2 - number % 3) * 10_000, ids)
    first = replace(rows, ts_init=times + 500_000)
    second = replace(rows, ts_init=times + 500_000 + late).pick(slice(1_000, None))
    writer = write(tmp_path, first, second, row_group_size=64)
    assert writer.counts.duplicates == 2_000
    assert read_trades(tmp_path, PERP).to_table(PERP).equals(first.to_table(PERP))


def test_a_day_of_nothing_but_repeats_has_no_file(tmp_path: Path) -> None:
    first = trades(DAY0 + DAY_NS - np.arange(3, 0, -1))
    second = replace(first, ts_init=first.ts_init + SECOND)
    writer = write(tmp_path, first, second)
    assert (writer.counts.duplicates, writer.counts.rows) == (3, {"trade_tick": 3})
    assert len(list((tmp_path / "data/trade_tick" / PERP).iterdir())) == 1
    assert writer.counts.last == DAY0 + DAY_NS - 1


def test_equal_ids_at_different_times_are_different_trades(tmp_path: Path) -> None:
    write(tmp_path, trades(DAY0 + np.arange(10), np.ones(10, np.int64)))
    assert len(read_trades(tmp_path, PERP)) == 10


def test_sizes_not_above_zero_are_left_out_and_counted(tmp_path: Path) -> None:
    whole = trades(DAY0 + np.arange(10))
    whole.size[[2, 5]] = 0, -1
    writer = write(tmp_path, whole)
    assert writer.counts.not_positive == 2
    assert len(read_trades(tmp_path, PERP)) == 8


def test_the_definition_is_written_once(tmp_path: Path) -> None:
    write(tmp_path, trades([DAY0]))
    write(tmp_path, trades([DAY0 + DAY_NS]))
    held = ParquetDataCatalog(str(tmp_path)).instruments()
    assert [fields_of(i) for i in held] == [fields_of(INSTRUMENT)]


def test_another_definition_is_refused(tmp_path: Path) -> None:
    write(tmp_path, trades([DAY0]))
    before = tree(tmp_path)
    other = from_increments(PERP, "0.01", "0.001")
    with (
        pytest.raises(IngestError, match=r"price_increment 0\.10, not 0\.01"),
        CatalogWriter(tmp_path, other),
    ):
        pass
    assert tree(tmp_path) == before


def test_wrong_increments_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    whole = trades(DAY0 + np.arange(1_000))
    whole.price[:20] += 3
    with pytest.raises(IngestError, match=r"2% of the prices .* increment 0\.10"):
        write(tmp_path / "catalog", whole)
    assert not (tmp_path / "catalog").exists()
    whole.price[10:20] -= 3
    assert write(tmp_path / "catalog", whole).counts.off_grid == 10


def test_foreign_precisions_are_a_mistake_of_the_caller(tmp_path: Path) -> None:
    other = from_increments("ETHUSDT.BINANCE", "0.1", "1")
    with (
        pytest.raises(ValueError, match=r"`columns` must have the precisions \(1, 0\)"),
        CatalogWriter(tmp_path, other) as writer,
    ):
        writer.write(trades([DAY0]))


@pytest.mark.parametrize("shift", [0, 50, 99])
def test_overlap_and_touch_are_refused(shift: int, tmp_path: Path) -> None:
    write(tmp_path, trades(DAY0 + np.arange(100)))
    before = tree(tmp_path)
    with pytest.raises(IngestError, match=r"already holds trade_tick .* replace"):
        write(tmp_path, trades(DAY0 + shift + np.arange(100)))
    assert tree(tmp_path) == before
    write(tmp_path, trades(DAY0 + 100 + np.arange(100)))
    assert len(read_trades(tmp_path, PERP)) == 200


def test_replace_keeps_what_lies_outside_the_new_range(tmp_path: Path) -> None:
    write(tmp_path, trades(DAY0 + np.arange(1_000)), row_group_size=100)
    new = trades(DAY0 + 300 + np.arange(0, 400, 2), price=7_000_000)
    write(tmp_path, new, overlap="replace", row_group_size=100)
    read = read_trades(tmp_path, PERP)
    assert len(read) == 300 + 200 + 301
    inside = (read.ts_init >= DAY0 + 300) & (read.ts_init <= DAY0 + 698)
    assert read.pick(inside).to_table(PERP).equals(new.to_table(PERP))
    assert len(objects(tmp_path, TradeTick, PERP)) == 801
    assert not (tmp_path / ".staging").exists()


def test_days_replaced_within_one_file_of_many_are_cut_out_of_it_once(tmp_path: Path) -> None:
    whole = trades(DAY0 + np.arange(40) * (DAY_NS // 10))
    write(tmp_path / "days", whole)
    host = ParquetDataCatalog(str(tmp_path / "catalog"))
    host.write_data(objects(tmp_path / "days", TradeTick, PERP))
    assert len(list((tmp_path / "catalog/data/trade_tick" / PERP).iterdir())) == 1
    new = trades(DAY0 + np.arange(5, 28) * (DAY_NS // 10), price=7_000_000)
    new = new.pick(new.ts_init // DAY_NS != DAY0 // DAY_NS + 1)  # days 0 and 2 of 0 to 3
    write(tmp_path / "catalog", new, overlap="replace")
    read = read_trades(tmp_path / "catalog", PERP)
    assert read.ts_init.tolist() == whole.ts_init.tolist()
    replaced = read.price >= 7_000_000
    assert np.flatnonzero(replaced).tolist() == [*range(5, 10), *range(20, 28)]
    assert read.pick(~replaced).to_table(PERP).equals(whole.pick(~replaced).to_table(PERP))


def test_replace_of_the_same_range_leaves_one_file(tmp_path: Path) -> None:
    write(tmp_path, trades(DAY0 + np.arange(10)))
    write(tmp_path, trades(DAY0 + np.arange(10), price=7_000_000), overlap="replace")
    assert len(list((tmp_path / "data/trade_tick" / PERP).iterdir())) == 1
    assert read_trades(tmp_path, PERP).price[0] == 7_000_000


def test_append_adds_only_what_is_later(tmp_path: Path) -> None:
    write(tmp_path, trades(DAY0 + np.arange(100)))
    writer = write(tmp_path, trades(DAY0 + 50 + np.arange(100)), overlap="append")
    assert writer.counts.already_there == 50
    assert (read_trades(tmp_path, PERP).ts_init == DAY0 + np.arange(150)).all()
    nothing = write(tmp_path, trades(DAY0 + np.arange(100)), overlap="append")
    assert nothing.counts.already_there == 100
    assert len(read_trades(tmp_path, PERP)) == 150


def test_kinds_do_not_stand_in_each_others_way(tmp_path: Path) -> None:
    times = DAY0 + np.arange(5)
    quotes = QuoteColumns(2, 3, times, times, *[10 * (times - DAY0 + 1)] * 4)
    writer = write(tmp_path, trades(times), quotes)
    assert writer.counts.rows == {"trade_tick": 5, "quote_tick": 5}
    assert read_quotes(tmp_path, PERP).to_table(PERP).equals(quotes.to_table(PERP))


def test_an_exception_leaves_the_catalog_as_it_was(tmp_path: Path) -> None:
    root = tmp_path / "catalog"

    def interrupted(error: type[BaseException]) -> None:
        with CatalogWriter(root, INSTRUMENT, "replace") as writer:
            writer.write(trades(DAY0 + np.arange(10)))
            raise error

    with pytest.raises(KeyboardInterrupt):
        interrupted(KeyboardInterrupt)
    assert not root.exists()
    write(root, trades(DAY0 + np.arange(10)))
    before = tree(root)
    with pytest.raises(RuntimeError):
        interrupted(RuntimeError)
    assert tree(root) == before


FULL = """
    import resource, signal, sys
    import numpy as np
    from of_nautilus.ingest.errors import IngestError
    from tests.test_catalog_writer import DAY0, trades, write
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
    rng = np.random.default_rng(0)
    rows = trades(DAY0 + np.cumsum(rng.integers(1, 10**6, 300_000)))
    rows.price[:] = 10 * rng.integers(1, 10**9, 300_000)
    try:
        write(sys.argv[1], rows, overlap="replace")
    except IngestError as error:
        print(error)
"""


def child(script: str, root: Path) -> subprocess.CompletedProcess[str]:
    """A process that imports this module and writes into a catalog."""
    repository = Path(__file__).parent.parent
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script), str(root)],
        env=os.environ | {"PYTHONPATH": str(repository)},
        cwd=repository,
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("limit", [100, 1_000_000])
def test_a_disk_that_takes_no_more_leaves_the_catalog_as_it_was(limit: int, tmp_path: Path) -> None:
    root = tmp_path / "catalog"
    write(root, trades(DAY0 + np.arange(100) * SECOND))
    before = tree(root)
    done = child(FULL.format(limit=limit), root)
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    assert "File too large" in line
    assert "nothing was changed" in line
    assert tree(root) == before


def test_a_catalog_that_is_a_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "catalog"
    path.write_text("not a folder")
    with pytest.raises(IngestError, match=r"cannot be written .*exists"):
        write(path, trades([DAY0]))
    assert path.read_text() == "not a folder"


KILLED = """
    import os, signal, sys
    import numpy as np
    from pathlib import Path
    from of_nautilus.ingest import staging
    from tests.test_catalog_writer import DAY0, DAY_NS, trades, write
    replace, calls = os.replace, 0
    def dying(source, target):
        global calls
        if calls == {after}:
            os.kill(os.getpid(), signal.SIGKILL)
        calls += 1
        replace(source, target)
    staging.os.replace = dying
    times = DAY0 + np.arange(6) * (DAY_NS // 2)
    write(sys.argv[1], trades(times, price=7_000_000), overlap="replace")
"""


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_kill_between_two_moves_is_completed_by_the_next_writer(
    after: int, tmp_path: Path
) -> None:
    times = DAY0 + np.arange(6) * (DAY_NS // 2)
    write(tmp_path, trades(times))
    killed = child(KILLED.format(after=after), tmp_path)
    assert killed.returncode == -signal.SIGKILL
    assert recover(open_store(tmp_path)) == 1
    assert (read_trades(tmp_path, PERP).price >= 7_000_000).all()
    write(tmp_path, trades([DAY0 + 9 * DAY_NS]))
    assert len(read_trades(tmp_path, PERP)) == 7
    assert not (tmp_path / ".staging").exists()


def test_a_killed_writers_unfinished_files_are_cleared(tmp_path: Path) -> None:
    left = tmp_path / ".staging" / "dead"
    left.mkdir(parents=True)
    (left / "0.parquet").write_bytes(b"half a file")
    write(tmp_path, trades([DAY0]))
    assert not (tmp_path / ".staging").exists()
    assert len(read_trades(tmp_path, PERP)) == 1


def test_a_writer_at_work_is_left_alone(tmp_path: Path) -> None:
    with CatalogWriter(tmp_path, INSTRUMENT) as slow:
        slow.write(trades(DAY0 + np.arange(200_000)))
        write(tmp_path, trades([DAY0 + DAY_NS]))
    assert len(read_trades(tmp_path, PERP)) == 200_001


def test_two_writers_of_one_range_do_not_both_win(tmp_path: Path) -> None:
    rows = trades(DAY0 + np.arange(10))

    def slow() -> None:
        with CatalogWriter(tmp_path, INSTRUMENT) as writer:
            writer.write(rows)
            write(tmp_path, rows)

    with pytest.raises(IngestError, match="already holds"):
        slow()
    assert len(read_trades(tmp_path, PERP)) == 10


def test_what_a_killed_writer_had_decided_comes_before_what_waits_to_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    def waiting() -> None:
        with CatalogWriter(tmp_path, INSTRUMENT) as writer:
            writer.write(trades(DAY0 + np.arange(10)))
            monkeypatch.setattr(staging_module, "_carry_out", killed)
            with pytest.raises(KeyboardInterrupt):
                write(tmp_path, trades(DAY0 + 5 + np.arange(10)))
            monkeypatch.undo()

    with pytest.raises(IngestError, match="already holds"):
        waiting()
    assert (read_trades(tmp_path, PERP).ts_init == DAY0 + 5 + np.arange(10)).all()


def test_a_move_that_fails_loses_nothing_and_is_completed_by_the_next_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = DAY0 + np.arange(4) * (DAY_NS // 2)
    old, new = trades(times), trades(times + np.tile([0, 1], 2), price=7_000_000)
    write(tmp_path, old)
    before = tree(tmp_path)

    def failing(*_: Any) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(IngestError) as caught:
        write(tmp_path, new, overlap="replace")
    monkeypatch.undo()
    said = "cannot be written (Input/output error); decided but not completed; the next ingest "
    assert str(caught.value) == f"{tmp_path}: {said}completes it"
    assert before.items() <= tree(tmp_path).items()
    write(tmp_path, trades([DAY0 + 9 * DAY_NS]))
    read = read_trades(tmp_path, PERP, end=DAY0 + 3 * DAY_NS)
    assert read.to_table(PERP).equals(new.to_table(PERP))
    assert not (tmp_path / ".staging").exists()


def test_the_journal_names_every_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    carry_out = staging_module._carry_out

    def spy(store: Any, folder: Path) -> None:
        seen.append(json.loads((folder / "journal.json").read_text()))
        carry_out(store, folder)

    monkeypatch.setattr(staging_module, "_carry_out", spy)
    write(tmp_path, trades(DAY0 + np.arange(3) * DAY_NS))
    (plan,) = seen
    assert sorted(t for _, t in plan["moves"]) == sorted(tree(tmp_path))
    assert plan["removed"] == []


@pytest.mark.parametrize(
    ("options", "text"),
    [({"overlap": "merge"}, "`overlap` must"), ({"row_group_size": 0}, "`row_group_size` must")],
)
def test_bad_parameters_are_named(options: dict[str, Any], text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=text):
        CatalogWriter(tmp_path, INSTRUMENT, **options)


def test_an_address_in_memory_works_like_a_folder() -> None:
    address = "memory://writer-test"
    write(address, trades(DAY0 + np.arange(100)))
    with pytest.raises(IngestError, match="already holds"):
        write(address, trades(DAY0 + np.arange(100)))
    write(address, trades(DAY0 + 50 + np.arange(100), price=7_000_000), overlap="replace")
    read = read_trades(address, PERP)
    assert (read.ts_init == DAY0 + np.arange(150)).all()
    assert (read.price[50:] >= 7_000_000).all()
    catalog = ParquetDataCatalog("/writer-test", fs_protocol="memory")
    assert [str(i.id) for i in catalog.instruments()] == [PERP]


def test_an_upload_that_fails_takes_back_what_it_put(monkeypatch: pytest.MonkeyPatch) -> None:
    address = "memory://upload-test"
    write(address, trades(DAY0 + np.arange(3) * DAY_NS))
    store = open_store(address)
    before = {path: store.fs.cat(path) for path in store.fs.find(store.root)}
    put, calls = store.fs.put_file, 0

    def failing(*args: Any, **options: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(5, "the line is down")
        put(*args, **options)

    monkeypatch.setattr(type(store.fs), "put_file", lambda _, *a, **o: failing(*a, **o))
    later = trades(DAY0 + (10 + np.arange(3)) * DAY_NS)
    with pytest.raises(IngestError, match="the line is down"):
        write(address, later)
    assert {path: store.fs.cat(path) for path in store.fs.find(store.root)} == before
    write(address, later)
    assert len(read_trades(address, PERP)) == 6


def test_a_catalog_behind_a_web_server_is_read(tmp_path: Path) -> None:
    write(tmp_path, trades(DAY0 + np.arange(250_000) * 1_000_000), row_group_size=50_000)
    handler = partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            part = read_trades(address, PERP, DAY0 + 10**9, DAY0 + 2 * 10**9)
            entries = list_catalog(address)
        finally:
            server.shutdown()
            thread.join()
    assert len(part) == 1_001
    assert [e.rows for e in entries] == [1, 250_000]


class Quiet(SimpleHTTPRequestHandler):
    """A server of files that sends the asked part of one, and prints nothing."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        wanted = self.headers.get("Range")
        if not wanted or path.is_dir():
            super().do_GET()
            return
        content = path.read_bytes()
        start, _, end = wanted.removeprefix("bytes=").partition("-")
        part = content[int(start) : int(end) + 1 if end else None]
        self.send_response(206)
        self.send_header(
            "Content-Range", f"bytes {start}-{int(start) + len(part) - 1}/{len(content)}"
        )
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_: Any) -> None:
        pass


def test_trades_type_is_kept_by_pick() -> None:
    assert isinstance(trades([DAY0]).pick(slice(0, 1)), TradeColumns)
