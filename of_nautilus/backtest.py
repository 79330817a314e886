"""Runs a Nautilus backtest config and sums up what came of it.

The host's node hides failure by default (an empty range is a run of nothing that ends well), so the
config and its data are checked first, and what the components found is read back at the end.
"""

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.dataset as dataset
from nautilus_trader.backtest.node import BacktestNode, get_instrument_ids
from nautilus_trader.common.config import InvalidConfiguration
from nautilus_trader.config import BacktestDataConfig, BacktestRunConfig, msgspec_decoding_hook
from nautilus_trader.core.datetime import time_object_to_dt
from nautilus_trader.model.objects import Money
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from of_nautilus.actor import OrderFlowActor
from of_nautilus.config import JournalConfig
from of_nautilus.errors import UserError
from of_nautilus.files import check_folder
from of_nautilus.host_config import check_words, components
from of_nautilus.ingest.store import file_system
from of_nautilus.patterns.signal import Signal, signals_digest


@dataclass(frozen=True)
class RunResult:
    """What came of one run: the figures of its summary, and the components to look into."""

    figures: dict[str, Any]
    actors: list[Any]
    strategies: list[Any]


def load_run_configs(path: str | Path) -> list[BacktestRunConfig]:
    """Return the run configs of a JSON file: the list that the host's own command runs.

    Raises
    ------
    UserError
        If the file is not there, is no JSON, or holds a key or a value that no config has.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{error.strerror}", path, todo="name a run config") from None
    try:
        check_words(msgspec.json.decode(raw), path)
        configs: list[BacktestRunConfig] = msgspec.json.decode(
            raw, type=list[BacktestRunConfig], dec_hook=msgspec_decoding_hook
        )
    except (msgspec.DecodeError, ValueError) as error:
        raise UserError(str(error), path, todo="mend the config") from None
    if not configs:
        raise UserError("holds no run", path, todo="make it a list of run configs")
    for config in configs:
        _check_values(config, path)
    return configs


def _check_values(config: BacktestRunConfig, path: object) -> None:
    """Read what the host leaves unread until the run: types of data, and times."""
    if not config.data:
        raise UserError("has no data", path, todo="name some in `data`")
    for data in config.data:
        try:
            if not isinstance(data.data_type, type):
                raise ValueError("is no class")
        except (ValueError, TypeError, ImportError, AttributeError) as error:
            raise UserError(
                f"`data_cls` {data.data_cls!r}: {error}",
                path,
                todo="write it as nautilus_trader.model.data:TradeTick",
            ) from None
    for one in (config, *config.data):
        names = ("start", "end") if one is config else ("start_time", "end_time")
        for name in names:
            value = getattr(one, name)
            try:
                time_object_to_dt(value)
            except (ValueError, TypeError, OverflowError):
                raise UserError(
                    f"`{name}` {value!r} is no time", path, todo="write 2024-01-08T07:00:00Z"
                ) from None


def run_backtest(
    config: BacktestRunConfig,
    *,
    progress: Callable[[int], Any] | None = None,
    where: object = "run config",
) -> RunResult:
    """Run one config through the host's node.

    Parameters
    ----------
    config : BacktestRunConfig
    progress : callable, optional
        Makes a progress bar (a tqdm) for so many events.
    where : object
        The config's file, for what is told of it.

    Raises
    ------
    UserError
        If the catalog is not there, holds nothing for the range, or a component's config is wrong.
    """
    began = time.perf_counter()
    _check_components(config, where)
    events = _check_data(config, where)
    config = msgspec.structs.replace(config, raise_exception=True, dispose_on_completion=False)
    with _mended(where):
        node = BacktestNode([config])
    try:
        with _mended(where):
            node.build()
        engine = node.get_engine(config.id)
        assert engine is not None
        with _watched(engine, sum(events.values()), progress):
            node.run()
        figures = _figures(engine, events)
        figures["seconds"] = round(time.perf_counter() - began, 3)
        return RunResult(figures, engine.trader.actors(), engine.trader.strategies())
    finally:
        node.dispose()


@contextmanager
def _mended(where: object) -> Iterator[None]:
    """Tell what the host says of a config as what is to be mended in it."""
    try:
        yield
    except (
        msgspec.ValidationError,
        InvalidConfiguration,
        ValueError,
        ImportError,
        AttributeError,
    ) as error:
        raise UserError(str(error), where, todo="mend the config") from None


def _check_components(config: BacktestRunConfig, where: object) -> None:
    """Look at the components: one that cannot work is stopped by itself, and the run goes on."""
    if config.engine is None:
        return
    if not all(_instrument_ids(data, where) for data in config.data):
        return  # the host then reads every instrument there is
    known = {str(name) for data in config.data for name in _instrument_ids(data, where)}
    for one in components(config.engine.actors, config.engine.strategies, where):
        for name in one.instrument_ids:
            if name not in known:
                raise UserError(
                    f"no instrument {name} in `data`, which has {', '.join(sorted(known))}",
                    one.where,
                    todo="name one of these, or add data of it",
                )
        if isinstance(one.config, JournalConfig):
            # Only after the run would it be found that nothing can be written.
            check_folder(one.config.catalog, f"{one.where}, `catalog`")


def _instrument_ids(data: BacktestDataConfig, where: object) -> list[str]:
    with _mended(where):
        return [str(name) for name in get_instrument_ids(data)]


def _check_data(config: BacktestRunConfig, where: object) -> dict[str, int]:
    """Return how many rows each data config has; raise if one has none."""
    rows: dict[str, int] = {}
    for data in config.data:
        kind, ids = data.data_type, _instrument_ids(data, where)
        name = " ".join((kind.__name__, ", ".join(ids))).rstrip()
        catalog = _catalog(data, name)
        place = data.catalog_path
        for one in ids:
            if not catalog.instruments(instrument_ids=[one]):
                known = ", ".join(str(i.id) for i in catalog.instruments()) or "none"
                raise UserError(f"no instrument {one}; it has {known}", place)
        start, end = data.start_time or config.start, data.end_time or config.end
        rows[name] = _count(catalog, kind, ids or None, start, end)
        if not rows[name]:
            raise UserError(
                f"no {name} from {start or 'its start'} to {end or 'its end'}",
                place,
                todo="ingest that range, or change `start` and `end`",
            )
    return rows


def _catalog(data: BacktestDataConfig, name: str) -> ParquetDataCatalog:
    """Return the catalog of a data config: a folder, or on the file system that it names."""
    where, protocol = data.catalog_path, data.catalog_fs_protocol
    if protocol in (None, "file"):
        if "://" in where:
            raise UserError(
                "is an address, and the host reads folders",
                where,
                todo="name a folder of this machine",
            )
        if not (Path(where) / "data").is_dir():
            raise UserError("is no catalog", where, todo=f"ingest {name} into it first")
    with file_system(f"{protocol}://{where}"):
        return ParquetDataCatalog(
            where,
            fs_protocol=protocol or "file",
            fs_storage_options=data.catalog_fs_storage_options,
        )


def _count(
    catalog: ParquetDataCatalog, kind: type[Any], ids: list[str] | None, start: Any, end: Any
) -> int:
    """Return how many rows of a type the catalog has in a range, both ends included."""
    files = catalog.get_file_list_from_data_cls(kind)
    files = catalog.filter_files(kind, files, ids, start, end)
    if not files:
        return 0
    rows = dataset.dataset(files, filesystem=catalog.fs)
    kept = dataset.scalar(True)
    for bound, after in ((start, True), (end, False)):
        moment: Any = time_object_to_dt(bound)
        if moment is not None:
            ts_init = dataset.field("ts_init")
            kept &= ts_init >= moment.value if after else ts_init <= moment.value
    return int(rows.count_rows(filter=kept))


@contextmanager
def _watched(engine: Any, events: int, progress: Callable[[int], Any] | None) -> Iterator[None]:
    """Let a bar follow the engine from a thread of its own: the run itself is one long call."""
    if progress is None:
        yield
        return
    done = threading.Event()

    def watch() -> None:
        with progress(events) as bar:
            while not done.wait(0.2):
                bar.update(engine.iteration - bar.n)
            bar.update(engine.iteration - bar.n)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _figures(engine: Any, events: dict[str, int]) -> dict[str, Any]:
    actors = [actor for actor in engine.trader.actors() if isinstance(actor, OrderFlowActor)]
    signals: list[Signal] = [signal for actor in actors for signal in actor.signals]
    positions = [
        position
        for position in (*engine.cache.position_snapshots(), *engine.cache.positions())
        if position.is_closed
    ]
    fills = engine.trader.generate_order_fills_report()
    return {
        "instruments": sorted(str(i.id) for i in engine.cache.instruments()),
        "data": events,
        "first": str(engine.backtest_start),
        "last": str(engine.backtest_end),
        "bars": sum(actor.engine.bar_count for actor in actors if actor.engine),
        "bars_sha256": _joined([actor.engine.bars_sha256 for actor in actors if actor.engine]),
        "signals": len(signals),
        "signals_by_pattern": dict(sorted(Counter(str(s.pattern) for s in signals).items())),
        "signals_sha256": signals_digest(signals),
        "orders": len(engine.cache.orders()),
        "fills": len(fills),
        "trades_completed": len(positions),
        "trades_won": sum(p.realized_pnl.as_decimal() > 0 for p in positions),
        "net_pnl": _total([p.realized_pnl for p in positions]),
        "fees": _total([fee for p in positions for fee in p.commissions()]),
    }


def _joined(digests: list[str]) -> str:
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _total(amounts: list[Money]) -> dict[str, float]:
    totals: dict[str, Decimal] = {}
    for amount in amounts:
        code = str(amount.currency)
        totals[code] = totals.get(code, Decimal(0)) + amount.as_decimal()
    return {code: float(total) for code, total in sorted(totals.items())}
