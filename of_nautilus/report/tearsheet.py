"""NautilusTrader's tearsheet: its charts on our page, and ours on its.

The host keeps two registries of charts by name: functions that return a figure, and functions that
draw into one cell of the tearsheet. The page takes what it shows of returns from the first;
`register_charts` puts ours into both.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from nautilus_trader.analysis import tearsheet as host
from nautilus_trader.model.objects import Money

from of_nautilus.report.bars import read_bars
from of_nautilus.report.footprint import footprint_chart, moment, row_factor
from of_nautilus.report.heatmap import book_heatmap
from of_nautilus.report.numbers import net_results
from of_nautilus.report.profile import profile_chart
from of_nautilus.report.style import BUY, SELL

_WORDED_BARS = 8  # whose cells have room for numbers in half of a page's width
_SHARPE_DAYS = 60  # the window of the host's chart


def starting_balance(balances: Sequence[str], money: str) -> float | None:
    """Return the amount in one currency of balances such as "100_000 USDT"; None if there is none.

    >>> starting_balance(["1 BTC", "100_000 USDT"], "USDT")
    100000.0
    """
    amounts = [Money.from_str(text) for text in balances]
    return next((float(m) for m in amounts if str(m.currency) == money and float(m) > 0), None)


def account_returns(trades: pd.DataFrame, balance: float) -> pd.Series:
    """Return each trade's net result over the account before it, by the time of its closing.

    Parameters
    ----------
    trades : DataFrame
        The journal's closed trades.
    balance : float
        The account before the first, in the currency of their results.
    """
    net = net_results(trades)
    before = balance + np.concatenate(([0.0], np.cumsum(net)[:-1]))
    index = pd.to_datetime(trades.closed.to_numpy(np.int64), unit="ns", utc=True)
    return pd.Series(net / before, index=index.tz_localize(None))


def host_charts(returns: pd.Series) -> dict[str, go.Figure]:
    """Return the host's charts, by its own names, that these returns are enough for."""
    # Without a beginning the first trade would start the curve, and its loss would be no drawdown.
    start = pd.Series([0.0], index=[returns.index[0] - pd.Timedelta(1, "ns")])
    whole = pd.concat([start, returns])
    days = returns.resample("D").apply(lambda part: (1 + part).prod() - 1)
    found = {
        "drawdown": host.get_chart("drawdown")(whole),
        "distribution": host.get_chart("distribution")(returns),
    }
    if len(set(zip(returns.index.year, returns.index.month, strict=True))) > 1:
        found["monthly_returns"] = host.get_chart("monthly_returns")(returns)
    if len(set(returns.index.year)) > 1:
        found["yearly_returns"] = host.get_chart("yearly_returns")(returns)
    if len(days) > _SHARPE_DAYS:
        found["rolling_sharpe"] = host.get_chart("rolling_sharpe")(days)
    for name, figure in found.items():
        _recolor(name, figure)
        figure.update_layout(height=300, margin={"l": 10, "r": 10, "t": 40, "b": 10})
        figure.update_layout(title={"font": {"size": 14}})
        figure.update_xaxes(automargin=True)
        figure.update_yaxes(automargin=True)
    return found


def _recolor(name: str, figure: go.Figure) -> None:
    """The host's red and green are one color to many; ours are not."""
    if name == "monthly_returns":
        figure.update_traces(colorscale=[[0, SELL], [0.5, "#f4f6f8"], [1, BUY]])
    elif name == "yearly_returns":
        (bars,) = figure.data
        bars.marker.color = np.where(np.asarray(bars.y, float) >= 0, BUY, SELL)
    elif name == "drawdown":
        # A drawdown stays what it is until the next trade closes.
        figure.update_traces(
            line={"color": SELL, "shape": "hv"}, fillcolor="rgba(217, 102, 10, 0.3)"
        )


def register_charts() -> list[str]:
    """Register this package's charts with the host; return their names.

    `order_flow_footprint`, `order_flow_profile` and `order_flow_book` then stand in the host's
    tearsheet as `TearsheetCustomChart(chart=NAME, args={"catalog": ..., "instrument_id": ...,
    "start": ..., "end": ...})`, all but the catalog optional, and `get_chart(NAME)` makes the
    figure from the same arguments.

    Examples
    --------
    >>> register_charts()
    ['order_flow_footprint', 'order_flow_profile', 'order_flow_book']
    """
    for name, (title, make) in _CHARTS.items():
        host.register_chart(name, _figure_of(make))
        # The host has no public way into the registry of what a tearsheet draws.
        host._register_tearsheet_chart(name, "scatter", title, _renderer(make))
    return list(_CHARTS)


def _profile(
    catalog: Any, instrument_id: str | None = None, start: Any = None, end: Any = None
) -> go.Figure:
    bars = read_bars(catalog, instrument_id, moment(start), moment(end))
    return profile_chart(bars.coarser(row_factor(bars)))


_CHARTS: dict[str, tuple[str, Callable[..., go.Figure]]] = {
    "order_flow_footprint": ("Footprint", footprint_chart),
    "order_flow_profile": ("Volume profile", _profile),
    "order_flow_book": ("Order book", book_heatmap),
}


def _figure_of(make: Callable[..., go.Figure]) -> Callable[..., go.Figure]:
    def chart(returns: pd.Series | None = None, *, catalog: Any, **which: Any) -> go.Figure:
        return make(catalog, **which)

    return chart


def _renderer(make: Callable[..., go.Figure]) -> Callable[..., None]:
    def render(
        fig: go.Figure,
        row: int,
        col: int,
        catalog: Any,
        instrument_id: str | None = None,
        start: Any = None,
        end: Any = None,
        **_: Any,
    ) -> None:
        made = make(catalog, instrument_id, start, end)
        for trace in made.data:
            if trace.xaxis in (None, "x") and trace.yaxis in (None, "y"):
                trace.update(showlegend=False)
                if trace.type == "heatmap":
                    trace.update(showscale=False)
                    if len(trace.x) > _WORDED_BARS:
                        trace.update(texttemplate="")
                fig.add_trace(trace, row=row, col=col)
        for shape in made.layout.shapes:
            if str(shape.xref).endswith("domain") and shape.y0 == shape.y1:
                fig.add_hline(y=shape.y0, line=shape.line.to_plotly_json(), row=row, col=col)
        axis = made.layout.xaxis
        fig.update_xaxes(
            tickvals=axis.tickvals, ticktext=axis.ticktext, rangeslider_visible=False,
            row=row, col=col,
        )  # fmt: skip
        fig.update_layout(barmode="relative")

    return render
