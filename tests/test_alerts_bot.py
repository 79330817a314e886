"""The alerts through python-telegram-bot itself, against the Bot API double on 127.0.0.1."""

import asyncio
import itertools
import logging
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import Clock, LiveClock, MessageBus, TestClock
from nautilus_trader.model.identifiers import TraderId
from nautilus_trader.portfolio.portfolio import Portfolio

from of_nautilus.alerts import Alerts, AlertsConfig, bot, reader
from of_nautilus.alerts import service as pace
from of_nautilus.alerts.bot import AlertBot
from of_nautilus.alerts.config import KINDS
from of_nautilus.alerts.kept import Kept
from of_nautilus.alerts.memory import Holding
from of_nautilus.alerts.outbox import Message, Outbox, Urgency
from of_nautilus.alerts.reader import Node
from of_nautilus.alerts.story import Farewell, Story
from of_nautilus.data import FeedStatus, OperatorCommand, TradeTransition, data_type
from of_nautilus.demo.catalog import demo_instrument
from tests.alert_data import BTC, MARKET, NOON, bar, entry, feed, whole_story
from tests.venues.telegram import Sent, TelegramDouble

CHAT, GROUP, STRANGER = 4242, -100_777, 13
SECRET = TelegramDouble.token.rpartition(":")[2]
PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service's pace and the waits after failures, shortened."""
    monkeypatch.setattr(bot, "LINGER_S", 0.02)
    for name in ("PACE_S", "GROUP_PACE_S", "FIRST_WAIT_S"):
        monkeypatch.setattr(pace, name, 0.02)
    monkeypatch.setattr(pace, "LONGEST_WAIT_S", 0.1)


@pytest.fixture
def service() -> Iterator[TelegramDouble]:
    with TelegramDouble() as double:
        yield double
        double.faults.stalled = False
    assert double.unhandled == []


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


class World:
    """A bot, and a node that writes down what it is asked."""

    def __init__(
        self,
        service: TelegramDouble,
        *,
        authorized: Sequence[int] = (),
        chats: Sequence[int] = (CHAT,),
        token: str = TelegramDouble.token,
        post: Callable[[Callable[[], None]], object] = lambda act: act(),
        **config: Any,
    ) -> None:
        self.service = service
        self.logged: list[str] = []
        self.commands: list[tuple[str, tuple[str, ...], str]] = []
        self.do: Callable[..., object] = lambda *what: self.commands.append(what)
        settings = {"picture": "", "base_url": service.base_url} | config
        node = Node(
            name="LIVE-001",
            post=post,
            clock_ns=lambda: NOON,
            holdings=lambda: {str(BTC): Holding(str(BTC))},
            command=lambda *what: self.do(*what),
            log=self.logged.append,
        )
        self.bot = AlertBot(
            token,
            AlertsConfig(instrument_ids=(BTC,), **settings),
            chats,
            authorized,
            Story([MARKET], KINDS, NOON),
            node,
        )

    def box(self, chat: int = CHAT) -> Outbox:
        assert self.bot.service is not None
        return self.bot.service.boxes[chat]

    def texts(self, chat: int = CHAT) -> str:
        return "\n\n".join(sent.text for sent in self.service.sent if sent.chat_id == chat)

    def say(self, *texts: str, urgency: Urgency = Urgency.NORMAL) -> None:
        for text in texts:
            self.bot.hear(Message(text, urgency))

    def listens(self) -> None:
        """Wait until a command would be heard: what came before the first look is left alone."""
        until(lambda: self.service.polls >= 2)

    def asked(self, chat: int, words: str, age_s: int = 0) -> Sent:
        """Say something and return the answer."""
        before = len(self.service.sent)
        self.service.say(chat, words, age_s=age_s)
        until(lambda: len(self.service.sent) > before)
        return self.service.sent[-1]


@contextmanager
def world(service: TelegramDouble, **options: Any) -> Iterator[World]:
    made = World(service, **options)
    made.bot.start()
    try:
        yield made
    finally:
        made.bot.stop(0.0)
        assert made.bot.join(PATIENCE_S)


# -- alerts ------------------------------------------------------------------------------------


