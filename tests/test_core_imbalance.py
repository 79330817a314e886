"""Imbalances, stacks and the readings of a bar against vectors and twins."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from of_nautilus.core import bar_reading, footprint, imbalance
from of_nautilus.core.imbalance import PRESETS, Compare, ImbalanceRule, Zero
from of_nautilus.core.record import Ints
from tests.conftest import vectors
from tests.naive import imbalance as naive
from tests.recorded import bitcoin, nexo
from tests.streams import quick


def cells_of(levels: dict[str, list[int]]) -> tuple[int, Ints]:
    """The lowest row and the cells of a vector's {row: (bid, ask)}."""
    low = min(map(int, levels))
    cells = footprint.allocate_cells(max(map(int, levels)) - low + 1)
    for row, (bid, ask) in levels.items():
        cells[int(row) - low, :2] = bid, ask
        cells[int(row) - low, 3:5] = bid > 0, ask > 0
    return low, cells


def flagged(rule: ImbalanceRule, cells: Ints) -> list[set[str]]:
    flags = imbalance.imbalance_flags(rule, cells)
    return [{name for name, bit in (("buy", 1), ("sell", 2)) if flag & bit} for flag in flags]


def buys(rule: ImbalanceRule, levels: dict[str, list[int]]) -> list[int]:
    low, cells = cells_of(levels)
    return [low + i for i, names in enumerate(flagged(rule, cells)) if "buy" in names]


@st.composite
def bars(draw: st.DrawFn) -> Ints:
    """Cells with empty rows inside, but traded ones at both ends."""
    size = st.sampled_from([0, 0, 1, 2, 3, 6, 9, 10, 27, 30, 31, 93, 10**9])
    rows = draw(st.lists(st.tuples(size, size, size), min_size=1, max_size=12))
    cells = footprint.allocate_cells(len(rows))
    for i, row in enumerate(rows):
        cells[i, :3] = row
        cells[i, 3:] = [min(lots, 1 + lots % 7) for lots in row]
    for end in (0, -1):
        if not cells[end].any():
            cells[end, 0] = cells[end, 3] = 1
    return cells


@st.composite
def rules(draw: st.DrawFn) -> ImbalanceRule:
    return ImbalanceRule(
        compare=draw(st.sampled_from(list(Compare))),
        ratio=draw(st.sampled_from([0.5, 1.5, 3.0, 4.21])),
        strict=draw(st.booleans()),
        difference=draw(st.sampled_from([0, 4])),
        zero=draw(st.sampled_from(list(Zero))),
        min_volume=draw(st.sampled_from([0, 1, 9])),
        min_row_volume=draw(st.sampled_from([0, 1, 10])),
        prints=draw(st.booleans()),
        flag_below=draw(st.booleans()),
        stack=draw(st.sampled_from([0, 1, 2, 3])),
        every_start=draw(st.booleans()),
    )


@pytest.mark.nojit
def test_diagonal_bar() -> None:
    record = vectors("v02_delta_footprint")["diag_bar"]
    low, cells = cells_of(record["inputs"]["levels_bid_ask"])
    rule = ImbalanceRule(min_volume=record["inputs"]["min_volume"])
    found = {str(low + i): sorted(names) for i, names in enumerate(flagged(rule, cells)) if names}
    assert found == record["expected"]["imbalances"]


