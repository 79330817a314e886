"""Footprint bars as columns: read from a catalog, laid on wider rows, read for what they show."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from nautilus_trader.persistence.catalog import ParquetDataCatalog
from numba import njit
from numpy.typing import NDArray

from of_nautilus.core.bar_reading import unfinished_auction
from of_nautilus.core.footprint import CELL_COLUMNS, ClosedBar
from of_nautilus.core.imbalance import ImbalanceRule, find_stacks, flag_rows
from of_nautilus.core.record import Ints
from of_nautilus.core.value_area import point_of_control
from of_nautilus.data import FootprintBar
from of_nautilus.engine import FlowConfig, FlowEngine
from of_nautilus.engine.events import BarClosed
from of_nautilus.errors import UserError
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.store import open_store
from of_nautilus.journal import read_journal
from of_nautilus.scan import Market

FACTS = (
    "open_ts",
    "close_ts",
    "open",
    "high",
    "low",
    "close",
    "buy",
    "sell",
    "unclassified",
    "trades",
    "cvd",
    "low_row",
    "high_row",
)
# Flags of a cell in `Readings.flags`.
BUY_FLAG, SELL_FLAG, BUY_STACK, SELL_STACK = 1, 2, 4, 8


@dataclass(frozen=True, eq=False)
class Bars:
    """Footprint bars of one instrument, a column a fact: ns UTC, ticks, lots.

    The cells of bar `i` are `cells[starts[i] : starts[i + 1]]`, its lowest row (`low_row[i]`)
    first, with the columns of `core.footprint`. `tick` and `lot` say what one of them is worth.
    """

    instrument_id: str
    tick: float
    lot: float
    kind: int
    length: int
    ticks_per_row: int
    open_ts: Ints
    close_ts: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    buy: Ints
    sell: Ints
    unclassified: Ints
    trades: Ints
    cvd: Ints
    low_row: Ints
    high_row: Ints
    cells: Ints

    def __len__(self) -> int:
        return len(self.open_ts)

    @property
    def starts(self) -> Ints:
        """Where the cells of each bar begin, and where the last one's end."""
        return np.concatenate(([0], np.cumsum(self.high_row - self.low_row + 1))).astype(np.int64)

    @property
    def delta(self) -> Ints:
        """Buyer-initiated less seller-initiated volume of each bar, lots."""
        return self.buy - self.sell

    @property
    def row_index(self) -> Ints:
        """The price row of each cell."""
        starts = self.starts
        each = np.diff(starts)
        within = np.arange(starts[-1]) - np.repeat(starts[:-1], each)
        return np.repeat(self.low_row, each) + within

    def row_price(self, rows: Ints) -> NDArray[np.float64]:
        """The price in the middle of rows, quote units."""
        middle = rows * self.ticks_per_row + (self.ticks_per_row - 1) / 2
        return np.asarray(middle * self.tick, np.float64)

    @classmethod
    def of(cls, bars: Iterable[Any], instrument_id: str, tick: float, lot: float) -> "Bars":
        """Return the columns of `ClosedBar` or `FootprintBar` items that share one row height."""
        items: list[ClosedBar] = [
            item.bar() if isinstance(item, FootprintBar) else item for item in bars
        ]
        first = items[0] if items else None
        cells = [item.cells for item in items] or [np.zeros((0, CELL_COLUMNS), np.int64)]
        return cls(
            instrument_id=instrument_id,
            tick=tick,
            lot=lot,
            kind=int(first.kind) if first else 0,
            length=int(first.length) if first else 0,
            ticks_per_row=int(first.ticks_per_row) if first else 1,
            cells=np.concatenate(cells),
            **{name: np.array([getattr(i, name) for i in items], np.int64) for name in FACTS},
        )

    def part(self, first: int, last: int) -> "Bars":
        """Return the bars from index `first` up to, and without, `last`."""
        starts = self.starts
        cut: dict[str, Any] = {name: getattr(self, name)[first:last] for name in FACTS}
        last = max(first, min(last, len(self)))
        return replace(self, **cut, cells=self.cells[starts[first] : starts[last]])

    def between(self, start: int | None, end: int | None) -> "Bars":
        """Return the bars that close after `start` and open before `end`, ns UTC."""
        first = 0 if start is None else int(np.searchsorted(self.close_ts, start, "right"))
        last = len(self) if end is None else int(np.searchsorted(self.open_ts, end, "left"))
        return self.part(first, max(first, last))

    def coarser(self, factor: int) -> "Bars":
        """Return the same bars on rows `factor` times as high; every sum stays exact."""
        if factor < 1:
            raise ValueError(f"`factor` must be >= 1, was {factor}")
        if factor == 1 or not len(self):
            return replace(self, ticks_per_row=self.ticks_per_row * factor)
        wide = self.row_index // factor
        bar = np.repeat(np.arange(len(self)), np.diff(self.starts))
        begins = np.flatnonzero(np.diff(wide, prepend=wide[0] - 1) | np.diff(bar, prepend=-1))
        return replace(
            self,
            ticks_per_row=self.ticks_per_row * factor,
            low_row=self.low_row // factor,
            high_row=self.high_row // factor,
            cells=np.add.reduceat(self.cells, begins, axis=0),
        )

    def place(self, ts: Any) -> NDArray[np.float64]:
        """Where moments (ns UTC) lie on an axis on which bar `i` spans i - 0.5 to i + 0.5."""
        moments = np.asarray(ts, np.int64)
        if not len(self):
            return np.zeros(moments.shape)
        at = np.clip(np.searchsorted(self.open_ts, moments, "right") - 1, 0, len(self) - 1)
        span = np.maximum(self.close_ts[at] - self.open_ts[at], 1)
        share = np.clip((moments - self.open_ts[at]) / span, 0.0, 1.0)
        return np.asarray(at - 0.5 + share)

    def profile(self) -> tuple[int, Ints, Ints, Ints]:
        """Return (lowest row, bought, sold, unclassified) of all bars together, in lots by row."""
        if not len(self):
            return 0, *np.zeros((3, 0), np.int64)
        low = int(self.low_row.min())
        at = self.row_index - low
        sides = np.zeros((3, int(self.high_row.max()) - low + 1), np.int64)
        for side, column in zip(sides, (1, 0, 2), strict=True):
            np.add.at(side, at, self.cells[:, column])
        return low, *sides


