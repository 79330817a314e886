"""VPIN: the volume-synchronized probability of informed trading.

`VPIN = sum |buy - sell| / sum volume` over the last n buckets of equal volume. A trade that is
larger than the room left in a bucket is split, so every bucket holds exactly its volume; one trade
may close several. Volume without a known aggressor fills buckets and counts for neither side.

Source: Easley, Lopez de Prado and O'Hara (2012), Review of Financial Studies 25(5).
"""

import math

import numpy as np
from numba import njit

from of_nautilus.core.record import FLOAT, INT, Bytes, Floats, Ints, State, allocate, record

VPIN = record(
    ("buckets", INT),
    ("at", INT),
    ("bucket", INT),
    ("next_bucket", INT),
    ("filled", INT),
    ("delta", INT),
    ("imbalance", INT),
    ("volume", INT),
    ("value", FLOAT),
)
# Lines of the ring of closed buckets.
IMBALANCE, BUCKET_VOLUME = range(2)


def new_vpin(bucket: int, buckets: int = 50) -> tuple[State, Ints]:
    """Return a fresh VPIN state and its ring of buckets.

    Parameters
    ----------
    bucket : int
        Lots of a bucket, >= 1 (`bucket_volume`).
    buckets : int
        How many buckets a reading spans, >= 1.

    Raises
    ------
    ValueError
        If a parameter is < 1.
    """
    for name, value in (("bucket", bucket), ("buckets", buckets)):
        if value < 1:
            raise ValueError(f"`{name}` must be >= 1, was {value}")
    state = allocate(VPIN)
    state["bucket"] = state["next_bucket"] = bucket
    state["value"] = math.nan
    return state, np.zeros((2, buckets), np.int64)


