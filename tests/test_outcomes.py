"""Outcomes against a plain recount; chance is told from what is planted."""

import numpy as np
import pytest
from nautilus_trader.model.instruments import CryptoPerpetual

from of_nautilus.core.sessions import HOUR, MINUTE, SECOND
from of_nautilus.demo import DemoConfig, generate
from of_nautilus.demo.catalog import delta_columns, demo_instrument, trade_columns, write_catalog
from of_nautilus.ingest.columns import QuoteColumns
from of_nautilus.ingest.writer import CatalogWriter
from of_nautilus.midprice import PricePath, read_path
from of_nautilus.outcomes import (
    BETTER,
    CHANCE,
    TOO_FEW,
    WORSE,
    bootstrap,
    false_discovery,
    p_value,
    random_begins,
    report_card,
    select,
    shuffled_means,
)
from of_nautilus.patterns.signal import Pattern, Signal
from of_nautilus.scan import Found, Market

DAY = 24 * HOUR
PATTERNS = (Pattern.INITIATIVE, Pattern.SWEEP, Pattern.EXHAUSTION, Pattern.DIVERGENCE)


def walk(rng: np.random.Generator, hours: int = 48, spread: int = 1) -> PricePath:
    """A random walk of half ticks, a step about every three seconds."""
    steps = hours * 1200
    ts = np.cumsum(rng.integers(1, 6 * SECOND, steps)) + 5 * DAY
    mid = 200_000 + np.cumsum(rng.choice([-2, -1, 1, 2], steps))
    spans = np.array([[ts[0], ts[-1]]])
    return PricePath(ts, mid, np.full(steps, spread), spans, "quotes")


def signals(
    rng: np.random.Generator,
    path: PricePath,
    count: int,
    pattern: Pattern = Pattern.SWEEP,
    r1: float = 8.0,
) -> list[Found]:
    """Signals at random times, of random sides."""
    ts = np.sort(rng.integers(path.ts[0], path.ts[-1], count))
    return [Found(Signal(int(t), pattern, int(rng.choice([-1, 1])), 0, 50.0, {}), r1) for t in ts]


def naive_outcome(path, ts, side, barrier_ticks, horizon):
    """The result in ticks, what came first, the largest moves: one price after the other."""
    entry = [m for t, m in zip(path.ts, path.mid, strict=True) if t <= ts][-1] / 2
    after = [m / 2 for t, m in zip(path.ts, path.mid, strict=True) if ts < t <= ts + horizon]
    moves = [side * (price - entry) for price in after]
    best, worst = max([0, *moves]), max([0, *(-move for move in moves)])
    for move in moves:
        if abs(move) >= barrier_ticks:
            return move, np.sign(move), best, worst
    return (moves or [0])[-1], 0, best, worst


@pytest.mark.parametrize(("r1", "spread"), [(2.0, 1), (9.0, 1), (9.0, 7)])
def test_cells_are_a_plain_recount(r1, spread) -> None:
    rng = np.random.default_rng(3)
    path = walk(rng, hours=3, spread=spread)
    found = signals(rng, path, 40, r1=r1)
    cells = report_card(found, path, fee_rate=1e-5, draws=50, horizons=(1, 15))
    barrier = max(r1, 4.0, 2 * spread)
    for cell in cells:
        horizon = cell.minutes * MINUTE
        kept = [f.signal for f in found if f.signal.ts + horizon <= path.ts[-1]]
        told = [naive_outcome(path, s.ts, s.side, barrier, horizon) for s in kept]
        entries = [path.mid[np.searchsorted(path.ts, s.ts, "right") - 1] / 2 for s in kept]
        results = np.array([t[0] for t in told])
        costs = np.array(entries) * 1e-5 + spread / 2
        assert cell.signals == len(kept)
        assert cell.target_first == np.mean([t[1] > 0 for t in told])
        assert cell.stop_first == np.mean([t[1] < 0 for t in told])
        assert cell.best_ticks == np.median([t[2] for t in told])
        assert cell.worst_r == np.median([t[3] for t in told]) / (2 * r1)
        assert cell.mean_r == pytest.approx(results.mean() / (2 * r1), abs=1e-12)
        assert cell.net_ticks == pytest.approx((results - costs).mean(), abs=1e-12)
        assert cell.net_r == pytest.approx((results - costs).mean() / (2 * r1), abs=1e-12)


