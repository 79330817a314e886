"""Detection on closed bars, and what the detectors count as large: one place for both."""

from collections import deque
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from of_nautilus.core.footprint import ClosedBar
from of_nautilus.core.imbalance import ImbalanceRule
from of_nautilus.core.ticks import MarketScale
from of_nautilus.engine.config import FlowConfig
from of_nautilus.patterns import absorption, sweep
from of_nautilus.patterns.absorption import AbsorptionConfig, bar_absorption
from of_nautilus.patterns.confirmations import confirmations
from of_nautilus.patterns.divergence import DivergenceConfig, divergence
from of_nautilus.patterns.exhaustion import exhaustion
from of_nautilus.patterns.initiative import InitiativeConfig, initiative
from of_nautilus.patterns.signal import Signal
from of_nautilus.patterns.sweep import SweepConfig
from of_nautilus.patterns.thresholds import (
    Lots,
    Rules,
    TapeLimits,
    Thresholds,
    bar_limits,
    tape_limits,
)
from of_nautilus.patterns.units import BarUnits, FrozenUnits, Units

_HISTORY = 64
_UNKNOWN = BarUnits(*(float("nan"),) * 4)


class Detector:
    """Judges closed bars, and sets the limits of the detectors that read the tape.

    Parameters
    ----------
    scale : MarketScale
    config : FlowConfig
    """

    def __init__(self, scale: MarketScale, config: FlowConfig) -> None:
        self.config = config
        self.robust = config.rules is Rules.ROBUST
        self.absorption = (config.absorption or AbsorptionConfig()).resolved(robust=self.robust)
        self._initiative = config.initiative or InitiativeConfig()
        self._divergence = config.divergence or DivergenceConfig()
        self._sweep = config.sweep or SweepConfig()

        def lots(size: float) -> int:
            return scale.to_lots(Decimal(str(size)))

        self._lots = Lots(
            absorption=lots(self.absorption.min_volume),
            initiative=lots(self._initiative.min_delta),
            big=lots(self.absorption.big_trade),
            level=lots(self.absorption.level_min_volume or 0.0),
        )
        self._per_level = float(lots(self._sweep.max_volume_per_level))
        # In a session shorter than a day the time of day is counted from midnight.
        self._units = Units(daily=_is_daily(config.session))
        self._bars: deque[ClosedBar] = deque(maxlen=_HISTORY)
        self._level_ts = -1
        # Nothing fires before the units are known, where anything is counted in them.
        self.gated = config.detects and (self.robust or config.thresholds is Thresholds.QUANTILE)
        self._needs_units = self.gated or config.initiative is not None

    def bind(self, engine: Any) -> None:
        """Work on an ENGINE record: the state of what reads the tape."""
        self._level, self._sweeps, self._sizes = engine.level, engine.sweep, engine.sizes

    @property
    def units(self) -> FrozenUnits | None:
        """The units of the session, None while there are too few bars."""
        return self._units.frozen if self.gated else None

    def on_session(self, start: int) -> None:
        """Begin a session: freeze the units and set the tape's limits."""
        if self._needs_units:
            self._units.on_session(start, self._sizes)
        self._set_tape_limits()

    def _set_tape_limits(self) -> None:
        """Set what fires on the tape, if it is known yet."""
        limits = tape_limits(
            self.config.rules,
            self.config.thresholds,
            self.units,
            self._lots,
            self.absorption,
            self._sweep.min_levels,
            self._sweep.min_r1,
        )
        if limits is None:
            return
        if self.config.absorption:
            absorption.set_levels(
                self._level,
                row_ticks=limits.row_ticks,
                big=limits.big,
                min_volume=limits.level_volume,
                min_attempts=self.absorption.min_attempts,
                max_displacement=limits.displacement,
                config=self.absorption,
            )
        if self.config.sweep:
            self._set_sweep(self._sweeps, limits)

    def _set_sweep(self, record: Any, limits: TapeLimits) -> None:
        if self.robust:
            sweep.set_robust_limits(
                record,
                self._sweep,
                min_span=limits.sweep_span,
                row_ticks=limits.row_ticks,
                r1=limits.r1,
            )
        else:
            sweep.set_source_limits(record, self._sweep, max_per_level=self._per_level)

    def absorbed(self) -> list[Signal]:
        """Return what method 2 of absorption found in the last step."""
        signals = absorption.fired_signals(self._level, self.absorption)
        self._level_ts = signals[-1].ts
        return signals

    def swept(self) -> Signal:
        """Return the sweep that the last step found."""
        return sweep.fired_signal(self._sweeps)

    def on_bar(self, bar: ClosedBar) -> list[Signal]:
        """Return the patterns that a closed bar shows, in a fixed order."""
        if not self.config.detects:
            return []
        bars = self._bars
        bars.append(bar)
        was_ready = self.units is not None
        units = self._units.on_bar(bar, self._sizes) if self._needs_units else _UNKNOWN
        signals = self._judge(bar, units)
        if not was_ready and self.units is not None:
            self._set_tape_limits()
        return signals

    def _judge(self, bar: ClosedBar, units: BarUnits) -> list[Signal]:
        config, frozen = self.config, self.units
        limits = bar_limits(
            config.rules,
            config.thresholds,
            frozen,
            units,
            self._lots,
            self._initiative,
            self._divergence,
        )
        big = frozen.b95 if frozen and config.thresholds is Thresholds.QUANTILE else self._lots.big
        rule = _rule(max(1, int(big)))
        found: list[Signal | None] = []
        # What the tape showed within the bar has been acted on already.
        if config.absorption and not self._level_ts >= bar.open_ts:
            found.append(
                bar_absorption(
                    bar, limits.absorption, self.absorption.cap, self.absorption.min_trades or 0
                )
            )
        if config.initiative:
            found.append(
                initiative(
                    bar,
                    min_delta=limits.initiative,
                    min_body=limits.body,
                    average_volume=limits.average_volume,
                    acceleration=self._initiative.acceleration,
                    rule=rule,
                    source=not self.robust,
                )
            )
        ready = frozen is not None or not self.gated
        bars = list(self._bars)
        if config.exhaustion and ready:
            found.append(exhaustion(bars, config.exhaustion, big=big, source=not self.robust))
        if config.divergence and ready:
            found.append(divergence(bars, config.divergence, min_push=limits.push))
        if config.confirmations and ready:
            found += confirmations(bars, rule)
        return [signal for signal in found if signal is not None]

    def save(self) -> dict[str, Any]:
        """Return the state as values that msgpack can hold."""
        return {
            "units": self._units.save(),
            "bars": [bar.to_plain() for bar in self._bars],
            "level_ts": self._level_ts,
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Take up a saved state."""
        self._units.load(saved["units"])
        self._bars = deque((ClosedBar.from_plain(bar) for bar in saved["bars"]), maxlen=_HISTORY)
        self._level_ts = saved["level_ts"]

    def digest_source(self) -> bytes:
        """Return bytes that are equal exactly if two detectors will go on alike."""
        return msgspec.msgpack.encode(self.save())


@lru_cache(maxsize=64)
def _rule(min_volume: int) -> ImbalanceRule:
    return ImbalanceRule(min_volume=min_volume)


def _is_daily(session: str) -> bool:
    return not session.endswith(("min", "h"))
