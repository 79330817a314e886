"""Indicators that build bars, put orders together or find aggressors, beside slow twins."""

import itertools
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nautilus_trader.model.data import QuoteTick, TradeTick
from nautilus_trader.model.enums import AggressorSide
from nautilus_trader.model.identifiers import InstrumentId, TradeId
from nautilus_trader.model.objects import Price, Quantity

from of_nautilus.core.bvc import new_bvc, step_bvc
from of_nautilus.core.imbalance import PRESETS, ImbalanceRule
from of_nautilus.core.sessions import MINUTE, SECOND
from of_nautilus.core.tape import Classification
from of_nautilus.core.ticks import MarketScale
from of_nautilus.core.value_area import low_volume_nodes, profile_shape
from of_nautilus.core.vpin import new_vpin, step_vpin_bulk
from of_nautilus.indicators.bulk_volume import BulkVolume
from of_nautilus.indicators.classification import TradeClassifier
from of_nautilus.indicators.composite_profile import CompositeVolumeProfile
from of_nautilus.indicators.footprint import Footprint
from of_nautilus.indicators.illiquidity import AmihudIlliquidity
from of_nautilus.indicators.imbalances import FootprintImbalances
from of_nautilus.indicators.parents import ParentOrders
from of_nautilus.indicators.profile import VolumeProfile
from of_nautilus.indicators.rolling_delta import RollingDelta
from of_nautilus.indicators.rolling_profile import RollingVolumeProfile
from of_nautilus.indicators.vpin import BulkVpin, Vpin
from of_nautilus.indicators.vwap_signal import VwapDeviationSignal
from tests.naive import bars as naive_bars
from tests.naive import imbalance as naive_imbalance
from tests.naive import impact as naive_impact
from tests.naive import profile as naive_profile
from tests.naive import tape as naive_tape
from tests.recorded import bitcoin

