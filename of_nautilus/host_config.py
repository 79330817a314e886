"""What is looked at in a config before the host reads it.

Some words end the host's process where it reads them, past any `except`; and what it says of a
component's config does not tell whose it is.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from nautilus_trader.common.config import resolve_config_path, resolve_path
from nautilus_trader.model.enums import AccountType, BookType, OmsType
from nautilus_trader.model.objects import Money

from of_nautilus.errors import UserError

_ENUMS = {"oms_type": OmsType, "account_type": AccountType, "book_type": BookType}
# Without a hyphen between two names of ASCII the host's process ends.
_TRADER_ID = re.compile(r"[!-,.-~][ -~]*-[!-,.-~][ -~]*")
_NAMES = ("strategy_id", "component_id", "client_id", "order_id_tag", "venue", "name")


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
    """Return every named value that is a word or a list of words: where, in what, name, value."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            place = f"{where}.{name}" if where else str(name)
            yield place, value, str(name), inner
            yield from _words(inner, place)
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _words(inner, f"{where}[{i}]")


def _complaint(holder: Mapping[str, Any], name: str, value: Any) -> str | None:
    # Adapters have an `account_type` of their own; a simulated account begins with money.
    account = "starting_balances" in holder
    if name == "starting_balances" and isinstance(value, list):
        return None if all(map(_is_money, value)) else 'must be amounts such as "1000 USDT"'
    if not isinstance(value, str):
        return None
    if name in _ENUMS and (account or name == "oms_type"):
        known = _ENUMS[name].__members__
        return None if value.upper() in known else f"must be one of {', '.join(known)}"
    if name == "trader_id":
        return None if _TRADER_ID.fullmatch(value) else "must be two names and a hyphen: DEMO-001"
    if name == "strategy_id":
        return None if _TRADER_ID.fullmatch(value) else "must be two names and a hyphen: Mine-001"
    if name in _NAMES and not value.isascii():
        return "must be of ASCII letters"
    return None


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
        config = kind.parse(msgspec.json.encode(importable.config))
    except (msgspec.ValidationError, ValueError, TypeError, ImportError, AttributeError) as error:
        raise UserError(str(error), place, todo="mend its config") from None
    return Component(path, config, place)
