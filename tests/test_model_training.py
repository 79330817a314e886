"""Training and prediction: finds what is planted, says when there is nothing, sees no future."""

import json
import shutil
from pathlib import Path

import lightgbm
import msgspec
import numpy as np
import pytest

from of_nautilus.cli.frame import main
from of_nautilus.demo import DemoConfig, generate
from of_nautilus.demo.market import DemoMarket
from of_nautilus.errors import UserError
from of_nautilus.model import card as card_
from of_nautilus.model import card_files, dataset, labels, metrics, training
from of_nautilus.model.config import ModelConfig, TrainConfig, load_config
from of_nautilus.model.features import COUNT, FEATURES_HASH, INDEX
from of_nautilus.model.forest import parse_forest
from of_nautilus.model.prediction import Predictor
from of_nautilus.model.quotes import Quotes, quotes_of
from of_nautilus.model.validation import Fold
from tests.test_model_features import SCALE, demo_events, events_of

S = 1_000_000_000
HOUR = 3_600 * S
START = 1_704_672_000 * S  # a Monday, midnight
CONFIG = ModelConfig(
    catalog="",
    instrument_id="X.SIM",
    folder="",
    train=TrainConfig(fold_hours=2, train_folds=4, test_folds=2, rounds=60, threads=1),
)


