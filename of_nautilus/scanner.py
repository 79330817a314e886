"""Where each instrument of a catalog stands, from its data and its journal.

What is shown is as of the newest data there. A moment says how late it is by now, and so whose feed
is silent: without one it is the time of the newest data.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from of_nautilus.core.sessions import MINUTE
from of_nautilus.data import (
    DailyBias,
    EntryDecision,
    FootprintBar,
    LevelEvent,
    SessionRoll,
    TradeTransition,
)
from of_nautilus.decision.status import STEPS, ScannerRow, Status, rank, stand
from of_nautilus.decision.table import Phase
from of_nautilus.errors import UserError
from of_nautilus.ingest.columns import TradeColumns, data_files, held_range
from of_nautilus.ingest.store import Store, open_store
from of_nautilus.journal import read_journal

STALE = 5 * MINUTE
_KINDS = ("trade_tick", "custom_footprint_bar", "custom_session_roll", "custom_trade_transition")
_ENDS = ("broken", "retired")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one instrument stands: prices in ticks, times in ns UTC; None if not known."""

    row: ScannerRow
    phase: str | None
    levels: int
    last_price: int | None
    nearest_level: int | None
    last_ts: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "instrument_id": self.row.symbol,
            "status": str(self.row.status),
            "priority": self.row.priority,
            "steps": dict(zip(STEPS, self.row.steps, strict=True)),
            "phase": self.phase,
            "levels": self.levels,
            "last_price_ticks": self.last_price,
            "nearest_level_ticks": self.nearest_level,
            "last_ts": self.last_ts,
        }


def standings(
    catalog: str | Path, at: int | None = None, stale_after: int = STALE
) -> list[Standing]:
    """Return where the instruments of a catalog stand, those that need a look first.

    Parameters
    ----------
    catalog : str or Path
        Folder of the catalog.
    at : int, optional
        How late it is, ns UTC, which only tells silence; absent: the time of the newest data.
    stale_after : int
        From what silence on a feed is taken for dead, ns, > 0.

    Raises
    ------
    UserError
        If the catalog holds no market data and no journal.
    """
    if stale_after <= 0:
        raise ValueError(f"`stale_after` must be > 0, was {stale_after}")
    store = open_store(catalog)
    names = sorted({name for kind in _KINDS for name in store.names(f"data/{kind}")})
    if not names:
        raise UserError("no market data there", catalog, todo="ingest some, or run the demo, first")
    known = [_Known(store, catalog, name) for name in names]
    moment = max(each.last_ts for each in known) if at is None else at
    standing = {each.name: each.standing(moment, stale_after) for each in known}
    return [standing[row.symbol] for row in rank(each.row for each in standing.values())]


class _Known:
    """What a catalog knows of one instrument."""

    def __init__(self, store: Store, catalog: str | Path, name: str) -> None:
        def table(kind: type[Any]) -> pd.DataFrame:
            return read_journal(catalog, kind, name)

        self.name = name
        self.bars, self.rolls, self.moves = (
            table(kind) for kind in (FootprintBar, SessionRoll, TradeTransition)
        )
        self.level_events = table(LevelEvent)
        self.framed_by = set(table(DailyBias)["strategy_id"])
        self.traded_by = sorted(
            {
                strategy
                for kind in (DailyBias, LevelEvent, EntryDecision, TradeTransition)
                for strategy in table(kind)["strategy_id"]
            }
        )
        last = [frame["ts_event"].max() for frame in (self.bars, self.moves) if len(frame)]
        for path, _, _ in data_files(store, TradeColumns, name)[-1:]:
            last.append(held_range(TradeColumns, store, path)[1])
        self.last_ts = int(max(last, default=0))

    def standing(self, moment: int, stale_after: int) -> Standing:
        """Return where it stands: of several strategies the one that ranks first."""
        each = [self._of(strategy, moment, stale_after) for strategy in self.traded_by or [None]]
        return max(each, key=lambda standing: standing.row.priority)

    def _of(self, strategy: str | None, moment: int, stale_after: int) -> Standing:
        phase = None if strategy is None else self._phase(strategy)
        levels = list(self._levels(strategy))
        price = int(self.bars["close"].iloc[-1]) if len(self.bars) else None
        nearest = min(levels, key=lambda at: abs(at - price)) if levels and price else None
        finished = bool(len(self.rolls) and (self.rolls["finished_end"] > 0).any())
        has_frame = finished or strategy in self.framed_by
        status, done = stand(
            phase,
            price=price,
            levels=levels,
            r1=float(self.bars["r1"].iloc[-1]) if len(self.bars) else math.nan,
            has_profile=has_frame or len(self.bars) > 0,
            has_frame=has_frame,
            stale=moment - self.last_ts > stale_after,
        )
        if status in (Status.OFFLINE, Status.NO_DATA) and phase is None:
            done = (has_frame, *(False,) * 5)
        return Standing(
            ScannerRow(self.name, status, done),
            None if phase is None else str(phase),
            len(levels),
            price,
            nearest,
            self.last_ts,
        )

    def _phase(self, strategy: str) -> Phase:
        own = self.moves[self.moves["strategy_id"] == strategy]
        return Phase(own["target"].iloc[-1]) if len(own) else Phase.NONE

    def _levels(self, strategy: str | None) -> Iterator[int]:
        """Return the prices of the levels with a side that are neither broken nor retired."""
        events = self.level_events[self.level_events["strategy_id"] == strategy]
        alive: dict[str, int] = {}
        columns = (events[name] for name in ("what", "level", "price", "side"))
        for what, level, price, side in zip(*columns, strict=True):
            if what in _ENDS:
                alive.pop(level, None)
            elif what == "born" and side:
                alive[level] = int(price)
        yield from alive.values()
