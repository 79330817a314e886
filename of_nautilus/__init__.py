"""Order flow for NautilusTrader: indicators, patterns and a trading system."""

__version__ = "0.1.0"
