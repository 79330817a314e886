"""Bybit's public trades and order books."""

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from nautilus_trader.adapters.bybit.loaders import BybitOrderBookDeltaDataLoader
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.data import OrderBookDelta, TradeTick
from nautilus_trader.model.enums import BookType
from nautilus_trader.persistence.wranglers import TradeTickDataWrangler

from of_nautilus.ingest.bybit import ingest_book, ingest_trades
from of_nautilus.ingest.columns import (
    ADD,
    CLEAR,
    DELETE,
    F_LAST,
    F_UNTRUSTED,
    UPDATE,
    read_deltas,
    read_trades,
)
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.instruments import find_instrument
from tests.fixtures_ingest import DAY0, objects, same_objects

XRP = "XRPUSDT-LINEAR.BYBIT"
BTC = "BTCUSDT-LINEAR.BYBIT"
HEADER = (
    "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,"
    "foreignNotional"
)


def trade_rows(count: int = 200) -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    return [
        {
            "seconds": DAY0 / 1e9 + i * 0.3 + 0.0007,
            "side": "Buy" if rng.random() < 0.5 else "Sell",
            "size": round(int(rng.integers(1, 900)) / 1000, 3),
            "price": 60_000 + int(rng.integers(-20, 20)) / 10,
            "id": f"{i:08x}-5f4e-5b6a-8d5c-1234567890ab",
        }
        for i in range(count)
    ]


def trade_lines(rows: list[dict[str, Any]], symbol: str = "BTCUSDT") -> list[str]:
    return [
        f"{r['seconds']:.4f},{symbol},{r['side']},{r['size']},{r['price']:.1f},PlusTick,{r['id']},"
        f"6e10,{r['size']},6e3"
        for r in rows
    ]


def pack(path: Path, lines: list[str]) -> Path:
    path.write_bytes(gzip.compress("".join(line + "\n" for line in lines).encode()))
    return path


@pytest.mark.parametrize("order", [1, -1], ids=["forward", "backward"])
def test_trades_equal_the_hosts_wrangler(order: int, tmp_path: Path) -> None:
    rows = trade_rows()
    path = pack(tmp_path / "BTCUSDT2024-08-08.csv.gz", [HEADER, *trade_lines(rows[::order])])
    summary = ingest_trades([path], BTC, tmp_path / "catalog")
    assert (summary.trades, summary.duplicates) == (200, 0)
    frame = pd.DataFrame(rows).rename(columns={"id": "trade_id", "size": "quantity"})
    frame["side"] = frame["side"].str.upper()
    micros = (frame.pop("seconds") * 1e6).round().astype("int64")
    frame.index = pd.to_datetime(micros, unit="us", utc=True)
    frame.index.name = "timestamp"
    expected = TradeTickDataWrangler(find_instrument(BTC)).process(frame)
    same_objects(objects(tmp_path / "catalog", TradeTick, BTC), expected)


def test_spot_trades_have_other_columns(tmp_path: Path) -> None:
    ms = DAY0 // 1_000_000
    lines = ["id,timestamp,price,volume,side", f"7,{ms + 5},60000.5,0.25,sell"]
    path = pack(tmp_path / "BTCUSDT_2024-08-08.csv.gz", lines)
    ingest_trades([path], BTC, tmp_path / "catalog")
    read = read_trades(tmp_path / "catalog", BTC)
    assert read.ts_event.tolist() == [DAY0 + 5_000_000]
    assert (read.side[0], read.size[0], read.price[0]) == (-1, 250, 6_000_050)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (trade_lines(trade_rows(1), "ETHUSDT")[0], "line 4: is of ETHUSDT, not of BTCUSDT"),
        (trade_lines(trade_rows(1))[0].replace("Buy", "Up").replace("Sell", "Up"), "line 4.*'Up'"),
        ("1,BTCUSDT,Buy", "line 4: broken line"),
    ],
    ids=["symbol", "side", "cut"],
)
def test_bad_trades_are_said(line: str, message: str, tmp_path: Path) -> None:
    lines = [HEADER, *trade_lines(trade_rows(5))]
    lines[3] = line
    with pytest.raises(IngestError, match=message):
        ingest_trades([pack(tmp_path / "a.csv.gz", lines)], BTC, tmp_path / "catalog")
    assert not (tmp_path / "catalog").exists()


