"""Replays a recorded session to subscribed websockets, in order and no faster than they read."""

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable

from tests.venues.server import Channel
from tests.venues.session import Kind, Recorded, Session

type Deliveries = list[tuple[Channel, str]]
type Hook = Callable[[], Awaitable[None]]


class Feed:
    """The replay of one session.

    Messages keep the session's order even where a client has one socket a stream: before the
    feed goes on to another socket, the one before must have been read. `speed` is the multiple
    of real time, None for as fast as the client handles the messages, of which at most `window`
    are under way. `sent` counts what went out by kind, `started` and `finished` say where the
    replay is, and `at` runs a coroutine before the message of that place.
    """

    def __init__(self, session: Session, *, speed: float | None = None, window: int = 500) -> None:
        self.session = session
        self.speed = speed
        self.window = window
        self.sent: Counter[Kind] = Counter()
        self.position = 0
        self.started = threading.Event()
        self.finished = threading.Event()
        self._hooks: dict[int, list[Hook]] = {}
        self._last: Channel | None = None
        self._late: list[tuple[int, Recorded]] = []
        self._running: asyncio.Event | None = None

    def at(self, position: int, hook: Hook) -> None:
        """Run `hook` in the server's loop, the replay standing still, before that message."""
        self._hooks.setdefault(position, []).append(hook)

    def pause(self) -> None:
        """Stop sending: the feed goes stale. Call it in the server's loop (as a hook)."""
        if self._running is not None:
            self._running.clear()

    def resume(self) -> None:
        """Go on sending. Call it in the server's loop."""
        if self._running is not None:
            self._running.set()

    async def run(
        self,
        deliveries: Callable[[Recorded], Deliveries],
        happened: Callable[[Recorded], Awaitable[None]],
    ) -> None:
        """Replay the whole session.

        `deliveries` turns a message into texts and the sockets that have subscribed to it;
        `happened` tells the venue, after the message went out.
        """
        self._running = asyncio.Event()
        self._running.set()
        self.started.set()
        loop = asyncio.get_running_loop()
        begin, first_ms = loop.time(), self.session.events[0].time_ms
        for place, event in enumerate(self.session.events):
            self.position = place
            for hook in self._hooks.pop(place, []):
                await hook()
            await self._running.wait()
            if self.speed is not None:
                due = begin + (event.time_ms - first_ms) / 1000 / self.speed
                if (wait := due - loop.time()) > 0:
                    await asyncio.sleep(wait)
            if event.late:
                self._late.append((place + event.late, event))
            else:
                await self._send(event, deliveries)
            await happened(event)
            while self._late and self._late[0][0] <= place:
                await self._send(self._late.pop(0)[1], deliveries)
        self.position = len(self.session.events)
        if self._last is not None:
            await self._last.handled()
            await self._last.handled()
        self.finished.set()

    async def _send(self, event: Recorded, deliveries: Callable[[Recorded], Deliveries]) -> None:
        for _ in range(event.copies):
            outgoing = deliveries(event)
            for channel, text in outgoing:
                if self._last is not None and self._last is not channel:
                    await self._last.read()
                self._last = channel
                await channel.send(text)
                if channel.unread >= self.window:
                    await channel.handled()
            self.sent[event.kind] += bool(outgoing)
