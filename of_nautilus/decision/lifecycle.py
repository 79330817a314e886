"""A trade's life as a pure function: `step(state, event) -> (state, commands)`.

The transition table says which phase follows; this module adds what a live trade needs around it:
partial fills, refusals, fills after a cancel, stops that can only be replaced, exits in flight,
positions changed from outside. Nothing here assumes that the reports of a command arrive inside the
call that sends it, and a repeated report changes nothing.

After every event the machine compares what it wants at the venue with what it knows to be there,
and asks for the difference: in a trade, one stop of the position's size at `state.stop`, then the
target; once the trade is over, an exit for what is left, and nothing else.
"""

from collections.abc import Callable
from typing import Any

from of_nautilus.decision.orders import (
    Accepted,
    CallOff,
    CancelRefused,
    Command,
    Filled,
    Gone,
    Mark,
    PositionReport,
    QueryOrder,
    Refused,
    Report,
    Resized,
    Role,
    Status,
    SubmitEntry,
    TakeOver,
    WorkingOrder,
)
from of_nautilus.decision.state import Event, LifecycleConfig, State, changed
from of_nautilus.decision.stepper import Stepper
from of_nautilus.decision.table import IN_TRADE, IllegalTransition, Kind, Phase, transition

SEEN_FILLS = 512


class TradeStep(Stepper):
    """What each event does."""

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
            self.put(changed(order, status=Status.LIVE))

    def on_filled(self, report: Filled) -> None:
        if report.trade_id:
            if report.trade_id in self.orders.seen:
                return
            self.book(seen=(*self.orders.seen, report.trade_id)[-SEEN_FILLS:])
        order = self.find(report.key)
        if order is not None:
            status = Status.LIVE if order.status is Status.PENDING else order.status
            self.put(changed(order, filled=order.filled + report.qty, status=status))
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
                if refused:
                    self.note("entry_refused", report.reason, alarm=True)
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
            self.put(changed(order, status=Status.STUCK))

    def on_resized(self, report: Resized) -> None:
        order = self.find(report.key)
        if order is not None:
            self.put(changed(order, qty=report.qty))

    def on_position(self, report: PositionReport) -> None:
        position = self.orders.position
        change = report.qty - position - self.orders.foreign
        if change == 0:
            return
        self.book(outside_ns=report.ts)
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

    def on_take_over(self, report: TakeOver) -> None:
        foreign = self.orders.foreign
        if foreign:
            self.book(foreign=0)
            self.count(1 if foreign > 0 else -1, abs(foreign), report.price)
            self.note("foreign_taken_over", alarm=True, qty=foreign)

    def on_call_off(self, report: CallOff) -> None:
        entry = self.find(self.orders.entry_key)
        if entry is None or entry.leaving:
            return
        plan = self.plan()
        expires = plan.expires_ns
        # As if it had expired: an end that the venue does not tell is then waited for alike.
        self.set(plan=changed(plan, expires_ns=min(report.ts, expires or report.ts)))
        self.note("entry_called_off", report.reason, left=entry.leaves)
        self.cancel([entry])

    def on_mark(self, mark: Mark) -> None:
        if self.orders.exit_refusals:
            self.book(exit_refusals=0)
        for order in self.orders.working:
            self._ask_after(self._awaited(order, mark.ts), mark.ts)
        hanging = self._hanging(mark.ts)
        if hanging:
            # All are reduce-only: the next exit may go out before the end of these is known.
            self.note("exit_hanging", alarm=True)
            self.cancel(hanging)
        if self.state.phase in (Phase.ABSORPTION_DETECTED, Phase.POSITION_OPEN):
            self._expire(mark)
        if self.state.in_trade:
            self._watch(mark)
        self.set(marked_ns=mark.ts)

    def _awaited(self, order: WorkingOrder, ts: int) -> WorkingOrder:
        """Begin to wait for the answers to what was sent since the last mark.

        What made it be sent may have happened long before: in a silent market a bar's close is
        known only by the next trade.
        """
        sent, cancel = order.sent_ns or ts, order.cancel_ns
        if order.leaving:
            cancel = cancel or ts
        if (sent, cancel) != (order.sent_ns, order.cancel_ns):
            order = changed(order, sent_ns=sent, cancel_ns=cancel)
            self.put(order)
        return order

    def _overdue(self, since: int, ts: int, patience: int) -> bool:
        """Whether an answer has been awaited too long.

        Where a market is silent for longer than that, a simulated venue has not had its turn yet:
        there has to be a mark in between.
        """
        return 0 < since < self.state.marked_ns and since + patience <= ts

    def _silent(self, orders: list[WorkingOrder], ts: int) -> bool:
        """Whether one of these was never answered."""
        patience = self.config.ack_timeout_ns
        return any(
            o.status is Status.PENDING and self._overdue(o.sent_ns, ts, patience) for o in orders
        )

    def _ask_after(self, order: WorkingOrder, ts: int) -> None:
        """Ask about an order that nothing is heard of; take a cancel that failed for not sent."""
        if order.status is Status.STUCK:
            self.put(changed(order, status=Status.LIVE))
            self.commands.append(QueryOrder(order.key, order.role))
        elif order.status is Status.CANCELING:
            if self._overdue(order.cancel_ns, ts, self.config.ack_timeout_ns):
                self.note("cancel_silent", order.role, alarm=True)
                self.put(changed(order, status=Status.LIVE))
                self.commands.append(QueryOrder(order.key, order.role))
        elif order.status is Status.PENDING and not order.asked:
            if not self._overdue(order.sent_ns, ts, self.config.query_after_ns):
                return
            self.note("order_silent", order.role, alarm=True)
            self.put(changed(order, asked=True))
            self.commands.append(QueryOrder(order.key, order.role))

    def _expire(self, mark: Mark) -> None:
        plan, entry = self.plan(), self.find(self.orders.entry_key)
        expires = plan.expires_ns
        if entry is not None and self._silent([entry], mark.ts):
            expires = mark.ts if expires is None else min(expires, mark.ts)
            self.set(plan=changed(plan, expires_ns=expires))
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
        patience = self.config.ack_timeout_ns
        exits = [o for o in self.of(Role.EXIT) if self._overdue(o.sent_ns, ts, patience)]
        if self.orders.position and not self.state.in_trade:
            exits += [o for o in self.of(Role.STOP) if o.filled > 0]
        return [o for o in exits if not o.leaving]

    def _watch(self, mark: Mark) -> None:
        plan = self.plan()
        if self._silent(self.of(Role.STOP), mark.ts):
            self.note("stop_silent", alarm=True)
            self.move(Kind.FORCE_CLOSE, "stop_silent")
            return
        targets = self.of(Role.TARGET)
        if self._silent(targets, mark.ts):
            self.note("target_lost", "silent", alarm=True)
            self.set(target_lost=True)
            self.cancel(targets)
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


