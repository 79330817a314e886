"""The trade's life: the table's vectors, every awkward order report, and random venues."""

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from of_nautilus.decision.lifecycle import at_rest, step
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
    QueryOrder,
    Refused,
    Report,
    Resized,
    Role,
    Status,
    SubmitEntry,
    WorkingOrder,
)
from of_nautilus.decision.recovery import VenueView, recover
from of_nautilus.decision.state import (
    Event,
    LifecycleConfig,
    Plan,
    State,
    changed,
    event_rank,
)
from of_nautilus.decision.stepper import MAX_EXIT_REFUSALS
from of_nautilus.decision.table import (
    IN_TRADE,
    LEGAL,
    LIFECYCLE_KINDS,
    IllegalTransition,
    Kind,
    Phase,
    transition,
)
from tests.conftest import vectors

SOURCE = LifecycleConfig(robust=False)
ROBUST = LifecycleConfig()
LONG = Plan(side=1, qty=10, entry=1000, stop=980, target=1060, r1=10.0, cost=4, level="VAL")
SHORT = Plan(side=-1, qty=10, entry=1000, stop=1020, target=940, r1=10.0, cost=4, level="VAH")


class Trade:
    """Drives a state and keeps the commands, for tests that read like a log."""

    def __init__(self, state: State | None = None, config: LifecycleConfig = ROBUST) -> None:
        self.state = state or State()
        self.config = config
        self.ts = 0
        self.trades = 0

    def __call__(self, event: Event | Report) -> list[Command]:
        self.state, commands = step(self.state, event, self.config)
        return [command for command in commands if not isinstance(command, Moved)]

    def tick(self) -> int:
        self.ts += 1
        return self.ts

    def on(self, kind: Kind, **fields: object) -> list[Command]:
        return self(Event(kind, self.tick(), **fields))  # type: ignore[arg-type]

    def fill(self, key: int, qty: int, price: int, fee: str = "0") -> list[Command]:
        order = next(o for o in self.state.orders.working if o.key == key)
        self.trades += 1
        return self(
            Filled(
                key,
                order.role,
                order.side,
                f"T{self.trades}",
                qty,
                price,
                self.tick(),
                Decimal(fee),
            )
        )

    def accept(self, key: int) -> list[Command]:
        return self(Accepted(key, self.tick()))

    def gone(self, key: int, reason: str = "canceled") -> list[Command]:
        return self(Gone(key, self.tick(), reason))

    def refuse(self, key: int, reason: str = "rejected") -> list[Command]:
        return self(Refused(key, self.tick(), reason))

    def keys(self, role: Role) -> list[int]:
        return [o.key for o in self.state.orders.working if o.role is role]


def opened(plan: Plan = LONG, config: LifecycleConfig = ROBUST) -> Trade:
    """A trade whose entry filled whole; its stop (key 2) is live, its target (key 3) sent."""
    trade = Trade(config=config)
    trade.on(Kind.ABSORPTION_OK, plan=plan)
    trade.accept(1)
    trade.fill(1, 10, 1000)
    trade.accept(2)
    assert trade.state.phase is Phase.POSITION_OPEN
    return trade


# The table.


def test_table_vectors() -> None:
    record = vectors("v10_state_machine")["table"]
    expected = record["expected"]
    assert [p.value for p in Phase] == record["inputs"]["states"]
    assert sorted(k.value for k in Kind) == sorted(record["inputs"]["events"])
    legal = {(p, k): target for p, k, target, _ in expected["legal"]}
    ignored, illegal = map(set, (map(tuple, expected["ignored"]), map(tuple, expected["illegal"])))
    assert (len(legal), len(ignored), len(illegal)) == (30, 49, 26)
    assert {(p.value, k.value): t.value for (p, k), t in LEGAL.items()} == legal
    for phase in Phase:
        for kind in Kind:
            pair = (phase.value, kind.value)
            if pair in illegal:
                with pytest.raises(IllegalTransition):
                    transition(phase, kind)
            else:
                assert (transition(phase, kind) is None) is (pair in ignored)


def test_no_event_causes_a_forbidden_move() -> None:
    forbidden = {
        tuple(pair)
        for pair in vectors("v10_state_machine")["forbidden_direct_moves"]["expected"]["pairs"]
    }
    assert len(forbidden) == 29
    assert not forbidden & {(p.value, target.value) for (p, _), target in LEGAL.items()}


def as_event(kind: str, ts: int) -> Event:
    prices = {"INIT_SAME": (1015, 1001, 1016), "SL_HIT": (980, 0, 0), "TP_HIT": (1060, 0, 0)}
    price, low, high = prices.get(kind, (1000, 0, 0))
    plan = LONG if kind == "ABSORPTION_OK" else None
    return Event(Kind(kind), ts, price, low, high, plan, level="VAL")


@pytest.mark.parametrize("config", [SOURCE, ROBUST])
def test_path_vectors(config: LifecycleConfig) -> None:
    record = vectors("v10_state_machine")["paths"]
    for name, kinds in record["inputs"].items():
        state, phases = State(), ["NONE"]
        for ts, kind in enumerate(kinds, start=1):
            try:
                state, _ = step(state, as_event(kind, ts), config)
            except IllegalTransition:
                phases.append("ILLEGAL")
            else:
                phases.append(state.phase.value)
        assert phases == record["expected"][name], name


