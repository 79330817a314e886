"""A double of Telegram's Bot API: messages, photos, long polling, and what goes wrong with it."""

import asyncio
import json
import re
import time
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.venues.server import VenueServer

MAX_TEXT = 4096
MAX_CAPTION = 1024
_TAG = re.compile(r"</?(?:b|strong|i|em|u|s|code|pre|a|blockquote|tg-spoiler)(?: [^<>]*)?>")
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);")


@dataclass(frozen=True, slots=True)
class Sent:
    """A message or photo that the bot has sent; `time` is monotonic, in seconds."""

    chat_id: int
    text: str
    photo: bytes | None
    buttons: dict[str, Any] | None
    message_id: int
    time: float


@dataclass(slots=True)
class TelegramFaults:
    """What the service does wrong; counts are used up one request at a time.

    Attributes:
        stalled: requests other than `getUpdates` get no answer while this is set.
        delay_s: each of their answers comes so much later.
        limited: so many next sends are answered 429.
        retry_after: the seconds to wait that a 429 names.
        failing: so many next sends are answered 502.
        cut: so many next sends are taken in, and the connection cut with no answer.
        per_second: sends to one chat above this rate are answered 429; 0 for no limit.
        polls_failing: so many next `getUpdates` are answered 502.
    """

    stalled: bool = False
    delay_s: float = 0.0
    limited: int = 0
    retry_after: int = 1
    failing: int = 0
    cut: int = 0
    per_second: int = 0
    polls_failing: int = 0


class BotError(Exception):
    """An answer that is no success: the code and the text of the Bot API."""

    def __init__(self, code: int, text: str, **parameters: Any) -> None:
        super().__init__(text)
        self.body = {"ok": False, "error_code": code, "description": text}
        if parameters:
            self.body["parameters"] = parameters
        self.code = code


