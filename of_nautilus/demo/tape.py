"""From bars to orders: when, on which side and how large, so that each bar turns out as planned."""

import numpy as np
from numba import njit

from of_nautilus.demo.book import MARKET, QUOTE, THIN, THIN_LOTS, WALK, WALL

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
KNOTS = 12  # points of a bar's path

# What a bar contains besides ordinary flow.
PLAIN, BURSTS, ONE_BURST, SWEEP, SLOW_SWEEP, PRESSURE = range(6)
BURST_PRINTS = 3
WALL_CELL = 2  # the wall stands from the start of this knot's cell
FIRST_BURST = 2 * SECOND  # after the wall
BURST_EVERY = 5 * SECOND
WALL_FOR = 33 * SECOND
SWEEP_AT = 0.51  # of the bar
SWEEP_ORDERS = 3
MOST_SPECIAL = 24


@njit(cache=True)
def _path(t, start, knots, times, jump):  # type: ignore[no-untyped-def]
    """Return where the best bid is to be at time `t` of a bar; `jump` > 0 is a step's time."""
    before, since = start, 0.0
    for k in range(KNOTS):
        if t <= times[k]:
            if since < jump <= times[k]:
                return before if t < jump else knots[k]
            return before + round((knots[k] - before) * (t - since) / (times[k] - since))
        before, since = knots[k], times[k]
    return before


