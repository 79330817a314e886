"""Drives the engine over a catalog's trades, without the trading engine.

A scan takes the run config of a backtest and finds what its actors would find in that backtest: the
same bars and the same signals, in the same order. Trades come straight out of the Parquet files, a
piece at a time, so a scan needs no more memory for a year than for a day.
"""

import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec
import numpy as np
import pyarrow as pa
from nautilus_trader.common.config import resolve_path
from nautilus_trader.config import BacktestDataConfig, BacktestRunConfig, ImportableActorConfig
from nautilus_trader.core.datetime import time_object_to_dt
from nautilus_trader.model.data import TradeTick
from nautilus_trader.model.instruments import Instrument
from numba import njit
from numpy.typing import NDArray

from of_nautilus.actor import OrderFlowActor
from of_nautilus.config import OrderFlowActorConfig
from of_nautilus.core import ticks
from of_nautilus.core.record import Bytes, Ints
from of_nautilus.core.ticks import MarketScale
from of_nautilus.engine import BarClosed, Event, FlowConfig, FlowEngine, SessionStarted
from of_nautilus.errors import UserError
from of_nautilus.host_config import components
from of_nautilus.ingest.columns import I64, Columns, TradeColumns, iter_columns
from of_nautilus.ingest.fixedpoint import decode, increment_units
from of_nautilus.ingest.instruments import held_definition
from of_nautilus.patterns.signal import Signal, signals_digest
from of_nautilus.patterns.units import BARS, MIN_BARS

PIECE = 200_000
_NEAR = 1e-4  # a price so many steps below a step lies on it; as `core.ticks.steps_of` reads it
_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Tape(Columns):
    """Trades without their ids, which take as long to read as all the rest."""

    price: I64
    size: I64
    side: NDArray[np.int8]

    FOLDER: ClassVar[str] = TradeColumns.FOLDER
    SCHEMA: ClassVar[pa.Schema] = pa.schema(
        [f for f in TradeColumns.SCHEMA if f.name != "trade_id"]
    )

    @classmethod
    def _own(cls, table: pa.Table, price: int, size: int) -> dict[str, Any]:
        # The host's AggressorSide: 0 for none, 1 for a buyer, 2 for a seller.
        aggressor = table["aggressor_side"].to_numpy().view(np.int8)
        return {
            "price": decode(table["price"], price),
            "size": decode(table["size"], size),
            "side": (aggressor & 1) - (aggressor >> 1),
        }


@dataclass(frozen=True)
class Market:
    """Where an instrument's data are: a catalog, and a range of `ts_init` with both ends included.

    `start` and `end` in ns UTC; None for no bound.
    """

    catalog: Any
    instrument: Instrument
    start: int | None = None
    end: int | None = None

    @property
    def scale(self) -> MarketScale:
        """The instrument's tick and lot."""
        tick, lot = self.instrument.price_increment, self.instrument.size_increment
        return MarketScale(tick.as_decimal(), lot.as_decimal())

    def pieces[C: Columns](self, kind: type[C]) -> Iterator[C]:
        """Return the data of one kind in pieces, in the order of `ts_init`.

        Raises
        ------
        UserError
            If files overlap in time.
        """
        last = -1
        for piece in iter_columns(
            kind, self.catalog, self.instrument.id, self.start, self.end, PIECE
        ):
            ordered = piece.sorted()
            if ordered.ts_init[0] < last:
                raise UserError(
                    f"files of {kind.FOLDER} {self.instrument.id} overlap in time",
                    self.catalog,
                    todo="ingest that range again with --overlap replace",
                )
            last = int(ordered.ts_init[-1])
            yield ordered

    def trades(self) -> Iterator[tuple[Ints, Ints, Ints, Bytes]]:
        """Return the trades in pieces: times, ticks, lots, aggressor sides, as the engine takes."""
        price, size = self.instrument.price_increment, self.instrument.size_increment
        for piece in self.pieces(Tape):
            yield (
                whole_microseconds(piece.ts_event),
                to_steps(piece.price, increment_units(price, piece.price_precision)),
                to_steps(piece.size, increment_units(size, piece.size_precision)),
                piece.side,
            )


@njit(cache=True)
def whole_microseconds(ts: Ints) -> Ints:
    """Return times rounded as the engine rounds those of the host."""
    rounded = np.empty_like(ts)
    for i in range(len(ts)):
        rounded[i] = ticks.whole_microseconds(ts[i])
    return rounded


