"""Volume-profile readings: published value areas, ties, nodes, shapes, merging, normalization."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from of_nautilus.core.value_area import (
    Shape,
    coarsen,
    high_volume_nodes,
    key_prices,
    low_volume_nodes,
    merge_profiles,
    normalize,
    point_of_control,
    profile_shape,
    rebin,
    smooth,
    value_area,
)
from tests.conftest import vectors

histograms = st.lists(st.integers(0, 10**9), min_size=1, max_size=120).map(
    lambda rows: np.array(rows, dtype=np.int64)
)


def hist(rows: list[int]) -> np.ndarray:
    return np.array(rows, dtype=np.int64)


def test_published_value_area() -> None:
    record = vectors("v03_volume_profile")["va_published_one_row"]
    volumes, low = hist(record["inputs"]["volumes"]), record["inputs"]["low_price"]
    expected = record["expected"]
    assert point_of_control(volumes) + low == expected["poc"]
    for method in ("one_row", "two_row"):
        val, vah, volume = value_area(volumes, 0.70, method)
        assert {"val": val + low, "vah": vah + low, "acc": volume} == expected[method]


@pytest.mark.parametrize(
    "name",
    [
        "va_two_row_hand",
        "va_methods_differ",
        "va_tie_goes_up",
        "va_poc_already_70pct",
        "va_edge_short_pair",
    ],
)
def test_value_area_vectors(name: str) -> None:
    record = vectors("v03_volume_profile")[name]
    volumes, low = hist(record["inputs"]["volumes"]), record["inputs"].get("low_price", 0)
    expected = record["expected"]
    if "poc" in expected:
        assert point_of_control(volumes) + low == expected["poc"]
    for key, pct, method in (
        ("two_row", 0.70, "two_row"),
        ("one_row", 0.70, "one_row"),
        ("two_row_68", 0.68, "two_row"),
    ):
        if key in expected:
            val, vah, volume = value_area(volumes, pct, method)
            assert [val + low, vah + low, volume] == expected[key]


def test_poc_ties() -> None:
    record = vectors("v03_volume_profile")["poc_tie"]
    for name, row in record["expected"].items():
        assert point_of_control(hist(record["inputs"][f"volumes_{name}"])) == row


def test_nodes() -> None:
    record = vectors("v03_volume_profile")["lvn_hvn"]
    inputs, expected = record["inputs"], record["expected"]
    volumes = hist(inputs["volumes"])
    assert (
        low_volume_nodes(volumes, None, inputs["lvn_sigma"], inputs["lvn_floor"])
        == (expected["lvn_rows"])
    )
    assert high_volume_nodes(volumes, None, inputs["hvn_sigma"]) == expected["hvn_rows"]


@pytest.mark.parametrize("grid", [24, None])
def test_shapes(grid: int | None) -> None:
    records = vectors("v03_volume_profile")
    profiles = records["shape"]["inputs"]["profiles"]
    for name, expected in records["shape"]["expected"].items():
        found = profile_shape(hist(profiles[name]), grid)
        assert found.shape == expected["shape"]
        assert found.poc_pct == pytest.approx(expected["poc_pct"], abs=1e-9)
    boundary = records["double_valley_boundary"]
    for name, shape in boundary["expected"].items():
        assert profile_shape(hist(boundary["inputs"][name]), grid).shape == shape


def test_merge_vector() -> None:
    record = vectors("v03_volume_profile")["merge"]
    days = [record["inputs"]["day1"], record["inputs"]["day2"]]
    parts = [(min(map(int, day)), hist(list(day.values()))) for day in days]
    low, merged = merge_profiles(parts)
    assert {str(low + i): v for i, v in enumerate(merged.tolist())} == record["expected"]["merged"]
    poc, val, vah = key_prices(merged, low, 1)
    assert poc == record["expected"]["poc"]
    assert [val, vah] == record["expected"]["val_vah"]
    assert value_area(merged)[2] == record["expected"]["acc"]


def test_key_prices_use_row_edges() -> None:
    assert key_prices(hist([1, 9, 1]), -3, 10) == (-16, -20, -11)
    assert key_prices(hist([5]), 7, 1) == (7, 7, 7)


def test_empty_histogram() -> None:
    empty = hist([0, 0, 0])
    assert point_of_control(empty) == -1
    assert value_area(empty) == (-1, -1, 0)
    assert profile_shape(empty).shape is Shape.UNKNOWN
    with pytest.raises(ValueError, match="`hist` must hold volume"):
        key_prices(empty, 0, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda h: value_area(h, 0.0), "`pct`"),
        (lambda h: value_area(h, 0.7, "three_row"), "`method`"),
        (lambda h: key_prices(h, 0, 0), "`ticks_per_row`"),
        (lambda h: rebin(h, 0), "`bins`"),
        (lambda h: profile_shape(h, 9), "`grid`"),
        (lambda h: coarsen(0, h, 4, 3), "`wanted`"),
        (lambda h: low_volume_nodes(h, sigma=-1.0), "`sigma`"),
        (lambda h: merge_profiles([]), "`parts`"),
    ],
)
def test_bad_parameters(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        call(hist([1, 2, 3]))


def naive_value_area(rows: list[int], pct: int, step: int) -> tuple[int, int, int]:
    """The rule word by word, over Python lists; `pct` in percent."""
    total, n = sum(rows), len(rows)
    if total == 0:
        return -1, -1, 0
    top = max(rows)
    poc = min((abs(2 * i - (n - 1)), i) for i in range(n) if rows[i] == top)[1]
    low = high = poc
    while 100 * sum(rows[low : high + 1]) < pct * total:
        above, below = rows[high + 1 : high + 1 + step], rows[max(low - step, 0) : low]
        if above and (not below or sum(above) >= sum(below)):
            high += len(above)
        else:
            low -= len(below)
    return low, high, sum(rows[low : high + 1])


@given(histograms, st.sampled_from([68, 70, 90, 100]), st.sampled_from(["one_row", "two_row"]))
def test_value_area_equals_its_slow_twin(volumes: np.ndarray, pct: int, method: str) -> None:
    step = 2 if method == "two_row" else 1
    assert value_area(volumes, pct / 100, method) == naive_value_area(volumes.tolist(), pct, step)


@given(histograms, st.integers(1, 60))
def test_rebin_is_exact(volumes: np.ndarray, bins: int) -> None:
    n = len(volumes)
    expected = [
        sum(
            int(volumes[i]) * max(0, min((i + 1) * bins, (b + 1) * n) - max(i * bins, b * n))
            for i in range(n)
        )
        for b in range(bins)
    ]
    spread = rebin(volumes, bins)
    assert spread.tolist() == expected
    assert smooth(spread).sum() == 4 * bins * volumes.sum()


@given(histograms, st.integers(2, 5))
def test_shape_does_not_depend_on_the_row_size(volumes: np.ndarray, k: int) -> None:
    """Rows cut into k equal parts: the normalized profile is the same up to the common factor."""
    fine = np.repeat(volumes, k)
    if len(volumes) > 24:
        assert (normalize(fine, 24) == k * normalize(volumes, 24)).all()
        assert profile_shape(fine) == profile_shape(volumes)


def test_normalizing_removes_a_chance_double() -> None:
    """Noise over many rows has two peaks and a valley; the normalized profile is one hump."""
    rng = np.random.default_rng(7)
    hump = 40 * np.exp(-(((np.arange(200) - 100) / 50) ** 2))
    noisy = rng.poisson(hump * rng.integers(0, 3, 200)).astype(np.int64)
    assert profile_shape(noisy, grid=None).shape is Shape.DOUBLE
    assert profile_shape(noisy, grid=24).shape is Shape.D


def test_nodes_on_bins_give_rows() -> None:
    deep = np.repeat(hist([400, 800, 800, 400, 1, 1, 400, 900, 900, 400]), 20)
    nodes = low_volume_nodes(deep, bins=40)
    assert len(nodes) == 1
    assert 80 <= nodes[0] < 120


def test_low_plateau_counts_once() -> None:
    assert low_volume_nodes(hist([50, 60, 0, 0, 0, 70, 60])) == [2]


def test_coarsen_keeps_the_volume() -> None:
    low, wide = coarsen(-3, hist([1, 2, 3, 4, 5, 6, 7]), 2, 5)
    # Middle ticks -6, -4, -2, 0, 2, 4, 6 fall in wide rows -2, -1, -1, 0, 0, 0, 1.
    assert (low, wide.tolist()) == (-2, [1, 5, 15, 7])
