"""The engine: the same whatever drives it, exact against a recount, safe against bad data."""

from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from of_nautilus.core.sessions import DAY, HOUR, MINUTE, SECOND
from of_nautilus.core.ticks import MarketScale
from of_nautilus.engine import (
    BarClosed,
    BarType,
    Event,
    FlowConfig,
    FlowEngine,
    SessionClosed,
    SessionStarted,
    VpinConfig,
    signals_of,
)
from of_nautilus.engine.config import CvdResets
from of_nautilus.patterns.absorption import AbsorptionConfig
from of_nautilus.patterns.initiative import InitiativeConfig
from of_nautilus.patterns.signal import signals_digest
from of_nautilus.patterns.sweep import SweepConfig
from of_nautilus.patterns.thresholds import Rules, Thresholds
from tests.conftest import vectors

SCALE = MarketScale(Decimal("0.1"), Decimal("0.001"))
SOURCE: dict[str, Any] = {"rules": Rules.SOURCE, "thresholds": Thresholds.ABSOLUTE}
SMALL = AbsorptionConfig(
    min_volume=0.02, big_trade=0.004, row_ticks=3, away_rows=2, hold_s=1, min_trades=3
)
BUSY = FlowConfig(
    session="30min",
    absorption=SMALL,
    sweep=SweepConfig(max_volume_per_level=1.0),
    initiative=InitiativeConfig(min_delta=0.005, min_body_ticks=1, acceleration=0.5),
    confirmations=True,
    vwap=True,
    windows_s=(10.0, 60.0),
    large_trades=True,
    vpin=VpinConfig(bucket=0.05, buckets=5),
    impact=True,
    **SOURCE,
)
# A tenth of a second of trades fills a bar, so that the robust units are known early.
ROBUST = FlowConfig(
    bar=BarType.TICK, bar_size=5, session="4h", vpin=VpinConfig(buckets=5), windows_s=(5.0,)
)
CONFIGS = [
    BUSY,
    ROBUST,
    FlowConfig(bar=BarType.TICK, bar_size=7, cvd_reset="never"),
    FlowConfig(bar=BarType.VOLUME, bar_size=0.05, cvd_reset="utc_day"),
    FlowConfig(bar=BarType.DOLLAR, bar_size=3000),
    FlowConfig(bar=BarType.RANGE, bar_size=9, ticks_per_row=4),
    FlowConfig.bars_only(bar=BarType.DELTA, bar_size=0.02),
]

# Without the compiler each kind of bar once, and what is out of the ordinary: there is one code.
nojit = pytest.mark.nojit


def tape(seed: int, n: int = 400) -> tuple[Any, Any, Any, Any]:
    """A random tape with ties in time, jumps, long pauses and unknown sides."""
    rng = np.random.default_rng(seed)
    gaps = rng.choice(
        [0, 1, 10**6, SECOND, 40 * SECOND, 700 * SECOND], n, p=[0.4, 0.1, 0.2, 0.2, 0.09, 0.01]
    )
    steps = rng.choice(
        [-300, -4, -1, 0, 0, 0, 1, 4, 300], n, p=[0.005, 0.1, 0.15, 0.2, 0.1, 0.2, 0.14, 0.1, 0.005]
    )
    return (
        1_700_000_000 * SECOND + np.cumsum(gaps),
        600_000 + np.cumsum(steps),
        rng.integers(1, 20, n),
        rng.choice([1, 1, -1, -1, 0], n).astype(np.int8),
    )


def stream(engine: FlowEngine, trades: Any) -> list[Event]:
    events: list[Event] = []
    for ts, price, size, side in zip(*trades, strict=True):
        events += engine.on_trade(int(ts), int(price), int(size), int(side))
    return events


def told(events: list[Event]) -> list[Any]:
    """Events in a form that compares."""
    return [
        (e.bar.to_bytes(), e.signals, e.units)
        if isinstance(e, BarClosed)
        else (e.start, e.end, vars(e.profile) | {"hist": e.profile.hist.tolist()})
        if isinstance(e, SessionClosed)
        else e
        for e in events
    ]


