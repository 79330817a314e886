"""Training: purged walk-forward of gradient-boosted trees, judged out of sample.

Nothing that trades loads this module. Of each fold the trees are grown on the older part of the
training window; its last 15%, cut off and purged, stops the growth and calibrates; the test judges
and does nothing else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np

from of_nautilus.core.record import Floats, Ints
from of_nautilus.core.sessions import HOUR, MINUTE, SECOND
from of_nautilus.errors import UserError
from of_nautilus.model import labels
from of_nautilus.model.config import ModelConfig, TrainConfig
from of_nautilus.model.dataset import Dataset
from of_nautilus.model.days import session_ends
from of_nautilus.model.features import INDEX, NAMES
from of_nautilus.model.metrics import information_coefficient, ranks
from of_nautilus.model.prediction import TARGETS
from of_nautilus.model.validation import Fold, session_folds

HORIZONS = {"p_up_1m": 60 * SECOND, "p_up_5m": 300 * SECOND, "mag": 60 * SECOND}
EMBARGO = 5 * MINUTE
STOPPING_ROUNDS = 50
LEAK_R2 = 0.05  # of one feature on the very next sample's return: look for a leak first
LEAST_ROWS = 500  # labels that a fold's training needs


def parameters(target: str, config: TrainConfig) -> dict[str, Any]:
    """Return LightGBM's parameters of a model."""
    if target == "mag":
        return {"objective": "huber", "metric": "huber", **_parameters_of_all(config)}
    return {"objective": "binary", "metric": "binary_logloss", **_parameters_of_all(config)}


def _parameters_of_all(config: TrainConfig) -> dict[str, Any]:
    return {
        "max_depth": 6,
        "num_leaves": 31,
        "learning_rate": 0.05,
        "min_data_in_leaf": 200,
        "feature_fraction": 0.8,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 1.0,
        "max_bin": 63,
        "seed": config.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": config.threads,
        "verbosity": -1,
    }


@dataclass(frozen=True)
class Labels:
    """Forward returns (bps) of each horizon, and when the last of a row's labels is known.

    `sides` holds 1, 0 or NaN for the models of direction; `ends` when each row's label ends.
    """

    returns: dict[str, Floats]
    sides: dict[str, Floats]
    ends: dict[str, Ints]
    known: Ints

    def target(self, name: str) -> Floats:
        """Return what a model learns: the direction, or for "mag" the return."""
        return self.returns[name] if name == "mag" else self.sides[name]


def label(data: Dataset, config: ModelConfig) -> Labels:
    """Return the labels of a dataset; none reaches across the end of a session."""
    train = config.train
    delay = train.delay_ms * labels.MS
    limit = session_ends(data.ts, config.features.session)
    ts, mid = data.quotes.ts, data.quotes.mid
    returns, sides, ends = {}, {}, {}
    for name, h in HORIZONS.items():
        returns[name] = labels.forward_returns(ts, mid, data.ts, h, delay, limit)
        ends[name] = data.ts + delay + h
        if name == "mag":
            continue
        if train.labels == "return":
            sides[name] = labels.directions(returns[name], train.dead_zone_bps)
            continue
        width = barrier_width(data, h, train.barrier)
        there = np.isfinite(width)
        side = np.full(len(data.ts), np.nan)
        side[there], ends[name][there] = labels.triple_barrier(
            ts, mid, data.ts[there], h, width[there], delay, limit[there]
        )
        sides[name] = side
    return Labels(returns, sides, ends, data.ts + delay + max(HORIZONS.values()))


def barrier_width(data: Dataset, horizon: int, times: float) -> Floats:
    """Return barriers in basis points: `times` the volatility over `horizon`, or the spread."""
    volatility = data.rows[:, INDEX["rv_5m"]] * np.sqrt(horizon / (5 * MINUTE))
    return np.asarray(np.maximum(times * volatility, data.rows[:, INDEX["spread_bps"]]))


