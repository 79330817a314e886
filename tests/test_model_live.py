"""A recorded session: the batch, a backtest and a live node compute the same features."""

from pathlib import Path

import numpy as np
import pytest

from of_nautilus.model import dataset
from of_nautilus.model.features import INDEX
from tests.market import BTC, backtest, ingested
from tests.model_actor import feature_actor
from tests.venues.replay import replay_live


@pytest.mark.slow
def test_batch_backtest_and_live_are_equal_value_for_value(real_data: Path, tmp_path) -> None:
    file = real_data / "binance" / "usdm_btcusdt_20240808.gz"
    catalog = ingested([file], BTC, tmp_path / "catalog")
    scale = dataset.scale_of(str(catalog), BTC)
    times, rows = dataset.compute(dataset.read_events(str(catalog), BTC, scale), scale)
    assert len(times) > 60
    assert np.isfinite(rows[:, INDEX["imb_l5"]]).all()

    (tested,) = backtest(catalog, tmp_path, BTC, [feature_actor(BTC)]).actors
    live = replay_live(file, [feature_actor(BTC)], timeout_s=240.0)
    (lived,) = live.captured.values()
    for captured in (tested.captured, lived):
        assert captured["times"].tobytes() == times.tobytes()
        differ = [name for name, i in INDEX.items()
                  if captured["rows"][:, i].tobytes() != rows[:, i].tobytes()]  # fmt: skip
        assert differ == []
    assert lived["state"] == tested.captured["state"]
