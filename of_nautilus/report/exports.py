"""Footprint, profile, signals and trades as plain files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from of_nautilus.data import ClosedTrade, PatternSignal
from of_nautilus.journal import read_journal
from of_nautilus.report.bars import Bars, read_bars, the_instrument

_CELLS = ("bid", "ask", "unclassified", "bid_prints", "ask_prints", "unclassified_prints")


def footprint_table(bars: Bars) -> pd.DataFrame:
    """Return a row for each cell: bar, price in ticks and quote units, sizes in lots, prints."""
    bar = np.repeat(np.arange(len(bars)), np.diff(bars.starts))
    rows = bars.row_index
    columns: dict[str, Any] = {
        "open_ts": bars.open_ts[bar],
        "close_ts": bars.close_ts[bar],
        "row_ticks": rows * bars.ticks_per_row,
        "price": rows * bars.ticks_per_row * bars.tick,
    }
    columns |= {name: bars.cells[:, k] for k, name in enumerate(_CELLS)}
    return pd.DataFrame(columns)


def profile_table(bars: Bars) -> pd.DataFrame:
    """Return a row for each price row of all bars together: sizes in lots by aggressor."""
    low, bought, sold, unclassified = bars.profile()
    ticks = (low + np.arange(len(bought))) * bars.ticks_per_row
    return pd.DataFrame(
        {
            "row_ticks": ticks,
            "price": ticks * bars.tick,
            "bought": bought,
            "sold": sold,
            "unclassified": unclassified,
        }
    )


def export(
    catalog: str | Path,
    folder: str | Path,
    instrument_id: str | None = None,
    start: int | None = None,
    end: int | None = None,
    *,
    form: str = "csv",
) -> list[Path]:
    """Write footprint, profile, signals and trades of a range as files; return them.

    Parameters
    ----------
    catalog, folder : str or Path
        Where the data are, and where the files go: footprint, profile, signals, trades.
    instrument_id : str, optional
        Needed where the catalog holds several.
    start, end : int, optional
        Range of event time, ns UTC.
    form : str
        "csv" or "parquet".

    Raises
    ------
    ValueError
        If `form` is neither.
    UserError
        If the catalog holds no such instrument.
    """
    writers: dict[str, Callable[[pd.DataFrame, Path], None]] = {
        "csv": lambda table, path: table.to_csv(path, index=False),
        "parquet": lambda table, path: table.to_parquet(path, index=False),
    }
    if form not in writers:
        raise ValueError(f"`form` must be csv or parquet, was {form!r}")
    name = instrument_id or the_instrument(catalog)
    bars = read_bars(catalog, name, start, end)
    tables = {
        "footprint": footprint_table(bars),
        "profile": profile_table(bars),
        "signals": _journal(catalog, PatternSignal, name, start, end),
        "trades": _journal(catalog, ClosedTrade, name, start, end),
    }
    Path(folder).mkdir(parents=True, exist_ok=True)
    written = []
    for what, table in tables.items():
        path = Path(folder) / f"{what}.{form}"
        writers[form](table, path)
        written.append(path)
    return written


def _journal(
    catalog: str | Path, kind: type[Any], name: str, start: int | None, end: int | None
) -> pd.DataFrame:
    table = read_journal(catalog, kind, name)
    inside = table.ts_event >= (start or 0)
    if end is not None:
        inside &= table.ts_event <= end
    return table[inside].drop(columns=["type"], errors="ignore")
