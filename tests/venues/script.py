"""An actor that plays a market's flow as a test says it, and tells the test what is published.

The strategy under test gets frames, bars and patterns from here instead of from the order flow of
the recording, so that a test decides when a trade begins. Everything else is real.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import numpy as np
from aiohttp import web
from nautilus_trader.common.actor import Actor
from nautilus_trader.config import ActorConfig, ImportableActorConfig
from nautilus_trader.model.data import TradeTick
from nautilus_trader.model.identifiers import InstrumentId

from of_nautilus.data import (
    ClosedTrade,
    EntryDecision,
    ExecutionTrouble,
    FeedStatus,
    FootprintBar,
    OperatorCommand,
    PatternSignal,
    SessionRoll,
    TradeTransition,
    data_type,
    listen,
)
from of_nautilus.decision.framing import FramingConfig, freeze_session
from of_nautilus.live.flow import past_topic
from tests.venues.server import Channel, VenueServer

TOLD = (ClosedTrade, EntryDecision, ExecutionTrouble, FeedStatus, TradeTransition, SessionRoll)
MINUTE = 60_000_000_000
HOUR = 60 * MINUTE
ROWS, ROW_TICKS = 400, 10


def framed(side: int, price: int) -> dict[str, Any]:
    """A finished session whose value area's low (side 1) or high (side -1) is at a price."""
    volumes = np.full(ROWS, 100, np.int64)
    frozen = freeze_session(
        start_ns=0,
        end_ns=HOUR,
        high=ROWS * ROW_TICKS - 1,
        low=0,
        close=0,
        low_row=0,
        ticks_per_row=ROW_TICKS,
        volumes=volumes,
        complete=True,
        config=FramingConfig(),
    )
    edge = frozen.val if side > 0 else frozen.vah
    low_row = (price - edge) // ROW_TICKS
    low = low_row * ROW_TICKS
    return {
        "open": price,
        "high": low + ROWS * ROW_TICKS - 1,
        "low": low,
        "close": price,
        "ticks_per_row": ROW_TICKS,
        "low_row": low_row,
        "volumes": volumes.tobytes(),
    }


class ScriptConfig(ActorConfig, frozen=True):  # type: ignore[misc, call-arg]
    """`address`: the websocket at which a `Prompter` says what to do."""

    instrument_id: InstrumentId
    address: str