def test_every_kind_of_alert_arrives_escaped_and_in_order(service: TelegramDouble) -> None:
    titles = (
        *("ENTRY LONG", "FILLED LONG", "STOP RESTS", "BREAK EVEN", "TRAIL", "EXIT WARNING"),
        *("EXIT LONG", "TROUBLE", "SAFE AGAIN", "HALTED", "FEED IS BACK", "FLATTEN", "SUMMARY"),
        *("DAILY BIAS", "STOPPED"),
    )
    with world(service, chats=(CHAT, GROUP)) as made:
        for item in whole_story():
            made.bot.hear(item)
        made.bot.hear(Farewell("<b>STOPPED</b>"))
        until(lambda: all("<b>STOPPED" in made.texts(chat) for chat in (CHAT, GROUP)))
    assert service.refused == {}
    text = made.texts()
    assert made.texts(GROUP) == text
    places = [
        text.find(f"<b>{title}") for title in titles if title not in ("DAILY BIAS", "STOPPED")
    ]
    assert -1 not in places, [title for title in titles if f"<b>{title}" not in text]
    assert places == sorted(places)
    assert "&lt;script&gt;" in text
    assert "<script>" not in text
    # The feed came back before its loss had been sent.
    assert "FEED SUSPENDED" not in text
    assert "(and 1 before it)" in text


def test_text_that_the_service_cannot_read_arrives_without_its_marks(
    service: TelegramDouble,
) -> None:
    with world(service) as made:
        made.say("<b>1 < 2</b>")
        until(lambda: service.sent)
    assert made.texts() == "1 < 2"
    assert service.refused == {400: 1}


def test_a_limit_is_obeyed_as_long_as_the_service_says(service: TelegramDouble) -> None:
    service.faults.limited, service.faults.retry_after = 1, 1
    with world(service) as made:
        began = time.monotonic()
        made.say("one")
        until(lambda: service.refused)
        made.say("two")
        until(lambda: service.sent)
    assert service.sent[0].time - began >= 1.0
    assert (made.texts(), service.refused) == ("one\n\ntwo", {429: 1})


def test_a_chat_gets_no_more_a_second_than_the_service_takes(
    service: TelegramDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "PACE_S", 0.3)
    service.faults.per_second = 4
    with world(service) as made:
        for i in range(60):
            made.say(f"{i}")
            time.sleep(0.01)
        made.say("last")
        until(lambda: "last" in made.texts())
    assert service.refused == {}
    assert made.texts().split("\n\n") == [*(f"{i}" for i in range(60)), "last"]
    times = [sent.time for sent in service.sent]
    assert len(times) <= 8
    assert all(b - a > 0.25 for a, b in itertools.pairwise(times))


def test_failures_and_cuts_delay_and_lose_nothing(service: TelegramDouble) -> None:
    service.faults.failing, service.faults.cut = 2, 1
    with world(service) as made:
        made.say("one")
        until(lambda: service.sent)
        made.say("two")
        until(lambda: "two" in made.texts())
    # What was cut off may have arrived: it is sent again.
    assert made.texts().split("\n\n") == ["one", "one", "two"]
    assert service.refused == {502: 2}


def test_a_stalled_service_drops_by_urgency_and_catches_up_merged(
    service: TelegramDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "PATIENCE_S", 0.2)
    service.faults.stalled = True
    with world(service, capacity=50) as made:
        made.say(*(f"urgent {i}" for i in range(10)), urgency=Urgency.HIGH)
        made.say(*(f"low {i}" for i in range(2000)), urgency=Urgency.LOW)
        until(lambda: len(made.box()) == 50 and not made.bot._inbox)
        for i in range(5):
            made.bot.hear(feed(count=i))
        until(lambda: made.bot.counts["failed"])
        assert len(made.box()) <= 50
        service.faults.stalled = False
        until(lambda: service.sent and not made.box())
        dropped = made.box().dropped
    text = made.texts()
    assert all(f"urgent {i}\n" in text for i in range(10))
    assert "low 1999" in text
    assert "low 0\n" not in text
    assert f"({dropped} older, less urgent messages were left out)" in text
    assert "(and 4 before it)" in text
    assert len(service.sent) <= 3


