"""Indicators of trades: the host feeds them, and they read what the kernels read."""

import math
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from nautilus_trader.model.data import QuoteTick, TradeTick
from nautilus_trader.model.enums import AggressorSide
from nautilus_trader.model.identifiers import InstrumentId, TradeId
from nautilus_trader.model.objects import Price, Quantity

from of_nautilus.core import impact as impact_
from of_nautilus.core import vpin as vpin_
from of_nautilus.core.delta import CvdReset
from of_nautilus.core.sessions import DAY, HOUR, MINUTE, SECOND, SessionClock
from of_nautilus.core.ticks import MarketScale
from of_nautilus.engine import FlowConfig, FlowEngine
from of_nautilus.indicators.base import TradeIndicator
from of_nautilus.indicators.composite_profile import CompositeVolumeProfile
from of_nautilus.indicators.delta import CumulativeVolumeDelta
from of_nautilus.indicators.impact import KyleLambda, RollSpread
from of_nautilus.indicators.profile import VolumeProfile
from of_nautilus.indicators.tape import RollingFlow
from of_nautilus.indicators.vpin import Vpin
from of_nautilus.indicators.vwap import VolumeWeightedAveragePrice
from of_nautilus.indicators.vwap_signal import VwapDeviationSignal
from tests.naive import profile as naive_profile
from tests.naive import tape as naive_tape
from tests.naive import windows as naive_windows
from tests.recorded import Trades, bitcoin

SCALE = MarketScale(Decimal("0.1"), Decimal("0.001"))
BTC = InstrumentId.from_str("BTCUSDT-PERP.BINANCE")


