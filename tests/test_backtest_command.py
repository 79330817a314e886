"""`of-nautilus backtest`: wrong input is one line and code 2; the host's command runs the same."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from of_nautilus.cli.frame import main
from of_nautilus.demo import DemoConfig, generate
from of_nautilus.demo.catalog import write_catalog
from tests.market import CONFIGS

Config = dict[str, Any]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("market") / "catalog"
    write_catalog(generate(DemoConfig(sessions=1)), path)
    return path


@pytest.fixture
def config(catalog: Path) -> Config:
    text = (CONFIGS / "demo_backtest.json").read_text()
    (loaded,) = json.loads(text)
    for data in loaded["data"]:
        data["catalog_path"] = str(catalog)
    loaded["engine"]["actors"][0]["config"]["catalog"] = str(catalog)
    return loaded


def run(config: Config, folder: Path, *options: str) -> int:
    path = folder / "run.json"
    path.write_text(json.dumps([config]))
    return main(["backtest", str(path), *options])


def spoil_run(config: Config) -> None:
    config["nokey"] = 1


def spoil_strategy(config: Config) -> None:
    config["engine"]["strategies"][0]["config"]["nokey"] = 1


def spoil_value(config: Config) -> None:
    config["engine"]["actors"][1]["config"]["flow"]["bar_size"] = 0


def spoil_catalog(config: Config) -> None:
    config["data"][0]["catalog_path"] = "nowhere"


def spoil_instrument(config: Config) -> None:
    config["data"][0]["instrument_id"] = "OTHER.SIM"


def spoil_range(config: Config) -> None:
    config["start"] = "2030-01-01T00:00:00Z"


def spoil_trader(config: Config) -> None:
    config["engine"]["trader_id"] = "DEMO"


def spoil_netting(config: Config) -> None:
    config["venues"][0]["oms_type"] = "FOO"


def spoil_balance(config: Config) -> None:
    config["venues"][0]["starting_balances"] = ["much"]


def spoil_trigger(config: Config) -> None:
    config["venues"][0]["oto_trigger_mode"] = "FOO"


def spoil_levels(config: Config) -> None:
    config["engine"]["logging"] = {"log_component_levels": {"Journal": "LOUD"}}


def spoil_tag(config: Config) -> None:
    config["engine"]["strategies"][0]["config"]["order_id_tag"] = ""


def spoil_venue(config: Config) -> None:
    config["venues"][0]["name"] = "OTHER"


def spoil_data(config: Config) -> None:
    config["data"] = []


def spoil_kind(config: Config) -> None:
    config["data"][0]["data_cls"] = "nowhere:Bar"


def spoil_time(config: Config) -> None:
    config["data"][0]["start_time"] = "noon"


def spoil_address(config: Config) -> None:
    config["data"][0]["catalog_path"] = "s3://bucket/catalog"


def spoil_actors_instrument(config: Config) -> None:
    config["engine"]["actors"][1]["config"]["instrument_id"] = "NO.SUCH"


def spoil_strategys_instrument(config: Config) -> None:
    config["engine"]["strategies"][0]["config"]["instrument_id"] = "NO.SUCH"


def spoil_class(config: Config) -> None:
    config["engine"]["actors"][1]["actor_path"] = "of_nautilus.actor"


def spoil_journal(config: Config) -> None:
    config["engine"]["actors"][0]["config"]["catalog"] = __file__


def spoil_journals_address(config: Config) -> None:
    config["engine"]["actors"][0]["config"]["catalog"] = "s3://bucket/catalog"


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (spoil_run, "unknown field `nokey`"),
        (spoil_strategy, "unknown field `nokey`"),
        (spoil_value, "`bar_size` must be > 0, was 0"),
        (spoil_catalog, "nowhere: is no catalog"),
        (spoil_instrument, "no instrument OTHER.SIM; it has DEMO-PERP.SIM"),
        (spoil_range, "no TradeTick DEMO-PERP.SIM from 2030"),
        (spoil_trader, "run.json: `[0].engine.trader_id` must be two names and a hyphen"),
        (spoil_netting, "`[0].venues[0].oms_type` must be one of UNSPECIFIED, NETTING, HEDGING"),
        (spoil_balance, "`[0].venues[0].starting_balances` must be amounts"),
        (spoil_trigger, "`[0].venues[0].oto_trigger_mode` must be one of PARTIAL, FULL"),
        (spoil_levels, "log_component_levels` must be one of OFF, TRACE, DEBUG"),
        (spoil_tag, "order_id_tag` must not be empty, was ''"),
        (spoil_venue, "run.json: Venue 'SIM' for DEMO-PERP.SIM does not have a"),
        (spoil_data, "run.json: has no data"),
        (spoil_kind, "run.json: `data_cls` 'nowhere:Bar': No module named 'nowhere'"),
        (spoil_time, "run.json: `start_time` 'noon' is no time"),
        (spoil_address, "s3://bucket/catalog: is an address, and the host reads folders"),
        (spoil_strategy, "run.json, OrderFlowStrategy: Object contains"),
        (spoil_actors_instrument, "run.json, OrderFlowActor: no instrument NO.SUCH in `data`"),
        (spoil_strategys_instrument, "run.json, OrderFlowStrategy: no instrument NO.SUCH"),
        (spoil_class, "'of_nautilus.actor' is no module:Class"),
        (spoil_journal, "test_backtest_command.py is a file; name a folder"),
        (spoil_journals_address, "`catalog` must be a folder, was the address s3://"),
    ],
)
def test_wrong_input_is_one_line(spoil, told, config, tmp_path, capsys) -> None:
    spoil(config)
    assert run(config, tmp_path) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert told in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "told"), [("[{", "truncated"), ("{}", "`array`"), ("[]", "no run")]
)
def test_no_list_of_runs_is_one_line(text, told, tmp_path, capsys) -> None:
    path = tmp_path / "run.json"
    path.write_text(text)
    assert main(["backtest", str(path)]) == 2
    assert told in capsys.readouterr().err


def test_a_report_that_cannot_be_is_said_before_the_run(config, tmp_path, capsys) -> None:
    assert run(config, tmp_path, "--report", __file__) == 2
    assert f"--report {__file__}: {__file__} is a file; name a folder" in capsys.readouterr().err
    del config["engine"]["actors"][0]
    assert run(config, tmp_path, "--report", str(tmp_path)) == 2
    assert "run.json: no journal among the actors" in capsys.readouterr().err


@pytest.mark.slow
def test_the_figures_are_printed_and_written(config, tmp_path, capsys) -> None:
    assert run(config, tmp_path, "--json", str(tmp_path / "out.json")) == 0
    figures = json.loads((tmp_path / "out.json").read_text())
    named = ("bars", "signals", "signals_sha256", "bars_sha256", "trades_completed", "net_pnl")
    assert set(named) <= figures.keys()
    assert figures["bars"] == 359
    printed = capsys.readouterr().out
    assert figures["bars_sha256"] in printed


@pytest.mark.slow
def test_the_hosts_own_command_runs_it(config, tmp_path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps([config]))
    words = [sys.executable, "-m", "nautilus_trader.backtest", "--fsspec-url", str(path)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=200, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