def reach(phase: Phase) -> State:
    kinds = {
        Phase.NONE: [],
        Phase.WATCHING: ["LEVEL_APPROACH"],
        Phase.ABSORPTION_DETECTED: ["ABSORPTION_OK"],
        Phase.POSITION_OPEN: ["ABSORPTION_OK", "ENTRY_FILLED"],
        Phase.BREAK_EVEN: ["ABSORPTION_OK", "ENTRY_FILLED", "INIT_SAME"],
        Phase.TRAILING: ["ABSORPTION_OK", "ENTRY_FILLED", "INIT_SAME", "INIT_SAME"],
        Phase.CLOSED: ["ABSORPTION_OK", "ENTRY_FILLED", "SL_HIT"],
    }[phase]
    state = State()
    for ts, kind in enumerate(kinds, start=1):
        state, _ = step(state, as_event(kind, ts))
    assert state.phase is phase
    return state


def test_step_follows_every_cell_of_the_table() -> None:
    expected = vectors("v10_state_machine")["table"]["expected"]
    legal = {(p, k): target for p, k, target, _ in expected["legal"]}
    illegal = set(map(tuple, expected["illegal"]))
    for phase in Phase:
        state = reach(phase)
        for kind in Kind:
            pair = (phase.value, kind.value)
            before = json.dumps(state.to_dict(), sort_keys=True)
            if pair in illegal:
                with pytest.raises(IllegalTransition, match=f"{kind.value} is illegal in"):
                    step(state, as_event(kind.value, 99))
            else:
                after, _ = step(state, as_event(kind.value, 99))
                assert after.phase.value == legal.get(pair, phase.value), pair
            assert json.dumps(state.to_dict(), sort_keys=True) == before


def test_trail_vectors() -> None:
    record = vectors("v10_state_machine")["trail_ratchet"]
    for name, side in (("LONG", 1), ("SHORT", -1)):
        inputs = record["inputs"][name]
        entry = int(inputs["entry"] * 10)
        plan = Plan(side=side, qty=1, entry=entry, stop=entry - side * 500)
        trade = Trade(config=SOURCE)
        trade.on(Kind.ABSORPTION_OK, plan=plan)
        trade.fill(1, 1, entry)
        trade.on(Kind.INIT_SAME, price=entry + side * 10)
        stops = []
        for low, high in inputs["candles_low_high"]:
            price = int(10 * (high if side > 0 else low))
            trade.on(Kind.INIT_SAME, price=price, low=int(10 * low), high=int(10 * high))
            stops.append(trade.state.stop / 10)
        assert stops == record["expected"][name]


# The way in.


def test_entry_goes_alone_and_the_stop_follows_the_fill() -> None:
    trade = Trade()
    assert trade.on(Kind.ABSORPTION_OK, plan=LONG) == [SubmitEntry(1, 1, 10, None, None)]
    assert trade.accept(1) == []
    assert trade.fill(1, 4, 1000) == [PlaceStop(2, -1, 4, 980)]
    # More of the entry fills before the stop is answered: the rest does not wait for the answer.
    assert trade.fill(1, 6, 1001) == [PlaceStop(3, -1, 10, 980)]
    assert trade.accept(2) == [PlaceTarget(4, -1, 10, 1060)]
    assert trade.accept(3) == [CancelOrder(2, Role.STOP)]
    assert trade.gone(2) == []
    assert trade.state.orders.position == 10
    assert trade.state.entry_ticks() == 1000.6


def test_repeated_fill_counts_once() -> None:
    trade = Trade()
    trade.on(Kind.ABSORPTION_OK, plan=LONG)
    fill = Filled(1, Role.ENTRY, 1, "T1", 4, 1000, trade.tick())
    assert trade(fill) == [PlaceStop(2, -1, 4, 980)]
    before = trade.state
    assert trade(fill) == []
    assert trade.state == before
    assert trade.state.orders.position == 4


def test_limit_entry_with_expiry() -> None:
    trade = Trade()
    plan = replace(LONG, limit=True, expires_ns=100)
    assert trade.on(Kind.ABSORPTION_OK, plan=plan) == [SubmitEntry(1, 1, 10, 1000, 100)]
    trade.accept(1)
    assert trade(Mark(99, 1001, 999, 1002)) == []
    assert trade(Mark(100, 1001, 999, 1002)) == [CancelOrder(1, Role.ENTRY)]
    assert trade(Mark(101, 1001, 999, 1002)) == []
    trade.gone(1, "expired")
    assert trade.state.phase is Phase.WATCHING
    assert trade.state.orders.idle


@pytest.mark.parametrize("end", ["gone", "refuse"])
def test_partly_filled_entry_that_ends_stays_managed(end: str) -> None:
    trade = Trade()
    trade.on(Kind.ABSORPTION_OK, plan=replace(LONG, limit=True))
    trade.accept(1)
    trade.fill(1, 3, 1000)
    trade.accept(2)
    commands = getattr(trade, end)(1)
    assert [type(c) for c in commands] == [Note]
    assert trade.state.phase is Phase.POSITION_OPEN
    assert trade.state.orders.position == 3
    assert trade.fill(2, 3, 980, "0.5") == [CancelOrder(3, Role.TARGET)]
    assert trade.state.done