@dataclass(frozen=True)
class Model:
    """One grown and calibrated model."""

    booster: Any
    scale: float
    offset: float

    def score(self, rows: Floats, threads: int = 1) -> Floats:
        """Return raw scores, which do not depend on `threads`."""
        return np.asarray(self.booster.predict(rows, raw_score=True, num_threads=threads))

    def predict(self, rows: Floats, threads: int = 1) -> Floats:
        """Return calibrated probabilities, or for a regression its values."""
        raw = self.score(rows, threads)
        if np.isnan(self.scale):
            return raw
        return np.asarray(1.0 / (1.0 + np.exp(-(self.scale * raw + self.offset))))


def platt(score: Floats, went_up: Floats) -> tuple[float, float]:
    """Return (scale, offset) that make raw scores probabilities, by Newton's method.

    Targets are smoothed as Platt (1999) does: (n+ + 1)/(n+ + 2) and 1/(n- + 2). Scores that do not
    tell the classes apart, or tell them the wrong way round, give the base rate whatever they are.
    """
    up = went_up > 0.5
    target = np.where(up, (up.sum() + 1) / (up.sum() + 2), 1 / ((~up).sum() + 2))
    x = np.column_stack((score, np.ones(len(score))))
    w = np.array([0.0, 0.0])
    for _ in range(100):
        p = 1 / (1 + np.exp(-(x @ w)))
        slope = x.T @ (target - p)
        curve = (x * (p * (1 - p))[:, None]).T @ x + 1e-9 * np.eye(2)
        move = np.linalg.solve(curve, slope)
        w = w + move
        if np.abs(move).max() < 1e-10:
            break
    if w[0] <= 0:
        # The offset found beside a slope that is dropped would be no base rate.
        base = float(target.mean())
        return 0.0, float(np.log(base / (1 - base)))
    return float(w[0]), float(w[1])


@dataclass(frozen=True)
class Binned:
    """A fold's rows as the trees see them: in bins that its training rows alone decided."""

    train: lightgbm.Dataset
    stop: lightgbm.Dataset


def bin_rows(data: Dataset, fold: Fold, config: TrainConfig) -> Binned:
    """Put a fold's rows into bins, once for all its models; labels come later."""
    params = _parameters_of_all(config)
    train = lightgbm.Dataset(
        data.rows[fold.train],
        np.zeros(len(fold.train)),
        feature_name=list(NAMES),
        params=params,
    ).construct()
    stop = train.create_valid(data.rows[fold.stop], np.zeros(len(fold.stop)), params=params)
    return Binned(train, stop.construct())


def _labelled(
    rows: lightgbm.Dataset, part: Ints, data: Dataset, target: Floats, ends: Ints
) -> lightgbm.Dataset:
    """Return the binned rows that have a label, with it.

    A sample weighs as much as its label is unique among those of its part.
    """
    chosen = np.flatnonzero(~np.isnan(target[part]))
    used = part[chosen]
    subset = rows.subset(chosen).construct()
    subset.set_label(target[used])
    return subset.set_weight(labels.uniqueness(data.ts[used], ends[used]))


def grow(
    data: Dataset,
    binned: Binned,
    target: Floats,
    ends: Ints,
    fold: Fold,
    name: str,
    config: TrainConfig,
) -> Model:
    """Grow and calibrate one model of a fold on labels that end at `ends`, without its test."""
    train, stop = (part[~np.isnan(target[part])] for part in (fold.train, fold.stop))
    if len(train) < LEAST_ROWS or len(stop) < STOPPING_ROUNDS:
        raise UserError(
            f"{len(train)} rows to train on and {len(stop)} to stop by, {LEAST_ROWS} and"
            f" {STOPPING_ROUNDS} needed", name, todo="ingest more days, or use more train_folds",
        )  # fmt: skip
    booster = lightgbm.train(
        parameters(name, config),
        _labelled(binned.train, fold.train, data, target, ends),
        config.rounds,
        valid_sets=[_labelled(binned.stop, fold.stop, data, target, ends)],
        callbacks=[lightgbm.early_stopping(STOPPING_ROUNDS, verbose=False)],
    )
    kept = booster.best_iteration or config.rounds
    booster = lightgbm.Booster(model_str=booster.model_to_string(num_iteration=kept))
    model = Model(booster, np.nan, np.nan)
    if name == "mag":
        return model
    return Model(booster, *platt(model.score(data.rows[stop], config.threads), target[stop]))


