"""The trade manager against a venue that is late, refuses, fills in parts, and loses things.

Orders, cancels and acceptances get lost; only when it is asked does the venue tell.
"""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import pytest

from of_nautilus.decision.gate import SECOND, GateConfig
from of_nautilus.decision.orders import (
    Accepted,
    CancelOrder,
    CancelRefused,
    ExitMarket,
    Filled,
    Gone,
    PlaceStop,
    PlaceTarget,
    QueryOrder,
    Refused,
    Report,
    Role,
    SubmitEntry,
)
from of_nautilus.decision.records import Bar, Output, Seen, TradeClosed
from of_nautilus.decision.risk import RiskConfig
from of_nautilus.decision.settings import TradeConfig
from of_nautilus.decision.state import LifecycleConfig
from of_nautilus.decision.stepper import MAX_EXIT_REFUSALS
from of_nautilus.decision.trader import TradeManager
from tests.test_decision_trader import DAY, MIN, START, profile

ROLES = {
    SubmitEntry: Role.ENTRY,
    PlaceStop: Role.STOP,
    PlaceTarget: Role.TARGET,
    ExitMarket: Role.EXIT,
}


@dataclass
class Resting:
    """An order as the venue has it."""

    key: int
    role: Role
    side: int
    qty: int
    price: int | None


