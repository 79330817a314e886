"""OrderFlowStrategy: enters on absorption, with its stop resting at the venue from the fill on.

The host's brackets work in the backtest alone, so the strategy owns the contingency: the entry goes
alone; every fill of it is covered by a reduce-only stop of its own at once; when the entry is done,
the target follows; when the position is flat, whatever still rests is canceled. A stop that the
venue refuses is an exit at market.
"""

from nautilus_trader.model.data import DataType
from nautilus_trader.model.enums import OrderSide, TimeInForce
from nautilus_trader.model.events import (
    OrderCanceled,
    OrderDenied,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    PositionClosed,
)
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.objects import Quantity
from nautilus_trader.trading.strategy import Strategy

from of_nautilus.config import OrderFlowStrategyConfig
from of_nautilus.core.ticks import BUY, MarketScale
from of_nautilus.data import PatternSignal, data_type
from of_nautilus.patterns.signal import Pattern

ENTRY, STOP, TARGET, EXIT = "EN", "SL", "TP", "EX"


class OrderFlowStrategy(Strategy):
    """Trades the absorption signals of one instrument, one position at a time."""

    def __init__(self, config: OrderFlowStrategyConfig) -> None:
        super().__init__(config)
        self._trades = 0
        self._orders = 0
        self._busy = False
        self._side = 0
        self._stop_price: int | None = None

    def on_start(self) -> None:
        """Subscribe to the market and to the signals."""
        self.instrument = self.cache.instrument(self.config.instrument_id)
        if self.instrument is None:
            self.log.error(f"instrument not found: instrument_id={self.config.instrument_id}")
            self.stop()
            return
        self._scale = MarketScale(
            self.instrument.price_increment.as_decimal(),
            self.instrument.size_increment.as_decimal(),
        )
        self._signals: DataType = data_type(PatternSignal, self.config.instrument_id)
        self.subscribe_data(self._signals, instrument_id=self.config.instrument_id)

    def on_data(self, data: object) -> None:
        """Enter on a strong enough absorption, if there is no position."""
        if (
            isinstance(data, PatternSignal)
            and data.pattern == Pattern.ABSORPTION
            and data.strength >= self.config.min_strength
            and not self._busy
        ):
            self._enter(data.side)

    def on_order_filled(self, event: OrderFilled) -> None:
        """Protect what was filled."""
        role = _role(event.client_order_id)
        if role != ENTRY:
            return
        self._protect(event)
        order = self.cache.order(event.client_order_id)
        if order.is_closed:
            self._aim(float(order.avg_px))

    def on_order_rejected(self, event: OrderRejected) -> None:
        """Leave at market if it was a stop; be ready again if it was an entry."""
        self._refused(event.client_order_id, str(event.reason))

    def on_order_denied(self, event: OrderDenied) -> None:
        """As for a rejection."""
        self._refused(event.client_order_id, str(event.reason))

    def on_order_canceled(self, event: OrderCanceled) -> None:
        """Leave at market if the venue canceled a stop that still protects something."""
        self._refused(event.client_order_id, "canceled")

    def on_order_expired(self, event: OrderExpired) -> None:
        """As for a cancel."""
        self._refused(event.client_order_id, "expired")

    def on_position_closed(self, event: PositionClosed) -> None:
        """Cancel what still rests, and be ready again."""
        self._busy = False
        self._stop_price = None
        self.cancel_all_orders(self.config.instrument_id)

    def on_stop(self) -> None:
        """Flatten."""
        self.cancel_all_orders(self.config.instrument_id)
        self.close_all_positions(self.config.instrument_id)

    def _enter(self, side: int) -> None:
        self._busy = True
        self._trades += 1
        self._side = side
        order = self.order_factory.market(
            self.config.instrument_id,
            _order_side(side),
            self.instrument.make_qty(self.config.size, round_down=True),
            time_in_force=TimeInForce.IOC,
            client_order_id=self._next_id(ENTRY),
        )
        self.submit_order(order)

    def _protect(self, fill: OrderFilled) -> None:
        """Rest a stop for one fill of the entry."""
        if self._stop_price is None:
            entry = self._scale.to_ticks(fill.last_px.as_decimal())
            distance = max(1, int(entry * self.config.stop_fraction))
            self._stop_price = entry - self._side * distance
        order = self.order_factory.stop_market(
            self.config.instrument_id,
            _order_side(-self._side),
            fill.last_qty,
            self.instrument.make_price(self._scale.price(self._stop_price)),
            reduce_only=True,
            client_order_id=self._next_id(STOP),
        )
        self.submit_order(order)

    def _aim(self, entry: float) -> None:
        """Rest the target for the whole position."""
        quantity = self._open_quantity()
        if quantity is None:
            return
        ticks = round(entry * (1 + self._side * self.config.target_fraction) / float(self._tick))
        order = self.order_factory.limit(
            self.config.instrument_id,
            _order_side(-self._side),
            quantity,
            self.instrument.make_price(self._scale.price(ticks)),
            reduce_only=True,
            client_order_id=self._next_id(TARGET),
        )
        self.submit_order(order)

    def _refused(self, client_order_id: ClientOrderId, reason: str) -> None:
        role = _role(client_order_id)
        quantity = self._open_quantity()
        if role == STOP and quantity is not None:
            self.log.error(f"stop refused, leaving at market: {client_order_id} reason={reason}")
            order = self.order_factory.market(
                self.config.instrument_id,
                _order_side(-self._side),
                quantity,
                reduce_only=True,
                client_order_id=self._next_id(EXIT),
            )
            self.submit_order(order)
        elif role == ENTRY and quantity is None:
            self.log.warning(f"entry refused: {client_order_id} reason={reason}")
            self._busy = False
        elif role == ENTRY:
            # The rest of the entry will not come; what was filled is protected already.
            self._aim(float(self.cache.order(client_order_id).avg_px))

    def _open_quantity(self) -> Quantity | None:
        positions = self.cache.positions_open(
            instrument_id=self.config.instrument_id, strategy_id=self.id
        )
        return positions[0].quantity if positions else None

    @property
    def _tick(self) -> float:
        return float(self._scale.tick)

    def _next_id(self, role: str) -> ClientOrderId:
        """Return an order id that tells the order's role: it survives a crash where tags do not."""
        self._orders += 1
        tag = str(self.id).rpartition("-")[2]
        stamp = self.clock.timestamp_ns() // 1_000_000_000
        return ClientOrderId(f"OF{tag}-{stamp}-{self._orders}-{role}")


def _role(client_order_id: ClientOrderId) -> str:
    return str(client_order_id).rpartition("-")[2]


def _order_side(side: int) -> OrderSide:
    return OrderSide.BUY if side == BUY else OrderSide.SELL
