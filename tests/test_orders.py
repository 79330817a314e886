"""The strategy's own orders: what a fill costs, and what an earlier run's orders have filled."""

from decimal import Decimal

from nautilus_trader.common.component import TestClock
from nautilus_trader.common.factories import OrderFactory
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import ClientOrderId, StrategyId, TradeId, TraderId
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.model.orders import Order
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.test_kit.stubs.events import TestEventStubs

from of_nautilus.core.ticks import MarketScale
from of_nautilus.decision.orders import Filled, PlaceStop, PlaceTarget, Role, WorkingOrder
from of_nautilus.orders import OwnOrders

PERPETUAL = TestInstrumentProvider.btcusdt_perp_binance()
SCALE = MarketScale(Decimal("0.1"), Decimal("0.001"))
FACTORY = OrderFactory(TraderId("TESTER-000"), StrategyId("S-001"), TestClock())


def own(run: int = 1) -> OwnOrders:
    ids: dict[int, ClientOrderId] = {}
    return OwnOrders(FACTORY, PERPETUAL, SCALE, tag="001", now_ns=run * 10**9, ids=ids)


def stop(orders: OwnOrders, key: int = 2, qty: int = 10) -> Order:
    """A stop of an earlier run, that rests at the venue."""
    order = orders.made(PlaceStop(key, -1, qty, 599_000))
    order.apply(TestEventStubs.order_submitted(order))
    order.apply(TestEventStubs.order_accepted(order))
    return order


def fill(order: Order, qty: int, trade: str, fee: str = "0.1 USDT") -> OrderFilled:
    event = TestEventStubs.order_filled(
        order,
        PERPETUAL,
        strategy_id=order.strategy_id,
        trade_id=TradeId(trade),
        last_qty=Quantity.from_str(f"{qty / 1000:.3f}"),
        last_px=Price.from_str("60000.0"),
        commission=Money.from_str(fee),
    )
    order.apply(event)
    return event


def test_a_fee_in_other_money_is_estimated() -> None:
    orders = own()
    fees = {}
    for fee in ("0.1 USDT", "0.00000200 BTC", "0.01250000 BNB"):
        event = fill(stop(orders), 10, "T1", fee)
        fees[fee] = orders.fee(event), orders.tells_fee(event)
    taker = PERPETUAL.taker_fee * Decimal("0.010") * 60_000
    assert taker > 0
    assert fees == {
        "0.1 USDT": (Decimal("0.1"), True),
        "0.00000200 BTC": (Decimal("0.12"), False),
        "0.01250000 BNB": (taker, False),
    }


def test_what_an_earlier_runs_orders_have_filled_since() -> None:
    order = stop(own())
    fill(order, 3, "T1")
    fill(order, 5, "T2")
    known = (WorkingOrder(2, Role.STOP, -1, 10, 599_000, filled=3),)
    later = own(run=2)
    (missed,) = later.missed([order], known, {"T1"})
    assert missed == Filled(2, Role.STOP, -1, "T2", 5, 600_000, missed.ts, Decimal("0.1"))
    # Its name is known from now on.
    assert later.key(order.client_order_id) == 2
    # Another run, without a state, has used the same key before; or for something else after.
    other = own(run=3).made(PlaceTarget(2, -1, 10, 610_000))
    before = stop(own(run=0))
    fill(before, 10, "T0")
    assert own(run=2).missed([order, before, other], known, {"T1"}) == (missed,)
    # An order that was not open then, and fills that the host has made up anew, tell nothing.
    assert own(run=2).missed([order], (), {"T1"}) == ()
    assert own(run=2).missed([order], known, {"other"}) == ()
