"""Units from the market, and what they make count as large."""

import math

import numpy as np
import pytest

from of_nautilus.patterns import tape_sizes
from of_nautilus.patterns.absorption import AbsorptionConfig
from of_nautilus.patterns.divergence import DivergenceConfig
from of_nautilus.patterns.initiative import InitiativeConfig
from of_nautilus.patterns.thresholds import Lots, Rules, Thresholds, bar_limits, tape_limits
from of_nautilus.patterns.units import BarUnits, FrozenUnits, Units, row_height
from tests.naive.patterns import bar

DAY = 86_400_000_000_000
MINUTE = 60_000_000_000
HOUR = 60 * MINUTE


def sizes(parents=(5, 10), volumes=(20, 40)):
    """Tape sizes that hold these samples."""
    state, _ = tape_sizes.new_tape_sizes()
    state["parents"][0, : len(parents)] = parents
    state["parents_seen"] = len(parents)
    state["volumes"][0, : len(volumes)] = volumes
    state["volumes_seen"] = len(volumes)
    return state[0]


def market(days, minutes, first=0, seed=7, shape=lambda minute: 1.0):
    """Bars of some days, each from midnight on, whose flow follows a shape of the day."""
    rng = np.random.default_rng(seed)
    for day in range(days):
        for minute in range(minutes):
            scale = shape(minute)
            buy, sell = (rng.gamma(2.0, 200.0 * scale, 2)).astype(int)
            high = int(rng.integers(1, 30))
            start = first + day * DAY + minute * MINUTE
            yield bar(1000, 1000 + high, buy=int(buy), sell=int(sell), ts=(start + MINUTE) // 10**9)


def naive_factors(samples, minute):
    """The factors of a minute of the day, from (minute, |delta|, volume) of the earlier days."""
    if not samples:
        return 1.0, 1.0
    first, last = min(s[0] for s in samples), max(s[0] for s in samples)
    if last - first < 1410 and first <= minute <= last:  # a session with two ends
        minute = min(max(minute, first + 15), last - 15)
    near = [s for s in samples if min((s[0] - minute) % 1440, (minute - s[0]) % 1440) <= 15]
    if len(near) < 30:
        return 1.0, 1.0
    out = []
    for k in (1, 2):
        here, overall = np.median([s[k] for s in near]), np.median([s[k] for s in samples])
        out.append(here / overall if here > 0 and overall > 0 else 1.0)
    return tuple(out)


def test_bar_units_against_the_rule_in_words():
    units, book = Units(), sizes()
    seen = []  # (day, minute, |delta|, volume)
    day = -1
    for shown in market(9, 120, shape=lambda minute: 1.0 + (minute > 80)):
        if shown.open_ts // DAY != day:
            day = shown.open_ts // DAY
            units.on_session(day * DAY, book)
        got = units.on_bar(shown, book)
        minute = shown.open_ts % DAY // MINUTE
        if len(seen) % 97 == 0 or minute in (0, 15, 119):
            earlier = [s[1:] for s in seen if s[0] < day]
            usual = naive_factors(earlier, minute)
            last = [(naive_factors(earlier, s[1]), s) for s in seen[-240:]]
            if len(seen) >= 30:
                ratios = [s[2] / f[0] for f, s in last]
                assert got.d75 == pytest.approx(usual[0] * np.quantile(ratios, 0.75))
                assert got.d50 == pytest.approx(usual[0] * np.median(ratios))
            else:
                assert math.isnan(got.d75)
            if len(seen) >= 10:
                volumes = [s[3] / f[1] for f, s in last[-50:]]
                assert got.volume == pytest.approx(usual[1] * np.mean(volumes))
                assert got.plain_volume == np.mean([s[3] for _, s in last[-50:]])
            else:
                assert math.isnan(got.volume)
        seen.append((day, minute, abs(shown.delta), shown.volume))


def test_the_time_of_day_evens_out_how_often_a_threshold_is_exceeded():
    units, book = Units(), sizes()
    over = {"open": [], "rest": []}
    day = -1
    for shown in market(20, 390, shape=lambda minute: 3.0 if minute < 30 else 1.0):
        if shown.open_ts // DAY != day:
            day = shown.open_ts // DAY
            units.on_session(day * DAY, book)
        got = units.on_bar(shown, book)
        if day >= 3:  # at the open too, where half of the half hour lies outside
            part = "open" if shown.open_ts % DAY < 15 * MINUTE else "rest"
            over[part].append(abs(shown.delta) >= got.d75)
    assert np.mean(over["open"]) == pytest.approx(0.25, abs=0.07)
    assert np.mean(over["rest"]) == pytest.approx(0.25, abs=0.03)


def test_a_market_without_a_close_meets_its_own_start():
    units, book = Units(), sizes()
    # Three times as much trades from ten before to ten past midnight.
    for shown in market(3, 1440, shape=lambda minute: 3.0 if abs(minute - 720) > 709 else 1.0):
        if shown.open_ts % DAY == 0:
            units.on_session(shown.open_ts, book)
        got = units.on_bar(shown, book)
        if shown.open_ts % DAY == 0 and shown.open_ts:
            assert got.volume > 1.8 * 800


def test_frozen_with_the_thirtieth_bar_then_at_each_session():
    units, book = Units(), sizes()
    units.on_session(0, book)
    bars = list(market(1, 200))
    for shown in bars[:29]:
        units.on_bar(shown, book)
        assert units.frozen is None
    assert book.next_row_ticks == row_height(np.median([b.high - b.low for b in bars[:29]]))
    units.on_bar(bars[29], book)
    ranges = [b.high - b.low for b in bars]
    assert units.frozen.r1 == np.median(ranges[:30])
    assert units.frozen.b95 == np.quantile([5, 10], 0.95)
    assert units.frozen.rv95 == np.quantile([20, 40], 0.95)
    first = units.frozen
    for shown in bars[30:]:
        units.on_bar(shown, book)
        assert units.frozen is first
    units.on_session(DAY, sizes((7,), ()))
    assert units.frozen == FrozenUnits(np.median(ranges), row_height(np.median(ranges)), 7.0, 0.0)


def test_not_frozen_before_an_order_is_complete():
    units, none = Units(), sizes(())
    units.on_session(0, none)
    bars = list(market(1, 40))
    for shown in bars[:35]:
        units.on_bar(shown, none)
    units.on_session(DAY, none)
    assert units.frozen is None
    units.on_bar(bars[35], sizes((7,)))
    assert units.frozen.b95 == 7.0


def test_short_sessions_compare_whole_days():
    units, book = Units(daily=False), sizes()
    session = -1
    # From noon on five times as much trades.
    for shown in market(8, 736, shape=lambda minute: 1.0 + 4.0 * (minute >= 720)):
        if shown.open_ts // (30 * MINUTE) != session:
            session = shown.open_ts // (30 * MINUTE)
            units.on_session(session * 30 * MINUTE, book)
        got = units.on_bar(shown, book)
    assert got.volume == pytest.approx(4_000, rel=0.15)
    assert got.plain_volume < 2_500


def test_saved_in_the_middle_goes_on_alike():
    for stop in (5, 29, 300, 700, 1111):
        units, book = Units(), sizes()
        other = None
        day = -1
        for i, shown in enumerate(market(8, 150)):
            fresh = shown.open_ts // DAY != day
            day = shown.open_ts // DAY
            if i == stop:
                other = Units()
                other.load(units.save())
                assert other.save() == units.save()
            if fresh:
                units.on_session(day * DAY, book)
            got = units.on_bar(shown, book)
            if other:
                if fresh:
                    other.on_session(day * DAY, book)
                assert repr(other.on_bar(shown, book)) == repr(got)
                assert other.frozen == units.frozen
        assert other.save() == units.save()


def test_saved_with_other_days_is_refused():
    with pytest.raises(ValueError, match="`daily` must be as saved, True, was False"):
        Units(daily=False).load(Units().save())


FROZEN = FrozenUnits(r1=50.0, row_ticks=2, b95=20.0, rv95=45.0)
BAR_UNITS = BarUnits(d75=30.0, d50=12.0, volume=400.0, plain_volume=300.0)
LOTS = Lots(absorption=100, initiative=80, big=10)


def limits(rules, thresholds, frozen=FROZEN, units=BAR_UNITS):
    return bar_limits(
        rules, thresholds, frozen, units, LOTS, InitiativeConfig(), DivergenceConfig()
    )


class TestLimits:
    def test_robust(self):
        seen = limits(Rules.ROBUST, Thresholds.QUANTILE)
        assert (seen.absorption, seen.initiative) == (30.0, 30.0)
        assert (seen.body, seen.average_volume, seen.push) == (25.0, 400.0, 12.0)
        coarse = limits(Rules.ROBUST, Thresholds.QUANTILE, FrozenUnits(1.0, 1, 99.0, 1.0))
        assert (coarse.absorption, coarse.body) == (99.0, 2.0)
        preset = limits(Rules.ROBUST, Thresholds.ABSOLUTE)
        assert (preset.absorption, preset.initiative, preset.body) == (100.0, 80.0, 25.0)

    def test_source(self):
        seen = limits(Rules.SOURCE, Thresholds.ABSOLUTE, None)
        assert (seen.absorption, seen.initiative) == (100.0, 80.0)
        assert (seen.body, seen.average_volume, seen.push) == (4, 300.0, 0.0)
        assert limits(Rules.SOURCE, Thresholds.QUANTILE).absorption == 30.0

    @pytest.mark.parametrize("rules", list(Rules))
    def test_not_ready(self, rules):
        seen = limits(rules, Thresholds.QUANTILE, None)
        assert math.isnan(seen.absorption)
        assert math.isnan(seen.initiative)
        assert tape_limits(rules, Thresholds.QUANTILE, None, LOTS, AbsorptionConfig()) is None

    def test_tape(self):
        config = AbsorptionConfig()
        seen = tape_limits(Rules.ROBUST, Thresholds.QUANTILE, FROZEN, LOTS, config)
        assert (seen.row_ticks, seen.big, seen.level_volume) == (2, 20, 50)
        assert (seen.displacement, seen.sweep_span, seen.r1) == (5, 25, 50.0)
        calm = FrozenUnits(r1=1.0, row_ticks=1, b95=2.0, rv95=44.5)
        seen = tape_limits(Rules.ROBUST, Thresholds.QUANTILE, calm, LOTS, config)
        assert (seen.level_volume, seen.displacement, seen.sweep_span) == (45, 1, 3)
        seen = tape_limits(Rules.SOURCE, Thresholds.ABSOLUTE, None, LOTS, config)
        assert (seen.row_ticks, seen.big, seen.level_volume) == (1, 10, 100)
        assert (seen.displacement, seen.sweep_span) == (config.max_displacement_ticks, 2)
