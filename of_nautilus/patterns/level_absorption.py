"""Absorption at a price row, from the tape (method 2 of `absorption`).

The same side strikes one price row again and again within half a minute, and price does not get
past it. Prints of one side at one row, with no long pause between them, are a burst; one of enough
volume is an attempt.
"""

from typing import Any

import numpy as np
from numba import njit

from of_nautilus.core.record import INT, Ints, State, allocate, record
from of_nautilus.patterns.absorption import MOST_AWAY_ROWS, AbsorptionConfig, level_strength
from of_nautilus.patterns.signal import Pattern, Signal

SECOND = 1_000_000_000

# Columns of a burst: in the ring of those that count, and of those that can still grow. HIGH and
# LOW are what was printed from its start until it counted; SINCE_HIGH and SINCE_LOW from there
# until the next burst of the ring counted, so that a new price touches the last burst alone.
ROW, SIDE, START, VOLUME, HIGH, LOW, ALIVE, SINCE_HIGH, SINCE_LOW = range(9)
SLOT, LAST = 6, 7
BURST_COLUMNS = 9
# ALIVE values: 0 spent, 1 counts, 2 mutes the row until it expires.

_OPEN = 2 * (
    2 * MOST_AWAY_ROWS - 1
)  # bursts that can still grow: rows around the last print, two sides
# Rows share these buckets. What a bucket counts is never less than what one of its rows holds, so
# most trades can be told to complete nothing without a look at the ring.
_BUCKETS = 512
_HELD = 64
_FIRED = 16

LEVEL_ABSORPTION = record(
    # What fires, in lots, ticks and ns.
    ("row_ticks", INT),
    ("big", INT),
    ("min_volume", INT),
    ("min_attempts", INT),
    ("max_displacement", INT),
    ("window", INT),
    ("gap", INT),
    ("away_rows", INT),
    ("hold", INT),
    # The ring of counted bursts, and the bursts that can still grow.
    ("tail", INT),
    ("head", INT),
    ("last_price", INT),
    ("has_last", INT),
    ("last_row", INT),
    ("row_low", INT),
    ("row_high", INT),
    ("high", INT),  # highest and lowest print since `_note_extremes`
    ("low", INT),
    ("open_count", INT),
    ("open", INT, (_OPEN, 8)),
    ("bucket_volume", INT, (_BUCKETS,)),
    ("bucket_attempts", INT, (_BUCKETS,)),
    ("bucket_shut_row", INT, (_BUCKETS,)),
    ("bucket_shut_until", INT, (_BUCKETS,)),
    # Absorptions that must hold for a while before they are signals.
    ("held_count", INT),
    ("held_due", INT, (_HELD,)),
    ("held_limit", INT, (_HELD,)),
    ("held_facts", INT, (_HELD, 6)),
    ("next_due", INT),
    # What fired in the last step.
    ("fired_count", INT),
    ("fired_facts", INT, (_FIRED, 6)),
    ("overflow", INT),
    ("ready", INT),
)
# Columns of the facts of one absorption.
TS, FACT_ROW, FACT_SIDE, FACT_VOLUME, ATTEMPTS, DISPLACEMENT = range(6)
_NEVER = 0x7FFFFFFFFFFFFFFF


def new_level_absorption() -> tuple[State, Ints]:
    """Return a fresh state of method 2 and its ring of bursts; not ready until `set_levels`."""
    state = allocate(LEVEL_ABSORPTION)
    state["next_due"] = _NEVER
    return state, np.zeros((256, BURST_COLUMNS), np.int64)


def set_levels(
    level: Any,
    *,
    row_ticks: int,
    big: int,
    min_volume: int,
    min_attempts: int,
    max_displacement: int,
    config: AbsorptionConfig,
) -> None:
    """Set what fires (lots and ticks) in a state record; a new row height forgets the bursts.

    Raises
    ------
    ValueError
        If more rows than can be watched fit into `max_displacement`.
    """
    if max_displacement // row_ticks > _HELD // 2 - 4:
        raise ValueError(
            f"`max_displacement_ticks` must be < {(_HELD // 2 - 3) * row_ticks} at rows of "
            f"{row_ticks} ticks, was {max_displacement}"
        )
    if level.row_ticks != row_ticks:
        level.tail = level.head
        level.open_count = 0
        level.has_last = 0
        level.held_count = 0
        level.next_due = _NEVER
        level.bucket_volume[:] = 0
        level.bucket_attempts[:] = 0
    level.bucket_shut_until[:] = 0
    level.row_ticks = row_ticks
    level.big = max(1, big)
    level.min_volume = max(1, min_volume)
    level.min_attempts = min_attempts
    level.max_displacement = max_displacement
    level.window = int(config.window_s * SECOND)
    level.gap = int(config.gap_s * SECOND)
    level.hold = int((config.hold_s or 0.0) * SECOND)
    level.away_rows = config.away_rows or 1
    level.ready = 1