class TelegramDouble(VenueServer):
    """The Bot API on 127.0.0.1 for one bot.

    A client's base address is `base_url` (the token comes behind it). `sent` lists the messages
    that were delivered, `refused` counts the sends that were not, by code. `say` and `press` are
    what people do: write to the bot, press one of its buttons.
    """

    token = "1000000001:TEST-TOKEN-OF-THE-DOUBLE-0123456789"

    def __init__(self, lifetime_s: float = 60.0) -> None:
        super().__init__(lifetime_s)
        self.faults = TelegramFaults()
        self.sent: list[Sent] = []
        self.refused: defaultdict[int, int] = defaultdict(int)
        self.polls = 0
        self._updates: deque[dict[str, Any]] = deque()
        self._came = asyncio.Event()
        self._number = 0
        self._recent: defaultdict[int, deque[float]] = defaultdict(deque)
        self._app.router.add_post("/bot{token}/{method}", self._call)

    @property
    def base_url(self) -> str:
        return f"{self.http_url}/bot"

    def started(self) -> None:
        self.spawn(self._release_polls())

    async def _release_polls(self) -> None:
        """Let the long polls go when the server stops."""
        try:
            await asyncio.Event().wait()
        finally:
            self._came.set()

    # -- people --------------------------------------------------------------------------------

    def say(self, chat_id: int, text: str, *, user_id: int | None = None, age_s: int = 0) -> None:
        """Somebody writes to the bot, or did so `age_s` seconds ago and it comes only now."""
        message = self._message(chat_id, text) | {"from": _person(user_id or chat_id)}
        message["date"] -= age_s
        if text.startswith("/"):
            length = len(text.split(maxsplit=1)[0])
            message["entities"] = [{"type": "bot_command", "offset": 0, "length": length}]
        self._update({"message": message})

    def press(self, sent: Sent, data: str, *, user_id: int | None = None) -> None:
        """Somebody presses a button below a message of the bot."""
        number = self._next()
        message = self._message(sent.chat_id, sent.text) | {"message_id": sent.message_id}
        person = _person(user_id or sent.chat_id)
        query = {"id": str(number), "from": person, "chat_instance": "1", "data": data}
        self._update({"callback_query": query | {"message": message}})

    def _update(self, what: dict[str, Any]) -> None:
        def put() -> None:
            self._updates.append({"update_id": self._next(), **what})
            self._came.set()

        self._loop.call_soon_threadsafe(put)

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _message(self, chat_id: int, text: str) -> dict[str, Any]:
        chat = {"id": chat_id, "type": "private", "first_name": "Test"}
        return {"message_id": self._next(), "date": int(time.time()), "chat": chat, "text": text}

    # -- the bot -------------------------------------------------------------------------------

    async def _call(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        fields = dict(await request.post())
        plain = {key: value for key, value in fields.items() if isinstance(value, str)}
        self.log(request, plain, with_key=True)
        try:
            if request.match_info["token"] != self.token:
                raise BotError(401, "Unauthorized")
            return web.json_response({"ok": True, "result": await self._answer(method, fields)})
        except BotError as error:
            if method.startswith("send"):
                self.refused[error.code] += 1
            return web.json_response(error.body, status=error.code)
        except ConnectionAbortedError:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

    async def _answer(self, method: str, fields: dict[str, Any]) -> Any:
        if method == "getUpdates":
            return await self._poll(fields)
        while self.faults.stalled:
            await asyncio.sleep(0.02)
        await asyncio.sleep(self.faults.delay_s)
        match method:
            case "getMe":
                return {
                    "id": 1000000001,
                    "is_bot": True,
                    "first_name": "Flow",
                    "username": "flow_bot",
                }
            case "sendMessage":
                return self._send(fields, str(fields.get("text", "")), MAX_TEXT, None)
            case "sendPhoto":
                photo = fields["photo"].file.read()
                return self._send(fields, str(fields.get("caption", "")), MAX_CAPTION, photo)
            case "editMessageText":
                return self._message(int(fields["chat_id"]), fields["text"])
            case "deleteWebhook" | "setMyCommands" | "answerCallbackQuery" | "sendChatAction":
                return True
        self.unhandled.append(method)
        raise BotError(404, "Not Found")

    async def _poll(self, fields: dict[str, Any]) -> list[dict[str, Any]]:
        self.polls += 1
        if self.faults.polls_failing:
            self.faults.polls_failing -= 1
            raise BotError(502, "Bad Gateway")
        offset = int(fields.get("offset", 0))
        while self._updates and self._updates[0]["update_id"] < offset:
            self._updates.popleft()
        if not self._updates:
            self._came.clear()
            try:
                await asyncio.wait_for(self._came.wait(), float(fields.get("timeout", 0)))
            except TimeoutError:
                return []
        return list(self._updates)

    def _send(
        self, fields: dict[str, Any], text: str, longest: int, photo: bytes | None
    ) -> dict[str, Any]:
        chat_id, faults = int(fields["chat_id"]), self.faults
        now = time.monotonic()
        if faults.failing:
            faults.failing -= 1
            raise BotError(502, "Bad Gateway")
        recent = self._recent[chat_id]
        while recent and recent[0] <= now - 1:
            recent.popleft()
        if faults.limited or (faults.per_second and len(recent) >= faults.per_second):
            faults.limited = max(faults.limited - 1, 0)
            wait = faults.retry_after
            raise BotError(429, f"Too Many Requests: retry after {wait}", retry_after=wait)
        if len(text) > longest or (not text and photo is None):
            raise BotError(400, "Bad Request: message is too long or empty")
        if fields.get("parse_mode") == "HTML":
            left = _ENTITY.sub("", _TAG.sub("", text))
            if {"<", ">", "&"} & set(left):
                raise BotError(400, "Bad Request: can't parse entities")
        recent.append(now)
        message = self._message(chat_id, text)
        buttons = json.loads(fields["reply_markup"]) if fields.get("reply_markup") else None
        self.sent.append(Sent(chat_id, text, photo, buttons, message["message_id"], now))
        if faults.cut:
            faults.cut -= 1
            raise ConnectionAbortedError
        return message


def _person(user_id: int) -> dict[str, Any]:
    return {"id": user_id, "is_bot": False, "first_name": "Test"}
