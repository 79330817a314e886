"""The volume profile: what traded by price row and side, POC, value area, thin rows, shape."""

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from of_nautilus.core.record import Ints
from of_nautilus.core.value_area import (
    high_volume_nodes,
    low_volume_nodes,
    point_of_control,
    profile_shape,
    value_area,
)
from of_nautilus.report.bars import Bars
from of_nautilus.report.style import BUY, SELL, Theme, decimals_of, theme

NODE_BINS = 40  # as those of the levels


@dataclass(frozen=True, eq=False)
class ProfileReading:
    """A volume profile and what it shows: prices in quote units, sizes in lots by row.

    `poc`, `val`, `vah` and the nodes are prices in the middle of their rows; NaN and empty if
    nothing traded.
    """

    price: np.ndarray
    bought: Ints
    sold: Ints
    unclassified: Ints
    height: float
    lot: float
    poc: float
    val: float
    vah: float
    low_nodes: list[float]
    high_nodes: list[float]
    shape: str

    @property
    def volume(self) -> Ints:
        """All that traded by row, also where nobody said who was the aggressor."""
        return self.bought + self.sold + self.unclassified


def read_profile(bars: Bars) -> ProfileReading:
    """Return the volume profile of bars on their own rows."""
    low, bought, sold, unclassified = bars.profile()
    price = bars.row_price(low + np.arange(len(bought)))
    hist = bought + sold + unclassified
    height = bars.ticks_per_row * bars.tick
    if not hist.sum():
        nan = float("nan")
        return ProfileReading(
            price, *(bought, sold, unclassified), height, bars.lot, nan, nan, nan, [], [], "unknown"
        )
    val, vah, _ = value_area(hist)
    return ProfileReading(
        price=price,
        bought=bought,
        sold=sold,
        unclassified=unclassified,
        height=height,
        lot=bars.lot,
        poc=float(price[point_of_control(hist)]),
        val=float(price[val]),
        vah=float(price[vah]),
        low_nodes=[float(price[i]) for i in low_volume_nodes(hist, NODE_BINS)],
        high_nodes=[float(price[i]) for i in high_volume_nodes(hist, NODE_BINS)],
        shape=str(profile_shape(hist).shape),
    )


def profile_chart(bars: Bars, *, dark: bool = False) -> go.Figure:
    """Return the volume profile of bars as a figure of its own.

    Examples
    --------
    >>> figure = profile_chart(Bars.of([], "X.Y", 0.1, 0.001))
    >>> len(figure.data)
    2
    """
    colors = theme(dark)
    figure = go.Figure()
    figure.update_layout(
        template=colors.template,
        paper_bgcolor=colors.paper,
        plot_bgcolor=colors.paper,
        barmode="stack",
        title={"text": f"{bars.instrument_id} · volume by price"},
        xaxis={"title": "volume"},
        yaxis={"tickformat": f".{decimals_of(bars.tick)}f", "title": "price"},
    )
    add_profile(figure, read_profile(bars), colors, xaxis="x")
    return figure


def add_profile(
    figure: go.Figure, profile: ProfileReading, colors: Theme, xaxis: str = "x2"
) -> None:
    """Add a profile's rows, its POC, value area and low-volume nodes to a figure."""
    inside = (profile.price >= profile.val) & (profile.price <= profile.vah)
    for name, lots, color in (
        ("sold", profile.sold, SELL),
        ("bought", profile.bought, BUY),
        ("unclassified", profile.unclassified, colors.muted),
    ):
        if name == "unclassified" and not lots.any():
            continue  # bars without a width would only stand in the pointer's way
        figure.add_bar(
            x=lots * profile.lot, y=profile.price, orientation="h", width=profile.height,
            marker={"color": color, "opacity": np.where(inside, 0.85, 0.4), "line": {"width": 0}},
            name=name, xaxis=xaxis, showlegend=False, customdata=lots,
            hovertemplate="%{y}<br>" + name + " %{customdata} lots<extra></extra>",
        )  # fmt: skip
    if profile.poc != profile.poc:
        return
    for name, price, dash in (
        ("POC", profile.poc, "solid"),
        ("VAH", profile.vah, "dash"),
        ("VAL", profile.val, "dash"),
    ):
        figure.add_shape(
            type="line", xref=f"{xaxis} domain", yref="y", x0=0, x1=1, y0=price, y1=price,
            line={"color": colors.ink, "width": 1.5, "dash": dash}, name=name,
        )  # fmt: skip
        figure.add_annotation(
            xref=f"{xaxis} domain", yref="y", x=1, y=price, text=name, showarrow=False,
            xanchor="right", yanchor="bottom", font={"size": 10, "color": colors.ink},
        )  # fmt: skip
    figure.add_scatter(
        x=[0] * len(profile.low_nodes), y=profile.low_nodes, xaxis=xaxis, mode="markers",
        marker={"symbol": "triangle-right-open", "size": 9, "color": colors.ink},
        name="low-volume node", showlegend=False,
        hovertemplate="low-volume node %{y}<extra></extra>",
    )  # fmt: skip
    figure.add_annotation(
        xref=f"{xaxis} domain", yref="paper", x=0.5, y=1, text=f"shape {profile.shape}",
        showarrow=False, yanchor="bottom", font={"size": 11, "color": colors.muted},
    )  # fmt: skip
