"""The model: features of a liquid market over arrays and live, one prediction, a large training."""

import statistics
import time

import numpy as np

from benchmarks._host import LOT, ROUNDS, TICK
from of_nautilus.core.book import F_LAST
from of_nautilus.core.record import Ints
from of_nautilus.core.ticks import MarketScale
from of_nautilus.demo import DemoConfig, generate
from of_nautilus.model.computer import FeatureComputer, merge_events
from of_nautilus.model.dataset import Dataset
from of_nautilus.model.features import COUNT, NAMES
from of_nautilus.model.quotes import Quotes

BARS = {
    "features_events_per_s": (">=", 1e6),
    "feature_p99_us": ("<", 200.0),
    "predict_p99_us": ("<", 300.0),
    "train_million_seconds": ("<=", 240.0),
}
SCALE = MarketScale(TICK, LOT)
TREES = 300
MILLION = 1_000_000


def run() -> dict[str, float]:
    """Measure events a second in one batch, and the 99th percentile of a vector and a prediction.

    A vector's time is that of the event in front of which it is written, all of it. For the
    training see `_training`.
    """
    events = _events()
    _batch(events)
    times = [_batch(events) for _ in range(ROUNDS)]
    return {
        "features_events_per_s": len(events) / statistics.median(times),
        "feature_p99_us": float(np.percentile(_live(events[:200_000]), 99)) * 1e6,
        "predict_p99_us": float(np.percentile(_predictions(), 99)) * 1e6,
        "train_million_seconds": _training(),
    }


def _events() -> Ints:
    """Some ten orders a second, as a liquid market has them."""
    market = generate(DemoConfig(sessions=2, order_size=20))
    t, d = market.trades, market.deltas
    trades = np.column_stack((t.ts, t.price, t.size, t.side)).astype(np.int64)
    side, flags = np.where(d.side < 0, 2, d.side), np.where(d.last, F_LAST, 0)
    columns = (d.action, side, d.price, d.size, flags, d.sequence, d.ts)
    return merge_events(trades, t.ts, np.column_stack(columns).astype(np.int64), d.ts)


def _batch(events: Ints) -> float:
    computer = FeatureComputer(SCALE, on_vectors=lambda *_: None)
    begin = time.perf_counter()
    computer.run(events)
    return time.perf_counter() - begin


def _live(events: Ints) -> list[float]:
    """The seconds of each event that brought a vector."""
    came: list[int] = []
    computer = FeatureComputer(SCALE, on_vectors=lambda *_: came.append(1))
    taken = []
    for i in range(len(events)):
        row = events[i : i + 1]
        begin = time.perf_counter()
        computer.run(row)
        spent = time.perf_counter() - begin
        if came:
            came.clear()
            taken.append(spent)
    return taken


def _training() -> float:
    """The seconds of a walk-forward over a million rows, with all that `of-nautilus train` does.

    Two folds, of a half and of three quarters of the rows: three models each, their calibration,
    the training on shuffled labels, the search for leaks, and the card.
    """
    from of_nautilus.model.card import make_card
    from of_nautilus.model.config import ModelConfig, TrainConfig
    from of_nautilus.model.training import folds_of, label, leaks, shuffled_ic, walk

    day = 24 * 720
    test = -(-MILLION // day // 4)
    data = _vectors(4 * test * day)
    train = TrainConfig(train_folds=2 * test, test_folds=test, threads=2)
    config = ModelConfig(catalog="", instrument_id="X.SIM", folder="", train=train)
    begin = time.perf_counter()
    known = label(data, config)
    suspects = leaks(data, config)
    done = walk(data, known, config, lambda *_: None)
    folds = folds_of(data, known, config)
    card = make_card(
        data, known, config, done, len(folds), suspects, shuffled_ic(data, known, folds, config)
    )
    spent = time.perf_counter() - begin
    assert card["complete"]
    assert len(folds) == 2
    assert len(data.ts) >= MILLION
    return spent


def _vectors(n: int) -> Dataset:
    """Noise of every feature, of which the first drives the mid a little."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(n, COUNT))
    drift = np.convolve(rng.normal(size=n), 0.9 ** np.arange(60))[:n]
    rows[:, 0] = drift
    mid = np.round(60_000 + 10 * np.cumsum(rng.normal(size=n) + 0.02 * drift)).astype(np.int64)
    ts = 1_704_672_000_000_000_000 + 5_000_000_000 * np.arange(n)
    return Dataset(ts, rows, Quotes(ts + 2_000_000_000, mid - 1, mid + 1))


def _predictions() -> list[float]:
    """The seconds of each prediction of three forests of 300 trees."""
    import lightgbm

    from of_nautilus.model.forest import parse_forest
    from of_nautilus.model.prediction import probability

    rng = np.random.default_rng(1)
    rows, target = rng.normal(size=(20_000, COUNT)), rng.normal(size=20_000)
    data = lightgbm.Dataset(rows, target, feature_name=list(NAMES))
    params = {"num_leaves": 31, "max_depth": 6, "verbosity": -1, "num_threads": 1}
    forest = parse_forest(lightgbm.train(params, data, TREES).model_to_string())
    taken = []
    for row in rows[:5_000]:
        begin = time.perf_counter()
        for _ in range(3):
            probability(forest.score(row), 1.0, 0.0)
        taken.append(time.perf_counter() - begin)
    return taken