@pytest.mark.parametrize("service_is", ["stalled", "dead"])
def test_telling_takes_microseconds_whatever_the_service_does(
    service: TelegramDouble, service_is: str
) -> None:
    service.faults.stalled = service_is == "stalled"
    address = {} if service_is == "stalled" else {"base_url": "http://127.0.0.1:1/bot"}
    items = [item for item in whole_story() for _ in range(40)]
    with world(service, **address) as made:
        spent = []
        for item in items:
            began = time.perf_counter_ns()
            made.bot.hear(item)
            spent.append(time.perf_counter_ns() - began)
        until(lambda: made.box() and not made.bot._inbox)
    assert service.sent == []
    assert statistics.median(spent) < 50_000


def test_what_nobody_takes_is_bounded(service: TelegramDouble) -> None:
    made = World(service)
    made.say("before the start")
    assert (made.bot.counts["unheard"], len(made.bot._inbox)) == (1, 0)
    made.bot._open = made.bot._woken = True
    for _ in range(bot.INBOX + 5):
        made.bot.hear(bar())
    assert (made.bot.counts["unheard"], len(made.bot._inbox)) == (6, bot.INBOX)


def test_an_item_that_cannot_be_told_stops_nothing(service: TelegramDouble) -> None:
    broken = entry()
    broken.numbers = '{"pattern": "much"}'
    with world(service) as made:
        made.bot.hear(object())
        made.bot.hear(broken)
        made.say("well")
        until(lambda: service.sent)
        assert made.bot.counts["failed"] == 2
    assert made.texts() == "well"
    assert any("alert not told" in line for line in made.logged)


def test_an_entry_brings_a_picture_after_its_text(service: TelegramDouble) -> None:
    with world(service, picture="tests.alert_pictures:plain") as made:
        for item in (bar(60), bar(120), entry(120)):
            made.bot.hear(item)
        until(lambda: len(service.sent) == 2)
    text, photo = service.sent
    assert text.photo is None
    assert photo.text == f"LONG {BTC}"
    options = ["instrument_id", "lot", "mark", "tick"]
    assert photo.photo == f"2 bars to {NOON + 120 * 10**9} {options}".encode()


def test_a_picture_that_fails_is_said_once(service: TelegramDouble) -> None:
    with world(service, picture="tests.alert_pictures:missing") as made:
        for item in (bar(60), entry(60)):
            made.bot.hear(item)
        until(lambda: made.logged)
    assert made.logged == ["no picture of the footprint could be drawn"]
    assert [sent.photo for sent in service.sent] == [None]


@pytest.mark.slow
def test_the_report_s_own_picture_is_sent(service: TelegramDouble) -> None:
    with world(service, picture=AlertsConfig(instrument_ids=(BTC,)).picture) as made:
        for item in (bar(60), bar(120), entry(120)):
            made.bot.hear(item)
        until(lambda: len(service.sent) == 2)
    photo = service.sent[1].photo
    assert photo is not None
    assert photo.startswith(b"\x89PNG")
    assert len(photo) > 5000


# -- commands ----------------------------------------------------------------------------------


def test_strangers_get_no_answer_and_change_nothing(service: TelegramDouble) -> None:
    with world(service, authorized=(CHAT,)) as made:
        made.listens()
        asked = made.asked(CHAT, "/flatten")
        assert asked.buttons is not None
        yes = asked.buttons["inline_keyboard"][0][0]["callback_data"]
        for words in ("/status", "/flatten", "yes", "/help"):
            service.say(STRANGER, words)
        service.press(Sent(STRANGER, "", None, None, 1, 0.0), yes)
        until(lambda: made.bot.counts["strangers"] == 5)
        assert made.commands == []
        answer = made.asked(CHAT, "/status")
    assert "5 from strangers" in answer.text
    assert {sent.chat_id for sent in service.sent} == {CHAT}
    assert {request.params.get("chat_id") for request in service.requests} <= {None, str(CHAT)}


def test_alerts_go_to_their_chats_and_answers_to_who_asked(service: TelegramDouble) -> None:
    with world(service, chats=(GROUP,), authorized=(CHAT,)) as made:
        made.listens()
        service.say(GROUP, "/status")
        assert "TRADE" in made.asked(CHAT, "/trade@flow_bot").text
        made.say("alert")
        until(lambda: made.texts(GROUP))
    assert made.texts(GROUP) == "alert"
    assert "alert\n" not in made.texts(CHAT)


