"""A live node's config file: read, checked for what must not stand in it, made ready to run.

The file is the host's own `TradingNodeConfig` as JSON. Three things are ours: it may hold no keys
and no password; the `environment` of an execution client holds for the data client of the same name
too, so that one field leads to the testnet; and a database's password comes from the environment.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from nautilus_trader.adapters.binance.common.enums import BinanceAccountType, BinanceEnvironment
from nautilus_trader.adapters.binance.common.urls import get_http_base_url
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.core import nautilus_pyo3

from of_nautilus.errors import UserError
from of_nautilus.host_config import Component, check_words, components
from of_nautilus.live.database import with_credentials
from of_nautilus.live.venue import Keys

_SECRETS = ("api_key", "api_secret", "token", "password", "private_key")
_REAL = ("LIVE", "MAINNET")
_KEY_NAMES = {
    "BINANCE": {
        "LIVE": "BINANCE_API",
        "TESTNET": "BINANCE_FUTURES_TESTNET_API",
        "DEMO": "BINANCE_DEMO_API",
    },
    "BYBIT": {"MAINNET": "BYBIT_API", "TESTNET": "BYBIT_TESTNET_API", "DEMO": "BYBIT_DEMO_API"},
}
_OF_BOTH = ("environment", "account_type", "product_types")
_RIGHTS_URL = "https://api.binance.com"


@dataclass(frozen=True, slots=True)
class Client:
    """A venue as a config names it: where its REST interface is, and whether money is real."""

    venue: str
    environment: str
    url: str
    paper: bool
    rights_url: str | None

    @property
    def real_money(self) -> bool:
        """Whether its orders cost money."""
        return not self.paper and self.environment in _REAL

    @property
    def key_names(self) -> tuple[str, str]:
        """The names of the environment variables that hold the key and its secret."""
        stem = _KEY_NAMES[self.venue][self.environment]
        return f"{stem}_KEY", f"{stem}_SECRET"

    def keys(self) -> Keys | None:
        """Return the key from the environment, None if one of the two is not there."""
        key, secret = (os.environ.get(name, "") for name in self.key_names)
        return Keys(key, secret) if key and secret else None


@dataclass(frozen=True, slots=True)
class LiveConfig:
    """A config file that has been read: as plain JSON, as the host's config, and by its parts."""

    path: Path
    plain: dict[str, Any]
    node: TradingNodeConfig
    clients: tuple[Client, ...]
    strategies: tuple[Component, ...]

    @property
    def real_money(self) -> bool:
        """Whether a client of it trades real money."""
        return any(client.real_money for client in self.clients)

    def components(self, ending: str) -> list[dict[str, Any]]:
        """Return the configs of the actors and strategies whose class has this name."""
        found = [(one["actor_path"], one["config"]) for one in self.plain.get("actors", [])]
        found += [(one["strategy_path"], one["config"]) for one in self.plain.get("strategies", [])]
        return [config for path, config in found if path.rpartition(":")[2] == ending]


def load_live_config(path: str | Path) -> LiveConfig:
    """Read a node's config file.

    Raises
    ------
    UserError
        If the file is not there, is no JSON, holds a key or secret, names a venue that is not
        known, has a key or value that no config has, or a component that cannot be made.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{error.strerror}", path, todo="name a node's config") from None
    try:
        plain = msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise UserError(str(error), path, todo="mend the config") from None
    if not isinstance(plain, dict):
        raise UserError("is no node's config", path, todo="see configs/paper_binance.json")
    for name in _found_secrets(plain):
        raise UserError(
            f"holds `{name}`", path, todo="keys come from the environment only: take it out"
        )
    _check_shape(plain, path)
    check_words(plain, path)
    _agree(plain, path)
    try:
        node = TradingNodeConfig.parse(msgspec.json.encode(with_credentials(plain)))
        clients = tuple(_client(name, plain, path) for name in plain.get("data_clients", {}))
    except (msgspec.DecodeError, ValueError, TypeError, KeyError, ImportError) as error:
        raise UserError(str(error), path, todo="mend the config") from None
    for section in ("data_clients", "exec_clients"):
        for name, client in getattr(node, section).items():
            try:
                client.create()
                client.factory.create()
            except (ValueError, TypeError, ImportError, AttributeError) as error:
                where = f"{path}, `{section}.{name}`"
                raise UserError(str(error), where, todo="mend its config") from None
    if not clients:
        raise UserError("has no data client", path, todo="see configs/paper_binance.json")
    strategies = components([], node.strategies, path)
    for one in [*components(node.actors, [], path), *strategies]:
        for name in one.instrument_ids:
            if (venue := name.rpartition(".")[2]) not in plain["data_clients"]:
                raise UserError(
                    f"no data client for {name}", one.where, todo=f"add one of {venue}, or mend it"
                )
    return LiveConfig(Path(path), plain, node, clients, tuple(strategies))


def _found_secrets(value: Any, where: str = "") -> Iterator[str]:
    """Find where a config holds something secret."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            place = f"{where}.{name}" if where else str(name)
            if name in _SECRETS and inner:
                yield place
            yield from _found_secrets(inner, place)
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _found_secrets(inner, f"{where}[{i}]")


