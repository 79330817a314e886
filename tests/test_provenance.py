"""What an ingest left out is kept beside its data, by day, and told by the quality report."""

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from of_nautilus.cli.frame import main
from of_nautilus.ingest import staging as staging_module
from of_nautilus.ingest.binance_ws import ingest_binance_ws
from of_nautilus.ingest.columns import DAY_NS
from of_nautilus.ingest.instruments import find_instrument
from of_nautilus.ingest.provenance import FOLDER, entry_text, read_days
from of_nautilus.ingest.quality import check_catalog
from of_nautilus.ingest.store import open_store
from of_nautilus.ingest.writer import CatalogWriter
from tests.fixtures_ingest import DAY0, PERP, WsRecording, trades

MINUTE = 60_000
MIDNIGHT = DAY0 // 1_000_000 + 24 * 60 * MINUTE
FILES = count()


def recording(folder: Path, start_ms: int, minutes: int = 10, first: int = 1) -> Path:
    """A trade a minute by a clock 50 ms behind; every fifth comes twice, then a fund's print."""
    ws = WsRecording(start_ms=start_ms)
    for number in range(first, first + minutes):
        for _ in range(1 if number % 5 else 2):
            ws.trade(number, "60000.00", "0.010", seller=True)
        if number % 5 == 0:
            ws.trade(10**6, "60000.00", "0.010", seller=True, kind="INSURANCE_FUND")
        ws.ms += MINUTE
    for _ in range(200):  # the clock is read at every 64th line
        ws.ticker(next(FILES) + 1, "60000.00", "1.000", "60000.10", "1.000")
    lines = [line.split(" ", 1) for line in ws.lines]
    ws.lines = [f"{int(stamp) - 52_000_000} {text}" for stamp, text in lines]
    return ws.write(folder / f"{next(FILES)}.gz")


def entries(catalog: Any, instrument: str = PERP) -> list[dict[str, Any]]:
    return read_days(open_store(catalog), instrument, None, None)[0]


def test_each_day_has_its_own_counts(tmp_path: Path) -> None:
    path = recording(tmp_path, MIDNIGHT - 5 * MINUTE, first=3)  # ids 3 to 7, then 8 to 12
    summary = ingest_binance_ws([path], PERP, tmp_path / "catalog")
    assert (summary.trades, summary.duplicates) == (10, 2)
    assert summary.skipped["trade INSURANCE_FUND"] == 2
    before, after = entries(tmp_path / "catalog")
    for entry, day in ((before, "2024-08-08"), (after, "2024-08-09")):
        assert (entry["instrument_id"], entry["day"], entry["format"]) == (PERP, day, "binance-ws")
        assert entry["files"] == [path.name]
        assert entry["left_out"] == {"repeated trade": 1, "trade INSURANCE_FUND": 1}
        assert entry["rows"]["trade_tick"]["rows"] == 5
        assert entry["rows"]["trade_tick"]["first"].startswith(day)
    assert after["recorder_delay_ms"] == -50.0
    report = check_catalog(tmp_path / "catalog")
    assert report.to_dict()["ingested"] == [before, after]
    assert f"{PERP} 2024-08-09: the recorder's clock was 50.0 ms behind" in report.notes
    early = check_catalog(tmp_path / "catalog", end=DAY0 + DAY_NS - 1)
    assert early.ingested == [before]


