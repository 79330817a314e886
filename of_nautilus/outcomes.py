"""What came after signals: the report card of each pattern, beside what chance gives.

A signal's outcome is read from mid prices, at its time and over a horizon. The barrier is
``max(R1, 4 ticks, 2 spreads)`` either way, R1 the usual high - low of a bar; reaching it in the
signal's direction is the target, against it the stop of the outcome. The result is the move in the
signal's direction when the barrier is reached, or at the end of the horizon. Moves are given in
ticks and in multiples of a reference stop of ``2 R1``.

Whether a mean result is more than chance is asked twice: against random times of the same half hour
of the day, with the same sides; and against the same times with shuffled sides. Signals of one
pattern that follow each other within the horizon share what happened, and are moved, shuffled and
resampled together, as one cluster. Of many cells some look good by chance: p values are judged
after Benjamini and Hochberg (1995).
"""

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numba import njit

from of_nautilus.core.record import Floats, Ints
from of_nautilus.core.sessions import MINUTE
from of_nautilus.midprice import PricePath
from of_nautilus.scan import Found, name_of

HORIZONS = (1, 5, 15, 60)
DRAWS = 1000
LEAST = 30  # signals, for a statement
LEAST_CLUSTERS = 10
RATE = 0.05  # of false discoveries; and 1 - the interval's level
_HALF_HOUR = 30 * MINUTE
TOO_FEW = "too few"
CHANCE = "not distinguishable from chance"
BETTER = "better than chance, before costs"
WORSE = "worse than chance"


@dataclass(frozen=True, slots=True)
class Cell:
    """The outcomes of one pattern over one horizon.

    `best`, `worst`: median of the largest move with and against the signal, in ticks, `_r` in
    multiples of the stop. `target_first`, `stop_first`: shares of all signals. `net_ticks`,
    `net_r`: mean result after fees and half the spread. `mean_r`: mean result before them, with its
    interval `low` to `high`; `random_times` and `random_sides`: the same by chance. `p`: the larger
    p value against the two, `q` after the correction for many cells. What is not known is NaN.
    """

    pattern: str
    minutes: int
    signals: int
    clusters: int
    best_ticks: float
    worst_ticks: float
    best_r: float
    worst_r: float
    target_first: float
    stop_first: float
    net_ticks: float
    net_r: float
    mean_r: float
    low: float
    high: float
    random_times: float
    random_sides: float
    p: float
    q: float
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Signals:
    """Signals of one pattern with a whole horizon after them, and what judges their outcomes.

    Times in ns, `barrier` in half ticks, `stop` and `cost` in ticks; `span` is the stretch of open
    market that a signal lies in, `cluster` counts from 0.
    """

    ts: Ints
    side: Ints
    barrier: Ints
    stop: Floats
    cost: Floats
    span: Ints
    cluster: Ints

    def __len__(self) -> int:
        return len(self.ts)


def report_card(
    found: list[Found],
    path: PricePath,
    *,
    fee_rate: float = 0.0,
    draws: int = DRAWS,
    seed: int = 1,
    horizons: tuple[int, ...] = HORIZONS,
) -> list[Cell]:
    """Return a cell for every pattern and horizon, patterns by name.

    Signals for which R1 is not known, or whose horizon reaches beyond the session or into a time
    without data, are left out. A cell with fewer than 30 signals, or 10 clusters of them, makes no
    statement.

    Parameters
    ----------
    found : list of Found
        Signals of one market, in the order of time.
    path : PricePath
        Its prices.
    fee_rate : float
        Fees of entry and exit together, as a part of the price, >= 0.
    draws : int
        Draws of each null and of the bootstrap, >= 1.
    seed : int
        Of all chance, >= 0.
    horizons : tuple of int
        Minutes, each >= 1.
    """
    for name, value, least in (("fee_rate", fee_rate, 0), ("draws", draws, 1), ("seed", seed, 0)):
        if not value >= least:
            raise ValueError(f"`{name}` must be >= {least}, was {value}")
    if not all(minutes >= 1 for minutes in horizons):
        raise ValueError(f"`horizons` must be >= 1 minute each, was {horizons}")
    patterns: dict[str, list[Found]] = defaultdict(list)
    for each in found:
        patterns[name_of(each.signal)].append(each)
    trees = _Trees(path.mid)
    cells = []
    for name, ours in sorted(patterns.items()):
        for minutes in horizons:
            # Of its own chance: one pattern more changes nothing for the others.
            chance = np.random.default_rng([seed, minutes, *name.encode()])
            signals = select(ours, path, minutes * MINUTE, fee_rate)
            cells.append(_cell(name, minutes, signals, path, trees, draws, chance))
    return _judged(cells)


