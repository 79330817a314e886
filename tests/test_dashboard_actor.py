"""What the actor tells the channel is what the node saw: its trades, its books, its journal."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from of_nautilus.core.ticks import steps_of
from of_nautilus.dashboard.channel import DashboardSide, Told
from of_nautilus.data import FootprintBar, PatternSignal, SessionRoll
from of_nautilus.demo import DemoConfig, DemoMarket, generate
from of_nautilus.demo.catalog import write_catalog
from of_nautilus.journal import read_journal
from tests.market import backtest, demo_components, journal

MARKET = "DEMO-PERP.SIM"


@pytest.fixture(scope="module")
def market() -> DemoMarket:
    return generate(DemoConfig(sessions=1))


@pytest.fixture(scope="module")
def told(market: DemoMarket, tmp_path_factory: pytest.TempPathFactory) -> tuple[Told, Path]:
    """All that a backtest over an hour or so of the demo has told, and its journal's catalog."""
    folder = tmp_path_factory.mktemp("told")
    write_catalog(market, folder / "catalog")
    flow, strategy = demo_components()
    actors: list[dict[str, Any]] = [
        journal(folder / "catalog", MARKET),
        {
            "actor_path": "of_nautilus.dashboard.actor:DashboardFeed",
            "config_path": "of_nautilus.dashboard.config:DashboardFeedConfig",
            "config": {
                "instrument_ids": [MARKET],
                "folder": str(folder / "channel"),
                "book_ms": 1_000,
            },
        },
        {
            "actor_path": "of_nautilus.actor:OrderFlowActor",
            "config_path": "of_nautilus.config:OrderFlowActorConfig",
            "config": flow,
        },
    ]
    strategies = [
        {
            "strategy_path": "of_nautilus.strategy:OrderFlowStrategy",
            "config_path": "of_nautilus.config:OrderFlowStrategyConfig",
            "config": strategy,
        }
    ]
    backtest(folder / "catalog", folder, MARKET, actors, strategies, end="2024-01-08T01:30:00Z")
    return DashboardSide(folder / "channel").read(), folder / "catalog"


def test_every_trade_is_told_exactly(market: DemoMarket, told: tuple[Told, Path]) -> None:
    trades = told[0].trades
    tape = market.trades
    count = len(trades)
    assert 1_000 < count < len(tape)
    np.testing.assert_array_equal(trades["ts"], tape.ts[:count])
    assert [steps_of(price, 0.1)[0] for price in trades["price"]] == tape.price[:count].tolist()
    assert [steps_of(size, 0.001)[0] for size in trades["size"]] == tape.size[:count].tolist()
    np.testing.assert_array_equal(trades["side"], tape.side[:count])
    assert trades["id"].astype(int).tolist() == tape.trade_id[:count].tolist()


def test_books_are_told_in_order_and_not_crossed(told: tuple[Told, Path]) -> None:
    books = told[0].books
    assert len(books) > 500
    assert np.all(np.diff(books["ts"]) >= 10**9)
    bids, asks = books["levels"][:, 0], books["levels"][:, 1]
    assert np.all(bids[:, 0, 0] < asks[:, 0, 0])
    shown = bids[:, :10]
    assert np.all(shown[:, :, 1] > 0)
    assert np.all(np.diff(shown[:, :, 0]) < 0)


def test_the_journal_is_told_word_for_word(told: tuple[Told, Path]) -> None:
    events, catalog = told[0].events, told[1]
    kinds = {type(data) for data in events}
    assert {FootprintBar, PatternSignal, SessionRoll} <= kinds
    for kind in kinds:
        ours = [data.ts_event for data in events if type(data) is kind]
        assert ours == read_journal(catalog, kind).ts_event.tolist(), kind
    bars = [data for data in events if isinstance(data, FootprintBar)]
    kept = read_journal(catalog, FootprintBar)
    assert [bar.cells for bar in bars] == kept.cells.tolist()