def test_refused_entry_returns_to_watching() -> None:
    trade = Trade()
    trade.on(Kind.LEVEL_APPROACH, level="VAL")
    trade.on(Kind.ABSORPTION_OK, plan=LONG)
    trade.refuse(1, "insufficient margin")
    assert trade.state.phase is Phase.WATCHING
    assert trade.on(Kind.ABSORPTION_OK, plan=LONG) == [SubmitEntry(2, 1, 10, None, None)]


def test_fill_after_the_cancel_is_closed_at_once() -> None:
    trade = Trade()
    trade.on(Kind.ABSORPTION_OK, plan=replace(LONG, limit=True))
    trade.accept(1)
    assert trade.on(Kind.FORCE_CLOSE, reason="session_end") == [CancelOrder(1, Role.ENTRY)]
    assert trade.state.phase is Phase.NONE
    commands = trade.fill(1, 10, 1000)
    assert commands[-1] == ExitMarket(2, -1, 10, "late_fill")
    assert trade.on(Kind.ABSORPTION_OK, plan=LONG)[0] == Note(
        "entry_blocked", trade.ts, (("open_orders", 1),), "orders_open"
    )
    (closed,) = trade.fill(2, 10, 998, "1.5")
    assert isinstance(closed, Closed)
    assert (closed.pnl, closed.fees, closed.reason) == (-20, Decimal("1.5"), "late_fill")
    assert trade.state.orders.idle


def test_fill_of_a_canceled_and_forgotten_entry_is_closed_too() -> None:
    trade = Trade()
    trade.on(Kind.ABSORPTION_OK, plan=replace(LONG, limit=True))
    trade.gone(1)
    assert trade.state.phase is Phase.WATCHING
    commands = trade(Filled(1, Role.ENTRY, 1, "late", 2, 1000, trade.tick()))
    assert commands[-1] == ExitMarket(2, -1, 2, "late_fill")


def test_silent_entry_is_given_up_but_blocks() -> None:
    trade = Trade(config=LifecycleConfig(ack_timeout_ns=50))
    trade.on(Kind.ABSORPTION_OK, plan=replace(LONG, expires_ns=100))
    trade(Mark(100, 1000, 999, 1001))
    trade(Mark(149, 1000, 999, 1001))
    assert trade.state.phase is Phase.ABSORPTION_DETECTED
    trade(Mark(150, 1000, 999, 1001))
    assert trade.state.phase is Phase.WATCHING
    assert not trade.state.orders.idle
    trade.gone(1)
    assert trade.state.orders.idle


# Stops.


def test_refused_stop_is_an_exit_at_market() -> None:
    trade = Trade()
    trade.on(Kind.ABSORPTION_OK, plan=LONG)
    trade.fill(1, 10, 1000)
    commands = trade.refuse(2, "in the market")
    assert commands[-1] == ExitMarket(3, -1, 10, "stop_refused")
    assert trade.state.phase is Phase.CLOSED
    trade.fill(3, 10, 979)
    assert trade.state.done


def test_refused_replacement_is_an_exit_and_the_old_stop_stays_until_flat() -> None:
    trade = opened()
    assert trade.on(Kind.INIT_SAME, price=1015)[-1] == PlaceStop(4, -1, 10, 1004)
    commands = trade.refuse(4)
    assert commands[-1] == ExitMarket(5, -1, 10, "stop_refused")
    assert trade.keys(Role.STOP) == [2]
    assert trade.fill(5, 10, 1003) == [CancelOrder(2, Role.STOP)]


def test_stop_canceled_by_the_venue_is_an_exit() -> None:
    trade = opened()
    assert trade.gone(2, "venue")[-1] == ExitMarket(4, -1, 10, "stop_lost")


def test_old_stop_gone_while_the_new_one_is_pending_is_no_alarm() -> None:
    trade = opened()
    trade.on(Kind.INIT_SAME, price=1015)
    assert trade.gone(2, "venue") == []
    assert trade.state.phase is Phase.BREAK_EVEN
    assert trade.accept(4) == []


def test_stop_that_is_never_answered_is_an_exit() -> None:
    trade = Trade(config=LifecycleConfig(ack_timeout_ns=50))
    trade.on(Kind.ABSORPTION_OK, plan=LONG)
    trade.fill(1, 10, 1000)
    sent = trade.ts
    trade(Mark(sent, 1000, 999, 1001))
    assert trade(Mark(sent + 49, 1000, 999, 1001)) == []
    assert trade(Mark(sent + 50, 1000, 999, 1001))[-1] == ExitMarket(3, -1, 10, "stop_silent")


def test_stop_filled_in_parts() -> None:
    trade = opened()
    assert trade.fill(2, 4, 980) == [CancelOrder(3, Role.TARGET)]
    assert trade.state.phase is Phase.CLOSED
    assert trade.fill(2, 5, 979) == []
    # The rest of it is canceled: what is left goes at market.
    assert trade.gone(2)[-1] == ExitMarket(4, -1, 1, "stop")
    trade.fill(4, 1, 978)
    commands = trade.on(Kind.RESET)
    (closed,) = [c for c in commands if isinstance(c, Closed)]
    assert closed.pnl == 4 * 980 + 5 * 979 + 978 - 10_000
    assert (closed.reason, closed.phase) == ("stop", Phase.POSITION_OPEN)


