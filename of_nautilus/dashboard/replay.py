"""A replay of recorded markets: play, pause, step, seek, at 1 to 200 times speed."""

from collections.abc import Mapping, Sequence
from typing import Any

from of_nautilus.core.sessions import SECOND
from of_nautilus.dashboard.market import MarketState
from of_nautilus.dashboard.recorded import RecordedMarket
from of_nautilus.dashboard.sources import RefusedError
from of_nautilus.dashboard.units import ms

SPEEDS = (1, 2, 5, 10, 20, 50, 100, 200)
ACTIONS = ("play", "pause", "step", "seek", "speed")
_MOST_STEP_S = 1.0  # a server that was held up does not leap


class ReplaySource:
    """Recorded markets on one clock.

    Parameters
    ----------
    recorded : sequence of RecordedMarket
        At least one, each with trades.
    name : str
        What is shown as the source's name.
    kind : str
        "replay" or "demo".
    at : int, optional
        Where to begin, ns UTC; absent: at the last session, or a quarter into a single one.
    """

    commands = False

    def __init__(
        self,
        recorded: Sequence[RecordedMarket],
        name: str,
        kind: str = "replay",
        at: int | None = None,
        speed: float = 10,
    ) -> None:
        self.kind, self.name = kind, name
        self.epoch = 0
        self._recorded = recorded
        self._start = min(one.start for one in recorded)
        self._end = max(one.end for one in recorded)
        self._sessions = sorted(
            {start for one in recorded for start in one.sessions() if start < self._end}
        )
        self._state = "playing"
        self._speed = speed
        later = [start for start in self._sessions if start > self._start]
        begin = later[-1] if later else self._start + (self._end - self._start) // 4
        self._seek(begin if at is None else at)

    @property
    def markets(self) -> Mapping[str, MarketState]:
        """The markets, by symbol."""
        return self._markets

    @property
    def now_ns(self) -> int:
        """The time of the replay."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Play on, if it plays."""
        if self._state == "playing":
            self._play(self._now + int(min(seconds, _MOST_STEP_S) * self._speed * SECOND))

    def missed(self, symbol: str) -> int:
        """Nothing is."""
        return 0

    def replay(self) -> dict[str, Any]:
        """Return where the replay stands."""
        return {
            "state": self._state,
            "time": ms(self._now),
            "start": ms(self._start),
            "end": ms(self._end),
            "speed": self._speed,
            "speeds": list(SPEEDS),
            "sessions": [ms(max(start, self._start)) for start in self._sessions],
        }

    def act(self, action: str, time: int | None, speed: float | None) -> None:
        """Do one of `ACTIONS`: `time` (ms) is for seek, `speed` for speed.

        Raises
        ------
        RefusedError
            If the one that it needs is not there, or out of range.
        """
        match action:
            case "play" if self._now < self._end:
                self._state = "playing"
            case "pause" if self._state == "playing":
                self._state = "paused"
            case "step":
                self._state = "paused"
                span = min(market.bars.seconds for market in self._markets.values()) * SECOND
                self._play(self._now // span * span + span)
            case "seek":
                if time is None:
                    raise RefusedError("`time` must be given to seek, ms UTC")
                self._seek(time * 1_000_000)
            case "speed":
                if speed is None or not SPEEDS[0] <= speed <= SPEEDS[-1]:
                    raise RefusedError(f"`speed` must be {SPEEDS[0]} to {SPEEDS[-1]}, was {speed}")
                self._speed = speed

    def ask(self, action: str, symbols: tuple[str, ...]) -> None:
        """Refuse."""
        raise RefusedError("a replay has no node to command")

    def _seek(self, to: int) -> None:
        """Build everything anew from the start of the data: what is shown is what playing shows."""
        self._players = [one.player() for one in self._recorded]
        self._markets = {player.state.symbol: player.state for player in self._players}
        self.epoch += 1
        if self._state == "ended":
            self._state = "paused"
        self._play(min(max(to, self._start), self._end))

    def _play(self, until: int) -> None:
        self._now = min(until, self._end)
        for player in self._players:
            player.play(self._now)
        if self._now >= self._end:
            self._state = "ended"
