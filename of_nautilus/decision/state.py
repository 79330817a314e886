"""What a trade's state is made of: the plan, the orders, the phase, and the events that move it.

All of it is immutable and can be written to JSON and read back.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal
from functools import cache
from operator import attrgetter
from typing import Any

import msgspec

from of_nautilus.decision.orders import Mark, Report, Role, Status, WorkingOrder
from of_nautilus.decision.table import IN_TRADE, Kind, Phase


class LifecycleConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a trade is managed.

    `robust`: a stop goes to break-even only if the open profit is at least `max(r1, cost)` of the
    plan, and then to the entry plus the cost. Otherwise one tick of profit is enough and the stop
    goes to the entry plus `be_buffer_ticks`. `trail_after_r`: open profit, in multiples of the
    first risk, that starts trailing after break-even (None: only another initiative does).
    `query_after_ns`: how long an order may stay unanswered before the venue is asked what became of
    it. `ack_timeout_ns`: how long before it counts as lost: an entry is canceled, for a stop the
    position is closed, a target is watched here, an exit or a cancel is sent again.
    `settle_ns`: how long nothing is entered after a change of the position from outside. What a
    node believes of it may be wrong until it has asked the venue again.
    """

    robust: bool = True
    be_buffer_ticks: int = 0
    trail_after_r: float | None = None
    query_after_ns: int = 3_000_000_000
    ack_timeout_ns: int = 10_000_000_000
    settle_ns: int = 15_000_000_000

    def __post_init__(self) -> None:
        if self.be_buffer_ticks < 0:
            raise ValueError(f"`be_buffer_ticks` must be >= 0, was {self.be_buffer_ticks}")
        if self.trail_after_r is not None and self.trail_after_r <= 0.0:
            raise ValueError(f"`trail_after_r` must be > 0 or None, was {self.trail_after_r}")
        for name in ("query_after_ns", "ack_timeout_ns"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be >= 1, was {getattr(self, name)}")
        if self.settle_ns < 0:
            raise ValueError(f"`settle_ns` must be >= 0, was {self.settle_ns}")


@dataclass(frozen=True, slots=True)
class Plan:
    """An entry that has passed every check.

    `entry`: the price it was planned at; `limit`: whether it is sent as a limit order there, or at
    market. `target` None: no target. `r1` and `cost` in ticks at the time of the plan.
    `expires_ns`: when an entry that has not filled is canceled. `adopted`: made of what was found
    at the venue, where nothing tells the first stop.
    """

    side: int
    qty: int
    entry: int
    stop: int
    target: int | None = None
    limit: bool = False
    expires_ns: int | None = None
    r1: float = 0.0
    cost: int = 0
    level: str = ""
    score: float = 0.0
    adopted: bool = False

    def __post_init__(self) -> None:
        if self.side not in (1, -1):
            raise ValueError(f"`side` must be +1 or -1, was {self.side}")
        if self.qty < 1:
            raise ValueError(f"`qty` must be >= 1, was {self.qty}")
        if self.side * (self.entry - self.stop) < 1:
            raise ValueError(f"`stop` must lie behind `entry` ({self.entry}), was {self.stop}")
        if self.target is not None and self.side * (self.target - self.entry) < 1:
            raise ValueError(f"`target` must lie beyond `entry` ({self.entry}), was {self.target}")


@dataclass(frozen=True, slots=True)
class Event:
    """One of the table's 15 events.

    `price`: the last price (INIT_SAME; the fill of ENTRY_FILLED, SL_HIT, TP_HIT where these come
    without an order's report); `low`, `high`: the bar of INIT_SAME; `plan`: of ABSORPTION_OK;
    `level`: of LEVEL_APPROACH; `reason`: for the journal.
    """

    kind: Kind
    ts: int
    price: int = 0
    low: int = 0
    high: int = 0
    plan: Plan | None = None
    level: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Orders:
    """What is known of the venue: open orders, and the exact sums of this trade's fills.

    `foreign`: a position, signed lots, that is not ours; while there is one, nothing is entered.
    `outside_ns`: when the position was last changed by somebody else.
    """

    working: tuple[WorkingOrder, ...] = ()
    next_key: int = 1
    entry_key: int = 0
    bought_qty: int = 0
    bought_sum: int = 0
    sold_qty: int = 0
    sold_sum: int = 0
    fees: Decimal = Decimal(0)
    opened_ns: int = 0
    seen: tuple[str, ...] = ()
    exit_refusals: int = 0
    foreign: int = 0
    outside_ns: int | None = None

    @property
    def position(self) -> int:
        """The open position, signed lots."""
        return self.bought_qty - self.sold_qty

    @property
    def idle(self) -> bool:
        """Whether there is neither a position nor an order that may still fill."""
        return not self.working and self.position == 0 and self.foreign == 0


@dataclass(frozen=True, slots=True)
class State:
    """A trade: its phase, its plan, where its stop belongs, and its orders.

    `marked_ns`: the time of the last mark; one that finds all at rest need not be told.
    """

    phase: Phase = Phase.NONE
    plan: Plan | None = None
    stop: int = 0
    level: str = ""
    closing: str = ""
    target_lost: bool = False
    last_init_ns: int = -1
    held_moves: int = 0
    marked_ns: int = 0
    was: Phase = Phase.NONE
    orders: Orders = field(default_factory=Orders)

    @property
    def in_trade(self) -> bool:
        """Whether a trade is being managed."""
        return self.phase in IN_TRADE

    @property
    def done(self) -> bool:
        """Whether the trade is over and flat: a RESET may follow."""
        return self.phase is Phase.CLOSED and self.orders.position == 0

    @property
    def protected(self) -> bool:
        """Whether the position is flat, or accepted stops of its size rest at the venue."""
        position = self.orders.position
        resting = sum(
            order.leaves
            for order in self.orders.working
            if order.role is Role.STOP
            and order.side * position < 0
            and order.status is not Status.PENDING
        )
        return resting >= abs(position)

    def entry_ticks(self) -> float:
        """The average entry price in ticks, NaN before the first fill."""
        if self.plan is None:
            return math.nan
        orders = self.orders
        long = self.plan.side > 0
        qty, total = (
            (orders.bought_qty, orders.bought_sum) if long else (orders.sold_qty, orders.sold_sum)
        )
        return total / qty if qty else math.nan

    def open_pnl(self, price: int) -> int:
        """The profit so far at a price, realized and open, before fees, in ticks times lots."""
        orders = self.orders
        return orders.sold_sum - orders.bought_sum + orders.position * price

    def to_dict(self) -> dict[str, Any]:
        """Return the state as plain values that JSON can hold."""
        plain = asdict(self)
        plain["orders"]["fees"] = str(self.orders.fees)
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "State":
        """Rebuild a state from `to_dict`; raises `ValueError` naming a field that is not known."""
        _check_fields(cls, plain)
        _check_fields(Orders, plain["orders"])
        working = tuple(
            WorkingOrder(
                **(order | {"role": Role(order["role"]), "status": Status(order["status"])})
            )
            for order in plain["orders"]["working"]
        )
        orders = plain["orders"] | {
            "working": working,
            "fees": Decimal(plain["orders"]["fees"]),
            "seen": tuple(plain["orders"]["seen"]),
        }
        return cls(
            **(
                plain
                | {
                    "phase": Phase(plain["phase"]),
                    "was": Phase(plain["was"]),
                    "plan": Plan(**plain["plan"]) if plain["plan"] else None,
                    "orders": Orders(**orders),
                }
            )
        )


def changed[T](one: T, **changes: Any) -> T:
    """Return a record with some of its fields changed: `dataclasses.replace` at half the cost.

    A step is made of these, and an open trade takes one every second.
    """
    kind: Any = type(one)
    values_of, places = _shape(kind)
    values = list(values_of(one))
    for name, value in changes.items():
        values[places[name]] = value
    made: T = kind(*values)
    return made


@cache
def _shape(kind: Any) -> tuple[Callable[[Any], tuple[Any, ...]], dict[str, int]]:
    names = [known.name for known in fields(kind)]
    return attrgetter(*names), {name: place for place, name in enumerate(names)}


def _check_fields(cls: type, plain: dict[str, Any]) -> None:
    unknown = set(plain) - {f.name for f in fields(cls)}
    if unknown:
        raise ValueError(f"`{min(unknown)}` is not a field of {cls.__name__}")


def event_rank(event: Event | Report) -> int:
    """Return an event's place among events of one time; sort by `(event.ts, event_rank(event))`.

    First what the venue did (stop and target touches), then FORCE_CLOSE, exit warnings, strong
    before weak, initiatives, absorptions, and last the rest.
    """
    if not isinstance(event, Event):
        return 7 if isinstance(event, Mark) else 0
    order = {
        Kind.FORCE_CLOSE: 1,
        Kind.EXIT_WARN_STRONG: 2,
        Kind.EXIT_WARN_WEAK: 3,
        Kind.INIT_SAME: 4,
        Kind.INIT_OPP: 4,
        Kind.ABSORPTION_OK: 5,
        Kind.ABSORPTION_LOW: 5,
        Kind.SWEEP: 6,
        Kind.LEVEL_APPROACH: 6,
        Kind.LEVEL_LEFT: 6,
    }
    return order.get(event.kind, 0)
