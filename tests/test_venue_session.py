"""Recordings as sessions to replay."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.venues.session import Increment, read_session

MS = 1_700_000_000_000


def line(stamp: int, message: dict[str, Any]) -> str:
    return f"{stamp} {json.dumps(message)}\n"


def data(kind: str, at: int, **fields: Any) -> dict[str, Any]:
    return {"stream": "s", "data": {"e": kind, "E": at, "T": at, "s": "BTCUSDT", **fields}}


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    lines = [
        line(MS * 1000, data("trade", MS + 5, t=1, p="100.10", q="0.500", X="MARKET")),
        line(MS * 1000, data("trade", MS + 6, t=2, p="9.00", q="1.000", X="INSURANCE_FUND")),
        line(MS * 1000 + 1, data("depthUpdate", MS + 4, u=11)),
        line(MS * 1000 + 2, {"lastUpdateId": 10, "bids": [], "asks": []}),
        line(MS * 1000 + 3, {"stream": "s", "data": {"s": "BTCUSDT", "u": 12, "b": "1"}}),
        line(MS * 1000 + 4, data("trade", MS + 5, t=3, p="100.30", q="0.010", X="MARKET")),
    ]
    path = tmp_path / "recording.gz"
    path.write_bytes(gzip.compress("".join(lines).encode()))
    return path


def test_a_recording_as_received(recording: Path) -> None:
    session = read_session(recording)
    assert session.symbol == "BTCUSDT"
    assert [e.kind for e in session.events] == ["trade", "depth", "snapshot", "quote", "trade"]
    assert [t["t"] for t in session.of("trade")] == [1, 3]
    assert session.events[2].time_ms == session.events[3].time_ms == MS
    assert session.index("trade", 1) == 4


def test_a_recording_in_the_order_of_the_venues_time(recording: Path) -> None:
    events = read_session(recording, order="event_time").events
    assert [e.time_ms - MS for e in events] == [0, 0, 4, 5, 5]
    assert [e.kind for e in events] == ["snapshot", "quote", "depth", "trade", "trade"]


def test_several_files_are_one_session(recording: Path) -> None:
    assert len(read_session([recording, recording]).events) == 10


def test_increments_are_the_largest_steps_that_fit(recording: Path) -> None:
    tick, lot = read_session(recording).increments()
    assert (tick, lot) == (Increment("0.10", 2), Increment("0.010", 3))


def test_one_message_is_made_faulty_and_no_other(recording: Path) -> None:
    session = read_session(recording)
    faulty = session.faulty("trade", 1, copies=2, late=1)
    assert [e.copies for e in faulty.events] == [1, 1, 1, 1, 2]
    assert [e.late for e in faulty.events] == [0, 0, 0, 0, 1]
    assert session.events[4].copies == 1


def test_a_session_at_another_time(recording: Path) -> None:
    session = read_session(recording).moved(1000)
    assert [e.time_ms - MS for e in session.events] == [1005, 1004, 1000, 1000, 1005]
    assert session.of("trade")[0]["T"] == session.of("trade")[0]["E"] == MS + 1005
    assert session.of("trade")[0]["t"] == 1
