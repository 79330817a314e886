"""The compiled step: everything that one trade does, in one call.

Whatever is due before a trade (the end of a bar, of a session, of a hold) happens first, in the
order of its own time. The step therefore stops in front of a trade that is later than `next_event`,
and in front of one that does not fit into a growable array; Python does what is due or makes room,
and the step takes the same trade again. Nothing has changed until everything fits.
"""

from numba import njit

from of_nautilus.core import delta, footprint, impact, large_trades, profile, vpin, vwap, windows
from of_nautilus.core.delta import CVD
from of_nautilus.core.direct import array_at, table_within
from of_nautilus.core.footprint import BAR
from of_nautilus.core.impact import KYLE, ROLL
from of_nautilus.core.large_trades import SIZE_QUANTILE
from of_nautilus.core.profile import PROFILE
from of_nautilus.core.record import FLOAT, INT, record
from of_nautilus.core.tape import TAPE, tick_direction
from of_nautilus.core.ticks import steps_of, whole_microseconds
from of_nautilus.core.vpin import VPIN
from of_nautilus.core.vwap import VWAP
from of_nautilus.core.windows import TAIL, TAPE_ENTRY, WINDOWS
from of_nautilus.patterns import level_absorption, sweep, tape_sizes
from of_nautilus.patterns.level_absorption import LEVEL_ABSORPTION
from of_nautilus.patterns.sweep import SWEEP
from of_nautilus.patterns.tape_sizes import TAPE_SIZES

NEVER = 0x7FFFFFFFFFFFFFFF
LARGE_WINDOW = 1000
KYLE_POINTS = 30
ROLL_WINDOW = 300

# What the step says: the trade is taken; something is due first; an array must grow first; the
# trade is taken and something happened.
DONE, DUE, GROW_CELLS, GROW_BURSTS, GROW_PROFILE, GROW_SIZES, GROW_PRINTS, GROW_TAPE = range(8)
HAPPENED = 8
# What was due, or what a trade made happen.
ABSORBED, BAR_CLOSED, SESSION_ENDED, SWEPT = 1, 2, 4, 8

QUALITY = record(
    ("trades", INT),
    ("outside_session", INT),
    ("bad_size", INT),
    ("backwards", INT),
    ("unclassified", INT),
    ("by_tick_rule", INT),
    ("off_grid_prices", INT),
    ("off_grid_sizes", INT),
)
# Which concepts are on.
SWITCHES = record(
    ("tick_rule", INT),
    ("absorption", INT),
    ("sizes", INT),
    ("sweep", INT),
    ("profile", INT),
    ("vwap", INT),
    ("tape", INT),
    ("large", INT),
    ("vpin", INT),
    ("impact", INT),
)
ENGINE = record(
    ("tick", FLOAT),
    ("lot", FLOAT),
    ("next_event", INT),
    ("last_ts", INT),
    ("session_start", INT),
    ("session_end", INT),
    ("cvd_end", INT),
    ("parent_ts", INT),
    ("parent_side", INT),
    ("parent_lots", INT),
    ("layout", INT, (6, 3)),  # of the arena: start, rows and columns of each growable array
    ("on", SWITCHES),
    ("quality", QUALITY),
    ("ticker", TAPE),
    ("bar", BAR),
    ("cvd", CVD),
    ("level", LEVEL_ABSORPTION),
    ("sweep", SWEEP),
    ("profile", PROFILE),
    ("vwap", VWAP),
    ("tape", WINDOWS),
    ("large", SIZE_QUANTILE),
    ("vpin", VPIN),
    ("kyle", KYLE),
    ("roll", ROLL),
    ("large_ring", INT, (2, LARGE_WINDOW)),
    ("large_top", INT, (2, LARGE_WINDOW + 1)),
    ("kyle_ring", FLOAT, (4, KYLE_POINTS)),
    ("roll_ring", INT, (ROLL_WINDOW,)),
    ("sizes", TAPE_SIZES),
)


