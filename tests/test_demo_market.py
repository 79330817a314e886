"""The synthetic market: its book, its tape, and whether its planted patterns can be found."""

import json
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

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
    assert len(real) >= 6
    assert hits >= 0.9 * len(real)
    assert hits >= 0.8 * len(found)


@pytest.mark.parametrize("kind", list(FINDERS))
def test_near_misses_do_not_fire(market: DemoMarket, bars: Bars, kind: str) -> None:
    found = FINDERS[kind](market, bars)
    near = [bar_of(bars, p) for p in market.planted if p.kind == kind and p.near_miss]
    assert len(near) >= 2
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
        ("range_ticks", 100.0, r"in \[15, 45\]"),
        ("ofi_alpha", 2.0, r"in \[-1, 1\]"),
        ("power", 0.0, "> 0"),
    ],
)
def test_bad_parameters_are_named(name: str, value: object, rule: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be {rule}"):
        DemoConfig(**{name: value})


# -- the scripted trades, the planted relation, the catalog ---------------------------------------


def test_every_script_is_played_at_the_last_value_area(market: DemoMarket, bars: Bars) -> None:
    played = [p for p in market.planted if p.episode and p.kind.startswith("absorption")]
    names = {p.episode for p in played}
    assert names == {
        "target", "break_even", "trail", "exhausted", "stop", "session_end", "halt", "diverged",
    }  # fmt: skip
    assert sum(p.episode == "halt" for p in played) >= 4 + 2
    for p in played:
        _, val, vah = market.value_areas[p.session - 1]
        level, bar = (val if p.side > 0 else vah), bar_of(bars, p)
        assert bars.low[bar] <= level + 1
        assert bars.high[bar] >= level - 1


def test_scripted_trades_end_as_they_should(market: DemoMarket, bars: Bars) -> None:
    """Follow price from the close of the absorption's bar with a stop of twice the usual range."""
    outcome: dict[str, list[str]] = defaultdict(list)
    for p in market.planted:
        if not (p.episode and p.kind.startswith("absorption")):
            continue
        bar = bar_of(bars, p)
        usual = np.median((bars.high - bars.low)[max(0, bar - 240) : bar])
        _, val, vah = market.value_areas[p.session - 1]
        last = min(int(np.searchsorted(bars.ts, p_end(market, p))), bar + 60)
        warned = [
            bar_of(bars, q)
            for q in market.planted
            if (q.session, q.episode, q.side) == (p.session, p.episode, -p.side)
            and q.kind in ("exhaustion", "divergence")
        ]
        if warned:  # the exit signal ends the trade
            last = warned[0] + 2
        path = p.side * (market.trades.price[bars.end[bar] : bars.end[last - 1]] - bars.close[bar])
        goal = p.side * ((vah if p.side > 0 else val) - bars.close[bar])
        lost = np.flatnonzero(path <= -2 * usual)
        won = np.flatnonzero(path >= goal)
        first_lost = lost[0] if len(lost) else len(path)
        first_won = won[0] if len(won) else len(path)
        if first_won < first_lost:
            outcome[p.episode].append("target")
        elif not len(lost):
            outcome[p.episode].append("open")
        else:
            best = path[:first_lost].max(initial=0)
            outcome[p.episode].append("turned" if best > 1.2 * usual else "stop")
    assert outcome["target"] == ["target"]
    assert outcome["stop"] == ["stop"]
    assert outcome["session_end"] == ["open"]
    assert set(outcome["halt"][:3]) <= {"stop", "turned"}  # lost, whatever came before
    assert outcome["exhausted"] == outcome["diverged"] == ["open"]  # until the exit signal
    # A profit first: a stop moved to the entry, or behind the second initiative, is then hit.
    for name, moves in (("break_even", 1), ("trail", 2)):
        assert outcome[name] in (["turned"], ["open"], ["target"])
        [entry] = [p for p in market.planted if p.episode == name and p.kind[:4] == "abso"]
        pushes = [p for p in market.planted if p.episode == name and p.kind == "initiative"]
        assert len(pushes) == moves
        start, end = bar_of(bars, entry), bar_of(bars, pushes[-1])
        gains = [entry.side * (bars.close[bar_of(bars, p)] - bars.close[start]) for p in pushes]
        usual = np.median((bars.high - bars.low)[max(0, start - 240) : start])
        assert min(gains) > usual
        stop = 0 if moves == 1 else gains[0]
        back = entry.side * (market.trades.price[bars.end[end] : bars.end[end + 20]])
        assert back.min() <= entry.side * bars.close[start] + stop


def p_end(market: DemoMarket, plant: Planted) -> int:
    return market.config.start_ns + (plant.session + 1) * market.config.session_ns


def test_planted_flow_also_exceeds_what_is_usual(market: DemoMarket, bars: Bars) -> None:
    """Thresholds taken from the last 240 bars let the planted absorptions and initiatives pass."""
    for p in market.planted:
        if p.near_miss or p.kind not in ("absorption_m1", "initiative"):
            continue
        bar = bar_of(bars, p)
        past = slice(max(0, bar - 240), bar)
        assert abs(bars.delta[bar]) > 1.5 * np.percentile(np.abs(bars.delta[past]), 75)
        if p.kind == "initiative":
            usual = np.median((bars.high - bars.low)[past])
            assert abs(bars.close[bar] - bars.open[bar]) >= 0.5 * usual


def relation(market: DemoMarket) -> tuple[float, float, float]:
    """Rank correlation of the next minute's move with flow and with what was planted; its error."""
    t, minute = market.trades, 60 * SECOND
    grid = np.arange(market.config.start_ns + minute, t.ts[-1] - minute, minute)
    middle = t.price - 0.5 * t.side
    at = np.searchsorted(t.ts, grid + np.array([[-minute], [0], [minute]])) - 1
    flow = np.concatenate(([0], np.cumsum(t.size * t.side)))
    past = flow[at[1] + 1] - flow[at[0] + 1]
    ahead = middle[at[2]] - middle[at[1]]

    def ranks(x: np.ndarray) -> np.ndarray:
        return np.argsort(np.argsort(x))

    lead = market.lead[: len(grid)]
    return (
        float(np.corrcoef(ranks(past), ranks(ahead))[0, 1]),
        float(np.corrcoef(ranks(lead), ranks(ahead))[0, 1]) if lead.any() else 0.0,
        1 / np.sqrt(len(grid)),
    )


@pytest.mark.parametrize("alpha", [0.0, 0.3, -0.3])
def test_flow_tells_the_next_minute_only_where_that_is_planted(alpha: float) -> None:
    nothing_else = {"planted": 0, "near_misses": 0, "episodes": False}
    market = generate(DemoConfig(seed=11, sessions=10, ofi_alpha=alpha, **nothing_else))
    seen, best, error = relation(market)
    if alpha == 0.0:
        assert abs(seen) < 3 * error
        assert not market.lead.any()
    else:
        assert seen * np.sign(alpha) > 4 * error
        assert abs(best) == pytest.approx(abs(alpha), abs=0.08)  # `lead` carries the sign itself
        assert best > abs(seen)


def test_longer_bars_hold_the_same_patterns() -> None:
    market = generate(DemoConfig(bar_seconds=300, session_hours=24))
    bars = Bars.of(market)
    for kind, find in FINDERS.items():
        found = find(market, bars)
        real = [bar_of(bars, p) for p in market.planted if p.kind == kind and not p.near_miss]
        assert len(real) >= 4, kind
        assert sum(bar in found for bar in real) >= 0.9 * len(real), kind


def test_no_order_of_the_background_sweeps_like_a_planted_one(market: DemoMarket) -> None:
    planted = [(p.ts_start, p.ts_end) for p in market.planted if p.kind == "sweep"]
    t = market.trades
    starts = np.flatnonzero(np.diff(t.ts, prepend=-1))
    span = np.maximum.reduceat(t.price, starts) - np.minimum.reduceat(t.price, starts)
    for ts in t.ts[starts[span >= 6]].tolist():
        assert any(start <= ts <= end for start, end in planted)


def test_the_catalog_holds_the_market(tmp_path: Path) -> None:
    from nautilus_trader.model.enums import BookAction, RecordFlag
    from nautilus_trader.persistence.catalog import ParquetDataCatalog

    from of_nautilus.demo.catalog import write_catalog
    from of_nautilus.ingest.columns import read_deltas, read_trades

    market = generate(DemoConfig(sessions=2, session_hours=1, planted=1, near_misses=1))
    shares: list[float] = []
    instrument = write_catalog(market, tmp_path, shares.append)
    assert shares[-1] == 1.0
    catalog = ParquetDataCatalog(tmp_path)
    assert catalog.instruments() == [instrument]
    trades = catalog.trade_ticks([str(instrument.id)])
    assert [round(float(t.price) * 10) for t in trades] == market.trades.price.tolist()
    assert [round(float(t.size) * 1000) for t in trades] == market.trades.size.tolist()
    assert [str(t.trade_id) for t in trades[:3]] == ["1", "2", "3"]
    deltas = catalog.order_book_deltas([str(instrument.id)])
    assert deltas[0].action == BookAction.CLEAR
    assert sum(d.flags & RecordFlag.F_LAST > 0 for d in deltas) == market.deltas.last.sum()
    messages = read_deltas(tmp_path, instrument.id).ts_init[market.deltas.last > 0]
    times = np.concatenate((read_trades(tmp_path, instrument.id).ts_init, messages))
    assert len(np.unique(times)) == len(times)  # one time for each message, across both kinds
    planted = json.loads((tmp_path / "planted.json").read_text())["planted"]
    assert [p["kind"] for p in planted] == [p.kind for p in market.planted]
    before = sorted(f.name for f in tmp_path.rglob("*.parquet"))
    write_catalog(market, tmp_path)  # again: replaced, not doubled
    assert sorted(f.name for f in tmp_path.rglob("*.parquet")) == before


@pytest.mark.slow
def test_two_million_trades_in_seconds() -> None:
    config = DemoConfig(sessions=15, session_hours=24, planted=60, near_misses=20)
    generate(DemoConfig(sessions=1, session_hours=1))  # compiled
    before = time.process_time()
    market = generate(config)
    assert len(market.trades) > 1_800_000
    assert time.process_time() - before < 6