class RoughVenue:
    """Answers commands some steps later, and not always kindly; knows its own position."""

    def __init__(self, rng: random.Random, manager: TradeManager) -> None:
        self.rng = rng
        self.manager = manager
        self.kind = True
        self.ts = START
        self.position = 0
        self.cash = 0
        self.fills = 0
        self.inbox: list[Output] = []
        self.book: dict[int, Resting] = {}
        self.log: list[Output] = []
        self.lost: Counter[str] = Counter()

    def take(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            self.log.append(output)
            if isinstance(output, (*ROLES, CancelOrder, QueryOrder)):
                self.inbox.append(output)

    def tell(self, report: Report) -> None:
        self.take(self.manager.on_report(report))
        if not self.kind and self.rng.random() < 0.1:
            self.take(self.manager.on_report(report))  # told twice

    def unlucky(self, chance: float) -> bool:
        return not self.kind and self.rng.random() < chance

    def work(self, low: int, high: int, last: int) -> None:
        """Answer some of what came in, and match what rests."""
        inbox, self.inbox = self.inbox, []
        for command in inbox:
            if self.unlucky(0.3):
                self.inbox.append(command)  # later
            elif isinstance(command, QueryOrder):
                self.tell_of(command.key)
            elif self.unlucky(0.05):
                self.lost[type(command).__name__] += 1
            elif isinstance(command, CancelOrder):
                self.cancel(command.key)
            else:
                self.open(command, last)
        for order in list(self.book.values()):
            if order.key in self.book and order.price is not None and low <= order.price <= high:
                self.match(order, order.price)

    def tell_of(self, key: int) -> None:
        """Answer what became of an order, once it could have come in."""
        if any(getattr(command, "key", None) == key for command in self.inbox):
            return
        if key in self.book:
            self.tell(Accepted(key, self.ts))
        else:
            self.tell(Refused(key, self.ts, "unknown"))

    def cancel(self, key: int) -> None:
        if key not in self.book:
            # It may not have come in yet, or be gone: both are refused.
            self.tell(CancelRefused(key, self.ts))
        elif self.unlucky(0.2):
            self.tell(CancelRefused(key, self.ts))
        else:
            del self.book[key]
            self.tell(Gone(key, self.ts, "canceled"))

    def open(self, command: Output, last: int) -> None:
        assert isinstance(command, SubmitEntry | PlaceStop | PlaceTarget | ExitMarket)
        role = ROLES[type(command)]
        price = None if isinstance(command, ExitMarket) else command.price
        order = Resting(command.key, role, command.side, command.qty, price)
        reduces = role is Role.ENTRY or order.side * self.position < 0
        if not reduces or self.unlucky(0.08):
            self.tell(Refused(order.key, self.ts, "refused"))
            return
        self.book[order.key] = order
        if self.unlucky(0.05):
            self.lost["Accepted"] += 1
        elif price is not None or self.rng.random() < 0.5:
            self.tell(Accepted(order.key, self.ts))
        if price is None and order.key in self.book:
            self.match(order, last)

    def match(self, order: Resting, price: int) -> None:
        qty = order.qty
        if order.role is not Role.ENTRY:
            qty = min(qty, max(0, -order.side * self.position))
        if qty > 1 and self.unlucky(0.4):
            qty = self.rng.randint(1, qty)
        if qty == 0:
            del self.book[order.key]
            self.tell(Gone(order.key, self.ts, "reduce only"))
            return
        self.fills += 1
        order.qty -= qty
        self.position += order.side * qty
        self.cash -= order.side * qty * price
        ended = order.price is None and order.qty > 0
        if order.qty == 0 or ended:
            del self.book[order.key]
        self.tell(Filled(order.key, order.role, order.side, f"F{self.fills}", qty, price, self.ts))
        if ended:
            self.tell(Gone(order.key, self.ts, "no more liquidity"))


def live(seed: int, bars: int = 600) -> RoughVenue:
    rng = random.Random(seed)
    config = TradeConfig(
        risk=RiskConfig(sizing="fixed", fixed_qty=9),
        gate=GateConfig(
            cooldown_ns=0,
            max_daily_loss=None,
            max_losses=None,
            max_entries_per_level=None,
            block_after_stop_ns=0,
        ),
        lifecycle=LifecycleConfig(
            trail_after_r=1.0, query_after_ns=100 * SECOND, ack_timeout_ns=200 * SECOND
        ),
        entry=rng.choice(["market", "limit"]),
        limit_offset_ticks=2,
    )
    manager = TradeManager(config)
    manager.equity = Decimal(10**6)
    venue = RoughVenue(rng, manager)
    venue.kind = False
    venue.take(manager.on_session(START, START + 10 * DAY, profile(9_980, 10_020, 10_000, START)))
    price = 10_000
    for n in range(bars):
        path = [price]
        for _ in range(6):
            path.append(min(max(path[-1] + rng.randint(-4, 4), 9_940), 10_060))
        price, low, high = path[-1], min(path), max(path)
        venue.ts += MIN
        venue.work(low, high, price)
        bar = Bar(venue.ts - MIN, venue.ts, low, high, price, 8.0, 0.0)
        names = ["absorption", "absorption", "initiative", "exhaustion"]
        seen = [
            Seen(venue.ts, rng.choice(names), side, price, rng.uniform(50, 100), low, high, price)
            for side in (1, -1)
        ]
        if n % 40 == 0:
            # Levels here are not what is tested: new ones keep the trades coming.
            edge = price + rng.randint(-5, 5)
            fresh = profile(edge, edge + 40, edge + 20, venue.ts - 1 - n)
            venue.take(manager.on_session(venue.ts, venue.ts + 10 * DAY, fresh))
        venue.take(manager.on_bar(bar, seen))
        check(venue)
    return venue


def check(venue: RoughVenue) -> None:
    """Both agree on the position, and it is never left without something that ends it."""
    orders = venue.manager.state.orders
    assert orders.position == venue.position
    if venue.position:
        side = -1 if venue.position > 0 else 1
        ending = [
            o
            for o in orders.working
            if o.side == side and o.role in (Role.STOP, Role.EXIT) and not o.leaving
        ]
        assert ending or orders.exit_refusals >= MAX_EXIT_REFUSALS


@pytest.mark.parametrize("seed", range(12))
def test_rough_venue(seed: int) -> None:
    venue = live(seed)
    trades = [output for output in venue.log if isinstance(output, TradeClosed)]
    assert len(trades) >= 3
    assert venue.lost.total() >= 5
    # Calm weather: what is open is closed, and everything comes to rest.
    venue.kind = True
    venue.take(venue.manager.close(venue.ts))
    for _ in range(40):
        venue.ts += MIN
        venue.work(10_000, 10_000, 10_000)
        venue.take(venue.manager.on_time(venue.ts, 10_000))
    assert venue.position == 0
    assert venue.manager.state.orders.idle
    assert not venue.book
    trades = [output for output in venue.log if isinstance(output, TradeClosed)]
    assert sum(trade.pnl for trade in trades) == venue.cash
    for trade in trades:
        assert trade.closed.bought_qty == trade.closed.sold_qty
