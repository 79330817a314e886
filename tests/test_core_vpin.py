"""VPIN against vectors and a twin that lays out every single lot."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from of_nautilus.core import vpin as vpin_
from tests.conftest import vectors
from tests.naive import vpin as naive
from tests.recorded import Trades, bitcoin, nexo, sides
from tests.streams import quick, tapes

SIGN = {"B": 1, "S": -1}
small = st.lists(st.tuples(st.integers(1, 40), st.sampled_from([1, -1, 0])), max_size=40)


def readings(trades: list[tuple[int, int]], bucket: int, buckets: int) -> list[float]:
    state, ring = vpin_.new_vpin(bucket, buckets)
    size = np.array([row[0] for row in trades], np.int64)
    return vpin_.run_vpin(state, ring, size, sides([row[1] for row in trades])).tolist()


@pytest.mark.nojit
def test_split_buckets() -> None:
    record = vectors("v07_vpin_kyle_amihud")["vpin_split"]
    inputs, expected = record["inputs"], record["expected"]
    state, ring = vpin_.new_vpin(inputs["V"], inputs["n"])
    imbalances, values = [], []
    for name, size in inputs["trades"]:
        before = int(state[0].buckets)
        closed = vpin_.step_vpin(state, ring, size, SIGN[name])
        assert closed == state[0].buckets - before <= 2
        for back in range(closed, 0, -1):
            imbalances.append(int(ring[vpin_.IMBALANCE, int(state[0].at) - back]))
        if closed and state[0].buckets >= inputs["n"]:
            values.append(float(state[0].value))
    assert imbalances == [abs(buy - sell) for buy, sell in expected["buckets_buy_sell"]]
    assert [state[0].filled, state[0].delta] == expected["partial"]
    # The third and fourth bucket close in one step each here.
    assert values == pytest.approx(expected["vpin_after_bucket_3_4_5"], rel=1e-12)


@pytest.mark.nojit
def test_degenerate_flows() -> None:
    record = vectors("v07_vpin_kyle_amihud")["vpin_degenerate"]
    buys = readings([(30, 1)] * 20, 100, 5)[-1]
    alternating = readings([(50, 1), (50, -1)] * 10, 100, 5)[-1]
    state, ring = vpin_.new_vpin(100, 5)
    assert vpin_.step_vpin(state, ring, 1000, 1) == 10
    assert [buys, alternating, state[0].value] == record["expected"]["vpin"]


@pytest.mark.nojit
def test_buckets_of_three_trades_would_read_otherwise() -> None:
    record = vectors("v07_vpin_kyle_amihud")["vpin_row_bucket_bug"]
    trades = [(size, SIGN[name]) for name, size in record["inputs"]["trades"]]
    expected = record["expected"]
    rows = [
        tuple(sum(size for size, side in trades[i : i + 3] if side == wanted) for wanted in (1, -1))
        for i in range(0, len(trades), record["inputs"]["rows_per_bucket"])
    ]
    assert [list(row) for row in rows] == expected["row_buckets"]
    ratios = [abs(buy - sell) / (buy + sell) for buy, sell in rows]
    assert sum(ratios) / 3 == pytest.approx(expected["mean_of_ratios"], rel=1e-12)
    value = readings(trades, 100, 3)[-1]
    assert abs(value - expected["mean_of_ratios"]) > 0.1
    assert abs(value - expected["ratio_of_sums"]) > 0.1


@pytest.mark.nojit
def test_bucket_volume_and_warm_up() -> None:
    records = vectors("v07_vpin_kyle_amihud")
    rule = records["vpin_bucket_size_rule"]
    days = np.array([rule["inputs"]["ADV"]] * 20)
    found = vpin_.bucket_volume(days, rule["inputs"]["buckets_per_day"])
    assert found == rule["expected"]["V"]
    warm_up = records["vpin_warmup"]
    n = warm_up["inputs"]["n"]
    values = readings([(10, 1)] * (n + 5), 10, n)
    ready = [i + 1 for i, value in enumerate(values) if not math.isnan(value)]
    assert ready[0] == warm_up["expected"]["ready_after_buckets"]


@pytest.mark.nojit
@quick
@given(small, st.sampled_from([1, 7, 20, 100]), st.sampled_from([1, 3, 5]))
def test_matches_single_lots(trades: list[tuple[int, int]], bucket: int, count: int) -> None:
    found = readings(trades, bucket, count)
    for i, value in enumerate(found):
        twin = naive.vpin(trades[: i + 1], bucket, count)
        assert value == pytest.approx(twin, rel=1e-12, nan_ok=True)


@pytest.mark.nojit
@quick
@given(tapes(40), st.sampled_from([10, 10**6, 10**10]))
def test_batch_is_the_stream_and_volume_is_kept(trades: Trades, bucket: int) -> None:
    state, ring = vpin_.new_vpin(bucket, 4)
    values = []
    for _, _, size, side in trades.rows():
        vpin_.step_vpin(state, ring, size, side)
        values.append(float(state[0].value))
    assert state[0].buckets * bucket + state[0].filled == trades.size.sum()
    other, other_ring = vpin_.new_vpin(bucket, 4)
    batch = vpin_.run_vpin(other, other_ring, trades.size, trades.side)
    assert str(batch.tolist()) == str(values)
    assert (state.tobytes(), ring.tobytes()) == (other.tobytes(), other_ring.tobytes())


@pytest.mark.nojit
@quick
@given(small)
def test_sides_mirror(trades: list[tuple[int, int]]) -> None:
    mirrored = [(size, -side) for size, side in trades]
    assert str(readings(trades, 9, 2)) == str(readings(mirrored, 9, 2))


@pytest.mark.nojit
@quick
@given(small, small)
def test_a_new_bucket_size_starts_with_the_next_bucket(before: list, after: list) -> None:
    state, ring = vpin_.new_vpin(20, 2)
    for size, side in before:
        vpin_.step_vpin(state, ring, size, side)
    opened = int(state[0].buckets) * 20
    vpin_.set_bucket(state, 30)
    for size, side in after:
        vpin_.step_vpin(state, ring, size, side)
    lots = [side for size, side in before + after for _ in range(size)]
    edges = [*range(0, opened + 21, 20)]
    while edges[-1] + 30 <= len(lots):
        edges.append(edges[-1] + 30)
    full = [(a, b) for a, b in itertools.pairwise(edges) if b <= len(lots)]
    assert state[0].buckets == len(full)
    if len(full) >= 2:
        last = full[-2:]
        twin = sum(abs(sum(lots[a:b])) for a, b in last) / sum(b - a for a, b in last)
        assert state[0].value == pytest.approx(twin, rel=1e-12)


@pytest.mark.nojit
@quick
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=20))
def test_bulk_bars_fill_buckets_in_their_proportion(bars: list[tuple[int, int]]) -> None:
    state, ring = vpin_.new_vpin(10, 3)
    total = 0
    for buy, sell in bars:
        vpin_.step_vpin_bulk(state, ring, buy + sell, float(buy))
        total += buy + sell
    assert state[0].buckets * 10 + state[0].filled == total


@pytest.mark.nojit
def test_bulk_bar_over_several_buckets() -> None:
    state, ring = vpin_.new_vpin(100, 3)
    assert vpin_.step_vpin_bulk(state, ring, 350, 262.5) == 3
    # Three quarters bought, in each bucket; 262.5 of 350 lots are bought as 263.
    assert ring[vpin_.IMBALANCE].tolist() == [50, 50, 50]
    assert state[0].filled == 50
    assert state[0].value == 0.5


@pytest.mark.nojit
@quick
@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), max_size=30))
def test_rank(values: list[float]) -> None:
    state, history = vpin_.new_rank(4)
    for i, value in enumerate(values):
        found = vpin_.step_rank(state, history, value)
        assert found == pytest.approx(naive.rank(values[: i + 1], 4), nan_ok=True)
    before = state.tobytes()
    assert math.isnan(vpin_.step_rank(state, history, math.nan))
    assert before == state.tobytes()


@pytest.mark.parametrize(("market", "bucket"), [(bitcoin, 2_000), (nexo, 100_000)])
def test_recorded_markets(real_data: Path, market, bucket: int) -> None:
    trades = market(real_data)[0].first(400)
    rows = list(zip(trades.size.tolist(), trades.side.tolist(), strict=True))
    found = readings(rows, bucket, 5)
    assert found[-1] == pytest.approx(naive.vpin(rows, bucket, 5), rel=1e-12)
    assert 0.0 < found[-1] <= 1.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: vpin_.new_vpin(0), "`bucket` must be >= 1, was 0"),
        (lambda: vpin_.new_vpin(1, 0), "`buckets` must be >= 1, was 0"),
        (lambda: vpin_.new_rank(1), "`window` must be >= 2, was 1"),
        (lambda: vpin_.bucket_volume(np.array([])), "`daily_volumes` must hold at least one day"),
        (lambda: vpin_.bucket_volume(np.array([5]), 0), "`buckets_per_day` must be >= 1, was 0"),
    ],
)
def test_bad_parameters(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
