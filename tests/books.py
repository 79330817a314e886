"""A run beside its journal: every figure of a trade recomputed from the host's own books."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.events import OrderFilled, OrderInitialized

from of_nautilus import backtest
from of_nautilus.data import FLOW_TYPES, STRATEGY_TYPES, ClosedTrade
from of_nautilus.journal import read_journal
from of_nautilus.patterns.signal import signals_digest
from tests.market import CONFIGS


@dataclass
class Ran:
    """What one run left: the host's own books, and the journal's catalog."""

    catalog: Path
    tick: Decimal
    lot: Decimal
    orders: list[Any]
    positions: list[Any]
    fills: pd.DataFrame
    signals: list[Any]
    figures: dict[str, Any]

    def table(self, kind: type[Any]) -> pd.DataFrame:
        return read_journal(self.catalog, kind)

    def events(self) -> list[tuple[Any, Any]]:
        """Each order event with its order, in the order of time."""
        pairs = [(event, order) for order in self.orders for event in order.events]
        return sorted(pairs, key=lambda pair: pair[0].ts_init)


def run(config: Any, catalog: Path, instrument_id: str) -> Ran:
    """Run a config whose journal is written to `catalog`, and keep the host's books."""
    left: list[dict[str, Any]] = []
    figures = backtest._figures

    def keep(engine: Any, events: dict[str, int]) -> dict[str, Any]:
        (instrument,) = [i for i in engine.cache.instruments() if str(i.id) == instrument_id]
        left.append(
            {
                "tick": instrument.price_increment.as_decimal(),
                "lot": instrument.size_increment.as_decimal(),
                "orders": engine.cache.orders(),
                "positions": [*engine.cache.position_snapshots(), *engine.cache.positions()],
                "fills": engine.trader.generate_fills_report(),
            }
        )
        return figures(engine, events)

    with pytest.MonkeyPatch.context() as patch:  # the engine is gone when the run returns
        patch.setattr(backtest, "_figures", keep)
        result = backtest.run_backtest(config)
    signals = [s for actor in result.actors for s in getattr(actor, "signals", [])]
    return Ran(catalog, signals=signals, figures=result.figures, **left[0])


def run_demo(catalog: Path, journal: Path, oms_type: str = "NETTING", **more: Any) -> Ran:
    """Run `configs/demo_backtest.json` over a demo market's catalog."""
    runs = json.loads((CONFIGS / "demo_backtest.json").read_text())
    for data in runs[0]["data"]:
        data["catalog_path"] = str(catalog)
    runs[0]["engine"]["actors"][0]["config"]["catalog"] = str(journal)
    runs[0]["venues"][0]["oms_type"] = oms_type
    runs[0] |= more
    journal.mkdir(parents=True, exist_ok=True)
    path = journal / "run.json"
    path.write_text(json.dumps(runs))
    (config,) = backtest.load_run_configs(path)
    return run(config, journal, "DEMO-PERP.SIM")


def trips(ran: Ran) -> Iterator[list[OrderFilled]]:
    """The fills of each round trip, from flat to flat; what is open at the end is left out."""
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


def sums(ran: Ran, fills: list[OrderFilled], side: OrderSide) -> tuple[int, int]:
    """Lots, and price times lots in ticks, of one side."""
    lots = [int(f.last_qty.as_decimal() / ran.lot) for f in fills if f.order_side == side]
    ticks = [int(f.last_px.as_decimal() / ran.tick) for f in fills if f.order_side == side]
    return sum(lots), sum(a * b for a, b in zip(lots, ticks, strict=True))


