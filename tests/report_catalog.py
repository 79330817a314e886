"""A small catalog with a journal, for the tests of reports: trades of a random walk."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from of_nautilus.core.sessions import DAY
from of_nautilus.core.ticks import MarketScale
from of_nautilus.data import (
    ClosedTrade,
    DailyBias,
    EntryDecision,
    FootprintBar,
    JournalNote,
    LevelEvent,
    PatternSignal,
    SessionRoll,
)
from of_nautilus.demo.catalog import demo_instrument
from of_nautilus.engine import BarClosed, FlowConfig, FlowEngine, SessionClosed, SessionStarted
from of_nautilus.ingest.columns import ADD, CLEAR, F_LAST, DeltaColumns, TradeColumns
from of_nautilus.ingest.writer import CatalogWriter
from of_nautilus.journal import Parts

START = 1_704_672_000 * 10**9
MINUTE = 60 * 10**9
INSTRUMENT = demo_instrument()
NAME = str(INSTRUMENT.id)
SCALE = MarketScale(Decimal("0.1"), Decimal("0.001"))
HOURS = FlowConfig(session="1h", profile_row_ticks=7)


def walk(count: int, minutes: int, seed: int = 5) -> TradeColumns:
    """Trades of a random walk; their prices and sizes are ticks and lots as they are units."""
    rng = np.random.default_rng(seed)
    ts = START + np.sort(rng.integers(0, minutes * MINUTE // 1000, count)) * 1000
    return TradeColumns(
        price_precision=1,
        size_precision=3,
        ts_event=ts,
        ts_init=ts + np.arange(count),
        price=(600_000 + np.cumsum(rng.integers(-3, 4, count))).astype(np.int64),
        size=rng.integers(1, 3_000, count),
        side=rng.choice(np.array([-1, 1], np.int8), count),
        trade_id=np.arange(count),
    )


def books(minutes: int, seed: int = 6) -> DeltaColumns:
    """A snapshot of a few levels, then changes of single levels, each a message of its own."""
    rng = np.random.default_rng(seed)
    levels = np.concatenate((599_999 - np.arange(20), 600_001 + np.arange(20)))
    count = 40 * minutes
    ts = np.concatenate(
        (np.full(41, START), START + np.sort(rng.integers(1, minutes * MINUTE, count)))
    )
    picked = rng.integers(0, 40, count)
    sizes = rng.integers(1, 500, count)
    side = np.where(np.arange(40) < 20, 1, -1)
    action = np.concatenate(([CLEAR], np.full(40, ADD), np.full(count, 2)))
    return DeltaColumns(
        price_precision=1,
        size_precision=3,
        ts_event=ts,
        ts_init=ts + np.arange(len(ts)),
        action=action.astype(np.uint8),
        side=np.concatenate(([0], side, side[picked])).astype(np.int8),
        price=np.concatenate(([0], levels, levels[picked])),
        size=np.concatenate(([0], np.full(40, 100), sizes)),
        order_id=np.zeros(len(ts), np.uint64),
        flags=np.concatenate((np.zeros(40), np.full(count + 1, F_LAST))).astype(np.uint8),
        sequence=np.arange(len(ts)),
    )


def write_market(catalog: Path, trades: TradeColumns, deltas: DeltaColumns | None = None) -> Path:
    """Write market data alone."""
    with CatalogWriter(catalog, INSTRUMENT) as writer:
        writer.write(trades)
        if deltas is not None:
            writer.write(deltas)
    return catalog


def write_flow(
    catalog: Path, trades: TradeColumns, config: FlowConfig = HOURS
) -> list[SessionRoll]:
    """Write what an actor with sessions of an hour publishes; return the sessions."""
    engine = FlowEngine(SCALE, config)
    parts = Parts(catalog)
    rolls: list[SessionRoll] = []
    ended: SessionClosed | None = None
    times = trades.ts_event
    for event in engine.run_trades(trades.ts_event, trades.price, trades.size, trades.side):
        match event:
            case BarClosed():
                parts.add(FootprintBar.of(event, INSTRUMENT.id, SCALE, event.bar.close_ts))
            case SessionClosed():
                ended = event
            case SessionStarted():
                # Told with the first trade after the end of the one before, which may be in none.
                at = int(times[np.searchsorted(times, ended.end if ended else 0)])
                roll = SessionRoll.of(event, ended, INSTRUMENT.id, SCALE, at)
                rolls.append(roll)
                parts.add(roll)
    parts.write(START + 10**18)
    return rolls


def trade(number: int, opened: int, closed: int, entry: int, exit_: int) -> ClosedTrade:
    """A long trade of one whole unit."""
    return ClosedTrade(
        ts_event=closed,
        ts_init=closed,
        instrument_id=INSTRUMENT.id,
        strategy_id="S-001",
        tick=0.1,
        lot=0.001,
        side=1,
        quantity=1_000,
        opened=opened,
        closed=closed,
        entry=float(entry),
        exit=float(exit_),
        pnl_ticks=float(exit_ - entry),
        fees="0.5",
        money=str(Decimal(exit_ - entry) / 10 - Decimal("0.5")),
        reason="target" if exit_ > entry else "stop",
        planned_entry=entry,
        first_stop=entry - 40,
        last_stop=entry - 10,
        target=entry + 80,
        reward_to_risk=2.0,
        r_multiple=(exit_ - entry) / 40,
        level="VAL",
        score=50.0 + number,
        grade="B",
    )


def stop_moves(item: ClosedTrade) -> list[tuple[int, int]]:
    """When the stop of a trade came to rest, and at which tick: at first, to the entry, at last."""
    length = item.closed - item.opened
    first, last = item.first_stop, item.last_stop
    return [
        (item.opened + 5_000_000, first),
        (item.opened + length // 4, first),  # placed anew for another size
        (item.opened + length // 2, (first + last) // 2),
        (item.opened + length * 3 // 4, last),
    ]


def write_journal(catalog: Path, trades: TradeColumns, closed: list[ClosedTrade]) -> None:
    """Write the journal that a run over these trades would leave, with these closed trades."""
    engine = FlowEngine(SCALE, FlowConfig.bars_only())
    events = engine.run_trades(trades.ts_event, trades.price, trades.size, trades.side)
    parts = Parts(catalog)
    about: dict[str, Any] = {"instrument_id": INSTRUMENT.id, "tick": 0.1}
    mine = about | {"strategy_id": "S-001"}
    bars = [event for event in events if isinstance(event, BarClosed)]
    for event in bars:
        parts.add(FootprintBar.of(event, INSTRUMENT.id, SCALE, event.bar.close_ts))
    parts.add(
        SessionRoll(ts_event=START, ts_init=START, lot=0.001, start=START, end=START + DAY, **about)
    )
    for k, pattern in enumerate(("absorption", "initiative", "sweep", "exhaustion", "divergence")):
        bar = bars[(k + 1) * len(bars) // 7].bar
        parts.add(
            PatternSignal(
                ts_event=bar.close_ts,
                ts_init=bar.close_ts,
                pattern=pattern,
                side=1 if k % 2 else -1,
                price=bar.low,
                strength=40.0 + k,
                reasons=json.dumps({"volume": 12, "<b>": 1}),
                **about,
            )
        )
    for k, item in enumerate(closed):
        ts = item.opened
        parts.add(
            EntryDecision(
                ts_event=ts, ts_init=ts, decision="planned", pattern="absorption", side=1,
                price=int(item.entry), score=item.score, grade="B",
                numbers=json.dumps({"pattern": 30.0, "level": 20.0 + k}), **mine,
            )
        )  # fmt: skip
        parts.add(
            EntryDecision(
                ts_event=ts + 1, ts_init=ts + 1, decision="no_level", pattern="absorption", side=1,
                price=1, numbers=json.dumps({"reach": 12.5}), **mine,
            )
        )  # fmt: skip
        parts.add(item)
        for at, price in stop_moves(item):
            parts.add(
                JournalNote(
                    ts_event=at, ts_init=at, what="stop_rests",
                    numbers=json.dumps({"price": price, "quantity": item.quantity}), **mine,
                )
            )  # fmt: skip
    if closed:
        level: dict[str, Any] = {"level": "VAL:1", "kind": "VAL", "price": 599_990, "side": 1}
        parts.add(LevelEvent(ts_event=START, ts_init=START, what="born", **level, **mine))
        parts.add(
            DailyBias(
                ts_event=START, ts_init=START, direction="BULLISH", confidence=60.0, shape="D",
                poc=600_000, val=599_990, vah=600_010, **mine,
            )
        )  # fmt: skip
        parts.add(JournalNote(ts_event=START, ts_init=START, what="halted", alarm=True, **mine))
    parts.write(START + 10**18)
