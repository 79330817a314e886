"""The Bot API as one bot uses it: what waits is sent at its pace, what people write is got."""

import asyncio
import html
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import telegram
from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Update
from telegram.error import BadRequest, ChatMigrated, Forbidden, InvalidToken, RetryAfter
from telegram.request import HTTPXRequest

from of_nautilus.alerts.outbox import Message, Outbox, merged

# The library gives the seconds of a `RetryAfter` as a timedelta, and warns where this is not set.
os.environ.setdefault("PTB_TIMEDELTA", "true")

# What the service takes: a message a second in a chat, twenty a minute in a group.
PACE_S, GROUP_PACE_S = 1.05, 3.1
POLL_S = 20
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
PATIENCE_S = 10.0


class Service:
    """One bot at the service. To be made and used in one event loop.

    Parameters
    ----------
    token : str
        The bot's token.
    base_url : str
        The service's address, up to where the token follows.
    chats : items of int
        To whom something may be sent.
    capacity : int
        So much may wait for each of them.
    counts : Counter
        Where "sent" and "failed" are counted.
    complain : callable
        Takes what should be known, and hides the token in it.
    """

    def __init__(
        self,
        token: str,
        base_url: str,
        chats: Iterable[int],
        capacity: int,
        counts: Counter[str],
        complain: Callable[[str], None],
    ) -> None:
        self.boxes = {chat: Outbox(capacity) for chat in chats}
        self._fresh = {chat: asyncio.Event() for chat in self.boxes}
        self._connected = asyncio.Event()
        self._sending = 0
        self._counts = counts
        self._complain = complain
        self._bot = telegram.Bot(
            token,
            base_url=base_url,
            request=_request(len(self.boxes) + 2),
            get_updates_request=_request(1),
        )

    @property
    def name(self) -> str:
        """The bot's own name, by which it is called in groups."""
        return self._bot.username

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is under way."""
        return not self._sending and not any(self.boxes.values())

    def put(self, chat: int, message: Message) -> None:
        """Let a message wait for its turn."""
        self.boxes[chat].put(message)
        self._fresh[chat].set()

    async def connect(self) -> bool:
        """Reach the service, for as long as it takes; return whether it knows the token."""
        wait = FIRST_WAIT_S
        while not self._connected.is_set():
            try:
                await self._bot.initialize()
                self._connected.set()
            except InvalidToken:
                return False
            except Exception as error:
                wait = await self._rest(error, wait)
        return True

    async def close(self) -> None:
        """Close the connections."""
        with suppress(Exception):
            await asyncio.wait_for(self._bot.shutdown(), 2)

    async def send_to(self, chat: int) -> None:
        """Send what waits for a chat, without end: merged, at its pace, again after a failure."""
        box, fresh, wait = self.boxes[chat], self._fresh[chat], FIRST_WAIT_S
        await self._connected.wait()
        while True:
            await fresh.wait()
            fresh.clear()
            while batch := box.take():
                self._sending += 1
                try:
                    await self._send(chat, merged(batch))
                    self._counts["sent"] += 1
                    wait = FIRST_WAIT_S
                except (BadRequest, Forbidden, InvalidToken, ChatMigrated) as error:
                    # It would be refused again.
                    self._counts["failed"] += 1
                    self._complain(f"alert refused: {type(error).__name__}: {error}")
                except Exception as error:
                    box.restore(batch)
                    wait = await self._rest(error, wait)
                    continue
                finally:
                    self._sending -= 1
                await asyncio.sleep(PACE_S if chat > 0 else GROUP_PACE_S)

    async def _send(self, chat: int, message: Message) -> None:
        if message.photo is not None:
            await self._bot.send_photo(chat, message.photo, caption=message.text)
            return
        rows = [
            [InlineKeyboardButton(label, callback_data=data)] for label, data in message.buttons
        ]
        markup = InlineKeyboardMarkup(rows) if rows else None
        try:
            await self._bot.send_message(chat, message.text, parse_mode="HTML", reply_markup=markup)
        except BadRequest:
            # Better without its marks than not at all.
            plain = html.unescape(re.sub(r"</?b>", "", message.text))
            await self._bot.send_message(chat, plain, reply_markup=markup)

    async def updates(self) -> AsyncIterator[Update]:
        """Give what people write from now on; what came while nobody listened is left alone."""
        await self._connected.wait()
        offset, wait, first = -1, FIRST_WAIT_S, True
        while True:
            try:
                updates = await self._bot.get_updates(
                    offset=offset,
                    timeout=0 if first else POLL_S,
                    allowed_updates=["message", "callback_query"],
                )
            except Exception as error:
                wait = await self._rest(error, wait)
                continue
            wait = FIRST_WAIT_S
            if updates:
                offset = max(update.update_id for update in updates) + 1
            elif first:
                offset = 0
            for update in [] if first else updates:
                yield update
            first = False

    async def _rest(self, error: Exception, wait: float) -> float:
        """Wait after a failure, as long as the service says or ever longer; return the next."""
        self._counts["failed"] += 1
        self._complain(f"alerts wait for the service: {type(error).__name__}: {error}")
        if isinstance(error, RetryAfter):
            after: Any = error.retry_after
            await asyncio.sleep(after.total_seconds() if isinstance(after, timedelta) else after)
            return FIRST_WAIT_S
        await asyncio.sleep(wait)
        return min(2 * wait, LONGEST_WAIT_S)


def _request(connections: int) -> HTTPXRequest:
    return HTTPXRequest(
        connection_pool_size=connections,
        connect_timeout=PATIENCE_S,
        read_timeout=PATIENCE_S,
        write_timeout=PATIENCE_S,
        pool_timeout=PATIENCE_S,
    )
