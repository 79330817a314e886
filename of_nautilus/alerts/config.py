"""The frozen config of the alerts."""

import os
import re
from collections.abc import Mapping

from nautilus_trader.config import ActorConfig
from nautilus_trader.model.identifiers import InstrumentId

KINDS = (
    "entry",
    "break_even",
    "trail",
    "exit",
    "exit_warning",
    "bias",
    "feed",
    "execution",
    "operator",
    "start",
    "stop",
    "summary",
    "signal",
)
_USUAL = tuple(kind for kind in KINDS if kind != "signal")


class AlertsConfig(ActorConfig, frozen=True):  # type: ignore[call-arg]
    """Config of `alerts.Alerts`.

    Parameters
    ----------
    instrument_ids : tuple of InstrumentId
        The markets to tell about.
    chats : tuple of int
        The chats that get the alerts; empty: those named by the environment variable `chats_env`,
        separated by commas.
    authorized : tuple of int
        The chats that may give commands; empty: those named by `authorized_env`. None at all: no
        commands. Everybody in an authorized group may give them.
    token_env, chats_env, authorized_env : str
        Environment variables with the bot's token and the two lists. The token stands nowhere else.
    kinds : tuple of str
        Which alerts are sent, of `KINDS`; a "signal" is every pattern seen, the only one that is
        off unless named.
    enabled : bool
        Whether anything is done at all.
    picture : str
        `module:function` that draws a footprint for entries, called as
        `report.picture.footprint_png` is; empty for no pictures.
    base_url : str
        Address of the Bot API, up to where the token follows.
    capacity : int
        So many alerts may wait for each chat, >= 1; beyond, the oldest and least urgent are dropped
        and counted.
    confirm_secs : float
        How long a command that changes trading may be confirmed, and how old it may be when it
        comes, > 0.
    """

    instrument_ids: tuple[InstrumentId, ...]
    chats: tuple[int, ...] = ()
    authorized: tuple[int, ...] = ()
    token_env: str = "TELEGRAM_BOT_TOKEN"
    chats_env: str = "TELEGRAM_CHATS"
    authorized_env: str = "TELEGRAM_AUTHORIZED"
    kinds: tuple[str, ...] = _USUAL
    enabled: bool = True
    picture: str = "of_nautilus.report.picture:footprint_png"
    base_url: str = "https://api.telegram.org/bot"
    capacity: int = 200
    confirm_secs: float = 30.0

    def __post_init__(self) -> None:
        if not self.instrument_ids:
            raise ValueError("`instrument_ids` must name at least one instrument, was empty")
        unknown = sorted(set(self.kinds) - set(KINDS))
        if unknown:
            raise ValueError(f"`kinds` must be of {KINDS}, was {unknown}")
        if self.picture and not re.fullmatch(r"[\w.]+:\w+", self.picture):
            raise ValueError(f"`picture` must be 'module:function' or '', was {self.picture!r}")
        if self.capacity < 1:
            raise ValueError(f"`capacity` must be >= 1, was {self.capacity}")
        if not self.confirm_secs > 0:
            raise ValueError(f"`confirm_secs` must be > 0, was {self.confirm_secs}")


def chat_ids(
    given: tuple[int, ...], variable: str, environment: Mapping[str, str] = os.environ
) -> tuple[int, ...]:
    """Return the chats that are given, or else those that an environment variable names.

    Raises
    ------
    ValueError
        If the variable holds something else than whole numbers separated by commas.

    >>> chat_ids((), "CHATS", {"CHATS": "4242, -100123"})
    (4242, -100123)
    """
    if given:
        return given
    text = environment.get(variable, "")
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        # Not what it holds: that may be the token, where the variables were swapped.
        raise ValueError(f"`{variable}` must hold whole numbers separated by commas") from None
