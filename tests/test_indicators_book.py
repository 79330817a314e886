"""The book's indicators: the host's objects in, the core's figures out; and their contract."""

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from nautilus_trader.model.data import (
    BookOrder,
    OrderBookDelta,
    OrderBookDeltas,
    OrderBookDepth10,
    QuoteTick,
    TradeTick,
)
from nautilus_trader.model.enums import AggressorSide, BookAction, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, TradeId
from nautilus_trader.model.objects import Price, Quantity

from of_nautilus.core.book_flow import BookFlow
from of_nautilus.core.ticks import MarketScale
from of_nautilus.indicators.book import (
    BookIndicator,
    BookMeasures,
    BookTracker,
    MicroPrice,
    SpreadZScore,
)
from of_nautilus.indicators.ofi import BookImbalance, QuoteImbalance

SCALE = MarketScale(Decimal("0.1"), Decimal("0.001"))
ID = InstrumentId.from_str("X-PERP.SIM")
S = 1_000_000_000
ALL: tuple[type[BookIndicator], ...] = (
    BookMeasures,
    SpreadZScore,
    MicroPrice,
    BookTracker,
    BookImbalance,
)
each = pytest.mark.parametrize("cls", ALL)


def market(n: int = 300, seed: int = 1) -> list[np.ndarray]:
    """Messages of delta rows: a snapshot, then changes around a walking mid, 0.4 s apart."""
    random = np.random.default_rng(seed)
    bids = {1_000 - i: int(random.integers(1, 90)) for i in range(12)}
    asks = {1_001 + i: int(random.integers(1, 90)) for i in range(12)}
    first = [(4, 0, 0, 0, 32, 1, 0)]
    for side, levels in ((1, bids), (2, asks)):
        first += [(1, side, price, lots, 32, 1, 0) for price, lots in levels.items()]
    messages = [first]
    for i in range(2, n):
        ts, rows = i * 2 * S // 5, []
        for side, levels, step in ((1, bids, 1), (2, asks, -1)):
            best = max(levels) if side == 1 else min(levels)
            other = min(asks) if side == 1 else max(bids)
            wide = abs(best - other) > 2
            if random.random() < 0.3 and len(levels) > 6 and not wide:
                rows.append((3, side, best, levels.pop(best), 0, i, ts))
            elif (random.random() < 0.4 or wide) and best + step != other:
                levels[best + step] = int(random.integers(1, 90))
                rows.append((1, side, best + step, levels[best + step], 0, i, ts))
            deep = best - step * int(random.integers(1, 14))
            levels[deep] = int(random.integers(1, 90))
            rows.append((2, side, deep, levels[deep], 0, i, ts))
        messages.append(rows)
    for rows in messages:
        rows[-1] = (*rows[-1][:4], rows[-1][4] | 128, *rows[-1][5:])
    return [np.array(rows, np.int64) for rows in messages]


def late_snapshot(*levels: tuple[int, int]) -> list[tuple[int, ...]]:
    """A snapshot of (price, lots), asks with their price negated, late."""
    rows = [(4, 0, 0, 0, 32, 9_999, 9_999 * S)]
    rows += [(1, 1 if p > 0 else 2, abs(p), lots, 32, 9_999, 9_999 * S) for p, lots in levels]
    return [*rows[:-1], (*rows[-1][:4], 160, *rows[-1][5:])]


def host_deltas(rows: np.ndarray) -> list[OrderBookDelta]:
    made = []
    for action, side, price, lots, flags, sequence, ts in rows.tolist():
        if action == 4:
            made.append(OrderBookDelta.clear(ID, sequence, ts, ts))
            continue
        # Two digits of price where the increment is 0.1, as a venue of the host has it.
        order = BookOrder(
            OrderSide(side),
            Price.from_str(f"{price // 10}.{price % 10}0"),
            Quantity.from_str(f"{lots / 1000:.3f}"),
            0,
        )
        made.append(OrderBookDelta(ID, BookAction(action), order, flags, sequence, ts, ts))
    return made