def _check_shape(plain: dict[str, Any], path: object) -> None:
    """Look at what is read here before the host decodes it: clients, and the database."""
    todo = "see configs/paper_binance.json"
    for section in ("data_clients", "exec_clients"):
        clients = plain.get(section, {})
        if not isinstance(clients, dict):
            raise UserError(f"`{section}` is no object of clients by venue", path, todo=todo)
        for name, client in clients.items():
            if not isinstance(client, dict):
                raise UserError(f"`{section}.{name}` is no object", path, todo=todo)
            if not isinstance(client.get("path"), str):
                raise UserError(f"`{section}.{name}` has no `path` of a class", path, todo=todo)
            factory = client.get("factory")
            if not isinstance(factory, dict) or not isinstance(factory.get("path"), str):
                raise UserError(f"`{section}.{name}` has no `factory`", path, todo=todo)
            if not isinstance(client.get("config"), dict):
                raise UserError(f"`{section}.{name}` has no `config` object", path, todo=todo)
    cache = plain.get("cache") or {}
    if not isinstance(cache, dict) or not isinstance(cache.get("database") or {}, dict):
        raise UserError(
            "`cache.database` is no object", path, todo='write {"database": {"type": "redis"}}'
        )


def _agree(plain: dict[str, Any], path: object) -> None:
    """Let both clients of a venue say what one of them says: the host knows of no pair.

    An environment that only the data client named would leave the orders to the host's default,
    which is real money.
    """
    for name, client in plain.get("exec_clients", {}).items():
        data = plain.get("data_clients", {}).get(name)
        if data is None:
            raise UserError(f"trades at {name} without a data client", path, todo="add one")
        if "sandbox" in client["path"]:
            continue
        pair = data["config"], client["config"]
        for field in _OF_BOTH:
            told = [one[field] for one in pair if one.get(field) is not None]
            if field != "product_types" and any(one != told[0] for one in told):
                raise UserError(
                    f"{name} trades with another `{field}` than its data have",
                    path,
                    todo=f"name one `{field}`",
                )
            for one in pair:
                if told and one.get(field) is None:
                    one[field] = told[0]


def _client(name: str, plain: dict[str, Any], path: object) -> Client:
    if name not in _KEY_NAMES:
        raise UserError(f"knows no venue {name!r}", path, todo=f"use {' or '.join(_KEY_NAMES)}")
    data = plain["data_clients"][name]["config"]
    trading = plain.get("exec_clients", {}).get(name)
    paper = trading is None or "sandbox" in trading["path"]
    environment = data.get("environment") or ("LIVE" if name == "BINANCE" else "MAINNET")
    if environment not in _KEY_NAMES[name]:
        raise UserError(
            f"knows no environment {environment!r} of {name}",
            path,
            todo=f"use {' or '.join(_KEY_NAMES[name])}",
        )
    url = data.get("base_url_http")
    rights = None
    if name == "BINANCE":
        rights = url or (_RIGHTS_URL if environment == "LIVE" else None)
        kind = BinanceAccountType(data.get("account_type", "SPOT"))
        if not paper and kind is not BinanceAccountType.USDT_FUTURES:
            raise UserError(
                "trades USD-M futures only at Binance", path, todo="`account_type` is USDT_FUTURES"
            )
        url = url or get_http_base_url(kind, BinanceEnvironment(environment), False)
    else:
        of_venue = getattr(nautilus_pyo3.BybitEnvironment, environment)
        url = url or nautilus_pyo3.get_bybit_http_base_url(of_venue)
    return Client(name, environment, url, paper, rights)