@njit(cache=True)
def step(state, arena, tape, tails, ts, price, size, side):  # type: ignore[no-untyped-def]
    """Take one trade: ns UTC, ticks, lots, +1 / -1 / 0. Return what to do (DONE, DUE, ...)."""
    engine = state[0]
    if ts >= engine.next_event:
        return 1
    if size <= 0:
        engine.quality.bad_size += 1
        return 0
    if ts < engine.session_start:
        engine.quality.outside_session += 1
        return 0
    on = engine.on
    if on.tape and not _has_tape_room(engine, tape, tails, ts):
        return 7
    cells, bursts = piece(engine, arena, 0), piece(engine, arena, 1)
    hist, rows = piece(engine, arena, 2), piece(engine, arena, 3)
    prints, buckets = piece(engine, arena, 4), piece(engine, arena, 5)
    late = ts < engine.last_ts
    if late:
        ts = engine.last_ts
    if on.absorption and not level_absorption.has_room(engine.level, bursts):
        return 3
    if on.sizes and not tape_sizes.has_room(engine.sizes, rows, ts, price):
        return 5
    if on.sweep and not sweep.has_room(engine.sweep, prints, ts):
        return 6
    if on.profile and not _fits(engine.profile, hist, price):
        return 4
    if not footprint.has_row(engine.bar, cells, price):
        return 2
    # Everything fits: from here on the trade is taken.
    if on.tick_rule:
        direction = tick_direction(engine.ticker, price)
        if side == 0:
            side = direction
            engine.quality.by_tick_rule += side != 0
    footprint.add_trade(engine.bar, cells, ts, price, size, side)
    if engine.bar.trades == 1 and engine.bar.close_ts < engine.next_event:
        engine.next_event = engine.bar.close_ts
    engine.quality.backwards += late
    engine.last_ts = ts
    engine.quality.trades += 1
    engine.quality.unclassified += side == 0
    delta.add_trade(engine.cvd, ts, size, side)
    if on.profile:
        profile.add_trade(engine.profile, hist, ts, price, size, side)
    if on.vwap:
        vwap.add_trade(engine.vwap, ts, price, size)
    if on.large:
        _add_parent_print(engine, ts, size, side)
    if on.vpin:
        vpin.add_volume(engine.vpin, buckets, size, side)
    if on.impact:
        if impact.is_due(engine.kyle, ts):
            impact.close_cells(engine.kyle, engine.kyle_ring, ts)
        impact.add_mid(engine.kyle, 2 * price)
        impact.add_trade(engine.kyle, price, size, side)
        impact.add_price(engine.roll, engine.roll_ring, price)
    if on.tape:
        windows.add_trade(engine.tape, tape, ts, price, size, side)
    if on.sizes:
        tape_sizes.add_trade(engine.sizes, rows, ts, price, size, side)
    fired = 0
    if on.absorption:
        fired = level_absorption.add_trade(engine.level, bursts, ts, price, size, side)
        engine.next_event = min(engine.next_event, engine.level.next_due)
    if on.sweep:
        fired += sweep.add_print(engine.sweep, prints, ts, price, size, side)
    if fired > 0 or footprint.is_full(engine.bar):
        return 8
    return 0


@njit(inline="always")
def _has_tape_room(engine, tape, tails, ts):  # type: ignore[no-untyped-def]
    """Return whether the ring of the rolling windows has room for one more trade."""
    if not windows.is_full(engine.tape, tape):
        return True
    return windows.make_room(engine.tape, tape, tails, max(ts, engine.last_ts))


@njit(cache=True)
def _fits(session, hist, price):  # type: ignore[no-untyped-def]
    if session.trades == 0:
        return True
    row = price if session.ticks_per_row == 1 else price // session.ticks_per_row
    at = row - session.base_row
    return 0 <= at < hist.shape[1]


@njit(cache=True)
def _add_parent_print(engine, ts, size, side):  # type: ignore[no-untyped-def]
    """Put prints of one time and side together; a parent that is complete is judged by its size."""
    if ts == engine.parent_ts and side == engine.parent_side:
        engine.parent_lots += size
        return
    _judge_parent(engine, engine.parent_side, engine.parent_lots)
    engine.parent_ts = ts
    engine.parent_side = side
    engine.parent_lots = size