def mirrored(messages: list[np.ndarray]) -> list[np.ndarray]:
    """Bids for asks, about 1,000.5 ticks."""
    flipped = []
    for rows in messages:
        copy = rows.copy()
        real = copy[:, 1] > 0
        copy[real, 1] = 3 - copy[real, 1]
        copy[real, 2] = 2_001 - copy[real, 2]
        flipped.append(copy)
    return flipped


def feed(indicator: Any, messages: list[np.ndarray]) -> Any:
    for rows in messages:
        if isinstance(indicator, BookTracker) and rows[0, 0] != 4:
            row = rows[0].tolist()
            side = -1 if row[1] == 1 else 1
            indicator.update_trade(row[6], row[2] * 0.1, row[3] * 0.001, side)
        indicator.update_raw(rows)
    return indicator


def outputs(indicator: Any) -> dict[str, float]:
    return {name: getattr(indicator, name) for name in indicator.OUTPUTS}


@each
def test_fresh_is_not_ready_and_nan_and_fed_is_ready_and_finite(cls: type[BookIndicator]) -> None:
    indicator = cls(SCALE)
    assert not indicator.initialized
    assert all(math.isnan(value) for value in outputs(indicator).values())
    feed(indicator, market())
    assert indicator.initialized
    assert indicator.has_inputs
    assert all(math.isfinite(value) for value in outputs(indicator).values())
    indicator.flow.mark_gap()
    indicator.update_raw(np.array([(2, 1, 900, 5, 128, 999, 200 * S)], np.int64))
    assert not indicator.initialized, "until the next snapshot"
    assert all(math.isnan(value) for value in outputs(indicator).values())


@each
def test_fed_after_a_reset_is_as_fresh_fed(cls: type[BookIndicator]) -> None:
    used = feed(cls(SCALE), market(seed=2))
    used.reset()
    assert not used.initialized
    assert not used.has_inputs
    fresh = feed(cls(SCALE), market())
    assert outputs(feed(used, market())) == outputs(fresh)
    assert used.flow.digest() == fresh.flow.digest()


@each
def test_sides_mirrored_sizes_times_k_prices_shifted(cls: type[BookIndicator]) -> None:
    messages = market()
    plain, flipped = (
        outputs(feed(cls(SCALE), messages)),
        outputs(feed(cls(SCALE), mirrored(messages))),
    )
    larger, shifted = [], []
    for rows in messages:
        larger.append(rows * [1, 1, 1, 3, 1, 1, 1])
        shifted.append(rows + [0, 0, 170, 0, 0, 0, 0] * (rows[:, 1:2] > 0))
    thrice, moved = outputs(feed(cls(SCALE), larger)), outputs(feed(cls(SCALE), shifted))
    for name, what in cls.OUTPUTS.items():
        if what.sign and not what.shift:
            assert flipped[what.mirror or name] == pytest.approx(what.sign * plain[name])
        assert thrice[name] == pytest.approx(3**what.scale * plain[name])
        assert moved[name] == pytest.approx(plain[name] + 17.0 * what.shift)


@each
def test_the_hosts_objects_one_by_one_or_by_message_are_the_rows(cls: type[BookIndicator]) -> None:
    messages = market(60)
    by_row, by_message, one_by_one = (cls(SCALE) for _ in range(3))
    for rows in messages:
        by_row.update_raw(rows)
        made = host_deltas(rows)
        by_message.handle_order_book_deltas(OrderBookDeltas(ID, made))
        for delta in made:
            one_by_one.handle_order_book_deltas(OrderBookDeltas(ID, [delta]))
    assert by_row.flow.digest() == by_message.flow.digest() == one_by_one.flow.digest()
    np.testing.assert_equal(outputs(by_row), outputs(one_by_one))


