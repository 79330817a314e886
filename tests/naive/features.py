"""The features of one grid time, counted anew from all events up to it, as plainly as possible."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from of_nautilus.core import book_measures, ofi
from of_nautilus.core.book_flow import BookFlow
from of_nautilus.core.vpin import new_vpin, step_vpin

S = 1_000_000_000
MINUTE = 60 * S


def parents_of(trades: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Market orders, (ns, last price, lots, side), of trades (ns, ticks, lots, side)."""
    found: list[tuple[int, int, int, int]] = []
    for ts, price, size, side in trades.tolist():
        if found and found[-1][0] == ts and found[-1][3] == side:
            found[-1] = (ts, price, found[-1][2] + size, side)
        else:
            found.append((ts, price, size, side))
    return found


def trades_of(events: np.ndarray) -> np.ndarray:
    """The trades among events, rows of (ns, ticks, lots, side)."""
    return events[events[:, 0] == 0][:, [6, 2, 3, 1]]


def mids_of(events: np.ndarray) -> Iterator[tuple[int, float]]:
    """(ns, mid in ticks) after each batch of book changes, NaN without a trusted book."""
    flow = BookFlow()
    for event in events[events[:, 0] > 0]:
        flow.apply(event[None, :])
        if event[4] & 128:
            book = flow.state[0].book
            yield int(event[6]), (book.bid + book.ask) / 2 if book.trusted else math.nan


def inside(rows: Any, t: int, span: int) -> np.ndarray:
    """Rows whose first column lies in (t - span, t]."""
    table = np.array(rows)
    return table[(table[:, 0] > t - span) & (table[:, 0] <= t)]


