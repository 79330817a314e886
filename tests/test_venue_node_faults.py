"""What the host's adapters make of the faults: the ground that the guards stand on."""

import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.venues.binance import BinanceDouble
from tests.venues.bybit import BybitDouble
from tests.venues.components import recorder
from tests.venues.double import VenueDouble
from tests.venues.replay import node_config, running_node, wait_for
from tests.venues.session import Session, read_session
from tests.venues.trader import trader

pytestmark = pytest.mark.slow
INSTRUMENTS = {"binance": "BTCUSDT-PERP.BINANCE", "bybit": "BTCUSDT-LINEAR.BYBIT"}


@pytest.fixture(scope="module")
def session(real_data: Path) -> Session:
    whole = read_session(real_data / "binance" / "usdm_btcusdt_20240808.gz")
    return whole.first(whole.index("trade", 1_500))


@pytest.fixture(params=INSTRUMENTS)
def venue(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def double(venue: str, session: Session, speed: float | None, *needs: str) -> VenueDouble:
    made = {"binance": BinanceDouble, "bybit": BybitDouble}[venue](session, speed=speed)
    made.needs |= set(needs)
    return made


def until(condition: Callable[[], Any], timeout_s: float = 20.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def test_kicked_market_sockets_come_back_and_the_book_is_rebuilt(
    session: Session, venue: str
) -> None:
    with double(venue, session, None) as at:
        kicked = session.index("trade", 500)
        at.feed.at(kicked, at.kick_market)
        at.feed.at(kicked + 200, at.until_subscribed, at.rest)
        config = node_config(f"paper_{venue}.json", at, [recorder(INSTRUMENTS[venue])])
        with running_node(at, config) as node:
            wait_for(at, node, 40)
            (rows,) = node.stop().values()
        best = at.exchange.book.top(1, 1)[0], at.exchange.book.top(-1, 1)[0]
    trades = rows["number"][rows["kind"] == 0].tolist()
    recorded = [trade["t"] for trade in session.of("trade")]
    missing = sorted(set(recorded) - set(trades))
    assert trades == [number for number in recorded if number not in set(missing)]
    assert missing
    assert missing == recorded[500 : 500 + len(missing)]
    assert np.count_nonzero(rows["action"] == 4) >= 2, "no second snapshot"
    assert top_of(rows) == tuple((units(p), units(q)) for p, q in best)


def units(text: str) -> int:
    return int(Decimal(text) * 10**8)


def top_of(rows: dict[str, np.ndarray]) -> tuple[tuple[int, int], ...]:
    sides: dict[int, dict[int, int]] = {1: {}, -1: {}}
    for kind, side, price, size, action in zip(
        *(rows[name].tolist() for name in ("kind", "side", "price", "size", "action")), strict=True
    ):
        if action == 4:
            sides = {1: {}, -1: {}}
        elif kind == 1 and size:
            sides[side][price] = size
        elif kind == 1:
            sides[side].pop(price, None)
    bid, ask = max(sides[1]), min(sides[-1])
    return (bid, sides[1][bid]), (ask, sides[-1][ask])


def test_a_half_filled_entry_whose_rest_is_filled_unheard_is_learned_after_the_reconnect(
    session: Session, venue: str
) -> None:
    with double(venue, session, 6, "user") as at:
        at.faults.partial_then_gone = True
        script = trader(INSTRUMENTS[venue], enter_after=20, stop=90)
        config = node_config(f"live_{venue}.json", at, strategies=[script])
        config["exec_engine"] |= {
            "open_check_interval_secs": 1.0,
            "open_check_threshold_ms": 500,
            "reconciliation_startup_delay_secs": 1.0,
            "position_check_interval_secs": 1.0,
            "position_check_threshold_ms": 500,
        }
        with running_node(at, config) as node:
            wait_for(at, node, 40)
            captured = node.stop()
            log = node.log
        (got,) = captured.values()
        print(got["events"], got["positions"], got["fills"])
        assert at.exchange.position == Decimal("0.010")
    assert got["orders"]["OF-E"] == "FILLED", log[-3000:]
    assert got["position"] == Decimal("0.010")


def test_a_killed_node_finds_its_position_and_stop_again(session: Session, venue: str) -> None:
    with double(venue, session, 6, "user") as at:
        script = trader(
            INSTRUMENTS[venue],
            enter_after=20,
            stop=90,
            external_order_claims=[INSTRUMENTS[venue]],
        )
        config = node_config(f"live_{venue}.json", at, strategies=[script])
        with running_node(at, config) as node:
            until(lambda: any(o.kind == "STOP" for o in at.exchange.open_orders()))
            node.kill()
        at.feed.pause()
        config["strategies"][0]["config"]["enter_after"] = 10**9
        with running_node(at, config) as node:
            until(lambda: at.is_ready())
            at.feed.resume()
            wait_for(at, node, 40)
            (got,) = node.stop().values()
        assert at.exchange.position == Decimal("0.010")
    assert got["position"] == Decimal("0.010")
    assert got["orders"]["OF-S1"] == "ACCEPTED"
