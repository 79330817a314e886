"""The sample configs of the model, and what is said where one of its inputs cannot be used."""

import json
from pathlib import Path
from typing import Any

import pytest
from nautilus_trader.common.config import ActorFactory
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.trading.config import StrategyFactory

from of_nautilus.cli.frame import main
from of_nautilus.cli.model_config import EXAMPLE
from of_nautilus.demo import DemoConfig, generate
from of_nautilus.demo.catalog import DEMO_ID, write_catalog
from of_nautilus.model.config import EvaluateConfig, ModelConfig, load_config
from of_nautilus.model.features import FEATURES_HASH
from of_nautilus.model.rule import RuleConfig
from tests.market import BTC, CONFIGS, backtest
from tests.model_actor import tiny_model
from tests.test_layers import MODULES, loaded_by


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("market") / "catalog"
    write_catalog(generate(DemoConfig(sessions=1, session_hours=1)), path)
    return path


def written(folder: Path, **told: Any) -> str:
    path = folder / "model.json"
    whole = {"catalog": "c", "instrument_id": DEMO_ID, "folder": str(folder / "out")} | told
    path.write_text(json.dumps(whole))
    return str(path)


@pytest.mark.parametrize("name", ["model_demo", "model_btcusdt"])
def test_a_model_config_decodes(name: str) -> None:
    config = load_config(CONFIGS / f"{name}.json")
    assert isinstance(config, ModelConfig)
    assert config.evaluate is not None


def test_the_config_that_help_shows_is_one(tmp_path, capsys) -> None:
    path = tmp_path / "model.json"
    path.write_text(EXAMPLE)
    assert load_config(path).evaluate is not None
    for command in ("features", "train", "evaluate"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert EXAMPLE in capsys.readouterr().out


def test_the_paper_config_names_what_can_be_made(tmp_path, monkeypatch) -> None:
    raw = json.loads((CONFIGS / "model_paper_binance.json").read_text())
    monkeypatch.chdir(tmp_path)
    tiny_model(tmp_path / "catalog" / "model_btcusdt" / "model", BTC)
    config = TradingNodeConfig.parse(json.dumps(raw).encode())
    made = [ActorFactory.create(actor) for actor in config.actors]
    made += [StrategyFactory.create(strategy) for strategy in config.strategies]
    names = {type(component).__name__ for component in made}
    assert {"FeatureActor", "FeedGuard", "MicrostructureStrategy"} <= names


def test_the_backtest_config_runs(catalog, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    tiny_model(tmp_path / "catalog" / "model_demo" / "model", DEMO_ID, session="6h")
    (run,) = json.loads((CONFIGS / "model_demo_backtest.json").read_text())
    engine = run["engine"]
    end = {"end": "2024-01-08T00:10:00Z"}
    result = backtest(catalog, tmp_path, DEMO_ID, engine["actors"], engine["strategies"], **end)
    assert result.figures["data"][f"TradeTick {DEMO_ID}"] > 100


def test_what_trades_live_loads_no_labels_and_no_training() -> None:
    loaded = loaded_by({"of_nautilus.model.actor", "of_nautilus.model.strategy"})
    offline = {f"of_nautilus.model.{name}" for name in ("labels", "training", "evaluation")}
    assert offline <= MODULES.keys()
    assert loaded.isdisjoint(offline)


@pytest.mark.parametrize(
    ("command", "told", "said"),
    [
        ("features", {"nokey": 1}, "unknown field `nokey`"),
        ("train", {"train": {"labels": "up"}}, "`labels` must be 'return' or 'barrier'"),
        ("train", {"train": {"barrier": 0}}, "`barrier` must be > 0"),
        ("train", {}, "run `of-nautilus features` first"),
        ("evaluate", {}, "no `evaluate` in the model config; add it"),
        ("evaluate", {"evaluate": {}}, "missing required field `rules`"),
        ("evaluate", {"evaluate": {"rules": {"max_position": 0}}}, "`max_position` must be > 0"),
        ("evaluate", {"evaluate": {"rules": {"max_position": 1}}}, "train a model first"),
        ("features", {"features": {"sample_s": 7}}, "`sample_s` must be a divisor of 60"),
    ],
)
def test_a_wrong_config_is_one_line(tmp_path, capsys, command, told, said) -> None:
    assert main([command, written(tmp_path, **told), "--quiet"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert error.startswith("error: ")


def test_a_catalog_without_a_book_or_an_instrument(catalog, tmp_path, capsys) -> None:
    trades_only = tmp_path / "catalog"
    for kind in (catalog / "data").iterdir():
        if kind.name != "order_book_deltas":
            target = trades_only / "data" / kind.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(kind)
    for where, name, said in (
        (trades_only, DEMO_ID, f"no book of {DEMO_ID}; ingest order book deltas"),
        (catalog, "OTHER.SIM", "no instrument OTHER.SIM; ingest it first"),
        (tmp_path / "none", DEMO_ID, "no catalog there; ingest data into it first"),
    ):
        told = {"catalog": str(where), "instrument_id": name}
        assert main(["features", written(tmp_path, **told), "--quiet"]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1


def test_a_session_too_short(catalog, tmp_path, capsys) -> None:
    path = written(tmp_path, catalog=str(catalog))
    assert main(["features", path, "--quiet", "--processes", "1"]) == 0
    assert main(["train", path, "--quiet"]) == 2
    error = capsys.readouterr().err
    assert "folds of 24 h, 21 needed; ingest more days, or make the folds shorter" in error
    rules = {"rules": {"max_position": 1}}
    tiny_model(tmp_path / "out" / "model", "OTHER.SIM")
    path = written(tmp_path, catalog=str(catalog), evaluate=rules)
    assert main(["evaluate", path, "--quiet", "--processes", "1"]) == 2
    assert "a model of OTHER.SIM, not of DEMO-PERP.SIM" in capsys.readouterr().err
    tiny_model(tmp_path / "out" / "model", DEMO_ID)
    path = written(tmp_path, catalog=str(catalog), evaluate={"rules": {"max_position": 1e-7}})
    for processes in "12":
        assert main(["evaluate", path, "--quiet", "--processes", processes]) == 2
        error = capsys.readouterr().err
        assert "`max_position` must be at least the lot of 0.001, was 1e-07; mend" in error
        assert error.count("\n") == 1


def test_features_of_another_version(catalog, tmp_path, capsys) -> None:
    path = written(tmp_path, catalog=str(catalog))
    assert main(["features", path, "--quiet", "--processes", "1"]) == 0
    card = json.loads(
        Path(tiny_model(tmp_path / "out" / "model", DEMO_ID), "card.json").read_text()
    )
    card["features"]["sha256"] = "0" * 64
    (tmp_path / "out" / "model" / "card.json").write_text(json.dumps(card))
    path = written(tmp_path, catalog=str(catalog), evaluate={"rules": {"max_position": 1}})
    assert main(["evaluate", path, "--quiet"]) == 2
    error = capsys.readouterr().err
    assert f"features {'0' * 12} are not those of this package, {FEATURES_HASH[:12]}" in error


def test_bad_parameters() -> None:
    rules = RuleConfig(max_position=1.0)
    with pytest.raises(ValueError, match="`latencies_ms`"):
        EvaluateConfig(rules=rules, latencies_ms=(-1.0,))
    with pytest.raises(ValueError, match="`starting_balance`"):
        EvaluateConfig(rules=rules, starting_balance=0.0)
