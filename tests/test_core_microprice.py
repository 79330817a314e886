"""The micro-price against the two-state vector, a simulated market, and a recorded one."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from of_nautilus.core import microprice as micro
from tests.conftest import vectors
from tests.test_core_book import recorded


def counted(quotes: np.ndarray) -> np.ndarray:
    state = micro.new_micro_counts()
    micro.run_micro_counts(state, *np.ascontiguousarray(quotes.T))
    return state


def test_two_states() -> None:
    record = vectors("v06_book")["microprice_two_state"]
    given_, expected = record["inputs"], record["expected"]
    first, after, total = micro.solve(
        np.array(given_["Q_no_move"]),
        np.array(given_["R_expected_move_first_step"]),
        np.array(given_["T_move"]),
    )
    np.testing.assert_allclose(first, expected["G1"], atol=1e-12)
    np.testing.assert_allclose(after, expected["B"], atol=1e-12)
    np.testing.assert_allclose(total, expected["G_star"], atol=1e-9)


@pytest.mark.nojit
@settings(deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(-2, 5))
def test_states(bid_lots: int, ask_lots: int, spread: int) -> None:
    state = micro.state_of(100, bid_lots, 100 + spread, ask_lots)
    if not (bid_lots and ask_lots and 1 <= spread <= 3):
        assert state == -1
        return
    share = bid_lots / (bid_lots + ask_lots)
    bucket = [share < (i + 1) / 10 - 1e-12 for i in range(9)]
    assert state == 10 * (spread - 1) + (bucket.index(True) if any(bucket) else 9)


def naive_table(quotes: np.ndarray, moves: int = 4_000) -> np.ndarray:
    """G* by its meaning: the expected sum of moves, one expected move after the other."""
    chain: dict[int, list[tuple[int, float]]] = {}
    for before, after in pairwise(quotes):
        for b, a in ((before, after), (mirrored(before), mirrored(after))):
            x, y = micro.state_of(*b), micro.state_of(*a)
            if x >= 0 and y >= 0:
                chain.setdefault(x, []).append((y, (a[0] + a[2] - b[0] - b[2]) / 2))
    total = np.zeros(micro.STATES)
    step = np.zeros((micro.STATES, micro.STATES))
    drift = np.zeros(micro.STATES)
    for x, exits in chain.items():
        for y, move in exits:
            step[x, y] += 1 / len(exits)
            drift[x] += move / len(exits)
    # The sum over all steps, still ones included, of what each is expected to move.
    for _ in range(moves):
        total += drift
        drift = step @ drift
    total[[x not in chain for x in range(micro.STATES)]] = np.nan
    return total


def mirrored(quote: np.ndarray) -> tuple[int, int, int, int]:
    bid, bid_lots, ask, ask_lots = (int(value) for value in quote)
    # An even split falls on an edge of buckets; its mirror image falls on the other side of it.
    if bid_lots * 10 % (bid_lots + ask_lots) == 0:
        bid_lots, ask_lots = 10 * bid_lots + 1, 10 * ask_lots - 1
    return -ask, ask_lots, -bid, bid_lots


def market(n: int = 20_000, seed: int = 4) -> np.ndarray:
    """Quotes of a market that follows its heavier queue; spreads of 1 to 3 ticks."""
    random = np.random.default_rng(seed)
    quotes, bid = [], 1_000
    for _ in range(n):
        bid_lots, ask_lots = (int(q) for q in random.integers(1, 1_000, 2))
        quotes.append((bid, bid_lots, bid + int(random.integers(1, 4)), ask_lots))
        if random.random() < 0.4:
            bid += 1 if random.random() < bid_lots / (bid_lots + ask_lots) else -1
    return np.array(quotes, np.int64)


def test_fit_agrees_with_the_expected_sum_of_moves() -> None:
    quotes = market()
    table = micro.fit_micro_price(counted(quotes))
    np.testing.assert_allclose(table, naive_table(quotes), atol=1e-9)
    by_spread = table.reshape(3, 10)
    assert (np.diff(by_spread, axis=1) > 0).mean() > 0.9, "a heavier bid pushes up"
    np.testing.assert_allclose(by_spread, -by_spread[:, ::-1], atol=1e-9)


def test_recorded_market(real_data: Path) -> None:
    _, tickers, _ = recorded(real_data / "binance" / "usdm_btcusdt_20240808.gz")
    quotes = np.array([tickers[u] for u in sorted(tickers)][:15_000], np.int64)
    table = micro.fit_micro_price(counted(quotes))
    one_tick = table[:10]
    assert np.isfinite(one_tick).all()
    assert (np.diff(one_tick) > 0).all()
    assert (one_tick[9], one_tick[0]) == (pytest.approx(-one_tick[0]), pytest.approx(-one_tick[9]))
    np.testing.assert_allclose(one_tick, naive_table(quotes, 20_000)[:10], atol=1e-6)


@pytest.mark.nojit
def test_apply() -> None:
    table = micro.unfitted()
    assert micro.micro_price_of(table, 100, 30, 101, 10) == (100.75, False)
    table[7] = 0.125
    assert micro.micro_price_of(table, 100, 30, 101, 10) == (100.625, True)
    assert micro.micro_price_of(table, 100, 30, 105, 10) == (103.75, False)
    price, fitted = micro.micro_price_of(table, 100, 0, 105, 10)
    assert np.isnan(price)
    assert not fitted


@pytest.mark.nojit
def test_stream_counts_what_the_batch_counts() -> None:
    quotes = market(200)
    one, many = micro.new_micro_counts(), counted(quotes)
    for quote in quotes.tolist():
        micro.step_micro_counts(one, *quote)
    assert one.tobytes() == many.tobytes()
    assert many[0].books == 199
    assert many[0].still.sum() + many[0].moved.sum() == 199


@pytest.mark.nojit
def test_nothing_is_counted_across_a_gap() -> None:
    state = micro.new_micro_counts()
    for trusted, epoch, books in ((1, 1, 0), (1, 1, 1), (1, 2, 1), (0, 2, 1), (1, 2, 1), (1, 2, 2)):
        micro.add_quote(state[0], 100, 5, 101, 5, trusted, epoch)
        assert state[0].books == books


def test_what_cannot_be_fitted() -> None:
    still = np.array([[100, 5, 101, 5]] * 5)
    assert np.isnan(micro.fit_micro_price(counted(still))).all()
    with pytest.raises(ValueError, match="`still` must let the mid move"):
        micro.solve(np.eye(2), np.zeros(2), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="the moves must sum to a limit"):
        micro.solve(np.zeros((2, 2)), np.ones(2), np.full((2, 2), 0.5))
