"""Builds and runs a live node: the host's own, with its components' state kept and their past told.

The host's node goes on when it could not connect or reconcile: its strategies then never start. A
node that is not up in time is stopped here, and said to be so.
"""

import asyncio
import gc
import sys
from decimal import Decimal
from typing import Any

import msgspec
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.live.node import TradingNode

from of_nautilus.errors import UserError
from of_nautilus.live.flow import LiveFlow, past_topic
from of_nautilus.live.recorder import Recorder
from of_nautilus.live.reports import keep_working_orders
from of_nautilus.live.settings import LiveConfig
from of_nautilus.live.state import StateKeeper
from of_nautilus.strategy import OrderFlowStrategy

_GRACE_S = 15.0
# How long a stop waits for what is under way at the venue, and how often it looks.
_SETTLE_S = 10.0
_POLL_S = 0.02
# A thread that wants the interpreter waits for so long, s: with Python's own 5 ms, an alert that is
# written would hold up an order by as much.
_SWITCH_S = 0.0005


def build_node(config: TradingNodeConfig) -> TradingNode:
    """Return a node ready to run: clients built, state taken up, past and present connected."""
    node = TradingNode(config=config)
    node.build()
    actors = node.trader.actors()
    strategies = [s for s in node.trader.strategies() if isinstance(s, OrderFlowStrategy)]
    flows = [actor for actor in actors if isinstance(actor, LiveFlow)]
    for strategy in strategies:
        topic = past_topic(strategy.config.instrument_id)
        node.kernel.msgbus.subscribe(topic=topic, handler=strategy.on_past)
    for keeper in actors:
        if isinstance(keeper, StateKeeper):
            keeper.guard(strategies, flows)
    keep_working_orders(node.kernel.exec_engine)
    _wind_down_first(node, strategies)
    sys.setswitchinterval(_SWITCH_S)
    # What is there now stays: to look for garbage in it, again and again, takes 200 ms each time.
    # It is done before anything trades.
    gc.collect()
    gc.freeze()
    return node


def _wind_down_first(node: TradingNode, strategies: list[OrderFlowStrategy]) -> None:
    """Let the node stop, for whatever reason, when no entry or exit is under way any more.

    Once it stops, its strategies are told of no order's fate: an entry that fills then would be
    without a stop, an exit that is refused would not be sent again. Journal and state go on till
    the end of it.
    """
    kernel = node.kernel
    stop, begun = kernel.stop_async, False

    async def stop_when_settled() -> None:
        nonlocal begun
        if begun:
            return
        begun = True
        try:
            running = [one for one in strategies if one.is_running and _winds_down(one)]
            end = kernel.loop.time() + _SETTLE_S
            while not all(strategy.settled for strategy in running) and kernel.loop.time() < end:
                await asyncio.sleep(_POLL_S)
            for strategy in running:
                if not strategy.settled:
                    strategy.log.error(f"stopped with orders under way: {_traded(node, strategy)}")
        finally:
            await stop()

    kernel.stop_async = stop_when_settled


def _winds_down(strategy: OrderFlowStrategy) -> bool:
    """Wind a strategy down; return whether it could. One that cannot does not keep the node up."""
    try:
        strategy.wind_down()
    except Exception as error:
        strategy.log.exception("not wound down", error)
        return False
    return True


def run_node(config: LiveConfig) -> dict[str, Any]:
    """Run a node until it is told to stop (SIGINT, SIGTERM); return what came of it.

    Orders and stops of an open position stay at the venue, unless the strategy's config says
    otherwise.

    Raises
    ------
    UserError
        If the node does not come up, or its state cannot be taken up.
    """
    try:
        node = build_node(config.node)
    except (msgspec.ValidationError, ValueError, ImportError, AttributeError) as error:
        raise UserError(str(error), config.path, todo="mend the config") from None
    failed: list[str] = []
    loop = node.get_event_loop()
    assert loop is not None
    watching = loop.create_task(_watch(node, config.node, failed))
    try:
        node.run()
        watching.cancel()
        loop.run_until_complete(asyncio.wait([watching]))
        for actor in node.trader.actors():
            if isinstance(actor, StateKeeper):
                actor.save_now()
        if failed:
            raise UserError(failed[0], config.path, todo="the log above says why")
        return summary(node)
    finally:
        node.dispose()


async def _watch(node: TradingNode, config: TradingNodeConfig, failed: list[str]) -> None:
    """Stop a node that is not up when all that it waits for should be over."""
    patience = config.timeout_connection + config.timeout_reconciliation
    patience += config.timeout_portfolio + config.exec_engine.reconciliation_startup_delay_secs
    end = asyncio.get_running_loop().time() + patience + _GRACE_S
    while asyncio.get_running_loop().time() < end:
        if node.trader.is_running:
            return
        await asyncio.sleep(0.2)
    failed.append("the node could not connect, or not agree with the venue on orders and position")
    node.stop()


def summary(node: TradingNode) -> dict[str, Any]:
    """Return what a node has read, traded and left at the venue."""
    figures: dict[str, Any] = {"trader": str(node.trader_id)}
    for actor in node.trader.actors():
        if isinstance(actor, LiveFlow) and actor.engine is not None:
            figures[f"flow {actor.config.instrument_id}"] = {
                "warm": actor.warm,
                **({} if actor.warm else {"past": actor.progress}),
                "past_trades": sum(actor.counts.values()),
                **({"gaps_in_the_past": actor.gaps} if actor.gaps else {}),
                "bars": actor.engine.bar_count,
                "signals": len(actor.signals),
                "bars_sha256": actor.engine.bars_sha256,
            }
        elif isinstance(actor, Recorder):
            figures[f"recorded {actor.config.instrument_id}"] = {
                "catalog": actor.config.catalog,
                "trades": actor.trades,
                "book_changes": actor.changes,
                "lost": actor.lost,
            }
        elif isinstance(actor, StateKeeper):
            figures["state"] = str(actor.path)
    for strategy in node.trader.strategies():
        if isinstance(strategy, OrderFlowStrategy):
            figures[f"trading {strategy.config.instrument_id}"] = _traded(node, strategy)
    return figures


def _traded(node: TradingNode, strategy: OrderFlowStrategy) -> dict[str, Any]:
    instrument_id = strategy.config.instrument_id
    positions = node.cache.positions_open(instrument_id=instrument_id)
    held = sum((p.signed_decimal_qty() for p in positions), Decimal(0))
    orders = node.cache.orders_open(instrument_id=instrument_id)
    manager = strategy.manager
    return {
        "trades_completed": len(strategy.trades),
        "net_pnl": float(sum((Decimal(trade.money) for trade in strategy.trades), Decimal(0))),
        "phase": "not started" if manager is None else str(manager.state.phase.name),
        "position": str(held),
        **({"protected": manager.state.protected} if manager is not None and held else {}),
        "orders_left": {str(o.client_order_id): f"{o.type_string()} {o.leaves_qty}" for o in orders}
        or None,
    }