def bucket_volume(daily_volumes: Ints, buckets_per_day: int = 50) -> int:
    """Return the lots of a bucket: the mean daily volume over `buckets_per_day`, at least 1.

    >>> bucket_volume(np.array([1_000_000]))
    20000
    """
    if len(daily_volumes) == 0:
        raise ValueError("`daily_volumes` must hold at least one day, was empty")
    if buckets_per_day < 1:
        raise ValueError(f"`buckets_per_day` must be >= 1, was {buckets_per_day}")
    return max(1, int(daily_volumes.sum()) // (len(daily_volumes) * buckets_per_day))


@njit(cache=True)
def is_closing(vpin, size):  # type: ignore[no-untyped-def]
    """Return whether a trade of so many lots closes a bucket (compiled)."""
    return vpin.filled + size >= vpin.bucket


@njit(cache=True)
def add_within(vpin, size, side):  # type: ignore[no-untyped-def]
    """Add a trade that closes no bucket (compiled)."""
    vpin.filled += size
    vpin.delta += side * size


@njit(cache=True)
def _put(vpin, ring, imbalance, volume):  # type: ignore[no-untyped-def]
    """Put a closed bucket into the ring."""
    at = vpin.at
    vpin.imbalance += imbalance - ring[0, at]
    vpin.volume += volume - ring[1, at]
    ring[0, at] = imbalance
    ring[1, at] = volume
    vpin.at = (at + 1) % ring.shape[1]
    vpin.buckets += 1


@njit(cache=True)
def add_closing(vpin, ring, size, side):  # type: ignore[no-untyped-def]
    """Add a trade that closes one bucket or more (compiled)."""
    part = vpin.bucket - vpin.filled
    _put(vpin, ring, abs(vpin.delta + side * part), vpin.bucket)
    size -= part
    vpin.bucket = vpin.next_bucket
    whole = size // vpin.bucket
    # Of many whole buckets only the last n leave a mark.
    unseen = max(whole - ring.shape[1], 0)
    vpin.buckets += unseen
    vpin.at = (vpin.at + unseen) % ring.shape[1]
    for _ in range(whole - unseen):
        _put(vpin, ring, abs(side) * vpin.bucket, vpin.bucket)
    vpin.filled = size - whole * vpin.bucket
    vpin.delta = side * vpin.filled
    if vpin.buckets >= ring.shape[1]:
        vpin.value = vpin.imbalance / vpin.volume


@njit(cache=True)
def add_volume(vpin, ring, size, side):  # type: ignore[no-untyped-def]
    """Add one trade; return how many buckets it closed (compiled)."""
    if not is_closing(vpin, size):
        add_within(vpin, size, side)
        return 0
    before = vpin.buckets
    add_closing(vpin, ring, size, side)
    return vpin.buckets - before


@njit(cache=True)
def add_trades(vpin, ring, size, side):  # type: ignore[no-untyped-def]
    """Add trades as `add_volume` does each, with the open bucket in registers (compiled)."""
    filled, imbalance, bucket = vpin.filled, vpin.delta, vpin.bucket
    for i in range(len(size)):
        if filled + size[i] < bucket:
            filled += size[i]
            imbalance += side[i] * size[i]
        else:
            vpin.filled, vpin.delta = filled, imbalance
            add_closing(vpin, ring, size[i], side[i])
            filled, imbalance, bucket = vpin.filled, vpin.delta, vpin.bucket
    vpin.filled, vpin.delta = filled, imbalance


@njit(cache=True)
def add_bulk(vpin, ring, volume, buy):  # type: ignore[no-untyped-def]
    """Add a bar of which `buy` of `volume` lots were bought; return the buckets closed (compiled).

    The bar is one flow: each bucket it fills takes buying in the bar's own proportion, in whole
    lots.
    """
    closed = 0
    sell = volume - buy
    share = buy / volume if volume > 0 else 0.0
    while buy + sell > 0:
        part = min(vpin.bucket - vpin.filled, buy + sell)
        bought = min(max(math.floor(part * share + 0.5), part - sell), buy)
        closed += add_volume(vpin, ring, bought, 1) + add_volume(vpin, ring, part - bought, -1)
        buy -= bought
        sell -= part - bought
    return closed


@njit(cache=True)
def step_vpin(state: State, ring: Ints, size: int, side: int) -> int:
    """Advance by one trade of `size` lots on `side`; return how many buckets it closed.

    The reading is the field `value`, NaN before n buckets are full.

    >>> state, ring = new_vpin(100, 3)
    >>> step_vpin(state, ring, 250, 1), step_vpin(state, ring, 50, -1)
    (2, 1)
    >>> float(state[0].value)
    0.6666666666666666
    """
    return add_volume(state[0], ring, size, side)


@njit(cache=True)
def step_vpin_bulk(state: State, ring: Ints, volume: int, buy: float) -> int:
    """Advance by one bar of `volume` lots, about `buy` of them bought (see `bvc`)."""
    return add_bulk(state[0], ring, volume, min(max(math.floor(buy + 0.5), 0), volume))


@njit(cache=True)
def set_bucket(state: State, bucket: int) -> None:
    """Set the lots of the buckets to come; the open one closes at its own volume."""
    state[0].next_bucket = bucket


@njit(cache=True)
def run_vpin(state: State, ring: Ints, size: Ints, side: Bytes) -> Floats:
    """Advance by many trades; return the reading after each."""
    values = np.empty(len(size))
    vpin = state[0]
    for i in range(len(size)):
        if is_closing(vpin, size[i]):
            add_closing(vpin, ring, size[i], side[i])
        else:
            add_within(vpin, size[i], side[i])
        values[i] = vpin.value
    return values


RANK = record(("at", INT), ("seen", INT))


def new_rank(window: int = 2500) -> tuple[State, Floats]:
    """Return a fresh trailing rank over `window` values (50 days of 50 buckets), >= 2."""
    if window < 2:
        raise ValueError(f"`window` must be >= 2, was {window}")
    return allocate(RANK), np.zeros(window)


@njit(cache=True)
def step_rank(state: State, history: Floats, value: float) -> float:
    """Return the share of the `window` values before this one that are <= it; NaN if too few.

    Feed it one reading a closed bucket; a NaN reading is passed over.
    """
    rank = state[0]
    if math.isnan(value):
        return math.nan
    share = math.nan
    if rank.seen == len(history):
        share = np.count_nonzero(history <= value) / len(history)
    else:
        rank.seen += 1
    history[rank.at] = value
    rank.at = (rank.at + 1) % len(history)
    return share