@njit(cache=True)
def _judge_parent(engine, side, lots):  # type: ignore[no-untyped-def]
    """Count a complete parent order (0 lots: none), and whether its size is large."""
    if lots == 0:
        return
    large = large_trades.add_size(engine.large, engine.large_ring, engine.large_top, lots)
    if engine.on.tape:
        windows.add_parent(engine.tape, lots, side, large)


@njit(inline="always")
def piece(engine, arena, i):  # type: ignore[no-untyped-def]
    """One growable array out of the arena that holds them all: each argument of a call costs."""
    return table_within(arena, engine.layout[i, 0], engine.layout[i, 1], engine.layout[i, 2])


@njit(cache=True)
def step_decimals(places, ts, price, size, side):  # type: ignore[no-untyped-def]
    """Take a trade as the host hands it over: decimals, and a time that may be off by some ns.

    `places` are those of state, arena, tape and tails.
    """
    state, arena = array_at(places, 0, ENGINE), array_at(places, 1, INT)
    tape, tails = array_at(places, 2, TAPE_ENTRY), array_at(places, 3, TAIL)
    engine = state[0]
    ticks, on_tick = steps_of(float(price), engine.tick)
    lots, on_lot = steps_of(float(size), engine.lot)
    code = step(state, arena, tape, tails, whole_microseconds(ts), ticks, lots, side)
    if code == 0 or code == 8:
        engine.quality.off_grid_prices += not on_tick
        engine.quality.off_grid_sizes += not on_lot
    return code


@njit(cache=True)
def set_next_event(engine):  # type: ignore[no-untyped-def]
    """Find out when something is due next (an ENGINE record; compiled)."""
    engine.next_event = min(engine.session_end, engine.cvd_end, engine.level.next_due)
    if engine.bar.trades > 0:
        engine.next_event = min(engine.next_event, engine.bar.close_ts)


@njit(cache=True)
def do_next(state, ts, closed):  # type: ignore[no-untyped-def]
    """Do the first thing that is due by `ts`; return what it was."""
    engine = state[0]
    while ts >= engine.next_event:
        due = engine.next_event
        if engine.level.next_due <= due:
            fired = level_absorption.fire_due(engine.level, due)
            set_next_event(engine)
            if fired > 0:
                return 1
        elif engine.bar.trades > 0 and (due >= engine.bar.close_ts or due >= engine.session_end):
            # The end of a session closes whatever bar is open.
            _close_bar(engine, due, closed)
            return 2
        elif due >= engine.session_end:
            return 4
        else:
            # A hold that price broke leaves its time behind, at which nothing is due.
            if due >= engine.cvd_end:
                delta.anchor(engine.cvd, due)
                engine.cvd_end = due + 86_400_000_000_000
            set_next_event(engine)
    return 0


@njit(cache=True)
def after_trade(state, closed):  # type: ignore[no-untyped-def]
    """Return what the last trade made happen."""
    engine = state[0]
    happened = 0
    if engine.on.absorption and engine.level.fired_count > 0:
        happened |= 1
    if engine.on.sweep and engine.sweep.fired_count > 0:
        happened |= 8
    if footprint.is_full(engine.bar):
        _close_bar(engine, engine.bar.last_ts, closed)
        happened |= 2
    return happened


@njit(cache=True)
def _close_bar(engine, ts, closed):  # type: ignore[no-untyped-def]
    engine.bar.cvd = engine.cvd.value
    engine.bar.close_ts = ts
    closed[0] = engine.bar


@njit(cache=True)
def clear_bar(state, cells):  # type: ignore[no-untyped-def]
    """Make ready for the next bar."""
    footprint.start_bar(state[0].bar, cells)
    set_next_event(state[0])


@njit(cache=True)
def start_session(state, hist, start, end, cvd_start, cvd_end):  # type: ignore[no-untyped-def]
    """Begin a session: profile and VWAP start anew, the CVD too unless `cvd_start` is NEVER."""
    engine = state[0]
    engine.session_start = start
    engine.session_end = end
    engine.cvd_end = cvd_end
    if cvd_start != NEVER:
        delta.anchor(engine.cvd, cvd_start)
    if engine.on.profile:
        profile.start_profile(engine.profile, hist)
    vwap.start_vwap(engine.vwap)
    set_next_event(engine)
