"""The book heat map: displayed size over time and price, with the large trades on it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from of_nautilus.ingest.columns import TradeColumns, iter_columns
from of_nautilus.report.bars import Bars, read_bars, units_in
from of_nautilus.report.footprint import moment, say
from of_nautilus.report.measures import BookPicture, holds, read_book
from of_nautilus.report.style import BUY, SELL, decimals_of, theme

MOST_BUBBLES = 250


def book_heatmap(
    source: str | Path,
    instrument_id: str | None = None,
    start: Any = None,
    end: Any = None,
    *,
    dark: bool = False,
) -> go.Figure:
    """Return displayed size over time and price of a range of a catalog; trades as bubbles.

    Parameters as for `footprint_chart`. The picture has at most 480 moments and 160 rows; it shows
    the 250 largest trades, buying as triangles up and selling as triangles down.
    """
    bars = read_bars(source, instrument_id, moment(start), moment(end))
    return draw_book(bars, read_book(source, bars), large_trades(source, bars), dark=dark)


def large_trades(source: str | Path, bars: Bars, most: int = MOST_BUBBLES) -> pd.DataFrame:
    """Return the largest market trades within the bars: ts, price (ticks), size (lots), side."""
    kept = pd.DataFrame({name: [] for name in ("ts", "price", "size", "side")}, dtype=np.int64)
    if not len(bars) or not holds(source, TradeColumns, bars.instrument_id):
        return kept
    first, last = int(bars.open_ts[0]), int(bars.close_ts[-1])
    for piece in iter_columns(TradeColumns, source, bars.instrument_id, first, None):
        inside = np.flatnonzero(piece.ts_event < last)
        if not len(inside):
            break
        largest = inside[np.argsort(-piece.size[inside], kind="stable")[:most]]
        found = pd.DataFrame(
            {
                "ts": piece.ts_event[largest],
                "price": piece.price[largest] // units_in(bars.tick, piece.price_precision),
                "size": piece.size[largest] // units_in(bars.lot, piece.size_precision),
                "side": piece.side[largest].astype(np.int64),
            }
        )
        kept = pd.concat([kept, found]).nlargest(most, "size")
    return kept.sort_values("ts", ignore_index=True)


def draw_book(
    bars: Bars, book: BookPicture | None, large: pd.DataFrame, *, dark: bool = False
) -> go.Figure:
    """Return the figure of a book picture and large trades."""
    colors = theme(dark)
    figure = go.Figure()
    figure.update_layout(
        template=colors.template,
        height=460,
        margin={"l": 10, "r": 10, "t": 40, "b": 10},
        title={"text": "Displayed size by time and price, largest trades", "font": {"size": 14}},
        xaxis={"title": "UTC", "automargin": True},
        yaxis={"tickformat": f".{decimals_of(bars.tick)}f", "title": "price", "automargin": True},
        legend={"orientation": "h", "y": -0.2},
    )
    if book is None:
        say(figure, "no order book in this range")
        return figure
    rows = book.low_row + np.arange(len(book.lots))
    sizes = book.lots * bars.lot
    shown = sizes[sizes > 0]
    figure.add_heatmap(
        x=_utc(book.ts),
        y=(rows * book.height + (book.height - 1) / 2) * bars.tick,
        z=np.where(sizes > 0, sizes, np.nan),
        colorscale="Cividis",
        zmin=0,
        zmax=float(np.percentile(shown, 98)) if len(shown) else 1.0,
        colorbar={"title": {"text": "size"}, "thickness": 10},
        hovertemplate="%{x}<br>%{y}<br>displayed %{z:.6g}<extra></extra>",
        name="book",
    )
    for side, color, symbol, name in (
        (1, BUY, "triangle-up", "bought"),
        (-1, SELL, "triangle-down", "sold"),
    ):
        part = large[large.side == side]
        top = max(float(large["size"].max()), 1.0) if len(large) else 1.0
        figure.add_scatter(
            x=_utc(part.ts.to_numpy(np.int64)),
            y=part.price * bars.tick,
            mode="markers",
            marker={
                "symbol": symbol,
                "color": color,
                "size": 5 + 13 * np.sqrt(part["size"] / top),
                "line": {"color": "#ffffff", "width": 1},
            },
            customdata=part["size"] * bars.lot,
            name=name,
            hovertemplate=name + " %{customdata:.6g} at %{y}<br>%{x}<extra></extra>",
        )
    return figure


def _utc(ts: Any) -> Any:
    return pd.to_datetime(ts, unit="ns", utc=True).tz_localize(None)
