"""Pictures of what trading came to: equity, distributions, time of day, costs, scores."""

import json
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from of_nautilus.report.numbers import net_results
from of_nautilus.report.style import BUY, OTHER_COLOR, PATTERN_COLORS, SELL

_TERMS = list(PATTERN_COLORS.values())


def _figure(title: str, x: str, y: str, height: int = 300) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(
        title={"text": title, "font": {"size": 14}},
        height=height,
        margin={"l": 10, "r": 10, "t": 40, "b": 10},
        xaxis={"title": x, "automargin": True},
        yaxis={"title": y, "automargin": True},
        showlegend=False,
        bargap=0.1,
    )
    return figure


def _times(column: Any) -> Any:
    return pd.to_datetime(column.to_numpy(np.int64), unit="ns", utc=True).tz_localize(None)


def equity_chart(trades: pd.DataFrame, money: str) -> go.Figure:
    """Return the sum of net results after each trade, and the drawdown below."""
    net = net_results(trades)
    curve = np.concatenate(([0.0], np.cumsum(net)))
    top = np.maximum.accumulate(curve)
    when = _times(pd.concat([trades.opened.iloc[:1], trades.closed]))
    figure = _figure("Net result and drawdown, after fees", "", money, 340)
    figure.add_scatter(
        x=when, y=curve, mode="lines+markers", line={"shape": "hv", "color": BUY},
        name="net result", hovertemplate="%{x}<br>%{y:,.2f} " + money + "<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=when, y=curve - top, mode="lines", fill="tozeroy", line={"shape": "hv", "color": SELL},
        name="drawdown", yaxis="y2", hovertemplate="%{x}<br>%{y:,.2f} " + money + "<extra></extra>",
    )  # fmt: skip
    figure.update_layout(
        yaxis={"domain": [0.38, 1]},
        yaxis2={"domain": [0, 0.28], "title": "drawdown", "automargin": True},
        xaxis={"anchor": "y2"},
    )
    return figure


def pnl_chart(trades: pd.DataFrame, money: str) -> go.Figure:
    """Return the distribution of net results, a bin a bar."""
    net = net_results(trades)
    figure = _figure("Net result of each trade", f"net result, {money}", "trades")
    found = np.histogram_bin_edges(net, bins="auto" if len(net) > 4 else 5)
    width = float(found[1] - found[0])
    # Zero is an edge, so that no bin holds both won and lost trades.
    first, last = np.floor(net.min() / width), np.floor(net.max() / width) + 1
    edges = width * np.arange(first, last + 1)
    counts, _ = np.histogram(net, edges)
    middle = (edges[:-1] + edges[1:]) / 2
    figure.add_bar(
        x=middle, y=counts, width=np.diff(edges) * 0.92,
        marker={"color": np.where(middle >= 0, BUY, SELL)},
        hovertemplate="about %{x:.3g} " + money + "<br>%{y} trades<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(tickformat="d", rangemode="tozero")
    return figure


def reward_chart(trades: pd.DataFrame) -> go.Figure:
    """Return what each trade promised (reward to risk) against what it brought (R)."""
    figure = _figure("Reward to risk, planned and had", "planned reward to risk", "result, R")
    known = trades[trades.reward_to_risk.notna() & trades.r_multiple.notna()]
    figure.add_scatter(
        x=known.reward_to_risk, y=known.r_multiple, mode="markers",
        marker={
            "size": 11,
            "symbol": np.where(known.r_multiple > 0, "circle", "x"),
            "color": np.where(known.r_multiple > 0, BUY, SELL),
        },
        text=known.reason,
        hovertemplate="planned %{x:.2f}, had %{y:.2f} R (%{text})<extra></extra>",
    )  # fmt: skip
    figure.add_hline(y=0, line={"width": 1, "color": OTHER_COLOR})
    return figure


def hours_chart(trades: pd.DataFrame, money: str) -> go.Figure:
    """Return net results by the hour (UTC) in which trades were opened."""
    hours = _times(trades.opened).hour
    net = pd.Series(net_results(trades)).groupby(np.asarray(hours)).agg(["sum", "size"])
    figure = _figure("By hour of entry, UTC", "hour", f"net result, {money}")
    figure.add_bar(
        x=net.index, width=0.8, y=net["sum"], customdata=net["size"],
        marker={"color": np.where(net["sum"] >= 0, BUY, SELL)},
        hovertemplate="%{x}:00 UTC<br>%{y:,.2f} " + money
        + "<br>%{customdata} trades<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(range=[-0.6, 23.6], dtick=3)
    return figure


def costs_chart(trades: pd.DataFrame, money: str) -> go.Figure:
    """Return what trading made before costs, what it cost, and what was left."""
    fees = sum(float(fee) for fee in trades.fees)
    net = float(net_results(trades).sum())
    figure = _figure("Before costs, fees, after", "", money)
    figure.add_waterfall(
        x=["before fees", "fees", "after fees"], y=[net + fees, -fees, net],
        measure=["relative", "relative", "total"],
        increasing={"marker": {"color": BUY}}, decreasing={"marker": {"color": SELL}},
        totals={"marker": {"color": OTHER_COLOR}},
        text=[f"{net + fees:+,.2f}", f"{-fees:+,.2f}", f"{net:+,.2f}"],
    )  # fmt: skip
    return figure


def scores_chart(decisions: pd.DataFrame) -> go.Figure:
    """Return the terms of each planned entry's score, stacked."""
    planned = decisions[decisions.decision == "planned"]
    figure = _figure("What made the score of each entry", "points of the score", "", 320)
    terms = [json.loads(text) for text in planned.numbers]
    names = list(dict.fromkeys(name for term in terms for name in term))
    labels = [
        f"{when:%m-%d %H:%M:%S} {score:.0f} {grade}"
        for when, score, grade in zip(
            _times(planned.ts_event), planned.score, planned.grade, strict=True
        )
    ]
    for k, name in enumerate(names):
        figure.add_bar(
            y=labels, x=[term.get(name, 0.0) for term in terms], orientation="h",
            name=name.replace("_", " "), marker={"color": _TERMS[k % len(_TERMS)]},
            hovertemplate="%{y}<br>" + name.replace("_", " ") + " %{x:.1f}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(
        barmode="relative", showlegend=True, height=180 + 26 * len(planned),
        legend={"orientation": "h", "y": -0.25},
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed")
    return figure


def decisions_chart(decisions: pd.DataFrame) -> go.Figure:
    """Return how many entry signals became an entry, and why the others did not."""
    counts = decisions.decision.value_counts().sort_values()
    figure = _figure("What became of entry signals", "signals", "", 120 + 30 * len(counts))
    planned = counts.index == "planned"
    figure.add_bar(
        y=[name.replace("_", " ") for name in counts.index], x=counts.to_numpy(), orientation="h",
        marker={"color": np.where(planned, BUY, OTHER_COLOR)},
        text=counts.to_numpy(), textposition="outside", cliponaxis=False,
        hovertemplate="%{y}: %{x}<extra></extra>",
    )  # fmt: skip
    return figure
