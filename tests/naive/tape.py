"""Aggressor, parent orders, bulk classification and trailing quantile, each from the whole past."""

import itertools
import math
import statistics

import numpy as np


def sides(trades, quotes, lag=0):
    """Side of each (ts, price, flag) given all (ts, bid, ask): flag, quote rule, tick rule."""
    result = []
    for i, (ts, price, flag) in enumerate(trades):
        moves = [
            after - before
            for before, after in itertools.pairwise([row[1] for row in trades[: i + 1]])
            if after != before
        ]
        in_force = [quote for quote in quotes if quote[0] <= ts - lag]
        side = flag
        if side == 0 and in_force and in_force[-1][1] < in_force[-1][2]:
            _, bid, ask = in_force[-1]
            side = int(np.sign(2 * price - bid - ask))
        if side == 0 and moves:
            side = int(np.sign(moves[-1]))
        result.append(side)
    return result


def parents(rows, ids=None):
    """Groups of consecutive (ts, price, size, side) of one time and side, with ids on end."""
    numbers = ids if ids is not None else range(len(rows))
    marked = [(row, number - i) for i, (row, number) in enumerate(zip(rows, numbers, strict=True))]
    groups = itertools.groupby(marked, key=lambda pair: (pair[0][0], pair[0][3], pair[1]))
    result = []
    for (ts, side, _), members in groups:
        prints = [row for row, _ in members]
        prices = [row[1] for row in prints]
        result.append(
            {
                "ts": ts,
                "side": side,
                "lots": sum(row[2] for row in prints),
                "prints": len(prints),
                "first": prices[0],
                "last": prices[-1],
                "low": min(prices),
                "high": max(prices),
                "levels": len([price for price, _ in itertools.groupby(prices)]),
                "dollars": sum(row[1] * row[2] for row in prints),
            }
        )
    return result


def trailing_quantile(sizes, quantile, window):
    """The quantile of the `window` sizes before each."""
    return [
        float(np.quantile(sizes[i - window : i], quantile)) if i >= window else math.nan
        for i in range(len(sizes))
    ]


def bought(closes, volumes, window):
    """Bought volume of each bar by the normal distribution of its change of price."""
    changes = [after - before for before, after in itertools.pairwise(closes)]
    result = [math.nan] * min(1, len(closes))
    for i, change in enumerate(changes):
        past = changes[max(0, i + 1 - window) : i + 1]
        sigma = statistics.stdev(past) if len(past) > 1 else 0.0
        if sigma == 0:
            share = 0.5 + 0.5 * np.sign(change)
        else:
            share = statistics.NormalDist().cdf(change / sigma)
        result.append(volumes[i + 1] * share)
    return result


def student_t_cdf(x, freedom, steps=200_000):
    """By Simpson's rule over the density, with t = sinh(u) to reach far tails."""
    constant = math.gamma((freedom + 1) / 2) / (
        math.sqrt(freedom * math.pi) * math.gamma(freedom / 2)
    )
    u = np.linspace(0.0, math.asinh(abs(x)), steps + 1)
    density = constant * (1 + np.sinh(u) ** 2 / freedom) ** (-(freedom + 1) / 2) * np.cosh(u)
    weights = np.ones(steps + 1)
    weights[1:-1:2], weights[2:-1:2] = 4, 2
    area = float((density * weights).sum() * (u[1] - u[0]) / 3)
    return 0.5 + math.copysign(area, x)
