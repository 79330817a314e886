"""A trade's life as a pure function: `step(state, event) -> (state, commands)`.

The transition table says which phase follows; this module adds what a live trade needs around it:
partial fills, refusals, fills after a cancel, stops that can only be replaced, exits in flight,
positions changed from outside. Nothing here assumes that the reports of a command arrive inside the
call that sends it, and a repeated report changes nothing.

After every event the machine compares what it wants at the venue with what it knows to be there,
and asks for the difference: in a trade, one stop of the position's size at `state.stop`, then the
target; once the trade is over, an exit for what is left, and nothing else.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from decimal import Decimal
from typing import Any

import msgspec

from of_nautilus.decision.orders import (
    Accepted,
    CancelOrder,
    CancelRefused,
    Closed,
    Command,
    ExitMarket,
    Filled,
    Gone,
    Mark,
    Moved,
    Note,
    PlaceStop,
    PlaceTarget,
    PositionReport,
    Refused,
    Report,
    Resized,
    Role,
    Status,
    SubmitEntry,
    WorkingOrder,
)
from of_nautilus.decision.table import IN_TRADE, IllegalTransition, Kind, Phase, transition

MAX_EXIT_REFUSALS = 3
SEEN_FILLS = 512


class LifecycleConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a trade is managed.

    `robust`: a stop goes to break-even only if the open profit is at least `max(r1, cost)` of the
    plan, and then to the entry plus the cost. Otherwise one tick of profit is enough and the stop
    goes to the entry plus `be_buffer_ticks`. `trail_after_r`: open profit, in multiples of the
    first risk, that starts trailing after break-even (None: only another initiative does).
    `ack_timeout_ns`: how long a stop may stay unanswered before the position is closed, and an exit
    before it is sent again.
    """

    robust: bool = True
    be_buffer_ticks: int = 0
    trail_after_r: float | None = None
    ack_timeout_ns: int = 10_000_000_000

    def __post_init__(self) -> None:
        if self.be_buffer_ticks < 0:
            raise ValueError(f"`be_buffer_ticks` must be >= 0, was {self.be_buffer_ticks}")
        if self.trail_after_r is not None and self.trail_after_r <= 0.0:
            raise ValueError(f"`trail_after_r` must be > 0 or None, was {self.trail_after_r}")
        if self.ack_timeout_ns < 1:
            raise ValueError(f"`ack_timeout_ns` must be >= 1, was {self.ack_timeout_ns}")


