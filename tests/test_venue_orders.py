"""A scripted trade through the host's adapters and the doubles' matching."""

from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from nautilus_trader.adapters.binance.execution import BinanceCommonExecutionClient
from nautilus_trader.model.identifiers import InstrumentId

from tests.venues.binance import BinanceDouble
from tests.venues.bybit import BybitDouble
from tests.venues.double import VenueDouble
from tests.venues.replay import Components, node_config, replay_live, running_node, wait_for
from tests.venues.session import Session, read_session
from tests.venues.trader import trader

pytestmark = pytest.mark.slow
INSTRUMENTS = {"binance": "BTCUSDT-PERP.BINANCE", "bybit": "BTCUSDT-LINEAR.BYBIT"}
STOPPED = {"OF-E": "FILLED", "OF-S1": "CANCELED", "OF-S2": "FILLED", "OF-T": "CANCELED"}


@pytest.fixture(scope="module")
def session(real_data: Path) -> Session:
    whole = read_session(real_data / "binance" / "usdm_btcusdt_20240808.gz")
    return whole.first(whole.index("trade", 7_000))


@pytest.fixture(params=INSTRUMENTS)
def venue(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def double(venue: str, session: Session, speed: float | None = None) -> VenueDouble:
    """Without a speed the market waits for what the node does about each trade."""
    made = {"binance": BinanceDouble, "bybit": BybitDouble}[venue](session, speed=speed)
    made.needs |= {"user"}
    made.feed.in_step = speed is None
    return made


def trade(venue: str, at: VenueDouble, strategies: Components) -> dict[str, Any]:
    config = node_config(f"live_{venue}.json", at, strategies=strategies)
    with running_node(at, config) as node:
        wait_for(at, node, 150)
        (captured,) = node.stop().values()
    assert at.unhandled == []
    return captured


def test_the_stop_is_replaced_and_triggers_the_target_is_amended_and_canceled(
    session: Session, venue: str
) -> None:
    script = trader(INSTRUMENTS[venue], replace_after=300, target=200, amended_target=180)
    with double(venue, session.first(session.index("trade", 4_200)), 20) as at:
        got = trade(venue, at, [script])
        position, fills = at.exchange.position, list(at.exchange.fills)
    events = got["events"]
    place = {name: events.index(("OrderAccepted", name)) for name in ("S1", "T", "S2")}
    assert events.index(("OrderFilled", "E")) < place["S1"] < place["S2"]
    assert place["S2"] < events.index(("OrderCanceled", "S1"))
    assert all(events.count(("OrderAccepted", name)) == 1 for name in ("E", "S1", "T"))
    # Binance accepts a stop once more when it is triggered: told only if it comes before the fill.
    assert events.count(("OrderAccepted", "S2")) <= 2
    assert ("OrderUpdated", "T") in events
    assert got["orders"] == STOPPED
    assert got["position"] == position == 0
    assert got["fills"] == [(f.order.client_id, f.size, f.price) for f in fills]
    stop_price = got["entry"] - 10
    # The book that fills the stop may be a few milliseconds older than the print that set it off.
    assert all(abs(price - stop_price) < 5 for name, _, price in got["fills"] if name == "OF-S2")


def test_a_short_reaches_its_target_and_the_stop_is_canceled(session: Session, venue: str) -> None:
    with double(venue, session) as at:
        got = trade(venue, at, [trader(INSTRUMENTS[venue], side=-1, stop=60, target=100)])
        fills = list(at.exchange.fills)
    assert got["orders"] == {"OF-E": "FILLED", "OF-S1": "CANCELED", "OF-T": "FILLED"}
    assert got["position"] == 0
    assert {fill.maker for fill in fills if fill.order.client_id == "OF-T"} == {True}
    target = got["entry"] - 100
    assert {price for name, _, price in got["fills"] if name == "OF-T"} == {target}


def test_paper_execution_takes_the_same_script(session: Session, venue: str) -> None:
    session = session.first(session.index("trade", 4_200))
    script = trader(INSTRUMENTS[venue], replace_after=300, target=200, amended_target=180)
    result = replay_live(session, [], [script], venue=venue, in_step=True)
    (got,) = result.captured.values()
    assert got["orders"] == STOPPED
    assert got["position"] == 0


def test_the_hosts_own_execution_still_needs_our_mending() -> None:
    """It asks for the instrument's name beside the venue's, and so for every fill twice.

    Once this fails, the host has mended it and our factory has nothing left to do.
    """
    position = SimpleNamespace(instrument_id=InstrumentId.from_str("BTCUSDT-PERP.BINANCE"))
    cache = SimpleNamespace(orders_open=lambda venue: [], positions_open=lambda venue: [position])
    client = SimpleNamespace(_cache=cache, venue=None)
    symbols = BinanceCommonExecutionClient._get_cache_active_symbols(client)
    assert symbols == {"BTCUSDT-PERP"}


def test_a_reconnect_of_binance_user_stream_opens_no_phantom_position(session: Session) -> None:
    session = session.first(session.index("trade", 2_000))
    with double("binance", session, 8) as at:
        script = trader(INSTRUMENTS["binance"], stop=90)
        config = node_config("live_binance.json", at, strategies=[script])
        at.feed.at(session.index("trade", 600), at.kick_users)
        with running_node(at, config) as node:
            wait_for(at, node, 40)
            (got,) = node.stop().values()
        assert at.exchange.position == Decimal("0.010")
    assert [name for name, _ in got["positions"] if "EXTERNAL" in name] == []
    assert got["position"] == Decimal("0.010")
