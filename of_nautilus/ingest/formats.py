"""The source formats by name, for the command line."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from of_nautilus.ingest import (
    binance_archive,
    binance_ws,
    bybit,
    databento,
    equities,
    generic,
    lobster,
    mt5,
    tardis,
)
from of_nautilus.ingest.summary import IngestSummary


class Format(NamedTuple):
    """A source format: one line of help, and `ingest(paths, instrument, catalog, **options)`.

    Every `ingest` takes the options `overlap` and `progress`; `options` names the further ones.
    """

    help: str
    ingest: Callable[..., IngestSummary]
    options: tuple[str, ...] = ()


FORMATS: dict[str, Format] = {
    "binance-ws": Format(
        "recorded Binance websocket lines: trades, depth with its snapshot, bookTicker",
        binance_ws.ingest_binance_ws,
    ),
    "binance-aggtrades": Format(
        "Binance archive aggTrades, spot or futures, zip or CSV",
        partial(binance_archive.ingest_trades, aggregated=True),
    ),
    "binance-trades": Format(
        "Binance archive trades, spot or futures, zip or CSV",
        partial(binance_archive.ingest_trades, aggregated=False),
    ),
    "binance-bookticker": Format(
        "Binance archive bookTicker, zip or CSV", binance_archive.ingest_book_ticker
    ),
    "bybit-trades": Format("Bybit archive trades, csv.gz", bybit.ingest_trades),
    "bybit-book": Format("Bybit archive order books (ob500, ob200), zip", bybit.ingest_book),
    "tardis-trades": Format("Tardis trades, csv.gz", tardis.ingest_trades),
    "tardis-quotes": Format("Tardis quotes, csv.gz", tardis.ingest_quotes),
    "tardis-book": Format("Tardis incremental_book_L2, csv.gz", tardis.ingest_book),
    "tardis-snapshots": Format(
        "Tardis book_snapshot_5 or book_snapshot_25, csv.gz", tardis.ingest_snapshots
    ),
    "lobster": Format(
        "LOBSTER message files, with the order book file beside", lobster.ingest_lobster, ("date",)
    ),
    "databento": Format(
        "Databento DBN: mbo, mbp-10, mbp-1, tbbo, trades", databento.ingest_databento
    ),
    "mt5": Format(
        "MetaTrader 5 tick export, tab-separated", mt5.ingest_mt5, ("timezone", "synthetic")
    ),
    "equities": Format(
        "US equity trade ticks, one zip a day",
        equities.ingest_equities,
        ("all_conditions", "date"),
    ),
    "generic": Format(
        "any CSV with a header, or Parquet, with a column mapping",
        generic.ingest_generic,
        ("columns", "kind", "timezone", "delimiter"),
    ),
}
