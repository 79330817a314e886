"""The commands for data, end to end: download, ingest, catalog, check."""

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from functools import partial
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import pytest
from fsspec.registry import known_implementations

import tests.test_download as served
from of_nautilus.cli import frame
from of_nautilus.cli.check import table
from of_nautilus.cli.progress import progress
from of_nautilus.ingest import download
from of_nautilus.ingest.columns import DAY_NS
from of_nautilus.ingest.formats import FORMATS, Format
from of_nautilus.ingest.listing import list_catalog
from of_nautilus.ingest.quality import check_catalog
from tests.fixtures_ingest import DAY0, PERP
from tests.test_quality import check as saved_and_checked
from tests.test_quality import market, save

server = served.server
HEAVY = {"numpy", "numba", "nautilus_trader", "pandas", "pyarrow", "tqdm", "fsspec"}

Said = tuple[int, list[str], list[str]]


@pytest.fixture
def main(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """The command line: words to exit code, lines of output, lines of errors."""

    def call(*words: Any) -> Said:
        code = frame.main([str(word) for word in words])
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err.splitlines()

    return call


@pytest.mark.parametrize("name", ["ingest", "check", "catalog", "download"])
def test_help_imports_nothing_heavy(name: str) -> None:
    code = (
        "import sys\n"
        "from of_nautilus.cli.frame import main\n"
        f"try:\n    main(['{name}', '--help'])\nexcept SystemExit:\n    pass\n"
        "sys.stderr.write(' '.join(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert f"usage: of-nautilus {name}" in done.stdout
    assert not HEAVY & set(done.stderr.split())


def test_the_commands_of_the_readme_are_understood(
    main: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    monkeypatch.chdir(tmp_path)
    formats = set()
    for line in re.findall(r"^\$ of-nautilus (ingest .*)$", readme, re.MULTILINE):
        words = shlex.split(line, comments=True)
        code, _, (error,) = main(*words)
        assert (code, error) == (2, f"error: {words[2]}: is not there; check the path"), line
        formats.add(words[1])
    assert {name.split("-")[0] for name in formats} == {name.split("-")[0] for name in FORMATS}
    for line in re.findall(
        r"^\$ of-nautilus ((?:download|check|catalog) .*)$", readme, re.MULTILINE
    ):
        words = shlex.split(line, comments=True)
        assert frame._parser(words).parse_known_args(words)[1] == []


@pytest.mark.parametrize("format_", FORMATS.values(), ids=FORMATS)
def test_every_format_is_a_function_that_takes_its_options(format_: Format) -> None:
    parameters = signature(format_.ingest).parameters
    assert {*format_.options, *format_.fixed} <= set(parameters)
    needed = [p.name for p in parameters.values() if p.default is Parameter.empty]
    positional = [n for n in needed if parameters[n].kind is Parameter.POSITIONAL_OR_KEYWORD]
    assert positional == ["files", "instrument", "catalog"]


# check


def test_a_fit_catalog(main: Callable[..., Said], tmp_path: Path) -> None:
    save(tmp_path / "catalog", market())
    code, out, err = main("check", tmp_path / "catalog", "--json", tmp_path / "q.json")
    assert (code, err) == (0, [])
    assert out[0] == f"{PERP} trade_tick, aggressor VENUE"
    titles, day = (line.split("  ") for line in out[1:3])
    assert [t.strip() for t in titles if t.strip()][:3] == ["day", "rows", "unordered"]
    assert [c.strip() for c in day if c.strip()][:3] == ["2024-08-08", "2000", "0"]
    assert "100.0%" in out[2]
    assert out[-1] == "fit"
    written = json.loads((tmp_path / "q.json").read_text())
    assert written == check_catalog(tmp_path / "catalog").to_dict()


def test_an_unfit_catalog_gives_code_1_and_the_reason(
    main: Callable[..., Said], tmp_path: Path
) -> None:
    rows = market()
    rows.size[5] = 0
    save(tmp_path / "catalog", rows)
    reason = [f"unfit: {PERP} trade_tick 2024-08-08: 1 not positive of 2000 rows"]
    path = tmp_path / "q.json"
    code, out, err = main("check", tmp_path / "catalog")
    assert (code, err) == (1, reason)
    assert out[0].startswith(PERP)
    assert "fit" not in out
    assert main("check", tmp_path / "catalog", "--quiet", "--json", path) == (1, [], reason)
    assert json.loads(path.read_text())["fit"] is False


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        ([], [2_000, 2_000]),
        (["--start", "2024-08-09"], [2_000]),
        (["--end", "2024-08-08"], [2_000]),
        (["--start", "2024-08-08T00:10", "--end", "2024-08-08T00:19:59"], [600]),
        (["--start", "2024-08-08T02:10:00+02:00", "--end", "2024-08-08T00:10:00Z"], [1]),
        (["--start", "2024-08-08T00:33:19.000000001Z", "--end", "2024-08-09T00:00"], [1, 1]),
    ],
)
def test_a_range_of_days_or_times(
    words: list[str], rows: list[int], main: Callable[..., Said], tmp_path: Path
) -> None:
    for day in (0, 1):
        save(tmp_path / "catalog", market(start=DAY0 + day * DAY_NS))
    path = tmp_path / "q.json"
    assert main("check", tmp_path / "catalog", "--json", path, "--quiet", *words)[0] == 0
    assert [day["rows"] for day in json.loads(path.read_text())["days"]] == rows


def test_long_notes_are_cut_and_whole_in_json(main: Callable[..., Said], tmp_path: Path) -> None:
    for day in range(12):
        rows = market(start=DAY0 + day * DAY_NS)
        rows.price[3] += 3
        save(tmp_path / "catalog", rows)
    code, out, _ = main("check", tmp_path / "catalog", "--json", tmp_path / "q.json")
    notes = json.loads((tmp_path / "q.json").read_text())["notes"]
    assert (code, len(notes)) == (0, 23)  # twelve off the grid, eleven nights
    assert [line for line in out if line.startswith("note: ")] == [
        *(f"note: {note}" for note in notes[:10]),
        "note: 13 more notes, all in --json",
    ]


def test_a_table_is_aligned_and_shows_what_can_be_told(tmp_path: Path) -> None:
    _, day = saved_and_checked(tmp_path, market())
    day.longest_gaps = [(0, 7.26), (1, 30.0)]
    day.delay_ms = -1_269.5
    titles, *rows = table([day, day]).splitlines()
    assert len({len(line) for line in (titles, *rows)}) == 1
    assert "crossed" not in titles
    end = titles.index("longest s") + len("longest s")
    assert rows[0][:end].endswith(" 30.0")
    end = titles.index("delay ms") + len("delay ms")
    assert rows[0][:end].endswith(" -1269.5")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none"], "none: no catalog there; ingest data into it first"),
        (["catalog", "--instrument", "X.Y"], "no trades, quotes or books to check; choose"),
        (["catalog", "--start", "2030-01-01"], "no trades, quotes or books to check; choose"),
        (["catalog", "--start", "8 August"], "argument --start: '8 August' is no time, write"),
    ],
)
def test_nothing_to_check(
    words: list[str],
    said: str,
    main: Callable[..., Said],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "catalog", market())
    code, out, (error,) = main("check", *words)
    assert (code, out) == (2, [])
    assert said in error