@pytest.mark.parametrize("config", CONFIGS, ids=range(len(CONFIGS)))
@pytest.mark.parametrize("seed", [pytest.param(0, marks=nojit), 1, 2])
def test_one_at_a_time_equals_all_at_once(config: FlowConfig, seed: int) -> None:
    trades = tape(seed)
    one, many = FlowEngine(SCALE, config), FlowEngine(SCALE, config)
    assert told(stream(one, trades)) == told(many.run_trades(*trades))
    assert one.state_sha256 == many.state_sha256
    assert one.bars_sha256 == many.bars_sha256


def test_one_order_that_makes_many_bars_tells_no_usual_size() -> None:
    engine = FlowEngine(SCALE, FlowConfig(bar=BarType.TICK, bar_size=1))
    start = 1_700_000_000 * SECOND
    for i in range(40):
        engine.on_trade(start, 600_000 + i, 5, 1)
    assert engine.bar_count == 40
    closed = [e for i in (1, 2) for e in engine.on_trade(start + i, 600_000, 5, -1)]
    assert [e.units and e.units.b95 for e in closed if isinstance(e, BarClosed)] == [200.0, 200.0]


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(1, 399))
def test_a_prefix_is_the_whole_cut_there_and_goes_on_saved_and_loaded(seed: int, cut: int) -> None:
    trades = tape(seed)
    straight, first, second = (FlowEngine(SCALE, BUSY) for _ in range(3))
    whole = told(straight.run_trades(*trades))
    prefix = told(first.run_trades(*(column[:cut] for column in trades)))
    assert whole[: len(prefix)] == prefix
    second.load(first.save())
    rest = told(second.run_trades(*(column[cut:] for column in trades)))
    assert prefix + rest == whole
    assert second.state_sha256 == straight.state_sha256
    assert second.bars_sha256 == straight.bars_sha256


@nojit
def test_a_choice_by_name_is_the_choice() -> None:
    named = FlowConfig(bar="tick", cvd_reset="utc_day", rules="source", thresholds="absolute")
    assert named == FlowConfig(bar=BarType.TICK, cvd_reset=CvdResets.UTC_DAY, **SOURCE)
    assert named.cvd_reset is CvdResets.UTC_DAY
    assert named.rules is Rules.SOURCE


def test_load_refuses_another_config() -> None:
    with pytest.raises(ValueError, match="`saved` must come from"):
        FlowEngine(SCALE, BUSY).load(FlowEngine(SCALE).save())


def test_mirrored_sides_mirror_the_signals() -> None:
    ts, price, size, side = tape(5, 900)
    mirrored = (ts, 1_200_000 - price, size, (-side).astype(np.int8))
    config = FlowConfig(
        session="30min",
        absorption=AbsorptionConfig(min_volume=0.02, big_trade=0.004, hold_s=1, min_trades=3),
        sweep=SweepConfig(max_volume_per_level=1.0),
        initiative=InitiativeConfig(min_delta=0.005, min_body_ticks=1, acceleration=0.5),
        **SOURCE,
    )
    plain, mirror = FlowEngine(SCALE, config), FlowEngine(SCALE, config)
    a = list(signals_of(plain.run_trades(ts, price, size, side)))
    b = list(signals_of(mirror.run_trades(*mirrored)))
    assert len(a) > 10
    assert [(s.ts, s.pattern, s.side, s.price) for s in a] == [
        (s.ts, s.pattern, -s.side, 1_200_000 - s.price) for s in b
    ]
    # A sweep's displacement is relative to the price, which the mirror changes a little.
    assert [s.strength for s in a] == pytest.approx([s.strength for s in b], rel=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_time_bars_equal_a_recount(seed: int) -> None:
    ts, price, size, side = tape(seed, 800)
    engine = FlowEngine(SCALE, FlowConfig.bars_only(session="30min"))
    events = engine.run_trades(ts, price, size, side)
    events += engine.advance(int(ts[-1]) + MINUTE)
    bars = [e.bar for e in events if isinstance(e, BarClosed)]
    counted: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0] * 6))
    for t, p, q, s in zip(ts.tolist(), price.tolist(), size.tolist(), side.tolist(), strict=True):
        column = {1: 1, -1: 0, 0: 2}[s]
        counted[t - t % MINUTE][p][column] += q
        counted[t - t % MINUTE][p][column + 3] += 1
    assert [bar.open_ts for bar in bars] == sorted(counted)
    for bar in bars:
        rows = counted[bar.open_ts]
        assert (bar.low, bar.high) == (min(rows), max(rows))
        for offset, cells in enumerate(bar.cells.tolist()):
            assert cells == rows.get(bar.low + offset, [0] * 6)
        assert bar.delta == sum(row[1] - row[0] for row in rows.values())
        assert bar.volume == int(bar.cells[:, :3].sum())
        assert bar.delta_min <= min(0, bar.delta) <= max(0, bar.delta) <= bar.delta_max
    assert sum(bar.volume for bar in bars) == int(size.sum())


