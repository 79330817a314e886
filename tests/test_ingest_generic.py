"""Any CSV or Parquet file, with a mapping of its columns."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from of_nautilus.ingest.columns import read_quotes, read_trades
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.generic import ingest_generic
from tests.fixtures_ingest import DAY0, PERP

MAPPING = {"price": "px", "size": "vol", "side": "aggressor", "time": "when", "id": "tid"}


def read(root: Path) -> list[tuple[int, int, int, int]]:
    trades = read_trades(root, PERP)
    return list(
        zip(
            (trades.ts_event - DAY0).tolist(),
            trades.price.tolist(),
            trades.size.tolist(),
            trades.side.tolist(),
            strict=True,
        )
    )


EXPECTED = [(0, 6_000_010, 500, 1), (1_500_000_000, 6_000_020, 250, -1)]


@pytest.mark.parametrize(
    ("times", "zone"),
    [
        ((DAY0, DAY0 + 1_500_000_000), "UTC"),
        ((DAY0 // 10**6, DAY0 // 10**6 + 1_500), "UTC"),
        (("2024-08-08T00:00:00Z", "2024-08-08T00:00:01.5Z"), "Asia/Tokyo"),
        (("2024-08-08 09:00:00", "2024-08-08 09:00:01.5"), "Asia/Tokyo"),
        (("2024-08-08T02:00:00+0200", "2024-08-08T02:00:01.5+0200"), "UTC"),
    ],
)
def test_csv_with_every_form_of_time(times: Any, zone: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows = [f"a,{times[0]},7,60000.10,0.5,buy", f"a,{times[1]},8,60000.20,0.25,S"]
    path.write_text("note,when,tid,px,vol,aggressor\n" + "\n".join(rows) + "\n")
    ingest_generic([path], PERP, tmp_path / "catalog", columns=MAPPING, timezone=zone)
    assert read(tmp_path / "catalog") == EXPECTED
    assert read_trades(tmp_path / "catalog", PERP).trade_id.tolist() == [7, 8]


@pytest.mark.parametrize("kind", ["int", "naive", "zoned"])
def test_parquet_with_every_form_of_time(kind: str, tmp_path: Path) -> None:
    times: Any = pa.array([DAY0, DAY0 + 1_500_000_000])
    if kind != "int":
        times = times.cast(pa.timestamp("ns"))
    if kind == "zoned":
        times = times.cast(pa.timestamp("us", "UTC"))
    table = pa.table(
        {
            "when": times,
            "px": pa.array(["60000.10", "60000.20"]).cast(pa.decimal128(12, 2)),
            "vol": pa.array([0.5, 0.25]),
            "aggressor": pa.array([1, -1]),
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    mapping = {k: v for k, v in MAPPING.items() if k != "id"}
    ingest_generic([tmp_path / "x.parquet"], PERP, tmp_path / "catalog", columns=mapping)
    assert read(tmp_path / "catalog") == EXPECTED


def test_trades_of_bare_columns_have_no_side(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"time;price;size\n{DAY0};60000.10;0.5\n{DAY0};60000.10;0.5\n")
    summary = ingest_generic([path], PERP, tmp_path / "catalog", delimiter=";")
    assert summary.trades == 2  # without ids nothing is a repeat
    assert read(tmp_path / "catalog") == [(0, 6_000_010, 500, 0)] * 2


def test_quotes(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"time,b,ask_price,bid_size,ask_size\n{DAY0},60000.10,60000.20,1.5,2.5\n")
    options: dict[str, Any] = {"columns": {"bid_price": "b"}, "kind": "quotes"}
    ingest_generic([path], PERP, tmp_path / "catalog", **options)
    quotes = read_quotes(tmp_path / "catalog", PERP)
    assert (quotes.bid_price[0], quotes.ask_size[0]) == (6_000_010, 2_500)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("time,price,size\nlater,1.0,1\n", {}, "line 2: broken line .time 'later'"),
        (f"time,price\n{DAY0},1.0\n", {}, "line 1: wrong header: no column 'size'"),
        (f"time,price,size\n{DAY0},1.0,\n", {}, "line 2: broken line .no size"),
        (f"time,price,size\n{DAY0},1.0,1\n{DAY0}\n", {}, "line 3: broken line"),
        (f"time,price,size,symbol\n{DAY0},1.0,1,ETH\n", {}, "is of ETH, not of BTCUSDT"),
        ("time,price,size\n", {"columns": {"cost": "x"}}, "unknown field 'cost'"),
        ("time,price,size\n", {"timezone": "Nowhere"}, "unknown time zone 'Nowhere'"),
        (
            "time,price,size\n2024-03-10 02:30:00,1.0,1\n",
            {"timezone": "America/New_York"},
            "line 2: .* does not exist in America/New_York",
        ),
    ],
)
def test_bad_csv_is_said(text: str, options: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(IngestError, match=message):
        ingest_generic([path], PERP, tmp_path / "catalog", **options)
    assert not (tmp_path / "catalog").exists()


BOTH = "time,price,last,size\n", f"{DAY0},1.5,60000.10,0.5\n"


def saved(path: Path, header: str, row: str) -> Path:
    """A table of one row, as the file's ending says; columns other than the time are numbers."""
    if path.suffix == ".csv":
        path.write_text(header + row)
        return path
    values = [pa.array([float(v) if "." in v else int(v)]) for v in row.split(",")]
    pq.write_table(pa.Table.from_arrays(values, header.strip().split(",")), path)
    return path


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_field_is_read_from_the_column_that_is_named_for_it_and_no_other(
    ending: str, tmp_path: Path
) -> None:
    header, row = BOTH
    for number, order in enumerate(([0, 1, 2, 3], [0, 2, 1, 3])):
        swapped = [",".join(line.strip().split(",")[i] for i in order) + "\n" for line in BOTH]
        path = saved(tmp_path / f"x{number}.{ending}", *swapped)
        ingest_generic([path], PERP, tmp_path / f"{number}", columns={"price": "last"})
        assert read(tmp_path / f"{number}") == [(0, 6_000_010, 500, 0)]
    path = saved(tmp_path / f"y.{ending}", header, row)
    for columns, message in (
        ({"price": "close"}, "no column 'close' among time, price, last, size"),
        ({"side": "taker"}, "no column 'taker' among"),
        ({"price": "size"}, "column 'size' stands for two fields"),
    ):
        with pytest.raises(IngestError, match=message):
            ingest_generic([path], PERP, tmp_path / "catalog", columns=columns)
    path = saved(tmp_path / f"z.{ending}", "time,price,price,size\n", row)
    with pytest.raises(IngestError, match="more than one column 'price' among"):
        ingest_generic([path], PERP, tmp_path / "catalog")
    assert not (tmp_path / "catalog").exists()


