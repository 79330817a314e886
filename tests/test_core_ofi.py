"""OFI against the papers' cases, the vectors, a twin that starts over each time, real books."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from of_nautilus.core import book as book_
from of_nautilus.core import ofi as ofi_
from tests.conftest import vectors
from tests.naive import ofi as naive
from tests.test_core_book import LAST, Book, recorded

S = ofi_.SECOND


class Ofi:
    """An OFI state and its rings; grows as it is told."""

    def __init__(self, depth: int = 3, room: int = 2, **options: object) -> None:
        self.state, self.rows, self.history = ofi_.new_ofi(depth, room=room, **options)
        self.scratch = book_.new_top(depth)

    def take(self, ts: int, sides: tuple | None, epoch: int = 0) -> int:
        top = book_.new_top(int(self.state[0].depth))
        for side, levels in enumerate(sides or ()):
            for m, level in enumerate(levels[: top.shape[1]]):
                top[side, m] = level
        while True:
            trusted = int(sides is not None)
            args = (self.history, ts, top, trusted, epoch)
            code = ofi_.add_top(self.state[0], self.rows, *args)
            if code != ofi_.GROW:
                return code
            self.rows = ofi_.grow_rows(self.state, self.rows)

    def quote(self, ts: int, bid: int, bid_size: int, ask: int, ask_size: int) -> int:
        return self.take(ts, ([(bid, bid_size)], [(ask, ask_size)]))


def last(before: tuple, after: tuple, depth: int = 1) -> list[int]:
    state = Ofi(depth)
    state.take(0, before)
    assert state.take(1, after) == 1
    return state.state[0].last[:depth].tolist()


def best(quote: list) -> tuple:
    """A vector's (bid, lots, ask, lots) in half units, which are whole ticks then."""
    bid, bid_size, ask, ask_size = quote
    return [(round(2 * bid), bid_size)], [(round(2 * ask), ask_size)]


@pytest.mark.nojit
def test_eleven_cases() -> None:
    record = vectors("v05_ofi")["ofi_11_cases"]
    for name, after in record["inputs"]["next"].items():
        e = last(best(record["inputs"]["prev"]), best(after))
        assert e == [record["expected"]["e"][name]], name


@pytest.mark.nojit
def test_every_combination_agrees_with_the_cases_of_the_paper() -> None:
    count = 0
    for bid, ask, before_bid, before_ask in product((1, 2, 3), (4, 5, 6), (1, 2, 3), (4, 5, 6)):
        for lots in product((1, 5, 9), repeat=4):
            before = [(before_bid, lots[0])], [(before_ask, lots[1])]
            after = [(bid, lots[2])], [(ask, lots[3])]
            expected = naive.rows([(0, before, 0), (1, after, 0)], 1)[0][1]
            got = ofi_.queue_change(before_bid, lots[0], bid, lots[2]) - ofi_.queue_change(
                -before_ask, lots[1], -ask, lots[3]
            )
            assert [got] == expected
            count += 1
    assert count == vectors("v05_ofi")["seed001_code_equals_CKS"]["inputs"]["exhaustive_cases"]


@pytest.mark.nojit
def test_windows() -> None:
    record = vectors("v05_ofi")["ofi_windows"]
    books = record["inputs"]["t_sec_book"]
    expected = record["expected"]
    for at, value in expected["ofi_60_at"].items():
        ofi = Ofi(1)
        events = []
        for t, quote in books:
            if t <= int(at) and ofi.take(t * S, best(quote)):
                events.append([t, int(ofi.state[0].last[0])])
        ofi_.step_ofi_time(ofi.state, ofi.rows, ofi.history, int(at) * S)
        assert ofi.state[0].sums[1, 0] == value, at
    assert events == expected["events"]
    assert ofi.state[0].sums[2, 0] == expected["ofi_300_at_130"]


