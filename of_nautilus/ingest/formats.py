"""The source formats by name, for the command line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from of_nautilus.ingest.summary import IngestSummary


@dataclass(frozen=True, slots=True)
class Format:
    """A source format; its module is imported on use, as a help page needs none of them."""

    help: str
    target: str
    """Module of this package and function, such as "mt5:ingest_mt5"."""
    options: tuple[str, ...] = ()
    """What `ingest` may take besides `overlap` and `progress`, which every one takes."""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """What `ingest` is always given."""

    @property
    def ingest(self) -> "Callable[..., IngestSummary]":
        """The function `ingest(paths, instrument, catalog, **options)`."""
        module, _, name = self.target.partition(":")
        function = getattr(import_module(f"of_nautilus.ingest.{module}"), name)
        return partial(function, **self.fixed)


FORMATS: dict[str, Format] = {
    "binance-ws": Format(
        "recorded Binance websocket lines: trades, depth with its snapshot, bookTicker",
        "binance_ws:ingest_binance_ws",
    ),
    "binance-aggtrades": Format(
        "Binance archive aggTrades, spot or futures, zip or CSV",
        "binance_archive:ingest_trades",
        fixed={"aggregated": True},
    ),
    "binance-trades": Format(
        "Binance archive trades, spot or futures, zip or CSV",
        "binance_archive:ingest_trades",
        fixed={"aggregated": False},
    ),
    "binance-bookticker": Format(
        "Binance archive bookTicker, zip or CSV", "binance_archive:ingest_book_ticker"
    ),
    "bybit-trades": Format("Bybit archive trades, csv.gz", "bybit:ingest_trades"),
    "bybit-book": Format("Bybit archive order books (ob500, ob200), zip", "bybit:ingest_book"),
    "tardis-trades": Format("Tardis trades, csv.gz", "tardis:ingest_trades"),
    "tardis-quotes": Format("Tardis quotes, csv.gz", "tardis:ingest_quotes"),
    "tardis-book": Format("Tardis incremental_book_L2, csv.gz", "tardis:ingest_book"),
    "tardis-snapshots": Format(
        "Tardis book_snapshot_5 or book_snapshot_25, csv.gz", "tardis:ingest_snapshots"
    ),
    "lobster": Format(
        "LOBSTER message files, with the order book file beside",
        "lobster:ingest_lobster",
        ("date",),
    ),
    "databento": Format(
        "Databento DBN: mbo, mbp-10, mbp-1, tbbo, trades", "databento:ingest_databento"
    ),
    "mt5": Format(
        "MetaTrader 5 tick export, tab-separated", "mt5:ingest_mt5", ("timezone", "synthetic")
    ),
    "equities": Format(
        "US equity trade ticks, one zip a day",
        "equities:ingest_equities",
        ("all_conditions", "date"),
    ),
    "generic": Format(
        "any CSV with a header, or Parquet, with a column mapping",
        "generic:ingest_generic",
        ("columns", "kind", "timezone", "delimiter"),
    ),
}