@njit(cache=True)
def has_room(level, bursts):  # type: ignore[no-untyped-def]
    """Return whether one more trade fits into the ring, whatever it does."""
    return level.head - level.tail + 2 <= len(bursts)


@njit(cache=True)
def add_trade(level, bursts, ts, price, size, side):  # type: ignore[no-untyped-def]
    """Advance method 2 by one trade; return how many absorptions fired (inside the compiler).

    Facts of what fired are in `fired_facts`. The caller has asked `has_room`, and has called
    `fire_due` for everything due before `ts`.
    """
    level.fired_count = 0
    if level.ready == 0:
        return 0
    mask = len(bursts) - 1
    # A call with an array costs more than most trades do: so it is made where it will do something.
    if level.tail < level.head:
        at = level.tail & mask
        if bursts[at, START] <= ts - level.window or bursts[at, ALIVE] == 0:
            _expire(level, bursts, ts - level.window)
    if price != level.last_price or level.has_last == 0:
        _move(level, price)
    if side == 0:
        return 0
    row = level.last_row
    mine = -1
    for k in range(level.open_count):
        # All of the few are looked at: where to stop would be unpredictable.
        mine = k if (level.open[k, ROW] == row) & (level.open[k, SIDE] == side) else mine
    if mine < 0:
        mine = level.open_count
        level.open_count += 1
        level.open[mine, LAST] = ts - level.gap - 1
    if ts - level.open[mine, LAST] > level.gap:
        _note_extremes(level, bursts)
        level.open[mine, ROW] = row
        level.open[mine, SIDE] = side
        level.open[mine, START] = ts
        level.open[mine, VOLUME] = 0
        level.open[mine, HIGH] = price
        level.open[mine, LOW] = price
        level.open[mine, SLOT] = -1
    level.open[mine, LAST] = ts
    level.open[mine, VOLUME] += size
    slot = level.open[mine, SLOT]
    bucket = _bucket(row, side)
    if slot >= 0:
        if slot < level.tail or bursts[slot & mask, ALIVE] != 1:
            return 0
        bursts[slot & mask, VOLUME] += size
        level.bucket_volume[bucket] += size
    elif level.open[mine, VOLUME] >= level.big:
        _note_extremes(level, bursts)
        slot = level.head
        level.head += 1
        level.open[mine, SLOT] = slot
        at = slot & mask
        for column in range(ALIVE):
            bursts[at, column] = level.open[mine, column]
        bursts[at, ALIVE] = 1
        bursts[at, SINCE_HIGH] = price
        bursts[at, SINCE_LOW] = price
        level.bucket_volume[bucket] += level.open[mine, VOLUME]
        level.bucket_attempts[bucket] += 1
    else:
        return 0
    if (
        level.bucket_volume[bucket] < level.min_volume
        or level.bucket_attempts[bucket] < level.min_attempts
    ):
        return 0
    if level.bucket_shut_row[bucket] == row and ts < level.bucket_shut_until[bucket]:
        return 0
    _note_extremes(level, bursts)
    return _judge(level, bursts, ts, row, side)


@njit(cache=True)
def _note_extremes(level, bursts):  # type: ignore[no-untyped-def]
    """Let the bursts that still look on know what was printed since this was called last."""
    for k in range(level.open_count):
        level.open[k, HIGH] = max(level.open[k, HIGH], level.high)
        level.open[k, LOW] = min(level.open[k, LOW], level.low)
    if level.head > level.tail:
        at = (level.head - 1) & (len(bursts) - 1)
        bursts[at, SINCE_HIGH] = max(bursts[at, SINCE_HIGH], level.high)
        bursts[at, SINCE_LOW] = min(bursts[at, SINCE_LOW], level.low)
    level.high = level.last_price
    level.low = level.last_price


