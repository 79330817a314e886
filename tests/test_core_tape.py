"""Aggressors, parent orders, large sizes and bulk classification against vectors and twins."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from of_nautilus.core import bvc, large_trades, parents, tape
from of_nautilus.core.record import Ints
from tests.conftest import vectors
from tests.naive import tape as naive
from tests.recorded import Trades, bitcoin, nexo, sides
from tests.streams import quick, tapes

NONE = np.empty(0, np.int64)
SIDE_NAMES = {"BUYER": 1, "SELLER": -1}


def signs(prices: list[int], quotes: list[list[int]] | None = None) -> list[int]:
    """Sides of trades at times 0, 1, ..., each after its quote."""
    state, ring = tape.new_tape()
    result = []
    for ts, price in enumerate(prices):
        if quotes:
            assert tape.step_quote(state, ring, ts, *quotes[ts]) == 0
        result.append(int(tape.step_tape(state, ring, ts, price, 0)))
    return result


@pytest.mark.nojit
def test_tick_rule() -> None:
    record = vectors("v01_classification")["tick_rule"]
    assert signs(record["inputs"]["prices_ticks"]) == record["expected"]["sign"]


@pytest.mark.nojit
@pytest.mark.parametrize("name", ["lee_ready", "seed001_inside_spread_drop"])
def test_lee_ready(name: str) -> None:
    record = vectors("v01_classification")[name]
    rows = record["inputs"]["price_bid_ask_ticks"]
    expected = record["expected"].get("sign") or record["expected"]["lee_ready"]
    assert signs([row[0] for row in rows], [row[1:] for row in rows]) == expected


@pytest.mark.nojit
def test_flag_comes_first_and_its_signs() -> None:
    record = vectors("v01_classification")["aggressor_map"]
    flags = {
        "binance": [-1 if row["m"] else 1 for row in record["inputs"]["binance_aggTrade"]],
        "bybit": [1 if row["S"] == "Buy" else -1 for row in record["inputs"]["bybit_publicTrade"]],
        # The direction is that of the resting order that was executed.
        "lobster": [-direction for direction in record["inputs"]["lobster_exec_direction"]],
    }
    for venue, names in record["expected"].items():
        state, ring = tape.new_tape()
        tape.step_quote(state, ring, 0, 99, 101)
        # The price is at the bid: the quote rule alone would call each a sale.
        found = [tape.step_tape(state, ring, 0, 99, flag) for flag in flags[venue]]
        assert found == [SIDE_NAMES[name] for name in names]
        assert state[0].by_flag == 2


@pytest.mark.nojit
@quick
@given(tapes(30), tapes(30), st.sampled_from([0, 1, 1_500_000_000]))
def test_sides_match_the_twin(trades: Trades, quotes: Trades, lag: int) -> None:
    # Sizes of the second tape serve as spreads: 1 is locked.
    ask = quotes.price + quotes.size % 4 - 1
    flag = trades.side * (trades.size % 2).astype(np.int8)
    found = tape.classify_trades(
        trades.ts, trades.price, flag, quotes.ts, quotes.price, ask, quote_lag=lag
    )
    rows = list(zip(trades.ts.tolist(), trades.price.tolist(), flag.tolist(), strict=True))
    books = list(zip(quotes.ts.tolist(), quotes.price.tolist(), ask.tolist(), strict=True))
    assert found.tolist() == naive.sides(rows, books, lag)


@pytest.mark.nojit
def test_ring_of_quotes_grows_for_a_long_lag() -> None:
    ts = np.arange(1000, dtype=np.int64)
    bid = np.where(ts < 500, 100, 200)
    at = np.array([800, 999])
    price = np.array([150, 150])
    found = tape.classify_trades(at, price, sides([0, 0]), ts, bid, bid + 2, quote_lag=400)
    assert found.tolist() == [1, -1]


@pytest.mark.nojit
@pytest.mark.parametrize("lag", [0, 400_000_000])
def test_a_trade_after_many_newer_quotes_meets_the_one_of_its_own_time(lag: int) -> None:
    state, ring = tape.new_tape(quote_lag=lag, capacity=4)
    for price in (100, 101):  # up, says the tick rule
        tape.step_tape(state, ring, 0, price, 0)
    for k in range(1_000):
        bid = 100 if k < 500 else 90
        while tape.step_quote(state, ring, k * 1_000_000, bid, bid + 4) < 0:
            ring = tape.grow_quotes(state, ring)
    assert tape.step_tape(state, ring, 499_000_000 + lag, 101, 0) == -1
    assert tape.step_tape(state, ring, 500_000_000 + lag, 101, 0) == 1
    assert state[0].by_quote == 2


def test_quotes_of_one_time_without_end_are_not_all_kept() -> None:
    state, ring = tape.new_tape()
    at = np.zeros(200_000, np.int64)
    quotes = at, at + 100, at + 102
    trade = np.zeros(1, np.int64), np.full(1, 100, np.int64), sides([0])
    found = sides([0])
    while not tape.run_tape(state, ring, *trade, *(q[state[0].quotes :] for q in quotes), found):
        ring = tape.grow_quotes(state, ring)
    assert len(ring) == tape.LATE_QUOTES
    assert state[0].quotes == len(at)


@pytest.mark.nojit
def test_sessions_and_unknown_sides() -> None:
    for forgets in (False, True):
        state, ring = tape.new_tape(reset_on_session=forgets)
        tape.step_tape(state, ring, 0, 100, 0)
        tape.step_tape(state, ring, 1, 101, 0)
        tape.next_session(state)
        assert tape.step_tape(state, ring, 2, 101, 0) == (0 if forgets else 1)
        assert state[0].unknown == (2 if forgets else 1)
        assert state[0].by_tick == (1 if forgets else 2)


def test_flag_alone_leaves_the_rest_unknown() -> None:
    state, ring = tape.new_tape(tape.Classification.FLAG)
    tape.step_quote(state, ring, 0, 100, 102)
    assert [tape.step_tape(state, ring, 1, 102, flag) for flag in (0, 1)] == [0, 1]
    state, ring = tape.new_tape(tape.Classification.TICK_RULE)
    tape.step_quote(state, ring, 0, 100, 102)
    assert [tape.step_tape(state, ring, 1, price, 0) for price in (102, 101)] == [0, -1]


def assert_parents(found: np.ndarray, expected: list[dict[str, int]]) -> None:
    assert len(found) == len(expected)
    for row, twin in zip(found, expected, strict=True):
        assert {name: int(row[name]) for name in twin} == twin


@pytest.mark.nojit
@quick
@given(tapes(60), st.lists(st.integers(1, 2), min_size=60, max_size=60))
def test_parents_match_the_twin(trades: Trades, steps: list[int]) -> None:
    assert_parents(parents.parent_orders(*trades), naive.parents(trades.rows()))
    ids = np.cumsum(steps)[: len(trades.ts)]
    found = parents.parent_orders(*trades, trade_id=ids)
    assert_parents(found, naive.parents(trades.rows(), ids.tolist()))


@pytest.mark.nojit
@quick
@given(tapes(40))
def test_parents_one_by_one_are_the_batch(trades: Trades) -> None:
    state, done = parents.new_parent(), parents.new_parent()
    completed = [done.copy() for row in trades.rows() if parents.step_parent(state, done, *row)]
    batch = parents.parent_orders(*trades)
    assert b"".join(row.tobytes() for row in completed) == batch[:-1].tobytes()
    assert len(trades.ts) == 0 or state.tobytes() == batch[-1:].tobytes()


@pytest.mark.nojit
def test_a_parent_stays_at_its_venue() -> None:
    state, done = parents.new_parent(), parents.new_parent()
    prints = [(1, 100, 5, 1, 7), (1, 100, 5, 1, 8), (1, 100, 5, 1, 8)]
    closes = [
        parents.step_parent(state, done, ts, price, size, side, venue)
        for ts, price, size, side, venue in prints
    ]
    assert closes == [False, True, False]
    assert state[0].lots == 10


def test_parents_of_a_recorded_session(real_data: Path) -> None:
    trades, ids = bitcoin(real_data)
    found = parents.parent_orders(*trades)
    assert len(trades.ts) == found["prints"].sum() == 21_313
    assert trades.size.sum() == found["lots"].sum()
    # In one millisecond in a hundred both sides alternate: an order ends where the other begins.
    assert len(set(zip(trades.ts.tolist(), trades.side.tolist(), strict=True))) == 5_374
    assert len(found) == 5_436
    few = trades.first(1500)
    assert_parents(
        parents.parent_orders(*few, trade_id=ids[:1500]),
        naive.parents(few.rows(), ids[:1500].tolist()),
    )


def quantiles(size: Ints, quantile: float, window: int) -> list[float]:
    found, large = large_trades.run_size_quantile(
        *large_trades.new_size_quantile(quantile, window), size
    )
    assert large.tolist() == (size > found).tolist()
    state, ring, top = large_trades.new_size_quantile(quantile, window)
    at_once = np.empty(len(size), np.int8)
    large_trades.add_sizes(state[0], ring, top, size, at_once)
    assert at_once.tolist() == large.tolist()
    return found.tolist()


@pytest.mark.nojit
@quick
@given(
    st.lists(st.one_of(st.integers(1, 4), st.integers(1, 10**9)), max_size=120),
    st.sampled_from([0.05, 0.5, 0.8, 0.95, 0.999]),
    st.sampled_from([2, 3, 7, 20, 40]),
)
def test_trailing_quantile_is_exact(sizes: list[int], quantile: float, window: int) -> None:
    values = np.array(sizes, np.int64)
    found = quantiles(values, quantile, window)
    assert str(found) == str(naive.trailing_quantile(values, quantile, window))


@pytest.mark.parametrize("kind", ["rising", "falling", "waves", "equal"])
def test_trailing_quantile_when_its_ordered_part_runs_short_or_over(kind: str) -> None:
    n = 3000
    values = {
        "rising": np.arange(n),
        "falling": np.arange(n, 0, -1),
        "waves": (1000 + 900 * np.sin(np.arange(n) / 50)).astype(np.int64),
        "equal": np.full(n, 7),
    }[kind]
    found = quantiles(values, 0.9, 100)
    assert str(found) == str(naive.trailing_quantile(values, 0.9, 100))


def test_trailing_quantile_of_recorded_parents(real_data: Path) -> None:
    trades, _ = bitcoin(real_data)
    lots = parents.parent_orders(*trades)["lots"].astype(np.int64)
    found = quantiles(lots, 0.95, 1000)
    assert str(found) == str(naive.trailing_quantile(lots, 0.95, 1000))
    large = np.mean(lots[1000:] > np.array(found[1000:]))
    assert 0.02 < large < 0.10


@pytest.mark.nojit
def test_bulk_volume() -> None:
    records = vectors("v01_classification")
    for name in ("bvc_normal", "bvc_student_t_df1_closed_form", "bvc_zero_sigma"):
        inputs, expected = records[name]["inputs"], records[name]["expected"]
        sigma, freedom = inputs["sigma_dP"], inputs.get("df", 0.0)
        rows = zip(inputs["volume"], inputs["dP"], strict=True)
        buy = [v * bvc.bought_share(change, sigma, freedom) for v, change in rows]
        assert buy == pytest.approx(expected["buy"], rel=1e-12, abs=1e-12)
        if "sell" in expected:
            sell = np.array(inputs["volume"]) - buy
            assert sell == pytest.approx(expected["sell"], rel=1e-12, abs=1e-12)
    assert bvc.bought_share(1.0, 0.0) == 1.0
    assert bvc.bought_share(-1.0, 0.0) == 0.0


@pytest.mark.parametrize("freedom", [0.25, 1.0, 2.0, 7.5])
@pytest.mark.parametrize("x", [-6.5, -1.0, -0.01, 0.3, 1.7, 7.0])
def test_student_t(x: float, freedom: float) -> None:
    twin = naive.student_t_cdf(x, freedom)
    assert bvc.student_t_cdf(x, freedom) == pytest.approx(twin, rel=1e-10)


@pytest.mark.nojit
@quick
@given(tapes(40), st.sampled_from([2, 3, 10]))
def test_bulk_bars_match_the_twin(bars: Trades, window: int) -> None:
    found = bvc.run_bvc(*bvc.new_bvc(window), bars.price, bars.size)
    twin = naive.bought(bars.price.tolist(), bars.size.tolist(), window)
    assert found.tolist() == pytest.approx(twin, rel=1e-9, nan_ok=True)
    state, ring = bvc.new_bvc(window)
    steps = [bvc.step_bvc(state, ring, row[1], row[2]) for row in bars.rows()]
    assert str(steps) == str(found.tolist())


def test_bulk_bars_of_a_thin_market(real_data: Path) -> None:
    trades, _ = nexo(real_data)
    few = trades.first(400)
    found = bvc.run_bvc(*bvc.new_bvc(), few.price, few.size)
    twin = naive.bought(few.price.tolist(), few.size.tolist(), 50)
    assert found.tolist() == pytest.approx(twin, rel=1e-9, nan_ok=True)
    assert math.isnan(found[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tape.new_tape(quote_lag=-1), "`quote_lag` must be >= 0, was -1"),
        (lambda: tape.new_tape(capacity=1), "`capacity` must be >= 2, was 1"),
        (lambda: large_trades.new_size_quantile(1.0), r"`quantile` must be in \(0, 1\), was 1.0"),
        (lambda: large_trades.new_size_quantile(window=1), "`window` must be >= 2, was 1"),
        (lambda: bvc.new_bvc(1), "`window` must be >= 2, was 1"),
        (lambda: bvc.new_bvc(freedom=-1.0), "`freedom` must be >= 0 and finite, was -1.0"),
    ],
)
def test_bad_parameters(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
