"""Initiative, exhaustion, divergence and confirmations: what a closed bar shows."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from of_nautilus.core.imbalance import ImbalanceRule
from of_nautilus.patterns.absorption import AbsorptionConfig, bar_absorption, level_strength
from of_nautilus.patterns.confirmations import (
    imbalance_streak,
    stacked_imbalances,
    unfinished_auctions,
)
from of_nautilus.patterns.divergence import DivergenceConfig, divergence, push_ratio
from of_nautilus.patterns.divergence import strength as divergence_strength
from of_nautilus.patterns.exhaustion import ExhaustionConfig, exhaustion, fading
from of_nautilus.patterns.exhaustion import strength as exhaustion_strength
from of_nautilus.patterns.initiative import (
    InitiativeConfig,
    initiative,
    robust_strength,
    source_strength,
)
from of_nautilus.patterns.sweep import SweepConfig
from tests.conftest import vectors
from tests.naive.patterns import bar

SIDES = {"BUY": 1, "SELL": -1}


def v08(name):
    record = vectors("v08_detectors")[name]
    return record["inputs"], record["expected"], record["tol"]


def agrees(signal, expected, tol):
    if expected is None:
        assert signal is None
    else:
        assert signal is not None
        assert signal.side == SIDES[expected[0]]
        assert signal.strength == pytest.approx(expected[1], abs=tol)


class TestAbsorptionVectors:
    def test_method_1(self):
        inputs, expected, tol = v08("absorption_m1")
        scale = 100  # lots of 0.01
        for cap, answers in ((100.0, "signal"), (75.0, "signal_cap75")):
            for (delta, opened, closed), answer in zip(
                inputs["delta_open_close"], expected[answers], strict=True
            ):
                lots = round(delta * scale)
                seen = bar_absorption(
                    bar(opened, closed, buy=max(lots, 0), sell=max(-lots, 0)),
                    inputs["min_aggressive_volume"] * scale,
                    cap,
                )
                agrees(seen, answer, tol)
                if seen:
                    assert seen.price == (opened if seen.side < 0 else min(opened, closed))

    def test_method_2_strength(self):
        inputs, expected, tol = v08("absorption_m2")
        need = inputs["cfg"]
        for cap, answers in ((100.0, "strength"), (75.0, "strength_cap75")):
            for (volume, attempts, away), answer in zip(
                inputs["vol_attempts_dispTicks"], expected[answers], strict=True
            ):
                fires = (
                    volume >= need["min_aggressive_volume"]
                    and attempts >= need["min_attempts"]
                    and away <= need["max_price_displacement_ticks"]
                )
                assert fires == (answer is not None)
                if fires:
                    seen = level_strength(volume, attempts, need["min_aggressive_volume"], cap)
                    assert seen == pytest.approx(answer, abs=tol)

    def test_few_trades_say_nothing(self):
        assert bar_absorption(bar(100, 99, buy=50, trades=4), 50, min_trades=5) is None
        assert bar_absorption(bar(100, 99, buy=50, trades=5), 50, min_trades=5) is not None


@pytest.mark.nojit
class TestInitiative:
    def test_vectors(self):
        inputs, expected, tol = v08("initiative")
        need = inputs["cfg"]
        for row, answer in zip(
            inputs["delta_vol_avg_open_close_tick_imb"], expected["signal"], strict=True
        ):
            delta, volume, average, opened, closed, tick, imbalances = row
            opened, closed = round(opened / tick), round(closed / tick)
            low, side = min(opened, closed), 1 if delta > 0 else -1
            cells = np.zeros((max(abs(closed - opened), 4) + 1, 6), np.int64)
            # Rows 1, 3, ... hold one side alone, so they are its imbalances.
            for k in range(imbalances):
                cells[1 + 2 * k, 1 if side > 0 else 0] = 7
            seen = initiative(
                bar(
                    opened,
                    closed,
                    low=low,
                    buy=volume + delta,
                    sell=volume - delta,
                    cells=cells,
                ),
                min_delta=2 * need["d"],
                min_body=need["b"],
                average_volume=2 * average,
                acceleration=need["a"],
                source=True,
            )
            if seen and answer and imbalances == 0:
                assert seen.reasons["imbalances"] == 0
            agrees(seen, answer, tol)
            if seen:
                assert seen.price == closed

    def test_robust_strength_ranges(self):
        assert robust_strength(1.0, 1.5, 1.0, False) == 45.0
        assert robust_strength(9.0, 9.0, 9.0, True) == 100.0
        assert source_strength(1.0, 1.5, 3, 0) == 57.5

    def test_a_stack_on_the_side_of_delta_adds_ten(self):
        cells = np.zeros((5, 6), np.int64)
        cells[1:4, 1] = 30
        facts = {"buy": 90, "sell": 10, "cells": cells}
        args = {"min_delta": 40.0, "min_body": 2.0, "average_volume": 50.0}
        plain = initiative(bar(100, 104, **facts), rule=ImbalanceRule(stack=0), **args)
        stacked = initiative(bar(100, 104, **facts), rule=ImbalanceRule(stack=3), **args)
        assert plain.strength == 20 * 2 + 10 * 2 + 10 * 2
        assert stacked.strength == plain.strength + 10
        assert stacked.reasons["stacked"] == 1

    @pytest.mark.parametrize("unknown", ["min_delta", "min_body", "average_volume"])
    def test_what_is_not_known_does_not_fire(self, unknown):
        args = {"min_delta": 40.0, "min_body": 2.0, "average_volume": 50.0}
        assert initiative(bar(100, 104, buy=90, sell=10), **args)
        assert initiative(bar(100, 104, buy=90, sell=10), **(args | {unknown: math.nan})) is None

    def test_mirror(self):
        args = {"min_delta": 40.0, "min_body": 2.0, "average_volume": 50.0}
        up = initiative(bar(100, 104, buy=90, sell=10), **args)
        down = initiative(bar(104, 100, buy=10, sell=90), **args)
        assert (up.side, down.side) == (1, -1)
        assert up.strength == down.strength


def move(volumes, deltas, way=1, last_cells=None):
    """Bars that go one way."""
    bars = []
    for i, (volume, delta) in enumerate(zip(volumes, deltas, strict=True)):
        opened = 1000 + 10 * i * way
        bars.append(
            bar(
                opened,
                opened + 9 * way,
                buy=volume + delta,
                sell=volume - delta,
                ts=60 * (i + 1),
                cells=last_cells if i == len(volumes) - 1 else None,
            )
        )
    return bars


def pressed(way, rows=10, lots=50):
    """Rows with one lot of volume at the extreme, all against the move."""
    cells = np.ones((rows, 6), np.int64)
    cells[-1 if way > 0 else 0, 0 if way > 0 else 1] = lots
    return cells


@pytest.mark.nojit
class TestExhaustion:
    def test_vectors(self):
        inputs, expected, tol = v08("exhaustion")
        config = ExhaustionConfig(min_decline=inputs["volume_decline_pct"])
        for (volumes, deltas, way, contrarian), answer in zip(
            inputs["volumes_deltas_dir_contrarian"],
            expected["strength_volTrend_deltaTrend"],
            strict=True,
        ):
            cells = pressed(way) if contrarian else np.ones((10, 6), np.int64)
            seen = exhaustion(move(volumes, deltas, way, cells), config, source=True)
            if answer is None:
                assert seen is None
                continue
            assert seen.side == -way
            assert seen.strength == pytest.approx(answer[0], abs=tol)
            assert seen.reasons["volume_trend"] == pytest.approx(answer[1], abs=tol)
            assert seen.reasons["delta_trend"] == pytest.approx(answer[2], abs=tol)

    @given(
        st.lists(st.integers(0, 1000), min_size=4, max_size=4),
        st.lists(st.integers(-500, 500), min_size=4, max_size=4),
    )
    def test_trends_are_those_of_least_squares(self, volumes, deltas):
        seen = fading(volumes, deltas, 0.25)
        if volumes[0] == 0 or (volumes[0] - volumes[-1]) / volumes[0] < 0.25:
            assert seen is None
            return
        slopes = [np.polyfit(range(4), values, 1)[0] for values in (volumes, deltas)]
        scales = [np.mean(volumes), np.mean(np.abs(deltas))]
        trends = [
            float(np.clip(slope * 3 / scale, -1, 1)) if scale else 0.0
            for slope, scale in zip(slopes, scales, strict=True)
        ]
        rises = sum(b > a for a, b in pairwise(volumes))
        if seen is None:
            assert rises > 1 or max(trends) > -1e-9
        else:
            assert rises <= 1
            assert seen == pytest.approx(trends, abs=1e-9)
            assert 40 <= exhaustion_strength(*seen, True) <= 70

    def test_outside_bar(self):
        bars = move([100, 80, 60, 40], [30, 20, 10, 0])
        outside = bar(1030, 1039, low=900, buy=40, sell=40)
        assert exhaustion([*bars[:3], outside], ExhaustionConfig()) is None
        assert exhaustion([*bars[:3], outside], ExhaustionConfig(), source=True).side == -1

    def test_contrarian_needs_four_rows_and_a_big_row(self):
        def at(cells, **options):
            bars = move([100, 80, 60, 40], [30, 20, 10, 0], 1, cells)
            return exhaustion(bars, ExhaustionConfig(), **options).reasons["contrarian"]

        assert at(pressed(1, rows=4)) == 1
        assert at(pressed(1, rows=3)) == 0
        assert at(pressed(1, rows=3), source=True) == 1
        assert at(pressed(1, lots=50), big=50.0) == 1
        assert at(pressed(1, lots=50), big=50.5) == 0
        assert at(pressed(-1)) == 0

    def test_too_few_bars_and_no_volume(self):
        bars = move([100, 80, 60, 40], [30, 20, 10, 0])
        assert exhaustion(bars[1:], ExhaustionConfig()) is None
        assert exhaustion(move([0, 0, 0, 0], [0, 0, 0, 0]), ExhaustionConfig()) is None


def pushes(highs, cvds, way=1, start=0):
    """Bars with these extremes in the direction `way` and these values of cumulative delta."""
    bars, before = [], start
    for i, (high, cvd) in enumerate(zip(highs, cvds, strict=True)):
        delta = way * cvd - before
        before = way * cvd
        bars.append(
            bar(
                1000 + way * (high - 5),
                1000 + way * high,
                buy=max(delta, 0),
                sell=max(-delta, 0),
                cvd=way * cvd,
                ts=60 * (i + 1),
            )
        )
    return bars


class TestDivergence:
    def test_vectors_bear(self):
        inputs, expected, tol = v08("divergence_bear")
        config = DivergenceConfig(excess_ticks=inputs["min_new_extreme_ticks"])
        rows = inputs["prevHigh_newHigh_prevCVD_curCVD_anchor_tick"]
        for row, answer in zip(rows, expected["strength_ratio"], strict=True):
            prior, new, first, second, anchor, tick = row
            before, after = round(prior / tick), round(new / tick)
            low = round(min(first, second) - 10)
            bars = pushes([before, before - 9, after], [first, low, second], start=anchor)
            seen = divergence(bars, config)
            if answer is None:
                assert seen is None
            else:
                assert seen.side == -1
                assert [seen.strength, seen.reasons["ratio"]] == pytest.approx(answer, abs=tol)
                assert seen.price == 1000 + after

    def test_vector_bull(self):
        inputs, expected, tol = v08("divergence_bull")
        ticks = [round(inputs[name] / inputs["tick"]) for name in ("prevLow", "newLow")]
        cvds = [-inputs["prevCVD"], 10, -inputs["curCVD"]]
        bars = pushes([-ticks[0], -ticks[0] - 9, -ticks[1]], cvds, way=-1)
        seen = divergence(bars, DivergenceConfig())
        assert seen.side == 1
        assert seen.strength == pytest.approx(expected["strength"], abs=tol)
        assert seen.reasons["ratio"] == pytest.approx(expected["ratio"], abs=tol)

    def test_vector_origin_of_cumulative_delta_does_not_matter(self):
        inputs, expected, _ = v08("divergence_offset_invariance")
        seen = []
        for prior, new, first, second, anchor, tick in (
            inputs["raw"],
            [*inputs["shifted_by_10000"][:4], 10_000, inputs["shifted_by_10000"][5]],
        ):
            highs = [round(prior / tick), round(prior / tick) - 9, round(new / tick)]
            bars = pushes(highs, [first, anchor, second], start=anchor)
            seen.append(divergence(bars, DivergenceConfig()))
            assert seen[-1].reasons["ratio"] == expected["anchored_ratio_both"]
        assert seen[0] == seen[1]

    def test_a_reset_of_cumulative_delta_begins_the_window_anew(self):
        bars = pushes([10, 1, 12], [1000, 400, 500])
        assert divergence(bars, DivergenceConfig())
        reset = pushes([10], [1000]) + pushes([1, 12], [400, 500])
        assert divergence(reset, DivergenceConfig()) is None
        longer = pushes([99], [1000]) + bars
        assert divergence(longer, DivergenceConfig()) == divergence(bars, DivergenceConfig())

    def test_only_the_lookback_counts(self):
        bars = pushes([50, *range(1, 9), 12, 1, 13], [0, *range(100, 900, 100), 1000, 300, 400])
        config = DivergenceConfig(lookback=10)
        assert divergence(bars, config) is not None
        assert divergence(bars, DivergenceConfig(lookback=11)) is None

    def test_a_weak_first_push_says_nothing(self):
        bars = pushes([10, 1, 12], [1000, 400, 500])
        assert divergence(bars, DivergenceConfig(), min_push=1000.0)
        assert divergence(bars, DivergenceConfig(), min_push=1000.5) is None
        assert divergence(bars, DivergenceConfig(), min_push=math.nan) is None

    def test_both_sides_cancel(self):
        # The middle bar's low comes after a sell push, its high before one.
        def made(low, high, cvd, before):
            delta = cvd - before
            return bar(
                100, 100, low=low, high=high, buy=max(delta, 0), sell=max(-delta, 0), cvd=cvd
            )

        bars = [made(95, 110, 500, 0), made(90, 105, -500, 500), made(95, 100, 0, -500)]
        up, down = made(95, 111, 10, 0), made(89, 100, 10, 0)
        assert divergence([*bars, up], DivergenceConfig()).side == -1
        assert divergence([*bars, down], DivergenceConfig()).side == 1
        assert divergence([*bars, made(89, 111, 10, 0)], DivergenceConfig()) is None

    @given(st.integers(-1000, 1000), st.integers(-1000, 1000), st.integers(1, 9))
    def test_strength_stays_in_its_range(self, first, second, excess):
        ratio = push_ratio(first, second)
        assert (ratio is None) == (first <= 0)
        if ratio is not None:
            assert 30 <= divergence_strength(ratio, excess) <= 80


@pytest.mark.nojit
class TestConfirmations:
    def test_stacks_on_both_sides(self):
        cells = np.zeros((9, 6), np.int64)
        cells[1:5, 1] = 30
        cells[5:8, 0] = 30
        shown = bar(
            1000, 1017, low=1000, high=1017, cells=cells, ticks_per_row=2, low_row=500, high_row=508
        )
        buy, sell = stacked_imbalances(shown, ImbalanceRule(min_volume=10))
        assert (buy.side, buy.price, buy.strength) == (1, 1002, 80.0)
        assert (buy.reasons["low_ticks"], buy.reasons["high_ticks"]) == (1002, 1009)
        assert (sell.side, sell.price) == (-1, 1015)

    def test_unfinished_auctions(self):
        cells = np.zeros((3, 6), np.int64)
        cells[0, :2] = 9, 0
        cells[2, :2] = 2, 8
        (high,) = unfinished_auctions(bar(100, 101, high=102, cells=cells))
        assert (high.side, high.price, high.strength) == (1, 102, 25.0)
        cells[0, 1] = 9
        assert [s.side for s in unfinished_auctions(bar(100, 101, high=102, cells=cells))] == [
            1,
            -1,
        ]

    def test_streak(self):
        def buys(n):
            return [bar(buy=30, sell=10)] * n

        assert imbalance_streak(buys(2)) is None
        assert imbalance_streak(buys(4)).strength == 80.0
        assert imbalance_streak([*buys(4), bar(buy=29, sell=10)]) is None
        assert imbalance_streak([bar(buy=1, sell=3), *buys(3)]).reasons["bars"] == 3
        assert imbalance_streak([bar(buy=10, sell=30)] * 3).side == -1
        assert imbalance_streak([]) is None


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (AbsorptionConfig, "min_volume", 0),
        (AbsorptionConfig, "row_ticks", 0),
        (AbsorptionConfig, "cap", 101),
        (InitiativeConfig, "min_delta", -1.0),
        (InitiativeConfig, "min_body_ticks", 0),
        (InitiativeConfig, "acceleration", math.nan),
        (ExhaustionConfig, "declining_bars", 1),
        (ExhaustionConfig, "min_decline", 1.0),
        (ExhaustionConfig, "contrarian_ratio", 0),
        (ExhaustionConfig, "outer", 1.5),
        (DivergenceConfig, "lookback", 1),
        (DivergenceConfig, "max_ratio", 0),
        (DivergenceConfig, "min_push", -1),
        (SweepConfig, "window_s", 0),
        (SweepConfig, "min_share", 1.01),
        (SweepConfig, "min_levels", 1),
        (SweepConfig, "cooldown_s", -1),
    ],
)
def test_a_bad_parameter_is_named(make, name, value):
    with pytest.raises(ValueError, match=rf"`{name}` must be .* was {value}"):
        make(**{name: value})