@pytest.mark.nojit
def test_published_ratios() -> None:
    record = vectors("v02_delta_footprint")["diag_published"]
    pairs = record["inputs"]["pairs"]

    def passes(**overrides: float) -> list[bool]:
        rule = ImbalanceRule(**overrides)
        return [bool(buys(rule, {"0": [bid, 0], "1": [0, ask]})) for ask, bid in pairs]

    expected = record["expected"]
    assert passes(ratio=4.0) == expected["pass_at_4.00"]
    assert passes(ratio=4.21) == expected["pass_at_4.21"]
    assert passes(min_volume=85) == expected["pass_minvol_85"]
    assert passes(min_volume=16) == expected["pass_minvol_16"]
    assert [100 * ask // bid for ask, bid in pairs] == expected["ratio_pct_trunc"]


@pytest.mark.nojit
def test_zero_sides_and_the_inclusive_ratio() -> None:
    record = vectors("v02_delta_footprint")["diag_zero_and_inclusive"]
    levels, expected = record["inputs"]["levels_bid_ask"], record["expected"]
    low, cells = cells_of(levels)

    def stacked(rule: ImbalanceRule) -> list[list[int]]:
        found = imbalance.imbalance_stacks(rule, cells)
        return [[low + start, low + end] for start, end, side in found if side > 0]

    one, five = ImbalanceRule(), ImbalanceRule(min_volume=5)
    ignoring = ImbalanceRule(zero=Zero.IGNORE)
    assert buys(one, levels) == expected["buy_minvol1_inf"]
    assert buys(five, levels) == expected["buy_minvol5_inf"]
    assert buys(ignoring, levels) == expected["buy_minvol1_ignore_zero"]
    assert stacked(one) == expected["stacked3_buy_minvol1"]
    assert stacked(five) == expected["stacked3_buy_minvol5"]
    assert stacked(ignoring) == expected["stacked3_buy_ignore"]


@pytest.mark.nojit
@pytest.mark.parametrize(
    ("name", "levels", "rows"),
    [
        # Three times the bid exactly, one more, against nothing, and too little.
        ("default", {"0": [10, 0], "1": [0, 30]}, [1]),
        ("atas", {"0": [11, 0], "1": [0, 33]}, []),
        ("atas", {"0": [10, 0], "1": [0, 31]}, [1]),
        ("atas", {"0": [1, 0], "1": [0, 30]}, []),
        ("atas", {"0": [0, 9], "1": [0, 99]}, []),
        ("flowsurface", {"0": [10, 0], "1": [0, 30]}, []),
        ("flowsurface", {"0": [10, 0], "1": [0, 31]}, [1]),
        ("flowsurface", {"0": [0, 9], "1": [0, 99]}, []),
        ("pine", {"0": [10, 0], "1": [0, 30]}, [1]),
        ("pine", {"0": [0, 9], "1": [0, 1]}, [1]),
        ("orderflowbot", {"0": [20, 0], "1": [0, 30]}, [1]),
        ("orderflowbot", {"0": [18, 0], "1": [0, 27]}, []),
        ("orderflowbot", {"0": [0, 1], "1": [0, 10]}, [1]),
        # Against the next row that traded, and marked on that row.
        ("freqtrade", {"0": [1, 0], "3": [0, 5]}, []),
    ],
)
def test_presets(name: str, levels: dict[str, list[int]], rows: list[int]) -> None:
    assert buys(ImbalanceRule.preset(name), levels) == rows


@pytest.mark.nojit
def test_freqtrade_counts_prints_of_rows_that_traded() -> None:
    low, cells = cells_of({"0": [1, 0], "3": [0, 5], "4": [2, 2], "6": [0, 9]})
    cells[3, 4] = 4
    cells[6, 4] = 7
    rule = ImbalanceRule.preset("freqtrade")
    assert low == 0
    assert [i for i, names in enumerate(flagged(rule, cells)) if "buy" in names] == [0, 3, 4]
    assert imbalance.imbalance_stacks(rule, cells) == [(0, 4, 1)]


@pytest.mark.nojit
@quick
@given(rules(), bars())
def test_any_rule_matches_the_twin(rule: ImbalanceRule, cells: Ints) -> None:
    assert flagged(rule, cells) == naive.flags(rule, cells)
    assert imbalance.imbalance_stacks(rule, cells) == naive.stacks(rule, cells)


@quick
@given(bars())
def test_sides_mirror(cells: Ints) -> None:
    rule = ImbalanceRule()
    mirrored = cells[::-1, [1, 0, 2, 4, 3, 5]].copy()
    other = {"buy": "sell", "sell": "buy"}
    turned = [{other[name] for name in names} for names in flagged(rule, mirrored)[::-1]]
    assert flagged(rule, cells) == turned


@pytest.mark.nojit
def test_unfinished_auctions() -> None:
    record = vectors("v02_delta_footprint")["unfinished"]
    for name in ("A", "B"):
        _, cells = cells_of(record["inputs"][name])
        found = list(bar_reading.unfinished_auction(cells))
        assert found == record["expected"][f"{name}_high_low"]


@pytest.mark.nojit
@quick
@given(bars(), st.integers(0, 11))
def test_bar_readings_match_the_twin(cells: Ints, close: int) -> None:
    close %= len(cells)
    bar, _ = footprint.new_footprint(footprint.BarKind.TIME, 1)
    bar["close"], bar["low_row"] = 1000 + close, 1000
    bar["buy"], bar["sell"] = cells[:, 1].sum(), cells[:, 0].sum()
    state = bar_reading.new_bar_reading()
    bar_reading.step_bar_reading(state, bar, cells)
    volumes = cells[:, :3].sum(axis=1).tolist()
    reading = state[0]
    assert reading.poc == naive.poc(volumes)
    assert (reading.val, reading.vah) == naive.value_area(volumes)
    extremes = (reading.max_delta_row, reading.min_delta_row)
    assert extremes == naive.extreme_delta_rows(cells, close)


@pytest.mark.nojit
def test_ratio_of_a_bar_and_streaks() -> None:
    for name in ("seed004_example1", "seed004_example3"):
        record = vectors("v02_delta_footprint")[name]
        rows = list(zip(record["inputs"]["ask"], record["inputs"]["bid"], strict=True))
        lots = [(round(10 * ask), round(10 * bid)) for ask, bid in rows]
        ratios = [bar_reading.bar_ratio(*pair) for pair in lots]
        assert ratios == pytest.approx(record["expected"]["ratio"], rel=1e-9)
        flags = [bar_reading.dominant_side(*pair) != 0 for pair in lots]
        assert flags == record["expected"]["imbalanced_ge_3"]
    sides = [1, 1, -1, 0, -1, -1]
    streak, found = 0, []
    for side in sides:
        streak = bar_reading.next_streak(streak, side)
        found.append(streak)
    assert found == [1, 2, -1, 0, -1, -2]


def test_snapshot_levels() -> None:
    record = vectors("v02_delta_footprint")["seed004_snapshot_json"]
    cells = footprint.allocate_cells(2)
    prices = sorted(level[0] for level in record["inputs"]["levels"])
    for price, bid, ask, prints in record["inputs"]["levels"]:
        cells[prices.index(price), [0, 1, 5]] = round(10 * bid), round(10 * ask), prints
    expected = record["expected"]
    assert cells[:, 0].sum() == round(10 * expected["bid"])
    assert cells[:, 1].sum() == round(10 * expected["ask"])
    assert cells[:, 5].sum() == expected["n"]
    assert prices[naive.poc(bar_reading.totals(cells).tolist())] == expected["poc"]


@pytest.mark.parametrize("market", [bitcoin, nexo])
def test_bars_of_recorded_markets(real_data: Path, market) -> None:
    bar, cells = footprint.new_footprint(footprint.BarKind.TICK, 60, rows=4096)
    found = 0
    for row in market(real_data)[0].first(3000).rows():
        if footprint.step_footprint(bar, cells, *row) != 1:
            continue
        used = footprint.bar_cells(bar[0], cells)
        for name in PRESETS:
            rule = ImbalanceRule.preset(name)
            assert flagged(rule, used) == naive.flags(rule, used)
            stacks = imbalance.imbalance_stacks(rule, used)
            assert stacks == naive.stacks(rule, used)
            found += len(stacks)
        footprint.next_bar(bar, cells)
    assert found > 0


def test_ratios_are_read_to_a_ten_thousandth() -> None:
    rule = ImbalanceRule(ratio=1.0001, compare=Compare.SAME_ROW)
    cells = np.array([[10_000, 10_001, 0, 1, 1, 0]])
    assert Fraction(10_001, 10_000) == Fraction(str(rule.ratio))
    assert flagged(rule, cells) == [{"buy"}]
    assert flagged(ImbalanceRule(ratio=1.0002, compare=Compare.SAME_ROW), cells) == [set()]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ImbalanceRule(ratio=0), "`ratio` must be > 0 and <= 1e6, was 0"),
        (lambda: ImbalanceRule(stack=-1), "`stack` must be >= 0, was -1"),
        (lambda: ImbalanceRule(min_volume=-2), "`min_volume` must be >= 0, was -2"),
        (lambda: ImbalanceRule.preset("none"), "`name` must be one of default, .*was 'none'"),
    ],
)
def test_bad_parameters(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
