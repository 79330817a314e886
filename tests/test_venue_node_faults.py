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
from tests.venues.replay import Node, node_config, running_node, wait_for
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


def until(condition: Callable[[], Any], timeout_s: float = 60.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def test_kicked_market_sockets_come_back_and_the_book_is_rebuilt(
    session: Session, venue: str
) -> None:
    with double(venue, session, None) as at:
        kicked = session.index("trade", 500)
        at.feed.at(kicked, at.caught_up, at.kick_market)
        at.feed.at(kicked + 200, at.until_subscribed, at.rest)
        config = node_config(f"paper_{venue}.json", at, [recorder(INSTRUMENTS[venue])])
        with running_node(at, config) as node:
            wait_for(at, node, 150)
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


def told(node: Node, event: str, order: str = "") -> int:
    """How many events of a kind the node's log has, of one order or of all."""
    lines = [line for line in node.log.splitlines() if f"<--[EVT] {event}(" in line]
    return sum(f"client_order_id=OF-{order}" in line for line in lines) if order else len(lines)


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


# The fault, its switch and setting, and how many fills the node hears of in the end.
FAULTS = [
    pytest.param("partial_then_gone", True, 2, id="half a fill, the rest while disconnected"),
    pytest.param("lost_fills", 1, 1, id="a fill that is never told"),
    pytest.param("repeated_fills", 1, 1, id="a fill told twice"),
    pytest.param("lost_answers", 1, 1, id="an entry without an answer"),
]


@pytest.mark.parametrize(("switch", "setting", "fills"), FAULTS)
def test_the_node_learns_of_its_fill_and_the_stop_rests(
    session: Session, venue: str, switch: str, setting: int, fills: int
) -> None:
    with double(venue, session, 1, "user") as at:
        setattr(at.faults, switch, setting)
        script = trader(INSTRUMENTS[venue], enter_after=20, stop=90)
        config = node_config(f"live_{venue}.json", at, strategies=[script], quick_checks=True)
        with running_node(at, config) as node:
            until(lambda: told(node, "OrderFilled") == fills and told(node, "OrderAccepted", "S1"))
            (got,) = node.stop().values()
        (stop,) = at.exchange.open_orders()
        assert (stop.client_id, stop.size) == ("OF-S1", Decimal("0.010"))
        assert at.exchange.position == Decimal("0.010")
    assert got["orders"] == {"OF-E": "FILLED", "OF-S1": "ACCEPTED"}
    assert sum(size for name, size, _ in got["fills"] if name == "OF-E") == Decimal("0.010")
    assert got["position"] == Decimal("0.010")


def test_a_refused_stop_is_told_and_the_position_can_be_closed(
    session: Session, venue: str
) -> None:
    with double(venue, session, 1, "user") as at:
        at.faults.refused_stops = 1
        script = trader(INSTRUMENTS[venue], enter_after=20, stop=90)
        config = node_config(f"live_{venue}.json", at, strategies=[script], quick_checks=True)
        with running_node(at, config) as node:
            until(lambda: told(node, "OrderFilled") == 2)
            (got,) = node.stop().values()
        assert at.exchange.position == 0
    assert got["orders"]["OF-S1"] == "REJECTED"
    assert got["position"] == 0


def test_a_stop_that_the_venue_cancels_is_told(session: Session, venue: str) -> None:
    with double(venue, session, 1, "user") as at:
        script = trader(INSTRUMENTS[venue], enter_after=20, stop=90)
        config = node_config(f"live_{venue}.json", at, strategies=[script], quick_checks=True)
        with running_node(at, config) as node:
            until(lambda: told(node, "OrderAccepted", "S1"))
            at.call(at.cancel_stops())
            until(lambda: told(node, "OrderCanceled", "S1"))
            (got,) = node.stop().values()
    assert got["orders"] == {"OF-E": "FILLED", "OF-S1": "CANCELED"}
