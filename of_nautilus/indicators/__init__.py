"""Nautilus indicator twins of `core`, one concept a file.

Each class can be imported from here. A module is loaded when one of its classes is asked for: what
is not used is neither loaded nor compiled.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from of_nautilus.core.ticks import MarketScale
    from of_nautilus.indicators.book import BookMeasures, BookTracker, MicroPrice, SpreadZScore
    from of_nautilus.indicators.bulk_volume import BulkVolume
    from of_nautilus.indicators.classification import TradeClassifier
    from of_nautilus.indicators.composite_profile import CompositeVolumeProfile
    from of_nautilus.indicators.delta import CumulativeVolumeDelta
    from of_nautilus.indicators.footprint import Footprint
    from of_nautilus.indicators.illiquidity import AmihudIlliquidity
    from of_nautilus.indicators.imbalances import FootprintImbalances
    from of_nautilus.indicators.impact import KyleLambda, RollSpread
    from of_nautilus.indicators.ofi import BookImbalance, QuoteImbalance
    from of_nautilus.indicators.parents import ParentOrders
    from of_nautilus.indicators.profile import VolumeProfile
    from of_nautilus.indicators.rolling_delta import RollingDelta
    from of_nautilus.indicators.rolling_profile import RollingVolumeProfile
    from of_nautilus.indicators.tape import RollingFlow
    from of_nautilus.indicators.vpin import BulkVpin, Vpin
    from of_nautilus.indicators.vwap import VolumeWeightedAveragePrice
    from of_nautilus.indicators.vwap_signal import VwapDeviationSignal

__all__ = [
    "AmihudIlliquidity",
    "BookImbalance",
    "BookMeasures",
    "BookTracker",
    "BulkVolume",
    "BulkVpin",
    "CompositeVolumeProfile",
    "CumulativeVolumeDelta",
    "Footprint",
    "FootprintImbalances",
    "KyleLambda",
    "MarketScale",
    "MicroPrice",
    "ParentOrders",
    "QuoteImbalance",
    "RollSpread",
    "RollingDelta",
    "RollingFlow",
    "RollingVolumeProfile",
    "SpreadZScore",
    "TradeClassifier",
    "VolumeProfile",
    "VolumeWeightedAveragePrice",
    "Vpin",
    "VwapDeviationSignal",
]

_MODULES = {
    "AmihudIlliquidity": "indicators.illiquidity",
    "BookImbalance": "indicators.ofi",
    "BookMeasures": "indicators.book",
    "BookTracker": "indicators.book",
    "BulkVolume": "indicators.bulk_volume",
    "BulkVpin": "indicators.vpin",
    "CompositeVolumeProfile": "indicators.composite_profile",
    "CumulativeVolumeDelta": "indicators.delta",
    "Footprint": "indicators.footprint",
    "FootprintImbalances": "indicators.imbalances",
    "KyleLambda": "indicators.impact",
    "MarketScale": "core.ticks",
    "MicroPrice": "indicators.book",
    "ParentOrders": "indicators.parents",
    "QuoteImbalance": "indicators.ofi",
    "RollSpread": "indicators.impact",
    "RollingDelta": "indicators.rolling_delta",
    "RollingFlow": "indicators.tape",
    "RollingVolumeProfile": "indicators.rolling_profile",
    "SpreadZScore": "indicators.book",
    "TradeClassifier": "indicators.classification",
    "VolumeProfile": "indicators.profile",
    "VolumeWeightedAveragePrice": "indicators.vwap",
    "Vpin": "indicators.vpin",
    "VwapDeviationSignal": "indicators.vwap_signal",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"of_nautilus.{_MODULES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
