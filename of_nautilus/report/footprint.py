"""The footprint chart: candles or cells, the volume profile beside them, delta and CVD below."""

from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go

from of_nautilus.core.imbalance import ImbalanceRule
from of_nautilus.data import ClosedTrade, JournalNote, PatternSignal
from of_nautilus.journal import read_journal
from of_nautilus.report.bars import (
    BUY_FLAG,
    BUY_STACK,
    SELL_FLAG,
    SELL_STACK,
    Bars,
    read_bars,
    read_cells,
)
from of_nautilus.report.overlays import add_signals, add_trades
from of_nautilus.report.profile import add_profile, read_profile
from of_nautilus.report.style import BUY, SELL, Theme, decimals_of, theme

CELL_BARS = 60  # more bars than these are drawn as candles
WORDED_BARS = 18  # more bars than these leave no room for numbers
CELL_ROWS = 32  # rows of the shown range are made higher until there are no more
ROW_STEPS = (1, 2, 5)


def footprint_chart(
    source: "str | Path | Bars",
    instrument_id: str | None = None,
    start: Any = None,
    end: Any = None,
    *,
    mode: str = "auto",
    ticks_per_row: int | None = None,
    rule: ImbalanceRule | None = None,
    dark: bool = False,
) -> go.Figure:
    """Return a footprint chart of a range of a catalog.

    A cell shows what sellers hit at the bid x what buyers lifted at the ask, colored by delta; a
    triangle points to the side of an imbalance, a frame holds a stack of them, a box the bar's
    POC, and an open circle marks an end where the auction is unfinished.

    Parameters
    ----------
    source : str, Path or Bars
        Folder of a catalog (the journal's bars, else bars made from its trades), or bars.
    instrument_id : str, optional
        Needed where the catalog holds several.
    start, end : str, int or Timestamp, optional
        Range, as pandas reads it (integers are ns); UTC unless it says otherwise.
    mode : str
        "cells", "candles", or "auto": cells for up to 60 bars, with numbers for up to 18.
    ticks_per_row : int, optional
        Height of a row, a multiple of the bars' own; chosen to give at most 32 rows if absent.
    rule : ImbalanceRule, optional
        Which cells are imbalances; `display_rule` of the rows shown if absent.
    dark : bool
        Whether the background is dark.

    Returns
    -------
    plotly.graph_objects.Figure
        Bars stand side by side on the x axis; `customdata` of the cells holds their exact lots.
    """
    if mode not in ("auto", "cells", "candles"):
        raise ValueError(f"`mode` must be auto, cells or candles, was {mode!r}")
    since, until = moment(start), moment(end)
    signals = trades = notes = None
    if isinstance(source, Bars):
        bars = source.between(since, until)
    else:
        bars = read_bars(source, instrument_id, since, until)
        signals = read_journal(source, PatternSignal, bars.instrument_id)
        trades = read_journal(source, ClosedTrade, bars.instrument_id)
        notes = read_journal(source, JournalNote, bars.instrument_id)
    if mode == "auto":
        mode = "cells" if len(bars) <= CELL_BARS else "candles"
    shown = bars.coarser(row_factor(bars, ticks_per_row))
    colors = theme(dark)
    figure = frame(bars, colors)
    if not len(bars):
        say(figure, "no bars in this range")
        return figure
    if mode == "cells":
        _add_cells(figure, shown, rule, colors)
    else:
        _add_candles(figure, bars, colors)
    add_profile(figure, read_profile(shown), colors)
    _add_delta(figure, bars)
    # The market fills the picture; a stop or target far from it is found by moving the axis.
    edge = max(0.04 * float(bars.high.max() - bars.low.min()), 2.0 * shown.ticks_per_row)
    low, high = float(bars.low.min()) - edge, float(bars.high.max()) + edge
    figure.update_layout(yaxis={"range": [low * bars.tick, high * bars.tick]})
    if signals is not None:
        add_signals(figure, bars, signals)
    if trades is not None and notes is not None:
        add_trades(figure, bars, trades, notes)
    return figure