def test_triggered_stop_that_hangs_is_completed_at_the_next_mark() -> None:
    trade = opened()
    trade.fill(2, 4, 980)
    trade.gone(3)
    commands = trade(Mark(99, 975, 970, 981))
    assert commands[1:] == [CancelOrder(2, Role.STOP), ExitMarket(4, -1, 6, "stop")]


def test_both_stops_of_a_replacement_fill() -> None:
    """Without reduce-only at the venue both may fill: the surplus is closed."""
    trade = opened()
    trade.on(Kind.INIT_SAME, price=1015)
    trade.accept(4)
    trade.fill(4, 10, 1004)
    assert trade.state.done
    assert trade.fill(2, 10, 980)[-1] == ExitMarket(5, 1, 10, "stop")
    trade.fill(5, 10, 981)
    assert trade.state.done


# Targets.


def test_target_filled_in_parts_shrinks_the_stop() -> None:
    trade = opened()
    trade.accept(3)
    assert trade.fill(3, 4, 1060) == [PlaceStop(4, -1, 6, 980)]
    assert trade.state.phase is Phase.POSITION_OPEN
    assert trade.accept(4) == [CancelOrder(2, Role.STOP)]
    assert trade.fill(3, 6, 1060) == [CancelOrder(4, Role.STOP)]
    assert (trade.state.phase, trade.state.closing) == (Phase.CLOSED, "target")


def test_refused_target_is_watched_instead() -> None:
    trade = opened()
    trade.refuse(3)
    assert trade.state.phase is Phase.POSITION_OPEN
    assert trade(Mark(50, 1059, 1050, 1070)) == []
    assert trade(Mark(51, 1060, 1050, 1070)) == [ExitMarket(4, -1, 10, "target")]


def test_resized_order_is_believed() -> None:
    trade = opened()
    trade.accept(3)
    trade.fill(3, 4, 1060)
    assert trade(Resized(4, 6, trade.tick())) == []
    assert trade(Resized(2, 6, trade.tick())) == []
    assert trade.accept(4) == [CancelOrder(2, Role.STOP)]


# Exits.


def test_refused_exit_is_tried_again() -> None:
    trade = opened()
    key = 4
    assert trade.on(Kind.EXIT_WARN_STRONG, reason="exhaustion")[-1] == (
        ExitMarket(key, -1, 10, "exhaustion")
    )
    for _ in range(MAX_EXIT_REFUSALS - 1):
        assert trade.refuse(key)[-1] == ExitMarket(key + 1, -1, 10, "exhaustion")
        key += 1
    assert not any(isinstance(c, ExitMarket) for c in trade.refuse(key))
    assert trade.keys(Role.STOP) == [2]  # still protected meanwhile
    assert trade(Mark(99, 1000, 990, 1001)) == [ExitMarket(key + 1, -1, 10, "exhaustion")]


def test_exit_that_is_never_answered_is_sent_again() -> None:
    trade = opened(config=LifecycleConfig(ack_timeout_ns=50))
    trade.on(Kind.EXIT_WARN_STRONG, reason="exhaustion")
    sent = trade.ts
    trade.gone(3)
    trade(Mark(sent, 1000, 999, 1001))
    assert trade(Mark(sent + 49, 1000, 999, 1001)) == []
    again = trade(Mark(sent + 50, 1000, 999, 1001))
    assert again[1:] == [CancelOrder(4, Role.EXIT), ExitMarket(5, -1, 10, "exhaustion")]
    # Both fill after all: the surplus is closed.
    trade.fill(5, 10, 1000)
    assert trade.fill(4, 10, 1000)[-1] == ExitMarket(6, 1, 10, "exhaustion")


def test_exit_that_fills_in_part_is_completed() -> None:
    trade = opened()
    trade.on(Kind.FORCE_CLOSE, reason="session_end")
    trade.fill(4, 7, 1001)
    assert trade.gone(4)[-1] == ExitMarket(5, -1, 3, "session_end")


def test_entry_filling_while_closing_is_closed_too() -> None:
    trade = Trade()
    trade.on(Kind.ABSORPTION_OK, plan=replace(LONG, limit=True))
    trade.fill(1, 4, 1000)
    trade.accept(2)
    commands = trade.on(Kind.EXIT_WARN_STRONG)
    assert CancelOrder(1, Role.ENTRY) in commands
    assert ExitMarket(4, -1, 4, "EXIT_WARN_STRONG") in commands
    assert trade.fill(1, 6, 1000)[-1] == ExitMarket(5, -1, 6, "EXIT_WARN_STRONG")


def test_refused_cancel_is_tried_again_at_the_next_mark() -> None:
    trade = opened()
    trade.fill(2, 10, 980)
    assert trade(CancelRefused(3, trade.tick())) == []
    again = [QueryOrder(3, Role.TARGET), CancelOrder(3, Role.TARGET)]
    assert trade(Mark(99, 980, 979, 981)) == again


# The position changed from outside.


