"""The OFI study: how much of a mid-price change the flow of the same and of the last bar explains.

On a 10 s grid, in windows of half an hour, the change of the mid (ticks) is regressed on order flow
imbalance: of the best level; of ten levels, by ridge; integrated, along the first principal
component of the past; and on the signed volume of trades. Once for the same bar, once for the next.
R squared is adjusted for the number of regressors, so that chance gives 0 on average. Over half a
day and more two controls stand beside it: the next bar regressed on the flow of another time, which
is what chance gives there; and the slopes of all windows before tried on the one after.

Sources: Cont, Kukanov and Stoikov (2014); Xu, Gould and Howison (2019); Cont, Cucuringu and Zhang
(2023).
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from of_nautilus.core import book as book_
from of_nautilus.core import ofi as ofi_
from of_nautilus.core.ladder import grow_far
from of_nautilus.core.ofi import fit_ofi_impact, fit_weights
from of_nautilus.core.record import Floats, Ints
from of_nautilus.model.labels import mid_as_of
from of_nautilus.model.metrics import Interval, mean_interval
from of_nautilus.model.quotes import quotes_of

GRID = 10_000_000_000
LEVELS, WINDOW, LEAST = 10, 180, 30
SHIFTS, CONTROLLED = 40, 24  # of the flow against the price; windows from which on it is done
RIDGE = 0.1  # of the number of bars, on regressors of unit variance
REGRESSORS = ("best level", "ten levels", "integrated", "trades")
# What was published for the same bar and for the next, as text; another market, another grid.
PUBLISHED = {
    "best level": ("0.65 (stocks 2010, 10 s); 0.3-0.7 (crypto, 1-10 s)", "< 0.03"),
    "ten levels": ("0.87 integrated, 0.71 best (stocks 2017-19, 1 min)", "< 0.03"),
    "integrated": ("0.87 (stocks 2017-19, 1 min)", "-0.004 to -0.001"),
    "trades": ("0.32 (stocks 2010, 10 s)", "< 0.03"),
}


@njit(cache=True)
def _sum_bars(state, window, blocks, far, top, ofi_state, rows, history, events, start, t0, out):  # type: ignore[no-untyped-def]
    """Add e by level, signed volume, books and lots to the bars; the event reached, and a code."""
    book, ofi = state[0], ofi_state[0]
    for i in range(start, len(events)):
        event = events[i]
        bar = -(-(event[6] - t0) // GRID) - 1
        inside = 0 <= bar < len(out)
        if event[0] == 0:
            if inside:
                out[bar, LEVELS] += event[1] * event[3]
            continue
        if event[4] & 128 and not ofi_.has_room(ofi, rows, history, max(event[6], book.ts)):
            return i, 1
        if (
            book_.apply_delta(
                book, window, blocks, far,
                event[0], event[1], event[2], event[3], event[4], event[5], event[6],
            )
            < 0
        ):  # fmt: skip
            return i, 2
        if not event[4] & 128:
            continue
        book_.end_batch(book, window, far)
        book_.read_top(book, window, blocks, far, top)
        compared = ofi_.add_top(ofi, rows, history, book.ts, top, book.trusted, book.epoch)
        if compared == 1 and inside:
            out[bar, LEVELS + 1] += 1
            for m in range(LEVELS):
                out[bar, m] += ofi.last[m]
                out[bar, LEVELS + 2] += top[0, m, 1] + top[1, m, 1]
    return len(events), 0


@dataclass(frozen=True)
class Bars:
    """The grid's bars: e by level, mean level size, signed volume (lots), mid change (ticks)."""

    flow: Floats
    size: Floats
    trades: Floats
    move: Floats


