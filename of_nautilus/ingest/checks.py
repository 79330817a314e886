"""What can be wrong with one day of one kind of data, counted piece by piece."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from of_nautilus.ingest.book_check import BookCheck
from of_nautilus.ingest.columns import (
    CLEAR,
    F_SNAPSHOT,
    F_UNTRUSTED,
    Columns,
    DeltaColumns,
    DepthColumns,
    QuoteColumns,
    TradeColumns,
)
from of_nautilus.ingest.mt5 import SYNTHETIC_PREFIX

MIN_SILENCE_NS = 5_000_000_000
_TRAILING = 10_000
_ENOUGH = 100
_LISTED = 20
_CONSECUTIVE = 0.9  # share of ids that must follow on for the others to count as lost
_PAUSE_NS = 3_600_000_000_000  # after an hour without trades the recording has begun anew


@dataclass(slots=True)
class DayReport:
    """Counts of one kind of data on one day (UTC); None where something cannot be told."""

    instrument_id: str
    kind: str
    day: str
    rows: int = 0
    out_of_order: int = 0
    """Rows whose `ts_init` is below the one before: the host replays them in the wrong order."""
    event_time_backwards: int = 0
    """Rows whose `ts_event` is below one before."""
    off_grid: int = 0
    """Prices or sizes that are no multiple of the increment."""
    gaps: int = 0
    """Silences over 5 s and over the 99.9th percentile of the 100 to 10,000 before."""
    longest_gaps: list[tuple[int, float]] = field(default_factory=list)
    """The longest of them: when they began (ns) and for how many seconds they lasted."""
    delay_ms: float | None = None
    """Median of `ts_init` less `ts_event`: the delay, or skew, of the recorder's clock."""
    orders: int | None = None
    """Market orders: prints on end with one event time and side, and ids that follow on."""
    duplicates: int | None = None
    not_positive: int | None = None
    missing_ids: int | None = None
    """Trade ids passed over within an hour, where ids are numbers that rise by one."""
    aggressor_share: float | None = None
    """Share of trades that name their aggressor."""
    tick_rule_share: float | None = None
    """Share of those on the side that the tick rule gives them."""
    synthetic: int | None = None
    """Trades that no venue has reported."""
    crossed: int | None = None
    """Books or quotes with a bid above the ask, after a whole message."""
    locked: int | None = None
    snapshots: int | None = None
    untrusted: int | None = None
    """Book changes after a sequence break and before the next snapshot."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without what cannot be told."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class DayCheck:
    """Counts over the pieces of one instrument and kind; state carries over from day to day."""

    def __init__(self, instrument_id: str, kind: type[Columns], tick: int, lot: int) -> None:
        self._id = instrument_id
        self._kind = kind
        self._tick, self._lot = tick, lot
        self._init = self._event = -1
        self._gaps = np.empty(0, np.int64)
        self._trade = _TradeState()
        self._book: BookCheck | None = None
        self._delays: list[NDArray[np.int64]] = []
        self._sided = 0

    def start(self, day: str) -> None:
        """Begin a new day's report."""
        self.report = DayReport(self._id, self._kind.FOLDER, day)
        self._delays = []
        self._sided = 0

    def add(self, piece: Any) -> None:
        """Count the rows of one piece of the day; not empty."""
        report = self.report
        report.rows += len(piece)
        inits = np.append(self._init, piece.ts_init)
        report.out_of_order += int(np.count_nonzero(inits[1:] < inits[:-1]))
        latest = np.maximum.accumulate(np.append(self._event, piece.ts_event))
        report.event_time_backwards += int(np.count_nonzero(piece.ts_event < latest[:-1]))
        self._silences(latest)
        self._init, self._event = int(inits[-1]), int(latest[-1])
        self._delays.append((piece.ts_init - piece.ts_event)[:: max(1, len(piece) // 1_000)])
        if isinstance(piece, TradeColumns):
            self._trades(piece)
        elif isinstance(piece, (QuoteColumns, DepthColumns)):
            self._tops(piece)
        elif isinstance(piece, DeltaColumns):
            self._deltas(piece)

    def finish(self) -> DayReport:
        """The day's report."""
        report = self.report
        report.delay_ms = round(float(np.median(np.concatenate(self._delays))) / 1e6, 3)
        report.longest_gaps = sorted(report.longest_gaps, key=lambda gap: -gap[1])[:_LISTED]
        if self._kind is TradeColumns:
            report.aggressor_share = self._sided / report.rows
            if self._trade.judged:
                report.tick_rule_share = self._trade.agreed / self._trade.judged
            self._trade.judged = self._trade.agreed = 0
        return report

    def _silences(self, latest: NDArray[np.int64]) -> None:
        """Gaps in event time, each held against those before it."""
        if latest[0] < 0:
            latest = latest[1:]
        new = np.diff(latest)
        gaps = np.append(self._gaps, new)
        offset = len(self._gaps)
        for at in np.flatnonzero(new >= MIN_SILENCE_NS):
            before = gaps[max(0, offset + at - _TRAILING) : offset + at]
            if len(before) >= _ENOUGH and new[at] > np.quantile(before, 0.999):
                self.report.gaps += 1
                self.report.longest_gaps.append((int(latest[at]), float(new[at] / 1e9)))
        self._gaps = gaps[-_TRAILING:]

    def _trades(self, piece: TradeColumns) -> None:
        report, state = self.report, self._trade
        report.off_grid += _off(piece.price, self._tick) + _off(piece.size, self._lot)
        report.not_positive = (report.not_positive or 0) + int(np.count_nonzero(piece.size <= 0))
        self._sided += int(np.count_nonzero(piece.side))
        state.tick_rule(piece)
        report.orders = (report.orders or 0) + state.orders(piece)
        repeats, missing = state.ids(piece)
        report.duplicates = (report.duplicates or 0) + repeats
        if missing is not None:
            report.missing_ids = (report.missing_ids or 0) + missing
        if isinstance(piece.trade_id, pa.Array):
            made = pc.starts_with(piece.trade_id, SYNTHETIC_PREFIX)
            report.synthetic = (report.synthetic or 0) + int(pc.sum(made).as_py() or 0)

    def _tops(self, piece: QuoteColumns | DepthColumns) -> None:
        bid, ask = piece.bid_price, piece.ask_price
        for values, step in (
            (bid, self._tick),
            (ask, self._tick),
            (piece.bid_size, self._lot),
            (piece.ask_size, self._lot),
        ):
            self.report.off_grid += _off(values, step)
        if bid.ndim == 2:
            bid, ask = bid[:, 0], ask[:, 0]
        self._crossings(
            int(np.count_nonzero((bid > ask) & (ask > 0))), int(np.count_nonzero(bid == ask))
        )

    def _deltas(self, piece: DeltaColumns) -> None:
        report = self.report
        report.off_grid += _off(piece.price, self._tick) + _off(piece.size, self._lot)
        clears = int(np.count_nonzero(piece.action == CLEAR))
        report.snapshots = (report.snapshots or 0) + clears
        marked = int(np.count_nonzero(piece.flags & F_UNTRUSTED))
        report.untrusted = (report.untrusted or 0) + marked
        levels = piece.flags & F_SNAPSHOT == 0
        if np.any(piece.order_id[levels]):
            return  # single orders: the best prices do not follow from the rows alone
        if self._book is None:
            self._book = BookCheck()
        self._crossings(*self._book.add(piece, self._tick))

    def _crossings(self, crossed: int, locked: int) -> None:
        self.report.crossed = (self.report.crossed or 0) + crossed
        self.report.locked = (self.report.locked or 0) + locked


def _off(values: NDArray[np.int64], step: int) -> int:
    return 0 if step == 1 else int(np.count_nonzero(values % step))


class _TradeState:
    """What the check of trades must know of those before."""

    def __init__(self) -> None:
        self.judged = self.agreed = 0
        self._price = 0
        self._sign = 0
        self._last_id = -1
        self._time = 0
        self._print: tuple[int, int, int] | None = None

    def tick_rule(self, piece: TradeColumns) -> None:
        """Count sided trades that have a tick-rule side, and those where both agree."""
        prices = np.append(self._price or piece.price[0], piece.price)
        change = np.sign(np.diff(prices)).astype(np.int8)
        moves = np.append(self._sign, change)
        at = np.maximum.accumulate(np.where(moves != 0, np.arange(len(moves)), 0))
        rule = moves[at][1:]
        both = (piece.side != 0) & (rule != 0)
        self.judged += int(np.count_nonzero(both))
        self.agreed += int(np.count_nonzero(both & (rule == piece.side)))
        self._price, self._sign = int(prices[-1]), int(rule[-1])

    def orders(self, piece: TradeColumns) -> int:
        """Count prints that do not go on with the market order of the one before."""
        columns: list[Any] = [piece.ts_event, piece.side]
        numbers = isinstance(piece.trade_id, np.ndarray)
        if numbers:
            columns.append(piece.trade_id - np.arange(len(piece)))  # equal where ids follow on
        new = np.logical_or.reduce([np.diff(column) != 0 for column in columns])
        last_id = int(piece.trade_id[-1]) if numbers else -1
        before, self._print = self._print, (int(piece.ts_event[-1]), int(piece.side[-1]), last_id)
        first = (
            int(piece.ts_event[0]),
            int(piece.side[0]),
            int(piece.trade_id[0]) - 1 if numbers else -1,
        )
        return int(np.count_nonzero(new)) + (first != before)

    def ids(self, piece: TradeColumns) -> tuple[int, int | None]:
        """Rows that repeat another in all but arrival, and ids passed over (None if not numbers).

        Some venues number packets, and the trades in one share its number. Where an id stands for
        trades that differ, ids name no trades, and nothing tells a repeat from a second trade.
        """
        ids: Any = piece.trade_id
        numbers = isinstance(ids, np.ndarray)
        missing = None
        if numbers:
            first = self._last_id < 0
            steps = np.diff(ids if first else np.append(self._last_id, ids))
            waits = np.diff(piece.ts_event if first else np.append(self._time, piece.ts_event))
            near = steps[waits < _PAUSE_NS]
            if np.count_nonzero(near == 1) >= _CONSECUTIVE * len(near):
                missing = int((near[near > 1] - 1).sum())
            self._last_id, self._time = int(ids[-1]), int(piece.ts_event[-1])
            if np.all(steps > 0):
                return 0, missing
        keys = ids if numbers else ids.dictionary_encode().indices.to_numpy()
        columns = (piece.side, piece.size, piece.price, keys, piece.ts_event)
        order = np.lexsort(columns)
        equal = [np.diff(column[order]) == 0 for column in columns]
        one_id = equal[-1] & equal[-2]
        repeats = np.logical_and.reduce(equal)
        return int(np.count_nonzero(repeats)) if np.array_equal(repeats, one_id) else 0, missing
