"""The dashboard beside a live node, in a real browser: a recorded session through the venue's
double draws and updates, the bars are a recount of it, and a command with the token arrives."""

import json
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from of_nautilus.dashboard.channel import DashboardSide
from of_nautilus.data import FLATTEN, OperatorCommand
from tests.browser import colors, headless, picture, until
from tests.dashboards import Server, show
from tests.venues.binance import BinanceDouble
from tests.venues.replay import node_config, running_node, wait_for
from tests.venues.session import read_session

pytestmark = pytest.mark.slow

TOKEN = "the-token-of-this-test"
SPEED, SHOWN, LAST = 6.0, 1_500, 3_000
BAR = 5


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from headless()


def actors(market: str, folder: Path) -> list[dict[str, Any]]:
    flow = {
        "actor_path": "of_nautilus.actor:OrderFlowActor",
        "config_path": "of_nautilus.config:OrderFlowActorConfig",
        "config": {"instrument_id": market, "flow": {"bar_size": float(BAR)}},
    }
    feed = {
        "actor_path": "of_nautilus.dashboard.actor:DashboardFeed",
        "config_path": "of_nautilus.dashboard.config:DashboardFeedConfig",
        "config": {"instrument_ids": [market], "folder": str(folder)},
    }
    return [feed, flow]


def test_a_live_node_draws_and_takes_a_command(
    browser: Any, real_data: Path, tmp_path: Path
) -> None:
    file = real_data / "binance" / "usdm_btcusdt_20240808.gz"
    whole = read_session(file, order="event_time")
    session = whole.first(whole.index("trade", LAST))
    session = session.moved(int(time.time() * 1000) - session.events[0].time_ms)
    folder = tmp_path / "channel"
    server = Server("dashboard", str(folder), OF_NAUTILUS_DASHBOARD_TOKEN=TOKEN)
    with BinanceDouble(session, speed=SPEED) as double:
        market = double.instrument_id
        double.needs = {double.STREAMS[stream] for stream in ("trades", "book")}
        # A node may compile for a minute: the page is opened once it has heard some trades, and
        # the others wait until that is drawn.
        heard = threading.Event()
        hooks = (double.caught_up, double.feed.pause, heard.set)
        double.feed.at(session.index("trade", SHOWN), *hooks)
        config = node_config("paper_binance.json", double, actors(market, folder))
        with running_node(double, config) as node:
            assert heard.wait(120), node.log[-2000:]
            assert (folder / "mailbox").is_file(), "the node opened no channel"
            server.start()
            try:
                show(browser, server, "market")
                until(browser, "return app.probe.price?.bars.items.length >= 3")
                until(browser, "return app.probe.book?.bids.length > 5")
                before = browser.execute_script("return app.probe.tape.prints[0].id")
                double.feed.resume()
                until(browser, "return app.probe.tape.prints[0].id !== arguments[0]", before)
                assert colors(picture(browser, "dashboard_live")) > 40
                flatten(browser)
                wait_for(double, node, 120)
                last = session.of("trade")[-1]
                until(
                    browser, "return app.probe.tape.prints[0]?.id === arguments[0]", str(last["t"])
                )
                start = last["T"] // (BAR * 1000) * BAR * 1000
                count = sum(trade["T"] >= start for trade in session.of("trade"))
                until(
                    browser,
                    "const bar = app.probe.price.bars.items.at(-1);"
                    " return bar.time === arguments[0] && bar.trades === arguments[1]",
                    *(start, count),
                )
                shown = browser.execute_script("return app.probe.price.bars.items")
                assert_a_recount(shown, session.of("trade"))
                assert asked(folder) == [(FLATTEN, market)]
                assert [e["message"] for e in browser.get_log("browser")] == []
            finally:
                server.kill()


def asked(folder: Path) -> list[tuple[str, str]]:
    """The commands that the node has published, once there are any."""
    side, deadline = DashboardSide(folder), time.monotonic() + 20
    while time.monotonic() < deadline:
        told = [event for event in side.read().events if isinstance(event, OperatorCommand)]
        if told:
            return [(command.action, str(command.instrument_id)) for command in told]
        time.sleep(0.1)
    return []


def flatten(browser: Any) -> None:
    """Ask for it as somebody would: button, token, yes."""
    browser.find_element("css selector", "[data-command=flatten]").click()
    until(browser, "return document.getElementById('confirm').open")
    browser.find_element("id", "token").send_keys(TOKEN)
    browser.find_element("css selector", "#confirm-form .danger").click()
    until(browser, "return !document.getElementById('confirm').open")


def assert_a_recount(shown: list[dict[str, Any]], trades: list[dict[str, Any]]) -> None:
    """Bars are what the messages of the venue say, in decimals."""
    by_bar: dict[int, list[dict[str, Any]]] = {}
    for trade in trades:
        by_bar.setdefault(trade["T"] // (BAR * 1000) * BAR * 1000, []).append(trade)
    assert [bar["time"] for bar in shown] == sorted(by_bar)
    for bar in shown:
        own = by_bar[bar["time"]]
        prices = [Decimal(trade["p"]) for trade in own]
        sizes = [Decimal(trade["q"]) * (-1 if trade["m"] else 1) for trade in own]
        recount = [
            prices[0],
            max(prices),
            min(prices),
            prices[-1],
            sum(map(abs, sizes)),
            sum(sizes),
        ]
        told = json.loads(json.dumps([bar[k] for k in FACTS]), parse_float=Decimal)
        assert [Decimal(value) for value in told] == recount


FACTS = ("open", "high", "low", "close", "volume", "delta")
