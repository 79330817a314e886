"""Where instruments stand: read from journals made for the purpose, ranked, printed."""

import json
from pathlib import Path
from typing import Any

import pytest
from nautilus_trader.model.identifiers import InstrumentId

from of_nautilus.cli.frame import main
from of_nautilus.core.sessions import MINUTE
from of_nautilus.dashboard.market import MarketState
from of_nautilus.dashboard.units import Units
from of_nautilus.data import DailyBias, FootprintBar, LevelEvent, SessionRoll, TradeTransition
from of_nautilus.demo import DemoConfig, generate
from of_nautilus.demo.catalog import DEMO_ID, write_catalog
from of_nautilus.errors import UserError
from of_nautilus.journal import Parts, read_journal
from of_nautilus.scanner import standings

START = 1_700_000_000_000_000_000
S = "S-001"


def journal(folder: Path, name: str, rows: list[Any], at: int = START) -> None:
    parts = Parts(folder)
    instrument_id = InstrumentId.from_str(name)
    parts.begin(at, [instrument_id])
    for i, (kind, fields) in enumerate(rows):
        ts = at + i * 10**9
        parts.add(kind(ts_event=ts, ts_init=ts, instrument_id=instrument_id, **fields))
    parts.write(at + MINUTE)


def bar(close: int, r1: float = 8.0) -> tuple[Any, dict[str, Any]]:
    return FootprintBar, {"close": close, "high": close + 1, "low": close - 1, "r1": r1}


def level(
    what: str, name: str, price: int, strategy: str = S, side: int = 1
) -> tuple[Any, dict[str, Any]]:
    told = {"what": what, "level": name, "price": price, "side": side, "strategy_id": strategy}
    return LevelEvent, told


def phase(target: str, strategy: str = S) -> tuple[Any, dict[str, Any]]:
    return TradeTransition, {"target": target, "source": "NONE", "strategy_id": strategy}


FRAME = [(SessionRoll, {"finished_end": START - 1}), (DailyBias, {"strategy_id": S})]


@pytest.mark.parametrize(
    ("rows", "status", "steps", "priority"),
    [
        ([bar(100)], "NO_LEVELS", "000000", 20),
        ([bar(100), *FRAME], "NO_LEVELS", "100000", 20),
        ([*FRAME, level("born", "VAL-1", 120), bar(100)], "WAITING_FOR_PRICE", "110000", 40),
        ([*FRAME, level("born", "VAL-1", 108), bar(100)], "AT_LEVEL_SCANNING", "111000", 79),
        ([*FRAME, level("born", "VAL-1", 109), bar(100)], "WAITING_FOR_PRICE", "110000", 40),
        ([*FRAME, level("born", "VAL-1", 102), bar(100, 0.5)], "AT_LEVEL_SCANNING", "111000", 79),
        # Not before the usual range of a bar is known, as in the strategy.
        ([*FRAME, level("born", "VAL-1", 102), bar(100, float("nan"))],
         "WAITING_FOR_PRICE", "110000", 40),
        # A level of no side is watched, and not traded.
        ([*FRAME, level("born", "LVN-1", 100, side=0), bar(100)], "NO_LEVELS", "100000", 20),
        ([*FRAME, level("born", "V", 100), level("touched", "V", 100), level("broken", "V", 100),
          bar(100)], "NO_LEVELS", "100000", 20),
        ([*FRAME, level("born", "V", 104), bar(100), phase("WATCHING")],
         "WATCHING", "111000", 69),
        ([*FRAME, level("born", "V", 150), bar(100), phase("ABSORPTION_DETECTED")],
         "ENTRY_READY", "111110", 100),
        ([*FRAME, bar(100), phase("POSITION_OPEN"), phase("TRAILING")],
         "TRAILING", "101111", 110),
        ([*FRAME, level("born", "V", 150), bar(100), phase("POSITION_OPEN"), phase("NONE")],
         "WAITING_FOR_PRICE", "110000", 40),
        # Of two strategies the one in a trade is told.
        ([*FRAME, level("born", "V", 150), bar(100), phase("POSITION_OPEN", "S-002")],
         "IN_TRADE", "101111", 115),
    ],
)  # fmt: skip
def test_status(rows, status, steps, priority, tmp_path) -> None:
    journal(tmp_path, "AAA.SIM", rows)
    (found,) = standings(tmp_path)
    assert found.row.status == status
    assert "".join("01"[done] for done in found.row.steps) == steps
    assert found.row.priority == priority
    if {fields.get("strategy_id", S) for _, fields in rows} != {S}:
        return  # of two strategies the dashboard shows the levels of both
    # The dashboard says the same of the same journal.
    market = MarketState("AAA.SIM", Units(0.1, 0.001, 1, 3), "USDT", from_start=True)
    for kind in (FootprintBar, SessionRoll, DailyBias, LevelEvent, TradeTransition):
        for row in read_journal(tmp_path, kind, "AAA.SIM").to_dict("records"):
            market.take(kind.from_dict(row))
    told = market.row(found.last_ts)
    assert (told.status, told.steps, told.priority) == (status, found.row.steps, priority)


