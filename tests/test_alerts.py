"""The alerts without a network: texts, memory, queue, questions and their confirmation."""

import logging
import re
from decimal import Decimal
from typing import Any

import pytest

from of_nautilus.alerts import views
from of_nautilus.alerts.commands import Confirmations, parse
from of_nautilus.alerts.config import KINDS, AlertsConfig, chat_ids
from of_nautilus.alerts.dialog import Dialog
from of_nautilus.alerts.kept import Kept
from of_nautilus.alerts.memory import Holding
from of_nautilus.alerts.outbox import MAX_PHOTOS, MAX_TEXT, Message, Outbox, Urgency, merged
from of_nautilus.alerts.secret import Redaction
from of_nautilus.alerts.story import Farewell, Story
from of_nautilus.alerts.text import price, safe
from of_nautilus.data import FLATTEN, LIVE, PAUSE, EntryDecision, OperatorCommand
from of_nautilus.decision.status import Status
from tests.alert_data import (
    BTC,
    HOSTILE,
    MARKET,
    NOON,
    SECOND,
    at,
    bar,
    bias,
    closed,
    entry,
    entry_filled,
    feed,
    level,
    moved,
    pattern,
    stop_rests,
    trouble,
    whole_story,
)

TAGS = re.compile(r"</?b>")
ENTITIES = re.compile(r"&(?:lt|gt|amp);")


def story(*kinds: str) -> Story:
    return Story([MARKET], kinds or KINDS, NOON)


def told(tale: Story, *items: Any) -> list[str]:
    """The texts about some items, each followed by what was held back."""
    texts = []
    for item in items:
        texts += [message.text for message in [*tale.hear(item), *tale.settle()]]
    return texts


def valid(text: str) -> bool:
    left = ENTITIES.sub("", TAGS.sub("", text))
    return not {"<", ">", "&"} & set(left) and text.count("<b>") == text.count("</b>")


# -- texts -------------------------------------------------------------------------------------


def test_an_entry_tells_score_pattern_flow_bias_and_plan() -> None:
    (text,) = told(story("entry"), bias(), pattern("absorption", 60, 1), bar(), entry())
    assert text.split("\n") == [
        "<b>ENTRY LONG BTCUSDT-PERP.BINANCE</b>  12:01:00 UTC",
        "score 54.9 (A) = pattern +21.6 level +17.5 bias +15.8",
        "absorption 72.0 at VAL 59999.0",
        "delta -2, method 1",
        "bar to 12:01:00 UTC: delta -2.000, volume 10.000",
        "bias: LONG 79% (P-shape)",
        "entry 60000.0, stop 59990.0, target 60040.0, R:R 4.00",
        "size 0.020",
    ]


def test_a_fill_tells_the_average_of_its_parts() -> None:
    tale = story("entry")
    told(tale, bar(), entry(), entry_filled("60000.0", "0.015"), entry_filled("60000.2", "0.005"))
    (text,) = told(tale, moved("ENTRY_FILLED", "ABSORPTION_DETECTED", "POSITION_OPEN"))
    assert text.endswith("\n0.020 at 60000.05"), text


def test_a_stop_is_told_when_it_rests_and_has_moved() -> None:
    tale = story("entry", "break_even", "trail")
    told(tale, bar(), entry(), entry_filled("60000.0"))
    told(tale, moved("ENTRY_FILLED", "ABSORPTION_DETECTED", "POSITION_OPEN"))
    assert told(tale, stop_rests(599_900))[0].endswith("at 59990.0")
    # The same stop for a grown position is no news.
    assert told(tale, stop_rests(599_900)) == []
    assert told(tale, moved("INIT_SAME", "POSITION_OPEN", "BREAK_EVEN", 120)) == []
    (even,) = told(tale, stop_rests(600_040, 121))
    assert even.split("\n") == [
        "<b>BREAK EVEN BTCUSDT-PERP.BINANCE</b>  12:02:01 UTC",
        "stop 59990.0 → 60004.0",
        "secures +40 ticks (+0.40 R) before fees",
    ]
    told(tale, moved("INIT_SAME", "BREAK_EVEN", "TRAILING", 180))
    (trail,) = told(tale, stop_rests(600_090, 181))
    assert trail.startswith("<b>TRAIL ")
    assert trail.endswith("secures +90 ticks (+0.90 R) before fees\nstep 2 of the trail")


