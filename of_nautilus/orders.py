"""A strategy's own orders as the host has them: made of the manager's commands, known by their ids.

What an order is for stands in its client order id, which survives a crash: it is
`OF<strategy tag>-<start of the run>-<key>-<role>`. The manager's prices are ticks, its quantities
lots.
"""

import re
from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Any

from nautilus_trader.common.factories import OrderFactory
from nautilus_trader.model.enums import LiquiditySide, OrderSide, OrderStatus, TimeInForce
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.objects import Price
from nautilus_trader.model.orders import Order

from of_nautilus.core.ticks import BUY, SELL, MarketScale
from of_nautilus.decision.orders import (
    ExitMarket,
    Filled,
    PlaceStop,
    PlaceTarget,
    Role,
    Status,
    SubmitEntry,
    WorkingOrder,
)

_NAME = re.compile(rf"OF[^-]*-([0-9a-f]+)-([0-9]+)-(?:{'|'.join(Role)})")
_LIVE = (
    OrderStatus.ACCEPTED,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.PENDING_UPDATE,
    OrderStatus.TRIGGERED,
)
_ROLES = {
    SubmitEntry: Role.ENTRY,
    PlaceStop: Role.STOP,
    PlaceTarget: Role.TARGET,
    ExitMarket: Role.EXIT,
}


