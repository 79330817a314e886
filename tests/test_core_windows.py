"""Time windows over the tape against sums taken over all trades each time."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from of_nautilus.core import parents
from of_nautilus.core import windows as windows_
from of_nautilus.core.record import State
from tests.naive import tape as naive_tape
from tests.naive import windows as naive
from tests.recorded import Trades, bitcoin, nexo
from tests.streams import SECOND, quick, tapes

SPANS = [SECOND, 10 * SECOND, 300 * SECOND]


class Windows:
    """Windows that grow as they ask for it."""

    def __init__(self, spans: list[int], capacity: int = 1) -> None:
        self.state, self.ring, self.tails = windows_.new_windows(spans, capacity)
        self.grown = 0

    def take(self, row: tuple[int, int, int, int]) -> None:
        while windows_.step_windows(self.state, self.ring, self.tails, *row) < 0:
            self.ring = windows_.grow_ring(self.state, self.ring)
            self.grown += 1

    def read(self, k: int) -> State:
        return windows_.window_sums(self.state, self.ring, self.tails, k)


@pytest.mark.nojit
@quick
@given(tapes(50))
def test_every_window_after_every_trade(trades: Trades) -> None:
    rows = trades.rows()
    windows = Windows(SPANS)
    for i, row in enumerate(rows):
        windows.take(row)
        for k, span in enumerate(SPANS):
            held = windows.read(k)[0]
            twin = naive.sums(rows[: i + 1], span)
            assert {name: int(held[name]) for name in twin} == twin


@pytest.mark.nojit
@quick
@given(tapes(50))
def test_rolling_delta_in_batch(trades: Trades) -> None:
    found = windows_.rolling_delta(SPANS, *trades)
    for line, span in zip(found, SPANS, strict=True):
        assert line.tolist() == naive.delta(trades.rows(), span)


@pytest.mark.nojit
@quick
@given(tapes(50, least=1))
def test_reading_late_is_reading_on_time(trades: Trades) -> None:
    """Tails that were left behind while trades came in arrive at the same sums."""
    state, ring, tails = windows_.new_windows(SPANS, 4)
    done = 0
    while True:
        done = windows_.run_tape(state, ring, tails, *trades, done)
        if done == len(trades.ts):
            break
        ring = windows_.grow_ring(state, ring)
    windows_.step_window_time(state, ring, tails, int(trades.ts[-1]) + SECOND // 2)
    for k, span in enumerate(SPANS):
        held = windows_.window_sums(state, ring, tails, k)[0]
        twin = naive.sums(trades.rows(), span, int(trades.ts[-1]) + SECOND // 2)
        assert {name: int(held[name]) for name in twin} == twin


@pytest.mark.nojit
def test_windows_are_right_closed_and_time_alone_empties_them() -> None:
    windows = Windows([10])
    for ts in (0, 5, 10):
        windows.take((ts, 100, 1, 1))
    assert windows.read(0)[0].trades == 2
    windows_.step_window_time(windows.state, windows.ring, windows.tails, 20)
    assert windows.read(0)[0].trades == 0
    assert windows.read(0)[0].buy == 0


@pytest.mark.nojit
def test_time_that_runs_backwards_counts_as_the_latest() -> None:
    windows = Windows([10])
    for ts in (100, 95, 109):
        windows.take((ts, 100, 1, 1))
    assert windows.read(0)[0].trades == 3
    windows.take((110, 100, 1, 1))
    assert windows.read(0)[0].trades == 2


@pytest.mark.nojit
def test_ring_grows_only_while_a_window_needs_its_trades() -> None:
    windows = Windows([10], capacity=4)
    for ts in range(0, 1000, 5):
        windows.take((ts, 100, 1, 1))
    assert windows.grown == 0
    for _ in range(9):
        windows.take((2000, 100, 1, 1))
    assert (windows.grown, len(windows.ring)) == (2, 16)
    assert windows.read(0)[0].trades == 9


@pytest.mark.nojit
@quick
@given(tapes(50, least=1))
def test_large_parents_belong_to_their_last_print(trades: Trades) -> None:
    windows = Windows([10 * SECOND])
    parent, done = parents.new_parent(), parents.new_parent()
    rows = trades.rows()
    for row in rows:
        if parents.step_parent(parent, done, *row):
            order = done[0]
            windows_.step_window_parent(windows.state, order.lots, order.side, order.lots > 5)
        windows.take(row)
    held = windows.read(0)[0]
    # The last parent is still open.
    closed = [
        order for order in naive_tape.parents(rows)[:-1] if order["ts"] > rows[-1][0] - SPANS[1]
    ]
    assert held.parents == len(closed)
    large = [order for order in closed if order["lots"] > 5]
    assert held.large_buy == sum(order["lots"] for order in large if order["side"] > 0)
    assert held.large_sell == sum(order["lots"] for order in large if order["side"] < 0)


@pytest.mark.parametrize("market", [bitcoin, nexo])
def test_recorded_markets(real_data: Path, market) -> None:
    few = market(real_data)[0].first(800)
    found = windows_.rolling_delta(SPANS, *few)
    for line, span in zip(found, SPANS, strict=True):
        assert line.tolist() == naive.delta(few.rows(), span)


def test_stream_and_batch_leave_the_same_bytes(real_data: Path) -> None:
    few = bitcoin(real_data)[0].first(3000)
    stream = Windows(SPANS, 4096)
    for row in few.rows():
        stream.take(row)
    state, ring, tails = windows_.new_windows(SPANS, 4096)
    deltas = np.zeros((len(SPANS), 3000), np.int64)
    assert windows_.run_windows(state, ring, tails, *few, 0, deltas) == 3000
    for one, other in ((stream.state, state), (stream.ring, ring), (stream.tails, tails)):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: windows_.new_windows([]), "`spans` must hold lengths >= 1, was"),
        (lambda: windows_.new_windows([5, 0]), "`spans` must hold lengths >= 1, was"),
        (lambda: windows_.new_windows([5], 0), "`capacity` must be >= 1, was 0"),
    ],
)
def test_bad_parameters(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
