"""Labels, validation, metrics and the trading rule against their vectors and by hand."""

import math
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from of_nautilus.decision.gate import DayLedger, GateConfig, check_halt, record_trade
from of_nautilus.model import evaluation, features, labels, metrics, rule, validation
from of_nautilus.model.rule import MINUTE, Action, decide
from tests.conftest import vectors

S = 1_000_000_000


@pytest.fixture(scope="module")
def ml():
    return vectors("v12_ml")


def test_label_vectors(ml) -> None:
    inputs, expected = ml["labels"]["inputs"], ml["labels"]["expected"]
    ts = np.array(inputs["t"], np.int64) * S
    at = np.array(inputs["t0"], np.int64) * S
    columns: list = [inputs["t0"]]
    for h in inputs["h"]:
        returns = labels.forward_returns(ts, np.array(inputs["mid"]), at, h * S, 0)
        columns += [labels.directions(returns), returns]
    for row, told in zip(zip(*columns, strict=True), expected["t0_y1_r1bps_y5_r5bps"], strict=True):
        assert row == pytest.approx(told, rel=1e-9)


def test_a_label_starts_after_the_delay_and_ends_with_the_data() -> None:
    ts = np.array([0, 10, 20, 30], np.int64)
    mid = np.array([100.0, 101.0, 103.0, 104.0])
    at = np.array([0, 5, 10, 15], np.int64)
    found = labels.forward_returns(ts, mid, at, 10, delay=5)
    assert found.tolist()[:3] == pytest.approx([1e4 / 100, 1e4 * 2 / 101, 1e4 * 2 / 101])
    assert found[3] == pytest.approx(1e4 / 103)
    ended = labels.forward_returns(ts, mid, at, 10, delay=5, end=np.array([100, 19, 100, 29]))
    assert np.isnan(ended).tolist() == [False, True, False, True]
    mid[2] = np.nan
    lost = labels.forward_returns(ts, mid, at, 10, delay=5)
    assert np.isnan(lost).tolist() == [False, True, True, True]


def test_triple_barrier_by_hand() -> None:
    ts = np.arange(0, 100, 10, dtype=np.int64)
    mid = np.array([100, 100.01, 100.05, 99.9, 99.9, 99.9, 99.95, 99.94, 99.9, 99.9])
    at = np.array([0, 20, 40], np.int64)
    side, known = labels.triple_barrier(ts, mid, at, 30, np.full(3, 4.9), delay=0)
    assert side.tolist()[:2] == [1.0, 0.0]
    assert known.tolist() == [20, 30, 60]
    side, known = labels.triple_barrier(ts, mid, at[2:], 30, np.full(1, 40.0), delay=0)
    assert np.isnan(side[0])
    assert known[0] == 70


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), min_size=1, max_size=30))
def test_uniqueness_equals_a_count_by_instant(spans) -> None:
    start = np.array([a for a, _ in spans], np.int64)
    end = start + np.array([b for _, b in spans], np.int64)
    alive = [int(((start <= t) & (t < end)).sum()) for t in range(100)]
    slow = [np.mean([1 / alive[t] for t in range(a, b)]) for a, b in zip(start, end, strict=True)]
    assert labels.uniqueness(start, end) == pytest.approx(np.array(slow))


def test_purge_and_walk_forward_vectors(ml) -> None:
    inputs = ml["purge_embargo"]["inputs"]
    kept = validation.purged(
        inputs["n"], tuple(inputs["test"]), inputs["horizon"], inputs["embargo"]
    )
    assert kept.tolist() == ml["purge_embargo"]["expected"]["train"]
    inputs = ml["walk_forward"]["inputs"]
    folds = validation.walk_forward(
        inputs["n"], inputs["train"], inputs["test"], inputs["horizon"], inputs["embargo_gap"]
    )
    ends = [[[int(a[0]), int(a[-1])], [int(b[0]), int(b[-1])]] for a, b in folds]
    assert ends == ml["walk_forward"]["expected"]["folds_train_test_inclusive"]


