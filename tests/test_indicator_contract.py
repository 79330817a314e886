"""The contract of every indicator of the package, found by discovery."""

import importlib
import inspect
import math
import pkgutil
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import of_nautilus.indicators
from of_nautilus.core.sessions import SECOND
from of_nautilus.core.ticks import MarketScale
from of_nautilus.indicators.base import FlowIndicator, TradeIndicator
from tests.test_indicators_book import ALL as BOOK_INDICATORS

SCALE = MarketScale(Decimal("0.1"), Decimal("0.001"))
LOT = Decimal("0.001")
# How to make each, at parameters that the tape below makes ready; and one bad parameter.
MAKE: dict[str, dict[str, Any]] = {
    "AmihudIlliquidity": {"scale": SCALE, "bar_size": 5.0},
    "BulkVolume": {"scale": SCALE, "bar_size": 5.0},
    "BulkVpin": {"scale": SCALE, "bucket": 1.0, "bar_size": 5.0},
    "CompositeVolumeProfile": {"scale": SCALE, "session": "1min"},
    "CumulativeVolumeDelta": {"lot": LOT},
    "Footprint": {"scale": SCALE, "bar_size": 5.0},
    "FootprintImbalances": {"scale": SCALE, "bar_size": 5.0},
    "KyleLambda": {"scale": SCALE},
    "ParentOrders": {"scale": SCALE},
    "RollSpread": {"scale": SCALE},
    "RollingDelta": {"scale": SCALE, "bar_size": 5.0},
    "RollingFlow": {"scale": SCALE},
    "RollingVolumeProfile": {"scale": SCALE, "bar_size": 5.0},
    "TradeClassifier": {"scale": SCALE},
    "VolumeProfile": {"scale": SCALE},
    "VolumeWeightedAveragePrice": {"scale": SCALE},
    "Vpin": {"lot": LOT, "bucket": 1.0},
    "VwapDeviationSignal": {"scale": SCALE},
}
BAD: dict[str, dict[str, Any]] = {
    "AmihudIlliquidity": {"window": 0},
    "BulkVolume": {"freedom": -1.0},
    "BulkVpin": {"bucket": 0.0},
    "CompositeVolumeProfile": {"past": 0},
    "CumulativeVolumeDelta": {"lot": Decimal(0)},
    "Footprint": {"bar_size": 0.0},
    "FootprintImbalances": {"rule": "none"},
    "KyleLambda": {"seconds": 0.0},
    "RollSpread": {"window": 2},
    "RollingDelta": {"bars": 0},
    "RollingFlow": {"seconds": 0.0},
    "RollingVolumeProfile": {"bars": 0},
    "TradeClassifier": {"quote_lag": -1.0},
    "VolumeProfile": {"pct": 0.0},
    "VolumeWeightedAveragePrice": {"session": "NOON"},
    "Vpin": {"bucket": 0.0},
    "VwapDeviationSignal": {"large_min": -0.1},
}
# Parameters in base units: they grow with the sizes.
IN_SIZES = {"BulkVpin": "bucket", "Vpin": "bucket"}
# What is bought in bulk is rounded to whole lots, which are finer where sizes are larger.
WITHIN = {"BulkVpin": 1e-2}
# Without a parameter of its own.
NO_PARAMETERS = {"ParentOrders"}


def discovered() -> dict[str, type[FlowIndicator]]:
    found = {}
    for module in pkgutil.iter_modules(of_nautilus.indicators.__path__):
        loaded = importlib.import_module(f"of_nautilus.indicators.{module.name}")
        for name, cls in inspect.getmembers(loaded, inspect.isclass):
            if issubclass(cls, FlowIndicator) and cls.OUTPUTS and not name.startswith("_"):
                found[name] = cls
    return found


ALL = discovered()
OF_TRADES = {name: cls for name, cls in ALL.items() if issubclass(cls, TradeIndicator)}
each = pytest.mark.parametrize("name", sorted(OF_TRADES))


def tape(n: int = 3000) -> list[tuple[int, int, int, int]]:
    rng = np.random.default_rng(11)
    ts = 1_700_000_000 * SECOND + np.cumsum(rng.integers(0, 400, n)) * 1_000_000
    price = 600_000 + np.cumsum(rng.integers(-3, 4, n))
    size = rng.integers(1, 40, n)
    side = rng.choice([1, -1], n)
    return list(zip(ts.tolist(), price.tolist(), size.tolist(), side.tolist(), strict=True))


def make(name: str) -> Any:
    return OF_TRADES[name](**MAKE[name])


