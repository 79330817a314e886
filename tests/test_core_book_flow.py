"""All of the book together: stream and batch, gaps, and a recorded market against the twins."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from of_nautilus.core import book_tracker as tracker_
from of_nautilus.core import ofi as ofi_
from of_nautilus.core.book import BOOK
from of_nautilus.core.book_flow import BookFlow
from tests.naive import ofi as naive_ofi
from tests.naive.book_tracker import NaiveTracker
from tests.test_core_book import LAST, deltas, recorded, snapshot

S = 1_000_000_000


def rows_of(stream: list, step: int = S // 4) -> np.ndarray:
    return np.array([(*delta, i * step) for i, delta in enumerate(stream)], np.int64).reshape(-1, 7)


@pytest.mark.nojit
@settings(deadline=None, max_examples=30)
@given(deltas(), st.integers(1, 7))
def test_batch_stream_and_any_cut_leave_the_same_bytes(stream: list, chunk: int) -> None:
    rows = rows_of([*snapshot(), *stream])
    whole, cut = BookFlow(span=64), BookFlow(span=64)
    whole.apply(rows)
    for start in range(0, len(rows), chunk):
        part = np.zeros((9, 7), np.int64)
        count = len(rows[start : start + chunk])
        part[:count] = rows[start : start + chunk]
        cut.apply(part, count)
    assert whole.digest() == cut.digest()
    # What the caller ends is the same batch as what a flag ends.
    told = BookFlow(span=64)
    for row in rows:
        told.apply(row[None, :] & [[~0, ~0, ~0, ~0, ~LAST, ~0, ~0]])
        if row[4] & LAST:
            told.end_batch()
    assert whole.digest() == told.digest()


@pytest.mark.nojit
def test_the_host_says_that_updates_were_lost() -> None:
    flow = BookFlow(span=64)
    flow.apply(rows_of([*snapshot(), (1, 1, 100, 9, LAST, 11)]))
    assert flow.state[0].ofi.events == 1
    flow.mark_gap()
    flow.apply(rows_of([(1, 1, 100, 19, LAST, 12)]))
    assert (flow.state[0].book.trusted, flow.state[0].ofi.events) == (0, 1)
    assert np.isnan(flow.measures()["mid"][0])
    flow.apply(rows_of([*snapshot(sequence=20), (1, 1, 100, 9, LAST, 21)]))
    assert flow.state[0].ofi.events == 2, "nothing is compared across the gap"
    assert flow.measures()["mid"][0] == 100.5
    flow.start_session()
    flow.apply(rows_of([(1, 1, 100, 4, LAST, 22), (1, 1, 100, 6, LAST, 23)]))
    assert flow.state[0].ofi.events == 3, "nor across the start of a session"


@pytest.mark.nojit
def test_pictures_and_deltas_of_one_market_read_the_same() -> None:
    random = np.random.default_rng(3)
    by_picture, by_delta = BookFlow(span=64), BookFlow(span=64)
    for i in range(40):
        middle = int(random.integers(95, 106))
        bids = [(middle - 1 - 2 * m, int(random.integers(1, 9))) for m in range(5)]
        asks = [(middle + 1 + 2 * m, int(random.integers(1, 9))) for m in range(5)]
        by_picture.apply_depth(np.array([bids, asks], np.int64), i, i * S)
        stream = [(4, 0, 0, 0, 0, 0, i * S)] if i == 0 else []
        for side, levels in ((0, bids), (1, asks)):
            top = by_delta.top[side].tolist() if i else []
            gone = [p for p, lots in top if lots and p not in dict(levels)]
            stream += [(3, side + 1, p, 0, 0, 0, i * S) for p in gone]
            stream += [(2, side + 1, p, q, 0, 0, i * S) for p, q in levels]
        stream[-1] = (*stream[-1][:4], LAST, 0, i * S)
        by_delta.apply(np.array(stream, np.int64))
        assert by_picture.top.tobytes() == by_delta.top.tobytes()
        assert by_picture.measures().tobytes() == by_delta.measures().tobytes()
    one, other = by_picture.state[0].ofi, by_delta.state[0].ofi
    assert one.sums.tolist() == other.sums.tolist()
    assert (one.from_snapshots, other.from_snapshots) == (1, 0)


@pytest.mark.nojit
def test_a_book_that_is_too_small_is_a_bad_parameter() -> None:
    with pytest.raises(ValueError, match=r"`depth` must be >= `ofi_depth` \(5\), was 4"):
        BookFlow(depth=4)
    with pytest.raises(ValueError, match="`picture` must have <= 20 levels, was 21"):
        BookFlow().apply_depth(np.zeros((2, 21, 2), np.int64), 1, 1)


def test_recorded_market_agrees_with_the_twins(real_data: Path) -> None:
    rows, _, trades = recorded(real_data / "binance" / "usdm_btcusdt_20240808.gz")
    flow, naive, books = BookFlow(), NaiveTracker(), []
    ends = (np.flatnonzero(rows[:, 4] & LAST) + 1)[:1_500]
    start = trade = 0
    for end in ends:
        while trade < len(trades) and trades[trade, 0] < end:
            flow.trade(*trades[trade, 1:].tolist())
            if start:
                naive.trade(*trades[trade, 2:].tolist())
            trade += 1
        flow.apply(rows[start:end])
        for row in rows[start:end].tolist():
            if start:
                naive.delta(row[6], row)
            else:
                naive.book.apply(row[:6])
        naive.end_batch()
        start = end
        sides = tuple([tuple(level) for level in side[:5]] for side in naive.before)
        books.append((int(rows[end - 1, 6]), sides, 1))
    found = naive_ofi.rows(books, 5)
    for w, window in enumerate((10 * S, 60 * S, 300 * S)):
        expected = [naive_ofi.ofi(found, books[-1][0], window, m) for m in range(5)]
        assert flow.state[0].ofi.sums[w, :5].tolist() == expected
    totals = {name: [0, 0] for name in ("stacked", "pulled", "traded", "replenished")}
    for (side, price), expected in naive.flows.items():
        ours = tracker_.flow_at(flow.flows, side, price)
        assert ours == {name: expected[name] for name in ours}
        for name, sums in totals.items():
            sums[side] += expected[name]
    for name, sums in totals.items():
        assert flow.state[0].tracker[name].tolist() == sums
    assert sum(totals["traded"]) == trades[:trade, 3].sum()
    assert len(naive.consumed) > 50
    assert flow.state[0].tracker.heads.sum() == len(naive.consumed)
    since = flow.state[0].book.ts - 5 * S
    for side in (0, 1):
        inside = [c for c in naive.consumed if c[0] == side and c[1] > since]
        got = flow.consumed(side, int(flow.state[0].book.ts), 5 * S)
        assert (got.levels, got.lots) == (len({c[2] for c in inside}), sum(c[3] for c in inside))
    assert flow.state[0].resilience.recoveries > 3


def test_recorded_market_streamed_and_in_one_batch_leave_the_same_bytes(real_data: Path) -> None:
    rows, *_ = recorded(real_data / "binance" / "usdm_btcusdt_20240808.gz")
    rows = rows[:120_000]
    one, many = BookFlow(), BookFlow()
    many.apply(rows)
    for i in range(len(rows)):
        one.apply(rows[i : i + 1])
    assert one.digest() == many.digest()
    assert BOOK.itemsize < 512
    assert not np.isnan(ofi_.norm_of(one.state[0].ofi, 0))
