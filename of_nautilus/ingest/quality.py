"""Is a catalog fit for order flow? Counts per instrument, kind and day, and a verdict."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
from nautilus_trader.model.instruments import Instrument

from of_nautilus.ingest.checks import DayCheck, DayReport
from of_nautilus.ingest.columns import DAY_NS, KINDS, Columns, data_files, held_range, iter_columns
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.fixedpoint import increment_units
from of_nautilus.ingest.instruments import host_catalog
from of_nautilus.ingest.provenance import read_days
from of_nautilus.ingest.store import Store, open_store
from of_nautilus.ingest.summary import Progress


@dataclass(frozen=True, slots=True)
class Limits:
    """Shares (0 to 1) above or below which data is unfit; each is of the day's rows."""

    out_of_order: float = 0.0
    event_time_backwards: float = 0.01
    off_grid: float = 0.01
    duplicates: float = 0.001
    not_positive: float = 0.0
    missing_ids: float = 0.01
    crossed: float = 0.01
    untrusted: float = 0.01
    least_tick_rule_share: float = 0.4
    """Real sides agree with the tick rule in 70 to 95 of 100 trades; below this they are wrong."""
    least_judged: int = 1_000
    """Trades a day from which the tick rule is asked."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if value < 0 or (value > 1 and name != "least_judged"):
                raise ValueError(f"`{name}` must be 0 to 1, was {value}")


@dataclass(slots=True)
class QualityReport:
    """The days of a catalog, what makes it unfit, and what one should know."""

    catalog: str
    days: list[DayReport] = field(default_factory=list)
    ingested: list[dict[str, Any]] = field(default_factory=list)
    """By instrument, day and ingest: what its files held that was left out, or is odd and kept;
    empty where others wrote the catalog."""
    unfit: list[str] = field(default_factory=list)
    """Reasons not to use the data; empty where it is fit."""
    notes: list[str] = field(default_factory=list)
    """What is odd and does no harm, or limits what the data can say."""
    aggressor: dict[str, str] = field(default_factory=dict)
    """By instrument: VENUE (the venue names it), INFERRED (it must be), SYNTHETIC (no trades)."""

    @property
    def exit_code(self) -> int:
        """0 where the data is fit, 1 where something makes it unfit."""
        return 1 if self.unfit else 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "catalog": self.catalog,
            "fit": not self.unfit,
            "unfit": self.unfit,
            "notes": self.notes,
            "aggressor": self.aggressor,
            "days": [day.to_dict() for day in self.days],
            "ingested": self.ingested,
        }


def check_catalog(
    catalog: Any,
    instrument_id: Any = None,
    start: int | None = None,
    end: int | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> QualityReport:
    """Check the trades, quotes and books of a catalog; reads all of it in bounded memory.

    Parameters
    ----------
    catalog : path, str or ParquetDataCatalog
        A folder or an fsspec address.
    instrument_id : str or InstrumentId, optional
        One instrument; all of them where None.
    start, end : int, optional
        `ts_init` range in ns UTC, both included.
    limits : Limits, optional
        What counts as unfit.
    progress : callable, optional
        Gets the bytes checked and their total, after each instrument and kind.

    Raises
    ------
    IngestError
        If there is no catalog, or no such data in it.

    """
    store = open_store(catalog)
    if not store.exists("data"):
        raise IngestError("no catalog there", store, todo="ingest data into it first")
    report = QualityReport(str(store))
    held = [(kind, name) for kind in KINDS for name in store.names(f"data/{kind.FOLDER}")]
    wanted = None if instrument_id is None else str(instrument_id).replace("/", "")
    held = [(kind, name) for kind, name in held if wanted in (None, name)]
    definitions = _definitions(store)
    sizes = [_size(store, kind, name) for kind, name in held]
    for at, (kind, name) in enumerate(held):
        if progress is not None:
            progress(sum(sizes[:at]), sum(sizes))
        definition = definitions.get(name)
        if definition is None:
            report.unfit.append(f"{name}: no definition of the instrument in the catalog")
            continue
        try:
            _files(report, store, kind, name)
            report.days += _days(store, kind, name, definition, start, end)
        except IngestError as error:
            report.unfit.append(f"{name} {kind.FOLDER}: {error}")
    if not report.days and not report.unfit:
        raise IngestError(
            "no trades, quotes or books to check", store, todo="choose another instrument or range"
        )
    for owner in dict.fromkeys(day.instrument_id for day in report.days):
        _ingested(report, store, owner, start, end)
    for day in report.days:
        _judge(report, day, limits or Limits())
    if progress is not None:
        progress(sum(sizes), sum(sizes))
    return report


def _size(store: Store, kind: type[Columns], name: str) -> int:
    return sum(store.size(path) for path, _, _ in data_files(store, kind, name))


def _definitions(store: Store) -> dict[str, Instrument]:
    return {str(i.id).replace("/", ""): i for i in host_catalog(store).instruments()}


def _files(report: QualityReport, store: Store, kind: type[Columns], name: str) -> None:
    """The names of the files must be disjoint ranges that hold what the files hold."""
    latest, before = -1, ""
    for path, first, last in data_files(store, kind, name):
        if first <= latest:
            report.unfit.append(f"{name} {kind.FOLDER}: {path} overlaps {before}")
        latest, before = last, path
        low, high = held_range(kind, store, path)
        if low < first or high > last:
            report.unfit.append(f"{name} {kind.FOLDER}: {path} hides rows outside of its name")


def _days(
    store: Store,
    kind: type[Columns],
    name: str,
    definition: Instrument,
    start: int | None,
    end: int | None,
) -> Iterator[DayReport]:
    check: DayCheck | None = None
    today = -1
    for piece in iter_columns(kind, store, name, start, end):
        if check is None:
            tick = increment_units(definition.price_increment, piece.price_precision)
            lot = increment_units(definition.size_increment, piece.size_precision)
            check = DayCheck(str(definition.id), kind, tick, lot)
        days = piece.ts_init // DAY_NS
        cuts = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(days)]
        for low, high in pairwise(cuts):
            if days[low] != today:
                if today >= 0:
                    yield check.finish()
                today = int(days[low])
                check.start(datetime.fromtimestamp(today * DAY_NS // 10**9, UTC).date().isoformat())
            check.add(piece.pick(slice(low, high)))
    if check is not None:
        yield check.finish()


def _ingested(
    report: QualityReport, store: Store, owner: str, start: int | None, end: int | None
) -> None:
    """What was counted on the way in, with a note on a recorder whose clock is behind."""
    entries, damaged = read_days(store, owner, start, end)
    report.ingested += entries
    for path in damaged:
        report.notes.append(f"{path}: damaged, so what was left out is not known")
    for entry in entries:
        delay = entry.get("recorder_delay_ms")
        if delay is not None and delay < 0:
            where = f"{owner} {entry['day']}"
            report.notes.append(f"{where}: the recorder's clock was {-delay:.1f} ms behind")


def _judge(report: QualityReport, day: DayReport, limits: Limits) -> None:
    where = f"{day.instrument_id} {day.kind} {day.day}"
    for name in (
        "out_of_order",
        "event_time_backwards",
        "off_grid",
        "duplicates",
        "not_positive",
        "missing_ids",
        "crossed",
        "untrusted",
    ):
        count = getattr(day, name)
        if not count:
            continue
        text = f"{where}: {count} {name.replace('_', ' ')} of {day.rows} rows"
        (report.unfit if count > getattr(limits, name) * day.rows else report.notes).append(text)
    if day.gaps:
        seconds = max(length for _, length in day.longest_gaps)
        silences = "silences, the longest" if day.gaps > 1 else "silence of"
        report.notes.append(f"{where}: {day.gaps} {silences} {seconds:.0f} s")
    if day.delay_ms is not None and day.delay_ms < 0:
        report.notes.append(f"{where}: the recorder's clock is {-day.delay_ms:.1f} ms behind")
    share = day.tick_rule_share
    if (
        share is not None
        and day.rows >= limits.least_judged
        and share < limits.least_tick_rule_share
    ):
        report.unfit.append(
            f"{where}: sides agree with the tick rule in {share:.0%} of trades: reversed?"
        )
    if day.aggressor_share is not None:
        _aggressor(report, day)


def _aggressor(report: QualityReport, day: DayReport) -> None:
    """The worst of an instrument's days tells how its trades' sides are known."""
    order = ("VENUE", "INFERRED", "SYNTHETIC")
    kind = "VENUE" if (day.aggressor_share or 0.0) > 0.95 else "INFERRED"
    if day.synthetic:
        kind = "SYNTHETIC"
    held = report.aggressor.get(day.instrument_id, "VENUE")
    report.aggressor[day.instrument_id] = max(held, kind, key=order.index)
