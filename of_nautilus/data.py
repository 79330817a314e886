"""The custom data types: what travels on the message bus and rests in the catalog.

Prices are whole ticks and sizes whole lots, exact to compare and to sum; `tick` and `lot` say what
one of them is worth. Arrays travel as bytes. No type's name may begin another's: the host's topics
match by prefix.
"""

import json
from typing import Any

import numpy as np
from nautilus_trader.core.data import Data
from nautilus_trader.model.custom import customdataclass
from nautilus_trader.model.data import DataType
from nautilus_trader.model.identifiers import InstrumentId

from of_nautilus.core.footprint import CELL_COLUMNS, ClosedBar
from of_nautilus.core.record import Ints
from of_nautilus.core.ticks import MarketScale
from of_nautilus.patterns.signal import Pattern, Signal

_NOWHERE = InstrumentId.from_str("NONE.NONE")


@customdataclass
class FootprintBar(Data):
    """A closed footprint bar; see `core.footprint.ClosedBar` for the meaning of the fields.

    `cells` holds int64 rows of bid, ask, unclassified volume and bid, ask, unclassified prints, the
    lowest price row first; `rows()` gives them as an array.
    """

    instrument_id: InstrumentId = _NOWHERE
    tick: float = 0.0
    lot: float = 0.0
    open_ts: int = 0
    close_ts: int = 0
    last_ts: int = 0
    open: int = 0
    high: int = 0
    low: int = 0
    close: int = 0
    buy: int = 0
    sell: int = 0
    unclassified: int = 0
    trades: int = 0
    delta_min: int = 0
    delta_max: int = 0
    dollars: int = 0
    cvd: int = 0
    kind: int = 0
    length: int = 0
    ticks_per_row: int = 1
    low_row: int = 0
    high_row: int = 0
    cells: bytes = b""

    @classmethod
    def of(
        cls, bar: ClosedBar, instrument_id: InstrumentId, scale: MarketScale, ts_init: int
    ) -> "FootprintBar":
        """Return the data of a closed bar."""
        facts = {name: getattr(bar, name) for name in _BAR_FIELDS}
        return cls(
            ts_event=bar.close_ts,
            ts_init=ts_init,
            instrument_id=instrument_id,
            tick=float(scale.tick),
            lot=float(scale.lot),
            cells=bar.cells.tobytes(),
            **facts,
        )

    def bar(self) -> ClosedBar:
        """Return the closed bar that this is the data of."""
        return ClosedBar(**{name: getattr(self, name) for name in _BAR_FIELDS}, cells=self.rows())

    def rows(self) -> Ints:
        """Return the price rows as an int64 array, the lowest (row `low_row`) first."""
        return np.frombuffer(self.cells, np.int64).reshape(-1, CELL_COLUMNS)

    @property
    def delta(self) -> float:
        """Buyer-initiated less seller-initiated volume, base units."""
        return (self.buy - self.sell) * self.lot

    @property
    def volume(self) -> float:
        """All that traded, base units."""
        return (self.buy + self.sell + self.unclassified) * self.lot


_BAR_FIELDS = tuple(
    name
    for name in FootprintBar.__annotations__
    if name not in ("instrument_id", "tick", "lot", "cells")
)


@customdataclass
class PatternSignal(Data):
    """A pattern that a detector saw; see `patterns.signal.Signal` for the meaning of the fields.

    `reasons` is JSON text with every number that made it fire.
    """

    instrument_id: InstrumentId = _NOWHERE
    tick: float = 0.0
    pattern: str = ""
    side: int = 0
    price: int = 0
    strength: float = 0.0
    reasons: str = "{}"

    @classmethod
    def of(
        cls, signal: Signal, instrument_id: InstrumentId, scale: MarketScale, ts_init: int
    ) -> "PatternSignal":
        """Return the data of a signal."""
        return cls(
            ts_event=signal.ts,
            ts_init=ts_init,
            instrument_id=instrument_id,
            tick=float(scale.tick),
            pattern=str(signal.pattern),
            side=signal.side,
            price=signal.price,
            strength=signal.strength,
            reasons=json.dumps(signal.reasons, sort_keys=True),
        )

    def signal(self) -> Signal:
        """Return the signal that this is the data of."""
        return Signal(
            ts=self.ts_event,
            pattern=Pattern(self.pattern),
            side=self.side,
            price=self.price,
            strength=self.strength,
            reasons=json.loads(self.reasons),
        )


def data_type(cls: type[Any], instrument_id: InstrumentId) -> DataType:
    """Return the type under which the data of one instrument is published and subscribed to."""
    return DataType(cls, metadata={"instrument_id": instrument_id})
