"""The report of a run: one HTML file that needs no network."""

import base64
import json
import zlib
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go

from of_nautilus.core.value_area import key_prices
from of_nautilus.data import (
    ClosedTrade,
    DailyBias,
    EntryDecision,
    JournalNote,
    LevelEvent,
    PatternSignal,
    SessionRoll,
)
from of_nautilus.files import whole_file
from of_nautilus.ingest.columns import DAY_NS
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.quality import check_catalog
from of_nautilus.journal import read_journal
from of_nautilus.report import pack, results, style, tables, tearsheet
from of_nautilus.report.bars import Bars, instrument_of, read_bars, the_instrument
from of_nautilus.report.card import card_section
from of_nautilus.report.footprint import row_factor
from of_nautilus.report.heatmap import draw_book, large_trades
from of_nautilus.report.measures import read_book, read_vpin
from of_nautilus.report.notes import read_notes
from of_nautilus.report.numbers import headline
from of_nautilus.report.overlays import reasons_text, within
from of_nautilus.report.profile import ProfileReading, read_profile
from of_nautilus.report.stops import stop_paths
from of_nautilus.report.tables import clock

PROFILE_ROWS = 90
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; img-src data:"
)


def write_report(
    catalog: str | Path,
    out: str | Path,
    instrument_id: str | None = None,
    *,
    title: str = "",
    balances: Sequence[str] = (),
) -> Path:
    """Write the report of what a catalog's journal and market data hold; return its file.

    Parameters
    ----------
    catalog : str or Path
        Folder of the catalog, with a run's journal or with trades alone.
    out : str or Path
        The HTML file, or a folder in which it is called `report.html`.
    instrument_id : str, optional
        Needed where the catalog holds several.
    title : str
        What stands above it; the instrument if empty.
    balances : sequence of str
        What the account began with, such as "100_000 USDT"; with the currency of the results the
        page also has NautilusTrader's own charts of returns.

    Raises
    ------
    UserError
        If the catalog holds no such instrument.
    """
    name = instrument_id or the_instrument(catalog)
    path = Path(out)
    if path.suffix.lower() not in (".html", ".htm"):
        path = path / "report.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = _Report(catalog, name, title or name, balances).html()
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")
    return path


@cache
def _plotly() -> str:
    """The chart library as text: deflated, a third of its size, and read after the page is seen.

    Parentheses around its one large function have a browser compile it with the script, beside the
    page's own work, and not once more when it is called.
    """
    from plotly.offline import get_plotlyjs

    source = get_plotlyjs()
    begin, end = ", () => {\n", "return Plotly;\n}));"
    if source.count(begin) == 1 and source.endswith(end):
        source = source.replace(begin, ", (() => {\n")[: -len(end)] + end.replace("}", "})")
    return base64.b64encode(zlib.compress(source.encode(), 6)).decode()