def moment(value: Any) -> int | None:
    """Return a moment as ns UTC; None stays None."""
    import pandas as pd

    if value is None or isinstance(value, int | np.integer):
        return value if value is None else int(value)
    when = pd.Timestamp(value)
    when = when.tz_localize("UTC") if when.tz is None else when.tz_convert("UTC")
    return int(when.as_unit("ns").value)


def row_factor(bars: Bars, ticks_per_row: int | None = None, most_rows: int = CELL_ROWS) -> int:
    """Return how many of the bars' rows make one row shown: 1, 2, 5, 10, ..."""
    if ticks_per_row is not None:
        if ticks_per_row < 1 or ticks_per_row % bars.ticks_per_row:
            raise ValueError(
                f"`ticks_per_row` must be a multiple of {bars.ticks_per_row}, was {ticks_per_row}"
            )
        return ticks_per_row // bars.ticks_per_row
    if not len(bars):
        return 1
    rows = int(bars.high_row.max() - bars.low_row.min()) + 1
    power = 0
    while True:
        for step in ROW_STEPS:
            factor = step * 10**power
            if rows / factor <= most_rows:
                return factor
        power += 1


def frame(bars: Bars, colors: Theme) -> go.Figure:
    """Return an empty figure with the price pane, the profile beside it, delta and CVD below."""
    digits = decimals_of(bars.tick)
    pane = {"gridcolor": colors.grid, "zerolinecolor": colors.grid, "automargin": True}
    x = {
        "gridcolor": colors.grid,
        "showgrid": False,
        "zeroline": False,
        "domain": [0, 0.86],
        "rangeslider": {"visible": False},
        **_time_ticks(bars),
    }
    figure = go.Figure()
    figure.update_layout(
        template=colors.template,
        paper_bgcolor=colors.paper,
        plot_bgcolor=colors.paper,
        font={"color": colors.ink, "size": 12},
        title={"text": _title(bars), "font": {"size": 14}},
        height=820,
        margin={"l": 10, "r": 10, "t": 40, "b": 30},
        dragmode="pan",
        hovermode="closest",
        bargap=0.15,
        barmode="relative",
        legend={"orientation": "h", "y": -0.06, "x": 0},
        xaxis={**x, "anchor": "y3"},
        xaxis2={"domain": [0.87, 1], "anchor": "y", "showgrid": False, "showticklabels": False},
        yaxis={**pane, "domain": [0.36, 1], "tickformat": f".{digits}f", "title": "price"},
        yaxis2={**pane, "domain": [0.19, 0.33], "title": "delta"},
        yaxis3={**pane, "domain": [0, 0.16], "title": "CVD"},
    )
    return figure


def say(figure: go.Figure, text: str) -> None:
    """Write one sentence in the middle of a figure that has nothing to show."""
    figure.add_annotation(
        text=text, showarrow=False, xref="paper", yref="paper", x=0.5, y=0.5, font={"size": 16}
    )


def _title(bars: Bars) -> str:
    if not len(bars):
        return bars.instrument_id
    return (
        f"{bars.instrument_id} · {_time(bars.open_ts[0])} to {_time(bars.close_ts[-1])} UTC · "
        f"{len(bars)} bars · cells in units of size, sold × bought"
    )


def _time(ts: int, form: str = "%Y-%m-%d %H:%M") -> str:
    import pandas as pd

    return pd.Timestamp(int(ts), unit="ns", tz="UTC").strftime(form)


def _time_ticks(bars: Bars) -> dict[str, Any]:
    if not len(bars):
        return {}
    at = np.unique(np.linspace(0, len(bars) - 1, min(len(bars), 10)).astype(int))
    days = len({_time(bars.open_ts[i], "%Y-%m-%d") for i in at}) > 1
    form = "%m-%d %H:%M" if days else "%H:%M:%S" if bars.length % (60 * 10**9) else "%H:%M"
    return {
        "tickmode": "array",
        "tickvals": at.tolist(),
        "ticktext": [_time(bars.open_ts[i], form) for i in at],
        "range": [-0.6, len(bars) - 0.4],
    }


