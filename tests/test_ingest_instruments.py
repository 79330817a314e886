"""Instrument definitions: presets, venues' metadata files, bare increments."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from nautilus_trader.model.instruments import Cfd, CryptoPerpetual, CurrencyPair, Equity
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.instruments import PRESETS, find_instrument
from of_nautilus.ingest.writer import CatalogWriter
from tests.fixtures_ingest import PERP, fields_of

FUTURES = {
    "timezone": "UTC",
    "symbols": [
        {
            "symbol": "SOLUSDT",
            "contractType": "PERPETUAL",
            "baseAsset": "SOL",
            "quoteAsset": "USDT",
            "marginAsset": "USDT",
            "pricePrecision": 4,
            "filters": [
                {"filterType": "PRICE_FILTER", "tickSize": "0.0100", "minPrice": "0.4200"},
                {"filterType": "LOT_SIZE", "stepSize": "1", "minQty": "1"},
                {"filterType": "MIN_NOTIONAL", "notional": "5"},
            ],
        },
        {"symbol": "BTCUSDT_250328", "contractType": "CURRENT_QUARTER", "filters": []},
    ],
}
SPOT = {
    "symbols": [
        {
            "symbol": "SOLUSDT",
            "baseAsset": "SOL",
            "quoteAsset": "USDT",
            "filters": [
                {"filterType": "PRICE_FILTER", "tickSize": "0.01000000"},
                {"filterType": "LOT_SIZE", "stepSize": "0.00100000"},
                {"filterType": "NOTIONAL", "minNotional": "5.00000000"},
            ],
        }
    ]
}
BYBIT = {
    "retCode": 0,
    "result": {
        "category": "linear",
        "list": [
            {
                "symbol": "SOLUSDT",
                "contractType": "LinearPerpetual",
                "baseCoin": "SOL",
                "quoteCoin": "USDT",
                "priceFilter": {"tickSize": "0.010"},
                "lotSizeFilter": {"qtyStep": "0.1", "minNotionalValue": "5"},
            },
            {
                "symbol": "BTCUSD",
                "contractType": "InversePerpetual",
                "baseCoin": "BTC",
                "quoteCoin": "USD",
            },
        ],
    },
}
BYBIT_SPOT = {
    "result": {
        "list": [
            {
                "symbol": "SOLUSDT",
                "baseCoin": "SOL",
                "quoteCoin": "USDT",
                "priceFilter": {"tickSize": "0.01"},
                "lotSizeFilter": {"basePrecision": "0.001"},
            }
        ]
    }
}


def save(folder: Path, answer: Any) -> Path:
    path = folder / "info.json"
    path.write_text(json.dumps(answer))
    return path


@pytest.mark.parametrize("instrument_id", sorted(PRESETS))
def test_presets_survive_the_catalog(instrument_id: str, tmp_path: Path) -> None:
    preset = find_instrument(instrument_id)
    assert str(preset.id) == instrument_id
    catalog = ParquetDataCatalog(str(tmp_path))
    catalog.write_data([preset])
    (read,) = catalog.instruments()
    assert fields_of(read) == fields_of(preset)


def test_the_perpetuals_preset_is_the_venues_definition() -> None:
    preset = find_instrument(PERP)
    assert (str(preset.price_increment), preset.price_precision) == ("0.10", 2)
    assert (str(preset.size_increment), preset.size_precision) == ("0.001", 3)
    assert preset.min_notional.as_decimal() == 100
    assert (preset.maker_fee, preset.taker_fee) == (Decimal("0.0002"), Decimal("0.0005"))
    assert (preset.margin_init, preset.margin_maint) == (Decimal("0.05"), Decimal("0.025"))


@pytest.mark.parametrize(
    ("answer", "instrument_id", "kind", "tick", "lot", "notional"),
    [
        (FUTURES, "SOLUSDT-PERP.BINANCE", CryptoPerpetual, "0.0100", "1", 5),
        (SPOT, "SOLUSDT.BINANCE", CurrencyPair, "0.01000000", "0.00100000", 5),
        (BYBIT, "SOLUSDT-LINEAR.BYBIT", CryptoPerpetual, "0.010", "0.1", 5),
        (BYBIT_SPOT, "SOLUSDT-SPOT.BYBIT", CurrencyPair, "0.01", "0.001", None),
    ],
)
def test_venues_metadata_defines_instruments(
    answer: Any,
    instrument_id: str,
    kind: type,
    tick: str,
    lot: str,
    notional: int | None,
    tmp_path: Path,
) -> None:
    made = find_instrument(instrument_id, metadata=save(tmp_path, answer))
    assert type(made) is kind
    assert (str(made.price_increment), str(made.size_increment)) == (tick, lot)
    assert made.raw_symbol.value == "SOLUSDT"
    assert (str(made.base_currency), str(made.quote_currency)) == ("SOL", "USDT")
    limit = made.min_notional
    assert (None if limit is None else limit.as_decimal()) == notional


@pytest.mark.parametrize(
    ("answer", "instrument_id", "message"),
    [
        (FUTURES, "DOGEUSDT-PERP.BINANCE", "does not hold the symbol DOGEUSDT"),
        (FUTURES, "BTCUSDT_250328.BINANCE", "CURRENT_QUARTER, not as a perpetual"),
        (BYBIT, "BTCUSD-INVERSE.BYBIT", "InversePerpetual, not as a linear"),
        ({"code": -1}, "SOLUSDT.BINANCE", "is no exchangeInfo and no instruments-info"),
        ({"symbols": [{"symbol": "SOLUSDT"}]}, "SOLUSDT.BINANCE", "is no exchangeInfo"),
    ],
)
def test_bad_metadata_is_said(
    answer: Any, instrument_id: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(IngestError, match=message):
        find_instrument(instrument_id, metadata=save(tmp_path, answer))


def test_a_metadata_file_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="No such file"):
        find_instrument("SOLUSDT.BINANCE", metadata=tmp_path / "absent.json")
    (tmp_path / "x.json").write_text("<html>")
    with pytest.raises(IngestError, match="save the venue's JSON answer as it came"):
        find_instrument("SOLUSDT.BINANCE", metadata=tmp_path / "x.json")


@pytest.mark.parametrize(
    ("instrument_id", "tick", "lot", "kind"),
    [
        ("DOGEUSDT-PERP.BINANCE", "0.00001", "1", CryptoPerpetual),
        ("DOGEUSDT-LINEAR.BYBIT", "0.00001", "1", CryptoPerpetual),
        ("EUR/USD.SIM", "0.00001", "1000", CurrencyPair),
        ("MSFT.NASDAQ", "0.0100", "1", Equity),
        ("NAS100.BROKER", "0.1", "0.1", Cfd),
    ],
)
def test_increments_alone_define_an_instrument(
    instrument_id: str, tick: str, lot: str, kind: type
) -> None:
    made = find_instrument(instrument_id, price_increment=tick, size_increment=lot)
    assert type(made) is kind
    assert str(made.id) == instrument_id
    assert (str(made.price_increment), made.size_increment.as_decimal()) == (tick, Decimal(lot))


def test_what_nothing_defines_says_what_is_known() -> None:
    with pytest.raises(IngestError, match=r"unknown instrument 'X\.Y'; known are AAPL\.NASDAQ"):
        find_instrument("X.Y")
    with pytest.raises(IngestError, match=r"unknown instrument"):
        find_instrument("X.Y", price_increment="0.1")
    with pytest.raises(IngestError, match="'BTCUSDT' is not an instrument id"):
        find_instrument("BTCUSDT")
    for tick in ("0", "-1", "a"):
        with pytest.raises(IngestError, match=f"above 0, was '{tick}'"):
            find_instrument("X.Y", price_increment=tick, size_increment="1")


def test_a_catalog_knows_what_was_written_into_it(tmp_path: Path) -> None:
    made = find_instrument("DOGEUSDT-PERP.BINANCE", price_increment="0.00001", size_increment="1")
    with CatalogWriter(tmp_path, made):
        pass
    read = find_instrument("DOGEUSDT-PERP.BINANCE", catalog=tmp_path)
    assert fields_of(read) == fields_of(made)
    assert fields_of(find_instrument(PERP, catalog=tmp_path)) == fields_of(find_instrument(PERP))
    with pytest.raises(IngestError, match="unknown instrument"):
        find_instrument("DOGEUSDT-PERP.BINANCE", catalog=tmp_path / "absent")
