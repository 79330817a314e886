"""Client factories that a live node's JSON config can name.

The host's node builder makes an instance of an execution factory named in a config and then reads
its `__name__`, which an instance has only where its class sets it as an attribute.
"""

import asyncio
from typing import Any

from nautilus_trader.adapters.binance.config import BinanceExecClientConfig
from nautilus_trader.adapters.binance.factories import BinanceLiveExecClientFactory
from nautilus_trader.adapters.bybit.config import BybitExecClientConfig
from nautilus_trader.adapters.bybit.factories import BybitLiveExecClientFactory
from nautilus_trader.adapters.sandbox.factory import SandboxLiveExecClientFactory
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus

from of_nautilus.live.reports import tell_binance_failures, tell_bybit_failures


class SandboxExecFactory(SandboxLiveExecClientFactory):
    """Makes the host's simulated execution client, fed by live data."""

    # The builder hands the portfolio on to the factory of this name only.
    __name__ = "SandboxLiveExecClientFactory"


class BybitExecFactory(BybitLiveExecClientFactory):
    """Makes the host's Bybit execution client, which tells of queries that fail."""

    __name__ = "BybitExecFactory"

    @staticmethod
    def create(
        loop: asyncio.AbstractEventLoop,
        name: str,
        config: BybitExecClientConfig,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
    ) -> Any:
        client = BybitLiveExecClientFactory.create(loop, name, config, msgbus, cache, clock)
        tell_bybit_failures(client)
        return client


class BinanceExecFactory(BinanceLiveExecClientFactory):
    """Makes the host's Binance execution client, which tells of queries that fail.

    Another fault of it is mended here, too.

    The client looks up what is open under the host's symbol (`BTCUSDT-PERP`) and under the
    venue's (`BTCUSDT`), takes them for two markets, and asks for the fills and orders of each.
    Both come back as those of the one market, so each fill is reported twice, and reconciliation
    opens a position that does not exist. Here the host's symbols are turned into the venue's.
    """

    __name__ = "BinanceExecFactory"

    @staticmethod
    def create(
        loop: asyncio.AbstractEventLoop,
        name: str,
        config: BinanceExecClientConfig,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
    ) -> Any:
        client = BinanceLiveExecClientFactory.create(loop, name, config, msgbus, cache, clock)
        active_symbols = client._get_cache_active_symbols
        client._get_cache_active_symbols = lambda: {
            symbol.removesuffix("-PERP") for symbol in active_symbols()
        }
        tell_binance_failures(client)
        return client