def folds_of(data: Dataset, known: Labels, config: ModelConfig) -> list[Fold]:
    """Return the walk-forward folds; a `UserError` if the data are too short for one."""
    train = config.train
    span = int(train.fold_hours * HOUR)
    session = data.ts // span
    folds = session_folds(
        data.ts, session, known.known, train.train_folds, train.test_folds, EMBARGO,
        expanding=train.expanding,
    )  # fmt: skip
    if not folds:
        raise UserError(
            f"{len(np.unique(session))} folds of {train.fold_hours:g} h, "
            f"{train.train_folds + train.test_folds} needed",
            config.folder, todo="ingest more days, or make the folds shorter",
        )  # fmt: skip
    return folds


@dataclass(frozen=True)
class FoldResult:
    """One fold: its models, and what they said of its test rows."""

    fold: Fold
    models: dict[str, Model]
    predictions: dict[str, Floats]


def train_fold(data: Dataset, known: Labels, fold: Fold, config: ModelConfig) -> FoldResult:
    """Train the three models of a fold and let them predict its test."""
    binned = bin_rows(data, fold, config.train)
    models = {
        name: grow(data, binned, known.target(name), known.ends[name], fold, name, config.train)
        for name in TARGETS
    }
    test, threads = data.rows[fold.test], config.train.threads
    told = {name: model.predict(test, threads) for name, model in models.items()}
    return FoldResult(fold, models, told)


def walk(
    data: Dataset,
    known: Labels,
    config: ModelConfig,
    on_fold: Callable[[int, int, FoldResult], None],
) -> list[FoldResult]:
    """Train every fold in order; `on_fold` takes number, of how many, result as each is done."""
    folds = folds_of(data, known, config)
    results = []
    for number, fold in enumerate(folds, 1):
        result = train_fold(data, known, fold, config)
        results.append(result)
        on_fold(number, len(folds), result)
    return results


def shuffled_ic(
    data: Dataset,
    known: Labels,
    folds: Sequence[Fold],
    config: ModelConfig,
    on_fold: Callable[[], None] = lambda: None,
) -> tuple[float, int]:
    """Return the information coefficient of folds trained on shuffled one-minute labels.

    And the number of test rows. It should be what chance gives: more means that something of the
    tests reached the training. Forecasts are ranked within their fold.
    """
    rng = np.random.default_rng(config.train.seed)
    forecasts, outcomes = [], []
    for fold in folds:
        target = known.target("p_up_1m").copy()
        used = np.concatenate((fold.train, fold.stop))
        used = used[~np.isnan(target[used])]
        target[used] = target[rng.permutation(used)]
        binned = bin_rows(data, fold, config.train)
        ends = known.ends["p_up_1m"]
        model = grow(data, binned, target, ends, fold, "p_up_1m", config.train)
        # The raw score: calibrated, scores without skill are all the base rate.
        score = model.score(data.rows[fold.test], config.train.threads)
        told = ~np.isnan(known.returns["mag"][fold.test])
        forecasts.append(ranks(score[told]) / max(1, int(told.sum())))
        outcomes.append(known.returns["mag"][fold.test][told])
        on_fold()
    outcome = np.concatenate(outcomes)
    return information_coefficient(np.concatenate(forecasts), outcome), len(outcome)


def leaks(data: Dataset, config: ModelConfig) -> dict[str, float]:
    """Return the features that explain the return up to the very next sample too well.

    Name to squared rank correlation above 0.05. What is known at t explains little of what comes
    right after; a feature that was taken one sample too late explains a good part of it.
    """
    returns = labels.forward_returns(
        data.quotes.ts, data.quotes.mid, data.ts, config.features.sample_s * SECOND, 0,
        session_ends(data.ts, config.features.session),
    )  # fmt: skip
    found = {}
    for i, name in enumerate(NAMES):
        there = ~np.isnan(returns) & ~np.isnan(data.rows[:, i])
        ic = information_coefficient(data.rows[there, i], returns[there])
        if ic * ic > LEAK_R2:
            found[name] = ic * ic
    return found
