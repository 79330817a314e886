"""The order book as Nautilus indicators.

The host registers no indicator for book data: call `handle_order_book_deltas` (or
`handle_order_book_depth`) from the strategy's handler of the same name.
"""

import math
import struct
from typing import ClassVar

import numpy as np
from nautilus_trader.model.data import OrderBookDeltas, OrderBookDepth10, TradeTick
from nautilus_trader.model.objects import FIXED_PRECISION

from of_nautilus.core.book import F_LAST, NO_PRICE
from of_nautilus.core.book_flow import BookFlow, Consumed
from of_nautilus.core.book_measures import spread_z, step_impact, thin_levels, thin_limit_of
from of_nautilus.core.book_tracker import replenishment_at
from of_nautilus.core.microprice import (
    add_quote,
    fit_micro_price,
    micro_price_of,
    new_micro_counts,
    unfitted,
)
from of_nautilus.core.record import Ints, State
from of_nautilus.core.ticks import MarketScale, whole_microseconds
from of_nautilus.indicators.base import SIDES, FlowIndicator, Output

# One row of deltas, and how many prices are remembered in ticks.
_ROW = struct.Struct("=7q")
_ROW_BYTES = _ROW.size
_pack = _ROW.pack_into
_REMEMBERED = 100_000


class DeltaRows:
    """Decodes the host's book data to integer rows, `core.book.DELTA_COLUMNS`.

    Rows wait here until their batch is whole, so that the book is stepped once a message even where
    the host replays its deltas one by one.

    Parameters
    ----------
    scale : MarketScale
        The instrument's tick and lot.
    """

    def __init__(self, scale: MarketScale) -> None:
        self._tick = int(scale.tick.scaleb(FIXED_PRECISION))
        self._lot = int(scale.lot.scaleb(FIXED_PRECISION))
        self._ticks: dict[int, int] = {}
        self.off_grid = self.count = 0
        self._ts = self._whole_ts = 0
        self._allocate(512)

    def _allocate(self, room: int) -> None:
        self.rows: Ints = np.zeros((room, _ROW_BYTES // 8), np.int64)
        self._bytes = memoryview(self.rows.reshape(-1).view(np.uint8))
        self._room = room

    def add(self, deltas: OrderBookDeltas) -> bool:
        """Add the rows of a message; say whether they end a batch."""
        flags, count = 0, self.count
        for delta in deltas.deltas:
            if count == self._room:
                self._grow()
            # As the host pickles it: all that it holds, in one call and without an object for each.
            _, action, side, raw, _, size, _, _, flags, sequence, ts, _ = delta.__getstate__()
            price = self._ticks.get(raw)
            if price is None:
                price = self._to_ticks(raw)
            if ts != self._ts:
                self._ts, self._whole_ts = ts, (ts + 500) // 1000 * 1000
            lots, at = size // self._lot, count * _ROW_BYTES
            _pack(self._bytes, at, action, side, price, lots, flags, sequence, self._whole_ts)
            count += 1
        self.count = count
        return bool(flags & F_LAST)

    def _grow(self) -> None:
        held = self.rows
        self._allocate(2 * len(held))
        self.rows[: len(held)] = held

    def _to_ticks(self, raw: int) -> int:
        """Divide, which is slow in 128 bits, and remember; count a price that is off the grid."""
        price, odd = divmod(raw, self._tick)
        if odd:
            self.off_grid += 1
        elif len(self._ticks) < _REMEMBERED:
            self._ticks[raw] = price
        return price

    def picture(self, depth: OrderBookDepth10) -> Ints:
        """Return ten levels a side as `BookFlow.apply_depth` takes them."""
        made = np.zeros((2, 10, 2), np.int64)
        made[0, :, 0], made[1, :, 0] = NO_PRICE, -NO_PRICE
        for side, orders in enumerate((depth.bids, depth.asks)):
            for i, order in enumerate(orders):
                lots = order.size.raw // self._lot
                if lots > 0:
                    made[side, i] = order.price.raw // self._tick, lots
        return made


class BookIndicator(FlowIndicator):
    """An indicator of the book, with a book of its own.

    Ready while the book is trusted (complete since a snapshot, no gap, not crossed) and has two
    levels on each side; not ready again when that ends.

    Parameters
    ----------
    scale : MarketScale
        The instrument's tick and lot.
    whole_batches : bool, default False
        Whether each OrderBookDeltas is a batch by itself, for feeds that do not set F_LAST.
    snapshots : bool, default True
        Whether the feed begins with a snapshot; if not, the book is taken as complete at once.
    """

    def __init__(
        self, scale: MarketScale, whole_batches: bool = False, snapshots: bool = True
    ) -> None:
        super().__init__([str(scale.tick), str(scale.lot)])
        self.scale = scale
        self._whole_batches, self._snapshots = whole_batches, snapshots
        self._tick, self._lot = float(scale.tick), float(scale.lot)
        self._start()

    def _start(self) -> None:
        self.flow = self._new_flow()
        book = self.flow.state["book"]
        self._trusted, self._levels = book["trusted"], book["levels"][0]
        self._rows = DeltaRows(self.scale)
        if not self._snapshots:
            self.flow.state["book"]["complete"] = 1

    def _new_flow(self) -> BookFlow:
        return BookFlow()

    def _reset(self) -> None:
        self._start()

    def handle_order_book_deltas(self, deltas: OrderBookDeltas) -> None:
        """Update the indicator with book deltas."""
        if self._rows.add(deltas) or self._whole_batches:
            count, self._rows.count = self._rows.count, 0
            self.update_raw(self._rows.rows, count)

    def handle_order_book_depth(self, depth: OrderBookDepth10) -> None:
        """Update the indicator with a depth picture of ten levels."""
        ts = int(whole_microseconds(depth.ts_event))
        self.flow.apply_depth(self._rows.picture(depth), depth.sequence, ts)
        self._after_batch()

    def update_raw(self, deltas: Ints, count: int = -1) -> None:
        """Update with a batch of `core.book.DELTA_COLUMNS` rows, the first `count` of them."""
        self.flow.apply(deltas, count)
        if self._whole_batches and self.flow.state["book"]["open"][0]:
            self.flow.end_batch()
        self._after_batch()

    def _after_batch(self) -> None:
        if not self.has_inputs:
            self._set_has_inputs(True)
        ready = self._is_ready()
        if ready != self.initialized:
            self._set_initialized(ready)

    def _is_ready(self) -> bool:
        levels = self._levels
        return bool(self._trusted[0] and levels[0] >= 2 and levels[1] >= 2)


class BookMeasures(BookIndicator):
    """Measures what the book shows: spread, depth, imbalance, slope, weighted mid, impact.

    Depth and ratio are of the best five levels. An imbalance is ``(B - A) / (B + A)`` over the best
    1, 3, 5, 10 or all levels, from -1 (only asks) to 1 (only bids). A slope is the ticks that 100
    base units would move the price, by a line through the origin; a higher one is a thinner side.
    All are computed when they are read. See `BookIndicator` for the parameters.

    Examples
    --------
    >>> from decimal import Decimal
    >>> book = BookMeasures(MarketScale(Decimal("0.1"), Decimal("0.001")))
    >>> levels = (1, 1, 1000, 30), (1, 1, 999, 10), (1, 2, 1001, 10), (1, 2, 1002, 10)
    >>> rows = [(4, 0, 0, 0, 32, 1, 0), *((*level, 32, 1, 0) for level in levels)]
    >>> book.update_raw(np.array([*rows[:-1], (1, 2, 1002, 10, 160, 1, 0)]))
    >>> book.imbalance_1, book.mid
    (0.5, 100.05)
    """

    OUTPUTS: ClassVar = {
        "mid": Output("price", shift=1),
        "spread": Output("ticks"),
        "imbalance_1": Output("ratio", sign=-1),
        "imbalance_3": Output("ratio", sign=-1),
        "imbalance_5": Output("ratio", sign=-1),
        "imbalance_10": Output("ratio", sign=-1),
        "imbalance_all": Output("ratio", sign=-1),
        "total_depth": Output("base", scale=1),
        "depth_ratio": Output("ratio", sign=0),
        "depth_concentration": Output("ratio"),
        "bid_slope": Output("ticks", mirror="ask_slope", scale=-1),
        "ask_slope": Output("ticks", mirror="bid_slope", scale=-1),
        "weighted_mid": Output("price", sign=0, shift=1),
    }

    def _start(self) -> None:
        super()._start()
        self._reading: State | None = None

    def _after_batch(self) -> None:
        self._reading = None
        super()._after_batch()

    def _read(self, name: str, unit: float = 1.0) -> float:
        if not self.initialized:
            return math.nan
        if self._reading is None:
            self._reading = self.flow.measures(100.0 / self._lot)
        return round(float(self._reading[name][0]) * unit, 12)

    @property
    def mid(self) -> float:
        """Halfway between the best prices."""
        return self._read("mid", self._tick)

    @property
    def spread(self) -> float:
        """Best ask less best bid, ticks."""
        return self._read("spread")

    @property
    def spread_bps(self) -> float:
        """The spread over the mid, basis points."""
        return self._read("spread_bps")

    @property
    def imbalance_1(self) -> float:
        """Of the best level."""
        return self._read("imbalance_1")

    @property
    def imbalance_3(self) -> float:
        """Of the best three levels."""
        return self._read("imbalance_3")

    @property
    def imbalance_5(self) -> float:
        """Of the best five levels."""
        return self._read("imbalance_5")

    @property
    def imbalance_10(self) -> float:
        """Of the best ten levels."""
        return self._read("imbalance_10")

    @property
    def imbalance_all(self) -> float:
        """Of all levels."""
        return self._read("imbalance_all")

    @property
    def total_depth(self) -> float:
        """On five levels of both sides, base units."""
        return self._read("total_depth", self._lot)

    @property
    def depth_ratio(self) -> float:
        """Bids over asks, five levels."""
        return self._read("depth_ratio")

    @property
    def depth_concentration(self) -> float:
        """The best level's share of five."""
        return self._read("depth_concentration")

    @property
    def bid_slope(self) -> float:
        """Ticks per 100 base units sold."""
        return self._read("bid_slope")

    @property
    def ask_slope(self) -> float:
        """Ticks per 100 base units bought."""
        return self._read("ask_slope")

    @property
    def weighted_mid(self) -> float:
        """``(Pa Qb + Pb Qa) / (Qa + Qb)``."""
        return self._read("weighted_mid", self._tick)

    @property
    def path(self) -> int:
        """The path of least resistance: 1 up, -1 down, 0 neither or not ready."""
        return int(self._read("path")) if self.initialized else 0

    def impact(self, side: int, size: float) -> float:
        """Return the ticks from mid that a market order of `size` base units costs on average.

        `side` is +1 to buy, -1 to sell. NaN if the book does not hold so much.
        """
        if side not in (1, -1):
            raise ValueError(f"`side` must be 1 or -1, was {side}")
        if not self.initialized:
            return math.nan
        flow = self.flow
        lots = round(size / self._lot)
        state = flow.state["book"]
        return float(step_impact(state, flow.window, flow.blocks, flow.far, max(side, 0), lots))

    def thin_levels(self, side: int) -> list[float]:
        """Return the prices of a side's thin levels, the best first; none while not ready.

        Thin is what holds less than a quarter of the median size of the side's best 20 levels.
        `side` is +1 for bids, -1 for asks.
        """
        if side not in (1, -1):
            raise ValueError(f"`side` must be 1 or -1, was {side}")
        if not self.initialized:
            return []
        top, at = self.flow.top, 0 if side > 0 else 1
        prices = thin_levels(top, at, thin_limit_of(top, at))
        return [float(self.scale.price(price)) for price in prices]


class SpreadZScore(BookIndicator):
    """Measures how wide the spread is against the last 300 seconds, itself excluded.

    ``z = (spread - mean) / standard deviation`` of samples at whole seconds; 0 where they do not
    vary. Ready from 30 samples on. See `BookIndicator` for the parameters.
    """

    OUTPUTS: ClassVar = {"value": Output("ratio")}

    def _is_ready(self) -> bool:
        return super()._is_ready() and bool(self.flow.state["spread"]["samples"][0] >= 30)

    @property
    def value(self) -> float:
        """The z-score."""
        return self._when_ready(spread_z(self.flow.state[0].spread) if self.initialized else 0.0)


class MicroPrice(BookIndicator):
    """Estimates where the mid will go, given the queues and the spread (Stoikov 2018).

    Until `fit` has been called, and in states that it never saw, this is the weighted mid and
    `fitted` is False. It counts as it goes; call `fit` between sessions. See `BookIndicator` for
    the parameters.
    """

    OUTPUTS: ClassVar = {"value": Output("price", sign=0, shift=1)}

    def _start(self) -> None:
        super()._start()
        self._counts, self.table = new_micro_counts(), unfitted()

    def _after_batch(self) -> None:
        super()._after_batch()
        book = self.flow.state[0].book
        quote = (book.bid, book.bid_size, book.ask, book.ask_size)
        add_quote(self._counts[0], *quote, book.trusted, book.epoch)

    def fit(self) -> None:
        """Fit the table to all that was counted so far.

        Raises
        ------
        ValueError
            If the counts allow none.
        """
        self.table = fit_micro_price(self._counts)

    def _price(self) -> tuple[float, bool]:
        book = self.flow.state[0].book
        return micro_price_of(self.table, book.bid, book.bid_size, book.ask, book.ask_size)

    @property
    def value(self) -> float:
        """The micro-price."""
        return round(self._price()[0] * self._tick, 12) if self.initialized else math.nan

    @property
    def fitted(self) -> bool:
        """Whether it is the fitted one."""
        return self.initialized and bool(self._price()[1])


class BookTracker(BookIndicator):
    """Measures what became of displayed sizes: traded, pulled, stacked, replenished.

    Each decrease of a level is traded as far as trades were printed at its price since the batch
    before, the rest was pulled; a size that comes back up to what had traded is replenished, what
    else is added is stacked. All since the start, base units, and inferred: the feed does not name
    orders. It wants trades too, by `handle_trade_tick`. See `BookIndicator` for the parameters.
    """

    OUTPUTS: ClassVar = {
        f"{side}_{what}": Output("base", mirror=f"{other}_{what}", scale=1)
        for side, other in (("bid", "ask"), ("ask", "bid"))
        for what in ("stacked", "pulled", "traded", "replenished")
    }

    def handle_trade_tick(self, tick: TradeTick) -> None:
        """Update the indicator with a trade."""
        self.update_trade(
            int(whole_microseconds(tick.ts_event)),
            tick.price.as_double(),
            tick.size.as_double(),
            SIDES[tick.aggressor_side],
        )

    def update_trade(self, ts: int, price: float, size: float, side: int) -> None:
        """Update with a trade in decimals, side +1, -1 or 0."""
        self.flow.trade(ts, round(price / self._tick), round(size / self._lot), side)

    def _total(self, what: str, side: int) -> float:
        lots = int(self.flow.state["tracker"][what][0, side])
        return self._when_ready(round(lots * self._lot, 12))

    @property
    def bid_stacked(self) -> float:
        """Added to bids."""
        return self._total("stacked", 0)

    @property
    def ask_stacked(self) -> float:
        """Added to asks."""
        return self._total("stacked", 1)

    @property
    def bid_pulled(self) -> float:
        """Canceled from bids."""
        return self._total("pulled", 0)

    @property
    def ask_pulled(self) -> float:
        """Canceled from asks."""
        return self._total("pulled", 1)

    @property
    def bid_traded(self) -> float:
        """Sold into bids."""
        return self._total("traded", 0)

    @property
    def ask_traded(self) -> float:
        """Bought from asks."""
        return self._total("traded", 1)

    @property
    def bid_replenished(self) -> float:
        """Come back to bids that had traded."""
        return self._total("replenished", 0)

    @property
    def ask_replenished(self) -> float:
        """Come back to asks that had traded."""
        return self._total("replenished", 1)

    def replenishment(self, side: int, price: float) -> float:
        """Return traded over displayed before the first trade at a bid (side 1) or an ask (-1)."""
        if side not in (1, -1):
            raise ValueError(f"`side` must be 1 or -1, was {side}")
        ticks = round(price / self._tick)
        return replenishment_at(self.flow.flows, 0 if side > 0 else 1, ticks)

    def consumed(self, side: int, seconds: float = 10.0) -> Consumed:
        """Return what trades consumed of bids (side 1) or asks (-1) in the last `seconds`, <= 10.

        A level is consumed where trades took more than half of it. Ticks and lots, up to the last
        batch of the book.
        """
        if side not in (1, -1):
            raise ValueError(f"`side` must be 1 or -1, was {side}")
        if not 0.0 < seconds <= 10.0:
            raise ValueError(f"`seconds` must be in (0, 10], was {seconds}")
        now = int(self.flow.state["book"]["ts"][0])
        return self.flow.consumed(0 if side > 0 else 1, now, round(seconds * 1e9))

    @property
    def resilience(self) -> float:
        """The share of lost depth that is back 3 s after a large trade; NaN before any."""
        return float(self.flow.state["resilience"]["recovery"][0])

    @property
    def half_life(self) -> float:
        """Seconds until half of the lost depth is back; NaN before any."""
        return float(self.flow.state["resilience"]["half_life"][0])
