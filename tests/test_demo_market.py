"""The synthetic market: its book, its tape, and whether its planted patterns can be found."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pytest

from of_nautilus.demo import DEMO_THRESHOLDS, DemoConfig, DemoMarket, Planted, generate

SECOND = 1_000_000_000
LIMIT = DEMO_THRESHOLDS


@pytest.fixture(scope="module")
def market() -> DemoMarket:
    return generate()


@dataclass
class Bars:
    """Plain bars: one row a bar, with the slice of trades that made it."""

    ts: np.ndarray
    first: np.ndarray
    end: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    delta: np.ndarray

    @classmethod
    def of(cls, market: DemoMarket) -> "Bars":
        t, length = market.trades, market.config.bar_seconds * SECOND
        number = t.ts // length
        first = np.flatnonzero(np.diff(number, prepend=-1))
        end = np.append(first[1:], len(t))
        return cls(
            number[first] * length,
            first,
            end,
            t.price[first],
            np.maximum.reduceat(t.price, first),
            np.minimum.reduceat(t.price, first),
            t.price[end - 1],
            np.add.reduceat(t.size, first),
            np.add.reduceat(t.size * t.side, first),
        )


@pytest.fixture(scope="module")
def bars(market: DemoMarket) -> Bars:
    return Bars.of(market)


# -- plain detectors: slow, obvious, each returns {bar number: side} ------------------------------


def find_absorption_m1(market: DemoMarket, bars: Bars) -> dict[int, int]:
    found = {}
    for i, delta in enumerate(bars.delta):
        body = bars.close[i] - bars.open[i]
        if abs(delta) >= LIMIT["absorption_min_volume"] and delta * body < 0:
            found[i] = int(-np.sign(delta))
    return found


def find_absorption_m2(market: DemoMarket, bars: Bars) -> dict[int, int]:
    t, found = market.trades, {}
    bursts: dict[tuple[int, int], list[list[int]]] = defaultdict(list)
    printed: dict[tuple[int, int], int] = {}
    muted: dict[tuple[int, int], int] = {}
    last_price = -1
    for ts, price, size, side in zip(
        t.ts.tolist(), t.price.tolist(), t.size.tolist(), t.side.tolist(), strict=True
    ):
        key = (price, side)
        fresh = price != last_price or ts - printed.get(key, 0) > 2 * SECOND
        last_price, printed[key] = price, ts
        if fresh or not bursts[key]:
            bursts[key].append([ts, 0])
        bursts[key][-1][1] += size
        for k in range(1, 12):  # a print beyond a level breaks the bursts at it
            if k > LIMIT["absorption_max_displacement"]:
                bursts.pop((price - side * k, side), None)
        window = LIMIT["absorption_window_ms"] * 1_000_000
        counted = [b for b in bursts[key] if b[0] > ts - window and b[1] >= LIMIT["big_trade"]]
        bursts[key] = [b for b in bursts[key] if b[0] > ts - window]
        if (
            len(counted) >= LIMIT["absorption_min_attempts"]
            and sum(b[1] for b in counted) >= LIMIT["absorption_min_volume"]
            and ts >= muted.get(key, 0)
        ):
            muted[key] = ts + int(window)
            bursts[key].clear()
            found[int(np.searchsorted(bars.ts, ts, "right")) - 1] = -side
    return found


def find_initiative(market: DemoMarket, bars: Bars) -> dict[int, int]:
    found = {}
    for i in range(10, len(bars.ts)):
        body, delta = bars.close[i] - bars.open[i], bars.delta[i]
        usual = bars.volume[max(0, i - 50) : i].mean()
        if (
            abs(delta) >= LIMIT["initiative_min_delta"]
            and bars.volume[i] >= LIMIT["initiative_min_acceleration"] * usual
            and abs(body) >= LIMIT["initiative_min_body"]
            and body * delta > 0
        ):
            found[i] = int(np.sign(delta))
    return found


def find_sweep(market: DemoMarket, bars: Bars) -> dict[int, int]:
    t, found = market.trades, {}
    window = LIMIT["sweep_max_time_ms"] * 1_000_000
    first = np.searchsorted(t.ts, t.ts - window, "right")
    muted = 0
    for i, start in enumerate(first.tolist()):
        if i - start + 1 < LIMIT["sweep_min_levels"] or t.ts[i] < muted:
            continue
        part = slice(start, i + 1)
        mine = t.side[part] == t.side[i]
        prices, sizes = t.price[part][mine], t.size[part][mine]
        levels = np.unique(prices)
        if (
            len(levels) >= LIMIT["sweep_min_levels"]
            and np.ptp(levels) >= LIMIT["sweep_min_span"]
            and sizes.sum() >= 0.8 * t.size[part].sum()
            and sizes.sum() / len(levels) <= LIMIT["sweep_max_volume_per_level"]
        ):
            muted = t.ts[i] + 5 * SECOND
            found[int(np.searchsorted(bars.ts, t.ts[i], "right")) - 1] = int(t.side[i])
    return found


def find_exhaustion(market: DemoMarket, bars: Bars) -> dict[int, int]:
    found = {}
    for i in range(3, len(bars.ts)):
        part = slice(i - 3, i + 1)
        high, low, volume, delta = (x[part] for x in (bars.high, bars.low, bars.volume, bars.delta))
        up = high[3] > high[:3].max()
        down = low[3] < low[:3].min()
        if up == down:
            continue
        way = 1 if up else -1
        slope = np.array([-1.5, -0.5, 0.5, 1.5])
        if (
            (volume[0] - volume[3]) / volume[0] >= LIMIT["exhaustion_min_decline"]
            and (np.diff(volume) > 0).sum() <= 1
            and slope @ volume < 0
            and slope @ (way * delta) < 0
        ):
            found[i] = -way
    return found


def find_divergence(market: DemoMarket, bars: Bars) -> dict[int, int]:
    found = {}
    session = bars.ts // market.config.session_ns
    for i in range(1, len(bars.ts)):
        start = max(i - 10, int(np.searchsorted(session, session[i])))
        if i - start < 2:
            continue
        cvd = np.cumsum(bars.delta[start : i + 1])
        for way, edge in ((1, bars.high), (-1, -bars.low)):
            prior = edge[start:i]
            if edge[i] <= prior.max():
                continue
            top = int(np.argmax(prior))
            push, since = (way * cvd[: top + 1]).max(), (way * cvd[top + 1 :]).max()
            if (
                push >= LIMIT["divergence_min_push"]
                and since < LIMIT["divergence_max_ratio"] * push
            ):
                found[i] = -way
    return found


FINDERS = {
    "absorption_m1": find_absorption_m1,
    "absorption_m2": find_absorption_m2,
    "initiative": find_initiative,
    "sweep": find_sweep,
    "exhaustion": find_exhaustion,
    "divergence": find_divergence,
}


def bar_of(bars: Bars, plant: Planted) -> int:
    return int(np.searchsorted(bars.ts, plant.ts_end, "right")) - 1


@pytest.mark.parametrize("kind", list(FINDERS))
def test_planted_patterns_are_found_and_little_else(
    market: DemoMarket, bars: Bars, kind: str
) -> None:
    found = FINDERS[kind](market, bars)
    real = {bar_of(bars, p): p.side for p in market.planted if p.kind == kind and not p.near_miss}
    hits = sum(found.get(bar) == side for bar, side in real.items())
    assert len(real) >= 8
    assert hits >= 0.9 * len(real)
    assert hits >= 0.8 * len(found)


@pytest.mark.parametrize("kind", list(FINDERS))
def test_near_misses_do_not_fire(market: DemoMarket, bars: Bars, kind: str) -> None:
    found = FINDERS[kind](market, bars)
    near = [bar_of(bars, p) for p in market.planted if p.kind == kind and p.near_miss]
    assert len(near) >= 3
    assert [bar for bar in near if bar in found] == []


# -- the tape and the book ------------------------------------------------------------------------


def test_every_trade_meets_the_displayed_book(market: DemoMarket) -> None:
    trades, deltas = market.trades, market.deltas
    book: dict[int, dict[int, int]] = {1: {}, -1: {}}
    columns = [
        c.tolist()
        for c in (deltas.ts, deltas.action, deltas.side, deltas.price, deltas.size, deltas.last)
    ]
    rows = list(zip(*columns, strict=True))
    at = 0

    def update_to(ts: int) -> None:
        nonlocal at
        while at < len(rows) and rows[at][0] < ts:
            _, action, side, price, size, last = rows[at]
            at += 1
            if action == 4:
                book[1].clear()
                book[-1].clear()
            elif action == 3:
                del book[side][price]  # a deleted level was there
            else:
                assert (price in book[side]) == (action == 2)
                assert size > 0
                book[side][price] = size
            if last:
                assert max(book[1]) < min(book[-1])
                assert 10 <= len(book[1]) <= 20
                assert 10 <= len(book[-1]) <= 20

    last_ts = 0
    for ts, price, size, side in zip(
        trades.ts.tolist(),
        trades.price.tolist(),
        trades.size.tolist(),
        trades.side.tolist(),
        strict=True,
    ):
        if ts != last_ts:
            update_to(ts)
            taken: dict[int, int] = defaultdict(int)
            last_ts = ts
        passive = book[-side]
        taken[price] += size
        assert passive[price] >= taken[price] > 0
        better = [p for p in passive if (p - price) * side < 0]
        assert all(taken[p] == passive[p] for p in better)  # best prices first, each to its end


def test_times_ids_and_sequences_run_forward(market: DemoMarket) -> None:
    trades, deltas = market.trades, market.deltas
    assert np.all(np.diff(trades.ts) >= 0)
    assert np.all(np.diff(trades.trade_id) == 1)
    assert np.all(np.diff(deltas.ts) >= 0)
    step = np.diff(deltas.sequence)
    assert np.array_equal(step, deltas.last[:-1])
    assert np.all(trades.ts % 1000 == 0)
    start, config = market.config.start_ns, market.config
    assert trades.ts[0] >= start
    assert trades.ts[-1] < start + config.sessions * config.session_ns
    assert not np.intersect1d(trades.ts, deltas.ts).size


def test_orders_that_sweep_print_one_time_and_consecutive_prices(market: DemoMarket) -> None:
    t = market.trades
    same = np.diff(t.ts) == 0
    assert 0.05 < same.mean() < 0.6
    assert np.all(t.side[1:][same] == t.side[:-1][same])
    assert np.all((np.diff(t.price) == t.side[1:])[same])


def test_same_seed_same_market_and_another_seed_another() -> None:
    small = {"sessions": 2, "session_hours": 2, "planted": 1, "near_misses": 1}
    one, two = generate(DemoConfig(**small)), generate(DemoConfig(**small))
    assert all(
        np.array_equal(getattr(one.trades, n), getattr(two.trades, n))
        for n in ("ts", "price", "size", "side")
    )
    assert np.array_equal(one.deltas.size, two.deltas.size)
    assert one.planted == two.planted
    other = generate(DemoConfig(seed=2, **small))
    assert not np.array_equal(one.trades.price[:500], other.trades.price[:500])


def test_the_flow_looks_like_a_market(market: DemoMarket, bars: Bars) -> None:
    spread = bars.high - bars.low
    assert 18 <= np.median(spread) <= 45
    assert 0.3 < np.corrcoef(bars.delta, bars.close - bars.open)[0, 1] < 0.95
    size = market.trades.size
    assert np.percentile(size, 99) > 5 * np.median(size)  # a heavy tail
    gaps = np.diff(market.trades.ts)
    gaps = gaps[gaps > 0]
    assert gaps.std() > 1.15 * gaps.mean()  # more bunched than a Poisson process
    volume = bars.volume.astype(float)
    assert np.corrcoef(volume[1:], volume[:-1])[0, 1] > 0.3  # activity clusters
    by_time = volume.reshape(market.config.sessions, -1).mean(0)
    third = len(by_time) // 6
    edges = np.concatenate((by_time[:third], by_time[-third:])).mean()
    assert edges > 1.2 * by_time[2 * third : 4 * third].mean()  # a U over the session


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("sessions", 0, ">= 1"),
        ("session_hours", 5, "a divisor of 24"),
        ("bar_seconds", 50, "a divisor of 3600"),
        ("start", "8 January", "YYYY-MM-DD"),
        ("range_ticks", 100.0, r"in \[10, 60\]"),
        ("ofi_alpha", 2.0, r"in \[-1, 1\]"),
        ("power", 0.0, "> 0"),
    ],
)
def test_bad_parameters_are_named(name: str, value: object, rule: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be {rule}"):
        DemoConfig(**{name: value})
