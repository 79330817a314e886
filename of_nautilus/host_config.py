"""What is looked at in a config before the host reads it.

Some words end the host's process where it reads them, past any `except`; and what it says of a
component's config does not tell whose it is.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from nautilus_trader.common.config import (
    msgspec_encoding_hook,
    resolve_config_path,
    resolve_path,
)
from nautilus_trader.common.enums import LogLevel
from nautilus_trader.model.enums import AccountType, BookType, OmsType, OtoTriggerMode
from nautilus_trader.model.objects import Money

from of_nautilus.errors import UserError

_ENUMS = {
    "oms_type": OmsType,
    "account_type": AccountType,
    "book_type": BookType,
    "oto_trigger_mode": OtoTriggerMode,
    "log_level": LogLevel,
    "log_level_file": LogLevel,
}
# Adapters have one of their own: this is that of a simulated account, which begins with money.
_OF_ACCOUNTS, _OF_VENUES = "account_type", "starting_balances"
# Without a hyphen between two names of ASCII the host's process ends.
_TRADER_ID = re.compile(r"[!-,.-~][ -~]*-[!-,.-~][ -~]*")
_NAMES = ("strategy_id", "component_id", "client_id", "order_id_tag")


@dataclass(frozen=True, slots=True)
class Component:
    """An actor or strategy of a config: its class by name, its own config, and where it stands."""

    path: str
    config: Any
    where: str

    @property
    def instrument_ids(self) -> list[str]:
        """The instruments that its config names."""
        named = [getattr(self.config, "instrument_id", None)]
        named += getattr(self.config, "instrument_ids", None) or ()
        return [str(name) for name in named if name is not None]


def check_words(plain: Any, path: object) -> None:
    """Look at the words of a config, as plain JSON, that the host ends its process over.

    Raises
    ------
    UserError
        Names the first one, and what it may be.
    """
    for place, holder, name, value in _words(plain):
        if told := _complaint(holder, name, value):
            raise UserError(f"`{place}` {told}, was {value!r}", path, todo="mend the config")


def _words(value: Any, where: str = "") -> Iterator[tuple[str, Mapping[str, Any], str, Any]]:
    """Return everything that has a name: its place, what holds it, its name, and itself."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            place = f"{where}.{name}" if where else str(name)
            yield place, value, str(name), inner
            yield from _words(inner, place)
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _words(inner, f"{where}[{i}]")


def _complaint(holder: Mapping[str, Any], name: str, value: Any) -> str | None:
    if name == "starting_balances" and isinstance(value, list):
        return None if all(map(_is_money, value)) else 'must be amounts such as "1000 USDT"'
    if name == "log_component_levels" and isinstance(value, Mapping):
        told = (_one_of(str(level), LogLevel) for level in value.values())
        return next(filter(None, told), None)
    if not isinstance(value, str):
        return None
    if name in _ENUMS and (name != _OF_ACCOUNTS or _OF_VENUES in holder):
        return _one_of(value, _ENUMS[name])
    if name == "trader_id":
        return None if _TRADER_ID.fullmatch(value) else "must be two names and a hyphen: DEMO-001"
    if name == "strategy_id":
        return None if _TRADER_ID.fullmatch(value) else "must be two names and a hyphen: Mine-001"
    if name == "order_id_tag" and not value.strip():
        return "must not be empty"
    named = name in _NAMES or (name == "name" and _OF_VENUES in holder)
    if named and not value.isascii():
        return "must be of ASCII letters"
    return None


def _one_of(word: str, kind: Any) -> str | None:
    known = kind.__members__
    if kind is LogLevel and word.upper() == "WARN":
        return None
    return None if word.upper() in known else f"must be one of {', '.join(known)}"


def _is_money(text: Any) -> bool:
    try:
        Money.from_str(text)
    except (ValueError, TypeError):
        return False
    return True


def components(actors: Iterable[Any], strategies: Iterable[Any], where: object) -> list[Component]:
    """Import the classes of a config's components, and read their configs.

    Parameters
    ----------
    actors, strategies : iterable of ImportableActorConfig, ImportableStrategyConfig
    where : object
        The file, for what is told.

    Raises
    ------
    UserError
        If a class cannot be imported or a config not be read: says whose.
    """
    named = [(one, one.actor_path) for one in actors]
    named += [(one, one.strategy_path) for one in strategies]
    return [component(one, path, where) for one, path in named]


def component(importable: Any, path: str, where: object) -> Component:
    """Import the class of one component, and read its config."""
    place = f"{where}, {path.rpartition(':')[2]}"
    try:
        for one in (path, importable.config_path):
            if ":" not in one:
                raise ValueError(f"{one!r} is no module:Class")
        resolve_path(path)
        kind = resolve_config_path(importable.config_path)
        plain = msgspec.json.encode(importable.config, enc_hook=msgspec_encoding_hook)
        config = kind.parse(plain)
    except (msgspec.ValidationError, ValueError, TypeError, ImportError, AttributeError) as error:
        raise UserError(str(error), place, todo="mend its config") from None
    return Component(path, config, place)
