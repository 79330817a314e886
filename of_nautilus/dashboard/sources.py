"""Where a dashboard's markets come from: one contract, kept by a node's channel and by a replay."""

from collections.abc import Mapping
from typing import Any, Protocol

from of_nautilus.dashboard.market import MarketState


class RefusedError(Exception):
    """Something that a source cannot do now; the text says why."""


class Source(Protocol):
    """Markets that go on.

    `kind` is "live", "replay" or "demo"; `name` says whose; `commands` whether a node can be asked;
    `epoch` changes when what was shown no longer leads to what is: everybody starts anew then.
    """

    kind: str
    name: str
    commands: bool

    @property
    def epoch(self) -> int:
        """A number; see above."""
        ...

    @property
    def markets(self) -> Mapping[str, MarketState]:
        """The markets, by symbol."""
        ...

    @property
    def now_ns(self) -> int:
        """The time of what is shown, ns UTC."""
        ...

    def advance(self, seconds: float) -> None:
        """Take what came while so many seconds of the wall clock passed."""
        ...

    def missed(self, symbol: str) -> int:
        """Return how many rows of a market's node were lost."""
        ...

    def replay(self) -> dict[str, Any] | None:
        """Return where a replay stands, as `/api/replay` says it; None where there is none."""
        ...

    def act(self, action: str, time: int | None, speed: float | None) -> None:
        """Let a replay do something; raise `RefusedError` if it cannot."""
        ...

    def ask(self, action: str, symbols: tuple[str, ...]) -> None:
        """Leave a command for the node; raise `RefusedError` if it cannot be."""
        ...
