"""Absolute thresholds for a market, from its past sessions.

Sizes that fit one market at one time, in place of quantiles that follow it: for a market whose
thresholds should stand still, or must be known before the session begins.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from of_nautilus.engine import BarClosed, FlowConfig, FlowEngine, SessionStarted
from of_nautilus.errors import UserError
from of_nautilus.patterns.absorption import AbsorptionConfig
from of_nautilus.patterns.initiative import InitiativeConfig
from of_nautilus.patterns.thresholds import Rules, Thresholds
from of_nautilus.patterns.units import FrozenUnits
from of_nautilus.scan import Market

SESSIONS = 5


@dataclass(frozen=True)
class Calibration:
    """A proposed config, and what it was drawn from.

    Attributes
    ----------
    flow : FlowConfig
        The config, with absolute thresholds.
    sessions : list of (int, int)
        Start and end of the sessions whose bars were used, ns UTC.
    current : int
        Start of the last session, ns UTC: nothing from there on was used.
    bars : int
        How many bars they held.
    d75 : float
        75th percentile of \\|bar delta\\| in them, lots.
    units : FrozenUnits
        What is usual, as the engine knew it when the last session began.
    lot : float
        What a lot is worth, base units.
    """

    flow: FlowConfig
    sessions: list[tuple[int, int]]
    current: int
    bars: int
    d75: float
    units: FrozenUnits
    lot: float

    def figures(self) -> dict[str, Any]:
        """Return what a summary tells, sizes in base units."""
        assert self.flow.absorption is not None
        assert self.flow.initiative is not None
        return {
            "sessions": len(self.sessions),
            "first": self.sessions[0][0],
            "last": self.current,
            "bars": self.bars,
            "bar_delta_q75": self.d75 * self.lot,
            "parent_q95": self.units.b95 * self.lot,
            "row_volume_q95": self.units.rv95 * self.lot,
            "bar_range_ticks": self.units.r1,
            "absorption_min_volume": self.flow.absorption.min_volume,
            "absorption_level_min_volume": self.flow.absorption.level_min_volume,
            "absorption_big_trade": self.flow.absorption.big_trade,
            "initiative_min_delta": self.flow.initiative.min_delta,
        }


def calibrate(
    market: Market, flow: FlowConfig | None = None, sessions: int = SESSIONS
) -> Calibration:
    """Return a config whose absolute thresholds fit a market's past sessions.

    ===========================  ==========================  ==================================
    threshold                    source rules                robust rules
    ===========================  ==========================  ==================================
    absorption of a bar          ``D75``                     ``max(D75, B95)``
    initiative                   ``D75``                     ``max(D75, B95)``
    a big trade                  ``B95``                     ``B95``
    absorption at a row          ``RV95``                    ``max(RV95, 2.5 B95)``
    ===========================  ==========================  ==================================

    ``D75`` is the 75th percentile of |bar delta| in the last `sessions` finished sessions, ``B95``
    the 95th percentile of parent orders (the last 20,000) and ``RV95`` that of row volumes (the
    last 960) when the current session began. The last session of the data is the current one, even
    if it may be over: nothing of it is used.

    Parameters
    ----------
    market : Market
    flow : FlowConfig, optional
        What else the config says; its bars and sessions are those that are measured.
    sessions : int
        Finished sessions to use, >= 1.

    Raises
    ------
    UserError
        If no session with 30 bars is finished, or there are no trades.
    """
    if sessions < 1:
        raise ValueError(f"`sessions` must be >= 1, was {sessions}")
    flow = flow or FlowConfig()
    scale = market.scale
    measured = msgspec.structs.replace(
        flow, rules=Rules.ROBUST, thresholds=Thresholds.QUANTILE, book=None
    )
    engine = FlowEngine(scale, measured)
    spans: list[tuple[int, int]] = []
    deltas: list[list[int]] = []
    units: FrozenUnits | None = None
    for columns in market.trades():
        for event in engine.run_trades(*columns):
            if isinstance(event, SessionStarted):
                spans.append((event.ts, event.end))
                deltas.append([])
                units = event.units
            elif isinstance(event, BarClosed):
                deltas[-1].append(abs(event.bar.delta))
    past = [abs_delta for bars in deltas[:-1][-sessions:] for abs_delta in bars]
    if units is None or not past:
        raise UserError(
            f"no session of {market.instrument.id} with 30 bars is finished",
            market.catalog,
            todo="ingest more days, or take shorter sessions",
        )
    d75 = float(np.quantile(past, 0.75))
    delta, level = d75, units.rv95
    if flow.rules is Rules.ROBUST:
        delta, level = max(d75, units.b95), max(units.rv95, 2.5 * units.b95)

    def size(lots: float) -> float:
        return float(scale.size(max(1, int(np.ceil(lots - 1e-9)))))

    proposed = msgspec.structs.replace(
        flow,
        thresholds=Thresholds.ABSOLUTE,
        absorption=msgspec.structs.replace(
            flow.absorption or AbsorptionConfig(),
            min_volume=size(delta),
            level_min_volume=size(level),
            big_trade=size(units.b95),
        ),
        initiative=msgspec.structs.replace(
            flow.initiative or InitiativeConfig(), min_delta=size(delta)
        ),
    )
    used = spans[:-1][-sessions:]
    return Calibration(proposed, used, spans[-1][0], len(past), d75, units, float(scale.lot))