# catalog


def test_the_list_is_that_of_the_package(main: Callable[..., Said], tmp_path: Path) -> None:
    root = tmp_path / "catalog"
    for day in (0, 1):
        save(root, market(start=DAY0 + day * DAY_NS))
    code, out, _ = main("catalog", root, "--json", tmp_path / "c.json")
    assert (code, out[0]) == (0, PERP)
    held = json.loads((tmp_path / "c.json").read_text())[PERP]
    entries = {entry.kind: entry for entry in list_catalog(root)}
    assert held.keys() == entries.keys()
    for kind, entry in entries.items():
        got = held[kind]
        assert (got["rows"], got["files"], got["bytes"]) == (entry.rows, entry.files, entry.bytes)
    assert held["trade_tick"]["first"] == "2024-08-08T00:00:00.000000000Z"
    assert held["trade_tick"]["last"] == "2024-08-09T00:33:19.000000000Z"
    assert out[-1].split()[:4] == ["trade_tick", "4000", "rows", "2"]
    assert main("catalog", root, "--quiet") == (0, [], [])


def test_a_damaged_file_is_named(main: Callable[..., Said], tmp_path: Path) -> None:
    save(tmp_path, market())
    (damaged,) = tmp_path.glob("data/trade_tick/*/*.parquet")
    damaged.write_bytes(damaged.read_bytes()[:-100])
    code, out, (error,) = main("catalog", tmp_path)
    assert (code, out) == (2, [])
    assert error.startswith(f"error: {damaged}: damaged Parquet file")
    assert error.endswith("; ingest its data again, with --overlap replace")
    code, _, (reason,) = main("check", tmp_path)
    assert code == 1
    assert damaged.name in reason