def select(found: list[Found], path: PricePath, horizon: int, fee_rate: float) -> Signals:
    """Return the signals that have a whole horizon of open market after them."""
    known = [each for each in found if each.r1 == each.r1]
    ts = np.array([each.signal.ts for each in known], np.int64)
    span = np.searchsorted(path.spans[:, 0], ts, side="right") - 1
    whole = span >= 0
    whole[whole] = ts[whole] + horizon <= path.spans[span[whole], 1]
    ts, span = ts[whole], span[whole]
    r1 = np.array([each.r1 for each in known])[whole]
    side = np.array([each.signal.side for each in known], np.int64)[whole]
    at = path.at(ts)
    spread = path.spread[at].astype(np.float64)
    barrier = np.maximum(np.maximum(r1, 4.0), 2.0 * spread)
    starts = np.ones(len(ts), bool)
    starts[1:] = (np.diff(ts) >= horizon) | (np.diff(span) != 0)
    return Signals(
        ts=ts,
        side=side,
        barrier=np.ceil(2.0 * barrier - 1e-9).astype(np.int64),
        stop=2.0 * r1,
        cost=fee_rate * path.mid[at] / 2.0 + spread / 2.0,
        span=span,
        cluster=np.cumsum(starts) - 1,
    )


class _Trees:
    """Minima and maxima of a price path over stretches of doubling length, as binary trees."""

    def __init__(self, mid: Ints) -> None:
        size = 1 << max(0, len(mid) - 1).bit_length()
        info = np.iinfo(np.int64)
        self.most, self.least = np.full(2 * size, info.min), np.full(2 * size, info.max)
        self.most[size : size + len(mid)] = self.least[size : size + len(mid)] = mid
        while size > 1:
            half = size // 2
            pairs = self.most[size : 2 * size].reshape(half, 2)
            self.most[half:size] = pairs.max(axis=1)
            self.least[half:size] = self.least[size : 2 * size].reshape(half, 2).min(axis=1)
            size = half


@njit(cache=True)
def _first(tree, at, value, above):  # type: ignore[no-untyped-def]
    """Return the first index from `at` on with a price >= (or <=) `value`; beyond the end if none.

    From a node that holds no such price on to the next stretch, ever longer ones; then down.
    """
    size = len(tree) // 2
    node = at + size
    while tree[node] < value if above else tree[node] > value:
        while node & 1:
            node >>= 1
        if node == 0:
            return size
        node += 1
    while node < size:
        node *= 2
        if tree[node] < value if above else tree[node] > value:
            node += 1
    return node - size


@njit(cache=True)
def _outcome(ts, mid, most, least, start, horizon, barrier, side):  # type: ignore[no-untyped-def]
    """Return the result in half ticks, and what came first: 1 the target, -1 the stop, 0 neither.

    The entry is at the last price at or before `start`.
    """
    at = np.searchsorted(ts, start, side="right") - 1
    end = np.searchsorted(ts, start + horizon, side="right")
    entry = mid[at]
    up = _first(most, at, entry + barrier, True)
    down = _first(least, at, entry - barrier, False)
    leaves = min(up, down)
    if leaves >= end:
        return side * (mid[end - 1] - entry), 0
    return side * (mid[leaves] - entry), side if up < down else -side


