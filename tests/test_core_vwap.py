"""VWAP, bands and the deviation signal against vectors and fractions."""

import math
import random
from pathlib import Path

import pytest
from hypothesis import given

from of_nautilus.core import vwap as vwap_
from tests.conftest import vectors
from tests.naive import profile as naive
from tests.recorded import Trades, bitcoin, columns, nexo
from tests.streams import quick, tapes


def readings(trades: Trades) -> list[tuple[float, float]]:
    found = vwap_.run_vwap(vwap_.new_vwap(), trades.ts, trades.price, trades.size)
    return list(zip(*(line.tolist() for line in found), strict=True))


@pytest.mark.nojit
def test_bands() -> None:
    record = vectors("v04_vwap")["vwap_bands"]
    rows = [(0, int(price), size, 1) for price, size in record["inputs"]["price_qty"]]
    found = readings(columns(rows))
    expected = record["expected"]
    assert [average for average, _ in found] == pytest.approx(expected["vwap"], rel=1e-12)
    assert [sigma for _, sigma in found] == pytest.approx(expected["sigma"], rel=1e-9)
    average, sigma = found[-1]
    for k, band in expected["bands_last"].items():
        assert average + int(k) * sigma == pytest.approx(band, rel=1e-9)


@pytest.mark.nojit
def test_deviation_signal() -> None:
    record = vectors("v04_vwap")["vwap_deviation_signal"]
    least = record["inputs"]["large_ratio_min"]
    found = [
        vwap_.DeviationSignal(vwap_.deviation_signal(*row, least)).name
        for row in record["inputs"]["price_vwap_buy_sell_largeRatio"]
    ]
    assert found == record["expected"]["signal"]
    assert vwap_.deviation_signal(101, math.nan, 60, 40, 0.2) == 0
    assert vwap_.deviation_signal(101, 100, 60, 40, 0.1) == 1


def test_distance() -> None:
    record = vectors("v04_vwap")["vwap_distance"]
    inputs = record["inputs"]
    found = vwap_.distance_from_vwap(inputs["price"], inputs["vwap"])
    assert found == pytest.approx(record["expected"]["spec_(p-vwap)/vwap"], rel=1e-12)


@pytest.mark.nojit
def test_large_prices_do_not_cancel() -> None:
    record = vectors("v04_vwap")["vwap_variance_cancellation"]
    rng = random.Random(1)
    # Ticks of 0.01: 100,000.00 is 10,000,000.
    rows = [(0, 10_000_000 + rng.choice([0, 1, 2]), 1, 1) for _ in range(1000)]
    variance = readings(columns(rows))[-1][1] ** 2 * 1e-4
    expected = record["expected"]
    assert variance == pytest.approx(expected["two_pass"], rel=record["tol"])
    assert abs(variance / expected["naive_E[x2]-E[x]2"] - 1) > 0.005
    _, exact = naive.vwap(rows)
    assert variance == pytest.approx(float(exact) * 1e-4, rel=1e-14)


@pytest.mark.nojit
@quick
@given(tapes(40, least=1))
def test_matches_fractions(trades: Trades) -> None:
    rows = trades.rows()
    for i, (average, sigma) in enumerate(readings(trades)):
        mean, variance = naive.vwap(rows[: i + 1])
        assert average == pytest.approx(float(mean), rel=1e-15, abs=1e-12)
        assert sigma == pytest.approx(naive.root(variance), rel=1e-12, abs=1e-12)


@pytest.mark.nojit
@quick
@given(tapes(30, least=1))
def test_order_of_trades_does_not_matter(trades: Trades) -> None:
    """Among trades with one first price the reading is the same to the last bit."""
    rows = trades.rows()
    turned = [rows[0], *rows[:0:-1]]
    assert readings(columns(rows))[-1] == readings(columns(turned))[-1]


@pytest.mark.nojit
def test_far_from_the_first_price() -> None:
    """A tight market a million ticks away from where the session opened."""
    rows = [(0, 5_000_000, 1, 1)] + [(0, 6_000_000 + i % 2, 10**6, 1) for i in range(500)]
    _, variance = naive.vwap(rows)
    assert readings(columns(rows))[-1][1] == pytest.approx(naive.root(variance), rel=1e-12)
    down = [(0, -price, size, side) for _, price, size, side in rows]
    assert readings(columns(down))[-1][1] == readings(columns(rows))[-1][1]


@pytest.mark.nojit
def test_empty_and_anew() -> None:
    state = vwap_.new_vwap()
    assert all(math.isnan(value) for value in vwap_.read_vwap(state[0]))
    vwap_.step_vwap(state, 7, 100, 5)
    vwap_.next_vwap(state)
    assert all(math.isnan(value) for value in vwap_.read_vwap(state[0]))
    vwap_.step_vwap(state, 9, 50, 5)
    assert vwap_.read_vwap(state[0]) == (50.0, 0.0)
    assert state[0].anchor_ts == 9


@pytest.mark.parametrize("market", [bitcoin, nexo])
def test_recorded_markets(real_data: Path, market) -> None:
    trades = market(real_data)[0]
    average, sigma = readings(trades)[-1]
    mean, variance = naive.vwap(trades.rows())
    assert average == pytest.approx(float(mean), rel=1e-15)
    assert sigma == pytest.approx(naive.root(variance), rel=1e-13)