def test_position_closed_from_outside() -> None:
    trade = opened()
    commands = trade(PositionReport(0, 1010, trade.tick()))
    assert CancelOrder(2, Role.STOP) in commands
    assert trade.state.done
    assert trade.state.closing == "position_outside"
    assert trade.state.open_pnl(0) == 100


def test_position_halved_and_grown_from_outside() -> None:
    trade = opened()
    trade.accept(3)
    commands = trade(PositionReport(5, 1010, trade.tick()))
    assert PlaceStop(4, -1, 5, 980) in commands
    assert CancelOrder(3, Role.TARGET) in commands
    trade.accept(4)
    assert trade.gone(3) == [PlaceTarget(5, -1, 5, 1060)]
    commands = trade(PositionReport(8, 1010, trade.tick()))
    assert PlaceStop(6, -1, 8, 980) in commands
    assert PlaceTarget(7, -1, 3, 1060) in commands


def test_position_turned_from_outside_is_left_alone() -> None:
    trade = opened()
    commands = trade(PositionReport(-3, 1010, trade.tick()))
    assert not any(isinstance(c, ExitMarket) for c in commands)
    assert trade.state.orders.foreign == -3
    trade.gone(2)
    trade.gone(3)
    trade.on(Kind.RESET)
    (blocked,) = trade.on(Kind.ABSORPTION_OK, plan=LONG)
    assert isinstance(blocked, Note)
    assert blocked.reason == "orders_open"
    trade(PositionReport(0, 1010, trade.tick()))
    assert isinstance(trade.on(Kind.ABSORPTION_OK, plan=LONG)[0], SubmitEntry)


# Break-even, trailing, warnings.


@pytest.mark.parametrize(("plan", "side"), [(LONG, 1), (SHORT, -1)])
def test_robust_break_even(plan: Plan, side: int) -> None:
    trade = opened(plan)
    commands = trade.on(Kind.INIT_SAME, price=1000 + side * 9)
    assert (trade.state.phase, trade.state.held_moves) == (Phase.POSITION_OPEN, 1)
    assert isinstance(commands[0], Note)
    trade.on(Kind.INIT_SAME, price=1000 + side * 10)
    assert (trade.state.phase, trade.state.stop) == (Phase.BREAK_EVEN, 1000 + side * 4)


@pytest.mark.parametrize(("plan", "side"), [(LONG, 1), (SHORT, -1)])
def test_source_break_even(plan: Plan, side: int) -> None:
    trade = opened(plan, SOURCE)
    trade.on(Kind.INIT_SAME, price=1000)
    assert (trade.state.phase, trade.state.held_moves) == (Phase.POSITION_OPEN, 1)
    trade.on(Kind.INIT_SAME, price=1000 + side)
    assert (trade.state.phase, trade.state.stop) == (Phase.BREAK_EVEN, 1000)


def test_break_even_of_a_fractional_entry_covers_it() -> None:
    for plan, price, stop in ((LONG, 1001, 1005), (SHORT, 999, 995)):
        trade = Trade()
        trade.on(Kind.ABSORPTION_OK, plan=plan)
        trade.fill(1, 7, 1000)
        trade.fill(1, 3, price)
        trade.accept(2)
        trade.on(Kind.INIT_SAME, price=1000 + plan.side * 30)
        assert trade.state.stop == stop


def test_repeated_initiative_advances_once() -> None:
    trade = opened()
    event = Event(Kind.INIT_SAME, 50, price=1015, low=1010, high=1016)
    trade(event)
    assert trade(event) == []
    assert trade.state.phase is Phase.BREAK_EVEN


def test_trailing_stays_behind_the_market() -> None:
    trade = opened()
    trade.on(Kind.INIT_SAME, price=1015)
    trade.on(Kind.INIT_SAME, price=1020, low=1020, high=1021)
    assert trade.state.stop == 1019


def test_trade_at_rest_in_each_phase() -> None:
    """Once all is answered and marked, and not before; then no mark does anything."""
    trade = opened()
    for phase in IN_TRADE:
        assert trade.state.phase is phase
        assert not at_rest(trade.state, ROBUST)
        for order in trade.state.orders.working:
            if order.status is Status.CANCELING:
                trade.gone(order.key)
            elif order.status is Status.PENDING:
                trade.accept(order.key)
        for key in trade.keys(Role.STOP)[:-1]:
            trade.gone(key)
        assert not at_rest(trade.state, ROBUST)
        trade(Mark(trade.tick(), 1015, 1015, 1015))
        assert at_rest(trade.state, ROBUST)
        before = trade.state
        assert trade(Mark(trade.tick(), 900, 900, 1100)) == []
        assert trade.state == changed(before, marked_ns=trade.ts)
        price = 1015 if phase is Phase.POSITION_OPEN else 1020
        trade.on(Kind.INIT_SAME, price=price, low=price, high=price)


def test_trail_after_r() -> None:
    trade = opened(config=LifecycleConfig(trail_after_r=2.0))
    trade.on(Kind.INIT_SAME, price=1015)
    trade(Mark(50, 1039, 1030, 1041))
    assert trade.state.phase is Phase.BREAK_EVEN
    trade(Mark(51, 1040, 1030, 1041))
    assert (trade.state.phase, trade.state.stop) == (Phase.TRAILING, 1030)