def to_steps(units: Ints, step: int) -> Ints:
    """Return values in whole increments of `step` units, as the engine reads those of the host.

    >>> to_steps(np.array([6180030, 6180035]), 10).tolist()
    [618003, 618003]
    """
    if step == 1:
        return units
    steps: Ints = units // step
    if step * _NEAR >= 1:
        steps = steps + (step - (units - steps * step) <= step * _NEAR)
    return steps


@dataclass(frozen=True, slots=True)
class Found:
    """A signal, and the usual range of a bar (R1, ticks) when it fired; NaN if not known yet."""

    signal: Signal
    r1: float


@dataclass
class Scan:
    """What a scan of one instrument found.

    `fired` counts the bars that showed a pattern, in them or at their close; `sessions` holds the
    start and end of each session, ns UTC.
    """

    market: Market
    flow: FlowConfig
    found: list[Found] = field(default_factory=list)
    sessions: list[tuple[int, int]] = field(default_factory=list)
    trades: int = 0
    first: int = 0
    last: int = 0
    bars: int = 0
    fired: int = 0
    bars_sha256: str = ""
    seconds: float = 0.0

    @property
    def signals(self) -> list[Signal]:
        """The signals, in the order in which they fired."""
        return [found.signal for found in self.found]

    @property
    def hours(self) -> float:
        """How long the sessions were open while there was data, hours."""
        spans = (min(end, self.last) - max(start, self.first) for start, end in self.sessions)
        return sum(max(0, span) for span in spans) / 3.6e12

    def figures(self) -> dict[str, Any]:
        """Return what a summary tells."""
        counts = Counter(name_of(signal) for signal in self.signals)
        rate = 1 / self.hours if self.hours else _NAN
        return {
            "trades": self.trades,
            "hours": round(self.hours, 3),
            "bars": self.bars,
            "bars_sha256": self.bars_sha256,
            "bars_that_fire": round(self.fired / self.bars, 4) if self.bars else _NAN,
            "signals": len(self.found),
            "signals_sha256": signals_digest(self.signals),
            "patterns": {
                name: {
                    "signals": count,
                    "per_hour": round(count * rate, 3),
                    "per_60_bars": round(60 * count / self.bars, 3) if self.bars else _NAN,
                    "at_cap": round(self._at_cap(name), 4),
                }
                for name, count in sorted(counts.items())
            },
            "seconds": round(self.seconds, 3),
            "trades_per_s": round(self.trades / self.seconds) if self.seconds else _NAN,
        }

    def _at_cap(self, name: str) -> float:
        cap = self.flow.absorption.cap if self.flow.absorption else 100.0
        limit = {"absorption": cap, "exhaustion": 70.0, "divergence": 80.0}
        strengths = [s.strength for s in self.signals if name_of(s) == name]
        most = limit.get(name.split("_m")[0], 100.0)
        return sum(s >= most - 1e-9 for s in strengths) / len(strengths)


def name_of(signal: Signal) -> str:
    """Return a signal's pattern, absorption by its method: what is counted apart.

    >>> from of_nautilus.patterns.signal import Pattern
    >>> name_of(Signal(0, Pattern.ABSORPTION, 1, 100, 60.0, {"method": 2}))
    'absorption_m2'
    """
    method = signal.reasons.get("method")
    return f"{signal.pattern}_m{method:.0f}" if method else str(signal.pattern)


def scan(market: Market, flow: FlowConfig) -> Scan:
    """Drive an engine over a market's trades.

    The order book is left out, whatever `flow` says of it: it closes no bar and makes no signal.

    Parameters
    ----------
    market : Market
    flow : FlowConfig

    Raises
    ------
    UserError
        If there are no trades in the range, or files overlap in time.
    """
    began = time.perf_counter()
    engine = FlowEngine(market.scale, msgspec.structs.replace(flow, book=None))
    result = Scan(market, flow)
    gather = _Gatherer(result)
    for ts, price, size, side in market.trades():
        result.first = result.first or int(ts[0])
        gather(engine.run_trades(ts, price, size, side))
        result.trades += len(ts)
    if not result.trades:
        raise UserError(
            f"no trades of {market.instrument.id} in the range", market.catalog, todo="ingest some"
        )
    result.last = engine.last_ts
    result.bars, result.bars_sha256 = engine.bar_count, engine.bars_sha256
    result.seconds = time.perf_counter() - began
    return result


