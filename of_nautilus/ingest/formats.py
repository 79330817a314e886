"""The source formats by name, for the command line."""

from collections.abc import Callable
from typing import NamedTuple

from of_nautilus.ingest.binance_ws import ingest_binance_ws
from of_nautilus.ingest.summary import IngestSummary


class Format(NamedTuple):
    """A source format: one line of help, and `ingest(paths, instrument, catalog, **options)`.

    Every `ingest` takes the options `overlap` and `progress`; those in `options` beyond these two.
    """

    help: str
    ingest: Callable[..., IngestSummary]
    options: tuple[str, ...] = ()


FORMATS: dict[str, Format] = {
    "binance-ws": Format(
        "recorded websocket lines: trades, depth with its snapshot, bookTicker", ingest_binance_ws
    ),
}