def book_message(kind: str, u: int, ms: int, bids: Any, asks: Any) -> str:
    data = {"s": "XRPUSDT", "b": bids, "a": asks, "u": u, "seq": 10 * u}
    message = {"topic": "orderbook.500.XRPUSDT", "type": kind, "ts": ms, "data": data}
    return json.dumps(message | {"cts": ms - 1})


def pack_book(path: Path, lines: list[str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("2024-12-01_XRPUSDT_ob500.data", "\n".join(lines) + "\n")
    return path


def test_a_small_book_row_by_row(tmp_path: Path) -> None:
    ms = DAY0 // 1_000_000
    lines = [
        book_message("delta", 6, ms, [["1.0", "1"]], []),
        book_message("snapshot", 7, ms, [["1.9531", "5"], ["1.9530", "6"]], [["1.9532", "7"]]),
        book_message("delta", 8, ms, [["1.9531", "0"]], []),
        book_message("delta", 10, ms + 20, [], [["1.9532", "9"]]),
        book_message("snapshot", 11, ms + 20, [["1.9000", "1"]], [["1.9100", "1"]]),
    ]
    path = pack_book(tmp_path / "b.zip", lines)
    summary = ingest_book([path], XRP, tmp_path / "catalog")
    assert (summary.snapshots, summary.depth_messages, summary.sequence_breaks) == (2, 2, 1)
    assert summary.skipped == {"change before a snapshot": 1}
    deltas = read_deltas(tmp_path / "catalog", XRP)
    assert deltas.action.tolist() == [CLEAR, ADD, ADD, ADD, DELETE, UPDATE, CLEAR, ADD, ADD]
    assert (deltas.flags & F_LAST > 0).tolist() == [*[False] * 3, *[True] * 3, False, False, True]
    assert (deltas.flags & F_UNTRUSTED > 0).tolist() == [*[False] * 5, True, *[False] * 3]
    late = DAY0 + 20_000_000
    assert deltas.ts_init.tolist() == [DAY0] * 4 + [DAY0 + 1, late] + [late + 1] * 3
    assert deltas.sequence.tolist() == [70] * 4 + [80, 100] + [110] * 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"type":"delta","ts":17', "line 2: broken line"),
        (book_message("delta", 8, 1, [["x", "0"]], []), "line 2: broken line"),
        (book_message("delta", 8, 1, [], []).replace("XRPUSDT", "ADAUSDT"), "is of ADAUSDT"),
    ],
)
def test_bad_books_are_said(line: str, message: str, tmp_path: Path) -> None:
    first = book_message("snapshot", 7, DAY0 // 1_000_000, [["1.9531", "5"]], [["1.9532", "7"]])
    path = pack_book(tmp_path / "b.zip", [first, line])
    with pytest.raises(IngestError, match=message):
        ingest_book([path], XRP, tmp_path / "catalog")


def test_a_real_book_holds_what_the_hosts_loader_reads(real_data: Path, tmp_path: Path) -> None:
    path = real_data / "bybit" / "xrpusdt-ob500.data.zip"
    summary = ingest_book([path], XRP, tmp_path)
    assert (summary.snapshots, summary.depth_messages, summary.sequence_breaks) == (1, 49, 0)
    frame = BybitOrderBookDeltaDataLoader.load(path)
    frame = frame[frame["action"] != "CLEAR"]  # the loader clears once a side
    read = objects(tmp_path, OrderBookDelta, XRP)[1:]
    ours = sorted(
        (d.sequence, d.order.side.value, d.action.name, str(d.order.price), str(d.order.size))
        for d in read
    )
    sides = {"BUY": 1, "SELL": 2}
    theirs = sorted(
        (r.sequence, sides[r.side], r.action, f"{r.price:.4f}", f"{r.size:.0f}")
        for r in frame.itertuples()
    )
    assert ours == theirs
    book = OrderBook(find_instrument(XRP).id, BookType.L2_MBP)
    for delta in objects(tmp_path, OrderBookDelta, XRP):
        book.apply_delta(delta)
    assert book.best_bid_price() < book.best_ask_price()
    assert min(len(book.bids()), len(book.asks())) >= 490
