"""US equity ticks and LOBSTER files: real ones against a plain recount, small ones by hand."""

import csv
import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from nautilus_trader.model.data import OrderBookDepth10, TradeTick
from nautilus_trader.model.enums import AggressorSide

from of_nautilus.ingest.columns import read_depth, read_trades
from of_nautilus.ingest.equities import DROPPED, ingest_equities
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.lobster import ingest_lobster
from tests.fixtures_ingest import objects

SPY, AAPL = "SPY.ARCA", "AAPL.NASDAQ"
DAYS = [f"2013100{d}" if d < 10 else f"201310{d}" for d in range(7, 12)]


def pack(path: Path, lines: list[str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(path.stem + ".csv", "\n".join(lines) + "\n")
    return path


ROWS = [
    "34200000,1676400,100,P,1,0",
    "34200000,1676450,7,D,80000020,0",
    "34200001,1676500,200,Z,4001,0",
    "34200002,1676500,200,Z,200,0",
    "34200003,1676600,300,Z,20002000,0",
    "34200004,1699900,300,Z,1,1",
]


def test_equity_rows_by_hand(tmp_path: Path) -> None:
    path = pack(tmp_path / "20131007_trade.zip", ROWS)
    summary = ingest_equities([path], SPY, tmp_path / "catalog")
    assert summary.skipped == {
        "sale condition: out of sequence": 1,
        "sale condition: derivatively priced": 1,
        "marked suspicious": 1,
    }
    assert summary.kept == {"odd lot": 1}
    read = read_trades(tmp_path / "catalog", SPY)
    opening = int(datetime(2013, 10, 7, 13, 30, tzinfo=UTC).timestamp()) * 10**9
    assert (read.ts_event - opening).tolist() == [0, 0, 3_000_000]
    assert read.price.tolist() == [1_676_400, 1_676_450, 1_676_600]  # half cents are kept
    assert read.size.tolist() == [100, 7, 300]
    assert read.side.tolist() == [0, 0, 0]
    assert read.trade_id.tolist() == [20131007_000000001 + n for n in range(3)]
    ticks = objects(tmp_path / "catalog", TradeTick, SPY)
    assert {t.aggressor_side for t in ticks} == {AggressorSide.NO_AGGRESSOR}
    every = ingest_equities([path], SPY, tmp_path / "all", all_conditions=True)
    assert every.trades == 6


@pytest.mark.parametrize(
    ("day", "utc_hour"), [("20131101", 13), ("20131103", 14), ("20130310", 13), ("20130308", 14)]
)
def test_days_around_a_change_of_clocks(day: str, utc_hour: int, tmp_path: Path) -> None:
    path = pack(tmp_path / f"{day}_trade.zip", ["34200000,1676400,100,P,1,0"])
    ingest_equities([path], SPY, tmp_path / "catalog")
    event = read_trades(tmp_path / "catalog", SPY).ts_event[0]
    moment = datetime.fromtimestamp(event / 1e9, UTC)
    assert (moment.hour, moment.minute) == (utc_hour, 30)


@pytest.mark.parametrize(
    ("rows", "name", "message"),
    [
        ([r.replace("342", "822") for r in ROWS] * 5, "20131007_trade", "not milliseconds of that"),
        ([*ROWS, "34200005,167"], "20131007_trade", "line 7: broken line"),
        ([*ROWS, "34200005,1676400,1,P,zz,0"], "20131007_trade", "line 7: .*conditions 'zz'"),
        (ROWS, "spy_trade", "no date in the file's name"),
    ],
    ids=["zone", "cut", "conditions", "date"],
)
def test_bad_equity_files_are_said(
    rows: list[str], name: str, message: str, tmp_path: Path
) -> None:
    path = pack(tmp_path / f"{name}.zip", rows)
    with pytest.raises(IngestError, match=message):
        ingest_equities([path], SPY, tmp_path / "catalog")
    assert not (tmp_path / "catalog").exists()


@pytest.mark.slow
def test_real_equity_days_against_a_plain_recount(real_data: Path, tmp_path: Path) -> None:
    paths = [real_data / "equities" / f"{day}_trade.zip" for day in DAYS]
    summary = ingest_equities(paths, SPY, tmp_path)
    read = read_trades(tmp_path, SPY)
    mask = sum(1 << bit for bit in DROPPED)
    volume, counts = 0, []
    for path in paths:
        with zipfile.ZipFile(path) as archive:
            text = archive.read(archive.namelist()[0]).decode()
        rows = [r for r in csv.reader(io.StringIO(text)) if not int(r[4], 16) & mask]
        rows = [r for r in rows if r[5] == "0"]
        counts.append(len(rows))
        volume += sum(int(r[2]) for r in rows)
    assert summary.trades == sum(counts) == len(read)
    assert int(read.size.sum()) == volume
    total = 250_601 + 451_545 + 439_677 + 460_032 + 285_605
    assert summary.trades + summary.skipped.total() == total
    days, starts = np.unique(read.ts_event // 86_400_000_000_000, return_counts=True)
    assert len(days) == 5
    assert starts.tolist() == counts
    assert summary.off_grid == 0


MESSAGES = [
    "34200.004241176,1,16113575,18,5853300,1",
    "34200.004241176,4,16113575,10,5853300,1",
    "34200.5,5,0,5,5853350,-1",
    "34201.0,6,-1,500,5853400,-1",
    "34201.1,7,0,0,-1,-1",
]
BOOK = [
    "5859400,200,5853300,18",
    "5859400,200,5853300,8",
    "5859400,200,5853300,8",
    "9999999999,0,5853300,8",
    "9999999999,0,-9999999999,0",
]


def lobster(folder: Path, messages: list[str], book: list[str] | None) -> Path:
    path = folder / "AAPL_2012-06-21_34200000_57600000_message_1.csv"
    path.write_text("\n".join(messages) + "\n")
    if book is not None:
        path.with_name(path.name.replace("message", "orderbook")).write_text("\n".join(book) + "\n")
    return path


def test_lobster_rows_by_hand(tmp_path: Path) -> None:
    summary = ingest_lobster([lobster(tmp_path, MESSAGES, BOOK)], AAPL, tmp_path / "catalog")
    assert (summary.trades, summary.depths, summary.skipped) == (3, 5, {"trading halt": 1})
    opening = int(datetime(2012, 6, 21, 13, 30, tzinfo=UTC).timestamp()) * 10**9
    trades = read_trades(tmp_path / "catalog", AAPL)
    assert (trades.ts_event - opening).tolist() == [4_241_176, 500_000_000, 1_000_000_000]
    assert trades.side.tolist() == [-1, 1, 0]
    assert trades.price.tolist() == [5_853_300, 5_853_350, 5_853_400]
    books = read_depth(tmp_path / "catalog", AAPL)
    assert (books.ts_init - opening).tolist()[:3] == [4_241_177, 4_241_179, 500_000_001]
    assert (trades.ts_init - opening).tolist()[:2] == [4_241_178, 500_000_000]
    assert books.ask_count[:, 0].tolist() == [1, 1, 1, 0, 0]
    assert books.ask_price[:, 0].tolist() == [5_859_400] * 3 + [0, 0]
    assert books.bid_size[:, 0].tolist() == [18, 8, 8, 8, 0]
    assert not books.bid_price[:, 1:].any()


@pytest.mark.parametrize(
    ("messages", "book", "message"),
    [
        (MESSAGES, BOOK[:3], "has fewer rows"),
        (MESSAGES, [*BOOK, BOOK[0]], "has more rows"),
        ([*MESSAGES[:2], "34200.5,9,0,5,5853350,-1"], None, "line 3: broken line .message type 9"),
        ([*MESSAGES[:2], "34200.5,4,0"], None, "line 3: broken line"),
        (MESSAGES, ["1,2,3"] * 5, "not four a level"),
    ],
)
def test_bad_lobster_files_are_said(
    messages: list[str], book: list[str] | None, message: str, tmp_path: Path
) -> None:
    path = lobster(tmp_path, messages, book)
    with pytest.raises(IngestError, match=message):
        ingest_lobster([path], AAPL, tmp_path / "catalog")
    assert not (tmp_path / "catalog").exists()


def test_a_real_lobster_sample_against_a_plain_recount(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "lobster"
    message, book = (folder / f"AAPL_10_first1000_{kind}.csv" for kind in ("message", "orderbook"))
    summary = ingest_lobster([message, book], AAPL, tmp_path, date="2012-06-21")
    with message.open() as handle:
        rows = list(csv.reader(handle))
    with book.open() as handle:
        ladders = [[int(v) for v in row] for row in csv.reader(handle)]
    executed = [r for r in rows if r[1] in ("4", "5")]
    assert (summary.trades, summary.depths) == (len(executed), 999)
    trades = read_trades(tmp_path, AAPL)
    assert trades.price.tolist() == [int(r[4]) for r in executed]
    assert trades.size.tolist() == [int(r[3]) for r in executed]
    assert trades.side.tolist() == [-int(r[5]) for r in executed]
    midnight = int(datetime(2012, 6, 21, 4, tzinfo=UTC).timestamp()) * 10**9
    exact = [int(r[0].split(".")[0]) * 10**9 + int(r[0].split(".")[1].ljust(9, "0")) for r in rows]
    books = read_depth(tmp_path, AAPL)
    assert (books.ts_event - midnight).tolist() == exact
    assert books.ask_price.tolist() == [row[0::4] for row in ladders]
    assert books.bid_size.tolist() == [row[3::4] for row in ladders]
    host = objects(tmp_path, OrderBookDepth10, AAPL)
    assert [int(d.bids[0].price.as_decimal() * 10_000) for d in host] == [r[2] for r in ladders]