@dataclass(frozen=True, eq=False)
class Readings:
    """What bars show: `poc` row within each bar, unfinished auctions, and flags of each cell."""

    poc: Ints
    unfinished_high: NDArray[np.bool_]
    unfinished_low: NDArray[np.bool_]
    flags: NDArray[np.int8]


def read_cells(bars: Bars, rule: ImbalanceRule | None = None) -> Readings:
    """Read every bar: POC, imbalances and their stacks by `rule`, unfinished auctions."""
    poc = np.zeros(len(bars), np.int64)
    ends = np.zeros((2, len(bars)), np.bool_)
    flags = np.zeros(len(bars.cells), np.int8)
    packed = (rule or ImbalanceRule()).packed()[0]
    _read(packed, np.ascontiguousarray(bars.cells), bars.starts, poc, ends, flags)
    return Readings(poc, ends[0], ends[1], flags)


@njit(cache=True)
def _read(rule, cells, starts, poc, ends, flags):  # type: ignore[no-untyped-def]
    for i in range(len(poc)):
        own = cells[starts[i] : starts[i + 1]]
        mine = flags[starts[i] : starts[i + 1]]
        volume = own[:, 0] + own[:, 1] + own[:, 2]
        poc[i] = point_of_control(volume)
        ends[0, i], ends[1, i] = unfinished_auction(own)
        flag_rows(rule, own, mine)
        stacks = np.empty((2 * len(own), 3), np.int64)
        for k in range(find_stacks(rule, own, mine, stacks)):
            mark = 4 if stacks[k, 2] > 0 else 8
            for row in range(stacks[k, 0], stacks[k, 1] + 1):
                if mine[row] & (mark >> 2):
                    mine[row] |= mark