def test_an_exit_tells_its_result_and_what_led_to_it() -> None:
    (text,) = told(story("exit"), closed())
    assert text.split("\n") == [
        "<b>EXIT LONG BTCUSDT-PERP.BINANCE</b>  12:06:40 UTC",
        "stop from TRAILING, after 5 min 39 s",
        "60000.0 → 60005.0, size 0.020",
        "+50.0 ticks, +0.50 R of 4.00 planned, before fees",
        "net +0.9520 USDT, fees 0.0480 USDT",
        "absorption buy 72, initiative buy 81",
    ]


def test_warnings_tell_the_pattern_against_the_trade_and_what_follows() -> None:
    texts = told(story("exit_warning"), *whole_story())
    assert [text.split("\n")[1] for text in texts] == [
        "divergence sell 55.0 at 60000.0: the market may turn down",
        "exhaustion sell 75.0 at 60000.0: the market may turn down",
    ]
    assert [text.rsplit("\n", 1)[1].split(":")[0] for text in texts] == ["weak", "strong"]


def test_a_frame_comes_with_its_levels() -> None:
    tale = story("bias")
    heard = [message for item in (bias(), level(), level(price=600_400, side=-1))
             for message in tale.hear(item)]  # fmt: skip
    assert heard == []
    (message,) = tale.settle()
    assert message.text.split("\n")[1:] == [
        "LONG 79% = base +64.0 value_accepted +15.0",
        "P-shape, HIGHER",
        "POC 60010.0, VAL 59999.0, VAH 60040.0",
        "levels:",
        "60040.0 VAH sell 70",
        "59999.0 VAL buy 70",
    ]
    assert tale.settle() == []


def test_trouble_tells_whether_the_position_is_safe() -> None:
    tale = story("execution")
    (bare,) = told(tale, trouble(text="margin"))
    assert bare.split("\n")[1:] == ["stop_lost: margin", "qty 20", "position +0.020, NOT PROTECTED"]
    texts = told(story("execution"), *whole_story())
    assert [text.split(" BTC")[0] for text in texts] == ["<b>TROUBLE", "<b>SAFE AGAIN", "<b>HALTED"]


def test_a_feed_that_is_back_tells_how_long_it_was_gone() -> None:
    gone, back = told(story("feed"), *whole_story())
    assert "gap, for the 1st time: no entries" in gone
    assert "after 12.5 s (gap)" in back


def test_a_day_is_summed_up_when_the_next_begins_and_at_the_stop() -> None:
    tale = story("summary")
    (text,) = told(tale, *whole_story())
    assert text.split("\n") == [
        "<b>SUMMARY BTCUSDT-PERP.BINANCE</b>  2024-01-08",
        "1 trades, 1 won, net 0.9520 USDT, fees 0.0480 USDT, +0.50 R before fees",
        "signals: absorption 1, divergence 1, exhaustion 1",
        "feed suspended: gap 1",
        "trouble: halted 1, stop_lost 1",
    ]
    last = tale.farewell(Farewell("<b>STOPPED</b>")).text
    assert last.startswith("<b>STOPPED</b>\n\n<b>SUMMARY")
    assert last.endswith("2024-01-09\nno trades")


def test_nothing_is_told_of_days_before_the_start_and_of_other_markets() -> None:
    tale = story()
    assert told(tale, bar(-86_400 * 2), bar(-86_400)) == []
    other = bar()
    other.instrument_id = type(BTC).from_str("ETHUSDT-PERP.BINANCE")
    assert told(tale, other) == []


def test_every_kind_is_told_only_if_it_is_wanted() -> None:
    """Start and stop are the node's own; the rest comes from what is published."""
    everything = told(story(), *whole_story())
    by_kind = [told(story(kind), *whole_story()) for kind in KINDS if kind not in ("start", "stop")]
    assert all(by_kind)
    assert sorted(text for texts in by_kind for text in texts) == sorted(everything)