@pytest.mark.nojit
def test_normalized_by_the_mean_best_size() -> None:
    record = vectors("v05_ofi")["ofi_depth_normalised"]
    ofi = Ofi(1)
    ofi.quote(0, 100, 15, 101, 75)
    ofi.quote(1, 100, 45, 101, 45)
    assert ofi.state[0].sums[0, 0] == record["inputs"]["ofi"]
    norm = ofi_.norm_of(ofi.state[0], 0)
    assert norm == pytest.approx(record["expected"]["ofi_norm"])
    assert 0.45 * norm == pytest.approx(record["expected"]["expected_move_ticks_c0.45"])
    assert 0.5 * norm == pytest.approx(record["expected"]["expected_move_ticks_c0.5"])


@pytest.mark.nojit
@pytest.mark.parametrize("name", ["mlofi_inside_spread", "mlofi_best_bid_removed"])
def test_multi_level(name: str) -> None:
    record = vectors("v05_ofi")[name]
    given_, asks = record["inputs"], record["inputs"]["asks"]
    e = last((given_["bids0"], asks), (given_["bids1"], asks), 3)
    assert e == record["expected"]["mlofi"]


@pytest.mark.nojit
def test_multi_level_where_a_level_is_missing() -> None:
    expected = vectors("v05_ofi")["mlofi_missing_level"]["expected"]
    one, two = [(100, 3)], [(100, 3), (99, 5)]
    asks_one, asks_two = [(101, 3)], [(101, 3), (102, 5)]
    assert last((one, asks_one), (two, asks_one), 2)[1] == expected["bid_absent_to_present_q5"]
    assert last((one, asks_two), (one, asks_one), 2)[1] == expected["ask_present_to_absent_q5"]
    assert last((two, asks_one), (one, asks_one), 2)[1] == -5
    assert last((one, asks_one), (one, asks_two), 2)[1] == -5
    assert last((one, asks_one), (one, asks_one), 2)[1] == 0


@pytest.mark.parametrize("name", ["integrated_ofi_symmetric", "integrated_ofi_asym"])
def test_integrated(name: str) -> None:
    record = vectors("v05_ofi")[name]
    levels = np.array(record["inputs"]["ofi_levels"], float)
    weights = ofi_.fit_weights(levels)
    expected = record["expected"]
    np.testing.assert_allclose(weights.levels, expected["w1_l1"], atol=1e-12)
    np.testing.assert_allclose(weights.integrate(levels), expected["integrated"], atol=1e-12)
    assert weights.explained == pytest.approx(expected["explained_var_pc1"], abs=1e-12)


def test_linear_impact() -> None:
    record = vectors("v05_ofi")["ofi_ols"]
    x, y = (np.array(record["inputs"][name], float) for name in ("ofi", "dP_ticks"))
    fit, expected = ofi_.fit_ofi_impact(x, y), record["expected"]
    assert fit.alpha == pytest.approx(expected["alpha"], abs=1e-12)
    assert fit.beta[0] == pytest.approx(expected["beta"], abs=1e-12)
    assert fit.r2 == pytest.approx(expected["r2"], abs=1e-12)
    twice = ofi_.fit_ofi_impact(np.column_stack((x, x)), y, ridge=1e-6)
    np.testing.assert_allclose(twice.beta, expected["beta"] / 2, rtol=1e-6)


