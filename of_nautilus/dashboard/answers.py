"""What the API says of a market: the shapes of docs/dashboard.md, made from a `MarketState`."""

import json
from collections.abc import Iterable
from typing import Any

from of_nautilus.core.sessions import SECOND
from of_nautilus.core.value_area import key_prices
from of_nautilus.dashboard.market import BookSeen, Card, MarketState, OpenTrade, Session
from of_nautilus.dashboard.performance import performance
from of_nautilus.dashboard.units import known, ms
from of_nautilus.data import LIVE, ClosedTrade, PatternSignal, TradeTransition
from of_nautilus.decision.score import ScoreConfig
from of_nautilus.decision.status import STEPS
from of_nautilus.report.bars import Bars
from of_nautilus.report.profile import read_profile

Json = dict[str, Any]
_MIN_SCORE = ScoreConfig().min_score


def instrument(market: MarketState, now: int) -> Json:
    """Return one line of `/api/instruments`."""
    units = market.units
    own = market.session
    bars = market.bars.between(own.start, own.end) if own else []
    row = market.row(now)
    opened = bars[0].open if bars else None
    return {
        "symbol": market.symbol,
        "tick": units.tick,
        "lot": units.lot,
        "price_digits": units.price_digits,
        "size_digits": units.size_digits,
        "bar_seconds": market.bars.seconds,
        "row_ticks": market.bars.row_ticks,
        "currency": market.currency,
        "last": _price(market, market.last),
        "change": market.last / opened - 1 if opened and market.last is not None else None,
        "session_high": _price(market, max((b.high for b in bars), default=None)),
        "session_low": _price(market, min((b.low for b in bars), default=None)),
        "volume": units.size(sum(b.volume for b in bars)),
        "status": str(row.status),
        "phase": str(market.phase or "NONE"),
    }


def scanner_row(market: MarketState, now: int) -> Json:
    """Return one line of `/api/scanner`."""
    row, nearest = market.row(now), market.nearest
    away = None
    if nearest is not None and market.last is not None:
        away = abs(nearest.price - market.last)
    return {
        "symbol": market.symbol,
        "status": str(row.status),
        "priority": row.priority,
        "steps": list(row.steps),
        "phase": str(market.phase or "NONE"),
        "levels": len(market.qualified),
        "last": _price(market, market.last),
        "nearest": _price(market, None if nearest is None else nearest.price),
        "distance_ticks": away,
        "time": ms(market.last_ts) if market.last_ts else None,
    }


def points(candles: Iterable[Json]) -> list[Json]:
    """Return delta and its running sum of candles."""
    return [{name: candle[name] for name in ("time", "delta", "cvd")} for candle in candles]


def profiles(market: MarketState, days: int, rows: int) -> list[Json]:
    """Return the profiles of the newest `days` sessions on rows of so many ticks."""
    made = [_profile(market, own, own.end, rows) for own in market.begun[-days:]]
    return [each for each in reversed(made) if each is not None]


def profile_since(market: MarketState, start: int, rows: int) -> list[Json]:
    """Return the profile of the bars from `start` on, ns UTC, in place of those of sessions."""
    made = _profile(market, Session(start, market.last_ts), None, rows)
    return [] if made is None else [made]