def made_up(alpha: float, hours: int = 12, seed: int = 1) -> dataset.Dataset:
    """Vectors of noise, of which one drives the mid with `alpha` of the noise's strength."""
    rng = np.random.default_rng(seed)
    n = hours * 720
    rows = rng.normal(size=(n, COUNT))
    rows[rng.random(rows.shape) < 0.01] = np.nan
    driver = np.zeros(n)
    for i in range(1, n):
        driver[i] = 0.9 * driver[i - 1] + rng.normal()
    rows[:, INDEX["ofi_norm_1m"]] = driver
    rows[:, INDEX["rv_5m"]], rows[:, INDEX["spread_bps"]] = 10.0, 0.3
    steps = rng.normal(size=n) + alpha * driver
    double_mid = 2 * np.round(60_000 + 10 * np.cumsum(steps)).astype(np.int64)
    ts = START + 5 * S * np.arange(n)
    # The step that a vector drives comes while the next five seconds pass.
    quotes = Quotes(ts + 2 * S, double_mid // 2 - 1, double_mid // 2 + 1)
    return dataset.Dataset(ts, rows, quotes)


def with_train(config: ModelConfig, **changes) -> ModelConfig:
    train = msgspec.structs.replace(config.train, **changes)
    return msgspec.structs.replace(config, train=train)


def trained(data: dataset.Dataset, config: ModelConfig = CONFIG) -> tuple[list, dict]:
    known = training.label(data, config)
    results = training.walk(data, known, config, lambda *told: None)
    folds = [result.fold for result in results]
    shuffled = training.shuffled_ic(data, known, folds, config)
    suspects = training.leaks(data, config)
    return results, card_.make_card(data, known, config, results, len(results), suspects, shuffled)


@pytest.fixture(scope="module")
def planted() -> tuple[dataset.Dataset, list, dict]:
    data = made_up(0.06)
    return data, *trained(data)


def test_what_is_planted_is_found(planted) -> None:
    *_, card = planted
    assert card["all"]["mag"]["ic"]["low"] > 0
    assert card["all"]["p_up_1m"]["auc"] > 0.52
    assert card["verdict"].startswith("it ranks the next minute's returns better than chance")
    assert next(iter(card["importance"]["p_up_1m"])) == "ofi_norm_1m"
    assert card["shuffled_labels"]["covers_zero"]
    assert card["leak_suspects"] == {}


def test_where_nothing_is_planted_it_says_so() -> None:
    _, card = trained(made_up(0.0))
    ic = card["all"]["mag"]["ic"]
    assert ic["low"] <= 0 <= ic["high"]
    assert "cannot be told from chance" in card["verdict"]


def test_a_feature_from_one_bar_ahead_is_caught(planted) -> None:
    data, *_ = planted
    mid = data.quotes.mid
    rows = data.rows.copy()
    momentum = np.concatenate((np.full(12, np.nan), mid[12:] / mid[:-12] - 1))
    rows[:, INDEX["mom_1m_bps"]] = momentum
    honest = dataset.Dataset(data.ts + 3 * S, rows, data.quotes)
    assert training.leaks(honest, CONFIG) == {}
    rows = rows.copy()
    rows[:-1, INDEX["mom_1m_bps"]] = momentum[1:]
    ahead = dataset.Dataset(honest.ts, rows, data.quotes)
    assert list(training.leaks(ahead, CONFIG)) == ["mom_1m_bps"]
    known = training.label(ahead, CONFIG)
    results = training.walk(ahead, known, CONFIG, lambda *told: None)
    told = card_.make_card(ahead, known, CONFIG, results, 1, training.leaks(ahead, CONFIG), None)
    assert told["verdict"] == "look for a leak first: mom_1m_bps"


def test_a_prefix_trains_the_same_models_and_seeds_decide() -> None:
    data = made_up(0.05, hours=16)
    cut = 12 * 720
    prefix = dataset.Dataset(data.ts[:cut], data.rows[:cut], data.quotes)
    known = training.label(data, CONFIG)
    whole = training.walk(data, known, CONFIG, lambda *told: None)
    early = training.walk(prefix, training.label(prefix, CONFIG), CONFIG, lambda *told: None)
    assert (len(whole), len(early)) == (2, 1)
    for name, model in early[0].models.items():
        assert model.booster.model_to_string() == whole[0].models[name].booster.model_to_string()
        told, again = early[0].predictions[name], whole[0].predictions[name]
        assert told.tobytes() == again.tobytes()
    # What the test was does not reach the training.
    returns = {name: r.copy() for name, r in known.returns.items()}
    for r in returns.values():
        r[whole[0].fold.test] *= -1
    sides = {name: labels.directions(r) for name, r in returns.items() if name != "mag"}
    mirrored = training.Labels(returns, sides, known.ends, known.known)
    other = training.train_fold(data, mirrored, whole[0].fold, CONFIG)
    assert other.predictions["mag"].tobytes() == whole[0].predictions["mag"].tobytes()


def test_no_label_reaches_over_the_end_of_a_session() -> None:
    data = made_up(0.0, hours=3)
    config = msgspec.structs.replace(
        CONFIG, features=msgspec.structs.replace(CONFIG.features, session="1h")
    )
    known = training.label(data, config)
    left = HOUR - (data.ts - START) % HOUR
    barrier = training.label(data, with_train(config, labels="barrier"))
    for name, horizon in training.HORIZONS.items():
        beyond = left < horizon + 50_000_000
        assert np.isnan(known.returns[name][beyond]).all()
        assert np.isfinite(known.returns[name][~beyond]).mean() > 0.95
        assert np.isnan(barrier.target(name)[beyond]).all()


def recorded(*spans: tuple[int, int]) -> np.ndarray:
    """A book of two levels that speaks every second of each span and opens it with a snapshot."""
    rows = []
    for n, (first, last) in enumerate(spans):
        bid, at = 60_000 + 600 * n, START + first * S
        rows += [(4, 0, 0, 0, 32, n, at), (1, 1, bid, 5, 32, n, at), (1, 2, bid + 1, 5, 160, n, at)]
        seconds = range(first + 1, last + 1)
        rows += [(2, 1, bid, 5 + k % 3, 128, n, START + k * S) for k in seconds]
    return np.array(rows, np.int64)


@pytest.mark.parametrize("horizon", [60, 300])
def test_no_label_reaches_into_a_time_without_data(horizon) -> None:
    # The recorder was down twice; the second time it was quiet for no longer than markets are.
    quotes = quotes_of(recorded((0, 400), (600, 1_000), (1_060, 1_500)), START + 2_000 * S)
    at = np.arange(0, 2_000, 5)
    found = labels.forward_returns(quotes.ts, quotes.mid, START + at * S, horizon * S, 0)
    whole = (at + horizon <= 400) | ((at >= 600) & (at + horizon <= 1_500))
    assert (~np.isnan(found)).tolist() == whole.tolist()
    assert (np.abs(found[(at < 400) & whole]) < 1).all()


def test_a_silence_over_midnight_is_told_by_the_day_that_ends_it() -> None:
    day = 86_400
    events = recorded((day - 500, day - 30), (day + 90, day + 200))
    quotes = quotes_of(events, START + 2 * day * S - 1)
    told = list(zip((quotes.ts - START).tolist(), (quotes.bid > 0).tolist(), strict=True))
    assert told == [
        ((day - 500) * S, True), (day * S, False), ((day + 90) * S, True),
        ((day + 200) * S + 1, False),
    ]  # fmt: skip
    # What came after a day changes nothing in it.
    before = quotes_of(events[events[:, 6] < START + day * S], START + day * S - 1)
    assert before.ts.tolist() == quotes.ts[:1].tolist()
    early = quotes_of(events[events[:, 6] < START + (day - 100) * S], START + day * S - 1)
    assert early.bid[-1] == 0
    assert early.ts[-1] < START + (day - 100) * S


def test_the_triple_barrier_is_one_word_of_the_config(planted) -> None:
    data, results, _ = planted
    rows = data.rows.copy()
    rows[5, INDEX["rv_5m"]] = np.nan
    data = dataset.Dataset(data.ts, rows, data.quotes)
    config = with_train(CONFIG, labels="barrier", barrier=0.5)
    known = training.label(data, config)
    width = training.barrier_width(data, 60 * S, 0.5)
    assert width[0] == pytest.approx(5 / np.sqrt(5))
    assert np.isnan(known.sides["p_up_1m"][5])
    there = np.flatnonzero(~np.isnan(width))[:300]
    told, ends = labels.triple_barrier(
        data.quotes.ts, data.quotes.mid, data.ts[there], 60 * S, width[there], 50_000_000
    )
    assert known.sides["p_up_1m"][there].tobytes() == told.tobytes()
    assert known.ends["p_up_1m"][there].tolist() == ends.tolist()
    plain = training.label(data, CONFIG)
    assert known.returns["mag"].tobytes() == plain.returns["mag"].tobytes()
    assert known.sides["p_up_1m"].tobytes() != plain.sides["p_up_1m"].tobytes()
    fold = results[-1].fold
    model = training.grow(
        data, training.bin_rows(data, fold, config.train), known.target("p_up_1m"),
        known.ends["p_up_1m"], fold, "p_up_1m", config.train,
    )  # fmt: skip
    up = known.target("p_up_1m")[fold.test]
    told = model.predict(data.rows[fold.test])[~np.isnan(up)]
    assert metrics.auc(told, up[~np.isnan(up)]) > 0.52


def test_the_card_remembers_what_was_tried(planted, tmp_path) -> None:
    data, results, _ = planted
    known = training.label(data, CONFIG)
    folder = tmp_path / "model"
    folder.mkdir()
    assert card_files.tried(folder) == []

    def made(config: ModelConfig) -> dict:
        told = card_.make_card(data, known, config, results, len(results), {}, None,
                               card_files.tried(folder))  # fmt: skip
        card_files.write_card(folder, told)
        return told["tried"]

    assert made(CONFIG)["count"] == 1
    assert made(with_train(CONFIG, threads=2))["count"] == 1, "the trees are the same"
    assert made(with_train(CONFIG, rounds=10))["count"] == 2
    told = made(with_train(CONFIG, dead_zone_bps=1.0, tried_elsewhere=5))
    assert told["count"] == 3 + 5
    changed = [variant["config"]["train"] for variant in told["variants"]]
    assert [train["rounds"] for train in changed] == [60, 10, 60]
    assert "variants tried: 8" in (folder / "card.md").read_text()


def test_a_day_of_the_tests_without_a_call_is_a_day_of_its_results() -> None:
    n, known = 8 * 24, np.zeros(0, np.int64)
    rows = np.full((n, COUNT), 0.5)
    rows[:, INDEX["ofi_z_1m"]] = 2.0
    data = dataset.Dataset(START + HOUR * np.arange(n), rows, Quotes(known, known, known))
    # Hours of eight days, of which six are tested; the second of them and the last have no calls.
    day = np.arange(n) // 24
    earned = 3.0 + np.arange(n) % 24 / 12
    p_up = np.where((day == 3) | (day == 7), 0.5, 0.9)
    test = [np.arange(2 * 24, 5 * 24), np.arange(5 * 24, n)]
    results = [
        training.FoldResult(Fold(known, known, t), {}, {"p_up_1m": p_up[t], "p_up_5m": p_up[t]})
        for t in test
    ]
    labelled = training.Labels({"p_up_5m": earned}, {}, {}, known)
    each = float((earned[:24] - 0.5).sum())
    for session, year in (("FULL_DAY", 365.0), ("09:30-16:00 UTC", 252.0)):
        config = msgspec.structs.replace(
            CONFIG, features=msgspec.structs.replace(CONFIG.features, session=session)
        )
        told, daily = card_._before_costs(data, labelled, config, results)
        assert told["trades"] == 4 * 24
        assert daily.sum() == pytest.approx(4 * each)
        assert told["sharpe_after_spread"] == pytest.approx(metrics.sharpe(daily, year))
        if session == "FULL_DAY":
            assert daily.tolist() == pytest.approx([each, 0, each, each, each, 0])
            assert told["days"] == 6


def test_each_fold_speaks_from_its_test_on(planted, tmp_path) -> None:
    data, results, card = planted
    for number, result in enumerate(results, 1):
        card_files.write_fold(tmp_path, number, result)
    card_files.write_card(tmp_path, card)
    predictor = Predictor(tmp_path)
    first = results[0].fold.test[0]
    row, since = data.rows[first], int(data.ts[first])
    assert np.isnan(predictor.predict(row, since - 1).p_up_1m)
    for result in results:
        for at in (0, -1):
            i = result.fold.test[at]
            told = predictor.predict(data.rows[i], int(data.ts[i]))
            assert told.p_up_1m == pytest.approx(result.predictions["p_up_1m"][at], rel=1e-12)
    assert predictor.predict(row, since + 10**18) == predictor.predict(row)


def test_probabilities_are_calibrated() -> None:
    rng = np.random.default_rng(3)
    score = rng.normal(size=20_000)
    up = (rng.random(20_000) < 1 / (1 + np.exp(-(0.5 * score - 0.2)))).astype(float)
    scale, offset = training.platt(score, up)
    assert (scale, offset) == (pytest.approx(0.5, abs=0.06), pytest.approx(-0.2, abs=0.06))
    scale, offset = training.platt(score, up[::-1])
    assert abs(scale) < 0.06


@pytest.mark.parametrize("center", [0.0, 3.0])
def test_scores_that_mislead_give_the_base_rate(center) -> None:
    rng = np.random.default_rng(4)
    score = center + 0.01 * rng.normal(size=2_000)
    up = (rng.random(2_000) < np.where(score < center, 0.7, 0.4)).astype(float)
    scale, offset = training.platt(score, up)
    assert scale == 0.0
    assert 1 / (1 + np.exp(-offset)) == pytest.approx(up.mean(), abs=0.001)


def test_the_forest_gives_lightgbms_bits(planted) -> None:
    data, results, _ = planted
    for model in results[-1].models.values():
        forest = parse_forest(model.booster.model_to_string())
        told = model.booster.predict(data.rows[:2000], raw_score=True)
        assert [forest.score(row) for row in data.rows[:2000]] == told.tolist()
    with pytest.raises(ValueError, match="`text`"):
        parse_forest("no model")
    rng = np.random.default_rng(0)
    kinds = lightgbm.Dataset(rng.integers(0, 9, (500, 1)), rng.normal(size=500),
                             categorical_feature=[0], params={"min_data_per_group": 1})  # fmt: skip
    split = lightgbm.train({"verbosity": -1, "cat_smooth": 0, "min_data_per_group": 1}, kinds, 1)
    with pytest.raises(ValueError, match="numerical splits"):
        parse_forest(split.model_to_string())


@pytest.fixture
def folder(planted, tmp_path: Path) -> Path:
    _, results, card = planted
    card_files.write_fold(tmp_path, len(results), results[-1])
    card_files.write_card(tmp_path, card)
    return tmp_path


def test_the_card_predicts_what_training_did(planted, folder) -> None:
    data, results, _ = planted
    predictor = Predictor(folder)
    rows = results[-1].fold.test[:200]
    for k, row in enumerate(rows):
        told = predictor.predict(data.rows[row])
        said = [results[-1].predictions[name][k] for name in training.TARGETS]
        assert [told.p_up_1m, told.p_up_5m, told.magnitude] == pytest.approx(said, rel=1e-12)
    assert "| test | rows |" in (folder / "card.md").read_text()
    assert (folder / "calibration.svg").read_text().count("<circle") > 5
    with pytest.raises(ValueError, match="`row`"):
        predictor.predict(np.zeros(3))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"features": {"sha256": "0" * 64}}, f"features {'0' * 12} are not those of this package"),
        ({"version": 99}, "a card of version 99, this is 2"),
        ({"models": None}, "train the model again"),
        (None, "train a model first"),
    ],
)
def test_a_model_of_another_version_is_refused(folder, change, said) -> None:
    path = folder / "card.json"
    if change is None:
        path.unlink()
    elif change.get("models", 0) is None:
        shutil.rmtree(next(folder.glob("fold_*")))
    else:
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match=said):
        Predictor(folder)