# ingest


def agg_trades(symbol: str = "BTCUSDT", count: int = 500) -> bytes:
    """A day of the archive's aggTrades, zipped."""
    lines = [
        f"{i},{60_000 + i % 7 / 10:.1f},0.00{1 + i % 9},{i},{i},{DAY0 // 10**6 + 100 * i},"
        f"{'true' if i % 7 < 3 else 'false'}\n"
        for i in range(1, count + 1)
    ]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(f"{symbol}-aggTrades-2024-08-08.csv", "".join(lines))
    return out.getvalue()


def test_the_catalog_itself_may_define_the_instrument(
    main: Callable[..., Said], tmp_path: Path
) -> None:
    source = tmp_path / "XYZUSDT-aggTrades-2024-08-08.zip"
    source.write_bytes(agg_trades("XYZUSDT"))
    words = ["ingest", "binance-aggtrades", source, "--instrument", "XYZUSDT-PERP.BINANCE"]
    words += ["--catalog", tmp_path / "catalog", "--overlap", "replace"]
    code, _, (error,) = main(*words)
    assert code == 2
    assert "unknown instrument 'XYZUSDT-PERP.BINANCE'" in error
    tick, lot = ["--price-increment", "0.1"], ["--size-increment", "0.001"]
    for one in (tick, lot):
        code, _, (error,) = main(*words, *one)
        assert (code, error) == (2, "error: one increment without the other; give both or none")
    assert not (tmp_path / "catalog").exists()
    assert main(*words, *tick, *lot)[0] == 0
    assert main(*words)[0] == 0