def _profile(market: MarketState, session: Session, end: int | None, rows: int) -> Json | None:
    units = market.units
    own = market.bars.between(session.start, end)
    if not own:
        return None
    whole = Bars.of(own, market.symbol, units.tick, units.lot)
    # However it is drawn, it is read on the rows from which bias and levels come, and its key
    # prices are the ticks that these name, not the middles of rows.
    height = market.rows_of(session.rows) if session.rows else market.profile_rows
    read = read_profile(bars := whole.coarser(height // own[0].ticks_per_row))
    low, *_ = bars.profile()
    keys = key_prices(read.volume, low, height) if read.volume.any() else (None,) * 3
    poc, val, vah = (None if tick is None else units.price(tick) for tick in keys)
    digits = units.price_digits + 3
    drawn = read if rows == height else read_profile(whole.coarser(rows // own[0].ticks_per_row))
    columns = drawn.price, drawn.volume, drawn.bought, drawn.sold, drawn.unclassified
    lines = zip(*(column.tolist() for column in columns), strict=True)
    return {
        "start": ms(session.start),
        "end": ms(session.end),
        "complete": session.complete,
        "open": units.price(own[0].open),
        "high": units.price(max(bar.high for bar in own)),
        "low": units.price(min(bar.low for bar in own)),
        "close": units.price(own[-1].close),
        "poc": poc,
        "vah": vah,
        "val": val,
        "shape": read.shape,
        "lvn": [round(price, digits) for price in read.low_nodes],
        "volume": units.size(sum(bar.volume for bar in own)),
        "key_height": round(height * units.tick, digits),
        "row_height": round(rows * units.tick, digits),
        "rows": [
            {
                "price": round(price, digits),
                "volume": units.size(volume),
                "buy": units.size(buy),
                "sell": units.size(sell),
                "unclassified": units.size(other),
            }
            for price, volume, buy, sell, other in lines
        ][::-1],
    }


def signal(market: MarketState, data: PatternSignal) -> Json:
    """Return a signal as a marker."""
    return {
        "time": ms(data.ts_event),
        "ts": str(data.ts_event),
        "pattern": data.pattern,
        "side": data.side,
        "price": market.units.price(data.price),
        "strength": data.strength,
        "reasons": json.loads(data.reasons),
        "at_close": data.at_close,
    }


def card(market: MarketState, own: Card) -> Json:
    """Return a signal with what became of it."""
    told = signal(market, own.signal) | dict.fromkeys(
        ("decision", "refusal", "level", "score", "normalized", "grade", "entry", "stop", "target")
    )
    told |= {"min_score": _MIN_SCORE, "terms": [], "reward_to_risk": None}
    made = own.decision
    if made is None:
        return told
    told["min_score"] = market.min_scores.get(made.strategy_id, _MIN_SCORE)
    planned = made.decision == "planned"
    told |= {
        "decision": "planned" if planned else "refused",
        "refusal": None if planned else made.decision,
        "level": made.level or None,
        "score": known(made.score),
        "normalized": known(made.normalized),
        "grade": made.grade or None,
        "terms": [[name, value] for name, value in json.loads(made.numbers).items()],
    }
    if planned:
        risk = abs(made.entry - made.stop)
        told |= {
            "entry": market.units.price(made.entry),
            "stop": market.units.price(made.stop),
            "target": market.units.price_or_none(made.target),
            "reward_to_risk": abs(made.target - made.entry) / risk
            if made.target and risk
            else None,
        }
    return told


def bias(market: MarketState) -> Json:
    """Return the session's frame and the levels that live."""
    price, own = market.units.price, market.bias
    levels = sorted(market.levels.values(), key=lambda level: (-level.price, level.level))
    return {
        "bias": None
        if own is None
        else {
            "time": ms(own.ts_event),
            "direction": own.direction,
            "confidence": own.confidence,
            "shape": own.shape,
            "poc": price(own.poc),
            "vah": price(own.vah),
            "val": price(own.val),
            "relation": own.relation,
            "hook": own.hook,
            "reasons": json.loads(own.reasons),
        },
        "levels": [
            {
                "id": level.level,
                "kind": level.kind,
                "price": price(level.price),
                "side": level.side,
                "strength": level.strength,
                "touches": level.touches,
            }
            for level in levels
        ],
    }


def trade(market: MarketState, limit: int) -> Json:
    """Return the trade that runs, those that are over, and what they came to."""
    return {
        "phase": str(market.phase or "NONE"),
        "trade": running(market, market.open_trade),
        "closed": [closed(market, own) for _, own in market.closed][: -limit - 1 : -1],
        "transitions": [transition(own) for _, own in market.moves][: -limit - 1 : -1],
        "performance": performance([own for _, own in market.closed], market.currency),
    }


def running(market: MarketState, own: OpenTrade | None) -> Json | None:
    """Return an open trade: its entry is the plan's."""
    if own is None:
        return None
    plan, units = own.plan, market.units
    gained = None if market.last is None else (market.last - plan.entry) * plan.side
    risk = abs(plan.entry - plan.stop)
    return {
        "side": plan.side,
        "quantity": units.size(plan.quantity),
        "opened": ms(own.opened),
        "entry": units.price(plan.entry),
        "stop": units.price_or_none(own.stop),
        "target": units.price_or_none(plan.target),
        "phase": str(market.phase),
        "pnl_ticks": gained,
        "r_multiple": None if gained is None or not risk else gained / risk,
        "score": known(plan.score),
        "grade": plan.grade,
        "level": plan.level,
    }


def closed(market: MarketState, own: ClosedTrade) -> Json:
    """Return a finished trade."""
    units = market.units
    return {
        "side": own.side,
        "quantity": units.size(own.quantity),
        "opened": ms(own.opened),
        "closed": ms(own.closed),
        "entry": units.mean_price(own.entry),
        "exit": units.mean_price(own.exit),
        "stop": units.price_or_none(own.last_stop),
        "first_stop": units.price_or_none(own.first_stop),
        "target": units.price_or_none(own.target),
        "phase": own.phase,
        "pnl_ticks": known(own.pnl_ticks),
        "r_multiple": known(own.r_multiple),
        "score": known(own.score),
        "grade": own.grade,
        "level": own.level,
        "money": float(own.money),
        "fees": float(own.fees),
        "reason": own.reason,
    }


def transition(own: TradeTransition) -> Json:
    """Return a move of the state machine."""
    return {
        "time": ms(own.ts_event),
        "source": own.source,
        "target": own.target,
        "event": own.event,
        "reason": own.reason,
    }


def status(market: MarketState, now: int) -> Json:
    """Return the checklist."""
    row, own, nearest = market.row(now), market.bias, market.nearest
    texts = [""] * len(STEPS)
    if own is not None:
        texts[0] = f"{own.shape} profile, {own.direction}, {own.confidence:.0f} %"
    if market.qualified:
        texts[1] = f"{len(market.qualified)} levels"
    if nearest is not None and market.last is not None:
        away = abs(nearest.price - market.last)
        ticks = "1 tick" if away == 1 else f"{away} ticks"
        texts[2] = f"{nearest.kind} {market.units.price(nearest.price)}, {ticks} away"
    plan = market.open_trade.plan if market.open_trade else None
    if plan is not None:
        texts[3] = f"{plan.pattern}, strength {plan.strength:.0f}"
        texts[4] = f"score {plan.normalized:.0f}, {plan.grade}"
        texts[5] = str(market.phase).lower().replace("_", " ")
    return {
        "symbol": market.symbol,
        "status": str(row.status),
        "phase": str(market.phase or "NONE"),
        "steps": [
            {"name": name, "done": done, "text": text}
            for name, done, text in zip(STEPS, row.steps, texts, strict=True)
        ],
    }


def book(market: MarketState, seen: BookSeen | None, levels: int) -> Json:
    """Return a book's best levels; empty if there was none yet."""
    units = market.units
    if seen is None:
        empty = dict.fromkeys(("time", "spread_ticks", "imbalance", "mid", "thin_below"))
        return {"bids": [], "asks": [], "bid_total": 0.0, "ask_total": 0.0, **empty}
    sides = []
    for side, thin in zip(seen.levels, seen.thin, strict=True):
        rungs = [(int(price), int(lots)) for price, lots in side[:levels] if lots > 0]
        sides.append(
            [
                {"price": units.price(p), "size": units.size(lots), "thin": lots < thin}
                for p, lots in rungs
            ]
        )
    totals = [int(side[:levels, 1].sum()) for side in seen.levels]
    bid, ask = (int(side[0, 0]) for side in seen.levels)
    both = bool(sides[0] and sides[1])
    return {
        "time": ms(seen.ts),
        "bids": sides[0],
        "asks": sides[1],
        "bid_total": units.size(totals[0]),
        "ask_total": units.size(totals[1]),
        "spread_ticks": ask - bid if both else None,
        "imbalance": totals[0] / sum(totals) if sum(totals) else None,
        "mid": units.mean_price((bid + ask) / 2) if both else None,
        "thin_below": round(sum(seen.thin) / 2 * units.lot, units.size_digits + 1),
    }


def prints(market: MarketState, rows: Any) -> list[Json]:
    """Return trades, the newest first."""
    units, large = market.units, market.large
    return [
        {
            "time": ms(ts),
            "ts": str(ts),
            "id": name.decode(errors="replace"),
            "price": units.price(price),
            "size": units.size(size),
            "side": side,
            "large": size >= large,
        }
        for ts, price, size, side, name in reversed(rows.tolist())
    ]


def microstructure(market: MarketState) -> list[Json]:
    """Return measures of tape and book; those that are not known yet are null."""
    engine, units = market.engine, market.units
    facts: list[Json] = []

    def fact(
        name: str, value: float | None, unit: str, text: str, digits: int | None = None
    ) -> None:
        """Add a measure: with so many decimals, else with 5 significant digits."""
        told = None if value is None or value != value else float(value)
        if told is not None:
            told = float(f"{told:.5g}") if digits is None else round(told, digits)
        facts.append({"name": name, "value": told, "unit": unit, "text": text})

    if engine is not None:
        window = engine.window(0)
        bought, sold = window["buy"], window["sell"]
        prices, sizes = units.price_digits, units.size_digits
        fact("Trades a minute", window["trades"], "", "prints of the last minute", 0)
        fact("Volume a minute", units.size(bought + sold), "", "bought and sold in it", sizes)
        fact("Delta of a minute", units.size(bought - sold), "", "bought less sold in it", sizes)
        average, deviation = engine.vwap
        fact("VWAP", average * units.tick, "", "of the session", prices)
        fact("VWAP deviation", deviation * units.tick, "", "its standard deviation")
        fact("VPIN", engine.vpin, "", "0 to 1; needs a session before")
        fact("Large trade", engine.large_size * units.lot, "", "parent orders from this size on")
        fact("Kyle's lambda", engine.kyle_lambda, "ticks a lot", "price moved by signed volume")
        amihud = engine.amihud / (units.tick * units.lot)
        fact("Amihud", amihud, "per million quote", "|return| by value traded, 50 bars")
        fact("Roll spread", engine.roll_spread, "ticks", "implied by changes of price")
    if market.books:
        own = book(market, market.books[-1], 20)
        fact("Spread", own["spread_ticks"], "ticks", "best ask less best bid")
        fact("Book imbalance", own["imbalance"], "", "bids of all, 20 levels")
        thin = [sum(rung["thin"] for rung in own[side]) for side in ("bids", "asks")]
        fact("Thin bids", thin[0], "", "below a quarter of the median")
        fact("Thin asks", thin[1], "", "below a quarter of the median")
    return facts


def feed(market: MarketState, now: int, *, live: bool, missed: int) -> Json:
    """Return one market's part of `/api/stats`."""
    told = market.feed
    recent = market.prints["ts"][-1] - 10 * SECOND if len(market.prints) else 0
    return {
        "symbol": market.symbol,
        "trades": market.trade_count,
        "trades_per_second": round(int((market.prints["ts"] > recent).sum()) / 10, 1),
        "books": market.book_count,
        "bars": len(market.bars.closed),
        "bar_seconds": market.bars.seconds,
        "signals": market.signal_count,
        "last_time": ms(market.last_ts) if market.last_ts else None,
        "lag_ms": max(0, ms(now) - ms(market.last_ts)) if live and market.last_ts else None,
        "feed": told.state if told else LIVE,
        "feed_reason": told.reason if told else "",
        "feed_since": ms(told.since) if told and told.since else None,
        "counts": json.loads(told.counts) if told else {},
        "missed": missed,
    }


def _price(market: MarketState, ticks: int | None) -> float | None:
    return None if ticks is None else market.units.price(ticks)
