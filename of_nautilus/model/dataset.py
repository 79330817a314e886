"""Features of a catalog's days, computed in parallel and kept as Parquet files.

A book can only be rebuilt from a snapshot on, and features look back. So days are computed in runs:
a run begins at the last snapshot at least `warmup_days` before its first day (or where the data
begin) and goes on to the last day that begins there too. How many processes share the work changes
nothing, nor does what comes after a day.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from of_nautilus.core.record import Floats, Ints
from of_nautilus.core.sessions import DAY
from of_nautilus.core.ticks import MarketScale, units_to_steps
from of_nautilus.errors import UserError
from of_nautilus.ingest.columns import (
    CLEAR,
    DeltaColumns,
    TradeColumns,
    iter_columns,
    read_deltas,
    read_trades,
)
from of_nautilus.ingest.instruments import held_definition
from of_nautilus.model.computer import ComputerConfig, FeatureComputer, merge_events
from of_nautilus.model.config import ModelConfig
from of_nautilus.model.features import FEATURES_HASH, NAMES
from of_nautilus.model.quotes import Quotes, quotes_of

_HASH_KEY = b"of_nautilus.features"


def scale_of(catalog: str, instrument_id: str) -> MarketScale:
    """Return the tick and lot of an instrument of a catalog; a `UserError` if it has none such."""
    held = held_definition(catalog, instrument_id)
    if held is None:
        raise UserError(f"no instrument {instrument_id}", catalog, todo="ingest it first")
    return MarketScale(held.price_increment.as_decimal(), held.size_increment.as_decimal())


def read_events(
    catalog: str, instrument_id: str, scale: MarketScale, start: int | None = None,
    end: int | None = None,
) -> Ints:  # fmt: skip
    """Return the merged trades and book changes whose `ts_init` is in [start, end].

    Raises
    ------
    IngestError
        If there are no trades, or no book, in that range.
    """
    d = read_deltas(catalog, instrument_id, start, end)
    t = read_trades(catalog, instrument_id, start, end)
    trades = np.column_stack(
        (_micros(t.ts_event), *_steps(t, scale, t.price, t.size), t.side.astype(np.int64))
    )
    price, size = _steps(d, scale, d.price, d.size)
    side = np.where(d.side < 0, 2, d.side)
    columns = (d.action, side, price, size, d.flags, d.sequence, _micros(d.ts_event))
    deltas = np.column_stack([column.astype(np.int64) for column in columns])
    return merge_events(trades, t.ts_init, deltas, d.ts_init)


def _micros(ts: Ints) -> Ints:
    return (ts + 500) // 1000 * 1000


def _steps(
    columns: TradeColumns | DeltaColumns, scale: MarketScale, price: Ints, size: Ints
) -> tuple[Ints, Ints]:
    tick = int(scale.tick * Decimal(10) ** columns.price_precision)
    lot = int(scale.lot * Decimal(10) ** columns.size_precision)
    return units_to_steps(price, tick)[0], units_to_steps(size, lot)[0]


@dataclass(frozen=True)
class Run:
    """Days (numbers since 1970) that one process computes, from data since `start`."""

    start: int
    days: tuple[int, ...]


def plan_runs(catalog: str, instrument_id: str, warmup_days: int) -> list[Run]:
    """Return the runs that give every day of an instrument its features."""
    snapshots: list[int] = []
    days: set[int] = set()
    for piece in iter_columns(DeltaColumns, catalog, instrument_id):
        snapshots += piece.ts_init[piece.action == CLEAR].tolist()
        days |= set(np.unique(piece.ts_event // DAY).tolist())
        if len(snapshots) == 0:
            snapshots.append(int(piece.ts_init[0]))
    if not days:
        scale_of(catalog, instrument_id)
        raise UserError(
            f"no book of {instrument_id}", catalog, todo="ingest order book deltas: features need"
            " trades and book",
        )  # fmt: skip
    times = np.array(snapshots, np.int64)
    starts: dict[int, list[int]] = {}
    for day in sorted(days):
        known = times[times <= (day - warmup_days) * DAY]
        starts.setdefault(int(known[-1]) if len(known) else int(times[0]), []).append(day)
    return [Run(start, tuple(held)) for start, held in starts.items()]


def compute(
    events: Ints, scale: MarketScale, config: ComputerConfig | None = None
) -> tuple[Ints, Floats]:
    """Return the times and feature vectors of merged events."""
    parts: list[tuple[Ints, Floats]] = []
    computer = FeatureComputer(scale, config, on_vectors=lambda *part: parts.append(part))
    computer.run(events)
    if not parts:
        return np.zeros(0, np.int64), np.zeros((0, len(NAMES)))
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def write_run(config: ModelConfig, run: Run) -> list[tuple[int, int]]:
    """Compute a run and write its days; return (day, vectors) of each."""
    scale = scale_of(config.catalog, config.instrument_id)
    end = (run.days[-1] + 1) * DAY - 1
    events = read_events(config.catalog, config.instrument_id, scale, run.start, end)
    ts, rows = compute(events, scale, config.features)
    quotes = quotes_of(events, end)
    done = []
    for day in run.days:
        chosen = ts // DAY == day
        _write(_path(config, "features", day), {"ts": ts[chosen]}, rows[chosen])
        quoted = quotes.ts // DAY == day
        told = {name: getattr(quotes, name)[quoted] for name in ("ts", "bid", "ask")}
        _write(_path(config, "quotes", day), told, None)
        done.append((day, int(chosen.sum())))
    return done


def write_features(config: ModelConfig, processes: int) -> Iterator[tuple[int, int]]:
    """Write the features of every day of a catalog; yield (day, vectors) as days are done."""
    runs = plan_runs(config.catalog, config.instrument_id, config.warmup_days)
    for kind in ("features", "quotes"):
        (Path(config.folder) / kind).mkdir(parents=True, exist_ok=True)
    if processes == 1 or len(runs) == 1:
        for run in runs:
            yield from write_run(config, run)
        return
    with ProcessPoolExecutor(min(processes, len(runs)), get_context("spawn")) as pool:
        for done in as_completed([pool.submit(write_run, config, run) for run in runs]):
            yield from done.result()


def _path(config: ModelConfig, kind: str, day: int) -> Path:
    return Path(config.folder) / kind / f"{np.datetime64(day, 'D')}.parquet"


def _write(path: Path, columns: dict[str, Ints], rows: Floats | None) -> None:
    named: dict[str, np.ndarray[Any, Any]] = dict(columns)
    if rows is not None:
        named |= {name: rows[:, i] for i, name in enumerate(NAMES)}
    table = pa.table(named).replace_schema_metadata({_HASH_KEY: FEATURES_HASH.encode()})
    part = path.with_suffix(".tmp")
    pq.write_table(table, part, compression="zstd")
    part.replace(path)


@dataclass(frozen=True)
class Dataset:
    """Feature vectors in order of time, and the quotes of the same days."""

    ts: Ints
    rows: Floats
    quotes: Quotes


def read_features(config: ModelConfig) -> Dataset:
    """Return what `write_features` wrote.

    Raises
    ------
    UserError
        If there is nothing, or it was written for another table of features.
    """
    folder = Path(config.folder)
    files = sorted((folder / "features").glob("*.parquet"))
    if not files:
        raise UserError("no features there", folder, todo="run `of-nautilus features` first")
    tables = [pq.read_table(file) for file in files]
    for file, table in zip(files, tables, strict=True):
        if (table.schema.metadata or {}).get(_HASH_KEY) != FEATURES_HASH.encode():
            raise UserError(
                "features of another version", file, todo="run `of-nautilus features` again"
            )
    whole = pa.concat_tables(tables)
    quoted = pa.concat_tables([pq.read_table(folder / "quotes" / file.name) for file in files])
    return Dataset(
        whole["ts"].to_numpy(),
        np.column_stack([whole[name].to_numpy() for name in NAMES]),
        Quotes(*(quoted[name].to_numpy() for name in ("ts", "bid", "ask"))),
    )
