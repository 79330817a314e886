"""Streaming volume profiles against dictionaries of rows, vectors and recorded markets."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from of_nautilus.core import profile as profile_
from of_nautilus.core.record import Ints, State
from tests.conftest import vectors
from tests.naive import profile as naive
from tests.recorded import Trades, bitcoin, nexo
from tests.streams import SECOND, quick, tapes


def streamed(trades: Trades, ticks_per_row: int, rows: int = 2) -> tuple[State, Ints]:
    """A profile fed trade by trade, widened as it asks."""
    state, hist = profile_.new_profile(ticks_per_row, rows)
    for row in trades.rows():
        if profile_.step_profile(state, hist, *row) < 0:
            before = state.tobytes()
            hist = profile_.widen(state, hist, row[1])
            assert before != state.tobytes()
            assert profile_.step_profile(state, hist, *row) == 0
    return state, hist


def batched(trades: Trades, ticks_per_row: int, rows: int = 2) -> tuple[State, Ints]:
    state, hist = profile_.new_profile(ticks_per_row, rows)
    done = 0
    while (done := profile_.run_profile(state, hist, *trades, done)) < len(trades.ts):
        hist = profile_.widen(state, hist, int(trades.price[done]))
    return state, hist


def of_volumes(low: int, volumes: list[int]) -> tuple[State, Ints]:
    """A profile of one trade a row."""
    rows = [(0, low + i, size, 1) for i, size in enumerate(volumes) if size]
    state, hist = profile_.new_profile(1, 64)
    for row in rows:
        assert profile_.step_profile(state, hist, *row) == 0
    return state, hist


@pytest.mark.nojit
@quick
@given(tapes(50, least=1), st.sampled_from([1, 2, 7, 25]))
def test_streaming_matches_the_twin(trades: Trades, ticks_per_row: int) -> None:
    state, hist = streamed(trades, ticks_per_row)
    rows = trades.rows()
    by_row = naive.volume_by_row(rows, ticks_per_row)
    low, high = min(by_row), max(by_row)
    lines = profile_.used_rows(state, hist)
    for line, side in ((profile_.VOLUME, None), (profile_.BUY, 1), (profile_.SELL, -1)):
        twin = naive.dense(naive.volume_by_row(rows, ticks_per_row, side), low, high)
        assert lines[line].tolist() == twin
    profile = state[0]
    assert (profile.low_row, profile.high_row) == (low, high)
    assert profile.volume == sum(row[2] for row in rows) == lines[profile_.VOLUME].sum()
    assert (profile.buy, profile.sell) == (lines[1].sum(), lines[2].sum())
    prices = [row[1] for row in rows]
    held = (profile.open, profile.high, profile.low, profile.close)
    assert held == (prices[0], max(prices), min(prices), prices[-1])
    found = profile_.snapshot(state, hist)
    for step, method in ((2, "two_row"), (1, "one_row")):
        twin = naive.key_prices(by_row, ticks_per_row, step)
        assert found.key_prices(method=method) == twin
        rows_found = profile_.key_rows(profile, hist, 7000, step == 2)
        poc, val, vah = rows_found
        assert (val * ticks_per_row, (vah + 1) * ticks_per_row - 1) == twin[1:]
        assert poc == twin[0] // ticks_per_row


@pytest.mark.nojit
@quick
@given(tapes(50, least=1))
def test_batch_is_the_stream(trades: Trades) -> None:
    one, one_hist = streamed(trades, 3)
    other, other_hist = batched(trades, 3)
    assert one.tobytes() == other.tobytes()
    assert one_hist.tobytes() == other_hist.tobytes()


@pytest.mark.nojit
def test_published_profiles_streamed() -> None:
    for name in ("va_published_one_row", "va_two_row_hand", "va_methods_differ"):
        record = vectors("v03_volume_profile")[name]
        low, expected = record["inputs"]["low_price"], record["expected"]
        found = profile_.snapshot(*of_volumes(low, record["inputs"]["volumes"]))
        for method in ("one_row", "two_row"):
            value = expected[method]
            val, vah = (value["val"], value["vah"]) if isinstance(value, dict) else value[:2]
            assert found.key_prices(method=method) == (expected["poc"], val, vah)


@pytest.mark.nojit
def test_composite_of_sessions() -> None:
    record = vectors("v03_volume_profile")["merge"]
    days = []
    for name in ("day1", "day2"):
        levels = record["inputs"][name]
        days.append(profile_.snapshot(*of_volumes(min(map(int, levels)), list(levels.values()))))
    expected = record["expected"]
    for day, va in zip(days, ("day1_va", "day2_va"), strict=True):
        assert list(day.key_prices()[1:]) == expected[va]
    merged = profile_.composite(days)
    volumes = {str(merged.low_row + i): int(size) for i, size in enumerate(merged.hist)}
    assert volumes == expected["merged"]
    assert merged.key_prices() == (expected["poc"], *expected["val_vah"])
    assert (merged.high, merged.low) == (1006, 1000)
    with pytest.raises(ValueError, match="`profiles` must share one `ticks_per_row`"):
        profile_.composite([])


@pytest.mark.nojit
@quick
@given(tapes(30, least=1), tapes(30, least=1))
def test_a_new_session_starts_from_nothing(first: Trades, second: Trades) -> None:
    state, hist = streamed(first, 2, rows=4096)
    profile_.next_profile(state, hist)
    assert not hist.any()
    for row in second.rows():
        while profile_.step_profile(state, hist, *row) < 0:
            hist = profile_.widen(state, hist, row[1])
    found = profile_.snapshot(state, hist)
    fresh = profile_.snapshot(*streamed(second, 2))
    assert found.hist.tolist() == fresh.hist.tolist()
    assert (found.low_row, found.open_ts, found.high) == (fresh.low_row, fresh.open_ts, fresh.high)


@pytest.mark.nojit
@quick
@given(st.lists(tapes(8, least=1, price=3), min_size=1, max_size=8), st.sampled_from([1, 3]))
def test_rolling_profile_holds_the_last_bars(bars: list[Trades], held: int) -> None:
    rolling = profile_.RollingProfile(bars=held, ticks_per_row=4, rows=4)
    for i, bar in enumerate(bars):
        state, hist = streamed(bar, 2)
        rolling.add_bar(i, int(state[0].low_row), profile_.used_rows(state, hist)[0], 2)
        rows = [row for part in bars[max(0, i + 1 - held) : i + 1] for row in part.rows()]
        by_row = naive.volume_by_row(rows, 4)
        low, volumes = rolling.volume()
        assert low == min(by_row)
        assert volumes.tolist() == naive.dense(by_row, low, max(by_row))
        assert rolling.key_prices() == naive.key_prices(by_row, 4)
        assert len(rolling) == min(i + 1, held)


@pytest.mark.nojit
def test_rolling_profile_by_time() -> None:
    rolling = profile_.RollingProfile(span=10 * SECOND)
    one = np.array([5])
    for second, row in ((0, 100), (9, 101), (10, 102), (30, 103)):
        rolling.add_bar(second * SECOND, row, one)
        held = {0: [5], 9: [5, 5], 10: [5, 5], 30: [5]}[second]
        assert rolling.volume()[1].tolist() == held
    rolling.reset()
    assert (len(rolling), rolling.key_prices()) == (0, None)
    rolling.add_bar(0, -5000, one)
    assert rolling.key_prices() == (-5000, -5000, -5000)


@pytest.mark.nojit
def test_naked_pocs_end_where_the_market_trades() -> None:
    pocs = profile_.NakedPocs()
    for ts, price in ((1, 100), (2, 105), (3, 110)):
        pocs.add(ts, price)
    assert pocs.touch(101, 104) == []
    assert pocs.touch(105, 110) == [105, 110]
    assert pocs.prices == {1: 100}


@pytest.mark.parametrize(("market", "ticks_per_row"), [(bitcoin, 10), (nexo, 1)])
def test_recorded_markets(real_data: Path, market, ticks_per_row: int) -> None:
    trades = market(real_data)[0]
    state, hist = batched(trades, ticks_per_row, rows=64)
    by_row = naive.volume_by_row(trades.rows(), ticks_per_row)
    found = profile_.snapshot(state, hist)
    assert found.hist.tolist() == naive.dense(by_row, min(by_row), max(by_row))
    assert found.key_prices() == naive.key_prices(by_row, ticks_per_row)
    assert found.hist.sum() == trades.size.sum()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: profile_.new_profile(0), "`ticks_per_row` must be >= 1, was 0"),
        (lambda: profile_.new_profile(rows=0), "`rows` must be >= 1, was 0"),
        (lambda: profile_.snapshot(*profile_.new_profile()), "`state` must hold at least one"),
        (lambda: profile_.RollingProfile(), "`bars` or `span` must be given, was neither"),
        (lambda: profile_.RollingProfile(bars=0), "`bars` must be >= 1, was 0"),
        (lambda: profile_.RollingProfile(span=-1), "`span` must be >= 1, was -1"),
        (lambda: profile_.RollingProfile(1, rows=0), "`rows` must be >= 1, was 0"),
        (
            lambda: profile_.RollingProfile(1, ticks_per_row=3).add_bar(0, 0, np.array([1]), 2),
            "`ticks_per_row` must divide 3, was 2",
        ),
    ],
)
def test_bad_parameters(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
