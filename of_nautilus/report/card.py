"""The pattern report card of a journal's signals: what came after them, beside chance."""

import json
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from of_nautilus.data import FootprintBar
from of_nautilus.journal import read_journal
from of_nautilus.midprice import read_path
from of_nautilus.outcomes import Cell, report_card
from of_nautilus.patterns.signal import Pattern, Signal
from of_nautilus.report.measures import holds
from of_nautilus.report.tables import table
from of_nautilus.scan import Found, Market, Tape


def card_section(
    catalog: str | Path, instrument: Any, signals: pd.DataFrame, rolls: pd.DataFrame
) -> str:
    """Return the report card as HTML, or one sentence why there is none."""
    if instrument is None or not len(rolls) or not holds(catalog, Tape, str(instrument.id)):
        return '<p class="note">No report card: it needs sessions and the market\'s trades.</p>'
    found = journal_signals(catalog, str(instrument.id), signals)
    market = Market(catalog, instrument, start=int(rolls.start.iloc[0]))
    sessions = sorted(set(zip(rolls.start.tolist(), rolls.end.tolist(), strict=True)))
    path = read_path(market, sessions)
    fees = 2 * float(instrument.taker_fee)
    cells = report_card(found, path, fee_rate=fees)
    heads = [
        "pattern", "verdict", "minutes", "signals", "groups", "best, ticks", "worst, ticks",
        "target first", "stop first", "net, ticks", "mean, R", "95% interval, R",
        "random times, R", "random sides, R", "q",
    ]  # fmt: skip
    said = (
        f"Moves of the {'mid price of the ' if path.basis != 'trades' else ''}{path.basis} after "
        f"each signal, at market in and out, fees {fees:.4%} a round trip. R is twice the usual "
        "range of a bar. Beside the mean result stands what random times of the same half hour "
        "and shuffled sides gave; q is the p value after correction for many cells."
    )
    rows = [_row(cell) for cell in cells]
    return f'<p class="note">{escape(said)}</p>{table(heads, rows, text=2)}'


def journal_signals(catalog: str | Path, name: str, signals: pd.DataFrame) -> list[Found]:
    """Return the journal's signals with the usual range of a bar (R1) as it then stood."""
    bars = read_journal(catalog, FootprintBar, name)
    closes, r1 = bars.close_ts.to_numpy(np.int64), bars.r1.to_numpy(float)
    at = np.searchsorted(closes, signals.ts_event.to_numpy(np.int64), "right") - 1
    known = (
        np.where(at >= 0, r1[np.maximum(at, 0)], np.nan) if len(r1) else np.full(len(at), np.nan)
    )
    return [
        Found(
            Signal(
                ts=int(row.ts_event),
                pattern=Pattern(row.pattern),
                side=int(row.side),
                price=int(row.price),
                strength=float(row.strength),
                reasons=json.loads(row.reasons),
            ),
            float(usual),
        )
        for row, usual in zip(signals.itertuples(), known, strict=True)
    ]


def _row(cell: Cell) -> list[str]:
    def number(value: float, form: str) -> str:
        return format(value, form) if value == value else "-"

    interval = f"{cell.low:.3f} to {cell.high:.3f}" if cell.low == cell.low else "-"
    return [
        escape(cell.pattern.replace("_", " ")),
        escape(cell.verdict),
        str(cell.minutes),
        str(cell.signals),
        str(cell.clusters),
        number(cell.best_ticks, ".1f"),
        number(cell.worst_ticks, ".1f"),
        number(cell.target_first, ".0%"),
        number(cell.stop_first, ".0%"),
        number(cell.net_ticks, "+.1f"),
        number(cell.mean_r, "+.3f"),
        interval,
        number(cell.random_times, "+.3f"),
        number(cell.random_sides, "+.3f"),
        number(cell.q, ".3f"),
    ]
