"""The model in both strategies, over the demo market in the host's engine."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from of_nautilus.demo import DemoConfig, generate
from of_nautilus.demo.catalog import DEMO_ID, write_catalog
from of_nautilus.errors import UserError
from of_nautilus.model.actor import FeatureActor, FeatureActorConfig
from of_nautilus.model.computer import ComputerConfig
from tests.market import backtest, demo_components
from tests.model_actor import feature_actor, microstructure, tiny_model

HALF_HOUR = {"start": "2024-01-08T00:00:00Z", "end": "2024-01-08T00:30:00Z"}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("market") / "catalog"
    write_catalog(generate(DemoConfig(sessions=2)), path)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp("model"), DEMO_ID, session="6h")


def test_the_rule_trades_in_the_hosts_engine(catalog, model, tmp_path) -> None:
    strategy = microstructure(
        DEMO_ID, max_position=1.0, cost_gate=False, threshold=0.5, stop_ticks=10
    )
    actors = [feature_actor(DEMO_ID, model=model)]
    runs = [backtest(catalog, tmp_path, DEMO_ID, actors, [strategy], **HALF_HOUR) for _ in range(2)]
    trades = [run.strategies[0].trades for run in runs]
    assert trades[0] == trades[1]
    assert len(trades[0]) > 3
    for trade in trades[0]:
        assert trade.quantity == 1000
        assert trade.closed - trade.opened <= 301 * 10**9
        # At most one tick of spread in the demo's book: ten ticks, or eleven.
        # The average of the fills need not lie on a tick.
        assert 10 <= trade.side * (trade.entry - trade.last_stop) <= 11
    assert runs[0].figures["trades_completed"] == len(trades[0])
    assert {trade.reason for trade in trades[0]} <= {"stop", "model", "time"}


@pytest.mark.slow
def test_the_model_is_a_term_of_the_score_and_a_filter(catalog, model, tmp_path) -> None:
    flow, strategy = demo_components()
    actor = {
        "actor_path": "of_nautilus.actor:OrderFlowActor",
        "config_path": "of_nautilus.config:OrderFlowActorConfig",
        "config": flow,
    }

    def decisions(**score: Any) -> list[Any]:
        config = copy.deepcopy(strategy)
        config["trade"]["score"] = score
        result = backtest(
            catalog,
            tmp_path,
            DEMO_ID,
            [feature_actor(DEMO_ID, model=model), actor],
            [
                {
                    "strategy_path": "tests.model_actor:ToldStrategy",
                    "config_path": "of_nautilus.config:OrderFlowStrategyConfig",
                    "config": config,
                }
            ],
        )
        return result.strategies[0].decisions

    def scores(made: list[Any]) -> dict[tuple[int, int], float]:
        return {(d.ts_event, d.side): d.score for d in made if d.score == d.score}

    absent, weighed, kept_out = decisions(), decisions(model_weight=0.1), decisions(model_filter=99)
    planned = [d for d in absent if d.decision == "planned"]
    assert planned
    assert "model" not in json.loads(planned[0].numbers)
    told = [json.loads(d.numbers)["model"] for d in weighed if d.decision == "planned"]
    assert told
    assert all(-10.0 <= term <= 10.0 for term in told)
    assert any(term != 0 for term in told)
    before, after = scores(absent), scores(weighed)
    assert any(abs(before[key] - after[key]) > 0.1 for key in before.keys() & after.keys())
    assert not [d for d in kept_out if d.decision == "planned"]


def test_an_actor_refuses_a_model_that_is_not_its_own(model, tmp_path) -> None:
    from nautilus_trader.model.identifiers import InstrumentId

    def made(instrument_id: str, **config: Any) -> FeatureActor:
        return FeatureActor(
            FeatureActorConfig(instrument_id=InstrumentId.from_str(instrument_id), **config)
        )

    assert made(DEMO_ID, model=model).predictor is not None
    with pytest.raises(UserError, match=rf"a model of {DEMO_ID}, not of X.SIM; name the model"):
        made("X.SIM", model=model)
    with pytest.raises(UserError, match=r"its features were sampled with .*leave `features` out"):
        made(DEMO_ID, model=model, features=ComputerConfig(sample_s=10))
    with pytest.raises(UserError, match="train a model first"):
        made(DEMO_ID, model=str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"max_position": 1.0, "nokey": 1}, "unknown field `nokey`"),
        ({"max_position": -1.0}, "`max_position` must be > 0"),
        ({}, "missing required field `max_position`"),
    ],
)
def test_a_wrong_rule_is_one_line(catalog, model, tmp_path, rules, said) -> None:
    with pytest.raises(UserError, match=said) as caught:
        backtest(
            catalog, tmp_path, DEMO_ID, [feature_actor(DEMO_ID, model=model)],
            [microstructure(DEMO_ID, **rules)], **HALF_HOUR,
        )  # fmt: skip
    assert "\n" not in str(caught.value)