def test_signals_closer_than_the_horizon_are_one_cluster() -> None:
    rng = np.random.default_rng(1)
    path = walk(rng)
    start = int(path.ts[0])
    path = PricePath(
        path.ts,
        path.mid,
        path.spread,
        np.array([[start, start + HOUR], [start + HOUR + 10 * SECOND, int(path.ts[-1])]]),
        "quotes",
    )
    minutes = [0, 4, 8, 13, 55, 60.3, 61]
    found = [
        Found(Signal(start + round(m * MINUTE), Pattern.SWEEP, 1, 0, 50.0, {}), 8.0)
        for m in minutes
    ]
    known = [*found[:2], Found(found[2].signal, float("nan")), *found[2:]]
    picked = select(known, path, 5 * MINUTE, 0.0)
    assert picked.cluster.tolist() == [0, 0, 0, 1, 2, 3, 3]
    late = select(found, path, 6 * MINUTE, 0.0)
    assert len(late) == 6
    assert late.cluster.tolist() == [0, 0, 0, 0, 1, 1]


def test_random_times_are_of_the_same_half_hour_and_fit() -> None:
    rng = np.random.default_rng(5)
    path = walk(rng, hours=60)
    gap = int(path.ts[0]) + 30 * HOUR
    spans = np.array([[path.ts[0], gap], [gap + HOUR, path.ts[-1]]])
    path = PricePath(path.ts, path.mid, path.spread, spans, "quotes")
    horizon = 15 * MINUTE
    picked = select(signals(rng, path, 120), path, horizon, 0.0)
    begins = random_begins(picked, path, horizon, 300, rng)
    heads = np.flatnonzero(np.diff(picked.cluster, prepend=-1))
    lasts = np.append(heads[1:], len(picked)) - 1
    length = picked.ts[lasts] - picked.ts[heads]
    assert begins.shape == (300, len(heads))
    half_hour = 30 * MINUTE
    assert (begins % DAY // half_hour == picked.ts[heads] % DAY // half_hour).all()
    inside = [(begins >= low) & (begins + length + horizon <= high) for low, high in spans]
    assert (inside[0] | inside[1]).all()
    days = [len(np.unique(column // DAY)) for column in begins.T]
    assert max(days) >= 2
    assert all(len(np.unique(column)) > 50 for column in begins.T)


def test_shuffled_sides_turn_whole_clusters() -> None:
    rng = np.random.default_rng(2)
    path = walk(rng)
    picked = select(signals(rng, path, 60), path, 5 * MINUTE, 0.0)
    values = rng.normal(size=len(picked))
    means = shuffled_means(values, picked, 4_000, np.random.default_rng(0))
    heads = np.flatnonzero(np.diff(picked.cluster, prepend=-1))
    side = picked.side[heads]
    sums = np.array([values[picked.cluster == k].sum() for k in range(len(heads))])
    by_hand = [
        (np.random.default_rng(i).permutation(side) * side * sums).sum() / len(values)
        for i in range(4_000)
    ]
    assert means.mean() == pytest.approx(np.mean(by_hand), abs=0.01)
    assert means.std() == pytest.approx(np.std(by_hand), rel=0.05)


def test_interval_widens_with_clusters() -> None:
    rng = np.random.default_rng(4)
    cluster = np.repeat(np.arange(100), 10)
    shared = np.repeat(rng.normal(size=100), 10)
    low, high = bootstrap(shared, cluster, 2_000, rng)
    assert high - low == pytest.approx(2 * 1.96 * shared.std() / 10, rel=0.1)
    low, high = bootstrap(shared, np.arange(1000), 2_000, rng)
    assert high - low == pytest.approx(2 * 1.96 * shared.std() / 1000**0.5, rel=0.1)


def test_p_and_q_by_hand() -> None:
    assert p_value(3.0, np.array([-1.0, 1.0, 4.0, -4.0])) == 3 / 5
    assert p_value(9.0, np.zeros(99)) == 1 / 100
    # p * m / rank, made monotone from the largest down.
    q = false_discovery(np.array([0.005, 0.5, 0.02, 0.03]))
    assert q.tolist() == pytest.approx([0.02, 0.5, 0.04, 0.04])
    assert false_discovery(np.array([0.9, 1.0])).max() == 1.0


def test_few_signals_make_no_statement() -> None:
    rng = np.random.default_rng(8)
    path = walk(rng)
    for count, few in ((29, True), (30, False)):
        spaced = np.linspace(path.ts[0], path.ts[-1] - HOUR, count).astype(np.int64)
        found = [Found(Signal(int(t), Pattern.SWEEP, 1, 0, 50.0, {}), 8.0) for t in spaced]
        (cell,) = report_card(found, path, draws=20, horizons=(5,))
        assert (cell.verdict == TOO_FEW) is few
        assert np.isnan(cell.q) == few
        assert not np.isnan(cell.mean_r)
    crowd = [
        Found(Signal(int(path.ts[9]) + i, Pattern.SWEEP, 1, 0, 50.0, {}), 8.0) for i in range(99)
    ]
    (cell,) = report_card(crowd, path, draws=20, horizons=(5,))
    assert (cell.clusters, cell.verdict) == (1, TOO_FEW)


@pytest.mark.slow
def test_on_a_random_walk_hardly_anything_is_found() -> None:
    reports, said = 40, 0
    cells = 0
    for seed in range(reports):
        rng = np.random.default_rng(seed)
        path = walk(rng, hours=24)
        found = [f for pattern in PATTERNS for f in signals(rng, path, 70, pattern)]
        card = report_card(found, path, draws=200, seed=seed, horizons=(1, 5))
        stated = [cell for cell in card if cell.verdict != TOO_FEW]
        cells += len(stated)
        said += any(cell.verdict != CHANCE for cell in stated)
    assert cells == reports * len(PATTERNS) * 2
    # Where all is chance the rate of false discoveries is that of reports with any: 5% of 40.
    assert said <= 5


def test_p_values_on_a_random_walk_are_even() -> None:
    p = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        path = walk(rng, hours=24)
        # In bunches, which an analysis without clusters takes for more than they are.
        found = signals(rng, path, 40)
        bunched = [
            Found(
                Signal(f.signal.ts + k * SECOND, f.signal.pattern, f.signal.side, 0, 50.0, {}), 8.0
            )
            for f in found
            for k in range(4)
        ]
        (cell,) = report_card(bunched, path, draws=200, horizons=(1,))
        p.append(cell.p)
    # The larger of two p values is rather too large; it must not be too small.
    assert np.mean(np.array(p) <= 0.1) <= 0.15
    assert np.mean(np.array(p) <= 0.5) <= 0.62
    assert np.mean(p) < 0.75


@pytest.mark.parametrize(("sign", "verdict"), [(1, BETTER), (-1, WORSE)])
def test_a_planted_drift_is_found(sign, verdict) -> None:
    rng = np.random.default_rng(11)
    path = walk(rng, hours=24)
    spaced = np.linspace(path.ts[0], path.ts[-1] - HOUR, 90).astype(np.int64)
    sides = rng.choice([-1, 1], 90)
    mid = path.mid.copy()
    for ts, side in zip(spaced, sides, strict=True):
        after = np.clip((path.ts - ts) / (4 * MINUTE), 0, 1)
        mid += np.round(sign * side * 12 * after).astype(np.int64)
    drifting = PricePath(path.ts, mid, path.spread, path.spans, "quotes")
    found = [
        Found(Signal(int(ts), Pattern.SWEEP, int(side), 0, 50.0, {}), 8.0)
        for ts, side in zip(spaced, sides, strict=True)
    ]
    noise = signals(rng, path, 80, Pattern.INITIATIVE)
    card = {(c.pattern, c.minutes): c for c in report_card(noise + found, drifting, draws=500)}
    assert card["sweep", 5].verdict == verdict
    assert card["initiative", 5].verdict == CHANCE
    again = report_card(noise + found, drifting, draws=500)
    assert [str(cell) for cell in again] == [str(cell) for cell in card.values()]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    market = generate(DemoConfig(sessions=1))
    folder = tmp_path_factory.mktemp("demo")
    write_catalog(market, folder)
    return market, folder


def naive_top(market):
    """Time, best bid and ask wherever they change, from plain dictionaries."""
    sides: dict[int, dict[int, int]] = {1: {}, -1: {}}
    rows: list[tuple[int, int, int]] = []
    d = delta_columns(market)
    for i in range(len(d)):
        action, side, price = int(d.action[i]), int(d.side[i]), int(d.price[i])
        if action == 4:
            sides = {1: {}, -1: {}}
        elif action == 3:
            sides[side].pop(price, None)
        else:
            sides[side][price] = int(d.size[i])
        if d.flags[i] & 128 and sides[1] and sides[-1]:
            top = max(sides[1]), min(sides[-1])
            if not rows or rows[-1][1:] != top:
                rows.append((int(d.ts_event[i] + 500) // 1000 * 1000, *top))
    return rows


def test_mid_prices_come_from_the_book(demo) -> None:
    market, folder = demo
    path = read_path(Market(folder, demo_instrument()), [(0, 2**62)])
    assert path.basis == "book"
    rows = naive_top(market)
    by_time = {ts: (bid + ask, ask - bid) for ts, bid, ask in rows}
    for ts, (mid, spread) in list(by_time.items())[:: max(1, len(by_time) // 2000)]:
        (at,) = path.at(np.array([ts]))
        assert (path.mid[at], path.spread[at]) == (mid, spread)
    last = delta_columns(market).ts_event[-1]
    assert path.spans.tolist() == [[path.ts[0], (last + 500) // 1000 * 1000]]


def test_quotes_come_first_and_trades_last(demo, tmp_path) -> None:
    market, _ = demo
    instrument = demo_instrument()
    trades = trade_columns(market)
    with CatalogWriter(tmp_path, instrument) as writer:
        writer.write(trades)
    path = read_path(Market(tmp_path, instrument), [(0, 2**62)])
    assert path.basis == "trades"
    assert (np.diff(path.mid) != 0).all()
    last = trades.price[np.searchsorted(trades.ts_event, path.ts[-1], "right") - 1]
    assert path.mid[-1] == 2 * last
    rows = np.array(naive_top(market)[::50])
    quotes = QuoteColumns(
        1, 3, rows[:, 0], rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 1], rows[:, 1]
    )
    with CatalogWriter(tmp_path, instrument) as writer:
        writer.write(quotes)
    quoted = read_path(Market(tmp_path, instrument), [(0, 2**62)])
    assert quoted.basis == "quotes"
    assert quoted.mid.tolist() == [
        b + a
        for i, (_, b, a) in enumerate(rows.tolist())
        if i == 0 or tuple(rows[i - 1, 1:]) != (b, a)
    ]
    assert isinstance(instrument, CryptoPerpetual)


def quoted(folder, ts) -> PricePath:
    """The path of a catalog with a quote at each time, in sessions of a day."""
    bid = 20_000 + 2 * (np.arange(len(ts)) % 7)
    size = np.ones(len(ts), np.int64)
    with CatalogWriter(folder, demo_instrument()) as writer:
        writer.write(QuoteColumns(1, 3, ts, ts, bid, bid + 1, size, size))
    days = range(int(ts[0] // DAY), int(ts[-1] // DAY) + 1)
    return read_path(Market(folder, demo_instrument()), [(d * DAY, (d + 1) * DAY) for d in days])


def test_neither_signals_nor_chance_reach_into_a_time_without_data(tmp_path) -> None:
    hours = [(0, 9), (12, 33), (36, 57), (60, 72)]
    ts = np.concatenate([np.arange(a * 360, b * 360) for a, b in hours]) * 10 * SECOND + 5 * DAY
    path = quoted(tmp_path, ts)
    assert ((path.spans - 5 * DAY) / HOUR).round(2).tolist() == [list(span) for span in hours]
    at = 5 * DAY + np.arange(8 * HOUR, 13 * HOUR, 5 * MINUTE)
    found = [Found(Signal(int(t), Pattern.SWEEP, 1, 0, 50.0, {}), 8.0) for t in at]
    picked = select(found, path, 30 * MINUTE, 0.0)
    kept = picked.ts - 5 * DAY
    assert kept[kept < 9 * HOUR].max() == 8 * HOUR + 25 * MINUTE
    assert kept[kept > 9 * HOUR].min() == 12 * HOUR
    begins = random_begins(picked, path, 30 * MINUTE, 500, np.random.default_rng(1)) - 5 * DAY
    open_ = [(begins >= a * HOUR) & (begins <= b * HOUR - 30 * MINUTE) for a, b in hours]
    assert np.any(open_, axis=0).all()


def test_how_long_a_market_may_be_silent_follows_from_itself(tmp_path) -> None:
    rng = np.random.default_rng(2)
    ts = 5 * DAY + np.cumsum(rng.exponential(60 * SECOND, 2_000)).astype(np.int64)
    ts[1_000:] += 6 * HOUR
    assert np.diff(ts[:1_000]).max() > 5 * MINUTE
    path = quoted(tmp_path, ts)
    assert path.spans[:, 1].tolist() == pytest.approx([ts[999], ts[-1]], abs=1_000)
