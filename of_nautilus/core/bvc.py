"""Bulk volume classification: how much of a bar was bought, told from its change of price alone.

`buy = volume * F(dP / sigma)` with dP the change from close to close and sigma its standard
deviation over the trailing bars; F is the normal or a Student-t distribution. For feeds without any
aggressor: the tick rule and Lee-Ready are more accurate where they can be had.

Source: Easley, Lopez de Prado and O'Hara (2012), Review of Financial Studies 25(5).
"""

import math

import numpy as np
from numba import njit

from of_nautilus.core.record import FLOAT, INT, Floats, Ints, State, allocate, record

BVC = record(
    ("bars", INT),
    ("last_close", INT),
    ("total", INT),
    ("squares", INT),
    ("freedom", FLOAT),
)


def new_bvc(window: int = 50, freedom: float = 0.0) -> tuple[State, Ints]:
    """Return a fresh state and its ring of price changes.

    Parameters
    ----------
    window : int
        Bars over which sigma is taken, the bar itself included, >= 2.
    freedom : float
        Degrees of freedom of a Student-t distribution, > 0 (its authors use 0.25), or 0 for the
        normal one.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """
    if window < 2:
        raise ValueError(f"`window` must be >= 2, was {window}")
    if not 0.0 <= freedom < math.inf:
        raise ValueError(f"`freedom` must be >= 0 and finite, was {freedom}")
    state = allocate(BVC)
    state["freedom"] = freedom
    return state, np.zeros(window, np.int64)


@njit(cache=True)
def _beta_fraction(a, b, x):  # type: ignore[no-untyped-def]
    """Continued fraction of the incomplete beta function, by Lentz's method."""
    tiny = 1e-300
    c = 1.0
    d = 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > tiny else tiny)
    result = d
    for m in range(1, 1000):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        change = 1.0
        for term in (even, odd):
            d = 1.0 + term * d
            d = 1.0 / (d if abs(d) > tiny else tiny)
            c = 1.0 + term / c
            c = c if abs(c) > tiny else tiny
            change = c * d
            result *= change
        if abs(change - 1.0) < 1e-16:
            break
    return result


@njit(cache=True)
def student_t_cdf(x: float, freedom: float) -> float:
    """Return the probability that a Student-t variable with `freedom` degrees is at most `x`.

    >>> abs(student_t_cdf(1.0, 1.0) - 0.75) < 1e-12
    True
    """
    if x == 0.0:
        return 0.5
    a = 0.5 * freedom
    b = 0.5
    square = x * x
    # Both are of one fraction, so neither loses digits where the other is close to 1.
    z = freedom / (freedom + square)
    y = square / (freedom + square)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(z) + b * math.log(y)
    )
    if z < (a + 1.0) / (a + b + 2.0):
        tail = front * _beta_fraction(a, b, z) / a
    else:
        tail = 1.0 - front * _beta_fraction(b, a, y) / b
    return 1.0 - 0.5 * tail if x > 0.0 else 0.5 * tail


@njit(cache=True)
def bought_share(change: float, sigma: float, freedom: float = 0.0) -> float:
    """Return the share of a bar's volume that was bought, 0 to 1.

    Without deviation an unchanged price splits the bar in half, a change gives it to one side.

    >>> round(200 * bought_share(0.5, 1.0), 4)
    138.2925
    """
    if sigma <= 0.0:
        return 0.5 if change == 0 else (1.0 if change > 0 else 0.0)
    z = change / sigma
    if freedom > 0.0:
        return student_t_cdf(z, freedom)
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


@njit(cache=True)
def add_bar(bvc, ring, close, volume):  # type: ignore[no-untyped-def]
    """Add a closed bar; return its bought volume, NaN for the first bar (compiled)."""
    if bvc.bars == 0:
        bvc.bars = 1
        bvc.last_close = close
        return math.nan
    change = close - bvc.last_close
    bvc.last_close = close
    at = (bvc.bars - 1) % len(ring)
    leaving = ring[at]
    ring[at] = change
    bvc.total += change - leaving
    bvc.squares += change * change - leaving * leaving
    count = min(bvc.bars, len(ring))
    bvc.bars += 1
    sigma = 0.0
    if count > 1:
        sigma = math.sqrt((count * bvc.squares - bvc.total * bvc.total) / (count * (count - 1)))
    return volume * bought_share(change, sigma, bvc.freedom)


@njit(cache=True)
def step_bvc(state: State, ring: Ints, close: int, volume: int) -> float:
    """Advance by one closed bar; return its bought volume in lots, NaN for the first bar."""
    return add_bar(state[0], ring, close, volume)


@njit(cache=True)
def run_bvc(state: State, ring: Ints, close: Ints, volume: Ints) -> Floats:
    """Advance by many bars; return the bought volume of each."""
    bought = np.empty(len(close))
    for i in range(len(close)):
        bought[i] = add_bar(state[0], ring, close[i], volume[i])
    return bought