def features(
    events: np.ndarray, t: int, mids: list[tuple[int, float]], tick: float, lot: float, bucket: int
) -> dict[str, float]:
    """What can be recounted at `t` in a first session of 24 h, by name."""
    events = events[events[:, 6] <= t]
    trades = trades_of(events)
    orders = parents_of(trades)
    out: dict[str, float] = {}

    def mid(at: int) -> float:
        return [m for ts, m in mids if ts <= at][-1]

    flow = BookFlow()
    for event in events:
        if event[0] == 0:
            flow.trade(int(event[6]), int(event[2]), int(event[3]), int(event[1]))
        else:
            flow.apply(event[None, :])
    ofi.step_ofi_time(flow.state["ofi"], flow.rows, flow.history, t)
    book_measures.step_spread(flow.state["spread"], t, int(flow.state[0].spread.in_force))
    sums = flow.state[0].ofi.sums
    out["ofi_10s"], out["ofi_1m"], out["ofi_5m"] = (sums[:, 0] * lot).tolist()
    out["mlofi_l2_1m"] = sums[1, 1] * lot
    out["mlofi_sum_l2_l5_1m"] = sums[1, 1:5].sum() * lot
    out["ofi_norm_1m"] = ofi.norm_of(flow.state[0].ofi, 1)
    out["ofi_z_1m"] = ofi.z_of(flow.state[0].ofi, flow.history, 1)
    read = flow.measures(100.0 / lot)[0]
    for name, field in (
        ("imb_l1", "imbalance_1"), ("imb_l3", "imbalance_3"), ("imb_l5", "imbalance_5"),
        ("imb_l10", "imbalance_10"), ("volume_imbalance", "imbalance_all"),
        ("spread_bps", "spread_bps"), ("spread_z", "spread_z"), ("bid_slope", "bid_slope"),
        ("ask_slope", "ask_slope"), ("depth_concentration", "depth_concentration"),
    ):  # fmt: skip
        out[name] = float(read[field])
    out["log_total_depth_l5"] = math.log(read.total_depth * lot)
    out["log_depth_ratio_l5"] = math.log(read.depth_ratio)
    out["microprice_dev_bps"] = (read.weighted_mid - read.mid) / read.mid * 1e4
    out["slope_asym"] = (read.ask_slope - read.bid_slope) / (read.ask_slope + read.bid_slope)
    out["resilience_half_life"] = float(flow.state[0].resilience.half_life)
    minute, five = inside(trades, t, MINUTE), inside(trades, t, 5 * MINUTE)
    buys, sells = (minute[minute[:, 3] == side, 2].sum() for side in (1, -1))
    out["buy_volume_1m"], out["sell_volume_1m"] = buys * lot, sells * lot
    out["trade_imb_1m"] = (buys - sells) / (buys + sells)
    out["trade_imb_5m"] = (five[:, 2] * five[:, 3]).sum() / five[:, 2].sum()
    recent = inside(orders, t, MINUTE)
    out["trade_count_1m"] = len(recent)
    out["avg_buy_size_1m"] = buys * lot / (recent[:, 3] == 1).sum()
    out["avg_sell_size_1m"] = sells * lot / (recent[:, 3] == -1).sum()
    sizes = [lots for _, _, lots, _ in orders]
    big = [
        i for i, order in enumerate(orders)
        if i >= 30 and order[2] > 2 * np.mean(sizes[max(0, i - 1000) : i])
    ]  # fmt: skip
    out["large_trade_ind_1m"] = float(any(orders[i][0] > t - MINUTE for i in big))
    large = [
        order for i, order in enumerate(orders)
        if i >= 1000 and order[0] > t - 5 * MINUTE and order[3] == 1
        and order[2] > np.quantile(sizes[i - 1000 : i], 0.95)
    ]  # fmt: skip
    out["large_buy_ratio_5m"] = sum(order[2] for order in large) / five[:, 2].sum()
    grid = np.arange(t - 5 * MINUTE, t + 1, 5 * S)
    cvd = [float((trades[trades[:, 0] <= g][:, 2:].prod(axis=1)).sum()) for g in grid]
    out["cvd_slope_5m"] = float(np.polyfit((grid - t) / 1e9, cvd, 1)[0]) * lot
    usual = five[:, 2].sum() / len(inside(orders, t, 5 * MINUTE))
    for name, side in (("impact_buy_q", 1), ("impact_sell_q", 0)):
        out[name] = book_measures.step_impact(
            flow.state["book"], flow.window, flow.blocks, flow.far, side, int(usual * 10)
        )
    thin = [
        len(book_measures.thin_levels(flow.top, side, book_measures.thin_limit_of(flow.top, side)))
        for side in (0, 1)
    ]
    out["thin_diff"] = thin[1] - thin[0]
    by_second = np.array([mid(t - k * S) for k in range(300, -1, -1)])
    steps = np.diff(by_second) / by_second[:-1]
    out["mom_1m_bps"] = (by_second[-1] / by_second[-61] - 1) * 1e4
    out["mom_5m_bps"] = (by_second[-1] / by_second[0] - 1) * 1e4
    out["rv_1m"], out["rv_5m"] = (1e4 * math.sqrt((steps[-n:] ** 2).sum()) for n in (60, 300))
    low, high = by_second[1:].min(), by_second[1:].max()
    out["range_pos_5m"] = (by_second[-1] - low) / (high - low)
    changes = np.diff([mid(t - k * MINUTE) for k in range(14, -1, -1)])
    out["rsi_14x1m"] = 100 * changes[changes > 0].sum() / np.abs(changes).sum()
    vwap = (trades[:, 1] * trades[:, 2]).sum() / trades[:, 2].sum()
    out["vwap_dist_bps"] = (by_second[-1] / vwap - 1) * 1e4
    day = t % (86_400 * S)
    out["tod_sin"], out["tod_cos"] = (f(2 * math.pi * day / (86_400 * S)) for f in _CIRCLE)
    out["minutes_since_open"] = day / MINUTE
    out["minutes_to_close"] = 480 - day / MINUTE % 480
    out["day_of_week"] = float(np.datetime64(t, "ns").astype(object) // (86_400 * S) + 3) % 7
    state, ring = new_vpin(bucket)
    for _, _, size, side in trades.tolist():
        step_vpin(state, ring, size, side)
    out["vpin_50"] = float(state[0].value)
    edges = np.arange(t // (10 * S) - 30, t // (10 * S) + 1) * 10 * S
    moves = np.diff([mid(edge - 1) for edge in edges])
    flows = [
        float((cell[:, 2] * cell[:, 3]).sum())
        for cell in (
            trades[(trades[:, 0] >= edge) & (trades[:, 0] < edge + 10 * S)] for edge in edges[:-1]
        )
    ]
    out["kyle_lambda_5m"] = float(np.polyfit(flows, moves, 1)[0]) / lot
    bars = [trades[trades[:, 0] // MINUTE == m] for m in np.unique(trades[:, 0] // MINUTE)]
    bars = [bar for bar in bars if bar[0, 0] // MINUTE < t // MINUTE][-6:]
    illiquid = [
        abs(b[-1, 1] / a[-1, 1] - 1) / ((b[:, 1] * b[:, 2]).sum() * tick * lot)
        for a, b in itertools.pairwise(bars)
    ]
    out["amihud_5m"] = float(np.mean(illiquid)) * 1e6
    prices = np.diff(inside(orders, t, 5 * MINUTE)[:, 1])
    a, b = prices[1:], prices[:-1]
    covariance = (a * b).mean() - a.mean() * b.mean()
    out["roll_5m"] = 2 * math.sqrt(max(0.0, -covariance))
    return out


_CIRCLE = (math.sin, math.cos)
