"""Taking up a trade after a restart: make a saved state agree with what the venue holds."""

from dataclasses import dataclass, replace

from of_nautilus.decision.lifecycle import TradeStep
from of_nautilus.decision.orders import Command, Filled, Role, WorkingOrder
from of_nautilus.decision.state import LifecycleConfig, Plan, State
from of_nautilus.decision.table import Kind, Phase


@dataclass(frozen=True, slots=True)
class VenueView:
    """What the venue holds for this strategy: its net position, signed lots, and open orders.

    `entry`: the position's average price in ticks, rounded; `price`: the last price in ticks.
    `fills`: what the saved orders have filled since, oldest first, as far as it is told.
    """

    position: int
    entry: int
    price: int
    orders: tuple[WorkingOrder, ...]
    ts: int
    fills: tuple[Filled, ...] = ()


def recover(
    state: State, view: VenueView, config: LifecycleConfig | None = None
) -> tuple[State, tuple[Command, ...]]:
    """Return the state that goes on from what the venue holds, and what is to be done first.

    First the fills that happened while nobody listened are booked, then what they leave
    unexplained: bought or sold to open at `view.entry`, to close at the price of the stop or target
    that rests no more, the stop before the target. Then:

    - orders that the venue does not know are forgotten, orders that it knows are taken over;
    - an entry that is neither open nor filled is rejected; one that filled opens the position;
    - an open position without a plan is adopted if a stop of ours protects it, else closed;
    - a trade whose position is gone is closed;
    - whatever is missing, first of all the stop, is placed.
    """
    work = TradeStep(state, config or LifecycleConfig(), view.ts)
    for fill in view.fills:
        work.ts = fill.ts
        work.on_filled(fill)
    work.ts = view.ts
    orders = tuple(sorted(view.orders, key=lambda order: order.key))
    work.book(working=orders, next_key=max([state.orders.next_key, *(o.key + 1 for o in orders)]))
    missed = view.position - work.orders.position
    if missed:
        opens = view.position * missed > 0
        price = view.entry if opens else _left_at(work.state, view)
        work.count(1 if missed > 0 else -1, abs(missed), price)
        work.note("fills_missed", alarm=True, qty=missed)
    position = work.orders.position
    phase = work.state.phase
    if phase is Phase.ABSORPTION_DETECTED:
        if position * work.plan().side > 0:
            work.move(Kind.ENTRY_FILLED, "restart")
        elif work.find(work.orders.entry_key) is None:
            work.move(Kind.ENTRY_REJECTED, "restart")
    elif phase in (Phase.NONE, Phase.WATCHING) and position != 0:
        _adopt(work, view)
    elif work.state.in_trade:
        # The save may be older than the venue's newest stop: never loosen it.
        for order in work.of(Role.STOP):
            if order.price is not None and order.side == -work.plan().side:
                work.tighten(order.price)
    work.settle()
    return work.state, tuple(work.commands)


def _left_at(state: State, view: VenueView) -> int:
    """Return the price at which a position was left that nobody tells of, ticks."""
    resting = {order.role for order in view.orders}
    if not state.in_trade or state.plan is None:
        return view.price
    if Role.STOP not in resting:
        return state.stop
    if state.plan.target is not None and Role.TARGET not in resting:
        return state.plan.target
    return view.price


def _adopt(work: TradeStep, view: VenueView) -> None:
    """Manage a position that no plan explains, from the stop and target found at the venue."""
    side = 1 if view.position > 0 else -1
    stops = [order for order in work.of(Role.STOP) if order.side == -side]
    stop = stops[-1].price if stops else None
    if stop is None:
        work.note("position_unprotected", alarm=True, qty=view.position)
        return
    behind = side * (view.entry - stop) >= 1
    targets = [
        order.price
        for order in work.of(Role.TARGET)
        if order.price is not None and side * (order.price - view.entry) >= 1
    ]
    plan = Plan(
        side=side,
        qty=abs(view.position),
        entry=view.entry,
        stop=stop if behind else view.entry - side,
        target=targets[0] if targets else None,
        adopted=True,
    )
    phase = Phase.POSITION_OPEN if behind else Phase.BREAK_EVEN
    work.state = replace(work.state, phase=phase, plan=plan, stop=stop, closing="")
    work.note("position_adopted", alarm=True, qty=view.position, stop=float(stop))
