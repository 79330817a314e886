"""The frame of the command line, and the commands that list and read data."""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from of_nautilus import __version__
from of_nautilus.cli import COMMANDS
from of_nautilus.cli.figures import show, utc
from of_nautilus.cli.frame import main
from of_nautilus.cli.ingest import OPTIONS
from of_nautilus.cli.progress import progress, reporter
from of_nautilus.errors import UserError
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.formats import FORMATS

HEAVY = {"numpy", "numba", "nautilus_trader", "pandas", "pyarrow", "lightgbm", "plotly", "tqdm"}


def of_nautilus(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "of_nautilus", *words],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def command(monkeypatch):
    """Plants a command named `plant`, whose run is what the test gives."""

    def plant(run, **more):
        planted = SimpleNamespace(
            add_arguments=lambda parser: parser.add_argument("--size", type=int, default=3),
            run=run,
            **more,
        )
        monkeypatch.setitem(COMMANDS, "plant", ("plant a tree", "planted"))
        monkeypatch.setitem(sys.modules, "planted", planted)

    return plant


def failing(error):
    def run(args):
        raise error

    return run


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from of_nautilus.__main__ import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "sys.stderr.write(' '.join(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(done.stderr.split())
    assert "usage: of-nautilus" in done.stdout
    assert not HEAVY & loaded
    assert not {path for _, path in COMMANDS.values()} & loaded


def test_help_lists_every_command_on_a_line(capsys):
    assert main([]) == 0
    bare = capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == bare
    lines = [line.split(maxsplit=1) for line in bare.splitlines() if line.strip()]
    for name, (summary, _) in COMMANDS.items():
        assert [name, summary] in lines
    assert "examples:" in bare


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: of-nautilus {name}" in capsys.readouterr().out


def test_version():
    done = of_nautilus("--version")
    assert (done.returncode, done.stdout) == (0, f"of-nautilus {__version__}\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["catalogue"], "error: no command 'catalogue'; did you mean 'catalog'?"),
        (["zzz"], "error: no command 'zzz'; see of-nautilus --help"),
        (
            ["plant", "--sze", "4"],
            "error: '--sze' is not an option or argument of of-nautilus plant; ",
        ),
        (["plant", "--size", "big"], "error: argument --size: invalid int value: 'big'; "),
        (["--what"], "error: '--what' is not an option or argument of of-nautilus; "),
        (["completion", "tcsh"], "error: argument shell: invalid choice: 'tcsh'"),
    ],
)
def test_wrong_words_give_one_line_and_code_2(words, message, command, capsys):
    command(lambda args: 0)
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.err.startswith(message)
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_a_user_error_is_one_line_whatever_it_holds(command, capsys):
    command(failing(IngestError("broken\nline", "a.gz", line=3, todo="record it again")))
    assert main(["plant"]) == 2
    assert capsys.readouterr().err == "error: a.gz, line 3: broken line; record it again\n"


def test_a_file_that_the_system_refuses_is_a_user_error(command, capsys):
    command(lambda args: Path("no/such/file").read_text())
    assert main(["plant"]) == 2
    assert capsys.readouterr().err == "error: no/such/file: No such file or directory\n"


@pytest.mark.parametrize("fault", [OSError("socket gone"), ZeroDivisionError("x")])
def test_a_fault_of_the_program_is_not_dressed_up(fault, command):
    command(failing(fault))
    with pytest.raises(type(fault)):
        main(["plant"])


