"""Where the stop of each trade rested, move by move."""

import json

import pandas as pd

STOP_NOTE = "stop_rests"
"""The journal's note that a stop order is live at the venue."""

Path = list[tuple[int, int]]
"""Moments (ns UTC) and the price (ticks) of the stop from then on."""


def stop_paths(trades: pd.DataFrame, notes: pd.DataFrame) -> list[Path]:
    """Return the stop's path of each trade, from its opening on.

    Where the journal tells of no moves, the stop is where it was first, and moves to where it was
    last as the trade closes; a trade that was not planned has none.
    """
    told = notes[notes.what == STOP_NOTE] if len(notes) else notes
    paths: list[Path] = []
    for trade in trades.itertuples():
        path: Path = [(int(trade.opened), int(trade.first_stop))] if trade.first_stop else []
        if len(told):
            own = told[
                (told.strategy_id == trade.strategy_id)
                & (told.ts_event >= trade.opened)
                & (told.ts_event <= trade.closed)
            ]
            for ts, numbers in zip(own.ts_event, own.numbers, strict=True):
                price = int(json.loads(numbers)["price"])
                if not path or price != path[-1][1]:
                    path.append((int(ts), price))
        if path and trade.last_stop and path[-1][1] != trade.last_stop:
            path.append((int(trade.closed), int(trade.last_stop)))
        paths.append(path)
    return paths
