"""A scan finds what a backtest finds, bar by bar and signal by signal."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv as csv
import pyarrow.parquet as parquet
import pytest

from of_nautilus.backtest import load_run_configs, run_backtest
from of_nautilus.cli.frame import main
from of_nautilus.core.ticks import steps_of
from of_nautilus.demo import DemoConfig, generate
from of_nautilus.demo.catalog import DEMO_ID, write_catalog
from of_nautilus.errors import UserError
from of_nautilus.patterns.signal import signals_digest
from of_nautilus.scan import scan_run, to_steps
from tests.market import BTC, actor, backtest, ingested
from tests.test_real_market import FLOW

CONFIGS = Path(__file__).parents[1] / "configs"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalog of a short demo market."""
    folder = tmp_path_factory.mktemp("demo")
    write_catalog(generate(DemoConfig(sessions=1)), folder)
    return folder


def run_file(catalog: Path, folder: Path, flows: list[dict[str, Any]], **more: Any) -> Path:
    """The demo's run config with actors of these flows, and trades only."""
    (config,) = json.loads((CONFIGS / "demo_backtest.json").read_text())
    config["data"] = [data for data in config["data"] if data["data_cls"].endswith("TradeTick")]
    config["data"][0]["catalog_path"] = str(catalog)
    config["venues"][0]["book_type"] = "L1_MBP"
    config["venues"][0]["queue_position"] = False
    config["engine"]["actors"] = [actor(flow, DEMO_ID) for flow in flows]
    for number, component in enumerate(config["engine"]["actors"]):
        component["config"]["component_id"] = f"FLOW-{number}"
    config["engine"]["strategies"] = []
    path = folder / "run.json"
    path.write_text(json.dumps([config | more]))
    return path


def same(scans: list[Any], actors: list[Any]) -> None:
    assert [s.bars_sha256 for s in scans] == [a.engine.bars_sha256 for a in actors]
    assert [s.bars for s in scans] == [a.engine.bar_count for a in actors]
    for scanned, ran in zip(scans, actors, strict=True):
        assert signals_digest(scanned.signals) == signals_digest(ran.signals)
        assert scanned.signals == ran.signals


@pytest.mark.parametrize(
    "range_",
    [{}, {"start": "2024-01-08T01:00:00.000000001", "end": "2024-01-08T03:30:00"}],
    ids=["all", "part"],
)
def test_scan_is_backtest_on_the_demo(demo, tmp_path, range_) -> None:
    flows: list[dict[str, Any]] = [
        {"session": "1h", "confirmations": True},
        {"bar": "volume", "bar_size": 5.0, "session": "30min"},
    ]
    (config,) = load_run_configs(run_file(demo, tmp_path, flows, **range_))
    ran = run_backtest(config)
    scans = scan_run(config)
    same(scans, ran.actors)
    assert all(len(s.signals) > 20 for s in scans)
    assert sum(s.trades for s in scans) == 2 * sum(ran.figures["data"].values())


def test_pieces_change_nothing(demo, tmp_path, monkeypatch) -> None:
    (config,) = load_run_configs(run_file(demo, tmp_path, [{"session": "1h"}]))
    (whole,) = scan_run(config)
    monkeypatch.setattr("of_nautilus.scan.PIECE", 7_000)
    (pieces,) = scan_run(config)
    assert pieces.signals == whole.signals
    assert pieces.bars_sha256 == whole.bars_sha256
    assert [f.r1 for f in pieces.found] == [f.r1 for f in whole.found]


@pytest.mark.slow
def test_scan_is_backtest_on_a_recorded_market(real_data, tmp_path) -> None:
    file = real_data / "binance" / "usdm_btcusdt_20240808.gz"
    catalog = ingested([file], BTC, tmp_path / "catalog")
    ran = backtest(catalog, tmp_path, BTC, [actor(FLOW)])
    (config,) = load_run_configs(tmp_path / "run.json")
    scans = scan_run(config)
    same(scans, ran.actors)
    assert len(scans[0].signals) > 20


