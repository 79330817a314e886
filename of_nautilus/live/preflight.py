"""What is looked at before a live node starts: one line a check, and what must not be started."""

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from nautilus_trader.config import StrategyConfig

from of_nautilus.config import OrderFlowStrategyConfig
from of_nautilus.decision.risk import Market, Refusal, RiskConfig, position_size
from of_nautilus.decision.settings import settle
from of_nautilus.errors import UserError
from of_nautilus.files import nearest
from of_nautilus.host_config import Component
from of_nautilus.ingest.columns import TradeColumns, data_files
from of_nautilus.ingest.store import open_store
from of_nautilus.live.database import address, database_of, ping
from of_nautilus.live.settings import Client, LiveConfig
from of_nautilus.live.state import read_state
from of_nautilus.live.venue import VENUES, AccountFacts, MarketFacts, Venue
from of_nautilus.model.strategy import MicrostructureStrategyConfig

# Both venues refuse what is dated a second ahead of them, or five behind.
_MAX_CLOCK_MS = 800.0
_ODD_CLOCK_MS = 250.0
_MIN_FREE_BYTES = 500_000_000
# The stop that a size "by risk" is shown for.
_USUAL_STOP = Decimal("0.003")


class Verdict(StrEnum):
    """What a check came to."""

    OK = "ok"
    NOTE = "note"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the preflight."""

    name: str
    verdict: Verdict
    text: str


def preflight(config: LiveConfig) -> Iterator[Check]:
    """Look at everything that a node of this config stands on; nothing is changed.

    A check that cannot be made, because the venue does not answer, is refused as well.
    """
    for client in config.clients:
        yield from _client(config, client)
    yield from _alerts(config)
    yield from _state(config)
    yield from _database(config)
    yield from _recording(config)


def refusals(checks: list[Check]) -> str:
    """Return what was refused, as one line; empty if nothing was."""
    return "; ".join(f"{c.name}: {c.text}" for c in checks if c.verdict is Verdict.REFUSED)


def _ok(name: str, text: str) -> Check:
    return Check(name, Verdict.OK, text)


def _note(name: str, text: str) -> Check:
    return Check(name, Verdict.NOTE, text)


def _refused(name: str, text: str) -> Check:
    return Check(name, Verdict.REFUSED, text)


# -- the venue ------------------------------------------------------------------------------------


def _client(config: LiveConfig, client: Client) -> Iterator[Check]:
    venue = VENUES[client.venue](client.url, client.keys(), client.rights_url)
    kind = "paper" if client.paper else "REAL MONEY" if client.real_money else "play money"
    try:
        clock = venue.clock()
    except UserError as error:
        yield _refused("venue", f"{client.venue} cannot be reached: {error}")
        return
    yield _ok(
        "venue",
        f"{client.venue} {client.environment} answers in {clock.round_trip_ms:.0f} ms, {kind}",
    )
    yield _clock(clock.ahead_ms)
    strategies = _strategies(config, client.venue)
    if not strategies:
        yield _note("strategy", "none: nothing will be traded")
    markets = {name for one in strategies for name in one.instrument_ids}
    markets |= _flows(config)
    markets = {name for name in markets if _venue(name) == client.venue}
    for instrument_id in sorted(markets):
        yield from _market(config, client, venue, instrument_id, strategies)


def _clock(ahead_ms: float) -> Check:
    text = f"{abs(ahead_ms):.0f} ms {'ahead of' if ahead_ms >= 0 else 'behind'} ours"
    if abs(ahead_ms) > _MAX_CLOCK_MS:
        return _refused("clock", f"the venue's is {text}: set this machine's clock")
    if abs(ahead_ms) > _ODD_CLOCK_MS:
        return _note("clock", f"the venue's is {text}: better let NTP set this machine's")
    return _ok("clock", f"the venue's is {text}")


def _market(
    config: LiveConfig,
    client: Client,
    venue: Venue,
    instrument_id: str,
    strategies: list[Component],
) -> Iterator[Check]:
    symbol = instrument_id.rpartition(".")[0].removesuffix("-PERP").removesuffix("-LINEAR")
    try:
        market = venue.market(symbol)
    except UserError as error:
        yield _refused("instrument", f"{instrument_id}: {error}")
        return
    if market is None or not market.trading:
        what = "is not known to the venue" if market is None else "is not trading"
        yield _refused("instrument", f"{instrument_id} {what}")
        return
    yield _ok(
        "instrument",
        f"{instrument_id} at {market.price}, tick {market.tick}, lot {market.lot}, "
        f"least {market.min_size} and {market.min_notional} in money",
    )
    mine = [one.config for one in strategies if instrument_id in one.instrument_ids]
    account = None
    if mine and not client.paper:
        if client.keys() is None:
            key, secret = client.key_names
            yield _refused("key", f"no key: set {key} and {secret} in the environment")
        else:
            try:
                account = venue.account(symbol)
            except UserError as error:
                yield _refused("key", str(error))
            else:
                yield from _account(account, client)
    for strategy in mine:
        if client.real_money:
            yield from _claims(strategy, instrument_id)
        if client.paper or account is not None:
            yield from _size(config, client, market, account, strategy)
    yield _warm_up(config, instrument_id)


def _account(account: AccountFacts, client: Client) -> Iterator[Check]:
    if not account.may_trade:
        yield _refused("key", "may not trade futures: give it the right, or use another")
    elif account.may_withdraw and client.real_money:
        yield _refused("key", "may withdraw: take that right away, a bot does not need it")
    else:
        withdraws = {None: "its right to withdraw is not told", False: "may not withdraw"}
        yield _ok("key", f"may trade, {withdraws.get(account.may_withdraw, 'may withdraw')}")
    if account.one_way:
        yield _ok("account mode", "one-way")
    else:
        yield _refused("account mode", "hedge: switch the account to one-way positions")
    text = f"{account.free:.2f} {account.currency} free"
    if account.free <= 0:
        yield _refused("margin", f"{text}: nothing can be opened")
    else:
        leverage = (
            "" if account.leverage is None else f", leverage {account.leverage.normalize():f}"
        )
        yield _ok("margin", text + leverage)
    if account.position or account.open_orders:
        yield _note(
            "position",
            f"{account.position} held and {account.open_orders} orders open: taken over where they "
            "are ours; a position that no stop of ours protects is closed",
        )
    else:
        yield _ok("position", "flat, no open orders")


def _size(
    config: LiveConfig,
    client: Client,
    market: MarketFacts,
    account: AccountFacts | None,
    strategy: StrategyConfig,
) -> Iterator[Check]:
    risk = _risk(strategy, market)
    if risk is None:
        yield _note("size", f"not checked: {type(strategy).__name__} is not one of this package")
        return
    equity = _equity(config, client) if account is None else account.free
    price = int(market.price / market.tick)
    limits = Market(
        tick_value=market.tick * market.lot,
        min_qty=max(1, int(market.min_size / market.lot)),
        min_notional=market.min_notional,
    )
    if not price:
        yield _note("size", "not checked: the venue tells no price")
        return
    stop = price - max(1, int(price * _USUAL_STOP))
    lots = position_size(price, stop, equity, limits, risk)
    how = _sizing(risk)
    if isinstance(lots, Refusal):
        told = ", ".join(f"{name} {value:g}" for name, value in lots.numbers)
        yield _refused("size", f"{how} is refused: {lots.reason} ({told})")
        return
    size, money = lots * market.lot, lots * price * limits.tick_value
    yield _ok("size", f"{how} is {size}, {money:.2f} in money")
    leverage = account.leverage if account is not None else None
    if leverage and money / leverage > equity:
        yield _refused("margin", f"{money / leverage:.2f} needed for one entry, {equity:.2f} free")


def _claims(strategy: StrategyConfig, instrument_id: str) -> Iterator[Check]:
    if instrument_id not in map(str, strategy.external_order_claims or []):
        yield _refused(
            "restart",
            f"`external_order_claims` must name {instrument_id}: without it a restart does not "
            "know its own orders again",
        )


def _risk(strategy: StrategyConfig, market: MarketFacts) -> RiskConfig | None:
    """Return how a strategy sizes its entries; None if that is not known."""
    if isinstance(strategy, OrderFlowStrategyConfig):
        return settle(strategy.trade).risk
    if isinstance(strategy, MicrostructureStrategyConfig):
        lots = round(strategy.rules.max_position / float(market.lot), 6)
        return RiskConfig(sizing="fixed", fixed_qty=max(1, int(lots)))
    return None


def _sizing(risk: RiskConfig) -> str:
    if risk.sizing == "fixed":
        return f"the fixed {risk.fixed_qty} lots"
    return f"{risk.risk_fraction:.2%} of the equity at a stop 0.3% away"


def _equity(config: LiveConfig, client: Client) -> Decimal:
    """Return what a paper account begins with."""
    trading = config.plain.get("exec_clients", {}).get(client.venue, {}).get("config", {})
    balances = trading.get("starting_balances") or ["0"]
    return Decimal(balances[0].split()[0].replace("_", ""))


# -- this machine ---------------------------------------------------------------------------------


def _warm_up(config: LiveConfig, instrument_id: str) -> Check:
    flows = [one for one in config.components("LiveFlow") if one["instrument_id"] == instrument_id]
    if not flows:
        return _note("warm-up", f"{instrument_id} starts cold: no entries before a session ended")
    folder = flows[0].get("catalog", "catalog")
    asks = flows[0].get("recent", True)
    then = ", then the venue's recent trades" if asks else ""
    files = [] if folder is None else _trade_files(folder, instrument_id)
    if not files:
        return _note("warm-up", f"no trades in {folder}{then}: no entries before a session ended")
    first, last = files[0][1], max(end for _, _, end in files)
    hours = float(flows[0].get("past_hours", 144.0))
    if last < time.time_ns() - hours * 3.6e12:
        old = f"{folder} ends at {_day(last)}, more than {hours:g} hours ago{then}"
        return _note("warm-up", f"{old}: no entries before a session ended")
    return _ok("warm-up", f"{folder} has trades {_day(first)} to {_day(last)}{then}")


def _trade_files(folder: str, instrument_id: str) -> list[tuple[str, int, int]]:
    store = open_store(folder)
    return data_files(store, TradeColumns, instrument_id) if store.exists() else []


def _day(ns: int) -> str:
    return f"{datetime.fromtimestamp(ns / 1e9, UTC):%Y-%m-%d %H:%M}"


def _alerts(config: LiveConfig) -> Iterator[Check]:
    found = [one for one in config.components("Alerts") if one.get("enabled", True)]
    if not found:
        yield _note("alerts", "none configured: nobody is told of trouble")
    for one in found:
        token = one.get("token_env", "TELEGRAM_BOT_TOKEN")
        chats = one.get("chats_env", "TELEGRAM_CHATS")
        missing = [name for name in (token,) if not os.environ.get(name)]
        if not one.get("chats") and not os.environ.get(chats):
            missing.append(chats)
        if missing:
            yield _note("alerts", f"off: {' and '.join(missing)} not set in the environment")
        else:
            yield _ok("alerts", "a bot's token and its chats are set")


def _state(config: LiveConfig) -> Iterator[Check]:
    found = config.components("StateKeeper")
    if not found:
        yield _note("state", "not kept: after a crash an open trade is adopted by its stop alone")
    for one in found:
        path = Path(one["path"])
        try:
            state = read_state(path)
        except UserError as error:
            yield _refused("state", str(error))
            continue
        if state is None:
            yield _ok("state", f"{path} begins anew")
        else:
            yield _ok("state", f"{path} of {_day(state.ts)} is taken up")


def _database(config: LiveConfig) -> Iterator[Check]:
    database = database_of(config.plain)
    if database is None:
        return
    host, port = address(database)
    try:
        ping(database)
    except UserError as error:
        yield _refused("database", f"{error}: start it, or take `cache.database` out")
        return
    yield _ok("database", f"Redis at {host}:{port} answers: state, orders and positions go there")


def _recording(config: LiveConfig) -> Iterator[Check]:
    for one in config.components("Recorder"):
        folder = Path(one.get("catalog", "catalog"))
        there = nearest(folder)
        free = shutil.disk_usage(there).free
        text = f"to {folder}, {free / 1e9:.1f} GB free"
        if not os.access(there, os.W_OK):
            yield _refused("recording", f"{there} cannot be written to")
        elif free < _MIN_FREE_BYTES:
            yield _refused("recording", f"{text}: a day of a busy market takes more")
        else:
            yield _ok("recording", text)


# -- reading the config ---------------------------------------------------------------------------


def _strategies(config: LiveConfig, venue: str) -> list[Component]:
    """Return the strategies at a venue."""
    return [one for one in config.strategies if venue in map(_venue, one.instrument_ids)]


def _flows(config: LiveConfig) -> set[str]:
    """Return the instruments whose order flow is read."""
    actors: list[Mapping[str, Any]] = [
        *config.components("LiveFlow"),
        *config.components("OrderFlowActor"),
        *config.components("FeatureActor"),
    ]
    return {str(one["instrument_id"]) for one in actors}


def _venue(instrument_id: str) -> str:
    return instrument_id.rpartition(".")[2]
