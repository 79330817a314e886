"""Databento files: table for table what the host's own loader writes."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from nautilus_trader.adapters.databento.loaders import DatabentoDataLoader
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from of_nautilus.ingest import databento
from of_nautilus.ingest.columns import read_deltas, read_quotes, read_trades
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.instruments import find_instrument
from tests.fixtures_ingest import DAY0

ES = "ESH4.GLBX"
SCHEMAS = {"mbo": 0, "mbp-1": 1, "mbp-10": 2, "trades": 4}
RTYPES = {"mbo": 160, "mbp-1": 1, "mbp-10": 10, "trades": 0}


def dbn(schema: str, records: np.ndarray) -> bytes:
    """A file of version 1 without symbol mappings."""
    fixed = struct.pack("<16sHQQQQBBB47x", b"GLBX.MDP3", SCHEMAS[schema], DAY0, 0, 0, 0, 0, 0, 0)
    metadata = fixed + struct.pack("<IIIII", 0, 0, 0, 0, 0)
    return b"DBN\x01" + struct.pack("<I", len(metadata)) + metadata + records.tobytes()


def records(schema: str, count: int = 300) -> np.ndarray:
    rng = np.random.default_rng(2)
    rows = np.zeros(count, databento._TYPES[RTYPES[schema]])
    rows["length"], rows["rtype"] = rows.dtype.itemsize // 4, RTYPES[schema]
    rows["publisher_id"], rows["instrument_id"] = 1, 77
    rows["ts_event"] = rows["ts_recv"] = DAY0 + np.cumsum(rng.integers(1, 10**9, count))
    rows["price"] = 4_800_000_000_000 + 250_000_000 * rng.integers(-20, 20, count)
    rows["size"] = rng.integers(1, 50, count)
    kinds = {"mbo": "ACMTRF", "trades": "T"}.get(schema, "ACT")
    rows["action"] = [ord(kinds[i % len(kinds)]) for i in range(count)]
    rows["side"] = [ord("BAN"[i % 3]) for i in range(count)]
    rows["flags"] = np.where(np.arange(count) % 2, 128, 0)
    rows["sequence"] = 100 + np.arange(count)
    if schema == "mbo":
        rows["order_id"] = 6_412_777_000_000 + np.arange(count)
        rows["side"] = np.where(rows["action"] == ord("R"), ord("N"), rows["side"])
    if "mbp" in schema:
        depth = rows["levels"].shape[1]
        steps = 250_000_000 * np.arange(depth)
        rows["levels"]["bid_px"] = 4_800_000_000_000 - steps
        rows["levels"]["ask_px"] = 4_800_250_000_000 + steps
        for name in ("bid_sz", "ask_sz", "bid_ct", "ask_ct"):
            rows["levels"][name] = rng.integers(1, 99, (count, depth))
    return rows


def host_tables(path: Path, root: Path, trades: bool) -> dict[str, pa.Table]:
    loader = DatabentoDataLoader()
    found = loader.from_dbn_file(
        path, InstrumentId.from_str(ES), price_precision=2, include_trades=trades
    )
    for kind in sorted({type(o).__name__ for o in found}):
        ParquetDataCatalog(str(root)).write_data([o for o in found if type(o).__name__ == kind])
    return tables(root)


def tables(root: Path) -> dict[str, pa.Table]:
    out: dict[str, list[pa.Table]] = {}
    for path in sorted((root / "data").rglob("*.parquet")):
        if path.parent.parent.name != "futures_contract":
            out.setdefault(path.parent.parent.name, []).append(pq.read_table(path))
    return {kind: pa.concat_tables(parts) for kind, parts in out.items()}


@pytest.mark.parametrize("schema", ["mbo", "mbp-1", "mbp-10", "trades"])
def test_every_schema_is_the_hosts_own_table(schema: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{schema}.dbn.zst"
    path.write_bytes(pa.compress(dbn(schema, records(schema)), "zstd", asbytes=True))
    databento.ingest_databento([path], ES, tmp_path / "ours")
    ours = tables(tmp_path / "ours")
    theirs = host_tables(path, tmp_path / "theirs", trades=schema in ("mbo", "mbp-1"))
    if schema == "mbp-10":
        assert ours.pop("trade_tick").num_rows == 100  # which the loader leaves out
    assert ours.keys() == theirs.keys()
    for kind, table in theirs.items():
        assert ours[kind].equals(table), kind


@pytest.mark.parametrize("day", ["20231224", "20231225"])
def test_real_files_are_the_hosts_own_tables(day: str, real_data: Path, tmp_path: Path) -> None:
    path = real_data / "databento" / f"esh4-glbx-mdp3-{day}.mbo.dbn.zst"
    summary = databento.ingest_databento([path], ES, tmp_path / "ours")
    theirs = host_tables(path, tmp_path / "theirs", trades=True)
    ours = tables(tmp_path / "ours")
    assert ours.keys() == theirs.keys()
    for kind, table in theirs.items():
        assert ours[kind].equals(table), kind
    if day == "20231225":
        assert (summary.deltas, summary.trades) == (59_448, 2_973)


def test_one_sided_quotes_are_counted(tmp_path: Path) -> None:
    rows = records("mbp-1", 10)
    rows["levels"]["bid_px"][3] = 2**63 - 1
    path = tmp_path / "x.dbn"
    path.write_bytes(dbn("mbp-1", rows))
    summary = databento.ingest_databento([path], ES, tmp_path / "catalog")
    assert summary.skipped == {"one-sided quote": 1}
    assert len(read_quotes(tmp_path / "catalog", ES)) == 9


def test_trades_of_one_packet_are_kept_apart(tmp_path: Path) -> None:
    rows = records("trades", 4)
    rows["sequence"], rows["ts_recv"] = 5, DAY0
    path = tmp_path / "x.dbn"
    path.write_bytes(dbn("trades", rows))
    databento.ingest_databento([path], ES, tmp_path / "catalog")
    assert len(read_trades(tmp_path / "catalog", ES)) == 4


def test_blocks_cut_records_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databento, "_BLOCK", 1_001)
    rows = records("mbo")
    path = tmp_path / "x.dbn"
    path.write_bytes(dbn("mbo", rows))
    databento.ingest_databento([path], ES, tmp_path / "catalog")
    changes = int(np.isin(rows["action"], [ord(c) for c in "ACMR"]).sum())
    assert len(read_deltas(tmp_path / "catalog", ES)) == changes


def _spoiled(kind: str) -> Any:
    rows = records("trades", 5)
    if kind == "two instruments":
        rows["instrument_id"][3] = 78
    if kind == "decimals":
        rows["price"][3] += 1_000_000
    if kind == "layout":
        rows["rtype"] = 160
    if kind == "length":
        rows["length"][3] = 2
    data = dbn("trades", rows)
    if kind == "cut":
        data = data[:-9]
    if kind == "other":
        data = b"time,price\n1,2\n"
    if kind == "zstd":
        data = pa.compress(data * 50, "zstd", asbytes=True)[:-30]
    return data


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("two instruments", r"line 4: holds several instruments \(77 and 78\)"),
        ("decimals", "price 4.* does not fit the instrument's 2 decimals"),
        ("layout", "unknown layout of record type 160"),
        ("length", "broken record of 8 bytes"),
        ("cut", "ends within a record"),
        ("other", "is no DBN file"),
        ("zstd", "damaged or truncated archive|ends within a record|broken record"),
    ],
)
def test_bad_files_are_said(kind: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.dbn"
    path.write_bytes(_spoiled(kind))
    with pytest.raises(IngestError, match=message):
        databento.ingest_databento([path], ES, tmp_path / "catalog")
    assert not (tmp_path / "catalog").exists()


def test_the_preset_has_the_contracts_grid() -> None:
    instrument = find_instrument(ES)
    assert (str(instrument.price_increment), str(instrument.multiplier)) == ("0.25", "50")
