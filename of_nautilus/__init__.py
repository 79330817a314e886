"""Order flow for NautilusTrader: indicators, patterns and a trading system."""

from of_nautilus import compiled as _compiled

__version__ = "0.1.0"

_compiled.forget_stale()
