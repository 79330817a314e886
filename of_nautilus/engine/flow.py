"""FlowEngine: drives the compiled step and turns what it says into events."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from of_nautilus.core import footprint, impact, large_trades, profile, vpin, vwap, windows
from of_nautilus.core.book_flow import BookFlow
from of_nautilus.core.direct import Places, direct
from of_nautilus.core.footprint import BAR, BarKind, ClosedBar
from of_nautilus.core.record import Bytes, Ints, State, allocate, digest
from of_nautilus.core.sessions import DAY, SECOND, SessionClock
from of_nautilus.core.ticks import MarketScale, steps_of, whole_microseconds
from of_nautilus.core.value_area import coarsen
from of_nautilus.engine import batch
from of_nautilus.engine import step as steps
from of_nautilus.engine.config import BarType, BookConfig, CvdResets, FlowConfig
from of_nautilus.engine.detect import Detector
from of_nautilus.engine.events import BarClosed, Event, SessionClosed, SessionStarted
from of_nautilus.patterns import level_absorption, sweep, tape_sizes
from of_nautilus.patterns.signal import Signal

_NOTHING: list[Event] = []
_VPIN_SESSIONS = 20
_CHAINED = 64
_PROFILE_SESSIONS, _PROFILE_ROWS = 5, 40


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
    ['SessionStarted', 'BarClosed']
    """

    def __init__(self, scale: MarketScale, config: FlowConfig | None = None) -> None:
        self.scale = scale
        self.config = config or FlowConfig()
        self._sessions = SessionClock(self.config.session)
        self._tick, self._lot = float(scale.tick), float(scale.lot)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        config = self.config
        self._events: list[Event] = []
        self._detector = Detector(self.scale, config)
        self._state: State = allocate(steps.ENGINE)
        self._closed: State = allocate(BAR)
        self._cells: Ints = footprint.allocate_cells(256)
        _, self._bursts = level_absorption.new_level_absorption()
        _, self._hist = profile.new_profile(1, 512 if config.profile else 1)
        _, self._rows = tape_sizes.new_tape_sizes()
        sweeps, self._prints = sweep.new_sweep()
        spans = [int(span * SECOND) for span in config.windows_s] or [1]
        self._state["tape"], self._tape, self._tails = windows.new_windows(spans)
        self._start_vpin()
        self._state["large"], *_ = large_trades.new_size_quantile(window=steps.LARGE_WINDOW)
        self._state["kyle"], _ = impact.new_kyle(points=steps.KYLE_POINTS)
        self._state["sweep"] = sweeps
        self._amihud, self._amihud_ring = impact.new_amihud()
        engine = self._state[0]
        engine.tick, engine.lot = self._tick, float(self.scale.lot)
        engine.bar.kind, engine.bar.length = BarKind[config.bar.name], self._bar_length()
        engine.bar.ticks_per_row, engine.bar.close_ts = config.ticks_per_row, steps.NEVER
        engine.profile.ticks_per_row = 1
        engine.level.next_due = steps.NEVER
        on = engine.on
        on.tick_rule = config.tick_rule
        on.absorption = config.absorption is not None
        on.sizes = self._detector.gated
        on.sweep = config.sweep is not None
        on.profile, on.vwap = config.profile, config.vwap
        on.tape, on.large = bool(config.windows_s), config.large_trades
        on.vpin = config.vpin is not None and config.vpin.bucket is not None
        on.impact = config.impact
        self.book = None if config.book is None else _book(config.book)
        self._bars_chain = b""
        self._unchained: list[ClosedBar] = []
        self._bar_count = 0
        self._session_volumes: deque[int] = deque(maxlen=_VPIN_SESSIONS)
        self._session_volume = 0
        self._session_ranges: deque[int] = deque(maxlen=_PROFILE_SESSIONS)
        self._bind()

    def _bind(self) -> None:
        """Lay all growable arrays into one: each argument of a compiled call costs time.

        To be done after each change of one of them; they are views of the arena from then on.
        """
        # A view of the state's record: making one costs more than a step.
        self._engine: Any = self._state[0]
        pieces = [getattr(self, name) for name in _GROWABLE]
        self._arena: Ints = np.concatenate([piece.ravel() for piece in pieces])
        start = 0
        for i, (name, piece) in enumerate(zip(_GROWABLE, pieces, strict=True)):
            self._engine.layout[i] = start, *piece.shape
            view = self._arena[start : start + piece.size].reshape(piece.shape)
            setattr(self, name, view)
            start += piece.size
        self._detector.bind(self._engine, self._closed, self._cells)
        # Compiled when first asked for: who takes decimals does not need the other one.
        self._step: Callable[[int, int, int, int], int] | None = None
        self._decimals: Callable[[int, float, float, int], int] | None = None
        self.take: Callable[[int, float, float, int], int] = self._first_take
        self._do_next = direct(steps.do_next, (self._state,), 0, self._closed)
        amihud = self._amihud, self._amihud_ring
        self._step_amihud = direct(impact.step_amihud, amihud, 0, 0)
        self._clear_bar = direct(steps.clear_bar, (self._state, self._cells))

    # -- what drives it ---------------------------------------------------------------------------

    def on_trade(self, ts: int, price: int, size: int, side: int) -> list[Event]:
        """Take one trade: ns UTC, ticks, lots, +1 / -1 / 0. Return what happened, oldest first."""
        if self.book is not None and size > 0:
            self.book.trade(ts, price, size, side)
        while True:
            step = self._step or self._bind_step()
            code = step(ts, price, size, side)
            if code == steps.DONE:
                return self._taken() if self._events else _NOTHING
            if code == steps.HAPPENED:
                self._after_trade()
                return self._taken()
            self._make_way(code, ts, price)

    def _bind_step(self) -> Callable[[int, int, int, int], int]:
        self._step = direct(steps.step, self._owned(), 0, 0, 0, 0)
        return self._step

    def _bind_decimals(self) -> Callable[[int, float, float, int], int]:
        self._places = Places(*self._owned())
        self._decimals = direct(steps.step_decimals, (self._places,), 0, 0.0, 0.0, 0)
        return self._decimals

    def _owned(self) -> tuple[Any, ...]:
        return self._state, self._arena, self._tape, self._tails

    def on_tick(self, ts: int, price: float, size: float, side: int) -> list[Event]:
        """Take one trade as the host hands it over, in decimals; the same events as `on_trade`."""
        code = self.take(ts, price, size, side)
        return self.finish(code, ts, price, size, side) if code else _NOTHING

    def _first_take(self, ts: int, price: float, size: float, side: int) -> int:
        """Take one trade in decimals; what it returns, `finish` takes, unless it is 0.

        Price and size may be anything that `float` takes.

        `take` is this once, and then the compiled code without a Python frame between.
        """
        self.take = self._bind_decimals() if self.book is None else self._take_with_book
        return self.take(ts, price, size, side)

    def _take_with_book(self, ts: int, price: float, size: float, side: int) -> int:
        price, size = float(price), float(size)
        if self.book is not None and size > 0:
            self.book.tick(ts, price, self._tick, size, self._lot, side)
        step = self._decimals or self._bind_decimals()
        return step(ts, price, size, side)

    def finish(self, code: int, ts: int, price: float, size: float, side: int) -> list[Event]:
        """Return what happened at the trade for which `take` said `code`, not 0."""
        while code != steps.DONE:
            if code == steps.HAPPENED:
                self._after_trade()
                break
            self._make_way(code, int(whole_microseconds(ts)), steps_of(price, self._tick)[0])
            step = self._decimals or self._bind_decimals()
            code = step(ts, price, size, side)
        return self._taken()

    def on_book(self, rows: Ints, count: int) -> None:
        """Take the first `count` rows of a book message; columns are `core.book.DELTA_COLUMNS`.

        It closes no bar: a feed's book may run ahead of its trades, and what closes a bar must be
        the same with and without a book.
        """
        if self.book is not None:
            self.book.apply(rows, count)

    def run_trades(self, ts: Ints, price: Ints, size: Ints, side: Bytes) -> list[Event]:
        """Take many trades at once; the same events as `on_trade` for each of them.

        The book is not among the things that trades alone can drive: it must be off.
        """
        if self.book is not None:
            raise ValueError("`book` must be off to run trades alone, was on")
        i = 0
        while True:
            i, code = batch.run(
                self._state, self._arena, self._tape, self._tails, ts, price, size, side, i
            )
            if code == steps.DONE:
                return self._taken()
            if code == steps.HAPPENED:
                self._after_trade()
                i += 1
            else:
                self._make_way(code, int(ts[i]), int(price[i]))

    def advance(self, ts: int) -> list[Event]:
        """Let time pass to `ts` without a trade: what is due by then happens."""
        self._do_due(ts)
        return self._taken()

    # -- what it knows ----------------------------------------------------------------------------

    @property
    def quality(self) -> dict[str, int]:
        """Counts of what the feed had: trades taken, bad sizes, time running backwards, ..."""
        counts = self._state[0].quality
        return {name: int(counts[name]) for name in steps.QUALITY.names or ()}

    @property
    def last_ts(self) -> int:
        """Time of the last trade taken, ns UTC."""
        return int(self._state[0].last_ts)

    @property
    def cvd(self) -> int:
        """Cumulative volume delta since its anchor, lots."""
        return int(self._state[0].cvd.value)

    @property
    def vwap(self) -> tuple[float, float]:
        """The session's volume-weighted average price and its standard deviation, ticks."""
        average, deviation = vwap.read_vwap(self._state[0].vwap)
        return float(average), float(deviation)

    @property
    def vpin(self) -> float:
        """VPIN, 0 to 1; NaN before enough buckets are full."""
        return float(self._state[0].vpin.value) if self._state[0].on.vpin else float("nan")

    @property
    def large_size(self) -> float:
        """The size above which a parent order is large, lots; NaN before there are enough."""
        engine = self._state[0]
        return float(large_trades.read_quantile(engine.large, engine.large_top))

    @property
    def kyle_lambda(self) -> float:
        """Slope of price changes on signed volume, ticks a lot; NaN before there are enough."""
        return float(self._state[0].kyle.slope)

    @property
    def amihud(self) -> float:
        """|Return| per dollar volume (tick-lots) times 10**6 over 50 bars; NaN before."""
        return float(self._amihud[0].value)

    @property
    def roll_spread(self) -> float:
        """Roll's implied spread, ticks; NaN before there are enough price changes."""
        covariance = impact.serial_covariance(self._state[0].roll, steps.ROLL_WINDOW)
        return 2.0 * float(max(-covariance, 0.0)) ** 0.5 if covariance == covariance else covariance

    def window(self, k: int) -> dict[str, int]:
        """Return what rolling window `k` of the config holds as of the last trade, lots."""
        windows.advance(self._state[0].tape, self._tape, self._tails, self.last_ts)
        sums = windows.window_sums(self._state["tape"], self._tape, self._tails, k)
        return {name: int(sums[name][0]) for name in windows.WINDOW_SUMS.names or ()}

    def session_profile(self) -> profile.Profile | None:
        """Return the developing profile of the session, None before its first trade."""
        if not self._state[0].profile.trades:
            return None
        return profile.snapshot(self._state["profile"], self._hist)

    @property
    def open_bar(self) -> ClosedBar | None:
        """The bar that is still open, as it would close now; None before its first trade."""
        if not self._state[0].bar.trades:
            return None
        return ClosedBar.of(self._state["bar"], self._cells)._replace(cvd=self.cvd)

    @property
    def bar_count(self) -> int:
        """How many bars have closed."""
        return self._bar_count

    @property
    def bars_sha256(self) -> str:
        """SHA-256 over every closed bar and the digest before it."""
        return self._chain_bars().hex()

    @property
    def state_sha256(self) -> str:
        """SHA-256 of the state: equal exactly if two engines will go on alike."""
        told = np.frombuffer(self._detector.digest_source() + self._book_digest(), np.uint8)
        return digest(*(getattr(self, name) for name in _SAVED), told)

    def _book_digest(self) -> bytes:
        return self.book.digest().encode() if self.book is not None else b""

    # -- its state --------------------------------------------------------------------------------

    def save(self) -> bytes:
        """Return everything that the engine knows, to `load` into one of the same config.

        The book is not part of it: after a pause it must come anew from the venue's snapshot.
        """
        arrays = {name: getattr(self, name) for name in _SAVED}
        return msgspec.msgpack.encode(
            {
                "made_by": self._made_by(),
                "arrays": {name: (list(a.shape), a.tobytes()) for name, a in arrays.items()},
                "detector": self._detector.save(),
                "bar_count": self._bar_count,
                "bars_chain": self._chain_bars(),
                "session_volumes": list(self._session_volumes),
                "session_volume": self._session_volume,
                "session_ranges": list(self._session_ranges),
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
        self._detector.load(content["detector"])
        self._bar_count = content["bar_count"]
        self._bars_chain = content["bars_chain"]
        self._unchained.clear()
        self._session_volumes = deque(content["session_volumes"], maxlen=_VPIN_SESSIONS)
        self._session_volume = content["session_volume"]
        self._session_ranges = deque(content["session_ranges"], maxlen=_PROFILE_SESSIONS)
        self._bind()

    def _made_by(self) -> str:
        layout = ",".join(str(getattr(self, name).dtype) for name in _SAVED)
        told = f"{self.scale} {msgspec.json.encode(self.config).decode()} {layout}"
        return hashlib.sha256(told.encode()).hexdigest()

    # -- what happens -----------------------------------------------------------------------------

    def _taken(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _make_way(self, code: int, ts: int, price: int) -> None:
        """Do what the step asked for before it takes the trade."""
        if code == steps.DUE:
            self._do_due(ts)
            return
        engine = self._state[0]
        match code:
            case steps.GROW_CELLS:
                self._cells = footprint.widen(engine.bar, self._cells, price)
            case steps.GROW_BURSTS:
                self._bursts = level_absorption.widen_bursts(engine.level, self._bursts)
            case steps.GROW_PROFILE:
                self._hist = profile.widen(self._state["profile"], self._hist, price)
            case steps.GROW_SIZES:
                self._rows = tape_sizes.widen_rows(engine.sizes, self._rows)
            case steps.GROW_PRINTS:
                self._prints = sweep.widen_ring(engine.sweep, self._prints)
            case _:
                self._tape = windows.grow_ring(self._state["tape"], self._tape)
        self._bind()

    def _after_trade(self) -> None:
        """Collect what the last trade made happen."""
        happened = steps.after_trade(self._state, self._closed)
        if happened & steps.ABSORBED:
            self._events += self._detector.absorbed()
        if happened & steps.SWEPT:
            self._events.append(self._detector.swept())
        if happened & steps.BAR_CLOSED:
            self._bar_closed()

    def _do_due(self, ts: int) -> None:
        """Do everything that is due by `ts`, in the order of its own time."""
        while True:
            what = self._do_next(ts, self._closed)
            if what == steps.ABSORBED:
                self._events += self._detector.absorbed()
            elif what == steps.BAR_CLOSED:
                self._bar_closed()
            elif what == steps.SESSION_ENDED:
                self._roll_session(ts)
            else:
                return

    def _bar_closed(self) -> None:
        bar = ClosedBar.of(self._closed, self._cells)
        seen = self._detector.look() if self.config.detects else 0
        self._clear_bar()
        self._bar_count += 1
        self._unchained.append(bar)
        if len(self._unchained) == _CHAINED:
            self._chain_bars()
        self._session_volume += bar.volume
        if self.config.impact:
            self._step_amihud(bar.close, bar.dollars)
        signals = self._detector.on_bar(bar, seen)
        self._events.append(BarClosed(bar, tuple(signals), self._detector.units))

    def _chain_bars(self) -> bytes:
        """Return the digest of all bars: made many at once, which costs half as much."""
        for bar in self._unchained:
            self._bars_chain = hashlib.sha256(self._bars_chain + bar.to_bytes()).digest()
        self._unchained.clear()
        return self._bars_chain

    def _roll_session(self, ts: int) -> None:
        """End the session, if there was one, and begin the one at or after `ts`."""
        engine = self._state[0]
        self._end_session(int(engine.session_start), int(engine.session_end))
        self._next_buckets()
        start, end = self._sessions.bounds(ts)
        cvd_start = cvd_end = steps.NEVER
        if self.config.cvd_reset is CvdResets.SESSION:
            cvd_start = start
        elif self.config.cvd_reset is CvdResets.UTC_DAY:
            day = ts - ts % DAY
            # A session's end comes before midnight or with it: the day may have ended too.
            if ts >= engine.cvd_end:
                cvd_start = day
            cvd_end = day + DAY
        steps.start_session(self._state, self._hist, start, end, cvd_start, cvd_end)
        if self.book is not None:
            self.book.start_session()
        self._detector.on_session(start)
        self._events.append(SessionStarted(start, end, self._detector.units))

    def _end_session(self, start: int, end: int) -> None:
        """Tell of the session's profile, on rows that suit the market's usual sessions."""
        ended = self.session_profile()
        if ended is None:
            return
        self._session_ranges.append(ended.high - ended.low)
        height = self.config.profile_row_ticks or max(
            1, round(float(np.median(self._session_ranges)) / _PROFILE_ROWS)
        )
        low_row, hist = coarsen(ended.low_row, ended.hist, 1, height)
        told = replace(ended, ticks_per_row=height, low_row=low_row, hist=hist)
        self._events.append(SessionClosed(start, end, told))

    def _start_vpin(self) -> None:
        config = self.config.vpin
        size = config.bucket if config and config.bucket else None
        lots = self.scale.to_lots(Decimal(str(size))) if size else 1
        self._state["vpin"], self._buckets = vpin.new_vpin(
            max(1, lots), config.buckets if config else 1
        )

    def _next_buckets(self) -> None:
        """Let VPIN's buckets follow the volume of the past sessions, where the config leaves it."""
        if self._session_volume:
            self._session_volumes.append(self._session_volume)
            self._session_volume = 0
        config = self.config.vpin
        if config is None or config.bucket is not None or not self._session_volumes:
            return
        lots = vpin.bucket_volume(np.array(self._session_volumes, np.int64))
        vpin.set_bucket(self._state["vpin"], lots)
        if not self._state[0].on.vpin:
            self._state[0].vpin.bucket = lots
            self._state[0].on.vpin = 1

    def _bar_length(self) -> int:
        size = self.config.bar_size
        match self.config.bar:
            case BarType.TIME:
                length = round(size * SECOND)
            case BarType.VOLUME | BarType.DELTA:
                length = self.scale.to_lots(Decimal(str(size)))
            case BarType.DOLLAR:
                length = int(Decimal(str(size)) / (self.scale.tick * self.scale.lot))
            case _:
                length = int(size)
        return max(1, length)


def _book(config: BookConfig) -> BookFlow:
    return BookFlow(
        contiguous=config.contiguous,
        ofi_depth=config.ofi_depth,
        ofi_windows=config.ofi_windows_s,
        thin_lots=config.thin_lots,
    )


# The arrays in the arena, in the order of its layout.
_GROWABLE = ("_cells", "_bursts", "_hist", "_rows", "_prints", "_buckets")
_SAVED = (
    "_state",
    "_cells",
    "_bursts",
    "_hist",
    "_rows",
    "_prints",
    "_tape",
    "_tails",
    "_buckets",
    "_amihud",
    "_amihud_ring",
)


def signals_of(events: Iterable[Event]) -> Iterator[Signal]:
    """Return every signal among events, in order: those of a bar when it closed."""
    for event in events:
        if isinstance(event, Signal):
            yield event
        elif isinstance(event, BarClosed):
            yield from event.signals
