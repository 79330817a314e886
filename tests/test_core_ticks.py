"""Integer prices and rows against vectors and decimals."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from of_nautilus.core import ticks
from of_nautilus.core.ticks import MarketScale
from tests.conftest import vectors
from tests.streams import quick

STEPS = ["0.1", "0.25", "0.01", "0.00001", "1", "5", "0.5"]


@pytest.mark.nojit
def test_rows_are_floored_where_floats_alternate() -> None:
    records = vectors("v02_delta_footprint")
    for price, step, rounded, row in records["bucket_float_vs_floor"]["expected"]["rows"]:
        scale = MarketScale(Decimal("0.00001"), Decimal(1))
        wide = scale.to_ticks(Decimal(step))
        assert ticks.row_of(scale.to_ticks(Decimal(price)), wide) == row
        by_rounding = round(float(price) / float(step)) * float(step)
        assert by_rounding == pytest.approx(float(rounded), abs=1e-9)
    record = records["bucket_uneven_width"]
    inputs, expected = record["inputs"], record["expected"]
    wide = round(inputs["step"] / inputs["tick"])
    rows = [int(ticks.row_of(tick, wide)) for tick in range(inputs["n_ticks"])]
    widths = {rows.count(row) for row in set(rows)}
    assert widths == {expected["ticks_per_row_spec"]}


def test_prices_that_float_division_gets_wrong() -> None:
    records = vectors("v02_delta_footprint")
    scale = MarketScale(Decimal("0.01"), Decimal(1))
    for name, first in (("float_floor_bug", "first_5"), ("float_floor_bug_parsed", "first_8")):
        expected = records[name]["expected"]
        divide = {
            "float_floor_bug": lambda i: int((i * 0.01) / 0.01),
            "float_floor_bug_parsed": lambda i: int(float(f"{i / 100}") / 0.01),
        }[name]
        wrong = [i for i in range(1, 100_000) if divide(i) != i]
        assert len(wrong) == expected["n_wrong"]
        assert wrong[: len(expected[first])] == expected[first]
        for i in wrong:
            assert scale.to_ticks(Decimal(i) / 100) == i
            assert ticks.steps_of(i / 100, 0.01) == (i, True)


@pytest.mark.nojit
def test_rows_of_negative_prices() -> None:
    assert ticks.row_of(-3763, 10) == -377
    scale = MarketScale(Decimal("0.01"), Decimal(1))
    assert scale.to_ticks(Decimal("-37.635")) == -3764


@pytest.mark.nojit
@quick
@given(st.sampled_from(STEPS), st.integers(-(10**9), 10**9))
def test_steps_survive_the_float(step: str, count: int) -> None:
    """What a venue writes in decimals, a double brings back to the same step."""
    value = Decimal(step) * count
    assert ticks.steps_of(float(value), float(step)) == (count, True)
    scale = MarketScale(Decimal(step), Decimal(step))
    assert scale.to_ticks(value) == scale.to_lots(value) == count
    assert scale.price(count) == scale.size(count) == value


@pytest.mark.nojit
@quick
@given(st.sampled_from(STEPS), st.integers(-(10**6), 10**6), st.integers(1, 9))
def test_off_grid_is_floored_and_told(step: str, count: int, tenths: int) -> None:
    value = Decimal(step) * count + Decimal(step) * tenths / 10
    assert ticks.steps_of(float(value), float(step)) == (count, False)
    assert MarketScale(Decimal(step), Decimal(1)).to_ticks(value) == count


@pytest.mark.nojit
@quick
@given(st.lists(st.integers(-(10**12), 10**12), max_size=20), st.integers(1, 50))
def test_units_to_steps(values: list[int], step: int) -> None:
    found, off = ticks.units_to_steps(np.array(values, np.int64), step)
    assert found.tolist() == [Fraction(value, step).__floor__() for value in values]
    assert off == sum(value % step != 0 for value in values)


@pytest.mark.nojit
@quick
@given(st.integers(0, 4 * 10**18), st.integers(-128, 128))
def test_whole_microseconds(ts: int, error: int) -> None:
    whole = ts // 1000 * 1000 + 1000
    assert ticks.whole_microseconds(whole + error) == whole


@pytest.mark.parametrize("name", ["tick", "lot"])
def test_bad_parameters(name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be > 0, was 0"):
        MarketScale(**{"tick": Decimal(1), "lot": Decimal(1), name: Decimal(0)})
    with pytest.raises(ValueError, match="`step` must be >= 1, was 0"):
        ticks.units_to_steps(np.array([1]), 0)
