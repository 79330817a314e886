"""Status, steps, priority and ranking."""

import pytest

from of_nautilus.decision.status import (
    ScannerRow,
    Status,
    priority,
    rank,
    status_of,
    steps_done,
)
from of_nautilus.decision.table import Phase
from tests.conftest import vectors


def test_status_vectors() -> None:
    record = vectors("v14_framing_status")["status"]
    (cases,) = record["inputs"].values()
    found = [
        status_of(Phase(phase), has_profile=frame, stale=stale, levels=levels, near=near).value
        for frame, stale, levels, near, phase in cases
    ]
    assert found == record["expected"]["status"]


def test_priority_vectors() -> None:
    record = vectors("v11_scanner_instruments")["priority"]
    found = [priority(Status(status), steps) for status, steps in record["inputs"]["cases"]]
    assert found == record["expected"]["priority"]
    with pytest.raises(ValueError, match="`completed`"):
        priority(Status.IDLE, 7)


def test_an_open_position_is_never_hidden() -> None:
    for phase, status in (
        (Phase.POSITION_OPEN, Status.IN_TRADE),
        (Phase.BREAK_EVEN, Status.BREAK_EVEN),
        (Phase.TRAILING, Status.TRAILING),
    ):
        assert status_of(phase, has_profile=True, stale=False, levels=0, near=False) is status
    assert status_of(None, has_profile=True, stale=False, levels=1, near=False) is Status.IDLE


def test_steps() -> None:
    def steps(phase: Phase, near: bool = False) -> int:
        return sum(steps_done(phase, has_frame=True, levels=2, near=near))

    assert [steps(p) for p in (Phase.NONE, Phase.WATCHING, Phase.ABSORPTION_DETECTED)] == [2, 3, 5]
    assert steps(Phase.NONE, near=True) == 3
    assert steps(Phase.TRAILING) == 6
    assert not any(steps_done(Phase.NONE, has_frame=False, levels=0, near=False))


def test_ranking() -> None:
    done = (True,) * 6
    rows = [
        ScannerRow("B", Status.WATCHING, (True, True, True, False, False, False)),
        ScannerRow("C", Status.IN_TRADE, done),
        ScannerRow("A", Status.WATCHING, (True, True, True, False, False, False)),
        ScannerRow("D", Status.TRAILING, done),
    ]
    assert [row.symbol for row in rank(rows)] == ["C", "D", "A", "B"]