def test_a_pressed_yes_reaches_the_node_once(service: TelegramDouble) -> None:
    with world(service, authorized=(CHAT,)) as made:
        made.listens()
        asked = made.asked(CHAT, "/flatten btc")
        assert asked.buttons is not None
        (yes,), (no,) = asked.buttons["inline_keyboard"]
        assert (yes["text"], no["text"]) == ("Yes, FLATTEN", "No")
        assert made.commands == []
        for _ in range(2):
            service.press(asked, yes["callback_data"])
        until(lambda: "no longer open" in made.texts())
        assert made.commands == [("FLATTEN", (str(BTC),), f"telegram {CHAT}")]
        made.asked(CHAT, "/pause")
        made.asked(CHAT, "yes")
        assert [action for action, *_ in made.commands] == ["FLATTEN", "PAUSE"]


def test_a_late_yes_changes_nothing(service: TelegramDouble) -> None:
    with world(service, authorized=(CHAT,), confirm_secs=0.01) as made:
        made.listens()
        made.asked(CHAT, "/resume")
        time.sleep(0.05)
        assert "Too late for RESUME" in made.asked(CHAT, "yes").text
        assert made.commands == []


def test_what_was_written_long_before_it_comes_changes_nothing(service: TelegramDouble) -> None:
    with world(service, authorized=(CHAT,)) as made:
        made.listens()
        late = made.asked(CHAT, "/flatten", age_s=7200)
        assert "/flatten came too late: it was written 7" in late.text
        assert late.buttons is None
        service.say(CHAT, "yes", age_s=7190)
        # A question is answered however old it is, and what is written now counts.
        assert "LEVELS" in made.asked(CHAT, "/levels", age_s=7200).text
        assert made.commands == []
        made.asked(CHAT, "/flatten")
        assert "passed on" in made.asked(CHAT, "yes").text
        assert len(made.commands) == 1


def test_a_yes_from_before_the_question_is_no_answer_to_it(service: TelegramDouble) -> None:
    with world(service, authorized=(CHAT,), confirm_secs=600.0) as made:
        made.listens()
        asked = made.asked(CHAT, "/flatten", age_s=300)
        assert asked.buttons is not None
        assert "before the question" in made.asked(CHAT, "yes", age_s=200).text
        assert made.commands == []
        assert "passed on" in made.asked(CHAT, "yes").text
        assert len(made.commands) == 1


