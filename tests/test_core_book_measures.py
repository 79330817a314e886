"""Book measures against the vectors, against sorted lists, and on a recorded book."""

from pathlib import Path
from statistics import mean, median, stdev

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from of_nautilus.core import book as book_
from of_nautilus.core import book_measures as measures
from of_nautilus.core.zscore import z_score
from tests.conftest import vectors
from tests.naive.book import NaiveBook
from tests.test_core_book import LAST, Book, deltas, recorded, stepped

SECOND = measures.SECOND


def loaded(bids: list, asks: list) -> Book:
    """A trusted book of (price, lots) levels."""
    stream = [(4, 0, 0, 0, 32, 1)]
    stream += [(1, 1, price, lots, 32, 1) for price, lots in bids]
    stream += [(1, 2, price, lots, 32, 1) for price, lots in asks]
    stream[-1] = (*stream[-1][:4], 32 + LAST, 1)
    return stepped(*stream)


def top_of(book: Book, depth: int = 20) -> np.ndarray:
    top = book_.new_top(depth)
    book_.read_top(book.state[0], book.window, book.blocks, book.far, top)
    return top


def reading(book: Book, per_lots: float = 100.0) -> np.record:
    out, spread = measures.new_reading(), measures.new_spread()
    measures.step_measures(out, book.state, spread, top_of(book), per_lots)
    return out[0]


def ladder(name: str, bids: str = "bids", asks: str = "asks") -> tuple[Book, dict, dict]:
    record = vectors("v06_book")[name]
    given_ = record["inputs"]
    return loaded(given_[bids], given_[asks]), given_, record["expected"]


@pytest.mark.nojit
def test_depth() -> None:
    book, given_, expected = ladder("depth", "bids_ticks_qty", "asks_ticks_qty")
    out, tick = reading(book), given_["tick"]
    assert out.imbalance_1 == expected["imb_l1"]
    assert out.imbalance_5 == pytest.approx(expected["imb_l5"])
    assert out.total_depth == expected["total_depth_l5"]
    assert out.depth_ratio == expected["depth_ratio"]
    assert out.mid * tick == expected["mid"]
    assert out.spread * tick == expected["spread"]
    assert out.spread_bps == pytest.approx(expected["spread_bps"])
    assert (out.imbalance_1 + 1) / 2 == expected["stoikov_I_l1"]
    assert out.weighted_mid == expected["weighted_mid_ticks"]
    assert out.weighted_mid * tick == expected["weighted_mid"]
    assert out.depth_concentration == 40 / 300
    assert out.imbalance_all == out.imbalance_10 == out.imbalance_5


@pytest.mark.nojit
def test_depth_edges() -> None:
    record = vectors("v06_book")["depth_edges"]
    for (bids, asks), expected in zip(
        record["inputs"]["bidDepth_askDepth"], record["expected"]["imb_ratio"], strict=True
    ):
        got = measures.imbalance_of(bids, asks), measures.ratio_of(bids, asks)
        assert [None if np.isnan(value) else value for value in got] == expected


@pytest.mark.nojit
def test_spread_z() -> None:
    record = vectors("v06_book")["spread_z"]
    state = measures.new_spread()
    values = [*record["inputs"]["history_ticks"], record["inputs"]["current"]]
    for second, spread in enumerate(values):
        measures.step_spread(state, second * SECOND, spread)
    assert state[0].samples == 10, "the current second is no sample"
    assert measures.spread_z(state[0], 10) == pytest.approx(record["expected"]["z"])
    assert np.isnan(measures.spread_z(state[0]))


