"""Each fault switch of both doubles does to a client what it says."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from tests.venues.binance import BinanceDouble
from tests.venues.bybit import BybitDouble
from tests.venues.double import VenueDouble
from tests.venues.session import Recorded, Session

TRADES = 40


def market() -> Session:
    """A snapshot, then by turns a change of the book and a print, 10 ms apart."""
    begin = 1_700_000_000_000
    snapshot = {
        "lastUpdateId": 100,
        "E": begin,
        "T": begin,
        "bids": [["99.90", "5.000"], ["99.80", "5.000"]],
        "asks": [["100.10", "5.000"], ["100.20", "5.000"]],
    }
    events = [Recorded("snapshot", begin, snapshot)]
    for i in range(TRADES):
        at = begin + 10 * (i + 1)
        times = {"E": at, "T": at, "s": "BTCUSDT"}
        bids, asks = [["99.90", f"{i + 1}.000"]], [["100.10", f"{i + 2}.000"]]
        ids = {"U": 101 + i, "u": 101 + i, "pu": 100 + i}
        depth = {"e": "depthUpdate", **times, **ids, "b": bids, "a": asks}
        print_ = {"t": i, "p": "100.00", "q": "1.000", "X": "MARKET", "m": i % 2 == 0}
        events.append(Recorded("depth", at, depth))
        events.append(Recorded("trade", at, {"e": "trade", **times, **print_}))
    return Session("BTCUSDT", events)


class Client:
    """A plain client of a venue: what its sockets have received, and requests."""

    def __init__(self, double: VenueDouble, http: aiohttp.ClientSession) -> None:
        self.double = double
        self.is_binance = isinstance(double, BinanceDouble)
        self.trades: list[int] = []
        self.updates: list[int] = []
        self.user: list[dict[str, Any]] = []
        self.acks: list[dict[str, Any]] = []
        self.closed = 0
        self._http = http
        self._tasks: list[asyncio.Task[None]] = []
        self._sockets: list[aiohttp.ClientWebSocketResponse] = []
        self._entry: aiohttp.ClientWebSocketResponse | None = None

    async def listen_market(self) -> None:
        if self.is_binance:
            await self._open("/stream?streams=btcusdt@aggTrade/btcusdt@depth@0ms", self._market)
            await self.get("/fapi/v1/depth")
        else:
            topics = ["publicTrade.BTCUSDT", "orderbook.50.BTCUSDT"]
            socket = await self._open("/v5/public/linear", self._market)
            await socket.send_json({"op": "subscribe", "args": topics})

    async def listen_user(self) -> None:
        if self.is_binance:
            await self._open("/ws?listenKey=k", self.user.append)
        else:
            socket = await self._open("/v5/private", self.user.append)
            topics = ["order", "execution", "position", "wallet"]
            await socket.send_json({"op": "subscribe", "args": topics})
            self._entry = await self._open("/v5/trade", self.acks.append)

    async def _open(
        self, path: str, receive: Callable[[dict[str, Any]], None]
    ) -> aiohttp.ClientWebSocketResponse:
        socket = await self._http.ws_connect(self.double.ws_url + path)

        async def read() -> None:
            async for message in socket:
                receive(json.loads(message.data))
            self.closed += 1

        self._sockets.append(socket)
        self._tasks.append(asyncio.create_task(read()))
        return socket

    def _market(self, message: dict[str, Any]) -> None:
        data = message.get("data", {})
        if self.is_binance and data.get("e") == "aggTrade":
            self.trades.append(data["a"])
        elif self.is_binance and "u" in data:
            self.updates.append(data["u"])
        elif str(message.get("topic")).startswith("publicTrade"):
            self.trades += [int(row["i"]) for row in data]
        elif str(message.get("topic")).startswith("orderbook"):
            self.updates.append(data["seq"])

    async def get(self, path: str, **params: str) -> tuple[int, Any]:
        async with self._http.get(self.double.http_url + path, params=params) as answer:
            return answer.status, await answer.json()

    async def recent_trades(self, **params: str) -> list[int]:
        """Ids of trades of the past, oldest first."""
        if self.is_binance:
            return [t["a"] for t in (await self.get("/fapi/v1/aggTrades", **params))[1]]
        rows = (await self.get("/v5/market/recent-trade", **params))[1]["result"]["list"]
        return [int(row["execId"]) for row in reversed(rows)]

    async def order(self, name: str, side: int = 1, size: str = "1.000", **fields: str) -> Any:
        """Enter an order (at market, or a stop with `trigger`); the answer, None for none."""
        stop = "trigger" in fields
        if self.is_binance:
            path = "/fapi/v1/algoOrder" if stop else "/fapi/v1/order"
            data = {"symbol": "BTCUSDT", "side": "BUY" if side > 0 else "SELL", "quantity": size}
            data["clientAlgoId" if stop else "newClientOrderId"] = name
            data |= {"type": "STOP_MARKET" if stop else "MARKET"}
            data |= {"triggerPrice": fields["trigger"]} if stop else {}
            url = self.double.http_url + path
            try:
                async with asyncio.timeout(0.5), self._http.post(url, data=data) as answer:
                    return await answer.json()
            except TimeoutError:
                return None
        row = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy" if side > 0 else "Sell"}
        row |= {"orderType": "Market", "qty": size, "orderLinkId": name}
        row |= {"triggerPrice": fields["trigger"]} if stop else {}
        assert self._entry is not None
        before = len(self.acks)
        await self._entry.send_json({"reqId": name, "op": "order.create", "args": [row]})
        await until(lambda: len(self.acks) > before, 0.5)
        return self.acks[-1] if len(self.acks) > before else None

    def refused(self, answer: dict[str, Any]) -> bool:
        return answer.get("code", 0) < 0 if self.is_binance else answer["retCode"] != 0

    @property
    def statuses(self) -> list[str]:
        """The states of orders told on the user stream, in order."""
        if self.is_binance:
            return [m["o"]["X"] for m in self.user if m["e"] != "ACCOUNT_UPDATE"]
        return [r["orderStatus"] for m in self.user if m.get("topic") == "order" for r in m["data"]]

    @property
    def fills(self) -> list[str]:
        """The ids of fills told, in order."""
        if self.is_binance:
            return [m["o"]["t"] for m in self.user if m.get("o", {}).get("x") == "TRADE"]
        rows = [m["data"] for m in self.user if m.get("topic") == "execution"]
        return [row["execId"] for data in rows for row in data]

    @property
    def positions(self) -> list[Decimal]:
        """The position's sizes told, in order."""
        if self.is_binance:
            told = [m["a"]["P"][0] for m in self.user if m["e"] == "ACCOUNT_UPDATE"]
            return [Decimal(p["pa"]) for p in told]
        rows = [m["data"][0] for m in self.user if m.get("topic") == "position"]
        return [Decimal(r["size"]) * (-1 if r["side"] == "Sell" else 1) for r in rows]

    async def close(self) -> None:
        for socket in self._sockets:
            await socket.close()
        await asyncio.gather(*self._tasks)


