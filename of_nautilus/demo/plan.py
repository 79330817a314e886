"""The plan of the bars: a calm background, and the patterns set into it.

A bar is planned as a path of the touch through twelve knots, a volume and a delta. The background
is a random walk whose flow pushes price, with activity that clusters and follows the time of day.
While patterns are planted, a background bar that would make one by accident is drawn again.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from of_nautilus.demo.tape import KNOTS

DIVERGENCE_BARS = 10
BAND = 6.5  # usual ranges from a session's center to where price is pulled back
WALL = 8.0  # and to where it turns at the latest
_TRIES = 24
_CONFINED = 6  # of them stay inside the range of the last bars
# How close to a pattern the background may come, and by how much a realized price may differ.
_DECLINE = 0.18
_CONFIRMED = 0.90
_SLACK = 5


@njit(cache=True)
def exhausted(high, low, volume, delta, j):  # type: ignore[no-untyped-def]
    """Whether bar j ends a four-bar move on falling volume and falling delta, or nearly does."""
    if j < 3:
        return False
    v = volume[j - 3 : j + 1]
    if v[3] > (1.0 - _DECLINE) * v[0]:
        return False
    rises = 0
    for k in range(3):
        rises += v[k + 1] > 1.03 * v[k]
    if rises > 1:
        return False
    for way in (1, -1):
        edge = high if way > 0 else -low
        if edge[j] + _SLACK <= max(edge[j - 3], edge[j - 2], edge[j - 1]):
            continue
        slope = 0.0
        scale = 1.0
        for k in range(4):
            slope += (k - 1.5) * way * delta[j - 3 + k]
            scale += abs(delta[j - 3 + k])
        if slope < 0.1 * scale:
            return True
    return False


@njit(cache=True)
def diverges(high, low, cvd, j, first, floor):  # type: ignore[no-untyped-def]
    """Whether bar j makes a new extreme that cumulative delta does not confirm, or nearly does.

    `first` is the first bar since the last reset of cumulative delta, and `floor` the delta that
    the earlier push must have shown.
    """
    start = max(j - DIVERGENCE_BARS, first)
    if j - start < 2:
        return False
    anchor = cvd[start - 1] if start > 0 else 0
    for way in (1, -1):
        edge = high if way > 0 else -low
        top = edge[start:j].max()
        if edge[j] + _SLACK <= top:
            continue
        peak = -(1 << 60)
        for i in range(start, j):
            peak = max(peak, way * (cvd[i] - anchor))
            if edge[i] + _SLACK < top or peak < floor:
                continue
            since = -(1 << 60)
            for k in range(i + 1, j + 1):
                since = max(since, way * (cvd[k] - anchor))
            if since < _CONFIRMED * peak:
                return True
    return False


@njit(cache=True)
def walk(  # type: ignore[no-untyped-def]
    rng,
    j,
    bars,
    at,
    drift,
    one_way,
    center,
    band,
    wall,
    step,
    alpha,
    per_tick,
    cap,
    guard,
    first,
    floor,
    expected,
    usual,
    recent,
    knots,
    tilt,
    volume,
    delta,
    high,
    low,
    cvd,
    lead,
):
    """Plan `bars` background bars from bar j at tick `at`; return where the last one ends.

    `drift` is ticks a bar, `one_way` +1 or -1 lets no bar end or trade the other way, and outside
    `center` +- `band` price drifts back; `center` +- `wall` it does not pass. `recent` holds the
    flow of the last twelve cells, which `alpha` turns into drift: `lead` tells what it will add to
    the next bar, in ticks.
    """
    flow = np.empty(KNOTS)
    for i in range(j, j + bars):
        kept = recent.copy()
        size = step * np.sqrt(expected[i] / usual)
        pull = drift
        if band > 0 and abs(at - center) > band:
            pull -= 0.10 * (at - center - np.sign(at - center) * band)
        for attempt in range(_TRIES):
            recent[:] = kept
            calm = 1.0 if attempt < _TRIES // 2 else 0.5
            price = float(at)
            top, bottom = at, at
            ceiling, ground = 1 << 60, -(1 << 60)
            if attempt >= _TRIES - _CONFINED and i > 0:
                ceiling = high[max(0, i - DIVERGENCE_BARS) : i].max() - _SLACK - 1
                ground = low[max(0, i - DIVERGENCE_BARS) : i].min() + _SLACK + 1
            for k in range(KNOTS):
                flow[k] = rng.standard_normal()
                own = 0.85 * flow[k] + 0.527 * rng.standard_normal()
                told = alpha * recent.sum() / 6.5  # sums to `lead` over the next minute
                move = pull / KNOTS + calm * size * (own + told)
                price += max(-2.2 * step, min(2.2 * step, move))  # a jump would be a sweep
                price = max(float(ground), min(float(ceiling), price))
                if band > 0:
                    price = min(price, float(max(at, center + wall)))
                    price = max(price, float(min(at, center - wall)))
                recent[:-1] = recent[1:].copy()
                recent[-1] = flow[k]
                knots[i, k] = round(price)
                tilt[i, k] = 1.1 * np.tanh(flow[k])
                top, bottom = max(top, knots[i, k]), min(bottom, knots[i, k])
            # Off its extremes at the end, so that the next bar's first print makes no new one.
            if guard and top - knots[i, KNOTS - 1] < 3 and top > at:
                knots[i, KNOTS - 2] = top
                knots[i, KNOTS - 1] = top - 3
            if guard and knots[i, KNOTS - 1] - bottom < 3 and bottom < at:
                knots[i, KNOTS - 2] = bottom
                knots[i, KNOTS - 1] = bottom + 3
            body = knots[i, KNOTS - 1] - at
            push = per_tick * (size * calm * flow.sum() + pull)
            net = cap * np.tanh(push / cap) * (0.9 + 0.2 * rng.random())
            if guard and (net * body <= 0 or abs(body) < 3):
                net = max(-0.12 * cap, min(0.12 * cap, net))
            volume[i] = int(expected[i] * np.exp(0.10 * rng.standard_normal()))
            delta[i] = int(min(0.6 * volume[i], max(-0.6 * volume[i], net)))
            high[i], low[i] = top + 1, bottom
            cvd[i] = (cvd[i - 1] if i > 0 else 0) + delta[i]
            if not guard:
                break
            if one_way != 0 and (one_way * body < 2 or one_way * delta[i] < 0):
                continue
            if exhausted(high, low, volume, delta, i):
                volume[i] = int(volume[i - 3] * (1.0 - 0.8 * _DECLINE))
            if not diverges(high, low, cvd, i, first, floor):
                break
        lead[i] = alpha * recent.sum() * size
        at = knots[i, KNOTS - 1]
    return at


@njit(cache=True)
def activity(rng, n, per_session):  # type: ignore[no-untyped-def]
    """Draw each bar's relative volume: a U over the session times clustering bursts, mean near 1.

    Each bar's excess over its usual level excites the next ones, as in a self-exciting process.
    """
    out = np.empty(n)
    state = 0.0
    for i in range(n):
        x = 2.0 * (i % per_session) / max(per_session - 1, 1) - 1.0
        state = 0.88 * state + 0.12 * rng.standard_normal()
        out[i] = (0.8 + 0.6 * x * x) * np.exp(state - 0.03)
    return out


class Plan:
    """The bars of the whole market, planned one after another.

    Parameters
    ----------
    rng : numpy.random.Generator
        The only source of chance.
    bars, per_session : int
        Bars of the market and of one session.
    at : int
        The tick where the touch starts.
    bar_volume : int
        Usual lots a bar.
    range_ticks : float
        Usual high-low of a bar, ticks.
    delta_cap : int
        The most that the background's delta can be, lots.
    guard : bool
        Whether the background keeps clear of the patterns.
    alpha : float
        Strength of the planted relation between flow and the next minute's drift.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        bars: int,
        per_session: int,
        at: int,
        bar_volume: int,
        range_ticks: float,
        delta_cap: int,
        guard: bool,
        alpha: float,
    ) -> None:
        self.rng, self.at, self.start, self.j = rng, at, at, 0
        self.per_session, self.bar_volume = per_session, bar_volume
        self.guard, self.alpha, self.cap = guard, alpha, delta_cap
        self.range_ticks, self.step = range_ticks, range_ticks / 3.3
        self.per_tick = 0.85 * delta_cap / range_ticks
        self.center, self.band = at, round(BAND * range_ticks)
        self.wall = round(WALL * range_ticks)
        self.expected = bar_volume * activity(rng, bars, per_session)
        self.floor = 0.2 * delta_cap
        self.recent = np.zeros(KNOTS)
        self.knots = np.zeros((bars, KNOTS), np.int64)
        self.tilt = np.zeros((bars, KNOTS))
        self.volume = np.zeros(bars, np.int64)
        self.delta = np.zeros(bars, np.int64)
        self.high = np.zeros(bars, np.int64)
        self.low = np.zeros(bars, np.int64)
        self.cvd = np.zeros(bars, np.int64)
        self.lead = np.zeros(bars)
        # What else a bar contains: kind, side, lots or levels, how often.
        self.special = np.zeros((bars, 4), np.int64)

    @property
    def left(self) -> int:
        """Bars left in the session that is being planned."""
        return self.end - self.j

    @property
    def first(self) -> int:
        """The first bar of the session that is being planned."""
        return self.end - self.per_session

    def open_session(self, session: int) -> None:
        """Begin to plan a session."""
        self.end = (session + 1) * self.per_session

    def usual(self) -> float:
        """The mean volume of the last 50 bars."""
        past = self.volume[max(0, self.j - 50) : self.j]
        return float(past.mean()) if len(past) else float(self.expected[0])

    def steady(self) -> float:
        """A volume that makes no decline against the last bars."""
        return max(self.usual(), 0.95 * float(self.volume[max(0, self.j - 3) : self.j].max()))

    def background(
        self, bars: int, drift: float = 0.0, one_way: int = 0, calm: float = 1.0
    ) -> None:
        """Add ordinary bars, as many as the session has room for; `calm` scales their moves."""
        bars = max(0, min(bars, self.left))
        step = self.step * calm
        band = 0 if one_way or drift or not self.guard else self.band
        self.at = int(
            walk(
                self.rng, self.j, bars, self.at, drift, one_way, self.center, band,
                self.wall, step,
                self.alpha, self.per_tick, float(self.cap), self.guard, self.first, self.floor,
                self.expected, self.bar_volume, self.recent, self.knots, self.tilt, self.volume,
                self.delta, self.high, self.low, self.cvd, self.lead,
            )
        )  # fmt: skip
        self.j += bars

    def bar(
        self,
        path: NDArray[np.int64],
        volume: float,
        delta: float,
        special: tuple[int, int, int, int] = (0, 0, 0, 0),
    ) -> None:
        """Add one bar whose path is given relative to where the last one ended."""
        j = self.j
        knots = self.at + np.asarray(path, np.int64)
        moves = np.diff(knots, prepend=self.at)
        self.knots[j] = knots
        self.tilt[j] = np.tanh(moves / 4.0)
        self.volume[j], self.delta[j] = round(volume), round(delta)
        self.high[j] = max(int(knots.max()), self.at) + 1
        self.low[j] = min(int(knots.min()), self.at)
        self.cvd[j] = (self.cvd[j - 1] if j else 0) + self.delta[j]
        self.special[j] = special
        self.at = int(knots[-1])
        self.j += 1

    def clear(self, since: int, allowed: tuple[str, ...] = ()) -> bool:
        """Whether the bars from `since` on make no exhaustion or divergence but those allowed."""
        for j in range(since, self.j):
            if "exhaustion" not in allowed and exhausted(
                self.high, self.low, self.volume, self.delta, j
            ):
                return False
            if "divergence" not in allowed and diverges(
                self.high, self.low, self.cvd, j, self.first, self.floor
            ):
                return False
        return True

    def inside(self, since: int) -> bool:
        """Whether the bars from `since` on close within the walls, or nearer than before them."""
        closes = np.abs(self.knots[since : self.j, -1] - self.center)
        before = abs(self.knots[since - 1, -1] - self.center) if since else 0
        return bool((closes <= max(self.wall, before)).all())

    def confine(self, low: int, high: int) -> None:
        """Let price wander within [low, high] from here on, pulled back toward its middle."""
        self.center, self.wall = (low + high) // 2, (high - low) // 2
        self.band = max(1, self.wall - round(1.5 * self.range_ticks))

    def undo(self, j: int) -> None:
        """Forget the bars from j on."""
        self.special[j : self.j] = 0
        self.j = j
        self.at = int(self.knots[j - 1, -1]) if j else self.start