def test_every_text_is_valid_whatever_came_from_outside() -> None:
    texts = told(story(), *whole_story())
    assert all(valid(text) for text in texts), [text for text in texts if not valid(text)]
    assert sum("&lt;script&gt;" in text for text in texts) == 2
    bad = pattern("absorption", 60, 1)
    bad.reasons = '{"<i>": "<u>", "delta": "many", "x": [1, "&"]}'
    texts = told(story(), bad, entry())
    assert all(valid(text) for text in texts)
    assert "&lt;i&gt; &lt;u&gt;" in texts[1]


@pytest.mark.parametrize("reasons", ["", "[1]", "{", "null"])
def test_broken_reasons_leave_the_rest(reasons: str) -> None:
    bad = pattern("absorption", 60, 1)
    bad.reasons = reasons
    assert "ENTRY LONG" in told(story("entry"), bad, entry())[0]


def test_text_from_outside_is_one_short_line() -> None:
    assert safe(HOSTILE) == '&lt;/b&gt;&lt;script&gt;alert("x")&lt;/script&gt; &amp; *_[`'
    assert len(safe("x" * 10_000)) == 300


def test_prices_have_the_decimals_of_the_tick_and_averages_one_more() -> None:
    assert [price(MARKET, ticks) for ticks in (600_000, 600_000.5, float("nan"))] == [
        "60000.0",
        "60000.05",
        "-",
    ]


# -- answers -----------------------------------------------------------------------------------


def dialog(*items: Any, seconds: float = 30.0) -> Dialog:
    tale = story()
    told(tale, *items)
    return Dialog(tale, seconds, "LIVE-001", lambda: "alerts: 0 sent")


HELD = {
    str(BTC): Holding(
        str(BTC), Decimal("0.020"), Decimal("60000.1"), Decimal("59990"), Decimal("60040"), 2
    )
}
NOW = NOON + 90 * SECOND


def ask(of: Dialog, said: str, held: Any = HELD) -> str:
    message, action = of.say(1, said, "flow_bot", held, NOW, 0.0, 0.0)
    assert action is None
    return message.text if message is not None else ""


def test_status_has_the_six_steps_and_the_rank_of_the_decision_rules() -> None:
    before = dialog(bias(), level(), bar())
    lines = ask(before, "/status", {}).split("\n")
    assert lines[0] == f"<b>{BTC}  AT_LEVEL_SCANNING</b>  12:01:30 UTC"
    assert [line[0] for line in lines[1:7]] == ["✓", "✓", "✓", "·", "·", "·"]
    assert ask(before, "/scanner", {}).split("\n")[1] == f" 79 {BTC} AT_LEVEL_SCANNING 3/6"
    assert lines[-1] == "LIVE-001, alerts: 0 sent"


def test_a_position_from_before_the_start_is_an_open_trade() -> None:
    of = dialog(bar())
    assert f"{Status.IN_TRADE}" in ask(of, "/status")
    assert ask(of, "/trade").split("\n") == [
        f"<b>TRADE {BTC}</b>  LONG 0.020",
        "POSITION_OPEN, entered at 60000.1",
        "stop 59990.0, target 60040.0",
        "last 60000.0: -1.0 ticks before fees",
    ]
    bare = {str(BTC): Holding(str(BTC), Decimal("-0.020"), Decimal("60000.1"))}
    assert "SHORT 0.020" in ask(of, "/trade", bare)
    assert "stop NONE RESTS" in ask(of, "/trade", bare)


def test_an_open_trade_is_told_in_multiples_of_its_risk() -> None:
    of = dialog(bar(), entry(), moved("ENTRY_FILLED", "ABSORPTION_DETECTED", "POSITION_OPEN"),
                bar(120, close=600_101))  # fmt: skip
    assert "last 60010.1: +100.0 ticks, +1.00 R before fees" in ask(of, "/trade")


@pytest.mark.parametrize(("items", "now"), [([bar(), feed()], NOW), ([bar()], NOON + 10**12)])
def test_a_suspended_or_silent_feed_is_offline(items: list[Any], now: int) -> None:
    tale = story()
    told(tale, *items)
    assert "OFFLINE" in views.scanner(list(tale.memories.values()), {}, now)


