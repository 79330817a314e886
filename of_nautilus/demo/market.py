"""A deterministic synthetic market: trades, a ten-level book, and the patterns planted in it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from of_nautilus.core.value_area import key_prices
from of_nautilus.demo import book
from of_nautilus.demo.plan import Plan
from of_nautilus.demo.plants import KINDS, Made, Planted, menu
from of_nautilus.demo.tape import MOST_SPECIAL, SECOND, lay_orders

Ints = NDArray[np.int64]
HOUR = 3_600 * SECOND
DELTA_CAP = 3000  # lots: the background's delta stays below, the planted ones above
DEPTH = 0.05  # mean lots of a queue, as a share of a bar's volume
QUIET_BARS = 45  # at the start, for what needs a history
GAP_BARS = 4  # between planted patterns at least


@dataclass(frozen=True)
class DemoConfig:
    """What the synthetic market contains.

    Parameters
    ----------
    seed : int
        The only source of chance, >= 0.
    sessions : int
        Sessions one after another, >= 1.
    session_hours : int
        Hours of a session: 24 or a divisor of it.
    bar_seconds : int
        Length of the bars that patterns are aligned with, a divisor of an hour, >= 60.
    start : str
        UTC day of the first session, as YYYY-MM-DD.
    price_ticks : int
        Price at the start in ticks of 0.1, > 10,000.
    bar_volume : int
        Usual lots (of 0.001) a bar, > 0. The thresholds of the demo hold for the default.
    order_size : int
        Usual lots of a market order, > 0: fewer lots mean more orders and trades.
    range_ticks : float
        Usual high-low of a bar in ticks, in [10, 60].
    planted, near_misses : int
        How many of each kind of pattern, and of its near misses, >= 0.
    power : float
        Multiplies the size of the planted patterns, > 0; 1 is found by the demo's thresholds.
    ofi_alpha : float
        Drift over the next minute, in standard deviations of a minute, for one standard deviation
        of the last minute's flow imbalance; 0 plants no relation.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    """

    seed: int = 1
    sessions: int = 4
    session_hours: int = 6
    bar_seconds: int = 60
    start: str = "2024-01-08"
    price_ticks: int = 600_000
    bar_volume: int = 10_000
    order_size: int = 140
    range_ticks: float = 26.0
    planted: int = 10
    near_misses: int = 4
    power: float = 1.0
    ofi_alpha: float = 0.0

    def __post_init__(self) -> None:
        def check(name: str, ok: bool, rule: str) -> None:
            if not ok:
                raise ValueError(f"`{name}` must be {rule}, was {getattr(self, name)!r}")

        check("seed", self.seed >= 0, ">= 0")
        check("sessions", self.sessions >= 1, ">= 1")
        check("session_hours", self.session_hours in (1, 2, 3, 4, 6, 8, 12, 24), "a divisor of 24")
        check(
            "bar_seconds",
            self.bar_seconds >= 60 and 3600 % self.bar_seconds == 0,
            "a divisor of 3600 and >= 60",
        )
        check("price_ticks", self.price_ticks > 10_000, "> 10000")
        check("bar_volume", self.bar_volume > 0, "> 0")
        check("order_size", self.order_size > 0, "> 0")
        check("range_ticks", 10 <= self.range_ticks <= 60, "in [10, 60]")
        check("planted", self.planted >= 0, ">= 0")
        check("near_misses", self.near_misses >= 0, ">= 0")
        check("power", self.power > 0, "> 0")
        check("ofi_alpha", abs(self.ofi_alpha) <= 1, "in [-1, 1]")
        _ = self.start_ns

    @property
    def start_ns(self) -> int:
        """The first ns of the first session."""
        try:
            day = datetime.strptime(self.start, "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError as error:
            raise ValueError(f"`start` must be YYYY-MM-DD, was {self.start!r}") from error
        return int(day.timestamp()) * SECOND

    @property
    def session_ns(self) -> int:
        """The length of a session."""
        return self.session_hours * HOUR

    @property
    def bars_per_session(self) -> int:
        """Bars of a session."""
        return self.session_hours * 3600 // self.bar_seconds


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

    `value_areas` holds (POC, VAL, VAH) in ticks of each session, 70% of its volume.
    """

    config: DemoConfig
    trades: Trades
    deltas: Deltas
    planted: tuple[Planted, ...]
    value_areas: tuple[tuple[int, int, int], ...]


class _Tape:
    """The order book and everything that came out of it so far."""

    def __init__(self, rng: np.random.Generator, start: int, span: int) -> None:
        self.rng = rng
        self.state = np.zeros(book.STATE_FIELDS, np.int64)
        self.state[book.BID], self.state[book.BASE] = start, start - span
        self.queue, self.full, self.shown = (np.zeros(2 * span, np.int64) for _ in range(3))
        self.trades = np.empty((1 << 15, 4), np.int64)
        self.deltas = np.empty((1 << 15, 7), np.int64)
        self.n_trades = self.n_deltas = 0

    def open(self, ts: int, mean: float) -> None:
        self.n_deltas = book.open_book(
            self.rng, ts, self.state, self.queue, self.full, self.shown, mean, self.deltas
        )

    def run(self, orders: Ints, mean: float) -> None:
        at = 0
        while at < len(orders):
            at, self.n_trades, self.n_deltas = book.match(
                self.rng, orders, at, self.state, self.queue, self.full, self.shown, mean,
                self.trades, self.n_trades, self.deltas, self.n_deltas,
            )  # fmt: skip
            if at < len(orders):
                self.trades = _grown(self.trades, self.n_trades)
                self.deltas = _grown(self.deltas, self.n_deltas)


def _grown(table: Ints, used: int) -> Ints:
    if used < len(table) // 2:
        return table
    out = np.empty((2 * len(table), table.shape[1]), np.int64)
    out[:used] = table[:used]
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
        config.bar_volume,
        config.range_ticks,
        DELTA_CAP * config.bar_volume // 10_000,
        config.planted + config.near_misses > 0,
        config.ofi_alpha,
    )
    span = min(config.price_ticks - 1, round(200 * config.range_ticks * config.sessions**0.5) + 500)
    tape = _Tape(rng, config.price_ticks, span)
    depth = DEPTH * config.bar_volume
    tape.open(config.start_ns, depth)
    todo = menu(rng, config.planted, config.near_misses)
    planted: list[Planted] = []
    areas: list[tuple[int, int, int]] = []
    for session in range(config.sessions):
        first_bar, before = plan.j, tape.n_trades
        start_tick = plan.at
        plan.open_session(session)
        share = len(todo) // (config.sessions - session)
        planted += _plan_session(plan, session, [todo.pop() for _ in range(share)], config)
        orders = _orders(plan, first_bar, start_tick, config)
        tape.run(orders, depth)
        areas.append(_value_area(tape.trades[before : tape.n_trades], config))
        if progress:
            progress((session + 1) / config.sessions)
    ids = np.arange(1, tape.n_trades + 1, dtype=np.int64)
    ts, price, size, aggressor = tape.trades[: tape.n_trades].T.copy()
    trades = Trades(ts, price, size, aggressor, ids)
    deltas = Deltas(*tape.deltas[: tape.n_deltas].T.copy())
    return DemoMarket(config, trades, deltas, tuple(planted), tuple(areas))


def _orders(plan: Plan, first: int, start: int, config: DemoConfig) -> Ints:
    bars = slice(first, plan.j)
    volume = plan.volume[bars]
    typical = config.order_size / 1.9
    room = int(volume.sum() / config.order_size * 1.2) + len(volume) * (MOST_SPECIAL + 100)
    out = np.empty((room, 5), np.int64)
    length = config.bar_seconds * SECOND
    kind, side, size, count = (np.ascontiguousarray(c) for c in plan.special[bars].T)
    n = lay_orders(
        plan.rng, config.start_ns + first * length, length, start, plan.knots[bars],
        plan.tilt[bars], volume, plan.delta[bars], kind, side, size, count, typical,
        0.6 * DEPTH * config.bar_volume, 10.0, out,
    )  # fmt: skip
    return out[:n]


def _value_area(trades: Ints, config: DemoConfig) -> tuple[int, int, int]:
    rows = trades[:, book.TRADE_PRICE] // ROW_TICKS
    low = int(rows.min())
    profile = np.bincount(rows - low, trades[:, book.TRADE_SIZE]).astype(np.int64)
    return key_prices(profile, low, ROW_TICKS)


ROW_TICKS = 10


def _plan_session(
    plan: Plan, session: int, todo: list[tuple[str, int, int]], config: DemoConfig
) -> list[Planted]:
    """Plan one session: its patterns spread evenly over the bars, background between them."""
    out: list[Planted] = []
    if session == 0:
        plan.background(min(QUIET_BARS, plan.left // 4))
    while todo:
        kind, side, miss = todo.pop()
        need = sum(KINDS[k][1] + GAP_BARS for k, _, _ in todo) + KINDS[kind][1]
        spare = plan.left - need
        if spare < GAP_BARS:
            continue
        wait = GAP_BARS + int(
            plan.rng.integers(0, 1 + 2 * max(0, spare - GAP_BARS) // (len(todo) + 2))
        )
        plan.background(min(wait, spare))
        made = _plant(plan, session, kind, side, miss, config)
        if made:
            out.append(made)
    plan.background(plan.left)
    return out


def _plant(
    plan: Plan, session: int, kind: str, side: int, miss: int, config: DemoConfig
) -> Planted | None:
    """Plant one pattern where it makes no other by accident, a few bars later if need be."""
    make, bars = KINDS[kind]
    for _ in range(30):
        if plan.left < bars:
            return None
        j = plan.j
        made: Made = make(plan, side, config.power, miss)
        allowed = (kind,) if miss < 0 else ()
        if plan.clear(j, allowed):
            length = config.bar_seconds * SECOND
            start = config.start_ns + j * length
            end = config.start_ns + plan.j * length - 1
            return Planted(kind, side, start, end, made.price, session, miss >= 0, made.strength)
        plan.undo(j)
        plan.background(1)
    return None
