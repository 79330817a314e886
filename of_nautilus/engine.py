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

import msgspec
import numpy as np
from numba import njit

from of_nautilus.core import delta, footprint
from of_nautilus.core.delta import CVD
from of_nautilus.core.footprint import BAR, BarKind, ClosedBar
from of_nautilus.core.record import FLOAT, INT, Bytes, Ints, State, allocate, digest, record
from of_nautilus.core.sessions import DAY, SessionClock
from of_nautilus.core.ticks import MarketScale, steps_of, whole_microseconds
from of_nautilus.patterns import absorption
from of_nautilus.patterns.absorption import LEVEL_ABSORPTION, AbsorptionConfig
from of_nautilus.patterns.signal import Signal

_NEVER = 0x7FFFFFFFFFFFFFFF
# What the compiled step says.
_DONE, _DUE, _WIDEN_CELLS, _WIDEN_BURSTS, _HAPPENED = range(5)
# What was due, or what a trade made happen.
_ABSORBED, _BAR_CLOSED, _SESSION_ENDED = 1, 2, 4

_QUALITY = record(
    ("trades", INT),
    ("outside_session", INT),
    ("bad_size", INT),
    ("backwards", INT),
    ("unclassified", INT),
    ("off_grid_prices", INT),
    ("off_grid_sizes", INT),
)
_ENGINE = record(
    ("tick", FLOAT),
    ("lot", FLOAT),
    ("next_event", INT),
    ("last_ts", INT),
    ("session_start", INT),
    ("session_end", INT),
    ("cvd_end", INT),
    ("quality", _QUALITY),
    ("bar", BAR),
    ("cvd", CVD),
    ("level", LEVEL_ABSORPTION),
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
def _step_tick(state, cells, bursts, ts, price, size, side):  # type: ignore[no-untyped-def]
    """Take a trade as the host hands it over: decimals, and a time that may be off by some ns."""
    engine = state[0]
    ticks, on_tick = steps_of(price, engine.tick)
    lots, on_lot = steps_of(size, engine.lot)
    code = _step(state, cells, bursts, whole_microseconds(ts), ticks, lots, side)
    if code == 0 or code == 4:
        engine.quality.off_grid_prices += not on_tick
        engine.quality.off_grid_sizes += not on_lot
    return code


@njit(cache=True)
def _run(state, cells, bursts, ts, price, size, side, start):  # type: ignore[no-untyped-def]
    """Step through trades until one is not simply taken: its index and what it said."""
    for i in range(start, len(ts)):
        code = _step(state, cells, bursts, ts[i], price[i], size[i], side[i])
        if code != 0:
            return i, code
    return len(ts), 0


@njit(cache=True)
def _set_next_event(engine):  # type: ignore[no-untyped-def]
    engine.next_event = min(engine.session_end, engine.cvd_end, engine.level.next_due)
    if engine.bar.trades > 0:
        engine.next_event = min(engine.next_event, engine.bar.close_ts)


@njit(cache=True)
def _do_next(state, ts, closed):  # type: ignore[no-untyped-def]
    """Do the first thing that is due by `ts`; return what it was."""
    engine = state[0]
    while ts >= engine.next_event:
        due = engine.next_event
        if engine.level.next_due <= due:
            fired = absorption.fire_due(engine.level, due)
            _set_next_event(engine)
            if fired > 0:
                return 1
        elif engine.bar.trades > 0 and (due >= engine.bar.close_ts or due >= engine.session_end):
            # The end of a session closes whatever bar is open.
            _close_bar(engine, due, closed)
            return 2
        elif due >= engine.session_end:
            return 4
        else:
            delta.anchor(engine.cvd, due)
            engine.cvd_end = due + 86_400_000_000_000
            _set_next_event(engine)
    return 0


@njit(cache=True)
def _after(state, closed):  # type: ignore[no-untyped-def]
    """Return what the last trade made happen."""
    engine = state[0]
    happened = 0
    if engine.level.fired_count > 0:
        happened |= 1
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
def _clear_bar(state, cells):  # type: ignore[no-untyped-def]
    footprint.start_bar(state[0].bar, cells)
    _set_next_event(state[0])


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
        self._tick = float(self.scale.tick)
        if self.config.absorption:
            self._min_volume = self._lots(self.config.absorption.min_volume)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._state: State = allocate(_ENGINE)
        self._cells: Ints = footprint.allocate_cells(256)
        _, self._bursts = absorption.new_level_absorption()
        engine = self._state[0]
        engine.tick, engine.lot = self._tick, float(self.scale.lot)
        engine.bar.kind = BarKind[self.config.bar.name]
        engine.bar.length = self._bar_size()
        engine.bar.ticks_per_row = self.config.ticks_per_row
        engine.bar.close_ts = _NEVER
        engine.level.next_due = _NEVER
        self._level_ts = -1  # of the last absorption that the tape showed
        self._closed: State = allocate(BAR)
        self._bars_chain = b""
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

    def on_tick(self, ts: int, price: float, size: float, side: int) -> list[Event]:
        """Take one trade as the host hands it over, in decimals; the same events as `on_trade`."""
        code = _step_tick(self._state, self._cells, self._bursts, ts, price, size, side)
        if code == 0:
            return _NOTHING
        while code != _DONE:
            if code == _HAPPENED:
                self._after_trade()
                break
            self._make_way(code, int(whole_microseconds(ts)), steps_of(price, self._tick)[0])
            code = _step_tick(self._state, self._cells, self._bursts, ts, price, size, side)
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

    def save(self) -> bytes:
        """Return everything that the engine knows, to `load` into one of the same config."""
        arrays = {name: getattr(self, name) for name in _SAVED}
        return msgspec.msgpack.encode(
            {
                "made_by": self._made_by(),
                "bar_count": self._bar_count,
                "bars_chain": self._bars_chain,
                "level_ts": self._level_ts,
                "arrays": {name: (list(a.shape), a.tobytes()) for name, a in arrays.items()},
            }
        )

    def load(self, saved: bytes) -> None:
        """Take up where a saved engine stopped.

        Raises
        ------
        ValueError
            If `saved` comes from an engine of another config or another version.
        """
        content = msgspec.msgpack.decode(saved)
        if content["made_by"] != self._made_by():
            raise ValueError("`saved` must come from an engine of the same config and version")
        for name, (shape, raw) in content["arrays"].items():
            kind = getattr(self, name).dtype
            setattr(self, name, np.frombuffer(raw, kind).reshape(shape).copy())
        self._bar_count = content["bar_count"]
        self._bars_chain = content["bars_chain"]
        self._level_ts = content["level_ts"]

    def _made_by(self) -> str:
        layout = ",".join(str(getattr(self, name).dtype) for name in _SAVED)
        told = f"{self.scale} {msgspec.json.encode(self.config).decode()} {layout}"
        return hashlib.sha256(told.encode()).hexdigest()

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
        """SHA-256 over every closed bar and the digest before it."""
        return self._bars_chain.hex()

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
        if code == _DUE:
            self._do_due(ts)
        elif code == _WIDEN_CELLS:
            self._cells = footprint.widen(self._state[0].bar, self._cells, price)
        else:
            self._bursts = absorption.widen_bursts(self._state[0].level, self._bursts)

    def _after_trade(self) -> None:
        """Collect what the last trade made happen."""
        happened = _after(self._state, self._closed)
        if happened & _ABSORBED:
            self._absorbed()
        if happened & _BAR_CLOSED:
            self._bar_closed()

    def _do_due(self, ts: int) -> None:
        """Do everything that is due by `ts`, in the order of its own time."""
        while True:
            what = _do_next(self._state, ts, self._closed)
            if what == _ABSORBED:
                self._absorbed()
            elif what == _BAR_CLOSED:
                self._bar_closed()
            elif what == _SESSION_ENDED:
                self._roll_session(ts)
            else:
                return

    def _roll_session(self, ts: int) -> None:
        """Begin the session at or after `ts`."""
        engine = self._state[0]
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
        _set_next_event(engine)
        self._events.append(SessionStarted(start, end))

    def _bar_closed(self) -> None:
        bar = ClosedBar.of(self._closed, self._cells)
        _clear_bar(self._state, self._cells)
        self._bar_count += 1
        self._bars_chain = hashlib.sha256(self._bars_chain + bar.to_bytes()).digest()
        self._events.append(bar)
        if self.config.absorption and not self._level_ts >= bar.open_ts:
            # What the tape showed within the bar has been acted on already.
            self._read_bar(bar, self.config.absorption)

    def _read_bar(self, bar: ClosedBar, config: AbsorptionConfig) -> None:
        signal = absorption.bar_absorption(bar, self._min_volume, config.cap, config.min_trades)
        if signal:
            self._events.append(signal)

    def _absorbed(self) -> None:
        if self.config.absorption:
            signals = absorption.fired_signals(self._state[0].level, self.config.absorption)
            self._level_ts = signals[-1].ts
            self._events += signals


_SAVED = ("_state", "_cells", "_bursts")
_NOTHING: list[Event] = []
