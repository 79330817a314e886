"""A recorded market: every bar equals a recount of the file; the catalog keeps what was found."""

import gzip
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from of_nautilus.data import FootprintBar, PatternSignal
from tests.market import BTC, actor, backtest, ingested, journal

# Low thresholds, so that the few minutes hold dozens of signals to compare.
FLOW = {
    "bar_size": 5.0,
    "session": "30min",
    "thresholds": "absolute",
    "absorption": {
        "min_volume": 1.0,
        "big_trade": 0.2,
        "hold_s": 1.0,
        "min_trades": 3,
    },
}
MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def file(real_data: Path) -> Path:
    return real_data / "binance" / "usdm_btcusdt_20240808.gz"


@pytest.fixture(scope="module")
def catalog(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ingested([file], BTC, tmp_path_factory.mktemp("btc") / "catalog")


@pytest.mark.slow
def test_every_bar_equals_a_plain_recount_of_the_file(file, catalog, tmp_path) -> None:
    bars: dict[int, list[float]] = defaultdict(lambda: [0, 0])
    total = 0
    last = 0
    with gzip.open(file, "rt") as lines:
        for line in lines:
            message: Any = json.loads(line.partition(" ")[2])
            trade = message.get("data", {})
            if trade.get("e") != "trade" or trade["X"] != "MARKET":
                continue
            lots = round(float(trade["q"]) * 1000)
            bars[trade["T"] - trade["T"] % MINUTE_MS][0 if trade["m"] else 1] += lots
            total += lots
            last = trade["T"]
    result = backtest(catalog, tmp_path, BTC, [journal(catalog), actor({})])
    found = {bar.open_ts // 10**6: bar for bar in _journal(catalog, FootprintBar)}
    still_open = last - last % MINUTE_MS
    assert sorted(found) == sorted(set(bars) - {still_open})
    for opened, (bid, ask) in bars.items():
        if opened == still_open:
            continue
        bar = found[opened].bar()
        assert (bar.sell, bar.buy, bar.delta) == (bid, ask, ask - bid)
        assert bar.cells[:, :3].sum(axis=0).tolist() == [bid, ask, 0]
    _, flow = result.actors
    assert sum(b.bar().volume for b in found.values()) + sum(bars[still_open]) == total
    assert flow.engine.quality["trades"] == 21_313


@pytest.mark.slow
def test_signals_in_the_catalog_read_back_as_they_were(catalog, tmp_path) -> None:
    actors = [journal(tmp_path / "journal"), actor(FLOW)]
    _, flow = backtest(catalog, tmp_path, BTC, actors).actors
    read = [data.signal() for data in _journal(tmp_path / "journal", PatternSignal)]
    assert read == flow.signals
    assert len(read) > 20


def _journal(catalog: Path, kind: type[Any]) -> list[Any]:
    from nautilus_trader.persistence.catalog import ParquetDataCatalog

    return [row.data for row in ParquetDataCatalog(str(catalog)).query(kind, identifiers=[BTC])]
