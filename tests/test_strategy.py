"""The strategy in the host's backtest: the spread that its costs are reckoned with."""

from decimal import Decimal
from typing import Any

import pytest
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import BookOrder, OrderBookDelta, OrderBookDeltas, TradeTick
from nautilus_trader.model.enums import (
    AccountType,
    AggressorSide,
    BookAction,
    BookType,
    OmsType,
    OrderSide,
    RecordFlag,
)
from nautilus_trader.model.identifiers import TradeId
from nautilus_trader.model.objects import Money
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from of_nautilus.config import OrderFlowStrategyConfig
from of_nautilus.decision.risk import RiskConfig
from of_nautilus.decision.settings import TradeConfig
from of_nautilus.strategy import OrderFlowStrategy

MARKET = TestInstrumentProvider.btcusdt_perp_binance()
SECOND = 1_000_000_000


class Watching(OrderFlowStrategy):
    """Notes the spread at each trade."""

    def on_start(self) -> None:
        super().on_start()
        self.spreads: list[float] = []

    def on_trade_tick(self, tick: TradeTick) -> None:
        super().on_trade_tick(tick)
        self.spreads.append(self._spread())


def quote(ts: int, bid: str, ask: str) -> OrderBookDeltas:
    """A snapshot of a book with one price a side."""
    rows = [OrderBookDelta.clear(MARKET.id, 0, ts, ts)]
    for side, price in ((OrderSide.BUY, bid), (OrderSide.SELL, ask)):
        order = BookOrder(side, MARKET.make_price(Decimal(price)), MARKET.make_qty(1), 0)
        flags = RecordFlag.F_LAST if side == OrderSide.SELL else 0
        rows.append(OrderBookDelta(MARKET.id, BookAction.ADD, order, flags, 0, ts, ts))
    return OrderBookDeltas(MARKET.id, rows)


def trade(ts: int) -> TradeTick:
    price, size = MARKET.make_price(60_000), MARKET.make_qty(1)
    return TradeTick(MARKET.id, price, size, AggressorSide.BUYER, TradeId(str(ts)), ts, ts)


@pytest.mark.parametrize(("book", "spreads"), [(True, [2.5, 7.0, 1.0]), (False, [2.5] * 3)])
def test_costs_know_the_books_spread(book: bool, spreads: list[float]) -> None:
    quiet = LoggingConfig(bypass_logging=True)
    engine = BacktestEngine(BacktestEngineConfig(logging=quiet, run_analysis=False))
    money: Any = [Money(1_000_000, USDT)]
    engine.add_venue(
        MARKET.venue, OmsType.NETTING, AccountType.MARGIN, money, book_type=BookType.L2_MBP
    )
    engine.add_instrument(MARKET)
    strategy = Watching(
        OrderFlowStrategyConfig(
            instrument_id=MARKET.id,
            order_id_tag="001",
            trade=TradeConfig(risk=RiskConfig(spread_ticks=2.5)),
            book=book,
        )
    )
    engine.add_strategy(strategy)
    engine.add_data([trade(ts * SECOND) for ts in (1, 3, 5)])
    # A book that is crossed for a moment costs a tick all the same.
    crossed = quote(4 * SECOND, "60000.2", "60000.1")
    engine.add_data([quote(2 * SECOND, "60000.0", "60000.7"), crossed])
    engine.run()
    assert strategy.spreads == spreads
    engine.dispose()
