"""Client factories of tests."""

import asyncio
from typing import Any

from nautilus_trader.adapters.bybit.config import BybitDataClientConfig
from nautilus_trader.adapters.bybit.factories import BybitLiveDataClientFactory
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.core import nautilus_pyo3

from of_nautilus.live.depth import BybitDataFactory


class RedirectedBybitDataFactory(BybitLiveDataClientFactory):  # type: ignore[misc]
    """Points the public websocket at the double too.

    The host's client takes the config's HTTP address for that of the websocket.
    """

    @staticmethod
    def create(
        loop: asyncio.AbstractEventLoop,
        name: str,
        config: BybitDataClientConfig,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
    ) -> Any:
        client = BybitDataFactory.create(loop, name, config, msgbus, cache, clock)
        address = config.base_url_http.replace("http://", "ws://", 1)
        for product in list(client._ws_clients):
            client._ws_clients[product] = nautilus_pyo3.BybitWebSocketClient.new_public(
                product_type=product,
                environment=nautilus_pyo3.BybitEnvironment.MAINNET,
                url=f"{address}/v5/public/linear",
            )
        return client
