"""Kyle's lambda, Amihud and Roll against vectors and twins that start over each time."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from of_nautilus.core import impact
from tests.conftest import vectors
from tests.naive import impact as naive
from tests.recorded import Trades, bitcoin, nexo
from tests.streams import SECOND, quick, tapes

GRID = 10 * SECOND


def floats(values: list[float]) -> np.ndarray:
    return np.array(values, np.float64)


def close(value: float) -> object:
    return pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True)


@pytest.mark.nojit
def test_kyle_regression() -> None:
    record = vectors("v07_vpin_kyle_amihud")["kyle_lambda"]
    x, y = floats(record["inputs"]["signed_volume"]), floats(record["inputs"]["dP"])
    slope, _, r2 = impact.fit_line(x, y)
    expected = record["expected"]
    assert slope == pytest.approx(expected["lambda_ols"], rel=1e-12)
    assert r2 == pytest.approx(expected["r2"], rel=1e-12)
    through = impact.slope_through_origin(x, y)
    assert through == pytest.approx(expected["lambda_no_intercept"], rel=1e-12)


@pytest.mark.nojit
def test_kyle_streamed_over_the_grid() -> None:
    """The same regression, with each point spread over a grid cell of trades."""
    record = vectors("v07_vpin_kyle_amihud")["kyle_lambda"]
    state, ring = impact.new_kyle(GRID, points=4, least=4)
    # Ticks of 0.01; the mid stands at 100.00.
    mid = 10_000
    impact.step_kyle_mid(state, ring, 0, 2 * mid)
    for i, (volume, change) in enumerate(
        zip(record["inputs"]["signed_volume"], record["inputs"]["dP"], strict=True)
    ):
        side = 1 if volume > 0 else -1
        closed = [
            impact.step_kyle(state, ring, i * GRID + 5, mid, abs(part), side)
            for part in (volume // 2, volume - volume // 2)
        ]
        assert closed == [1 if i else 0, 0]
        mid += round(100 * change)
        impact.step_kyle_mid(state, ring, (i + 1) * GRID - 1, 2 * mid)
        assert math.isnan(state[0].slope)
    assert impact.step_kyle_mid(state, ring, 4 * GRID, 2 * mid + 50) == 1
    expected = record["expected"]
    assert 0.01 * state[0].slope == pytest.approx(expected["lambda_ols"], rel=1e-12)
    assert state[0].r2 == pytest.approx(expected["r2"], rel=1e-12)


@pytest.mark.nojit
def test_hasbrouck() -> None:
    record = vectors("v07_vpin_kyle_amihud")["hasbrouck_lambda"]
    inputs = record["inputs"]
    signed = floats(inputs["signed_volume"])
    roots = np.sign(signed) * np.sqrt(inputs["price"] * np.abs(signed))
    slope = impact.fit_line(roots, floats(inputs["ret_bps"]))[0]
    expected = record["expected"]["lambda_bps_per_sqrt_dollar"]
    assert slope == pytest.approx(expected, rel=1e-12)


@pytest.mark.nojit
@quick
@given(tapes(60, price=600_000), st.sampled_from([(3, 3), (8, 4), (30, 20)]))
def test_kyle_matches_the_twin(trades: Trades, sizes: tuple[int, int]) -> None:
    points, least = sizes
    state, ring = impact.new_kyle(GRID, points, least)
    rows = trades.rows()
    slopes = []
    for i, (ts, price, size, side) in enumerate(rows):
        impact.step_kyle_mid(state, ring, ts, 2 * price)
        impact.step_kyle(state, ring, ts, price, size, side)
        kyle = state[0]
        slopes.append(float(kyle.slope))
        if i % 7 and i + 1 < len(rows):
            continue
        (slope, intercept, _), root_slope = naive.kyle(rows[: i + 1], GRID, points, least)
        assert kyle.slope == close(slope)
        assert kyle.intercept == close(intercept)
        assert kyle.root_slope == close(root_slope)
    other, other_ring = impact.new_kyle(GRID, points, least)
    assert str(impact.run_kyle(other, other_ring, *trades).tolist()) == str(slopes)
    assert (state.tobytes(), ring.tobytes()) == (other.tobytes(), other_ring.tobytes())


@pytest.mark.nojit
def test_long_silence_leaves_no_variation() -> None:
    state, ring = impact.new_kyle(GRID, 5, 3)
    impact.step_kyle_mid(state, ring, 0, 200)
    for i in range(4):
        impact.step_kyle(state, ring, i * GRID, 100, 1 + i, 1)
    assert state[0].slope == 0.0
    impact.step_kyle(state, ring, 10**6 * GRID, 100, 1, 1)
    assert math.isnan(state[0].slope)
    assert state[0].points == 5


@pytest.mark.nojit
def test_no_points_before_the_first_mid() -> None:
    state, ring = impact.new_kyle(GRID, 5, 3)
    for i in range(9):
        impact.step_kyle(state, ring, i * GRID, 100, 1 + i, 1)
    assert state[0].points == 0


@pytest.mark.nojit
def test_amihud() -> None:
    record = vectors("v07_vpin_kyle_amihud")["amihud"]
    inputs = record["inputs"]
    found = impact.illiquidity(floats(inputs["abs_ret"]), floats(inputs["dollar_volume"]))
    assert found == pytest.approx(record["expected"]["illiq_x1e6"], rel=1e-12)
    assert math.isnan(impact.illiquidity(floats([0.1]), floats([0.0])))


@pytest.mark.nojit
@quick
@given(
    st.lists(st.tuples(st.integers(90, 110), st.sampled_from([0, 1, 500, 10**12])), max_size=30),
    st.sampled_from([1, 3, 10]),
)
def test_amihud_matches_the_twin(bars: list[tuple[int, int]], window: int) -> None:
    state, ring = impact.new_amihud(window)
    found = [impact.step_amihud(state, ring, *bar) for bar in bars]
    for i, value in enumerate(found):
        assert value == close(naive.amihud(bars[: i + 1], window))
    table = np.array(bars, np.int64).reshape(-1, 2)
    batch = impact.run_amihud(*impact.new_amihud(window), table[:, 0].copy(), table[:, 1].copy())
    assert str(batch.tolist()) == str(found)


@pytest.mark.nojit
def test_roll() -> None:
    record = vectors("v07_vpin_kyle_amihud")["roll"]
    changes = record["inputs"]["dP_ticks"]
    prices = np.cumsum([1000, *changes])
    state, ring = impact.new_roll(len(changes))
    spread = impact.run_roll(state, ring, prices)[-1]
    expected = record["expected"]
    covariance = impact.serial_covariance(state[0], len(ring))
    assert covariance == pytest.approx(expected["serial_cov"], rel=1e-12)
    assert spread == pytest.approx(expected["roll_spread"], rel=1e-12)


@pytest.mark.nojit
@quick
@given(tapes(60), st.sampled_from([3, 4, 15]))
def test_roll_matches_the_twin(trades: Trades, window: int) -> None:
    prices = trades.price.tolist()
    found = impact.run_roll(*impact.new_roll(window), trades.price).tolist()
    for i, value in enumerate(found):
        assert value == close(naive.roll(prices[: i + 1], window))
    state, ring = impact.new_roll(window)
    assert str([impact.step_roll(state, ring, price) for price in prices]) == str(found)


@pytest.mark.parametrize("market", [bitcoin, nexo])
def test_recorded_markets(real_data: Path, market) -> None:
    trades = market(real_data)[0].first(3000)
    state, ring = impact.new_kyle(SECOND, 30, 20)
    slopes = impact.run_kyle(state, ring, *trades)
    (slope, intercept, r2), root_slope = naive.kyle(trades.rows()[-2500:], SECOND, 30, 20)
    assert state[0].slope == close(slope)
    assert slopes[-1] == state[0].slope or math.isnan(slope)
    assert state[0].intercept == close(intercept)
    assert state[0].r2 == close(r2)
    assert state[0].root_slope == close(root_slope)
    spread = impact.run_roll(*impact.new_roll(300), trades.price)[-1]
    assert spread == close(naive.roll(trades.price.tolist(), 300))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: impact.new_kyle(0), "`grid` must be >= 1, was 0"),
        (lambda: impact.new_kyle(points=2), "`points` must be >= 3, was 2"),
        (lambda: impact.new_kyle(least=31), "`least` must be in 3 to 30, was 31"),
        (lambda: impact.new_amihud(0), "`window` must be >= 1, was 0"),
        (lambda: impact.new_roll(2), "`window` must be >= 3, was 2"),
    ],
)
def test_bad_parameters(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
