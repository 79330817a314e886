"""How good a forecast was, how sure that is, and what it would have had to be."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from of_nautilus.core.record import Floats, Ints

_NORMAL = NormalDist()
_EULER = 0.5772156649015329


def ranks(values: Floats) -> Floats:
    """Return ranks from 1, ties sharing their mean rank.

    >>> ranks(np.array([3.0, 1.0, 3.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    order = np.argsort(values)
    ascending = values[order]
    first = np.flatnonzero(np.diff(ascending, prepend=np.nan) != 0)
    counts = np.diff(first, append=len(values))
    found = np.empty(len(values))
    found[order] = np.repeat(first + (counts + 1) / 2, counts)
    return found


def pearson(x: Floats, y: Floats) -> float:
    """Return the linear correlation; NaN if either does not vary."""
    dx, dy = x - x.mean(), y - y.mean()
    spread = math.sqrt(float(dx @ dx) * float(dy @ dy))
    return float(dx @ dy) / spread if spread > 0 else math.nan


def information_coefficient(prediction: Floats, outcome: Floats) -> float:
    """Return Spearman's rank correlation of predictions and returns; NaN with fewer than 3."""
    if len(prediction) < 3:
        return math.nan
    return pearson(ranks(prediction), ranks(outcome))


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95% interval."""

    value: float
    low: float
    high: float

    def covers(self, value: float) -> bool:
        """Return whether `value` is one that the data do not exclude."""
        return self.low <= value <= self.high


def ic_interval(ic: float, independent: float) -> Interval:
    """Return an information coefficient with its interval by Fisher's z.

    `independent` is the number of samples that do not overlap: of labels that span h, sampled
    every s < h, only about n * s / h. The factor 1.06 is that of ranks (Fieller and others 1957).
    """
    if not independent > 4 or math.isnan(ic):
        return Interval(ic, -1.0, 1.0)
    z = math.atanh(max(-0.999999, min(0.999999, ic)))
    error = 1.96 * math.sqrt(1.06 / (independent - 3))
    return Interval(ic, math.tanh(z - error), math.tanh(z + error))


def mean_interval(values: Floats) -> Interval:
    """Return a mean with its 95% interval from the standard error; infinite with fewer than 2."""
    n = len(values)
    mean = float(values.mean()) if n else math.nan
    if n < 2:
        return Interval(mean, -math.inf, math.inf)
    error = 1.96 * float(values.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - error, mean + error)


def ic_by_day(prediction: Floats, outcome: Floats, day: Ints) -> tuple[float, float, int]:
    """Return the mean over days of the daily coefficient, its t-statistic, and the days used."""
    daily = [
        information_coefficient(prediction[day == name], outcome[day == name])
        for name in np.unique(day)
    ]
    told = np.array([ic for ic in daily if not math.isnan(ic)])
    if len(told) < 2:
        return (float(told.mean()) if len(told) else math.nan), math.nan, len(told)
    error = float(told.std(ddof=1)) / math.sqrt(len(told))
    return float(told.mean()), float(told.mean()) / error if error > 0 else math.nan, len(told)


def signals(p_up: Floats, long: float = 0.55, short: float = 0.45) -> Ints:
    """Return 1 where the probability is above `long`, -1 where it is below `short`, else 0."""
    if not 0 <= short <= long <= 1:
        raise ValueError(f"`short` and `long` must ascend in 0 to 1, were {short}, {long}")
    return (p_up > long).astype(np.int64) - (p_up < short).astype(np.int64)


def hit_rate(
    p_up: Floats, went_up: Floats, long: float = 0.55, short: float = 0.45
) -> tuple[float, int]:
    """Return the share of signals that were right, and how many there were; NaN without any."""
    called = signals(p_up, long, short)
    traded = (called != 0) & ~np.isnan(went_up)
    if not traded.any():
        return math.nan, 0
    right = (called[traded] > 0) == (went_up[traded] > 0.5)
    return float(right.mean()), int(traded.sum())


def auc(p_up: Floats, went_up: Floats) -> float:
    """Return the area under the ROC curve; NaN if only one class is there."""
    up = went_up > 0.5
    n_up, n_down = int(up.sum()), int((~up).sum())
    if n_up == 0 or n_down == 0:
        return math.nan
    return (float(ranks(p_up)[up].sum()) - n_up * (n_up + 1) / 2) / (n_up * n_down)


def log_loss(p_up: Floats, went_up: Floats) -> float:
    """Return the mean of -log of the probability given to what happened; log 2 is a coin's."""
    p = np.clip(p_up, 1e-12, 1 - 1e-12)
    return float(-(went_up * np.log(p) + (1 - went_up) * np.log(1 - p)).mean())


def accuracy_z(accuracy: float, n: float) -> float:
    """Return how many standard errors an accuracy over `n` independent calls is from 1/2.

    >>> round(accuracy_z(0.52, 2500), 9)
    2.0
    """
    return (accuracy - 0.5) / math.sqrt(0.25 / n)


def break_even_hit_rate(win: float, loss: float, cost: float) -> float:
    """Return the hit rate (L + c) / (W + L) at which a bracket of win W and loss L earns nothing.

    >>> break_even_hit_rate(2, 2, 1)
    0.75
    """
    if not (win > 0 and loss > 0 and cost >= 0):
        raise ValueError(f"`win` and `loss` must be > 0, `cost` >= 0, were {win}, {loss}, {cost}")
    return (loss + cost) / (win + loss)


def sharpe(daily: Floats, periods: float = 252.0) -> float:
    """Return mean over standard deviation of daily results, times sqrt(`periods`).

    252 trading days for stocks and futures, 365 for crypto, 1 for the daily figure itself. Never
    give it results by minute: overlapping trades are not independent. NaN with fewer than 2 days.
    """
    if len(daily) < 2:
        return math.nan
    spread = float(daily.std(ddof=1))
    return float(daily.mean()) / spread * math.sqrt(periods) if spread > 0 else math.nan


def max_drawdown(results: Floats) -> float:
    """Return the deepest fall of the cumulative result from its peak (0 at the start), >= 0."""
    if len(results) == 0:
        return 0.0
    total = np.cumsum(results)
    return float((np.maximum(np.maximum.accumulate(total), 0.0) - total).max())


def losing_days(daily: Floats) -> int:
    """Return how many daily results are below 0."""
    return int((daily < 0).sum())


def deflated_sharpe(daily: Floats, trials: int, spread: float | None = None) -> float:
    """Return the probability that the true Sharpe ratio is above 0, given that it is the best one.

    `PSR(SR0) = Phi((SR - SR0) sqrt(n - 1) / sqrt(1 - g3 SR + (g4 - 1) / 4 SR^2))` with SR0 the best
    that `trials` strategies without skill would show.

    Parameters
    ----------
    daily : float array
        Daily results of the chosen one.
    trials : int
        How many were tried, itself included, >= 1.
    spread : float, optional
        Standard deviation of the (daily) Sharpe ratios of the trials; that of pure chance,
        1 / sqrt(n - 1), if not given.

    Source: Bailey and Lopez de Prado (2014), Journal of Portfolio Management 40(5).
    """
    if trials < 1:
        raise ValueError(f"`trials` must be >= 1, was {trials}")
    n = len(daily)
    ratio = sharpe(daily, 1.0)
    if n < 3 or math.isnan(ratio):
        return math.nan
    best = 0.0
    if trials > 1:
        error = 1 / math.sqrt(n - 1) if spread is None else spread
        best = error * (
            (1 - _EULER) * _NORMAL.inv_cdf(1 - 1 / trials)
            + _EULER * _NORMAL.inv_cdf(1 - 1 / (trials * math.e))
        )
    z = (daily - daily.mean()) / daily.std()
    skew, kurtosis = float((z**3).mean()), float((z**4).mean())
    width = 1 - skew * ratio + (kurtosis - 1) / 4 * ratio * ratio
    return _NORMAL.cdf((ratio - best) * math.sqrt(n - 1) / math.sqrt(max(width, 1e-12)))
