"""A deterministic synthetic market: trades, a ten-level book, and the patterns planted in it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from of_nautilus.core.value_area import key_prices
from of_nautilus.demo import book
from of_nautilus.demo.config import DemoConfig
from of_nautilus.demo.plan import Plan
from of_nautilus.demo.plants import DEMO_THRESHOLDS, Planted, menu
from of_nautilus.demo.session import SessionPlan, room_of
from of_nautilus.demo.tape import MOST_SPECIAL, lay_orders

Ints = NDArray[np.int64]
BAR_VOLUME = 10_000  # usual lots a bar
DELTA_CAP = 3000  # lots: the background's delta stays below, the planted ones above
DEPTH = 0.05  # mean lots of a queue, as a share of a bar's volume
QUOTES = 10.0  # mean quote changes a bar
ROW_TICKS = int(DEMO_THRESHOLDS["ticks_per_row"])


@dataclass(frozen=True)
class Trades:
    """Columns of the trades: ns, ticks, lots, aggressor (+1 buyer, -1 seller), numeric id."""

    ts: Ints
    price: Ints
    size: Ints
    side: Ints
    trade_id: Ints

    def __len__(self) -> int:
        return len(self.ts)


@dataclass(frozen=True)
class Deltas:
    """Columns of the book changes; rows of one `sequence` are one message, `last` ends it.

    `action` is 1 add, 2 update, 3 delete, 4 clear; `side` +1 bid, -1 ask, 0 for a clear.
    """

    ts: Ints
    action: Ints
    side: Ints
    price: Ints
    size: Ints
    sequence: Ints
    last: Ints

    def __len__(self) -> int:
        return len(self.ts)


@dataclass(frozen=True)
class DemoMarket:
    """A generated market.

    `value_areas` holds (POC, VAL, VAH) in ticks of each session, 70% of its volume in rows of ten
    ticks. `lead` holds, at each bar's close, the ticks that the planted relation adds to the next
    bar: what the best possible model would know; zeros where none is planted.
    """

    config: DemoConfig
    trades: Trades
    deltas: Deltas
    planted: tuple[Planted, ...]
    value_areas: tuple[tuple[int, int, int], ...]
    lead: NDArray[np.float64]


class _Tape:
    """The order book and everything that came out of it so far.

    The lists are made large at once: memory that is never touched costs nothing.
    """

    def __init__(self, rng: np.random.Generator, config: DemoConfig) -> None:
        start, bars = config.price_ticks, config.sessions * config.bars_per_session
        reach = round(200 * config.range_ticks * config.sessions**0.5) + 500
        span = min(start - 1, reach)
        orders = bars * (2 * BAR_VOLUME // config.order_size + 100)
        self.rng, self.mean = rng, DEPTH * BAR_VOLUME
        self.state = np.zeros(book.STATE_FIELDS, np.int64)
        self.state[book.BID], self.state[book.BASE] = start, start - span
        self.queue, self.full, self.shown = (np.zeros(2 * span, np.int64) for _ in range(3))
        self.trades = np.empty((4, 2 * orders), np.int64)
        self.deltas = np.empty((7, 4 * orders), np.int64)
        self.n_trades = 0
        self.n_deltas = book.open_book(
            rng, config.start_ns, self.state, self.queue, self.full, self.shown, self.mean,
            self.deltas,
        )  # fmt: skip

    def run(self, orders: Ints) -> Ints:
        """Match orders; return the trades they made."""
        at, first = 0, self.n_trades
        while at < len(orders):
            at, self.n_trades, self.n_deltas = book.match(
                self.rng, orders, at, self.state, self.queue, self.full, self.shown, self.mean,
                self.trades, self.n_trades, self.deltas, self.n_deltas,
            )  # fmt: skip
            if at < len(orders):
                self.trades = _wider(self.trades, self.n_trades)
                self.deltas = _wider(self.deltas, self.n_deltas)
        return self.trades[:, first : self.n_trades]


def _wider(table: Ints, used: int) -> Ints:
    out = np.empty((len(table), 2 * table.shape[1]), np.int64)
    out[:, :used] = table[:, :used]
    return out


def generate(
    config: DemoConfig | None = None, progress: Callable[[float], None] | None = None
) -> DemoMarket:
    """Generate a market: the same config gives the same market, byte for byte.

    Parameters
    ----------
    config : DemoConfig, optional
        What it contains; the defaults if not given.
    progress : callable, optional
        Called with the share that is done, after each session.

    """
    config = config or DemoConfig()
    rng = np.random.Generator(np.random.PCG64(config.seed))
    per_session = config.bars_per_session
    plan = Plan(
        rng,
        config.sessions * per_session,
        per_session,
        config.price_ticks,
        BAR_VOLUME,
        config.range_ticks,
        DELTA_CAP,
        config.planted + config.near_misses > 0 or config.episodes,
        config.ofi_alpha,
    )
    tape = _Tape(rng, config)
    todo = menu(rng, config.planted, config.near_misses)
    rooms = [room_of(session, config) for session in range(config.sessions)]
    planted: list[Planted] = []
    areas: list[tuple[int, int, int]] = []
    for session in range(config.sessions):
        first_bar, start_tick = plan.j, plan.at
        share = round(len(todo) * rooms[session] / max(1, sum(rooms[session:])))
        part, todo = todo[:share], todo[share:]
        played = SessionPlan(plan, session, areas, config)
        played.play(part)
        planted += played.planted
        todo += played.left_over
        made = tape.run(_orders(plan, first_bar, start_tick, config))
        areas.append(_value_area(made))
        if progress:
            progress((session + 1) / config.sessions)
    ids = np.arange(1, tape.n_trades + 1, dtype=np.int64)
    ts, price, size, aggressor = tape.trades[:, : tape.n_trades]
    trades = Trades(ts, price, size, aggressor, ids)
    deltas = Deltas(*tape.deltas[:, : tape.n_deltas])
    return DemoMarket(config, trades, deltas, tuple(planted), tuple(areas), plan.lead)


def _orders(plan: Plan, first: int, start: int, config: DemoConfig) -> Ints:
    bars = slice(first, plan.j)
    volume = plan.volume[bars]
    typical = config.order_size / 1.9
    room = int(volume.sum() / config.order_size * 1.2) + len(volume) * (MOST_SPECIAL + 100)
    out = np.empty((room, 5), np.int64)
    length = config.bar_ns
    kind, side, size, count = (np.ascontiguousarray(c) for c in plan.special[bars].T)
    n = lay_orders(
        plan.rng, config.start_ns + first * length, length, start, plan.knots[bars],
        plan.tilt[bars], volume, plan.delta[bars], kind, side, size, count, typical,
        0.6 * DEPTH * BAR_VOLUME, QUOTES, plan.guard, out,
    )  # fmt: skip
    return out[:n]


def _value_area(trades: Ints) -> tuple[int, int, int]:
    rows = trades[book.TRADE_PRICE] // ROW_TICKS
    low = int(rows.min())
    # Float sums of whole lots are exact far beyond any session's volume.
    profile = np.bincount(rows - low, trades[book.TRADE_SIZE]).astype(np.int64)
    return key_prices(profile, low, ROW_TICKS)