def test_a_question_ages_while_the_machine_sleeps(
    service: TelegramDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world(service, authorized=(CHAT,)) as made:
        made.listens()
        asked = made.asked(CHAT, "/flatten")
        assert asked.buttons is not None
        yes = asked.buttons["inline_keyboard"][0][0]["callback_data"]
        # A steady clock stands still meanwhile.
        awake = time.time
        monkeypatch.setattr(time, "time", lambda: awake() + 3600)
        service.press(asked, yes)
        until(lambda: "Too late for FLATTEN" in made.texts())
        assert made.commands == []


def test_commands_from_before_the_start_are_left_alone(service: TelegramDouble) -> None:
    service.say(CHAT, "/flatten")
    with world(service, authorized=(CHAT,)) as made:
        made.listens()
        assert "SCANNER" in made.asked(CHAT, "/scanner").text
    assert len(service.sent) == 1


def test_commands_work_again_after_failed_polls(service: TelegramDouble) -> None:
    service.faults.polls_failing = 3
    with world(service, authorized=(CHAT,)) as made:
        until(lambda: service.polls >= 5)
        assert "LEVELS" in made.asked(CHAT, "/levels").text


def test_a_node_that_hangs_is_told(
    service: TelegramDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "NODE_PATIENCE_S", 0.05)
    posted: list[Callable[[], None]] = []
    with world(service, authorized=(CHAT,), post=posted.append) as made:
        made.listens()
        assert "does not answer" in made.asked(CHAT, "/trade").text
        made.asked(CHAT, "/flatten")
        assert "did not take it in time" in made.asked(CHAT, "yes").text
        # What was told as not done is not done when the node comes back.
        assert len(posted) == 4
        for act in posted:
            act()
        assert made.commands == []


def test_what_the_node_has_begun_is_not_told_as_not_taken(
    service: TelegramDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "NODE_PATIENCE_S", 0.05)
    begun, end = threading.Event(), threading.Event()

    def post(act: Callable[[], None]) -> None:
        node = threading.Thread(target=act)
        node.start()
        until(lambda: begun.is_set() or not node.is_alive())

    def slowly(*_: Any) -> None:
        begun.set()
        end.wait(PATIENCE_S)

    with world(service, authorized=(CHAT,), post=post) as made:
        made.do = slowly
        made.listens()
        made.asked(CHAT, "/flatten")
        assert "began it" in made.asked(CHAT, "yes").text
        end.set()


def test_a_command_that_fails_is_told(service: TelegramDouble) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no such strategy")

    with world(service, authorized=(CHAT,)) as made:
        made.do = fail
        made.listens()
        made.asked(CHAT, "/flatten")
        assert "began it" in made.asked(CHAT, "yes").text
        assert any("no such strategy" in line for line in made.logged)


# -- secrets, beginning and end ----------------------------------------------------------------


class Leaky:
    """What cannot be told, and quotes the token saying so."""

    @property
    def instrument_id(self) -> str:
        raise RuntimeError(f"no route to /bot{TelegramDouble.token}/getMe")


def test_the_token_is_nowhere(service: TelegramDouble, caplog: pytest.LogCaptureFixture) -> None:
    service.faults.failing, service.faults.polls_failing = 1, 1
    with caplog.at_level(logging.DEBUG), world(service, authorized=(CHAT,)) as made:
        for name in ("httpx", "httpcore.http11"):
            caplog.set_level(logging.DEBUG, logger=name)
        until(lambda: service.polls >= 3)
        made.asked(CHAT, "/status")
        made.bot.hear(Leaky())
        until(lambda: any("no route to /bot<token>" in line for line in made.logged))
        shown = [repr(made.bot), str(vars(made.bot)["_config"]), repr(made.bot.service)]
    assert "/bot<token>/sendMessage" in caplog.text
    told = [caplog.text, *made.logged, *(sent.text for sent in service.sent), *shown]
    assert [text for text in told if SECRET in text] == []


def test_a_rejected_token_ends_the_alerts_without_showing_it(service: TelegramDouble) -> None:
    with world(service, token="7:ANOTHER-SECRET") as made:
        until(lambda: made.logged)
        assert made.bot.join(PATIENCE_S)
        made.say("unheard")
    assert made.logged == ["the service rejects the token: no alerts"]
    assert made.bot.counts["unheard"] == 1


def test_the_last_words_are_sent_before_the_end(service: TelegramDouble) -> None:
    made = World(service)
    made.bot.start()
    made.say("last words")
    made.bot.stop(PATIENCE_S)
    assert made.bot.join(PATIENCE_S)
    assert made.texts() == "last words"
    assert "alerts" not in {thread.name for thread in threading.enumerate()}


def test_a_stalled_service_does_not_hold_up_the_end(service: TelegramDouble) -> None:
    service.faults.stalled = True
    made = World(service, authorized=(CHAT,))
    made.bot.start()
    made.say("never sent")
    began = time.monotonic()
    made.bot.stop(0.2)
    assert time.monotonic() - began < 0.1
    assert made.bot.join(PATIENCE_S)
    assert service.sent == []


# -- the actor ---------------------------------------------------------------------------------


@contextmanager
def actor(
    clock: Clock, *, saved: bytes = b"[]", **config: Any
) -> Iterator[tuple[Alerts, MessageBus]]:
    """An actor on a bus of its own, loaded and started where a node would do it."""
    bus = MessageBus(TraderId("LIVE-001"), clock)
    cache = Cache()
    instrument = demo_instrument()
    cache.add_instrument(instrument)
    made = Alerts(AlertsConfig(instrument_ids=(instrument.id,), picture="", **config))
    made.register_base(Portfolio(bus, cache, clock), bus, cache, clock)
    made.on_load({"of_alerts": saved})
    made.start()
    try:
        yield made, bus
    finally:
        if made.is_running:
            made.stop()
        made.dispose()


def test_the_actor_tells_what_is_published_and_publishes_what_is_confirmed(
    service: TelegramDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TelegramDouble.token)
    monkeypatch.setenv("TELEGRAM_CHATS", str(GROUP))
    monkeypatch.setenv("TELEGRAM_AUTHORIZED", str(CHAT))
    instrument_id = demo_instrument().id
    commands: list[Any] = []

    def more_than(before: int) -> bool:
        return len(service.sent) > before

    async def until_(condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.005)

    async def run() -> None:
        with actor(LiveClock(), base_url=service.base_url) as (made, bus):
            topic = f"data.{data_type(OperatorCommand, instrument_id).topic}"
            bus.subscribe(topic=topic, handler=commands.append)
            status = FeedStatus(
                ts_event=NOON, instrument_id=instrument_id, state="SUSPENDED", reason="gap", count=1
            )
            bus.publish(f"data.{data_type(FeedStatus, instrument_id).topic}", status)
            await until_(lambda: any("FEED SUSPENDED" in sent.text for sent in service.sent))
            await until_(lambda: service.polls >= 2)
            for words in ("/pause", "yes"):
                before = len(service.sent)
                service.say(CHAT, words)
                await until_(partial(more_than, before))
            await until_(lambda: any("<b>PAUSE" in one.text for one in service.sent
                                     if one.chat_id == GROUP))  # fmt: skip
            made.stop()
            saved.update(made.on_save())

    saved: dict[str, bytes] = {}
    asyncio.run(run())
    assert b"PAUSE" in saved["of_alerts"]
    (command,) = commands
    assert (command.action, command.source) == ("PAUSE", f"telegram {CHAT}")
    assert command.instrument_id == instrument_id
    told = "\n\n".join(sent.text for sent in service.sent if sent.chat_id == GROUP)
    nothing = "no position, no open orders"
    assert told.startswith(f"<b>STARTED LIVE-001</b>\nDEMO-PERP.SIM\n{nothing}")
    assert f"<b>STOPPING LIVE-001</b>\n{nothing}\n\n<b>SUMMARY DEMO-PERP" in told
    assert told.endswith(f"<b>STOPPED LIVE-001</b>\n{nothing}")


def test_the_actor_starts_without_what_another_version_has_saved(
    service: TelegramDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TelegramDouble.token)
    kept = Kept()
    about = {"ts_event": NOON, "ts_init": NOON, "instrument_id": demo_instrument().id}
    kept.hear(TradeTransition(**about, target="A_PHASE_OF_ANOTHER_VERSION"))
    kept.hear(OperatorCommand(**about, action="PAUSE"))

    async def run() -> None:
        options: dict[str, Any] = {"chats": (CHAT,), "base_url": service.base_url}
        with actor(LiveClock(), saved=kept.save(), **options) as (made, _):
            assert made.is_running
            assert made.bot is not None
            (memory,) = made.bot._story.memories.values()
            assert (memory.phase, memory.paused) == ("NONE", True)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("clock", "token", "config"),
    [
        (TestClock, "1:TOKEN", {"chats": (CHAT,)}),
        (LiveClock, "", {"chats": (CHAT,)}),
        (LiveClock, "1:TOKEN", {}),
        (LiveClock, "1:TOKEN", {"chats": (CHAT,), "enabled": False}),
        (LiveClock, "1:TOKEN", {"chats_env": "BAD_CHATS"}),
    ],
    ids=["backtest", "no token", "no chat", "off", "bad chats"],
)
def test_the_actor_stays_quiet_where_it_has_nothing_to_do(
    monkeypatch: pytest.MonkeyPatch, clock: type[Clock], token: str, config: dict[str, Any]
) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", token)
    monkeypatch.setenv("BAD_CHATS", "me")
    for name in ("TELEGRAM_CHATS", "TELEGRAM_AUTHORIZED"):
        monkeypatch.delenv(name, raising=False)
    with actor(clock(), **config) as (made, _):
        made.on_load({"of_alerts": b"broken"})
        made.on_data(bar())
        assert made.is_running
        assert made.bot is None
    assert "alerts" not in {thread.name for thread in threading.enumerate()}
