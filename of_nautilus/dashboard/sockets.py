"""The two websockets: `/ws` by channels, `/ws/orderflow` by footprint bars."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Literal

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from of_nautilus.dashboard.channels import CHANNELS
from of_nautilus.dashboard.hub import MOST_TOPICS, Client, Hub, Key
from of_nautilus.dashboard.market import MarketState
from of_nautilus.dashboard.parameters import (
    MOST_ROWS,
    BadParameterError,
    the_market,
    the_rows,
    the_tf,
)
from of_nautilus.dashboard.units import ms

MOST_CLIENTS = 512
MOST_MESSAGE = 4_096
MOST_DIGITS = 40
MOST_A_SECOND, BURST = 20, 60
PATIENCE_S = 10.0  # a client that takes nothing for so long is let go
POLICY, TOO_LARGE, LATER = 1008, 1009, 1013
_TFS = {"1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1_800, "1h": 3_600, "4h": 14_400}


class _Said(msgspec.Struct):
    op: Literal["subscribe", "unsubscribe", "resync", "ping"]
    channel: str = ""
    symbol: str = ""
    tf: int | None = None


_decode = msgspec.json.Decoder(_Said).decode


async def by_channels(socket: WebSocket, hub: Hub) -> None:
    """Serve `/ws`."""
    if not await _accepted(socket, hub):
        return
    client = Client()
    hub.clients.add(client)
    try:
        await _both(_hear(socket, hub, client), _tell(socket, client.next))
    finally:
        hub.leave(client)


async def _hear(socket: WebSocket, hub: Hub, client: Client) -> None:
    async for text in _received(socket):
        try:
            said = _decode(text)
            if said.op == "ping":
                client.say({"type": "pong"})
            else:
                key = _key(hub, said)
                if said.op == "unsubscribe":
                    hub.unsubscribe(client, key)
                elif len(client.keys) >= MOST_TOPICS and key not in client.keys:
                    raise BadParameterError(f"at most {MOST_TOPICS} subscriptions a connection")
                else:
                    hub.subscribe(client, key)
        except (msgspec.DecodeError, UnicodeError, RecursionError, BadParameterError) as error:
            client.say({"type": "error", "detail": str(error)})


def _key(hub: Hub, said: _Said) -> Key:
    channel = CHANNELS.get(said.channel)
    if channel is None:
        raise BadParameterError(
            f"`channel` must be one of {', '.join(CHANNELS)}, was {said.channel!r}"
        )
    if channel.of_all:
        if channel.name == "replay" and hub.source.replay() is None:
            raise BadParameterError("this is a live node, not a replay")
        return channel.name, "*", 0
    market = the_market(hub.source, said.symbol)
    return channel.name, market.symbol, the_tf(market, said.tf) if channel.with_tf else 0


async def by_bars(socket: WebSocket, hub: Hub) -> None:
    """Serve `/ws/orderflow`."""
    if not await _accepted(socket, hub):
        return
    try:
        bars = _Bars(hub, dict(socket.query_params))
    except BadParameterError as error:
        await socket.send_text(
            msgspec.json.encode({"type": "error", "detail": str(error)}).decode()
        )
        await socket.close(POLICY)
        return
    hub.others += 1
    try:
        await _both(_ignore(socket), _tell(socket, bars.next))
    except BadParameterError as error:  # another node's bars came behind the same address
        await socket.close(POLICY, str(error)[:120])
    finally:
        hub.others -= 1


class _Bars:
    """Footprint bars of one market, as one client hears them."""

    def __init__(self, hub: Hub, asked: dict[str, str]) -> None:
        self._hub, self._asked = hub, asked
        market = _market_of(hub, asked)
        self._symbol = market.symbol
        self._shape(market)
        self._ratio = _within("ratio", _number(asked, "ratio", 3.0, float), 1.0, 100.0)
        least = _number(asked, "least", -1.0, float)
        self._least = None if least < 0 else _within("least", least, 0.0, 1e12)
        self._count = int(_within("lookback", _number(asked, "lookback", 30, int), 1, 500))
        emit = _within("emit_ms", _number(asked, "emit_ms", 300, int), 100, 60_000)
        self._emit_s = emit / 1000
        self._seq = 0
        self._epoch = -1
        self._waiting: list[bytes] = []
        self._serial = self._trades = self._open = 0

    def _shape(self, market: MarketState) -> None:
        """Read the timeframe and the rows asked for, which are multiples of the market's own."""
        asked, bars, tick = self._asked, market.bars, market.units.tick
        named = asked.get("tf", "")
        self._tf = the_tf(market, _TFS.get(named) or _number(asked, "tf", bars.seconds, int))
        step = _number(asked, "step", bars.row_ticks * tick, float)
        usual = round(_within("step", step, tick, MOST_ROWS * tick) / tick)
        if abs(usual * tick - step) > 1e-6 * tick:
            raise BadParameterError(f"`step` must be a multiple of {tick}, was {step:g}")
        self._rows = the_rows(market, _number(asked, "rows", usual, int))

    async def next(self) -> bytes:
        """Wait for the next message."""
        while not self._waiting:
            if self._epoch >= 0:
                await asyncio.sleep(self._emit_s)
            market = self._hub.source.markets.get(self._symbol)
            if market is not None:
                self._waiting = self._made(market)
        self._hub.messages += 1
        return self._waiting.pop(0)

    def _made(self, market: MarketState) -> list[bytes]:
        bars = market.bars
        market.refresh()
        now = bars.serial, market.trade_count
        if self._hub.source.epoch != self._epoch:
            self._epoch = self._hub.source.epoch
            self._shape(market)
            found = bars.at(self._tf, self._count)
            drawn = bars.footprints(found, self._rows, self._ratio, self._least)
            made = [self._message("snapshot", "candles", drawn)]
        elif now == (self._serial, self._trades):
            return []
        else:
            since = bars.changed_since(self._serial)
            changed = self._open if since is None else min(since, self._open)
            found = bars.at(self._tf, self._count, changed)
            drawn = bars.footprints(found, self._rows, self._ratio, self._least)
            made = [self._message("delta", "candle", each) for each in drawn]
        self._serial, self._trades = now
        self._open = bars.open.open_ts if bars.open else 0
        return made

    def _message(self, kind: str, name: str, drawn: Any) -> bytes:
        self._seq += 1
        market = self._hub.source.markets[self._symbol]
        return msgspec.json.encode(
            {
                "type": kind,
                "exchange": self._symbol.rpartition(".")[2].lower(),
                "symbol": self._symbol,
                "tf_ms": self._tf * 1000,
                "step": round(self._rows * market.units.tick, market.units.price_digits + 3),
                "server_ts": ms(time.time_ns()),
                "seq": self._seq,
                name: drawn,
            }
        )


