"""Volume-weighted average price with bands, from exact sums.

The sums of q, d*q and d*d*q are integers (d: ticks from the first price), the last one in two
words, so that the reading depends on nothing but the trades: neither on their order, nor on how
many came before. The squares of large prices never meet a float.
"""

import math
from enum import IntEnum

import numpy as np
from numba import njit

from of_nautilus.core.record import INT, Floats, Ints, State, allocate, record

VWAP = record(
    ("anchor_ts", INT),
    ("anchor", INT),
    ("trades", INT),
    ("volume", INT),
    ("first", INT),
    ("second_high", INT),
    ("second_low", INT),
)


class DeviationSignal(IntEnum):
    """What the flow says of a price away from its VWAP."""

    NEUTRAL = 0
    TREND_UP_CONFIRMED = 1
    TREND_DOWN_CONFIRMED = -1
    POTENTIAL_REVERSAL_UP = 2
    POTENTIAL_REVERSAL_DOWN = -2


def new_vwap() -> State:
    """Return a fresh VWAP state."""
    return allocate(VWAP)


@njit(cache=True)
def start_vwap(vwap):  # type: ignore[no-untyped-def]
    """Start the average anew at the next trade (compiled)."""
    vwap.trades = 0
    vwap.volume = 0
    vwap.first = 0
    vwap.second_high = 0
    vwap.second_low = 0


@njit(cache=True)
def add_trade(vwap, ts, price, size):  # type: ignore[no-untyped-def]
    """Add one trade to a VWAP record (compiled).

    Exact while |price - first price| < 2**31 ticks and that times any size is below 2**63.
    """
    if vwap.trades == 0:
        vwap.anchor = price
        vwap.anchor_ts = ts
    vwap.trades += 1
    vwap.volume += size
    distance = price - vwap.anchor
    moment = distance * size
    vwap.first += moment
    distance = abs(distance)
    moment = abs(moment)
    low = (moment & 0xFFFFFFFF) * distance + vwap.second_low
    vwap.second_high += (moment >> 32) * distance + (low >> 32)
    vwap.second_low = low & 0xFFFFFFFF


@njit(cache=True)
def add_trades(vwap, ts, price, size):  # type: ignore[no-untyped-def]
    """Add trades as `add_trade` does each, with the sums in registers (compiled)."""
    if vwap.trades == 0 and len(ts) > 0:
        vwap.anchor = price[0]
        vwap.anchor_ts = ts[0]
    anchor, volume, first = vwap.anchor, vwap.volume, vwap.first
    second_high, second_low = vwap.second_high, vwap.second_low
    for i in range(len(ts)):
        distance = price[i] - anchor
        moment = distance * size[i]
        volume += size[i]
        first += moment
        distance = abs(distance)
        moment = abs(moment)
        low = (moment & 0xFFFFFFFF) * distance + second_low
        second_high += (moment >> 32) * distance + (low >> 32)
        second_low = low & 0xFFFFFFFF
    vwap.trades += len(ts)
    vwap.volume, vwap.first = volume, first
    vwap.second_high, vwap.second_low = second_high, second_low


@njit(cache=True)
def read_vwap(vwap):  # type: ignore[no-untyped-def]
    """Return (VWAP, standard deviation) in ticks, NaN without volume (compiled)."""
    volume = vwap.volume
    if volume <= 0:
        return math.nan, math.nan
    # Seen from the tick nearest the average, the sums are small and the deviation keeps its digits.
    shift = (2 * vwap.first + volume) // (2 * volume)
    rest = vwap.first - shift * volume
    away = abs(shift)
    moment = away * volume + (2 * rest if shift > 0 else -2 * rest)
    low = vwap.second_low - (moment & 0xFFFFFFFF) * away % 0x100000000
    high = vwap.second_high - (moment >> 32) * away - ((moment & 0xFFFFFFFF) * away >> 32)
    second = high * 4294967296.0 + low
    mean = rest / volume
    variance = second / volume - mean * mean
    return vwap.anchor + shift + mean, math.sqrt(max(variance, 0.0))


@njit(cache=True)
def step_vwap(state: State, ts: int, price: int, size: int) -> None:
    """Advance a VWAP by one trade of `size` lots at `price` ticks.

    >>> state = new_vwap()
    >>> for price, size in ((100, 10), (101, 20), (99, 10), (102, 10)):
    ...     step_vwap(state, 0, price, size)
    >>> average, deviation = read_vwap(state[0])
    >>> float(average), round(deviation * deviation, 12)
    (100.6, 1.04)
    """
    add_trade(state[0], ts, price, size)


@njit(cache=True)
def next_vwap(state: State) -> None:
    """Start the average anew at the next trade."""
    start_vwap(state[0])


@njit(cache=True)
def run_vwap(state: State, ts: Ints, price: Ints, size: Ints) -> tuple[Floats, Floats]:
    """Advance a VWAP by many trades; return it and its standard deviation after each, in ticks."""
    average = np.empty(len(ts))
    deviation = np.empty(len(ts))
    vwap = state[0]
    for i in range(len(ts)):
        add_trade(vwap, ts[i], price[i], size[i])
        average[i], deviation[i] = read_vwap(vwap)
    return average, deviation


def distance_from_vwap(price: float, average: float) -> float:
    """Return (price - VWAP) / VWAP."""
    return (price - average) / average


@njit(cache=True)
def deviation_signal(
    price: float, average: float, buy: int, sell: int, large: float, large_min: float = 0.10
) -> int:
    """Return what recent flow says of a price above or below its VWAP, as a `DeviationSignal`.

    Parameters
    ----------
    price, average : float
        Price and VWAP, same unit.
    buy, sell : int
        Volume by aggressor over the trailing window.
    large : float
        Share of large trades in the volume of the side that price leans to, 0 to 1.
    large_min : float
        Least share that confirms a trend.

    >>> deviation_signal(101, 100, 60, 40, 0.2) == DeviationSignal.TREND_UP_CONFIRMED
    True
    """
    if not (price > average or price < average) or buy == sell:
        return 0
    above = 1 if price > average else -1
    flow = 1 if buy > sell else -1
    if flow != above:
        return -2 * above
    return above if large >= large_min - 1e-9 else 0
