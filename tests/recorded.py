"""Trades of a recorded market, straight from the recording, as the arrays that kernels take."""

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np

from of_nautilus.core.record import Bytes, Ints


class Trades(NamedTuple):
    """Times in ns, prices in ticks, sizes in lots, aggressor sides."""

    ts: Ints
    price: Ints
    size: Ints
    side: Bytes

    def first(self, count: int) -> "Trades":
        """The first `count` trades."""
        return Trades(*(column[:count] for column in self))

    def rows(self) -> list[tuple[int, int, int, int]]:
        """The trades one by one, as plain integers."""
        return list(zip(*(column.tolist() for column in self), strict=True))


def columns(rows: list[tuple[int, int, int, int]]) -> Trades:
    """Rows of (ts, price, size, side) as columns."""
    table = np.array(rows, np.int64).reshape(-1, 4)
    return Trades(table[:, 0].copy(), table[:, 1].copy(), table[:, 2].copy(), sides(table[:, 3]))


def sides(values: object) -> Bytes:
    """Sides in the type that kernels take."""
    return np.array(values, np.int8)


def trades(path: Path, tick: str, lot: str) -> tuple[Trades, Ints]:
    """The market's trades of a recorded websocket file, and their ids."""
    rows = []
    ids = []
    with gzip.open(path, "rt") as lines:
        for line in lines:
            if '"e":"trade"' not in line:
                continue
            message = json.loads(line.split(" ", 1)[1])["data"]
            if message.get("X", "MARKET") != "MARKET":
                continue
            price = Decimal(message["p"]) / Decimal(tick)
            size = Decimal(message["q"]) / Decimal(lot)
            side = -1 if message["m"] else 1
            rows.append((message["T"] * 1_000_000, int(price), int(size), side))
            ids.append(message["t"])
    return columns(rows), np.array(ids, np.int64)


def bitcoin(real_data: Path) -> tuple[Trades, Ints]:
    """BTCUSDT perpetual, 2024-08-08."""
    return trades(real_data / "binance" / "usdm_btcusdt_20240808.gz", "0.1", "0.001")


def nexo(real_data: Path) -> tuple[Trades, Ints]:
    """NEXOUSDT spot, 2024-07-23: a thin market."""
    return trades(real_data / "binance" / "spot_nexousdt_20240723.gz", "0.0001", "0.01")


def beginning(recording: Path, folder: Path, count: int) -> Path:
    """A recorded websocket file's beginning, up to its trade of that number, as a file."""
    cut = folder / recording.name
    with gzip.open(recording, "rt") as lines, gzip.open(cut, "wt", compresslevel=1) as kept:
        for line in lines:
            kept.write(line)
            count -= '"e":"trade"' in line
            if not count:
                return cut
    raise ValueError(f"{recording}: {count} trades too few")
