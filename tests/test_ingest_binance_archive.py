"""Binance's public archive: every variety of header, unit and packing, and what is wrong."""

import gzip
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from nautilus_trader.model.data import QuoteTick, TradeTick
from nautilus_trader.persistence.wranglers import QuoteTickDataWrangler, TradeTickDataWrangler

from of_nautilus.ingest.columns import read_quotes, read_trades
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.formats import FORMATS
from of_nautilus.ingest.instruments import find_instrument
from tests.fixtures_ingest import DAY0, PERP, objects, same_objects

MS0 = DAY0 // 1_000_000
AGG_HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"


def table(count: int = 500, unit: int = 1) -> pd.DataFrame:
    """Trades as numbers, from which every variety of file is written."""
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "id": 2_000_000_000 + np.arange(count),
            "price": (6_000_000 + 10 * np.cumsum(rng.integers(-1, 2, count))) / 100,
            "quantity": rng.integers(1, 5_000, count) / 1_000,
            "time": (MS0 + np.cumsum(rng.integers(0, 900, count))) * unit,
            "maker": rng.random(count) < 0.5,
        }
    )


def agg_lines(frame: pd.DataFrame, spot: bool = False) -> list[str]:
    words = ("False", "True") if spot else ("false", "true")
    return [
        f"{r.id},{r.price:.2f}{'000000' if spot else ''},{r.quantity:.3f},{2 * r.id},"
        f"{2 * r.id + 1},{r.time},{words[r.maker]}" + (",True" if spot else "")
        for r in frame.itertuples()
    ]


def trade_lines(frame: pd.DataFrame) -> list[str]:
    return [
        f"{r.id},{r.price:.2f},{r.quantity:.3f},1.0,{r.time},{str(r.maker).lower()}"
        for r in frame.itertuples()
    ]


def pack(folder: Path, name: str, lines: list[str], newline: str = "\n") -> Path:
    """The lines as .csv, .csv.gz or .zip, whatever the name ends with."""
    text = "".join(line + newline for line in lines).encode()
    path = folder / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name.replace(".zip", ".csv"), text)
    else:
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return path


def wrangled(frame: pd.DataFrame, instrument_id: str, unit: str) -> list[TradeTick]:
    """What the host's own wrangler makes of the same trades."""
    frame = frame.rename(columns={"id": "trade_id", "maker": "buyer_maker"})
    frame.index = pd.to_datetime(frame.pop("time"), unit=unit, utc=True)
    frame.index.name = "timestamp"
    return TradeTickDataWrangler(find_instrument(instrument_id)).process(frame)


def ingest(kind: str, path: Path, root: Path, instrument_id: str = PERP, **options: Any) -> Any:
    return FORMATS[kind].ingest([path], instrument_id, root / "catalog", **options)


# The host's quote wrangler calls pandas in a way that pandas 3 deprecates.
RENAME = "ignore:The inplace keyword in DataFrame.rename:Warning"


@pytest.mark.parametrize("header", [True, False], ids=["header", "bare"])
@pytest.mark.parametrize("name", ["BTCUSDT-aggTrades-2024-08-08.zip", "x.csv", "x.csv.gz"])
def test_futures_aggregate_trades_equal_the_hosts_wrangler(
    header: bool, name: str, tmp_path: Path
) -> None:
    frame = table()
    path = pack(tmp_path, name, [AGG_HEADER] * header + agg_lines(frame))
    summary = ingest("binance-aggtrades", path, tmp_path)
    assert summary.trades == len(frame)
    expected = wrangled(frame, PERP, "ms")
    same_objects(objects(tmp_path / "catalog", TradeTick, PERP), expected)


@pytest.mark.parametrize(("factor", "unit"), [(1, "ms"), (1_000, "us")])
def test_spot_aggregate_trades_in_both_units(factor: int, unit: str, tmp_path: Path) -> None:
    frame = table(unit=factor)
    path = pack(tmp_path, "BTCUSDT-aggTrades-2025-01-01.zip", agg_lines(frame, spot=True))
    ingest("binance-aggtrades", path, tmp_path, "BTCUSDT.BINANCE")
    got = objects(tmp_path / "catalog", TradeTick, "BTCUSDT.BINANCE")
    same_objects(got, wrangled(frame, "BTCUSDT.BINANCE", unit))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("header", [True, False], ids=["header", "bare"])
def test_trades(header: bool, newline: str, tmp_path: Path) -> None:
    frame = table()
    lines = ["id,price,qty,quote_qty,time,is_buyer_maker"] * header + trade_lines(frame)
    ingest("binance-trades", pack(tmp_path, "x.zip", lines, newline), tmp_path)
    same_objects(objects(tmp_path / "catalog", TradeTick, PERP), wrangled(frame, PERP, "ms"))


