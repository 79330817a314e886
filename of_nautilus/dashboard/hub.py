"""Topics and who hears them: every message is made once, numbered, and put before each client.

A client has a bounded queue. One that falls behind on a channel whose newest word is all that
matters gets a snapshot when it can take one, in place of what it missed; so does one whose queue of
any other channel is full. One that takes nothing for long is let go.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from of_nautilus.dashboard.channels import CHANNELS, Channel, Talk
from of_nautilus.dashboard.sources import Source

TICK_S = 0.1
MOST_WAITING = 64  # messages of one topic before a client
MOST_TOPICS = 64  # of one client
Key = tuple[str, str, int]
_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class Topic:
    """One channel of one market and timeframe, while somebody hears it."""

    def __init__(self, channel: Channel, key: Key, talk: Talk) -> None:
        self.channel, self.key, self._talk = channel, key, talk
        self.hearers: set[Client] = set()
        self.newcomers: set[Client] = set()
        self._seq = 0
        self._due = 0.0
        self._epoch = -1

    def speak(self, now: float, epoch: int) -> int:
        """Say what is due; return how many messages were put before clients."""
        sent = 0
        behind = bool(self.hearers) and now >= self._due and self._talk.is_behind
        if epoch != self._epoch or behind:
            # What was told no longer leads to what is.
            self._epoch = epoch
            self._talk.begin()
            self.newcomers |= self.hearers
            self.hearers.clear()
        if self.hearers and now >= self._due:
            data = self._talk.delta()
            if data is not None:
                # From when it was due, not from when it was seen: a throttle is a mean too.
                step = self.channel.throttle_ms / 1000
                self._due = max(self._due + step, now - TICK_S + step)
                self._seq += 1
                message = self._message("delta", data)
                for client in self.hearers:
                    client.put(self, message)
                sent += len(self.hearers)
        if self.newcomers:
            if not self.hearers:
                self._talk.begin()
                self._seq += 1
                self._due = now + self.channel.throttle_ms / 1000
            message = self._message("snapshot", self._talk.snapshot())
            for client in self.newcomers:
                client.replace(self, message)
            sent += len(self.newcomers)
            self.hearers |= self.newcomers
            self.newcomers.clear()
        return sent

    def _message(self, kind: str, data: Any) -> bytes:
        name, symbol, tf = self.key
        told = {"type": kind, "channel": name, "symbol": symbol, "tf": tf or None}
        return _encode({**told, "seq": self._seq, "data": data})


class Client:
    """A websocket's queue: messages by topic, in the order in which topics had something first."""

    def __init__(self) -> None:
        self._waiting: dict[Topic, deque[bytes]] = {}
        self._ready = asyncio.Event()
        self.keys: set[Key] = set()

    def put(self, topic: Topic, message: bytes) -> None:
        """Put a delta before the client, or ask for a snapshot if it is too far behind."""
        queue = self._waiting.setdefault(topic, deque())
        if len(queue) >= (1 if topic.channel.latest else MOST_WAITING):
            del self._waiting[topic]
            topic.newcomers.add(self)
            return
        queue.append(message)
        self._ready.set()

    def replace(self, topic: Topic, message: bytes) -> None:
        """Put a snapshot before the client, in place of all of the topic that waits."""
        self._waiting[topic] = deque((message,))
        self._ready.set()

    def say(self, told: dict[str, Any]) -> None:
        """Put a message of no topic before the client."""
        queue = self._waiting.setdefault(_NO_TOPIC, deque(maxlen=MOST_WAITING))
        queue.append(_encode(told))
        self._ready.set()

    def forget(self, topic: Topic) -> None:
        """Drop what waits of a topic."""
        self._waiting.pop(topic, None)

    @property
    def waiting(self) -> int:
        """How many messages wait."""
        return sum(map(len, self._waiting.values()))

    async def next(self) -> bytes:
        """Wait for a message and take it."""
        while not self._waiting:
            self._ready.clear()
            await self._ready.wait()
        topic, queue = next(iter(self._waiting.items()))
        message = queue.popleft()
        del self._waiting[topic]
        if queue:
            self._waiting[topic] = queue  # to the end: each topic in turn
        return message


_NO_TOPIC: Any = object()


class Hub:
    """Lets time go on in a source, and tells those who subscribed.

    Parameters
    ----------
    source : Source
    stats : callable
        Makes what the channel `stats` says.
    """

    def __init__(self, source: Source, stats: Callable[["Hub"], dict[str, Any]]) -> None:
        self.source = source
        self._stats = stats
        self._topics: dict[Key, Topic] = {}
        self.clients: set[Client] = set()
        self.others = 0  # those of /ws/orderflow
        self.messages = 0
        self.began = time.monotonic()

    def subscribe(self, client: Client, key: Key) -> None:
        """Let a client hear a topic, from a snapshot on; again, if it hears it already."""
        topic = self._topics.get(key)
        if topic is None:
            channel = CHANNELS[key[0]]
            talk = channel.make(self.source, key[1], key[2])
            if channel.name == "stats":
                talk.tell = lambda: self._stats(self)  # type: ignore[attr-defined]
            topic = self._topics[key] = Topic(channel, key, talk)
        topic.hearers.discard(client)
        topic.newcomers.add(client)
        client.forget(topic)
        client.keys.add(key)

    def unsubscribe(self, client: Client, key: Key) -> None:
        """Let a client hear a topic no more."""
        topic = self._topics.get(key)
        client.keys.discard(key)
        if topic is None:
            return
        topic.hearers.discard(client)
        topic.newcomers.discard(client)
        client.forget(topic)
        if not topic.hearers and not topic.newcomers:
            del self._topics[key]

    def leave(self, client: Client) -> None:
        """Forget a client."""
        for key in tuple(client.keys):
            self.unsubscribe(client, key)
        self.clients.discard(client)

    async def run(self) -> None:
        """Go on until cancelled."""
        last = time.monotonic()
        while True:
            now = time.monotonic()
            with _passed_over("a moment of the source"):
                self.source.advance(now - last)
            last = now
            self.speak(now)
            await asyncio.sleep(max(TICK_S - (time.monotonic() - now), 0.001))

    def speak(self, now: float) -> None:
        """Say what is due."""
        epoch = self.source.epoch
        for topic in tuple(self._topics.values()):
            if topic.key[1] != "*" and topic.key[1] not in self.source.markets:
                continue  # another node's markets
            with _passed_over(f"a message of {topic.key}"):
                self.messages += topic.speak(now, epoch)


@contextmanager
def _passed_over(what: str) -> Iterator[None]:
    """Log what fails and go on: one row that cannot be read must not stop the picture for good."""
    try:
        yield
    except Exception:
        _log.exception(f"dashboard: {what} was lost")
