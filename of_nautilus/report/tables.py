"""HTML tables of a report: trades, signals, sessions, decisions, notes, data quality."""

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from html import escape
from typing import Any

import pandas as pd

from of_nautilus.ingest.provenance import entry_text
from of_nautilus.report.numbers import Line
from of_nautilus.report.style import decimals_of


def clock(ts: int, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Return a time of ns UTC as text."""
    return pd.Timestamp(int(ts), unit="ns", tz="UTC").strftime(form)


def numbers_list(lines: Iterable[Line]) -> str:
    """Return headline numbers as a definition list."""
    items = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(meaning)}</small></dd></div>"
        for name, value, meaning in lines
    )
    return f'<dl class="numbers">{items}</dl>'


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], text: int = 1) -> str:
    """Return a table; the first `text` columns are words, cells are HTML already."""

    def cell(tag: str, k: int, value: str) -> str:
        return f"<{tag}{' class=text' if k < text else ''}>{value}</{tag}>"

    head = "".join(cell("th", k, escape(name)) for k, name in enumerate(heads))
    body = "".join(
        f"<tr>{''.join(cell('td', k, value) for k, value in enumerate(row))}</tr>" for row in rows
    )
    return (
        f'<div class="table" tabindex="0"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def trades_table(trades: pd.DataFrame, money: str, size: str) -> str:
    """Return the table of trades; each number is a link that moves the chart."""
    rows = []
    for number, trade in enumerate(trades.itertuples(), 1):
        digits = decimals_of(trade.tick)
        lots = decimals_of(trade.lot)
        cells = [
            f'<a href="#trade-{number}" data-trade="{number}" '
            f'aria-label="show trade {number} in the chart">{number}</a>',
            clock(trade.opened),
            "long" if trade.side > 0 else "short",
            escape(trade.reason.replace("_", " ")),
            f"{trade.quantity * trade.lot:,.{lots}f}",
            f"{trade.entry * trade.tick:,.{digits}f}",
            f"{trade.exit * trade.tick:,.{digits}f}",
            _duration(trade.closed - trade.opened),
            _known(trade.r_multiple, "+.2f"),
            _known(trade.reward_to_risk, ".2f"),
            f"{_known(trade.score, '.0f')} {escape(trade.grade)}".strip(),
            f"{Decimal(trade.fees):,.2f}",
            f"{Decimal(trade.money):+,.2f}",
        ]
        body = "".join(f"<td{' class=text' if k < 4 else ''}>{c}</td>" for k, c in enumerate(cells))
        rows.append(f'<tr id="trade-{number}">{body}</tr>')
    heads = [
        "#", "opened, UTC", "side", "out by", f"size, {size}", "entry", "exit", "held",
        "result, R", "planned R:R", "score", f"fees, {money}", f"net, {money}",
    ]  # fmt: skip
    head = "".join(
        f"<th{' class=text' if k < 4 else ''}>{escape(name)}</th>" for k, name in enumerate(heads)
    )
    return (
        f'<div class="table" tabindex="0"><table id="trades"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def signals_table(signals: pd.DataFrame) -> str:
    """Return counts and strengths of signals by pattern."""
    rows = []
    for pattern, own in signals.groupby("pattern"):
        rows.append(
            [
                escape(str(pattern)),
                str(len(own)),
                str(int((own.side > 0).sum())),
                str(int((own.side < 0).sum())),
                f"{own.strength.median():.0f}",
                f"{own.strength.max():.0f}",
            ]
        )
    heads = ["pattern", "signals", "buy", "sell", "median strength", "largest strength"]
    return table(heads, rows)


def sessions_table(bias: pd.DataFrame, levels: pd.DataFrame) -> str:
    """Return the frame of each session: bias, value area, and what its levels lived through."""
    rows = []
    for k, frame in enumerate(bias.itertuples()):
        digits = decimals_of(frame.tick)
        until = bias.ts_event.iloc[k + 1] if k + 1 < len(bias) else None
        own = levels[levels.ts_event >= frame.ts_event]
        if until is not None:
            own = own[own.ts_event < until]
        born = own[own.what == "born"]
        named = ", ".join(
            f"{kind} {price * frame.tick:,.{digits}f} ({strength:.0f})"
            for kind, price, strength in zip(born.kind, born.price, born.strength, strict=True)
        )
        rows.append(
            [
                clock(frame.ts_event, "%Y-%m-%d %H:%M"),
                escape(frame.direction.lower()),
                escape(frame.shape),
                escape(frame.relation.lower().replace("_", " ") or "first frame"),
                f'<span class="wrap">{escape(named or "none")}</span>',
                f"{frame.confidence:.0f}",
                *(f"{p * frame.tick:,.{digits}f}" for p in (frame.val, frame.poc, frame.vah)),
                *(
                    str(int((own.what == what).sum()))
                    for what in ("touched", "traded_through", "broken")
                ),
            ]
        )
    heads = [
        "session, UTC", "bias", "shape", "value area", "levels (strength)", "confidence of 100",
        "VAL", "POC", "VAH", "touched", "traded through", "broken",
    ]  # fmt: skip
    return table(heads, rows, text=5)


def refusals_table(decisions: pd.DataFrame, most: int = 200) -> str:
    """Return the last entry signals and what became of them."""
    rows = []
    for item in decisions.tail(most).itertuples():
        numbers = ", ".join(
            f"{name.replace('_', ' ')} {value:.6g}"
            if isinstance(value, int | float)
            else f"{name.replace('_', ' ')} {value}"
            for name, value in json.loads(item.numbers).items()
        )
        rows.append(
            [
                clock(item.ts_event),
                escape(item.decision.replace("_", " ")),
                f"{escape(item.pattern)} {'buy' if item.side > 0 else 'sell'}",
                escape(numbers),
                f"{item.price * item.tick:,.{decimals_of(item.tick)}f}",
                f"{item.strength:.0f}",
                _known(item.score, ".0f"),
            ]
        )
    return table(
        ["UTC", "decision", "signal", "numbers", "price", "strength", "score"], rows, text=4
    )


def notes_table(notes: pd.DataFrame) -> str:
    """Return what the journal noted, alarms first."""
    ordered = notes.sort_values("alarm", ascending=False, kind="stable").head(200)
    rows = [
        [
            clock(note.ts_event),
            ('<span class="bad">! alarm</span> ' if note.alarm else "")
            + escape(note.text.replace("_", " ")),
        ]
        for note in ordered.itertuples()
    ]
    return table(["UTC", "what"], rows, text=2)


def quality_table(report: Any) -> str:
    """Return a catalog's quality report: each day's rows, and what is wrong with them."""
    rows = [
        [
            escape(day.day),
            escape(str(day.kind).replace("_", " ")),
            f"{day.rows:,}",
            *(
                f"{value:,}" if (value := getattr(day, name)) is not None else "-"
                for name in ("out_of_order", "duplicates", "off_grid", "missing_ids", "gaps")
            ),
            "-" if day.aggressor_share is None else f"{day.aggressor_share:.0%}",
        ]
        for day in report.days
    ]
    heads = [
        "day", "data", "rows", "out of order", "duplicates", "off grid", "missing ids", "silences",
        "aggressor known",
    ]  # fmt: skip
    said = [f'<span class="bad">! {escape(text)}</span>' for text in report.unfit]
    said += [escape(text) for text in report.notes]
    said += [
        escape(f"{entry['day']}, ingested from {entry['format']}: {entry_text(entry)}")
        for entry in report.ingested
    ]
    verdict = "unfit" if report.unfit else "fit for use"
    notes = "".join(f"<li>{text}</li>" for text in said)
    return f"<p>The data are {verdict}.</p>{table(heads, rows, text=2)}<ul>{notes}</ul>"


def _known(value: float, form: str) -> str:
    return format(value, form) if value == value else ""


def _duration(ns: int) -> str:
    seconds = round(ns / 1e9)
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
