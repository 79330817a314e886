"""A deterministic synthetic market: trades, a ten-level book, and the patterns planted in it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from of_nautilus.core.value_area import key_prices
from of_nautilus.demo import book
from of_nautilus.demo.episodes import LENGTH, SCRIPTS, USUAL_LENGTH, Script
from of_nautilus.demo.plan import BAND, Plan
from of_nautilus.demo.plants import KINDS, Made, Planted, menu
from of_nautilus.demo.tape import MOST_SPECIAL, SECOND, lay_orders

Ints = NDArray[np.int64]
HOUR = 3_600 * SECOND
DELTA_CAP = 3000  # lots: the background's delta stays below, the planted ones above
DEPTH = 0.05  # mean lots of a queue, as a share of a bar's volume
ROW_TICKS = 10  # of the profile whose value area the scripts use
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
    episodes : bool
        Whether sessions after the first hold scripted trades at the last value area's edges.
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
    episodes: bool = True
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
        orders = bars * (2 * config.bar_volume // config.order_size + 100)
        self.rng, self.mean = rng, DEPTH * config.bar_volume
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
        config.bar_volume,
        config.range_ticks,
        DELTA_CAP * config.bar_volume // 10_000,
        config.planted + config.near_misses > 0 or config.episodes,
        config.ofi_alpha,
    )
    tape = _Tape(rng, config)
    todo = menu(rng, config.planted, config.near_misses)
    rooms = [_room(session, config) for session in range(config.sessions)]
    planted: list[Planted] = []
    areas: list[tuple[int, int, int]] = []
    for session in range(config.sessions):
        first_bar, start_tick = plan.j, plan.at
        share = round(len(todo) * rooms[session] / max(1, sum(rooms[session:])))
        part, todo = todo[:share], todo[share:]
        played = _Session(plan, session, areas, config)
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
    length = config.bar_seconds * SECOND
    kind, side, size, count = (np.ascontiguousarray(c) for c in plan.special[bars].T)
    n = lay_orders(
        plan.rng, config.start_ns + first * length, length, start, plan.knots[bars],
        plan.tilt[bars], volume, plan.delta[bars], kind, side, size, count, typical,
        0.6 * DEPTH * config.bar_volume, 10.0, plan.guard, out,
    )  # fmt: skip
    return out[:n]


def _value_area(trades: Ints) -> tuple[int, int, int]:
    rows = trades[book.TRADE_PRICE] // ROW_TICKS
    low = int(rows.min())
    # Float sums of whole lots are exact far beyond any session's volume.
    profile = np.bincount(rows - low, trades[book.TRADE_SIZE]).astype(np.int64)
    return key_prices(profile, low, ROW_TICKS)


def _script(session: int, config: DemoConfig) -> tuple[tuple[str, int, int], ...]:
    return SCRIPTS[(session - 1) % len(SCRIPTS)] if session and config.episodes else ()


def _room(session: int, config: DemoConfig) -> int:
    """Bars of a session that its script leaves to other patterns."""
    taken = sum(LENGTH.get(name, USUAL_LENGTH) for name, _, _ in _script(session, config))
    return max(0, config.bars_per_session - (taken if session else QUIET_BARS))


class _Session:
    """Plans one session: scripted trades, and the other patterns spread over the bars between."""

    def __init__(
        self, plan: Plan, session: int, areas: list[tuple[int, int, int]], config: DemoConfig
    ) -> None:
        self.plan, self.session, self.config = plan, session, config
        self.planted: list[Planted] = []
        self.episode = ""
        # Absorptions outside the script keep away from the levels that a strategy may trade.
        self.levels = [price for area in areas for price in area]
        plan.open_session(session)
        self.left_over: list[tuple[str, int, int]] = []
        if areas:
            _, self.val, self.vah = areas[-1]
        self.center()

    def play(self, todo: list[tuple[str, int, int]]) -> None:
        """Plan all bars of the session; what there is no room for goes to `left_over`."""
        plan, script = self.plan, _script(self.session, self.config)
        if self.session == 0:
            plan.background(min(QUIET_BARS, plan.left // 4))
        for k, (name, side, method) in enumerate(script):
            parts = len(script) + 1 - k
            needed = sum(LENGTH.get(n, USUAL_LENGTH) for n, _, _ in script[k:])
            if plan.left < needed:
                break
            # Nothing comes after a trade that the session's end closes.
            last = name == "session_end"
            if last:  # near its level when its time comes
                level = self.val if side > 0 else self.vah
                plan.center = level + round(side * 4 * self.config.range_ticks)
                plan.band = round(1.5 * self.config.range_ticks)
            self.scatter(
                todo if last else todo[::parts], (plan.left - needed) // (1 if last else parts)
            )
            del todo[:: 1 if last else parts]
            self.episode = name
            player = Script(plan, self.val, self.vah, self.config.power, self.record)
            getattr(player, name)(side, method)
            self.episode = ""
            self.center()
        again, self.left_over = self.left_over, []
        self.scatter(todo + again, plan.left)

    def center(self) -> None:
        """Let price wander around the last value area again."""
        if self.levels:
            self.plan.center = (self.val + self.vah) // 2
        self.plan.band = round(BAND * self.config.range_ticks)

    def scatter(self, todo: list[tuple[str, int, int]], bars: int) -> None:
        """Plant patterns over the next bars, at random distances."""
        plan, end = self.plan, self.plan.j + bars
        todo = list(todo)
        while todo:
            kind, side, miss = todo.pop()
            need = sum(KINDS[k][1] + GAP_BARS + 1 for k, _, _ in todo) + KINDS[kind][1]
            spare = end - plan.j - need
            if spare < GAP_BARS:
                self.left_over.append((kind, side, miss))
                continue
            extra = 2 * max(0, spare - GAP_BARS) // (len(todo) + 2)
            plan.background(min(GAP_BARS + int(plan.rng.integers(0, 1 + extra)), spare))
            if not self.plant(kind, side, miss):
                self.left_over.append((kind, side, miss))
        plan.background(end - plan.j)

    def plant(self, kind: str, side: int, miss: int) -> bool:
        """Plant one pattern where it makes no other by accident, a few bars later if need be."""
        make, bars = KINDS[kind]
        plan = self.plan
        near = 2 * self.config.range_ticks
        for _ in range(30):
            if plan.left < bars:
                break
            at_level = any(abs(plan.at - level) < near for level in self.levels)
            if not (at_level and kind.startswith("absorption")):
                j = plan.j
                made = make(plan, side, self.config.power, miss)
                if plan.clear(j, (kind,) if miss < 0 else ()):
                    self.note(kind, side, miss >= 0, j, made)
                    return True
                plan.undo(j)
            plan.background(1)
        return False

    def record(self, kind: str, side: int, make: Callable[[], Made]) -> None:
        """Make a pattern of a scripted trade and note it."""
        if self.plan.left >= KINDS[kind][1]:
            j = self.plan.j
            self.note(kind, side, False, j, make())

    def note(self, kind: str, side: int, near_miss: bool, first_bar: int, made: Made) -> None:
        """Remember a pattern that ends with the bar planned last."""
        length = self.config.bar_seconds * SECOND
        self.planted.append(
            Planted(
                kind,
                side,
                self.config.start_ns + first_bar * length,
                self.config.start_ns + self.plan.j * length - 1,
                made.price,
                self.session,
                near_miss,
                self.episode,
                made.strength,
            )
        )