class OwnOrders:
    """Makes the orders of one run, and knows which of the host's are this run's.

    Parameters
    ----------
    make : OrderFactory
        The strategy's.
    instrument
        What is traded.
    scale : MarketScale
        Its ticks and lots.
    tag : str
        The strategy's order id tag.
    now_ns : int
        When the run starts.
    ids : dict of int to ClientOrderId
        Ids known so far, by key; those of new orders are put into it.
    """

    def __init__(
        self,
        make: OrderFactory,
        instrument: Any,
        scale: MarketScale,
        tag: str,
        now_ns: int,
        ids: dict[int, ClientOrderId],
    ) -> None:
        self._make = make
        self._instrument = instrument
        self._scale = scale
        self._family = f"OF{tag}-"
        self._prefix = f"{self._family}{now_ns // 1_000_000_000:x}"
        self._ids = ids

    # -- ids --------------------------------------------------------------------------------------

    def id(self, key: int, role: Role) -> ClientOrderId:
        """Return the order's id."""
        known = self._ids.get(key)
        if known is None:
            known = self._ids[key] = ClientOrderId(f"{self._prefix}-{key}-{role}")
        return known

    def key(self, client_order_id: ClientOrderId) -> int | None:
        """Return the key of an order of this run or taken over by it, None for any other."""
        key = _key(client_order_id)
        return key if key is not None and self._ids.get(key) == client_order_id else None

    def is_left_over(self, client_order_id: ClientOrderId) -> bool:
        """Return whether an order is one of an earlier run that was not taken over."""
        ours = str(client_order_id).startswith(self._family)
        return ours and _key(client_order_id) is not None and self.key(client_order_id) is None

    def role(self, client_order_id: ClientOrderId) -> Role | None:
        """Return what an order of this run is for, None for any other."""
        known = self.key(client_order_id) is not None
        return Role(str(client_order_id).rpartition("-")[2]) if known else None

    def take_over(self, order: Order) -> WorkingOrder | None:
        """Know an earlier run's order from now on; return it, or None if it is not ours."""
        key = _key(order.client_order_id)
        if key is None:
            return None
        self._ids[key] = order.client_order_id
        role = self.role(order.client_order_id)
        assert role is not None
        price = getattr(order, "trigger_price", None) or getattr(order, "price", None)
        return WorkingOrder(
            key=key,
            role=role,
            side=BUY if order.side == OrderSide.BUY else SELL,
            qty=self._scale.to_lots(order.quantity.as_decimal()),
            price=None if price is None else self.ticks(price.as_decimal()),
            filled=self._scale.to_lots(order.filled_qty.as_decimal()),
            status=Status.LIVE if order.status in _LIVE else Status.PENDING,
        )

    def missed(
        self, orders: Iterable[Order], known: tuple[WorkingOrder, ...], seen: Collection[str]
    ) -> tuple[Filled, ...]:
        """Return what an earlier run's orders have filled since they were `known`, oldest first.

        A run that began without a state has used the keys of another again: the order that is meant
        is the newest of its key, and what it was known to be.

        The host makes up a fill where the venue tells an order's quantity alone. Where such fills
        hold what was `seen` before, by another trade id, they tell nothing.
        """
        before = {order.key: order for order in known}
        newest: dict[int, Order] = {}
        for order in sorted(orders, key=lambda order: _run(order.client_order_id)):
            key = _key(order.client_order_id)
            if key in before and self._is(order, before[key]):
                newest[key] = order
        missed: list[Filled] = []
        for key, order in newest.items():
            self.take_over(order)
            fills = [self.filled(event) for event in order.events if isinstance(event, OrderFilled)]
            new = [fill for fill in fills if fill is not None and fill.trade_id not in seen]
            filled = self._scale.to_lots(order.filled_qty.as_decimal())
            if sum(fill.qty for fill in new) == filled - before[key].filled:
                missed += new
        return tuple(sorted(missed, key=lambda fill: fill.ts))

    def _is(self, order: Order, known: WorkingOrder) -> bool:
        """Whether an order of the host can be one that was known."""
        role = str(order.client_order_id).rpartition("-")[2]
        side = BUY if order.side == OrderSide.BUY else SELL
        return (role, side) == (known.role.value, known.side)

    # -- orders and fills -------------------------------------------------------------------------

    def made(self, command: SubmitEntry | PlaceStop | PlaceTarget | ExitMarket) -> Order:
        """Return the order that a command asks for."""
        instrument_id = self._instrument.id
        side = OrderSide.BUY if command.side > 0 else OrderSide.SELL
        quantity = self._instrument.make_qty(self._scale.size(command.qty))
        name = self.id(command.key, _ROLES[type(command)])
        match command:
            case SubmitEntry(price=None):
                return self._make.market(
                    instrument_id,
                    side,
                    quantity,
                    time_in_force=TimeInForce.IOC,
                    client_order_id=name,
                )
            case SubmitEntry():
                price = self.price(command.price or 0)
                return self._make.limit(instrument_id, side, quantity, price, client_order_id=name)
            case PlaceStop():
                return self._make.stop_market(
                    instrument_id,
                    side,
                    quantity,
                    self.price(command.price),
                    reduce_only=True,
                    client_order_id=name,
                )
            case PlaceTarget():
                return self._make.limit(
                    instrument_id,
                    side,
                    quantity,
                    self.price(command.price),
                    reduce_only=True,
                    client_order_id=name,
                )
            case ExitMarket():
                return self._make.market(
                    instrument_id,
                    side,
                    quantity,
                    # What a thin book leaves over ends at once, and the manager asks again.
                    time_in_force=TimeInForce.IOC,
                    reduce_only=True,
                    client_order_id=name,
                )

    def filled(self, event: OrderFilled) -> Filled | None:
        """Return a fill in ticks and lots, with its fee; None if the order is not this run's."""
        key, role = self.key(event.client_order_id), self.role(event.client_order_id)
        if key is None or role is None:
            return None
        return Filled(
            key=key,
            role=role,
            side=BUY if event.order_side == OrderSide.BUY else SELL,
            trade_id=str(event.trade_id),
            qty=self._scale.to_lots(event.last_qty.as_decimal()),
            price=self.ticks(event.last_px.as_decimal()),
            ts=event.ts_event,
            fee=self.fee(event),
        )

    def fee(self, event: OrderFilled) -> Decimal:
        """Return a fill's fee in the money of the account; estimated if it is paid in other money.

        What was traded is worth its price; a coin of the venue's own pays what the instrument's
        rate says, or a little less.
        """
        fee = event.commission
        if self.tells_fee(event):
            return Decimal(fee.as_decimal())
        if fee.currency == self._instrument.get_base_currency():
            return Decimal(fee.as_decimal() * event.last_px.as_decimal())
        maker = event.liquidity_side == LiquiditySide.MAKER
        rate = self._instrument.maker_fee if maker else self._instrument.taker_fee
        notional = self._instrument.notional_value(event.last_qty, event.last_px)
        return Decimal(notional.as_decimal() * rate)

    def tells_fee(self, event: OrderFilled) -> bool:
        """Return whether a fill's fee is in the money of the account."""
        return bool(event.commission.currency == self._instrument.get_cost_currency())

    def price(self, ticks: int) -> Price:
        """Return a price as the host has it."""
        return self._instrument.make_price(self._scale.price(ticks))

    def ticks(self, price: Decimal) -> int:
        """Return a price in ticks, the nearest: an average need not lie on the grid."""
        return int((price / self._scale.tick).to_integral_value())


def _run(client_order_id: ClientOrderId) -> int:
    """Return when the run of an order began, s since 1970; 0 if it has another name."""
    found = _NAME.fullmatch(str(client_order_id))
    return int(found[1], 16) if found else 0


def _key(client_order_id: ClientOrderId) -> int | None:
    """Return the key in an id of this shape, None for any other."""
    found = _NAME.fullmatch(str(client_order_id))
    return int(found[2]) if found else None
