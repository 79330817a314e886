"""A scripted strategy: enter, protect, replace the stop, target; it tells all that happened."""

from decimal import Decimal
from typing import Any

from nautilus_trader.config import ImportableStrategyConfig, StrategyConfig
from nautilus_trader.model.data import TradeTick
from nautilus_trader.model.enums import BookType, OrderSide, TriggerType
from nautilus_trader.model.events import OrderEvent
from nautilus_trader.model.identifiers import ClientOrderId, InstrumentId
from nautilus_trader.model.orders import Order
from nautilus_trader.trading.strategy import Strategy


class TraderConfig(StrategyConfig, frozen=True):  # type: ignore[misc, call-arg]
    """Counts are in trades since the start, distances in price from the entry's first fill.

    `replace_after` (trades after the entry) 0 leaves the stop where it is, `target` 0 sets no
    target, `amended_target` moves it when the stop is replaced.
    """

    instrument_id: InstrumentId
    side: int = 1
    size: Decimal = Decimal("0.010")
    enter_after: int = 100
    stop: Decimal = Decimal(20)
    replace_after: int = 0
    replaced_stop: Decimal = Decimal(10)
    target: Decimal = Decimal(0)
    amended_target: Decimal = Decimal(0)


class Trader(Strategy):  # type: ignore[misc]
    """One round trip. Orders are named `E` (entry), `S1`, `S2` (stops), `T` (target), `X` (exit).

    A stop is replaced as it must be live: the new one is placed, and once it is accepted the old
    one is canceled. A stop that is rejected leads to an exit at market. `captured` holds the
    events as `(type, order)` and what was left at the end.
    """

    def __init__(self, config: TraderConfig) -> None:
        super().__init__(config)
        self._trades = 0
        self._entered_at = 0
        self._entry_price = Decimal(0)
        self.events: list[tuple[str, str]] = []
        self.captured: dict[str, Any] = {}

    def on_start(self) -> None:
        instrument_id = self.config.instrument_id
        self.instrument = self.cache.instrument(instrument_id)
        self.subscribe_order_book_deltas(instrument_id, BookType.L2_MBP)
        self.subscribe_trade_ticks(instrument_id)

    def on_trade_tick(self, tick: TradeTick) -> None:
        self._trades += 1
        if self._trades == self.config.enter_after:
            self.submit_order(
                self.order_factory.market(
                    self.config.instrument_id,
                    self._side(1),
                    self.instrument.make_qty(self.config.size),
                    client_order_id=self._id("E"),
                )
            )
        elif self._entered_at and self._trades == self._entered_at + self.config.replace_after:
            self._place_stop("S2", self.config.replaced_stop)
            if self.config.amended_target and (target := self.cache.order(self._id("T"))):
                price = self._entry_price + self.config.side * self.config.amended_target
                self.modify_order(target, price=self.instrument.make_price(price))

    def on_order_event(self, event: OrderEvent) -> None:
        name = event.client_order_id.value.rpartition("-")[2]
        what = type(event).__name__
        self.events.append((what, name))
        if what == "OrderFilled" and name == "E" and not self._entered_at:
            self._entered_at = self._trades
            self._entry_price = event.last_px.as_decimal()
            self._place_stop("S1", self.config.stop)
            if self.config.target:
                self._place_target()
        elif what == "OrderFilled" and self._position() == 0:
            for order in self.cache.orders_open(instrument_id=self.config.instrument_id):
                if not order.is_pending_cancel:
                    self.cancel_order(order)
        elif what == "OrderAccepted" and name == "S2":
            self.cancel_order(self.cache.order(self._id("S1")))
        elif what == "OrderRejected" and name.startswith("S") and self._position():
            self.close_all_positions(self.config.instrument_id)

    def _place_stop(self, name: str, distance: Decimal) -> None:
        price = self._entry_price - self.config.side * distance
        self.submit_order(
            self.order_factory.stop_market(
                self.config.instrument_id,
                self._side(-1),
                self.instrument.make_qty(self.config.size),
                self.instrument.make_price(price),
                trigger_type=TriggerType.LAST_PRICE,
                reduce_only=True,
                client_order_id=self._id(name),
            )
        )

    def _place_target(self) -> None:
        price = self._entry_price + self.config.side * self.config.target
        self.submit_order(
            self.order_factory.limit(
                self.config.instrument_id,
                self._side(-1),
                self.instrument.make_qty(self.config.size),
                self.instrument.make_price(price),
                reduce_only=True,
                client_order_id=self._id("T"),
            )
        )

    def _id(self, name: str) -> ClientOrderId:
        return ClientOrderId(f"OF-{name}")

    def _side(self, sign: int) -> OrderSide:
        return OrderSide.BUY if sign * self.config.side > 0 else OrderSide.SELL

    def _position(self) -> Decimal:
        return Decimal(self.portfolio.net_position(self.config.instrument_id))

    def on_stop(self) -> None:
        orders: list[Order] = self.cache.orders(instrument_id=self.config.instrument_id)
        self.captured = {
            "events": self.events,
            "position": self._position(),
            "entry": self._entry_price,
            "orders": {o.client_order_id.value: o.status_string() for o in orders},
            "fills": [
                (str(f.client_order_id), f.last_qty.as_decimal(), f.last_px.as_decimal())
                for o in orders
                for f in o.events
                if type(f).__name__ == "OrderFilled"
            ],
            "positions": [(str(p.id), str(p.side)) for p in self.cache.positions()],
        }


def trader(instrument_id: str, **fields: Any) -> ImportableStrategyConfig:
    """The config of a `Trader`."""
    return ImportableStrategyConfig(
        strategy_path="tests.venues.trader:Trader",
        config_path="tests.venues.trader:TraderConfig",
        config={"instrument_id": instrument_id, "manage_stop": False, **fields},
    )