async def until(condition: Callable[[], Any], timeout_s: float = 5.0) -> None:
    """Wait for a condition, which may stay false."""
    end = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < end:
        await asyncio.sleep(0.01)


@asynccontextmanager
async def client_of(double: VenueDouble) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as http:
        client = Client(double, http)
        try:
            yield client
        finally:
            await client.close()


@pytest.fixture(params=[BinanceDouble, BybitDouble], ids=["binance", "bybit"])
def venue(request: pytest.FixtureRequest) -> type[BinanceDouble] | type[BybitDouble]:
    return request.param


def replay(double: VenueDouble) -> Client:
    """Play the whole session to a client of the market streams."""

    async def whole() -> Client:
        async with client_of(double) as client:
            await client.listen_market()
            await until(double.feed.finished.is_set)
            assert double.feed.finished.is_set()
            await until(lambda: len(client.trades) >= double.feed.sent["trade"], 1)
            return client

    with double:
        return asyncio.run(whole())


def trading(
    venue: type[BinanceDouble] | type[BybitDouble],
    act: Callable[[Client, VenueDouble], Coroutine[Any, Any, None]],
) -> None:
    """Play the session to a client of all streams, then let it act."""

    async def whole(double: VenueDouble) -> None:
        async with client_of(double) as client:
            await client.listen_user()
            await client.listen_market()
            await until(double.feed.finished.is_set)
            await act(client, double)

    with venue(market()) as double:
        double.needs |= {"user"}
        asyncio.run(whole(double))
        assert double.unhandled == []


