"""MetaTrader 5 tick exports, and instruments under brokers' names."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AssetClass

from of_nautilus.ingest.columns import read_quotes, read_trades
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.instruments import cfd
from of_nautilus.ingest.mt5 import SYNTHETIC_PREFIX, ingest_mt5
from of_nautilus.ingest.symbols import find_symbol
from tests.fixtures_ingest import objects

NAS = cfd("NAS100.BROKER", "USD", "0.1", "0.1", AssetClass.INDEX)
HEADER = "<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>"
EXCHANGE = [
    HEADER,
    "2024.07.08\t16:30:00.001\t20400.1\t20400.5\t\t\t6",
    "2024.07.08\t16:30:00.250\t20400.2\t\t\t\t2",
    "2024.07.08\t16:30:00.300\t\t\t20400.5\t2.0\t56",
    "2024.07.08\t16:30:00.300\t\t\t20400.2\t1.5\t88",
    "2024.07.08\t16:30:01.000\t\t20400.6\t20400.3\t1.0\t28",
    "2024.07.08\t16:30:01.500\t\t\t20400.3\t1.0\t120",
]
FOREX = [
    HEADER,
    "2024.07.08\t16:30:00.001\t20400.1\t20400.5\t\t\t6",
    "2024.07.08\t16:30:00.250\t20400.2\t\t\t\t2",
    "2024.07.08\t16:30:00.300\t\t20400.6\t\t\t4",
]


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_an_exchanges_ticks_by_hand(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", EXCHANGE)
    summary = ingest_mt5([path], NAS, tmp_path / "catalog", timezone="Europe/Athens")
    assert (summary.trades, summary.quotes) == (4, 3)
    start = int(datetime(2024, 7, 8, 13, 30, tzinfo=UTC).timestamp()) * 10**9
    trades = read_trades(tmp_path / "catalog", "NAS100.BROKER")
    assert ((trades.ts_event - start) // 10**6).tolist() == [300, 300, 1_000, 1_500]
    assert trades.side.tolist() == [1, -1, 0, 0]  # no flag, or both, is no side
    assert trades.size.tolist() == [20, 15, 10, 10]
    quotes = read_quotes(tmp_path / "catalog", "NAS100.BROKER")
    assert quotes.bid_price.tolist() == [204_001, 204_002, 204_002]
    assert quotes.ask_price.tolist() == [204_005, 204_005, 204_006]
    assert [str(q.bid_size) for q in objects(tmp_path / "catalog", QuoteTick, "NAS100.BROKER")] == [
        "1.0"
    ] * 3


def test_a_feed_without_trades_is_marked_synthetic(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", FOREX)
    plain = ingest_mt5([path], NAS, tmp_path / "plain", timezone="Etc/GMT-3")
    assert (plain.trades, plain.quotes) == (0, 3)
    ingest_mt5([path], NAS, tmp_path / "made", timezone="Etc/GMT-3", synthetic=True)
    made = read_trades(tmp_path / "made", "NAS100.BROKER")
    assert made.side.tolist() == [0, 0]
    assert all(i.startswith(SYNTHETIC_PREFIX) for i in made.trade_id.to_pylist())


@pytest.mark.parametrize(
    ("lines", "zone", "message"),
    [
        (EXCHANGE, "Mars/Olympus", "unknown time zone 'Mars/Olympus'"),
        (
            [HEADER, *["2024.03.31\t03:30:00.000\t20400.1\t20400.5\t\t\t6"] * 2],
            "Europe/Athens",
            r"line 2: 2024-03-31 03:30:00.* does not exist in Europe/Athens",
        ),
        ([*EXCHANGE, "2024.07.08\t16:3"], "UTC", "line 8: broken line"),
        ([*EXCHANGE, "08/07/2024\t16:30:02\t1.0\t2.0\t\t\t6"], "UTC", "broken line .time"),
        (["a;b", "1;2"], "UTC", "line 1: wrong header: no column 'date'"),
        (
            ["<DATE>\t<TIME>\t<LAST>\t<VOLUME>", "2024.07.08\t16:30:00.001\t20400.1\t1.0"],
            "UTC",
            "line 1: wrong header: no column 'bid'",
        ),
    ],
    ids=["zone", "gap", "cut", "date", "header", "no bid"],
)
def test_bad_exports_are_said(lines: list[str], zone: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", lines)
    with pytest.raises(IngestError, match=message):
        ingest_mt5([path], NAS, tmp_path / "catalog", timezone=zone)
    assert not (tmp_path / "catalog").exists()


@pytest.mark.parametrize(
    ("wanted", "offered", "found"),
    [
        ("NAS100", ["EURUSDm", "USTECm", "US30m"], "USTECm"),
        ("US100", ["NAS100.cash", "NAS100ft"], "NAS100.cash"),
        ("XAUUSD", ["XAGUSDm", "GOLD", "XAUUSDm"], "XAUUSDm"),
        ("GOLD", ["GOLD#", "SILVER"], "GOLD#"),
        ("EURUSD", ["EURUSD.pro", "EURUSD", "EURUSDm"], "EURUSD"),
        ("eurusd", ["#EUR/USD_raw", "GBPUSD"], "#EUR/USD_raw"),
        ("US500", ["US500_Spot", "US30"], "US500_Spot"),
        ("BTCUSD", ["BTCUSDz", "BTCEUR"], "BTCUSDz"),
    ],
)
def test_brokers_names_are_found(wanted: str, offered: list[str], found: str) -> None:
    assert find_symbol(wanted, offered) == found


def test_other_instruments_are_not_mistaken() -> None:
    for wanted, offered in (("NAS100", ["US30m", "NASDAQQ"]), ("EURUSD", ["EURUSDT", "EURUS"])):
        with pytest.raises(IngestError, match=f"no symbol for {wanted}"):
            find_symbol(wanted, offered)
