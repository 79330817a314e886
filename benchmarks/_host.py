"""The floor: what the host itself costs, and runs of it that benchmarks share."""

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.backtest.models import MakerTakerFeeModel
from nautilus_trader.config import BacktestEngineConfig, LoggingConfig, StrategyConfig
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import (
    BookOrder,
    OrderBookDelta,
    OrderBookDeltas,
    TradeTick,
)
from nautilus_trader.model.enums import (
    AccountType,
    AggressorSide,
    BookAction,
    BookType,
    OmsType,
    OrderSide,
)
from nautilus_trader.model.identifiers import InstrumentId, TradeId, Venue
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

from of_nautilus.demo import DemoConfig, DemoMarket, generate
from of_nautilus.ingest.instruments import perpetual

TICK, LOT = Decimal("0.1"), Decimal("0.001")
INSTRUMENT = perpetual("DEMO-PERP.SIM", "BTC", "USDT", "0.1", "0.001")
ROUNDS = 5


class IdleConfig(StrategyConfig, frozen=True):  # type: ignore[misc, call-arg]
    """`book`: whether to subscribe to the book, else to trades."""

    instrument_id: InstrumentId
    book: bool = False


class Idle(Strategy):  # type: ignore[misc]
    """Subscribes, and does nothing."""

    def on_start(self) -> None:
        if self.config.book:
            self.subscribe_order_book_deltas(self.config.instrument_id, BookType.L2_MBP)
        else:
            self.subscribe_trade_ticks(self.config.instrument_id)

    def on_trade_tick(self, tick: TradeTick) -> None:
        pass

    def on_order_book_deltas(self, deltas: OrderBookDeltas) -> None:
        pass


@cache
def market(sessions: int = 4) -> DemoMarket:
    """The demo market that benchmarks run on."""
    return generate(DemoConfig(sessions=sessions))


@cache
def trades() -> list[TradeTick]:
    """The market's trades as the host's objects."""
    tape = market().trades
    sides = {1: AggressorSide.BUYER, -1: AggressorSide.SELLER}
    return [
        TradeTick(
            INSTRUMENT.id,
            Price(price * TICK, 1),
            Quantity(size * LOT, 3),
            sides[side],
            TradeId(str(number)),
            ts,
            ts,
        )
        for ts, price, size, side, number in zip(
            tape.ts.tolist(),
            tape.price.tolist(),
            tape.size.tolist(),
            tape.side.tolist(),
            tape.trade_id.tolist(),
            strict=True,
        )
    ]


@cache
def deltas(batches: int = 1) -> list[OrderBookDelta]:
    """The market's book changes as the host's objects, so many of its batches to a message.

    A batch of the demo market is what one order did, about two changes. A venue's depth feed sends
    what happened in 100 ms: the recorded one has 68 changes a message.
    """
    book = market().deltas
    sides = {0: OrderSide.NO_ORDER_SIDE, 1: OrderSide.BUY, -1: OrderSide.SELL}
    columns = book.ts, book.action, book.side, book.price, book.size, book.sequence, book.last
    made = []
    for ts, action, side, price, size, sequence, last in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        order = BookOrder(sides[side], Price(price * TICK, 1), Quantity(size * LOT, 3), 0)
        message = sequence // batches
        ends = last and (sequence + 1) // batches > message
        flags = 128 if ends else 0
        made.append(
            OrderBookDelta(INSTRUMENT.id, BookAction(action), order, flags, message, ts, ts)
        )
    return made


def seconds(components: Sequence[Any], data: list[Any], *, book: bool = False) -> float:
    """Return the processor time that the host takes to run `data` past actors and strategies."""
    engine = BacktestEngine(
        BacktestEngineConfig(
            logging=LoggingConfig(bypass_logging=True),
        )
    )
    engine.add_venue(
        venue=Venue("SIM"),
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        starting_balances=[Money(1_000_000, USDT)],
        fee_model=MakerTakerFeeModel(),
        book_type=BookType.L2_MBP if book else BookType.L1_MBP,
    )
    engine.add_instrument(INSTRUMENT)
    engine.add_data(data)
    for component in components:
        if isinstance(component, Strategy):
            engine.add_strategy(component)
        else:
            engine.add_actor(component)
    gc.collect()
    begin = time.process_time()
    engine.run()
    took = time.process_time() - begin
    engine.dispose()
    return took


def idle(*, book: bool = False) -> Idle:
    """Return the strategy that does nothing."""
    return Idle(IdleConfig(instrument_id=INSTRUMENT.id, book=book))


def ratio(
    components: Callable[[], Sequence[Any]], data: list[Any], *, book: bool = False
) -> tuple[float, float]:
    """Return the time of some components over the floor's, in turn, and the floor's in ns an event.

    The median over the rounds of the ratio pair by pair: it holds when the machine's speed drifts.
    """
    pairs = []
    for _ in range(ROUNDS):
        floor = seconds([idle(book=book)], data, book=book)
        pairs.append((seconds(components(), data, book=book) / floor, floor))
    return (
        statistics.median(pair[0] for pair in pairs),
        statistics.median(pair[1] for pair in pairs) / len(data) * 1e9,
    )
