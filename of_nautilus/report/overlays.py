"""What lies over the price: signals, and trades with entry, stops, target and exit."""

import json
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from of_nautilus.report.bars import Bars
from of_nautilus.report.stops import Path, stop_paths
from of_nautilus.report.style import OTHER_COLOR, PATTERN_COLORS, PATTERN_SHAPES

SIDES = {1: "buy", -1: "sell", 0: "none"}


def within(bars: Bars, table: pd.DataFrame, column: str = "ts_event") -> pd.DataFrame:
    """Return the rows of a journal's table whose time lies within the bars."""
    if not len(table) or not len(bars):
        return table.iloc[:0]
    return table[(table[column] >= bars.open_ts[0]) & (table[column] <= bars.close_ts[-1])]


def reasons_text(reasons: str) -> str:
    """Return a signal's reasons (JSON text) as lines for a hover label."""
    return "<br>".join(
        f"{name.replace('_', ' ')}: {value:,.6g}"
        if isinstance(value, int | float)
        else f"{name.replace('_', ' ')}: {value}"
        for name, value in json.loads(reasons).items()
    )


def add_signals(figure: go.Figure, bars: Bars, signals: pd.DataFrame) -> None:
    """Mark every signal within the bars: a shape and a color for each pattern."""
    shown = within(bars, signals)
    for pattern, table in shown.groupby("pattern"):
        up, down = PATTERN_SHAPES.get(str(pattern), ("circle", "circle"))
        figure.add_scatter(
            x=bars.place(table.ts_event.to_numpy()),
            y=table.price.to_numpy() * bars.tick,
            mode="markers",
            marker={
                "symbol": np.where(table.side > 0, up, down),
                "color": PATTERN_COLORS.get(str(pattern), OTHER_COLOR),
                "size": 9 + table.strength.to_numpy() / 20,
                "line": {"width": 1.5, "color": "#ffffff"},
            },
            customdata=[
                (SIDES[int(side)], strength, reasons_text(reasons))
                for side, strength, reasons in zip(
                    table.side, table.strength, table.reasons, strict=True
                )
            ],
            name=str(pattern),
            hovertemplate=f"<b>{pattern}</b> %{{customdata[0]}} at %{{y}}"
            "<br>strength %{customdata[1]:.1f} of 100<br>%{customdata[2]}<extra></extra>",
        )


def add_trades(figure: go.Figure, bars: Bars, trades: pd.DataFrame, notes: pd.DataFrame) -> None:
    """Draw every trade that lies within the bars: entry, exit, target, and the stop's path."""
    if not len(bars) or not len(trades):
        return
    last = bars.close_ts[-1]
    shown = trades[(trades.closed >= bars.open_ts[0]) & (trades.opened <= last)]
    for (number, trade), path in zip(shown.iterrows(), stop_paths(shown, notes), strict=True):
        for part in trade_lines(bars, trade, path):
            figure.add_scatter(**part, showlegend=False)
        figure.add_scatter(**trade_ends(bars, trade, int(number)), showlegend=False)


def trade_lines(bars: Bars, trade: Any, path: Path) -> list[dict[str, Any]]:
    """Return the lines of a trade: from entry to exit, its stop's path and its target."""
    x0, x1 = (float(v) for v in bars.place([trade.opened, trade.closed]))
    ends = [x0, max(x1, x0 + 0.5)]
    lines = [("entry to exit", ends, [trade.entry, trade.exit], "solid")]
    if path:
        moments = [x0, *(float(x) for x in bars.place([ts for ts, _ in path[1:]])), ends[1]]
        prices = [price for _, price in path]
        lines.append(("stop", moments, [*prices, prices[-1]], "dot"))
    if trade.target:
        lines.append(("target", ends, [trade.target, trade.target], "dash"))
    return [
        {
            "x": xs,
            "y": [tick * bars.tick for tick in ticks],
            "mode": "lines",
            # A stop stays where it is until it moves.
            "line": {
                "dash": dash,
                "width": 2.0,
                "color": "#7b3294",
                "shape": "hv" if name == "stop" else "linear",
            },
            "name": name,
            "hovertemplate": name + " %{y}<extra></extra>",
        }
        for name, xs, ticks, dash in lines
    ]


def trade_ends(bars: Bars, trade: Any, number: int) -> dict[str, Any]:
    """Return the markers of a trade's entry and exit."""
    x0, x1 = (float(v) for v in bars.place([trade.opened, trade.closed]))
    buying = trade.side > 0
    return {
        "x": [x0, max(x1, x0 + 0.5)],
        "y": [trade.entry * bars.tick, trade.exit * bars.tick],
        "mode": "markers",
        "marker": {
            "symbol": ["triangle-right", "square-x-open"],
            "size": 14,
            "color": "#7b3294",
            "line": {"width": 1.5, "color": "#ffffff"},
        },
        "name": f"trade {number + 1}",
        "hovertemplate": [
            f"trade {number + 1}: {'bought' if buying else 'sold'} %{{y}}<extra></extra>",
            f"trade {number + 1}: out %{{y}} ({trade.reason}), {trade.r_multiple:.2f} R"
            "<extra></extra>",
        ],
    }
