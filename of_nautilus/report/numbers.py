"""The headline numbers of a run, each with its unit; what was not computed is not there."""

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from of_nautilus.report.bars import Bars

Line = tuple[str, str, str]  # name, value, what it means


def headline(
    bars: Bars, trades: pd.DataFrame, money: str, size: str, multiplier: float = 1.0
) -> list[Line]:
    """Return the run's numbers as (name, value with unit, meaning).

    `multiplier`: the contract's, how much money one unit of price and size is.
    """
    lines: list[Line] = []
    if len(trades):
        lines += _of_trades(bars, trades, money, multiplier)
    lines.append(("Trades of the system", f"{len(trades)}", "positions opened and closed"))
    if len(bars):
        volume = float((bars.buy + bars.sell + bars.unclassified).sum()) * bars.lot
        lines += [
            ("Market trades", f"{int(bars.trades.sum()):,}", "prints in the bars shown"),
            ("Volume", f"{volume:,.6g} {size}", "all that traded in the bars shown"),
            ("Delta", f"{float(bars.delta.sum()) * bars.lot:+,.6g} {size}", "bought less sold"),
        ]
    return lines


def _of_trades(bars: Bars, trades: pd.DataFrame, money: str, multiplier: float) -> list[Line]:
    net = net_results(trades)
    fees = sum((Decimal(fee) for fee in trades.fees), Decimal(0))
    total = sum((Decimal(value) for value in trades.money), Decimal(0))
    won = int((net > 0).sum())
    curve = np.concatenate(([0.0], np.cumsum(net)))
    drawdown = float((np.maximum.accumulate(curve) - curve).max())
    lines = [
        ("Net result", f"{total:+,.2f} {money}", "after fees"),
        ("Fees paid", f"{fees:,.2f} {money}", "the venue's, both ways"),
        ("Largest drawdown", f"{drawdown:,.2f} {money}", "of the net result, trade by trade"),
        ("Trades won", f"{won} of {len(net)} ({won / len(net):.0%})", "net result above zero"),
    ]
    if len(net) > 1:
        error = float(net.std(ddof=1)) / len(net) ** 0.5
        lines.append(
            ("Mean trade", f"{net.mean():+,.3g} ± {error:.2g} {money}", "net, ± one standard error")
        )
    losses = -float(net[net < 0].sum())
    if losses > 0:
        factor = float(net[net > 0].sum()) / losses
        lines.append(("Profit factor", f"{factor:.2f}", "net won over net lost"))
    r = trades.r_multiple.dropna()
    if len(r):
        lines.append(("Mean R", f"{r.mean():+.2f} R", "result before fees over first risk"))
    if len(bars):
        held = float((trades.closed - trades.opened).sum())
        span = float(bars.close_ts[-1] - bars.open_ts[0])
        lines.append(("Time in the market", f"{held / span:.1%}", "of the time shown"))
    slipped = trades.slippage * trades.tick * trades.lot * multiplier
    if slipped.abs().sum() > 0:
        lines.append(("Slippage", f"{slipped.sum():,.3g} {money}", "worse than planned, in all"))
    return lines


def net_results(trades: pd.DataFrame) -> Any:
    """Return each trade's result after fees, as floats for pictures and ratios."""
    return np.array([float(value) for value in trades.money])