class _Report:
    def __init__(self, catalog: str | Path, name: str, title: str, balances: Sequence[str]) -> None:
        self.catalog, self.name, self.title = catalog, name, title
        self.bars = read_bars(catalog, name)
        self.trades = read_journal(catalog, ClosedTrade, name)
        self.signals = read_journal(catalog, PatternSignal, name)
        self.decisions = read_journal(catalog, EntryDecision, name)
        self.bias = read_journal(catalog, DailyBias, name)
        self.levels = read_journal(catalog, LevelEvent, name)
        self.stops = stop_paths(self.trades, read_journal(catalog, JournalNote, name))
        self.notes = read_notes(catalog, name)
        self.rolls = read_journal(catalog, SessionRoll, name)
        self.instrument = instrument = instrument_of(catalog, name)
        self.money = str(instrument.quote_currency) if instrument else "quote units"
        base = instrument.get_base_currency() if instrument else None
        self.size = str(base) if base else "contracts" if instrument else "units"
        self.balance = tearsheet.starting_balance(balances, self.money)
        self.figures: dict[str, Any] = {}

    # -- the page ---------------------------------------------------------------------------------

    def html(self) -> str:
        """Return the page."""
        body = "".join(
            (
                self._headline(),
                self._market(),
                self._trades(),
                self._results(),
                self._signals(),
                self._decisions(),
                self._sessions(),
                self._book(),
                self._quality(),
            )
        )
        here = files("of_nautilus.report")
        # "</" would end the script element, wherever it stands.
        data = json.dumps(self._data(), allow_nan=False, separators=(",", ":"))
        data = data.replace("</", "<\\/")
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<link rel="icon" href="data:,"><title>{escape(self.title)}</title>'
            f"<style>{(here / 'page.css').read_text()}</style></head><body>"
            f"<header><h1>{escape(self.title)}</h1><p>{escape(self._period())}</p>"
            '<button id="theme" type="button">Dark</button></header>'
            f"<main>{body}</main><noscript>The charts need JavaScript.</noscript>"
            f'<script id="report-data" type="application/json">{data}</script>'
            f'<script id="plotly" type="text/plain">{_plotly()}</script>'
            f"<script>{(here / 'page.js').read_text()}</script></body></html>"
        )

    def _period(self) -> str:
        named = "" if self.title == self.name else f"{self.name}: "
        if not len(self.bars):
            return f"{named}no footprint bars and no trades in {Path(self.catalog).name}"
        first, last = self.bars.open_ts[0], self.bars.close_ts[-1]
        bars = "1 bar" if len(self.bars) == 1 else f"{len(self.bars):,} bars"
        return f"{named}{clock(first)} to {clock(last)} UTC · {bars}"

    def _data(self) -> dict[str, Any]:
        bars = self.bars
        levels = [pack.pack_level(bars, factor) for factor in pack.levels_of(bars)]
        vpin, ofi = self._vpin, self._picture.ofi if self._picture else None
        if vpin is not None and not np.isfinite(vpin.value).any():
            vpin = None
        measures: dict[str, Any] = {}
        if vpin is not None:
            measures["vpin"] = vpin.value
        if ofi is not None:
            measures["ofi"] = ofi.astype(float)
        return {
            "tick": bars.tick,
            "lot": bars.lot,
            "money": self.money,
            "size": self.size,
            "chunk": pack.CHUNK,
            "bars": pack.pack_bars(bars) if len(bars) else None,
            "levels": levels,
            "ofi": ofi is not None,
            "vpin": vpin is not None,
            "measures": pack.pack(measures) if measures else None,
            "signals": self._signal_marks(),
            "trades": self._trade_marks(),
            "market_levels": self._level_marks(),
            "sessions": self._session_marks(),
            "figures": self.figures,
            "style": {
                "buy": style.BUY,
                "sell": style.SELL,
                "shapes": style.PATTERN_SHAPES,
                "patterns": style.PATTERN_COLORS,
                "other": style.OTHER_COLOR,
            },
        }

    def _figure(self, name: str, figure: go.Figure) -> str:
        figure.layout.template = None
        self.figures[name] = json.loads(figure.to_json())
        title = figure.layout.title.text or name
        return f'<div class="figure" id="{name}" role="img" aria-label="{escape(title)}"></div>'

    def _section(self, title: str, *parts: str, ident: str = "") -> str:
        mark = f' id="{ident}"' if ident else ""
        return f"<section{mark}><h2>{escape(title)}</h2>{''.join(parts)}</section>"

    # -- its sections -----------------------------------------------------------------------------

    def _headline(self) -> str:
        multiplier = float(self.instrument.multiplier) if self.instrument else 1.0
        lines = headline(self.bars, self.trades, self.money, self.size, multiplier)
        return self._section("In short", tables.numbers_list(lines))

    def _market(self) -> str:
        self._vpin = read_vpin(self.catalog, self.bars)
        self._picture = read_book(self.catalog, self.bars)
        if not len(self.bars):
            return self._section(
                "Market", '<p class="empty">There are no bars to draw: no trades closed one.</p>'
            )
        said = [empty] if (empty := self._empty_days()) else []
        if self._vpin is not None:
            size = self._vpin.bucket * self.bars.lot
            if np.isfinite(self._vpin.value).any():
                said.append(f"VPIN over 50 buckets of {size:,.6g} {self.size}.")
            else:
                said.append("VPIN is not shown: its 50 buckets were not full.")
        else:
            said.append("VPIN is not shown: the catalog has no trades of this range.")
        if self._picture is None:
            said.append("OFI is not shown: the catalog has no order book of this range.")
        else:
            said.append(f"OFI: change of the queues at the best prices by bar, {self.size}.")
        heights = "".join(
            f'<option value="{self.bars.ticks_per_row * factor}">'
            f"{self.bars.ticks_per_row * factor * self.bars.tick:,.10g}</option>"
            for factor in pack.levels_of(self.bars)
        )
        keys = "".join(
            f"<span>{text}</span>"
            for text in (
                "← → move",
                "+ − zoom",
                "t next trade",
                "s next signal",
                "0 everything",
            )
        )
        tools = (
            '<div class="tools"><span class="group" role="group" aria-label="zoom">'
            '<button data-bars="0" type="button">All</button>'
            '<button data-bars="240" type="button">240 bars</button>'
            '<button data-bars="60" type="button">60</button>'
            '<button data-bars="12" type="button">12</button>'
            '<button data-act="-" type="button" aria-label="zoom out">−</button>'
            '<button data-act="+" type="button" aria-label="zoom in">+</button></span>'
            '<span class="group"><button data-act="T" type="button">◂ trade</button>'
            '<button data-act="t" type="button">trade ▸</button>'
            '<button data-act="S" type="button">◂ signal</button>'
            '<button data-act="s" type="button">signal ▸</button></span>'
            '<label>rows <select id="rows"><option value="auto">auto</option>'
            f"{heights}</select></label>"
            '<label><input type="checkbox" id="show-signals" checked> signals</label>'
            '<label><input type="checkbox" id="show-trades" checked> trades</label>'
            '<label><input type="checkbox" id="show-levels" checked> levels</label>'
            "</div>"
        )
        return self._section(
            "Market",
            tools,
            '<div id="chart" tabindex="0" role="application" '
            'aria-label="footprint chart; arrow keys move, plus and minus zoom"></div>',
            '<p id="shown" aria-live="polite">The chart is being drawn.</p>',
            f'<p class="note">{self._key()} {escape(" ".join(said))}</p>',
            f'<p class="key" aria-label="keys of the chart">{keys}</p>',
            ident="market",
        )

    def _empty_days(self) -> str:
        """Which whole days (UTC) between the first bar and the last have none."""
        days = np.unique(self.bars.open_ts // DAY_NS)
        empty = np.setdiff1d(np.arange(days[0], days[-1]), days)
        if not len(empty):
            return ""
        named = ", ".join(clock(day * DAY_NS, "%Y-%m-%d") for day in empty[:10].tolist())
        more = f" and {len(empty) - 10} more" if len(empty) > 10 else ""
        return f"Nothing traded on {named}{more}."

    def _key(self) -> str:
        glyphs = {
            "absorption": "◆",
            "initiative": "▲▼",
            "sweep": "⬆⬇",
            "exhaustion": "✕",
            "divergence": "✦",
        }
        own = [p for p in style.PATTERN_COLORS if (self.signals.pattern == p).any()]
        marks = " ".join(
            f'<span style="color:{style.PATTERN_COLORS[p]}">{glyphs[p]}</span> {p}' for p in own
        )
        lines = "▶ entry, ■ exit, dotted stop, dashed target."
        trades = f' <span style="color:var(--trade)">{lines}</span>' if len(self.trades) else ""
        return f"{marks} (filled or pointing up: buy){trades}" if own else trades

    def _trades(self) -> str:
        if not len(self.trades):
            why = "The system closed no trade."
            if not len(self.decisions):
                why += " No entry signal was judged: no strategy kept a journal here, or none came."
            return self._section("Trades", f'<p class="empty">{why}</p>')
        return self._section(
            "Trades",
            '<p class="note">A number moves the chart to its trade.</p>',
            tables.trades_table(self.trades, self.money, self.size),
        )

    def _results(self) -> str:
        if not len(self.trades):
            return ""
        charts = {
            "equity": results.equity_chart(self.trades, self.money),
            "pnl": results.pnl_chart(self.trades, self.money),
            "reward": results.reward_chart(self.trades),
            "hours": results.hours_chart(self.trades, self.money),
            "costs": results.costs_chart(self.trades, self.money),
        }
        parts = (
            f"<section>{self._figure(name, chart)}</section>" for name, chart in charts.items()
        )
        return f'<div class="grid">{"".join(parts)}</div>{self._returns()}'

    def _returns(self) -> str:
        """The host's own charts, of returns on the account's first balance."""
        if self.balance is None:
            return ""
        returns = tearsheet.account_returns(self.trades, self.balance)
        charts = tearsheet.host_charts(returns)
        total = float((1 + returns).prod() - 1)
        said = (
            f"NautilusTrader's own charts of the return of each trade on the account, which began "
            f"with {self.balance:,.2f} {self.money} and came to {total:+.4%}."
        )
        figures = "".join(
            f"<div>{self._figure(f'host-{name}', chart)}</div>" for name, chart in charts.items()
        )
        return self._section(
            "Returns", f'<p class="note">{escape(said)}</p>', f'<div class="grid">{figures}</div>'
        )

    def _signals(self) -> str:
        if not len(self.signals):
            return self._section("Signals", '<p class="empty">No pattern was seen.</p>')
        card = card_section(self.catalog, self.instrument, self.signals, self.rolls)
        return self._section("Signals", tables.signals_table(self.signals), card)

    def _decisions(self) -> str:
        if not len(self.decisions):
            return ""
        parts = [self._figure("decisions", results.decisions_chart(self.decisions))]
        if (self.decisions.decision == "planned").any():
            parts.append(self._figure("scores", results.scores_chart(self.decisions)))
        parts.append(tables.refusals_table(self.decisions))
        return self._section("Decisions", *parts)

    def _sessions(self) -> str:
        if not len(self.bias):
            return ""
        return self._section(
            "Bias and levels by session", tables.sessions_table(self.bias, self.levels)
        )

    def _book(self) -> str:
        if self._picture is None:
            return ""
        figure = draw_book(self.bars, self._picture, large_trades(self.catalog, self.bars))
        return self._section("Order book", self._figure("book", figure))

    def _quality(self) -> str:
        parts = []
        if len(self.notes):
            parts.append(tables.notes_table(self.notes))
        try:
            parts.append(tables.quality_table(check_catalog(self.catalog, self.name)))
        except IngestError as error:
            parts.append(f'<p class="empty">Not checked: {escape(str(error))}</p>')
        return self._section("Data quality and notes", *parts)

    # -- what the chart draws ---------------------------------------------------------------------

    def _signal_marks(self) -> list[dict[str, Any]]:
        shown = within(self.bars, self.signals)
        places = self.bars.place(shown.ts_event.to_numpy(np.int64))
        return [
            {
                "x": round(float(x), 4),
                "time": clock(ts),
                "price": int(price),
                "pattern": pattern,
                "side": int(side),
                "strength": round(float(strength), 2),
                "reasons": escape(reasons_text(reasons)).replace("&lt;br&gt;", "<br>"),
            }
            for x, ts, price, pattern, side, strength, reasons in zip(
                places, shown.ts_event, shown.price, shown.pattern, shown.side, shown.strength,
                shown.reasons, strict=True,
            )
        ]  # fmt: skip

    def _trade_marks(self) -> list[dict[str, Any]]:
        marks = []
        digits = style.decimals_of(self.bars.tick)
        for number, (trade, path) in enumerate(
            zip(self.trades.itertuples(), self.stops, strict=True), 1
        ):
            stops = self.bars.place([ts for ts, _ in path])
            x0, x1 = (float(x) for x in self.bars.place([trade.opened, trade.closed]))
            side = "long" if trade.side > 0 else "short"
            entry, left = (p * trade.tick for p in (trade.entry, trade.exit))
            result = f"{float(trade.money):+,.2f} {self.money} after fees"
            if trade.r_multiple == trade.r_multiple:
                result += f", {trade.r_multiple:+.2f} R"
            marks.append(
                {
                    "number": number,
                    "x0": round(x0, 4),
                    "x1": round(x1, 4),
                    "side": int(trade.side),
                    "entry": float(trade.entry),
                    "exit": float(trade.exit),
                    "stops": [
                        [round(float(x), 4), at] for x, (_, at) in zip(stops, path, strict=True)
                    ],
                    "target": int(trade.target),
                    "said_entry": f"trade {number}, {side}: in at {entry:,.{digits}f}"
                    f"<br>{clock(trade.opened)} UTC",
                    "said_exit": f"trade {number}, {side}: out at {left:,.{digits}f} "
                    f"({escape(trade.reason)})<br>{result}<br>{clock(trade.closed)} UTC",
                }
            )
        return marks

    def _level_marks(self) -> list[dict[str, Any]]:
        if not len(self.bars):
            return []
        marks = []
        end = int(self.bars.close_ts[-1])
        over = self.levels[self.levels.what.isin(("broken", "retired"))]
        gone = over.drop_duplicates("level").set_index("level").ts_event
        born = self.levels[self.levels.what == "born"]
        for level in born.itertuples():
            kind = level.kind.replace("MERGED_", "merged ").replace("_", " ")
            marks.append(self._line(level, kind, level.price, gone.get(level.level, end)))
        starts = [*self.bias.ts_event.tolist()[1:], end]
        for frame, until in zip(self.bias.itertuples(), starts[: len(self.bias)], strict=True):
            marks.append(self._line(frame, "POC", frame.poc, until, side=0))
        return marks

    def _line(
        self, item: Any, kind: str, price: int, until: int, side: int | None = None
    ) -> dict[str, Any]:
        x0, x1 = (float(x) for x in self.bars.place([item.ts_event, until]))
        own = int(item.side) if side is None else side
        return {"kind": kind, "price": int(price), "side": own, "x0": x0, "x1": x1}

    def _session_marks(self) -> list[dict[str, Any]]:
        bars = self.bars
        if not len(bars):
            return []
        first, last = int(bars.open_ts[0]), int(bars.close_ts[-1])
        if len(self.rolls):
            edges = [int(ts) for ts in self.rolls.start if first < ts < last]
        else:
            edges = list(range(first - first % DAY_NS + DAY_NS, last, DAY_NS))
        marks = []
        for start, end in zip([first, *edges], [*edges, last], strict=True):
            own = bars.between(start, end)
            if not len(own):
                continue
            profile = read_profile(own.coarser(row_factor(own, most_rows=PROFILE_ROWS)))
            read, keys = self._read_as_framed(own, profile)
            at = int(np.searchsorted(bars.open_ts, own.open_ts[0]))
            marks.append(
                {
                    "x0": at - 0.5,
                    "x1": at + len(own) - 0.5,
                    "label": clock(start, "%m-%d %H:%M"),
                    "price": profile.price.tolist(),
                    "bought": profile.bought.tolist(),
                    "sold": profile.sold.tolist(),
                    "unclassified": profile.unclassified.tolist(),
                    "height": profile.height,
                    **keys,
                    "low_nodes": read.low_nodes,
                    "shape": read.shape,
                }
            )
        return marks

    def _read_as_framed(
        self, own: Bars, drawn: ProfileReading
    ) -> tuple[ProfileReading, dict[str, float]]:
        """Return a session's profile and key prices on the rows from which its frame came.

        Those of a session that was not over are the last that were told of; without any it is read
        as it is drawn.
        """
        rolls = self.rolls[(self.rolls.finished_end > 0)]
        if not len(rolls):
            return drawn, {name: getattr(drawn, name) for name in ("poc", "val", "vah")}
        begun = int(own.open_ts[0])
        told = rolls[(rolls.finished_start <= begun) & (begun < rolls.finished_end)]
        height = int((told if len(told) else rolls).ticks_per_row.iloc[-1])
        read = read_profile(framed := own.coarser(max(1, height // own.ticks_per_row)))
        keys = key_prices(read.volume, framed.profile()[0], framed.ticks_per_row)
        return read, {
            name: ticks * own.tick for name, ticks in zip(("poc", "val", "vah"), keys, strict=True)
        }
