"""Absorption at a row, sweeps and the sizes of the tape: against slow twins, trade by trade."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from of_nautilus.patterns import level_absorption, sweep, tape_sizes
from of_nautilus.patterns.absorption import AbsorptionConfig, level_strength
from of_nautilus.patterns.sweep import SweepConfig
from tests.conftest import vectors
from tests.naive import patterns as naive
from tests.streams import examples

MS = 10**6
SECOND = 10**9


@st.composite
def tapes(draw, longest_gap=3_000, prices=6, most=120):
    """A tape that stays close together in price and time: bursts, returns, pauses."""
    n = draw(st.integers(1, most))
    numbers = st.lists(st.integers(0, 10**6), min_size=n, max_size=n)
    gaps, ticks, sizes, sides = (np.array(draw(numbers)) for _ in range(4))
    pause = np.where(gaps % 5 == 0, 0, gaps % (longest_gap if n % 3 else 400))
    ts = np.cumsum(pause) * MS + draw(st.integers(0, 40)) * SECOND
    walk = np.cumsum(ticks % 3 - 1) if n % 2 else ticks % prices
    side = np.where(sides % 11 == 0, 0, np.where(sides % 7 < 4, 1, -1))
    return list(
        zip(
            ts.tolist(),
            (walk + 1000).tolist(),
            (sizes % 9 + 1).tolist(),
            side.tolist(),
            strict=True,
        )
    )


@st.composite
def level_rules(draw):
    return {
        "row_ticks": draw(st.sampled_from([1, 2, 3])),
        "big": draw(st.integers(1, 15)),
        "min_volume": draw(st.integers(1, 40)),
        "min_attempts": draw(st.integers(1, 3)),
        "max_displacement": draw(st.integers(0, 4)),
        "window": draw(st.sampled_from([2, 10, 30])) * SECOND,
        "gap": draw(st.sampled_from([1, 2])) * SECOND,
        "away_rows": draw(st.sampled_from([1, 2])),
        "hold": draw(st.sampled_from([0, 1, 5])) * SECOND,
    }


def level_state(rules):
    state, bursts = level_absorption.new_level_absorption()
    config = AbsorptionConfig(
        window_s=rules["window"] / SECOND,
        gap_s=rules["gap"] / SECOND,
        hold_s=rules["hold"] / SECOND,
        away_rows=rules["away_rows"],
    )
    level_absorption.set_levels(
        state[0],
        row_ticks=rules["row_ticks"],
        big=rules["big"],
        min_volume=rules["min_volume"],
        min_attempts=rules["min_attempts"],
        max_displacement=rules["max_displacement"],
        config=config,
    )
    return state, bursts


def level_facts(trades, rules, ring=None):
    """What the step functions fire; the bursts' ring may begin smaller than usual."""
    state, bursts = level_state(rules)
    if ring:
        bursts = np.zeros((ring, level_absorption.BURST_COLUMNS), np.int64)
    fired = []
    level = state[0]

    def take():
        fired.extend(tuple(f) for f in level.fired_facts[: level.fired_count].tolist())

    for ts, price, size, side in trades:
        while level.next_due <= ts:
            level_absorption.fire_due(level, level.next_due)
            take()
        while not level_absorption.has_room(level, bursts):
            bursts = level_absorption.widen_bursts(level, bursts)
        level_absorption.add_trade(level, bursts, ts, price, size, side)
        take()
    assert level.overflow == 0
    return fired, len(bursts)


# At 100: buys of 10 at seconds 0 and 3, which is enough.
TWICE = ((0, 100, 10, 1), (3 * SECOND, 100, 10, 1))
RULES = {
    "row_ticks": 1,
    "big": 10,
    "min_volume": 20,
    "min_attempts": 2,
    "max_displacement": 2,
    "window": 30 * SECOND,
    "gap": 2 * SECOND,
    "away_rows": 2,
    "hold": 5 * SECOND,
}


