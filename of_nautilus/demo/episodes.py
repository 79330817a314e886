"""Scripted trades: absorption at an edge of the last session's value area, and what comes of it.

A strategy that buys absorbed selling at the value area's low, and sells absorbed buying at its
high, meets every way in which a trade can end. `side` is the trade's side.
"""

from collections.abc import Callable

import numpy as np

from of_nautilus.demo.plan import Plan
from of_nautilus.demo.plants import (
    Made,
    absorption_m1,
    absorption_m2,
    divergence,
    exhaustion,
    initiative,
)
from of_nautilus.demo.tape import KNOTS

Record = Callable[[str, int, Callable[[], Made]], None]

_APPROACH = 12  # bars of a move to the level, all in one direction
_START = 3.5  # usual ranges away from the level where the approach begins
_LOSS = 3.2  # usual ranges that a losing trade moves against its entry
_HEAVY_BAR = 2.1  # absorptions that are traded are this much larger than the others
_HEAVY_LEVEL = 2.4


class Script:
    """Plays episodes into a plan.

    Parameters
    ----------
    plan : Plan
        Where the bars go.
    val, vah : int
        Value area of the last session, ticks.
    power : float
        Size of the patterns, 1 is usual.
    record : callable
        Takes (kind, side, maker): makes the pattern and notes it.
    """

    def __init__(self, plan: Plan, val: int, vah: int, power: float, record: Record) -> None:
        self.plan, self.val, self.vah = plan, val, vah
        self.power, self.record = power, record
        self.entry = plan.at

    def gain(self) -> float:
        """Ticks since the entry, upward."""
        return float(self.plan.at - self.entry)

    def drift(self, side: int, speed: float, until: Callable[[], bool], most: int = 45) -> None:
        """Quiet bars that drift until something is true."""
        for _ in range(most):
            if until() or not self.plan.left:
                return
            self.plan.background(1, drift=side * speed, calm=0.7)

    def approach(self, level: int, side: int) -> None:
        """Bring price to the level against the trade, in bars that all go the same way."""
        plan, start = self.plan, _START * self.plan.range_ticks

        def away() -> float:
            return float(side * (plan.at - level))

        self.drift(side, 9, lambda: away() >= start)
        self.drift(-side, 9, lambda: away() <= 1.3 * start)
        for k in range(2 * _APPROACH):
            if away() <= 20 or not plan.left:
                break
            step = min(12.0, max(3.0, (away() - 6) / max(_APPROACH - k, 1.5)))
            plan.background(1, drift=-side * step, one_way=-side, calm=0.4)
        if plan.left:
            path = np.round(np.linspace(0, 6 - away(), KNOTS)).astype(int)
            plan.bar(side * path, plan.steady(), plan.per_tick * side * path[-1])

    def absorb(self, side: int, method: int) -> None:
        """Absorption at an edge of the value area: the strategy's entry."""
        level = self.val if side > 0 else self.vah
        self.approach(level, side)
        if method == 1:
            self.record("absorption_m1", side, self.maker(absorption_m1, side, _HEAVY_BAR))
        else:
            depth = int(np.clip(side * (self.plan.at - level), 3, 9))
            self.record(
                "absorption_m2", side, self.maker(absorption_m2, side, _HEAVY_LEVEL, depth=depth)
            )
        self.entry = self.plan.at

    def lift(self, side: int) -> None:
        """One bar to a small profit, so that the next move in favor covers a stop at entry."""
        plan = self.plan
        move = 10 - side * self.gain()
        if plan.left:
            path = side * np.round(np.linspace(0, move, KNOTS)).astype(int)
            plan.bar(path, plan.steady(), plan.per_tick * path[-1])

    def maker(
        self, make: Callable[..., Made], side: int, size: float = 1.0, **more: int
    ) -> Callable[[], Made]:
        """A pattern function with its arguments filled in."""
        return lambda: make(self.plan, side, size * self.power, **more)

    def target(self, side: int, method: int) -> None:
        """The move goes through to the other edge."""
        self.absorb(side, method)
        other = self.vah if side > 0 else self.val
        self.drift(side, 9, lambda: side * (self.plan.at - other) >= 12)

    def stop(self, side: int, method: int) -> None:
        """The level breaks."""
        self.absorb(side, method)
        enough = _LOSS * self.plan.range_ticks
        self.drift(-side, 11, lambda: side * self.gain() <= -enough)

    def break_even(self, side: int, method: int) -> None:
        """Initiative in favor, and then all the way back."""
        self.absorb(side, method)
        self.lift(side)
        self.record("initiative", side, self.maker(initiative, side))
        self.drift(-side, 10, lambda: side * self.gain() <= -15)

    def trail(self, side: int, method: int) -> None:
        """Two initiatives in favor, and then back through the second one's far end."""
        self.absorb(side, method)
        self.lift(side)
        self.record("initiative", side, self.maker(initiative, side))
        self.plan.background(2, drift=side * 3.0, calm=0.35)
        self.record("initiative", side, self.maker(initiative, side))
        peak = self.gain()
        enough = 2.0 * self.plan.range_ticks
        self.drift(-side, 10, lambda: side * (peak - self.gain()) >= enough)

    def exhausted(self, side: int, method: int) -> None:
        """The move in favor runs dry before its target."""
        self.absorb(side, method)
        self.plan.background(1, drift=side * 4.0, calm=0.35)
        self.record("exhaustion", -side, self.maker(exhaustion, -side))
        self.drift(-side, 9, lambda: side * self.gain() <= 0)

    def diverged(self, side: int, method: int) -> None:
        """A second high (or low) in favor that flow does not confirm."""
        self.absorb(side, method)
        self.plan.background(3, drift=0.0, calm=0.3)
        self.record("divergence", -side, self.maker(divergence, -side))
        self.drift(-side, 9, lambda: side * self.gain() <= 0)

    def session_end(self, side: int, method: int) -> None:
        """Little happens, in favor, until the session is over."""
        self.absorb(side, method)
        plan = self.plan
        middle = plan.at + 15 * side
        plan.confine(middle - 25, middle + 25)
        plan.background(plan.left, calm=0.35)

    def wick(self, side: int, method: int) -> None:
        """A spike takes the stop, and price comes back over the level."""
        self.absorb(side, method)
        plan = self.plan
        plan.background(2, calm=0.35)
        deep = _LOSS * plan.range_ticks
        shape = np.array([0.1, 0.35, 0.65, 0.9, 1.0, 0.85, 0.6, 0.42, 0.3, 0.2, 0.14, 0.12])
        if plan.left:
            path = -side * np.round(deep * shape).astype(int)
            plan.bar(path, 1.1 * plan.steady(), -side * 1500)
        plan.background(8, drift=side * 3.0, calm=0.5)

    def halt(self, side: int, method: int) -> None:
        """Up to three losers, and an absorption that must no longer be traded."""
        self.wick(side, method)
        self.wick(-side, 3 - method)
        self.wick(-side, method)
        self.absorb(side, method)


# What each session after the first one plays, in turn: (episode, side, method of absorption).
SCRIPTS: tuple[tuple[tuple[str, int, int], ...], ...] = (
    (("target", 1, 1), ("break_even", -1, 2), ("trail", 1, 2), ("stop", -1, 1)),
    (("exhausted", 1, 2), ("diverged", -1, 1), ("session_end", 1, 2)),
    (("halt", 1, 1),),  # by its losing streak, after a day in profit
    (("halt", -1, 2),),  # on the next day: by its loss, in the middle of a trade
)
# Bars that an episode may need.
LENGTH = {"halt": 160, "session_end": 45, "target": 60}
USUAL_LENGTH = 48