class Script(Actor):  # type: ignore[misc]
    """Does what a prompter says, and tells it what is published about the instrument."""

    def __init__(self, config: ScriptConfig) -> None:
        super().__init__(config)
        self._last: TradeTick | None = None
        self._todo: list[dict[str, Any]] = []

    def on_start(self) -> None:
        instrument_id = self.config.instrument_id
        self.instrument = self.cache.instrument(instrument_id)
        for kind in TOLD:
            listen(self, kind, instrument_id)
        self.subscribe_trade_ticks(instrument_id)
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._task = asyncio.get_running_loop().create_task(self._talk())

    def on_stop(self) -> None:
        self._task.cancel()

    async def _talk(self) -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(self.config.address) as socket,
        ):
            telling = asyncio.create_task(self._tell(socket))
            try:
                async for message in socket:
                    self._todo.append(json.loads(message.data))
                    self._do()
            finally:
                telling.cancel()

    async def _tell(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            await socket.send_json(await self._queue.get())

    def on_trade_tick(self, tick: TradeTick) -> None:
        if self._last is None:
            self._queue.put_nowait({"type": "Ready"})
        self._last = tick
        self._do()

    def on_data(self, data: Any) -> None:
        plain = {k: v for k, v in data.to_dict().items() if not isinstance(v, bytes)}
        self._queue.put_nowait(plain | {"type": type(data).__name__})

    def _do(self) -> None:
        """Do what was asked for, once there is a price."""
        if self._last is None:
            return
        todo, self._todo = self._todo, []
        for one in todo:
            try:
                self._play(**one)
            except Exception as error:
                self._queue.put_nowait({"type": "Failed", "why": repr(error)})
                raise

    def _play(self, do: str, side: int = 1, ticks: int = 0) -> None:
        assert self._last is not None
        now, init = self._last.ts_event, self.clock.timestamp_ns()
        price = int(self._last.price.as_decimal() / self.instrument.price_increment.as_decimal())
        times = {"ts_event": now, "ts_init": init, "instrument_id": self.config.instrument_id}
        times["tick"] = float(self.instrument.price_increment)
        if do in ("PAUSE", "RESUME", "FLATTEN"):
            del times["tick"]
            self._publish(OperatorCommand(**times, action=do, source="test"))
            return
        if do == "status":
            orders = self.cache.orders_open(instrument_id=self.config.instrument_id)
            positions = self.cache.positions_open(instrument_id=self.config.instrument_id)
            position = sum(p.signed_decimal_qty() for p in positions)
            self._queue.put_nowait(
                {
                    "type": "Status",
                    "position": str(position),
                    "orders": sorted(o.client_order_id.value for o in orders),
                }
            )
            return
        market = times | {"lot": float(self.instrument.size_increment)}
        if do == "past":
            # As a `LiveFlow` does that starts anew: what has been, and at last the present session.
            topic = past_topic(self.config.instrument_id)
            for since in range(40 * HOUR, 0, -4 * HOUR):
                self.msgbus.publish(topic, _roll(market, now - since, 4 * HOUR, price))
                for minute in range(30):
                    close_ts = now - since + minute * MINUTE
                    self.msgbus.publish(topic, _bar(market, close_ts, price, price - 300))
            self._publish(_roll(market, now - HOUR, 20 * HOUR, price))
            return
        if do == "absorption":
            self._publish(_roll(market, now, 20 * HOUR, price, side))
        self._publish(
            PatternSignal(
                **times, pattern=do, side=side, price=price, strength=100.0, at_close=True
            )
        )
        self._publish(_bar(market, now, price, price + ticks))

    def _publish(self, data: Any) -> None:
        self.publish_data(data_type(type(data), self.config.instrument_id), data)


def _roll(times: dict[str, Any], start: int, length: int, price: int, side: int = 1) -> SessionRoll:
    """A session begins, after one whose value area has an edge at a price."""
    return SessionRoll(
        **times,
        start=start,
        end=start + length,
        finished_start=start - 24 * HOUR,
        finished_end=start,
        **framed(side, price),
    )


def _bar(times: dict[str, Any], close_ts: int, price: int, close: int) -> FootprintBar:
    return FootprintBar(
        **times,
        open_ts=close_ts - MINUTE,
        close_ts=close_ts,
        low=min(price, close) - 5,
        high=max(price, close) + 5,
        close=close,
        r1=100.0,
    )


class Prompter(VenueServer):
    """Tells a node's `Script` what to do; `heard` is what that tells, in order."""

    def __init__(self, lifetime_s: float = 300.0) -> None:
        super().__init__(lifetime_s)
        self.heard: list[dict[str, Any]] = []
        self._script: Channel | None = None
        self._app.router.add_get("/", self._listen)

    async def _listen(self, request: web.Request) -> web.WebSocketResponse:
        def joined(socket: web.WebSocketResponse) -> Channel:
            self._script = Channel(socket)
            return self._script

        async def on_message(channel: Channel, message: dict[str, Any]) -> None:
            self.heard.append(message)

        def left(channel: Channel) -> None:
            if self._script is channel:
                self._script = None

        return await self.listen(request, joined, on_message, left)

    def say(self, do: str, **fields: int) -> None:
        """Have the script do something."""
        assert self._script is not None, "no script is listening"
        self.call(self._script.send(json.dumps({"do": do, **fields})))

    def of(
        self, kind: str, since: int = 0, such: Callable[[dict[str, Any]], bool] | None = None
    ) -> list[dict[str, Any]]:
        """What was heard of one kind, from some place on."""
        heard = [one for one in self.heard[since:] if one["type"] == kind]
        return [one for one in heard if such is None or such(one)]


def script(instrument_id: str, address: str) -> ImportableActorConfig:
    """The config of a `Script`."""
    return ImportableActorConfig(
        actor_path="tests.venues.script:Script",
        config_path="tests.venues.script:ScriptConfig",
        config={"instrument_id": instrument_id, "address": address},
    )
