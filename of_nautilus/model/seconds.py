"""The mid price at each whole second of the last quarter of an hour, and what it did.

A sample holds bid + ask in ticks as they were at that second, all of its events included; 0 where
the book was not trusted. Readings are NaN where a sample they need is 0.
"""

import math

from numba import njit

from of_nautilus.core.record import INT, record

SECOND = 1_000_000_000
SAMPLES = 1024
RSI_MINUTES = 14

SECONDS = record(
    ("next_second", INT),  # ns; 0 before the first event
    ("in_force", INT),
    ("ring", INT, (SAMPLES,)),  # by the second's number
)


@njit(cache=True)
def sample_before(seconds, ts):  # type: ignore[no-untyped-def]
    """Sample every whole second before `ts` that was not sampled yet."""
    if seconds.next_second == 0:
        seconds.next_second = -(-ts // SECOND) * SECOND
    if ts - seconds.next_second > SAMPLES * SECOND:
        seconds.next_second = ts - ts % SECOND - SAMPLES * SECOND
    while seconds.next_second < ts:
        seconds.ring[(seconds.next_second // SECOND) & (SAMPLES - 1)] = seconds.in_force
        seconds.next_second += SECOND


@njit(cache=True)
def double_mid_at(seconds, ts):  # type: ignore[no-untyped-def]
    """Return bid + ask at the whole second `ts`, at most SAMPLES seconds back."""
    return seconds.ring[(ts // SECOND) & (SAMPLES - 1)]


@njit(cache=True)
def momentum(seconds, ts, span):  # type: ignore[no-untyped-def]
    """Return the change of the mid over `span` s up to `ts`, basis points."""
    before, now = double_mid_at(seconds, ts - span * SECOND), double_mid_at(seconds, ts)
    return 1e4 * (now - before) / before if before > 0 and now > 0 else math.nan


@njit(cache=True)
def volatility(seconds, ts, span):  # type: ignore[no-untyped-def]
    """Return the root of the sum of squared one-second returns over `span` s, basis points."""
    before = double_mid_at(seconds, ts - span * SECOND)
    total = 0.0
    for k in range(span - 1, -1, -1):
        now = double_mid_at(seconds, ts - k * SECOND)
        if before <= 0 or now <= 0:
            return math.nan
        change = (now - before) / before
        total += change * change
        before = now
    return 1e4 * math.sqrt(total)


@njit(cache=True)
def range_position(seconds, ts, span):  # type: ignore[no-untyped-def]
    """Return where the mid lies in its range over `span` s: 0 low, 1 high, 1/2 if it never moved.

    The samples are those of the `span` whole seconds that end at `ts`, it included.
    """
    now = double_mid_at(seconds, ts)
    low = high = now
    for k in range(span):
        mid = double_mid_at(seconds, ts - k * SECOND)
        if mid <= 0:
            return math.nan
        low = min(low, mid)
        high = max(high, mid)
    return (now - low) / (high - low) if high > low else 0.5


@njit(cache=True)
def strength_index(seconds, ts):  # type: ignore[no-untyped-def]
    """Return 100 * gains / (gains + losses) of the last 14 one-minute changes; 50 without any."""
    gains = losses = 0
    before = double_mid_at(seconds, ts - RSI_MINUTES * 60 * SECOND)
    for k in range(RSI_MINUTES - 1, -1, -1):
        now = double_mid_at(seconds, ts - k * 60 * SECOND)
        if before <= 0 or now <= 0:
            return math.nan
        gains += max(now - before, 0)
        losses += max(before - now, 0)
        before = now
    return 100.0 * gains / (gains + losses) if gains + losses > 0 else 50.0