ALL = list(range(TRADES))
UPDATES = list(range(101, 101 + TRADES))


def test_without_faults_all_arrives(venue) -> None:
    client = replay(venue(market()))
    assert client.trades == ALL
    assert client.updates[-TRADES:] == UPDATES


def test_a_lost_repeated_and_late_trade(venue) -> None:
    session = market().faulty("trade", 5, copies=0).faulty("trade", 7, copies=2)
    client = replay(venue(session.faulty("trade", 20, late=4)))
    assert 5 not in client.trades
    assert client.trades.count(7) == 2
    assert client.trades.index(20) == client.trades.index(22) + 1
    assert sorted(set(client.trades)) == [i for i in ALL if i != 5]


def test_a_lost_depth_message_breaks_the_sequence(venue) -> None:
    client = replay(venue(market().faulty("depth", 9, copies=0)))
    assert client.updates[-TRADES + 1 :] == [u for u in UPDATES if u != UPDATES[9]]


def test_a_stale_feed_falls_silent_and_comes_back(venue) -> None:
    double = venue(market(), speed=20)
    double.feed.at(30, double.feed.pause)

    async def whole() -> None:
        async with client_of(double) as client:
            await client.listen_market()
            await until(lambda: double.feed.position == 30)
            await asyncio.sleep(0.2)
            before = len(client.trades)
            await asyncio.sleep(0.2)
            assert len(client.trades) == before < TRADES
            double.feed.resume()
            await until(double.feed.finished.is_set)
            await until(lambda: len(client.trades) == TRADES)
            assert client.trades == ALL

    with double:
        asyncio.run(whole())


def test_what_is_past_is_served_as_recent_trades_and_book(venue) -> None:
    double = venue(market())
    double.begin_at(41)  # the snapshot, 20 changes of the book, 20 trades

    async def whole() -> None:
        async with client_of(double) as client:
            recent = await client.recent_trades(limit="5")
            assert recent == ALL[15:20]
            if client.is_binance:
                assert await client.recent_trades(fromId="3", limit="4") == ALL[3:7]
                book = (await client.get("/fapi/v1/depth", limit="5"))[1]
                assert book["lastUpdateId"] == UPDATES[19]
            await client.listen_market()
            await until(double.feed.finished.is_set)
            await until(lambda: len(client.trades) == 20)
            assert client.trades == ALL[20:]

    with double:
        asyncio.run(whole())


def test_kicked_market_sockets_miss_what_is_sent_until_they_are_back(venue) -> None:
    double = venue(market())
    double.feed.at(30, double.kick_market)
    double.feed.at(50, double.until_subscribed)

    async def whole() -> None:
        async with client_of(double) as client:
            await client.listen_market()
            await until(lambda: client.closed == 1)
            assert client.closed == 1
            await client.listen_market()
            await until(double.feed.finished.is_set)
            await until(lambda: len(client.trades) == double.feed.sent["trade"])
            assert client.trades == ALL[:14] + ALL[24:]
            if not client.is_binance:
                assert client.updates.count(UPDATES[24]) == 1, "no snapshot at the return"

    with double:
        asyncio.run(whole())


def test_a_market_order_is_answered_told_and_filled(venue) -> None:
    async def act(client: Client, double: VenueDouble) -> None:
        answer = await client.order("a", size="2.000")
        await until(lambda: client.positions)
        assert not client.refused(answer)
        assert client.statuses[0] in ("NEW", "New")
        assert client.statuses[-1] in ("FILLED", "Filled")
        assert client.positions == [2] == [double.exchange.position]

    trading(venue, act)


def test_a_lost_order_is_not_answered_and_not_there(venue) -> None:
    async def act(client: Client, double: VenueDouble) -> None:
        double.faults.lost_orders = 1
        assert await client.order("a") is None
        assert (client.statuses, double.exchange.orders) == ([], {})
        assert not client.refused(await client.order("b"))

    trading(venue, act)


def test_an_order_whose_answer_is_lost_is_there(venue) -> None:
    async def act(client: Client, double: VenueDouble) -> None:
        double.faults.lost_answers = 1
        assert await client.order("a", -1, trigger="90.00") is None
        assert client.statuses == []
        (order,) = double.exchange.open_orders()
        assert order.client_id == "a"

    trading(venue, act)


