"""`of-nautilus demo`: the run config that it writes, and what it refuses."""

import json
from pathlib import Path

import pytest

from of_nautilus.backtest import load_run_configs
from of_nautilus.cli.demo import SHIPPED, _config
from of_nautilus.cli.frame import main
from of_nautilus.scan import flow_actors


def test_minute_bars_run_the_shipped_config(tmp_path: Path) -> None:
    path = _config(str(tmp_path), 1)
    written = path.read_text().replace(json.dumps(str(tmp_path)), '"catalog"')
    assert json.loads(written) == json.loads(SHIPPED.read_text())


@pytest.mark.parametrize("minutes", [5, 15])
def test_longer_bars_take_their_sizes_from_the_market(tmp_path: Path, minutes: int) -> None:
    (config,) = load_run_configs(_config(str(tmp_path), minutes))
    (actor,) = flow_actors(config)
    assert actor.flow.bar_size == 60 * minutes
    assert actor.flow.session == "6h"
    assert actor.flow.thresholds == "quantile"
    assert "gate" not in config.engine.strategies[0].config["trade"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--minutes", "7"], "must divide a day, was 7"),
        (["--minutes", "0"], "must divide a day, was 0"),
        (["--fee", "0.5"], "must be in [0, 0.1), was 0.5"),
        (["--fee", "-0.1"], "must be in [0, 0.1), was -0.1"),
        (["--seed", "-1"], "`seed` must be >= 0"),
    ],
)
def test_bad_options_are_named(words: list[str], said: str, capsys) -> None:
    assert main(["demo", *words]) == 2
    assert said in capsys.readouterr().err