def test_levels_live_until_they_are_broken() -> None:
    of = dialog(bar(), level(), level(price=600_400, side=-1), level("touched"), level("broken"))
    assert ask(of, "/levels").split("\n")[1:] == ["60040.0 VAH sell 70"]
    assert "no levels known" in ask(dialog(), "/levels")


def test_a_restart_goes_on_answering_where_it_was() -> None:
    before = whole_story()[:-1]
    before.insert(3, level(price=599_000))
    before.append(level("broken", price=599_000))
    before.append(at(OperatorCommand, 110, action=PAUSE))
    first = Kept()
    for item in before:
        first.hear(item)
    assert first.save() is first.save()
    second = Kept()
    second.load(first.save())
    assert second.save() == first.save()
    tale = story()
    tale.remember(second.items())
    assert tale.settle() == []
    (memory,) = tale.memories.values()
    assert [one.price for one in memory.levels.values()] == [599_990, 600_400]
    assert memory.bias is not None
    assert (memory.phase, memory.paused, memory.stop) == ("CLOSED", True, 600_090)
    assert (len(memory.day.trades), memory.day.money) == (1, Decimal("0.9520"))
    # The next day knows nothing of the last one's trades.
    later = Story([MARKET], KINDS, NOON + 86_400 * SECOND)
    later.remember(second.items())
    assert next(iter(later.memories.values())).day.trades == []
    second.hear(closed(seconds=86_400))
    assert sum(type(item).__name__ == "ClosedTrade" for item in second.items()) == 1


def test_of_the_past_only_the_last_frame_is_told_and_when_it_has_been_read() -> None:
    tale = story("bias", "feed")
    begun, done = feed(), feed(LIVE)
    begun.reason = done.reason = "warming_up"
    older = bias()
    older.direction = "SHORT"
    assert "WARMING UP" in told(tale, begun)[0]
    assert told(tale, older, level(), bias(), level(price=600_400)) == []
    warm, frame = told(tale, done)
    assert warm.startswith("<b>WARM BTC")
    assert "LONG 79%" in frame
    assert "60040.0" in frame


def test_a_pause_shows_until_it_is_lifted() -> None:
    pause = at(OperatorCommand, action=PAUSE)
    assert "entries: not paused since the start" in ask(dialog(bar()), "/status")
    refused = at(EntryDecision, decision="paused")
    assert "entries: paused" in ask(dialog(refused), "/status")
    other = at(EntryDecision, decision="score")
    assert "entries: paused" in ask(dialog(pause, other), "/status")
    assert "entries: paused" in ask(dialog(pause), "/status")
    assert "entries: allowed" in ask(dialog(pause, at(OperatorCommand, action="RESUME")), "/status")


def test_a_silent_node_is_told_and_never_taken_for_flat() -> None:
    of = dialog(bar())
    assert all("does not answer" in ask(of, said, None) for said in ("/trade", "/status"))


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("/help", "/pause"),
        ("/nonsense", "/pause"),
        ("/status@other_bot", ""),
        ("hello", ""),
        ("yes", ""),
        ("/levels eth", "No instrument begins with eth."),
        ("/levels btcusdt", "LEVELS"),
        ("/LEVELS@Flow_Bot", "LEVELS"),
        ("/levels <b>", "&lt;b&gt;"),
    ],
)
def test_what_is_said_is_understood_or_left_alone(said: str, answer: str) -> None:
    got = ask(dialog(bar()), said)
    assert answer in got
    assert bool(got) == bool(answer)
    assert valid(got)


def test_parse_tells_command_and_argument() -> None:
    command = parse("/flatten@flow_bot  BTC ", "flow_bot")
    assert command is not None
    assert (command.name, command.argument) == ("flatten", "BTC")


# -- confirmation ------------------------------------------------------------------------------


def question(of: Dialog, said: str = "/flatten", chat: int = 1, now: float = 0.0) -> Message:
    message, action = of.say(chat, said, "flow_bot", {}, NOW, now, now)
    assert message is not None
    assert action is None
    assert "BTCUSDT-PERP.BINANCE of LIVE-001?" in message.text
    assert [label.split(",")[0] for label, _ in message.buttons] == ["Yes", "No"]
    return message