price = st.integers(-4, 4)
side = st.dictionaries(st.integers(1, 5), st.integers(1, 9), min_size=1, max_size=4)


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[int, tuple | None, int]]:
    """Books at times that may stand still or leap; some not to trust, some in a new epoch."""
    ts = draw(st.integers(0, 3)) * S // 2
    epoch, books = 0, []
    for _ in range(draw(st.integers(0, 40))):
        ts += draw(st.sampled_from([0, 1, S // 3, S // 2, S, 7 * S, 10 * S, 100 * S]))
        epoch += draw(st.sampled_from([0, 0, 0, 0, 1]))
        book = None
        if draw(st.sampled_from([True, True, True, True, False])):
            middle = draw(price)
            bids = sorted(((middle - p, q) for p, q in draw(side).items()), reverse=True)
            asks = sorted((middle + p, q) for p, q in draw(side).items())
            book = (bids, asks)
        books.append((ts, book, epoch))
    return books


@pytest.mark.nojit
@settings(deadline=None, max_examples=30)
@given(streams())
def test_agrees_with_the_twin(books: list) -> None:
    ofi, depth = Ofi(3), 3
    for i, book in enumerate(books):
        ofi.take(*book)
        found = naive.rows(books[: i + 1], depth)
        state, ts = ofi.state[0], book[0]
        assert state.events == len(found)
        for w, window in enumerate((10 * S, 60 * S, 300 * S)):
            by_level = [naive.ofi(found, ts, window, m) for m in range(depth)]
            assert state.sums[w, :depth].tolist() == by_level
            if not found:
                assert np.isnan(ofi_.norm_of(state, w))
                continue
            assert ofi_.norm_of(state, w) == pytest.approx(naive.norm(found, ts, window))
            scaled = np.empty(depth)
            ofi_.scaled_of(state, w, scaled)
            np.testing.assert_allclose(scaled, naive.scaled(found, ts, window, depth), rtol=1e-12)
            z = naive.z(found, ts, window)
            ours = ofi_.z_of(state, ofi.history, w)
            assert np.isnan(ours) if z is None else ours == pytest.approx(z)


@pytest.mark.nojit
def test_the_hour_of_samples_rolls_over() -> None:
    ofi, books = Ofi(1), []
    for ts in (0, 1, 2, 40, 3_000, 3_650, 3_660, 12_000, 12_001):
        books.append((ts * S, ([(100, 5 + ts % 7)], [(101, 5)]), 0))
        ofi.take(*books[-1])
        found = naive.rows(books, 1)
        for w, window in enumerate((10 * S, 60 * S, 300 * S)):
            z = naive.z(found, ts * S, window)
            ours = ofi_.z_of(ofi.state[0], ofi.history, w)
            assert np.isnan(ours) if z is None else ours == pytest.approx(z), ts


@pytest.mark.nojit
def test_quotes_in_batch_leave_the_bytes_of_the_stream() -> None:
    random = np.random.default_rng(5)
    n = 300
    ts = np.cumsum(random.integers(0, S, n))
    bid = 100 + random.integers(-2, 3, n)
    columns = (ts, bid, random.integers(0, 9, n), bid + random.integers(0, 3, n),
               random.integers(1, 9, n))  # fmt: skip
    one, many = Ofi(1), Ofi(1)
    values = np.zeros((n, 3), np.int64)
    expected = np.zeros((n, 3), np.int64)
    at = 0
    while True:
        at = ofi_.run_quotes(
            many.state, many.rows, many.history, many.scratch, *columns, values, at
        )
        if at == n:
            break
        many.rows = ofi_.grow_rows(many.state, many.rows)
    for i, quote in enumerate(zip(*columns, strict=True)):
        args = (one.history, one.scratch, *quote)
        if ofi_.step_quote(one.state, one.rows, *args) == ofi_.GROW:
            one.rows = ofi_.grow_rows(one.state, one.rows)
            ofi_.step_quote(one.state, one.rows, *args)
        expected[i] = one.state[0].sums[:, 0]
    np.testing.assert_array_equal(values, expected)
    assert one.state.tobytes() == many.state.tobytes()
    assert one.rows.tobytes() == many.rows.tobytes()
    assert one.state[0].resets > 10
    assert len(one.rows) > 64


@pytest.mark.nojit
def test_buyer_seller_mirror_flips_the_sign() -> None:
    random = np.random.default_rng(6)
    plain, mirror = Ofi(2), Ofi(2)
    for ts in range(50):
        bid, q = int(random.integers(90, 95)), random.integers(1, 9, 4).tolist()
        bids, asks = [(bid, q[0]), (bid - 1, q[1])], [(bid + 2, q[2]), (bid + 3, q[3])]
        plain.take(ts, (bids, asks))
        flipped = [[(-price, lots) for price, lots in side] for side in (asks, bids)]
        mirror.take(ts, (flipped[0], flipped[1]))
        assert plain.state[0].sums[0].tolist() == (-mirror.state[0].sums[0]).tolist()


def test_refit_weighs_by_the_past_vectors() -> None:
    random = np.random.default_rng(7)
    ofi, books = Ofi(3), []
    assert not ofi_.refit(ofi.state)
    assert np.isnan(ofi_.integrated(ofi.state, 0))
    for ts in range(0, 400 * S, S // 2):
        q = random.integers(1, 20, 6).tolist()
        sides = [(100 - m, q[m]) for m in range(3)], [(101 + m, q[3 + m]) for m in range(3)]
        books.append((ts, sides, 0))
        ofi.take(*books[-1])
    found = naive.rows(books, 3)
    past = np.array([naive.scaled(found, t * S, 10 * S, 3) for t in range(10, 400, 10)])
    assert ofi.state[0].vectors == len(past)
    assert ofi_.refit(ofi.state)
    weights = ofi.state[0].weights[:3]
    np.testing.assert_allclose(weights, ofi_.fit_weights(past).levels, rtol=1e-9)
    assert (ofi.state[0].fitted, ofi.state[0].vectors) == (1, 0)
    now = naive.scaled(found, books[-1][0], 10 * S, 3)
    assert ofi_.integrated(ofi.state, 0) == pytest.approx(np.dot(now, weights))


def test_real_book_agrees_with_the_twin(real_data: Path) -> None:
    rows, *_ = recorded(real_data / "binance" / "usdm_btcusdt_20240808.gz")
    book, ofi = Book(32_768, 8_192), Ofi(10, 1_024)
    top, books, start, depth = book_.new_top(10), [], 0, 10
    for end in (np.flatnonzero(rows[:, 4] & LAST) + 1)[:800]:
        book.run(rows[start:end])
        book_.read_top(book.state[0], book.window, book.blocks, book.far, top)
        sides = tuple([tuple(level) for level in side] for side in top.tolist())
        ofi.take(int(rows[end - 1, 6]), sides, 1)
        books.append((int(rows[end - 1, 6]), sides, 1))
        start = end
    found = naive.rows(books, depth)
    now = books[-1][0]
    for w, window in enumerate((10 * S, 60 * S, 300 * S)):
        by_level = [naive.ofi(found, now, window, m) for m in range(depth)]
        assert ofi.state[0].sums[w].tolist() == by_level
        assert any(by_level)
        assert ofi_.norm_of(ofi.state[0], w) == pytest.approx(naive.norm(found, now, window))
        z = naive.z(found, now, window)
        assert ofi_.z_of(ofi.state[0], ofi.history, w) == pytest.approx(z)


def test_bad_parameters_are_named() -> None:
    with pytest.raises(ValueError, match="`depth` must be 1 to 10, was 11"):
        ofi_.new_ofi(11)
    with pytest.raises(ValueError, match="`windows` must be three lengths > 0, ascending"):
        ofi_.new_ofi(5, (60.0, 10.0, 300.0))
    with pytest.raises(ValueError, match="`room` must be a power of 2, was 3"):
        ofi_.new_ofi(5, room=3)
    with pytest.raises(ValueError, match="`levels` must hold >= 2 vectors, was 1"):
        ofi_.fit_weights(np.ones((1, 3)))
    with pytest.raises(ValueError, match="`ridge` must be >= 0, was -1"):
        ofi_.fit_ofi_impact(np.ones(3), np.arange(3.0), ridge=-1)
