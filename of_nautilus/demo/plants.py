"""The patterns and their near misses, each a few planned bars; `side` is the side it suggests."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from of_nautilus.demo.book import THIN_LOTS
from of_nautilus.demo.plan import Plan
from of_nautilus.demo.tape import BURSTS, KNOTS, ONE_BURST, PRESSURE, SLOW_SWEEP, SWEEP

# Detector thresholds at which the planted patterns are found and the background is silent. Sizes
# are in lots (0.001), prices in ticks (0.1), times in ms; they hold for the default flow.
DEMO_THRESHOLDS: dict[str, float] = {
    "absorption_min_volume": 4000,
    "absorption_min_attempts": 2,
    "absorption_max_displacement": 2,
    "absorption_window_ms": 30_000,
    "big_trade": 600,
    "initiative_min_delta": 4000,
    "initiative_min_acceleration": 1.5,
    "initiative_min_body": 10,
    "sweep_max_time_ms": 250,
    "sweep_min_levels": 3,
    "sweep_min_span": 15,
    "sweep_max_volume_per_level": 250,
    "thin_book": 150,
    "exhaustion_min_decline": 0.25,
    "divergence_max_ratio": 0.80,
    "divergence_min_push": 1000,
    "imbalance_min_volume": 100,
    "ticks_per_row": 10,
}
_VOLUME = DEMO_THRESHOLDS["absorption_min_volume"]
_DELTA = DEMO_THRESHOLDS["initiative_min_delta"]


@dataclass(frozen=True, slots=True)
class Planted:
    """A pattern that was put into the market, or one that misses it by one condition.

    `side` is the suggested trade side (+1 or -1), times are the first and the last ns of its bars,
    the last bar being the one that completes it, `price_ticks` where it happens, and `strength`
    the numbers that it was planted with. `episode` names the scripted trade that it belongs to.
    """

    kind: str
    side: int
    ts_start: int
    ts_end: int
    price_ticks: int
    session: int
    near_miss: bool = False
    episode: str = ""
    strength: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Made:
    """What a pattern function reports: its price and the numbers it was made with."""

    price: int
    strength: dict[str, float]


def _jitter(plan: Plan, amount: int = 1) -> np.ndarray:
    return plan.rng.integers(-amount, amount + 1, KNOTS)


def absorption_m1(plan: Plan, side: int, power: float, miss: int = -1) -> Made:
    """One bar of heavy one-sided flow that closes against it."""
    delta = 1.5 * power * _VOLUME
    path = np.array([-3, -6, -9, -10, -8, -6, -3, 0, 3, 6, 8, 9])
    if miss == 0:
        delta = 0.72 * _VOLUME
    elif miss == 1:  # the close goes with the flow
        path = np.array([-1, -3, -5, -8, -10, -9, -8, -6, -5, -5, -5, -5])
    volume = max(1.35 * plan.usual(), 1.9 * delta)
    price = plan.at - side * 10
    plan.bar(side * path, volume, -side * delta)
    return Made(price, {"delta": delta, "min_volume": _VOLUME})


def absorption_m2(plan: Plan, side: int, power: float, miss: int = -1, depth: int = 6) -> Made:
    """Repeated large same-side bursts into one level that fills up again and again."""
    bursts, total = 4, 1.6 * power * _VOLUME
    kind = BURSTS
    if miss == 0:
        total = 0.62 * _VOLUME
        bursts = 3
    elif miss == 1:
        kind = ONE_BURST
    path = np.full(KNOTS, -depth)
    path[0] = -(depth // 2)
    path[-3:] = [-depth, 1 - depth, 1 - depth]
    price = plan.at - side * depth + (1 if side < 0 else 0)
    delta = 0.9 * total  # little of the other side, which would be absorbed as well
    volume = max(plan.usual(), 1.2 * total)
    plan.bar(side * path, volume, -side * delta, (kind, -side, round(total / bursts), bursts))
    return Made(price, {"volume": total, "attempts": bursts if miss != 1 else 1})


def initiative(plan: Plan, side: int, power: float, miss: int = -1) -> Made:
    """A bar of strong delta on rising volume with a large body."""
    delta, body = 1.5 * power * _DELTA, 1.15 * plan.range_ticks
    pace = 2.1
    if miss == 0:
        delta = 0.72 * _DELTA
    elif miss == 1:
        body = 0.15 * plan.range_ticks
    path = np.round(np.linspace(body / KNOTS, body, KNOTS)).astype(int) + _jitter(plan)
    path[-1] = round(body)
    volume = max(pace * plan.usual(), 1.7 * delta)
    plan.bar(side * path, volume, side * delta)
    return Made(plan.at, {"delta": delta, "acceleration": pace, "body": body})


def sweep(plan: Plan, side: int, power: float, miss: int = -1) -> Made:
    """A thinned side of the book that three quick orders run through."""
    levels = min(round(plan.range_ticks * max(power, 0.8)), 27)
    kind = SWEEP
    if miss == 0:
        kind = SLOW_SWEEP
    elif miss == 1:
        levels = 3
    path = np.full(KNOTS, 0)
    path[:3] = [-2, -3, -2]
    path[6:] = levels
    path[8:] += plan.rng.integers(-2, 3, KNOTS - 8)
    price = plan.at
    lots = THIN_LOTS * levels
    plan.bar(side * path, plan.steady() + lots, side * lots, (kind, side, levels, 1))
    return Made(price, {"levels": levels})


def exhaustion(plan: Plan, side: int, power: float, miss: int = -1) -> Made:
    """Four bars of a move whose volume and delta fade; the last meets opposite pressure."""
    way, base = -side, plan.steady()
    fade = np.array([1.25, 1.05, 0.85, 0.6])
    steps = np.array([9, 8, 8, 7])
    if miss == 0:
        fade = np.array([1.05, 1.03, 0.98, 0.92])
    elif miss == 1:
        steps = np.array([9, 8, 8, -12])
    pushes = np.array([2600, 1700, 900, 200])
    for k in range(4):
        path = np.round(np.linspace(0, steps[k], KNOTS)).astype(int) + _jitter(plan)
        special = (0, 0, 0, 0)
        push = int(pushes[k])
        if k == 3 and steps[k] > 0:
            path[6:9] = steps[k] + 2
            path[-3:] = [steps[k], steps[k] - 2, steps[k] - 4]
            special = (PRESSURE, -way, 1500, 4)
        if miss == 1 and k == 2:
            path[7:10] += 6  # the last bar will not come back here
        if steps[k] < 0:
            push = -400
        plan.bar(way * path, fade[k] * base, way * push, special)
    return Made(plan.at, {"decline": 1.0 - fade[3] / fade[0]})


def divergence(plan: Plan, side: int, power: float, miss: int = -1) -> Made:
    """A second push to a new extreme that cumulative delta does not confirm."""
    way, base = -side, plan.steady()
    steps = [1, -1, 12, 12, 12, -12, -5, -4, 8, 8, 11]
    pushes = [0, 0, 1300, 1300, 1300, -3500, -200, -100, 150, 150, 150]
    if miss == 0:  # confirmed
        pushes[5:] = [-100, -100, -100, 300, 300, 300]
    elif miss == 1:  # no new extreme
        steps[8:] = [4, 4, 4]
    for k, (step, push) in enumerate(zip(steps, pushes, strict=True)):
        path = np.round(np.linspace(0, step, KNOTS)).astype(int)
        path[1:-1] += _jitter(plan)[1:-1] * (1 if abs(step) < 11 else 0)
        if k == len(steps) - 1:  # the extreme is left behind within the bar
            path[-4:] = [step + 2, step, step - 2, step - 4]
        volume = base * (1.0 + 0.04 * plan.rng.standard_normal())
        plan.bar(way * path, volume, way * push)
    first = float(sum(pushes[:5]))
    since = first + max(np.cumsum(pushes[5:]))
    return Made(plan.at, {"push": first, "ratio": float(since / first)})


Maker = Callable[..., Made]
# Kind: (function, bars that it takes, variants of its near miss).
KINDS: dict[str, tuple[Maker, int]] = {
    "absorption_m1": (absorption_m1, 1),
    "absorption_m2": (absorption_m2, 1),
    "initiative": (initiative, 1),
    "sweep": (sweep, 1),
    "exhaustion": (exhaustion, 4),
    "divergence": (divergence, 11),
}
MISSES = 2  # near misses of each kind, by number


def menu(rng: np.random.Generator, planted: int, missed: int) -> list[tuple[str, int, int]]:
    """Every (kind, side, near-miss number or -1) of a market, in the order that chance gives."""

    def each() -> Iterator[tuple[str, int, int]]:
        for kind in KINDS:
            for k in range(planted):
                yield kind, 1 - 2 * (k % 2), -1
            for k in range(missed):
                yield kind, 1 - 2 * (k // 2 % 2), k % MISSES

    items = list(each())
    return [items[i] for i in rng.permutation(len(items))]
