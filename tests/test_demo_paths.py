"""The demo's run walks every path of a trade, and its journal agrees with the host's own books."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from nautilus_trader.config import msgspec_decoding_hook
from nautilus_trader.model.enums import OrderSide, OrderType
from nautilus_trader.model.events import OrderAccepted, OrderFilled, OrderInitialized

from of_nautilus import backtest
from of_nautilus.cli.demo import SHIPPED
from of_nautilus.config import OrderFlowActorConfig
from of_nautilus.core.ticks import MarketScale
from of_nautilus.data import (
    FLOW_TYPES,
    STRATEGY_TYPES,
    ClosedTrade,
    EntryDecision,
    JournalNote,
    TradeTransition,
)
from of_nautilus.demo import DemoMarket, generate
from of_nautilus.demo.catalog import write_catalog
from of_nautilus.engine import FlowEngine, signals_of
from of_nautilus.journal import read_journal
from of_nautilus.patterns.signal import signals_digest
from tests.market import CONFIGS, demo_components

TICK, LOT = Decimal("0.1"), Decimal("0.001")
# How a trade may end: (reason, phase that it ended in).
PATHS = {
    "target": ("target", "POSITION_OPEN"),
    "stop": ("stop", "POSITION_OPEN"),
    "break-even, then stop": ("stop", "BREAK_EVEN"),
    "trail, then stop": ("stop", "TRAILING"),
    "exhaustion": ("exhaustion", "POSITION_OPEN"),
    "divergence": ("divergence", "POSITION_OPEN"),
    "session end": ("session_end", "POSITION_OPEN"),
}


@dataclass
class Ran:
    """What one run left: the host's own books, and the journal's catalog."""

    catalog: Path
    signals: list[Any]
    orders: list[Any]
    positions: list[Any]
    fills: pd.DataFrame

    def table(self, kind: type[Any]) -> pd.DataFrame:
        return read_journal(self.catalog, kind)

    def events(self) -> list[tuple[Any, Any]]:
        """Each order event with its order, in the order of time."""
        pairs = [(event, order) for order in self.orders for event in order.events]
        return sorted(pairs, key=lambda pair: pair[0].ts_init)


def test_the_shipped_config_is_the_one_in_the_checkout() -> None:
    assert SHIPPED.read_bytes() == (CONFIGS / "demo_backtest.json").read_bytes()


@pytest.fixture(scope="module")
def market() -> DemoMarket:
    return generate()


def _run(market: DemoMarket, folder: Path) -> Ran:
    catalog = folder / "catalog"
    write_catalog(market, catalog)
    runs = json.loads((CONFIGS / "demo_backtest.json").read_text())
    for data in runs[0]["data"]:
        data["catalog_path"] = str(catalog)
    runs[0]["engine"]["actors"][0]["config"]["catalog"] = str(catalog)
    path = folder / "run.json"
    path.write_text(json.dumps(runs))
    (config,) = backtest.load_run_configs(path)
    left: list[Ran] = []
    figures = backtest._figures

    def keep(engine: Any, events: dict[str, int]) -> dict[str, Any]:
        positions = [*engine.cache.position_snapshots(), *engine.cache.positions()]
        fills = engine.trader.generate_fills_report()
        left.append(Ran(catalog, [], engine.cache.orders(), positions, fills))
        return figures(engine, events)

    with pytest.MonkeyPatch.context() as patch:  # the engine is gone when the run returns
        patch.setattr(backtest, "_figures", keep)
        result = backtest.run_backtest(config)
    (ran,) = left
    ran.signals = [s for actor in result.actors for s in getattr(actor, "signals", [])]
    return ran


@pytest.fixture(scope="module")
def ran(market: DemoMarket, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return _run(market, tmp_path_factory.mktemp("first"))


@pytest.mark.slow
def test_one_run_walks_every_path(ran: Ran) -> None:
    trades = ran.table(ClosedTrade)
    ends = list(zip(trades.reason, trades.phase, strict=True))
    assert [name for name, end in PATHS.items() if end not in ends] == []
    moves = ran.table(TradeTransition)
    walked = set(zip(moves.source, moves.target, moves.event, strict=True))
    assert ("POSITION_OPEN", "BREAK_EVEN", "INIT_SAME") in walked
    assert ("BREAK_EVEN", "TRAILING", "INIT_SAME") in walked
    in_trade = ("POSITION_OPEN", "BREAK_EVEN", "TRAILING")
    for event in ("TP_HIT", "SL_HIT", "EXIT_WARN_STRONG", "FORCE_CLOSE"):
        assert any((phase, "CLOSED", event) in walked for phase in in_trade)
    assert set(moves.target[moves.source == "CLOSED"]) == {"NONE"}


@pytest.mark.slow
def test_stops_moved_only_toward_profit(ran: Ran) -> None:
    trades = ran.table(ClosedTrade)
    gained = trades.side * (trades.last_stop - trades.first_stop)
    assert (gained >= 0).all()
    moved = trades.phase.isin(["BREAK_EVEN", "TRAILING"])
    assert (gained > 0).equals(moved)
    # From break-even on, a stop covers the costs.
    assert (trades.money[moved & (trades.reason == "stop")].astype(float) > 0).all()


@pytest.mark.slow
def test_the_journal_tells_every_place_of_a_stop(ran: Ran) -> None:
    notes = ran.table(JournalNote)
    rests = notes[notes.what == "stop_rests"]
    for trade in ran.table(ClosedTrade).itertuples():
        own = rests[(rests.ts_event >= trade.opened) & (rests.ts_event <= trade.closed)]
        prices = [json.loads(numbers)["price"] for numbers in own.numbers]
        assert (prices[0], prices[-1]) == (trade.first_stop, trade.last_stop)
        assert prices == sorted(prices, reverse=trade.side < 0)
    stops = [
        (event.ts_event, order.trigger_price)
        for event, order in ran.events()
        if isinstance(event, OrderAccepted) and order.order_type == OrderType.STOP_MARKET
    ]
    assert [ts for ts, _ in stops] == rests.ts_event.tolist()


@pytest.mark.slow
def test_a_halted_day_takes_no_more_entries(ran: Ran) -> None:
    notes = ran.table(JournalNote)
    (halt,) = notes[notes.what == "halted"].itertuples()
    trades, entries = ran.table(ClosedTrade), ran.table(EntryDecision)
    last = trades[trades.closed <= halt.ts_event].tail(3)
    assert (last.money.astype(float) < 0).all()
    assert trades.closed.max() <= halt.ts_event
    after = entries[entries.ts_event > halt.ts_event]
    assert len(after[after.decision == f"halted_{halt.reason}"]) >= 1
    assert (after.decision != "planned").all()


@pytest.mark.slow
def test_every_planned_entry_became_a_trade(ran: Ran) -> None:
    entries = ran.table(EntryDecision)
    planned = entries[entries.decision == "planned"]
    trades = ran.table(ClosedTrade)
    assert list(planned.level) == list(trades.level)
    assert list(planned.score) == list(trades.score)
    assert (planned.ts_event.to_numpy() < trades.opened.to_numpy()).all()


def _trips(ran: Ran) -> Iterator[list[OrderFilled]]:
    """The fills of each round trip, from flat to flat."""
    trip: list[OrderFilled] = []
    position = Decimal(0)
    for event, _ in ran.events():
        if isinstance(event, OrderFilled):
            trip.append(event)
            way = 1 if event.order_side == OrderSide.BUY else -1
            position += way * event.last_qty.as_decimal()
            if not position:
                yield trip
                trip = []
    assert not trip


def _sums(fills: list[OrderFilled], side: OrderSide) -> tuple[int, int]:
    """Lots, and price times lots in ticks, of one side."""
    lots = [int(f.last_qty.as_decimal() / LOT) for f in fills if f.order_side == side]
    ticks = [int(f.last_px.as_decimal() / TICK) for f in fills if f.order_side == side]
    return sum(lots), sum(a * b for a, b in zip(lots, ticks, strict=True))


@pytest.mark.slow
def test_every_trade_agrees_with_the_fills(ran: Ran) -> None:
    trips = list(_trips(ran))
    trades = list(ran.table(ClosedTrade).itertuples())
    assert len(trips) == len(trades) >= len(PATHS)
    assert sum(len(trip) for trip in trips) == len(ran.fills)
    for fills, trade in zip(trips, trades, strict=True):
        bought, paid = _sums(fills, OrderSide.BUY)
        sold, received = _sums(fills, OrderSide.SELL)
        fees = sum((f.commission.as_decimal() for f in fills), Decimal(0))
        assert (trade.opened, trade.closed) == (fills[0].ts_event, fills[-1].ts_event)
        assert (trade.bought_quantity, trade.bought_sum) == (bought, paid)
        assert (trade.sold_quantity, trade.sold_sum) == (sold, received)
        assert trade.side == (1 if fills[0].order_side == OrderSide.BUY else -1)
        assert trade.quantity == bought == sold
        means = (paid / bought, received / sold)[:: trade.side]
        assert (trade.entry, trade.exit) == means
        assert Decimal(trade.fees) == fees
        assert Decimal(trade.money) == (received - paid) * TICK * LOT - fees
        assert trade.pnl_ticks == (received - paid) / bought
        risk = abs(trade.planned_entry - trade.first_stop) * trade.quantity
        assert trade.r_multiple == (received - paid) / risk
        worse = (paid if trade.side > 0 else -received) - (
            trade.side * trade.quantity * trade.planned_entry
        )
        assert trade.slippage == worse


@pytest.mark.slow
def test_every_trade_agrees_with_the_positions(ran: Ran) -> None:
    positions = sorted(ran.positions, key=lambda position: position.ts_opened)
    trades = list(ran.table(ClosedTrade).itertuples())
    assert len(positions) == len(trades)
    for position, trade in zip(positions, trades, strict=True):
        assert position.is_closed
        assert (position.ts_opened, position.ts_closed) == (trade.opened, trade.closed)
        assert position.realized_pnl.as_decimal() == Decimal(trade.money)
        fees = sum((fee.as_decimal() for fee in position.commissions()), Decimal(0))
        assert fees == Decimal(trade.fees)
        assert position.peak_qty.as_decimal() == trade.quantity * LOT
        assert position.avg_px_open == pytest.approx(trade.entry * float(TICK), rel=1e-12)
        assert position.avg_px_close == pytest.approx(trade.exit * float(TICK), rel=1e-12)


@pytest.mark.slow
def test_every_trade_agrees_with_the_fills_report(ran: Ran) -> None:
    report, trades = ran.fills, ran.table(ClosedTrade)
    lots = report.last_qty.map(lambda text: Decimal(str(text)) / LOT).sum()
    assert lots == int((trades.bought_quantity + trades.sold_quantity).sum())
    paid = report.commission.map(lambda text: Decimal(str(text).split()[0])).sum()
    assert paid == sum((Decimal(fee) for fee in trades.fees), Decimal(0))


@pytest.mark.slow
def test_no_position_is_ever_without_a_stop(ran: Ran) -> None:
    position, checked = Decimal(0), 0
    guards: dict[Any, Decimal] = {}  # what each live stop or exit still has to fill
    for _, now in groupby(ran.events(), key=lambda pair: pair[0].ts_init):
        for event, order in now:
            role = str(order.client_order_id).rpartition("-")[2]
            if isinstance(event, OrderInitialized) and role in ("STOP", "EXIT"):
                assert order.is_reduce_only
                guards[order.client_order_id] = order.quantity.as_decimal()
            elif isinstance(event, OrderFilled):
                way = 1 if event.order_side == OrderSide.BUY else -1
                position += way * event.last_qty.as_decimal()
                if order.client_order_id in guards:
                    guards[order.client_order_id] -= event.last_qty.as_decimal()
            elif type(event).__name__ in (
                "OrderCanceled", "OrderRejected", "OrderDenied", "OrderExpired",
            ):  # fmt: skip
                guards.pop(order.client_order_id, None)
        assert abs(position) <= sum(guards.values())
        checked += bool(position)
    assert checked >= 3 * len(PATHS)
    assert position == 0


def _digests(ran: Ran) -> dict[str, str]:
    told = [
        (
            type(event).__name__,
            *(str(getattr(event, name, "")) for name in ("client_order_id", "last_px", "last_qty")),
            *(str(getattr(order, name, "")) for name in ("side", "price", "trigger_price")),
            event.ts_event,
            event.ts_init,
        )
        for event, order in ran.events()
    ]
    tables = [ran.table(kind).to_csv() for kind in (*FLOW_TYPES, *STRATEGY_TYPES)]
    return {
        "signals": signals_digest(ran.signals),
        "orders": hashlib.sha256(repr(told).encode()).hexdigest(),
        "journal": hashlib.sha256("".join(tables).encode()).hexdigest(),
    }


@pytest.mark.slow
def test_two_runs_are_equal(market: DemoMarket, ran: Ran, tmp_path: Path) -> None:
    again = _run(market, tmp_path)
    assert _digests(again) == _digests(ran)


@pytest.mark.slow
def test_the_actor_found_what_the_detectors_find(market: DemoMarket, ran: Ran) -> None:
    plain, _ = demo_components()
    config = msgspec.convert(plain, OrderFlowActorConfig, dec_hook=msgspec_decoding_hook)
    engine = FlowEngine(MarketScale(TICK, LOT), config.flow)
    t = market.trades
    events = engine.run_trades(t.ts, t.price, t.size, t.side.astype(np.int8))
    assert signals_digest(list(signals_of(events))) == signals_digest(ran.signals)