@nojit
def test_cvd_is_the_sum_of_the_bar_deltas_of_its_session() -> None:
    engine = FlowEngine(SCALE, FlowConfig.bars_only(session="30min"))
    running = 0
    seen = 0
    for event in engine.run_trades(*tape(1, 900)):
        if isinstance(event, SessionStarted):
            running = 0
        elif isinstance(event, BarClosed):
            running += event.bar.delta
            assert event.bar.cvd == running
            seen += 1
    assert seen > 20


def market(seed: int, n: int, start: int, seconds: int) -> tuple[Any, Any, Any, Any]:
    """Even trades at a spread of one tick, with long runs of one side, some of them large."""
    rng = np.random.default_rng(seed)
    ts = start + np.sort(rng.integers(0, seconds * 10**6, n)) * 1000
    side = np.where(rng.random(n) < 0.5 + 0.2 * np.sin(np.arange(n) / 700), 1, -1).astype(np.int8)
    price = 10_000 + np.cumsum(rng.choice([-1, 0, 1], n, p=[0.15, 0.7, 0.15])) + (side > 0)
    size = 1 + rng.geometric(0.2, n) * rng.choice([1, 10], n, p=[0.95, 0.05])
    return ts, price, size, side


@pytest.mark.parametrize("whole", [False, True], ids=["one by one", "all at once"])
def test_every_cvd_of_the_default_config_equals_a_plain_sum(whole: bool) -> None:
    midnight = 1_700_006_400 * SECOND
    trades = market(3, 24_000, midnight - 90 * MINUTE, 3 * 3600)
    engine = FlowEngine(SCALE)
    events = engine.run_trades(*trades) if whole else stream(engine, trades)
    ts, _, size, side = trades
    bars = [event.bar for event in events if isinstance(event, BarClosed)]
    assert len(bars) == 179
    for bar in bars:
        start = midnight if bar.open_ts >= midnight else 0
        counted = (ts >= start) & (ts < bar.close_ts)
        assert bar.cvd == int((size * side)[counted].sum())
    assert engine.cvd == int((size * side)[ts >= midnight].sum())
    # Fewer than without a hold: some were broken.
    assert 10 < _row_absorptions(events) < _row_absorptions(_without_a_hold(trades))


def _row_absorptions(events: list[Event]) -> int:
    return sum(signal.reasons.get("method") == 2 for signal in signals_of(events))


def _without_a_hold(trades: Any) -> list[Event]:
    config = FlowConfig(absorption=AbsorptionConfig(hold_s=0.0))
    return FlowEngine(SCALE, config).run_trades(*trades)


