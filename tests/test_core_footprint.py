"""Footprint bars of every kind against vectors and lists of trades."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from of_nautilus.core import bar_reading, footprint
from of_nautilus.core.footprint import BarKind, ClosedBar
from tests.conftest import vectors
from tests.naive import bars as naive
from tests.recorded import Trades, bitcoin, nexo
from tests.streams import SECOND, quick, tapes

LENGTHS = {
    BarKind.TIME: [1, SECOND, 60 * SECOND],
    BarKind.TICK: [1, 7],
    BarKind.VOLUME: [1, 50, 10**9],
    BarKind.DOLLAR: [1, 10**6],
    BarKind.RANGE: [1, 5, 90],
    BarKind.DELTA: [1, 30],
}
kinds = st.sampled_from([(kind, length) for kind, some in LENGTHS.items() for length in some])


def closed_bars(
    trades: Trades, kind: BarKind, length: int, ticks_per_row: int = 1, rows: int = 2
) -> tuple[list[ClosedBar], ClosedBar | None]:
    """Bars closed by the trades, and the open one."""
    state, cells = footprint.new_footprint(kind, length, ticks_per_row, rows)
    found = []

    def close() -> None:
        found.append(ClosedBar.of(state, cells))
        footprint.next_bar(state, cells)

    for row in trades.rows():
        if footprint.is_due(state[0], row[0]):
            close()
        while (code := footprint.step_footprint(state, cells, *row)) < 0:
            cells = footprint.widen(state[0], cells, row[1])
        if code == 1:
            close()
    return found, ClosedBar.of(state, cells) if state[0].trades else None


def assert_bar(bar: ClosedBar, trades: list, ticks_per_row: int) -> None:
    twin = naive.reading(trades, ticks_per_row)
    assert {name: getattr(bar, name) for name in twin} == twin
    assert bar.cells.tolist() == naive.cells(trades, ticks_per_row)
    assert bar.volume == bar.cells[:, :3].sum()
    assert bar.trades == bar.cells[:, 3:].sum()
    assert bar.delta == bar.cells[:, 1].sum() - bar.cells[:, 0].sum()


@pytest.mark.nojit
@quick
@given(tapes(40), kinds, st.sampled_from([1, 2, 7]))
def test_bars_match_the_twin(
    trades: Trades, shape: tuple[BarKind, int], ticks_per_row: int
) -> None:
    kind, length = shape
    if kind == BarKind.DOLLAR and len(trades.ts) and trades.price.min() <= 0:
        return
    found, still_open = closed_bars(trades, kind, length, ticks_per_row)
    twins, closed = naive.bars(trades.rows(), kind.name, length)
    if still_open:
        found.append(still_open)
        assert not closed
    assert len(found) == len(twins)
    for bar, twin in zip(found, twins, strict=True):
        assert_bar(bar, twin, ticks_per_row)
        if kind == BarKind.TIME:
            assert bar.open_ts == twin[0][0] // length * length
            assert bar.close_ts == bar.open_ts + length
        else:
            assert bar.open_ts == twin[0][0]
    assert sum(bar.volume for bar in found) == trades.size.sum()
    assert sum(bar.delta for bar in found) == (trades.size * trades.side).sum()


@pytest.mark.nojit
def test_published_bar() -> None:
    record = vectors("v02_delta_footprint")["bar"]
    expected = record["expected"]
    state, cells = footprint.new_footprint(BarKind.TIME, 60 * SECOND)
    path = []
    for price, size, name in record["inputs"]["trades_price_qty_side"]:
        footprint.step_footprint(state, cells, 0, price, size, 1 if name == "B" else -1)
        path.append(int(state[0].buy - state[0].sell))
    bar = ClosedBar.of(state, cells)
    assert [bar.open, bar.high, bar.low, bar.close] == [expected[name] for name in "OHLC"]
    for name in ("volume", "buy", "sell", "delta", "delta_min", "delta_max"):
        assert getattr(bar, name) == expected[name]
    assert bar.delta / bar.volume == expected["delta_pct"]
    assert path == expected["delta_path"]
    levels = {str(bar.low_row + i): row[:2].tolist() for i, row in enumerate(bar.cells)}
    assert levels == expected["levels_bid_ask"]
    horizontal = {str(bar.low_row + i): int(row[1] - row[0]) for i, row in enumerate(bar.cells)}
    assert horizontal == expected["horizontal_delta"]
    reading = bar_reading.new_bar_reading()
    bar_reading.step_bar_reading(reading, state, bar.cells)
    found = reading[0]
    assert bar.low_row + found.poc == expected["poc"]
    assert bar.low_row + found.max_delta_row == expected["max_delta_price"]
    assert bar.low_row + found.min_delta_row == expected["min_delta_price"]


@pytest.mark.nojit
def test_bars_of_time_are_aligned_to_the_epoch() -> None:
    record = vectors("v02_delta_footprint")["candle_bucket"]
    opens = []
    for ts in record["inputs"]["ts_ms"]:
        state, cells = footprint.new_footprint(BarKind.TIME, record["inputs"]["tf_ms"])
        footprint.step_footprint(state, cells, ts, 100, 1, 1)
        opens.append(int(state[0].open_ts))
    assert opens == record["expected"]["open_ts"]


@pytest.mark.nojit
@pytest.mark.parametrize(("market", "ticks_per_row"), [(bitcoin, 10), (nexo, 1)])
@pytest.mark.parametrize("kind", list(BarKind))
def test_recorded_markets(real_data: Path, market, ticks_per_row: int, kind: BarKind) -> None:
    trades = market(real_data)[0].first(400)
    length = {"TIME": 5 * SECOND, "TICK": 50, "VOLUME": 5000, "RANGE": 20, "DELTA": 3000}
    size = length.get(kind.name, int((trades.price * trades.size).sum()) // 7)
    found, still_open = closed_bars(trades, kind, size, ticks_per_row)
    twins, _ = naive.bars(trades.rows(), kind.name, size)
    for bar, twin in zip([*found, *filter(None, [still_open])], twins, strict=True):
        assert_bar(bar, twin, ticks_per_row)


@pytest.mark.parametrize("name", ["length", "ticks_per_row", "rows"])
def test_bad_parameters(name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be >= 1, was 0"):
        footprint.new_footprint(**{"kind": BarKind.TIME, "length": 1, name: 0})
