"""The catalog's column layout: NumPy columns to and from Parquet files that the host also reads.

This is the one package that knows how NautilusTrader lays out its data catalog: folder and file
names, Arrow schemas, fixed-point bytes, enumerations. Everything else handles plain integers:

- prices are int64 in units of 10**-price_precision, sizes in units of 10**-size_precision;
- sides are int8: +1 buyer (or bid), -1 seller (or ask), 0 none;
- times are int64 nanoseconds UTC.

Rows of a file are sorted by `ts_init`, the order in which the host replays them, and every time
range here selects on `ts_init` with both ends included.
"""

from of_nautilus.ingest.columns.files import (
    data_files,
    data_folder,
    file_name,
    file_range,
    iso_time,
)
from of_nautilus.ingest.columns.kinds import (
    ADD,
    CLEAR,
    DAY_NS,
    DELETE,
    DEPTH_LEVELS,
    F_LAST,
    F_SNAPSHOT,
    F_UNTRUSTED,
    I64,
    KINDS,
    UPDATE,
    Columns,
    DeltaColumns,
    DepthColumns,
    QuoteColumns,
    TradeColumns,
    numeric_ids,
)
from of_nautilus.ingest.columns.reading import (
    held_range,
    iter_columns,
    iter_file,
    read_columns,
    read_deltas,
    read_depth,
    read_quotes,
    read_trades,
)

__all__ = [
    "ADD",
    "CLEAR",
    "DAY_NS",
    "DELETE",
    "DEPTH_LEVELS",
    "F_LAST",
    "F_SNAPSHOT",
    "F_UNTRUSTED",
    "I64",
    "KINDS",
    "UPDATE",
    "Columns",
    "DeltaColumns",
    "DepthColumns",
    "QuoteColumns",
    "TradeColumns",
    "data_files",
    "data_folder",
    "file_name",
    "file_range",
    "held_range",
    "iso_time",
    "iter_columns",
    "iter_file",
    "numeric_ids",
    "read_columns",
    "read_deltas",
    "read_depth",
    "read_quotes",
    "read_trades",
]