def test_appended_ingests_stand_side_by_side(tmp_path: Path) -> None:
    root = tmp_path / "catalog"
    ingest_binance_ws([recording(tmp_path, DAY0 // 10**6 + MINUTE)], PERP, root)
    more = recording(tmp_path, DAY0 // 10**6 + 5 * MINUTE + 1, first=20)
    ingest_binance_ws([more], PERP, root, overlap="append")
    first, second = entries(root)
    assert first["left_out"] == {"repeated trade": 2, "trade INSURANCE_FUND": 2}
    assert second["left_out"]["not later than the catalog's data"] > 0
    assert second["rows"]["trade_tick"]["rows"] == 5


@pytest.mark.parametrize("scheme", ["", "memory://"])
def test_a_replaced_ingest_is_forgotten(scheme: str, tmp_path: Path) -> None:
    root = f"{scheme}{tmp_path}/catalog"
    path = recording(tmp_path, DAY0 // 10**6 + MINUTE)
    for _ in range(3):
        ingest_binance_ws([path], PERP, root, overlap="replace")
    (entry,) = entries(root)
    assert entry["left_out"] == {"repeated trade": 2, "trade INSURANCE_FUND": 2}
    part = recording(tmp_path, DAY0 // 10**6 + 5 * MINUTE, minutes=2, first=20)
    ingest_binance_ws([part], PERP, root, overlap="replace")
    held, new = entries(root)
    assert held["rows"]["trade_tick"]["partly_replaced"] is True
    assert new["rows"]["trade_tick"]["rows"] == 2


def test_who_writes_without_a_log_replaces_all_the_same(tmp_path: Path) -> None:
    root = tmp_path / "catalog"
    with CatalogWriter(root, find_instrument(PERP)) as writer:
        writer.write(trades([DAY0]))
    assert entries(root) == []
    assert not (root / FOLDER).exists()
    assert check_catalog(root).ingested == []
    path = recording(tmp_path, DAY0 // 10**6 + MINUTE)
    ingest_binance_ws([path], PERP, root)
    (entry,) = entries(root)
    with CatalogWriter(root, find_instrument(PERP), "replace") as writer:
        writer.write(trades([DAY0, DAY0 + 3_600 * 10**9]))
    (left,) = entries(root)
    assert set(entry["rows"]) == {"trade_tick", "quote_tick"}
    assert set(left["rows"]) == {"quote_tick"}


def test_counts_and_data_appear_together_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "catalog"
    path = recording(tmp_path, DAY0 // 10**6 + MINUTE)
    ingest_binance_ws([path], PERP, root)
    before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}

    def full(path: Path) -> None:
        if path.suffix == ".parquet":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(staging_module, "_sync", full)
    with pytest.raises(Exception, match="No space left"):
        ingest_binance_ws([path], PERP, root, overlap="replace")
    assert {p: p.read_bytes() for p in root.rglob("*") if p.is_file()} == before


def test_damage_is_noted_and_mended_by_the_next_ingest(tmp_path: Path) -> None:
    root = tmp_path / "catalog"
    path = recording(tmp_path, DAY0 // 10**6 + MINUTE)
    ingest_binance_ws([path], PERP, root)
    (held,) = (root / FOLDER / PERP).iterdir()
    for damage in ("{", "3", "[3]", json.dumps([{"format": 1}])):
        held.write_text(damage)
        report = check_catalog(root)
        assert (report.exit_code, report.ingested) == (0, [])
        (note,) = [note for note in report.notes if "damaged" in note]
        assert held.name in note
        ingest_binance_ws([path], PERP, root, overlap="replace")
        assert len(entries(root)) == 1


def test_what_an_entry_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "catalog"
    ingest_binance_ws([recording(tmp_path, DAY0 // 10**6 + MINUTE)], PERP, root)
    (entry,) = entries(root)
    said = "recorder's delay -50.0 ms; left out: 2 repeated trade, 2 trade INSURANCE_FUND"
    assert entry_text(entry) == said
    assert main(["check", str(root)]) == 0
    shown = capsys.readouterr().out
    assert f"{PERP} as ingested\n  2024-08-08  binance-ws  {said}\n" in shown
    plain = {"left_out": {}, "kept": {}, "recorder_delay_ms": None}
    assert entry_text(plain) == "all as it came"
    assert entry_text(plain | {"kept": {"odd lot": 3}}) == "kept: 3 odd lot"