@nojit
@pytest.mark.parametrize("whole", [False, True], ids=["one by one", "all at once"])
@pytest.mark.parametrize(
    "session", ["FULL_DAY", "4h", "30min", "18:00-17:00 America/New_York", "NY_CASH"]
)
def test_a_cvd_of_the_utc_day_starts_anew_at_midnight(session: str, whole: bool) -> None:
    record = vectors("v02_delta_footprint")["cvd_reset"]
    engine = FlowEngine(SCALE, FlowConfig.bars_only(session=session, cvd_reset=CvdResets.UTC_DAY))
    found, anchors = [], []
    for i, (when, change) in enumerate(record["inputs"]["bar_delta"]):
        ts = int(datetime.fromisoformat(when).timestamp()) * SECOND
        if session == "NY_CASH":  # which is closed at midnight
            ts += 15 * HOUR - ts % DAY + i
        trade = ts, 100, abs(change), 1 if change > 0 else -1
        if whole:
            one, side = np.array([trade[:3]]), np.array([trade[3]], np.int8)
            engine.run_trades(*one.T, side)
        else:
            engine.on_trade(*trade)
        found.append(engine.cvd)
        anchors.append(int(engine._state[0].cvd.anchor_ts) == ts - ts % DAY)
    assert found == record["expected"]["utc_day"]
    assert all(anchors)


@nojit
@pytest.mark.parametrize("hold_s", [0.0, 5.0])
def test_the_cvd_goes_on_where_price_breaks_a_held_absorption(hold_s: float) -> None:
    absorption = AbsorptionConfig(
        min_volume=0.02, big_trade=0.01, min_attempts=2, max_displacement_ticks=1, hold_s=hold_s
    )
    engine = FlowEngine(SCALE, FlowConfig(absorption=absorption, **SOURCE))
    day = 1_700_006_400 * SECOND
    told, cvds = [], []
    # Two sales at a row, below which price falls before they have held for 5 seconds.
    sold = [(1, 100, 15), (4, 100, 15), (5, 97, 1), (12, 97, 1), (13, 97, 1)]
    for second, price, size in sold:
        told += engine.on_trade(day + second * SECOND, price, size, -1)
        cvds.append(engine.cvd)
    assert len(list(signals_of(told))) == (hold_s == 0)
    assert cvds == [-15, -30, -31, -32, -33]


@pytest.mark.parametrize("bar", [b for b in BarType if b != BarType.TIME])
def test_counted_bars_close_on_the_trade_that_fills_them(bar: BarType) -> None:
    config = next(c for c in CONFIGS if c.bar == bar and c is not ROBUST)
    engine = FlowEngine(SCALE, config)
    trades = tape(2, 900)
    bars = [e.bar for e in engine.run_trades(*trades) if isinstance(e, BarClosed)]
    measure = {
        BarType.TICK: lambda b: b.trades,
        BarType.VOLUME: lambda b: b.volume,
        BarType.DOLLAR: lambda b: b.dollars,
        BarType.RANGE: lambda b: b.high - b.low,
        BarType.DELTA: lambda b: abs(b.delta),
    }[bar]
    full = [b for b in bars if measure(b) >= b.length]
    assert len(full) > 10
    # The others were cut off by the end of a session.
    sessions = [b.close_ts for b in bars if measure(b) < b.length]
    assert len(sessions) <= 3
    assert all(a.close_ts <= b.open_ts for a, b in pairwise(bars))


@nojit
def test_bad_data_is_counted_and_survived() -> None:
    engine = FlowEngine(SCALE)
    start = 1_700_000_000 * SECOND
    engine.on_trade(start, 600_000, 5, 1)
    engine.on_trade(start + 5, 600_000, 0, 1)
    engine.on_trade(start + 6, 600_000, -3, 1)
    engine.on_trade(start - SECOND, 600_001, 2, -1)
    engine.on_trade(start + 7, 600_001, 2, 0)
    assert engine.quality == {
        "trades": 3,
        "outside_session": 0,
        "bad_size": 2,
        "backwards": 1,
        "unclassified": 1,
        "by_tick_rule": 0,
        "off_grid_prices": 0,
        "off_grid_sizes": 0,
    }
    (bar,) = (e.bar for e in engine.advance(start + MINUTE) if isinstance(e, BarClosed))
    assert (bar.buy, bar.sell, bar.unclassified) == (5, 2, 2)
    assert bar.last_ts == start + 7


