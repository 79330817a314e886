"""FeatureActor: the model's features of one instrument, live and in a backtest, and its forecasts.

It computes what `of-nautilus features` computes, by the same compiled steps, one event at a time. A
vector for grid time t is published with the first event after t.
"""

from nautilus_trader.common.actor import Actor
from nautilus_trader.config import ActorConfig
from nautilus_trader.model.data import OrderBookDeltas, TradeTick
from nautilus_trader.model.identifiers import InstrumentId

from of_nautilus.core.book import F_LAST
from of_nautilus.core.record import Floats, Ints
from of_nautilus.core.sessions import SessionClock
from of_nautilus.core.ticks import MarketScale, whole_microseconds
from of_nautilus.data import data_type, subscribe_book
from of_nautilus.errors import UserError
from of_nautilus.indicators.base import SIDES
from of_nautilus.indicators.book import DeltaRows
from of_nautilus.model.computer import ComputerConfig, FeatureComputer, compile_steps
from of_nautilus.model.data import FeatureVector, Forecast
from of_nautilus.model.features import INDEX
from of_nautilus.model.prediction import SILENT, Predictor

_OFI_Z = INDEX["ofi_z_1m"]


class FeatureActorConfig(ActorConfig, frozen=True):  # type: ignore[call-arg]
    """Config of `FeatureActor`.

    Parameters
    ----------
    instrument_id : InstrumentId
        The market to read.
    features : ComputerConfig, optional
        How features are sampled. Absent: as the model's were, or by the defaults without one.
    model : str
        Folder of a trained model, whose forecasts are published too; empty for none.
    """

    instrument_id: InstrumentId
    features: ComputerConfig | None = None
    model: str = ""


class FeatureActor(Actor):
    """Computes the model's features of one instrument.

    Publishes a `FeatureVector` for every grid time, and with a model a `Forecast` after it, under
    `data.data_type(cls, instrument_id)`.

    Raises
    ------
    UserError
        If the model is not there, was trained on other features, on another instrument, or on
        features that were sampled in another way than `features` says.
    """

    def __init__(self, config: FeatureActorConfig) -> None:
        super().__init__(config)
        self.computer: FeatureComputer | None = None
        self.predictor = Predictor(config.model) if config.model else None
        self._sampling = _sampling(config, self.predictor)
        self._types = {kind: data_type(kind, config.instrument_id) for kind in _TYPES}

    def on_start(self) -> None:
        """Find the instrument and subscribe to its trades and its book."""
        instrument_id = self.config.instrument_id
        instrument = self.cache.instrument(instrument_id)
        if instrument is None:
            self.log.error(f"instrument not found: instrument_id={instrument_id}")
            self.stop()
            return
        self._scale = MarketScale(
            instrument.price_increment.as_decimal(), instrument.size_increment.as_decimal()
        )
        self._rows = DeltaRows(self._scale)
        # The host's raw integers have one precision for prices and sizes of every instrument.
        self._tick, self._lot = instrument.price_increment.raw, instrument.size_increment.raw
        self._sessions = SessionClock(self._sampling.session)
        self._session_end = self._ts_init = 0
        compile_steps()
        self.computer = FeatureComputer(self._scale, self._sampling, on_vectors=self._publish)
        self.subscribe_trade_ticks(instrument_id)
        subscribe_book(self, instrument_id)

    def on_trade_tick(self, tick: TradeTick) -> None:
        """Decode a trade, and publish the vectors that it completes."""
        if self.computer is None:
            return
        self._ts_init = tick.ts_init
        self.computer.on_trade(
            whole_microseconds(tick.ts_event),
            tick.price.raw // self._tick,
            tick.size.raw // self._lot,
            SIDES[tick.aggressor_side],
        )

    def on_order_book_deltas(self, deltas: OrderBookDeltas) -> None:
        """Decode a message of the book, and publish the vectors that it completes."""
        if self.computer is None:
            return
        self._ts_init = deltas.ts_init
        rows = self._rows
        whole = rows.add(deltas)
        if not whole and deltas.is_snapshot and len(deltas.deltas) > 1:
            # An adapter's snapshot is whole, whether or not its last row says so.
            rows.rows[rows.count - 1, 4] |= F_LAST
            whole = True
        if whole:
            count, rows.count = rows.count, 0
            self.computer.on_book(rows.rows, count)

    def on_reset(self) -> None:
        """Forget everything; the next start begins anew."""
        self.computer = None

    def _publish(self, times: Ints, rows: Floats) -> None:
        instrument_id = self.config.instrument_id
        for ts, row in zip(times.tolist(), rows, strict=True):
            vector = FeatureVector(
                ts_event=ts,
                ts_init=self._ts_init,
                instrument_id=instrument_id,
                values=row.tobytes(),
            )
            self.publish_data(self._types[FeatureVector], vector)
            if self.predictor is not None:
                self.publish_data(self._types[Forecast], self._forecast(self.predictor, ts, row))

    def _forecast(self, predictor: Predictor, ts: int, row: Floats) -> Forecast:
        assert self.computer is not None
        if ts >= self._session_end:
            _, self._session_end = self._sessions.bounds(ts)
        bid, ask = self.computer.best
        told = predictor.predict(row, ts) if bid < ask else SILENT
        return Forecast(
            ts_event=ts,
            ts_init=self._ts_init,
            instrument_id=self.config.instrument_id,
            tick=float(self._scale.tick),
            p_up_1m=told.p_up_1m,
            p_up_5m=told.p_up_5m,
            magnitude=told.magnitude,
            ofi_z=float(row[_OFI_Z]),
            bid=bid,
            ask=ask,
            session_end=self._session_end,
        )


_TYPES = (FeatureVector, Forecast)


def _sampling(config: FeatureActorConfig, predictor: Predictor | None) -> ComputerConfig:
    """Return how to sample: as the model's features were, if there is a model."""
    if predictor is None:
        return config.features or ComputerConfig()
    if predictor.instrument_id != str(config.instrument_id):
        raise UserError(
            f"a model of {predictor.instrument_id}, not of {config.instrument_id}", config.model,
            todo="name the model of the instrument",
        )  # fmt: skip
    if config.features not in (None, predictor.sampling):
        raise UserError(
            f"its features were sampled with {predictor.sampling}", config.model,
            todo="leave `features` out, or train the model again",
        )  # fmt: skip
    return predictor.sampling
