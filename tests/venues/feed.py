"""Replays a recorded session to subscribed websockets, in order and no faster than they read."""

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Protocol

from tests.venues.server import Channel
from tests.venues.session import Kind, Recorded, Session

type Deliveries = list[tuple[Channel, str]]
type Hook = Callable[[], Awaitable[None] | None]


class Venue(Protocol):
    """What the replay needs of a venue."""

    async def market_moved(self, event: Recorded) -> None:
        """The market has done what this message says."""

    def deliveries(self, event: Recorded) -> Deliveries:
        """The message as this venue's texts, and the sockets that want it."""

    async def handled(self, channel: Channel) -> None:
        """Wait until the client has handled all that was sent to this socket."""

    async def caught_up(self) -> None:
        """Wait until the node's components have handled all that was sent."""

    async def settled(self) -> None:
        """Wait until that has led to all the orders that it leads to, and they are done."""


class Feed:
    """The replay of one session.

    Messages keep the session's order even where a client has one socket a stream: before the
    feed goes on to another socket, the one before must have been read. `speed` is the multiple
    of real time, None for as fast as the client handles the messages, of which at most `window`
    are under way. With `in_step` the market stands still after each trade until the node has done
    what it does about it, as in a backtest. `sent` counts what went out by kind, `last` has the
    number of the last message of each kind, `started` and `finished` say where the replay is, and
    `at` lets things happen at a place of it.
    """

    def __init__(self, session: Session, *, speed: float | None = None, window: int = 500) -> None:
        self.session = session
        self.speed = speed
        self.window = window
        self.in_step = False
        self.sent: Counter[Kind] = Counter()
        self.last: dict[Kind, int] = {}
        self.position = 0
        self.started = threading.Event()
        self.finished = threading.Event()
        self._hooks: dict[int, list[Hook]] = {}
        self._last: Channel | None = None
        self._late: list[tuple[int, Recorded, Deliveries]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running = asyncio.Event()
        self._running.set()

    def at(self, position: int, *hooks: Hook) -> None:
        """Do this in the server's loop, the replay standing still, before that message."""
        self._hooks.setdefault(position, []).extend(hooks)

    def pause(self) -> None:
        """Stop sending: the feed goes stale. From any thread, or as a hook."""
        self._running.clear()

    def resume(self) -> None:
        """Go on sending where it stopped. From any thread, or as a hook."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._running.set)

    async def run(self, venue: "Venue") -> None:
        """Replay the session from `position` on."""
        self._loop = loop = asyncio.get_running_loop()
        self.started.set()
        events = self.session.events
        begin, first_ms = loop.time(), events[self.position].time_ms
        for place in range(self.position, len(events)):
            self.position, event = place, events[place]
            stopped = loop.time()
            for hook in self._hooks.pop(place, []):
                if (result := hook()) is not None:
                    await result
            await self._running.wait()
            begin += loop.time() - stopped
            if self.speed is not None:
                due = begin + (event.time_ms - first_ms) / 1000 / self.speed
                if (wait := due - loop.time()) > 0:
                    await asyncio.sleep(wait)
            await venue.market_moved(event)
            outgoing = venue.deliveries(event)
            if event.late:
                self._late.append((place + event.late, event, outgoing))
            else:
                await self._send(venue, event, outgoing)
            while self._late and self._late[0][0] <= place:
                await self._send(venue, *self._late.pop(0)[1:])
        self.position = len(events)
        await venue.caught_up()
        self.finished.set()

    async def _send(self, venue: "Venue", event: Recorded, outgoing: Deliveries) -> None:
        for _ in range(event.copies):
            for channel, text in outgoing:
                if self._last is not None and self._last is not channel:
                    await self._last.read()
                self._last = channel
                await channel.send(text)
                if channel.unread >= self.window:
                    await venue.handled(channel)
            if outgoing:
                self.sent[event.kind] += 1
                self.last[event.kind] = event.number
        if self.in_step and event.kind == "trade":
            await venue.settled()
