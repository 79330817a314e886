"""What a journal noted, whoever noted it: the system, its feed, or somebody at the controls."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from of_nautilus.data import (
    SUSPENDED,
    ExecutionTrouble,
    FeedStatus,
    JournalNote,
    OperatorCommand,
)
from of_nautilus.journal import read_journal
from of_nautilus.report.stops import STOP_NOTE

_SAID: dict[type[Any], Callable[[Any], tuple[bool, str]]] = {
    JournalNote: lambda row: (row.alarm, f"{row.what} {row.reason}"),
    ExecutionTrouble: lambda row: (
        row.kind not in ("protected", "flat"),
        f"{row.kind} {row.text}" + ("" if row.protected else ", without a stop"),
    ),
    FeedStatus: lambda row: (row.state == SUSPENDED, f"feed {row.state.lower()} {row.reason}"),
    OperatorCommand: lambda row: (False, f"operator: {row.action.lower()}"),
}


def read_notes(catalog: str | Path, name: str) -> pd.DataFrame:
    """Return `ts_event`, `alarm` and `text` of all that was noted, in the order of time."""
    found = []
    for kind, said in _SAID.items():
        table = read_journal(catalog, kind, name)
        if kind is JournalNote:
            table = table[table.what != STOP_NOTE]
        found += [(int(row.ts_event), *said(row)) for row in table.itertuples()]
    found.sort(key=lambda entry: entry[0])
    return pd.DataFrame(found, columns=["ts_event", "alarm", "text"])
