"""Commands from chats: what was asked, and the second word that acting needs."""

import secrets
from dataclasses import dataclass

from of_nautilus.data import FLATTEN, PAUSE, RESUME

QUESTIONS = ("status", "levels", "trade", "scanner")
ACTIONS = {"pause": PAUSE, "resume": RESUME, "flatten": FLATTEN}
CONFIRM, CANCEL = "yes", "no"
EFFECTS = {
    PAUSE: "No more entries; an open trade is managed on.",
    RESUME: "Entries are allowed again.",
    FLATTEN: "Cancel every order, close the position at market, and pause.",
}
HELP = "\n".join(
    (
        "/status /levels /trade [instrument]: where it stands, its levels, the open position",
        "/scanner: all instruments, those to look at first",
        "/pause /resume /flatten [instrument]: to be confirmed",
    )
)


@dataclass(frozen=True, slots=True)
class Command:
    """A command and the word behind it."""

    name: str
    argument: str = ""


def parse(said: str, bot_name: str) -> Command | None:
    """Return the command in a message, None if it is none or another bot's.

    >>> parse("/levels@flow_bot BTC", "flow_bot")
    Command(name='levels', argument='BTC')
    """
    if not said.startswith("/"):
        return None
    word, _, rest = said[1:].partition(" ")
    name, _, to = word.partition("@")
    if to and to.lower() != bot_name.lower():
        return None
    return Command(name.lower(), rest.strip())


@dataclass(frozen=True, slots=True)
class Pending:
    """An action that was asked about, and waits for its confirmation until `deadline`."""

    action: str
    instruments: tuple[str, ...]
    asked: float
    deadline: float
    nonce: str


class Confirmations:
    """The actions that wait, at most one for each chat.

    Parameters
    ----------
    seconds : float
        How long one may be confirmed, > 0.
    """

    def __init__(self, seconds: float) -> None:
        if not seconds > 0:
            raise ValueError(f"`seconds` must be > 0, was {seconds}")
        self._seconds = seconds
        self._pending: dict[int, Pending] = {}

    def ask(self, chat: int, action: str, instruments: tuple[str, ...], now: float) -> Pending:
        """Let an action wait; it takes the place of the chat's former one."""
        deadline = now + self._seconds
        pending = Pending(action, instruments, now, deadline, secrets.token_hex(8))
        self._pending[chat] = pending
        return pending

    def waits(self, chat: int) -> bool:
        """Whether anything of this chat waits."""
        return chat in self._pending

    def press(self, chat: int, data: str, now: float) -> tuple[Pending | None, str]:
        """Take a pressed button `word:nonce`; return what is to be done, and what to say."""
        word, _, nonce = data.partition(":")
        pending = self._pending.get(chat)
        if pending is None or nonce != pending.nonce:
            return None, "This question is no longer open. Nothing was changed."
        return self._decide(chat, word, now)

    def reply(self, chat: int, word: str, now: float, written: float) -> tuple[Pending | None, str]:
        """Take an answer that a chat with a question open has `written`, maybe before it."""
        pending = self._pending[chat]
        if _confirms(word) and written <= pending.asked and now <= pending.deadline:
            return None, "This was written before the question, which is still open."
        return self._decide(chat, word, now)

    def _decide(self, chat: int, word: str, now: float) -> tuple[Pending | None, str]:
        pending = self._pending.pop(chat)
        if now > pending.deadline:
            return None, f"Too late for {pending.action}. Nothing was changed."
        if not _confirms(word):
            return None, f"{pending.action} was dropped. Nothing was changed."
        return pending, ""


def _confirms(word: str) -> bool:
    return word.strip().lower() == CONFIRM