def _add_candles(figure: go.Figure, bars: Bars, colors: Theme) -> None:
    figure.add_candlestick(
        x=np.arange(len(bars)),
        **{name: getattr(bars, name) * bars.tick for name in ("open", "high", "low", "close")},
        increasing={"line": {"color": BUY, "width": 1}, "fillcolor": colors.paper},
        decreasing={"line": {"color": SELL, "width": 1}, "fillcolor": SELL},
        text=[_time(ts) for ts in bars.open_ts],
        name="price",
        showlegend=False,
    )


def cell_grid(bars: Bars) -> tuple[Any, Any, Any]:
    """Return (rows, bought, sold): the price rows of a grid of bars, and its lots, NaN outside."""
    low = int(bars.low_row.min())
    rows = np.arange(low, int(bars.high_row.max()) + 1)
    grid = np.full((2, len(rows), len(bars)), np.nan)
    at = bars.row_index - low
    bar = np.repeat(np.arange(len(bars)), np.diff(bars.starts))
    grid[0, at, bar] = bars.cells[:, 1]
    grid[1, at, bar] = bars.cells[:, 0]
    return rows, grid[0], grid[1]


def _add_cells(figure: go.Figure, bars: Bars, rule: ImbalanceRule | None, colors: Theme) -> None:
    rows, bought, sold = cell_grid(bars)
    delta = bought - sold
    top = float(np.nanpercentile(np.abs(delta), 97)) or 1.0
    reading = read_cells(bars, rule or display_rule(bars))
    digits = cell_digits(bars)
    bar = np.repeat(np.arange(len(bars)), np.diff(bars.starts))
    price = bars.row_price(bars.row_index)
    height = bars.ticks_per_row * bars.tick
    text = np.full(delta.shape, "", object)
    for column, row, flag in zip(bar, bars.row_index - rows[0], reading.flags, strict=True):
        text[row, column] = cell_text(
            sold[row, column] * bars.lot, bought[row, column] * bars.lot, int(flag), digits
        )
    lines = _spines(bars)
    for name, x, y, width, color in lines:
        figure.add_scatter(
            x=x, y=y, mode="lines", line={"color": color or colors.muted, "width": width},
            name=name, showlegend=False, hoverinfo="skip",
        )  # fmt: skip
    figure.add_heatmap(
        x=np.arange(len(bars)),
        y=bars.row_price(rows),
        z=delta * bars.lot,
        customdata=np.stack((sold, bought), -1),
        text=text,
        texttemplate="%{text}" if len(bars) <= WORDED_BARS else "",
        textfont={"size": 11, "color": colors.ink},
        colorscale=[[0, colors.sell_cell], [0.5, colors.even_cell], [1, colors.buy_cell]],
        zmin=-top * bars.lot,
        zmax=top * bars.lot,
        xgap=12 if len(bars) <= WORDED_BARS else 4,
        ygap=1,
        showscale=False,
        hovertemplate="%{y}<br>sold %{customdata[0]} lots<br>bought %{customdata[1]} lots"
        "<br>delta %{z:.6g}<extra></extra>",
        name="footprint",
    )
    boxes = ((BUY_STACK, BUY, "buy stack"), (SELL_STACK, SELL, "sell stack"))
    for mark, color, name in boxes:
        x, y = _frames(bar, price, height, reading.flags & mark > 0)
        figure.add_scatter(
            x=x, y=y, mode="lines", line={"color": color, "width": 2.5},
            name=name, hoverinfo="skip", showlegend=bool(x),
        )  # fmt: skip
    poc = bars.row_price(bars.low_row + reading.poc)
    x, y = _frames(np.arange(len(bars)), poc, height, np.ones(len(bars), bool))
    figure.add_scatter(
        x=x, y=y, mode="lines", line={"color": colors.ink, "width": 1.5},
        name="POC of the bar", hoverinfo="skip",
    )  # fmt: skip
    high, low = reading.unfinished_high, reading.unfinished_low
    at = np.concatenate((np.flatnonzero(high), np.flatnonzero(low)))
    edge = np.concatenate(
        (
            bars.row_price(bars.high_row[high]) + 0.8 * height,
            bars.row_price(bars.low_row[low]) - 0.8 * height,
        )
    )
    figure.add_scatter(
        x=at, y=edge, mode="markers", name="unfinished auction",
        marker={"symbol": "circle-open", "size": 8, "color": colors.ink, "line": {"width": 1.5}},
        hovertemplate="unfinished auction<extra></extra>",
    )  # fmt: skip


