"""VPIN and order flow imbalance by bar, and the book's sizes over time and price."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

from of_nautilus.core.record import Ints
from of_nautilus.core.vpin import bucket_volume, new_vpin, run_vpin
from of_nautilus.ingest.columns import (
    DAY_NS,
    F_LAST,
    DeltaColumns,
    TradeColumns,
    data_files,
    iter_columns,
)
from of_nautilus.ingest.store import open_store
from of_nautilus.report.bars import Bars, units_in

Floats = NDArray[np.float64]
MOST_TIMES, MOST_ROWS = 480, 160


@dataclass(frozen=True, eq=False)
class Vpin:
    """VPIN at the end of each bar, 0 to 1, NaN before; `bucket` is the size of a bucket, lots."""

    value: Floats
    bucket: int


@dataclass(frozen=True, eq=False)
class BookPicture:
    """Displayed sizes (`lots[row, time]`) at moments; rows of `height` ticks from `low_row` up.

    `ofi` is the order flow imbalance at the best prices by bar, lots; NaN where there was no book.
    """

    ts: Ints
    low_row: int
    height: int
    lots: Ints
    ofi: Floats


def holds(catalog: str | Path, kind: type, instrument_id: str) -> bool:
    """Return whether a catalog has data of one kind of an instrument."""
    store = open_store(catalog)
    return bool(data_files(store, kind, instrument_id))


def read_vpin(catalog: str | Path, bars: Bars, buckets: int = 50) -> Vpin | None:
    """Return VPIN by bar from the catalog's trades; None without trades.

    A bucket is a fiftieth of the mean volume of a day of the range shown, and at most a fiftieth of
    a fifth of the range, so that a day has a reading too. The picture, unlike a signal, knows the
    whole range.
    """
    if not len(bars) or not holds(catalog, TradeColumns, bars.instrument_id):
        return None
    days = max(float(bars.close_ts[-1] - bars.open_ts[0]) / DAY_NS, 1.0)
    whole = int((bars.buy + bars.sell + bars.unclassified).sum())
    volume = int(whole / days)
    bucket = bucket_volume(np.array([min(volume, whole // 5)], np.int64), buckets)
    state, ring = new_vpin(bucket, buckets)
    ts: list[Ints] = []
    values: list[Floats] = []
    first, last = int(bars.open_ts[0]), int(bars.close_ts[-1])
    for piece in iter_columns(TradeColumns, catalog, bars.instrument_id, first, None):
        lot = units_in(bars.lot, piece.size_precision)
        keep = piece.ts_event < last
        values.append(run_vpin(state, ring, piece.size[keep] // lot, piece.side[keep]))
        ts.append(piece.ts_event[keep])
        if not keep.any():
            break
    if not ts:
        return None
    at = np.searchsorted(np.concatenate(ts), bars.close_ts, "left") - 1
    value = (
        np.concatenate(values)[np.maximum(at, 0)] if len(values[0]) else np.full(len(at), np.nan)
    )
    return Vpin(np.where(at >= 0, value, np.nan), bucket)


def read_book(
    catalog: str | Path, bars: Bars, times: int = MOST_TIMES, rows: int = MOST_ROWS
) -> BookPicture | None:
    """Return what the book displayed over the range of bars; None without book data."""
    if not len(bars) or not holds(catalog, DeltaColumns, bars.instrument_id):
        return None
    first, last = int(bars.open_ts[0]), int(bars.close_ts[-1])
    low, high = int(bars.low.min()), int(bars.high.max())
    margin = max((high - low) // 10, 5)
    low, high = low - margin, high + margin
    height = max(1, -(-(high - low + 1) // rows))
    low_row = low // height
    count = high // height - low_row + 1
    times = min(times, max(len(bars), 60))
    moments = np.linspace(first, last, times + 1).astype(np.int64)[1:]
    lots = np.zeros((count, times), np.int64)
    ofi = np.zeros(len(bars) + 1)
    seen = np.zeros(len(bars) + 1, np.int64)
    replay = Replay(1024)
    for piece in iter_columns(DeltaColumns, catalog, bars.instrument_id, None, None):
        tick = units_in(bars.tick, piece.price_precision)
        lot = units_in(bars.lot, piece.size_precision)
        replay.cover(piece.price // tick)
        at = np.searchsorted(bars.close_ts, piece.ts_event, "right")
        at[piece.ts_event < first] = len(bars)
        _replay(
            replay.levels, replay.base, replay.state, piece.action, piece.side,
            piece.price // tick, piece.size // lot, piece.flags, piece.ts_event, at,
            moments, low_row, height, lots, ofi, seen,
        )  # fmt: skip
    _draw_rest(replay.levels, replay.base, replay.state, moments, low_row, height, lots)
    return BookPicture(moments, low_row, height, lots, np.where(seen[:-1] > 0, ofi[:-1], np.nan))


class Replay:
    """A book as sizes by side and tick, dense and growing; the state of `_replay`."""

    def __init__(self, span: int) -> None:
        self.levels = np.zeros((2, span), np.int64)
        self.base = 0
        # Next moment to draw; bounds of the best bid and ask; their sizes, prices after the last
        # batch and whether the next may be compared with it; whether anything came.
        self.state = np.zeros(9, np.int64)
        self._empty = True

    def cover(self, prices: Ints) -> None:
        """Make room for prices (ticks)."""
        prices = prices[prices > 0]
        if not len(prices):
            return
        low, high = int(prices.min()), int(prices.max())
        if not self._empty:
            low = min(low, self.base)
            high = max(high, self.base + self.levels.shape[1] - 1)
        levels = np.zeros((2, high - low + 1), np.int64)
        if not self._empty:
            levels[:, self.base - low : self.base - low + self.levels.shape[1]] = self.levels
        self.levels, self.base, self._empty = levels, low, False


@njit(cache=True)
def _draw(levels, base, column, low_row, height, lots):  # type: ignore[no-untyped-def]
    for i in range(levels.shape[1]):
        size = levels[0, i] + levels[1, i]
        if size > 0:
            row = (base + i) // height - low_row
            if 0 <= row < lots.shape[0]:
                lots[row, column] += size


@njit(cache=True)
def _draw_rest(levels, base, state, moments, low_row, height, lots):  # type: ignore[no-untyped-def]
    while state[0] < len(moments):
        _draw(levels, base, state[0], low_row, height, lots)
        state[0] += 1


@njit(cache=True)
def _best(levels, side, at):  # type: ignore[no-untyped-def]
    """The best populated level from index `at` on away from the market; -1 if there is none."""
    step = -1 if side == 0 else 1
    while 0 <= at < levels.shape[1]:
        if levels[side, at] > 0:
            return at
        at += step
    return -1


@njit(cache=True)
def _replay(  # type: ignore[no-untyped-def]
    levels, base, state, action, side, price, size, flags, ts, bar,
    moments, low_row, height, lots, ofi, seen,
):  # fmt: skip
    # Best bid and ask as prices, so that they stay true when `levels` grows.
    bid, ask = state[1] - base, state[2] - base
    if state[5] == 0:
        bid, ask = -1, levels.shape[1]
    for k in range(len(ts)):
        while state[0] < len(moments) and ts[k] > moments[state[0]]:
            _draw(levels, base, state[0], low_row, height, lots)
            state[0] += 1
        if action[k] == 4:
            levels[:] = 0
            bid, ask = -1, levels.shape[1]
            state[6] = 0
        elif side[k] != 0:
            s = 0 if side[k] > 0 else 1
            at = price[k] - base
            levels[s, at] = 0 if action[k] == 3 else size[k]
            if levels[s, at] > 0:
                if s == 0:
                    bid = max(bid, at)
                else:
                    ask = min(ask, at)
        state[5] = 1
        if flags[k] & F_LAST:
            found_bid, found_ask = _best(levels, 0, bid), _best(levels, 1, ask)
            bid = found_bid
            ask = found_ask if found_ask >= 0 else levels.shape[1]
            if found_bid >= 0 and found_ask >= 0:
                now_bid, now_ask = base + found_bid, base + found_ask
                bid_size, ask_size = levels[0, found_bid], levels[1, found_ask]
                if state[6] == 1:
                    change = 0
                    if now_bid >= state[7]:
                        change += bid_size
                    if now_bid <= state[7]:
                        change -= state[3]
                    if now_ask <= state[8]:
                        change -= ask_size
                    if now_ask >= state[8]:
                        change += state[4]
                    ofi[bar[k]] += change
                    seen[bar[k]] += 1
                state[3], state[4] = bid_size, ask_size
                state[7], state[8] = now_bid, now_ask
                state[6] = 1
            else:
                state[6] = 0
        state[1], state[2] = base + bid, base + ask
