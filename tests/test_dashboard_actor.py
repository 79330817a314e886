"""What the actor tells the channel is what the node saw: its trades, its books, its journal."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from nautilus_trader.model.data import BookOrder, OrderBookDelta, OrderBookDeltas
from nautilus_trader.model.enums import BookAction, OrderSide, RecordFlag
from nautilus_trader.model.objects import Price, Quantity

from of_nautilus.core.ticks import steps_of
from of_nautilus.dashboard.actor import MOST_WAITING, DashboardFeed, _Book
from of_nautilus.dashboard.channel import DashboardSide, Told
from of_nautilus.dashboard.config import DashboardFeedConfig
from of_nautilus.data import FootprintBar, PatternSignal, SessionRoll
from of_nautilus.demo import DemoConfig, DemoMarket, generate
from of_nautilus.demo.catalog import write_catalog
from of_nautilus.journal import read_journal
from tests.market import backtest, demo_components, journal
from tests.report_catalog import INSTRUMENT

MARKET = "DEMO-PERP.SIM"
MS = 10**6


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


class Side:
    """What a node writes to, as far as books go."""

    def __init__(self) -> None:
        self.books: list[tuple[int, list[int]]] = []

    def book(self, number: int, ts: int, levels: Any) -> None:
        self.books.append((ts, levels[:, 0, 0].tolist()))

    def asked(self, now: int) -> None:
        return None


class Feed(DashboardFeed):
    """One without a node, at a time that is set."""

    now = 0

    def __init__(self, config: DashboardFeedConfig) -> None:
        super().__init__(config)
        self._side = self.told = Side()
        self._books = {INSTRUMENT.id: _Book(INSTRUMENT)}

    @property
    def clock(self) -> Any:
        return SimpleNamespace(timestamp_ns=lambda: self.now)


@pytest.fixture
def feed() -> Feed:
    return Feed(DashboardFeedConfig(instrument_ids=(INSTRUMENT.id,), folder="-", book_ms=250))


def deltas(ts: int, *rows: tuple[int, str, float], flag: int = RecordFlag.F_LAST) -> Any:
    """A message: lots, side and price of each row; a snapshot by its flag."""
    made = []
    for lots, side, price in rows:
        order = BookOrder(OrderSide[side], Price(price, 1), Quantity(lots / 1000, 3), 0)
        action = BookAction.UPDATE if lots else BookAction.DELETE
        made.append(OrderBookDelta(INSTRUMENT.id, action, order, flag, 0, ts, ts))
    if flag & RecordFlag.F_SNAPSHOT:
        made.insert(0, OrderBookDelta.clear(INSTRUMENT.id, 0, ts, ts))
    return OrderBookDeltas(INSTRUMENT.id, made)


LEVELS = (5, "BUY", 99.9), (5, "BUY", 100.0), (5, "SELL", 100.1), (5, "SELL", 100.2)
WHOLE = RecordFlag.F_SNAPSHOT | RecordFlag.F_LAST


def test_the_last_change_before_a_silence_is_told(feed: Feed) -> None:
    feed.on_order_book_deltas(deltas(10**9, *LEVELS, flag=WHOLE))
    feed.on_order_book_deltas(deltas(10**9 + 60 * MS, (0, "SELL", 100.1)))
    feed.on_order_book_deltas(deltas(10**9 + 61 * MS, (7, "BUY", 100.1)))
    assert feed.told.books == [(10**9, [1000, 1001])]
    for feed.now in (10**9 + 249 * MS, 10**9 + 500 * MS, 10**9 + 2_000 * MS):
        feed._look()
    assert feed.told.books[1:] == [(10**9 + 250 * MS, [1001, 1002])]


def test_a_change_that_waits_is_told_before_the_next(feed: Feed) -> None:
    """In a backtest no timer looks."""
    feed.on_order_book_deltas(deltas(10**9, *LEVELS, flag=WHOLE))
    feed.on_order_book_deltas(deltas(10**9 + 60 * MS, (0, "SELL", 100.1)))
    feed.on_order_book_deltas(deltas(9 * 10**9, (0, "BUY", 100.0)))
    assert feed.told.books[1:] == [
        (10**9 + 250 * MS, [1000, 1002]),
        (9 * 10**9, [999, 1002]),
    ]


def test_a_feed_that_marks_no_last_row_has_a_book(feed: Feed) -> None:
    feed.on_order_book_deltas(deltas(10**9, *LEVELS, flag=RecordFlag.F_SNAPSHOT))
    feed.on_order_book_deltas(deltas(2 * 10**9, (0, "SELL", 100.1), flag=0))
    assert feed.told.books == [(10**9, [1000, 1001]), (2 * 10**9, [1000, 1002])]
    # Without a snapshot there is none, and what waits for it does not grow for good.
    book = feed._books[INSTRUMENT.id] = _Book(INSTRUMENT)
    message = deltas(3 * 10**9, *LEVELS * 250, flag=0)
    for _ in range(2 * MOST_WAITING // 1_000):
        feed.on_order_book_deltas(message)
        assert book._rows.count < MOST_WAITING
    assert len(feed.told.books) == 2