def test_interrupted(command, capsys):
    command(failing(KeyboardInterrupt()))
    assert main(["plant"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_reader_that_has_gone_is_no_traceback():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "of_nautilus", "completion", "bash"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_an_exit_code_is_passed_on(command):
    command(lambda args: args.size)
    assert main(["plant"]) == 3
    assert main(["plant", "--size", "0"]) == 0


FIGURES = {
    "bars": 12,
    "net_pnl": (-3.25, "USDT"),
    "rate": np.float64(0.00001),
    "ratio": math.nan,
    "signals": {"absorption": np.int64(7), "sweep": 0},
    "missing": None,
    "kept": True,
}


def test_figures_are_aligned_lines_and_the_same_in_json(command, capsys, tmp_path):
    command(lambda args: FIGURES)
    path = tmp_path / "out.json"
    assert main(["plant", "--json", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["bars", "12"],
        ["net_pnl", "-3.25", "USDT"],
        ["rate", "1e-05"],
        ["ratio", "nan"],
        ["signals"],
        ["absorption", "7"],
        ["sweep", "0"],
        ["missing", "-"],
        ["kept", "yes"],
    ]
    ends = {line.index(cell[1]) + len(cell[1]) for line in lines if len(cell := line.split()) > 1}
    assert len(ends) == 1
    assert json.loads(path.read_text()) == {
        "bars": 12,
        "net_pnl": -3.25,
        "rate": 1e-05,
        "ratio": None,
        "signals": {"absorption": 7, "sweep": 0},
        "missing": None,
        "kept": True,
    }
    assert list(tmp_path.iterdir()) == [path]


def test_quiet_prints_nothing_and_still_writes(command, capsys, tmp_path):
    command(lambda args: {"bars": 1})
    path = tmp_path / "out.json"
    assert main(["plant", "--quiet", "--json", str(path)]) == 0
    assert capsys.readouterr().out == ""
    assert json.loads(path.read_text()) == {"bars": 1}


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path):
    path = tmp_path / "out.json"
    path.write_text("old")
    with pytest.raises(TypeError):
        show({"bars": object()}, argparse.Namespace(json=path, quiet=True))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["no/such/out.json", "."])
def test_a_json_file_that_cannot_be_is_said_before_the_work(name, command, capsys, tmp_path):
    command(failing(AssertionError("the work began")))
    assert main(["plant", "--json", str(tmp_path / name)]) == 2
    assert capsys.readouterr().err.startswith(f"error: --json {tmp_path / name}: ")


def test_a_command_without_figures_takes_no_json(command, capsys, tmp_path):
    command(lambda args: 0, FIGURES=False)
    assert main(["plant", "--json", str(tmp_path / "x")]) == 2
    assert "'--json' is not an option" in capsys.readouterr().err


def test_times_are_iso_text():
    assert utc(1_723_161_256_313_000_001) == "2024-08-08T23:54:16.313000001Z"
    assert utc(0) is None


def test_no_progress_where_standard_error_is_no_terminal(capsys):
    with progress(range(3), "count") as bar:
        assert list(bar) == [0, 1, 2]
    assert bar.disable
    assert capsys.readouterr().err == ""


def test_progress_on_a_terminal_unless_quiet(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress(desc="bytes", total=0, quiet=True) as bar:
        assert bar.disable
    with progress(desc="bytes", total=0) as bar:
        assert not bar.disable
        assert bar.delay == 2
        report = reporter(bar)
        report(40, 100)
        report(70, 100)
        assert (bar.n, bar.total) == (70, 100)


def test_completion_knows_commands_and_their_options():
    def complete(line: str) -> set[str]:
        done = subprocess.run(
            f'"{sys.executable}" -m of_nautilus 8>&1 9>&2 1>/dev/null',
            shell=True,
            env={
                **os.environ,
                "_ARGCOMPLETE": "1",
                "_ARGCOMPLETE_IFS": "\n",
                "COMP_LINE": line,
                "COMP_POINT": str(len(line)),
            },
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
        return {word.strip() for word in done.stdout.split("\n")}

    assert complete("of-nautilus cata") == {"catalog"}
    assert complete("of-nautilus completion ") >= {"bash", "zsh", "fish"}
    assert complete("of-nautilus catalog --qu") == {"--quiet"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_one_that_the_shell_takes(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "of-nautilus" in script
    program = shutil.which(shell)
    if program is not None:
        subprocess.run([program, "-n"], input=script, text=True, check=True, timeout=30)


def test_a_catalog_that_holds_nothing(tmp_path, capsys):
    assert main(["catalog", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'none'}: no catalog there; ")


def test_ingest_then_list(real_data, tmp_path, capsys):
    source = real_data / "binance" / "usdm_btcusdt_20240808.gz"
    instrument = "BTCUSDT-PERP.BINANCE"
    folder, ingested, listed = tmp_path / "catalog", tmp_path / "in.json", tmp_path / "list.json"
    words = ["ingest", "binance-ws", str(source), "--instrument", instrument]
    assert main([*words, "--catalog", str(folder), "--json", str(ingested)]) == 0
    assert main(["catalog", str(folder), "--json", str(listed)]) == 0
    out = capsys.readouterr().out
    went_in = json.loads(ingested.read_text())
    held = json.loads(listed.read_text())[instrument]
    assert went_in["trades"] == held["trade_tick"]["rows"] > 20_000
    assert went_in["deltas"] == held["order_book_deltas"]["rows"]
    assert went_in["quotes"] == held["quote_tick"]["rows"]
    assert went_in["first"] == min(held[kind]["first"] for kind in ("trade_tick", "quote_tick"))
    assert out.splitlines()[-1].split()[:2] == ["trade_tick", str(went_in["trades"])]
    assert main([*words, "--catalog", str(folder)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["binance-ws", "no.gz", "--instrument", "BTCUSDT-PERP.BINANCE"], "no.gz: is not there"),
        (
            ["binance-ws", "no.gz", "--instrument", "XYZ.BINANCE"],
            "unknown instrument 'XYZ.BINANCE'",
        ),
        (["binance-wss", "no.gz", "--instrument", "X.Y"], "argument FORMAT: invalid choice"),
        (["binance-ws", "no.gz"], "the following arguments are required: --instrument"),
    ],
)
def test_ingest_of_what_cannot_be_writes_nothing(words, said, tmp_path, capsys):
    assert main(["ingest", *words, "--catalog", str(tmp_path / "catalog")]) == 2
    assert capsys.readouterr().err.startswith(f"error: {said}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mt5", "no.csv"], "mt5 needs --timezone"),
        (["mt5", "no.csv", "--kind", "quotes"], "mt5 takes no --kind"),
        (["generic", "no.csv", "--columns", "price"], "--columns: 'price' is no FIELD=NAME"),
        (["generic", "no.csv", "--columns", "price=px", "size=q"], "no.csv: is not there"),
    ],
)
def test_options_of_the_formats(words, said, tmp_path, capsys):
    common = ["--instrument", "BTCUSDT-PERP.BINANCE", "--catalog", str(tmp_path)]
    assert main(["ingest", *words, *common]) == 2
    assert capsys.readouterr().err.startswith(f"error: {said}")


def test_every_option_of_a_format_can_be_given():
    assert set(OPTIONS) == {option for format_ in FORMATS.values() for option in format_.options}


def test_user_error_wording():
    assert str(UserError("is empty")) == "is empty"
    assert str(UserError("is empty", "a.gz", todo="fetch it")) == "a.gz: is empty; fetch it"