@pytest.mark.parametrize("said", ["/pause", "/resume", "/flatten"])
def test_what_acts_is_asked_back_and_done_once(said: str) -> None:
    of = dialog()
    yes = question(of, said).buttons[0][1]
    message, action = of.press(1, yes, 29.0)
    assert action is not None
    assert (action.action, action.instruments) == (said[1:].upper(), (str(BTC),))
    assert message is not None
    assert "passed on" in message.text
    message, action = of.press(1, yes, 29.5)
    assert action is None
    assert message is not None
    assert "no longer open" in message.text


def test_a_written_yes_confirms_and_anything_else_does_not() -> None:
    of = dialog()
    question(of)
    assert of.say(1, " Yes ", "flow_bot", {}, NOW, 1.0, 1.0)[1] is not None
    question(of)
    message, action = of.say(1, "yes but later", "flow_bot", {}, NOW, 1.0, 1.0)
    assert action is None
    assert message is not None
    assert "dropped" in message.text


@pytest.mark.parametrize("said", ["/pause", "/resume", "/flatten"])
def test_what_acts_must_not_be_older_than_a_confirmation_may_take(said: str) -> None:
    of = dialog()
    message, _ = of.say(1, said, "flow_bot", {}, NOW, 100.0, 69.9)
    assert message is not None
    assert f"{said} came too late: it was written 30 seconds ago" in message.text
    assert message.buttons == ()
    assert of.say(1, "yes", "flow_bot", {}, NOW, 100.0, 100.0) == (None, None)
    message, _ = of.say(1, said, "flow_bot", {}, NOW, 100.0, 70.1)
    assert message is not None
    assert message.buttons
    # Written before it was asked: it is not yet confirmed, nor dropped.
    assert of.say(1, "yes", "flow_bot", {}, NOW, 101.0, 100.0)[1] is None
    assert of.say(1, "yes", "flow_bot", {}, NOW, 102.0, 101.0)[1] is not None


def test_a_confirmation_counts_in_its_chat_in_time_and_for_the_last_question_only() -> None:
    of = dialog()
    yes, no = (data for _, data in question(of).buttons)
    assert of.press(2, yes, 1.0)[1] is None
    assert of.press(1, yes, 30.1)[1] is None
    assert of.press(1, yes, 1.0)[1] is None
    question(of)
    newer = question(of, "/pause").buttons[0][1]
    assert of.press(1, yes, 1.0)[1] is None
    assert of.press(1, newer, 1.0)[1] is not None
    yes, no = (data for _, data in question(of).buttons)
    assert of.press(1, no, 1.0)[1] is None
    assert of.press(1, yes, 1.0)[1] is None
    for nonsense in ("", "yes", "yes:", ":", "yes:0000"):
        assert of.press(1, nonsense, 1.0)[1] is None
    with pytest.raises(ValueError, match="`seconds` must be > 0, was 0"):
        Confirmations(0)


# -- queue -------------------------------------------------------------------------------------


def test_a_full_box_drops_the_oldest_of_the_least_urgent_and_says_so() -> None:
    box = Outbox(4)
    urgencies = [Urgency.LOW, Urgency.HIGH, Urgency.LOW, Urgency.NORMAL, Urgency.LOW, Urgency.HIGH]
    for i, urgency in enumerate(urgencies):
        box.put(Message(f"{i}", urgency))
    assert len(box) == 4
    assert merged(box.take()).text.split("\n\n") == [
        "(2 older, less urgent messages were left out)",
        *("1", "3", "4", "5"),
    ]
    assert (box.dropped, box.take()) == (2, [])


def test_texts_merge_up_to_the_service_s_limit_in_their_order() -> None:
    box = Outbox(200)
    for i in range(100):
        box.put(Message(f"{i:03}" + "é😀" * 50))
    sent = []
    while batch := box.take():
        text = merged(batch).text
        assert len(text.encode("utf-16-le")) // 2 <= MAX_TEXT
        sent.append(text)
    assert len(sent) == 4
    assert [part[:3] for text in sent for part in text.split("\n\n")] == [
        f"{i:03}" for i in range(100)
    ]


