"""A double of Bybit's linear perpetuals: REST, public and private websockets, order entry."""

import asyncio
import json
import uuid
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, ClassVar

from aiohttp import web

from tests.venues import bybit_wire as wire
from tests.venues.book import Book, Level
from tests.venues.double import VenueDouble
from tests.venues.exchange import Happening, RefusedError, VenueFill, VenueOrder
from tests.venues.feed import Deliveries
from tests.venues.server import Channel
from tests.venues.session import Recorded, Session


class BybitDouble(VenueDouble):
    """Bybit's linear perpetuals on 127.0.0.1, replaying a session recorded at Binance.

    Prints keep their ids, times, prices and sizes. The book topics show the best levels of the
    recorded book: a snapshot at the place of the recorded one (or at once to who subscribes
    later), then what has changed among those levels with each recorded depth message.
    """

    INSTRUMENT: ClassVar = "{}-LINEAR.BYBIT"
    STREAMS: ClassVar = {"trades": "publicTrade", "book": "orderbook"}

    def __init__(
        self,
        session: Session,
        *,
        speed: float | None = None,
        needs: Iterable[str] = ("publicTrade", "orderbook"),
        lifetime_s: float = 240.0,
    ) -> None:
        super().__init__(
            session,
            speed=speed,
            needs=needs,
            lifetime_s=lifetime_s,
            taker=wire.TAKER,
            maker=wire.MAKER,
        )
        self.traders: set[Channel] = set()
        self._shown: dict[str, Shown] = {}
        self._app.router.add_get("/v5/public/linear", self._public)
        self._app.router.add_get("/v5/private", self._private)
        self._app.router.add_get("/v5/trade", self._trade)
        self._app.router.add_route("*", "/{path:.*}", self._rest)

    def point_here(self, clients: str, client: dict[str, Any]) -> None:
        config = client["config"]
        config |= {"base_url_http": self.http_url}
        if clients == "data_clients":
            client["factory"] = {"path": "tests.venues.factories:RedirectedBybitDataFactory"}
        else:
            config |= {"api_key": "test-key", "api_secret": "test-secret"}
            config["base_url_ws_private"] = f"{self.ws_url}/v5/private"
            config["base_url_ws_trade"] = f"{self.ws_url}/v5/trade"

    # -- public stream -------------------------------------------------------------------------

    def deliveries(self, event: Recorded) -> Deliveries:
        if event.kind == "trade":
            message = wire.public_trade(event.message)
            text = json.dumps(message)
            return [(channel, text) for channel in self.channels(message["topic"])]
        if event.kind == "quote":
            return []
        out: Deliveries = []
        kind = "snapshot" if event.kind == "snapshot" else "delta"
        for topic, shown in self._shown.items():
            if not self.exchange.book.update_id or not self.channels(topic):
                continue
            if change := shown.message(kind, self.exchange.book, event.message):
                out += [(channel, json.dumps(change)) for channel in self.channels(topic)]
        return out

    async def seed(self, snapshot: dict[str, Any]) -> None:
        """The snapshot went out on the websocket."""

    async def _public(self, request: web.Request) -> web.WebSocketResponse:
        async def on_message(channel: Channel, message: dict[str, Any]) -> None:
            if message["op"] == "ping":
                await channel.socket.send_json(_pong(message, "pong"))
                return
            await channel.socket.send_json(_done(message))
            if message["op"] == "unsubscribe":
                channel.streams.difference_update(message["args"])
                return
            for topic in message["args"]:
                channel.streams.add(topic)
                if topic.startswith("orderbook"):
                    shown = self._shown.setdefault(topic, Shown(topic))
                    book, now = self.exchange.book, self.now_ms()
                    if book.update_id:
                        whole = shown.message("snapshot", book, {"E": now, "T": now})
                        await channel.send(json.dumps(whole))
            self.subscriptions_changed()

        def joined(socket: web.WebSocketResponse) -> Channel:
            channel = Channel(socket)
            self.market.add(channel)
            return channel

        return await self.listen(request, joined, on_message, self.market.discard)

    # -- private stream ------------------------------------------------------------------------

    async def _private(self, request: web.Request) -> web.WebSocketResponse:
        async def on_message(channel: Channel, message: dict[str, Any]) -> None:
            if message["op"] == "ping":
                await channel.socket.send_json(_pong(message, "pong"))
                return
            await channel.socket.send_json(_done(message))
            if message["op"] == "subscribe":
                channel.streams.update(message["args"])
                self.users.add(channel)
                self.subscriptions_changed()

        return await self.listen(
            request, lambda socket: Channel(socket), on_message, self.users.discard
        )

    async def push(self, topic: str, row: dict[str, Any]) -> None:
        """Send one row of a topic on every private stream."""
        text = json.dumps(
            {"id": uuid.uuid4().hex, "topic": topic, "creationTime": self.now_ms(), "data": [row]}
        )
        for channel in list(self.users):
            if topic in channel.streams:
                await channel.send(text)

    async def tell(self, happening: Happening, order: VenueOrder, fill: VenueFill | None) -> None:
        if fill:
            await self.push("execution", wire.execution(self.symbol, fill))
        await self.push("order", self._row(order))
        if fill:
            await self.tell_position()

    async def tell_position(self) -> None:
        row = wire.position(self.symbol, self.exchange, self.now_ms())
        await self.push("position", row)
        await self.push("wallet", wire.wallet(self.exchange))

    def _row(self, order: VenueOrder) -> dict[str, Any]:
        return wire.order(self.symbol, order, self.exchange, self.now_ms())

    # -- order entry ---------------------------------------------------------------------------

    async def _trade(self, request: web.Request) -> web.WebSocketResponse:
        async def on_message(channel: Channel, message: dict[str, Any]) -> None:
            if message["op"] == "ping":
                await channel.socket.send_json(_pong(message, "pong"))
            elif message["op"] == "auth":
                await channel.socket.send_json(self._ack(message, 0, "OK", {}))
            else:
                # Handled beside, so that a slow order does not hold up the next.
                self.spawn(self._entered(channel, message))

        def joined(socket: web.WebSocketResponse) -> Channel:
            channel = Channel(socket)
            self.traders.add(channel)
            return channel

        return await self.listen(request, joined, on_message, self.traders.discard)

    async def _entered(self, channel: Channel, message: dict[str, Any]) -> None:
        try:
            data = await self._command(message["op"], message["args"][0])
        except RefusedError as refused:
            await channel.socket.send_json(self._ack(message, *wire.ERRORS[refused.reason], {}))
        else:
            if data is not None:
                await channel.socket.send_json(self._ack(message, 0, "OK", data))

    async def _command(self, operation: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """Do what an order command asks; None where nothing must be answered."""
        if operation == "order.create":
            time_in_force = params.get("timeInForce", "GTC")
            order = await self.new_order(
                client_id=params["orderLinkId"],
                side=1 if params["side"] == "Buy" else -1,
                kind="STOP" if params.get("triggerPrice") else params["orderType"].upper(),
                size=Decimal(params["qty"]),
                price=Decimal(params.get("price") or 0),
                trigger=Decimal(params.get("triggerPrice") or 0),
                reduce_only=bool(params.get("reduceOnly")),
                time_in_force="GTX" if time_in_force == "PostOnly" else time_in_force,
            )
            if order is None:
                return None
        else:
            found = self.exchange.find(
                id=str(int(params["orderId"].partition("-")[0])) if params.get("orderId") else None,
                client_id=params.get("orderLinkId"),
            )
            if found is None:
                raise RefusedError("no order")
            order = found
            if operation == "order.amend":
                price, size = Decimal(params.get("price") or 0), Decimal(params.get("qty") or 0)
                await self.amend_order(order, price, size)
            elif operation == "order.cancel":
                await self.cancel_order(order)
            else:
                self.unhandled.append(operation)
        return {"orderId": wire.order_id(order), "orderLinkId": order.client_id}

    def _ack(
        self, message: dict[str, Any], code: int, text: str, data: dict[str, Any]
    ) -> dict[str, Any]:
        now = str(self.now_ms())
        header = {"X-Bapi-Limit": "10", "X-Bapi-Limit-Status": "9", "Traceid": "t", "Timenow": now}
        return {
            "reqId": message.get("reqId") or message.get("req_id"),
            "retCode": code,
            "retMsg": text,
            "op": message["op"],
            "data": data,
            "retExtInfo": {},
            "header": {**header, "X-Bapi-Limit-Reset-Timestamp": now},
            "connId": "test",
        }

    # -- REST ----------------------------------------------------------------------------------

    async def _rest(self, request: web.Request) -> web.Response:
        params = dict(request.query)
        if request.method == "POST":
            params |= await request.json()
        self.log(request, params, bool(request.headers.get("X-BAPI-API-KEY")))
        await asyncio.sleep(self.faults.http_delay_s)
        listing = request.path.endswith("order/realtime") and "orderLinkId" not in params
        try:
            if self.faults.take("rate_limited") or (listing and self.faults.take("refused_lists")):
                raise RefusedError("rate limit")
            self._check_time(request)
            answer = await self._answer(request.path, params)
        except RefusedError as refused:
            code, text = wire.ERRORS[refused.reason]
            return web.json_response({"retCode": code, "retMsg": text, "result": {}})
        if answer is None:
            self.unhandled.append(f"{request.method} {request.path}")
            return web.json_response({"retCode": 10001, "retMsg": "unknown path"}, status=404)
        return web.json_response(wire.answer(answer, self.now_ms()))

    def _check_time(self, request: web.Request) -> None:
        if sent := request.headers.get("X-BAPI-TIMESTAMP"):
            late = self.now_ms() - int(sent)
            if not -1000 <= late <= int(request.headers.get("X-BAPI-RECV-WINDOW", "5000")):
                raise RefusedError("time")

    async def _answer(self, path: str, params: dict[str, Any]) -> dict[str, Any] | None:
        now, exchange = self.now_ms(), self.exchange
        orders = list(exchange.orders.values())
        if params.get("orderFilter") == "StopOrder":
            orders = [o for o in orders if o.kind == "STOP" and not o.market_id]
        name = params.get("orderLinkId")
        if name:
            orders = [o for o in orders if o.client_id == name]
        if params.get("settleCoin", "USDT") != "USDT":
            orders = []
        match path.removeprefix("/v5/"):
            case "market/time":
                return {"timeSecond": str(now // 1000), "timeNano": f"{now}000000"}
            case "market/instruments-info":
                return wire.listed(wire.instrument(self.symbol, *self.session.increments()))
            case "market/recent-trade":
                newest = self.past_trades()[-int(params.get("limit", "500")) :]
                return wire.listed(*(wire.recent_trade(t) for t in reversed(newest)))
            case "market/tickers":
                return wire.listed()
            case "account/fee-rate":
                return wire.listed(wire.fee_rate(self.symbol))
            case "account/info":
                return wire.account_info(now)
            case "account/wallet-balance":
                return {"list": [wire.wallet(exchange)]}
            case "user/query-api":
                return wire.api_key(self.rights)
            case "position/list":
                # Asked for one symbol, it tells a flat position too.
                held = exchange.position and params.get("settleCoin", "USDT") == "USDT"
                row = wire.position(self.symbol, exchange, now)
                row["positionIdx"] = int(self.rights.hedge_mode)
                return wire.listed(*[row] * bool(held or params.get("symbol")))
            case "order/realtime":
                return wire.listed(*(self._row(o) for o in orders if o.is_open or name))
            case "order/history":
                done = (o for o in orders if not o.is_open and o.status != "PENDING")
                return wire.listed(*(self._row(o) for o in done))
            case "execution/list":
                return wire.listed(*(wire.execution(self.symbol, f) for f in exchange.fills))
            case "order/create" | "order/amend" | "order/cancel" as what:
                data = await self._command(what.replace("/", "."), params)
                if data is None:
                    await asyncio.sleep(self.lifetime_s)
                return data
        return None


class Shown:
    """What a book topic such as `orderbook.50.BTCUSDT` has shown so far."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self._depth = int(topic.split(".")[1])
        self._sides: dict[str, dict[str, str]] = {"b": {}, "a": {}}
        self._update = 0

    def message(self, kind: str, book: Book, times: dict[str, Any]) -> dict[str, Any] | None:
        """The next message: all levels, or those that have changed; None for no change."""
        changes: dict[str, list[Level]] = {}
        for name, side in (("b", 1), ("a", -1)):
            before, after = self._sides[name], dict(book.top(side, self._depth))
            if kind == "snapshot":
                changes[name] = list(after.items())
            else:
                changes[name] = [(p, "0") for p in before if p not in after]
                changes[name] += [(p, q) for p, q in after.items() if before.get(p) != q]
            self._sides[name] = after
        if not any(changes.values()):
            return None
        self._update = 1 if kind == "snapshot" and not self._update else self._update + 1
        symbol = self.topic.split(".")[2]
        data = {"s": symbol, **changes, "u": self._update, "seq": book.update_id}
        return {
            "topic": self.topic,
            "type": kind,
            "ts": times["E"],
            "data": data,
            "cts": times.get("T", times["E"]),
        }


def _pong(message: dict[str, Any], operation: str) -> dict[str, Any]:
    return {
        "success": True,
        "ret_msg": operation,
        "conn_id": "test",
        "req_id": message.get("req_id", ""),
        "op": message["op"],
    }


def _done(message: dict[str, Any]) -> dict[str, Any]:
    return _pong(message, "")
