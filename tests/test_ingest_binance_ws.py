"""Recorded Binance websocket lines: the rules on small recordings, and whole real files."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from nautilus_trader.adapters.binance.common.schemas.market import (
    BinanceOrderBookData,
    BinanceQuoteData,
)
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.data import OrderBookDelta, OrderBookDeltas, QuoteTick, TradeTick
from nautilus_trader.model.enums import BookType

from of_nautilus.ingest.binance_ws import ingest_binance_ws
from of_nautilus.ingest.columns import (
    ADD,
    CLEAR,
    DELETE,
    F_LAST,
    F_SNAPSHOT,
    F_UNTRUSTED,
    UPDATE,
    read_deltas,
    read_quotes,
    read_trades,
)
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.instruments import find_instrument
from tests.fixtures_ingest import PERP, WsRecording, fields_of, objects

MS = 1_000_000
SPOT = "BTCUSDT.BINANCE"


def recording() -> WsRecording:
    """Two depth messages, a snapshot that comes between them, trades and a quote."""
    ws = WsRecording()
    ws.depth(90, 99, [["60000.00", "1.000"]], [])
    ws.depth(98, 105, [["59999.90", "2.000"]], [["60000.20", "3.000"]])
    ws.ms += 2
    ws.snapshot(100, [["60000.00", "5.000"], ["59999.00", "6.000"]], [["60000.10", "7.000"]])
    ws.trade(1, "60000.10", "0.500", seller=False)
    ws.trade(2, "60000.00", "0.250", seller=True)
    ws.ms += 5
    ws.trade(3, "28722.50", "0.100", seller=True, kind="INSURANCE_FUND")
    ws.depth(106, 110, [["60000.00", "0.000"]], [["60000.10", "6.500"]], previous=105)
    ws.ticker(111, "59999.90", "2.000", "60000.10", "6.500")
    return ws


def test_a_small_recording_row_by_row(tmp_path: Path) -> None:
    ws = recording()
    path = ws.write(tmp_path / "a.gz")
    summary = ingest_binance_ws([path], PERP, tmp_path / "catalog")
    start = (ws.ms - 7) * MS
    deltas = read_deltas(tmp_path / "catalog", PERP)
    assert deltas.action.tolist() == [CLEAR, ADD, ADD, ADD, UPDATE, UPDATE, DELETE, UPDATE]
    assert deltas.side.tolist() == [0, 1, 1, -1, 1, -1, 1, -1]
    assert deltas.price.tolist()[1:] == [
        *(6_000_000, 5_999_900, 6_000_010),
        *(5_999_990, 6_000_020, 6_000_000, 6_000_010),
    ]
    assert deltas.size.tolist() == [0, 5_000, 6_000, 7_000, 2_000, 3_000, 0, 6_500]
    assert deltas.sequence.tolist() == [100] * 4 + [105] * 2 + [110] * 2
    shot = [F_SNAPSHOT] * 3 + [F_SNAPSHOT | F_LAST]
    assert deltas.flags.tolist() == [*shot, 0, F_LAST, 0, F_LAST]
    at, late = start + 2 * MS, start + 7 * MS
    assert deltas.ts_event.tolist() == [at] * 4 + [start] * 2 + [late] * 2
    assert deltas.ts_init.tolist() == [at] * 4 + [at + 1] * 2 + [late] * 2
    read = read_trades(tmp_path / "catalog", PERP)
    assert read.trade_id.tolist() == [1, 2]
    assert read.side.tolist() == [1, -1]
    assert read.ts_init.tolist() == [at + 2, at + 3]
    quotes = read_quotes(tmp_path / "catalog", PERP)
    assert quotes.ts_init.tolist() == [late + 1]
    assert (quotes.bid_price[0], quotes.ask_size[0]) == (5_999_990, 6_500)
    assert (summary.trades, summary.quotes, summary.deltas) == (2, 1, 8)
    assert (summary.depth_messages, summary.snapshots, summary.sequence_breaks) == (2, 1, 0)
    assert summary.skipped == {"trade INSURANCE_FUND": 1, "depth older than the book": 1}
    assert json.loads(json.dumps(summary.to_dict()))["trades"] == 2


def test_a_break_marks_the_book_until_a_new_snapshot(tmp_path: Path) -> None:
    ws = recording()
    ws.depth(120, 125, [["59999.80", "1.000"]], [], previous=119)
    ws.depth(126, 127, [["59999.70", "1.000"]], [], previous=125)
    broken = ws.write(tmp_path / "broken.gz")
    summary = ingest_binance_ws([broken], PERP, tmp_path / "broken")
    assert summary.sequence_breaks == 1
    deltas = read_deltas(tmp_path / "broken", PERP)
    assert deltas.flags[-3:].tolist() == [F_LAST, F_LAST | F_UNTRUSTED, F_LAST | F_UNTRUSTED]

    ws.snapshot(126, [["59999.00", "1.000"]], [["60001.00", "1.000"]])
    ws.depth(128, 130, [["59998.00", "1.000"]], [], previous=127)
    healed = ws.write(tmp_path / "healed.gz")
    assert ingest_binance_ws([healed], PERP, tmp_path / "healed").sequence_breaks == 1
    deltas = read_deltas(tmp_path / "healed", PERP)
    assert deltas.action[-5:].tolist() == [CLEAR, ADD, ADD, UPDATE, UPDATE]
    assert deltas.sequence[-2:].tolist() == [127, 130]  # 127 came before the snapshot of 126
    assert deltas.flags[-2:].tolist() == [F_LAST, F_LAST]


def test_a_first_message_that_follows_the_snapshot_exactly_is_no_break(tmp_path: Path) -> None:
    ws = WsRecording()
    ws.snapshot(100, [["60000.00", "5.000"]], [["60000.10", "7.000"]])
    ws.depth(101, 105, [["59999.90", "2.000"]], [], previous=100)
    summary = ingest_binance_ws([ws.write(tmp_path / "a.gz")], PERP, tmp_path / "catalog")
    assert (summary.depth_messages, summary.sequence_breaks) == (1, 0)


def test_spot_has_other_sequence_rules_and_borrows_times(tmp_path: Path) -> None:
    ws = WsRecording(spot=True)
    start = ws.ms * MS
    ws.snapshot(100, [["60000.00000000", "1.00000000"]], [["60000.01000000", "1.00000000"]])
    ws.ticker(100, "60000.00000000", "1.00000000", "60000.01000000", "1.00000000")
    ws.depth(99, 100, [["1.00000000", "1.00000000"]], [])
    ws.depth(101, 103, [["2.00000000", "1.00000000"]], [])
    ws.ticker(103, "60000.00000000", "2.00000000", "60000.01000000", "1.00000000")
    ws.depth(104, 104, [["3.00000000", "1.00000000"]], [])
    ws.depth(106, 107, [["4.00000000", "1.00000000"]], [])
    path = ws.write(tmp_path / "spot.txt")
    summary = ingest_binance_ws([path], SPOT, tmp_path / "catalog")
    assert summary.sequence_breaks == 1
    assert summary.skipped == {"depth older than the book": 1, "quote before any time": 1}
    deltas = read_deltas(tmp_path / "catalog", SPOT)
    assert deltas.sequence.tolist() == [100] * 3 + [103, 104, 107]
    first = start + MS  # the snapshot takes the time of the first message that has one
    assert deltas.ts_event.tolist() == [first] * 6
    assert deltas.ts_init.tolist() == [first] * 3 + [first + 1, first + 3, first + 4]
    quotes = read_quotes(tmp_path / "catalog", SPOT)
    assert (quotes.ts_event[0], quotes.ts_init[0]) == (first, first + 2)


def test_repeats_are_dropped_and_files_are_joined(tmp_path: Path) -> None:
    ws = recording()
    one = ws.write(tmp_path / "one.gz")
    ws.depth(111, 112, [["59999.80", "1.000"]], [], previous=110)
    ws.trade(4, "60000.10", "0.500", seller=False)
    two = ws.write(tmp_path / "two.gz")
    summary = ingest_binance_ws([one, two], PERP, tmp_path / "catalog")
    assert summary.trades == 3
    assert summary.duplicates == 2
    assert summary.sequence_breaks == 0
    assert summary.skipped["repeated quote"] == 1
    assert summary.skipped["snapshot older than the book"] == 1
    assert read_deltas(tmp_path / "catalog", PERP).sequence[-1] == 112


def test_aggregate_trades_are_taken_where_they_come_first(tmp_path: Path) -> None:
    ws = WsRecording()
    for number in (7, 8, 8):
        data = {"e": "aggTrade", "E": ws.ms + 1, "s": "BTCUSDT", "a": number, "p": "60000.10"}
        data |= {"q": "0.500", "f": 10, "l": 12, "T": ws.ms, "m": True}
        ws.stream("aggTrade", data)
    ws.trade(12, "60000.10", "0.500", seller=True)
    summary = ingest_binance_ws([ws.write(tmp_path / "a.gz")], PERP, tmp_path / "catalog")
    assert (summary.duplicates, summary.skipped) == (1, {"trade": 1})
    read = read_trades(tmp_path / "catalog", PERP)
    assert (read.trade_id.tolist(), read.side.tolist()) == ([7, 8], [-1, -1])


def test_depth_without_a_snapshot_is_counted(tmp_path: Path) -> None:
    ws = WsRecording()
    ws.trade(1, "60000.10", "0.500", seller=False)
    for i in range(3):
        ws.depth(10 * i, 10 * i + 9, [["60000.00", "1.000"]], [])
    summary = ingest_binance_ws([ws.write(tmp_path / "a.gz")], PERP, tmp_path / "catalog")
    assert summary.skipped == {"depth without a snapshot": 3}
    assert summary.deltas == 0


def broken(kind: str, folder: Path) -> Path:
    """A file with one thing wrong."""
    path = folder / "a.gz"
    if kind == "absent":
        return path
    ws = recording()
    text = {
        "cut line": '1723161256322000000 {"stream":"btcusdt@trade","data":{"e":"tr',
        "no json": "hello",
        "no level": json.dumps({"lastUpdateId": 5, "bids": [["x", "1"]], "asks": []}),
        "odd level": json.dumps({"lastUpdateId": 5, "bids": [["1.00"]], "asks": []}),
    }.get(kind)
    if text is not None:
        ws.lines.insert(2, text if text.startswith("17") else f"1723161256322000000 {text}")
    if kind == "other symbol":
        ws.symbol = "ETHUSDT"
        ws.trade(9, "3000.00", "1.000", seller=False)
        ws.lines.insert(2, ws.lines.pop())
    if kind == "too many decimals":
        ws.trade(9, "60000.105", "1.000", seller=False)
        ws.lines.insert(2, ws.lines.pop())
    if kind == "nothing":
        ws.lines = ['1 {"stream":"x@markPrice","data":{"e":"markPriceUpdate","E":5,"p":"1.0"}}']
    ws.write(path)
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:-40])
    if kind == "empty":
        path.write_bytes(b"")
    if kind == "bytes":
        path.write_bytes(b"\x1f\x8b" + bytes(200))
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("absent", "a.gz: is not there"),
        ("truncated", "a.gz: damaged or truncated archive"),
        ("bytes", "a.gz: damaged or truncated archive"),
        ("empty", "a.gz: is empty"),
        ("cut line", "a.gz, line 3: broken line"),
        ("no json", "a.gz, line 3: broken line"),
        ("no level", "a.gz, line 3: broken line"),
        ("odd level", "a.gz, line 3: broken line"),
        ("other symbol", "a.gz, line 3: is of ETHUSDT, not of BTCUSDT"),
        ("too many decimals", "a.gz, line 3: price 60000.105 does not fit"),
        ("nothing", "a.gz: holds no trade"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(kind: str, message: str, tmp_path: Path) -> None:
    path = broken(kind, tmp_path)
    with pytest.raises(IngestError, match=message) as caught:
        ingest_binance_ws([path], PERP, tmp_path / "catalog")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "catalog").exists()


def test_unknown_instruments_and_no_files_are_refused(tmp_path: Path) -> None:
    path = recording().write(tmp_path / "a.gz")
    with pytest.raises(IngestError, match=r"unknown instrument .DOGEUSDT\.BINANCE.; known are"):
        ingest_binance_ws([path], "DOGEUSDT.BINANCE", tmp_path / "catalog")
    with pytest.raises(IngestError, match="no file given"):
        ingest_binance_ws([], PERP, tmp_path / "catalog")


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    path = recording().write(tmp_path / "a.gz")
    seen: list[tuple[int, int]] = []
    ingest_binance_ws([path, path], PERP, tmp_path / "c", progress=lambda *at: seen.append(at))
    total = 2 * path.stat().st_size
    assert seen[-1] == (total, total)
    assert all(0 <= done <= total for done, _ in seen)


# -- real files -----------------------------------------------------------------------------------

FILES = {
    "usdm 2024": (PERP, ["usdm_btcusdt_20240808"]),
    "usdm 2023": (PERP, ["usdm_btcusdt_20230404", "usdm_btcusdt_20230405"]),
    "spot": (SPOT, ["spot_btcusdt_20240808", "spot_btcusdt_20240809"]),
    "thin": ("NEXOUSDT.BINANCE", [f"spot_nexousdt_2024072{day}" for day in (3, 4, 5)]),
}


def messages(paths: list[Path]) -> Iterator[dict[str, Any]]:
    """Every message of the recordings, in order."""
    for path in paths:
        with gzip.open(path, "rt") as handle:
            for line in handle:
                yield json.loads(line.split(" ", 1)[1])


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_real_recordings_against_a_plain_recount(
    name: str, real_data: Path, tmp_path: Path
) -> None:
    instrument_id, stems = FILES[name]
    paths = [real_data / "binance" / f"{stem}.gz" for stem in stems]
    summary = ingest_binance_ws(paths, instrument_id, tmp_path)
    book: dict[int, dict[float, float]] = {1: {}, -1: {}}
    seeded = 0
    trades, quotes, levels = [], 0, 0
    whole = list(messages(paths))
    at = next(i for i, m in enumerate(whole) if "lastUpdateId" in m)
    for message in [whole[at], *whole[:at], *whole[at + 1 :]]:
        data = message.get("data", message)
        if "lastUpdateId" in data:
            seeded = data["lastUpdateId"]
            for side, ladder in ((1, data["bids"]), (-1, data["asks"])):
                book[side] = {float(p): float(q) for p, q in ladder}
                levels += len(ladder)
            levels += 1
        elif data.get("e") == "trade" and data.get("X", "MARKET") == "MARKET":
            trades.append((data["t"], data["p"], data["q"], data["m"], data["T"]))
        elif data.get("e") == "depthUpdate":
            if not seeded or data["u"] <= seeded:
                continue
            for side, ladder in ((1, data["b"]), (-1, data["a"])):
                levels += len(ladder)
                for price, size in ladder:
                    book[side][float(price)] = float(size)
        elif "A" in data:
            quotes += 1
    assert (summary.trades, summary.deltas) == (len(trades), levels)
    assert summary.quotes == pytest.approx(quotes, abs=2)  # before any time
    assert summary.sequence_breaks == summary.duplicates == 0

    read = read_trades(tmp_path, instrument_id)
    scale = 10.0**-read.price_precision, 10.0**-read.size_precision
    assert read.trade_id.tolist() == [t[0] for t in trades]
    assert (np.diff(read.trade_id) > 0).all()
    np.testing.assert_allclose(read.price * scale[0], [float(t[1]) for t in trades], rtol=1e-12)
    np.testing.assert_allclose(read.size * scale[1], [float(t[2]) for t in trades], rtol=1e-12)
    assert read.side.tolist() == [-1 if t[3] else 1 for t in trades]
    assert read.ts_event.tolist() == [t[4] * MS for t in trades]
    inits = [read_deltas(tmp_path, instrument_id).ts_init, read.ts_init]
    inits.append(read_quotes(tmp_path, instrument_id).ts_init)
    both = np.concatenate([np.unique(i) for i in inits])
    assert len(np.unique(both)) == len(both)  # one moment a message, across all kinds

    host = OrderBook(find_instrument(instrument_id).id, BookType.L2_MBP)
    for delta in objects(tmp_path, OrderBookDelta, instrument_id):
        host.apply_delta(delta)
    for side, ladder in ((1, host.bids()), (-1, host.asks())):
        expected = {p: q for p, q in book[side].items() if q}
        got = {float(str(level.price)): level.size() for level in ladder}
        assert got == pytest.approx(expected)
    assert host.best_bid_price() < host.best_ask_price()


@pytest.mark.slow
def test_real_messages_become_what_the_hosts_adapter_makes_of_them(
    real_data: Path, tmp_path: Path
) -> None:
    path = real_data / "binance" / "usdm_btcusdt_20240808.gz"
    ingest_binance_ws([path], PERP, tmp_path)
    instrument_id = find_instrument(PERP).id
    deltas: list[Any] = []
    quotes: list[Any] = []
    for message in messages([path]):
        raw = json.dumps(message.get("data", message)).encode()
        kind = message.get("data", {}).get("e")
        if kind == "depthUpdate":
            depth = msgspec.json.decode(raw, type=BinanceOrderBookData)
            deltas.append(depth.parse_to_order_book_deltas(instrument_id, 0))
        elif kind == "bookTicker":
            ticker = msgspec.json.decode(raw, type=BinanceQuoteData)
            quotes.append(ticker.parse_to_quote_tick(instrument_id, 0))
    ours = [o for o in objects(tmp_path, OrderBookDelta, PERP) if not o.flags & F_SNAPSHOT]
    flat = [d for message in deltas[4:] for d in message.deltas]
    assert len(ours) == len(flat)
    for got, expected in zip(ours[::17], flat[::17], strict=True):
        assert _timeless(got) == _timeless(expected)
        assert abs(got.ts_event - expected.ts_event) <= 128  # the adapter goes through a float
    read = objects(tmp_path, QuoteTick, PERP)
    assert len(read) == len(quotes)
    for got, expected in zip(read[::7], quotes[::7], strict=True):
        assert _timeless(got) == _timeless(expected)
        assert got.ts_event % MS == 0


def _timeless(tick: Any) -> list[Any]:
    return [f for f in fields_of(tick) if not f[0].startswith("ts_")]


def test_a_messages_deltas_group_as_the_host_batches_them(tmp_path: Path) -> None:
    path = recording().write(tmp_path / "a.gz")
    ingest_binance_ws([path], PERP, tmp_path / "catalog")
    read = objects(tmp_path / "catalog", OrderBookDelta, PERP)
    batches = OrderBookDeltas.batch(read)
    assert [len(b.deltas) for b in batches] == [4, 2, 2]
    assert len(objects(tmp_path / "catalog", TradeTick, PERP)) == 2