@njit(cache=True)
def _special(  # type: ignore[no-untyped-def]
    rng, kind, side, size, count, start, knots, length, when, sides, sizes, flags, targets
):
    """Write a bar's extra orders; return how many, and the quiet time around them."""
    n, quiet_from, quiet_to = 0, 0.0, 0.0
    if kind in (BURSTS, ONE_BURST):
        level = knots[4]
        quiet_from = WALL_CELL * length / KNOTS
        quiet_to = quiet_from + WALL_FOR
        when[0], sides[0], sizes[0], flags[0] = quiet_from, side, max(size, 1200), WALL
        n = 1
        prints = BURST_PRINTS * count
        for k in range(prints):
            if kind == BURSTS:
                burst, part = k // BURST_PRINTS, k % BURST_PRINTS
                t = burst * BURST_EVERY + part * 40 * MILLISECOND
            else:
                t = k * 60 * MILLISECOND
            when[n] = quiet_from + FIRST_BURST + t + 30 * MILLISECOND * rng.random()
            sides[n], flags[n] = side, MARKET
            sizes[n] = size // BURST_PRINTS
            n += 1
        when[n], sides[n], sizes[n], flags[n] = quiet_to, side, 0, WALL
        n += 1
        targets[:n] = level
    elif kind in (SWEEP, SLOW_SWEEP):
        jump = SWEEP_AT * length
        every = 70 * MILLISECOND if kind == SWEEP else 0.7 * SECOND
        quiet_from = jump - 1.5 * SECOND
        quiet_to = jump + SWEEP_ORDERS * every + 0.5 * SECOND
        from_bid = _path(quiet_from, start, knots, (np.arange(KNOTS) + 1) * length / KNOTS, jump)
        when[0], sides[0], flags[0], targets[0] = quiet_from + SECOND, side, THIN, from_bid
        n = 1
        for k in range(SWEEP_ORDERS):
            when[n], sides[n], flags[n] = jump + k * every, side, WALK
            sizes[n] = 1 if k == SWEEP_ORDERS - 1 else 0
            targets[n] = from_bid + side * (size * (k + 1) // SWEEP_ORDERS)
            n += 1
    elif kind == PRESSURE:
        # Opposite market orders while price stands at the bar's extreme.
        quiet_from, quiet_to = 0.60 * length, 0.66 * length
        for k in range(count):
            when[n] = quiet_from + (k + 0.5) * (quiet_to - quiet_from) / count
            sides[n], sizes[n], flags[n], targets[n] = side, size // count, MARKET, knots[7]
            n += 1
    return n, quiet_from, quiet_to


@njit(cache=True)
def lay_orders(  # type: ignore[no-untyped-def]
    rng,
    open_ts,
    length,
    start,
    knots,
    tilt,
    volume,
    delta,
    kind,
    side,
    size,
    count,
    typical,
    most_plain,
    quotes,
    exact,
    out,
):
    """Write the orders of consecutive bars; return how many.

    `typical` is the median size of an ordinary order before it is scaled to the bar's volume,
    `most_plain` about the largest that one queue can fill, and `quotes` the mean number of quote
    changes a bar. `exact` makes each bar's delta the planned one; without it no order knows what
    its bar will bring, as a test of foresight needs.
    """
    total = 0
    s_when = np.empty(MOST_SPECIAL, np.float64)
    s_side = np.empty(MOST_SPECIAL, np.int64)
    s_size = np.zeros(MOST_SPECIAL, np.int64)
    s_flag = np.empty(MOST_SPECIAL, np.int64)
    s_target = np.empty(MOST_SPECIAL, np.int64)
    times = np.empty(KNOTS, np.float64)
    cell = length / KNOTS
    for j in range(len(volume)):
        path, is_sweep = knots[j], kind[j] == SWEEP or kind[j] == SLOW_SWEEP
        special, quiet_from, quiet_to = _special(
            rng,
            kind[j],
            side[j],
            size[j],
            count[j],
            start,
            path,
            length,
            s_when,
            s_side,
            s_size,
            s_flag,
            s_target,
        )
        jump = quiet_to - 0.5 * SECOND if is_sweep else 0.0
        for k in range(KNOTS):
            times[k] = (k + 1 - 0.35 * rng.random()) * cell
        times[KNOTS - 1] = length - (0.1 + 0.5 * rng.random()) * SECOND
        plain = max(24, rng.poisson(volume[j] / (typical * 1.9)))
        n = plain + KNOTS
        quoted = rng.poisson(quotes)
        most = n + quoted + special
        when = np.empty(most, np.float64)
        who = np.empty(most, np.int64)
        lots = np.zeros(most, np.float64)
        flag = np.zeros(most, np.int64)
        goal = np.zeros(most, np.int64)
        # Times: immigrants, and the offspring that each order excites.
        for i in range(plain):
            t = length * rng.random()
            if i > 0 and rng.random() < 0.5:
                t = when[int(i * rng.random())] + 0.8 * SECOND * rng.standard_exponential()
                if t >= length:
                    t = length * rng.random()
            if quiet_from < t < quiet_to and kind[j] != BURSTS and kind[j] != ONE_BURST:
                t = quiet_from * rng.random()
            if kind[j] == ONE_BURST and 0 < t - quiet_from - FIRST_BURST + 0.1 * SECOND < SECOND:
                t = quiet_from * rng.random()
            when[i] = t
        when[plain:n] = times
        when[:n] = np.sort(when[:n])
        # Sides: with the path where it moves, else by the bar's delta and the cell's tilt.
        buys, sells = (volume[j] + delta[j]) / 2.0, (volume[j] - delta[j]) / 2.0
        for i in range(special):
            if s_flag[i] == MARKET:
                if s_side[i] > 0:
                    buys -= s_size[i]
                else:
                    sells -= s_size[i]
        if is_sweep and side[j] > 0:
            buys -= THIN_LOTS * size[j]
        elif is_sweep:
            sells -= THIN_LOTS * size[j]
        buys, sells = max(buys, 40.0), max(sells, 40.0)
        odds = np.log(buys / sells) if exact else 0.0
        bought, sold, here = 0.0, 0.0, start
        for i in range(n):
            goal[i] = _path(when[i], start, path, times, jump)
            if not exact:
                goal[i] = path[min(np.searchsorted(times, when[i]), KNOTS - 1)]
            move, here = goal[i] - here, goal[i]
            k = min(int(when[i] / cell), KNOTS - 1)
            if move != 0 and rng.random() < 0.75:
                up = move > 0
            else:
                up = rng.random() < 1.0 / (1.0 + np.exp(-odds - tilt[j, k]))
            if (kind[j] == BURSTS or kind[j] == ONE_BURST) and quiet_from < when[i] < quiet_to:
                up = side[j] < 0
            lots[i] = typical * np.exp(0.9 * rng.standard_normal())
            if rng.random() < 0.02:
                lots[i] *= (1.0 - rng.random()) ** (-1 / 1.7)
            if up == (move > 0) and move != 0:
                lots[i] *= 1.0 + 1.5 * min(abs(move), 4)  # it takes size to carry price
            who[i] = 1 if up else -1
            if up:
                bought += lots[i]
            else:
                sold += lots[i]
        # Scale each side to its total; what is too large for the queues goes to smaller orders.
        for way in (1, -1):
            scale = buys / bought if way > 0 else sells / sold
            if not exact:
                scale = (buys + sells) / (bought + sold)
            rest, small = 0.0, 0.0
            for i in range(n):
                if who[i] == way:
                    lots[i] *= scale
                    over = lots[i] - 2.2 * most_plain
                    if over > 0:
                        lots[i] -= over
                        rest += over
                    elif lots[i] < most_plain:
                        small += lots[i]
            for i in range(n):
                if who[i] == way and lots[i] < most_plain:
                    lots[i] *= 1.0 + rest / small
        for i in range(quoted):
            when[n + i] = length * rng.random()
            who[n + i] = 1 if rng.random() < 0.5 else -1
            flag[n + i] = QUOTE
        n += quoted
        when[n:], who[n:], lots[n:] = s_when[:special], s_side[:special], s_size[:special]
        flag[n:], goal[n:] = s_flag[:special], s_target[:special]
        # In whole milliseconds, no two at once.
        last = open_ts + j * length - MILLISECOND
        for i in np.argsort(when, kind="mergesort"):
            ts = open_ts + j * length + int(when[i]) // MILLISECOND * MILLISECOND
            last = max(ts, last + MILLISECOND)
            out[total, 0] = last
            out[total, 1] = who[i]
            out[total, 2] = max(1, int(lots[i] + 0.5)) if flag[i] == MARKET else int(lots[i])
            out[total, 3] = goal[i]
            out[total, 4] = flag[i]
            total += 1
        start = path[KNOTS - 1]
    return total
