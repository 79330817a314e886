"""The alerts in a trading node of its own, against the doubles of venue and service."""

import time
from collections.abc import Callable
from itertools import batched
from pathlib import Path
from typing import Any

import pytest

from tests.venues.binance import BinanceDouble
from tests.venues.replay import node_config, running_node
from tests.venues.session import read_session
from tests.venues.telegram import TelegramDouble

pytestmark = pytest.mark.slow
CHAT, STRANGER = 4242, 13
BUSY = ("The node does not answer", "The node did not take it in time")
PATIENCE_S = 60


def test_a_node_tells_answers_and_obeys(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = read_session(real_data / "binance" / "usdm_btcusdt_20240808.gz")
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TelegramDouble.token)
    monkeypatch.setenv("TELEGRAM_CHATS", str(CHAT))
    monkeypatch.setenv("TELEGRAM_AUTHORIZED", str(CHAT))
    venue = BinanceDouble(
        recorded.first(recorded.index("trade", 1_500)), speed=20.0, needs=["@aggTrade"]
    )
    with TelegramDouble(lifetime_s=2 * PATIENCE_S) as service, venue:
        alerts = {
            "actor_path": "of_nautilus.alerts:Alerts",
            "config_path": "of_nautilus.alerts:AlertsConfig",
            "config": {"instrument_ids": [venue.instrument_id], "base_url": service.base_url},
        }
        name = {"instrument_id": venue.instrument_id}
        flow = {
            "actor_path": "of_nautilus.actor:OrderFlowActor",
            "config_path": "of_nautilus.config:OrderFlowActorConfig",
            "config": name,
        }
        strategy = {
            "strategy_path": "of_nautilus.strategy:OrderFlowStrategy",
            "config_path": "of_nautilus.config:OrderFlowStrategyConfig",
            "config": name,
        }
        config = node_config("paper_binance.json", venue, [flow, alerts], [strategy])
        with running_node(venue, config) as node:

            def until(condition: Callable[[], Any]) -> None:
                end = time.monotonic() + PATIENCE_S
                while not condition():
                    assert time.monotonic() < end, [sent.text for sent in service.sent]
                    time.sleep(0.02)

            def answered(*words_and_answers: str) -> bool:
                """Say it, and again as often as the node is too busy to answer: it may compile."""

                def told(text: str) -> bool:
                    return any(text in sent.text for sent in service.sent[before:])

                for words, answer in batched(words_and_answers, 2):
                    before = len(service.sent)
                    service.say(CHAT, words)
                    until(lambda answer=answer: any(map(told, (answer, *BUSY))))
                    if not told(answer):
                        return answered(*words_and_answers)
                return True

            until(lambda: service.polls >= 2 and venue.feed.started.is_set())
            until(lambda: service.sent)
            assert answered("/status", "profile framing")
            service.say(STRANGER, "/flatten")
            question = "PAUSE BTCUSDT-PERP.BINANCE of PAPER-001?"
            assert answered("/pause", question, "yes", "<b>PAUSE BTCUSDT-PERP.BINANCE</b>")
            until(lambda: "action=PAUSE" in node.log)
            assert answered("/status", "entries: paused")
            node.stop()
            log = node.log
    told = "\n\n".join(sent.text for sent in service.sent)
    assert told.startswith("<b>STARTED PAPER-001</b>")
    assert "<b>STOPPED PAPER-001</b>\nno position, no open orders" in told
    assert {sent.chat_id for sent in service.sent} == {CHAT}
    assert f"source=telegram {CHAT}" in log
    assert "FLATTEN" not in log
    assert service.refused == {}
    assert TelegramDouble.token.rpartition(":")[2] not in log + told
