"""Tardis files: table for table what the host's own loader writes."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from nautilus_trader.adapters.tardis.loaders import TardisCSVDataLoader
from nautilus_trader.model.data import OrderBookDepth10
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from of_nautilus.ingest import columns, tables, tardis
from of_nautilus.ingest.errors import IngestError
from tests.fixtures_ingest import DAY0, PERP, objects

US0 = DAY0 // 1_000
START = "exchange,symbol,timestamp,local_timestamp,"
RNG = np.random.default_rng(5)


def lines(kind: str, count: int = 400, symbol: str = "BTCUSDT") -> list[str]:
    """A file of each kind: messages of several rows, snapshots in between, holes at the edges."""
    out = []
    at = US0
    for i in range(count):
        at += int(RNG.integers(0, 3)) * 50_000
        head = f"binance-futures,{symbol},{at},{at + 7_000}"
        price = 60_000 + int(RNG.integers(-50, 50)) / 10
        if kind == "trades":
            side = ("buy", "sell", "unknown")[i % 3]
            out.append(f"{head},{900 + i},{side},{price},{1 + i % 7}.25")
        elif kind == "quotes":
            out.append(f"{head},{1 + i % 5}.5,{price + 0.1:.1f},{price},{2 + i % 3}.125")
        elif kind == "book":
            snapshot = str(i % 100 < 20).lower()
            amount = 0 if i % 5 == 4 else i % 11 + 0.5
            out.append(f"{head},{snapshot},{('bid', 'ask')[i % 2]},{price},{amount}")
        else:
            deep = 25 if i % 3 else 10
            cells = [
                f"{60_001 + k}.0,{k + 1}.5,{60_000 - k}.0,{k + 2}.25" if k < deep else ",,,"
                for k in range(25)
            ]
            out.append(f"{head}," + ",".join(cells))
    ends = {
        "trades": "id,side,price,amount",
        "quotes": "ask_amount,ask_price,bid_price,bid_amount",
        "book": "is_snapshot,side,price,amount",
        "depth": ",".join(
            f"asks[{k}].price,asks[{k}].amount,bids[{k}].price,bids[{k}].amount" for k in range(25)
        ),
    }
    return [START + ends[kind], *out]


def write(path: Path, text: list[str]) -> Path:
    path.write_bytes(gzip.compress("".join(line + "\n" for line in text).encode()))
    return path


KINDS: dict[str, tuple[Any, type, str]] = {
    "trades": (tardis.ingest_trades, columns.TradeColumns, "load_trades"),
    "quotes": (tardis.ingest_quotes, columns.QuoteColumns, "load_quotes"),
    "book": (tardis.ingest_book, columns.DeltaColumns, "load_deltas"),
    "depth": (tardis.ingest_snapshots, columns.DepthColumns, "load_depth10"),
}


@pytest.mark.parametrize("block", [tables.BLOCK, 1_000], ids=["one block", "many blocks"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_the_hosts_own_table(
    kind: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "depth":
        block = max(block, 4_000)  # a line must fit
    monkeypatch.setattr(tables, "BLOCK", block)
    ingest, cls, load = KINDS[kind]
    path = write(tmp_path / f"{kind}.csv.gz", lines(kind))
    ingest([path], PERP, tmp_path / "ours")
    loader = TardisCSVDataLoader(2, 3, InstrumentId.from_str(PERP))
    depth = {"levels": 25} if kind == "depth" else {}
    ParquetDataCatalog(str(tmp_path)).write_data(getattr(loader, load)(path, **depth))
    (theirs,) = (tmp_path / "data" / cls.FOLDER / PERP).iterdir()
    (ours,) = (tmp_path / "ours" / "data" / cls.FOLDER / PERP).iterdir()
    assert ours.name == theirs.name
    assert pq.read_table(ours).equals(pq.read_table(theirs))


def test_levels_that_are_not_there_are_empty(tmp_path: Path) -> None:
    text = lines("depth", 3)
    cells = text[1].split(",")
    text[1] = ",".join(cells[:16] + [""] * (len(cells) - 16))
    tardis.ingest_snapshots([write(tmp_path / "s.gz", text)], PERP, tmp_path / "catalog")
    read = columns.read_depth(tmp_path / "catalog", PERP)
    assert read.bid_count[:2].tolist() == [[1] * 3 + [0] * 7, [1] * 10]
    assert (read.ask_price[0, 3:] == 0).all()
    assert (read.ask_size[0, 3:] == 0).all()
    (host,) = {len(d.bids) for d in objects(tmp_path / "catalog", OrderBookDepth10, PERP)}
    assert host == 10


def test_trades_without_ids_get_lasting_ones(tmp_path: Path) -> None:
    text = lines("trades", 5)
    text[2] = text[2].replace(",901,", ",,")
    path = write(tmp_path / "t.csv.gz", text)
    for root in ("a", "b"):
        tardis.ingest_trades([path], PERP, tmp_path / root)
    ids = columns.read_trades(tmp_path / "a", PERP).trade_id.to_pylist()
    assert ids == columns.read_trades(tmp_path / "b", PERP).trade_id.to_pylist()
    assert len(set(ids)) == 5


def test_one_sided_quotes_are_counted(tmp_path: Path) -> None:
    text = lines("quotes", 5)
    text[3] = ",".join(text[3].split(",")[:6]) + ",,"
    summary = tardis.ingest_quotes([write(tmp_path / "q.gz", text)], PERP, tmp_path / "catalog")
    assert summary.quotes == 4
    assert summary.skipped == {"one-sided quote": 1}


@pytest.mark.parametrize(
    ("kind", "given", "lost", "missing"),
    [
        ("quotes", "trades", "", "ask_amount"),
        ("depth", "trades", "", r"asks\[0\].price"),
        ("depth", "depth", "bids[0].amount", r"bids\[0\].amount"),
        ("trades", "trades", "id", "id"),
        ("trades", "trades", "side", "side"),
    ],
)
def test_a_file_of_another_kind_is_said(
    kind: str, given: str, lost: str, missing: str, tmp_path: Path
) -> None:
    text = lines(given, 3)
    text[0] = ",".join("other" if name == lost else name for name in text[0].split(","))
    with pytest.raises(IngestError, match=f"line 1: wrong header: no column '{missing}' among"):
        KINDS[kind][0]([write(tmp_path / "x.gz", text)], PERP, tmp_path / "catalog")
    assert not (tmp_path / "catalog").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: [*t[:4], t[4].replace("BTCUSDT", "ETHUSDT"), *t[5:]], "line 5: is of ETHUSDT"),
        (lambda t: [*t[:4], t[4][:40], *t[5:]], "line 5: broken line"),
        (lambda t: t[1:], "line 1: wrong header"),
        (
            lambda t: [t[0].replace("price", "px"), *t[1:]],
            "line 1: wrong header: no column 'price'",
        ),
    ],
    ids=["symbol", "cut", "headless", "header"],
)
def test_bad_files_are_said(change: Any, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv.gz", change(lines("trades", 10)))
    with pytest.raises(IngestError, match=message):
        tardis.ingest_trades([path], PERP, tmp_path / "catalog")
    assert not (tmp_path / "catalog").exists()
