"""What the doubles of both venues share: replay, subscriptions, orders, faults."""

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from typing import Any, ClassVar

from aiohttp import web

from tests.venues.exchange import Exchange, Happening, RefusedError, VenueFill, VenueOrder
from tests.venues.faults import Faults, Rights
from tests.venues.feed import Deliveries, Feed
from tests.venues.server import PATIENCE_S, Channel, VenueServer
from tests.venues.session import Kind, Recorded, Session


class VenueDouble(VenueServer, ABC):
    """A venue that replays one recorded session and matches orders against it.

    The replay starts when clients have subscribed to every stream of `needs` ("user" is the
    user stream). `faults` holds the switches; `feed.at` makes things happen at a place of the
    replay, such as `kick_users`, `kick_market`, `cancel_stops`, `trade_outside`, `feed.pause`.
    """

    # What the host calls the market of a symbol.
    INSTRUMENT: ClassVar[str]
    # From a command of the client to its effect. A venue that is quicker than the node's own
    # event loop has its acceptance ignored: the order is not yet submitted, for the node.
    LATENCY_S = 0.01
    # The part of a stream's name by which `needs` and the sockets' subscriptions know it.
    STREAMS: ClassVar[dict[str, str]]

    def __init__(
        self,
        session: Session,
        *,
        speed: float | None,
        needs: Iterable[str],
        lifetime_s: float,
        taker: Decimal,
        maker: Decimal,
    ) -> None:
        super().__init__(lifetime_s)
        self.session = session
        self.symbol = session.symbol
        self.feed = Feed(session, speed=speed)
        self.needs = set(needs)
        self.faults = Faults()
        self.rights = Rights()
        self.market: set[Channel] = set()
        self.users: set[Channel] = set()
        self.exchange = Exchange(self._happened_to, self.now_ms, taker=taker, maker=maker)
        self.control: Channel | None = None
        self._done: dict[str, Any] = {}
        self._told = asyncio.Event()
        self._app.router.add_get("/control", self._controlled)
        self._subscribed = asyncio.Event()
        self._unheard: set[str] = set()

    @property
    def instrument_id(self) -> str:
        return self.INSTRUMENT.format(self.symbol)

    def now_ms(self) -> int:
        return int(time.time() * 1000) + self.faults.clock_skew_ms

    def started(self) -> None:
        self.spawn(self._replay())

    async def _controlled(self, request: web.Request) -> web.WebSocketResponse:
        """A socket where the node's own event loop tells how far it is."""

        def joined(socket: web.WebSocketResponse) -> Channel:
            self.control = Channel(socket)
            return self.control

        async def told(channel: Channel, message: dict[str, Any]) -> None:
            self._done = message
            self._told.set()

        def left(channel: Channel) -> None:
            self.control = None

        return await self.listen(request, joined, told, left)

    # -- market --------------------------------------------------------------------------------

    @abstractmethod
    def point_here(self, clients: str, client: dict[str, Any]) -> None:
        """Change a client's config ("data_clients" or "exec_clients") to talk to this double."""

    @abstractmethod
    def deliveries(self, event: Recorded) -> Deliveries:
        """A recorded message as this venue's texts, and the sockets that want it."""

    @abstractmethod
    async def seed(self, snapshot: dict[str, Any]) -> None:
        """The replay has come to the recorded snapshot of the book."""

    def is_ready(self) -> bool:
        """Whether all that is needed has been subscribed to."""
        return all(self.users if need == "user" else self.channels(need) for need in self.needs)

    def channels(self, stream: str) -> list[Channel]:
        """The market sockets that have subscribed to a stream with this in its name."""
        return [c for c in self.market if any(stream in name for name in c.streams)]

    async def _replay(self) -> None:
        await self.until_subscribed()
        await self.feed.run(self)

    async def until_subscribed(self) -> None:
        """Wait until all that is needed is subscribed to, at first or again."""
        while not self.is_ready():
            await self._subscribed.wait()
            self._subscribed.clear()

    def begin_at(self, place: int) -> None:
        """Take the session's first messages for past: the replay starts behind them.

        To be called before the double runs. The venue's book and recent trades are as of then.
        """
        for event in self.session.events[:place]:
            if event.kind == "trade":
                self.exchange.last = Decimal(event.message["p"])
            elif event.kind == "snapshot":
                self.exchange.book.load(event.message)
            elif event.kind == "depth" and self.exchange.book.update_id:
                self.exchange.book.apply(event.message)
        self.feed.position = place

    def past_trades(self) -> list[dict[str, Any]]:
        """The market's trades so far, oldest first."""
        past = self.session.events[: self.feed.position]
        return [event.message for event in past if event.kind == "trade"]

    async def handled(self, channel: Channel) -> None:
        await channel.handled()
        if self.control is not None:
            await self.control.read()

    async def caught_up(self, *, book: bool = True) -> None:
        """Wait until the node's components have handled the last trade and change of the book.

        A client's socket answers before its node has handled what was read.
        """
        kinds: tuple[Kind, ...] = ("trade", "depth") if book else ("trade",)
        sent = {kind: self.feed.last[kind] for kind in kinds if kind in self.feed.last}
        async with asyncio.timeout(PATIENCE_S):
            while self.control is not None:
                self._told.clear()
                await self.control.send(json.dumps(sent))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._told.wait(), 2)
                if all(self._done.get(kind) == number for kind, number in sent.items()):
                    return

    async def settled(self) -> None:
        """Wait until the node has handled all, has no order under way, and agrees with us.

        The orders of paper trading, which needs no user stream, are the node's own: we know none.
        """
        async with asyncio.timeout(PATIENCE_S):
            while self.control is not None:
                # Changes of the book wait for the snapshot, which may be yet to come.
                await self.caught_up(book=False)
                if "user" not in self.needs and not self._done["under_way"]:
                    return
                resting = {o.client_id: o.left for o in self.exchange.open_orders()}
                told = {name: Decimal(left) for name, left in self._done["resting"].items()}
                arriving = [o for o in self.exchange.orders.values() if o.status == "PENDING"]
                agreed = told == resting and not arriving and not self._done["under_way"]
                if agreed and Decimal(self._done["position"]) == self.exchange.position:
                    return
                await asyncio.sleep(0.002)

    def subscriptions_changed(self) -> None:
        self._subscribed.set()

    async def market_moved(self, event: Recorded) -> None:
        message = event.message
        if event.kind == "trade":
            await self.exchange.print(Decimal(message["p"]), Decimal(message["q"]))
        elif event.kind == "depth":
            if self.exchange.book.update_id:
                self.exchange.book.apply(message)
        elif event.kind == "snapshot":
            self.exchange.book.load(message)
            await self.seed(message)

    # -- orders --------------------------------------------------------------------------------

    @abstractmethod
    async def tell(self, happening: Happening, order: VenueOrder, fill: VenueFill | None) -> None:
        """Tell the client what happened to an order, on the user stream."""

    @abstractmethod
    async def tell_position(self) -> None:
        """Tell the client its position and balance, on the user stream."""

    async def new_order(self, **fields: Any) -> VenueOrder | None:
        """Take an order in; None where the client must not get an answer."""
        await asyncio.sleep(self.LATENCY_S)
        if self.faults.take("lost_orders"):
            return None
        if self.faults.take("refused_orders"):
            raise RefusedError("margin")
        if fields["kind"] == "STOP" and self.faults.take("refused_stops"):
            raise RefusedError("would trigger")
        order = self.exchange.accept(**fields)
        unanswered = self.faults.take("lost_answers")
        if unanswered:
            self._unheard.add(order.client_id)
        # The answer to the request leaves before the first event of the order.
        self._loop.call_soon(lambda: self.spawn(self._arrive(order)))
        return None if unanswered else order

    async def cancel_order(self, order: VenueOrder) -> None:
        await asyncio.sleep(self.LATENCY_S)
        await self.exchange.cancel(order)

    async def amend_order(self, order: VenueOrder, price: Decimal, size: Decimal) -> None:
        """Change a resting order; a price or size of zero stays as it is."""
        await asyncio.sleep(self.LATENCY_S)
        await self.exchange.amend(order, price=price, size=size)

    async def _arrive(self, order: VenueOrder) -> None:
        await asyncio.sleep(self.faults.order_delay_s)
        if self.faults.partial_then_gone:
            self.faults.partial_then_gone = False
            await self.exchange.place(order, portion=Decimal("0.5"))
            await asyncio.sleep(0.05)
            await self.kick_users()
            await self.exchange.complete(order)
        else:
            await self.exchange.place(order)

    async def _happened_to(
        self, happening: Happening, order: VenueOrder, fill: VenueFill | None
    ) -> None:
        if happening == "NEW" and order.client_id in self._unheard:
            return
        if fill and self.faults.take("lost_fills"):
            return
        for _ in range(1 + (self.faults.repeated_fills if fill else 0)):
            await self.tell(happening, order, fill)

    # -- things that happen at a venue ---------------------------------------------------------

    async def kick_users(self) -> None:
        """Close every user socket."""
        await self._kick(self.users)

    async def kick_market(self) -> None:
        """Close every market socket."""
        await self._kick(self.market)

    async def rest(self) -> None:
        """Give clients the time to get over what has just happened."""
        await asyncio.sleep(1)

    async def _kick(self, channels: set[Channel]) -> None:
        leaving = list(channels)
        channels.clear()
        for channel in leaving:
            await channel.socket.close()

    async def cancel_stops(self) -> None:
        """The venue cancels every resting stop."""
        for order in self.exchange.open_orders():
            if order.kind == "STOP":
                await self.exchange.cancel(order)

    async def trade_outside(self, size: Decimal) -> None:
        """The account's position is changed by somebody else."""
        self.exchange.trade_outside(size)
        await self.tell_position()
