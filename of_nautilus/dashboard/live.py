"""A running node's markets, read from its channel."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from of_nautilus.dashboard.channel import About, DashboardSide
from of_nautilus.dashboard.market import PRINT, MarketState
from of_nautilus.dashboard.rings import RingError
from of_nautilus.dashboard.sources import RefusedError
from of_nautilus.dashboard.units import Units
from of_nautilus.scan import whole_microseconds

_LOOK_S = 2.0  # how often it is looked whether another node has taken the channel's place
_SILENT_S = 5.0


class LiveSource:
    """What a node tells; a node that starts again, with the same markets or others, is followed.

    Raises
    ------
    RingError
        If no node has written to `folder`.
    """

    kind = "live"
    commands = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened = 0
        self._open()

    def _open(self) -> None:
        self._side = DashboardSide(self._folder)
        self._made = self._stamp()
        self._since_look = 0.0
        self.name = self._side.abouts.node
        self._order = [_market(about) for about in self._side.abouts.markets]
        self._markets = {market.symbol: market for market in self._order}
        self._take()

    @property
    def markets(self) -> Mapping[str, MarketState]:
        """The markets, by symbol."""
        return self._markets

    @property
    def epoch(self) -> int:
        """Changes with the node, and with the shape of a market's bars."""
        return self._opened * 1_000 + sum(market.epoch for market in self._order)

    @property
    def now_ns(self) -> int:
        """The time now."""
        return time.time_ns()

    def advance(self, seconds: float) -> None:
        """Take what the node has told."""
        self._since_look += seconds
        if self._since_look >= _LOOK_S:
            self._since_look = 0.0
            if self._stamp() not in (self._made, None):
                try:
                    self._open()
                except RingError:
                    return  # it is being made: look again
                self._opened += 1
        self._take()

    def missed(self, symbol: str) -> int:
        """Return how many rows were written over before they were read; rings are shared."""
        return sum(self._side.missed.values())

    def replay(self) -> None:
        """There is none."""
        return

    def act(self, action: str, time: int | None, speed: float | None) -> None:
        """Refuse."""
        raise RefusedError("this is a live node, not a replay")

    def ask(self, action: str, symbols: tuple[str, ...]) -> None:
        """Leave a command for the node.

        Raises
        ------
        RefusedError
            If the node is not there, or has not taken the one before.
        """
        silent = (self.now_ns - self._side.alive_ns) / 1e9
        if silent > _SILENT_S:
            raise RefusedError("the node does not look for commands: is it running?")
        try:
            self._side.ask(action, symbols)
        except RingError as error:
            raise RefusedError(str(error)) from None

    def _take(self) -> None:
        told = self._side.read()
        # What was published first: a bar that closed must not come after trades of the next.
        for data in told.events:
            market = self._markets.get(str(data.instrument_id))
            if market is not None:
                market.take(data)
        for number, market in enumerate(self._order):
            own = told.trades[told.trades["market"] == number]
            if len(own):
                market.take_trades(_prints(own, market.units))
        for row in told.books:
            self._order[int(row["market"])].take_book(int(row["ts"]), row["levels"].copy())

    def _stamp(self) -> tuple[int, int] | None:
        try:
            return tuple(  # type: ignore[return-value]
                (self._folder / name).stat().st_ino for name in ("trades.ring", "events.ring")
            )
        except FileNotFoundError:
            return None


def _market(about: About) -> MarketState:
    units = Units(float(about.tick), float(about.lot), about.price_digits, about.size_digits)
    return MarketState(about.symbol, units, about.currency, from_start=False)


def _prints(rows: Any, units: Units) -> Any:
    made = np.zeros(len(rows), PRINT)
    made["ts"] = whole_microseconds(rows["ts"])
    made["price"] = np.rint(rows["price"] / units.tick)
    made["size"] = np.rint(rows["size"] / units.lot)
    made["side"], made["id"] = rows["side"], rows["id"]
    return made
