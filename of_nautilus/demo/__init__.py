"""A synthetic market with planted patterns, for trying the package and for testing it."""

from of_nautilus.demo.config import DemoConfig
from of_nautilus.demo.market import Deltas, DemoMarket, Trades, generate
from of_nautilus.demo.plants import DEMO_THRESHOLDS, Planted

__all__ = [
    "DEMO_THRESHOLDS",
    "Deltas",
    "DemoConfig",
    "DemoMarket",
    "Planted",
    "Trades",
    "generate",
]