@njit(cache=True)
def _bucket(row, side):  # type: ignore[no-untyped-def]
    return (2 * row + (side > 0)) & (_BUCKETS - 1)


@njit(cache=True)
def _shut(level, row, side, until):  # type: ignore[no-untyped-def]
    """Note that a side of a row fires nothing before `until`."""
    bucket = _bucket(row, side)
    level.bucket_shut_row[bucket] = row
    level.bucket_shut_until[bucket] = until


@njit(cache=True)
def _forget(level, bursts, at):  # type: ignore[no-untyped-def]
    """Take a burst that counts out of its bucket."""
    if bursts[at, ALIVE] == 1:
        bucket = _bucket(bursts[at, ROW], bursts[at, SIDE])
        level.bucket_volume[bucket] -= bursts[at, VOLUME]
        level.bucket_attempts[bucket] -= 1
    bursts[at, ALIVE] = 0


@njit(cache=True)
def _expire(level, bursts, oldest):  # type: ignore[no-untyped-def]
    """Let the ring begin at the first burst that is alive and began after `oldest`."""
    mask = len(bursts) - 1
    while level.tail < level.head:
        at = level.tail & mask
        if bursts[at, START] > oldest and bursts[at, ALIVE] != 0:
            break
        _forget(level, bursts, at)
        level.tail += 1


@njit(cache=True)
def _move(level, price):  # type: ignore[no-untyped-def]
    """Take a new price: extremes, bursts that it ends, held absorptions that it breaks."""
    if level.has_last:
        level.high = max(level.high, price)
        level.low = min(level.low, price)
        if level.held_count > 0:
            _drop_broken(level, price)
    else:
        level.high = price
        level.low = price
    if level.has_last == 0 or price < level.row_low or price > level.row_high:
        row = price // level.row_ticks
        _end_away(level, row)
        level.last_row = row
        level.row_low = row * level.row_ticks
        level.row_high = level.row_low + level.row_ticks - 1
    level.last_price = price
    level.has_last = 1


@njit(cache=True)
def _end_away(level, row):  # type: ignore[no-untyped-def]
    """End the bursts that a print at `row` is too far from."""
    kept = 0
    for k in range(level.open_count):
        if abs(row - level.open[k, ROW]) < level.away_rows:
            if kept != k:
                for column in range(8):
                    level.open[kept, column] = level.open[k, column]
            kept += 1
    level.open_count = kept


@njit(cache=True)
def _judge(level, bursts, ts, row, side):  # type: ignore[no-untyped-def]
    """Fire, or begin to hold, if the bursts at the row now amount to an absorption."""
    mask = len(bursts) - 1
    volume = 0
    attempts = 0
    displacement = 0
    passed = 0
    high = level.last_price
    low = level.last_price
    for slot in range(level.head - 1, level.tail - 1, -1):
        at = slot & mask
        high = max(high, bursts[at, SINCE_HIGH])
        low = min(low, bursts[at, SINCE_LOW])
        if bursts[at, ROW] != row or bursts[at, ALIVE] == 0:
            continue
        if bursts[at, START] <= ts - level.window:
            continue
        if bursts[at, ALIVE] == 2:
            return 0
        if bursts[at, SIDE] == side:
            volume += bursts[at, VOLUME]
            attempts += 1
            if side > 0:
                beyond = max(high, bursts[at, HIGH]) - level.row_high
            else:
                beyond = level.row_low - min(low, bursts[at, LOW])
            displacement = max(displacement, beyond)
            if beyond > level.max_displacement:
                passed = max(passed, bursts[at, START])
    if passed > 0:
        # Price got past the row, and that stays so until the bursts before it have expired.
        _shut(level, row, side, passed + level.window)
    if (
        volume < level.min_volume
        or attempts < level.min_attempts
        or displacement > level.max_displacement
    ):
        return 0
    # Clear the row, and mute it for one window.
    for slot in range(level.tail, level.head):
        if bursts[slot & mask, ROW] == row:
            _forget(level, bursts, slot & mask)
    at = level.head & mask
    level.head += 1
    bursts[at, ROW] = row
    bursts[at, SIDE] = side
    bursts[at, START] = ts
    bursts[at, VOLUME] = 0
    bursts[at, HIGH] = level.last_price
    bursts[at, LOW] = level.last_price
    bursts[at, SINCE_HIGH] = level.last_price
    bursts[at, SINCE_LOW] = level.last_price
    bursts[at, ALIVE] = 2
    _shut(level, row, 1, ts + level.window)
    _shut(level, row, -1, ts + level.window)
    if level.hold == 0:
        _write(level.fired_facts[0], ts, row, side, volume, attempts, displacement)
        level.fired_count = 1
        return 1
    k = level.held_count
    if k == _HELD:
        level.overflow += 1
        return 0
    level.held_count += 1
    level.held_due[k] = ts + level.hold
    if side > 0:
        level.held_limit[k] = level.row_high + level.max_displacement
    else:
        level.held_limit[k] = level.row_low - level.max_displacement
    _write(level.held_facts[k], ts + level.hold, row, side, volume, attempts, displacement)
    level.next_due = min(level.next_due, ts + level.hold)
    return 0


