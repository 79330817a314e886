"""FlowEngine: one instrument's trades go in, closed bars and signals come out.

The engine is pure. It knows no clock but the time of its events, does no I/O, and holds all of its
state in flat records. Three things drive it, with bit-identical results: an Actor, one trade at a
time; a scan over arrays; a test.

Whatever is due before a trade (the end of a bar, of a session, of a hold) happens first, in the
order of its own time. The compiled step therefore stops in front of a trade that is later than
`next_event`, Python does what is due, and the step takes the same trade again.
"""

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from numba import njit

from of_nautilus.core import delta, footprint
from of_nautilus.core.delta import CVD
from of_nautilus.core.footprint import BAR, BarKind
from of_nautilus.core.record import INT, Bytes, Ints, State, allocate, digest, record
from of_nautilus.core.sessions import DAY, SessionClock
from of_nautilus.core.ticks import MarketScale
from of_nautilus.patterns import absorption
from of_nautilus.patterns.absorption import LEVEL_ABSORPTION, AbsorptionConfig
from of_nautilus.patterns.signal import Signal

_NEVER = 0x7FFFFFFFFFFFFFFF
# What the compiled step says.
_DONE, _DUE, _WIDEN_CELLS, _WIDEN_BURSTS, _HAPPENED = range(5)

_QUALITY = record(
    ("trades", INT),
    ("outside_session", INT),
    ("bad_size", INT),
    ("backwards", INT),
    ("unclassified", INT),
)
_ENGINE = record(
    ("next_event", INT),
    ("last_ts", INT),
    ("session_start", INT),
    ("session_end", INT),
    ("cvd_end", INT),
    ("quality", _QUALITY),
    ("bar", BAR),
    ("cvd", CVD),
    ("level", LEVEL_ABSORPTION),
    ("level_ts", INT),  # of the last absorption that the tape showed
)


class BarType(StrEnum):
    """What closes a bar, as a config names it."""

    TIME = "time"
    TICK = "tick"
    VOLUME = "volume"
    DOLLAR = "dollar"
    RANGE = "range"
    DELTA = "delta"


class FlowConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the engine computes.

    Parameters
    ----------
    bar : BarType
        What closes a bar.
    bar_size : float
        How much of it: seconds for time bars, prints for tick bars, base units for volume and delta
        bars, quote units for dollar bars, ticks for range bars. > 0.
    ticks_per_row : int
        Height of a footprint row, >= 1.
    session : str
        See `core.sessions.SessionClock`.
    cvd_reset : str
        "session", "utc_day" or "never".
    absorption : AbsorptionConfig, optional
        Absent: no absorption.
    """

    bar: BarType = BarType.TIME
    bar_size: float = 60.0
    ticks_per_row: int = 1
    session: str = "FULL_DAY"
    cvd_reset: str = "session"
    absorption: AbsorptionConfig | None = AbsorptionConfig()

    def __post_init__(self) -> None:
        if not self.bar_size > 0:
            raise ValueError(f"`bar_size` must be > 0, was {self.bar_size}")
        if self.ticks_per_row < 1:
            raise ValueError(f"`ticks_per_row` must be >= 1, was {self.ticks_per_row}")
        if self.cvd_reset not in ("session", "utc_day", "never"):
            raise ValueError(
                f"`cvd_reset` must be 'session', 'utc_day' or 'never', was {self.cvd_reset!r}"
            )
        SessionClock(self.session)


@dataclass(frozen=True, eq=False)
class ClosedBar:
    """A closed footprint bar: its record (`core.footprint.BAR`) and its rows, lowest first."""

    record: Any
    cells: Ints

    @property
    def ts(self) -> int:
        """When it closed, ns UTC."""
        return int(self.record.close_ts)

    @property
    def delta(self) -> int:
        """Buyer-initiated less seller-initiated lots."""
        return int(self.record.buy - self.record.sell)

    @property
    def volume(self) -> int:
        """All lots traded."""
        return int(self.record.buy + self.record.sell + self.record.unclassified)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the bar's numbers."""
        return digest(np.asarray(self.record), self.cells)


@dataclass(frozen=True)
class SessionStarted:
    """A session began."""

    ts: int
    end: int


Event = ClosedBar | Signal | SessionStarted