@pytest.mark.nojit
def test_spread_samples_hold_over_quiet_seconds_and_skip_an_untrusted_book() -> None:
    state = measures.new_spread()
    for ts, spread in ((0.5, 2), (3.5, 5), (4.2, 0), (10.1, 3), (12.0, 4)):
        measures.step_spread(state, round(ts * SECOND), spread)
    assert state[0].ring[: state[0].samples].tolist() == [2, 2, 2, 5, 3]
    measures.step_spread(state, 100_000 * SECOND, 7)
    assert set(state[0].ring.tolist()) == {4}
    assert measures.spread_z(state[0]) == 0.0
    for tenth in range(1, 4_001):
        measures.step_spread(state, 100_000 * SECOND + tenth * SECOND // 10, 1 + tenth // 7 % 5)
    seconds = [1 + 10 * second // 7 % 5 for second in range(100, 400)]
    expected = (1 + 4_000 // 7 % 5 - mean(seconds)) / stdev(seconds)
    assert measures.spread_z(state[0]) == pytest.approx(expected)


@pytest.mark.nojit
def test_z_score_edges() -> None:
    assert z_score(np.full(40, 5), 9) == 0.0
    assert np.isnan(z_score(np.arange(29), 9))


@pytest.mark.nojit
def test_slope() -> None:
    book, given_, expected = ladder("book_slope")
    out = reading(book, given_["per_units"])
    assert out.bid_slope == pytest.approx(expected["bid_slope_ticks_per_100"], abs=1e-12)
    assert out.ask_slope == pytest.approx(expected["ask_slope_ticks_per_100"], abs=1e-12)
    assert np.isnan(reading(loaded([(100, 5)], [(101, 5), (102, 5)])).bid_slope)


@pytest.mark.nojit
def test_walking_the_book() -> None:
    record = vectors("v06_book")["walk_book_buy60"]
    book = loaded([(100, 30)], record["inputs"]["asks"])
    arrays = (book.state[0], book.window, book.blocks, book.far)
    lots, expected = record["inputs"]["qty"], record["expected"]
    cost, worst = measures.walk(*arrays, 1, lots)
    assert (cost, worst) == (6145, expected["worst"])
    assert cost / lots == pytest.approx(expected["avg_px_ticks"])
    assert measures.step_impact(
        book.state, book.window, book.blocks, book.far, 1, lots
    ) == pytest.approx(expected["slippage_vs_mid_ticks"])
    assert expected["buy_101"] is None
    assert np.isnan(measures.impact_of(*arrays, 1, 101))
    assert measures.impact_of(*arrays, 0, 30) == 0.5
    assert np.isnan(measures.impact_of(*arrays, 0, 0))


@pytest.mark.nojit
def test_thin_levels() -> None:
    book, given_, expected = ladder("thin")
    top = top_of(book)
    for side, name in ((0, "thin_bids"), (1, "thin_asks")):
        thin = measures.thin_levels(top, side, given_["threshold"])
        assert thin == expected[name]
        assert measures.thin_count_of(top, side, given_["threshold"]) == len(thin)


@pytest.mark.nojit
def test_path_of_least_resistance() -> None:
    book, given_, expected = ladder("polr")
    out = reading(book)
    assert out.imbalance_10 == pytest.approx(expected["ratio"])
    assert measures.Path(int(out.path)).name.lower() == expected["path"]
    threshold = given_["k"]
    assert threshold == measures.PATH_THRESHOLD
    assert measures.path_of(threshold) == measures.path_of(-threshold) == 0
    assert measures.path_of(-0.2) == -1


def naive_slope(levels: list, mid: float, per: float) -> float | None:
    if len(levels) < 2:
        return None
    total, xy, xx = 0, 0.0, 0.0
    for price, lots in levels[:5]:
        total += lots
        xy += total * abs(price - mid)
        xx += total**2
    return xy / xx * per


def naive_fill(levels: list, lots: int) -> float | None:
    units = [price for price, size in levels for _ in range(size)]
    return sum(units[:lots]) / lots if 0 < lots <= len(units) else None


def check(book: Book, naive: NaiveBook, lots: int) -> None:
    bids, asks = naive.levels(0), naive.levels(1)
    out, top = reading(book, 50.0), top_of(book)
    if not book.state[0].trusted:
        assert np.isnan(list(out.tolist())).all()
        return
    mid = (bids[0][0] + asks[0][0]) / 2
    assert (out.mid, out.spread) == (mid, asks[0][0] - bids[0][0])

    def depth(levels: list, k: int | None) -> int:
        return sum(lots for _, lots in levels[:k])

    for k, name in ((1, "1"), (3, "3"), (5, "5"), (10, "10"), (None, "all")):
        b, a = depth(bids, k), depth(asks, k)
        assert out["imbalance_" + name] == pytest.approx((b - a) / (b + a))
    b, a = depth(bids, 5), depth(asks, 5)
    assert (out.total_depth, out.depth_ratio) == (b + a, b / a)
    assert out.depth_concentration == pytest.approx((bids[0][1] + asks[0][1]) / (a + b))
    (pb, qb), (pa, qa) = bids[0], asks[0]
    assert out.weighted_mid == pytest.approx((pa * qb + pb * qa) / (qa + qb))
    for side, levels in enumerate((bids, asks)):
        slope = naive_slope(levels, mid, 50.0)
        ours = (out.bid_slope, out.ask_slope)[side]
        assert np.isnan(ours) if slope is None else ours == pytest.approx(slope)
        fill = naive_fill(levels, lots)
        ours = measures.impact_of(book.state[0], book.window, book.blocks, book.far, side, lots)
        assert np.isnan(ours) if fill is None else ours == pytest.approx(abs(fill - mid))
        limit = median(size for _, size in levels[:20]) / 4
        assert measures.thin_limit_of(top, side) == limit
        thin = [price for price, size in levels[:20] if size < limit]
        assert measures.thin_levels(top, side, limit) == thin


@pytest.mark.nojit
@settings(deadline=None, max_examples=60)
@given(deltas(far_prices=False), st.integers(-5, 60))
def test_agrees_with_sorted_lists(stream: list, lots: int) -> None:
    apart = [(a, s, p - 91 if s == 1 else p + 91, q, 0, 0) for a, s, p, q, *_ in stream]
    stream = [(4, 0, 0, 0, 0, 0), *apart, (1, 1, -1_000, 3, LAST, 0)]
    book = stepped(*stream)
    check(book, NaiveBook().apply_all(stream), lots)


def test_real_book_agrees_with_sorted_lists(real_data: Path) -> None:
    rows, *_ = recorded(real_data / "binance" / "usdm_btcusdt_20240808.gz")
    book, naive = Book(32_768, 8_192), NaiveBook()
    ends = np.flatnonzero(rows[:, 4] & LAST) + 1
    start = 0
    for end in ends[49:2_000:150]:
        book.run(rows[start:end])
        naive.apply_all(map(tuple, rows[start:end, :6].tolist()))
        start = end
        check(book, naive, 5_000)