@njit(cache=True)
def _write(facts, ts, row, side, volume, attempts, displacement):  # type: ignore[no-untyped-def]
    facts[TS] = ts
    facts[FACT_ROW] = row
    facts[FACT_SIDE] = side
    facts[FACT_VOLUME] = volume
    facts[ATTEMPTS] = attempts
    facts[DISPLACEMENT] = displacement


@njit(cache=True)
def _keep_held(level, kept, k):  # type: ignore[no-untyped-def]
    if kept != k:
        level.held_due[kept] = level.held_due[k]
        level.held_limit[kept] = level.held_limit[k]
        level.held_facts[kept, :] = level.held_facts[k, :]
    level.next_due = min(level.next_due, level.held_due[kept])


@njit(cache=True)
def _drop_broken(level, price):  # type: ignore[no-untyped-def]
    """Forget held absorptions that price has gone beyond."""
    kept = 0
    level.next_due = 0x7FFFFFFFFFFFFFFF
    for k in range(level.held_count):
        side = level.held_facts[k, FACT_SIDE]
        if (price - level.held_limit[k]) * side <= 0:
            _keep_held(level, kept, k)
            kept += 1
    level.held_count = kept


@njit(cache=True)
def fire_due(level, ts):  # type: ignore[no-untyped-def]
    """Fire the held absorptions that are due at `ts`; return how many (inside the compiler)."""
    kept = 0
    level.fired_count = 0
    level.next_due = 0x7FFFFFFFFFFFFFFF
    for k in range(level.held_count):
        if level.held_due[k] <= ts and level.fired_count < _FIRED:
            level.fired_facts[level.fired_count, :] = level.held_facts[k, :]
            level.fired_count += 1
        else:
            _keep_held(level, kept, k)
            kept += 1
    level.held_count = kept
    return level.fired_count


def widen_bursts(level: Any, bursts: Ints) -> Ints:
    """Return a ring twice as long with the live bursts in their slots."""
    wider = np.zeros((2 * len(bursts), BURST_COLUMNS), np.int64)  # a power of two, as before
    kept = np.arange(int(level.tail), int(level.head))
    wider[kept % len(wider)] = bursts[kept % len(bursts)]
    return wider


def fired_signals(level: Any, config: AbsorptionConfig) -> list[Signal]:
    """Return the signals of the last step (method 2), oldest first."""
    row_ticks, min_volume = int(level.row_ticks), int(level.min_volume)
    fired = level.fired_facts[: level.fired_count].tolist()
    return [_level_signal(facts, row_ticks, min_volume, config) for facts in fired]


def _level_signal(
    facts: list[int], row_ticks: int, min_volume: int, config: AbsorptionConfig
) -> Signal:
    ts, row, aggressor, volume, attempts, displacement = facts
    side, low_edge = -aggressor, row * row_ticks
    return Signal(
        ts=ts,
        pattern=Pattern.ABSORPTION,
        side=side,
        price=low_edge if side > 0 else low_edge + row_ticks - 1,
        strength=level_strength(volume, attempts, min_volume, config.cap, config.count_cap or 0),
        reasons={
            "method": 2,
            "volume": volume,
            "attempts": attempts,
            "displacement_ticks": displacement,
            "min_volume": min_volume,
        },
    )