def test_no_row_trains_that_a_later_part_could_have_seen() -> None:
    ts = np.arange(0, 10_000, 5, dtype=np.int64)
    known, lookback = ts + 300, 300
    folds = validation.session_folds(ts, ts // 1000, known, 4, 1, lookback)
    assert len(folds) == 6
    for fold in folds:
        assert known[fold.train].max() < ts[fold.stop].min() - lookback
        assert known[fold.stop].max() < ts[fold.test].min() - lookback
        assert len(np.unique(ts[fold.test] // 1000)) == 1
    widened = validation.session_folds(ts, ts // 1000, known, 4, 1, lookback, expanding=True)
    assert [int(fold.train[0]) for fold in widened] == [0] * 6


def test_metric_vectors(ml) -> None:
    inputs, told = ml["ic_spearman"]["inputs"], ml["ic_spearman"]["expected"]
    pred, ret = np.array(inputs["pred"]), np.array(inputs["ret"], float)
    assert metrics.information_coefficient(pred, ret) == pytest.approx(told["ic"], abs=1e-12)
    assert metrics.pearson(pred, ret) == pytest.approx(told["pearson"], abs=1e-12)
    inputs, told = ml["hit_rate"]["inputs"], ml["hit_rate"]["expected"]
    p, y = np.array(inputs["p"]), np.array(inputs["y"], float)
    called = metrics.signals(p, inputs["long"], inputs["short"])
    assert called.tolist() == told["signals"]
    hits = metrics.hit_rate(p, y, inputs["long"], inputs["short"])
    assert hits == (pytest.approx(told["hit_rate"]), told["traded"])
    inputs, told = ml["accuracy_significance"]["inputs"], ml["accuracy_significance"]["expected"]
    assert [metrics.accuracy_z(inputs["acc"], n) for n in inputs["n"]] == pytest.approx(told["z"])
    told = ml["sharpe_mdd"]["expected"]
    daily = np.array(ml["sharpe_mdd"]["inputs"]["daily_pnl"])
    assert metrics.sharpe(daily, 1.0) == pytest.approx(told["sharpe_daily"], rel=1e-9)
    assert metrics.sharpe(daily) == pytest.approx(told["sharpe_annual_252"], rel=1e-9)
    assert metrics.max_drawdown(daily) == pytest.approx(told["max_drawdown"])
    assert metrics.losing_days(daily) == told["losing_days"]
    record = ml["break_even_hit_rate"]
    found = [metrics.break_even_hit_rate(*row) for row in record["inputs"]["win_loss_cost_ticks"]]
    assert found == pytest.approx(record["expected"]["p_star"])


def test_rule_vectors(ml) -> None:
    record = ml["trading_rule"]
    found = [
        decide(p1, p5, z, threshold=threshold, extreme=extreme)
        for p1, p5, z, threshold, extreme in record["inputs"]["p1_p5_ofiZ_thr_extreme"]
    ]
    assert found == record["expected"]["action"]
    inputs, told = ml["stop_ticks"]["inputs"], ml["stop_ticks"]["expected"]
    entry = round(inputs["long_entry"] / inputs["tick"])
    assert rule.stop_price(1, entry, 1) * inputs["tick"] == pytest.approx(told["stop"])
    assert rule.stop_price(-1, entry, 1) * inputs["tick"] == pytest.approx(told["short_stop"])
    inputs, told = ml["daily_loss"]["inputs"], ml["daily_loss"]["expected"]
    config = GateConfig(max_daily_loss=0.01)
    ledger = DayLedger(day=0, equity=Decimal(inputs["max_daily_loss"] * 100))
    halted, sums = [], []
    for pnl in inputs["realised"]:
        ledger = check_halt(record_trade(ledger, Decimal(pnl)), Decimal(0), config)
        halted.append(bool(ledger.halt))
        sums.append(ledger.realized)
    assert (halted, sums) == (told["halt_after"], told["cum"])


def test_the_host_has_the_latency_that_it_says_it_has_not() -> None:
    from nautilus_trader.backtest.models import LatencyModel

    told = vectors("v13_execution")["nautilus_latency_default"]["expected"]
    assert LatencyModel().base_latency_nanos == told["base_latency_nanos"]


@pytest.mark.parametrize(
    ("p1", "p5", "z"),
    [
        (0.6, 0.4, 2.0),
        (0.4, 0.6, -2.0),
        (math.nan, 0.5, 2.0),
        (0.6, math.nan, 2.0),
        (0.6, 0.6, 1.0),
    ],
)
def test_the_rule_stays_out(p1: float, p5: float, z: float) -> None:
    assert decide(p1, p5, z) is Action.FLAT


@given(st.integers(0, 64), st.integers(0, 64), st.floats(-6, 6))
def test_the_rule_has_no_side(p1: int, p5: int, z: float) -> None:
    found = decide(p1 / 64, p5 / 64, z, long=0.5, short=0.5)
    mirrored = decide(1 - p1 / 64, 1 - p5 / 64, -z, long=0.5, short=0.5)
    assert found.side == -mirrored.side
    assert ("REVERSION" in found) == ("REVERSION" in mirrored)


def test_exits_come_in_order() -> None:
    assert rule.must_exit(1, 0, 0.9, 5 * MINUTE) == "session"
    assert rule.must_exit(1, 5 * MINUTE, 0.9, 60 * MINUTE) == "time"
    assert rule.must_exit(1, MINUTE, 0.49, 60 * MINUTE) == "model"
    assert rule.must_exit(1, MINUTE - 1, 0.49, 60 * MINUTE) is None
    assert rule.must_exit(-1, MINUTE, 0.49, 60 * MINUTE) is None
    assert rule.stop_price(1, 100, 2) == 97
    assert [rule.may_enter(10 * MINUTE + d) for d in (0, 1)] == [False, True]
    assert rule.pays(-2.0, 0.5, 1.0, 0.4)
    assert not rule.pays(2.0, 0.5, 1.0, 0.5)


def test_metrics_by_hand() -> None:
    p, y = np.array([0.1, 0.4, 0.4, 0.9]), np.array([0.0, 1.0, 0.0, 1.0])
    assert metrics.auc(p, y) == 3.5 / 4
    assert metrics.log_loss(np.full(4, 0.5), y) == pytest.approx(math.log(2))
    assert math.isnan(metrics.auc(p, np.ones(4)))
    assert metrics.hit_rate(p, y, 0.95, 0.05) == (pytest.approx(math.nan, nan_ok=True), 0)
    assert metrics.max_drawdown(np.array([-1.0, -1.0, 5.0])) == 2.0
    mean, t, days = metrics.ic_by_day(
        np.array([1.0, 2, 3, 1, 2, 3]), np.array([1.0, 2, 3, 1, 3, 2]), np.array([0, 0, 0, 1, 1, 1])
    )
    assert (mean, days) == (0.75, 2)
    assert t == pytest.approx(0.75 / (0.25 * math.sqrt(2) / math.sqrt(2)))


def test_fees_are_held_against_what_a_contract_is_worth() -> None:
    trade = SimpleNamespace(
        quantity=2, side=1, lot=1.0, tick=0.25, entry=20_000.0, opened=S, closed=9 * S,
        pnl_ticks=4.0, fees="20", money="180", signals="[[0]]", reason="time",
    )  # fmt: skip
    mids = SimpleNamespace(at=lambda ts: np.full(len(ts), np.nan))
    told = evaluation.summary([trade], [], mids, np.arange(1), "FULL_DAY", 50.0)
    # Two contracts of 50 times 5,000 are worth half a million.
    assert told["fees_paid_bps"] == pytest.approx(0.4)
    assert told["net_bps"]["value"] == pytest.approx(2.0 - 0.4)


def test_a_day_without_a_trade_counts_in_the_sharpe_ratio() -> None:
    rng = np.random.default_rng(1)
    day = 86_400 * S
    traded = np.sort(rng.choice(365, 40, replace=False))
    pnl = rng.normal(3, 10, 40)
    trades: list = [
        SimpleNamespace(
            quantity=1, side=1, lot=1.0, tick=1.0, entry=1e4, opened=int(d) * day + S,
            closed=int(d) * day + 9 * S, pnl_ticks=float(p), fees=0.0, money="0",
            signals="[[0]]", reason="time",
        )
        for d, p in zip(traded, pnl, strict=True)
    ]  # fmt: skip
    mids = SimpleNamespace(at=lambda ts: np.full(len(ts), np.nan))
    results = np.zeros(365)
    results[traded] = pnl
    for session, year in (("FULL_DAY", 365.0), ("00:00-16:00 UTC", 252.0)):
        told = evaluation.summary(trades, [], mids, np.arange(365), session, 1.0)
        assert told["days"] == 365
        for name in ("sharpe_gross", "sharpe_net"):
            assert told[name] == pytest.approx(metrics.sharpe(results, year))
        assert told["losing_days"] == (pnl < 0).sum()
    none = evaluation.summary([], [], mids, np.arange(365), "FULL_DAY", 1.0)
    assert (none["days"], none["losing_days"]) == (365, 0)
    assert math.isnan(none["sharpe_net"])


def test_intervals_cover_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(400):
        ic = metrics.information_coefficient(rng.normal(size=200), rng.normal(size=200))
        covered += metrics.ic_interval(ic, 200).covers(0.0)
    assert 0.92 <= covered / 400 <= 0.98


def test_the_best_of_many_without_skill_is_not_skill() -> None:
    rng = np.random.default_rng(9)
    tried = rng.normal(size=(100, 60))
    best = max(tried, key=lambda daily: metrics.sharpe(daily, 1.0))
    assert metrics.deflated_sharpe(best, 1) > 0.95
    assert metrics.deflated_sharpe(best, 100) < 0.9
    assert metrics.deflated_sharpe(rng.normal(0.6, 1, size=250), 100) > 0.99
    assert math.isnan(metrics.deflated_sharpe(np.array([1.0, 2.0]), 1))


def test_the_table_has_the_features_in_their_groups() -> None:
    groups = [feature.group for feature in features.TABLE]
    counts = {group: groups.count(group) for group in dict.fromkeys(groups)}
    assert list(counts.values()) == [10, 10, 10, 8, 7, 5, 4, 8]
    assert len(set(features.NAMES)) == features.COUNT == 62
    table = features.TABLE
    assert features.table_hash(1, table) != features.table_hash(1, table[::-1])
    assert features.table_hash(1, table) != features.table_hash(2, table)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: labels.forward_returns(np.zeros(1), np.zeros(1), np.zeros(1), 0), "`horizon`"),
        (lambda: labels.forward_returns(np.zeros(1), np.zeros(1), np.zeros(1), 1, -1), "`delay`"),
        (lambda: labels.directions(np.zeros(1), -1.0), "`dead_zone`"),
        (lambda: labels.uniqueness(np.array([1]), np.array([1])), "`end`"),
        (lambda: validation.purged(5, (3, 5), 1), "`test`"),
        (lambda: validation.purged(5, (1, 2), -1), "`horizon`"),
        (lambda: list(validation.walk_forward(5, 0, 1, 1)), "`train`"),
        (lambda: metrics.break_even_hit_rate(0, 1, 0), "`win`"),
        (lambda: metrics.deflated_sharpe(np.ones(5), 0), "`trials`"),
        (lambda: metrics.signals(np.ones(2), 0.4, 0.6), "`short`"),
        (lambda: rule.stop_price(0, 5, 1), "`side`"),
    ],
)
def test_bad_parameters(call, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        call()
