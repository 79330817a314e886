"""A scripted trade through the host's Binance adapter and the double's matching."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.venues.binance import BinanceDouble
from tests.venues.replay import Components, node_config, replay_live, running_node, wait_for
from tests.venues.session import Session, read_session
from tests.venues.trader import trader

pytestmark = pytest.mark.slow
INSTRUMENT = "BTCUSDT-PERP.BINANCE"
NEEDS = ("@aggTrade", "@depth", "user")


@pytest.fixture(scope="module")
def session(real_data: Path) -> Session:
    whole = read_session(real_data / "binance" / "usdm_btcusdt_20240808.gz")
    return whole.first(whole.index("trade", 7_000))


def trade(double: BinanceDouble, strategies: Components) -> dict[str, Any]:
    config = node_config("live_binance.json", double, strategies=strategies)
    with running_node(double, config) as node:
        wait_for(double, node, 40)
        (captured,) = node.stop().values()
    assert double.unhandled == []
    return captured


def accepted(events: list[tuple[str, str]], name: str) -> int:
    return events.index(("OrderAccepted", name))


def test_stop_is_replaced_and_triggers_target_is_amended_and_canceled(session: Session) -> None:
    session = session.first(session.index("trade", 4_200))
    with BinanceDouble(session, speed=40, needs=NEEDS) as double:
        got = trade(double, [trader(INSTRUMENT, replace_after=300, target=200, amended_target=180)])
        position = double.exchange.position
    events = got["events"]
    assert events.index(("OrderFilled", "E")) < accepted(events, "S1") < accepted(events, "S2")
    assert accepted(events, "S2") < events.index(("OrderCanceled", "S1"))
    assert events.count(("OrderAccepted", "S1")) == events.count(("OrderAccepted", "T")) == 1
    assert ("OrderUpdated", "T") in events
    assert got["orders"] == {
        "OF-E": "FILLED",
        "OF-S1": "CANCELED",
        "OF-S2": "FILLED",
        "OF-T": "CANCELED",
    }
    assert got["position"] == position == 0
    stop_price = got["entry"] - 10
    fills = [(size, price) for order, size, price in got["fills"] if order == "OF-S2"]
    assert sum(size for size, _ in fills) == Decimal("0.010")
    # The book that fills the stop may be a few milliseconds older than the print that set it off.
    assert all(abs(price - stop_price) < 5 for _, price in fills)


def test_short_reaches_its_target_and_the_stop_is_canceled(session: Session) -> None:
    with BinanceDouble(session, speed=60, needs=NEEDS) as double:
        got = trade(double, [trader(INSTRUMENT, side=-1, stop=60, target=100)])
        fills = list(double.exchange.fills)
    assert got["orders"] == {"OF-E": "FILLED", "OF-S1": "CANCELED", "OF-T": "FILLED"}
    assert got["position"] == 0
    assert {fill.maker for fill in fills if fill.order.client_id == "OF-T"} == {True}
    target = got["entry"] - 100
    assert {price for order, _, price in got["fills"] if order == "OF-T"} == {target}


def test_paper_execution_takes_the_same_script(session: Session) -> None:
    session = session.first(session.index("trade", 4_200))
    result = replay_live(
        session,
        [],
        [trader(INSTRUMENT, replace_after=300, target=200, amended_target=180)],
        speed=40,
    )
    (got,) = result.captured.values()
    assert got["orders"] == {
        "OF-E": "FILLED",
        "OF-S1": "CANCELED",
        "OF-S2": "FILLED",
        "OF-T": "CANCELED",
    }
    assert got["position"] == 0


@pytest.mark.parametrize("factory", ["of_nautilus", "nautilus_trader"])
def test_a_reconnect_of_the_user_stream_opens_no_phantom_position(
    session: Session, factory: str
) -> None:
    """With the host's own factory it does: when that fails, ours has nothing left to mend."""
    session = session.first(session.index("trade", 2_000))
    with BinanceDouble(session, speed=8, needs=NEEDS) as double:
        config = node_config("live_binance.json", double, strategies=[trader(INSTRUMENT, stop=90)])
        if factory == "nautilus_trader":
            path = "tests.venues.factories:UnmendedBinanceExecFactory"
            config["exec_clients"]["BINANCE"]["factory"] = {"path": path}
        double.feed.at(session.index("trade", 600), double.kick_users)
        with running_node(double, config) as node:
            wait_for(double, node, 40)
            (got,) = node.stop().values()
    phantoms = [name for name, _ in got["positions"] if "EXTERNAL" in name]
    assert (phantoms == []) == (factory == "of_nautilus"), got["positions"]
    assert got["position"] == Decimal("0.010") or factory == "nautilus_trader"