@njit(cache=True)
def _outcomes(ts, mid, most, least, start, horizon, barrier, side, result, first):  # type: ignore[no-untyped-def]
    for i in range(len(start)):
        result[i], first[i] = _outcome(ts, mid, most, least, start[i], horizon, barrier[i], side[i])


@njit(cache=True)
def _moved(  # type: ignore[no-untyped-def]
    ts, mid, most, least, start, horizon, barrier, side, stop, cluster, begins, means
):
    """Write the mean result of each draw whose clusters begin at the times of a row of `begins`."""
    for draw in range(len(begins)):
        total = 0.0
        origin = 0
        for i in range(len(start)):
            if i > 0 and cluster[i] != cluster[i - 1]:
                origin = i
            moved = begins[draw, cluster[i]] + start[i] - start[origin]
            result, _ = _outcome(ts, mid, most, least, moved, horizon, barrier[i], side[i])
            total += result / (2.0 * stop[i])
        means[draw] = total / len(start)


def _cell(
    name: str,
    minutes: int,
    signals: Signals,
    path: PricePath,
    trees: _Trees,
    draws: int,
    chance: np.random.Generator,
) -> Cell:
    horizon = minutes * MINUTE
    count = len(signals)
    nan = float("nan")
    clusters = int(signals.cluster[-1]) + 1 if count else 0
    if not count:
        return Cell(name, minutes, 0, 0, *(nan,) * 15, TOO_FEW)
    result, first = np.zeros((2, count), np.int64)
    prices = path.ts, path.mid, trees.most, trees.least
    _outcomes(*prices, signals.ts, horizon, signals.barrier, signals.side, result, first)
    ticks = result / 2.0
    in_stops = ticks / signals.stop
    net = ticks - signals.cost
    best, worst = _extremes(signals, path, horizon)
    told = {
        "best_ticks": float(np.median(best)),
        "worst_ticks": float(np.median(worst)),
        "best_r": float(np.median(best / signals.stop)),
        "worst_r": float(np.median(worst / signals.stop)),
        "target_first": float((first > 0).mean()),
        "stop_first": float((first < 0).mean()),
        "net_ticks": float(net.mean()),
        "net_r": float((net / signals.stop).mean()),
        "mean_r": float(in_stops.mean()),
    }
    if count < LEAST or clusters < LEAST_CLUSTERS:
        left = dict.fromkeys(("low", "high", "random_times", "random_sides", "p", "q"), nan)
        return Cell(name, minutes, count, clusters, **told, **left, verdict=TOO_FEW)
    moved = np.zeros(draws)
    begins = random_begins(signals, path, horizon, draws, chance)
    _moved(
        *prices, signals.ts, horizon, signals.barrier, signals.side, signals.stop, signals.cluster,
        begins, moved,
    )  # fmt: skip
    shuffled = shuffled_means(in_stops, signals, draws, chance)
    low, high = bootstrap(in_stops, signals.cluster, draws, chance)
    chances = moved, shuffled
    return Cell(
        name,
        minutes,
        count,
        clusters,
        **told,
        low=low,
        high=high,
        random_times=float(moved.mean()),
        random_sides=float(shuffled.mean()),
        p=max(p_value(told["mean_r"], each) for each in chances),
        q=nan,
        verdict="",
    )


def _extremes(signals: Signals, path: PricePath, horizon: int) -> tuple[Floats, Floats]:
    """Return the largest move with and against each signal within the horizon, ticks, >= 0."""
    begin, end = path.at(signals.ts), path.at(signals.ts + horizon) + 1
    up, down = np.zeros((2, len(signals)))
    for i in range(len(signals)):
        window = path.mid[begin[i] : end[i]]
        up[i], down[i] = window.max() - window[0], window[0] - window.min()
    buys = signals.side > 0
    return np.where(buys, up, down) / 2.0, np.where(buys, down, up) / 2.0


