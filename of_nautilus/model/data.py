"""The model's custom data: what travels on the message bus between its actor and the strategies."""

import math

import numpy as np
from nautilus_trader.core.data import Data
from nautilus_trader.model.custom import customdataclass
from nautilus_trader.model.identifiers import InstrumentId

from of_nautilus.core.record import Floats
from of_nautilus.model.features import COUNT

_NOWHERE = InstrumentId.from_str("NONE.NONE")


@customdataclass
class FeatureVector(Data):
    """The features known at the grid time `ts_event`; names and order stand in `features.TABLE`.

    `values` holds float64, NaN for what is not known; `row()` gives them as an array.
    """

    instrument_id: InstrumentId = _NOWHERE
    values: bytes = b""

    def row(self) -> Floats:
        """Return the features as an array."""
        row = np.frombuffer(self.values, np.float64)
        assert len(row) == COUNT
        return row


@customdataclass
class Forecast(Data):
    """What a model makes of the features at `ts_event`.

    `p_up_1m`, `p_up_5m`: calibrated probabilities of a rise; `magnitude`: the forecast of the next
    minute's return, basis points. All are NaN where the book cannot be trusted, or where the model
    was trained on that time. `ofi_z`: the feature `ofi_z_1m`. `bid`, `ask`: the best prices, ticks,
    when it was published, 0 without a trusted book. `session_end`: ns.
    """

    instrument_id: InstrumentId = _NOWHERE
    tick: float = 0.0
    p_up_1m: float = math.nan
    p_up_5m: float = math.nan
    magnitude: float = math.nan
    ofi_z: float = math.nan
    bid: int = 0
    ask: int = 0
    session_end: int = 0

    @property
    def agreement(self) -> float:
        """How much the model is for buying, -100 to 100: `200 (p_up_1m - 1/2)`, 0 if unknown."""
        return 200.0 * (self.p_up_1m - 0.5) if self.p_up_1m == self.p_up_1m else 0.0