def read_bars(
    catalog: str | Path,
    instrument_id: str | None = None,
    start: int | None = None,
    end: int | None = None,
    *,
    bar_size: float = 60.0,
) -> Bars:
    """Return an instrument's footprint bars: the journal's, else made from the catalog's trades.

    Parameters
    ----------
    catalog : str or Path
        Folder of the catalog.
    instrument_id : str, optional
        Needed where the catalog holds several.
    start, end : int, optional
        Range of event time, ns UTC.
    bar_size : float
        Seconds of a bar where bars must be made from trades, > 0.

    Raises
    ------
    UserError
        If the catalog holds no such instrument, or several and none was named.
    """
    name = instrument_id or the_instrument(catalog)
    table = read_journal(catalog, FootprintBar, name)
    if not len(table):
        return _from_trades(catalog, name, start, end, bar_size)
    shapes = table.groupby(["kind", "length", "ticks_per_row"], sort=False).size()
    kind, length, height = shapes.idxmax()
    mask = (table.kind == kind) & (table.length == length) & (table.ticks_per_row == height)
    # A bar that two actors or two runs have told of is one bar.
    table = table[mask].drop_duplicates("open_ts", keep="last").sort_values("open_ts")
    raw = np.frombuffer(b"".join(table.cells), np.int64).reshape(-1, CELL_COLUMNS)
    bars = Bars(
        instrument_id=name,
        tick=float(table.tick.iloc[0]),
        lot=float(table.lot.iloc[0]),
        kind=int(kind),
        length=int(length),
        ticks_per_row=int(height),
        cells=raw,
        **{fact: table[fact].to_numpy(np.int64) for fact in FACTS},
    )
    return bars.between(start, end)


def the_instrument(catalog: str | Path) -> str:
    """Return the one instrument that a catalog holds trades or footprint bars of."""
    store = open_store(catalog)
    if not store.exists("data"):
        raise UserError("no catalog there", catalog, todo="run the demo or ingest data first")
    held = {
        name
        for folder in ("custom_footprint_bar", "trade_tick")
        if store.exists(f"data/{folder}")
        for name in store.names(f"data/{folder}")
    }
    if not held:
        raise UserError("no trades or footprint bars there", catalog, todo="ingest trades first")
    if len(held) > 1:
        raise UserError(
            f"holds {', '.join(sorted(held))}", catalog, todo="name one with --instrument"
        )
    return held.pop()


def units_in(step: float, precision: int) -> int:
    """Return how many units of 10**-precision a tick or lot is."""
    return round(step * 10**precision)


def instrument_of(catalog: str | Path, instrument_id: str) -> Any | None:
    """Return the host's definition of an instrument, None if the catalog has none."""
    for instrument in ParquetDataCatalog(str(catalog)).instruments():
        if str(instrument.id).replace("/", "") == instrument_id.replace("/", ""):
            return instrument
    return None


def _from_trades(
    catalog: str | Path, name: str, start: int | None, end: int | None, bar_size: float
) -> Bars:
    instrument = instrument_of(catalog, name)
    if instrument is None:
        raise UserError(f"no definition of {name}", catalog, todo="ingest its trades again")
    scale = Market(catalog, instrument).scale
    engine = FlowEngine(scale, FlowConfig.bars_only(bar_size=bar_size))
    closed: list[ClosedBar] = []
    last = 0
    try:
        for ts, price, size, side in Market(catalog, instrument, start, end).trades():
            events = engine.run_trades(ts, price, size, side)
            closed += [event.bar for event in events if isinstance(event, BarClosed)]
            last = int(ts.max())
    except IngestError as error:
        raise UserError(str(error), catalog) from None
    # The last bar is closed by time, so that a short range shows all its trades.
    if last:
        events = engine.advance(last + int(bar_size * 1e9))
        closed += [event.bar for event in events if isinstance(event, BarClosed)]
    return Bars.of(closed, name, float(scale.tick), float(scale.lot))
