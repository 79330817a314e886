"""One step of a trade in the making: its bookkeeping, and what it asks of the venue."""

from decimal import Decimal
from typing import Any

from of_nautilus.decision.orders import (
    CancelOrder,
    Closed,
    Command,
    ExitMarket,
    Moved,
    Note,
    PlaceStop,
    PlaceTarget,
    Role,
    Status,
    WorkingOrder,
)
from of_nautilus.decision.state import LifecycleConfig, Orders, Plan, State, changed
from of_nautilus.decision.table import IllegalTransition, Kind, Phase, transition

MAX_EXIT_REFUSALS = 3


class Stepper:
    """One step in the making: the fields that it may change, and the commands so far."""

    def __init__(self, state: State, config: LifecycleConfig, ts: int) -> None:
        self.state = state
        self.config = config
        self.ts = ts
        self.commands: list[Command] = []

    @property
    def orders(self) -> Orders:
        """What is known of the venue."""
        return self.state.orders

    def set(self, **changes: Any) -> None:
        """Change fields of the state."""
        self.state = changed(self.state, **changes)

    def book(self, **changes: Any) -> None:
        """Change fields of its orders."""
        self.set(orders=changed(self.orders, **changes))

    def note(self, what: str, reason: str = "", alarm: bool = False, **numbers: float) -> None:
        """Note something for the journal."""
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
        """Return an open order, or None."""
        return next((order for order in self.orders.working if order.key == key), None)

    def of(self, role: Role) -> list[WorkingOrder]:
        """Return the open orders of a role, oldest first."""
        return [order for order in self.orders.working if order.role is role]

    def put(self, order: WorkingOrder) -> None:
        """Update an open order, dropping it once it is filled."""
        kept = tuple(order if o.key == order.key else o for o in self.orders.working)
        self.book(working=tuple(o for o in kept if o.leaves > 0))

    def drop(self, key: int) -> None:
        """Forget an order."""
        self.book(working=tuple(o for o in self.orders.working if o.key != key))

    def send(self, role: Role, side: int, qty: int, price: int | None) -> int:
        """Record a new order and return its key."""
        key = self.orders.next_key
        order = WorkingOrder(key, role, side, qty, price)
        self.book(working=(*self.orders.working, order), next_key=key + 1)
        return key

    def cancel(self, orders: list[WorkingOrder]) -> None:
        """Cancel those orders whose cancel is not under way."""
        for order in orders:
            if not order.leaving:
                self.put(changed(order, status=Status.CANCELING, cancel_ns=0))
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
        """Return the plan of a trade that has one."""
        assert self.state.plan is not None
        return self.state.plan

    def _protect(self, position: int) -> None:
        """One stop of the position's size; the old one goes once the new one is live.

        A position that grows while its stop is on the way does not wait for it.
        """
        side = -1 if position > 0 else 1
        stops = [order for order in self.of(Role.STOP) if not order.leaving]
        newest = stops[-1] if stops else None
        right = (
            newest is not None
            and newest.price == self.state.stop
            and newest.leaves == abs(position)
        )
        short = newest is not None and newest.leaves < abs(position)
        if newest is None or (not right and (short or newest.status is Status.LIVE)):
            key = self.send(Role.STOP, side, abs(position), self.state.stop)
            self.commands.append(PlaceStop(key, side, abs(position), self.state.stop))
        elif newest.status is Status.LIVE:
            self.cancel(stops[:-1])

    def _aim(self, position: int, plan: Plan) -> None:
        """Targets for the whole position, after the stop."""
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
        """Close what is not being closed; a stop that has triggered closes its own part."""
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

    def tighten(self, price: int) -> None:
        """Move the stop to `price` if that is nearer to the market than where it is."""
        side = self.plan().side
        if side * (price - self.state.stop) > 0:
            self.set(stop=price)