def agrees_with_the_fills(ran: Ran) -> int:
    """Check every figure of every trade against the host's fills; return how many trades."""
    trades = list(ran.table(ClosedTrade).itertuples())
    for fills, trade in zip(trips(ran), trades, strict=True):
        bought, paid = sums(ran, fills, OrderSide.BUY)
        sold, received = sums(ran, fills, OrderSide.SELL)
        fees = sum((f.commission.as_decimal() for f in fills), Decimal(0))
        assert (trade.opened, trade.closed) == (fills[0].ts_event, fills[-1].ts_event)
        assert (trade.bought_quantity, trade.bought_sum) == (bought, paid)
        assert (trade.sold_quantity, trade.sold_sum) == (sold, received)
        assert trade.side == (1 if fills[0].order_side == OrderSide.BUY else -1)
        assert trade.quantity == bought == sold
        means = (paid / bought, received / sold)[:: trade.side]
        assert (trade.entry, trade.exit) == means
        assert Decimal(trade.fees) == fees
        assert Decimal(trade.money) == (received - paid) * ran.tick * ran.lot - fees
        assert trade.pnl_ticks == (received - paid) / bought
        risk = abs(trade.planned_entry - trade.first_stop) * trade.quantity
        assert trade.r_multiple == (received - paid) / risk
        worse = (paid if trade.side > 0 else -received) - (
            trade.side * trade.quantity * trade.planned_entry
        )
        assert trade.slippage == worse
    return len(trades)


def agrees_with_the_positions(ran: Ran) -> None:
    """Check every trade against the host's closed positions."""
    closed = [position for position in ran.positions if position.is_closed]
    positions = sorted(closed, key=lambda position: position.ts_opened)
    trades = list(ran.table(ClosedTrade).itertuples())
    assert len(positions) == len(trades)
    for position, trade in zip(positions, trades, strict=True):
        assert (position.ts_opened, position.ts_closed) == (trade.opened, trade.closed)
        assert position.realized_pnl.as_decimal() == pytest.approx(Decimal(trade.money), abs=_CENT)
        fees = sum((fee.as_decimal() for fee in position.commissions()), Decimal(0))
        assert fees == Decimal(trade.fees)
        assert position.peak_qty.as_decimal() == trade.quantity * ran.lot
        tick = float(ran.tick)
        assert position.avg_px_open == pytest.approx(trade.entry * tick, rel=1e-12)
        assert position.avg_px_close == pytest.approx(trade.exit * tick, rel=1e-12)


_CENT = Decimal("1e-8")  # the host rounds money to the currency's digits after each fill


def agrees_with_the_fills_report(ran: Ran) -> None:
    """Check the sums of lots and fees against the host's report of fills."""
    trades = ran.table(ClosedTrade)
    # A position that is still open has fills, and no trade yet.
    still_open = ran.fills[ran.fills.ts_event > pd.Timestamp(trades.closed.max(), tz="UTC")]
    report = ran.fills.drop(still_open.index)
    lots = report.last_qty.map(lambda text: Decimal(str(text)) / ran.lot).sum()
    assert lots == int((trades.bought_quantity + trades.sold_quantity).sum())
    paid = report.commission.map(lambda text: Decimal(str(text).split()[0])).sum()
    assert paid == sum((Decimal(fee) for fee in trades.fees), Decimal(0))


def never_without_a_stop(ran: Ran) -> int:
    """Check that stops and exits cover the position at every moment; return how many had one."""
    position, checked = Decimal(0), 0
    guards: dict[Any, Decimal] = {}  # what each stop or exit still has to fill
    for _, now in groupby(ran.events(), key=lambda pair: pair[0].ts_init):
        for event, order in now:
            key, kind = order.client_order_id, type(event).__name__
            role = str(key).rpartition("-")[2]
            if isinstance(event, OrderInitialized) and role in ("STOP", "EXIT"):
                assert order.is_reduce_only
                guards[key] = event.quantity.as_decimal()
            elif isinstance(event, OrderFilled):
                way = 1 if event.order_side == OrderSide.BUY else -1
                position += way * event.last_qty.as_decimal()
                if key in guards:
                    guards[key] -= event.last_qty.as_decimal()
            elif kind in ("OrderCanceled", "OrderRejected", "OrderDenied", "OrderExpired"):
                guards.pop(key, None)
        assert abs(position) <= sum(guards.values())
        checked += bool(position)
    return checked


def digests(ran: Ran) -> dict[str, str]:
    """SHA-256 of signals, orders and journal."""
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