def display_rule(bars: Bars) -> ImbalanceRule:
    """Return the imbalances worth marking: three to one, and at least a usual side of a cell."""
    sides = bars.cells[:, :2]
    traded = sides[sides > 0]
    return ImbalanceRule(min_volume=int(np.median(traded)) if len(traded) else 1)


def cell_digits(bars: Bars) -> int:
    """Return with how many decimals the sizes of cells are written: two figures where it counts."""
    sides = bars.cells[:, :2]
    large = float(np.percentile(sides, 95)) * bars.lot if len(sides) else 0.0
    if large <= 0:
        return 0
    return min(max(1 - int(np.floor(np.log10(large))), 0), decimals_of(bars.lot))


def cell_text(sold: float, bought: float, flag: int, digits: int) -> str:
    """Return a cell's text: sold x bought, an imbalance bold and pointed to.

    >>> cell_text(2, 27, BUY_FLAG, 0), cell_text(0.9, 0.12, SELL_FLAG, 1)
    ('2 × <b>27</b>▸', '◂<b>0.9</b> × 0.1')
    """
    left, right = f"{sold:.{digits}f}", f"{bought:.{digits}f}"
    left = f"◂<b>{left}</b>" if flag & SELL_FLAG else left
    right = f"<b>{right}</b>▸" if flag & BUY_FLAG else right
    return f"{left} × {right}"


def _spines(bars: Bars) -> list[tuple[str, list[Any], list[Any], float, str]]:
    """A thin candle at the left of each bar's cells, as lines."""
    up = bars.close >= bars.open
    found = []
    for name, low, high, mask, width, color in (
        ("range", bars.low, bars.high, np.ones(len(bars), bool), 1.0, ""),
        ("rising", bars.open, bars.close, up, 5.0, BUY),
        ("falling", bars.open, bars.close, ~up, 5.0, SELL),
    ):
        x: list[Any] = []
        y: list[Any] = []
        for i in np.flatnonzero(mask).tolist():
            x += [i - 0.47, i - 0.47, None]
            y += [low[i] * bars.tick, high[i] * bars.tick, None]
        found.append((name, x, y, width, color))
    return found


def _frames(bar: Any, price: Any, height: float, mask: Any) -> tuple[list[Any], list[Any]]:
    """Rectangles around cells, those of one bar that touch as one."""
    x: list[Any] = []
    y: list[Any] = []
    picked = np.flatnonzero(mask)
    if not len(picked):
        return x, y
    breaks = (np.diff(picked) != 1) | (np.diff(bar[picked]) != 0)
    for run in np.split(picked, np.flatnonzero(breaks) + 1):
        i = float(bar[run[0]])
        low, high = price[run[0]] - height / 2, price[run[-1]] + height / 2
        x += [i - 0.43, i + 0.45, i + 0.45, i - 0.43, i - 0.43, None]
        y += [low, low, high, high, low, None]
    return x, y


def _add_delta(figure: go.Figure, bars: Bars) -> None:
    at = np.arange(len(bars))
    delta = bars.delta * bars.lot
    figure.add_bar(
        x=at, y=delta, marker={"color": np.where(delta >= 0, BUY, SELL), "line": {"width": 0}},
        name="delta", yaxis="y2", showlegend=False, customdata=bars.delta,
        hovertemplate="delta %{y:.6g} (%{customdata} lots)<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=at, y=bars.cvd * bars.lot, mode="lines", line={"color": BUY, "width": 1.5},
        name="CVD", yaxis="y3", showlegend=False,
        hovertemplate="CVD %{y:.6g}<extra></extra>",
    )  # fmt: skip
