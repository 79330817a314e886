"""Delta and CVD against vectors and running sums."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from of_nautilus.core import delta
from of_nautilus.core.sessions import DAY, SECOND, SessionClock
from tests.conftest import vectors
from tests.naive import bars as naive
from tests.recorded import Trades, bitcoin, nexo
from tests.streams import quick, tapes


@pytest.mark.nojit
@pytest.mark.parametrize("name", ["seed004_example1", "seed004_example3"])
def test_published_bars(name: str) -> None:
    record = vectors("v02_delta_footprint")[name]
    inputs, expected = record["inputs"], record["expected"]
    state = delta.new_cvd()
    state["value"] = round(10 * inputs.get("cvd_before", 0.0))
    path = []
    # Lots of 0.1.
    for bid, ask in zip(inputs["bid"], inputs["ask"], strict=True):
        before = int(state[0].value)
        delta.step_cvd(state, 0, round(10 * ask), 1)
        delta.step_cvd(state, 0, round(10 * bid), -1)
        path.append((int(state[0].value) - before, int(state[0].value)))
    assert [change for change, _ in path] == [round(10 * d) for d in expected["delta"]]
    assert [value for _, value in path] == [round(10 * d) for d in expected["cvd"]]


@pytest.mark.nojit
def test_resets() -> None:
    record = vectors("v02_delta_footprint")["cvd_reset"]
    bars = [
        (int(datetime.fromisoformat(when).timestamp()) * SECOND, change)
        for when, change in record["inputs"]["bar_delta"]
    ]
    for name, clock in (("none", None), ("utc_day", SessionClock("FULL_DAY"))):
        state = delta.new_cvd()
        values, anchors, end = [], [], 0
        for ts, change in bars:
            if clock and ts >= end:
                start, end = clock.bounds(ts)
                delta.anchor(state[0], start)
            delta.step_cvd(state, ts, abs(change), 1 if change > 0 else -1)
            values.append(int(state[0].value))
            anchors.append(int(state[0].anchor_ts))
        assert values == record["expected"][name]
        assert len(set(anchors)) == (2 if clock else 1)
    assert datetime.fromtimestamp(anchors[-1] / SECOND, UTC).hour == 0
    assert anchors[-1] - anchors[0] == DAY
    state, ring = delta.new_rolling_delta(3)
    rolling = [delta.step_rolling_delta(state, ring, change) for _, change in bars]
    assert rolling == record["expected"]["rolling_3"]


@pytest.mark.nojit
@quick
@given(tapes(50))
def test_cvd_matches_running_sums(trades: Trades) -> None:
    rows = trades.rows()
    state = delta.new_cvd()
    values = delta.run_cvd(state, trades.ts, trades.size, trades.side).tolist()
    twin = naive.running_delta(rows)
    assert values == twin
    cvd = state[0]
    assert (cvd.minimum, cvd.maximum) == (min([0, *twin]), max([0, *twin]))
    assert cvd.buy - cvd.sell == cvd.value
    assert cvd.buy + cvd.sell + cvd.unclassified == trades.size.sum()
    assert cvd.trades == len(rows)
    assert cvd.anchor_ts == (rows[0][0] if rows else 0)
    stream = delta.new_cvd()
    for ts, _, size, side in rows:
        delta.step_cvd(stream, ts, size, side)
    assert stream.tobytes() == state.tobytes()


@pytest.mark.nojit
@quick
@given(st.lists(st.integers(-(10**9), 10**9), max_size=30), st.integers(1, 6))
def test_rolling_delta_matches_slices(changes: list[int], bars: int) -> None:
    state, ring = delta.new_rolling_delta(bars)
    found = [delta.step_rolling_delta(state, ring, change) for change in changes]
    assert found == [sum(changes[max(0, i + 1 - bars) : i + 1]) for i in range(len(changes))]


@pytest.mark.parametrize("market", [bitcoin, nexo])
def test_recorded_markets(real_data: Path, market) -> None:
    trades = market(real_data)[0]
    state = delta.new_cvd()
    values = delta.run_cvd(state, trades.ts, trades.size, trades.side)
    few = trades.first(500)
    assert values[:500].tolist() == naive.running_delta(few.rows())
    assert values[-1] == int((trades.size * trades.side).sum())


def test_bad_parameter() -> None:
    with pytest.raises(ValueError, match="`bars` must be >= 1, was 0"):
        delta.new_rolling_delta(0)
