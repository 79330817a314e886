"""A restart in the middle of a trade: the next process takes the trade up and ends it the same."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.backtest.models import MakerTakerFeeModel
from nautilus_trader.config import (
    BacktestEngineConfig,
    ImportableControllerConfig,
    LoggingConfig,
)
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import OrderBookDelta, TradeTick
from nautilus_trader.model.enums import AccountType, BookType, OmsType, OrderType
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from of_nautilus.actor import OrderFlowActor
from of_nautilus.config import OrderFlowActorConfig, OrderFlowStrategyConfig
from of_nautilus.demo import generate
from of_nautilus.demo.catalog import DEMO_ID, write_catalog
from of_nautilus.strategy import OrderFlowStrategy
from tests.market import demo_components

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The demo market's events, in the order in which a backtest sees them."""
    path: Path = tmp_path_factory.mktemp("demo")
    write_catalog(generate(), path)
    catalog = ParquetDataCatalog(str(path))
    trades = catalog.query(TradeTick, identifiers=[DEMO_ID])
    deltas = catalog.query(OrderBookDelta, identifiers=[DEMO_ID])
    return [catalog.instruments()[0], sorted([*trades, *deltas], key=lambda item: item.ts_init)]


def strategy() -> OrderFlowStrategy:
    _, config = demo_components()
    return OrderFlowStrategy(msgspec.convert(config, OrderFlowStrategyConfig, dec_hook=_hook))


def actor() -> OrderFlowActor:
    config, _ = demo_components()
    return OrderFlowActor(msgspec.convert(config, OrderFlowActorConfig, dec_hook=_hook))


def _hook(kind: type[Any], value: Any) -> Any:
    from nautilus_trader.config import msgspec_decoding_hook

    return msgspec_decoding_hook(kind, value)


def engine(instrument: Any) -> BacktestEngine:
    made = BacktestEngine(
        BacktestEngineConfig(
            logging=LoggingConfig(bypass_logging=True),
            # With a controller the host lets strategies come and go while it runs.
            controller=ImportableControllerConfig(
                controller_path="nautilus_trader.trading.controller:Controller",
                config_path="nautilus_trader.common.config:ActorConfig",
                config={},
            ),
        )
    )
    made.add_venue(
        venue=Venue("SIM"),
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        starting_balances=[Money(100_000, USDT)],
        fee_model=MakerTakerFeeModel(),
        book_type=BookType.L2_MBP,
    )
    made.add_instrument(instrument)
    made.add_actor(actor())
    made.add_strategy(strategy())
    return made


def told(trade: Any) -> tuple[Any, ...]:
    return (
        trade.opened,
        trade.closed,
        trade.side,
        trade.entry,
        trade.exit,
        trade.money,
        trade.reason,
    )


def feed(running: BacktestEngine, data: list[Any]) -> None:
    """Add each type of data by itself: the host looks at the first item only."""
    for kind in (TradeTick, OrderBookDelta):
        running.add_data([item for item in data if isinstance(item, kind)])


def restart(running: BacktestEngine, now: int) -> tuple[OrderFlowStrategy, OrderFlowStrategy]:
    """Put a new strategy in the place of the running one; return both."""
    (first,) = running.trader.strategies()
    saved = first.on_save()
    # What a kill leaves behind: the venue's position and orders, and the saved bytes.
    running.trader.remove_strategy(first.id)
    second = strategy()
    second.on_load(saved)
    running.trader.add_strategy(second)
    second.clock.set_time(now)
    running.trader.start_strategy(second.id)
    return first, second


def test_every_trade_survives_a_restart_in_its_middle(events) -> None:
    instrument, data = events
    straight = engine(instrument)
    feed(straight, data)
    straight.run()
    trades = list(straight.trader.strategies()[0].trades)
    straight.dispose()
    assert len(trades) >= 6
    halted, done, seen = engine(instrument), [], 0
    for trade in trades:
        middle = (trade.opened + trade.closed) // 2
        cut = next(i for i, item in enumerate(data) if item.ts_init > middle)
        halted.clear_data()
        feed(halted, data[seen:cut])
        halted.run(streaming=True)
        resting = {(o.client_order_id, o.leaves_qty) for o in halted.cache.orders_open()}
        sent = len(halted.cache.orders())
        first, second = restart(halted, data[cut - 1].ts_init)
        done += first.trades
        (position,) = halted.cache.positions_open()
        stops = [o for o in halted.cache.orders_open() if o.order_type == OrderType.STOP_MARKET]
        assert sum(o.leaves_qty for o in stops) == position.quantity
        assert second.manager.state.in_trade
        # Nothing was sent: what rests at the venue is still what the trade needs.
        assert len(halted.cache.orders()) == sent
        assert {(o.client_order_id, o.leaves_qty) for o in halted.cache.orders_open()} == resting
        seen = cut
    halted.clear_data()
    feed(halted, data[seen:])
    halted.run(streaming=True)
    (last,) = halted.trader.strategies()
    done += last.trades
    halted.end()
    halted.dispose()
    assert [told(trade) for trade in done] == [told(trade) for trade in trades]
