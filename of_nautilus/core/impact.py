"""Price impact: Kyle's lambda in two forms, Amihud's illiquidity, Roll's spread.

Kyle's lambda is the slope of price changes on signed volume over a grid in event time: each point
is what happened in [k * grid, (k + 1) * grid). The regression is taken anew, from the points of the
trailing window, each time one is added, so nothing drifts.
"""

import math

import numpy as np
from numba import njit

from of_nautilus.core.record import FLOAT, INT, Bytes, Floats, Ints, State, allocate, record

KYLE = record(
    ("grid", INT),
    ("least", INT),
    ("cell_end", INT),
    ("points", INT),
    ("at", INT),
    ("has_mid", INT),
    ("mid", INT),
    ("cell_mid", INT),
    ("signed", INT),
    ("signed_root", FLOAT),
    ("slope", FLOAT),
    ("intercept", FLOAT),
    ("r2", FLOAT),
    ("root_slope", FLOAT),
)
# Lines of the ring of points.
VOLUME, CHANGE, ROOT, RETURN = range(4)


def new_kyle(grid: int = 10_000_000_000, points: int = 30, least: int = 20) -> tuple[State, Floats]:
    """Return a fresh lambda state and its ring of points.

    Parameters
    ----------
    grid : int
        Length of a point in ns, >= 1; points are aligned to the epoch.
    points : int
        Points of the trailing window, >= 3.
    least : int
        Points from which there is a reading, 3 to `points`.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """
    if grid < 1:
        raise ValueError(f"`grid` must be >= 1, was {grid}")
    if points < 3:
        raise ValueError(f"`points` must be >= 3, was {points}")
    if not 3 <= least <= points:
        raise ValueError(f"`least` must be in 3 to {points}, was {least}")
    state = allocate(KYLE)
    state["grid"], state["least"] = grid, least
    for name in ("slope", "intercept", "r2", "root_slope"):
        state[name] = math.nan
    return state, np.zeros((4, points))


@njit(cache=True)
def fit_line(x: Floats, y: Floats) -> tuple[float, float, float]:
    """Return (slope, intercept, R squared) of the least-squares line of y on x.

    All are NaN where x does not vary; R squared is NaN where y does not vary.

    >>> fit_line(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0]))
    (2.0, 1.0, 1.0)
    """
    n = len(x)
    mean_x = 0.0
    mean_y = 0.0
    for i in range(n):
        mean_x += x[i]
        mean_y += y[i]
    mean_x /= n
    mean_y /= n
    xx = 0.0
    xy = 0.0
    yy = 0.0
    for i in range(n):
        dx = x[i] - mean_x
        dy = y[i] - mean_y
        xx += dx * dx
        xy += dx * dy
        yy += dy * dy
    if xx <= 0.0:
        return math.nan, math.nan, math.nan
    slope = xy / xx
    return slope, mean_y - slope * mean_x, xy * xy / (xx * yy) if yy > 0.0 else math.nan


@njit(cache=True)
def slope_through_origin(x: Floats, y: Floats) -> float:
    """Return the least-squares slope of y on x without intercept, NaN where x is all zero."""
    xx = 0.0
    xy = 0.0
    for i in range(len(x)):
        xx += x[i] * x[i]
        xy += x[i] * y[i]
    return xy / xx if xx > 0.0 else math.nan


@njit(cache=True)
def is_due(kyle, ts):  # type: ignore[no-untyped-def]
    """Return whether `close_cells` must come before an event at `ts` (compiled)."""
    return ts >= kyle.cell_end


@njit(cache=True)
def close_cells(kyle, ring, ts):  # type: ignore[no-untyped-def]
    """Close the grid cells that end at or before `ts` (compiled).

    A cell without trades is a point too: no volume, and the change of the mid. Before the first mid
    price there are no points.
    """
    points = ring.shape[1]
    if kyle.has_mid:
        passed = (ts - kyle.cell_end) // kyle.grid + 1
        for _ in range(min(passed, points + 1)):
            at = kyle.at
            ring[0, at] = kyle.signed
            ring[1, at] = 0.5 * (kyle.mid - kyle.cell_mid)
            ring[2, at] = kyle.signed_root
            ring[3, at] = 0.0
            if kyle.cell_mid != 0:
                ring[3, at] = 1e4 * (kyle.mid - kyle.cell_mid) / kyle.cell_mid
            kyle.cell_mid = kyle.mid
            kyle.signed = 0
            kyle.signed_root = 0.0
            kyle.at = (at + 1) % points
            kyle.points = min(kyle.points + 1, points)
        if kyle.points >= kyle.least:
            # The oldest point first, so that equal windows give equal bits.
            order = np.empty((4, kyle.points))
            for k in range(kyle.points):
                order[:, k] = ring[:, (kyle.at - kyle.points + k) % points]
            kyle.slope, kyle.intercept, kyle.r2 = fit_line(order[0], order[1])
            kyle.root_slope, _, _ = fit_line(order[2], order[3])
    kyle.signed = 0
    kyle.signed_root = 0.0
    kyle.cell_end = ts - ts % kyle.grid + kyle.grid