@pytest.mark.nojit
class TestLevelAbsorption:
    @examples(150)
    @given(tapes(), level_rules())
    def test_as_the_slow_twin(self, trades, rules):
        assert level_facts(trades, rules)[0] == naive.level_absorptions(trades, **rules)

    @examples(25)
    @given(tapes(), level_rules())
    def test_a_ring_that_must_grow_changes_nothing(self, trades, rules):
        assert level_facts(trades, rules, ring=2)[0] == level_facts(trades, rules)[0]

    @examples(25)
    @given(tapes(), level_rules())
    def test_mirror(self, trades, rules):
        # Rows of a mirrored tape must be mirrored rows: p -> -1 - p.
        mirrored = [(ts, -1 - price, size, -side) for ts, price, size, side in trades]
        facts = [(f[0], -1 - f[1], -f[2], *f[3:]) for f in level_facts(trades, rules)[0]]
        assert level_facts(mirrored, rules)[0] == facts

    @examples(25)
    @given(tapes(), level_rules(), st.integers(2, 9), st.integers(-2000, 2000))
    def test_other_lots_and_other_prices_fire_the_same(self, trades, rules, times, rows):
        shift = rows * rules["row_ticks"]
        moved = [(ts, price + shift, times * size, side) for ts, price, size, side in trades]
        more = {name: times * rules[name] for name in ("big", "min_volume")}
        facts = [
            (ts, row + rows, side, times * volume, *rest)
            for ts, row, side, volume, *rest in level_facts(trades, rules)[0]
        ]
        assert level_facts(moved, rules | more)[0] == facts

    @examples(25)
    @given(tapes(), level_rules(), st.data())
    def test_a_prefix_fires_the_same(self, trades, rules, data):
        cut = data.draw(st.integers(0, len(trades)))
        now = trades[cut - 1][0] if cut else -1
        due = [f for f in level_facts(trades, rules)[0] if f[0] <= now]
        seen = level_facts(trades[:cut], rules)[0]
        assert seen == due[: len(seen)]
        assert len(seen) >= len([f for f in due if f[0] < now])

    def test_vector_attempts(self):
        record = vectors("v08_detectors")["absorption_m2_attempts"]
        inputs, expected = record["inputs"], record["expected"]
        trades = [
            (t * MS, price, size, {"B": 1, "S": -1}[side])
            for t, price, size, side in inputs["t_ms_price_qty_side"]
        ]
        rules = {
            "row_ticks": 1,
            "big": inputs["big_trade_filter"],
            "min_volume": expected["volume"],
            "min_attempts": expected["counted_attempts"],
            "max_displacement": 2,
            "window": 30 * SECOND,
            "gap": inputs["gap_ms"] * MS,
            "away_rows": 1,
            "hold": 0,
        }
        fired, _ = level_facts(trades, rules)
        at = (9_000 * MS, inputs["level"], 1, expected["volume"], expected["counted_attempts"], 0)
        assert fired == [at]
        strength = level_strength(56, 3, 50, 100.0)
        assert strength == pytest.approx(78.6, abs=record["tol"])

    def test_hold_fires_when_it_is_over(self):
        later = (60 * SECOND, 100, 1, 1)
        assert level_facts([*TWICE, later], RULES)[0] == [(8 * SECOND, 100, 1, 20, 2, 0)]

    def test_what_breaks_within_the_hold_is_forgotten(self):
        later = (60 * SECOND, 100, 1, 1)
        reached = (7 * SECOND, 102, 1, 1)
        beyond = (7 * SECOND, 103, 1, 1)
        assert len(level_facts([*TWICE, reached, later], RULES)[0]) == 1
        assert level_facts([*TWICE, beyond, later], RULES)[0] == []

    def test_a_row_is_mute_for_a_window_after_it_fired(self):
        rules = RULES | {"hold": 0}

        def second(at):
            again = ((at, 100, 10, 1), (at + 3 * SECOND, 100, 10, 1))
            return level_facts([*TWICE, *again], rules)[0]

        assert len(second(20 * SECOND)) == 1
        assert len(second(29 * SECOND)) == 1
        assert len(second(33 * SECOND)) == 2

    def test_signal(self):
        state, bursts = level_state(RULES | {"hold": 0, "row_ticks": 4})
        for trade in TWICE:
            count = level_absorption.add_trade(state[0], bursts, *trade)
        assert count == 1
        (signal,) = level_absorption.fired_signals(state[0], AbsorptionConfig())
        # Buyers hit a wall in the row 100 to 103.
        assert (signal.side, signal.price, signal.strength) == (-1, 103, 60.0)
        assert signal.reasons["attempts"] == 2


