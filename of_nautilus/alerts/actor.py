"""The actor that listens for the alerts: it hands everything on, and does nothing else."""

import asyncio
import os
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import LiveClock
from nautilus_trader.model.identifiers import InstrumentId

from of_nautilus.alerts.bot import AlertBot
from of_nautilus.alerts.config import AlertsConfig, chat_ids
from of_nautilus.alerts.kept import Kept
from of_nautilus.alerts.memory import Holding, Market
from of_nautilus.alerts.outbox import Message, Urgency
from of_nautilus.alerts.reader import Node
from of_nautilus.alerts.story import Farewell, Story
from of_nautilus.alerts.text import safe
from of_nautilus.data import (
    FLOW_TYPES,
    OPERATION_TYPES,
    STRATEGY_TYPES,
    OperatorCommand,
    SessionRoll,
    data_type,
    listen,
)
from of_nautilus.decision.orders import Role

_TYPES = tuple(
    kind for kind in (*FLOW_TYPES, *STRATEGY_TYPES, *OPERATION_TYPES) if kind != SessionRoll
)
_ORDERS = "events.order.*"
GRACE_S = 5.0


class Alerts(Actor):
    """Tells chats what flow and strategies publish, and passes their commands on.

    It works in a live node only: in a backtest, without a token, or without a chat, it says so once
    and stays quiet.
    """

    def __init__(self, config: AlertsConfig) -> None:
        super().__init__(config)
        self.bot: AlertBot | None = None
        self._kept = Kept()

    def on_start(self) -> None:
        """Start the bot, and listen."""
        if not self.config.enabled:
            return
        if self.bot is not None:
            self._greet()
            return
        token = os.environ.get(self.config.token_env, "").strip()
        try:
            chats = chat_ids(self.config.chats, self.config.chats_env)
            authorized = chat_ids(self.config.authorized, self.config.authorized_env)
        except ValueError as error:
            self.log.error(f"no alerts: {error}")
            return
        why = self._why_quiet(token, bool(chats or authorized))
        if why:
            self.log.warning(f"no alerts: {why}")
            return
        loop = asyncio.get_running_loop()
        since = self.clock.timestamp_ns()
        story = Story(map(self._market, self.config.instrument_ids), self.config.kinds, since)
        for item in self._kept.items():
            try:
                story.remember([item])
            except Exception as error:
                # Another version's, perhaps: the node starts without it.
                self.log.error(f"saved item not remembered: {type(error).__name__}: {error}")
        node = Node(
            name=str(self.trader_id),
            post=loop.call_soon_threadsafe,
            clock_ns=self.clock.timestamp_ns,
            holdings=self._holdings,
            command=self._command,
            log=self.log.warning,
        )
        self.bot = AlertBot(token, self.config, chats, authorized, story, node)
        self.bot.start()
        for instrument_id in self.config.instrument_ids:
            for kind in _TYPES:
                listen(self, kind, instrument_id)
        self.msgbus.subscribe(topic=_ORDERS, handler=self.bot.hear)
        self._greet()

    def _why_quiet(self, token: str, somebody: bool) -> str:
        if not isinstance(self.clock, LiveClock):
            return "a backtest sends none"
        if not token:
            return f"the environment variable {self.config.token_env} is not set"
        if not somebody:
            return f"no chat is named, in the config or in {self.config.chats_env}"
        return ""

    def on_data(self, data: Any) -> None:
        """Hand on what was published, and keep what a restart needs; nothing is ever raised."""
        if self.bot is None:
            return
        self.bot.hear(data)
        try:
            self._kept.hear(data)
        except Exception as error:
            self.log.error(f"not kept: {type(error).__name__}: {error}")

    def on_save(self) -> dict[str, bytes]:
        """Return what answers after a restart are made of."""
        return {"of_alerts": self._kept.save()}

    def on_load(self, state: dict[str, bytes]) -> None:
        """Take that up again."""
        try:
            self._kept.load(state.get("of_alerts", b"[]"))
        except Exception as error:
            # The node starts without it.
            self.log.error(f"saved alerts not read: {type(error).__name__}: {error}")

    def on_stop(self) -> None:
        """Say so, with what the day has brought: what strategies do next is not published."""
        if self.bot is not None and "stop" in self.config.kinds:
            self.bot.hear(Farewell(f"<b>STOPPING {safe(self.trader_id)}</b>\n{self._left()}"))

    def on_dispose(self) -> None:
        """Say what is left at the venue, and wait a little until it is sent."""
        if self.bot is None:
            return
        bot, self.bot = self.bot, None
        self.msgbus.unsubscribe(topic=_ORDERS, handler=bot.hear)
        if "stop" in self.config.kinds:
            told = f"<b>STOPPED {safe(self.trader_id)}</b>\n{self._left()}"
            bot.hear(Message(told, Urgency.HIGH))
        self.log.info(bot.report())
        bot.stop(GRACE_S)
        if not bot.join(GRACE_S + 3.0):
            self.log.warning("alerts did not end in time")

    # -- for the bot, in the node's event loop -----------------------------------------------------

    def _holdings(self) -> dict[str, Holding]:
        return {str(name): self._holding(name) for name in self.config.instrument_ids}

    def _holding(self, instrument_id: InstrumentId) -> Holding:
        positions = self.cache.positions_open(instrument_id=instrument_id)
        orders = self.cache.orders_open(instrument_id=instrument_id)
        by_role = {str(order.client_order_id).rpartition("-")[2]: order for order in orders}
        stop, target = by_role.get(Role.STOP), by_role.get(Role.TARGET)
        return Holding(
            instrument_id=str(instrument_id),
            quantity=sum((one.signed_decimal_qty() for one in positions), Decimal(0)),
            average=Decimal(str(positions[0].avg_px_open)) if positions else None,
            stop=stop.trigger_price.as_decimal() if stop is not None else None,
            target=target.price.as_decimal() if target is not None else None,
            open_orders=len(orders),
        )

    def _command(self, action: str, instruments: Sequence[str], source: str) -> None:
        for name in instruments:
            instrument_id = InstrumentId.from_str(name)
            ts = self.clock.timestamp_ns()
            command = OperatorCommand(
                ts_event=ts,
                ts_init=ts,
                instrument_id=instrument_id,
                action=action,
                source=source,
            )
            self.publish_data(data_type(OperatorCommand, instrument_id), command)

    # -- small things ------------------------------------------------------------------------------

    def _market(self, instrument_id: InstrumentId) -> Market:
        instrument = self.cache.instrument(instrument_id)
        if instrument is None:
            self.log.warning(f"instrument not found: instrument_id={instrument_id}")
            return Market(str(instrument_id), Decimal(1), Decimal(1))
        return Market(
            str(instrument_id),
            instrument.price_increment.as_decimal(),
            instrument.size_increment.as_decimal(),
            str(instrument.get_settlement_currency()),
        )

    def _greet(self) -> None:
        if self.bot is not None and "start" in self.config.kinds:
            names = ", ".join(safe(name) for name in self.config.instrument_ids)
            told = f"<b>STARTED {safe(self.trader_id)}</b>\n{names}\n{self._left()}"
            self.bot.hear(Message(told, Urgency.HIGH))

    def _left(self) -> str:
        """Return what is open now."""
        held = [one for one in self._holdings().values() if one.quantity or one.open_orders]
        told = [
            f"{safe(one.instrument_id)}: position {one.quantity:+f}, "
            f"stop {'-' if one.stop is None else f'{one.stop:f}'}, {one.open_orders} open orders"
            for one in held
        ]
        return "\n".join(told) or "no position, no open orders"