def test_reset_needs_a_flat_position() -> None:
    trade = opened()
    trade.on(Kind.EXIT_WARN_STRONG)
    with pytest.raises(IllegalTransition, match="a position is open"):
        trade.on(Kind.RESET)
    trade.fill(4, 10, 1010)
    trade.on(Kind.RESET)
    assert trade.state.phase is Phase.NONE


def test_order_of_events_at_one_time() -> None:
    kinds = ["SWEEP", "ABSORPTION_OK", "INIT_SAME", "EXIT_WARN_WEAK", "EXIT_WARN_STRONG"]
    events: list[Event | Report] = [Event(Kind(kind), 5) for kind in [*kinds, "FORCE_CLOSE"]]
    events += [Filled(2, Role.STOP, -1, "T", 1, 980, 5), Event(Kind.SWEEP, 4)]
    ordered = sorted(events, key=lambda e: (e.ts, event_rank(e)))
    assert [e.kind.value if isinstance(e, Event) else "fill" for e in ordered] == [
        "SWEEP",
        "fill",
        "FORCE_CLOSE",
        "EXIT_WARN_STRONG",
        "EXIT_WARN_WEAK",
        "INIT_SAME",
        "ABSORPTION_OK",
        "SWEEP",
    ]


# Restart.


def view(trade: Trade, position: int, entry: int = 1000, price: int = 1005) -> VenueView:
    live = tuple(
        replace(order, status=Status.LIVE)
        for order in trade.state.orders.working
        if not order.leaving
    )
    return VenueView(position, entry, price, live, trade.tick())


def test_restart_in_a_trade_goes_on() -> None:
    trade = opened()
    trade.accept(3)
    saved = State.from_dict(json.loads(json.dumps(trade.state.to_dict())))
    assert saved == trade.state
    state, commands = recover(saved, view(trade, 10))
    assert commands == ()
    assert state.phase is Phase.POSITION_OPEN
    assert replace(state, orders=replace(state.orders, working=())) == replace(
        saved, orders=replace(saved.orders, working=())
    )


def test_restart_places_a_missing_stop() -> None:
    trade = opened()
    state, commands = recover(trade.state, VenueView(10, 1000, 1005, (), 50))
    assert commands == (PlaceStop(4, -1, 10, 980),)
    assert state.orders.next_key == 5


def test_restart_from_an_old_save_never_loosens_the_stop() -> None:
    trade = opened()
    saved = trade.state
    trade.on(Kind.INIT_SAME, price=1015)
    trade.accept(4)
    trade.gone(2)
    state, commands = recover(saved, view(trade, 10))
    assert state.stop == 1004
    assert commands == ()


def test_restart_after_the_entry_filled_unseen() -> None:
    trade = Trade()
    trade.on(Kind.ABSORPTION_OK, plan=LONG)
    state, commands = recover(trade.state, VenueView(6, 1001, 1005, (), 50))
    assert state.phase is Phase.POSITION_OPEN
    assert state.entry_ticks() == 1001
    assert commands[-1] == PlaceStop(2, -1, 6, 980)


def test_restart_after_the_entry_was_lost_or_is_still_open() -> None:
    trade = Trade()
    trade.on(Kind.ABSORPTION_OK, plan=LONG)
    assert recover(trade.state, VenueView(0, 0, 1005, (), 50))[0].phase is Phase.WATCHING
    still = recover(trade.state, view(trade, 0))[0]
    assert still.phase is Phase.ABSORPTION_DETECTED


def test_restart_after_the_trade_ended_unseen() -> None:
    trade = opened()
    stop = Filled(2, Role.STOP, -1, "F1", 4, 981, 45)
    rest = Filled(2, Role.STOP, -1, "F2", 6, 980, 46)
    state, commands = recover(trade.state, VenueView(0, 0, 1005, (), 50, (stop, rest)))
    assert (state.done, state.closing, state.open_pnl(0)) == (True, "stop", -196)
    assert not any(isinstance(command, Note) for command in commands)
    # Nothing tells how: at the stop, which rests no more.
    state, _ = recover(trade.state, VenueView(0, 0, 1005, (), 50))
    assert (state.done, state.closing, state.open_pnl(0)) == (True, "position_outside", -200)
    # The stop rests, and the target is gone.
    stops = tuple(order for order in view(trade, 0).orders if order.role is Role.STOP)
    state, commands = recover(trade.state, VenueView(0, 0, 1005, stops, 50))
    assert state.open_pnl(0) == 600
    assert CancelOrder(2, Role.STOP) in commands


def test_restart_after_the_entry_filled_and_is_told() -> None:
    trade = Trade()
    trade.on(Kind.ABSORPTION_OK, plan=LONG)
    fill = Filled(1, Role.ENTRY, 1, "F1", 10, 1002, 45)
    state, commands = recover(trade.state, VenueView(10, 1002, 1005, (), 50, (fill,)))
    assert (state.phase, state.entry_ticks()) == (Phase.POSITION_OPEN, 1002)
    assert commands[-1] == PlaceStop(2, -1, 10, 980)
    assert "F1" in state.orders.seen