def test_data_that_are_too_short_say_what_to_do() -> None:
    data = made_up(0.0, hours=4)
    with pytest.raises(UserError, match=r"2 folds of 2 h, 6 needed; ingest more days"):
        training.walk(data, training.label(data, CONFIG), CONFIG, lambda *told: None)


def test_a_wrong_config_is_one_line(tmp_path) -> None:
    path = tmp_path / "model.json"
    path.write_text('{"catalog": "c", "instrument_id": "X.SIM", "folder": "f", "horizon": 3}')
    with pytest.raises(UserError, match="unknown field `horizon`"):
        load_config(path)
    with pytest.raises(ValueError, match="`train_folds` must be >= 1, was 0"):
        TrainConfig(train_folds=0)
    with pytest.raises(UserError, match="name a model config"):
        load_config(tmp_path / "none.json")


@pytest.mark.slow
def test_from_catalog_to_card_by_the_command_line(tmp_path, capsys, monkeypatch) -> None:
    from of_nautilus.demo.catalog import DEMO_ID, write_catalog

    write_catalog(generate(DemoConfig(seed=3, sessions=3, session_hours=3)), tmp_path / "cat")
    told = {
        "catalog": str(tmp_path / "cat"),
        "instrument_id": DEMO_ID,
        "folder": str(tmp_path / "model"),
        "train": {"fold_hours": 1, "train_folds": 4, "test_folds": 2, "rounds": 20},
        "evaluate": {
            "rules": {"max_position": 1, "threshold": 0, "long": 0.5, "short": 0.5},
            "latencies_ms": [50],
            "maker_fee_bps": 1,
            "taker_fee_bps": 2,
        },
    }
    path = tmp_path / "model.json"
    path.write_text(json.dumps(told))
    assert main(["train", str(path), "--quiet"]) == 2
    assert "run `of-nautilus features` first" in capsys.readouterr().err
    assert main(["features", str(path), "--processes", "1"]) == 0
    assert FEATURES_HASH in capsys.readouterr().out
    written = dataset.read_features(load_config(path))
    events = demo_events(seed=3, sessions=3, session_hours=3)
    ts, rows = dataset.compute(events, SCALE)
    assert written.ts.tobytes() == ts.tobytes()
    assert np.ascontiguousarray(written.rows).tobytes() == rows.tobytes()

    walk = training.walk

    def interrupted(data, known, config, on_fold):
        def once(number, of, result):
            on_fold(number, of, result)
            raise KeyboardInterrupt

        walk(data, known, config, once)

    monkeypatch.setattr(training, "walk", interrupted)
    assert main(["train", str(path), "--quiet"]) == 130
    half = Predictor(tmp_path / "model" / "model")
    assert half.card["complete"] is False
    monkeypatch.undo()
    assert main(["train", str(path), "--json", str(tmp_path / "out.json")]) == 0
    whole = Predictor(tmp_path / "model" / "model")
    assert whole.card["complete"] is True
    assert json.loads((tmp_path / "out.json").read_text())["folds"] == len(whole.card["folds"]) == 2
    prediction = whole.predict(rows[-1])
    assert 0 < prediction.p_up_1m < 1
    assert main(["evaluate", str(path), "--processes", "1"]) == 0
    assert "hit rate to break even" in capsys.readouterr().out
    told = Predictor(tmp_path / "model" / "model").card["evaluation"]
    assert [(r["entry"], r["latency_ms"], r["cost_gate"]) for r in told["runs"]] == [
        ("market", 50, True), ("limit", 50, True), ("market", 50, False), ("limit", 50, False),
    ]  # fmt: skip
    for run in told["runs"]:
        assert run["fees_bps"] == pytest.approx({"maker": 1.0, "taker": 2.0})
        assert run["orders"] + sum(run["refused"].values()) == run["calls"]
        if run["trades"]:
            earned = run["gross_bps"]["value"] - run["fees_paid_bps"]
            assert run["net_bps"]["value"] == pytest.approx(earned)
    assert (
        "## The rule through the host's engine"
        in (tmp_path / "model" / "model" / "card.md").read_text()
    )
    assert main(["study", "ofi", DEMO_ID, "--catalog", str(tmp_path / "cat")]) == 0
    assert "best level, next bar" in capsys.readouterr().out


