"""US equity trade ticks: one zip a day of CSV lines without a header.

Columns: milliseconds since midnight in New York, price times 10,000, size, exchange, sale
conditions (hexadecimal bits), suspicious flag. The files name no aggressor, so sides are 0.

Sale conditions are bits, counted from 0. Dropped by default, and counted: those whose price is not
that of the market at that time (cash 1, next day 2, seller's option 3, derivatively priced 9, sold
late 11, out of sequence 14, acquisition 16, bunched 17, contingent on an option 18, distribution
19, average price 20, price variation 22, prior reference price 25), and those that repeat another
print (official close 24, official open 26). Trades before 09:30 and after 16:00 and those of less
than 100 shares are kept, and counted.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from nautilus_trader.model.instruments import Instrument
from numpy.typing import NDArray

from of_nautilus.ingest.columns import Columns, TradeColumns
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.pipeline import Job, run
from of_nautilus.ingest.summary import IngestSummary
from of_nautilus.ingest.tables import CODED, read_table
from of_nautilus.ingest.times import day_in_name, day_start

_NAMES = ("ms", "price", "size", "exchange", "conditions", "suspicious")
_TYPES = {
    "ms": pa.int64(),
    "price": pa.int64(),
    "size": pa.int64(),
    "conditions": CODED,
    "suspicious": pa.int64(),
}
DROPPED = {
    1: "cash",
    2: "next day",
    3: "seller's option",
    9: "derivatively priced",
    11: "sold late",
    14: "out of sequence",
    16: "acquisition",
    17: "bunched",
    18: "contingent on an option",
    19: "distribution",
    20: "average price",
    22: "price variation",
    24: "official close",
    25: "prior reference price",
    26: "official open",
}
"""Sale conditions that are dropped by default: bit and name."""

_OPEN_MS, _CLOSE_MS = 4 * 3_600_000, 20 * 3_600_000 + 1_800_000
_BELL_MS, _CURFEW_MS = 9 * 3_600_000 + 1_800_000, 16 * 3_600_000
_ROUND_LOT = 100
_MAX_OUTSIDE = 0.01


def ingest_equities(
    files: Sequence[str | Path],
    instrument: Instrument | str,
    catalog: Any,
    *,
    all_conditions: bool = False,
    date: str | None = None,
    **options: Any,
) -> IngestSummary:
    """Write equity trade ticks; parameters as `pipeline.run`.

    Parameters
    ----------
    files, instrument, catalog
        As for `pipeline.run`.
    all_conditions : bool, default False
        Keep every print, whatever its sale conditions.
    date : str, optional
        The day, where the file's name does not begin with it (YYYYMMDD).
    **options
        As for `pipeline.run`.

    """
    dropped = {} if all_conditions else DROPPED
    return run("equities", files, instrument, catalog, partial(_trades, dropped, date), **options)


def _trades(dropped: dict[int, str], date: str | None, job: Job, path: Path) -> Iterator[Columns]:
    day = day_in_name(path, date)
    midnight = day_start(day, "America/New_York")
    next_id = int(f"{day:%Y%m%d}") * 10**9 + 1
    outside = total = 0
    for line, batch in read_table(job.sources, path, _TYPES, names=_NAMES, header=False):
        ms = batch["ms"].to_numpy()
        late = (ms < _OPEN_MS) | (ms > _CLOSE_MS)
        outside, total = outside + int(np.count_nonzero(late)), total + len(ms)
        if outside > max(_MAX_OUTSIDE * total, 10):
            raise IngestError(
                "prints outside 04:00 to 20:00 in New York: not milliseconds of that time zone",
                path,
                line=line + int(np.argmax(late)),
            )
        keep = _kept(job, batch, midnight + ms * 1_000_000, dropped, path, line)
        times = midnight + ms[keep] * 1_000_000
        job.keep("before 09:30", times[ms[keep] < _BELL_MS])
        job.keep("after 16:00", times[ms[keep] > _CURFEW_MS])
        job.keep("odd lot", times[batch["size"].to_numpy()[keep] < _ROUND_LOT])
        lines = line + np.flatnonzero(keep)
        yield TradeColumns(
            **job.precisions,
            ts_event=times,
            ts_init=times,
            price=job.prices(batch["price"].to_numpy()[keep] / 1e4, path, lines),
            size=batch["size"].to_numpy()[keep] * 10**job.size_precision,
            side=np.zeros(len(times), np.int8),
            trade_id=np.arange(next_id, next_id + len(times)),
        )
        next_id += len(times)


def _kept(
    job: Job,
    batch: pa.RecordBatch,
    times: NDArray[np.int64],
    dropped: dict[int, str],
    path: Path,
    line: int,
) -> NDArray[np.bool_]:
    column = batch["conditions"]
    words = column.dictionary.to_pylist()
    codes = column.indices.to_numpy()
    bad = np.zeros(len(words), np.bool_)
    for index, word in enumerate(words):
        try:
            bits = int(word, 16)
        except ValueError:
            at = int(np.argmax(codes == index))
            raise IngestError(
                f"broken line (sale conditions {word!r})", path, line=line + at
            ) from None
        reasons = [name for bit, name in dropped.items() if bits >> bit & 1]
        if reasons:
            bad[index] = True
            job.leave_out(f"sale condition: {' + '.join(reasons)}", times[codes == index])
    keep = ~bad[codes]
    if dropped:
        odd = keep & (batch["suspicious"].to_numpy() != 0)
        job.leave_out("marked suspicious", times[odd])
        keep &= ~odd
    return np.asarray(keep, np.bool_)