def test_restart_without_a_saved_plan() -> None:
    trade = opened()
    adopted, commands = recover(State(), view(trade, 10))
    assert adopted.phase is Phase.POSITION_OPEN
    assert adopted.plan == Plan(1, 10, 1000, 980, 1060, adopted=True)
    assert not any(isinstance(c, PlaceStop | ExitMarket) for c in commands)
    # A stop past the entry shows that it had been moved.
    trade.on(Kind.INIT_SAME, price=1015)
    trade.accept(4)
    moved, _ = recover(State(), view(trade, 10))
    assert (moved.phase, moved.stop) == (Phase.BREAK_EVEN, 1004)
    # Without a stop there is nothing to go by.
    naked, commands = recover(State(), VenueView(-4, 1000, 1005, (), 50))
    assert commands[-1] == ExitMarket(1, 1, 4, "late_fill")
    assert naked.phase is Phase.NONE


def test_unknown_saved_field_is_named() -> None:
    with pytest.raises(ValueError, match="`phaze` is not a field of State"):
        State.from_dict(State().to_dict() | {"phaze": 1})


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: replace(LONG, side=0), "`side`"),
        (lambda: replace(LONG, qty=0), "`qty`"),
        (lambda: replace(LONG, stop=1000), "`stop`"),
        (lambda: replace(SHORT, target=1000), "`target`"),
        (lambda: LifecycleConfig(be_buffer_ticks=-1), "`be_buffer_ticks`"),
        (lambda: LifecycleConfig(trail_after_r=0.0), "`trail_after_r`"),
        (lambda: LifecycleConfig(ack_timeout_ns=0), "`ack_timeout_ns`"),
        (lambda: Filled(1, Role.STOP, 1, "", 0, 1, 1), "`qty`"),
        (lambda: step(State(), Event(Kind.ABSORPTION_OK, 1)), "`plan`"),
    ],
)
def test_bad_parameters(call, name: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=name):
        call()


# Random venues.

MARKET = [
    *[Kind.ABSORPTION_OK] * 4,
    *[Kind.INIT_SAME] * 5,
    Kind.LEVEL_APPROACH,
    Kind.LEVEL_LEFT,
    Kind.ABSORPTION_LOW,
    Kind.SWEEP,
    Kind.INIT_OPP,
    Kind.EXIT_WARN_WEAK,
    Kind.EXIT_WARN_STRONG,
    Kind.FORCE_CLOSE,
]


@st.composite
def happenings(draw: st.DrawFn) -> tuple[str, int, int, int]:
    what = draw(
        st.sampled_from(
            ["market"] * 6
            + ["accept"] * 4
            + ["fill"] * 4
            + ["refuse", "gone", "cancel_refused", "outside", "lifecycle"]
            + ["mark"] * 2
            + ["repeat"]
        )
    )
    return what, draw(st.integers(0, 9)), draw(st.integers(1, 10)), draw(st.integers(900, 1100))


def random_event(
    state: State, happening: tuple[str, int, int, int], ts: int, last: Event | Report | None
) -> Event | Report | None:
    """An event of a venue that may do anything to the orders that it has."""
    what, pick, qty, price = happening
    working = state.orders.working
    if what == "market":
        kind = MARKET[(pick + qty + price) % len(MARKET)]
        plan = (LONG, SHORT)[pick % 2]
        plan = replace(plan, limit=qty % 2 == 0, expires_ns=ts + 5 if pick % 3 == 0 else None)
        return Event(kind, ts, price, price - 3, price + 3, plan, "VAL")
    if what == "lifecycle":
        kinds = [Kind.ENTRY_FILLED, Kind.ENTRY_REJECTED, Kind.SL_HIT, Kind.TP_HIT, Kind.RESET]
        return Event(kinds[pick % 5], ts, price)
    if what == "mark":
        return Mark(ts, price, price - 3, price + 3)
    if what == "outside":
        return PositionReport(state.orders.position + state.orders.foreign + pick - 5, price, ts)
    if what == "repeat":
        return last
    if not working:
        return None
    order = working[pick % len(working)]
    if what == "accept":
        return Accepted(order.key, ts)
    if what == "fill":
        size = min(qty, order.leaves)
        return Filled(order.key, order.role, order.side, f"T{ts}", size, price, ts)
    if what == "refuse":
        return Refused(order.key, ts)
    return Gone(order.key, ts) if what == "gone" else CancelRefused(order.key, ts)


def check_always(before: State, after: State, commands: tuple[Command, ...]) -> None:
    orders = after.orders
    moves = [c for c in commands if isinstance(c, Moved)]
    assert all(LEGAL[m.source, m.kind] is m.target for m in moves)
    phases = [before.phase, *(m.target for m in moves)]
    assert phases[-1] is after.phase
    assert [m.source for m in moves] == phases[:-1]
    # In a position: a stop live or on its way, an exit in flight, or one refused again and again.
    if orders.position:
        side = -1 if orders.position > 0 else 1
        closing = [o for o in orders.working if o.side == side and not o.leaving]
        protected = any(o.role in (Role.STOP, Role.EXIT) for o in closing)
        assert protected or orders.exit_refusals >= MAX_EXIT_REFUSALS
    if after.in_trade:
        assert after.plan is not None
        assert orders.position * after.plan.side > 0
        if before.in_trade:
            assert after.plan.side * (after.stop - before.stop) >= 0
    # At most one entry, and none beside a position of another trade.
    entries = [o for o in orders.working if o.role is Role.ENTRY]
    assert len(entries) <= 1
    assert all(o.leaves > 0 for o in orders.working)
    assert len({o.key for o in orders.working}) == len(orders.working)
    assert sum(isinstance(c, SubmitEntry) for c in commands) <= 1
    if any(isinstance(c, SubmitEntry) for c in commands):
        assert before.orders.idle


