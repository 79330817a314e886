"""Framing: value relation, hooks, rejections, the bias pipeline, the frozen session."""

import json

import numpy as np
import pytest

from of_nautilus.core.value_area import Shape
from of_nautilus.decision.framing import (
    Direction,
    FramingConfig,
    Hook,
    SessionProfile,
    ValueArea,
    auction_hook,
    auto_ticks_per_row,
    base_bias,
    daily_bias,
    frame_bias,
    freeze_session,
    value_relation,
)
from tests.conftest import vectors


def session(
    low_row: int, rows: list[int], *, high: int = 0, low: int = 0, close: int = 0, **rest: object
) -> SessionProfile:
    return freeze_session(
        start_ns=0,
        end_ns=1,
        high=high,
        low=low,
        close=close,
        low_row=low_row,
        ticks_per_row=1,
        volumes=np.array(rows, dtype=np.int64),
        **rest,  # type: ignore[arg-type]
    )


def test_confidence_vectors() -> None:
    records = vectors("v03_volume_profile")
    cases = records["confidence"]
    for (shape, poc_pct), expected in zip(
        cases["inputs"]["cases"], cases["expected"]["conf"], strict=True
    ):
        assert base_bias(Shape(shape), poc_pct)[1] == pytest.approx(expected, abs=1e-9)
    ranges = records["confidence_ranges"]["expected"]
    low, high = base_bias(Shape.P, 0.65)[1], base_bias(Shape.P, 1.0)[1]
    assert [low, high] == ranges["P_or_b_base"]
    assert [low + 15, high + 15] == ranges["P_or_b_with_value_accepted"]
    assert base_bias(Shape.D, 0.5)[1] == ranges["D"]
    assert base_bias(Shape.DOUBLE, 0.5)[1] == ranges["DOUBLE"]


def test_value_relation_vectors() -> None:
    record = vectors("v03_volume_profile")["value_relation"]
    found = [
        value_relation(ValueArea(*current), ValueArea(*previous)).value
        for previous, current in record["inputs"]["prev_cur_val_vah"]
    ]
    assert found == record["expected"]["rel"]


def test_hook_vectors() -> None:
    record = vectors("v14_framing_status")["hooks"]
    for (value, low, high, close), expected in zip(
        record["inputs"]["prevVA_low_high_close"], record["expected"]["hook"], strict=True
    ):
        found = auction_hook(ValueArea(*value), low, high, close)
        assert found == (expected or "NONE")


def test_bias_pipeline_vectors() -> None:
    record = vectors("v14_framing_status")["daily_bias_pipeline"]
    (cases,) = record["inputs"].values()
    for case, expected in zip(cases, record["expected"]["direction_confidence"], strict=True):
        shape, poc_pct, previous, current, hook, days = case
        bias = daily_bias(
            Shape(shape),
            poc_pct,
            ValueArea(*current),
            ValueArea(*previous),
            Hook(hook or "NONE"),
            [tuple(day) for day in days],
        )
        assert [bias.direction.value, bias.confidence] == [
            expected[0],
            pytest.approx(expected[1], abs=1e-9),
        ]


def test_options() -> None:
    current, previous = ValueArea(105, 115), ValueArea(100, 110)
    strict = FramingConfig(strict_value=True)
    assert daily_bias(Shape.P, 0.8, current, previous, config=strict).confidence == 64.0
    promoted = daily_bias(
        Shape.D, 0.5, current, previous, config=FramingConfig(promote_neutral=True)
    )
    assert (promoted.direction, promoted.confidence) == (Direction.LONG, 30.0)
    always = FramingConfig(hook_mode="always")
    assert daily_bias(Shape.D, 0.5, current, previous, Hook.BULL, config=always).confidence == 10.0
    lows = [(90.0, 90.5, 92.0), (90.5, 90.0, 91.0)]
    assert daily_bias(Shape.P, 0.8, current, None, val_days=lows).direction is Direction.LONG
    warned = daily_bias(
        Shape.P, 0.8, current, None, val_days=lows, config=FramingConfig(warn_val=True)
    )
    assert warned.direction is Direction.WARNING
    with pytest.raises(ValueError, match="`hook_mode`"):
        FramingConfig(hook_mode="never")


def test_frame_bias_reads_the_last_sessions() -> None:
    p_rows = [2, 2, 3, 3, 4, 6, 9, 14, 20, 12, 5]
    older = session(90, p_rows, high=100, low=90, close=99)
    frame = session(100, p_rows, high=110, low=100, close=108)
    alone = frame_bias([frame])
    assert (alone.direction, alone.confidence, alone.relation) == (Direction.LONG, 64.0, None)
    assert frame_bias([older, frame]).confidence == 79.0
    # The frame probed below the older value area and closed back above it: aligned, so no penalty.
    hooked = session(100, p_rows, high=110, low=80, close=108)
    assert frame_bias([older, hooked]).hook is Hook.BULL
    assert frame_bias([older, hooked]).confidence == 79.0
    with pytest.raises(ValueError, match="`sessions`"):
        frame_bias([])


def test_auto_rows() -> None:
    def days(*ranges: int) -> list[SessionProfile]:
        return [session(0, [1, 2, 1], high=r) for r in ranges]

    assert auto_ticks_per_row(days(10)) == 1
    assert auto_ticks_per_row(days(400, 800)) == 15
    assert auto_ticks_per_row(days(59, 60)) == 1  # 1.4875
    assert auto_ticks_per_row(days(60)) == 2  # 1.5
    assert auto_ticks_per_row(days(9_000, 9_000, 9_000, 400, 100, 500, 300, 9_000)) == 10
    with pytest.raises(ValueError, match="`sessions`"):
        auto_ticks_per_row([])


def test_session_survives_json() -> None:
    frame = session(100, [2, 9, 4], high=102, low=100, close=101, complete=False)
    again = SessionProfile.from_dict(json.loads(json.dumps(frame.to_dict())))
    assert again == frame
    assert again.volumes.tolist() == [2, 9, 4]
    assert again.shape is frame.shape
