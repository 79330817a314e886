"""Source files and columns that the tests of ingest make for themselves."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
from nautilus_trader.model.data import OrderBookDelta, OrderBookDepth10, QuoteTick, TradeTick
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from of_nautilus.ingest.columns import DAY_NS, TradeColumns

PERP = "BTCUSDT-PERP.BINANCE"
DAY0 = 19_943 * DAY_NS  # 2024-08-08


def objects(catalog: Any, data_cls: type, instrument_id: str) -> list[Any]:
    """What the host itself reads back."""
    return ParquetDataCatalog(str(catalog)).query(data_cls, identifiers=[instrument_id])


def fields_of(tick: Any) -> tuple[Any, ...]:
    """Everything that a host's object says, as plain values (its == may ignore some)."""
    return tuple(sorted((k, str(v)) for k, v in type(tick).to_dict(tick).items()))


def same_objects(got: list[Any], expected: list[Any]) -> None:
    """Fail at the first object that differs in any field."""
    assert len(got) == len(expected)
    for index, (a, b) in enumerate(zip(got, expected, strict=True)):
        assert fields_of(a) == fields_of(b), index


HOST_TYPES = {
    "trade_tick": TradeTick,
    "quote_tick": QuoteTick,
    "order_book_deltas": OrderBookDelta,
    "order_book_depths": OrderBookDepth10,
}


def trades(times: Any, ids: Any = None, price: int = 6_000_000) -> TradeColumns:
    """Trades of the perpetual at these times; ids count from 1."""
    times = np.asarray(times, np.int64)
    count = len(times)
    return TradeColumns(
        price_precision=2,
        size_precision=3,
        ts_event=times,
        ts_init=times,
        price=price + 10 * np.arange(count, dtype=np.int64),
        size=np.arange(1, count + 1, dtype=np.int64),
        side=np.where(np.arange(count) % 2, -1, 1).astype(np.int8),
        trade_id=np.arange(1, count + 1) if ids is None else ids,
    )


class WsRecording:
    """Builds recorded websocket lines of Binance, futures or spot."""

    def __init__(self, symbol: str = "BTCUSDT", spot: bool = False, start_ms: int = 0) -> None:
        self.symbol = symbol
        self.spot = spot
        self.ms = start_ms or DAY0 // 1_000_000 + 1_000
        self.lines: list[str] = []

    def raw(self, message: dict[str, Any], received: int | None = None) -> None:
        stamp = (self.ms + 3) * 1_000_000 if received is None else received
        self.lines.append(f"{stamp} {json.dumps(message, separators=(',', ':'))}")

    def stream(self, name: str, data: dict[str, Any]) -> None:
        self.raw({"stream": f"{self.symbol.lower()}@{name}", "data": data})

    def trade(self, number: int, price: str, size: str, seller: bool, kind: str = "MARKET") -> None:
        data = {"e": "trade", "E": self.ms + 1, "T": self.ms, "s": self.symbol, "t": number}
        data |= {"p": price, "q": size, "m": seller}
        data |= {"M": True} if self.spot else {"X": kind}
        self.stream("trade", data)

    def ticker(self, update: int, bid: str, bid_size: str, ask: str, ask_size: str) -> None:
        data = {"u": update, "s": self.symbol, "b": bid, "B": bid_size, "a": ask, "A": ask_size}
        if not self.spot:
            data |= {"e": "bookTicker", "T": self.ms, "E": self.ms + 1}
        self.stream("bookTicker", data)

    def snapshot(self, last: int, bids: list[list[str]], asks: list[list[str]]) -> None:
        times = {} if self.spot else {"E": self.ms + 1, "T": self.ms}
        self.raw({"lastUpdateId": last} | times | {"bids": bids, "asks": asks})

    def depth(
        self,
        first: int,
        last: int,
        bids: list[list[str]],
        asks: list[list[str]],
        previous: int | None = None,
    ) -> None:
        data: dict[str, Any] = {"e": "depthUpdate", "E": self.ms + 1, "s": self.symbol}
        if not self.spot:
            data |= {"T": self.ms, "pu": first - 1 if previous is None else previous}
        self.stream("depth@0ms", data | {"U": first, "u": last, "b": bids, "a": asks})

    def write(self, path: Path) -> Path:
        text = "".join(line + "\n" for line in self.lines).encode()
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
        return path
