"""The quality report: each fault planted is counted, and only what it is."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from of_nautilus.ingest.binance_ws import ingest_binance_ws
from of_nautilus.ingest.checks import DayReport
from of_nautilus.ingest.columns import (
    DAY_NS,
    QuoteColumns,
    TradeColumns,
    data_folder,
    file_name,
    read_trades,
)
from of_nautilus.ingest.equities import DROPPED, ingest_equities
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.formats import FORMATS
from of_nautilus.ingest.instruments import find_instrument
from of_nautilus.ingest.listing import list_catalog
from of_nautilus.ingest.quality import Limits, QualityReport, check_catalog
from of_nautilus.ingest.writer import CatalogWriter
from tests.fixtures_ingest import DAY0, PERP, WsRecording, trades

INSTRUMENT = find_instrument(PERP)
SECOND = 1_000_000_000


def market(count: int = 2_000, start: int = DAY0) -> TradeColumns:
    """A good day: a trade a second, bounces between bid and ask."""
    rng = np.random.default_rng(11)
    rows = trades(start + np.arange(count) * SECOND)
    side = np.where(rng.random(count) < 0.5, 1, -1).astype(np.int8)
    price = 6_000_000 + 10 * np.cumsum(rng.integers(-1, 2, count)) * 2 + 5 * (side + 1)
    return replace(rows, side=side, price=price - price % 10)


def save(root: Path, rows: Any, name: str | None = None) -> None:
    """Write rows as they are: the catalog's writer would mend some of their faults."""
    with CatalogWriter(root, INSTRUMENT):
        pass
    folder = root / data_folder(type(rows), PERP)
    folder.mkdir(parents=True, exist_ok=True)
    times = rows.ts_init
    pq.write_table(rows.to_table(PERP), folder / (name or file_name(times.min(), times.max())))


def check(root: Path, rows: Any, **options: Any) -> tuple[QualityReport, DayReport]:
    save(root, rows)
    report = check_catalog(root, **options)
    return report, report.days[0]