def tick(ts: int, price: int, size: int, side: int) -> TradeTick:
    """The host's trade, with the error of its float milliseconds."""
    return TradeTick(
        BTC,
        Price(price * 0.1, 2),
        Quantity(size * 0.001, 3),
        {1: AggressorSide.BUYER, -1: AggressorSide.SELLER, 0: AggressorSide.NO_AGGRESSOR}[side],
        TradeId("1"),
        ts + (ts // 1_000_000 % 3 - 1) * 128,
        ts,
    )


def feed(indicator: TradeIndicator, trades: Trades) -> None:
    feed_rows(indicator, trades.rows())


def feed_rows(indicator: TradeIndicator, rows: list[tuple[int, int, int, int]]) -> None:
    for row in rows:
        indicator.handle_trade_tick(tick(*row))


@pytest.fixture(scope="module")
def trades(real_data: Path) -> Trades:
    return bitcoin(real_data)[0].first(4000)


def test_vwap(trades: Trades) -> None:
    vwap = VolumeWeightedAveragePrice(SCALE)
    feed(vwap, trades)
    mean, variance = naive_profile.vwap(trades.rows())
    assert vwap.value == pytest.approx(float(mean) / 10, rel=1e-14)
    assert vwap.deviation == pytest.approx(naive_profile.root(variance) / 10, rel=1e-12)
    assert vwap.band(2) == pytest.approx(vwap.value + 2 * vwap.deviation, rel=1e-15)


def test_vwap_starts_anew_a_month_later() -> None:
    vwap = VolumeWeightedAveragePrice(SCALE)
    vwap.update_raw(0, 100.0, 5.0, 1)
    vwap.update_raw(DAY - 1_000, 200.0, 5.0, 1)
    assert vwap.value == 150.0
    vwap.update_raw(31 * DAY, 50.0, 1.0, 1)
    assert vwap.value == 50.0


def test_vpin(trades: Trades) -> None:
    vpin = Vpin(Decimal("0.001"), bucket=0.5, buckets=20, history=10)
    feed(vpin, trades)
    state, ring = vpin_.new_vpin(500, 20)
    values = vpin_.run_vpin(state, ring, trades.size, trades.side)
    assert vpin.value == values[-1]
    assert vpin.closed_buckets == trades.size.sum() // 500
    assert 0.0 <= vpin.rank <= 1.0
    vpin.set_bucket(1e9)
    closed = vpin.closed_buckets
    feed(vpin, trades)
    assert vpin.closed_buckets == closed + 1


def test_profile_of_sessions(trades: Trades) -> None:
    profile = VolumeProfile(SCALE, ticks_per_row=10, session="30min")
    feed(profile, trades)
    expected = naive_profile.key_prices(naive_profile.volume_by_row(trades.rows(), 10), 10)
    found = (profile.point_of_control, profile.value_area_low, profile.value_area_high)
    assert found == tuple(float(SCALE.price(price)) for price in expected)
    assert profile.volume == pytest.approx(trades.size.sum() * 0.001, rel=1e-15)
    assert not profile.sessions
    # The next session opens far away; then the market comes back to the POC.
    later = int(trades.ts[-1]) + DAY
    profile.handle_trade_tick(tick(later, 700_000, 1, 1))
    assert [session.hist.sum() for session in profile.sessions] == [trades.size.sum()]
    assert list(profile.naked.prices.values()) == [expected[0]]
    assert profile.point_of_control == 70_000.4
    profile.handle_trade_tick(tick(later, expected[0], 1, 1))
    assert not profile.naked.prices


def round_the_clock() -> list[tuple[int, int, int, int]]:
    """Three days of trades at whole minutes, many of them just when a session starts or ends."""
    rng = np.random.default_rng(4)
    ts = 1_381_104_000 * SECOND + np.sort(rng.integers(0, 3 * 144, 500)) * 10 * MINUTE
    price = 1_650 + np.cumsum(rng.integers(-2, 3, 500))
    size, side = rng.integers(1, 50, 500), rng.choice([1, -1], 500)
    return list(zip(ts.tolist(), price.tolist(), size.tolist(), side.tolist(), strict=True))


def test_trades_outside_the_session_are_counted_and_left_out_as_by_the_engine() -> None:
    profile = VolumeProfile(SCALE, session="NY_CASH")
    several = CompositeVolumeProfile(SCALE, session="NY_CASH")
    vwap = VolumeWeightedAveragePrice(SCALE, session="NY_CASH")
    cvd = CumulativeVolumeDelta(SCALE.lot, session="NY_CASH")
    signal = VwapDeviationSignal(SCALE, session="NY_CASH", seconds=7200.0, sizes=5)
    inside = VwapDeviationSignal(SCALE, seconds=7200.0, sizes=5)
    engine = FlowEngine(SCALE, FlowConfig.bars_only(session="NY_CASH", profile=True, vwap=True))
    clock = SessionClock("NY_CASH")
    total, told = 0, set()
    for row in round_the_clock():
        trade = tick(*row)
        for indicator in (profile, several, vwap, cvd, signal):
            indicator.handle_trade_tick(trade)
        engine.on_tick(trade.ts_event, row[1] * 0.1, row[2] * 0.001, row[3])
        for indicator in (profile, several, vwap, cvd):
            assert indicator.outside_session == engine.quality["outside_session"]
        if not clock.contains(row[0]):
            continue
        inside.handle_trade_tick(trade)
        total += row[2]
        developing = engine.session_profile()
        assert developing is not None
        assert profile.developing.hist.tolist() == developing.hist.tolist()
        assert several.volume == pytest.approx(total * 0.001, rel=1e-12)
        assert vwap.value == pytest.approx(engine.vwap[0] * 0.1, rel=1e-12)
        assert cvd.value == pytest.approx(engine.cvd * 0.001, abs=1e-12)
        assert cvd.anchor_ts == clock.bounds(row[0])[0]
        told.add(signal.value)
        assert str(signal.value) == str(inside.value)
    assert engine.quality["trades"] > 100
    assert engine.quality["outside_session"] > 200
    assert len(profile.sessions) == 2
    assert len(told) > 3


def test_what_is_said_of_a_session_stands_until_the_next_one_trades() -> None:
    opening = 1_381_152_600 * SECOND  # 2013-10-07 09:30 in New York
    vwap = VolumeWeightedAveragePrice(SCALE, session="NY_CASH")
    vwap.update_raw(opening - HOUR, 170.0, 1.0, 1)
    assert vwap.has_inputs
    assert not vwap.initialized
    vwap.update_raw(opening, 165.0, 1.0, 1)
    for later in (7 * HOUR, 20 * HOUR, DAY - SECOND):
        vwap.update_raw(opening + later, 170.0, 1.0, 1)
        assert vwap.value == 165.0
    vwap.update_raw(opening + DAY, 166.0, 1.0, 1)
    assert (vwap.value, vwap.outside_session) == (166.0, 4)


def test_a_cvd_that_never_resets_has_no_outside() -> None:
    cvd = CumulativeVolumeDelta(SCALE.lot, CvdReset.NEVER, session="NY_CASH")
    feed_rows(cvd, round_the_clock())
    assert cvd.outside_session == 0
    net = sum(size * side for _, _, size, side in round_the_clock())
    assert cvd.value == pytest.approx(net * 0.001, abs=1e-12)


def test_rolling_flow(trades: Trades) -> None:
    flow = RollingFlow(SCALE, seconds=5.0, quantile=0.9, sizes=100)
    feed(flow, trades)
    rows = trades.rows()
    held = naive_windows.sums(rows, 5 * SECOND)
    assert flow.buy == pytest.approx(held["buy"] * 0.001, rel=1e-12)
    assert flow.sell == pytest.approx(held["sell"] * 0.001, rel=1e-12)
    assert flow.delta == pytest.approx((held["buy"] - held["sell"]) * 0.001, rel=1e-12)
    orders = naive_tape.parents(rows)[:-1]
    sizes = np.array([order["lots"] for order in orders])
    above = naive_tape.trailing_quantile(sizes, 0.9, 100)
    recent = [
        (order, limit)
        for order, limit in zip(orders, above, strict=True)
        if order["ts"] > rows[-1][0] - 5 * SECOND
    ]
    assert flow.rate == len(recent) / 5
    large = sum(
        order["lots"] for order, limit in recent if order["side"] > 0 and order["lots"] > limit
    )
    assert flow.large_buy == pytest.approx(large * 0.001, rel=1e-12)
    assert flow.large_threshold == pytest.approx(np.quantile(sizes[-100:], 0.9) * 0.001, rel=1e-12)


def test_kyle_of_trades_alone(trades: Trades) -> None:
    kyle = KyleLambda(SCALE, seconds=1.0)
    assert math.isnan(kyle.value)
    feed(kyle, trades)
    state, ring = impact_.new_kyle(SECOND, 30, 20)
    slopes = impact_.run_kyle(state, ring, *trades)
    assert kyle.value == pytest.approx(slopes[-1] * 0.1 / 0.001, rel=1e-12)
    root_slope = state[0].root_slope / math.sqrt(0.1 * 0.001)
    assert kyle.hasbrouck == pytest.approx(root_slope, rel=1e-12)


def test_kyle_takes_quotes_for_the_mid() -> None:
    kyle = KyleLambda(SCALE, seconds=1.0, points=4, least=4)
    for second, side in enumerate((1, 1, -1, 1, -1, 1)):
        mid = 1000.0 + 0.5 * side
        kyle.handle_quote_tick(
            QuoteTick(
                BTC,
                Price(mid - 0.1, 2),
                Price(mid + 0.1, 2),
                Quantity(1, 3),
                Quantity(1, 3),
                second * SECOND,
                second * SECOND,
            )
        )
        # Trades far from the mid must not matter.
        kyle.update_raw(second * SECOND, 5000.0, 2.0, side)
    # The last four points (volume, change of mid): (2, 0), (-2, -1), (2, 1), (-2, -1).
    assert kyle.value == pytest.approx(0.375, rel=1e-12)


def test_roll(trades: Trades) -> None:
    roll = RollSpread(SCALE, window=50)
    feed(roll, trades)
    found = impact_.run_roll(*impact_.new_roll(50), trades.price)
    assert roll.value == pytest.approx(found[-1] * 0.1, rel=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VolumeProfile(SCALE, method="none"), "`method` must be one of"),
        (lambda: VolumeProfile(SCALE, keep=0), "`keep` must be >= 1, was 0"),
        (lambda: RollingFlow(SCALE, sizes=1), "`sizes` must be >= 2, was 1"),
        (lambda: Vpin(Decimal(0), 1.0), "`lot` must be > 0, was 0"),
        (lambda: Vpin(Decimal(1), 5.0).set_bucket(0.0), "`bucket` must be >= 1, was 0.0"),
    ],
)
def test_bad_parameters(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