@pytest.mark.parametrize("step", [1, 25, 10**6])
def test_steps_are_the_hosts_decimals(step) -> None:
    rng = np.random.default_rng(7)
    units = rng.integers(0, 10**9, 2_000) // step * step
    units = np.concatenate([units, units + rng.integers(0, step, 2_000), units - 1])
    units = units[units >= 0]
    plain = [steps_of(unit * 1e-8, step * 1e-8)[0] for unit in units.tolist()]
    assert to_steps(units, step).tolist() == plain


def test_command_writes_what_it_found(demo, tmp_path, capsys) -> None:
    path = run_file(demo, tmp_path, [{"session": "1h"}])
    figures = tmp_path / "figures.json"
    for name in ("signals.csv", "signals.parquet"):
        words = ["scan", str(path), "--signals", str(tmp_path / name), "--json", str(figures)]
        assert main(words) == 0
    told = json.loads(figures.read_text())[DEMO_ID]
    assert "bars_that_fire" in capsys.readouterr().out
    table = parquet.read_table(tmp_path / "signals.parquet")
    assert (
        table.num_rows
        == told["signals"]
        == sum(pattern["signals"] for pattern in told["patterns"].values())
    )
    assert csv.read_csv(tmp_path / "signals.csv").column("ts").equals(table.column("ts"))
    rate = told["patterns"]["divergence"]
    assert rate["per_hour"] == pytest.approx(rate["signals"] / told["hours"], abs=1e-3)
    assert rate["per_60_bars"] == pytest.approx(60 * rate["signals"] / told["bars"], abs=1e-3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda run: run["engine"].update(actors=[]), "has no OrderFlowActor"),
        (lambda run: run["data"][0].update(catalog_path="nowhere"), "no instrument DEMO-PERP.SIM"),
        (lambda run: run["data"].append(run["data"][0]), "2 entries of TradeTick data"),
        (lambda run: run.update(start="2030-01-01"), "no trades of DEMO-PERP.SIM in the range"),
        (
            lambda run: run["engine"]["actors"][0]["config"].update(flow={"bar_size": -1}),
            "`bar_size` must be > 0",
        ),
        (lambda run: run["data"][0].update(data_cls="nowhere:Bar"), "No module named 'nowhere'"),
        (lambda run: run["data"][0].update(start_time="noon"), "`start_time` 'noon' is no time"),
        (lambda run: run["data"][0].update(catalog_path="no-such://x"), "Protocol not known"),
    ],
)
def test_what_cannot_be_scanned(change, said, demo, tmp_path) -> None:
    path = run_file(demo, tmp_path, [{}])
    runs = json.loads(path.read_text())
    change(runs[0])
    path.write_text(json.dumps(runs))
    with pytest.raises(UserError, match=said):
        [scan_run(config) for config in load_run_configs(path)]


def test_signals_go_to_a_file_of_a_known_kind(capsys) -> None:
    assert main(["scan", "run.json", "--signals", "signals.txt"]) == 2
    assert "neither .csv nor .parquet" in capsys.readouterr().err


def test_signals_that_cannot_be_written_are_said_before_the_scan(tmp_path, capsys) -> None:
    (tmp_path / "folder.csv").mkdir()
    for name, said in (("none/x.parquet", "no folder"), ("folder.csv", "is a folder")):
        assert main(["scan", "run.json", "--signals", str(tmp_path / name)]) == 2
        told = capsys.readouterr().err
        assert told.startswith(f"error: --signals {tmp_path / name}: {said}")


def test_report_is_printed_and_written(demo, tmp_path, capsys) -> None:
    path = run_file(demo, tmp_path, [{"session": "1h"}])
    figures = tmp_path / "figures.json"
    assert main(["scan", str(path), "--report", "--json", str(figures)]) == 0
    shown = capsys.readouterr().out
    told = json.loads(figures.read_text())[DEMO_ID]
    assert told["prices"] == "mid of the book"
    assert told["fees"] == pytest.approx(2 * 0.00002)
    assert len(told["report"]) == 4 * len(told["patterns"])
    for cell in told["report"]:
        lines = [
            line
            for line in shown.splitlines()
            if line.split()[:2] == [cell["pattern"], str(cell["minutes"])]
        ]
        assert len(lines) == 1
        assert lines[0].endswith(cell["verdict"])
        assert cell["signals"] <= told["patterns"][cell["pattern"]]["signals"]
    assert main(["scan", str(path), "--seed", "-1"]) == 2