def test_feeds_without_flags_or_snapshots() -> None:
    indicator = BookMeasures(SCALE, whole_batches=True, snapshots=False)
    for rows in market(40):
        made = host_deltas(rows[rows[:, 0] < 4] & [~0, ~0, ~0, ~0, 0, ~0, ~0])
        indicator.handle_order_book_deltas(OrderBookDeltas(ID, made))
    expected = feed(BookMeasures(SCALE), market(40))
    assert indicator.initialized
    assert outputs(indicator) == outputs(expected)


def test_a_long_message_finds_room() -> None:
    rows = [(4, 0, 0, 0, 32, 1, 0)]
    rows += [(1, 1, 1_000 - i, 1 + i, 32, 1, 0) for i in range(900)]
    rows += [(1, 2, 1_001 + i, 1 + i, 32, 1, 0) for i in range(900)]
    rows[-1] = (*rows[-1][:4], 160, 1, 0)
    indicator = BookMeasures(SCALE)
    indicator.handle_order_book_deltas(OrderBookDeltas(ID, host_deltas(np.array(rows, np.int64))))
    assert indicator.flow.state[0].book.levels.tolist() == [900, 900]


def test_depth_pictures() -> None:
    indicator = BookMeasures(SCALE)
    bids = [(100.0 - 0.1 * i, 0.010 * (i + 1)) for i in range(10)]
    asks = [(100.1 + 0.1 * i, 0.030) for i in range(10)]
    orders = [
        [BookOrder(side, Price(price, 1), Quantity(size, 3), 0) for price, size in levels]
        for side, levels in ((OrderSide.BUY, bids), (OrderSide.SELL, asks))
    ]
    counts = [1] * 10
    indicator.handle_order_book_depth(OrderBookDepth10(ID, *orders, counts, counts, 0, 1, S, S))
    assert indicator.initialized
    assert indicator.imbalance_1 == -0.5
    assert indicator.total_depth == pytest.approx(0.30)
    assert indicator.spread == 1.0
    assert indicator.impact(1, 0.060) == pytest.approx(1.0)
    assert math.isnan(indicator.impact(-1, 99.0))
    assert indicator.path == 1
    with pytest.raises(ValueError, match="`side` must be 1 or -1, was 0"):
        indicator.impact(0, 1.0)


def test_tracker_takes_the_hosts_trades() -> None:
    tracker = BookTracker(SCALE)
    rows = market(2)[0]
    tracker.update_raw(rows)
    shown = int(rows[(rows[:, 1] == 2) & (rows[:, 2] == 1_001), 3][0])
    size = Quantity.from_str(f"{shown / 1000:.3f}")
    buyer = AggressorSide.BUYER
    tracker.handle_trade_tick(
        TradeTick(ID, Price.from_str("100.10"), size, buyer, TradeId("1"), 1, 1)
    )
    tracker.update_raw(np.array([(3, 2, 1_001, 0, 128, 2, 1)], np.int64))
    assert tracker.ask_traded == pytest.approx(shown / 1000)
    assert tracker.ask_pulled == tracker.bid_traded == 0.0
    assert tracker.replenishment(-1, 100.1) == 1.0
    # The best ask went, and all of it by that trade.
    gone = tracker.consumed(-1)
    assert (gone.levels, gone.lots, gone.start, gone.end) == (1, shown, 1_001, 1_001)
    assert tracker.consumed(1).levels == 0
    with pytest.raises(ValueError, match="`side` must be 1 or -1, was 0"):
        tracker.consumed(0)
    with pytest.raises(ValueError, match=r"`seconds` must be in \(0, 10\], was 11.0"):
        tracker.consumed(1, 11.0)
    assert math.isnan(tracker.replenishment(1, 100.0))
    assert math.isnan(tracker.resilience)
    assert math.isnan(tracker.half_life)
    with pytest.raises(ValueError, match="`side` must be 1 or -1, was 2"):
        tracker.replenishment(2, 100.0)


