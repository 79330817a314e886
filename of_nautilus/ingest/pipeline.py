"""What every source format shares: files in, checked integers, a catalog written or untouched."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from nautilus_trader.model.instruments import Instrument
from numpy.typing import NDArray

from of_nautilus.ingest.columns import Columns
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.fixedpoint import scaled
from of_nautilus.ingest.instruments import find_instrument
from of_nautilus.ingest.provenance import IngestLog, Times
from of_nautilus.ingest.sources import Sources
from of_nautilus.ingest.summary import IngestSummary, Progress
from of_nautilus.ingest.writer import CatalogWriter, Overlap

Read = Callable[["Job", Path], Iterator[Columns]]
"""Reads one file of a format, in pieces of bounded size."""


class Job:
    """One ingest at work: its instrument, its files, what it has counted so far."""

    def __init__(self, instrument: Instrument, sources: Sources, summary: IngestSummary) -> None:
        self.instrument = instrument
        self.sources = sources
        self.summary = summary
        self.log = IngestLog(summary.format)
        self.symbol: str = instrument.raw_symbol.value
        self.price_precision: int = instrument.price_precision
        self.size_precision: int = instrument.size_precision

    @property
    def precisions(self) -> dict[str, Any]:
        """The two precisions, as the columns take them."""
        return {"price_precision": self.price_precision, "size_precision": self.size_precision}

    def leave_out(self, reason: str, times: Times) -> None:
        """Count records that are not written, with their event times."""
        if count := np.size(times):
            self.summary.skipped[reason] += count
            self.log.leave_out(reason, times)

    def keep(self, oddity: str, times: Times) -> None:
        """Count odd records that are written all the same, with their event times."""
        if count := np.size(times):
            self.summary.kept[oddity] += count
            self.log.keep(oddity, times)

    def prices(self, values: NDArray[Any], path: Path, line: Any) -> NDArray[np.int64]:
        """Prices read as floats in units of the instrument's precision.

        `line` is the line of the first value, or the lines of all.
        """
        return self._scaled(values, self.price_precision, "price", path, line)

    def sizes(self, values: NDArray[Any], path: Path, line: Any) -> NDArray[np.int64]:
        """Sizes read as floats in units of the instrument's precision."""
        return self._scaled(values, self.size_precision, "size", path, line)

    def _scaled(
        self, values: NDArray[Any], precision: int, what: str, path: Path, line: Any
    ) -> NDArray[np.int64]:
        units, bad = scaled(values, precision)
        if bad >= 0:
            raise IngestError(
                f"{what} {float(values[bad])!r} does not fit the instrument's {precision} decimals",
                path,
                line=int(line + bad if isinstance(line, int) else line[bad]),
                todo="give the instrument's own increments",
            )
        return units

    def check_symbol(self, found: str, path: Path, line: int | None = None) -> None:
        """Fail where the data are of another symbol than the instrument's."""
        if found != self.symbol:
            raise IngestError(
                f"is of {found}, not of {self.symbol}",
                path,
                line=line,
                todo="ingest each symbol on its own",
            )


def run(
    name: str,
    files: Sequence[str | Path],
    instrument: Instrument | str,
    catalog: Any,
    read: Read,
    overlap: Overlap = "refuse",
    progress: Progress | None = None,
    *,
    unique_ids: bool = True,
    end: Callable[[Job], None] | None = None,
) -> IngestSummary:
    """Write files of one format into a catalog, all of them or nothing.

    Parameters
    ----------
    name : str
        The format's name, for the summary.
    files : sequence of path
        The files (plain, gzip or zip) in the order in which they are to be joined.
    instrument : Instrument or str
        The definition, or the id of one that the catalog holds or of a preset, such as
        "BTCUSDT-PERP.BINANCE".
    catalog : path, str or ParquetDataCatalog
        Where to write.
    read : callable
        Reads one file.
    overlap : {"refuse", "replace", "append"}, default "refuse"
        As for `CatalogWriter`.
    progress : callable, optional
        Gets the bytes read and their total.
    unique_ids : bool, default True
        As for `CatalogWriter`.
    end : callable, optional
        Called after the last file, before the catalog changes, to count what is left.

    Raises
    ------
    IngestError
        If a file is absent, truncated or has a broken line, the instrument is unknown or does not
        fit the data, or the catalog already holds that time range.

    """
    started = time.perf_counter()
    if isinstance(instrument, str):
        instrument = find_instrument(instrument, catalog=catalog)
    sources = Sources(files, progress)
    summary = IngestSummary(name, str(instrument.id), str(catalog), len(sources.paths))
    job = Job(instrument, sources, summary)
    empty = True
    with CatalogWriter(catalog, instrument, overlap, unique_ids=unique_ids, log=job.log) as writer:
        for path in sources.paths:
            for columns in read(job, path):
                if len(columns):
                    empty = False
                    times = columns.ts_init
                    job.log.saw(path.name, int(times.min()), int(times.max()))
                writer.write(columns)
        if empty:
            raise IngestError("holds no trade, quote or book change", sources.paths[0])
        if end is not None:
            end(job)
    summary.take(writer.counts)
    summary.seconds = time.perf_counter() - started
    return summary
