"""The demo's run walks every path of a trade, and its journal agrees with the host's own books."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from nautilus_trader.config import msgspec_decoding_hook
from nautilus_trader.model.enums import OrderType
from nautilus_trader.model.events import OrderAccepted

from of_nautilus.cli.demo import SHIPPED
from of_nautilus.config import OrderFlowActorConfig
from of_nautilus.core.ticks import MarketScale
from of_nautilus.data import ClosedTrade, EntryDecision, JournalNote, TradeTransition
from of_nautilus.demo import DemoMarket, generate
from of_nautilus.demo.catalog import write_catalog
from of_nautilus.engine import FlowEngine, signals_of
from of_nautilus.patterns.signal import signals_digest
from tests import books
from tests.books import Ran
from tests.market import CONFIGS, demo_components

SECOND = 10**9
MINUTE, DAY = 60 * SECOND, 86_400 * SECOND
HOLD = 6 * SECOND  # an absorption at a row speaks up this much later at most
# How a trade may end: (reason, phase that it ended in).
PATHS = {
    "target": ("target", "POSITION_OPEN"),
    "stop": ("stop", "POSITION_OPEN"),
    "break-even, then stop": ("stop", "BREAK_EVEN"),
    "trail, then stop": ("stop", "TRAILING"),
    "exhaustion": ("exhaustion", "POSITION_OPEN"),
    "divergence": ("divergence", "POSITION_OPEN"),
    "session end": ("session_end", "POSITION_OPEN"),
    "daily loss": ("daily_loss", "POSITION_OPEN"),
}
KINDS = {
    "absorption_m1": ("absorption", 1),
    "absorption_m2": ("absorption", 2),
    "initiative": ("initiative", None),
    "sweep": ("sweep", None),
    "exhaustion": ("exhaustion", None),
    "divergence": ("divergence", None),
}


def test_the_shipped_config_is_the_one_in_the_checkout() -> None:
    assert SHIPPED.read_bytes() == (CONFIGS / "demo_backtest.json").read_bytes()


@pytest.fixture(scope="module")
def market() -> DemoMarket:
    return generate()


@pytest.fixture(scope="module")
def catalog(market: DemoMarket, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo")
    write_catalog(market, path)
    return path


@pytest.fixture(scope="module")
def ran(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return books.run_demo(catalog, tmp_path_factory.mktemp("first"))


def tells(signal: Any, planted: Any) -> bool:
    """Whether a signal is about this: its side, within the bar that completes it."""
    return signal.side == planted.side and (
        planted.ts_end - MINUTE < signal.ts <= planted.ts_end + HOLD
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_planted_is_found_and_not_mistaken(market: DemoMarket, ran: Ran, kind: str) -> None:
    pattern, method = KINDS[kind]
    seen = [s for s in ran.signals if s.pattern == pattern and s.reasons.get("method") == method]
    planted = [p for p in market.planted if p.kind == kind and not p.near_miss]
    missed = [p for p in market.planted if p.kind == kind and p.near_miss]
    assert len(planted) >= 5
    assert missed
    assert np.mean([any(tells(s, p) for s in seen) for p in planted]) >= 0.9
    assert np.mean([any(tells(s, p) for p in planted) for s in seen]) >= 0.8
    assert not [p for p in missed if any(tells(s, p) for s in seen)]


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
    halts = list(notes[notes.what == "halted"].itertuples())
    assert [halt.reason for halt in halts] == ["loss_streak", "daily_loss"]
    trades, entries = ran.table(ClosedTrade), ran.table(EntryDecision)
    for halt in halts:
        midnight = (halt.ts_event // DAY + 1) * DAY
        last = trades[trades.closed <= halt.ts_event + SECOND].tail(3)
        assert (last.money.astype(float) < 0).all()
        opened = (trades.opened > halt.ts_event) & (trades.opened < midnight)
        assert not opened.any()
        after = entries[(entries.ts_event > halt.ts_event) & (entries.ts_event < midnight)]
        assert len(after[after.decision == f"halted_{halt.reason}"]) >= 1
        assert (after.decision != "planned").all()
    # The losing streak let its last trade run to the stop; the day's loss closed one at once.
    streak, loss = halts
    assert not ((trades.opened < streak.ts_event) & (trades.closed > streak.ts_event)).any()
    (cut,) = trades[trades.reason == "daily_loss"].itertuples()
    assert cut.opened < loss.ts_event < cut.closed < loss.ts_event + SECOND
    limit = 0.00001 * 100_000
    today = trades[trades.opened > streak.ts_event].money.astype(float).sum()
    assert -1.2 * limit < today <= -limit


@pytest.mark.slow
def test_every_planned_entry_became_a_trade(ran: Ran) -> None:
    entries = ran.table(EntryDecision)
    planned = entries[entries.decision == "planned"]
    trades = ran.table(ClosedTrade)
    assert list(planned.level) == list(trades.level)
    assert list(planned.score) == list(trades.score)
    assert (planned.ts_event.to_numpy() < trades.opened.to_numpy()).all()


@pytest.mark.slow
def test_the_journal_agrees_with_the_books_of_the_host(ran: Ran) -> None:
    assert books.agrees_with_the_fills(ran) >= len(PATHS)
    books.agrees_with_the_positions(ran)
    books.agrees_with_the_fills_report(ran)


@pytest.mark.slow
def test_no_position_is_ever_without_a_stop(ran: Ran) -> None:
    assert books.never_without_a_stop(ran) >= 3 * len(PATHS)
    assert all(position.is_closed for position in ran.positions)


@pytest.mark.slow
def test_hedging_accounts_trade_the_same_and_two_runs_are_equal(
    catalog: Path, ran: Ran, tmp_path: Path
) -> None:
    noon = {"oms_type": "HEDGING", "end": "2024-01-08T12:00:00"}
    hedged = books.run_demo(catalog, tmp_path / "one", **noon)
    count = books.agrees_with_the_fills(hedged)
    assert count >= 4
    trades, all_trades = hedged.table(ClosedTrade), ran.table(ClosedTrade)
    for name in ("opened", "closed", "side", "entry", "exit", "reason", "phase", "money"):
        assert trades[name].tolist() == all_trades[name].tolist()[:count]
    books.agrees_with_the_positions(hedged)
    books.never_without_a_stop(hedged)
    # One position a trade, each with the venue's own id.
    ids = {str(position.id) for position in hedged.positions}
    assert len(ids) == count
    assert all(position_id.startswith("SIM-") for position_id in ids)
    again = books.run_demo(catalog, tmp_path / "two", **noon)
    assert books.digests(again) == books.digests(hedged)


@pytest.mark.slow
def test_the_actor_found_what_the_detectors_find(market: DemoMarket, ran: Ran) -> None:
    plain, _ = demo_components()
    config = msgspec.convert(plain, OrderFlowActorConfig, dec_hook=msgspec_decoding_hook)
    engine = FlowEngine(MarketScale(ran.tick, ran.lot), config.flow)
    t = market.trades
    events = engine.run_trades(t.ts, t.price, t.size, t.side.astype(np.int8))
    assert signals_digest(list(signals_of(events))) == signals_digest(ran.signals)
