"""The catalog's columns: byte for byte what the host writes, and back."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nautilus_trader.model.data import (
    BookOrder,
    OrderBookDelta,
    OrderBookDepth10,
    QuoteTick,
    TradeTick,
)
from nautilus_trader.model.enums import AggressorSide, BookAction, OrderSide
from nautilus_trader.model.identifiers import TradeId
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from of_nautilus.ingest.columns import (
    KINDS,
    DeltaColumns,
    TradeColumns,
    file_name,
    file_range,
    iter_columns,
    read_columns,
    read_deltas,
    read_quotes,
    read_trades,
)
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.fixedpoint import decode, encode, scaled, to_grid
from of_nautilus.ingest.instruments import find_instrument
from tests.fixtures_ingest import PERP

INSTRUMENT = find_instrument(PERP)
PRICES = ("60000.10", "60000.20", "59999.90", "0.10", "1000000.00")


def _objects(count: int) -> list[object]:
    """Every kind of data, with times in which event and init differ."""
    iid = INSTRUMENT.id
    out: list[object] = []
    for i in range(count):
        price = Price.from_str(PRICES[i % 5])
        size = Quantity.from_str(f"{i + 1}.{i % 1000:03d}")
        event, init = 1_000_000 * i + 5, 1_000_000 * i + 7
        side = (AggressorSide.BUYER, AggressorSide.SELLER, AggressorSide.NO_AGGRESSOR)[i % 3]
        out.append(TradeTick(iid, price, size, side, TradeId(str(i + 100)), event, init))
        out.append(QuoteTick(iid, price, Price.from_str("1000001.30"), size, size, event, init))
        book_side = OrderSide.BUY if i % 2 else OrderSide.SELL
        order = BookOrder(book_side, price, size, i)
        action = (BookAction.ADD, BookAction.UPDATE, BookAction.DELETE)[i % 3]
        out.append(OrderBookDelta(iid, action, order, 128 * (i % 2), 1000 + i, event, init))
        bids = [BookOrder(OrderSide.BUY, price, size, 0)] * 10
        asks = [BookOrder(OrderSide.SELL, Price.from_str("2000000.00"), size, 0)] * 10
        counts = list(range(i, i + 10))
        out.append(OrderBookDepth10(iid, bids, asks, counts, counts[::-1], 0, i, event, init))
    out.append(OrderBookDelta.clear(iid, 5, 10**15, 10**15))
    return out


@pytest.fixture(scope="module")
def host_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("host")
    ParquetDataCatalog(str(root)).write_data(_objects(700))
    return root


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.FOLDER)
def test_columns_encode_to_the_hosts_own_table(kind: type, host_catalog: Path) -> None:
    (path,) = (host_catalog / "data" / kind.FOLDER / PERP).iterdir()
    held = pq.read_table(path)
    ours = read_columns(kind, host_catalog, PERP).to_table(PERP)
    assert ours.schema.equals(held.schema, check_metadata=True)
    assert ours.equals(held)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.FOLDER)
def test_arrays_are_writable_and_contiguous(kind: type, host_catalog: Path) -> None:
    rows = read_columns(kind, host_catalog, PERP)
    for name in rows.__dataclass_fields__:
        values = getattr(rows, name)
        if isinstance(values, np.ndarray):
            assert values.flags.writeable, name
            assert values.flags.c_contiguous, name


def test_columns_hold_plain_integers(host_catalog: Path) -> None:
    trades = read_trades(host_catalog, PERP)
    assert trades.price[:3].tolist() == [6_000_010, 6_000_020, 5_999_990]
    assert trades.size[:2].tolist() == [1_000, 2_001]
    assert trades.side[:3].tolist() == [1, -1, 0]
    assert isinstance(trades.trade_id, np.ndarray)
    assert trades.trade_id[:2].tolist() == [100, 101]
    assert (trades.ts_init - trades.ts_event == 2).all()
    assert read_quotes(host_catalog, PERP).ask_price[0] == 100_000_130
    deltas = read_deltas(host_catalog, PERP)
    assert deltas.side[:2].tolist() == [-1, 1]
    assert deltas.action[-1] == 4
    assert deltas.sequence[0] == 1000


def test_ids_that_are_no_plain_numbers_stay_text() -> None:
    for texts in (["1", "x"], ["007"], ["1", "99999999999999999999"], ["-0"]):
        columns = TradeColumns.from_table(_trade_table(texts))
        assert isinstance(columns.trade_id, pa.Array)
        assert columns.trade_id.to_pylist() == texts
        assert columns.to_table(PERP).equals(_trade_table(texts))


def _trade_table(ids: list[str]) -> pa.Table:
    times = np.arange(len(ids), dtype=np.int64)
    return TradeColumns(
        price_precision=2,
        size_precision=3,
        ts_event=times,
        ts_init=times,
        price=times,
        size=times,
        side=np.zeros(len(ids), np.int8),
        trade_id=pa.array(ids),
    ).to_table(PERP)


@pytest.mark.parametrize(
    ("start", "end", "rows"),
    [(None, None, 700), (7, 7, 1), (8, None, 699), (None, 1_000_007, 2), (7, 2_000_007, 3)],
)
def test_a_range_includes_both_ends(
    start: int | None, end: int | None, rows: int, host_catalog: Path
) -> None:
    assert len(read_trades(host_catalog, PERP, start, end)) == rows


def test_pieces_join_to_the_whole(tmp_path: Path) -> None:
    catalog = ParquetDataCatalog(str(tmp_path), max_rows_per_group=50)
    catalog.write_data([o for o in _objects(700) if isinstance(o, TradeTick)])
    pieces = list(iter_columns(TradeColumns, tmp_path, PERP, rows=100))
    assert len(pieces) == 7
    whole = TradeColumns.joined(pieces)
    assert whole.to_table(PERP).equals(read_trades(catalog, PERP).to_table(PERP))


def test_overlapping_files_are_read_in_time_order(tmp_path: Path) -> None:
    catalog = ParquetDataCatalog(str(tmp_path))
    ticks = [o for o in _objects(60) if isinstance(o, TradeTick)]
    catalog.write_data(ticks[0:40:2])
    catalog.write_data(ticks[1:60:2], skip_disjoint_check=True)
    times = read_trades(tmp_path, PERP).ts_init
    assert (np.diff(times) >= 0).all()
    assert len(times) == 50


def test_what_is_not_there_is_said(tmp_path: Path, host_catalog: Path) -> None:
    with pytest.raises(IngestError, match=r"no catalog there.*ingest data"):
        read_trades(tmp_path / "absent", PERP)
    with pytest.raises(IngestError, match=r"no trade_tick of ETHUSDT\.BINANCE"):
        read_trades(host_catalog, "ETHUSDT.BINANCE")
    with pytest.raises(IngestError, match=r"no trade_tick of .* between 2030-01-01T00-00-00"):
        read_trades(host_catalog, PERP, start=1_893_456_000_000_000_000)


@pytest.mark.parametrize("damage", ["truncate", "metadata", "column"])
def test_a_damaged_file_is_named(damage: str, tmp_path: Path) -> None:
    ParquetDataCatalog(str(tmp_path)).write_data(_objects(3))
    (path,) = (tmp_path / "data" / "trade_tick" / PERP).iterdir()
    if damage == "truncate":
        path.write_bytes(path.read_bytes()[:-20])
    elif damage == "metadata":
        pq.write_table(pq.read_table(path).replace_schema_metadata({}), path)
    else:
        pq.write_table(pq.read_table(path).drop_columns(["size"]), path)
    with pytest.raises(IngestError, match=path.stem):
        read_trades(tmp_path, PERP)


@given(st.integers(0, 16), st.lists(st.integers(-(2**63) + 1, 2**63 - 1), min_size=1))
def test_fixed_point_is_exact_for_every_integer(precision: int, values: list[int]) -> None:
    units = np.array(values, np.int64)
    wire = encode(units, precision)
    as_integers = [int.from_bytes(w.as_py(), "little", signed=True) for w in wire]
    assert as_integers == [v * 10 ** (16 - precision) for v in values]
    assert decode(wire, precision).tolist() == values
    assert decode(wire.slice(1), precision).tolist() == values[1:]


@given(st.integers(0, 9), st.lists(st.integers(0, 10**15), min_size=1))
def test_decimal_text_scales_exactly(precision: int, values: list[int]) -> None:
    texts = [f"{v // 10**precision}.{v % 10**precision:0{precision}d}" for v in values]
    floats = np.array([float(t) for t in texts]) if precision else np.array(values, float)
    units, bad = scaled(floats, precision)
    assert bad == -1
    assert units.tolist() == values


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("1234567890", 123_456_789_000_000_000),
        ("1234567890.5", 123_456_789_050_000_000),
        ("-1234567890.125", -123_456_789_012_500_000),
        ("90000000000", 9_000_000_000_000_000_000),
        ("0.00000001", 1),
    ],
)
def test_large_values_with_few_decimals_scale_exactly(text: str, units: int) -> None:
    scaled_units, bad = scaled(np.array([0.5, float(text)]), 8)
    assert (scaled_units.tolist(), bad) == ([50_000_000, units], -1)


@pytest.mark.parametrize("value", [1234567890.12345678, 1e12, float("nan")])
def test_large_values_that_a_float_cannot_hold_are_found(value: float) -> None:
    assert scaled(np.array([0.5, value]), 8)[1] == 1


@pytest.mark.parametrize("value", [0.001, float("nan"), float("inf"), 1e18, 61800.305])
def test_what_does_not_scale_is_found(value: float) -> None:
    assert scaled(np.array([1.0, 2.5, value, 0.003]), 2)[1] == 2


def test_ticks_are_floored_and_off_grid_is_counted() -> None:
    step = Price.from_str("0.10")
    ticks, off = to_grid(np.array([-3763, -3760, 5, 10]), 2, step)
    assert ticks.tolist() == [-377, -376, 0, 1]
    assert off == 2
    with pytest.raises(IngestError, match="does not fit 0 decimals"):
        to_grid(np.array([1]), 0, step)


def test_file_names_are_ranges() -> None:
    start, end = 1_723_161_256_313_000_000, 1_723_161_601_054_000_001
    name = file_name(start, end)
    assert name == "2024-08-08T23-54-16-313000000Z_2024-08-09T00-00-01-054000001Z.parquet"
    assert file_range(name) == (start, end)
    assert file_range("part-0.parquet") == (0, 2**63 - 1)


def test_joining_refuses_two_precisions() -> None:
    one = DeltaColumns.from_table(_delta_table(2))
    with pytest.raises(IngestError, match="different precisions"):
        DeltaColumns.joined([one, DeltaColumns.from_table(_delta_table(1))])


def _delta_table(precision: int) -> pa.Table:
    one = np.ones(1, np.int64)
    return DeltaColumns(
        price_precision=precision,
        size_precision=3,
        ts_event=one,
        ts_init=one,
        action=one.astype(np.uint8),
        side=one.astype(np.int8),
        price=one,
        size=one,
        order_id=one.astype(np.uint64),
        flags=one.astype(np.uint8),
        sequence=one,
    ).to_table(PERP)
