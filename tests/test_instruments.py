"""The 31 presets against the published tables."""

from dataclasses import asdict, replace
from decimal import Decimal

import pytest

from of_nautilus.core.sessions import SessionClock
from of_nautilus.core.ticks import MarketScale, row_of
from of_nautilus.instruments import preset, presets
from tests.conftest import vectors


def test_presets_are_those_of_the_vectors() -> None:
    expected = vectors("v11_scanner_instruments")["instruments"]["expected"]
    rows = [
        {name: str(v) if isinstance(v, Decimal) else v for name, v in asdict(p).items()}
        for p in presets().values()
    ]
    assert len(rows) == expected["n"] == 31
    assert rows == expected["rows"]


def test_profile_row_vectors() -> None:
    record = vectors("v11_scanner_instruments")["vp_row"]
    expected = record["expected"]
    for (price, tick, vp_tick), row, low_price in zip(
        record["inputs"]["cases"], expected["row"], expected["low_price"], strict=True
    ):
        scale = MarketScale(Decimal(tick), Decimal(1))
        ticks_per_row = int(Decimal(vp_tick) / Decimal(tick))
        found = row_of(scale.to_ticks(Decimal(price)), ticks_per_row)
        assert found == row
        assert scale.price(found * ticks_per_row) == Decimal(low_price)


def test_every_preset_is_usable() -> None:
    for name, found in presets().items():
        assert found.symbol == name
        assert SessionClock(found.session)
        assert found.ticks_per_row >= 1


def test_unknown_symbol_and_broken_row() -> None:
    with pytest.raises(ValueError, match=r"`symbol` must be one of NAS100, .*, was 'NAS'"):
        preset("NAS")
    with pytest.raises(ValueError, match="`vp_tick`"):
        replace(preset("NAS100"), vp_tick=Decimal("1.05"))
