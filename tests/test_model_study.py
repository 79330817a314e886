"""The OFI study: what is planted in bars is found, and the controls say what chance would give."""

import numpy as np
import pytest

from of_nautilus.model.study import CONTROLLED, LEVELS, WINDOW, Bars, Row, study


def made_up(same: float, after: float, flips: bool = False, windows: int = CONTROLLED) -> Bars:
    """Bars whose moves follow the best level's flow of the same bar and of the one before.

    `flips`: the second relation has another sign in every window.
    """
    rng = np.random.default_rng(4)
    n = windows * WINDOW
    flow = rng.normal(size=(n, LEVELS))
    sign = np.where(np.arange(n) // WINDOW % 2, -1, 1) if flips else np.ones(n)
    before = np.concatenate(([0.0], flow[:-1, 0]))
    move = same * flow[:, 0] + after * sign * before + rng.normal(size=n)
    return Bars(flow, np.ones(n), flow[:, 0] + rng.normal(size=n), move)


def table(bars: Bars) -> dict[str, Row]:
    return {row.regressor: row for row in study(bars)}


def test_a_relation_of_the_same_bar_is_none_of_the_next() -> None:
    told = table(made_up(1.0, 0.0))
    for row in told.values():
        assert row.shifted is not None
        assert row.carried is not None
        assert row.shifted.low < 0 < row.shifted.high
        assert row.next.value < row.shifted.high + 0.01
        assert row.carried[1] < 0.005
    best = told["best level"]
    assert best.same.value == pytest.approx(0.5, abs=0.03)
    assert best.carried is not None
    assert best.carried[0] == pytest.approx(0.5, abs=0.03)
    assert told["ten levels"].same.value == pytest.approx(0.5, abs=0.05)
    assert told["trades"].same.value == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("flips", [False, True])
def test_a_relation_of_the_next_bar_is_carried_over_if_it_lasts(flips: bool) -> None:
    best = table(made_up(0.0, 0.5, flips))["best level"]
    assert best.shifted is not None
    assert best.carried is not None
    assert best.next.value == pytest.approx(0.2, abs=0.03)
    assert best.next.value > 10 * best.shifted.high
    if flips:
        assert best.carried[1] < 0.02
    else:
        assert best.carried[1] == pytest.approx(0.2, abs=0.03)


def test_few_windows_have_no_controls() -> None:
    for row in table(made_up(1.0, 0.0, windows=CONTROLLED - 1)).values():
        assert (row.shifted, row.carried) == (None, None)