@st.composite
def sweep_rules(draw):
    return {
        "window": draw(st.sampled_from([50, 250, 2_000])) * MS,
        "min_span": draw(st.integers(1, 4)),
        "min_levels": draw(st.integers(1, 3)),
        "min_share": draw(st.sampled_from([0.0, 0.5, 0.8])),
        "max_per_level": draw(st.sampled_from([0.0, 4.0, 8.0])),
        "row_ticks": draw(st.sampled_from([1, 2])),
        "cooldown": draw(st.sampled_from([0, 100, 5_000])) * MS,
    }


def sweep_state(rules, prints=256):
    state, ring = sweep.new_sweep(prints)
    for name, value in rules.items():
        state[name] = value
    state["ready"] = 1
    return state, ring


def sweep_facts(prints, rules, capacity=256):
    state, ring = sweep_state(rules, capacity)
    found, fired = state[0], []
    for print_ in prints:
        while (code := sweep.step_sweep(state, ring, *print_)) < 0:
            ring = sweep.widen_ring(found, ring)
        if code:
            fired.append(
                (
                    int(found.fired_ts),
                    int(found.fired_side),
                    int(found.fired_start),
                    int(found.fired_end),
                    int(found.fired_volume),
                    int(found.fired_all_volume),
                    int(found.fired_levels),
                )
            )
    return fired


@pytest.mark.nojit
class TestSweep:
    @examples(150)
    @given(tapes(longest_gap=300, prices=5), sweep_rules())
    def test_as_the_slow_twin(self, prints, rules):
        assert sweep_facts(prints, rules) == naive.sweeps(prints, **rules)

    @examples(25)
    @given(tapes(longest_gap=300, prices=5), sweep_rules())
    def test_a_ring_that_must_grow_changes_nothing(self, prints, rules):
        assert sweep_facts(prints, rules, capacity=1) == sweep_facts(prints, rules)

    @examples(25)
    @given(tapes(longest_gap=300, prices=5), sweep_rules())
    def test_mirror(self, prints, rules):
        rows = rules["row_ticks"]
        mirrored = [(ts, rows - 1 - price, size, -side) for ts, price, size, side in prints]
        facts = [
            (ts, -side, rows - 1 - start, rows - 1 - end, *rest)
            for ts, side, start, end, *rest in sweep_facts(prints, rules)
        ]
        assert sweep_facts(mirrored, rules) == facts

    @examples(25)
    @given(tapes(longest_gap=300, prices=5), sweep_rules(), st.integers(0, 120))
    def test_a_prefix_fires_the_same(self, prints, rules, cut):
        seen = sweep_facts(prints[:cut], rules)
        assert seen == sweep_facts(prints, rules)[: len(seen)]

    @examples(25)
    @given(tapes(longest_gap=300, prices=5), sweep_rules(), st.data())
    def test_saved_in_the_middle_goes_on_alike(self, prints, rules, data):
        cut = data.draw(st.integers(0, len(prints)))
        state, ring = sweep_state(rules)
        for print_ in prints[:cut]:
            sweep.step_sweep(state, ring, *print_)
        loaded = np.frombuffer(state.tobytes(), state.dtype).copy()
        other = np.frombuffer(ring.tobytes(), np.int64).reshape(ring.shape).copy()
        for print_ in prints[cut:]:
            assert sweep.step_sweep(state, ring, *print_) == sweep.step_sweep(
                loaded, other, *print_
            )
        assert state.tobytes() == loaded.tobytes()

    def test_vectors_of_strength(self):
        record = vectors("v08_detectors")["sweep"]
        for row, answer in zip(
            record["inputs"]["levels_volPerLevel_max_dispRel_thinLevels"],
            record["expected"]["strength"],
            strict=True,
        ):
            levels, per_level, most, displacement, thin = row
            config = SweepConfig(max_volume_per_level=most)
            state, ring = sweep.new_sweep()
            sweep.set_source_limits(state[0], config, max_per_level=most)
            # The last level lies `displacement` away from the first.
            start = 100_000
            end = start + max(round(displacement * start), levels - 1)
            prices = [*range(start, start + levels - 1), end]
            fired = [
                sweep.step_sweep(state, ring, (i + 1) * 100 * MS, price, per_level, 1, thin)
                for i, price in enumerate(prices)
            ]
            assert any(fired) == (answer is not None)
            strength = sweep.source_strength(levels, per_level, most, displacement, thin)
            if answer is not None:
                assert strength == pytest.approx(answer, abs=record["tol"])
                if displacement:  # three levels cannot fall without any displacement
                    assert fired.index(1) == 2
                if displacement and levels == 3:
                    assert sweep.fired_signal(state[0]).strength == pytest.approx(answer, abs=1e-9)

    def test_robust_signal_with_a_book(self):
        state, ring = sweep.new_sweep()
        sweep.set_robust_limits(state[0], SweepConfig(), min_span=5, row_ticks=2, r1=10.0)
        # The book of its first level counts: later ones are thin because of the sweep.
        steps = [
            (SECOND + i * 10 * MS, 1000 + i, 10, 1, 9 if i else 3, 10 if i else 40)
            for i in range(6)
        ]
        assert [sweep.step_sweep(state, ring, *step) for step in steps] == [0, 0, 0, 0, 0, 1]
        signal = sweep.fired_signal(state[0])
        # Three rows, a quarter of each level, half a usual range, thin.
        assert signal.strength == 15 * 3 + 20 * 0.75 + 20 * 0.5 + 15
        assert (signal.side, signal.price, signal.ts) == (1, 1005, steps[-1][0])

    def test_cooldown(self):
        def count(again):
            rules = {
                "window": 250 * MS, "min_span": 3, "min_levels": 1, "min_share": 0.8,
                "max_per_level": 0.0, "row_ticks": 1, "cooldown": 5 * SECOND,
            }  # fmt: skip
            first = [(SECOND + i, 1000 + i, 1, 1) for i in range(4)]
            return len(sweep_facts(first + [(again + i, 1000 + i, 1, 1) for i in range(4)], rules))

        assert count(SECOND + 3 + 5 * SECOND - 4) == 1
        assert count(SECOND + 3 + 5 * SECOND - 3) == 2


