"""Stops, targets, costs and sizes of an entry; what is refused comes with its numbers.

Prices are ticks, quantities lots, money `Decimal`. Stops are rounded away from the entry; targets
to the nearest tick, a half toward the entry.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

import msgspec

STOP_RULES = ("level", "frame", "percent")
SIZINGS = ("fixed", "risk")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An entry that was not made: a reason code and the numbers behind it."""

    reason: str
    numbers: tuple[tuple[str, float], ...] = ()


class RiskConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where stops and targets go, what an entry must be worth, and how large it is.

    `stops`: "level" (stop beyond the level and the noise, target at the next level), "frame" (10%
    of the value area beyond it, target at its other edge) or "percent" (0.3% and 0.6% of the
    price). `min_rr`: least reward to risk, >= 0. `max_cost_r`: largest cost as a share of the risk,
    > 0, None to switch off. `spread_ticks`: what is paid for the spread, ticks, >= 0, where no book
    tells it. `sizing`: "fixed" (`fixed_qty` lots, >= 1) or "risk" (`risk_fraction`
    of equity in (0, 1], lost if the stop is hit). `max_notional`: largest entry in money, > 0, None
    for no limit: "risk" is cut to it, a "fixed" size above it is refused.
    """

    stops: str = "level"
    min_rr: float = 1.0
    max_cost_r: float | None = 0.25
    spread_ticks: float = 1.0
    sizing: str = "risk"
    fixed_qty: int = 1
    risk_fraction: float = 0.005
    max_notional: float | None = None

    def __post_init__(self) -> None:
        if self.stops not in STOP_RULES:
            raise ValueError(f"`stops` must be one of {STOP_RULES}, was {self.stops!r}")
        if self.min_rr < 0.0:
            raise ValueError(f"`min_rr` must be >= 0, was {self.min_rr}")
        if self.max_cost_r is not None and self.max_cost_r <= 0.0:
            raise ValueError(f"`max_cost_r` must be > 0 or None, was {self.max_cost_r}")
        if self.spread_ticks < 0.0:
            raise ValueError(f"`spread_ticks` must be >= 0, was {self.spread_ticks}")
        if self.sizing not in SIZINGS:
            raise ValueError(f"`sizing` must be one of {SIZINGS}, was {self.sizing!r}")
        if self.fixed_qty < 1:
            raise ValueError(f"`fixed_qty` must be >= 1, was {self.fixed_qty}")
        if not 0.0 < self.risk_fraction <= 1.0:
            raise ValueError(f"`risk_fraction` must be in (0, 1], was {self.risk_fraction}")
        if self.max_notional is not None and self.max_notional <= 0.0:
            raise ValueError(f"`max_notional` must be > 0 or None, was {self.max_notional}")


@dataclass(frozen=True, slots=True)
class Market:
    """What an instrument asks of an order, and what trading it costs.

    `tick_value`: money per tick and lot (price increment * size increment * multiplier), > 0.
    `min_qty`, `max_qty`: lots, `max_qty` None for no limit. `min_notional`: money. `fee_rate`: fees
    of a round trip as a share of the price. `fee_ticks`: fees of a round trip that are fixed,
    ticks.
    """

    tick_value: Decimal = Decimal(1)
    min_qty: int = 1
    max_qty: int | None = None
    min_notional: Decimal = Decimal(0)
    fee_rate: float = 0.0
    fee_ticks: float = 0.0

    def __post_init__(self) -> None:
        if self.tick_value <= 0:
            raise ValueError(f"`tick_value` must be > 0, was {self.tick_value}")
        if self.min_qty < 1:
            raise ValueError(f"`min_qty` must be >= 1, was {self.min_qty}")
        if self.max_qty is not None and self.max_qty < self.min_qty:
            raise ValueError(f"`max_qty` must be >= `min_qty` or None, was {self.max_qty}")
        for name in ("min_notional", "fee_rate", "fee_ticks"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must be >= 0, was {getattr(self, name)}")

    def cost(self, price: int, spread: float) -> int:
        """Return the fees and spread of a round trip at `price`, in whole ticks, rounded up."""
        return math.ceil(abs(price) * self.fee_rate + self.fee_ticks + spread - 1e-9)


def _check_side(side: int) -> None:
    if side not in (1, -1):
        raise ValueError(f"`side` must be +1 or -1, was {side}")


def frame_stops(side: int, val: int, vah: int) -> tuple[int, int]:
    """Return (stop, target): a tenth of the value area beyond its near edge, and its far edge.

    LONG: `VAL - 0.1*(VAH - VAL)`, VAH. SHORT: `VAH + 0.1*(VAH - VAL)`, VAL.

    >>> frame_stops(1, 178200, 178900)
    (178130, 178900)
    """
    _check_side(side)
    if side > 0:
        return (10 * val - (vah - val)) // 10, vah
    return -((-10 * vah - (vah - val)) // 10), val


def _nearest(numerator: int, denominator: int, side: int) -> int:
    """Return the whole number nearest to a ratio; a half goes toward the entry of the trade."""
    doubled = 2 * numerator
    if side > 0:
        return -((denominator - doubled) // (2 * denominator))
    return (doubled + denominator) // (2 * denominator)


def percent_stops(side: int, entry: int) -> tuple[int, int]:
    """Return (stop, target) at 0.3% against and 0.6% with the trade.

    >>> percent_stops(1, 178460)
    (177924, 179531)
    """
    _check_side(side)
    if side > 0:
        return entry * 997 // 1000, _nearest(entry * 1006, 1000, side)
    return -(-entry * 1003 // 1000), _nearest(entry * 994, 1000, side)


def level_stops(
    side: int,
    entry: int,
    level: int,
    r1: float,
    cost: int,
    targets: Iterable[int] = (),
    min_rr: float = 1.0,
) -> tuple[int, int]:
    """Return (stop, target) of an entry at a level, scaled to the market's own bars.

    LONG: the stop is `min(level - 0.5*r1, entry - max(2*r1, 3*cost))`; the target is the nearest of
    `targets` whose reward is at least `min_rr` times the risk, else twice the risk. SHORT mirrors.

    Parameters: `r1`, the median high-low of the recent bars in ticks, > 0; `cost` of a round trip
    in ticks, >= 0; `targets`, prices of other levels.

    >>> level_stops(1, 1000, 998, 10.0, 2, [1015, 1030])
    (980, 1030)
    """
    _check_side(side)
    if not r1 > 0.0:
        raise ValueError(f"`r1` must be > 0, was {r1}")
    if cost < 0:
        raise ValueError(f"`cost` must be >= 0, was {cost}")
    noise = max(2.0 * r1, 3.0 * cost)
    if side > 0:
        stop = math.floor(min(level - 0.5 * r1, entry - noise))
    else:
        stop = math.ceil(max(level + 0.5 * r1, entry + noise))
    risk = side * (entry - stop)
    worth = [
        price
        for price in targets
        if side * (price - entry) > 0 and side * (price - entry) >= min_rr * risk - 1e-9
    ]
    target = min(worth, key=lambda price: side * price) if worth else entry + 2 * side * risk
    return stop, target


def check_stops(
    side: int, entry: int, stop: int, target: int, cost: int, config: RiskConfig
) -> Refusal | None:
    """Return why a stop and a target are not acceptable, or None.

    Reasons: `stop_side` and `target_side` (not on their side of the entry), `reward_to_risk`
    (below `min_rr`), `cost` (above `max_cost_r` times the risk).
    """
    _check_side(side)
    prices = (("entry", entry), ("stop", stop), ("target", target))
    if side * (entry - stop) < 1:
        return Refusal("stop_side", prices)
    if side * (target - entry) < 1:
        return Refusal("target_side", prices)
    risk = abs(entry - stop)
    reward = abs(target - entry)
    if reward < config.min_rr * risk - 1e-9:
        return Refusal(
            "reward_to_risk", (("reward_to_risk", reward / risk), ("min_rr", config.min_rr))
        )
    if config.max_cost_r is not None and cost > config.max_cost_r * risk + 1e-9:
        return Refusal("cost", (("cost", cost), ("risk", risk), ("max_cost_r", config.max_cost_r)))
    return None


def position_size(
    entry: int, stop: int, equity: Decimal, market: Market, config: RiskConfig
) -> int | Refusal:
    """Return the lots of an entry, rounded down, or why there are none.

    Sizing "risk": `floor(equity * risk_fraction / (|entry - stop| * tick_value))`, cut to `max_qty`
    and `max_notional`. Reasons: `no_equity`, `min_qty`, `min_notional`, `max_qty` and
    `max_notional` (a fixed size above it).
    """
    distance = abs(entry - stop)
    if distance == 0:
        raise ValueError(f"`stop` must differ from `entry`, was {stop}")
    worth = abs(entry) * market.tick_value
    affordable = None
    if config.max_notional is not None and worth:
        affordable = int(Decimal(str(config.max_notional)) // worth)
    if config.sizing == "fixed":
        qty = config.fixed_qty
        if market.max_qty is not None and qty > market.max_qty:
            return Refusal("max_qty", (("qty", qty), ("max_qty", market.max_qty)))
        if affordable is not None and qty > affordable:
            return Refusal("max_notional", (("qty", qty), ("affordable", affordable)))
    else:
        if equity <= 0:
            return Refusal("no_equity", (("equity", float(equity)),))
        at_risk = equity * Decimal(str(config.risk_fraction))
        lots = (at_risk / (distance * market.tick_value)).to_integral_value(ROUND_FLOOR)
        limits = (market.max_qty, affordable)
        qty = min(int(lots), *(limit for limit in limits if limit is not None), int(lots))
    if qty < market.min_qty:
        return Refusal("min_qty", (("qty", qty), ("min_qty", market.min_qty)))
    notional = worth * qty
    if notional < market.min_notional:
        return Refusal(
            "min_notional",
            (("notional", float(notional)), ("min_notional", float(market.min_notional))),
        )
    return qty
