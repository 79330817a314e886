"""Books that are rebuilt when they are wrong: data clients that mend themselves, or when asked.

Each of Binance's messages names the one before it. The host's client does not look at that: of a
message that is lost it would never know. And it tries once for a snapshot: where the venue refuses
that one, the book would stay as it was for good. Bybit sends a snapshot with each subscription; its
client hands on no number by which a loss could be seen, so it is rebuilt when the feed guard asks.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from nautilus_trader.adapters.binance.config import BinanceDataClientConfig
from nautilus_trader.adapters.binance.factories import BinanceLiveDataClientFactory
from nautilus_trader.adapters.bybit.config import BybitDataClientConfig
from nautilus_trader.adapters.bybit.factories import BybitLiveDataClientFactory
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.core import nautilus_pyo3
from nautilus_trader.model.identifiers import InstrumentId

from of_nautilus.live.feed_guard import rebuild_topic

_STREAM = "@depth@"
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 30.0


class _Change(msgspec.Struct):
    """The numbers of one message: its first and last change, and the last one before it."""

    s: str
    U: int
    u: int
    pu: int | None = None


class _Message(msgspec.Struct):
    data: _Change


class BookKeeper:
    """Watches the numbers of a client's book messages and has the book rebuilt.

    `rebuilt` counts how often that was asked for because of a message that was passed over.
    """

    def __init__(self, client: Any) -> None:
        self.rebuilt = 0
        self._client = client
        self._decode = msgspec.json.Decoder(_Message).decode
        self._last: dict[str, int] = {}
        self._under_way: set[InstrumentId] = set()
        self._again: set[InstrumentId] = set()
        self._handle: Callable[[bytes], None] = client._ws_handlers[_STREAM]
        self._rebuild_once: Callable[[InstrumentId], Awaitable[None]] = (
            client._order_book_snapshot_then_deltas
        )
        client._ws_handlers[_STREAM] = self.handle
        client._order_book_snapshot_then_deltas = self.rebuild

    def handle(self, raw: bytes) -> None:
        """Look at a message's numbers, and hand it on."""
        change = self._decode(raw).data
        before = change.U - 1 if change.pu is None else change.pu
        last = self._last.get(change.s)
        self._last[change.s] = change.u
        if last is not None and before != last:
            self.rebuilt += 1
            instrument_id = self._client._get_cached_instrument_id(change.s)
            self._client._log.warning(f"book changes passed over: after={last} came={before}")
            self._client.create_task(self.rebuild(instrument_id))
        self._handle(raw)

    async def rebuild(self, instrument_id: InstrumentId) -> None:
        """Have the book rebuilt from a snapshot, however often that takes."""
        if instrument_id in self._under_way:
            self._again.add(instrument_id)
            return
        self._under_way.add(instrument_id)
        wait = _FIRST_WAIT_S
        try:
            while True:
                self._again.discard(instrument_id)
                try:
                    await self._rebuild_once(instrument_id)
                except Exception as error:
                    self._client._log.warning(f"no snapshot: reason={error!r} again_in={wait}")
                    await asyncio.sleep(wait)
                    wait = min(2.0 * wait, _LONGEST_WAIT_S)
                    continue
                if instrument_id not in self._again:
                    return
        finally:
            self._under_way.discard(instrument_id)


class BinanceDataFactory(BinanceLiveDataClientFactory):
    """Makes the host's Binance data client, with a keeper of its book."""

    __name__ = "BinanceDataFactory"

    @staticmethod
    def create(
        loop: asyncio.AbstractEventLoop,
        name: str,
        config: BinanceDataClientConfig,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
    ) -> Any:
        client = BinanceLiveDataClientFactory.create(loop, name, config, msgbus, cache, clock)
        client.book_keeper = BookKeeper(client)
        rebuild_when_asked(client, client.book_keeper.rebuild, msgbus)
        return client


class BybitDataFactory(BybitLiveDataClientFactory):
    """Makes the host's Bybit data client, whose books can be asked for anew."""

    __name__ = "BybitDataFactory"

    @staticmethod
    def create(
        loop: asyncio.AbstractEventLoop,
        name: str,
        config: BybitDataClientConfig,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
    ) -> Any:
        client = BybitLiveDataClientFactory.create(loop, name, config, msgbus, cache, clock)

        async def rebuild(instrument_id: InstrumentId) -> None:
            known = nautilus_pyo3.InstrumentId.from_str(instrument_id.value)
            depth = client._depths.get(known)
            if depth is not None:
                socket = client._get_ws_client_for_instrument(known)
                await socket.unsubscribe_orderbook(known, depth)
                await socket.subscribe_orderbook(known, depth)

        rebuild_when_asked(client, rebuild, msgbus)
        return client


def rebuild_when_asked(
    client: Any, rebuild: Callable[[InstrumentId], Any], msgbus: MessageBus
) -> None:
    """Let a client rebuild the book of one of its venue's instruments when it is asked for."""

    def asked(instrument_id: InstrumentId) -> None:
        if instrument_id.venue.value == client.id.value:
            client.create_task(rebuild(instrument_id))

    msgbus.subscribe(topic=rebuild_topic("*"), handler=asked)
