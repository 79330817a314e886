"""What is told of bars, profiles and books, as plain values for JSON: see `docs/dashboard.md`."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from of_nautilus.core.book import NO_PRICE
from of_nautilus.core.book_measures import thin_limit_of
from of_nautilus.core.footprint import ASK, BID, ClosedBar
from of_nautilus.core.imbalance import ImbalanceRule
from of_nautilus.core.record import Ints
from of_nautilus.core.value_area import key_prices, low_volume_nodes, profile_shape
from of_nautilus.dashboard.market import BookPicture, Facts, Market, Print, Session
from of_nautilus.report.bars import Bars, read_cells
from of_nautilus.report.footprint import display_rule

MS = 1_000_000
SECOND = 1_000_000_000
_GRID = 24  # bins of the normalized profile that tells shape and nodes


def ms(ts: int) -> int:
    """Return ns as ms."""
    return int(ts) // MS


def known(value: float | None) -> float | None:
    """Return a number, or None where it is not known."""
    return None if value is None or not math.isfinite(value) else float(value)


# -- bars -----------------------------------------------------------------------------------------


def candle(about: Facts, bar: ClosedBar) -> dict[str, Any]:
    """Return a bar without its rows."""
    return {
        "time": ms(bar.open_ts),
        "end": ms(bar.close_ts if bar.kind == 0 else bar.last_ts),
        "open": about.price(bar.open),
        "high": about.price(bar.high),
        "low": about.price(bar.low),
        "close": about.price(bar.close),
        "volume": about.size(bar.volume),
        "buy": about.size(bar.buy),
        "sell": about.size(bar.sell),
        "delta": about.size(bar.delta),
        "cvd": about.size(bar.cvd),
        "trades": bar.trades,
    }


def point(about: Facts, bar: ClosedBar) -> dict[str, Any]:
    """Return a bar's delta and the cumulative one."""
    return {
        "time": ms(bar.open_ts),
        "delta": about.size(bar.delta),
        "cvd": about.size(bar.cvd),
    }


def row_factor(about: Facts, rows: int | None) -> int:
    """Return how many of the source's rows make one of `rows` ticks.

    Raises
    ------
    ValueError
        If `rows` is no multiple of them.
    """
    rows = about.row_ticks if rows is None else rows
    if rows < 1 or rows % about.row_ticks:
        raise ValueError(f"must be a multiple of {about.row_ticks} ticks, was {rows}")
    return rows // about.row_ticks


def cell_rule(
    about: Facts, bars: Sequence[ClosedBar], factor: int, ratio: float, least: float | None
) -> ImbalanceRule:
    """Return which cells are imbalances: from `least` base units on, or from a usual cell on."""
    if least is None:
        wide = _columns(about, bars).coarser(factor)
        return ImbalanceRule(ratio=ratio, min_volume=display_rule(wide).min_volume)
    return ImbalanceRule(ratio=ratio, min_volume=max(0, math.ceil(least / float(about.lot) - 1e-9)))


def footprint(
    about: Facts, bars: Sequence[ClosedBar], factor: int, rule: ImbalanceRule
) -> list[dict[str, Any]]:
    """Return bars with their cells, on rows `factor` times the source's."""
    if not bars:
        return []
    wide = _columns(about, bars).coarser(factor)
    reading = read_cells(wide, rule)
    prices = (wide.row_index * wide.ticks_per_row + (wide.ticks_per_row - 1) / 2).tolist()
    cells, flags, starts = wide.cells.tolist(), reading.flags.tolist(), wide.starts.tolist()
    told = []
    for i, bar in enumerate(bars):
        own = range(starts[i], starts[i + 1])
        levels = [
            {
                "p": about.between(prices[k]),
                "bid": about.size(cells[k][BID]),
                "ask": about.size(cells[k][ASK]),
                "n": sum(cells[k][3:]),
                "delta": about.size(cells[k][ASK] - cells[k][BID]),
                "flags": flags[k],
            }
            for k in reversed(own)
        ]
        told.append(
            candle(about, bar)
            | {
                "poc": about.between(prices[starts[i] + int(reading.poc[i])]),
                "unfinished_high": bool(reading.unfinished_high[i]),
                "unfinished_low": bool(reading.unfinished_low[i]),
                "levels": levels,
            }
        )
    return told


def _columns(about: Facts, bars: Sequence[ClosedBar]) -> Bars:
    return Bars.of(bars, about.symbol, float(about.tick), float(about.lot))


# -- profiles -------------------------------------------------------------------------------------


def profiles(market: Market, days: int, rows: int | None) -> list[dict[str, Any]]:
    """Return the profiles of the newest sessions, that of the session that runs first."""
    return [
        told
        for session in list(market.sessions)[: -days - 1 : -1]
        if (told := profile(market, session, rows)) is not None
    ]


