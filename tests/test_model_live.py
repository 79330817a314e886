"""A recorded session: the batch, a backtest and a live node see, forecast and call the same."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from of_nautilus.model import dataset
from of_nautilus.model.features import INDEX
from tests.market import BTC, backtest, ingested
from tests.model_actor import feature_actor, microstructure, tiny_model
from tests.recorded import beginning
from tests.venues.replay import replay_live

# Every call is wanted: what the short session holds is to be compared, not to earn.
RULES = {"max_position": 0.01, "threshold": 0.0, "cost_gate": False, "shortest_hold_s": 5.0,
         "longest_hold_s": 20.0, "gate": {"cooldown_ns": 0, "max_losses": None},
         "stop_ticks": 100}  # fmt: skip


@pytest.fixture(scope="module")
def file(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    whole = real_data / "binance" / "usdm_btcusdt_20240808.gz"
    return beginning(whole, tmp_path_factory.mktemp("half"), 11_000)


@pytest.fixture(scope="module")
def catalog(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ingested([file], BTC, tmp_path_factory.mktemp("btc") / "catalog")


@pytest.fixture(scope="module")
def components(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], list[Any]]:
    # The session of the day ends with the recording, and nothing is entered before its end.
    sampling = {"session": "20:00-04:00 UTC"}
    model = tiny_model(tmp_path_factory.mktemp("model"), BTC, **sampling)
    return [feature_actor(BTC, model=model)], [microstructure(BTC, **RULES)]


@pytest.mark.slow
def test_batch_backtest_and_live_are_equal_value_for_value(
    file, catalog, components, tmp_path
) -> None:
    from of_nautilus.model.computer import ComputerConfig

    scale = dataset.scale_of(str(catalog), BTC)
    config = ComputerConfig(session="20:00-04:00 UTC")
    times, rows = dataset.compute(dataset.read_events(str(catalog), BTC, scale), scale, config)
    assert len(times) > 40
    assert np.isfinite(rows[:, INDEX["imb_l5"]]).all()

    actors, strategies = components
    result = backtest(catalog, tmp_path, BTC, actors, strategies)
    tested = result.actors[0].captured
    live = replay_live(file, actors, strategies, in_step=True, timeout_s=240.0)
    (lived,) = live.captured.values()
    for captured in (tested, lived):
        assert captured["times"].tobytes() == times.tobytes()
        differ = [name for name, i in INDEX.items()
                  if captured["rows"][:, i].tobytes() != rows[:, i].tobytes()]  # fmt: skip
        assert differ == []
    assert lived["state"] == tested["state"]
    assert len(tested["forecasts"]) == len(times)
    assert lived["forecasts"].tobytes() == tested["forecasts"].tobytes()
    # The first call finds both flat. What follows hangs on the fills: those of the paper venue bear
    # the time of this machine, years after the session's, and let less time pass. The market waits
    # for the node, or how many calls there are would hang on the machine's speed.
    calls = [[note for note in captured["notes"] if note[1] == "call_planned"]
             for captured in (tested, lived)]  # fmt: skip
    assert calls[0][0] == calls[1][0]
    assert min(map(len, calls)) >= 3
    assert result.figures["trades_completed"] > 5
    assert not any(note[1] == "stop_lost" for note in lived["notes"])