def bars_of(events: Ints) -> Bars:
    """Return the bars of merged events, from the first to the last whole one."""
    quotes = quotes_of(events)
    trusted = np.flatnonzero(quotes.bid < quotes.ask)
    if len(trusted) == 0:
        raise ValueError("`events` must hold a book that can be trusted")
    t0 = int(-(-quotes.ts[trusted[0]] // GRID) * GRID)
    count = int((events[-1, 6] - t0) // GRID)
    if count < LEAST:
        raise ValueError(f"`events` must span >= {LEAST} bars of 10 s, was {max(count, 0)}")
    state, window, blocks, far = book_.new_book()
    ofi_state, rows, history = ofi_.new_ofi(LEVELS, (0.001, 0.002, 0.003))
    top, out = book_.new_top(LEVELS), np.zeros((count, LEVELS + 3), np.int64)
    at, code = 0, 1
    while code:
        at, code = _sum_bars(
            state, window, blocks, far, top, ofi_state, rows, history, events, at, t0, out
        )
        if code == 1:
            rows = ofi_.grow_rows(ofi_state, rows)
        elif code == 2:
            far = grow_far(far)
    mid = mid_as_of(quotes.ts, quotes.mid, t0 + GRID * np.arange(count + 1))
    size = out[:, LEVELS + 2] / np.maximum(out[:, LEVELS + 1], 1) / (2 * LEVELS)
    return Bars(out[:, :LEVELS].astype(float), size, out[:, LEVELS].astype(float), np.diff(mid))


def adjusted_r2(x: Floats, y: Floats, ridge: float = 0.0) -> float:
    """Return 1 - (1 - R2)(n - 1)/(n - p - 1) of y on the columns of x; NaN if y does not vary."""
    x = x.reshape(len(y), -1)
    n, spread = len(y), x.std(axis=0)
    x = x[:, spread > 0] / spread[spread > 0]
    p = x.shape[1]
    if n <= p + 1 or y.std() == 0 or p == 0:
        return np.nan
    r2 = fit_ofi_impact(x, y, ridge * n).r2
    return 1 - (1 - r2) * (n - 1) / (n - p - 1)


@dataclass(frozen=True)
class Row:
    """One regressor: adjusted R squared of the same bar and of the next, mean over windows.

    `shifted`: of the next bar on flow of another time, mean and interval of so many shifts;
    `carried`: R squared of the same bar and of the next in windows that had no part in the fit.
    None with few windows.
    """

    regressor: str
    same: Interval
    next: Interval
    windows: int
    shifted: Interval | None
    carried: tuple[float, float] | None


def study(bars: Bars, seed: int = 0) -> list[Row]:
    """Return the table; intervals from the windows, or by resampling bars where these are few."""
    known = ~np.isnan(bars.move)
    n = len(bars.move)
    windows = [np.arange(a, min(a + WINDOW, n)) for a in range(0, n, WINDOW)]
    windows = [w[known[w]] for w in windows if known[w].sum() >= LEAST]
    scaled = bars.flow / np.maximum(bars.size, 1e-12)[:, None]
    rng = np.random.default_rng(seed)
    controlled = len(windows) >= CONTROLLED
    shifts = rng.integers(WINDOW, n - WINDOW, SHIFTS) if controlled else []
    shifted: dict[str, list[list[float]]] = {name: [] for name in REGRESSORS}
    carried = {name: _Carried() for name in REGRESSORS}
    found: dict[str, list[list[float]]] = {name: [] for name in REGRESSORS}
    drawn: dict[str, list[list[float]]] = {name: [] for name in REGRESSORS}
    for k, w in enumerate(windows):
        past = np.concatenate(windows[:k]) if k else w
        told = {
            "best level": (bars.flow[:, 0], 0.0),
            "ten levels": (scaled, RIDGE),
            "integrated": (fit_weights(scaled[past]).integrate(scaled), 0.0),
            "trades": (bars.trades, 0.0),
        }
        follows = w[:-1][np.diff(w) == 1]
        for name, (x, ridge) in told.items():
            found[name].append(_both(x, bars.move, w, follows, ridge))
            if controlled:
                shifted[name].append(
                    [adjusted_r2(x[(follows - s) % n], bars.move[follows + 1], ridge)
                     for s in shifts]
                )  # fmt: skip
            if controlled and k:
                carried[name].add(x, bars.move, past, w, ridge)
            if len(windows) < 5:
                drawn[name] += [
                    _both(x, bars.move, rng.choice(w, len(w)), rng.choice(follows, len(follows)),
                          ridge)
                    for _ in range(300)
                ]  # fmt: skip
    return [
        Row(
            name,
            _interval(found[name], drawn[name], 0),
            _interval(found[name], drawn[name], 1),
            len(windows),
            _between(shifted[name]) if controlled else None,
            carried[name].r2 if controlled else None,
        )
        for name in REGRESSORS
    ]


def _both(x: Floats, move: Floats, same: Ints, follows: Ints, ridge: float) -> list[float]:
    return [
        adjusted_r2(x[same], move[same], ridge),
        adjusted_r2(x[follows], move[follows + 1], ridge),
    ]


class _Carried:
    """Squared errors of fits on the past in the windows after it, by lag of 0 and 1 bars."""

    def __init__(self) -> None:
        self._left, self._all = [0.0, 0.0], [0.0, 0.0]

    def add(self, x: Floats, move: Floats, past: Ints, window: Ints, ridge: float) -> None:
        """Fit on the past, try on a window."""
        x = x.reshape(len(move), -1)
        for lag in (0, 1):
            # Of the past, and of the window, the bars whose next one belongs to it too.
            fitted, tried = (part[np.isin(part + lag, part)] for part in (past, window))
            spread = np.maximum(x[fitted].std(axis=0), 1e-12)
            fit = fit_ofi_impact(x[fitted] / spread, move[fitted + lag], ridge * len(fitted))
            told = fit.alpha + x[tried] / spread @ fit.beta
            usual = float(move[fitted + lag].mean())
            self._left[lag] += float(((move[tried + lag] - told) ** 2).sum())
            self._all[lag] += float(((move[tried + lag] - usual) ** 2).sum())

    @property
    def r2(self) -> tuple[float, float]:
        """R squared of the same bar and of the next one."""
        same, after = (1 - left / of for left, of in zip(self._left, self._all, strict=True))
        return same, after


def _between(found: list[list[float]]) -> Interval:
    means = np.nanmean(np.array(found), axis=0)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(means.mean()), float(low), float(high))


def _interval(found: list[list[float]], drawn: list[list[float]], side: int) -> Interval:
    values = np.array(found)[:, side]
    values = values[~np.isnan(values)]
    if not drawn:
        return mean_interval(values)
    low, high = np.nanpercentile(np.array(drawn)[:, side], [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high))
