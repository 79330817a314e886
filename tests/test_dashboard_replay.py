"""What a replay shows, beside the catalog: ids, key prices, signals; and how its time goes."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from of_nautilus.core.sessions import HOUR
from of_nautilus.core.value_area import key_prices
from of_nautilus.dashboard.app import make_app
from of_nautilus.dashboard.recorded import RecordedMarket, catalog_markets
from of_nautilus.dashboard.replay import ReplaySource
from of_nautilus.data import FootprintBar, SessionRoll
from of_nautilus.engine import BarClosed, FlowConfig, FlowEngine, SessionClosed, SessionStarted
from of_nautilus.ingest.columns import TradeColumns
from of_nautilus.journal import Parts
from tests.report_catalog import (
    INSTRUMENT,
    MINUTE,
    NAME,
    SCALE,
    START,
    books,
    trade,
    walk,
    write_journal,
    write_market,
)

MS = 10**6
MINUTES = 150
AT = START + 131 * MINUTE + 17 * 10**9


def ask(source: ReplaySource, *paths: str) -> list[Any]:
    """What a server says while its time stands still."""

    async def talk() -> list[Any]:
        transport = httpx.ASGITransport(make_app(source))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return [(await client.get(path)).raise_for_status().json() for path in paths]

    return asyncio.run(talk())


def replayed(catalog: Path, at: int = AT) -> ReplaySource:
    source = ReplaySource(
        [RecordedMarket(one) for one in catalog_markets(catalog, None, None)], "catalog", at=at
    )
    source.act("pause", None, None)
    return source


def write_flow(catalog: Path, trades: TradeColumns) -> list[SessionRoll]:
    """Write what an actor with sessions of an hour publishes; return the sessions."""
    engine = FlowEngine(SCALE, FlowConfig(session="1h", profile_row_ticks=7))
    parts = Parts(catalog)
    rolls: list[SessionRoll] = []
    ended: SessionClosed | None = None
    for event in engine.run_trades(trades.ts_event, trades.price, trades.size, trades.side):
        match event:
            case BarClosed():
                parts.add(FootprintBar.of(event, INSTRUMENT.id, SCALE, event.bar.close_ts))
            case SessionClosed():
                ended = event
            case SessionStarted():
                roll = SessionRoll.of(event, ended, INSTRUMENT.id, SCALE, event.ts)
                rolls.append(roll)
                parts.add(roll)
    parts.write(START + 10**18)
    return rolls


@pytest.mark.parametrize("kind", ["numbers", "names"])
def test_trades_keep_the_catalogs_ids(tmp_path: Path, kind: str) -> None:
    trades = walk(600, 10)
    numbers = 7_000_000_001 + 3 * np.arange(len(trades))
    names = [f"{number:x}-of-the-venue" for number in numbers]
    own = numbers if kind == "numbers" else pa.array(names)
    write_market(tmp_path, replace(trades, trade_id=own))
    at = START + 6 * MINUTE
    (told,) = ask(replayed(tmp_path, at), f"/api/tape/{NAME}?count=50")
    past = int(np.searchsorted(trades.ts_event, at, "right"))
    want = [str(i) for i in numbers] if kind == "numbers" else names
    assert [each["id"] for each in told["trades"]] == want[past - 50 : past][::-1]


def test_finished_profiles_have_the_key_prices_that_levels_come_from(tmp_path: Path) -> None:
    trades = walk(15_000, MINUTES)
    write_market(tmp_path, trades)
    rolls = write_flow(tmp_path, trades)
    finished = [roll for roll in rolls if roll.finished_end and roll.start <= AT]
    assert len(finished) == 2
    (told,) = ask(replayed(tmp_path), f"/api/volume-profile/{NAME}?days=9")
    shown = {each["start"]: each for each in told["profiles"]}
    for roll in finished:
        own = shown[roll.finished_start // MS]
        keys = key_prices(roll.rows(), roll.low_row, roll.ticks_per_row)
        assert [round(own[name] * 10) for name in ("poc", "val", "vah")] == list(keys)
        volumes = [round(row["volume"] * 1000) for row in own["rows"]][::-1]
        assert volumes == roll.rows().tolist()
        assert own["row_height"] == pytest.approx(0.7)


@pytest.fixture(scope="module")
def journaled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    market = walk(15_000, MINUTES)
    folder = write_market(tmp_path_factory.mktemp("replay"), market, books(MINUTES))
    price = int(market.price[1_000])
    closed = [
        trade(k, START + (14 * k + 3) * MINUTE, START + (14 * k + 9) * MINUTE, price, price + 40)
        for k in range(10)
    ]
    write_journal(folder, market, closed)
    return folder


def test_time_goes_as_fast_as_is_asked(journaled: Path) -> None:
    source = replayed(journaled, START + 5 * MINUTE)
    source.advance(1.0)
    assert source.now_ns == START + 5 * MINUTE
    for speed in (1, 5, 200):
        before = source.now_ns
        source.act("speed", None, speed)
        source.act("play", None, None)
        source.advance(0.25)
        assert source.now_ns - before == speed * 250 * MS
        source.act("pause", None, None)
    source.act("seek", (START + 149 * MINUTE) // MS, None)
    source.act("play", None, None)
    for _ in range(20):
        source.advance(1.0)
    assert source.replay()["state"] == "ended"
    assert START + 149 * MINUTE < source.now_ns < START + 2.5 * HOUR


def test_signals_are_found_where_no_journal_tells_them(tmp_path: Path) -> None:
    trades = walk(15_000, MINUTES)
    write_market(tmp_path, trades)
    (told,) = ask(replayed(tmp_path), f"/api/signals/{NAME}?limit=2000")
    engine = FlowEngine(SCALE, FlowConfig())
    past = trades.ts_event <= AT
    columns = (getattr(trades, name)[past] for name in ("ts_event", "price", "size", "side"))
    found = []
    for event in engine.run_trades(*columns):
        found += event.signals if isinstance(event, BarClosed) else []
        if hasattr(event, "pattern"):
            found.append(event)
    assert found, "a walk that shows no pattern proves nothing"
    want = sorted((str(s.ts), str(s.pattern), s.side, s.price) for s in found)
    shown = sorted(
        (s["ts"], s["pattern"], s["side"], round(s["price"] * 10)) for s in told["signals"]
    )
    assert shown == want
