"""The bot: a thread with an event loop of its own, that tells what it hears and answers.

The node only ever appends to a deque. Everything else happens here: texts, pictures, the network.
Whatever goes wrong here stays here.
"""

import asyncio
import html
import os
import re
import threading
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import telegram
from telegram import InlineKeyboardButton, InlineKeyboardMarkup
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)
from telegram.request import HTTPXRequest

from of_nautilus.alerts.config import AlertsConfig
from of_nautilus.alerts.dialog import Dialog
from of_nautilus.alerts.memory import Holding
from of_nautilus.alerts.outbox import Message, Outbox, Urgency, merged
from of_nautilus.alerts.picture import draw
from of_nautilus.alerts.secret import Redaction, redacted
from of_nautilus.alerts.story import Farewell, Story
from of_nautilus.data import EntryDecision

# The library gives the seconds of a `RetryAfter` as a timedelta, and warns where this is not set.
os.environ.setdefault("PTB_TIMEDELTA", "true")

INBOX = 10_000
LINGER_S = 0.25
# What the service takes: a message a second in a chat, twenty a minute in a group.
PACE_S, GROUP_PACE_S = 1.05, 3.1
POLL_S = 20
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
PATIENCE_S = 10.0
NODE_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Node:
    """What the bot may ask of the node; `post` runs a call in the node's own event loop.

    `holdings` and `command` are called there and nowhere else.
    """

    name: str
    post: Callable[[Callable[[], None]], object]
    clock_ns: Callable[[], int]
    holdings: Callable[[], dict[str, Holding]]
    command: Callable[[str, Sequence[str], str], None]
    log: Callable[[str], None]


