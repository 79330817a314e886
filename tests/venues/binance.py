"""A double of Binance USD-M futures: REST, market streams, user stream, orders."""

import asyncio
import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, ClassVar

from aiohttp import web

from tests.venues import binance_wire as wire
from tests.venues.double import VenueDouble
from tests.venues.exchange import Happening, RefusedError, VenueFill, VenueOrder
from tests.venues.feed import Deliveries
from tests.venues.server import Channel
from tests.venues.session import Recorded, Session


class BinanceDouble(VenueDouble):
    """Binance USD-M futures on 127.0.0.1.

    Recorded prints go out as aggregate trades of one print each, depth and bookTicker messages
    as recorded. The recorded snapshot is the answer to `/fapi/v1/depth` at its place in the
    replay, which waits for it to be fetched; later answers are the book as it is then.
    """

    INSTRUMENT: ClassVar = "{}-PERP.BINANCE"
    STREAMS: ClassVar = {"trades": "@aggTrade", "book": "@depth", "quotes": "@bookTicker"}
    # A client handles the snapshot some time after it was sent; the replay waits this long.
    SNAPSHOT_PAUSE_S = 0.3

    def __init__(
        self,
        session: Session,
        *,
        speed: float | None = None,
        needs: Iterable[str] = ("@aggTrade", "@depth"),
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
        self._recorded: dict[str, Any] | None = None
        self._asked, self._seeded, self._fetched = asyncio.Event(), asyncio.Event(), asyncio.Event()
        for path in ("/stream", "/ws", "/ws/{key}"):
            self._app.router.add_get(path, self._socket)
        self._app.router.add_route("*", "/{path:.*}", self._rest)

    def point_here(self, clients: str, client: dict[str, Any]) -> None:
        config = client["config"]
        config |= {"base_url_http": self.http_url, "base_url_ws": self.ws_url}
        if clients == "exec_clients":
            config |= {"api_key": "test-key", "api_secret": "test-secret"}
            config["base_url_ws_stream"] = self.ws_url

    # -- market streams ------------------------------------------------------------------------

    def begin_at(self, place: int) -> None:
        super().begin_at(place)
        if self.exchange.book.update_id:
            self._seeded.set()

    def is_ready(self) -> bool:
        return super().is_ready() and ("@depth" not in self.needs or self._asked.is_set())

    def deliveries(self, event: Recorded) -> Deliveries:
        if event.kind == "snapshot":
            return []
        data = agg_trade(event.message) if event.kind == "trade" else event.message
        stream = {"trade": "@aggTrade", "depth": "@depth", "quote": "@bookTicker"}[event.kind]
        out = []
        for channel in self.channels(stream):
            name = next(name for name in channel.streams if stream in name)
            out.append((channel, json.dumps({"stream": name, "data": data})))
        return out

    async def seed(self, snapshot: dict[str, Any]) -> None:
        self._recorded = snapshot
        self._seeded.set()
        if "@depth" in self.needs:
            await asyncio.wait_for(self._fetched.wait(), 30)
            await asyncio.sleep(self.SNAPSHOT_PAUSE_S)

    async def _depth(self, limit: int) -> dict[str, Any]:
        self._asked.set()
        self.subscriptions_changed()
        await self._seeded.wait()
        if snapshot := self._recorded:
            self._recorded = None
            answer = {**snapshot, **{k: snapshot[k][:limit] for k in ("bids", "asks")}}
        else:
            book, now = self.exchange.book, self.now_ms()
            answer = {"lastUpdateId": book.update_id, "E": now, "T": now}
            answer |= {"bids": book.top(1, limit), "asks": book.top(-1, limit)}
        self._fetched.set()
        return answer

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        is_user = "listenKey" in request.query or "key" in request.match_info
        group = self.users if is_user else self.market

        def joined(socket: web.WebSocketResponse) -> Channel:
            channel = Channel(socket)
            channel.streams.update(filter(None, request.query.get("streams", "").split("/")))
            group.add(channel)
            self.subscriptions_changed()
            return channel

        async def on_message(channel: Channel, message: dict[str, Any]) -> None:
            if message.get("method") == "SUBSCRIBE":
                channel.streams.update(message["params"])
            elif message.get("method") == "UNSUBSCRIBE":
                channel.streams.difference_update(message["params"])
            await channel.socket.send_json({"result": None, "id": message.get("id")})
            self.subscriptions_changed()

        return await self.listen(request, joined, on_message, group.discard)

    # -- orders and user stream ----------------------------------------------------------------

    async def push(self, message: dict[str, Any]) -> None:
        """Send a message on every user stream."""
        for channel in list(self.users):
            await channel.send(json.dumps(message))

    async def tell_position(self) -> None:
        await self.push(wire.account_update(self.symbol, self.exchange, self.now_ms()))

    async def tell(self, happening: Happening, order: VenueOrder, fill: VenueFill | None) -> None:
        now = self.now_ms()
        if order.kind == "STOP" and not order.market_id:
            await self.push(wire.algo_update(self.symbol, happening, order, now))
            return
        if happening == "TRIGGERED":
            for status in ("TRIGGERING", "TRIGGERED"):
                await self.push(wire.algo_update(self.symbol, status, order, now))
            await self.push(wire.order_update(self.symbol, "NEW", order, None, now))
            return
        await self.push(wire.order_update(self.symbol, happening, order, fill, now))
        if fill:
            await self.tell_position()
        if order.kind == "STOP" and not order.is_open:
            self.spawn(self._finished(order))

    async def _finished(self, order: VenueOrder) -> None:
        # Some time after the fill: the adapter makes a second fill of a stop that is finished
        # while the first one still waits in the node's queue.
        await asyncio.sleep(0.05)
        await self.push(wire.algo_update(self.symbol, "FINISHED", order, self.now_ms()))

    async def _order(self, params: dict[str, str]) -> VenueOrder:
        stop = params["type"] == "STOP_MARKET"
        order = await self.new_order(
            client_id=params["clientAlgoId" if stop else "newClientOrderId"],
            side=1 if params["side"] == "BUY" else -1,
            kind="STOP" if stop else params["type"],
            size=Decimal(params["quantity"]),
            price=Decimal(params.get("price", "0")),
            trigger=Decimal(params.get("triggerPrice", "0")),
            reduce_only=params.get("reduceOnly", "").lower() == "true",
            time_in_force=params.get("timeInForce", "GTC"),
        )
        if order is None:
            await asyncio.sleep(self.lifetime_s)
            raise RefusedError("no order")
        return order

    def _found(self, params: dict[str, str]) -> VenueOrder:
        order = self.exchange.find(
            id=params.get("orderId") or params.get("algoId"),
            client_id=params.get("origClientOrderId") or params.get("clientAlgoId"),
        )
        if order is None:
            raise RefusedError("no order")
        return order

    # -- REST ----------------------------------------------------------------------------------

    async def _rest(self, request: web.Request) -> web.Response:
        params = dict(request.query)
        if request.method != "GET":
            params.update({key: str(value) for key, value in (await request.post()).items()})
        self.log(request, params, bool(request.headers.get("X-MBX-APIKEY")))
        await asyncio.sleep(self.faults.http_delay_s)
        listing = request.path.endswith("openAlgoOrders")
        if self.faults.take("rate_limited") or (listing and self.faults.take("refused_lists")):
            code, text = wire.ERRORS["rate limit"]
            headers = {"Retry-After": "1"}
            return web.json_response({"code": code, "msg": text}, status=429, headers=headers)
        try:
            self._check_time(params)
            answer = await self._answer(request.method, request.path, params)
        except RefusedError as refused:
            code, text = wire.ERRORS[refused.reason]
            return web.json_response({"code": code, "msg": text}, status=400)
        if answer is None:
            self.unhandled.append(f"{request.method} {request.path}")
            return web.json_response({"code": -1100, "msg": "unknown path"}, status=404)
        return web.json_response(answer)

    def _recent(self, params: dict[str, str]) -> list[dict[str, Any]]:
        """Trades by id or time from the oldest on, or else the newest ones."""
        trades, limit = self.past_trades(), int(params.get("limit", "500"))
        if "fromId" in params:
            return [t for t in trades if t["t"] >= int(params["fromId"])][:limit]
        if "startTime" in params:
            first, last = int(params["startTime"]), int(params.get("endTime", 1 << 62))
            return [t for t in trades if first <= t["T"] <= last][:limit]
        return trades[-limit:]

    def _check_time(self, params: dict[str, str]) -> None:
        if "timestamp" in params:
            late = self.now_ms() - int(params["timestamp"])
            if not -1000 <= late <= int(params.get("recvWindow", "5000")):
                raise RefusedError("time")

    async def _answer(self, method: str, path: str, params: dict[str, str]) -> Any:
        symbol, now, exchange = self.symbol, self.now_ms(), self.exchange
        orders = list(exchange.orders.values())
        plain = [o for o in orders if o.kind != "STOP" or o.market_id]
        stops = [o for o in orders if o.kind == "STOP"]
        match method, path.rsplit("/", 1)[1]:
            case "GET", "exchangeInfo":
                return wire.exchange_info(symbol, *self.session.increments(), now)
            case "GET", "time":
                return {"serverTime": now}
            case "GET", "depth":
                return await self._depth(int(params.get("limit", "500")))
            case "GET", "trades" | "historicalTrades":
                return [wire.old_trade(t) for t in self._recent(params)]
            case "GET", "aggTrades":
                return [agg_trade(t) for t in self._recent(params)]
            case "GET", "account":
                return wire.account(exchange, now) | {"canTrade": self.rights.may_trade}
            case "GET", "apiRestrictions":
                futures, withdraw = self.rights.may_trade, self.rights.may_withdraw
                return {"enableFutures": futures, "enableWithdrawals": withdraw}
            case "GET", "positionRisk":
                return wire.position_risk(symbol, exchange, now)
            case "GET", "symbolConfig":
                return [wire.symbol_config(symbol)]
            case "GET", "dual":
                return {"dualSidePosition": self.rights.hedge_mode}
            case "POST" | "PUT" | "DELETE", "listenKey":
                return {"listenKey": "test-listen-key"}
            case "GET", "openOrders":
                return [wire.order(symbol, o, now) for o in plain if o.is_open]
            case "GET", "allOrders":
                return [wire.order(symbol, o, now) for o in plain]
            case "GET", "userTrades":
                return [wire.user_trade(symbol, fill) for fill in exchange.fills]
            case "GET", "openAlgoOrders":
                return [wire.algo_order(symbol, o, now) for o in stops if o.status == "NEW"]
            case "GET", "allAlgoOrders":
                return [wire.algo_order(symbol, o, now) for o in stops]
            case "POST", "order":
                return wire.order(symbol, await self._order(params), now)
            case "POST", "algoOrder":
                return wire.algo_order(symbol, await self._order(params), now)
            case "GET", "order":
                return wire.order(symbol, self._found(params), now)
            case "GET", "algoOrder":
                return wire.algo_order(symbol, self._found(params), now)
            case "PUT", "order":
                order = self._found(params)
                await self.amend_order(order, Decimal(params["price"]), Decimal(params["quantity"]))
                return wire.order(symbol, order, now)
            case "DELETE", "order":
                order = self._found(params)
                await self.cancel_order(order)
                return wire.order(symbol, order, now)
            case "DELETE", "algoOrder":
                order = self._found(params)
                await self.cancel_order(order)
                done = {"code": "200", "msg": "success"}
                return {"algoId": order.id, "clientAlgoId": order.client_id, **done}
            case "DELETE", "allOpenOrders" | "algoOpenOrders" as which:
                for order in stops if which == "algoOpenOrders" else plain:
                    if order.is_open:
                        await self.cancel_order(order)
                return {"code": 200, "msg": "The operation of cancel all open order is done."}
        return None


def agg_trade(trade: dict[str, Any]) -> dict[str, Any]:
    """A recorded print as an aggregate trade of one: same price, size, time and id."""
    number = trade["t"]
    return {
        "e": "aggTrade",
        "E": trade["E"],
        "a": number,
        "s": trade["s"],
        "p": trade["p"],
        "q": trade["q"],
        "nq": trade["q"],
        "f": number,
        "l": number,
        "T": trade["T"],
        "m": trade["m"],
    }
