"""What is answered to the authorized chats."""

from collections.abc import Callable, Mapping

from of_nautilus.alerts import text, views
from of_nautilus.alerts.commands import (
    ACTIONS,
    CANCEL,
    CONFIRM,
    EFFECTS,
    HELP,
    QUESTIONS,
    Confirmations,
    Pending,
    parse,
)
from of_nautilus.alerts.memory import Holding, Memory
from of_nautilus.alerts.outbox import Message, Urgency, clipped
from of_nautilus.alerts.story import Story

_Answer = tuple[Message | None, Pending | None]


class Dialog:
    """Answers what is asked, and asks back before anything is changed.

    Parameters
    ----------
    story : Story
        Whose memories the answers come from.
    confirm_s : float
        How long an action may be confirmed, and how old what asks for it may be, > 0.
    node : str
        The node's name.
    report : callable
        Gives a line about the bot itself.
    """

    def __init__(
        self, story: Story, confirm_s: float, node: str, report: Callable[[], str]
    ) -> None:
        self._story = story
        self._confirm_s = confirm_s
        self._open = Confirmations(confirm_s)
        self._node = text.safe(node, 40)
        self._report = report

    def press(self, chat: int, data: str, now: float) -> _Answer:
        """Take a pressed button; return the answer, and the action if it was confirmed."""
        return self._decided(*self._open.press(chat, data, now))

    def say(
        self,
        chat: int,
        said: str,
        bot_name: str,
        held: Mapping[str, Holding] | None,
        at: int,
        now: float,
        written: float,
    ) -> _Answer:
        """Take a message; `at` is the node's time, ns UTC.

        `now`, and when it was `written` at the latest, are seconds of one clock. `held` is None
        if the node does not answer: its positions are then not told.
        """
        command = parse(said, bot_name)
        if command is None:
            if said.startswith("/") or not self._open.waits(chat):
                return None, None
            return self._decided(*self._open.reply(chat, said, now, written))
        memories = self._named(command.argument)
        if not memories:
            return _reply(f"No instrument begins with {text.safe(command.argument, 40)}."), None
        if command.name in ACTIONS:
            age = now - written
            if age > self._confirm_s:
                return _reply(
                    f"/{command.name} came too late: it was written {age:.0f} seconds ago by this "
                    "machine's clock. Nothing was changed."
                ), None
            return self._ask(chat, ACTIONS[command.name], memories, now), None
        if command.name not in QUESTIONS:
            return _reply(HELP), None
        if held is None and command.name != "levels":
            return _reply("The node does not answer: it may be busy, or hang."), None
        return _reply(self._view(command.name, memories, held or {}, at)), None

    def _view(self, name: str, memories: list[Memory], held: Mapping[str, Holding], at: int) -> str:
        match name:
            case "status":
                told = views.status(memories, held, at)
                return f"{told}\n\n{self._node}, {self._report()}"
            case "levels":
                return views.levels(memories)
            case "trade":
                return views.trade(memories, held)
        return views.scanner(memories, held, at)

    def _named(self, argument: str) -> list[Memory]:
        return [
            memory
            for name, memory in self._story.memories.items()
            if name.lower().startswith(argument.lower())
        ]

    def _ask(self, chat: int, action: str, memories: list[Memory], now: float) -> Message:
        names = tuple(memory.market.instrument_id for memory in memories)
        pending = self._open.ask(chat, action, names, now)
        told = (
            f"<b>{action} {text.safe(', '.join(names))} of {self._node}?</b>\n{EFFECTS[action]}\n"
            f"Press, or write yes, within {self._confirm_s:.0f} seconds."
        )
        buttons = (
            (f"Yes, {action}", f"{CONFIRM}:{pending.nonce}"),
            ("No", f"{CANCEL}:{pending.nonce}"),
        )
        return Message(told, Urgency.HIGH, f"question {action}", buttons=buttons)

    def _decided(self, pending: Pending | None, answer: str) -> _Answer:
        if pending is None:
            return _reply(answer), None
        names = text.safe(", ".join(pending.instruments))
        return _reply(f"{pending.action} {names}: passed on to the node."), pending


def _reply(told: str) -> Message:
    return Message(clipped(told), Urgency.HIGH)
