"""What finished trades came to."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from of_nautilus.dashboard.units import ms
from of_nautilus.data import ClosedTrade

_EDGES = np.arange(-3.0, 6.01, 0.5)  # R; what lies beyond counts at the ends


def performance(trades: Sequence[ClosedTrade], currency: str) -> dict[str, Any]:
    """Return sums, the curve of the net result, and groups; money in `currency`."""
    net = [Decimal(trade.money) for trade in trades]
    won = sum((value for value in net if value > 0), Decimal(0))
    lost = -sum((value for value in net if value < 0), Decimal(0))
    curve = np.cumsum([float(value) for value in net]) if net else np.zeros(0)
    peak = np.maximum.accumulate(np.append(0.0, curve))
    results = [trade.r_multiple for trade in trades if trade.r_multiple == trade.r_multiple]
    inside = np.clip(results, _EDGES[0], np.nextafter(_EDGES[-1], 0))
    counts, _ = np.histogram(inside, _EDGES)
    return {
        "trades": len(trades),
        "wins": sum(value > 0 for value in net),
        "win_rate": sum(value > 0 for value in net) / len(net) if net else None,
        "net": float(sum(net, Decimal(0))),
        "gross_win": float(won),
        "gross_loss": float(lost),
        "profit_factor": float(won / lost) if lost else None,
        "mean_r": float(np.mean(results)) if results else None,
        "max_drawdown": float((peak - np.append(0.0, curve)).max()),
        "fees": float(sum((Decimal(trade.fees) for trade in trades), Decimal(0))),
        "currency": currency,
        "equity": [
            {"time": ms(trade.closed), "net": round(float(sum_), 8)}
            for trade, sum_ in zip(trades, curve, strict=True)
        ],
        "r_histogram": [
            {"from": float(a), "to": float(b), "count": int(n)}
            for a, b, n in zip(_EDGES, _EDGES[1:], counts, strict=False)
        ],
        "by_grade": _groups(trades, "grade"),
        "by_reason": _groups(trades, "reason"),
    }


def _groups(trades: Sequence[ClosedTrade], name: str) -> list[dict[str, Any]]:
    groups: dict[str, list[ClosedTrade]] = {}
    for trade in trades:
        groups.setdefault(getattr(trade, name), []).append(trade)
    told = []
    for key, own in sorted(groups.items()):
        net = [Decimal(trade.money) for trade in own]
        results = [trade.r_multiple for trade in own if trade.r_multiple == trade.r_multiple]
        told.append(
            {
                "name": key,
                "trades": len(own),
                "win_rate": sum(value > 0 for value in net) / len(own),
                "net": float(sum(net, Decimal(0))),
                "mean_r": float(np.mean(results)) if results else None,
            }
        )
    return told