def test_a_catalog_on_another_file_system(main: Callable[..., Said], tmp_path: Path) -> None:
    address = f"memory://{tmp_path.name}-cli"
    source = tmp_path / "BTCUSDT-aggTrades-2024-08-08.zip"
    source.write_bytes(agg_trades())
    words = ["ingest", "binance-aggtrades", source, "--instrument", PERP, "--catalog", address]
    assert main(*words)[0] == 0
    code, out, _ = main("catalog", address)
    assert (code, out[-1].split()[:2]) == (0, ["trade_tick", "500"])
    code, out, err = main("check", address)
    assert (code, err, out[-1]) == (0, [], "fit")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("far://bucket/x", "cannot be opened (Install far.fs to go far); pip install no_such_fs"),
        ("no-such://bucket/x", "is no address of a catalog (Protocol not known: no-such); name"),
    ],
)
def test_an_address_that_cannot_be_opened_is_one_line(
    address: str,
    said: str,
    main: Callable[..., Said],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = {"class": "no_such_fs.Far", "err": "Install far.fs to go far"}
    monkeypatch.setitem(known_implementations, "far", known)
    source = tmp_path / "BTCUSDT-aggTrades-2024-08-08.zip"
    source.write_bytes(agg_trades())
    for words in (
        ["check", address],
        ["catalog", address],
        ["calibrate", "--catalog", address, "--instrument", PERP],
        ["study", "ofi", PERP, "--catalog", address],
        ["ingest", "binance-aggtrades", source, "--instrument", PERP, "--catalog", address],
    ):
        code, out, (error,) = main(*words)
        assert (code, out) == (2, [])
        assert error.startswith(f"error: {address}: {said}")


@pytest.mark.parametrize("command", ["status", "report", "replay", "demo", "dashboard"])
def test_a_command_that_needs_a_folder_takes_no_address(
    command: str, main: Callable[..., Said]
) -> None:
    words = ["--catalog"] if command in ("status", "report", "demo") else []
    code, out, (error,) = main(command, *words, "memory://catalog")
    assert (code, out) == (2, [])
    assert "memory://catalog: is an address" in error


def test_a_day_that_no_name_holds_is_asked_for_by_its_option(
    main: Callable[..., Said], tmp_path: Path
) -> None:
    source = tmp_path / "messages.csv"
    source.write_text("34200.0,1,1,1,1000000,1\n")
    words = ["ingest", "lobster", source, "--instrument", "AAPL.NASDAQ", "--catalog", tmp_path]
    code, _, (error,) = main(*words)
    assert code == 2
    assert error.endswith("no date in the file's name; give it: --date 2012-06-21")


def test_a_real_recording_is_fit(
    main: Callable[..., Said], real_data: Path, tmp_path: Path
) -> None:
    root = tmp_path / "catalog"
    source = real_data / "bybit" / "xrpusdt-ob500.data.zip"
    words = ["--instrument", "XRPUSDT-LINEAR.BYBIT", "--catalog", root, "--quiet"]
    assert main("ingest", "bybit-book", source, *words) == (0, [], [])
    code, out, err = main("check", root)
    assert (code, err, out[-1]) == (0, [], "fit")
    assert out[2].split()[:3] == ["2024-12-01", "3967", "0"]


# download


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries again at once, and not for long."""
    manners = partial(download.Manners, 2, 200.0, 1, 0.4, 0.01)
    monkeypatch.setattr(download, "Manners", manners)


def fetch(server: served.Server, folder: Path, *more: Any) -> list[Any]:
    days = ["--from", "2024-08-08", "--to", "2024-08-10", "--kind", "aggTrades"]
    at = ["--folder", folder, "--base-url", server.url]
    return ["download", "binance", "BTCUSDT", *days, *at, *more]


@pytest.mark.usefixtures("quick")
def test_download_then_again(
    server: served.Server, main: Callable[..., Said], tmp_path: Path
) -> None:
    served.three_days(server)
    folder, path = tmp_path / "files", tmp_path / "d.json"
    code, out, err = main(*fetch(server, folder, "--json", path))
    assert (code, err) == (0, [])
    served.assert_whole(server, folder)
    shown = {line.split()[0]: line.split()[1] for line in out}
    assert shown["files"] == shown["fetched"] == "3"
    figures = json.loads(path.read_text())
    assert (figures["fetched"], figures["already_there"], figures["missing"]) == (3, 0, None)
    assert figures["bytes"] == sum(len(server.files[served.binance(d)]) for d in (8, 9, 10))
    assert main(*fetch(server, folder, "--quiet", "--json", path)) == (0, [], [])
    again = json.loads(path.read_text())
    assert (again["fetched"], again["already_there"], again["bytes"]) == (0, 3, 0)


@pytest.mark.usefixtures("quick")
def test_days_that_the_venue_does_not_have(
    server: served.Server, main: Callable[..., Said], tmp_path: Path
) -> None:
    server.add(served.binance(9), served.zipped(9))
    code, out, _ = main(*fetch(server, tmp_path))
    assert code == 0
    assert ["missing", "2024-08-08,", "2024-08-10"] in [line.split() for line in out]


@pytest.mark.usefixtures("quick")
def test_the_first_kind_and_one_day_are_the_defaults(
    server: served.Server, main: Callable[..., Said], tmp_path: Path
) -> None:
    server.add(served.binance(8), agg_trades())
    words: list[Any] = [
        "download",
        "binance",
        "BTCUSDT",
        "--from",
        "2024-08-08",
        "--base-url",
        server.url,
    ]
    assert main(*words, "--folder", tmp_path / "files")[0] == 0
    (file,) = (tmp_path / "files").iterdir()
    root = tmp_path / "catalog"
    words = ["ingest", "binance-aggtrades", file, "--instrument", PERP, "--catalog", root]
    assert main(*words)[0] == 0
    assert main("check", root)[0] == 0


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--kind", "trades"], "no file of BTCUSDT trades from 2024-08-08 to 2024-08-10"),
        (["--kind", "book"], "unknown archive binance book; known are"),
        (["--to", "2024-08-07"], "the last day 2024-08-07 is before the first 2024-08-08"),
        (["--from", "8.8.2024"], "argument --from: '8.8.2024' is no day, write 2024-08-08"),
        (["--base-url", "http://127.0.0.1:9"], "cannot be fetched after 2 tries"),
        (["--base-url", "nowhere"], "argument --base-url: 'nowhere' is no address, write http"),
    ],
)
def test_what_cannot_be_fetched_is_one_line(
    words: list[str],
    said: str,
    server: served.Server,
    main: Callable[..., Said],
    tmp_path: Path,
) -> None:
    code, out, (error,) = main(*fetch(server, tmp_path), *words)
    assert (code, out) == (2, [])
    assert error.startswith("error: ")
    assert said in error
    assert not list(tmp_path.iterdir())


def test_a_symbol_is_no_path(main: Callable[..., Said]) -> None:
    for symbol in ("BTC/USDT", "../x", "BTC USDT", ""):
        code, _, (error,) = main("download", "binance", symbol, "--from", "2024-08-08")
        assert code == 2
        assert error.startswith(f"error: argument SYMBOL: {symbol!r} is no symbol, write it like")


@pytest.mark.usefixtures("quick")
def test_the_bar_shows_files_and_bytes(
    server: served.Server,
    main: Callable[..., Said],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Any] = []

    def seen(**options: Any) -> Any:
        bar = progress(**options)
        bar.delay = 0
        made.append(bar)
        return bar

    monkeypatch.setattr("of_nautilus.cli.download.progress", seen)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    served.three_days(server)
    assert main(*fetch(server, tmp_path))[0] == 0
    assert made[0].n == sum(len(server.files[served.binance(d)]) for d in (8, 9, 10))
    assert made[0].desc == "3 of 3 files"
    assert main(*fetch(server, tmp_path, "--quiet"))[2] == []
    assert made[1].disable


def test_an_interrupt_leaves_what_the_next_run_continues(
    server: served.Server, main: Callable[..., Said], tmp_path: Path
) -> None:
    served.three_days(server)
    server.silence = 150
    for day in (8, 9, 10):
        server.faults[served.binance(day)] = ["stall"]
    words = [sys.executable, "-m", "of_nautilus", *map(str, fetch(server, tmp_path))]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    ) as process:
        deadline = time.monotonic() + 120
        while len([p for p in tmp_path.glob("*.part") if p.stat().st_size > 100_000]) < 3:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        interrupted = time.monotonic()
        process.send_signal(signal.SIGINT)  # while the server is silent, and stays so
        out, err = process.communicate(timeout=30)
        took = time.monotonic() - interrupted
        assert not server.released.is_set()
    assert took < 2
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert len(list(tmp_path.glob("*.part"))) == 3
    assert not list(tmp_path.glob("*.zip"))
    assert main(*fetch(server, tmp_path))[0] == 0
    served.assert_whole(server, tmp_path)
    assert len(server.ranges) == 3
