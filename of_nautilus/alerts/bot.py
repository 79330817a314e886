"""The bot: a thread with an event loop of its own, that tells what it hears and answers.

The node only ever appends to a deque. Everything else happens here: texts, pictures, the network.
Whatever goes wrong here stays here.
"""

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from of_nautilus.alerts.config import AlertsConfig
from of_nautilus.alerts.dialog import Dialog
from of_nautilus.alerts.outbox import Message, Urgency
from of_nautilus.alerts.picture import draw
from of_nautilus.alerts.reader import Node, Reader
from of_nautilus.alerts.secret import Redaction, redacted
from of_nautilus.alerts.service import Service
from of_nautilus.alerts.story import Farewell, Story
from of_nautilus.data import EntryDecision

INBOX = 10_000
LINGER_S = 0.25


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
        self.service: Service | None = None
        self._inbox: deque[Any] = deque()
        self._woken = False
        self._open = False
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
        boxes = self.service.boxes.values() if self.service is not None else ()
        dropped = sum(box.dropped for box in boxes)
        waiting = sum(len(box) for box in boxes)
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
        self._heard, self._ended = asyncio.Event(), asyncio.Event()
        self._drawing: set[asyncio.Task[None]] = set()
        everybody = dict.fromkeys([*self._chats, *self._authorized])
        config, counts = self._config, self.counts
        service = Service(
            self._token, config.base_url, everybody, config.capacity, counts, self._complain
        )
        self.service = service
        tasks = [self._task(self._listen()), self._task(self._connect(service))]
        tasks += [self._task(service.send_to(chat)) for chat in everybody]
        if self._authorized:
            dialog = Dialog(self._story, config.confirm_secs, self._node.name, self.report)
            reader = Reader(service, dialog, self._node, self._authorized, counts, self._complain)
            tasks.append(self._task(reader.read()))
        self._open = True
        self._ready.set()
        await self._ended.wait()
        for task in [*tasks, *self._drawing]:
            task.cancel()
        await asyncio.gather(*tasks, *self._drawing, return_exceptions=True)
        await service.close()

    async def _connect(self, service: Service) -> None:
        if not await service.connect():
            self._complain("the service rejects the token: no alerts")
            self._ended.set()

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
            idle = self.service is None or self.service.idle
            if (idle and not self._inbox) or self._loop.time() >= deadline:
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
        if told and entered and self._config.picture and not self._drawing:
            task = self._task(self._picture(item))
            self._drawing.add(task)
            task.add_done_callback(self._drawing.discard)

    def _tell(self, messages: Sequence[Message]) -> None:
        assert self.service is not None
        for message in messages:
            for chat in self._chats:
                self.service.put(chat, message)

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
