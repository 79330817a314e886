"""Computes feature vectors from trades and book: many events at once, or one at a time.

Both go through the same compiled loop, so what a model was trained on is what it sees live.
"""

from collections import deque
from collections.abc import Callable
from decimal import Decimal

import msgspec
import numpy as np

from of_nautilus.core import book as book_
from of_nautilus.core import footprint, impact, microprice, ofi, profile, vpin, windows
from of_nautilus.core.book_flow import BookFlow
from of_nautilus.core.book_tracker import start_session as start_flows
from of_nautilus.core.direct import Places, direct
from of_nautilus.core.footprint import BAR, BarKind, ClosedBar
from of_nautilus.core.imbalance import ImbalanceRule
from of_nautilus.core.large_trades import new_size_quantile
from of_nautilus.core.record import Floats, Ints, State, allocate, digest
from of_nautilus.core.sessions import MINUTE, SECOND, SessionClock
from of_nautilus.core.ticks import MarketScale
from of_nautilus.core.value_area import coarsen
from of_nautilus.decision.framing import SessionProfile, frame_bias, freeze_session
from of_nautilus.model import step
from of_nautilus.model.features import COUNT, SAMPLE_NS
from of_nautilus.model.state import (
    AMIHUD_BARS,
    FEATURES,
    KYLE_POINTS,
    LARGE_WINDOW,
    TradeArrays,
)
from of_nautilus.patterns.divergence import DivergenceConfig, divergence

_DEPTH, _ROOM = 5, 1024
_SESSIONS, _PROFILE_ROWS = 20, 40
_DELTAS = 240
_DIVERGENCE = DivergenceConfig()


class ComputerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How features are sampled.

    Parameters
    ----------
    session : str
        See `core.sessions.SessionClock`.
    sample_s : int
        Seconds between vectors, a divisor of 60.
    vpin_bucket : float, optional
        Volume of a VPIN bucket, base units, > 0. Absent: a fiftieth of the mean volume of the last
        20 sessions, and no VPIN in the first.
    """

    session: str = "FULL_DAY"
    sample_s: int = SAMPLE_NS // SECOND
    vpin_bucket: float | None = None

    def __post_init__(self) -> None:
        if self.sample_s < 1 or 60 % self.sample_s:
            raise ValueError(f"`sample_s` must be a divisor of 60, was {self.sample_s}")
        if self.vpin_bucket is not None and not self.vpin_bucket > 0:
            raise ValueError(f"`vpin_bucket` must be > 0, was {self.vpin_bucket}")
        SessionClock(self.session)


class FeatureComputer:
    """The features of one instrument.

    Parameters
    ----------
    scale : MarketScale
    config : ComputerConfig, optional
    on_vectors : callable
        Takes (times, vectors), ns and one row a time, columns as in `features.NAMES`; copies are
        its own to keep.

    Examples
    --------
    >>> taken = []
    >>> computer = FeatureComputer(MarketScale(Decimal("0.1"), Decimal("0.001")),
    ...                            on_vectors=lambda times, rows: taken.append(times.tolist()))
    >>> for second in (1, 4, 6):
    ...     computer.on_trade(second * 10**9, 600_000, 5, 1)
    >>> taken
    [[5000000000]]
    """

    def __init__(
        self,
        scale: MarketScale,
        config: ComputerConfig | None = None,
        *,
        on_vectors: Callable[[Ints, Floats], None],
    ) -> None:
        self.config = config or ComputerConfig()
        self._on_vectors = on_vectors
        self._clock = SessionClock(self.config.session)
        self._book = BookFlow(ofi_depth=_DEPTH)
        self._state: State = allocate(FEATURES)
        self._closed: State = allocate(BAR)
        self._event = np.zeros((1, 7), np.int64)
        self._bars: deque[ClosedBar] = deque(maxlen=_DIVERGENCE.lookback + 1)
        self._deltas = np.zeros(_DELTAS, np.int64)
        self._rule = ImbalanceRule().packed().copy()
        self._sessions: deque[SessionProfile] = deque(maxlen=5)
        self._volumes: deque[int] = deque(maxlen=_SESSIONS)
        self._held: Ints = np.zeros((0, 7), np.int64)
        self._start(scale)

    def _start(self, scale: MarketScale) -> None:
        s = self._state[0]
        s.tick, s.lot, s.sample = float(scale.tick), float(scale.lot), self.config.sample_s * SECOND
        for name in ("poc", "vah", "val", "bias", "imbalances", "divergence"):
            self._state[name] = np.nan
        spans = [MINUTE, 5 * MINUTE]
        self._state["tape"], self._tape, self._tape_tails = windows.new_windows(spans)
        self._state["parents"], self._parents, self._parent_tails = windows.new_windows(spans)
        self._state["large"], *_ = new_size_quantile(window=LARGE_WINDOW)
        self._state["kyle"], _ = impact.new_kyle(points=KYLE_POINTS)
        self._state["amihud"], _ = impact.new_amihud(AMIHUD_BARS)
        self._state["micro"] = microprice.new_micro_counts()
        self._state["micro_table"] = microprice.unfitted()
        bucket = self.config.vpin_bucket
        lots = max(1, scale.to_lots(Decimal(str(bucket)))) if bucket else 1
        self._state["vpin"], self._buckets = vpin.new_vpin(lots)
        s.on_vpin = bucket is not None
        s.bar.kind, s.bar.length, s.bar.ticks_per_row = BarKind.TIME, MINUTE, 1
        s.bar.close_ts, s.big_ts = step.NEVER, -step.NEVER
        s.profile.ticks_per_row = 1
        self._written = self._state["written"]  # a view
        self._cells = footprint.allocate_cells(256)
        _, self._hist = profile.new_profile(1, 512)
        self._out = np.empty((_ROOM, COUNT))
        self._times = np.zeros(_ROOM, np.int64)
        self._bind()

    def _bind(self) -> None:
        """Hand the arrays to the compiled loop; to be done when one is another."""
        trades = TradeArrays(
            self._tape,
            self._tape_tails,
            self._parents,
            self._parent_tails,
            self._hist,
            self._cells,
            self._buckets,
        )
        self._places = Places(self._state, *trades, self._out, self._times)
        self._run_events = direct(step.run, (self._places, self._book.places), self._event, 0, 0)

    def on_trade(self, ts: int, price: int, size: int, side: int) -> None:
        """Take one trade: ns UTC, ticks, lots, +1 / -1 / 0."""
        self._event[0] = (0, side, price, size, 0, 0, ts)
        self.run(self._event)

    def on_book(self, rows: Ints, count: int = -1) -> None:
        """Take the first `count` rows of book changes, or all; columns `book.DELTA_COLUMNS`."""
        self.run(rows, count)

    def mark_gap(self) -> None:
        """Distrust the book until its next snapshot: updates were lost."""
        book_.mark_gap(self._book.state[0].book)
        self._state[0].seconds.in_force = 0

    def run(self, events: Ints, count: int = -1) -> None:
        """Take the first `count` merged events, or all; see `merge_events`."""
        events = np.ascontiguousarray(events, np.int64)
        self._run(events, len(events) if count < 0 else count)
        self._hand_over()

    def _run(self, events: Ints, stop: int) -> None:
        at = 0
        while True:
            at, code = self._run_events(events, at, stop)
            if code == step.DONE:
                return
            if code == step.HOLD:
                at = self._hold(events, at, stop)
            elif code == step.RELEASE:
                self._release(int(events[at, 6]))
            else:
                self._make_way(code, events[at])

    def _hold(self, events: Ints, start: int, stop: int) -> int:
        """Keep the snapshot that starts there back; return where it ends."""
        ends = np.flatnonzero(events[start:stop, 4] & book_.F_LAST)
        end = start + int(ends[0]) + 1 if len(ends) else stop
        self._held = events[start:end].copy()
        self._state[0].holding = 1
        return end

    def _release(self, ts: int) -> None:
        """Take the snapshot that was kept back, as of `ts`."""
        held, self._held = self._held, self._held[:0]
        held[:, 6] = ts
        self._state[0].holding = 2
        self._run(held, len(held))
        self._state[0].holding = 0

    @property
    def best(self) -> tuple[int, int]:
        """The best bid and ask now, ticks; (0, 0) while the book cannot be trusted."""
        book = self._book.state[0].book
        return (int(book.bid), int(book.ask)) if book.trusted else (0, 0)

    def digest(self) -> str:
        """Return the SHA-256 of all numeric state."""
        book = np.frombuffer(self._book.digest().encode(), np.uint8)
        return digest(self._state, book, self._held)

    # -- what the loop leaves to Python -----------------------------------------------------------

    def _hand_over(self) -> None:
        # By field: an attribute of a record takes microseconds.
        written = int(self._written[0])
        if written:
            self._written[0] = 0
            self._on_vectors(self._times[:written].copy(), self._out[:written].copy())

    def _make_way(self, code: int, event: Ints) -> None:
        price = int(event[2])
        match code:
            case step.BAR_CLOSED:
                self._close_bar()
                return
            case step.SESSION_ENDED:
                self._roll_session(max(int(event[6]), int(self._state["now"][0])))
                return
            case step.FULL:
                self._hand_over()
                return
            case step.GROW_TAPE:
                self._tape = windows.grow_ring(self._state["tape"], self._tape)
            case step.GROW_PARENTS:
                self._parents = windows.grow_ring(self._state["parents"], self._parents)
            case step.GROW_PROFILE:
                self._hist = profile.widen(self._state["profile"], self._hist, price)
            case step.GROW_CELLS:
                self._cells = footprint.widen(self._state[0].bar, self._cells, price)
            case _:
                self._book.grow(code)
        self._bind()

    def _close_bar(self) -> None:
        # The rows that the bar used are cleared with it: only its numbers are kept.
        usual = step.close_bar(self._state, self._cells, self._closed, self._rule, self._deltas)
        bar = ClosedBar._make((*self._closed.item()[:-1], b""))
        self._bars.append(bar)
        # Most bars make no new extreme, and then there is nothing to look for.
        before = list(self._bars)[:-1]
        extreme = any(
            (
                bar.high > max((b.high for b in before), default=bar.high),
                bar.low < min((b.low for b in before), default=bar.low),
            )
        )
        found = divergence(tuple(self._bars), _DIVERGENCE, min_push=usual) if extreme else None
        self._state["divergence"] = float(found.side if found else 0)

    def _roll_session(self, ts: int) -> None:
        """End the session, if there was one, and begin the one at or after `ts`."""
        s, book = self._state[0], self._book
        if s.profile.trades:
            self._freeze(int(s.session_start), int(s.session_end))
        start, end = self._clock.bounds(ts)
        step.start_session(self._state, self._hist, start, end)
        start_flows(book.state[0].tracker, book.flows)
        ofi.forget_previous(book.state[0].ofi)
        ofi.refit(book.state["ofi"])
        try:
            self._state["micro_table"] = microprice.fit_micro_price(self._state["micro"])
        except ValueError:
            self._state["micro_table"] = microprice.unfitted()

    def _freeze(self, start: int, end: int) -> None:
        """Let the session that ended frame the next one."""
        s = self._state[0]
        ended = profile.snapshot(self._state["profile"], self._hist)
        ranges = [day.high - day.low for day in self._sessions] + [ended.high - ended.low]
        height = max(1, round(float(np.median(ranges)) / _PROFILE_ROWS))
        low_row, volumes = coarsen(ended.low_row, ended.hist, 1, height)
        day = freeze_session(
            start_ns=start,
            end_ns=end,
            high=ended.high,
            low=ended.low,
            close=ended.close,
            low_row=low_row,
            ticks_per_row=height,
            volumes=volumes,
        )
        self._sessions.append(day)
        bias = frame_bias(tuple(self._sessions))
        s.poc, s.val, s.vah = day.poc, day.val, day.vah
        s.bias = bias.direction.side * bias.confidence / 100.0
        self._volumes.append(int(s.profile.volume))
        if self.config.vpin_bucket is None:
            lots = vpin.bucket_volume(np.array(self._volumes, np.int64))
            vpin.set_bucket(self._state["vpin"], lots)
            if not s.on_vpin:
                s.vpin.bucket = lots
                s.on_vpin = 1


def compile_steps() -> None:
    """Compile what a computer runs through, or load it: a live node has no time for it later."""
    scale = MarketScale(Decimal(1), Decimal(1))
    computer = FeatureComputer(scale, ComputerConfig(session="1min"), on_vectors=lambda *_: None)
    snapshot = ((4, 0, 0, 0, 32, 1, 0), (1, 1, 100, 5, 32, 1, 0), (1, 2, 102, 5, 160, 1, 0))
    computer.on_book(np.array(snapshot, np.int64))
    for second in range(1, 3 * 60):
        computer.on_book(np.array([(2, 1, 100, 5 + second, 128, 1 + second, second * SECOND)]))
        computer.on_trade(second * SECOND, 101, 1, 1)


def merge_events(trades: Ints, trade_order: Ints, deltas: Ints, delta_order: Ints) -> Ints:
    """Return trades and book changes as one array of events.

    Parameters
    ----------
    trades : int64 array
        Rows of (ns, ticks, lots, side).
    deltas : int64 array
        Rows of `book.DELTA_COLUMNS`.
    trade_order, delta_order : int64 arrays
        When each arrived (`ts_init`), rising; where both came at once the trade is first.
    """
    merged = np.zeros((len(trades) + len(deltas), 7), np.int64)
    at_trades = np.arange(len(trades)) + np.searchsorted(delta_order, trade_order, side="left")
    at_deltas = np.arange(len(deltas)) + np.searchsorted(trade_order, delta_order, side="right")
    for column, source in ((6, 0), (2, 1), (3, 2), (1, 3)):
        merged[at_trades, column] = trades[:, source]
    merged[at_deltas] = deltas
    return merged
