"""The matching of a venue double: one instrument's book, orders, fills and position."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from tests.venues.book import Book

Status = Literal["PENDING", "NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED", "TRIGGERED"]
Happening = Literal["NEW", "TRADE", "CANCELED", "EXPIRED", "AMENDMENT", "TRIGGERED"]

ZERO = Decimal(0)
OPEN = ("NEW", "PARTIALLY_FILLED", "TRIGGERED")


class RefusedError(Exception):
    """The venue refuses a request; `reason` is one of the double's words for it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


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
    status: Status = "PENDING"
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
        # Telling takes time: nothing else may happen to the orders meanwhile.
        self._busy = asyncio.Lock()

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
        known = (o.client_id for o in self.orders.values() if o.is_open or o.status == "PENDING")
        if order.client_id in known:
            raise RefusedError("duplicate id")
        if order.reduce_only and self._closable(order.side) <= 0:
            raise RefusedError("reduce only")
        if order.kind == "STOP" and self.last and self._is_triggered(order, self.last):
            raise RefusedError("would trigger")
        if order.time_in_force == "GTX" and self._crosses(order):
            raise RefusedError("post only")
        self.orders[order.id] = order
        return order

    async def place(self, order: VenueOrder, *, portion: Decimal = Decimal(1)) -> None:
        """Tell that an accepted order is at the venue, and match it.

        A `portion` below 1 fills only that part of it, at the best price, and leaves the rest.
        """
        async with self._busy:
            order.status = "NEW"
            await self._tell("NEW", order, None)
            if portion < 1:
                await self._fill(order, order.size * portion, next(iter(self._levels(order)))[0])
                return
            if order.kind == "MARKET" or self._crosses(order):
                await self._take(order)
            if order.is_open and (order.kind == "MARKET" or order.time_in_force == "IOC"):
                await self._close(order, "EXPIRED")

    async def complete(self, order: VenueOrder) -> None:
        """Fill what is left of an order from the book."""
        async with self._busy:
            await self._take(order)

    async def amend(self, order: VenueOrder, *, price: Decimal, size: Decimal) -> None:
        async with self._busy:
            if not order.is_open:
                raise RefusedError("unknown order")
            order.price, order.size = price or order.price, size or order.size
            await self._tell("AMENDMENT", order, None)
            if self._crosses(order):
                await self._take(order)

    async def cancel(self, order: VenueOrder) -> None:
        async with self._busy:
            if not order.is_open:
                raise RefusedError("unknown order")
            await self._close(order, "CANCELED")

    async def print(self, price: Decimal, size: Decimal) -> None:
        """A trade of the market: triggers stops, fills resting limits."""
        self.last = price
        async with self._busy:
            for order in self.open_orders():
                if order.kind == "STOP" and self._is_triggered(order, price):
                    await self._trigger(order)
                elif order.kind == "LIMIT" and size and (order.price - price) * order.side >= 0:
                    filled = min(size, order.left)
                    size -= filled
                    await self._fill(order, filled, order.price, maker=True)

    def trade_outside(self, size: Decimal) -> None:
        """Somebody else trades on the account at the last price; nothing is told."""
        self._book_position(size, self.last)

    async def _trigger(self, order: VenueOrder) -> None:
        """A stop becomes a market order, with an id of its own."""
        order.status, order.market_id = "TRIGGERED", next(self._ids)
        await self._tell("TRIGGERED", order, None)
        if order.reduce_only:
            order.size = min(order.size, max(self._closable(order.side), ZERO))
        await self._take(order)
        if order.is_open:
            await self._close(order, "EXPIRED")

    async def _fill(
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
            await self._fill(order, min(size, order.left), price)

    def _levels(self, order: VenueOrder) -> Iterable[tuple[Decimal, Decimal]]:
        """What the order can take from the replayed book, best price first."""
        for text, size in self.book.top(-order.side, 200):
            price = Decimal(text)
            if order.kind == "LIMIT" and (order.price - price) * order.side < 0:
                return
            yield price, Decimal(size)

    def _crosses(self, order: VenueOrder) -> bool:
        levels = self._levels(order) if order.kind == "LIMIT" else ()
        return next(iter(levels), None) is not None

    def _closable(self, side: int) -> Decimal:
        return -self.position * side

    @staticmethod
    def _is_triggered(order: VenueOrder, price: Decimal) -> bool:
        return (price - order.trigger) * order.side >= 0
