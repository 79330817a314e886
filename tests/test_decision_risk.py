"""Stops, targets, cost gate and sizes: vectors, rounding, edges."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from of_nautilus.decision.risk import (
    Market,
    Refusal,
    RiskConfig,
    check_stops,
    frame_stops,
    level_stops,
    percent_stops,
    position_size,
)
from tests.conftest import vectors

TICK = Decimal("0.1")
SOURCE = RiskConfig(stops="frame", min_rr=0.0, max_cost_r=None)


def ticks(price: float | str) -> int:
    return int(Decimal(str(price)) / TICK)


def prices(pair: tuple[int, int]) -> list[float]:
    return [float(t * TICK) for t in pair]


def test_stop_vectors() -> None:
    record = vectors("v09_composite")["sl_tp"]
    inputs, expected = record["inputs"], record["expected"]
    val, vah, entry = (ticks(inputs[name]) for name in ("val", "vah", "entry"))
    for side, name in ((1, "long"), (-1, "short")):
        stop, target = frame_stops(side, val, vah)
        assert prices((stop, target)) == expected[f"{name}_bias"]
        rr = abs(target - entry) / abs(entry - stop)
        assert rr == pytest.approx(expected[f"rr_{name}_bias"], abs=1e-9)
        rounded = expected[f"{name}_nobias_rounded_tick0.1"]
        assert prices(percent_stops(side, entry)) == pytest.approx(rounded, abs=1e-9)
        # On a fine enough tick the rule itself shows.
        fine = [p / 10_000 for p in percent_stops(side, entry * 1_000)]
        assert fine == pytest.approx(expected[f"{name}_nobias"], abs=1e-9)
        assert (fine[1] - 17846) / (17846 - fine[0]) == pytest.approx(expected["rr_nobias"])


def test_invalid_stop_vectors() -> None:
    record = vectors("v09_composite")["sl_tp_invalid"]
    for case, accepted, reason in zip(
        record["inputs"]["cases"],
        record["expected"]["accept"],
        record["expected"]["reason"],
        strict=True,
    ):
        side = 1 if case["d"] == "LONG" else -1
        entry = ticks(case["entry"])
        stop, target = frame_stops(side, ticks(case["val"]), ticks(case["vah"]))
        refusal = check_stops(side, entry, stop, target, 0, SOURCE)
        assert (refusal is None) is accepted
        assert refusal is not None
        wanted = "stop_side" if reason.startswith("SL") else "target_side"
        assert refusal.reason == wanted
        assert dict(refusal.numbers) == {"entry": entry, "stop": stop, "target": target}


@given(
    side=st.sampled_from([1, -1]),
    entry=st.integers(1_000, 10**9),
    offset=st.integers(-50, 50),
    r1=st.floats(1.0, 200.0),
    cost=st.integers(0, 300),
    targets=st.lists(st.integers(-5_000, 5_000), max_size=6),
    min_rr=st.floats(0.0, 3.0),
)
def test_level_stops_hold_their_rule(side, entry, offset, r1, cost, targets, min_rr) -> None:  # type: ignore[no-untyped-def]
    level = entry + offset
    candidates = [entry + t for t in targets]
    stop, target = level_stops(side, entry, level, r1, cost, candidates, min_rr)
    risk = side * (entry - stop)
    assert risk >= 2 * r1 - 1e-6
    assert risk >= 3 * cost
    assert side * (level - stop) >= 0.5 * r1 - 1e-6
    # One tick nearer would break one of the three.
    near = stop + side
    assert side * (entry - near) < max(2 * r1, 3 * cost) or side * (level - near) < 0.5 * r1 + 1e-6
    assert side * (target - entry) > 0
    if target in candidates:
        nearer = [c for c in candidates if 0 < side * (c - entry) < side * (target - entry)]
        assert all(side * (c - entry) < min_rr * risk for c in nearer)
    else:
        assert target == entry + 2 * side * risk


def test_level_stops_mirror() -> None:
    long = level_stops(1, 1000, 998, 7.5, 2, [1020, 1050])
    short = level_stops(-1, -1000, -998, 7.5, 2, [-1020, -1050])
    assert short == (-long[0], -long[1])
    assert percent_stops(-1, 178_463)[0] == 178_999  # 178,998.389 rounded away from the entry


def test_rounding_of_percent_targets() -> None:
    # 0.6% of 250 is 1.5 ticks: the half goes toward the entry on both sides.
    assert percent_stops(1, 250) == (249, 251)
    assert percent_stops(-1, 250) == (251, 249)


def test_gates() -> None:
    config = RiskConfig(min_rr=1.0, max_cost_r=0.25)
    assert check_stops(1, 100, 90, 110, 2, config) is None
    low_reward = check_stops(1, 100, 90, 109, 0, config)
    assert low_reward == Refusal("reward_to_risk", (("reward_to_risk", 0.9), ("min_rr", 1.0)))
    costly = check_stops(-1, 100, 110, 80, 3, config)
    assert costly is not None
    assert costly.reason == "cost"
    assert check_stops(-1, 100, 108, 80, 2, config) is None  # exactly a quarter


def test_cost_rounds_up() -> None:
    market = Market(fee_rate=0.001, fee_ticks=0.2)
    assert market.cost(10_000, 1.0) == 12
    assert Market(fee_rate=0.001).cost(10_000, 1.0) == 11
    assert Market().cost(10_000, 0.0) == 0


def test_risk_size() -> None:
    market = Market(tick_value=Decimal("0.0001"), max_qty=5_000)
    config = RiskConfig(risk_fraction=0.01)
    # 1% of 1,000 over 30 ticks of 0.0001 a lot: 3,333.33 lots.
    assert position_size(618_000, 617_970, Decimal(1_000), market, config) == 3_333
    assert position_size(618_000, 617_999, Decimal(1_000), market, config) == 5_000
    broke = position_size(618_000, 617_999, Decimal(0), market, config)
    assert broke == Refusal("no_equity", (("equity", 0.0),))
    small = position_size(618_000, 617_000, Decimal("9.99"), market, config)
    assert small == Refusal("min_qty", (("qty", 0), ("min_qty", 1)))


def test_fixed_size() -> None:
    config = RiskConfig(sizing="fixed", fixed_qty=20)
    equity = Decimal(0)
    assert position_size(100, 90, equity, Market(), config) == 20
    over = position_size(100, 90, equity, Market(max_qty=10), config)
    assert over == Refusal("max_qty", (("qty", 20), ("max_qty", 10)))
    under = position_size(100, 90, equity, Market(min_qty=21), config)
    assert under == Refusal("min_qty", (("qty", 20), ("min_qty", 21)))
    poor = position_size(100, 90, equity, Market(min_notional=Decimal(2_001)), config)
    assert poor == Refusal("min_notional", (("notional", 2000.0), ("min_notional", 2001.0)))


@given(
    distance=st.integers(1, 10_000),
    equity=st.integers(1, 10**9),
    fraction=st.sampled_from([0.001, 0.005, 0.01, 0.1, 1.0]),
)
def test_size_never_risks_more_than_allowed(distance: int, equity: int, fraction: float) -> None:
    market = Market(tick_value=Decimal("0.00025"))
    config = RiskConfig(risk_fraction=fraction)
    size = position_size(50_000, 50_000 - distance, Decimal(equity), market, config)
    at_risk = Decimal(equity) * Decimal(str(fraction))
    per_lot = distance * market.tick_value
    if isinstance(size, Refusal):
        assert per_lot > at_risk
    else:
        assert size * per_lot <= at_risk < (size + 1) * per_lot


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: RiskConfig(stops="none"), "`stops`"),
        (lambda: RiskConfig(min_rr=-1), "`min_rr`"),
        (lambda: RiskConfig(max_cost_r=0), "`max_cost_r`"),
        (lambda: RiskConfig(sizing="all"), "`sizing`"),
        (lambda: RiskConfig(fixed_qty=0), "`fixed_qty`"),
        (lambda: RiskConfig(risk_fraction=1.5), "`risk_fraction`"),
        (lambda: Market(tick_value=Decimal(0)), "`tick_value`"),
        (lambda: Market(min_qty=0), "`min_qty`"),
        (lambda: Market(max_qty=0), "`max_qty`"),
        (lambda: Market(fee_rate=-0.1), "`fee_rate`"),
        (lambda: frame_stops(0, 1, 2), "`side`"),
        (lambda: level_stops(1, 10, 10, 0.0, 0), "`r1`"),
        (lambda: level_stops(1, 10, 10, 1.0, -1), "`cost`"),
        (lambda: position_size(10, 10, Decimal(1), Market(), RiskConfig()), "`stop`"),
    ],
)
def test_bad_parameters(call, name: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=name):
        call()