class _Gatherer:
    """Puts events into a scan's result."""

    def __init__(self, result: Scan) -> None:
        self._result = result
        self._ranges: deque[int] = deque(maxlen=BARS)
        self._r1 = _NAN
        self._in_bar = False

    def __call__(self, events: list[Event]) -> None:
        result, found = self._result, self._result.found
        for event in events:
            if isinstance(event, BarClosed):
                # By the units in force when its patterns were judged.
                if event.signals:
                    r1 = self._usual_range(event)
                    found += [Found(signal, r1) for signal in event.signals]
                result.fired += self._in_bar or bool(event.signals)
                self._in_bar = False
                self._ranges.append(event.bar.high - event.bar.low)
                self._r1 = event.units.r1 if event.units else _NAN
            elif isinstance(event, Signal):
                self._in_bar = True
                found.append(Found(event, self._usual_range(None)))
            elif isinstance(event, SessionStarted):
                result.sessions.append((event.ts, event.end))
                self._r1 = event.units.r1 if event.units else self._r1

    def _usual_range(self, closed: BarClosed | None) -> float:
        """Return R1, frozen where the engine freezes it, else over the bars so far."""
        if closed is not None and closed.units:
            return closed.units.r1
        if self._r1 == self._r1:
            return self._r1
        return max(1.0, float(np.median(self._ranges))) if len(self._ranges) >= MIN_BARS else _NAN


def scan_run(config: BacktestRunConfig, where: object = "run config") -> list[Scan]:
    """Scan for every `OrderFlowActor` of a run config, over its instrument's trades.

    `where` is the config's file, for what is told of it.

    Raises
    ------
    UserError
        If there is no such actor, its config is wrong, or the run has no trades for it.
    """
    actors = list(flow_actors(config, where))
    if not actors:
        raise UserError("has no OrderFlowActor", where, todo="add one to `engine.actors`")
    return [scan(market_of(config, actor, where), actor.flow) for actor in actors]


def flow_actors(
    config: BacktestRunConfig, where: object = "run config"
) -> Iterator[OrderFlowActorConfig]:
    """Return the configs of the run's `OrderFlowActor`s, in order."""
    actors: list[ImportableActorConfig] = config.engine.actors if config.engine else []
    for found in components(actors, (), where):
        if is_flow_actor(found.path):
            yield found.config


def is_flow_actor(actor_path: str) -> bool:
    """Return whether a path such as "of_nautilus.actor:OrderFlowActor" names such an actor."""
    return issubclass(resolve_path(actor_path), OrderFlowActor)


def market_of(
    config: BacktestRunConfig, actor: OrderFlowActorConfig, where: object = "run config"
) -> Market:
    """Return the market that an actor of a run reads.

    Raises
    ------
    UserError
        If the run's data have no trades of it, or the catalog does not know the instrument.
    """
    ours = [data for data in config.data if _holds_trades(data, str(actor.instrument_id))]
    if len(ours) != 1:
        raise UserError(
            f"{len(ours) or 'no'} entries of TradeTick data for {actor.instrument_id}",
            where,
            todo="make it one entry in `data`",
        )
    (data,) = ours
    catalog = data.catalog_path
    if data.catalog_fs_protocol and "://" not in catalog:
        catalog = f"{data.catalog_fs_protocol}://{catalog}"
    instrument = held_definition(catalog, str(actor.instrument_id))
    if instrument is None:
        raise UserError(f"no instrument {actor.instrument_id}", catalog, todo="ingest it first")
    start, end = data.start_time or config.start, data.end_time or config.end
    return Market(catalog, instrument, _nanos(start), _nanos(end))


def _holds_trades(data: BacktestDataConfig, instrument_id: str) -> bool:
    held = [str(i) for i in (data.instrument_id, *(data.instrument_ids or ())) if i is not None]
    return data.data_type is TradeTick and instrument_id in held


def _nanos(moment: Any) -> int | None:
    stamp: Any = time_object_to_dt(moment)
    return None if stamp is None else int(stamp.value)


def signal_table(scans: list[Scan]) -> pa.Table:
    """Return the signals of scans as an Arrow table: those of `patterns.signal.Signal`, and whose.

    `price` is in the market's own units, `ts` in ns UTC; `reasons` is JSON text.
    """
    rows = [
        {
            "instrument_id": str(result.market.instrument.id),
            "ts": signal.ts,
            "pattern": str(signal.pattern),
            "side": signal.side,
            "price": float(result.market.scale.price(signal.price)),
            "strength": signal.strength,
            "reasons": msgspec.json.encode(signal.reasons, order="deterministic").decode(),
        }
        for result in scans
        for signal in result.signals
    ]
    return pa.Table.from_pylist(rows, schema=_SIGNALS)


_SIGNALS = pa.schema(
    {
        "instrument_id": pa.string(),
        "ts": pa.int64(),
        "pattern": pa.string(),
        "side": pa.int64(),
        "price": pa.float64(),
        "strength": pa.float64(),
        "reasons": pa.string(),
    }
)