def planted_correlation(alpha: float) -> float:
    """The correlation of a minute's flow with the mid's move in the next one, as it is planted.

    A minute has twelve cells, each with a flow f ~ N(0, 1). A cell moves the price by 0.85 of its
    flow, 0.527 of noise, and by alpha / 6.5 of the sum of the last twelve flows. So of the next
    minute's move the flow that is a cells old adds (13 - a) alpha / 6.5 of itself, and a flow still
    to come, with m cells after it, 0.85 + m alpha / 6.5.
    """
    unit = alpha / 6.5
    known = [unit * k for k in range(1, 13)]
    to_come = [0.85 + unit * m for m in range(12)]
    variance = sum(w * w for w in known) + sum(w * w + 0.527**2 for w in to_come)
    return float(sum(known) / np.sqrt(12 * variance))


def expected_ic(alpha: float, market: DemoMarket, data: dataset.Dataset) -> float:
    """The information coefficient of the planted relation, as far as the features show the flow.

    Nothing of the outcomes is in it: the planted correlation, times how closely the feature
    follows the flow that the market was made with (`lead` at each bar's close, by ranks).
    """
    closes = market.config.start_ns + 60 * S * np.arange(1, len(market.lead) + 1)
    at = np.searchsorted(data.ts, closes)
    there = at < len(data.ts)
    there[there] &= data.ts[at[there]] == closes[there]
    seen = data.rows[at[there], INDEX["trade_imb_1m"]]
    visible = 2 * np.sin(np.pi / 6 * metrics.information_coefficient(seen, market.lead[there]))
    # From correlation to rank correlation of a bivariate normal.
    return float(6 / np.pi * np.arcsin(visible * planted_correlation(alpha) / 2))


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.3, 0.0])
def test_a_demo_markets_planted_relation_is_recovered(alpha: float) -> None:
    market = generate(
        DemoConfig(seed=11, sessions=8, ofi_alpha=alpha, planted=0, near_misses=0, episodes=False)
    )
    events = events_of(market)
    data = dataset.Dataset(*dataset.compute(events, SCALE), quotes_of(events))
    train = TrainConfig(fold_hours=6, train_folds=4, test_folds=2)
    _, card = trained(data, msgspec.structs.replace(CONFIG, train=train))
    ic = card["all"]["mag"]["ic"]
    assert card["shuffled_labels"]["covers_zero"]
    assert card["leak_suspects"] == {}
    if alpha == 0.0:
        assert ic["low"] <= 0 <= ic["high"]
        assert "cannot be told from chance" in card["verdict"]
    else:
        assert planted_correlation(alpha) == pytest.approx(0.2345, abs=1e-4)
        assert ic["low"] <= expected_ic(alpha, market, data) <= ic["high"]
        assert ic["low"] > 0.05


@pytest.mark.slow
def test_a_prefix_of_a_market_gives_the_same_features_and_the_same_model() -> None:
    events = demo_events(seed=5, sessions=2, session_hours=6)
    train = TrainConfig(fold_hours=1, train_folds=5, test_folds=1, rounds=20, threads=1)
    config = msgspec.structs.replace(CONFIG, train=train)
    stop = int(np.searchsorted(events[:, 6], events[0, 6] + 9 * HOUR))
    told = []
    for part in (events, events[:stop]):
        data = dataset.Dataset(*dataset.compute(part, SCALE), quotes_of(part))
        folds = training.folds_of(data, training.label(data, config), config)
        told.append((data, training.train_fold(data, training.label(data, config), folds[0],
                                               config)))  # fmt: skip
    (whole, one), (prefix, other) = told
    n = len(prefix.ts)
    assert 0 < n < len(whole.ts)
    assert prefix.rows.tobytes() == whole.rows[:n].tobytes()
    for name in training.TARGETS:
        assert one.predictions[name].tobytes() == other.predictions[name].tobytes()