def span_profile(market: Market, seconds: float, rows: int | None) -> list[dict[str, Any]]:
    """Return the profile of the bars of the newest `seconds`, as one session."""
    span = Session(
        max(0, market.last_ts - int(seconds * SECOND)),
        market.last_ts + 1,
        market.sessions[-1].rows if market.sessions else market.about.row_ticks,
    )
    told = profile(market, span, rows)
    return [] if told is None else [told]


def profile(market: Market, session: Session, rows: int | None) -> dict[str, Any] | None:
    """Return the profile of a session from its bars, None without any."""
    about = market.about
    bars = [bar for bar in market.bars.since(session.start) if bar.open_ts < session.end][::-1]
    if not bars:
        return None
    height = rows or max(session.rows // about.row_ticks, 1) * about.row_ticks
    low, cells = _stacked(bars, row_factor(about, height))
    volumes: Ints = cells[:, :3].sum(axis=1)
    poc, val, vah = key_prices(volumes, low, height)

    def middle(row: int) -> float:
        return about.between((low + row) * height + (height - 1) / 2)

    return {
        "start": ms(session.start),
        "end": ms(session.end),
        "complete": session.complete,
        "open": about.price(bars[0].open),
        "high": about.price(max(bar.high for bar in bars)),
        "low": about.price(min(bar.low for bar in bars)),
        "close": about.price(bars[-1].close),
        "poc": about.price(poc),
        "vah": about.price(vah),
        "val": about.price(val),
        "shape": str(profile_shape(volumes, _GRID).shape),
        "lvn": [middle(row) for row in low_volume_nodes(volumes, _GRID)],
        "volume": about.size(int(volumes.sum())),
        "row_height": about.price(height),
        "rows": [
            {
                "price": middle(row),
                "volume": about.size(int(volumes[row])),
                "buy": about.size(int(cells[row, ASK])),
                "sell": about.size(int(cells[row, BID])),
            }
            for row in range(len(volumes) - 1, -1, -1)
        ],
    }


def _stacked(bars: Sequence[ClosedBar], factor: int) -> tuple[int, Ints]:
    """Return (lowest row, cells) of all bars together, on rows `factor` times as high."""
    low = min(bar.low_row for bar in bars) // factor
    high = max(bar.high_row for bar in bars) // factor
    cells = np.zeros((high - low + 1, bars[0].cells.shape[1]), np.int64)
    for bar in bars:
        np.add.at(cells, np.arange(bar.low_row, bar.high_row + 1) // factor - low, bar.cells)
    return low, cells


# -- tape and book --------------------------------------------------------------------------------


def print_(about: Facts, trade: Print) -> dict[str, Any]:
    """Return a trade of the market."""
    return {
        "time": ms(trade.ts),
        "ts": str(trade.ts),
        "id": trade.trade_id,
        "price": about.price(trade.price),
        "size": about.size(trade.size),
        "side": trade.side,
        "large": trade.large,
    }


def book(about: Facts, picture: BookPicture | None, levels: int) -> dict[str, Any]:
    """Return the best levels of a book; a thin one holds less than a quarter of the usual."""
    if picture is None:
        return {
            **{"time": None, "bids": [], "asks": [], "spread_ticks": None},
            **{"imbalance": None, "mid": None, "thin_below": None},
        }
    sides = picture.bids[:levels], picture.asks[:levels]
    top = _top(picture)
    limits = [float(thin_limit_of(top, side)) for side in (0, 1)]
    bids, asks = (
        [
            {"price": about.price(p), "size": about.size(s), "thin": k < 20 and s < limit}
            for k, (p, s) in enumerate(side.tolist())
        ]
        for side, limit in zip(sides, limits, strict=True)
    )
    both = bool(bids and asks)
    best_bid, best_ask = (int(side[0, 0]) if len(side) else 0 for side in sides)
    bought, sold = (int(side[:, 1].sum()) for side in sides)
    return {
        "time": ms(picture.ts),
        "bids": bids,
        "asks": asks,
        "spread_ticks": best_ask - best_bid if both else None,
        "imbalance": bought / (bought + sold) if bought + sold else None,
        "mid": about.between((best_bid + best_ask) / 2) if both else None,
        "thin_below": about.size(round(min(limits))) if both else None,
    }


def _top(picture: BookPicture) -> Ints:
    top = np.zeros((2, 20, 2), np.int64)
    top[:, :, 0] = np.array([[NO_PRICE], [-NO_PRICE]])
    for side, rows in enumerate((picture.bids[:20], picture.asks[:20])):
        top[side, : len(rows)] = rows
    return top
