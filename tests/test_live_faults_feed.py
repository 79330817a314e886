"""The feed guard in a backtest: deterministic, kept in the journal, and heard by the flow."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import BacktestEngineConfig, LoggingConfig
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import TradeTick
from nautilus_trader.model.enums import AccountType, AggressorSide, OmsType
from nautilus_trader.model.identifiers import TradeId, Venue
from nautilus_trader.model.objects import Money
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from of_nautilus.actor import OrderFlowActor
from of_nautilus.config import FeedGuardConfig, JournalConfig, OrderFlowActorConfig
from of_nautilus.data import FeedStatus, SessionRoll
from of_nautilus.decision.feed import SECOND, FeedConfig
from of_nautilus.engine import FlowConfig
from of_nautilus.journal import Journal, read_journal
from of_nautilus.live.feed_guard import FeedGuard

BEGIN = 1_704_672_000 * SECOND
HALF_HOUR = 1_800 * SECOND


def ticks(missing: int) -> list[TradeTick]:
    """A trade a second for a bit more than two sessions of half an hour; one of them is missing."""
    instrument = TestInstrumentProvider.btcusdt_perp_binance()
    return [
        TradeTick(
            instrument.id,
            instrument.make_price(Decimal(60_000 + i % 7)),
            instrument.make_qty(Decimal("0.010")),
            AggressorSide.BUYER if i % 2 else AggressorSide.SELLER,
            TradeId(str(i)),
            BEGIN + i * SECOND,
            BEGIN + i * SECOND,
        )
        for i in range(2 * 1_800 + 60)
        if i != missing
    ]


def run(catalog: Path, missing: int) -> list[FeedStatus]:
    instrument = TestInstrumentProvider.btcusdt_perp_binance()
    engine = BacktestEngine(
        BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), run_analysis=False)
    )
    engine.add_venue(
        venue=Venue("BINANCE"),
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        starting_balances=[Money(100_000, USDT)],
    )
    engine.add_instrument(instrument)
    guard = FeedGuard(
        FeedGuardConfig(
            instrument_id=instrument.id, feed=FeedConfig(consecutive_trades=True), book=False
        )
    )
    flow = FlowConfig(session="30min", book=None)
    engine.add_actor(Journal(JournalConfig(instrument_ids=(instrument.id,), catalog=str(catalog))))
    engine.add_actor(guard)
    engine.add_actor(OrderFlowActor(OrderFlowActorConfig(instrument_id=instrument.id, flow=flow)))
    engine.add_data(ticks(missing))
    engine.run()
    changes = list(guard.changes)
    engine.dispose()
    return changes


@pytest.mark.parametrize(("missing", "complete"), [(900, [False, True]), (-1, [True, True])])
def test_a_gap_marks_its_session_incomplete_and_no_other(
    tmp_path: Path, missing: int, complete: list[bool]
) -> None:
    changes = run(tmp_path, missing)
    states = [(change.state, change.reason) for change in changes]
    assert states == ([] if complete[0] else [("SUSPENDED", "gap"), ("LIVE", "gap")])
    kept = read_journal(tmp_path, FeedStatus)
    assert list(kept.state) == [state for state, _ in states]
    assert all(json.loads(counts) == {"gap": 1} for counts in kept.counts)
    rolls = read_journal(tmp_path, SessionRoll)
    ended = rolls[rolls.finished_end > 0]
    assert list(ended.complete) == complete
    assert list(ended.finished_end) == [BEGIN + HALF_HOUR, BEGIN + 2 * HALF_HOUR]


def test_two_runs_say_the_same(tmp_path: Path) -> None:
    first, second = (
        [(c.ts_event, c.state, c.reason, c.since) for c in run(tmp_path / name, 900)]
        for name in "ab"
    )
    assert first == second
    assert first[0][0] == BEGIN + 901 * SECOND
    assert first[1][0] - first[0][0] == SECOND