SCALE = MarketScale(Decimal("0.1"), Decimal("0.001"))
BTC = InstrumentId.from_str("BTCUSDT-PERP.BINANCE")
BAR = 5.0
AGGRESSORS = {1: AggressorSide.BUYER, -1: AggressorSide.SELLER, 0: AggressorSide.NO_AGGRESSOR}
Row = tuple[int, int, int, int]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Prints of about two and a half minutes, several at one time, some of unknown side."""
    rng = np.random.default_rng(5)
    n = 1500
    ts = 1_700_000_040 * SECOND + np.cumsum(rng.integers(0, 3, n) * 100_000_000)
    price = 600_000 + np.cumsum(rng.integers(-2, 3, n))
    side = rng.choice([1, 1, -1, -1, 0], n)
    return list(
        zip(
            ts.tolist(), price.tolist(), rng.integers(1, 40, n).tolist(), side.tolist(), strict=True
        )
    )


@pytest.fixture(scope="module")
def closed(rows: list[Row]) -> list[list[Row]]:
    """The trades of each closed bar."""
    return naive_bars.bars(rows, "TIME", int(BAR * SECOND))[0][:-1]


def feed(indicator: Any, rows: list[Row]) -> Any:
    for ts, price, size, side in rows:
        indicator.update_raw(ts, price * 0.1, size * 0.001, side)
    return indicator


def price(ticks: int) -> float:
    return float(SCALE.price(ticks))


def tick(row: Row, trade_id: str = "1") -> TradeTick:
    ts, ticks, lots, side = row
    return TradeTick(
        BTC,
        Price(ticks * 0.1, 2),
        Quantity(lots * 0.001, 3),
        AGGRESSORS[side],
        TradeId(trade_id),
        ts,
        ts,
    )


def test_amihud(rows: list[Row], closed: list[list[Row]]) -> None:
    found = feed(AmihudIlliquidity(SCALE, window=10, bar_size=BAR), rows)
    readings = [naive_bars.reading(bar, 1) for bar in closed]
    expected = naive_impact.amihud([(bar["close"], bar["dollars"]) for bar in readings], 10)
    assert found.value == pytest.approx(expected / (0.1 * 0.001), rel=1e-12)
    assert found.value > 0


def test_bulk_volume_and_vpin(rows: list[Row], closed: list[list[Row]]) -> None:
    readings = [naive_bars.reading(bar, 1) for bar in closed]
    closes = [bar["close"] for bar in readings]
    volumes = [sum(row[2] for row in bar) for bar in closed]
    bulk = feed(BulkVolume(SCALE, window=7, bar_size=BAR), rows)
    bought = naive_tape.bought(closes, volumes, 7)[-1]
    assert bulk.buy == pytest.approx(bought * 0.001, rel=1e-9)
    assert bulk.sell == pytest.approx((volumes[-1] - bought) * 0.001, rel=1e-9)
    assert bulk.delta == pytest.approx(bulk.buy - bulk.sell, rel=1e-9)

    vpin = feed(BulkVpin(SCALE, 0.4, buckets=20, history=5, window=7, bar_size=BAR), rows)
    state, ring = new_vpin(400, 20)
    changes = new_bvc(7)
    for close, volume in zip(closes, volumes, strict=True):
        buy = step_bvc(*changes, close, volume)
        if not math.isnan(buy):
            step_vpin_bulk(state, ring, volume, buy)
    assert vpin.value == state[0].value
    # The first bar has no change of price, and fills no bucket.
    assert vpin.closed_buckets == sum(volumes[1:]) // 400
    assert 0.0 < vpin.value < 1.0
    assert 0.0 <= vpin.rank <= 1.0
    # Nobody told it the aggressors.
    blind = [(ts, ticks, lots, 0) for ts, ticks, lots, _ in rows]
    again = BulkVpin(SCALE, 0.4, buckets=20, history=5, window=7, bar_size=BAR)
    assert feed(again, blind).value == vpin.value


def test_facts_of_every_bar(rows: list[Row], closed: list[list[Row]]) -> None:
    height = 3
    footprint = Footprint(SCALE, bar_size=BAR, ticks_per_row=height)
    seen = streak = 0
    for row in rows:
        before = footprint.last
        feed(footprint, [row])
        if footprint.last is before:
            continue
        bar = closed[seen]
        seen += 1
        told = naive_bars.reading(bar, height)
        cells = naive_bars.cells(bar, height)
        low_row, volumes = told["low_row"], [sum(cell[:3]) for cell in cells]
        low, high = naive_imbalance.value_area(volumes)
        assert footprint.value_area_low == price((low_row + low) * height)
        assert footprint.value_area_high == price((low_row + high + 1) * height - 1)
        poc = naive_imbalance.poc(volumes)
        assert footprint.point_of_control == price((low_row + poc) * height)
        most, least = naive_imbalance.extreme_delta_rows(cells, told["close"] // height - low_row)
        assert footprint.maximum_delta_price == price((low_row + most) * height)
        assert footprint.minimum_delta_price == price((low_row + least) * height)
        assert footprint.unfinished_high == float(cells[-1][0] > 0 and cells[-1][1] > 0)
        assert footprint.unfinished_low == float(cells[0][0] > 0 and cells[0][1] > 0)
        buy, sell = told["buy"], told["sell"]
        assert footprint.ratio == pytest.approx(max(buy, sell) / max(min(buy, sell), 1), rel=1e-9)
        assert footprint.delta_share == pytest.approx((buy - sell) / sum(volumes), abs=1e-11)
        side = 0 if max(buy, sell) < 3 * min(buy, sell) else (1 if buy > sell else -1)
        streak = side * (abs(streak) + 1 if streak * side > 0 else 1)
        assert footprint.streak == streak
    assert seen == len(closed) > 20


def test_a_streak_grows_turns_and_ends() -> None:
    footprint = Footprint(SCALE, bar_size=1.0)
    found = []
    for second, side in enumerate((1, 1, -1, 0, -1, 1)):
        footprint.update_raw(second * SECOND, 100.0, 0.005, side)
        found.append(footprint.streak)
    assert math.isnan(found[0])
    assert found[1:] == [1.0, 2.0, -1.0, 0.0, -1.0]


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_imbalances_of_every_preset(name: str, closed: list[list[Row]]) -> None:
    height = 2
    found = FootprintImbalances(SCALE, name, bar_size=BAR, ticks_per_row=height)
    imbalances = 0
    for bar, following in itertools.pairwise(closed):
        feed(found, bar[1:] if found.initialized else bar)
        # The first trade of the next bar closes this one.
        feed(found, following[:1])
        cells = naive_bars.cells(bar, height)
        low_row = naive_bars.reading(bar, height)["low_row"]
        marks = naive_imbalance.flags(PRESETS[name], cells)
        assert found.buys == sum("buy" in mark for mark in marks)
        assert found.sells == sum("sell" in mark for mark in marks)
        assert found.rows == [
            (price((low_row + row) * height), side)
            for row, mark in enumerate(marks)
            for word, side in (("buy", 1), ("sell", -1))
            if word in mark
        ]
        stacks = naive_imbalance.stacks(PRESETS[name], cells)
        assert found.stacks == [
            (price((low_row + low) * height), price((low_row + high + 1) * height - 1), side)
            for low, high, side in stacks
        ]
        assert found.buy_stacks == sum(side > 0 for *_, side in stacks)
        assert found.sell_stacks == sum(side < 0 for *_, side in stacks)
        imbalances += len(found.rows)
    assert imbalances > 0


def test_a_stack() -> None:
    rule = ImbalanceRule(ratio=2.0, stack=2)
    found = FootprintImbalances(SCALE, rule, bar_size=1.0)
    assert found.stacks == []
    assert found.rows == []
    sold_and_bought = ((1000, 5, -1), (1001, 10, 1), (1001, 1, -1), (1002, 2, 1), (1003, 1, -1))
    feed(found, [(0, *trade) for trade in sold_and_bought] + [(SECOND, 1000, 1, 1)])
    assert found.stacks == [(100.1, 100.2, 1)]
    assert (found.buy_stacks, found.sell_stacks) == (1.0, 0.0)


def test_rolling_profile(rows: list[Row], closed: list[list[Row]]) -> None:
    found = feed(RollingVolumeProfile(SCALE, bars=8, ticks_per_row=10, bar_size=BAR), rows)
    held = [row for bar in closed[-8:] for row in bar]
    expected = naive_profile.key_prices(naive_profile.volume_by_row(held, 10), 10)
    shown = found.point_of_control, found.value_area_low, found.value_area_high
    assert shown == tuple(price(ticks) for ticks in expected)
    assert found.volume == pytest.approx(sum(row[2] for row in held) * 0.001, rel=1e-12)


def test_rolling_delta(rows: list[Row], closed: list[list[Row]]) -> None:
    found = feed(RollingDelta(SCALE, bars=8, bar_size=BAR), rows)
    held = [row for bar in closed[-8:] for row in bar]
    assert found.value == pytest.approx(naive_bars.running_delta(held)[-1] * 0.001, rel=1e-12)


def test_signal_of_a_price_away_from_its_vwap(rows: list[Row]) -> None:
    found = VwapDeviationSignal(SCALE, seconds=5.0, large_min=0.3, quantile=0.8, sizes=50)
    orders = naive_tape.parents(rows)
    above = naive_tape.trailing_quantile([order["lots"] for order in orders], 0.8, 50)
    complete = -1
    seen = set()
    for i, row in enumerate(rows):
        before = rows[i - 1] if i else None
        complete += before is None or (before[0], before[3]) != (row[0], row[3])
        feed(found, [row])
        if i % 7 or not found.initialized:
            continue
        ts, ticks = row[:2]
        held = [other for other in rows[: i + 1] if other[0] > ts - 5 * SECOND]
        buy, sell = (sum(o[2] for o in held if o[3] == side) for side in (1, -1))
        mean = sum(o[1] * o[2] for o in rows[: i + 1]) / sum(o[2] for o in rows[: i + 1])
        lean = 1 if ticks > mean else -1
        large = sum(
            order["lots"]
            for order, limit in zip(orders[:complete], above, strict=False)
            if order["side"] == lean and order["ts"] > ts - 5 * SECOND and order["lots"] > limit
        )
        share = large / max(buy if lean > 0 else sell, 1)
        if buy == sell:
            expected = 0
        elif (buy > sell) != (lean > 0):
            expected = -2 * lean
        else:
            expected = lean if share >= 0.3 else 0
        assert found.value == expected
        assert found.signal == expected
        seen.add(expected)
    assert seen == {-2, -1, 0, 1, 2}


def test_composite_profile(rows: list[Row]) -> None:
    found = feed(CompositeVolumeProfile(SCALE, past=1, ticks_per_row=5, session="1min"), rows)
    first = rows[-1][0] // MINUTE * MINUTE - MINUTE
    assert rows[0][0] < first
    held = [row for row in rows if row[0] >= first]
    by_row = naive_profile.volume_by_row(held, 5)
    expected = naive_profile.key_prices(by_row, 5)
    shown = found.point_of_control, found.value_area_low, found.value_area_high
    assert shown == tuple(price(ticks) for ticks in expected)
    assert found.volume == pytest.approx(sum(row[2] for row in held) * 0.001, rel=1e-12)
    hist = np.array(naive_profile.dense(by_row, min(by_row), max(by_row)))
    assert found.shape is profile_shape(hist).shape
    nodes = [(min(by_row) + row) * 5 + 2 for row in low_volume_nodes(hist, 40)]
    assert found.low_volume_nodes == [price(ticks) for ticks in nodes]


def test_nodes_of_a_profile() -> None:
    profile = VolumeProfile(SCALE)
    assert profile.high_volume_nodes == profile.low_volume_nodes == []
    for ticks, lots in enumerate((10, 40, 80, 60, 3, 55, 90, 100, 50, 5, 20), start=1000):
        profile.update_raw(0, ticks * 0.1, lots * 0.001, 1)
    assert profile.high_volume_nodes == [100.2, 100.7]
    assert profile.low_volume_nodes == [100.4, 100.9]


@pytest.mark.parametrize("lag", [0.0, 10.0])
def test_classifier_by_quotes_and_ticks(lag: float, rows: list[Row]) -> None:
    rng = np.random.default_rng(3)
    tape = TradeClassifier(SCALE, quote_lag=lag, flags=False)
    quotes, trades, found = [], [], []
    for row in rows[:200]:
        ts, ticks = row[:2]
        bid = ticks + int(rng.integers(-2, 2))
        ask = bid + int(rng.integers(0, 3))
        quotes.append((ts, bid, ask))
        sizes = Quantity(1, 3), Quantity(1, 3)
        bid_price, ask_price = Price(bid * 0.1, 2), Price(ask * 0.1, 2)
        tape.handle_quote_tick(QuoteTick(BTC, bid_price, ask_price, *sizes, ts, ts))
        trades.append((ts, ticks, 0))
        tape.handle_trade_tick(tick(row))
        found.append(tape.side)
    # A quote of a trade's own time counts, but only if it came before it.
    expected = [
        naive_tape.sides(trades[: i + 1], quotes[: i + 1], round(lag * SECOND))[-1]
        for i in range(len(trades))
    ]
    assert found == expected
    assert {1.0, -1.0} <= set(found)
    lots = {side: sum(row[2] for row, at in zip(rows, found, strict=False) if at == side)
            for side in (1, -1, 0)}  # fmt: skip
    assert tape.buy == pytest.approx(lots[1] * 0.001, rel=1e-12)
    assert tape.sell == pytest.approx(lots[-1] * 0.001, rel=1e-12)
    assert tape.unclassified == pytest.approx(lots[0] * 0.001, abs=1e-12)
    assert sum(tape.counts.values()) == 200
    assert tape.counts["by_flag"] == 0
    assert tape.counts["by_quote"] > 0
    assert tape.counts["by_tick"] > 0


def test_classifier_methods() -> None:
    made = {method: TradeClassifier(SCALE, method) for method in Classification}
    sides = {}
    for method, tape in made.items():
        tape.update_quote(0, 100.0, 101.0)
        assert math.isnan(tape.side)
        trades = ((99.0, 0), (100.9, 0), (100.8, 0), (100.8, 1))
        sides[method.name] = [tape.update_raw(1, at, 0.001, flag) for at, flag in trades]
    assert sides == {
        "FLAG": [0, 0, 0, 1],
        "TICK_RULE": [0, 1, -1, 1],
        "LEE_READY": [-1, 1, 1, 1],
    }


def test_classifier_without_a_whole_quote_and_over_sessions() -> None:
    tape = TradeClassifier(SCALE, session="1min")
    empty = Price(101.0, 2), Price(103.0, 2), Quantity(0, 3), Quantity(1, 3), 0, 0
    tape.handle_quote_tick(QuoteTick(BTC, *empty))
    told = [tape.update_raw(ts, at, 0.001, 0) for ts, at in ((1, 100.0), (2, 100.1))]
    assert told == [0, 1]
    # The next session knows no price before its own first one.
    assert tape.update_raw(MINUTE, 100.2, 0.001, 0) == 0
    # What trades before a session opens is not its own either.
    opening = 1_381_152_600 * 10**9  # 2013-10-07 09:30 in New York
    cash = TradeClassifier(SCALE, session="NY_CASH")
    early = ((opening - MINUTE, 100.0), (opening - 1_000, 100.1), (opening, 100.2))
    assert [cash.update_raw(ts, at, 0.001, 0) for ts, at in early] == [0, 1, 0]
    # Time that runs backwards does not put a quote before the ones that came before it.
    tape.update_quote(2 * MINUTE, 99.0, 100.0)
    tape.update_quote(MINUTE, 101.0, 102.0)
    assert tape.update_raw(2 * MINUTE, 100.5, 0.001, 0) == -1


def test_parent_orders(rows: list[Row]) -> None:
    ids = np.cumsum(np.random.default_rng(2).choice([1, 1, 1, 2], len(rows))).tolist()
    for numbers in (None, ids):
        orders = ParentOrders(SCALE)
        expected = naive_tape.parents(rows, numbers)[:-1]
        for i, row in enumerate(rows):
            before = orders.completed
            orders.handle_trade_tick(tick(row, "a-1" if numbers is None else str(numbers[i])))
            if orders.completed == before:
                continue
            order = expected[before]
            assert (orders.ts, orders.side) == (order["ts"], order["side"])
            assert (orders.prints, orders.levels) == (order["prints"], order["levels"])
            assert orders.size == pytest.approx(order["lots"] * 0.001, rel=1e-12)
            for name in ("first", "last", "low", "high"):
                assert getattr(orders, name) == pytest.approx(order[name] * 0.1, rel=1e-14)
            average = order["dollars"] / order["lots"] * 0.1
            assert orders.average == pytest.approx(average, rel=1e-14)
        assert orders.completed == len(expected)
    orders.update_raw(rows[-1][0], 100.0, 0.0, 1)
    assert orders.bad_sizes == 1
    assert orders.completed == len(expected)


def test_on_a_recorded_market(real_data: Path) -> None:
    trades, ids = bitcoin(real_data)
    rows, numbers = trades.first(4000).rows(), ids[:4000].tolist()
    orders = ParentOrders(SCALE)
    for row, number in zip(rows, numbers, strict=True):
        orders.handle_trade_tick(tick(row, str(number)))
    expected = naive_tape.parents(rows, numbers)[:-1]
    assert orders.completed == len(expected)
    assert orders.size == pytest.approx(expected[-1]["lots"] * 0.001, rel=1e-12)
    closed = naive_bars.bars(rows, "TIME", SECOND)[0][:-1]
    readings = [naive_bars.reading(bar, 1) for bar in closed]
    amihud = feed(AmihudIlliquidity(SCALE, window=20, bar_size=1.0), rows)
    value = naive_impact.amihud([(bar["close"], bar["dollars"]) for bar in readings], 20)
    assert amihud.value == pytest.approx(value / (0.1 * 0.001), rel=1e-12)
    tape = TradeClassifier(SCALE, Classification.TICK_RULE, flags=False)
    found = [tape.update_raw(ts, at * 0.1, lots * 0.001, side) for ts, at, lots, side in rows]
    assert found == classify_by_ticks([row[1] for row in rows])
    right = sum(told == row[3] for told, row in zip(found, rows, strict=True))
    # On this market the tick rule finds most of the venue's flags.
    assert right > 0.9 * len(rows)


def classify_by_ticks(prices: list[int]) -> list[int]:
    side, found = 0, [0]
    for before, after in itertools.pairwise(prices):
        side = (after > before) - (after < before) or side
        found.append(side)
    return found


def test_bars_count_what_is_bad() -> None:
    bulk = BulkVolume(SCALE)
    feed(bulk, [(SECOND, 1000, 5, 1), (0, 1001, 5, 1), (SECOND, 1001, 0, 1)])
    bulk.update_raw(SECOND, 100.05, 0.005, 1)
    quality = bulk.quality
    assert (quality["trades"], quality["backwards"], quality["bad_size"]) == (3, 1, 1)
    assert quality["off_grid_prices"] == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BulkVpin(SCALE, 1.0, history=1), "`history` must be >= 2, was 1"),
        (lambda: Vpin(Decimal(1), 1.0, history=1), "`history` must be >= 2, was 1"),
        (lambda: BulkVolume(SCALE, window=1), "`window` must be >= 2, was 1"),
        (lambda: BulkVolume(SCALE, session="NOON"), "`session` must be one of"),
        (lambda: AmihudIlliquidity(SCALE, bar_size=-1.0), "`bar_size` must be > 0, was -1.0"),
        (lambda: RollingVolumeProfile(SCALE, method="none"), "`method` must be one of"),
        (lambda: RollingVolumeProfile(SCALE, pct=1.5), r"`pct` must be in \(0, 1\], was 1.5"),
        (lambda: TradeClassifier(SCALE, session="NOON"), "`session` must be one of"),
        (
            lambda: TradeClassifier(SCALE, Classification.FLAG, flags=False),
            "`flags` must be True where `method` is FLAG, was False",
        ),
    ],
)
def test_bad_parameters(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
