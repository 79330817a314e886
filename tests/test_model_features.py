"""The feature computer: against a plain recount, streamed against batch, and without a future."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from of_nautilus.core.ticks import MarketScale
from of_nautilus.demo import DemoConfig, generate
from of_nautilus.demo.market import DemoMarket
from of_nautilus.model.computer import ComputerConfig, FeatureComputer, merge_events
from of_nautilus.model.features import COUNT, INDEX, NAMES
from tests.naive import features as naive
from tests.test_core_book import LAST, recorded

S = 1_000_000_000
SCALE = MarketScale(Decimal("0.1"), Decimal("0.001"))
BUCKET = 0.5  # base units


def demo_events(**config) -> np.ndarray:
    return events_of(generate(DemoConfig(**config)))


def events_of(market: DemoMarket) -> np.ndarray:
    """A generated market as merged events."""
    t, d = market.trades, market.deltas
    trades = np.column_stack((t.ts, t.price, t.size, t.side)).astype(np.int64)
    side = np.where(d.side < 0, 2, d.side)
    flags = np.where(d.last, LAST, 0)
    columns = (d.action, side, d.price, d.size, flags, d.sequence, d.ts)
    return merge_events(trades, t.ts, np.column_stack(columns).astype(np.int64), d.ts)


class Taken:
    """A computer and what it handed over."""

    def __init__(self, config: ComputerConfig | None = None) -> None:
        self.parts: list[tuple[np.ndarray, np.ndarray]] = []
        self.computer = FeatureComputer(
            SCALE, config, on_vectors=lambda ts, rows: self.parts.append((ts, rows))
        )

    @property
    def times(self) -> np.ndarray:
        return np.concatenate([ts for ts, _ in self.parts])

    @property
    def rows(self) -> np.ndarray:
        return np.concatenate([rows for _, rows in self.parts])

    def one_by_one(self, events: np.ndarray) -> None:
        """Feed as a live node does: a trade, a message of the book, a trade, ..."""
        start = 0
        for i, event in enumerate(events):
            if event[0] == 0:
                assert start == i
                ts, price, size, side = event[[6, 2, 3, 1]].tolist()
                self.computer.on_trade(ts, price, size, side)
                start = i + 1
            elif event[4] & LAST:
                self.computer.on_book(events[start : i + 1])
                start = i + 1

    def equals(self, other: "Taken") -> bool:
        return (
            self.times.tobytes() == other.times.tobytes()
            and self.rows.tobytes() == other.rows.tobytes()
        )


@pytest.fixture(scope="module")
def events() -> np.ndarray:
    return demo_events(seed=3, sessions=1, session_hours=1)


@pytest.fixture(scope="module")
def batch(events) -> Taken:
    taken = Taken(ComputerConfig(vpin_bucket=BUCKET))
    taken.computer.run(events)
    return taken


def test_every_feature_equals_a_plain_recount(events, batch) -> None:
    mids = list(naive.mids_of(events))
    for t in (1200 * S, 1835 * S, 3590 * S):
        t += int(events[0, 6] // (3600 * S)) * 3600 * S
        told = naive.features(events, t, mids, 0.1, 0.001, round(BUCKET * 1000))
        row = batch.rows[batch.times.tolist().index(t)]
        wrong = {
            name: (row[INDEX[name]], value)
            for name, value in told.items()
            if row[INDEX[name]] != pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True)
        }
        assert wrong == {}
    unknown = {"ofi_int_1m", "dist_poc_ticks", "dist_vah_ticks", "dist_val_ticks"}
    unknown |= {"in_value_area", "bias_signed_conf"}
    of_bars = {"diag_imb_net_1m", "stacked_net_5m", "divergence_flag_signed"}
    of_grid = {"ofi_norm_5m", "ofi_accel_1m"}
    assert set(NAMES) - told.keys() == unknown | of_bars | of_grid
    first = [INDEX[name] for name in unknown]
    assert np.isnan(batch.rows[:, first]).all(), "a first session has no frame"
    norm, accel = batch.rows[:, INDEX["ofi_norm_1m"]], batch.rows[:, INDEX["ofi_accel_1m"]]
    assert accel[20:].tolist() == (norm[20:] - norm[8:-12]).tolist()


def test_vectors_come_every_five_seconds(events, batch) -> None:
    assert set(np.diff(batch.times).tolist()) == {5 * S}
    assert (batch.times % (5 * S) == 0).all()
    assert batch.rows.shape == (len(batch.times), COUNT)
    assert events[-1, 6] - 5 * S <= batch.times[-1] < events[-1, 6]


def test_one_event_at_a_time_gives_the_same_bytes(events, batch) -> None:
    live = Taken(ComputerConfig(vpin_bucket=BUCKET))
    live.one_by_one(events)
    assert live.equals(batch)
    assert live.computer.digest() == batch.computer.digest()


def test_what_comes_later_changes_nothing(events, batch) -> None:
    cut = len(events) * 2 // 3
    changed = events.copy()
    changed[cut:, 3] *= 3
    part, other = (Taken(ComputerConfig(vpin_bucket=BUCKET)) for _ in range(2))
    part.computer.run(events[:cut])
    other.computer.run(changed)
    n = len(part.times)
    assert n > 400
    assert part.rows.tobytes() == batch.rows[:n].tobytes() == other.rows[:n].tobytes()
    assert other.rows[n + 5 :].tobytes() != batch.rows[n + 5 :].tobytes()


def test_a_session_is_framed_by_those_before_it() -> None:
    taken = Taken(ComputerConfig(session="1h"))
    taken.computer.run(demo_events(seed=5, sessions=3, session_hours=1))
    hour = taken.times // (3600 * S) - taken.times[0] // (3600 * S)
    for name in ("dist_poc_ticks", "in_value_area", "bias_signed_conf", "vpin_50", "ofi_int_1m"):
        column = taken.rows[:, INDEX[name]]
        assert np.isnan(column[hour == 0]).all(), name
        assert np.isfinite(column[hour == 2]).mean() > 0.7, name
    distance = [taken.rows[:, INDEX[f"dist_{name}_ticks"]] for name in ("val", "poc", "vah")]
    known = hour > 0
    assert (distance[0][known] >= distance[1][known]).all()
    assert (distance[1][known] >= distance[2][known]).all()
    within = (distance[0] >= 0) & (distance[2] <= 0)
    assert taken.rows[known, INDEX["in_value_area"]].tolist() == within[known].tolist()
    opened = taken.rows[:, INDEX["minutes_since_open"]]
    assert (opened[hour == 2][0], opened.max() < 60) == (0.0, True)
    assert taken.rows[hour == 1, INDEX["minutes_to_close"]][0] == 60.0


def test_silence_and_a_lost_book_give_no_numbers(events) -> None:
    cut = len(events) // 2
    late = events[cut:].copy()
    late[:, 6] += 600 * S
    taken = Taken()
    taken.computer.run(events[:cut])
    taken.computer.mark_gap()
    taken.computer.run(late)
    waits = np.diff(taken.times)
    assert 540 * S <= waits.max() <= 600 * S
    after = taken.rows[int(waits.argmax()) + 1 :]
    for name in ("imb_l1", "spread_bps", "mom_1m_bps", "dist_poc_ticks"):
        assert np.isnan(after[:, INDEX[name]]).all(), name
    assert np.isfinite(after[100:, INDEX["buy_volume_1m"]]).all()


@pytest.mark.parametrize("config", [{"sample_s": 7}, {"sample_s": 0}, {"vpin_bucket": -1.0}])
def test_bad_parameters(config) -> None:
    with pytest.raises(ValueError, match=f"`{next(iter(config))}`"):
        ComputerConfig(**config)


@pytest.mark.slow
def test_a_recorded_market_one_by_one_gives_the_same_bytes(real_data: Path) -> None:
    rows, _, trades = recorded(real_data / "binance" / "usdm_btcusdt_20240808.gz")
    events = merge_events(trades[:, 1:], trades[:, 0], rows, np.arange(len(rows)))
    batch, live = Taken(), Taken()
    batch.computer.run(events)
    live.one_by_one(events)
    assert len(batch.times) > 60
    assert live.equals(batch)
    assert live.computer.digest() == batch.computer.digest()
    assert np.isfinite(batch.rows[:, INDEX["imb_l5"]]).all()