def walk(events: list[tuple[str, int, int, int]], config: LifecycleConfig) -> Iterator[State]:
    state, last = State(), None
    for ts, happening in enumerate(events, start=1):
        event = random_event(state, happening, ts, last)
        if event is None:
            continue
        if happening[0] == "repeat" and not isinstance(event, Event | PositionReport | Mark):
            after, commands = step(state, event, config)
            assert (after, commands) == (state, ()), event
            continue
        before = json.dumps(state.to_dict(), sort_keys=True)
        try:
            after, commands = step(state, event, config)
        except IllegalTransition:
            assert isinstance(event, Event)
            assert event.kind in LIFECYCLE_KINDS
            assert json.dumps(state.to_dict(), sort_keys=True) == before
            continue
        check_always(state, after, commands)
        assert State.from_dict(json.loads(json.dumps(after.to_dict()))) == after
        state, last = after, event
        if at_rest(state, config):
            mark = Mark(ts, happening[3], happening[3] - 3, happening[3] + 3)
            assert step(state, mark, config) == (changed(state, marked_ns=ts), ())
        yield state


RULES = st.builds(
    LifecycleConfig,
    robust=st.booleans(),
    trail_after_r=st.sampled_from([None, 1.0]),
    ack_timeout_ns=st.sampled_from([3, 10**9]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(happenings(), max_size=60), RULES)
def test_random_venue_keeps_the_invariants(events, config) -> None:  # type: ignore[no-untyped-def]
    for _ in walk(events, config):
        pass


def to_do(state: State, order: WorkingOrder) -> bool:
    """Whether the venue owes an answer: an ack, a cancel, an exit, a triggered stop's rest."""
    triggered = order.role is Role.STOP and order.filled > 0 and not state.in_trade
    pending = order.status is Status.PENDING
    return order.leaving or pending or order.role is Role.EXIT or triggered


def calm(state: State, config: LifecycleConfig, ts: int) -> State:
    """A venue that does as it is told, until there is nothing left to say."""
    for _ in range(60):
        ts += 1
        order = next((o for o in state.orders.working if to_do(state, o)), None)
        if order is None:
            return state
        event: Report = Accepted(order.key, ts)
        if order.status is Status.STUCK:
            event = Mark(ts, 1000, 999, 1001)
        elif order.leaving:
            event = Gone(order.key, ts)
        elif order.role is Role.EXIT or order.filled:
            event = Filled(order.key, order.role, order.side, f"C{ts}", order.leaves, 1000, ts)
        state, _ = step(state, event, config)
    raise AssertionError("the venue never comes to rest")


@settings(max_examples=200, deadline=None)
@given(st.lists(happenings(), max_size=50), RULES)
def test_calm_venue_leaves_exact_protection_and_a_way_out(events, config) -> None:  # type: ignore[no-untyped-def]
    """Wherever chaos led: once the venue answers, one stop covers all, and a close ends it."""
    state = State()
    for state in walk(events, config):  # noqa: B007
        pass
    config = msgspec.structs.replace(config, ack_timeout_ns=10**12)
    ts = 10_000
    state = calm(step(state, Mark(ts, 1000, 999, 1001), config)[0], config, ts)
    if state.in_trade:
        stops = [o for o in state.orders.working if o.role is Role.STOP]
        targets = [o for o in state.orders.working if o.role is Role.TARGET]
        assert [(o.price, o.leaves) for o in stops] == [(state.stop, abs(state.orders.position))]
        if not state.target_lost:
            assert sum(o.leaves for o in targets) == abs(state.orders.position)
    state, _ = step(state, Event(Kind.FORCE_CLOSE, ts + 100), config)
    state = calm(state, config, ts + 100)
    if state.phase is Phase.ABSORPTION_DETECTED or state.in_trade:
        raise AssertionError(f"no way out of {state.phase}")
    if state.phase is Phase.CLOSED:
        assert state.done
        state, _ = step(state, Event(Kind.RESET, ts + 200), config)
    assert state.phase in (Phase.NONE, Phase.WATCHING)
    assert not state.orders.working
    assert state.orders.position == 0


def test_walks_reach_every_phase() -> None:
    """The random walks mean something: a few hundred of them see every phase."""
    rng = random.Random(5)
    kinds = ["market", "market", "accept", "fill", "mark", "gone", "lifecycle"]
    seen: set[Phase] = set()
    resting = 0
    for _ in range(300):
        events = [
            (rng.choice(kinds), rng.randrange(10), rng.randint(1, 10), rng.randint(900, 1100))
            for _ in range(50)
        ]
        states = list(walk(events, SOURCE))
        seen |= {state.phase for state in states}
        resting += sum(at_rest(state, SOURCE) for state in states)
    assert seen == set(Phase)
    assert resting > 0