def _market_of(hub: Hub, asked: dict[str, str]) -> MarketState:
    """Return the market of `symbol`: its whole name, or the venue's own beside `exchange`."""
    symbol, exchange = asked.get("symbol", ""), asked.get("exchange", "").upper()
    names = (f"{symbol}{kind}.{exchange}" for kind in ("-PERP", "-LINEAR", ""))
    held = hub.source.markets
    return the_market(hub.source, next((name for name in names if name in held), symbol))


def _number(asked: dict[str, str], name: str, default: Any, kind: type[Any]) -> Any:
    text = asked.get(name, "")
    if not text:
        return default
    try:
        # A whole number may be longer than any float, and is quoted where it is refused.
        if len(text) > MOST_DIGITS:
            raise ValueError
        return kind(text)
    except ValueError:
        raise BadParameterError(
            f"`{name}` must be a number in {MOST_DIGITS} characters, was {text[:MOST_DIGITS]!r}"
        ) from None


def _within(name: str, value: float, low: float, high: float) -> float:
    if not low <= value <= high:
        raise BadParameterError(f"`{name}` must be {low:g} to {high:g}, was {value:g}")
    return value


async def _accepted(socket: WebSocket, hub: Hub) -> bool:
    await socket.accept()
    if len(hub.clients) + hub.others >= MOST_CLIENTS:
        await socket.close(LATER, f"more than {MOST_CLIENTS} connections")
        return False
    return True


async def _received(socket: WebSocket) -> AsyncIterator[str | bytes]:
    """Yield messages until the client goes, or has to: it may send so many a second."""
    allowance, last = float(BURST), time.monotonic()
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        now = time.monotonic()
        allowance = min(BURST, allowance + (now - last) * MOST_A_SECOND) - 1
        last = now
        if allowance < 0:
            await socket.close(POLICY, f"more than {MOST_A_SECOND} messages a second")
            return
        yield message.get("text") or message.get("bytes") or ""


async def _ignore(socket: WebSocket) -> None:
    async for _ in _received(socket):
        pass


async def _tell(socket: WebSocket, following: Callable[[], Awaitable[bytes]]) -> None:
    while True:
        text = (await following()).decode()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await socket.send_text(text)
        except TimeoutError:
            # It reads nothing: a closing handshake would wait for it too.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await socket.close(LATER, "too slow")
            return


async def _both(*work: Coroutine[Any, Any, None]) -> None:
    """Run until one of them ends, and end the other."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