def random_begins(
    signals: Signals, path: PricePath, horizon: int, draws: int, chance: np.random.Generator
) -> Ints:
    """Return times at which each cluster might as well have begun: a row a draw.

    They lie in the same half hour of any day, evenly spread over the open market in it, so that the
    whole cluster with its horizon fits in.
    """
    heads = np.flatnonzero(np.diff(signals.cluster, prepend=-1))
    lasts = np.append(heads[1:], len(signals)) - 1
    begins = np.zeros((draws, len(heads)), np.int64)
    first_ts, last_ts = int(path.spans[0, 0]), int(path.spans[-1, 1])
    day = 48 * _HALF_HOUR
    days = np.arange(first_ts // day, last_ts // day + 1) * day
    for k, (head, last) in enumerate(zip(heads.tolist(), lasts.tolist(), strict=True)):
        ts = int(signals.ts[head])
        need = int(signals.ts[last]) - ts + horizon
        opens = days + ts % day // _HALF_HOUR * _HALF_HOUR
        low = np.maximum.outer(opens, path.spans[:, 0])
        high = np.minimum.outer(opens + _HALF_HOUR - 1, path.spans[:, 1] - need)
        room = np.maximum(high - low + 1, 0).ravel()
        place = chance.integers(0, room.sum(), draws)
        ends = np.cumsum(room)
        where = np.searchsorted(ends, place, side="right")
        begins[:, k] = low.ravel()[where] + place - (ends - room)[where]
    return begins


def shuffled_means(
    in_stops: Floats, signals: Signals, draws: int, chance: np.random.Generator
) -> Floats:
    """Return the mean result of each draw in which clusters trade each other's side.

    The side of a cluster is that of its first signal; with it all of its signals turn round. The
    barrier is as far on either side, so a signal turned round has the opposite result.
    """
    heads = np.flatnonzero(np.diff(signals.cluster, prepend=-1))
    sums = np.bincount(signals.cluster, in_stops)
    sides = signals.side[heads]
    turned = chance.permuted(np.broadcast_to(sides, (draws, len(sides))), axis=1) * sides
    means: Floats = turned @ sums / len(in_stops)
    return means


def bootstrap(
    values: Floats, cluster: Ints, draws: int, chance: np.random.Generator
) -> tuple[float, float]:
    """Return the 95% interval of a mean, from whole clusters drawn with replacement."""
    sums, counts = np.bincount(cluster, values), np.bincount(cluster)
    drawn = chance.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), draws)
    low, high = np.quantile((drawn @ sums) / (drawn @ counts), [RATE / 2, 1 - RATE / 2])
    return float(low), float(high)


def p_value(seen: float, by_chance: Floats) -> float:
    """Return how often chance is at least as far from its mean as what was seen, from above."""
    mean = by_chance.mean()
    as_far = np.abs(by_chance - mean) >= abs(seen - mean) - 1e-12
    return float((1 + as_far.sum()) / (1 + len(by_chance)))


def false_discovery(p: Floats) -> Floats:
    """Return q values: the least rate of false discoveries at which each would be one.

    >>> false_discovery(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    order = np.argsort(p)[::-1]
    ranks = np.arange(len(p), 0, -1)
    q = np.empty(len(p))
    q[order] = np.minimum.accumulate(p[order] * len(p) / ranks)
    return np.minimum(q, 1.0)


def _judged(cells: list[Cell]) -> list[Cell]:
    """Return the cells with q values over all that say something, and with their verdicts."""
    stated = [cell for cell in cells if cell.verdict != TOO_FEW]
    corrected = iter(false_discovery(np.array([cell.p for cell in stated])).tolist())
    judged = []
    for cell in cells:
        if cell.verdict == TOO_FEW:
            judged.append(cell)
            continue
        q = next(corrected)
        nulls = cell.random_times, cell.random_sides
        verdict = CHANCE
        if q <= RATE and cell.low > max(nulls):
            verdict = BETTER
        elif q <= RATE and cell.high < min(nulls):
            verdict = WORSE
        told = cell.to_dict() | {"q": q, "verdict": verdict}
        judged.append(Cell(**told))
    return judged