@pytest.mark.nojit
class TestTapeSizes:
    @examples(50)
    @given(tapes(longest_gap=20_000), st.sampled_from([1, 2, 3]))
    def test_as_the_slow_twin(self, trades, row_ticks):
        state, rows = tape_sizes.new_tape_sizes(1)
        tape_sizes.set_row_ticks(state[0], row_ticks)
        for trade in trades:
            while tape_sizes.step_tape_sizes(state, rows, *trade) < 0:
                rows = tape_sizes.widen_rows(state[0], rows)
        sizes = state[0]
        parents, volumes = naive.tape_sizes(trades, row_ticks, tape_sizes.WINDOW)
        assert sizes.parents[: sizes.parents_seen].tolist() == parents
        assert sizes.volumes[: sizes.volumes_seen].tolist() == volumes
        if parents:
            assert tape_sizes.large_parent(sizes) == np.quantile(parents, 0.95)
        else:
            assert np.isnan(tape_sizes.large_parent(sizes))
        if volumes:
            assert tape_sizes.large_row_volume(sizes) == np.quantile(volumes, 0.95)

    def test_only_the_last_parents_count(self):
        state, rows = tape_sizes.new_tape_sizes()
        n = tape_sizes.PARENTS + 500
        for i in range(n + 1):
            tape_sizes.step_tape_sizes(state, rows, i, 100, i + 1, 1)
        kept = np.arange(501, n + 1)
        assert tape_sizes.large_parent(state[0]) == np.quantile(kept, 0.95)

    def test_a_new_row_height_waits_for_the_next_window(self):
        state, rows = tape_sizes.new_tape_sizes()
        tape_sizes.set_row_ticks(state[0], 1)
        tape_sizes.step_tape_sizes(state, rows, 0, 100, 5, 1)
        tape_sizes.set_row_ticks(state[0], 10)
        tape_sizes.step_tape_sizes(state, rows, 1, 101, 5, 1)
        assert state[0].row_ticks == 1
        for price in (101, 107):
            tape_sizes.step_tape_sizes(state, rows, 31 * SECOND, price, 5, 1)
        assert state[0].row_ticks == 10
        assert state[0].volumes[:1].tolist() == [5]

    def test_rows_are_a_power_of_two(self):
        with pytest.raises(ValueError, match="`rows` must be a power of two, was 3"):
            tape_sizes.new_tape_sizes(3)
        with pytest.raises(ValueError, match="`prints` must be a power of two, was 0"):
            sweep.new_sweep(0)