@njit(cache=True)
def _step(state, cells, bursts, ts, price, size, side):  # type: ignore[no-untyped-def]
    engine = state[0]
    if ts >= engine.next_event:
        return 1
    if size <= 0:
        engine.quality.bad_size += 1
        return 0
    if ts < engine.session_start:
        engine.quality.outside_session += 1
        return 0
    if not absorption.has_room(engine.level, bursts):
        return 3
    if ts < engine.last_ts:
        engine.quality.backwards += 1
        ts = engine.last_ts
    if not footprint.add_trade(engine.bar, cells, ts, price, size, side):
        return 2
    if engine.bar.trades == 1 and engine.bar.close_ts < engine.next_event:
        engine.next_event = engine.bar.close_ts
    engine.last_ts = ts
    engine.quality.trades += 1
    if side == 0:
        engine.quality.unclassified += 1
    delta.add_trade(engine.cvd, ts, size, side)
    fired = absorption.add_trade(engine.level, bursts, ts, price, size, side)
    engine.next_event = min(engine.next_event, engine.level.next_due)
    if fired > 0 or footprint.is_full(engine.bar):
        return 4
    return 0


@njit(cache=True)
def _run(state, cells, bursts, ts, price, size, side, start):  # type: ignore[no-untyped-def]
    """Step through trades until one is not simply taken: its index and what it said."""
    for i in range(start, len(ts)):
        code = _step(state, cells, bursts, ts[i], price[i], size[i], side[i])
        if code != 0:
            return i, code
    return len(ts), 0


