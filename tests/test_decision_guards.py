"""What keeps a trade safe beyond its rules: silent orders, an operator, limits of size and rate."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from of_nautilus.decision.gate import SECOND, DayLedger, GateConfig, entry_gate
from of_nautilus.decision.orders import (
    Accepted,
    CancelOrder,
    CancelRefused,
    Command,
    ExitMarket,
    Mark,
    Note,
    PlaceStop,
    PositionReport,
    QueryOrder,
    Role,
    SubmitEntry,
    TakeOver,
)
from of_nautilus.decision.records import TradeClosed
from of_nautilus.decision.risk import Market, Refusal, RiskConfig, position_size
from of_nautilus.decision.settings import TradeConfig
from of_nautilus.decision.state import LifecycleConfig, State
from of_nautilus.decision.table import Kind, Phase
from of_nautilus.decision.trader import TradeManager
from tests.test_decision_lifecycle import LONG, Trade, opened
from tests.test_decision_trader import FIXED, Desk, framed, in_trade

PATIENT = LifecycleConfig(query_after_ns=30, ack_timeout_ns=100)


def mark(trade: Trade, ts: int) -> list[Command]:
    """A mark, and the time of it."""
    trade.ts = ts
    return trade(Mark(ts, 1000, 999, 1001))


def notes(commands: list[Command]) -> list[tuple[str, bool]]:
    return [(c.what, c.alarm) for c in commands if isinstance(c, Note)]


# Orders that are not answered.


def test_a_silent_entry_is_asked_after_then_canceled_then_given_up() -> None:
    trade = Trade(config=PATIENT)
    trade.on(Kind.ABSORPTION_OK, plan=replace(LONG, expires_ns=10_000))
    sent = trade.ts
    mark(trade, sent)
    assert mark(trade, sent + 10) == []
    asked = mark(trade, sent + 30)
    assert notes(asked) == [("order_silent", True)]
    assert asked[-1] == QueryOrder(1, Role.ENTRY)
    assert mark(trade, sent + 60) == [], "asked once"
    assert mark(trade, sent + 100) == [CancelOrder(1, Role.ENTRY)]
    given_up = mark(trade, sent + 200)
    assert ("entry_silent", True) in notes(given_up)
    assert trade.state.phase is Phase.WATCHING
    # It blocks the next one until its end is known, and what still fills of it is closed.
    assert notes(trade.on(Kind.ABSORPTION_OK, plan=LONG)) == [("entry_blocked", False)]
    late = trade.fill(1, 10, 1000)
    assert notes(late) == [("late_fill", True)]
    assert late[-1] == ExitMarket(2, -1, 10, "late_fill")


def test_an_answer_ends_the_waiting() -> None:
    trade = Trade(config=PATIENT)
    trade.on(Kind.ABSORPTION_OK, plan=LONG)
    sent = trade.ts
    mark(trade, sent + 20)
    trade(Accepted(1, sent + 25))
    assert mark(trade, sent + 500) == []


def test_a_market_without_trades_is_no_silent_venue() -> None:
    trade = Trade(config=PATIENT)
    trade.on(Kind.ABSORPTION_OK, plan=LONG)
    mark(trade, trade.ts)
    # A simulated venue has had no turn between the order and this mark.
    assert mark(trade, trade.ts + 1_000) == []
    assert notes(mark(trade, trade.ts + 1)) == [("order_silent", True)]


def test_a_bar_that_ended_long_ago_sends_no_old_order() -> None:
    trade = Trade(config=PATIENT)
    ended = trade.ts
    mark(trade, ended + 1_000)
    # Only now a trade tells that the bar had ended.
    trade.ts = ended
    trade.on(Kind.ABSORPTION_OK, plan=LONG)
    assert mark(trade, ended + 1_010) == []
    assert mark(trade, ended + 1_020) == []
    assert notes(mark(trade, ended + 1_050)) == [("order_silent", True)]


def test_a_silent_stop_closes_the_position() -> None:
    trade = Trade(config=PATIENT)
    trade.on(Kind.ABSORPTION_OK, plan=LONG)
    trade.fill(1, 10, 1000)
    sent = trade.ts
    mark(trade, sent)
    mark(trade, sent + 10)
    assert mark(trade, sent + 40)[-1] == QueryOrder(2, Role.STOP)
    closing = mark(trade, sent + 100)
    assert ("stop_silent", True) in notes(closing)
    assert closing[-1] == ExitMarket(3, -1, 10, "stop_silent")


def test_a_silent_target_is_watched_here() -> None:
    trade = opened(config=PATIENT)
    sent = trade.ts
    mark(trade, sent)
    mark(trade, sent + 10)
    lost = mark(trade, sent + 100)
    assert ("target_lost", True) in notes(lost)
    assert CancelOrder(3, Role.TARGET) in lost
    trade.ts += 1
    out = trade(Mark(trade.ts, 1060, 1059, 1061))
    assert out[-1] == ExitMarket(4, -1, 10, "target")


def test_a_cancel_without_an_answer_is_sent_again() -> None:
    trade = opened(config=PATIENT)
    trade.accept(3)
    trade.fill(3, 10, 1060)
    (stop,) = trade.state.orders.working
    assert stop.leaving
    sent = trade.ts
    mark(trade, sent)
    assert mark(trade, sent + 50) == []
    again = mark(trade, sent + 100)
    assert notes(again) == [("cancel_silent", True)]
    assert again[1:] == [QueryOrder(2, Role.STOP), CancelOrder(2, Role.STOP)]
    trade.gone(2)
    assert trade.state.orders.idle


def test_a_refused_cancel_is_asked_after() -> None:
    trade = opened(config=PATIENT)
    trade.accept(3)
    trade.fill(3, 10, 1060)
    trade(CancelRefused(2, trade.tick()))
    again = mark(trade, trade.ts + 1)
    assert again == [QueryOrder(2, Role.STOP), CancelOrder(2, Role.STOP)]


def test_a_refused_entry_is_an_alarm() -> None:
    trade = Trade()
    trade.on(Kind.ABSORPTION_OK, plan=LONG)
    assert notes(trade.refuse(1, "margin")) == [("entry_refused", True)]


# Protection.


def test_protected_means_accepted_stops_of_the_whole_size() -> None:
    assert State().protected
    trade = Trade()
    trade.on(Kind.ABSORPTION_OK, plan=LONG)
    assert trade.state.protected
    trade.fill(1, 4, 1000)
    assert not trade.state.protected
    trade.accept(2)
    assert trade.state.protected
    trade.fill(1, 6, 1000)
    assert not trade.state.protected
    trade.accept(max(trade.keys(Role.STOP)))
    assert trade.state.protected


def test_a_position_that_is_not_ours_is_taken_over_to_be_closed() -> None:
    trade = Trade()
    trade(PositionReport(-3, 1010, trade.tick()))
    taken = trade(TakeOver(1005, trade.tick()))
    assert notes(taken) == [("foreign_taken_over", True)]
    assert taken[-1] == ExitMarket(1, 1, 3, "late_fill")
    trade.fill(1, 3, 1000)
    assert trade.state.orders.idle
    assert trade(TakeOver(1005, trade.tick())) == [], "nothing is left"


# The operator.


def test_paused_refuses_entries_and_manages_on() -> None:
    desk = framed()
    desk.manager.paused = True
    desk.bar(10_001, 10_011, 10_005, ("absorption", 1, 80.0))
    assert desk.refusals() == ["paused"]
    desk.manager.paused = False
    desk.bar(10_001, 10_011, 10_005, ("absorption", 1, 80.0))
    desk.manager.paused = True
    desk.bar(9_980, 10_000, 9_990)
    assert [trade.closed.reason for trade in desk.all(TradeClosed)] == ["stop"]


def test_a_pause_survives_a_restart() -> None:
    desk = framed()
    desk.manager.paused = True
    again = TradeManager(TradeConfig(risk=FIXED))
    again.load(desk.manager.to_dict())
    assert again.paused


@pytest.mark.parametrize("phase", ["none", "entering", "in trade"])
def test_flatten_in_every_phase(phase: str) -> None:
    desk: Desk = in_trade() if phase == "in trade" else framed()
    if phase == "entering":
        # The entry is on its way: nothing is carried out.
        desk.carry_out = lambda outputs: desk.log.extend(outputs)  # type: ignore[method-assign]
        desk.bar(10_001, 10_011, 10_005, ("absorption", 1, 80.0))
        assert desk.manager.state.phase is Phase.ABSORPTION_DETECTED
        (cancel,) = [c for c in desk.manager.flatten(desk.ts) if isinstance(c, CancelOrder)]
        assert cancel.role is Role.ENTRY
    else:
        desk.carry_out(desk.manager.flatten(desk.ts))
        assert desk.manager.state.orders.idle
        reasons = [trade.closed.reason for trade in desk.all(TradeClosed)]
        assert reasons == (["flatten"] if phase == "in trade" else [])
    assert desk.manager.paused


# Limits.


def sized(max_notional: float | None, **fields: Any) -> int | Refusal:
    """Lots of an entry at 1,000 ticks with a stop 10 below, worth 1,000 each."""
    risk = RiskConfig(max_notional=max_notional, **fields)
    return position_size(1_000, 990, Decimal(100_000), Market(), risk)


def test_the_largest_notional_cuts_a_size_and_refuses_a_fixed_one() -> None:
    assert sized(None) == 50
    assert sized(20_500.0) == 20
    assert sized(20_500.0, sizing="fixed", fixed_qty=20) == 20
    refused = sized(20_500.0, sizing="fixed", fixed_qty=21)
    assert isinstance(refused, Refusal)
    assert refused.reason == "max_notional"
    too_small = sized(999.0)
    assert isinstance(too_small, Refusal)
    assert too_small.reason == "min_qty"
    with pytest.raises(ValueError, match=r"`max_notional` must be > 0 or None, was 0\.0"):
        RiskConfig(max_notional=0.0)


def test_too_many_orders_in_a_minute_stop_entries_only() -> None:
    gate = GateConfig(max_orders_per_minute=5, cooldown_ns=0, max_entries_per_level=None)
    desk = framed(TradeConfig(risk=FIXED, gate=gate))
    desk.bar(10_001, 10_011, 10_005, ("absorption", 1, 80.0))
    desk.ts -= 60 * SECOND  # all of this happens within one minute
    desk.carry_out(desk.manager.close(desk.ts))
    sent = [c for c in desk.log if isinstance(c, SubmitEntry | PlaceStop | ExitMarket)]
    assert len(sent) == 3
    desk.ts -= 60 * SECOND
    desk.bar(10_001, 10_011, 10_005, ("absorption", 1, 80.0))
    assert desk.refusals() == ["order_rate"]
    desk.ts += 60 * SECOND
    desk.bar(10_001, 10_011, 10_005, ("absorption", 1, 80.0))
    assert desk.manager.state.phase is Phase.POSITION_OPEN


def test_a_cooldown_of_none_is_none() -> None:
    def refused(cooldown_ns: int) -> str:
        gate = GateConfig(cooldown_ns=cooldown_ns)
        last = 20 * SECOND  # told with a time after that of the newest trade
        refusal = entry_gate(
            19 * SECOND,
            ledger=DayLedger(),
            last_entry_ns=last,
            session_end_ns=None,
            config=gate,
        )
        return refusal.reason if refusal else ""

    assert (refused(0), refused(1)) == ("", "cooldown")