@njit(cache=True)
def add_mid(kyle, double_mid):  # type: ignore[no-untyped-def]
    """Take in a mid price, doubled: bid + ask in ticks (compiled)."""
    if kyle.has_mid == 0:
        kyle.has_mid = 1
        kyle.cell_mid = double_mid
        kyle.signed = 0
        kyle.signed_root = 0.0
    kyle.mid = double_mid


@njit(cache=True)
def add_trade(kyle, price, size, side):  # type: ignore[no-untyped-def]
    """Take in one trade (compiled)."""
    kyle.signed += side * size
    kyle.signed_root += side * math.sqrt(abs(price) * size)


@njit(cache=True)
def add_trades(kyle, ring, ts, price, size, side):  # type: ignore[no-untyped-def]
    """Take in trades, their prices standing for the mid (compiled).

    As `close_cells` where due, `add_mid` and `add_trade` for each, the open cell in registers.
    """
    signed, root, end = kyle.signed, kyle.signed_root, kyle.cell_end
    for i in range(len(ts)):
        if ts[i] >= end or kyle.has_mid == 0:
            kyle.signed, kyle.signed_root = signed, root
            if ts[i] >= end:
                close_cells(kyle, ring, ts[i])
            add_mid(kyle, 2 * price[i])
            signed, root, end = kyle.signed, kyle.signed_root, kyle.cell_end
        signed += side[i] * size[i]
        root += side[i] * math.sqrt(abs(price[i]) * size[i])
        kyle.mid = 2 * price[i]
    kyle.signed, kyle.signed_root = signed, root


@njit(cache=True)
def step_kyle(state: State, ring: Floats, ts: int, price: int, size: int, side: int) -> int:
    """Advance by one trade; return 1 if it closed a grid cell, else 0.

    Readings are fields of the state, NaN before there are enough points or where volume does not
    vary: `slope` (ticks a lot), `intercept`, `r2`, and `root_slope`, Hasbrouck's form, in basis
    points per square root of ticks times lots.

    Source: Kyle (1985), Econometrica 53(6); Hasbrouck (2009), Journal of Finance 64(3).
    """
    closed = is_due(state[0], ts)
    if closed:
        close_cells(state[0], ring, ts)
    add_trade(state[0], price, size, side)
    return 1 if closed else 0


@njit(cache=True)
def step_kyle_mid(state: State, ring: Floats, ts: int, double_mid: int) -> int:
    """Advance by one mid price, doubled (bid + ask in ticks); return 1 if a grid cell closed.

    Without quotes feed it 2 * price of each trade, before the trade.
    """
    closed = is_due(state[0], ts)
    if closed:
        close_cells(state[0], ring, ts)
    add_mid(state[0], double_mid)
    return 1 if closed else 0


@njit(cache=True)
def run_kyle(state: State, ring: Floats, ts: Ints, price: Ints, size: Ints, side: Bytes) -> Floats:
    """Advance by many trades, their prices standing for the mid; return the slope after each."""
    slopes = np.empty(len(ts))
    kyle = state[0]
    for i in range(len(ts)):
        if is_due(kyle, ts[i]):
            close_cells(kyle, ring, ts[i])
        add_mid(kyle, 2 * price[i])
        add_trade(kyle, price[i], size[i], side[i])
        slopes[i] = kyle.slope
    return slopes


AMIHUD = record(("bars", INT), ("last_close", INT), ("points", INT), ("value", FLOAT))


def new_amihud(window: int = 50) -> tuple[State, Floats]:
    """Return a fresh illiquidity state and its ring of the last `window` bars, >= 1."""
    if window < 1:
        raise ValueError(f"`window` must be >= 1, was {window}")
    state = allocate(AMIHUD)
    state["value"] = math.nan
    return state, np.zeros(window)


@njit(cache=True)
def illiquidity(returns: Floats, dollars: Floats) -> float:
    """Return the mean of |return| over dollar volume, times 10**6, of the bars with volume.

    >>> illiquidity(np.array([0.01, -0.02, 0.005]), np.array([1e6, 4e6, 5e5]))
    0.008333333333333333
    """
    total = 0.0
    count = 0
    for i in range(len(returns)):
        if dollars[i] > 0.0:
            total += abs(returns[i]) / dollars[i]
            count += 1
    return total / count * 1e6 if count else math.nan