def at_rest(state: State, config: LifecycleConfig) -> bool:
    """Return whether no mark can do anything, at whatever price and time it comes.

    Either nothing is open, and nothing at the venue or awaited; or a trade is open, its stop and
    target are accepted, and there is nothing else. What is open is looked at every second, and
    nearly always it is so.
    """
    orders = state.orders
    if state.phase in (Phase.NONE, Phase.WATCHING):
        return (
            orders.idle
            and not orders.exit_refusals
            and not orders.bought_qty
            and not orders.sold_qty
        )
    return (
        state.phase in IN_TRADE
        and not state.target_lost
        and not orders.exit_refusals
        and (config.trail_after_r is None or state.phase is not Phase.BREAK_EVEN)
        and all(
            order.status is Status.LIVE and order.sent_ns and order.role in (Role.STOP, Role.TARGET)
            for order in orders.working
        )
    )


_HANDLERS: dict[type, Callable[[TradeStep, Any], None]] = {
    Event: TradeStep.on_event,
    Accepted: TradeStep.on_accepted,
    Filled: TradeStep.on_filled,
    Refused: TradeStep.on_refused,
    Gone: TradeStep.on_refused,
    CancelRefused: TradeStep.on_cancel_refused,
    Resized: TradeStep.on_resized,
    PositionReport: TradeStep.on_position,
    TakeOver: TradeStep.on_take_over,
    CallOff: TradeStep.on_call_off,
    Mark: TradeStep.on_mark,
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
    work = TradeStep(state, config or LifecycleConfig(), event.ts)
    _HANDLERS[type(event)](work, event)
    work.settle()
    return work.state, tuple(work.commands)