def test_path_impact_and_thin_levels() -> None:
    book = BookMeasures(SCALE)
    assert book.path == 0
    assert math.isnan(book.impact(1, 0.01))
    assert book.thin_levels(1) == []
    levels = [(1, price, 40) for price in (1_000, 999, 998)] + [(2, 1_001, 20), (2, 1_002, 4)]
    levels += [(2, 1_003, 20), (2, 1_004, 20)]
    rows = [(4, 0, 0, 0, 32, 1, 0), *((1, *level, 32, 1, 0) for level in levels)]
    rows[-1] = (*rows[-1][:4], 160, 1, 0)
    book.update_raw(np.array(rows, np.int64))
    assert book.path == 1
    # 20 lots half a tick and 2 lots one and a half ticks above the mid.
    assert book.impact(1, 0.022) == pytest.approx((20 * 0.5 + 2 * 1.5) / 22)
    assert book.impact(-1, 0.040) == 0.5
    assert math.isnan(book.impact(1, 1.0))
    # A quarter of the median of 20, 4, 20, 20 is 5.
    assert book.thin_levels(-1) == [100.2]
    assert book.thin_levels(1) == []
    with pytest.raises(ValueError, match="`side` must be 1 or -1, was 0"):
        book.thin_levels(0)


def test_micro_price_is_the_weighted_mid_until_fitted() -> None:
    messages = market(3_000)
    last = np.array(late_snapshot((1_000, 60), (999, 5), (-1_001, 20), (-1_002, 5)), np.int64)
    messages.append(last)
    micro, measures = feed(MicroPrice(SCALE), messages), feed(BookMeasures(SCALE), messages)
    assert not micro.fitted
    assert micro.value == measures.weighted_mid
    micro.fit()
    assert micro.fitted
    assert micro.value != measures.weighted_mid
    assert abs(micro.value - measures.mid) < 1.0


def test_quotes_read_as_the_best_level_of_the_book() -> None:
    book, quotes = BookImbalance(SCALE), QuoteImbalance(SCALE)
    assert math.isnan(quotes.short)
    for rows in market():
        book.update_raw(rows)
        top = book.flow.state[0].book
        price, size = Price, Quantity
        ts = int(rows[0, 6])
        quotes.handle_quote_tick(
            QuoteTick(
                ID,
                price(top.bid * 0.1, 1),
                price(top.ask * 0.1, 1),
                size(top.bid_size * 0.001, 3),
                size(top.ask_size * 0.001, 3),
                ts,
                ts,
            )
        )
    assert outputs(quotes) == outputs(book)
    assert quotes.initialized
    assert quotes.z_score(0) == book.z_score(0)
    assert book.by_level(1)[0] == book.medium
    assert math.isnan(book.integrated(0))
    book.start_session()
    weights = book.flow.state[0].ofi
    assert not weights.fitted, "two minutes hold fewer than 30 vectors"
    quotes.reset()
    assert math.isnan(quotes.short)


def test_integrated_is_fitted_between_sessions() -> None:
    book = feed(BookImbalance(SCALE, depth=3), market(1_200))
    book.start_session()
    scaled = book.integrated(1)
    assert math.isfinite(scaled)
    assert not book.from_snapshots


def test_a_shared_core_is_not_shared_state() -> None:
    one, other = BookMeasures(SCALE), BookMeasures(SCALE)
    feed(one, market(10))
    assert other.flow.digest() == BookFlow().digest()


def test_bad_parameters_are_named() -> None:
    with pytest.raises(ValueError, match="`depth` must be 1 to 10, was 0"):
        BookImbalance(SCALE, depth=0)
    with pytest.raises(ValueError, match="`windows` must be three lengths > 0, ascending"):
        QuoteImbalance(SCALE, windows=(60.0, 10.0, 300.0))
