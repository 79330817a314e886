"""What a node publishes in one trade, made by hand for the tests of the alerts."""

import json
from decimal import Decimal
from typing import Any

import numpy as np
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.enums import LiquiditySide, OrderSide, OrderType
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import (
    AccountId,
    ClientOrderId,
    InstrumentId,
    StrategyId,
    TradeId,
    TraderId,
    VenueOrderId,
)
from nautilus_trader.model.objects import Currency, Money, Price, Quantity

from of_nautilus.alerts.memory import Market
from of_nautilus.data import (
    FLATTEN,
    LIVE,
    SUSPENDED,
    ClosedTrade,
    DailyBias,
    EntryDecision,
    ExecutionTrouble,
    FeedStatus,
    FootprintBar,
    JournalNote,
    LevelEvent,
    OperatorCommand,
    PatternSignal,
    TradeTransition,
)

BTC = InstrumentId.from_str("BTCUSDT-PERP.BINANCE")
MARKET = Market(str(BTC), Decimal("0.10"), Decimal("0.001"), "USDT")
NOON = 1_704_715_200_000_000_000
SECOND = 10**9
HOSTILE = '</b><script>alert("x")</script> & *_[`\n\x00\u202e'
TRADER, STRATEGY = TraderId("LIVE-001"), StrategyId("OrderFlowStrategy-001")


def at(of: type[Any], seconds: float = 0.0, /, **fields: Any) -> Any:
    """An item of custom data about BTC, so many seconds after noon."""
    ts = NOON + round(seconds * SECOND)
    return of(ts_event=ts, ts_init=ts, instrument_id=BTC, **fields)


def bar(seconds: float = 60.0, close: int = 600_000) -> Any:
    """A closed bar of four price rows: delta -2, volume 10."""
    cells = np.zeros((4, 6), np.int64)
    cells[:, 0], cells[:, 1] = 1500, 1000
    return at(
        FootprintBar,
        seconds,
        tick=0.1,
        lot=0.001,
        open_ts=NOON + round((seconds - 60) * SECOND),
        close_ts=NOON + round(seconds * SECOND),
        open=600_001,
        high=600_003,
        low=600_000,
        close=close,
        buy=4000,
        sell=6000,
        trades=40,
        length=60 * SECOND,
        low_row=600_000,
        high_row=600_003,
        r1=40.0,
        cells=cells.tobytes(),
    )


def level(what: str = "born", price: int = 599_990, side: int = 1) -> Any:
    """A change of a level."""
    kind = "VAL" if side > 0 else "VAH"
    return at(
        LevelEvent, what=what, level=f"{kind}:{price}:{NOON}", kind=kind, price=price, side=side,
        strength=70.0,
    )  # fmt: skip


def bias() -> Any:
    """A session's frame."""
    return at(
        DailyBias, direction="LONG", confidence=79.0, shape="P", poc=600_100, val=599_990,
        vah=600_400, relation="HIGHER", reasons='{"base": 64.0, "value_accepted": 15.0}',
    )  # fmt: skip


def pattern(name: str, seconds: float, side: int, strength: float = 72.0) -> Any:
    """A pattern with a reason in lots."""
    return at(
        PatternSignal, seconds, pattern=name, side=side, price=600_000, strength=strength,
        reasons='{"delta": -2000, "method": 1}', at_close=True,
    )  # fmt: skip


def entry(seconds: float = 60.0) -> Any:
    """A planned entry: long from 60000.0, stop 59990.0, target 60040.0."""
    return at(
        EntryDecision, seconds, decision="planned", pattern="absorption", side=1, price=600_000,
        strength=72.0, level=f"VAL:599990:{NOON}", score=54.9, normalized=73.2, grade="A",
        entry=600_000, stop=599_900, target=600_400, quantity=20,
        numbers='{"pattern": 21.6, "level": 17.5, "bias": 15.8}',
    )  # fmt: skip


def moved(event: str, source: str, target: str, seconds: float = 61.0, reason: str = "") -> Any:
    """A transition of the trade."""
    return at(TradeTransition, seconds, source=source, target=target, event=event, reason=reason)


def closed(money: str = "0.9520", seconds: float = 400.0) -> Any:
    """A finished trade that made 50 ticks."""
    return at(
        ClosedTrade, seconds, lot=0.001, side=1, quantity=20, opened=NOON + 61 * SECOND,
        closed=NOON + round(seconds * SECOND), entry=600_000.0, exit=600_050.0, pnl_ticks=50.0,
        fees="0.0480", money=money, reason="stop", phase="TRAILING", planned_entry=600_000,
        first_stop=599_900, target=600_400, reward_to_risk=4.0, r_multiple=0.5,
        signals=json.dumps([[NOON, "absorption", 1, 72.0], [NOON, "initiative", 1, 81.0]]),
    )  # fmt: skip


def trouble(kind: str = "stop_lost", text: str = HOSTILE, position: int = 20) -> Any:
    """A trouble with an order."""
    return at(ExecutionTrouble, 70, kind=kind, text=text, position=position, numbers='{"qty": 20}')


def feed(state: str = SUSPENDED, count: int = 1, seconds: float = 80.0) -> Any:
    """A change of the feed's state."""
    return at(FeedStatus, seconds, state=state, reason="gap", count=count, since=NOON + 80 * SECOND)


def stop_rests(price: int, seconds: float = 61.0) -> Any:
    """The note that the venue has taken a stop."""
    return at(
        JournalNote,
        seconds,
        what="stop_rests",
        numbers=json.dumps({"price": price, "quantity": 20}),
    )


def entry_filled(price: str = "60000.10", quantity: str = "0.020") -> Any:
    """The event of the entry's fill."""
    return OrderFilled(
        TRADER, STRATEGY, BTC, ClientOrderId("OF001-65a-1-ENTRY"), VenueOrderId("1"),
        AccountId("X-1"),
        TradeId("1"), None, OrderSide.BUY, OrderType.MARKET, Quantity.from_str(quantity),
        Price.from_str(price), Currency.from_str("USDT"), Money.from_str("0.024 USDT"),
        LiquiditySide.TAKER, UUID4(), NOON, NOON,
    )  # fmt: skip


def whole_story() -> list[Any]:
    """One of everything that an alert is made of, in the order in which a node publishes it."""
    return [
        bias(),
        level(),
        level(price=600_400, side=-1),
        pattern("absorption", 60, 1),
        bar(),
        entry(),
        moved("ABSORPTION_OK", "WATCHING", "ABSORPTION_DETECTED", 60),
        entry_filled(),
        moved("ENTRY_FILLED", "ABSORPTION_DETECTED", "POSITION_OPEN"),
        stop_rests(599_900),
        moved("INIT_SAME", "POSITION_OPEN", "BREAK_EVEN", 120),
        stop_rests(600_040, 121),
        moved("INIT_SAME", "BREAK_EVEN", "TRAILING", 180),
        stop_rests(600_090, 181),
        pattern("divergence", 200, -1, 55.0),
        at(JournalNote, 200, what="exit_warn_weak", reason="divergence"),
        pattern("exhaustion", 240, -1, 75.0),
        moved("EXIT_WARN_STRONG", "TRAILING", "CLOSED", 240, "exhaustion"),
        closed(),
        trouble(),
        at(ExecutionTrouble, 71, kind="flat", text="stop_lost", protected=True),
        at(JournalNote, 72, what="halted", reason="max_losses", alarm=True),
        feed(),
        feed(LIVE, seconds=92.5),
        at(OperatorCommand, 100, action=FLATTEN, source=HOSTILE),
        bar(86_400),
    ]