@pytest.mark.parametrize("delimiter", ["", ";;", "\\t", "é"])
def test_a_delimiter_that_is_not_one_character_is_said(delimiter: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "x.csv", *BOTH)
    with pytest.raises(IngestError, match="is not one character"):
        ingest_generic([path], PERP, tmp_path / "catalog", delimiter=delimiter)


@pytest.mark.parametrize(
    "time",
    [
        pa.array([1_723_075_200.5]),
        pa.array([32_503_680_000], pa.timestamp("s", "UTC")),
        pa.array([32_503_680_000], pa.timestamp("s")),
    ],
    ids=["float", "year 3000", "year 3000 of no zone"],
)
def test_parquet_times_of_another_kind_are_said(time: pa.Array, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"time": time, "price": [1.0], "size": [1.0]}), path)
    with pytest.raises(
        IngestError, match=r"line 1: broken line .time .* is neither a whole number"
    ):
        ingest_generic([path], PERP, tmp_path / "catalog")


def test_a_damaged_page_is_the_files_fault_and_not_the_disks(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    rng = np.random.default_rng(1)
    table = pa.table({"time": DAY0 + np.arange(9_000), "price": rng.random(9_000)})
    table = table.append_column("size", pa.array(rng.random(9_000)))
    pq.write_table(table, path, use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[300:4_000] = b"\xff" * 3_700
    path.write_bytes(content)
    with pytest.raises(IngestError, match=r"x\.parquet: broken file near row 1 .*fetch it again"):
        ingest_generic([path], PERP, tmp_path / "catalog")


def test_bad_parquet_is_said(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"time": [DAY0], "price": [1.0]}), path)
    with pytest.raises(IngestError, match="no column 'size'"):
        ingest_generic([path], PERP, tmp_path / "catalog")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(IngestError, match=r"x\.parquet: broken file"):
        ingest_generic([path], PERP, tmp_path / "catalog")
    with pytest.raises(ValueError, match="`kind` must be trades or quotes, was 'bars'"):
        ingest_generic([path], PERP, tmp_path / "catalog", kind="bars")  # type: ignore[arg-type]
    pq.write_table(pa.table({"time": [DAY0], "price": [1.0], "size": pa.nulls(1)}), path)
    with pytest.raises(IngestError, match="size is null"):
        ingest_generic([path], PERP, tmp_path / "catalog")
    assert np.datetime64(DAY0, "ns") == np.datetime64("2024-08-08")