def feed(indicator: Any, trades: list[tuple[int, int, int, int]]) -> Any:
    for ts, price, size, side in trades:
        indicator.update_raw(ts, price * 0.1, size * 0.001, side)
    return indicator


def outputs(indicator: Any) -> dict[str, float]:
    return {name: getattr(indicator, name) for name in indicator.OUTPUTS}


def test_every_indicator_is_under_the_contract() -> None:
    assert set(OF_TRADES) == set(MAKE) == set(BAD) | NO_PARAMETERS
    # Those of the book are fed otherwise; their contract stands beside their tests.
    of_the_book = {cls.__name__ for cls in BOOK_INDICATORS} | {"QuoteImbalance"}
    assert set(ALL) - set(OF_TRADES) == of_the_book


def test_every_indicator_is_imported_from_the_package() -> None:
    assert sorted([*ALL, "MarketScale"]) == of_nautilus.indicators.__all__
    for name, cls in ALL.items():
        assert getattr(of_nautilus.indicators, name) is cls
    assert of_nautilus.indicators.MarketScale is MarketScale
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = of_nautilus.indicators.Nothing


def test_an_indicator_loads_no_other() -> None:
    code = (
        "import sys, of_nautilus.indicators as all\n"
        "assert not any(m.startswith('of_nautilus.core') for m in sys.modules)\n"
        "from of_nautilus.indicators import CumulativeVolumeDelta\n"
        "assert 'of_nautilus.indicators.vpin' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_table_of_the_readme_names_every_indicator() -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text()
    named = re.findall(r"^\| `([A-Z]\w+)` \|.*\|.*\|.*\|.*\| `", text, re.M)
    assert sorted(named) == sorted(ALL)


@each
def test_fresh_is_not_ready_and_nan(name: str) -> None:
    fresh = make(name)
    assert not fresh.initialized
    assert not fresh.has_inputs
    assert all(math.isnan(value) for value in outputs(fresh).values())


@each
def test_fed_is_ready_and_finite(name: str) -> None:
    fed = feed(make(name), tape())
    assert fed.initialized
    assert fed.has_inputs
    assert all(math.isfinite(value) for value in outputs(fed).values())


@each
def test_fed_after_a_reset_is_as_fresh_fed(name: str) -> None:
    used = feed(make(name), tape()[500:])
    used.reset()
    assert not used.initialized
    assert not used.has_inputs
    assert outputs(feed(used, tape())) == outputs(feed(make(name), tape()))


@each
def test_buyers_for_sellers_flips_what_is_signed(name: str) -> None:
    plain = outputs(feed(make(name), tape()))
    flipped = outputs(feed(make(name), [(t, p, q, -s) for t, p, q, s in tape()]))
    for output, what in OF_TRADES[name].OUTPUTS.items():
        if what.sign:
            assert flipped[what.mirror or output] == pytest.approx(
                what.sign * plain[output], rel=1e-9, abs=1e-12
            )


@each
def test_sizes_times_k(name: str) -> None:
    plain = outputs(feed(make(name), tape()))
    arguments = dict(MAKE[name])
    if name in IN_SIZES:
        arguments[IN_SIZES[name]] *= 3
    larger = outputs(
        feed(OF_TRADES[name](**arguments), [(t, p, 3 * q, s) for t, p, q, s in tape()])
    )
    for output, what in OF_TRADES[name].OUTPUTS.items():
        expected = pytest.approx(3**what.scale * plain[output], rel=WITHIN.get(name, 1e-9))
        assert larger[output] == expected


@each
def test_prices_shifted_by_some_ticks(name: str) -> None:
    plain = outputs(feed(make(name), tape()))
    shifted = outputs(feed(make(name), [(t, p + 1700, q, s) for t, p, q, s in tape()]))
    for output, what in OF_TRADES[name].OUTPUTS.items():
        if what.shift is None:
            continue
        moved = what.shift * (1700 if what.unit == "ticks" else 170.0)
        assert shifted[output] == pytest.approx(plain[output] + moved, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", sorted(BAD))
def test_bad_parameter_is_named(name: str) -> None:
    (parameter,) = BAD[name]
    with pytest.raises(ValueError, match=f"`{parameter}` must"):
        OF_TRADES[name](**(MAKE[name] | BAD[name]))


@each
def test_its_docstring_gives_units_errors_and_an_example(name: str) -> None:
    text = inspect.getdoc(OF_TRADES[name]) or ""
    for part in ("Parameters", "Attributes", "Raises", ">>>"):
        assert part in text, f"{name}: no {part}"
