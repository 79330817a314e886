"""The matching of a venue double: one instrument's book, orders, fills and position."""

import itertools
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

Status = Literal["NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED", "TRIGGERED"]
Happening = Literal["NEW", "TRADE", "CANCELED", "EXPIRED", "AMENDMENT", "TRIGGERED"]

ZERO = Decimal(0)
OPEN = ("NEW", "PARTIALLY_FILLED", "TRIGGERED")


class RefusedError(Exception):
    """The venue refuses a request; `reason` is one of the double's words for it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Book:
    """Price levels as the venue writes them (text), and the id of the last change."""

    def __init__(self) -> None:
        self.bids: dict[str, str] = {}
        self.asks: dict[str, str] = {}
        self.update_id = 0

    def load(self, snapshot: dict[str, Any]) -> None:
        self.bids = dict(snapshot["bids"])
        self.asks = dict(snapshot["asks"])
        self.update_id = snapshot["lastUpdateId"]

    def apply(self, depth: dict[str, Any]) -> None:
        if depth["u"] <= self.update_id:
            return
        for levels, changes in ((self.bids, depth["b"]), (self.asks, depth["a"])):
            for price, size in changes:
                if float(size):
                    levels[price] = size
                else:
                    levels.pop(price, None)
        self.update_id = depth["u"]

    def top(self, side: int, count: int) -> list[tuple[str, str]]:
        """The best `count` levels of the bids (side 1) or the asks (side -1)."""
        levels = self.bids if side > 0 else self.asks
        ordered = sorted(levels, key=float, reverse=side > 0)
        return [(price, levels[price]) for price in ordered[:count]]


@dataclass(eq=False, slots=True)
class VenueOrder:
    """An order at the venue. `side` is 1 (buy) or -1; a STOP becomes a market order."""

    id: int
    client_id: str
    side: int
    kind: Literal["LIMIT", "MARKET", "STOP"]
    size: Decimal
    time_ms: int
    price: Decimal = ZERO
    trigger: Decimal = ZERO
    reduce_only: bool = False
    time_in_force: str = "GTC"
    status: Status = "NEW"
    filled: Decimal = ZERO
    value: Decimal = ZERO
    market_id: int = 0

    @property
    def left(self) -> Decimal:
        return self.size - self.filled

    @property
    def average(self) -> Decimal:
        return self.value / self.filled if self.filled else ZERO

    @property
    def is_open(self) -> bool:
        return self.status in OPEN


@dataclass(frozen=True, slots=True)
class VenueFill:
    """One fill of an order."""

    id: int
    order: VenueOrder
    size: Decimal
    price: Decimal
    maker: bool
    fee: Decimal
    realized: Decimal
    time_ms: int


type Listener = Callable[[Happening, VenueOrder, VenueFill | None], Awaitable[None]]


class Exchange:
    """Matches one client's orders against the replayed market.

    Market orders and marketable limits walk the replayed book; resting limits are filled by
    prints at or through their price, up to each print's size; stops trigger on a print at or
    through their price. `tell` hears all that happens to an order, in order.
    """

    def __init__(
        self, tell: Listener, now_ms: Callable[[], int], *, taker: Decimal, maker: Decimal
    ) -> None:
        self.book = Book()
        self.last = ZERO
        self.position = ZERO
        self.entry = ZERO
        self.wallet = Decimal(10_000)
        self.orders: dict[int, VenueOrder] = {}
        self.fills: list[VenueFill] = []
        self._tell = tell
        self._now_ms = now_ms
        self._rates = {True: maker, False: taker}
        self._ids = itertools.count(1001)
        self._trade_ids = itertools.count(5001)

    def open_orders(self) -> list[VenueOrder]:
        return [order for order in self.orders.values() if order.is_open]

    def find(self, *, id: str | None = None, client_id: str | None = None) -> VenueOrder | None:
        """The newest order with this venue id, or with this client id."""
        for order in reversed(self.orders.values()):
            if id and id in (str(order.id), str(order.market_id)):
                return order
            if not id and client_id and order.client_id == client_id:
                return order
        return None

    def accept(self, **fields: Any) -> VenueOrder:
        """Check a new order and put it among the orders; it is not matched yet."""
        order = VenueOrder(id=next(self._ids), time_ms=self._now_ms(), **fields)
        if any(order.client_id == other.client_id for other in self.open_orders()):
            raise RefusedError("duplicate id")
        if order.reduce_only and self._closable(order.side) <= 0:
            raise RefusedError("reduce only")
        if order.kind == "STOP" and self.last and self._is_triggered(order, self.last):
            raise RefusedError("would trigger")
        if order.time_in_force == "GTX" and self._crosses(order):
            raise RefusedError("post only")
        self.orders[order.id] = order
        return order

    async def place(self, order: VenueOrder) -> None:
        """Tell that an accepted order is at the venue, and match it."""
        await self._tell("NEW", order, None)
        if order.kind == "MARKET" or (order.kind == "LIMIT" and self._crosses(order)):
            await self._take(order)
        if order.is_open and (order.kind == "MARKET" or order.time_in_force == "IOC"):
            await self._close(order, "EXPIRED")

    async def amend(self, order: VenueOrder, *, price: Decimal, size: Decimal) -> None:
        if not order.is_open:
            raise RefusedError("unknown order")
        order.price, order.size = price or order.price, size or order.size
        await self._tell("AMENDMENT", order, None)
        if self._crosses(order):
            await self._take(order)

    async def cancel(self, order: VenueOrder) -> None:
        if not order.is_open:
            raise RefusedError("unknown order")
        await self._close(order, "CANCELED")

    async def print(self, price: Decimal, size: Decimal) -> None:
        """A trade of the market: triggers stops, fills resting limits."""
        self.last = price
        for order in self.open_orders():
            if order.kind == "STOP" and order.status == "NEW" and self._is_triggered(order, price):
                await self.trigger(order)
            elif order.kind == "LIMIT" and size and (order.price - price) * order.side >= 0:
                filled = min(size, order.left)
                size -= filled
                await self.fill(order, filled, order.price, maker=True)

    async def trigger(self, order: VenueOrder) -> None:
        """A stop becomes a market order, with an id of its own."""
        order.status, order.market_id = "TRIGGERED", next(self._ids)
        await self._tell("TRIGGERED", order, None)
        if order.reduce_only:
            order.size = min(order.size, max(self._closable(order.side), ZERO))
        await self._take(order)
        if order.is_open:
            await self._close(order, "EXPIRED")

    async def fill(
        self, order: VenueOrder, size: Decimal, price: Decimal, *, maker: bool = False
    ) -> None:
        """Fill part of an order, or what is left of it."""
        if order.reduce_only:
            size = min(size, max(self._closable(order.side), ZERO))
        if not size:
            await self._close(order, "EXPIRED")
            return
        realized = self._book_position(order.side * size, price)
        fee = size * price * self._rates[maker]
        self.wallet += realized - fee
        order.filled += size
        order.value += size * price
        order.status = "FILLED" if order.left <= 0 else "PARTIALLY_FILLED"
        fill = VenueFill(
            next(self._trade_ids), order, size, price, maker, fee, realized, self._now_ms()
        )
        self.fills.append(fill)
        await self._tell("TRADE", order, fill)

    def _book_position(self, change: Decimal, price: Decimal) -> Decimal:
        """Add to the position; returns what closing a part of it has realized."""
        before, after = self.position, self.position + change
        closed = min(abs(before), abs(change)) if before * change < 0 else ZERO
        realized = closed * (price - self.entry) * (1 if before > 0 else -1)
        if not after:
            self.entry = ZERO
        elif before * after <= 0:
            self.entry = price
        elif abs(after) > abs(before):
            self.entry = (self.entry * abs(before) + price * abs(change)) / abs(after)
        self.position = after
        return realized

    async def _close(self, order: VenueOrder, status: Literal["CANCELED", "EXPIRED"]) -> None:
        order.status = status
        await self._tell(status, order, None)

    async def _take(self, order: VenueOrder) -> None:
        for price, size in self._levels(order):
            if not order.is_open or order.left <= 0:
                return
            await self.fill(order, min(size, order.left), price)

    def _levels(self, order: VenueOrder) -> Iterable[tuple[Decimal, Decimal]]:
        """What the order can take from the replayed book, best price first."""
        for text, size in self.book.top(-order.side, 200):
            price = Decimal(text)
            if order.kind == "LIMIT" and (order.price - price) * order.side < 0:
                return
            yield price, Decimal(size)

    def _crosses(self, order: VenueOrder) -> bool:
        return order.kind == "LIMIT" and next(iter(self._levels(order)), None) is not None

    def _closable(self, side: int) -> Decimal:
        return -self.position * side

    @staticmethod
    def _is_triggered(order: VenueOrder, price: Decimal) -> bool:
        return (price - order.trigger) * order.side >= 0
