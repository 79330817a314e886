"""Qualified levels, merging, proximity, and the life of a level in the registry."""

import json
from dataclasses import replace

import numpy as np
import pytest

from of_nautilus.decision.framing import (
    Bias,
    Direction,
    FramingConfig,
    SessionProfile,
    ValueArea,
    freeze_session,
)
from of_nautilus.decision.levels import (
    Level,
    LevelConfig,
    LevelKind,
    dedupe,
    is_near,
    level_strength,
    merged_value,
    qualified_levels,
    reach,
    should_merge,
    value_overlap,
)
from of_nautilus.decision.registry import MAX_TRACKED, REACTION_NS, LevelRegistry
from tests.conftest import vectors

LONG = Bias(Direction.LONG, 70.0)
MIN = 60_000_000_000


def session(low_row: int, rows: list[int], end: int = 0, ticks_per_row: int = 1) -> SessionProfile:
    return freeze_session(
        start_ns=end - 1,
        end_ns=end,
        high=(low_row + len(rows)) * ticks_per_row,
        low=low_row * ticks_per_row,
        close=(low_row + len(rows) // 2) * ticks_per_row,
        low_row=low_row,
        ticks_per_row=ticks_per_row,
        volumes=np.array(rows, dtype=np.int64),
    )


def level(
    kind: LevelKind = LevelKind.VAL,
    price: int = 100,
    side: int = 1,
    strength: float = 50.0,
    born: int = 0,
) -> Level:
    return Level(kind, price, side, strength, born)


def test_overlap_vectors() -> None:
    record = vectors("v03_volume_profile")["va_overlap"]
    for (a, b), overlap, merge in zip(
        record["inputs"]["pairs"],
        record["expected"]["overlap"],
        record["expected"]["merge_gt_0.30"],
        strict=True,
    ):
        assert value_overlap(ValueArea(*a), ValueArea(*b)) == pytest.approx(overlap, abs=1e-9)
        assert should_merge(ValueArea(*a), ValueArea(*b)) is merge


def test_merge_vector() -> None:
    record = vectors("v03_volume_profile")["merge"]
    days = [
        session(min(map(int, day)), list(day.values()))
        for day in (record["inputs"]["day1"], record["inputs"]["day2"])
    ]
    assert [days[0].val, days[0].vah] == record["expected"]["day1_va"]
    assert [days[1].val, days[1].vah] == record["expected"]["day2_va"]
    value = merged_value(days[1], days[0], FramingConfig())
    assert [value.val, value.vah] == record["expected"]["val_vah"]


def test_confluence_vectors() -> None:
    record = vectors("v03_volume_profile")["confluence"]
    for name, base in record["inputs"]["base"].items():
        kind = LevelKind.MERGED_VAL if name == "MERGED" else LevelKind(name)
        assert level_strength(kind, False) == base
        assert level_strength(kind, True) == record["expected"]["with_match"][name]


def test_proximity_vectors() -> None:
    record = vectors("v14_framing_status")["proximity"]
    found = [is_near(*pair, record["inputs"]["pct"]) for pair in record["inputs"]["price_level"]]
    assert found == record["expected"]["near"]
    # The same through the reach that the trader uses, in ticks of 0.01.
    percent = LevelConfig(proximity="percent")
    prices = [(round(100 * p), round(100 * q)) for p, q in record["inputs"]["price_level"][:2]]
    assert [abs(p - q) <= reach(p, 0.0, percent) for p, q in prices] == found[:2]


def test_reach_scales_with_the_bars() -> None:
    config = LevelConfig()
    assert reach(100_000, 30.0, config) == 15.0
    assert reach(100_000, 30.0, config, watching=True) == 30.0
    assert reach(100_000, 1.0, config) == 2.0


def test_levels_of_a_session() -> None:
    rows = [1, 3, 6, 10, 15, 20, 15, 10, 6, 3, 1]
    older, frame = session(100, rows, end=1), session(130, rows, end=2)
    found = {one.kind: one for one in qualified_levels([older, frame], LONG)}
    assert set(found) == {LevelKind.VAL, LevelKind.VAH, LevelKind.POC}
    assert (found[LevelKind.VAL].price, found[LevelKind.VAL].side) == (frame.val, 1)
    assert (found[LevelKind.VAH].price, found[LevelKind.VAH].side) == (frame.vah, -1)
    assert (found[LevelKind.POC].price, found[LevelKind.POC].side) == (frame.poc, 1)
    assert found[LevelKind.POC].strength == 30.0
    neutral = qualified_levels([frame], Bias(Direction.NEUTRAL, 20.0))
    assert [one.side for one in neutral if one.kind is LevelKind.POC] == [0]
    assert {one.born_ns for one in found.values()} == {2}


def test_confluence_and_merging_with_both_earlier_sessions() -> None:
    rows = [1, 3, 6, 10, 15, 20, 15, 10, 6, 3, 1]
    days = [session(101, rows, end=1), session(100, rows, end=2), session(100, rows, end=3)]
    found = qualified_levels(days, LONG)
    kinds = [one.kind for one in found]
    assert kinds.count(LevelKind.MERGED_VAL) == kinds.count(LevelKind.MERGED_VAH) == 2
    strengths = {one.kind: one.strength for one in found}
    assert strengths[LevelKind.VAL] == 70.0
    assert strengths[LevelKind.MERGED_VAL] == 90.0
    assert strengths[LevelKind.POC] == 50.0
    # Narrow overlap: no merging.
    apart = [session(100, rows, end=1), session(106, rows, end=2)]
    assert LevelKind.MERGED_VAL not in {one.kind for one in qualified_levels(apart, LONG)}


def test_merging_sessions_of_different_rows() -> None:
    fine = session(1000, [1, 3, 6, 10, 15, 20, 15, 10, 6, 3], ticks_per_row=1)
    wide = session(500, [4, 16, 35, 25, 9], ticks_per_row=2)
    value = merged_value(fine, wide, FramingConfig())
    assert value == merged_value(wide, fine, FramingConfig())
    assert value.val % 2 == 0
    assert value.vah % 2 == 1


def test_low_volume_nodes_are_watched_unless_asked() -> None:
    rows = [10, 40, 80, 60, 3, 55, 90, 100, 50, 5, 20]
    frame = replace(session(100, rows), close=106)
    own_rows = LevelConfig(lvn_bins=None)
    nodes = [one for one in qualified_levels([frame], LONG, own_rows) if one.kind is LevelKind.LVN]
    assert [(one.price, one.side, one.strength) for one in nodes] == [
        (104, 0, 40.0),
        (109, 0, 40.0),
    ]
    traded = qualified_levels([frame], LONG, LevelConfig(lvn_bins=None, lvn_trade=True))
    assert [one.side for one in traded if one.kind is LevelKind.LVN] == [1, -1]


def test_dedupe_keeps_the_strongest_then_the_nearest() -> None:
    a, b = level(price=100, strength=50), level(price=103, strength=70)
    c, d = level(price=110, strength=50), level(price=106, strength=50, born=1)
    other = level(LevelKind.VAH, 104, -1, 50.0)
    assert dedupe([a, b, other], 3.0, 100) == [b, other]
    assert dedupe([a, b], 2.0, 100) == [b, a]
    assert dedupe([c, d], 5.0, 108) == [d]  # equally near: the lower
    assert dedupe([c, d], 5.0, 109) == [c]


class Bars:
    """Feeds one-minute bars to a registry and collects what happens."""

    def __init__(self, registry: LevelRegistry) -> None:
        self.registry = registry
        self.ts = 0

    def __call__(self, low: int, high: int, close: int, break_ticks: float = 1e9) -> list[str]:
        self.ts += MIN
        changes = self.registry.on_bar(self.ts - MIN, self.ts, low, high, close, break_ticks)
        return [change.what for change in changes]


def test_touches_and_reactions() -> None:
    registry = LevelRegistry()
    registry.add(level(price=100), 0)
    bar = Bars(registry)
    assert bar(105, 110, 106) == []
    assert bar(100, 106, 103) == ["touched"]
    assert bar(99, 104, 104) == ["traded_through"]  # still touching: no new touch
    (record,) = registry.records
    (touch,) = record.touches
    assert (touch.side, touch.best, touch.worst) == (1, 4, 1)
    assert bar(103, 120, 118) == []
    assert bar(97, 118, 101) == ["touched"]
    first, second = record.touches
    assert (first.best, first.worst) == (20, 3)
    assert (second.best, second.worst) == (0, 0)  # its own bar does not count
    for _ in range(2):
        bar(101, 102, 102)
    # The bar that opens five minutes after the first touch is outside its window.
    assert bar.ts - first.ts == REACTION_NS
    bar(101, 150, 102)
    assert first.best == 20
    assert second.best == 50


def test_touch_of_a_neutral_level_reacts_to_where_it_came_from() -> None:
    registry = LevelRegistry()
    registry.add(level(LevelKind.UNFINISHED_AUCTION, 100, 0, 0.0), 0)
    bar = Bars(registry)
    bar(90, 95, 94)
    bar(94, 100, 98)
    bar(92, 99, 93)
    (touch,) = registry.records[0].touches
    assert (touch.side, touch.best, touch.worst) == (-1, 8, 0)


def test_broken_levels_are_no_candidates() -> None:
    registry = LevelRegistry()
    registry.add(level(price=100), 0)
    registry.add(level(LevelKind.VAH, 200, -1), 0)
    bar = Bars(registry)
    bar(95, 110, 95, break_ticks=5.0)
    assert [r.level.price for r in registry.candidates(1, 95, 105, 1.0, 100)] == [100]
    assert "broken" in bar(90, 95, 94, break_ticks=5.0)
    assert registry.candidates(1, 95, 105, 1.0, 100) == []
    assert registry.nearest(100, 50) is None
    assert registry.nearest(195, 10) == level(LevelKind.VAH, 200, -1)
    assert "broken" in bar(201, 207, 206, break_ticks=5.0)
    assert sorted(registry.targets()) == [100, 200]


def test_sessions_retire_levels() -> None:
    registry = LevelRegistry()

    def levels(born: int) -> list[Level]:
        return [
            level(LevelKind.VAL, 100 + born, 1, born=born),
            level(LevelKind.VAH, 200 + born, -1, born=born),
            level(LevelKind.POC, 150 + born, 0, 30.0, born),
            level(LevelKind.MERGED_VAL, 101 + born, 1, 70.0, born),
        ]

    for born in range(1, 8):
        changes = registry.open_session(levels(born), born, keep=3)
    assert {c.what for c in changes} == {"born", "retired"}
    kept = [(r.level.kind.value, r.level.born_ns) for r in registry.records]
    assert [k for k in kept if k[0] == "VAL"] == [("VAL", 5), ("VAL", 6), ("VAL", 7)]
    assert [k for k in kept if k[0] in ("POC", "MERGED_VAL")] == [("POC", 7), ("MERGED_VAL", 7)]
    # Untouched POCs stay, to be watched.
    assert [k for k in kept if k[0] == "NAKED_POC"] == [("NAKED_POC", n) for n in range(1, 7)]
    bar = Bars(registry)
    bar(160, 170, 165)
    bar(152, 165, 155)  # reaches those at 152 to 156
    for _ in range(6):  # the reaction is awaited first
        changes_now = bar(154, 155, 155)
    assert [r.level.price for r in registry.records if r.level.kind is LevelKind.NAKED_POC] == [151]
    assert changes_now.count("retired") == 5
    only = LevelRegistry()
    for born in (1, 2):
        only.open_session(levels(born), born, keep=1)
    assert {r.level.born_ns for r in only.records if r.level.kind is LevelKind.VAL} == {2}


def test_entries_are_counted_by_session() -> None:
    registry = LevelRegistry()
    val = level(LevelKind.VAL, 100, 1, born=1)
    registry.open_session([val], 1, keep=5)
    registry.entered(val.id)
    registry.entered("gone")
    registry.block(val.id, 99)
    record = registry.get(val.id)
    assert record is not None
    assert (record.entries, record.blocked_ns) == (1, 99)
    registry.open_session([], 2, keep=5)
    assert record.entries == 0


def test_registry_is_bounded_and_survives_json() -> None:
    registry = LevelRegistry()
    for price in range(MAX_TRACKED + 10):
        changes = registry.add(level(price=price), price)
    assert len(registry) == MAX_TRACKED
    assert [c.what for c in changes] == ["born", "retired"]
    bar = Bars(registry)
    bar(50, 60, 55)
    again = LevelRegistry.from_dict(json.loads(json.dumps(registry.to_dict())))
    assert again.to_dict() == registry.to_dict()
    again_bar = Bars(again)
    again_bar.ts = bar.ts
    assert again_bar(40, 56, 41) == bar(40, 56, 41)
    assert again.to_dict() == registry.to_dict()


@pytest.mark.parametrize(
    ("field", "value"),
    [("sessions", 0), ("merge_overlap", 1.5), ("proximity", "far"), ("proximity_pct", 0.0)],
)
def test_bad_parameters(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"`{field}`"):
        LevelConfig(**{field: value})  # type: ignore[arg-type]
