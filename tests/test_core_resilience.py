"""Resilience against the vector and a twin that keeps the whole history of depth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from of_nautilus.core import resilience as resilience_
from tests.conftest import vectors

S = 1_000_000_000


def warmed(dt: float = 3.0, size: int = 10) -> np.ndarray:
    """A state that has seen 30 trades of one size, before any book."""
    state = resilience_.new_resilience(dt)
    for _ in range(30):
        resilience_.step_trade(state, 0, size, 1)
    return state


@pytest.mark.nojit
@pytest.mark.parametrize("side", [1, -1])
def test_recovery_and_half_life(side: int) -> None:
    record = vectors("v06_book")["resilience"]
    given_, expected = record["inputs"], record["expected"]
    state = warmed(given_["dt"])
    for t, depth in zip(given_["t"], given_["depth"], strict=True):
        if t == given_["shock_t"]:
            assert state[0].depth.tolist() == [given_["pre"]] * 2
            resilience_.step_trade(state, t * S, 20, side)
        both = (depth, given_["pre"]) if side < 0 else (given_["pre"], depth)
        resilience_.step_depth(state, t * S, *both)
    shock = state[0].asks if side > 0 else state[0].bids
    assert shock.post == given_["post"]
    assert state[0].recovery == expected["recovery_fraction_dt"]
    assert state[0].half_life == expected["half_life_s"]


@pytest.mark.nojit
def test_small_trades_and_early_ones_are_no_shock() -> None:
    state = warmed()
    resilience_.step_depth(state, 1, 50, 50)
    resilience_.step_trade(state, 2, 19, 1)
    assert state[0].asks.active == 0
    early = resilience_.new_resilience()
    resilience_.step_depth(early, 1, 50, 50)
    resilience_.step_trade(early, 2, 100, 1)
    assert early[0].asks.active == 0
    resilience_.step_trade(state, 2, 100, 0)
    assert state[0].asks.active == state[0].bids.active == 0


@pytest.mark.nojit
def test_a_shock_that_took_no_depth_is_skipped() -> None:
    state = warmed()
    resilience_.step_depth(state, 1, 50, 50)
    resilience_.step_trade(state, 2, 100, 1)
    resilience_.step_depth(state, 3, 50, 50)
    assert (state[0].skipped, state[0].shocks, state[0].asks.active) == (1, 0, 0)


@pytest.mark.nojit
def test_a_lost_book_ends_the_shocks_under_way() -> None:
    state = warmed()
    resilience_.step_depth(state, 1, 50, 50)
    resilience_.step_trade(state, 2, 100, 1)
    resilience_.lose_book(state[0])
    resilience_.step_depth(state, 3, 50, 20)
    assert (state[0].shocks, state[0].asks.active) == (0, 0)


def naive(events: list[tuple], dt: int) -> tuple[list[float], list[float]]:
    """Recoveries and half-lives of the ask side, in order; `events` are (ts, kind, value)."""
    recoveries, halves = [], []
    busy_until = -1
    for i, (shock_ts, kind, size) in enumerate(events):
        sizes = [v for _, k, v in events[:i] if k == "trade"]
        depths = [v for _, k, v in events[:i] if k == "depth"]
        if kind != "trade" or i < busy_until or len(sizes) < 30 or not depths:
            continue
        if size < 2 * sum(sizes[-1000:]) / len(sizes[-1000:]):
            continue
        later = [(j, t, v) for j, (t, k, v) in enumerate(events) if k == "depth" and j > i]
        if not later:
            return recoveries, halves
        post_at, _, post = later[0]
        pre = depths[-1]
        if pre <= post:
            busy_until = post_at
            continue
        measured = [(j, t) for j, t, _ in later[1:] if t > shock_ts + dt]
        half = [(j, t) for j, t, v in later[1:] if v - post >= (pre - post) / 2]
        late = [j for j, t, _ in later[1:] if t > shock_ts + 10 * dt]
        ends = [max(measured[0][0], half[0][0])] if measured and half else []
        ends += late[:1]
        if not ends:
            return recoveries, halves
        busy_until = min(ends)
        in_force = [v for _, t, v in later if t <= shock_ts + dt][-1:] or [post]
        recoveries.append((in_force[0] - post) / (pre - post))
        if half and half[0][1] <= shock_ts + 10 * dt:
            halves.append((half[0][1] - shock_ts) / S)
    return recoveries, halves


def smoothed(values: list[float]) -> float:
    mean = np.nan
    for i, value in enumerate(values):
        mean = value if i == 0 else mean + 2 / 11 * (value - mean)
    return mean


@pytest.mark.nojit
@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, S // 2, S, 2 * S, 20 * S]),
            st.sampled_from(["trade", "depth", "depth", "depth"]),
            st.integers(1, 60),
        ),
        max_size=60,
    )
)
def test_agrees_with_the_twin(steps: list[tuple]) -> None:
    ts, events = 0, [(0, "trade", 10)] * 30
    for wait, kind, value in steps:
        ts += wait
        events.append((ts, kind, value))
    state = resilience_.new_resilience()
    for at, kind, value in events:
        if kind == "trade":
            resilience_.step_trade(state, at, value, 1)
        else:
            resilience_.step_depth(state, at, 100, value)
    recoveries, halves = naive(events, 3 * S)
    assert (state[0].recoveries, state[0].half_lives) == (len(recoveries), len(halves))
    np.testing.assert_allclose(state[0].recovery, smoothed(recoveries), rtol=1e-12)
    np.testing.assert_allclose(state[0].half_life, smoothed(halves), rtol=1e-12)


def test_bad_parameters_are_named() -> None:
    with pytest.raises(ValueError, match="`dt` must be > 0, was 0"):
        resilience_.new_resilience(0)
