"""Traded or cancelled: against the vectors, a twin in dictionaries, and its own balance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from of_nautilus.core import book_tracker as tracker_
from of_nautilus.core.book import NO_PRICE
from of_nautilus.core.book_flow import BookFlow
from tests.conftest import vectors
from tests.naive.book_tracker import NaiveTracker
from tests.test_core_book import LAST

ASKS = 1
FLOW = ("stacked", "pulled", "traded", "replenished", "shown", "peak")


def started(bids: list, asks: list) -> BookFlow:
    """A flow after a snapshot of (price, lots) levels, at time 0."""
    flow = BookFlow(span=64)
    rows = [(4, 0, 0, 0, 32, 1, 0)]
    rows += [(1, 1, price, lots, 32, 1, 0) for price, lots in bids]
    rows += [(1, 2, price, lots, 32, 1, 0) for price, lots in asks]
    rows[-1] = (*rows[-1][:4], 32 + LAST, 1, 0)
    flow.apply(np.array(rows, np.int64))
    return flow


def change(flow: BookFlow, ts: int, *levels: tuple[int, int, int]) -> None:
    """One batch of (side, price, lots)."""
    rows = [(2 if lots else 3, side + 1, price, lots, 0, 0, ts) for side, price, lots in levels]
    rows[-1] = (*rows[-1][:4], LAST, 0, ts)
    flow.apply(np.array(rows, np.int64))


def asks_to(flow: BookFlow, before: list, after: list) -> None:
    """One batch that turns the asks `before` into `after`."""
    old, new = dict(map(tuple, before)), dict(map(tuple, after))
    prices = sorted(old.keys() | new.keys())
    change(flow, 1, *((ASKS, p, new.get(p, 0)) for p in prices if new.get(p) != old.get(p)))


def consumed(flow: BookFlow) -> list[list[int]]:
    state = flow.state[0].tracker
    rows = flow.consumed_levels[ASKS, : state.heads[ASKS]]
    return rows[:, [tracker_.CONSUMED_PRICE, tracker_.CONSUMED_LOTS]].tolist()


@pytest.mark.nojit
@pytest.mark.parametrize("pictures", [False, True])
def test_consumption(pictures: bool) -> None:
    raw = vectors("v06_book")["consumption_raw"]
    confirmed = vectors("v06_book")["consumption_trade_confirmed"]
    before, after = raw["inputs"]["prev_asks"], raw["inputs"]["cur_asks"]
    everything = dict(raw["expected"]["consumed"])
    printed = {int(p): q for p, q in confirmed["inputs"]["buy_trades_at_price"].items()}
    bids = [[100, 50]]
    for trades, expected in ((everything, raw["expected"]["consumed"]), (printed, [[101, 10]])):
        if pictures:
            flow = BookFlow(span=64)
            flow.apply_depth(picture(bids, before), 1, 0)
        else:
            flow = started(bids, before)
        for price, lots in trades.items():
            flow.trade(0, price, lots, 1)
        if pictures:
            flow.apply_depth(picture(bids, after), 2, 1)
        else:
            asks_to(flow, before, after)
        assert consumed(flow) == expected
    split = []
    for price, *_ in confirmed["expected"]["price_traded_cancelled"]:
        level = tracker_.flow_at(flow.flows, ASKS, price)
        split.append([price, level["traded"], level["pulled"]])
    assert split == confirmed["expected"]["price_traded_cancelled"]


def picture(bids: list, asks: list) -> np.ndarray:
    """A depth picture of four levels a side."""
    rows = np.zeros((2, 4, 2), np.int64)
    rows[:, :, 0] = [[NO_PRICE], [-NO_PRICE]]
    rows[0, : len(bids)], rows[1, : len(asks)] = bids, asks
    return rows


@pytest.mark.nojit
def test_prices_out_of_a_pictures_sight_are_no_change() -> None:
    bids = [[100, 5]]
    flow = BookFlow(span=64)
    flow.apply_depth(picture(bids, [[101, 5], [102, 5], [103, 5], [104, 5]]), 1, 0)
    flow.apply_depth(picture(bids, [[102, 5], [103, 7], [104, 5], [105, 9]]), 2, 1)
    totals = flow.state[0].tracker
    assert (totals.stacked[ASKS], totals.pulled[ASKS]) == (2, 5), "105 was out of sight"
    flow.apply_depth(picture([[100, 5], [99, 4]], [[102, 5], [103, 7], [104, 5], [105, 9]]), 3, 2)
    assert totals.stacked[0] == 4, "a short side shows all of it"


@pytest.mark.nojit
def test_an_iceberg_trades_more_than_it_ever_displayed() -> None:
    flow = started([(100, 50)], [(101, 10), (102, 8)])
    for ts in range(1, 4):
        flow.trade(ts, 101, 6, 1)
        change(flow, ts, (ASKS, 102, 8 + ts))  # 101 stays at 10: it was refilled unseen
    level = tracker_.flow_at(flow.flows, ASKS, 101)
    assert level == {
        "stacked": 0, "pulled": 0, "traded": 18, "replenished": 18, "shown": 10, "peak": 10,
    }  # fmt: skip
    assert tracker_.icebergs(flow.flows, ASKS) == [(101, 18, 10)]
    assert tracker_.replenishment_at(flow.flows, ASKS, 101) == 1.8
    assert np.isnan(tracker_.replenishment_at(flow.flows, ASKS, 102))
    assert tracker_.icebergs(flow.flows, 0) == []


@pytest.mark.nojit
def test_size_that_comes_back_in_the_open_is_replenished_up_to_what_traded() -> None:
    flow = started([(100, 50)], [(101, 10)])
    flow.trade(1, 101, 6, 1)
    change(flow, 1, (ASKS, 101, 4))
    change(flow, 2, (ASKS, 101, 13))
    level = tracker_.flow_at(flow.flows, ASKS, 101)
    assert (level["traded"], level["replenished"], level["stacked"]) == (6, 6, 3)
    assert level["peak"] == 13


@pytest.mark.nojit
def test_trades_without_an_aggressor_touch_no_level() -> None:
    flow = started([(100, 50)], [(101, 10)])
    flow.trade(1, 101, 6, 0)
    change(flow, 1, (ASKS, 101, 4))
    level = tracker_.flow_at(flow.flows, ASKS, 101)
    assert (level["traded"], level["pulled"]) == (0, 6)
    assert flow.state[0].tracker.unclassified == 6


@pytest.mark.nojit
def test_what_was_consumed_within_a_time() -> None:
    flow = started([(100, 50)], [(101, 100), (102, 100), (103, 100), (104, 9), (105, 9)])
    second = 1_000_000_000
    for i, price in enumerate((101, 102, 103)):
        flow.trade(i * second, price, 100, 1)
        change(flow, i * second, (ASKS, price, 0))
    assert flow.consumed(ASKS, 2 * second, 5 * second) == (3, 300, 101, 103, 2)
    assert flow.consumed(ASKS, 2 * second, 2 * second) == (2, 200, 102, 103, 2)
    assert flow.consumed(ASKS, 9 * second, second) == (0, 0, 0, 0, 0)
    assert flow.consumed(0, 2 * second, 5 * second).levels == 0


@pytest.mark.nojit
def test_a_snapshot_is_no_flow() -> None:
    flow = started([(100, 50)], [(101, 10)])
    rows = [(4, 0, 0, 0, 32, 2, 5), (1, 1, 90, 7, 32, 2, 5), (1, 2, 101, 99, 32 + LAST, 2, 5)]
    change(flow, 1, (ASKS, 101, 11))
    flow.trade(4, 101, 3, 1)
    flow.apply(np.array(rows, np.int64))
    level = tracker_.flow_at(flow.flows, ASKS, 101)
    assert (level["stacked"], level["pulled"], level["replenished"], level["traded"]) == (
        1,
        0,
        0,
        3,
    )
    assert level["peak"] == 99


@st.composite
def streams(draw: st.DrawFn) -> list[tuple]:
    """Batches of changes around a market, and trades between them."""
    events, ts = [], 0
    for _ in range(draw(st.integers(1, 12))):
        for _ in range(draw(st.integers(0, 4))):
            side = draw(st.sampled_from([1, 1, -1, -1, 0]))
            price = (101 if side > 0 else 99) + draw(st.integers(-2, 2))
            events.append(("trade", ts, price, draw(st.integers(1, 12)), side))
        ts += draw(st.sampled_from([0, 1_000, 4_000_000_000]))
        count = draw(st.integers(1, 6))
        for i in range(count):
            side = draw(st.sampled_from([1, 2]))
            price = (99 if side == 1 else 101) + draw(st.integers(-2, 2))
            action = draw(st.sampled_from([1, 2, 2, 3]))
            flags = LAST if i == count - 1 else 0
            events.append(("delta", ts, action, side, price, draw(st.integers(1, 15)), flags))
    return events


FIRST = ([(99, 10), (98, 20), (90, 1)], [(101, 10), (102, 2), (103, 90), (110, 30)])


def fed(events: list[tuple]) -> BookFlow:
    flow = started(*FIRST)
    for kind, ts, *rest in events:
        if kind == "trade":
            flow.trade(ts, *rest)
        else:
            flow.apply(np.array([(*rest, 0, ts)], np.int64))
    return flow


@pytest.mark.nojit
@settings(deadline=None, max_examples=60)
@given(streams())
def test_agrees_with_the_twin_and_balances(events: list[tuple]) -> None:
    naive = NaiveTracker()
    for side in (0, 1):
        naive.book.sides[side].update(FIRST[side])
    naive.end_batch()
    for kind, ts, *rest in events:
        if kind == "trade":
            naive.trade(*rest)
        else:
            naive.delta(ts, rest)
            if rest[-1]:
                naive.end_batch()
    flow = fed(events)
    totals = flow.state[0].tracker
    assert totals.levels == len(naive.flows)
    for (side, price), expected in naive.flows.items():
        ours = tracker_.flow_at(flow.flows, side, price)
        assert ours == {name: expected[name] for name in FLOW}
        gained = ours["stacked"] + ours["replenished"] - ours["pulled"] - ours["traded"]
        now = naive.size((side, price))
        assert now - naive.displayed_since[side, price] == gained
    for side in (0, 1):
        mine = [f for (s, _), f in naive.flows.items() if s == side]
        for name in FLOW[:4]:
            assert totals[name][side] == sum(f[name] for f in mine)
        ring = flow.consumed_levels[side]
        ours = [
            tuple(ring[i % len(ring)].tolist())
            for i in range(totals.tails[side], totals.heads[side])
        ]
        since = flow.state[0].book.ts - totals.memory
        theirs = [row[1:] for row in naive.consumed if row[0] == side]
        assert [row for row in ours if row[0] > since] == [r for r in theirs if r[0] > since]
        for span in (1, 4_000_000_000, 9_000_000_000):
            now = int(flow.state[0].book.ts)
            inside = [row for row in theirs if now - span < row[0] <= now]
            got = flow.consumed(side, now, span)
            assert got.levels == len({row[1] for row in inside})
            assert got.lots == sum(row[2] for row in inside)
            if inside:
                assert got.thin == inside[0][4]
                assert {got.start, got.end} == {
                    min(row[1] for row in inside),
                    max(row[1] for row in inside),
                }


@pytest.mark.nojit
def test_arrays_grow_without_losing_anything() -> None:
    flow = started([(100, 50)], [(p, 5) for p in range(101, 501)])
    small = [array.shape for array in (flow.prints, flow.flows, flow.consumed_levels)]
    for price in range(101, 301):
        flow.trade(1, price, 5, 1)
    change(flow, 1, *((ASKS, price, 0) for price in range(101, 301)))
    large = [array.shape for array in (flow.prints, flow.flows, flow.consumed_levels)]
    assert all(b != a for a, b in zip(small, large, strict=True))
    assert consumed(flow) == [[price, 5] for price in range(101, 301)]
    assert flow.consumed(ASKS, 1, 10) == (200, 1_000, 101, 300, 0)
    assert all(tracker_.flow_at(flow.flows, ASKS, p)["traded"] == 5 for p in range(101, 301))


@pytest.mark.nojit
def test_a_new_session_starts_the_flows_anew() -> None:
    flow = started([(100, 50)], [(101, 10)])
    change(flow, 1, (ASKS, 101, 3))
    flow.start_session()
    assert tracker_.flow_at(flow.flows, ASKS, 101)["pulled"] == 0
    assert flow.state[0].tracker.pulled[ASKS] == 0
    change(flow, 2, (ASKS, 101, 2))
    assert tracker_.flow_at(flow.flows, ASKS, 101)["peak"] == 3


def test_bad_parameters_are_named() -> None:
    with pytest.raises(ValueError, match="`min_lots` must be >= 0, was -1"):
        tracker_.new_tracker(min_lots=-1)
    with pytest.raises(ValueError, match="`thin_lots` must be >= 0, was -2"):
        tracker_.new_tracker(thin_lots=-2)
    with pytest.raises(ValueError, match="`memory` must be > 0, was 0"):
        tracker_.new_tracker(memory=0)
    with pytest.raises(ValueError, match="`room` must be a power of 2 >= 2, was 3"):
        tracker_.new_tracker(room=3)
