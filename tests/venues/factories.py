"""Client factories of tests: the host's own, made nameable in a JSON config."""

from nautilus_trader.adapters.binance.factories import BinanceLiveExecClientFactory


class UnmendedBinanceExecFactory(BinanceLiveExecClientFactory):  # type: ignore[misc]
    """The host's Binance execution factory as it is."""

    __name__ = "UnmendedBinanceExecFactory"