def test_refused_orders_and_stops(venue) -> None:
    async def act(client: Client, double: VenueDouble) -> None:
        double.faults.refused_orders = double.faults.refused_stops = 1
        assert client.refused(await client.order("a"))
        assert not client.refused(await client.order("b"))
        assert client.refused(await client.order("c", -1, trigger="90.00"))
        assert not client.refused(await client.order("d", -1, trigger="90.00"))

    trading(venue, act)


def test_a_delayed_order_comes_later(venue) -> None:
    async def act(client: Client, double: VenueDouble) -> None:
        double.faults.order_delay_s = 0.3
        await client.order("a")
        await asyncio.sleep(0.1)
        assert client.statuses == []
        await until(lambda: client.positions)
        assert client.positions == [1]

    trading(venue, act)


def test_half_a_fill_then_the_user_stream_is_gone(venue) -> None:
    async def act(client: Client, double: VenueDouble) -> None:
        double.faults.partial_then_gone = True
        await client.order("a")
        await until(lambda: double.exchange.position == 1)
        await until(lambda: client.closed == 1)
        assert client.closed == 1
        assert len(client.fills) == 1
        assert client.positions == [Decimal("0.5")]
        assert double.exchange.position == 1

    trading(venue, act)


def test_a_fill_told_twice_and_one_not_told(venue) -> None:
    async def act(client: Client, double: VenueDouble) -> None:
        double.faults.repeated_fills = 1
        await client.order("a")
        await until(lambda: len(client.fills) == 2)
        assert len(client.fills) == 2
        assert len(set(client.fills)) == 1
        double.faults.repeated_fills, double.faults.lost_fills = 0, 1
        await client.order("b")
        await until(lambda: double.exchange.position == 2)
        await asyncio.sleep(0.1)
        assert double.exchange.position == 2
        assert len(client.fills) == 2

    trading(venue, act)


def test_the_venue_cancels_a_resting_stop(venue) -> None:
    async def act(client: Client, double: VenueDouble) -> None:
        await client.order("a", -1, trigger="90.00")
        await until(lambda: client.statuses)
        double.call(double.cancel_stops())
        await until(lambda: len(client.statuses) == 2)
        assert client.statuses[-1] in ("CANCELED", "Deactivated")
        assert double.exchange.open_orders() == []

    trading(venue, act)


def test_a_position_changed_from_outside_is_told(venue) -> None:
    async def act(client: Client, double: VenueDouble) -> None:
        double.call(double.trade_outside(Decimal("-0.5")))
        await until(lambda: client.positions)
        assert client.positions == [Decimal("-0.5")]
        assert (client.statuses, client.fills) == ([], [])

    trading(venue, act)


def test_slow_rest_and_too_many_requests(venue) -> None:
    async def act(client: Client, double: VenueDouble) -> None:
        path = "/fapi/v1/time" if client.is_binance else "/v5/market/time"
        double.faults.http_delay_s = 0.2
        begin = time.monotonic()
        await client.get(path)
        assert time.monotonic() - begin > 0.19
        double.faults.http_delay_s, double.faults.rate_limited = 0.0, 1
        status, answer = await client.get(path)
        assert client.refused(answer)
        assert status == (429 if client.is_binance else 200)
        assert not client.refused((await client.get(path))[1])

    trading(venue, act)


def test_a_skewed_clock_is_told_and_refuses_signed_requests(venue) -> None:
    async def act(client: Client, double: VenueDouble) -> None:
        double.faults.clock_skew_ms = 60_000
        now = time.time() * 1000
        if client.is_binance:
            told = (await client.get("/fapi/v1/time"))[1]["serverTime"]
            signed = await client.get("/fapi/v2/account", timestamp=str(int(now)))
            assert signed[1]["code"] == -1021
        else:
            told = int((await client.get("/v5/market/time"))[1]["result"]["timeSecond"]) * 1000
        assert 58_000 < told - now < 62_000

    trading(venue, act)


def test_a_double_stops_by_itself(venue) -> None:
    double = venue(market(), lifetime_s=0.2)
    with double:
        thread = double._thread
        assert thread is not None
        thread.join(5)
        assert not thread.is_alive()

        async def ask() -> None:
            async with client_of(double) as client:
                with pytest.raises(aiohttp.ClientConnectorError):
                    await client.get("/fapi/v1/time")

        asyncio.run(ask())