def test_one_text_beyond_the_limit_is_cut_between_lines() -> None:
    box = Outbox(2)
    box.put(Message("\n".join(f"<b>line {i}</b>" for i in range(1000))))
    text = merged(box.take()).text
    assert len(text) <= MAX_TEXT
    assert valid(text)
    assert text.endswith("\n…")


def test_questions_go_first_and_photos_last_and_alone() -> None:
    box = Outbox(50)
    for i in range(MAX_PHOTOS + 2):
        box.put(Message(f"photo {i}", Urgency.LOW, photo=b"png"))
    box.put(Message("text"))
    box.put(Message("sure?", buttons=(("Yes", "yes"),)))
    order = []
    while batch := box.take():
        assert len(batch) == 1
        order.append(batch[0].text)
    assert order == ["sure?", "text", *(f"photo {i}" for i in range(2, MAX_PHOTOS + 2))]
    assert box.dropped == 2


def test_what_is_restored_comes_first_unless_it_has_been_replaced() -> None:
    box = Outbox(10)
    box.put(Message("stop 1", key="stop"))
    box.put(Message("entry"))
    batch = box.take()
    box.put(Message("stop 2", key="stop"))
    box.restore(batch)
    assert merged(box.take()).text == "entry\n\nstop 2"


def test_a_box_never_holds_more_than_its_capacity() -> None:
    box = Outbox(3)
    for i in range(1000):
        box.put(Message(f"{i}", Urgency(i % 3), photo=b"p" if i % 7 == 0 else None))
        if i % 5 == 0:
            box.restore([Message("back")] * 5)
        assert len(box) <= 3


# -- config and secrets ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("kinds", ("entry", "gossip"), r"`kinds` must be of .* was \['gossip'\]"),
        ("picture", "no/function", "`picture` must be 'module:function' or '', was 'no/function'"),
        ("capacity", 0, "`capacity` must be >= 1, was 0"),
        ("confirm_secs", 0.0, "`confirm_secs` must be > 0, was 0.0"),
        ("instrument_ids", (), "`instrument_ids` must name at least one instrument, was empty"),
    ],
)
def test_a_bad_config_is_refused(field: str, value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        AlertsConfig(**({"instrument_ids": (BTC,)} | {field: value}))


def test_the_config_is_read_from_json() -> None:
    config = AlertsConfig.parse(
        b'{"instrument_ids": ["BTCUSDT-PERP.BINANCE"], "chats": [4242], "kinds": ["entry"]}'
    )
    assert (config.chats, config.kinds) == ((4242,), ("entry",))


def test_chats_come_from_the_config_or_the_environment() -> None:
    environment = {"CHATS": " 1,-2 ", "BAD": "1,me"}
    assert chat_ids((7,), "CHATS", environment) == (7,)
    assert chat_ids((), "CHATS", environment) == (1, -2)
    assert chat_ids((), "NONE", environment) == ()
    with pytest.raises(ValueError, match="`BAD` must hold whole numbers separated by commas"):
        chat_ids((), "BAD", environment)


def test_a_token_in_the_place_of_the_chats_is_not_quoted() -> None:
    with pytest.raises(ValueError, match="`CHATS` must hold whole numbers") as told:
        chat_ids((), "CHATS", {"CHATS": "1000000001:SECRET-OF-THE-BOT"})
    assert "SECRET" not in str(told.value)


def test_libraries_log_no_token(caplog: pytest.LogCaptureFixture) -> None:
    token = "1:SECRET-OF-THE-BOT"
    redaction = Redaction(token)
    redaction.start()
    try:
        with caplog.at_level(logging.DEBUG):
            logging.getLogger("httpx").warning("POST %s", f"http://x/bot{token}/getMe")
            logging.getLogger("httpx").info("each request")
            try:
                raise RuntimeError(f"rejected {token}")
            except RuntimeError:
                logging.getLogger("asyncio").exception("task failed")
    finally:
        redaction.stop()
    assert "SECRET" not in caplog.text
    assert "http://x/bot<token>/getMe" in caplog.text
    assert "RuntimeError: rejected <token>" in caplog.text
    assert "each request" not in caplog.text


def test_a_flattened_market_is_paused() -> None:
    assert "entries: paused" in ask(dialog(at(OperatorCommand, action=FLATTEN)), "/status")