def test_ranking_and_silence(tmp_path) -> None:
    journal(tmp_path, "AAA.SIM", [bar(100)], START)
    journal(tmp_path, "BBB.SIM", [*FRAME, level("born", "V", 100), bar(100)], START)
    journal(tmp_path, "CCC.SIM", [*FRAME, bar(100), phase("BREAK_EVEN")], START)
    names = [s.row.symbol for s in standings(tmp_path)]
    assert names == ["CCC.SIM", "BBB.SIM", "AAA.SIM"]
    later = standings(tmp_path, at=START + 6 * MINUTE)
    assert {str(s.row.status) for s in later} == {"OFFLINE"}
    patient = standings(tmp_path, at=START + 6 * MINUTE, stale_after=10 * MINUTE)
    assert [s.row.symbol for s in patient] == names
    journal(tmp_path, "DDD.SIM", [bar(100)], START + 60 * MINUTE)
    statuses = {s.row.symbol: str(s.row.status) for s in standings(tmp_path)}
    assert statuses["CCC.SIM"] == "OFFLINE"
    assert statuses["DDD.SIM"] == "NO_LEVELS"
    with pytest.raises(ValueError, match="`stale_after` must be > 0"):
        standings(tmp_path, stale_after=0)


def test_a_catalog_without_a_journal_has_no_profile(tmp_path) -> None:
    write_catalog(generate(DemoConfig(sessions=1)), tmp_path)
    (found,) = standings(tmp_path)
    assert (found.row.symbol, found.row.status, found.last_price) == (DEMO_ID, "NO_DATA", None)


def test_command(tmp_path, capsys) -> None:
    journal(tmp_path, "AAA.SIM", [bar(100)])
    journal(tmp_path, "BBB.SIM", [*FRAME, level("born", "V", 104), bar(100)])
    out = tmp_path / "status.json"
    assert main(["status", "--catalog", str(tmp_path), "--json", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["BBB.SIM", "AT_LEVEL_SCANNING", "79", "123...", "1", "100", "104"]
    assert lines[2].split() == ["AAA.SIM", "NO_LEVELS", "20", "......", "0", "100", "-"]
    told = json.loads(out.read_text())
    assert list(told) == ["BBB.SIM", "AAA.SIM"]
    assert told["BBB.SIM"]["steps"]["price at level"] is True
    assert main(["status", "--catalog", str(tmp_path), "--at", "2030-01-01T00:00:00Z"]) == 0
    assert capsys.readouterr().out.count("OFFLINE") == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--at", "noon"], "is no ISO 8601 time; write 2024-"),
        (["--stale-minutes", "0"], "must be > 0"),
        (["--catalog", "nowhere"], "no market data there"),
    ],
)
def test_wrong_words(words, said, capsys) -> None:
    assert main(["status", *words]) == 2
    assert said in capsys.readouterr().err


def test_an_empty_catalog_says_so(tmp_path) -> None:
    with pytest.raises(UserError, match="no market data there"):
        standings(tmp_path)
