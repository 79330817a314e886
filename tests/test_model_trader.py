"""ForecastTrader: the model's trading rule from forecasts to commands."""

import json
from dataclasses import dataclass
from decimal import Decimal

import pytest

from of_nautilus.decision.gate import DAY, SECOND, GateConfig
from of_nautilus.decision.orders import (
    Accepted,
    CancelOrder,
    ExitMarket,
    Filled,
    Note,
    PlaceStop,
    Role,
    SubmitEntry,
)
from of_nautilus.decision.records import Halted, TradeClosed
from of_nautilus.decision.risk import Market
from of_nautilus.model.rule import RuleConfig
from of_nautilus.model.trader import ForecastTrader

START = 20_000 * DAY
NAN = float("nan")


@dataclass
class Told:
    """A forecast; the defaults say buy."""

    ts_event: int
    p_up_1m: float = 0.6
    p_up_5m: float = 0.6
    magnitude: float = 50.0
    ofi_z: float = 2.0
    bid: int = 10_000
    ask: int = 10_001
    session_end: int = START + DAY


class Desk:
    """A trader with reports as a venue would send them."""

    def __init__(self, fees: float = 0.0, lots: int = 10, **rules) -> None:
        config = RuleConfig(max_position=1.0, **rules)
        self.trader = ForecastTrader(config, Market(), lots, fees)
        self.trader.equity = Decimal(100_000)
        self.fills = 0

    def tell(self, second: float, **told) -> list:
        ts = START + int(second * SECOND)
        return self.trader.on_forecast(Told(ts, **told))

    def fill(self, order, price: int, second: float, qty: int = 0) -> list:
        roles = {SubmitEntry: Role.ENTRY, PlaceStop: Role.STOP, ExitMarket: Role.EXIT}
        self.fills += 1
        ts = START + int(second * SECOND)
        return self.trader.on_report(
            Filled(order.key, roles[type(order)], order.side, f"T{self.fills}", qty or order.qty,
                   price, ts)
        )  # fmt: skip

    def enter(self, second: float = 0.0, price: int = 10_001, **told) -> PlaceStop:
        (entry,) = of(self.tell(second, **told), SubmitEntry)
        (stop,) = of(self.fill(entry, price, second), PlaceStop)
        self.trader.on_report(Accepted(stop.key, START + int(second * SECOND)))
        return stop


def of(outputs: list, kind: type) -> list:
    return [output for output in outputs if isinstance(output, kind)]


def reasons(outputs: list) -> list[str]:
    return [note.reason for note in of(outputs, Note) if note.what == "call_refused"]


SELL = {"p_up_1m": 0.4, "p_up_5m": 0.4, "ofi_z": -2.0, "magnitude": -50.0}


@pytest.mark.parametrize(("told", "side", "stop"), [({}, 1, 9_999), (SELL, -1, 10_002)])
def test_an_entry_at_market_and_its_stop_two_ticks_from_the_fill(told, side, stop) -> None:
    desk = Desk()
    (entry,) = of(desk.tell(0, **told), SubmitEntry)
    assert (entry.side, entry.qty, entry.price) == (side, 10, None)
    price = 10_001 if side > 0 else 10_000
    (placed,) = of(desk.fill(entry, price, 0), PlaceStop)
    assert (placed.side, placed.qty, placed.price) == (-side, 10, stop)


def test_the_stop_follows_the_average_of_the_fills_rounded_away() -> None:
    desk = Desk(stop_ticks=5)
    (entry,) = of(desk.tell(0, bid=9_999, ask=10_001), SubmitEntry)
    (first,) = of(desk.fill(entry, 10_001, 0, qty=4), PlaceStop)
    assert (first.price, first.qty) == (10_001 - 6, 4)
    (second,) = of(desk.fill(entry, 10_004, 0, qty=6), PlaceStop)
    assert of(desk.trader.on_report(Accepted(first.key, START)), PlaceStop) == []
    # 10002.8 on average.
    assert (second.price, second.qty) == (10_002 - 6, 10)


def test_a_limit_entry_waits_at_the_own_side_and_expires() -> None:
    desk = Desk(entry="limit", entry_expiry_s=10.0)
    (entry,) = of(desk.tell(0), SubmitEntry)
    assert (entry.side, entry.price, entry.expires_ns) == (1, 10_000, START + 10 * SECOND)
    desk.trader.on_report(Accepted(entry.key, START))
    assert of(desk.tell(5), CancelOrder) == []
    assert [cancel.key for cancel in of(desk.tell(10), CancelOrder)] == [entry.key]