@pytest.mark.filterwarnings(RENAME)
def test_book_tickers_equal_the_hosts_wrangler(tmp_path: Path) -> None:
    frame = table()
    lines = [
        "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,"
        "event_time"
    ]
    for r in frame.itertuples():
        ask = r.price + 0.1
        lines.append(
            f"{r.id},{r.price:.2f},{r.quantity:.3f},{ask:.2f},{r.quantity + 1:.3f},"
            f"{r.time},{r.time + 1}"
        )
    summary = ingest("binance-bookticker", pack(tmp_path, "b.zip", lines), tmp_path)
    assert summary.quotes == len(frame)
    wide = pd.DataFrame(
        {
            "bid_price": frame["price"],
            "ask_price": frame["price"] + 0.1,
            "bid_size": frame["quantity"],
            "ask_size": frame["quantity"] + 1,
        }
    )
    wide.index = pd.to_datetime(frame["time"], unit="ms", utc=True)
    wide.index.name = "timestamp"
    expected = QuoteTickDataWrangler(find_instrument(PERP)).process(wide)
    same_objects(objects(tmp_path / "catalog", QuoteTick, PERP), expected)
    assert (np.diff(read_quotes(tmp_path / "catalog", PERP).ts_init) >= 0).all()


def test_overlapping_archives_are_joined_without_repeats(tmp_path: Path) -> None:
    lines = agg_lines(table())
    one = pack(tmp_path, "1.csv", lines[:300])
    two = pack(tmp_path, "2.csv", lines[200:])
    summary = FORMATS["binance-aggtrades"].ingest([two, one], PERP, tmp_path / "catalog")
    assert (summary.trades, summary.duplicates) == (500, 100)
    assert (np.diff(read_trades(tmp_path / "catalog", PERP).trade_id) == 1).all()


LINES = [AGG_HEADER, *agg_lines(table(50))]


def _field(number: int, text: str) -> list[str]:
    """The lines with one field of the tenth replaced."""
    fields = LINES[9].split(",")
    fields[number] = text
    return _with(9, ",".join(fields))


def _with(index: int, text: str) -> list[str]:
    return [*LINES[:index], text, *LINES[index + 1 :]]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (_with(9, LINES[9][:30]), r"x.csv, line 10: broken line .*7 columns, got"),
        (_field(1, "six"), r"line 10: broken line .price: .*'six"),
        (_field(0, ""), r"line 10: broken line .no id"),
        (_field(1, "60000.105"), r"line 10: price .* 2 decimals"),
        (_with(0, "time,open,high,low,close,volume,x"), r"line 1: wrong header: no column 'id'"),
        ([*LINES[1:2], "1,2"], r"x.csv, line 2: broken line"),
        (["1,2,3"], r"line 1: has 3 columns and no header"),
        (_field(5, "1723"), r"line 10: time \d+ is not one of"),
    ],
    ids=["cut", "word", "empty", "decimals", "header", "short", "few", "unit"],
)
def test_bad_lines_are_said_and_nothing_is_written(
    lines: list[str], message: str, tmp_path: Path
) -> None:
    path = pack(tmp_path, "x.csv", lines)
    with pytest.raises(IngestError, match=message) as caught:
        ingest("binance-aggtrades", path, tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "catalog").exists()


def test_bad_archives_are_said(tmp_path: Path) -> None:
    good = pack(tmp_path, "good.zip", LINES)
    data = good.read_bytes()
    cut = tmp_path / "cut.zip"
    cut.write_bytes(data[: len(data) // 2])
    with pytest.raises(IngestError, match=r"cut\.zip: damaged or truncated archive"):
        ingest("binance-aggtrades", cut, tmp_path)
    spoiled = tmp_path / "spoiled.zip"
    spoiled.write_bytes(data[:200] + bytes(40) + data[240:])
    with pytest.raises(IngestError, match=r"spoiled\.zip"):
        ingest("binance-aggtrades", spoiled, tmp_path)
    other = pack(tmp_path, "ETHUSDT-aggTrades-2024-08-08.zip", LINES)
    with pytest.raises(IngestError, match="is of ETHUSDT, not of BTCUSDT"):
        ingest("binance-aggtrades", other, tmp_path)
    assert not (tmp_path / "catalog").exists()


def test_a_file_of_a_header_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="holds no trade"):
        ingest("binance-aggtrades", pack(tmp_path, "x.csv", [AGG_HEADER]), tmp_path)
