"""The model card: what was trained on what, how good it was out of sample, and how sure that is."""

import hashlib
import json
import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from of_nautilus import __version__
from of_nautilus.core.record import Floats
from of_nautilus.core.sessions import SECOND
from of_nautilus.model import metrics
from of_nautilus.model.config import ModelConfig
from of_nautilus.model.dataset import Dataset
from of_nautilus.model.days import days_a_year, days_of
from of_nautilus.model.features import FEATURES_HASH, INDEX, NAMES
from of_nautilus.model.metrics import Interval
from of_nautilus.model.prediction import CARD_VERSION, TARGETS
from of_nautilus.model.rule import decide
from of_nautilus.model.training import HORIZONS, FoldResult, Labels, parameters

_BINS = 10
_NO_VARIANT = ("threads", "tried_elsewhere")


def make_card(
    data: Dataset,
    known: Labels,
    config: ModelConfig,
    results: Sequence[FoldResult],
    folds: int,
    suspects: dict[str, float],
    shuffled: tuple[float, int] | None,
    others: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Return the card of the folds done so far; `others`: what `tried` told before."""
    card: dict[str, Any] = {
        "version": CARD_VERSION,
        "made_by": f"of_nautilus {__version__}",
        "instrument_id": config.instrument_id,
        "complete": len(results) == folds,
        "features": {"sha256": FEATURES_HASH, "sample_s": config.features.sample_s},
        "config": msgspec.to_builtins(config),
        "parameters": {name: parameters(name, config.train) for name in TARGETS},
        "data": {"first": _day(data, 0), "last": _day(data, -1), "vectors": len(data.ts)},
        "models": [_models(data, n, result) for n, result in enumerate(results, 1)],
        "folds": [_judge(data, known, config, [result]) for result in results],
        "all": _judge(data, known, config, results),
        "importance": {name: _importance(results, name) for name in TARGETS},
        "leak_suspects": suspects,
    }
    result, daily = _before_costs(data, known, config, results)
    ours = {
        "variant": variant_of(config),
        "config": {name: card["config"][name] for name in ("features", "train")},
        "ic_1m": card["all"]["mag"]["ic"]["value"],
        "daily_sharpe": metrics.sharpe(daily, 1.0),
    }
    variants = [*(other for other in others if other["variant"] != ours["variant"]), ours]
    count = len(variants) + config.train.tried_elsewhere
    ratios = [told["daily_sharpe"] for told in variants]
    ratios = [ratio for ratio in ratios if ratio is not None and math.isfinite(ratio)]
    spread = float(np.std(ratios, ddof=1)) if len(ratios) > 1 else None
    result["deflated_sharpe"] = metrics.deflated_sharpe(daily, count, spread)
    card |= {"tried": {"count": count, "variants": variants}, "result_before_costs": result}
    if shuffled is not None:
        interval = metrics.ic_interval(shuffled[0], _independent(shuffled[1], config, "mag"))
        card["shuffled_labels"] = _plain(interval) | {"covers_zero": interval.covers(0.0)}
    card["verdict"] = verdict(card)
    return card


def _models(data: Dataset, number: int, result: FoldResult) -> dict[str, Any]:
    """Return a fold's model files, and since when they may speak: the start of their test."""
    told: dict[str, Any] = {"since": int(data.ts[result.fold.test[0]])}
    for name, model in result.models.items():
        told[name] = {
            "file": f"fold_{number:03d}/{name}.txt",
            "scale": _finite(model.scale, 1.0),
            "offset": _finite(model.offset, 0.0),
            "rounds": model.booster.num_trees(),
        }
    return told


def variant_of(config: ModelConfig) -> str:
    """Return a digest of what makes one variant of a model another: features and training."""
    parts = {"features": config.features, "train": config.train}
    held = msgspec.to_builtins(parts)
    # Nothing that the trees depend on.
    held["train"] = {k: v for k, v in held["train"].items() if k not in _NO_VARIANT}
    told = json.dumps(held, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def verdict(card: dict[str, Any]) -> str:
    """Return in words what the card says."""
    if card["leak_suspects"]:
        return f"look for a leak first: {', '.join(card['leak_suspects'])}"
    ic = card["all"]["mag"]["ic"]
    if ic["low"] > 0:
        return "it ranks the next minute's returns better than chance; that is before costs"
    if ic["high"] < 0:
        return "it ranks the next minute's returns the wrong way round"
    return "its forecasts of the next minute cannot be told from chance"


def _judge(
    data: Dataset, known: Labels, config: ModelConfig, results: Sequence[FoldResult]
) -> dict[str, Any]:
    rows = np.concatenate([result.fold.test for result in results])
    told: dict[str, Any] = {
        "train": [_day(data, results[-1].fold.train[0]), _day(data, results[-1].fold.train[-1])],
        "test": [_day(data, rows[0]), _day(data, rows[-1])],
        "train_rows": len(results[-1].fold.train),
        "test_rows": len(rows),
    }
    for name in TARGETS:
        predicted = np.concatenate([result.predictions[name] for result in results])
        returns = known.returns[name][rows]
        there = ~np.isnan(returns)
        p, r = predicted[there], returns[there]
        ic = metrics.information_coefficient(p, r)
        told[name] = {"ic": _plain(metrics.ic_interval(ic, _independent(len(p), config, name)))}
        by_day = metrics.ic_by_day(p, r, data.ts[rows][there] // (86_400 * SECOND))
        told[name]["ic_by_day"] = dict(zip(("mean", "t", "days"), by_day, strict=True))
        if name != "mag":
            up = known.target(name)[rows]
            told[name] |= _classified(predicted[~np.isnan(up)], up[~np.isnan(up)])
    return told


def _classified(p: Floats, up: Floats) -> dict[str, Any]:
    hits, calls = metrics.hit_rate(p, up)
    edges = np.quantile(p, np.linspace(0, 1, _BINS + 1)) if len(p) else np.zeros(_BINS + 1)
    at = np.clip(np.searchsorted(edges, p, side="right") - 1, 0, _BINS - 1)
    return {
        "auc": metrics.auc(p, up),
        "log_loss": metrics.log_loss(p, up) if len(p) else math.nan,
        "log_loss_of_base_rate": _base_loss(up),
        "hit_rate": hits,
        "calls": calls,
        "calibration": [
            [float(p[at == k].mean()), float(up[at == k].mean()), int((at == k).sum())]
            for k in range(_BINS)
            if (at == k).any()
        ],
    }


def _base_loss(up: Floats) -> float:
    return metrics.log_loss(np.full(len(up), up.mean()), up) if len(up) else math.nan


def _before_costs(
    data: Dataset, known: Labels, config: ModelConfig, results: Sequence[FoldResult]
) -> tuple[dict[str, Any], Floats]:
    """The rule's calls held for five minutes, at mids, one at a time: what there is to pay from.

    And the results by day, basis points after the spread: 0 on a day of the tests without a trade.
    """
    session = config.features.session
    day_of = days_of(data.ts, session)
    tested = day_of[np.concatenate([result.fold.test for result in results])]
    days = dict.fromkeys(np.unique(tested).tolist(), 0.0)
    hold = 300 * SECOND
    spread = data.rows[:, INDEX["spread_bps"]]
    gross: list[float] = []
    paid: list[float] = []
    free = 0
    for result in results:
        for k, row in enumerate(result.fold.test):
            if data.ts[row] < free:
                continue
            p1, p5 = (float(result.predictions[name][k]) for name in ("p_up_1m", "p_up_5m"))
            side = decide(p1, p5, float(data.rows[row, INDEX["ofi_z_1m"]])).side
            move = known.returns["p_up_5m"][row]
            if side == 0 or math.isnan(move):
                continue
            free = data.ts[row] + hold
            gross.append(side * float(move))
            paid.append(float(spread[row]))
            days[int(day_of[row])] += gross[-1] - paid[-1]
    daily = np.array(list(days.values()))
    hits = float(np.mean(np.array(gross) > 0)) if gross else math.nan
    size = float(np.mean(np.abs(gross))) if gross else math.nan
    cost = float(np.nanmean(paid)) if paid else math.nan
    told = {
        "trades": len(gross),
        "mean_bps": _plain(metrics.mean_interval(np.array(gross))),
        "mean_spread_bps": cost,
        "hit_rate": hits,
        "hit_rate_to_pay_the_spread": (
            metrics.break_even_hit_rate(size, size, cost) if size > 0 and cost >= 0 else math.nan
        ),
        "days": len(daily),
        "sharpe_after_spread": metrics.sharpe(daily, days_a_year(session)),
        "max_drawdown_bps": metrics.max_drawdown(daily),
        "losing_days": metrics.losing_days(daily),
    }
    return told, daily


def _independent(rows: int, config: ModelConfig, name: str) -> float:
    return rows * config.features.sample_s * SECOND / HORIZONS[name]


def _importance(results: Sequence[FoldResult], name: str) -> dict[str, float]:
    gain = sum(r.models[name].booster.feature_importance("gain") for r in results)
    total = float(np.sum(gain)) or 1.0
    order = np.argsort(-np.asarray(gain), kind="stable")[:15]
    return {NAMES[i]: float(np.asarray(gain)[i]) / total for i in order}


def _plain(interval: Interval) -> dict[str, float]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def _finite(value: float, other: float) -> float:
    return value if math.isfinite(value) else other


def _day(data: Dataset, row: int) -> str:
    return f"{np.datetime64(int(data.ts[row]), 'ns')}"[:19] + "Z"
