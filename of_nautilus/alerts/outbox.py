"""What waits to be sent to one chat: bounded, and merged when more comes than may be sent."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

MAX_TEXT = 4096
MAX_PHOTOS = 5
_BETWEEN = "\n\n"


class Urgency(IntEnum):
    """What is dropped last."""

    LOW = 0
    NORMAL = 1
    HIGH = 2


@dataclass(frozen=True, slots=True)
class Message:
    """Something to send: HTML text, or a photo with the text below it.

    A message with a `key` takes the place of one with the same key that has not been sent yet;
    `times` counts them. `buttons` are (label, data) pairs below the text.
    """

    text: str
    urgency: Urgency = Urgency.NORMAL
    key: str = ""
    photo: bytes | None = None
    buttons: tuple[tuple[str, str], ...] = ()
    times: int = 1

    @property
    def shown(self) -> str:
        """The text, and how many it stands for."""
        return self.text if self.times == 1 else f"{self.text}\n(and {self.times - 1} before it)"


class Outbox:
    """The messages that wait for one chat, at most `capacity`.

    >>> box = Outbox(10)
    >>> box.put(Message("stop 1", key="stop")); box.put(Message("entry"))
    >>> box.put(Message("stop 2", key="stop"))
    >>> [merged(batch).text for batch in [box.take()]]
    ['entry\\n\\nstop 2\\n(and 1 before it)']
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"`capacity` must be >= 1, was {capacity}")
        self._capacity = capacity
        self._waiting: deque[Message] = deque()
        self._untold = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, message: Message) -> None:
        """Add a message; drop others where there is no room."""
        if message.key:
            for older in self._waiting:
                if older.key == message.key:
                    self._waiting.remove(older)
                    message = replace(message, times=message.times + older.times)
                    break
        self._waiting.append(message)
        self._bound()

    def take(self) -> list[Message]:
        """Return what to send next, none if nothing waits: it makes one message.

        A question with buttons goes first and alone, then all texts that fit into one, in their
        order, then the photos, one by one.
        """
        waiting = self._waiting
        alone = next((one for one in waiting if one.buttons), None)
        if alone is None and all(one.photo for one in waiting):
            alone = waiting[0] if waiting else None
        if alone is not None:
            waiting.remove(alone)
            return [alone]
        batch: list[Message] = []
        if self._untold:
            lost = f"({self._untold} older, less urgent messages were left out)"
            batch.append(Message(lost, Urgency.HIGH))
            self._untold = 0
        room = MAX_TEXT - sum(_length(one.shown) + len(_BETWEEN) for one in batch)
        for message in [one for one in waiting if not one.photo]:
            needed = _length(message.shown) + len(_BETWEEN)
            if needed > room and batch:
                break
            room -= needed
            waiting.remove(message)
            batch.append(message)
        return batch

    def restore(self, batch: Sequence[Message]) -> None:
        """Put back what could not be sent, before all else; what has been replaced is left out."""
        newer = {one.key for one in self._waiting if one.key}
        self._waiting.extendleft(one for one in reversed(batch) if one.key not in newer)
        self._bound()

    def _bound(self) -> None:
        photos = [one for one in self._waiting if one.photo]
        for photo in photos[: max(0, len(photos) - MAX_PHOTOS)]:
            self._waiting.remove(photo)
            self.dropped += 1
        while len(self._waiting) > self._capacity:
            least = min(self._waiting, key=lambda one: one.urgency)
            self._waiting.remove(least)
            self.dropped += least.times
            self._untold += least.times


def merged(batch: Sequence[Message]) -> Message:
    """Return the one message that a batch makes."""
    if len(batch) == 1:
        return replace(batch[0], text=clipped(batch[0].shown), times=1)
    return Message(_BETWEEN.join(one.shown for one in batch), max(one.urgency for one in batch))


def clipped(text: str, longest: int = MAX_TEXT) -> str:
    """Return a text no longer than the service takes, cut at the end of a line.

    No tag goes over the end of a line, so that what is left is still valid.
    """
    if _length(text) <= longest:
        return text
    kept: list[str] = []
    room = longest - 1
    for line in text.split("\n"):
        room -= _length(line) + 1
        if room < 0:
            break
        kept.append(line)
    return "\n".join([*kept, "…"])


def _length(text: str) -> int:
    """Return a text's length as the service counts it, in UTF-16 units."""
    return len(text.encode("utf-16-le")) // 2
