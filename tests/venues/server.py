"""What every venue double has: a server on 127.0.0.1 in a thread of its own, bounded in time."""

import asyncio
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import WSMsgType, web

# A node that compiles its kernels for the first time handles nothing meanwhile.
PATIENCE_S = 120


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request that the double has got."""

    method: str
    path: str
    params: dict[str, str]
    with_key: bool


@dataclass(eq=False, slots=True)
class Channel:
    """One websocket of a client: what it has subscribed to, and how far it has read.

    A ping is answered by the client's socket when it has read all that was sent before, and by
    some clients (the host's for Binance) a second time, when their event loop has handled it. So
    `read` keeps two sockets' messages in order, and `handled` keeps the client's queues short.
    A socket that has gone takes everything and answers nothing.
    """

    socket: web.WebSocketResponse
    streams: set[str] = field(default_factory=set)
    unread: int = 0
    _pings: int = 0
    _answers: Counter[bytes] = field(default_factory=Counter)
    _answers_twice: bool = False
    _answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, text: str) -> None:
        self.unread += 1
        with suppress(ConnectionError):
            await self.socket.send_str(text)

    async def read(self) -> None:
        """Wait until the client's socket has read everything sent so far."""
        await self._ping(1)

    async def handled(self) -> None:
        """Wait until the client has handled everything sent so far."""
        await self._ping(2 if self._answers_twice else 1)

    async def _ping(self, answers: int) -> None:
        self._pings += 1
        payload = str(self._pings).encode()
        with suppress(ConnectionError):
            await self.socket.ping(payload)
            while self._answers[payload] < answers and not self.socket.closed:
                self._answered.clear()
                await asyncio.wait_for(self._answered.wait(), PATIENCE_S)
        self.unread = 0

    def pong(self, payload: bytes) -> None:
        self._answers[payload] += 1
        self._answers_twice |= self._answers[payload] > 1
        self._answered.set()

    def closed(self) -> None:
        self._answered.set()


class VenueServer:
    """An aiohttp server on 127.0.0.1 with an ephemeral port; use it as a context manager.

    It runs in a thread of its own and stops by itself after `lifetime_s` seconds, whatever the
    test does. `requests` lists the HTTP requests it has got, `unhandled` those it has no answer
    for, which a test should find empty.
    """

    def __init__(self, lifetime_s: float = 240.0) -> None:
        self.lifetime_s = lifetime_s
        self.requests: deque[Request] = deque(maxlen=10_000)
        self.unhandled: list[str] = []
        self.errors: list[BaseException] = []
        self.port = 0
        self._app = web.Application()
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the venue double did not start")
        return self

    def __exit__(self, *_: object) -> None:
        # A server whose time is up has closed its loop already.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)
        assert self._thread is not None
        self._thread.join(10)
        if self.errors:
            raise self.errors[0]

    def call[T](self, coroutine: Coroutine[Any, Any, T], timeout_s: float = 10.0) -> T:
        """Run a coroutine in the server's loop, from the test's thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout_s)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine beside; its failure fails the test at the server's exit."""
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if task.cancelled() or not (error := task.exception()):
            return
        # A node that was killed gets no answer any more.
        if not isinstance(error, ConnectionError):
            self.errors.append(error)

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        runner = web.AppRunner(self._app, handle_signals=False, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        self.started()
        self._ready.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), self.lifetime_s)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await runner.cleanup()

    def started(self) -> None:
        """Called in the server's loop once it listens."""

    def log(self, request: web.Request, params: dict[str, str], with_key: bool) -> None:
        self.requests.append(Request(request.method, request.path, params, with_key))

    def now_ms(self) -> int:
        """The venue's clock."""
        return int(time.time() * 1000)

    async def listen(
        self,
        request: web.Request,
        channel_of: Callable[[web.WebSocketResponse], Channel],
        on_message: Callable[[Channel, dict[str, Any]], Awaitable[None]],
        on_close: Callable[[Channel], None],
    ) -> web.WebSocketResponse:
        """Serve one websocket until the client leaves: JSON messages, pings and pongs."""
        socket = web.WebSocketResponse(autoping=False, max_msg_size=0)
        await socket.prepare(request)
        channel = channel_of(socket)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await on_message(channel, json.loads(message.data))
                elif message.type is WSMsgType.PING:
                    await socket.pong(message.data)
                elif message.type is WSMsgType.PONG:
                    channel.pong(bytes(message.data))
        finally:
            channel.closed()
            on_close(channel)
        return socket