class FlowEngine:
    """Computes the order flow of one instrument.

    Parameters
    ----------
    scale : MarketScale
        The instrument's tick and lot; base units in the config become lots by it.
    config : FlowConfig, optional

    Examples
    --------
    >>> engine = FlowEngine(MarketScale(Decimal("0.1"), Decimal("0.001")))
    >>> events = engine.on_trade(0, 600_000, 5, 1) + engine.on_trade(60 * 10**9, 600_001, 7, -1)
    >>> [type(event).__name__ for event in events]
    ['SessionStarted', 'ClosedBar']
    """

    def __init__(self, scale: MarketScale, config: FlowConfig | None = None) -> None:
        self.scale = scale
        self.config = config or FlowConfig()
        self._sessions = SessionClock(self.config.session)
        self._events: list[Event] = []
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._state: State = allocate(_ENGINE)
        self._cells: Ints = footprint.allocate_cells(256)
        _, self._bursts = absorption.new_level_absorption()
        engine = self._state[0]
        engine.bar.kind = BarKind[self.config.bar.name]
        engine.bar.length = self._bar_size()
        engine.bar.ticks_per_row = self.config.ticks_per_row
        engine.bar.close_ts = _NEVER
        engine.level.next_due = _NEVER
        engine.level_ts = -1
        self._bars_sha = hashlib.sha256()
        self._bar_count = 0
        if self.config.absorption:
            self._set_levels(self.config.absorption)

    def on_trade(self, ts: int, price: int, size: int, side: int) -> list[Event]:
        """Take one trade: ns UTC, ticks, lots, +1 / -1 / 0. Return what happened, oldest first."""
        code = _step(self._state, self._cells, self._bursts, ts, price, size, side)
        if code == 0:
            return _NOTHING
        while code != _DONE:
            if code == _HAPPENED:
                self._after_trade()
                break
            self._make_way(code, ts, price)
            code = _step(self._state, self._cells, self._bursts, ts, price, size, side)
        return self._taken()

    def run_trades(self, ts: Ints, price: Ints, size: Ints, side: Bytes) -> list[Event]:
        """Take many trades at once; the same events as `on_trade` for each of them."""
        i = 0
        while True:
            i, code = _run(self._state, self._cells, self._bursts, ts, price, size, side, i)
            if code == _DONE:
                return self._taken()
            if code == _HAPPENED:
                self._after_trade()
                i += 1
            else:
                self._make_way(code, int(ts[i]), int(price[i]))

    def advance(self, ts: int) -> list[Event]:
        """Let time pass to `ts` without a trade: what is due by then happens."""
        self._do_due(ts)
        return self._taken()

    @property
    def quality(self) -> dict[str, int]:
        """Counts of what the feed had: trades taken, bad sizes, time running backwards, ..."""
        counts = self._state[0].quality
        return {name: int(counts[name]) for name in _QUALITY.names or ()}

    @property
    def cvd(self) -> int:
        """Cumulative volume delta since its anchor, lots."""
        return int(self._state[0].cvd.value)

    @property
    def bar_count(self) -> int:
        """How many bars have closed."""
        return self._bar_count

    @property
    def bars_sha256(self) -> str:
        """SHA-256 over every closed bar, in order."""
        return self._bars_sha.hexdigest()

    @property
    def state_sha256(self) -> str:
        """SHA-256 of the state: equal exactly if two engines will go on alike."""
        return digest(self._state, self._cells, self._bursts)

    def _bar_size(self) -> int:
        size = self.config.bar_size
        match self.config.bar:
            case BarType.TIME:
                steps = round(size * 1e9)
            case BarType.VOLUME | BarType.DELTA:
                steps = self._lots(size)
            case BarType.DOLLAR:
                steps = int(Decimal(str(size)) / (self.scale.tick * self.scale.lot))
            case _:
                steps = int(size)
        return max(1, steps)

    def _lots(self, size: float) -> int:
        return self.scale.to_lots(Decimal(str(size)))

    def _set_levels(self, config: AbsorptionConfig) -> None:
        absorption.set_levels(
            self._state[0].level,
            row_ticks=config.row_ticks,
            big=self._lots(config.big_trade),
            min_volume=self._lots(config.min_volume),
            min_attempts=config.min_attempts,
            max_displacement=config.max_displacement_ticks,
            config=config,
        )

    def _taken(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _make_way(self, code: int, ts: int, price: int) -> None:
        """Do what the step asked for before it takes the trade."""
        engine = self._state[0]
        if code == _DUE:
            self._do_due(ts)
        elif code == _WIDEN_CELLS:
            self._cells = footprint.widen(engine.bar, self._cells, price)
        else:
            self._bursts = absorption.widen_bursts(engine.level, self._bursts)

    def _after_trade(self) -> None:
        """Collect what the last trade made happen."""
        engine = self._state[0]
        if engine.level.fired_count:
            self._absorbed()
        if footprint.is_full(engine.bar):
            engine.bar.close_ts = engine.bar.last_ts
            self._close_bar()

    def _do_due(self, ts: int) -> None:
        engine = self._state[0]
        while ts >= engine.next_event:
            due = int(engine.next_event)
            if engine.level.next_due <= due:
                absorption.fire_due(engine.level, due)
                self._absorbed()
            elif footprint.is_due(engine.bar, due):
                self._close_bar()
            elif due >= engine.session_end:
                self._roll_session(ts)
            else:
                delta.anchor(engine.cvd, due)
                engine.cvd_end = due + DAY
            self._set_next_event()

    def _set_next_event(self) -> None:
        engine = self._state[0]
        engine.next_event = min(
            int(engine.session_end),
            int(engine.cvd_end),
            int(engine.level.next_due),
            int(engine.bar.close_ts) if engine.bar.trades else _NEVER,
        )

    def _roll_session(self, ts: int) -> None:
        """End the session: its open bar closes; the next session is the one at or after `ts`."""
        engine = self._state[0]
        if engine.bar.trades:
            engine.bar.close_ts = min(int(engine.bar.close_ts), int(engine.session_end))
            self._close_bar()
        start, end = self._sessions.bounds(ts)
        engine.session_start, engine.session_end = start, end
        if self.config.cvd_reset == "session":
            delta.anchor(engine.cvd, start)
        if self.config.cvd_reset == "utc_day":
            if not engine.cvd_end:
                delta.anchor(engine.cvd, ts - ts % DAY)
            engine.cvd_end = ts - ts % DAY + DAY
        else:
            engine.cvd_end = _NEVER
        self._events.append(SessionStarted(start, end))

    def _close_bar(self) -> None:
        engine = self._state[0]
        engine.bar.cvd = engine.cvd.value
        closed = self._state["bar"].copy()
        closed["base_row"] = closed["low_row"]  # where the window lay is no fact of the bar
        bar = ClosedBar(closed[0], footprint.bar_cells(engine.bar, self._cells).copy())
        footprint.start_bar(engine.bar, self._cells)
        self._bar_count += 1
        self._bars_sha.update(bytes.fromhex(bar.digest))
        self._events.append(bar)
        if self.config.absorption:
            self._read_bar(bar, self.config.absorption)

    def _read_bar(self, bar: ClosedBar, config: AbsorptionConfig) -> None:
        signal = absorption.bar_absorption(
            bar.record, int(self._state[0].level.min_volume), config.cap, config.min_trades
        )
        if signal and not self._absorbed_in(bar):
            self._events.append(signal)

    def _absorbed(self) -> None:
        if self.config.absorption:
            signals = absorption.fired_signals(self._state[0].level, self.config.absorption)
            self._state[0].level_ts = signals[-1].ts
            self._events += signals

    def _absorbed_in(self, bar: ClosedBar) -> bool:
        """Whether the tape already showed an absorption in this bar: it has been acted on."""
        return bool(self._state[0].level_ts >= bar.record.open_ts)


_NOTHING: list[Event] = []
