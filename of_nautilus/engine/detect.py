"""Detection on closed bars, and what the detectors count as large: one place for both."""

from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec

from of_nautilus.core.direct import Places, direct
from of_nautilus.core.footprint import ClosedBar
from of_nautilus.core.imbalance import RULE, ImbalanceRule
from of_nautilus.core.record import Ints, State, allocate
from of_nautilus.core.ticks import MarketScale
from of_nautilus.engine.config import FlowConfig
from of_nautilus.patterns import glance, level_absorption, sweep
from of_nautilus.patterns.absorption import AbsorptionConfig, bar_absorption
from of_nautilus.patterns.confirmations import (
    imbalance_streak,
    stacked_imbalances,
    unfinished_auctions,
)
from of_nautilus.patterns.divergence import DivergenceConfig, divergence
from of_nautilus.patterns.exhaustion import ExhaustionConfig, exhaustion
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

_HISTORY = glance.REMEMBERED
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
        self._memory, self._packed = allocate(glance.MEMORY), allocate(RULE)
        memory = self._memory[0]
        fading = config.exhaustion or ExhaustionConfig()
        memory.declining, memory.min_decline = fading.declining_bars, fading.min_decline
        memory.lookback = self._divergence.lookback
        memory.max_ratio = self._divergence.max_ratio
        self._level_ts = -1
        # Nothing fires before the units are known, where anything is counted in them.
        self.gated = config.detects and (self.robust or config.thresholds is Thresholds.QUANTILE)
        self._needs_units = self.gated or config.initiative is not None
        self._set_rule()

    def bind(self, engine: Any, closed: State, cells: Ints) -> None:
        """Work on an ENGINE record, the state of what reads the tape, and on its bars."""
        self._level, self._sweeps, self._sizes = engine.level, engine.sweep, engine.sizes
        self._places = Places(self._memory, closed, cells, self._packed)
        # What the bar that has just closed may show; to be asked once, before it is cleared.
        self.look: Callable[[], int] = direct(glance.look, (self._places,))

    def _set_rule(self) -> None:
        """Set what counts as an imbalance, and as a large row of a bar."""
        frozen, by_market = self.units, self.config.thresholds is Thresholds.QUANTILE
        self._big = frozen.b95 if frozen and by_market else float(self._lots.big)
        self._rule = ImbalanceRule(min_volume=max(1, int(self._big)))
        self._packed[:] = self._rule.packed()

    @property
    def units(self) -> FrozenUnits | None:
        """The units of the session, None while there are too few bars."""
        return self._units.frozen if self.gated else None

    def on_session(self, start: int) -> None:
        """Begin a session: freeze the units and set the tape's limits."""
        if self._needs_units:
            self._units.on_session(start, self._sizes)
            self._set_rule()
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
            level_absorption.set_levels(
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
        signals = level_absorption.fired_signals(self._level, self.absorption)
        self._level_ts = signals[-1].ts
        return signals

    def swept(self) -> Signal:
        """Return the sweep that the last step found."""
        return sweep.fired_signal(self._sweeps)

    def on_bar(self, bar: ClosedBar, seen: int) -> list[Signal]:
        """Return the patterns that a closed bar shows, in a fixed order; `seen` at a `look`."""
        if not self.config.detects:
            return []
        self._bars.append(bar)
        was_ready = self.units is not None
        units = self._units.on_bar(bar, self._sizes) if self._needs_units else _UNKNOWN
        if was_ready or self.units is None:
            return self._judge(bar, units, seen)
        # What was seen was seen by another rule.
        self._set_rule()
        signals = self._judge(bar, units, glance.EVERYTHING)
        self._set_tape_limits()
        return signals

    def _judge(self, bar: ClosedBar, units: BarUnits, seen: int) -> list[Signal]:
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
                    rule=self._rule,
                    source=not self.robust,
                )
            )
        if seen and (frozen is not None or not self.gated):
            found += self._look_closer(bar, limits.push, seen)
        return [signal for signal in found if signal is not None]

    def _look_closer(self, bar: ClosedBar, min_push: float, seen: int) -> Iterator[Signal | None]:
        config, bars = self.config, list(self._bars)
        if config.exhaustion and seen & glance.EXHAUSTION:
            yield exhaustion(bars, config.exhaustion, big=self._big, source=not self.robust)
        if config.divergence and seen & glance.DIVERGENCE:
            yield divergence(bars, config.divergence, min_push=min_push)
        if config.confirmations:
            if seen & glance.STACKS:
                yield from stacked_imbalances(bar, self._rule)
            if seen & glance.UNFINISHED:
                yield from unfinished_auctions(bar)
            if seen & glance.DOMINATED:
                yield imbalance_streak(bars)

    def save(self) -> dict[str, Any]:
        """Return the state as values that msgpack can hold."""
        return {
            "units": self._units.save(),
            "bars": list(self._bars),
            "level_ts": self._level_ts,
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Take up a saved state."""
        self._units.load(saved["units"])
        self._bars = deque((ClosedBar(*bar) for bar in saved["bars"]), maxlen=_HISTORY)
        self._level_ts = saved["level_ts"]
        self._memory[0].count = 0
        for bar in self._bars:
            glance.remember(
                self._memory[0], bar.high, bar.low, bar.buy, bar.sell, bar.unclassified, bar.cvd
            )
        self._set_rule()

    def digest_source(self) -> bytes:
        """Return bytes that are equal exactly if two detectors will go on alike."""
        return msgspec.msgpack.encode(self.save())


def _is_daily(session: str) -> bool:
    return not session.endswith(("min", "h"))