def test_a_good_day_is_fit(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    report, day = check(tmp_path, market(), progress=lambda *at: seen.append(at))
    assert (seen[0][0], seen[-1][0]) == (0, seen[-1][1])
    assert (report.exit_code, report.unfit, report.notes) == (0, [], [])
    assert report.aggressor == {PERP: "VENUE"}
    assert (day.rows, day.day, day.kind) == (2_000, "2024-08-08", "trade_tick")
    assert (day.aggressor_share, day.missing_ids, day.duplicates) == (1.0, 0, 0)
    assert 0.4 < (day.tick_rule_share or 0) <= 1.0
    assert json.loads(json.dumps(report.to_dict()))["fit"] is True


def _swap(rows: TradeColumns) -> TradeColumns:
    rows.ts_init[[10, 11]] = rows.ts_init[[11, 10]]
    return rows


def _ids(rows: TradeColumns, ids: Any) -> TradeColumns:
    return replace(rows, trade_id=ids)


def _repeat(rows: TradeColumns) -> TradeColumns:
    return rows.pick(np.sort(np.append(np.arange(2_000), np.arange(100, 110))))


def _set(rows: TradeColumns, name: str, at: Any, value: Any) -> TradeColumns:
    getattr(rows, name)[at] = value
    return rows


FAULTS: dict[str, tuple[Any, str, int, bool]] = {
    "one swapped pair": (_swap, "out_of_order", 1, True),
    "event time back once": (
        lambda r: _set(replace(r, ts_event=r.ts_event.copy()), "ts_event", 50, DAY0),
        "event_time_backwards",
        1,
        False,
    ),
    "event time back often": (
        lambda r: _set(replace(r, ts_event=r.ts_event.copy()), "ts_event", slice(50, 150), DAY0),
        "event_time_backwards",
        100,
        True,
    ),
    "few off grid": (lambda r: _set(r, "price", [5, 7], 6_000_003), "off_grid", 2, False),
    "many off grid": (lambda r: _set(r, "price", slice(5, 55), 6_000_003), "off_grid", 50, True),
    "size of zero": (lambda r: _set(r, "size", 5, 0), "not_positive", 1, True),
    "repeats": (_repeat, "duplicates", 10, True),
    "few ids lost": (
        lambda r: _ids(r, np.where(np.arange(2_000) < 9, r.trade_id, r.trade_id + 3)),
        "missing_ids",
        3,
        False,
    ),
    "many ids lost": (
        lambda r: _ids(r, np.where(np.arange(2_000) < 9, r.trade_id, r.trade_id + 300)),
        "missing_ids",
        300,
        True,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_counted_and_judged(fault: str, tmp_path: Path) -> None:
    spoil, name, count, unfit = FAULTS[fault]
    report, day = check(tmp_path, spoil(market()))
    assert getattr(day, name) == count
    assert report.exit_code == unfit
    said = report.unfit if unfit else report.notes
    assert any(f"{count} {name.replace('_', ' ')} of" in line for line in said)


def test_reversed_sides_are_unfit(tmp_path: Path) -> None:
    rows = market()
    moves = np.sign(np.diff(rows.price, prepend=rows.price[0])).astype(np.int8)
    rows = replace(rows, side=np.where(moves == 0, 1, -moves).astype(np.int8))
    report, day = check(tmp_path, rows)
    assert (day.tick_rule_share or 0) < 0.4
    assert any("reversed?" in line for line in report.unfit)


def test_the_tick_rule_carries_over_equal_prices(tmp_path: Path) -> None:
    rows = trades(DAY0 + np.arange(9) * SECOND)
    prices = np.array([100, 100, 101, 101, 100, 100, 100, 102, 101]) * 10
    sides = np.array([1, 1, 1, -1, -1, -1, 0, 1, 1], np.int8)
    _, day = check(tmp_path, replace(rows, price=prices, side=sides))
    # rule: 0 0 + + - - - + -; both known: six of seven rows with a rule, of which four agree
    assert day.tick_rule_share == pytest.approx(4 / 6)
    assert day.aggressor_share == pytest.approx(8 / 9)


def test_sides_that_no_venue_gives_are_said(tmp_path: Path) -> None:
    rows = replace(market(), side=np.zeros(2_000, np.int8))
    report, day = check(tmp_path / "a", rows)
    assert report.aggressor == {PERP: "INFERRED"}
    assert (day.aggressor_share, day.tick_rule_share) == (0.0, None)
    made = replace(rows, trade_id=pa.array([f"SYN{i}" for i in range(2_000)]))
    report, day = check(tmp_path / "b", made)
    assert report.aggressor == {PERP: "SYNTHETIC"}
    assert day.synthetic == 2_000
    assert report.exit_code == 0


def test_silences_are_held_against_those_before(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    waits = rng.integers(SECOND // 10, 2 * SECOND, 5_000)
    waits[200] = 6 * SECOND  # a long one
    waits[300] = 4 * SECOND  # long for this market, yet below five seconds
    waits[4_000] = 90 * SECOND
    _, day = check(tmp_path / "a", trades(DAY0 + np.cumsum(waits)))
    assert day.gaps == 2
    assert [seconds for _, seconds in day.longest_gaps] == [90.0, 6.0]
    slow = trades(DAY0 + np.cumsum(rng.integers(1, 40, 2_000)) * SECOND)
    _, day = check(tmp_path / "b", slow)
    assert day.gaps < 20  # a thin market's own pace is no gap


def test_a_recorders_clock_is_measured(tmp_path: Path) -> None:
    rows = market()
    report, day = check(tmp_path, replace(rows, ts_event=rows.ts_init + 1_270_000_000))
    assert day.delay_ms == -1_270.0
    assert any("1270.0 ms behind" in note for note in report.notes)


def test_quotes_crossed_and_locked(tmp_path: Path) -> None:
    count = 500
    times = DAY0 + np.arange(count) * SECOND
    bid = np.full(count, 6_000_000)
    ask = np.full(count, 6_000_010)
    ask[:3], ask[3:5] = 5_999_990, 6_000_000
    one = np.full(count, 1_000)
    report, day = check(tmp_path, QuoteColumns(2, 3, times, times, bid, ask, one, one))
    assert (day.crossed, day.locked, report.exit_code) == (3, 2, 0)


def test_books_are_followed(tmp_path: Path) -> None:
    ws = WsRecording()
    ws.snapshot(100, [["60000.00", "5.000"], ["59999.00", "6.000"]], [["60000.10", "7.000"]])
    ws.depth(100, 110, [], [["60000.10", "0"], ["61000.00", "1.000"]], previous=99)
    ws.depth(111, 120, [["60500.00", "1.000"]], [], previous=110)  # inside, not crossed
    ws.depth(121, 130, [["61000.00", "1.000"]], [], previous=120)  # locked
    ws.depth(131, 140, [["62000.00", "1.000"]], [], previous=130)  # crossed
    ws.depth(141, 150, [["62000.00", "0"], ["61000.00", "0"]], [], previous=140)  # healed
    ws.depth(161, 170, [["59000.00", "1.000"]], [], previous=160)  # a break
    ws.snapshot(170, [["10.00", "1.000"]], [["70000.00", "1.000"]])
    ingest_binance_ws([ws.write(tmp_path / "a.gz")], PERP, tmp_path / "catalog")
    report = check_catalog(tmp_path / "catalog")
    (day,) = report.days
    assert (day.crossed, day.locked, day.snapshots, day.untrusted) == (1, 1, 2, 1)
    assert report.exit_code == 1  # one of so few rows
    lenient = check_catalog(tmp_path / "catalog", limits=Limits(crossed=0.5, untrusted=0.5))
    assert lenient.exit_code == 0


def test_days_are_told_apart_and_ranges_are_kept(tmp_path: Path) -> None:
    with CatalogWriter(tmp_path, INSTRUMENT) as writer:
        for day in range(3):
            rows = market(100, DAY0 + day * DAY_NS)
            writer.write(_ids(rows, rows.trade_id + 100 * day))
    report = check_catalog(tmp_path)
    assert [(d.day[-2:], d.rows) for d in report.days] == [("08", 100), ("09", 100), ("10", 100)]
    part = check_catalog(tmp_path, PERP, DAY0 + DAY_NS, DAY0 + DAY_NS + 9 * SECOND)
    assert [(d.day[-2:], d.rows) for d in part.days] == [("09", 10)]


def test_files_that_hide_or_repeat_rows_are_unfit(tmp_path: Path) -> None:
    save(tmp_path, market(100))
    save(tmp_path, market(100, DAY0 + DAY_NS), file_name(DAY0 + DAY_NS, DAY0 + DAY_NS + 5))
    save(tmp_path, market(100, DAY0 + 50 * SECOND))
    report = check_catalog(tmp_path)
    assert sum("overlaps" in line for line in report.unfit) == 1
    assert sum("hides rows" in line for line in report.unfit) == 1


def test_damage_and_missing_definitions_are_reasons(tmp_path: Path) -> None:
    save(tmp_path, market(100))
    other = tmp_path / "data" / "trade_tick" / "ETHUSDT.BINANCE"
    other.mkdir()
    (path,) = (tmp_path / data_folder(TradeColumns, PERP)).iterdir()
    (other / path.name).write_bytes(path.read_bytes())
    path.write_bytes(path.read_bytes()[:-10])
    report = check_catalog(tmp_path)
    assert report.exit_code == 1
    assert any("damaged Parquet file" in line for line in report.unfit)
    assert any("ETHUSDT.BINANCE: no definition" in line for line in report.unfit)


def test_nothing_to_check_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="no catalog there"):
        check_catalog(tmp_path / "absent")
    save(tmp_path, market(10))
    with pytest.raises(IngestError, match="no trades, quotes or books"):
        check_catalog(tmp_path, "ETHUSDT.BINANCE")
    with pytest.raises(ValueError, match="`off_grid` must be 0 to 1, was 2"):
        Limits(off_grid=2)


def test_the_listing_counts_rows_and_sizes(tmp_path: Path) -> None:
    with CatalogWriter(tmp_path, INSTRUMENT) as writer:
        writer.write(market(100))
        writer.write(market(50, DAY0 + DAY_NS))
    instrument, rows = list_catalog(tmp_path)
    assert (instrument.kind, instrument.rows) == ("crypto_perpetual", 1)
    assert (rows.kind, rows.instrument_id, rows.files, rows.rows) == ("trade_tick", PERP, 2, 150)
    assert (rows.first, rows.last) == (DAY0, DAY0 + DAY_NS + 49 * SECOND)
    assert rows.bytes == sum(p.stat().st_size for p in (tmp_path / "data/trade_tick").rglob("*.p*"))
    assert rows.to_dict()["from"] == "2024-08-08T00-00-00-000000000Z"
    with pytest.raises(IngestError, match="no catalog there"):
        list_catalog(tmp_path / "absent")


def test_a_remote_catalog_is_checked_and_listed() -> None:
    address = "memory://quality-test"
    with CatalogWriter(address, INSTRUMENT) as writer:
        writer.write(market(1_500))
    assert check_catalog(address).exit_code == 0
    assert [e.rows for e in list_catalog(address)] == [1, 1_500]


SPOT, NEXO, SPY = "BTCUSDT.BINANCE", "NEXOUSDT.BINANCE", "SPY.ARCA"


@pytest.fixture(scope="module")
def recorded(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What `check` writes as JSON of the recorded markets, with the folder of their files."""
    root = tmp_path_factory.mktemp("recorded")
    binance = real_data / "binance"
    thin = find_instrument(NEXO, price_increment="0.001", size_increment="0.01")
    for name, instrument in (
        ("usdm_btcusdt_2023*", PERP),
        ("usdm_btcusdt_2024*", PERP),
        ("spot_btcusdt_*", SPOT),
        ("spot_nexousdt_20240723*", thin),
    ):
        ingest_binance_ws(sorted(binance.glob(f"{name}.gz")), instrument, root)
    ingest_equities([real_data / "equities" / "20131008_trade.zip"], SPY, root)
    report = json.loads(json.dumps(check_catalog(root).to_dict()))
    report["by"] = {(d["instrument_id"], d["kind"], d["day"]): d for d in report["days"]}
    report["met"] = {(d["instrument_id"], d["day"]): d for d in report["ingested"]}
    report["root"], report["source"] = root, real_data
    return report


@pytest.mark.slow
def test_recorded_markets_are_fit(recorded: Any) -> None:
    assert (recorded["fit"], recorded["unfit"]) == (True, [])
    assert recorded["aggressor"] == {PERP: "VENUE", SPOT: "VENUE", NEXO: "VENUE", SPY: "INFERRED"}
    assert all(not day["out_of_order"] for day in recorded["days"])
    assert all(not day.get("crossed") for day in recorded["days"])
    assert recorded["by"][PERP, "trade_tick", "2023-04-05"]["tick_rule_share"] > 0.9


@pytest.mark.slow
def test_the_insurance_funds_print_is_counted(recorded: Any) -> None:
    met = recorded["met"][PERP, "2023-04-05"]
    assert met["left_out"]["trade INSURANCE_FUND"] == 1
    assert recorded["by"][PERP, "trade_tick", "2023-04-05"]["missing_ids"] == 1
    funds = {key for key, day in recorded["met"].items() if "INSURANCE" in str(day["left_out"])}
    assert funds == {(PERP, "2023-04-05")}


@pytest.mark.slow
def test_each_recorders_clock_is_told(recorded: Any) -> None:
    delay = {key: day["recorder_delay_ms"] for key, day in recorded["met"].items()}
    assert delay[PERP, "2024-08-08"] == pytest.approx(-1_270, abs=10)
    assert delay[SPOT, "2024-08-08"] == pytest.approx(-1_270, abs=10)
    assert delay[NEXO, "2024-07-23"] == pytest.approx(-20, abs=10)
    assert -20 < delay[PERP, "2023-04-04"] < 0 < delay[PERP, "2023-04-05"] < 20
    assert delay[SPY, "2013-10-08"] is None
    note = f"{PERP} 2024-08-08: the recorder's clock was {-delay[PERP, '2024-08-08']:.1f} ms behind"
    assert note in recorded["notes"]


@pytest.mark.slow
def test_prints_of_one_market_order_are_told(recorded: Any) -> None:
    day = recorded["by"][PERP, "trade_tick", "2024-08-08"]
    trades = read_trades(recorded["root"], PERP, DAY0, DAY0 + DAY_NS - 1)
    assert day["rows"] == len(trades) == 21_313
    assert len({*zip(trades.ts_event.tolist(), trades.side.tolist(), strict=True)}) == 5_374
    # Of one time and side, yet with other trades in between: these are orders of their own.
    orders, before = 0, None
    for ts, side, number in zip(trades.ts_event, trades.side, trades.trade_id, strict=True):
        orders += (ts, side, number - 1) != before
        before = (ts, side, number)
    assert day["orders"] == orders == 5_436


@pytest.mark.slow
def test_ids_run_on_across_midnight(recorded: Any) -> None:
    for day in ("2024-08-08", "2024-08-09"):
        assert recorded["by"][SPOT, "trade_tick", day]["missing_ids"] == 0
        assert recorded["by"][SPOT, "trade_tick", day]["duplicates"] == 0
        assert recorded["by"][SPOT, "order_book_deltas", day]["untrusted"] == 0


@pytest.mark.slow
def test_odd_prints_of_shares_are_counted(recorded: Any) -> None:
    with zipfile.ZipFile(recorded["source"] / "equities" / "20131008_trade.zip") as archive:
        rows = np.array(
            [
                (int(ms), int(size), int(conditions, 16))
                for ms, _, size, _, conditions, _ in (
                    line.split(",") for line in archive.read(archive.namelist()[0]).decode().split()
                )
            ]
        )
    ms, size, bits = rows.T
    met = recorded["met"][SPY, "2013-10-08"]
    left = met["left_out"]
    late = sum(number for reason, number in left.items() if "out of sequence" in reason)
    assert late == np.count_nonzero(bits >> 14 & 1) == 1
    plain = bits & sum(1 << bit for bit in DROPPED) == 0
    kept = recorded["by"][SPY, "trade_tick", "2013-10-08"]["rows"]
    assert (kept, kept + sum(left.values())) == (np.count_nonzero(plain), len(rows))
    # The file's one print below a hundred shares is an opening price, and left out as such.
    assert not (plain & (size < 100)).any()
    assert (bits[size < 100] >> 26 & 1).tolist() == [1]
    assert left["sale condition: official open"] == 2
    assert met["kept"] == {
        "before 09:30": np.count_nonzero(plain & (ms < 34_200_000)),
        "after 16:00": np.count_nonzero(plain & (ms > 57_600_000)),
    }


def test_trades_that_share_a_packets_number_are_no_repeats(real_data: Path, tmp_path: Path) -> None:
    files = sorted((real_data / "databento").glob("*.dbn.zst"))
    FORMATS["databento"].ingest(files, find_instrument("ESH4.GLBX"), tmp_path)
    report = check_catalog(tmp_path)
    assert report.exit_code == 0