class AlertBot:
    """Sends alerts to some chats, and answers the authorized ones.

    Parameters
    ----------
    token : str
        The bot's token.
    config : AlertsConfig
    chats, authorized : sequences of int
        Who gets alerts, and who may give commands.
    story : Story
        What turns published data into messages.
    node : Node
        How the node is reached.
    """

    def __init__(
        self,
        token: str,
        config: AlertsConfig,
        chats: Sequence[int],
        authorized: Sequence[int],
        story: Story,
        node: Node,
    ) -> None:
        self._token = token
        self._config = config
        self._chats = tuple(dict.fromkeys(chats))
        self._authorized = frozenset(authorized)
        self._story = story
        self._node = node
        self.counts: Counter[str] = Counter()
        self.boxes = {
            chat: Outbox(config.capacity) for chat in dict.fromkeys([*chats, *authorized])
        }
        self._dialog = Dialog(story, config.confirm_secs, node.name, self.report)
        self._inbox: deque[Any] = deque()
        self._woken = False
        self._open = False
        self._sending = 0
        self._said: set[str] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)
        self._redaction = Redaction(token)

    # -- called by the node ------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread, and wait until it can be woken."""
        self._redaction.start()
        self._thread.start()
        self._ready.wait(10)

    def hear(self, item: Any) -> None:
        """Take what was published, or a ready message; never waits and never raises."""
        if not self._open or len(self._inbox) >= INBOX:
            self.counts["unheard"] += 1
            return
        self._inbox.append(item)
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._heard.set)

    def stop(self, grace_s: float) -> None:
        """Let what waits be sent for so long, then end; returns at once."""
        self._open = False
        if self._thread.is_alive() and self._ready.is_set():
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._end, grace_s)

    def join(self, timeout_s: float) -> bool:
        """Wait until the thread has ended, not longer than `timeout_s`; return whether it has."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def report(self) -> str:
        """Return what the bot itself has done, in a line."""
        dropped = sum(box.dropped for box in self.boxes.values())
        waiting = sum(len(box) for box in self.boxes.values())
        return (
            f"alerts: {self.counts['sent']} sent, {waiting} waiting, {dropped} dropped, "
            f"{self.counts['failed']} failures, {self.counts['strangers']} from strangers"
        )

    # -- the thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                runner.run(self._main())
        except BaseException as error:  # the node goes on without alerts
            self._complain(f"alerts ended: {type(error).__name__}: {error}")
        finally:
            self._open = False
            self._ready.set()
            self._redaction.stop()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._unhandled)
        self._heard, self._connected = asyncio.Event(), asyncio.Event()
        self._ended, self._fresh = asyncio.Event(), {chat: asyncio.Event() for chat in self.boxes}
        self._pictures: set[asyncio.Task[None]] = set()
        self._bot = self._made()
        tasks = [self._task(self._listen()), self._task(self._connect())]
        tasks += [self._task(self._send_to(chat)) for chat in self.boxes]
        if self._authorized:
            tasks.append(self._task(self._poll()))
        self._open = True
        self._ready.set()
        await self._ended.wait()
        for task in [*tasks, *self._pictures]:
            task.cancel()
        await asyncio.gather(*tasks, *self._pictures, return_exceptions=True)
        with suppress(Exception):
            await asyncio.wait_for(self._bot.shutdown(), 2)

    def _made(self) -> telegram.Bot:
        def request(connections: int) -> HTTPXRequest:
            return HTTPXRequest(
                connection_pool_size=connections,
                connect_timeout=PATIENCE_S,
                read_timeout=PATIENCE_S,
                write_timeout=PATIENCE_S,
                pool_timeout=PATIENCE_S,
            )

        return telegram.Bot(
            self._token,
            base_url=self._config.base_url,
            request=request(len(self.boxes) + 2),
            get_updates_request=request(1),
        )

    def _task(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = self._loop.create_task(work)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()):
            self._complain(f"part of the alerts ended: {type(error).__name__}: {error}")

    def _unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._complain(f"alerts: {context.get('message')}: {context.get('exception')!r}")

    def _complain(self, text: str) -> None:
        """Log something once."""
        text = redacted(text, self._token)
        if text not in self._said and len(self._said) < 100:
            self._said.add(text)
            with suppress(Exception):
                self._node.log(text)

    def _end(self, grace_s: float) -> None:
        self._heard.set()
        deadline = self._loop.time() + grace_s

        def look() -> None:
            idle = not self._inbox and not any(self.boxes.values()) and not self._sending
            if idle or self._loop.time() >= deadline:
                self._ended.set()
            else:
                self._loop.call_later(0.02, look)

        look()

    # -- what the node publishes -------------------------------------------------------------------

    async def _listen(self) -> None:
        while True:
            await self._heard.wait()
            # What belongs together comes together: a fill, its stop; a frame, its levels.
            await asyncio.sleep(LINGER_S)
            self._heard.clear()
            self._woken = False
            while self._inbox:
                item = self._inbox.popleft()
                self._guarded(self._take, item)
            self._guarded(self._settle)

    def _guarded(self, act: Callable[..., None], *args: Any) -> None:
        try:
            act(*args)
        except Exception as error:
            self.counts["failed"] += 1
            self._complain(f"alert not told: {type(error).__name__}: {error}")

    def _settle(self) -> None:
        self._tell(self._story.settle())

    def _take(self, item: Any) -> None:
        if isinstance(item, Farewell):
            item = self._story.farewell(item)
        if isinstance(item, Message):
            self._tell([item])
            return
        told = self._story.hear(item)
        self._tell(told)
        entered = isinstance(item, EntryDecision) and item.decision == "planned"
        if told and entered and self._config.picture:
            task = self._task(self._picture(item))
            self._pictures.add(task)
            task.add_done_callback(self._pictures.discard)

    def _tell(self, messages: Sequence[Message]) -> None:
        for message in messages:
            for chat in self._chats:
                self._put(chat, message)

    def _put(self, chat: int, message: Message) -> None:
        self.boxes[chat].put(message)
        self._fresh[chat].set()

    async def _picture(self, item: EntryDecision) -> None:
        memory = self._story.memories[str(item.instrument_id)]
        if not memory.bars:
            return
        market = memory.market
        way = "LONG" if item.side > 0 else "SHORT"
        drawn = await draw(
            self._config.picture,
            [bar.bar() for bar in memory.bars],
            instrument_id=market.instrument_id,
            tick=float(market.tick),
            lot=float(market.lot),
            mark=(item.entry * float(market.tick), f"{way} {item.pattern}"),
        )
        if drawn is None:
            self._complain("no picture of the footprint could be drawn")
            return
        caption = f"{way} {market.instrument_id}"
        self._tell([Message(caption, Urgency.LOW, photo=drawn)])

    # -- sending -----------------------------------------------------------------------------------

    async def _connect(self) -> None:
        """Make sure of the token, for as long as it takes to reach the service."""
        wait = FIRST_WAIT_S
        while not self._connected.is_set():
            try:
                await self._bot.initialize()
                self._connected.set()
            except InvalidToken:
                self._complain("the service rejects the token: no alerts")
                self._ended.set()
                return
            except TelegramError as error:
                wait = await self._rest(error, wait)

    async def _rest(self, error: TelegramError, wait: float) -> float:
        """Wait after a failure, as long as the service says or ever longer; return the next."""
        self.counts["failed"] += 1
        self._complain(f"alerts wait for the service: {type(error).__name__}: {error.message}")
        if isinstance(error, RetryAfter):
            after: Any = error.retry_after
            await asyncio.sleep(after.total_seconds() if isinstance(after, timedelta) else after)
            return FIRST_WAIT_S
        await asyncio.sleep(wait)
        return min(2 * wait, LONGEST_WAIT_S)

    async def _send_to(self, chat: int) -> None:
        box, fresh, wait = self.boxes[chat], self._fresh[chat], FIRST_WAIT_S
        await self._connected.wait()
        while True:
            await fresh.wait()
            fresh.clear()
            while batch := box.take():
                self._sending += 1
                try:
                    await self._send(chat, merged(batch))
                    self.counts["sent"] += 1
                    wait = FIRST_WAIT_S
                except (BadRequest, Forbidden, InvalidToken, ChatMigrated) as error:
                    # It would be refused again.
                    self.counts["failed"] += 1
                    self._complain(f"alert refused: {type(error).__name__}: {error.message}")
                except (RetryAfter, NetworkError, TelegramError) as error:
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

    # -- commands ----------------------------------------------------------------------------------

    async def _poll(self) -> None:
        """Take what people write from now on; what came while nobody listened is left alone."""
        await self._connected.wait()
        offset, wait, first = -1, FIRST_WAIT_S, True
        while True:
            try:
                updates = await self._bot.get_updates(
                    offset=offset,
                    timeout=0 if first else POLL_S,
                    allowed_updates=["message", "callback_query"],
                )
            except TelegramError as error:
                wait = await self._rest(error, wait)
                continue
            wait = FIRST_WAIT_S
            if updates:
                offset = max(update.update_id for update in updates) + 1
            elif first:
                offset = 0
            for update in [] if first else updates:
                try:
                    await self._answer(update)
                except Exception as error:
                    self.counts["failed"] += 1
                    self._complain(f"no answer: {type(error).__name__}: {error}")
            first = False

    async def _answer(self, update: telegram.Update) -> None:
        chat = update.effective_chat
        if chat is None or chat.id not in self._authorized:
            self.counts["strangers"] += 1
            return
        query, now = update.callback_query, self._loop.time()
        if query is not None:
            with suppress(TelegramError):
                await query.answer()
            answer, action = self._dialog.press(chat.id, query.data or "", now)
        elif update.message is not None and update.message.text:
            said = update.message.text
            held, at = await self._asked()
            answer, action = self._dialog.say(chat.id, said, self._bot.username, held, at, now)
        else:
            return
        if action is not None:
            source = f"telegram {chat.id}"
            if not await self._in_node(
                lambda: self._node.command(action.action, action.instruments, source)
            ):
                answer = Message("The node did not take it: it hangs, or failed.", Urgency.HIGH)
        if answer is not None:
            self._put(chat.id, answer)

    async def _asked(self) -> tuple[dict[str, Holding] | None, int]:
        """Return what the node holds, None if it does not say, and its time."""
        held: dict[str, Holding] = {}
        answered = await self._in_node(lambda: held.update(self._node.holdings()))
        return (held if answered else None), self._node.clock_ns()

    async def _in_node(self, act: Callable[[], None]) -> bool:
        """Run something in the node's event loop; return whether it was done in time."""
        done: asyncio.Future[bool] = self._loop.create_future()

        def settle(well: bool) -> None:
            if not done.done():
                done.set_result(well)

        def run() -> None:
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
            return await asyncio.wait_for(done, NODE_PATIENCE_S)
        except (TimeoutError, RuntimeError):
            return False
