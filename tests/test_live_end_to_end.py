"""A trade from entry to exit through the host's adapters, and the same in a backtest.

The patterns are shown at certain trades of the recording; all else is real: the strategy, its
orders, the adapters, the venue's matching against the recorded market.
"""

import json
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from of_nautilus.backtest import load_run_configs, run_backtest
from of_nautilus.data import ClosedTrade, EntryDecision, JournalNote, TradeTransition
from of_nautilus.journal import read_journal
from tests.market import CONFIGS, ingested, journal
from tests.venues.binance import BinanceDouble
from tests.venues.bybit import BybitDouble
from tests.venues.plan import plan
from tests.venues.replay import node_config, running_node, wait_for
from tests.venues.session import Session, read_session

pytestmark = pytest.mark.slow
DOUBLES = {"binance": BinanceDouble, "bybit": BybitDouble}
LAST = 2_600
# Long at 61,800.2; break-even after a rise of 9 dollars, trailing after 39 with the stop ten
# dollars behind, which is hit seconds later. Then short at 61,839.8, break-even, out at 61,808.8
# because of an exhaustion.
STEPS = [
    (304, "absorption", 1, 5),
    (754, "initiative", 1, 5),
    (1_054, "initiative", 1, 100),
    (2_254, "absorption", -1, 5),
    (2_404, "initiative", -1, 5),
    (2_554, "exhaustion", 1, 5),
]
TRADE = {
    "rules": "source",
    "risk": {"stops": "percent", "sizing": "fixed", "fixed_qty": 10, "max_cost_r": None},
    "gate": {"cooldown_ns": 0},
}
# What a journal says of a trade, but for its times: the venue's clock is not the recording's.
COLUMNS: dict[type[Any], list[str]] = {
    TradeTransition: ["source", "target", "event", "reason"],
    EntryDecision: ["decision", "side", "price", "entry", "stop", "target", "quantity", "score"],
    ClosedTrade: [
        *("side", "entry", "exit", "bought_sum", "sold_sum", "reason", "phase"),
        *("first_stop", "last_stop", "target", "slippage"),
    ],
    JournalNote: ["what", "reason", "alarm", "numbers"],
}


@pytest.fixture(scope="module")
def file(real_data: Path) -> Path:
    return real_data / "binance" / "usdm_btcusdt_20240808.gz"


@pytest.fixture(scope="module")
def session(file: Path) -> Session:
    whole = read_session(file, order="event_time")
    return whole.first(whole.index("trade", LAST))


def steps(session: Session) -> list[tuple[int, str, int, int]]:
    numbers = [trade["t"] for trade in session.of("trade")]
    return [(numbers[place], *rest) for place, *rest in STEPS]


def strategy(market: str) -> dict[str, Any]:
    config = {"instrument_id": market, "order_id_tag": "001", "trade": TRADE}
    return {
        "strategy_path": "of_nautilus.strategy:OrderFlowStrategy",
        "config_path": "of_nautilus.config:OrderFlowStrategyConfig",
        "config": config | {"external_order_claims": [market]},
    }


def told(catalog: Path) -> dict[str, pd.DataFrame]:
    return {kind.__name__: read_journal(catalog, kind)[names] for kind, names in COLUMNS.items()}


@pytest.fixture(scope="module")
def tested(file: Path, session: Session, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the journal of a backtest says: orders arrive at once, as nothing moves meanwhile."""
    folder = tmp_path_factory.mktemp("tested")
    market = BinanceDouble(session).instrument_id
    catalog = ingested([file], market, folder / "catalog")
    (config,) = json.loads((CONFIGS / "demo_backtest.json").read_text())
    venue = config["venues"][0]
    venue |= {"name": "BINANCE", "queue_position": False}
    del venue["latency_model"]
    for data in config["data"]:
        data |= {"catalog_path": str(catalog), "instrument_id": market}
    actors = [journal(folder / "journal", market), plan(market, steps(session))]
    config["engine"] |= {"actors": actors, "strategies": [strategy(market)]}
    end = pd.Timestamp(session.events[-1].time_ms, unit="ms", tz="UTC")
    (folder / "run.json").write_text(json.dumps([config | {"end": end.isoformat()}]))
    (loaded,) = load_run_configs(folder / "run.json")
    run_backtest(loaded)
    return told(folder / "journal")


@pytest.fixture(scope="module", params=DOUBLES)
def lived(
    request: pytest.FixtureRequest, session: Session, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, pd.DataFrame], Any]:
    """What the journal of a live node says, and the double with all that happened there."""
    folder = tmp_path_factory.mktemp(request.param)
    moved = session.moved(int(time.time() * 1000) - session.events[0].time_ms)
    double = DOUBLES[request.param](moved)
    double.needs |= {"user"}
    double.feed.in_step = True
    market = double.instrument_id
    actors = [journal(folder / "journal", market), plan(market, steps(session))]
    with double:
        config = node_config(f"live_{request.param}.json", double, actors, [strategy(market)])
        with running_node(double, config) as node:
            wait_for(double, node, 240)
            node.stop()
            (folder / "node.log").write_text(node.log)
    assert double.unhandled == []
    return told(folder / "journal"), double


def test_entry_stop_target_break_even_trail_exit(lived) -> None:
    journal_of_it, double = lived
    kinds = [(order.kind, order.side) for order in double.exchange.orders.values()]
    assert kinds[0] == ("MARKET", 1)
    assert kinds.count(("STOP", -1)) == 3
    assert ("LIMIT", -1) in kinds
    long = [o for o in double.exchange.orders.values() if o.kind == "STOP" and o.side < 0]
    stops = [float(order.trigger) for order in long]
    entry = float(double.exchange.fills[0].price)
    # Break-even, then ten dollars behind the price: never loosened.
    assert stops == sorted(stops)
    assert stops[0] < entry == stops[1]
    assert [order.status for order in long] == ["CANCELED", "CANCELED", "FILLED"]
    assert double.exchange.position == 0
    assert double.exchange.open_orders() == []
    phases = [row.target for row in journal_of_it["TradeTransition"].itertuples()]
    wanted = ["POSITION_OPEN", "BREAK_EVEN", "TRAILING", "CLOSED"]
    assert [phase for phase in phases if phase in wanted] == [
        *("POSITION_OPEN", "BREAK_EVEN", "TRAILING", "CLOSED"),
        *("POSITION_OPEN", "BREAK_EVEN", "CLOSED"),
    ]
    first, second = journal_of_it["ClosedTrade"].itertuples()
    assert (first.side, first.reason) == (1, "stop")
    assert first.exit > first.entry
    assert (second.side, second.reason) == (-1, "exhaustion")
    assert second.exit < second.entry


def test_the_journal_is_that_of_the_backtest(lived, tested) -> None:
    journal_of_it, double = lived
    for name, table in tested.items():
        mine = journal_of_it[name]
        assert len(table), name
        if name == "ClosedTrade":
            # A stop fills at the trade that triggers it in a backtest, and in the book that this
            # trade met at the double, whose next change is yet to be told: as the double says.
            stopped = table["reason"] == "stop"
            assert abs(mine["exit"][stopped] - table["exit"][stopped]).max() < 50
            stops = [fill for fill in double.exchange.fills if fill.order.kind == "STOP"]
            paid = sum(fill.price * 10 * fill.size * 1000 for fill in stops)
            assert mine["sold_sum"][stopped].tolist() == [paid]
            fills = ["exit", "sold_sum"]
            mine, table = mine.copy(), table.copy()
            mine.loc[stopped, fills] = table.loc[stopped, fills] = 0
        pd.testing.assert_frame_equal(mine, table, obj=name)
