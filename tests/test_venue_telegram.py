"""python-telegram-bot itself against the Bot API double."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, Update
from telegram.error import BadRequest, InvalidToken, NetworkError, RetryAfter, TimedOut
from telegram.ext import Application, CallbackQueryHandler, CommandHandler, ContextTypes
from telegram.request import HTTPXRequest

from tests.venues.telegram import MAX_TEXT, TelegramDouble

CHAT = 4242


@pytest.fixture
def telegram(monkeypatch: pytest.MonkeyPatch) -> Iterator[TelegramDouble]:
    # Without it the library warns that `retry_after` will become a timedelta.
    monkeypatch.setenv("PTB_TIMEDELTA", "true")
    with TelegramDouble() as double:
        yield double
    assert double.unhandled == []


def with_bot(
    double: TelegramDouble, use: Callable[[Bot], Awaitable[Any]], *, patience_s: float = 2.0
) -> Any:
    async def run() -> Any:
        request = HTTPXRequest(read_timeout=patience_s)
        bot = Bot(double.token, base_url=double.base_url, request=request)
        async with bot:
            return await use(bot)

    return asyncio.run(run())


async def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 5
    while not condition() and time.monotonic() < end:
        await asyncio.sleep(0.01)
    assert condition()


def test_messages_photos_and_buttons_arrive(telegram: TelegramDouble) -> None:
    picture = b"\x89PNG\r\n\x1a\n" + bytes(100)
    buttons = InlineKeyboardMarkup([[InlineKeyboardButton("Yes", callback_data="yes")]])

    async def use(bot: Bot) -> str:
        await bot.send_message(
            CHAT, "1 &lt; 2 <b>bold</b>", parse_mode="HTML", reply_markup=buttons
        )
        await bot.send_photo(CHAT, picture, caption="footprint")
        return bot.username

    assert with_bot(telegram, use) == "flow_bot"
    message, photo = telegram.sent
    assert (message.chat_id, message.text, message.photo) == (CHAT, "1 &lt; 2 <b>bold</b>", None)
    assert message.buttons == {"inline_keyboard": [[{"text": "Yes", "callback_data": "yes"}]]}
    assert (photo.text, photo.photo) == ("footprint", picture)


def test_unescaped_and_overlong_text_is_refused(telegram: TelegramDouble) -> None:
    async def use(bot: Bot) -> None:
        with pytest.raises(BadRequest, match="parse entities"):
            await bot.send_message(CHAT, "a < b", parse_mode="HTML")
        with pytest.raises(BadRequest, match="too long"):
            await bot.send_message(CHAT, "x" * (MAX_TEXT + 1))

    with_bot(telegram, use)
    assert telegram.sent == []
    assert telegram.refused == {400: 2}


def test_a_strange_token_is_refused(telegram: TelegramDouble) -> None:
    async def use() -> None:
        bot = Bot("1:STRANGE", base_url=telegram.base_url)
        with pytest.raises(InvalidToken):
            await bot.initialize()
        await bot.shutdown()

    asyncio.run(use())


def test_limits_failures_and_cuts(telegram: TelegramDouble) -> None:
    async def use(bot: Bot) -> None:
        telegram.faults.limited, telegram.faults.retry_after = 1, 7
        with pytest.raises(RetryAfter) as limited:
            await bot.send_message(CHAT, "limited")
        assert limited.value.retry_after == timedelta(seconds=7)
        telegram.faults.failing = 1
        with pytest.raises(NetworkError):
            await bot.send_message(CHAT, "failing")
        telegram.faults.cut = 1
        with pytest.raises(NetworkError):
            await bot.send_message(CHAT, "cut")
        await bot.send_message(CHAT, "well")

    with_bot(telegram, use)
    assert [sent.text for sent in telegram.sent] == ["cut", "well"]
    assert telegram.refused == {429: 1, 502: 1}


def test_a_chat_takes_so_many_a_second(telegram: TelegramDouble) -> None:
    async def use(bot: Bot) -> None:
        telegram.faults.per_second = 2
        await bot.send_message(CHAT, "1")
        await bot.send_message(CHAT, "2")
        with pytest.raises(RetryAfter):
            await bot.send_message(CHAT, "3")
        await bot.send_message(CHAT + 1, "another chat")

    with_bot(telegram, use)
    assert [sent.text for sent in telegram.sent] == ["1", "2", "another chat"]


def test_a_stalled_service_times_out_and_comes_back(telegram: TelegramDouble) -> None:
    async def use(bot: Bot) -> None:
        telegram.faults.stalled = True
        with pytest.raises(TimedOut):
            await bot.send_message(CHAT, "stalled")
        telegram.faults.stalled = False
        await bot.send_message(CHAT, "back")

    with_bot(telegram, use, patience_s=0.3)
    # What timed out may still arrive, before or after what was sent later.
    assert "back" in [sent.text for sent in telegram.sent]


@asynccontextmanager
async def polling(double: TelegramDouble, *handlers: Any) -> AsyncIterator[None]:
    builder = Application.builder().token(double.token).base_url(double.base_url)
    application = builder.build()
    for handler in handlers:
        application.add_handler(handler)
    async with application:
        await application.start()
        await application.updater.start_polling(poll_interval=0.01, timeout=1)
        try:
            yield
        finally:
            await application.updater.stop()
            await application.stop()


def test_commands_and_presses_come_once_by_long_polling_even_after_failed_polls(
    telegram: TelegramDouble,
) -> None:
    got: list[tuple[str, int]] = []

    async def status(update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
        got.append((update.message.text, update.effective_user.id))
        await update.message.reply_text("fine")

    async def pressed(update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
        got.append((update.callback_query.data, update.effective_user.id))
        await update.callback_query.answer()

    async def use() -> None:
        async with polling(
            telegram, CommandHandler("status", status), CallbackQueryHandler(pressed)
        ):
            telegram.say(CHAT, "/status")
            await until(lambda: telegram.sent)
            telegram.press(telegram.sent[0], "yes", user_id=7)
            await until(lambda: len(got) == 2)
            telegram.faults.polls_failing = 1
            await until(lambda: not telegram.faults.polls_failing)
            telegram.say(CHAT, "/status now")
            await until(lambda: len(got) == 3)
            await until(lambda: len(telegram.sent) == 2)

    asyncio.run(use())
    assert got == [("/status", CHAT), ("yes", 7), ("/status now", CHAT)]
    assert [sent.text for sent in telegram.sent] == ["fine", "fine"]
