"""Nothing of a test reaches its training: what each row was told, and when that was known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from of_nautilus.demo import DemoConfig, generate
from of_nautilus.demo.catalog import DEMO_ID, write_catalog
from of_nautilus.model import dataset, labels, training
from of_nautilus.model.config import ModelConfig
from tests.test_model_features import Taken, demo_events
from tests.test_model_training import CONFIG, S, made_up, with_train

DELAY, LONGEST, LOOKBACK = S // 20, 300 * S, 300 * S


@pytest.mark.parametrize("config", [CONFIG, with_train(CONFIG, labels="barrier", expanding=True)])
def test_what_trains_was_known_before_a_test_looks_back(config: ModelConfig) -> None:
    """Purge: the longest label's end. Embargo: five minutes, which features look back on."""
    data = made_up(0.0, hours=16)
    folds = training.folds_of(data, training.label(data, config), config)
    assert len(folds) == 2
    for fold in folds:
        for before, after in ((fold.train, fold.stop), (fold.stop, fold.test)):
            gap = data.ts[after[0]] - data.ts[before[-1]]
            assert gap > DELAY + LONGEST + LOOKBACK
            assert gap <= DELAY + LONGEST + LOOKBACK + 5 * S, "more is left out than must be"
        assert len(np.intersect1d(fold.train, fold.stop)) == 0


def test_each_row_is_told_its_own_future_and_no_other() -> None:
    data = made_up(0.5, hours=2)
    known = training.label(data, CONFIG)
    ts, mid = data.quotes.ts.tolist(), data.quotes.mid.tolist()

    def seen(at: int) -> float:
        return max((t, m) for t, m in zip(ts, mid, strict=True) if t <= at)[1]

    for row in range(1, len(data.ts) - 70, 97):
        for name, span in (("mag", 60 * S), ("p_up_1m", 60 * S), ("p_up_5m", 300 * S)):
            begin = int(data.ts[row]) + DELAY
            move = (seen(begin + span) / seen(begin) - 1) * 1e4
            assert known.returns[name][row] == pytest.approx(move, abs=1e-9)
            if name != "mag" and move:
                assert known.sides[name][row] == (move > 0)
            assert known.ends[name][row] == begin + span
        assert known.known[row] == data.ts[row] + DELAY + LONGEST


def test_what_a_test_came_to_reaches_no_model_of_its_fold() -> None:
    """Neither the trees, nor when they stop growing, nor their calibration."""
    data = made_up(0.05, hours=12)
    known = training.label(data, CONFIG)
    (fold,) = training.folds_of(data, known, CONFIG)
    returns = {name: told.copy() for name, told in known.returns.items()}
    for told in returns.values():
        told[fold.test] *= -1
    sides = {name: labels.directions(told) for name, told in returns.items() if name != "mag"}
    rows = data.rows.copy()
    rows[fold.test[len(fold.test) // 2 :]] *= 3.0
    mirrored = training.Labels(returns, sides, known.ends, known.known)
    one = training.train_fold(data, known, fold, CONFIG)
    changed = training.train_fold(
        dataset.Dataset(data.ts, rows, data.quotes), mirrored, fold, CONFIG
    )
    for name, model in one.models.items():
        other = changed.models[name]
        assert model.booster.model_to_string() == other.booster.model_to_string()
        assert np.array_equal((model.scale, model.offset), (other.scale, other.offset), True)


def test_what_is_trained_on_is_what_a_live_node_computes(tmp_path: Path) -> None:
    """Row by row: a vector of the files is what was known when it is dated, and no later one."""
    shape = {"seed": 3, "sessions": 1, "session_hours": 1}
    write_catalog(generate(DemoConfig(**shape)), tmp_path / "catalog")
    config = ModelConfig(
        catalog=str(tmp_path / "catalog"), instrument_id=DEMO_ID, folder=str(tmp_path / "model")
    )
    assert list(dataset.write_features(config, 1))
    kept = dataset.read_features(config)
    live = Taken()
    live.one_by_one(demo_events(**shape))
    assert kept.ts.tobytes() == live.times.tobytes()
    assert np.ascontiguousarray(kept.rows).tobytes() == live.rows.tobytes()


def test_a_sample_weighs_what_its_label_has_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of labels of a minute twelve are alive at a time: each counts a twelfth, more at the ends."""
    data = made_up(0.05, hours=12)
    known = training.label(data, CONFIG)
    (fold,) = training.folds_of(data, known, CONFIG)
    weights, grow = [], training.lightgbm.train

    def watched(params: Any, rows: Any, *more: Any, **named: Any) -> Any:
        weights.append(rows.get_weight())
        return grow(params, rows, *more, **named)

    monkeypatch.setattr(training.lightgbm, "train", watched)
    training.train_fold(data, known, fold, CONFIG)
    minute, five, _ = weights
    assert np.median(minute) == pytest.approx(1 / 12, rel=0.02)
    assert np.median(five) == pytest.approx(1 / 60, rel=0.02)
    assert minute[0] > 0.2
    assert minute[-1] > 0.2
