"""Binance's public archive: aggTrades, trades and bookTicker of spot and futures, zip or CSV.

Files with and without a header line, in milliseconds and (spot since 2025) microseconds. The
buyer being the maker means that a seller was the aggressor. `ts_init` is `ts_event`.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from nautilus_trader.model.instruments import Instrument

from of_nautilus.ingest.columns import Columns, QuoteColumns, TradeColumns
from of_nautilus.ingest.pipeline import Job, run
from of_nautilus.ingest.summary import IngestSummary
from of_nautilus.ingest.tables import read_table
from of_nautilus.ingest.times import nanoseconds

_AGG_TRADES = (
    "agg_trade_id",
    "price",
    "quantity",
    "first_trade_id",
    "last_trade_id",
    "transact_time",
    "is_buyer_maker",
)
_TRADES = ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker")
_BOOK_TICKER = (
    "update_id",
    "best_bid_price",
    "best_bid_qty",
    "best_ask_price",
    "best_ask_qty",
    "transaction_time",
    "event_time",
)
_SAME = {"agg_trade_id": "id", "quantity": "qty", "transact_time": "time"}
_TRADE_TYPES = {
    "id": pa.int64(),
    "price": pa.float64(),
    "qty": pa.float64(),
    "time": pa.int64(),
    "is_buyer_maker": pa.bool_(),
}
_TICKER_TYPES = {
    "best_bid_price": pa.float64(),
    "best_bid_qty": pa.float64(),
    "best_ask_price": pa.float64(),
    "best_ask_qty": pa.float64(),
    "transaction_time": pa.int64(),
}


def ingest_trades(
    files: Sequence[str | Path],
    instrument: Instrument | str,
    catalog: Any,
    *,
    aggregated: bool,
    **options: Any,
) -> IngestSummary:
    """Write `aggTrades` (`aggregated`) or `trades` archives; parameters as `pipeline.run`."""
    names = [_SAME.get(n, n) for n in _AGG_TRADES] if aggregated else _TRADES
    name = "binance-aggtrades" if aggregated else "binance-trades"
    return run(name, files, instrument, catalog, partial(_trades, names), **options)


def ingest_book_ticker(
    files: Sequence[str | Path], instrument: Instrument | str, catalog: Any, **options: Any
) -> IngestSummary:
    """Write `bookTicker` archives as quotes; parameters as `pipeline.run`."""
    return run("binance-bookticker", files, instrument, catalog, _quotes, **options)


def _trades(names: Sequence[str], job: Job, path: Path) -> Iterator[Columns]:
    _check_name(job, path)
    table = read_table(job.sources, path, _TRADE_TYPES, names=names, aliases=_SAME)
    for line, batch in table:
        times = nanoseconds(batch["time"].to_numpy(), path, line)
        maker = batch["is_buyer_maker"].to_numpy(zero_copy_only=False)
        yield TradeColumns(
            **job.precisions,
            ts_event=times,
            ts_init=times,
            price=job.prices(batch["price"].to_numpy(), path, line),
            size=job.sizes(batch["qty"].to_numpy(), path, line),
            side=1 - 2 * maker.view(np.int8),
            trade_id=batch["id"].to_numpy(),
        )


def _quotes(job: Job, path: Path) -> Iterator[Columns]:
    _check_name(job, path)
    for line, batch in read_table(job.sources, path, _TICKER_TYPES, names=_BOOK_TICKER):
        times = nanoseconds(batch["transaction_time"].to_numpy(), path, line)
        yield QuoteColumns(
            **job.precisions,
            ts_event=times,
            ts_init=times,
            bid_price=job.prices(batch["best_bid_price"].to_numpy(), path, line),
            ask_price=job.prices(batch["best_ask_price"].to_numpy(), path, line),
            bid_size=job.sizes(batch["best_bid_qty"].to_numpy(), path, line),
            ask_size=job.sizes(batch["best_ask_qty"].to_numpy(), path, line),
        )


def _check_name(job: Job, path: Path) -> None:
    """The archive names its files SYMBOL-kind-date."""
    symbol, dash, rest = path.name.partition("-")
    if dash and rest.startswith(("aggTrades-", "trades-", "bookTicker-")):
        job.check_symbol(symbol, path)