@dataclass(frozen=True, slots=True)
class Plan:
    """An entry that has passed every check.

    `entry`: the price it was planned at; `limit`: whether it is sent as a limit order there, or at
    market. `target` None: no target. `r1` and `cost` in ticks at the time of the plan.
    `expires_ns`: when an entry that has not filled is canceled.
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
    """A trade: its phase, its plan, where its stop belongs, and its orders."""

    phase: Phase = Phase.NONE
    plan: Plan | None = None
    stop: int = 0
    level: str = ""
    closing: str = ""
    target_lost: bool = False
    last_init_ns: int = -1
    held_moves: int = 0
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


class Stepper:
    """One step in the making: the fields that it may change, and the commands so far."""

    def __init__(self, state: State, config: LifecycleConfig, ts: int) -> None:
        self.state = state
        self.config = config
        self.ts = ts
        self.commands: list[Command] = []

    @property
    def orders(self) -> Orders:
        return self.state.orders

    def set(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)

    def book(self, **changes: Any) -> None:
        self.set(orders=replace(self.orders, **changes))

    def note(self, what: str, reason: str = "", alarm: bool = False, **numbers: float) -> None:
        pairs = tuple(numbers.items())
        self.commands.append(Note(what, self.ts, pairs, reason, alarm))

    def move(self, kind: Kind, reason: str = "") -> None:
        """Take the table's transition for `kind`, which must have one."""
        source = self.state.phase
        target = transition(source, kind)
        if target is None:
            raise IllegalTransition(source, kind)
        changes: dict[str, Any] = {"phase": target}
        if target is Phase.CLOSED:
            changes |= {"closing": reason or kind.value, "was": source}
        self.set(**changes)
        self.commands.append(Moved(source, target, kind, reason, self.ts))

    # Orders.

    def find(self, key: int) -> WorkingOrder | None:
        return next((order for order in self.orders.working if order.key == key), None)

    def of(self, role: Role) -> list[WorkingOrder]:
        return [order for order in self.orders.working if order.role is role]

    def put(self, order: WorkingOrder) -> None:
        """Update an open order, dropping it once it is filled."""
        kept = tuple(order if o.key == order.key else o for o in self.orders.working)
        self.book(working=tuple(o for o in kept if o.leaves > 0))

    def drop(self, key: int) -> None:
        self.book(working=tuple(o for o in self.orders.working if o.key != key))

    def send(self, role: Role, side: int, qty: int, price: int | None) -> int:
        key = self.orders.next_key
        order = WorkingOrder(key, role, side, qty, price, self.ts)
        self.book(working=(*self.orders.working, order), next_key=key + 1)
        return key

    def cancel(self, orders: list[WorkingOrder]) -> None:
        for order in orders:
            if not order.leaving:
                self.put(replace(order, status=Status.CANCELING))
                self.commands.append(CancelOrder(order.key, order.role))

    def count(self, side: int, qty: int, price: int, fee: Decimal = Decimal(0)) -> None:
        """Add a fill to the sums."""
        orders = self.orders
        if orders.bought_qty == 0 and orders.sold_qty == 0:
            self.book(opened_ns=self.ts)
        if side > 0:
            self.book(
                bought_qty=orders.bought_qty + qty, bought_sum=orders.bought_sum + qty * price
            )
        else:
            self.book(sold_qty=orders.sold_qty + qty, sold_sum=orders.sold_sum + qty * price)
        self.book(fees=orders.fees + fee)

    def finish(self, side: int, reason: str) -> None:
        """Report the trade's sums and clear them."""
        orders = self.orders
        self.commands.append(
            Closed(
                side=side,
                bought_qty=orders.bought_qty,
                bought_sum=orders.bought_sum,
                sold_qty=orders.sold_qty,
                sold_sum=orders.sold_sum,
                fees=orders.fees,
                opened_ns=orders.opened_ns,
                closed_ns=self.ts,
                reason=reason,
                phase=self.state.was,
                stop=self.state.stop,
            )
        )
        self.book(
            bought_qty=0,
            bought_sum=0,
            sold_qty=0,
            sold_sum=0,
            fees=Decimal(0),
            opened_ns=0,
            exit_refusals=0,
        )

    # What the venue should hold.

    def settle(self) -> None:
        """Ask for the difference between what should be at the venue and what is."""
        position = self.orders.position
        if self.state.in_trade:
            plan = self.plan()
            if position * plan.side > 0:
                self._protect(position)
                self._aim(position, plan)
                if self.state.phase is not Phase.POSITION_OPEN:
                    self.cancel(self.of(Role.ENTRY))
                return
            self.move(Kind.FORCE_CLOSE, "position_outside")
        if self.state.phase is not Phase.ABSORPTION_DETECTED or position != 0:
            self.cancel(self.of(Role.ENTRY))
        self.cancel(self.of(Role.TARGET))
        if position != 0:
            self._exit(position)
            return
        self.cancel(self.of(Role.STOP))
        self.cancel(self.of(Role.EXIT))
        sums = self.orders.bought_qty + self.orders.sold_qty
        if sums and self.state.phase is not Phase.CLOSED:
            # A fill that came after its trade was given up has been closed again.
            self.finish(0, "late_fill")

    def plan(self) -> Plan:
        assert self.state.plan is not None
        return self.state.plan

    def _protect(self, position: int) -> None:
        side = -1 if position > 0 else 1
        stops = [order for order in self.of(Role.STOP) if not order.leaving]
        newest = stops[-1] if stops else None
        right = (
            newest is not None
            and newest.price == self.state.stop
            and newest.leaves == abs(position)
        )
        if newest is None or (newest.status is Status.LIVE and not right):
            key = self.send(Role.STOP, side, abs(position), self.state.stop)
            self.commands.append(PlaceStop(key, side, abs(position), self.state.stop))
        elif newest.status is Status.LIVE:
            self.cancel(stops[:-1])

    def _aim(self, position: int, plan: Plan) -> None:
        if plan.target is None or self.state.target_lost:
            return
        if not any(order.status is Status.LIVE for order in self.of(Role.STOP)):
            return
        targets = self.of(Role.TARGET)
        if any(order.leaving for order in targets):
            return
        missing = abs(position) - sum(order.leaves for order in targets)
        if missing > 0:
            key = self.send(Role.TARGET, -plan.side, missing, plan.target)
            self.commands.append(PlaceTarget(key, -plan.side, missing, plan.target))
        elif missing < 0:
            self.cancel(targets)

    def _exit(self, position: int) -> None:
        side = -1 if position > 0 else 1
        closing = [
            order
            for order in self.orders.working
            if order.side == side
            and (order.role is Role.EXIT or (order.role is Role.STOP and order.filled > 0))
            and not order.leaving
        ]
        missing = abs(position) - sum(order.leaves for order in closing)
        if missing > 0 and self.orders.exit_refusals < MAX_EXIT_REFUSALS:
            key = self.send(Role.EXIT, side, missing, None)
            reason = self.state.closing or "late_fill"
            self.commands.append(ExitMarket(key, side, missing, reason))

    # The table's events.

    def on_event(self, event: Event) -> None:
        target = transition(self.state.phase, event.kind)
        if target is None:
            return
        match event.kind:
            case Kind.LEVEL_APPROACH:
                self.set(level=event.level)
                if self.state.phase is Phase.NONE:
                    self.move(event.kind, event.reason)
            case Kind.LEVEL_LEFT:
                self.set(level="")
                self.move(event.kind, event.reason)
            case Kind.ABSORPTION_OK:
                self._enter(event)
            case Kind.ABSORPTION_LOW | Kind.SWEEP | Kind.EXIT_WARN_WEAK:
                self.note(event.kind.value.lower(), event.reason)
            case Kind.INIT_SAME:
                self._advance(event)
            case Kind.EXIT_WARN_STRONG:
                self.move(event.kind, event.reason)
            case Kind.FORCE_CLOSE:
                self.move(event.kind, event.reason)
                if self.state.phase is Phase.NONE:
                    self.set(level="")
            case Kind.ENTRY_FILLED:
                plan = self.plan()
                key = self.orders.entry_key
                self._whole_fill(key, Role.ENTRY, plan.side, plan.qty, event)
            case Kind.ENTRY_REJECTED:
                self.on_refused(Refused(self.orders.entry_key, event.ts, event.reason))
            case Kind.SL_HIT | Kind.TP_HIT:
                role = Role.STOP if event.kind is Kind.SL_HIT else Role.TARGET
                key = next((order.key for order in reversed(self.of(role))), 0)
                position = self.orders.position
                side = -1 if position > 0 else 1
                self._whole_fill(key, role, side, abs(position), event)
            case Kind.RESET:
                self._reset(event)

    def _whole_fill(self, key: int, role: Role, side: int, qty: int, event: Event) -> None:
        self.on_filled(Filled(key, role, side, "", qty, event.price, event.ts))

    def _enter(self, event: Event) -> None:
        plan = event.plan
        if plan is None:
            raise ValueError("`plan` must be given with ABSORPTION_OK, was None")
        if not self.orders.idle:
            self.note("entry_blocked", "orders_open", open_orders=len(self.orders.working))
            return
        self.set(
            plan=plan,
            stop=plan.stop,
            level=plan.level,
            closing="",
            target_lost=False,
            held_moves=0,
        )
        price = plan.entry if plan.limit else None
        key = self.send(Role.ENTRY, plan.side, plan.qty, price)
        self.book(entry_key=key)
        self.move(event.kind, event.reason)
        self.commands.append(SubmitEntry(key, plan.side, plan.qty, price, plan.expires_ns))

    def _profit(self, price: int) -> tuple[int, int]:
        """Open profit per lot at `price` as a fraction: (numerator, quantity)."""
        plan, orders = self.plan(), self.orders
        if plan.side > 0:
            return price * orders.bought_qty - orders.bought_sum, orders.bought_qty
        return orders.sold_sum - price * orders.sold_qty, orders.sold_qty

    def _break_even(self) -> int:
        """The entry plus what must be covered, rounded to the side of profit."""
        plan, orders = self.plan(), self.orders
        cover = plan.cost if self.config.robust else self.config.be_buffer_ticks
        if plan.side > 0:
            return -(-orders.bought_sum // orders.bought_qty) + cover
        return orders.sold_sum // orders.sold_qty - cover

    def tighten(self, price: int) -> None:
        """Move the stop to `price` if that is nearer to the market than where it is."""
        side = self.plan().side
        if side * (price - self.state.stop) > 0:
            self.set(stop=price)

    def _advance(self, event: Event) -> None:
        if event.ts <= self.state.last_init_ns:
            return
        self.set(last_init_ns=event.ts)
        plan = self.plan()
        if self.state.phase is Phase.POSITION_OPEN:
            profit, qty = self._profit(event.price)
            needed = max(plan.r1, plan.cost) if self.config.robust else 1
            stop = self._break_even()
            if profit < needed * qty or plan.side * (event.price - stop) < 1:
                self.set(held_moves=self.state.held_moves + 1)
                self.note("break_even_held", profit=profit / qty, needed=float(needed))
                return
            self.tighten(stop)
        else:
            self._trail(event.price, event.low, event.high)
        self.move(event.kind, event.reason)

    def _trail(self, price: int, low: int, high: int) -> None:
        """Ratchet the stop to the bar's far end, at least one tick behind the market."""
        self.tighten(min(low, price - 1) if self.plan().side > 0 else max(high, price + 1))

    def _reset(self, event: Event) -> None:
        if self.orders.position != 0:
            raise IllegalTransition(self.state.phase, event.kind, "a position is open")
        self.finish(self.plan().side, self.state.closing)
        self.move(event.kind, event.reason)
        self.set(plan=None, stop=0, level="", closing="", target_lost=False, was=Phase.NONE)

    # The venue's reports.

    def on_accepted(self, report: Accepted) -> None:
        order = self.find(report.key)
        if order is not None and order.status is Status.PENDING:
            self.put(replace(order, status=Status.LIVE))

    def on_filled(self, report: Filled) -> None:
        if report.trade_id:
            if report.trade_id in self.orders.seen:
                return
            self.book(seen=(*self.orders.seen, report.trade_id)[-SEEN_FILLS:])
        order = self.find(report.key)
        if order is not None:
            status = Status.LIVE if order.status is Status.PENDING else order.status
            self.put(replace(order, filled=order.filled + report.qty, status=status))
        self.count(report.side, report.qty, report.price, report.fee)
        phase, position = self.state.phase, self.orders.position
        entry = report.role is Role.ENTRY
        if phase in IN_TRADE:
            if report.role is Role.STOP:
                self.move(Kind.SL_HIT, "stop")
            elif report.role is Role.TARGET and position == 0:
                self.move(Kind.TP_HIT, "target")
        elif entry and phase is Phase.ABSORPTION_DETECTED and report.key == self.orders.entry_key:
            self.move(Kind.ENTRY_FILLED)
        elif position != 0 and (entry or phase is not Phase.CLOSED):
            self.note("late_fill", alarm=True, qty=report.qty)

    def on_refused(self, report: Refused | Gone) -> None:
        order = self.find(report.key)
        if order is None:
            return
        self.drop(order.key)
        refused = isinstance(report, Refused)
        if order.role is Role.ENTRY:
            if self.state.phase is Phase.ABSORPTION_DETECTED:
                self.move(Kind.ENTRY_REJECTED, report.reason)
            elif not order.leaving:
                self.note("entry_ended", report.reason, left=order.leaves)
        elif order.role is Role.STOP:
            others = any(not other.leaving for other in self.of(Role.STOP))
            if self.state.in_trade and not order.leaving and (refused or not others):
                self.note("stop_lost", report.reason, alarm=True)
                self.move(Kind.FORCE_CLOSE, "stop_refused" if refused else "stop_lost")
        elif order.role is Role.TARGET:
            if self.state.in_trade and not order.leaving:
                self.set(target_lost=True)
                self.note("target_lost", report.reason, alarm=True)
        elif order.filled == 0 and not order.leaving:
            self.book(exit_refusals=self.orders.exit_refusals + 1)
            self.note("exit_refused", report.reason, alarm=True)

    def on_cancel_refused(self, report: CancelRefused) -> None:
        order = self.find(report.key)
        if order is not None and order.status is Status.CANCELING:
            self.put(replace(order, status=Status.STUCK))

    def on_resized(self, report: Resized) -> None:
        order = self.find(report.key)
        if order is not None:
            self.put(replace(order, qty=report.qty))

    def on_position(self, report: PositionReport) -> None:
        position = self.orders.position
        change = report.qty - position - self.orders.foreign
        if change == 0:
            return
        if position == 0 or self.orders.foreign != 0:
            self.book(foreign=report.qty - position)
            self.note("foreign_position", alarm=True, qty=report.qty)
            return
        self.note("position_outside", alarm=True, qty=report.qty, expected=position)
        ours = report.qty if report.qty * position > 0 else 0
        difference = ours - position
        if difference:
            self.count(1 if difference > 0 else -1, abs(difference), report.price)
        self.book(foreign=report.qty - ours)

    def on_mark(self, mark: Mark) -> None:
        if self.orders.exit_refusals:
            self.book(exit_refusals=0)
        for order in self.orders.working:
            if order.status is Status.STUCK:
                self.put(replace(order, status=Status.LIVE))
        hanging = self._hanging(mark.ts)
        if hanging:
            # All are reduce-only: the next exit may go out before the end of these is known.
            self.note("exit_hanging", alarm=True)
            self.cancel(hanging)
        if self.state.phase in (Phase.ABSORPTION_DETECTED, Phase.POSITION_OPEN):
            self._expire(mark)
        if self.state.in_trade:
            self._watch(mark)

    def _expire(self, mark: Mark) -> None:
        expires = self.plan().expires_ns
        if expires is None or mark.ts < expires:
            return
        self.cancel(self.of(Role.ENTRY))
        late = mark.ts >= expires + self.config.ack_timeout_ns
        if late and self.state.phase is Phase.ABSORPTION_DETECTED:
            # The order's end was never reported. It blocks further entries until it is.
            self.note("entry_silent", alarm=True)
            self.move(Kind.ENTRY_REJECTED, "silent")

    def _hanging(self, ts: int) -> list[WorkingOrder]:
        """Exits that have not filled in time, and triggered stops that did not fill whole."""
        limit = ts - self.config.ack_timeout_ns
        exits = [o for o in self.of(Role.EXIT) if o.sent_ns <= limit]
        if self.orders.position and not self.state.in_trade:
            exits += [o for o in self.of(Role.STOP) if o.filled > 0]
        return [o for o in exits if not o.leaving]

    def _watch(self, mark: Mark) -> None:
        plan = self.plan()
        limit = mark.ts - self.config.ack_timeout_ns
        stops = self.of(Role.STOP)
        if any(o.status is Status.PENDING and o.sent_ns <= limit for o in stops):
            self.note("stop_silent", alarm=True)
            self.move(Kind.FORCE_CLOSE, "stop_silent")
            return
        if (
            self.state.target_lost
            and plan.target is not None
            and plan.side * (mark.price - plan.target) >= 0
        ):
            self.move(Kind.TP_HIT, "target")
            return
        if self.config.trail_after_r is not None and self.state.phase is Phase.BREAK_EVEN:
            profit, qty = self._profit(mark.price)
            risk = plan.side * (plan.entry - plan.stop)
            if profit >= self.config.trail_after_r * risk * qty:
                self._trail(mark.price, mark.low, mark.high)
                self.move(Kind.INIT_SAME, "trail_after_r")


_HANDLERS: dict[type, Callable[[Stepper, Any], None]] = {
    Event: Stepper.on_event,
    Accepted: Stepper.on_accepted,
    Filled: Stepper.on_filled,
    Refused: Stepper.on_refused,
    Gone: Stepper.on_refused,
    CancelRefused: Stepper.on_cancel_refused,
    Resized: Stepper.on_resized,
    PositionReport: Stepper.on_position,
    Mark: Stepper.on_mark,
}


def step(
    state: State, event: Event | Report, config: LifecycleConfig | None = None
) -> tuple[State, tuple[Command, ...]]:
    """Advance a trade by one event and return the new state and what is to be done.

    Raises `IllegalTransition` for a lifecycle event that cannot happen in this phase; the state
    passed in is never changed. A repeated report gives the same state and no commands.

    >>> state, commands = step(State(), Event(Kind.LEVEL_APPROACH, ts=1, level="VAL"))
    >>> state.phase.value, commands[0].target.value
    ('WATCHING', 'WATCHING')
    """
    work = Stepper(state, config or LifecycleConfig(), event.ts)
    _HANDLERS[type(event)](work, event)
    work.settle()
    return work.state, tuple(work.commands)