@njit(cache=True)
def add_bar(amihud, ring, close, dollars):  # type: ignore[no-untyped-def]
    """Add a closed bar with `dollars` > 0 in ticks times lots (compiled)."""
    first = amihud.bars == 0
    before = amihud.last_close
    amihud.bars += 1
    amihud.last_close = close
    if first or before == 0 or dollars <= 0:
        return
    window = len(ring)
    ring[amihud.points % window] = abs((close - before) / before) / dollars
    amihud.points += 1
    if amihud.points >= window:
        total = 0.0
        for k in range(window):
            total += ring[(amihud.points + k) % window]
        amihud.value = total / window * 1e6


@njit(cache=True)
def step_amihud(state: State, ring: Floats, close: int, dollars: int) -> float:
    """Advance by one closed bar; return the illiquidity, NaN before `window` returns are in.

    `close` in ticks, `dollars` the sum of price times size in ticks times lots; divide the reading
    by the worth of one tick times one lot to have it per unit of money.

    Source: Amihud (2002), Journal of Financial Markets 5(1).
    """
    add_bar(state[0], ring, close, dollars)
    return float(state[0].value)


@njit(cache=True)
def run_amihud(state: State, ring: Floats, close: Ints, dollars: Ints) -> Floats:
    """Advance by many bars; return the illiquidity after each."""
    values = np.empty(len(close))
    for i in range(len(close)):
        add_bar(state[0], ring, close[i], dollars[i])
        values[i] = state[0].value
    return values


ROLL = record(
    ("trades", INT),
    ("last_price", INT),
    ("changes", INT),
    ("at", INT),
    ("newer", INT),
    ("older", INT),
    ("products", INT),
)


def new_roll(window: int = 300) -> tuple[State, Ints]:
    """Return a fresh spread state and its ring of the last `window` price changes, >= 3."""
    if window < 3:
        raise ValueError(f"`window` must be >= 3, was {window}")
    return allocate(ROLL), np.zeros(window, np.int64)


@njit(cache=True)
def add_prices(roll, ring, price):  # type: ignore[no-untyped-def]
    """Take in prices as `add_price` does each, with the sums in registers once the ring is full."""
    start = 0
    while start < len(price) and roll.changes < len(ring):
        add_price(roll, ring, price[start])
        start += 1
    window, at, last = len(ring), roll.at, roll.last_price
    newer, older, products = roll.newer, roll.older, roll.products
    previous = ring[at - 1 if at > 0 else window - 1]
    leaving = ring[at]
    for i in range(start, len(price)):
        change = price[i] - last
        last = price[i]
        after = at + 1 if at + 1 < window else 0
        follower = ring[after]
        newer += change - follower
        older += previous - leaving
        products += change * previous - leaving * follower
        ring[at] = change
        at, previous, leaving = after, change, follower
    if start < len(price):
        roll.at, roll.last_price = at, last
        roll.newer, roll.older, roll.products = newer, older, products
        roll.trades += len(price) - start


@njit(cache=True)
def add_price(roll, ring, price):  # type: ignore[no-untyped-def]
    """Take in a trade price (compiled)."""
    first = roll.trades == 0
    change = price - roll.last_price
    roll.last_price = price
    roll.trades += 1
    if first:
        return
    window = len(ring)
    at = roll.at
    after = at + 1 if at + 1 < window else 0
    if roll.changes > 0:
        previous = ring[at - 1 if at > 0 else window - 1]
        roll.newer += change
        roll.older += previous
        roll.products += change * previous
    if roll.changes >= window:
        leaving = ring[at]
        follower = ring[after]
        roll.newer -= follower
        roll.older -= leaving
        roll.products -= leaving * follower
    else:
        roll.changes += 1
    ring[at] = change
    roll.at = after


@njit(cache=True)
def serial_covariance(roll, window):  # type: ignore[no-untyped-def]
    """Return the population covariance of price changes on end, NaN before a full window."""
    if roll.changes < window:
        return math.nan
    pairs = window - 1
    return (pairs * roll.products - roll.newer * roll.older) / (pairs * pairs)


@njit(cache=True)
def roll_spread(roll, window):  # type: ignore[no-untyped-def]
    """Return Roll's spread in ticks, NaN before a full window (compiled)."""
    covariance = serial_covariance(roll, window)
    return 2.0 * math.sqrt(-min(covariance, 0.0)) if covariance == covariance else math.nan


@njit(cache=True)
def step_roll(state: State, ring: Ints, price: int) -> float:
    """Advance by one trade price; return Roll's spread in ticks, NaN before the window is full.

    `2 * sqrt(-cov)` of each price change with the one before it, 0 where that is not negative.

    Source: Roll (1984), Journal of Finance 39(4).
    """
    add_price(state[0], ring, price)
    return roll_spread(state[0], len(ring))


@njit(cache=True)
def run_roll(state: State, ring: Ints, price: Ints) -> Floats:
    """Advance by many trade prices; return the spread after each."""
    values = np.empty(len(price))
    roll = state[0]
    for i in range(len(price)):
        add_price(roll, ring, price[i])
        values[i] = roll_spread(roll, len(ring))
    return values