def test_it_goes_when_the_model_turns_after_a_minute_or_the_time_is_over() -> None:
    desk = Desk()
    desk.enter()
    assert of(desk.tell(55, p_up_1m=0.1), ExitMarket) == []
    assert of(desk.tell(60), ExitMarket) == []
    (leave,) = of(desk.tell(65, p_up_1m=0.49), ExitMarket)
    assert (leave.side, leave.qty, leave.reason) == (-1, 10, "model")
    desk = Desk()
    desk.enter()
    assert of(desk.trader.on_time(START + 299 * SECOND), ExitMarket) == []
    (leave,) = of(desk.trader.on_time(START + 300 * SECOND), ExitMarket)
    assert leave.reason == "time"
    (closed,) = of(desk.fill(leave, 10_010, 300), TradeClosed)
    assert (closed.pnl, closed.qty, closed.closed.reason) == (90, 10, "time")
    ((ts, action, side, strength),) = closed.signals
    assert (ts, action, side, strength) == (START, "LONG", 1, pytest.approx(60.0))


def test_flat_before_the_session_ends_and_no_entry_in_its_last_minutes() -> None:
    end = START + 1000 * SECOND
    desk = Desk(longest_hold_s=1000.0)
    assert reasons(desk.tell(400, session_end=end)) == ["LONG session_end"]
    desk.enter(399, session_end=end)
    assert of(desk.tell(699, session_end=end), ExitMarket) == []
    (leave,) = of(desk.tell(700, session_end=end), ExitMarket)
    assert leave.reason in ("session", "session_end")


def test_a_call_must_pay_for_its_trade() -> None:
    # Half of a tick of 10,000.5 is half a basis point.
    assert reasons(Desk(fees=10.0).tell(0, magnitude=10.4)) == ["LONG cost"]
    assert of(Desk(fees=10.0).tell(0, magnitude=-10.6), SubmitEntry)
    assert reasons(Desk(fees=10.0, slippage_bps=1.0).tell(0, magnitude=11.4)) == ["LONG cost"]
    assert of(Desk(fees=10.0, cost_gate=False).tell(0, magnitude=0.0), SubmitEntry)


def test_a_stop_inside_the_spread_is_no_stop() -> None:
    wide = {"bid": 9_990, "ask": 10_001, "magnitude": 500.0}
    assert reasons(Desk().tell(0, **wide)) == ["LONG stop_in_spread"]
    assert of(Desk(stop_ticks=11).tell(0, **wide), SubmitEntry)
    assert of(Desk(entry="limit").tell(0, **wide), SubmitEntry)


@pytest.mark.parametrize(
    "told", [{"p_up_1m": NAN}, {"ofi_z": 0.5}, {"p_up_5m": 0.4}, {"bid": 0, "ask": 0}]
)
def test_nothing_is_said_nothing_is_done(told) -> None:
    assert Desk().tell(0, **told) == []


def test_one_position_at_a_time_and_a_halt_after_losses() -> None:
    gate = GateConfig(max_losses=2, cooldown_ns=0)
    desk = Desk(gate=gate)
    for k in range(2):
        stop = desk.enter(100 * k)
        assert of(desk.tell(100 * k + 5), SubmitEntry) == []
        outputs = desk.fill(stop, 9_999, 100 * k + 10)
        assert [trade.pnl for trade in of(outputs, TradeClosed)] == [-20]
    assert [halt.reason for halt in of(outputs, Halted)] == ["loss_streak"]
    assert reasons(desk.tell(300)) == ["LONG halted_loss_streak"]
    tomorrow = DAY // SECOND + 1
    assert of(desk.tell(tomorrow, session_end=START + 2 * DAY), SubmitEntry)


def test_the_days_loss_closes_and_halts() -> None:
    desk = Desk(gate=GateConfig(max_daily_loss=0.001), stop_ticks=50)
    desk.enter()
    assert of(desk.tell(5, bid=9_992, ask=9_993), ExitMarket) == []
    (leave,) = of(desk.tell(10, bid=9_991, ask=9_992), ExitMarket)
    assert leave.reason == "daily_loss"


def test_a_restart_goes_on() -> None:
    desk = Desk()
    desk.enter()
    saved = json.loads(json.dumps(desk.trader.to_dict()))
    other = Desk()
    other.trader.load(saved)
    (leave,) = of(other.tell(300), ExitMarket)
    assert (leave.qty, leave.reason) == (10, "time")


@pytest.mark.parametrize(
    ("rules", "name"),
    [
        ({"max_position": 0.0}, "max_position"),
        ({"long": 0.4}, "long"),
        ({"threshold": -1.0}, "extreme"),
        ({"entry": "stop"}, "entry"),
        ({"entry_expiry_s": 0.0}, "entry_expiry_s"),
        ({"stop_ticks": 0}, "stop_ticks"),
        ({"longest_hold_s": 1.0}, "longest_hold_s"),
        ({"slippage_bps": -1.0}, "slippage_bps"),
    ],
)
def test_bad_parameters(rules, name) -> None:
    with pytest.raises(ValueError, match=f"`{name}`"):
        RuleConfig(**{"max_position": 1.0} | rules)
    with pytest.raises(ValueError, match="`max_position`"):
        ForecastTrader(RuleConfig(max_position=1e-9), Market(), 0, 0.0)
