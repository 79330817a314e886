"""VPIN with a list of all lots: each bucket is a slice of it."""

import math


def buckets(trades, bucket):
    """|buy - sell| of each full bucket of (size, side) trades, lot by lot."""
    lots = [side for size, side in trades for _ in range(size)]
    full = len(lots) // bucket
    return [abs(sum(lots[i * bucket : (i + 1) * bucket])) for i in range(full)]


def vpin(trades, bucket, count):
    """The reading after all trades."""
    closed = buckets(trades, bucket)
    return sum(closed[-count:]) / (count * bucket) if len(closed) >= count else math.nan


def rank(values, window):
    """Share of the `window` values before the last that are at most the last."""
    past = values[-window - 1 : -1]
    if len(past) < window:
        return math.nan
    return sum(value <= values[-1] for value in past) / window