@nojit
def test_trades_outside_the_session_are_counted_and_left_out() -> None:
    config = FlowConfig(session="09:30-16:00 America/New_York")
    engine = FlowEngine(SCALE, config)
    opening = 1_381_152_600 * SECOND  # 2013-10-07 09:30 in New York
    engine.on_trade(opening - 1, 1000, 3, 1)
    engine.on_trade(opening, 1000, 4, 1)
    assert engine.quality["outside_session"] == 1
    assert engine.cvd == 4


@nojit
def test_the_tick_rule_gives_a_side_where_the_feed_has_none() -> None:
    config = FlowConfig.bars_only(tick_rule=True, windows_s=(60.0,))
    engine = FlowEngine(SCALE, config)
    start = 1_700_000_040 * SECOND
    # Unknown before the first change; then the sign of the last one; a known side stays.
    tape = [(100, 0), (100, 0), (101, 0), (101, 0), (100, 0), (100, 1), (100, 0)]
    for i, (price, side) in enumerate(tape):
        engine.on_trade(start + i, price, 1 << i, side)
    window = engine.window(0)
    (bar,) = (e.bar for e in engine.advance(start + MINUTE) if isinstance(e, BarClosed))
    assert (bar.buy, bar.sell, bar.unclassified) == (4 + 8 + 32, 16 + 64, 1 + 2)
    assert (window["buy"], window["sell"], window["unclassified"]) == (44, 80, 3)
    assert engine.quality["by_tick_rule"] == 4


@nojit
def test_decimals_of_the_host_are_floored_to_the_grid_and_counted() -> None:
    engine = FlowEngine(SCALE)
    # A venue's milliseconds that went through a float, just before the minute they belong to.
    minute = 1_723_161_300 * SECOND
    engine.on_tick(minute - 128, 61800.3, 0.005, 1)
    engine.on_tick(minute + 5, 61800.35, 0.0057, -1)
    (bar,) = (e.bar for e in engine.advance(minute + MINUTE) if isinstance(e, BarClosed))
    assert bar.open_ts == minute
    assert (bar.open, bar.close, bar.buy, bar.sell) == (618_003, 618_003, 5, 5)
    assert engine.quality["off_grid_prices"] == 1
    assert engine.quality["off_grid_sizes"] == 1


@settings(max_examples=200, deadline=None)
@given(ticks=st.integers(-(10**9), 10**9), tick=st.sampled_from(["0.1", "0.25", "0.00001", "5"]))
def test_every_tick_survives_the_way_through_a_double(ticks: int, tick: str) -> None:
    from of_nautilus.core.ticks import steps_of

    assert steps_of(float(ticks * Decimal(tick)), float(tick)) == (ticks, True)


def test_two_runs_have_one_hash() -> None:
    runs = []
    for _ in range(2):
        engine = FlowEngine(SCALE, BUSY)
        events = engine.run_trades(*tape(9, 900))
        runs.append((engine.bars_sha256, signals_digest(signals_of(events))))
    assert runs[0] == runs[1]


@nojit
def test_a_bar_wider_than_its_window_loses_nothing() -> None:
    engine = FlowEngine(SCALE, FlowConfig.bars_only())
    start = 1_700_000_040 * SECOND
    prices = [600_000, 600_900, 597_000, 650_000, 100]
    for i, price in enumerate(prices):
        engine.on_trade(start + i, price, i + 1, 1)
    (bar,) = (e.bar for e in engine.advance(start + MINUTE) if isinstance(e, BarClosed))
    assert len(bar.cells) == 650_000 - 100 + 1
    for i, price in enumerate(prices):
        assert bar.cells[price - 100, 1] == i + 1
    assert bar.volume == int(bar.cells[:, :3].sum()) == 15


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"bar_size": 0}, "bar_size"),
        ({"ticks_per_row": 0}, "ticks_per_row"),
        ({"windows_s": (0.0,)}, "windows_s"),
        ({"session": "MOON"}, "spec"),
        ({"cvd_reset": "weekly"}, "cvd_reset"),
    ],
)
def test_bad_parameters_are_named(fields: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must"):
        FlowConfig(**fields)
