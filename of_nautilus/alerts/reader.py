"""Takes what the authorized chats write: answers it, and carries commands into the node."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from telegram import Update
from telegram.error import TelegramError

from of_nautilus.alerts.dialog import Dialog
from of_nautilus.alerts.memory import Holding
from of_nautilus.alerts.outbox import Message, Urgency
from of_nautilus.alerts.service import Service

NODE_PATIENCE_S = 5.0
_NOT_TAKEN = "The node did not take it in time: it is busy, or hangs. Nothing was changed."
_NOT_ENDED = "The node began it, and failed or was not done in time. Look at what came of it."


@dataclass(frozen=True, slots=True)
class Node:
    """What may be asked of the node; `post` runs a call in the node's own event loop.

    `holdings` and `command` (action, instruments, who asks) are called there and nowhere else.
    """

    name: str
    post: Callable[[Callable[[], None]], object]
    clock_ns: Callable[[], int]
    holdings: Callable[[], dict[str, Holding]]
    command: Callable[[str, Sequence[str], str], None]
    log: Callable[[str], None]


class Reader:
    """Reads what is written to a bot.

    Parameters
    ----------
    service : Service
    dialog : Dialog
        Who knows the answers.
    node : Node
    authorized : collection of int
        The only chats that are listened to.
    counts : Counter
        Where "strangers" and "failed" are counted.
    complain : callable
        Takes what should be known.
    """

    def __init__(
        self,
        service: Service,
        dialog: Dialog,
        node: Node,
        authorized: Collection[int],
        counts: Counter[str],
        complain: Callable[[str], None],
    ) -> None:
        self._service = service
        self._dialog = dialog
        self._node = node
        self._authorized = frozenset(authorized)
        self._counts = counts
        self._complain = complain

    async def read(self) -> None:
        """Answer, without end."""
        self._loop = asyncio.get_running_loop()
        async for update in self._service.updates():
            try:
                await self._answer(update)
            except Exception as error:
                self._counts["failed"] += 1
                self._complain(f"no answer: {type(error).__name__}: {error}")

    async def _answer(self, update: Update) -> None:
        chat = update.effective_chat
        if chat is None or chat.id not in self._authorized:
            self._counts["strangers"] += 1
            return
        query = update.callback_query
        if query is not None:
            # Not a steady clock: that stands still while the machine sleeps.
            now = time.time()
            with suppress(TelegramError):
                await query.answer()
            answer, action = self._dialog.press(chat.id, query.data or "", now)
        elif update.message is not None and update.message.text:
            said, name = update.message.text, self._service.name
            # It may have been on its way for hours. A date is a whole second: its end is meant.
            written = update.message.date.timestamp() + 1.0
            held, at = await self._holdings(), self._node.clock_ns()
            now = time.time()
            answer, action = self._dialog.say(chat.id, said, name, held, at, now, written)
        else:
            return
        if action is not None:
            source = f"telegram {chat.id}"
            wrong = await self._in_node(
                lambda: self._node.command(action.action, action.instruments, source)
            )
            if wrong:
                answer = Message(wrong, Urgency.HIGH)
        if answer is not None:
            self._service.put(chat.id, answer)

    async def _holdings(self) -> dict[str, Holding] | None:
        """Return what the node holds, None if it does not say."""
        held: dict[str, Holding] = {}
        wrong = await self._in_node(lambda: held.update(self._node.holdings()))
        return None if wrong else held

    async def _in_node(self, act: Callable[[], None]) -> str:
        """Run something in the node's event loop; return what went wrong, "" if nothing did.

        What the node has not begun in time it never begins: it was told as not done.
        """
        done: asyncio.Future[bool] = self._loop.create_future()
        # Acquired once: by the node to begin it, or here to give it up.
        fate = threading.Lock()

        def settle(well: bool) -> None:
            if not done.done():
                done.set_result(well)

        def run() -> None:
            if not fate.acquire(blocking=False):
                return
            well = True
            try:
                act()
            except Exception as error:
                well = False
                self._complain(f"command failed: {type(error).__name__}: {error}")
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(settle, well)

        try:
            self._node.post(run)
            well = await asyncio.wait_for(done, NODE_PATIENCE_S)
        except (TimeoutError, RuntimeError):
            well = False
        finally:
            given_up = fate.acquire(blocking=False)
        if well:
            return ""
        return _NOT_TAKEN if given_up else _NOT_ENDED
