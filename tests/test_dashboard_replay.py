"""What a replay shows, beside the catalog: ids, key prices, signals; and how its time goes."""

import argparse
import asyncio
import json
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from of_nautilus.cli import replay as replay_command
from of_nautilus.core.footprint import BarKind
from of_nautilus.core.sessions import HOUR
from of_nautilus.core.value_area import key_prices
from of_nautilus.dashboard import answers
from of_nautilus.dashboard.app import make_app
from of_nautilus.dashboard.bars import USUAL, Shape
from of_nautilus.dashboard.channels import CHANNELS
from of_nautilus.dashboard.hub import Client, Topic
from of_nautilus.dashboard.market import PRINT, MarketState
from of_nautilus.dashboard.recorded import RecordedMarket, catalog_markets
from of_nautilus.dashboard.replay import ReplaySource
from of_nautilus.dashboard.units import Units
from of_nautilus.data import (
    FLOW_TYPES,
    OPERATION_TYPES,
    STRATEGY_TYPES,
    EntryDecision,
    FootprintBar,
    JournalNote,
    LevelEvent,
    PatternSignal,
    TradeTransition,
)
from of_nautilus.engine import BarClosed, FlowConfig, FlowEngine
from of_nautilus.errors import UserError
from of_nautilus.ingest.columns import DeltaColumns, TradeColumns
from of_nautilus.ingest.instruments import perpetual
from of_nautilus.ingest.writer import CatalogWriter
from of_nautilus.journal import Parts, read_journal
from tests.report_catalog import (
    INSTRUMENT,
    MINUTE,
    NAME,
    SCALE,
    START,
    books,
    trade,
    walk,
    write_flow,
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


FIVES = FlowConfig(session="1h", bar_size=300.0, ticks_per_row=5, profile_row_ticks=10)


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
        assert own["row_height"] == own["key_height"] == pytest.approx(0.7)
    # However the rows are drawn, the profile is read as the levels were.
    for rows in (1, 5, 50):
        (other,) = ask(replayed(tmp_path), f"/api/volume-profile/{NAME}?days=9&rows={rows}")
        for one, same in zip(told["profiles"], other["profiles"], strict=True):
            assert same["row_height"] == pytest.approx(rows / 10)
            for name in ("poc", "vah", "val", "shape", "lvn", "key_height", "volume"):
                assert same[name] == one[name], name


@pytest.mark.parametrize("session", ["NY_CASH", "08:00-16:00 UTC", "8h"])
def test_hours_of_a_session_are_those_that_are_told(tmp_path: Path, session: str) -> None:
    """On the days on which the clocks of New York go forward, in a leap as by the hour."""
    later = 61 * 24 * HOUR  # 9 March 2024
    trades = walk(20_000, 40 * 60)
    moved = {"ts_event": trades.ts_event + later, "ts_init": trades.ts_event + later}
    trades = replace(trades, **moved)
    write_market(tmp_path, trades)
    rolls = write_flow(tmp_path, trades, FlowConfig(session=session, profile_row_ticks=10))
    (recorded,) = (RecordedMarket(each) for each in catalog_markets(tmp_path, None, None))
    played = recorded.player()
    for hour in range(1, 40):
        at = START + later + hour * HOUR + 7 * MINUTE
        played.play(at)
        if hour not in (3, 17, 23, 39):
            continue
        leapt = recorded.player()
        leapt.play(at)
        one, other = played.state, leapt.state
        one.refresh()
        other.refresh()
        told, bars = answers.profiles(one, 9, 10), one.bars.between(0, None)
        assert told == answers.profiles(other, 9, 10)
        assert bars == other.bars.between(0, None)
        assert repr(one.engine and one.engine.vwap) == repr(other.engine and other.engine.vwap)
        begun = [roll for roll in rolls if roll.start <= at]
        for bar in bars:
            assert any(roll.start <= bar.open_ts < roll.end for roll in begun)
        for own, roll in zip(told, reversed(begun), strict=True):
            inside = (trades.ts_event >= roll.start) & (trades.ts_event < min(roll.end, at + 1))
            price, size = trades.price[inside], trades.size[inside]
            low = int(price.min()) // 10
            keys = key_prices(np.bincount(price // 10 - low, size).astype(np.int64), low, 10)
            assert [round(own[name] * 10) for name in ("poc", "val", "vah")] == list(keys)
            assert round(own["volume"] * 1000) == size.sum()
            assert [round(own[name] * 10) for name in ("high", "low")] == [price.max(), price.min()]
            if roll is begun[-1]:
                assert answers.instrument(one, at)["volume"] == own["volume"]
                if at < roll.end:
                    assert one.engine is not None
                    assert one.engine.vwap[0] == pytest.approx(float(price @ size) / size.sum())


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
    # Those of a close say so: they stand on the bar that closed.
    closes = {int(s["ts"]) % MINUTE == 0 for s in told["signals"] if s["at_close"]}
    assert closes == {True}


# -- no look-ahead, and no memory of how a moment was reached --------------------------------------

SHOWN = [
    "/api/instruments", "/api/scanner", f"/api/candles/{NAME}?count=3000",
    f"/api/candles/{NAME}?tf=300&range=3000", f"/api/delta/{NAME}?count=3000",
    f"/api/footprint/{NAME}?count=500", f"/api/footprint/{NAME}?count=500&rows=10&tf=300",
    f"/api/volume-profile/{NAME}?days=9", f"/api/volume-profile/{NAME}?range=3000",
    f"/api/markers/{NAME}?count=2000", f"/api/signals/{NAME}?limit=2000", f"/api/bias/{NAME}",
    f"/api/trade/{NAME}?limit=2000", f"/api/strategy-status/{NAME}",
    f"/api/orderbook/{NAME}?history=600", f"/api/tape/{NAME}?count=2000",
    f"/api/microstructure/{NAME}", "/api/stats",
]  # fmt: skip


def shown(source: ReplaySource) -> dict[str, Any]:
    """All that REST and the channels say of the markets now."""
    told: dict[str, Any] = dict(zip(SHOWN, ask(source, *SHOWN), strict=True))
    told["/api/stats"] = told["/api/stats"]["instruments"]
    for name, channel in CHANNELS.items():
        if not channel.of_all:
            told[name] = channel.make(source, NAME, 300 if channel.with_tf else 0).snapshot()
    return told


def until(columns: Any, at: int) -> Any:
    """The rows of trades or books up to a time."""
    past = columns.ts_event <= at
    arrays = [field.name for field in fields(columns) if np.ndim(getattr(columns, field.name))]
    return replace(columns, **{name: getattr(columns, name)[past] for name in arrays})


def write_cut(
    folder: Path, trades: TradeColumns, deltas: DeltaColumns, journal: Path, at: int
) -> Path:
    """Write a catalog that ends at a moment, with what had been published by then."""
    write_market(folder, until(trades, at), until(deltas, at))
    parts = Parts(folder)
    for kind in (*FLOW_TYPES, *STRATEGY_TYPES, *OPERATION_TYPES):
        rows = read_journal(journal, kind, NAME)
        for row in rows[rows["ts_init"] <= at].to_dict("records"):
            parts.add(kind.from_dict(row))
    parts.write(START + 10**18)
    return folder


@pytest.mark.parametrize("kind", ["journal", "hours", "trades"])
def test_what_comes_after_a_moment_changes_nothing_of_it(tmp_path: Path, kind: str) -> None:
    """A replay up to a moment shows what a replay of a catalog that ends there shows."""
    trades, deltas = walk(15_000, MINUTES), books(MINUTES)
    whole = write_market(tmp_path / "whole", trades, deltas)
    if kind == "hours":
        write_flow(whole, trades)
    elif kind == "journal":
        price = int(trades.price[1_000])
        spans = [(START + (14 * k + 3) * MINUTE, START + (14 * k + 9) * MINUTE) for k in range(10)]
        write_journal(
            whole, trades, [trade(k, *span, price, price + 40) for k, span in enumerate(spans)]
        )
        parts = Parts(whole)
        about: dict[str, Any] = {
            "instrument_id": INSTRUMENT.id, "strategy_id": "S-001", "tick": 0.1
        }  # fmt: skip
        for span in spans:
            for at, target in zip(span, ("POSITION_OPEN", "NONE"), strict=True):
                parts.add(TradeTransition(ts_event=at, ts_init=at, target=target, **about))
                side: dict[str, Any] = {"kind": "VAL", "price": price, "side": 1}
                what = "born" if target != "NONE" else "broken"
                parts.add(
                    LevelEvent(ts_event=at, ts_init=at, what=what, level="V", **side, **about)
                )
        parts.write(START + 10**18)
    seen = []
    # The end of a catalog is its last trade. The second is the first of a bar.
    first_of_bar = int(np.flatnonzero(np.diff(trades.ts_event // MINUTE))[70]) + 1
    for number in (40, first_of_bar, 7_777, 14_000):
        at = int(trades.ts_event[number])
        cut = write_cut(tmp_path / str(number), trades, deltas, whole, at)
        one, other = shown(replayed(whole, at)), shown(replayed(cut, at))
        for path, told in one.items():
            assert told == other[path], (path, number)
        seen.append(one)
    for path in SHOWN if kind == "journal" else ():
        assert any(each[path] != seen[0][path] for each in seen[1:]), f"{path} says nothing"


@pytest.mark.parametrize("step", [0.02, 0.31, 1.0])
def test_how_a_moment_was_reached_changes_nothing_of_it(journaled: Path, step: float) -> None:
    at = START + 97 * MINUTE + 123 * 10**6
    played = replayed(journaled, at - 8 * MINUTE)
    played.act("speed", None, 100 if step < 1 else 200)
    played.act("play", None, None)
    while played.now_ns < at:
        played.advance(min(step, (at - played.now_ns) / (200e9 if step == 1 else 100e9)))
    played.act("pause", None, None)
    one, other = shown(played), shown(replayed(journaled, at))
    for path, told in one.items():
        assert told == other[path], path


def test_bars_of_another_shape_are_those_that_were_told(tmp_path: Path) -> None:
    """From the start on, where no bar has closed yet, and by one who is not told of it before."""
    trades = walk(15_000, MINUTES)
    write_flow(write_market(tmp_path, trades), trades, FIVES)
    at = START + 22 * MINUTE
    played = replayed(tmp_path, START + MINUTE)
    assert [each["bar_seconds"] for each in ask(played, "/api/stats")[0]["instruments"]] == [300]
    played.act("speed", None, 100)
    played.act("play", None, None)
    while played.now_ns < at:
        played.advance(min(0.1, (at - played.now_ns) / 100e9))
    played.act("pause", None, None)
    one = shown(played)
    assert one == shown(replayed(tmp_path, at))
    assert [bar["time"] for bar in one["candle"]["candles"]] == [
        (START + k * 5 * MINUTE) // MS for k in range(5)
    ]
    # As beside a node: the trades come, and the first bar after them.
    (recorded,) = (RecordedMarket(each) for each in catalog_markets(tmp_path, None, None))
    own = played.markets[NAME]
    market = MarketState(NAME, recorded.units, recorded.currency, from_start=True)
    first = next(event for event in recorded.events if isinstance(event, FootprintBar))
    for start in range(0, own.trade_count, 100):
        rows = recorded.trades[start : min(start + 100, own.trade_count)]
        market.take_trades(rows)
        if market.last_ts >= first.ts_init and not market.epoch:
            market.take(first)
    market.refresh()
    assert market.epoch == 1
    assert market.bars.at(300, 9) == own.bars.at(300, 9)


def fresh(shape: Shape = USUAL) -> MarketState:
    return MarketState(NAME, Units(0.1, 0.001, 1, 3), "USDT", from_start=True, shape=shape)


def rows_of(trades: TradeColumns) -> Any:
    rows = np.zeros(len(trades), PRINT)
    rows["ts"], rows["price"] = trades.ts_event, trades.price
    rows["size"], rows["side"] = trades.size, trades.side
    return rows


def test_what_no_aggressor_is_known_of_is_part_of_the_profile() -> None:
    trades = walk(2_000, 20)
    rows = rows_of(trades)
    rows["side"][::3] = 0
    market = fresh()
    market.take_trades(rows)
    market.refresh()
    (told,) = answers.profiles(market, 1, 10)
    low = int(trades.price.min()) // 10
    volumes = np.bincount(trades.price // 10 - low, trades.size).astype(np.int64)
    keys = key_prices(volumes, low, 10)
    assert [round(told[name] * 10) for name in ("poc", "val", "vah")] == list(keys)
    assert [round(row["volume"] * 1000) for row in told["rows"]][::-1] == volumes.tolist()
    for row in told["rows"]:
        parts = row["buy"] + row["sell"] + row["unclassified"]
        assert row["volume"] == pytest.approx(parts)


def test_measures_are_sent_as_they_are_read() -> None:
    """A price with its own digits, small numbers with significant ones, money in quote units."""
    trades = walk(20_000, 180)
    market = fresh()
    market.take_trades(rows_of(trades))
    facts = {fact["name"]: fact for fact in answers.microstructure(market)}
    average = float(trades.price @ trades.size) / trades.size.sum() / 10
    assert facts["VWAP"]["value"] == round(average, 1)
    bars = market.bars.closed[-51:]
    moves = [
        abs(bar.close / before.close - 1) / (bar.dollars * 0.1 * 0.001)
        for before, bar in pairwise(bars)
    ]
    assert facts["Amihud"]["value"] == pytest.approx(np.mean(moves) * 1e6, rel=1e-4)
    assert facts["Amihud"]["unit"] == "per million quote"


def test_a_minute_of_bars_not_counted_in_time_keeps_its_time() -> None:
    """While the first of its bars is alone, and when more have come."""
    market = fresh((int(BarKind.TICK), 25, 1))
    source: Any = SimpleNamespace(markets={NAME: market})
    candles = CHANNELS["candle"].make(source, NAME, 60)
    rows = rows_of(walk(1_500, 20))
    told: dict[int, Any] = {}
    for start in range(0, len(rows), 7):
        market.take_trades(rows[start : start + 7])
        told |= {each["time"]: each for each in candles.delta()["candles"]}
    assert all(time % 60_000 == 0 for time in told)
    assert [told[time] for time in sorted(told)] == candles.snapshot()["candles"]


def test_prints_are_told_without_a_hole() -> None:
    """All that came since the last message; a snapshot where some of it is not held any more."""
    market = fresh()
    source: Any = SimpleNamespace(markets={NAME: market})
    channel, rows = CHANNELS["tick"], rows_of(walk(9_000, 90))
    topic, client = Topic(channel, ("tick", NAME, 0), channel.make(source, NAME, 0)), Client()
    topic.newcomers.add(client)
    heard = []
    for second, (start, end) in enumerate(((0, 10), (10, 1_500), (1_500, 8_000), (8_000, 8_300))):
        market.take_trades(rows[start:end])
        topic.speak(second, 0)
        heard.append(json.loads(asyncio.run(client.next())))
    assert [each["seq"] for each in heard] == [1, 2, 3, 4]
    assert [(each["type"], len(each["data"]["prints"])) for each in heard] == [
        ("snapshot", 10), ("delta", 1_490), ("snapshot", 50), ("delta", 300)
    ]  # fmt: skip


def test_the_open_trade_is_ended_and_moved_by_its_own_strategy() -> None:
    about: dict[str, Any] = {"instrument_id": INSTRUMENT.id, "ts_event": START, "ts_init": START}
    plan = {"decision": "planned", "side": 1, "entry": 100, "stop": 90, "quantity": 5}
    market = fresh()
    market.take(EntryDecision(strategy_id="A", **plan, **about))

    def move(strategy: str, target: str) -> None:
        market.take(TradeTransition(strategy_id=strategy, target=target, **about))

    def rest(strategy: str, price: int) -> None:
        numbers = json.dumps({"price": price})
        market.take(JournalNote(strategy_id=strategy, what="stop_rests", numbers=numbers, **about))

    move("A", "POSITION_OPEN")
    move("B", "WATCHING")
    rest("B", 50)
    assert market.open_trade is not None
    assert market.open_trade.stop == 90
    rest("A", 95)
    assert market.open_trade.stop == 95
    move("A", "CLOSED")
    assert market.open_trade is None


def test_a_card_names_the_score_that_its_strategy_needs() -> None:
    market = fresh()
    about: dict[str, Any] = {"instrument_id": INSTRUMENT.id, "pattern": "absorption", "side": 1}
    for at, decision in ((START, "planned"), (START + 1, "score"), (START + 2, "planned")):
        about |= {"ts_event": at, "ts_init": at}
        market.take(PatternSignal(reasons="{}", **about))
        numbers = {"raw": 30.0, "min_score": 55.0} if decision == "score" else {}
        market.take(
            EntryDecision(
                decision=decision, strategy_id="S-001", numbers=json.dumps(numbers), **about
            )
        )
        (*_, card) = market.cards.values()
        assert answers.card(market, card)["min_score"] == (40.0 if at == START else 55.0)


def test_the_days_played_are_the_last_of_the_instruments_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trades, later = walk(200, 5), 10 * 24 * HOUR
    write_market(tmp_path, trades)
    with CatalogWriter(tmp_path, perpetual("BTC-PERP.SIM", "BTC", "USDT", "0.1", "0.001")) as other:
        moved = {"ts_event": trades.ts_event + later, "ts_init": trades.ts_init + later}
        other.write(replace(trades, **moved))
    parser = argparse.ArgumentParser()
    replay_command.add_arguments(parser)

    def markets(*words: str) -> list[str]:
        args = parser.parse_args([str(tmp_path), *words])
        return list(replay_command._source(tmp_path, args, "replay").markets)

    assert markets() == ["BTC-PERP.SIM"]
    assert f"left out: {NAME}, without trades in that time; name" in capsys.readouterr().err
    assert markets("--instrument", NAME) == [NAME]
    assert markets("--start", "2024-01-08") == ["BTC-PERP.SIM", NAME]
    assert capsys.readouterr().err == ""
    with pytest.raises(UserError, match="--at 2030-01-01: the data end at 2024-01-18T"):
        markets("--at", "2030-01-01")
