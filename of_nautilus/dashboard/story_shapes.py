"""What is told of signals, levels, trades and results, as plain values: see `docs/dashboard.md`."""

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import numpy as np

from of_nautilus.dashboard.market import Facts, Market, Markets
from of_nautilus.dashboard.shapes import known, ms
from of_nautilus.dashboard.story import Card, Standing, Story
from of_nautilus.data import ClosedTrade, LevelEvent, PatternSignal, TradeTransition
from of_nautilus.decision.score import ScoreConfig
from of_nautilus.decision.status import STEPS, rank
from of_nautilus.decision.table import IN_TRADE
from of_nautilus.scanner import STALE

_R_EDGES = np.arange(-2.0, 4.01, 0.5)


def signal(about: Facts, card: Card) -> dict[str, Any]:
    """Return what a detector saw."""
    ts, pattern, side, price = card.key
    told = card.signal or card.decision
    return {
        "time": ms(ts),
        "ts": str(ts),
        "pattern": pattern,
        "side": side,
        "price": about.price(price),
        "strength": None if told is None else known(told.strength),
        "reasons": json.loads(card.signal.reasons) if card.signal else {},
    }


def signal_card(about: Facts, card: Card) -> dict[str, Any]:
    """Return a signal and what became of it."""
    told = card.decision
    least = ScoreConfig().min_score
    if told is None:
        return signal(about, card) | dict.fromkeys(
            ("decision", "refusal", "level", "score", "normalized", "grade", "entry", "stop",
             "target", "reward_to_risk")
        ) | {"min_score": least, "terms": []}  # fmt: skip
    planned = told.decision == "planned"
    numbers = json.loads(told.numbers)
    risk = abs(told.entry - told.stop)
    return signal(about, card) | {
        "decision": "planned" if planned else "refused",
        "refusal": None if planned else told.decision,
        "level": told.level or None,
        "score": known(told.score),
        "normalized": known(told.normalized),
        "grade": told.grade or None,
        "min_score": least if planned else numbers.get("min_score", least),
        "terms": [[name, known(value)] for name, value in numbers.items()] if planned else [],
        "entry": about.price(told.entry) if planned else None,
        "stop": about.price(told.stop) if planned else None,
        "target": about.price(told.target) if told.target else None,
        "reward_to_risk": abs(told.target - told.entry) / risk if told.target and risk else None,
    }


def markers(market: Market, count: int, since: int) -> list[dict[str, Any]]:
    """Return the newest signals after `since` (ns), oldest first."""
    cards = [c for c in market.stories.cards.values() if c.signal and c.key[0] > since]
    return [signal(market.about, card) for card in sorted(cards, key=lambda c: c.key)[-count:]]


def cards(market: Market, limit: int, version: int = 0) -> list[dict[str, Any]]:
    """Return the newest cards that changed after `version`, the newest first."""
    changed = [card for card in market.stories.cards.values() if card.version > version]
    changed.sort(key=lambda card: card.key)
    return [signal_card(market.about, card) for card in changed[: -limit - 1 : -1]]


def level(about: Facts, told: LevelEvent) -> dict[str, Any]:
    """Return a level that is alive."""
    return {
        "id": told.level,
        "kind": told.kind,
        "price": about.price(told.price),
        "side": told.side,
        "strength": known(told.strength),
        "touches": told.touches,
    }


def bias(market: Market, story: Story) -> dict[str, Any]:
    """Return the frame of the session, and the levels that are alive."""
    about, told = market.about, story.bias
    frame = None
    if told is not None:
        frame = {
            "time": ms(told.ts_event),
            "direction": told.direction,
            "confidence": known(told.confidence),
            "shape": told.shape,
            "poc": about.price(told.poc),
            "vah": about.price(told.vah),
            "val": about.price(told.val),
            "relation": told.relation,
            "hook": told.hook,
            "reasons": json.loads(told.reasons),
        }
    return {"bias": frame, "levels": [level(about, each) for each in story.levels.values()]}


def standing(markets: Markets, market: Market) -> Standing:
    """Return where an instrument stands at the time of the newest data of all."""
    stale = markets.now - market.last_ts > STALE
    return market.stories.standing(market.last, has_data=market.last is not None, stale=stale)


def strategy_status(market: Market, where: Standing) -> dict[str, Any]:
    """Return an instrument's status and its six steps, each with what is known of it."""
    about, story, row = market.about, where.story, where.row
    plan, frame = story.plan, story.bias
    texts = [
        f"{frame.shape} {frame.direction} {frame.confidence:.0f}%" if frame else "",
        f"{len(story.levels)} levels" if story.levels else "",
        "" if where.distance is None else f"{where.distance} ticks away",
        "" if plan is None else f"{plan.pattern} {plan.strength:.0f}",
        "" if plan is None else f"score {plan.score:.0f} {plan.grade}",
        str(story.phase) if story.phase in IN_TRADE else "",
    ]
    return {
        "symbol": about.symbol,
        "status": str(row.status),
        "phase": str(story.phase),
        "steps": [
            {"name": name, "done": done, "text": text}
            for name, done, text in zip(STEPS, row.steps, texts, strict=True)
        ],
    }


def scanner(markets: Markets) -> list[dict[str, Any]]:
    """Return a row for each instrument, the first to look at first."""
    each = {name: standing(markets, market) for name, market in markets.items()}
    told = []
    for row in rank(where.row for where in each.values()):
        market, where = markets[row.symbol], each[row.symbol]
        about = market.about
        told.append(
            {
                "symbol": row.symbol,
                "status": str(row.status),
                "priority": row.priority,
                "steps": list(row.steps),
                "phase": str(where.story.phase),
                "levels": len(where.story.levels),
                "last": None if market.last is None else about.price(market.last),
                "nearest": None if where.nearest is None else about.price(where.nearest),
                "distance_ticks": where.distance,
                "time": ms(market.last_ts),
            }
        )
    return told


def open_trade(market: Market, story: Story) -> dict[str, Any] | None:
    """Return the trade that is open, None if there is none; its entry as planned."""
    plan, about = story.plan, market.about
    if plan is None or story.phase not in IN_TRADE:
        return None
    last = market.last
    pnl = None if last is None else (last - plan.entry) * plan.side
    risk = abs(plan.entry - plan.stop)
    return {
        "side": plan.side,
        "quantity": about.size(plan.quantity),
        "opened": ms(story.opened or plan.ts_event),
        "entry": about.price(plan.entry),
        "stop": about.price(story.stop or plan.stop),
        "target": about.price(plan.target) if plan.target else None,
        "phase": str(story.phase),
        "pnl_ticks": pnl,
        "r_multiple": pnl / risk if pnl is not None and risk else None,
        "score": known(plan.score),
        "grade": plan.grade or None,
        "level": plan.level or None,
    }


def closed_trade(about: Facts, told: ClosedTrade) -> dict[str, Any]:
    """Return a finished trade; its stop is where it was at the end."""
    return {
        "side": told.side,
        "quantity": about.size(told.quantity),
        "opened": ms(told.opened),
        "entry": about.between(told.entry),
        "stop": about.price(told.last_stop) if told.last_stop else None,
        "target": about.price(told.target) if told.target else None,
        "phase": told.phase,
        "pnl_ticks": known(told.pnl_ticks),
        "r_multiple": known(told.r_multiple),
        "score": known(told.score),
        "grade": told.grade or None,
        "level": told.level or None,
        "closed": ms(told.closed),
        "exit": about.between(told.exit),
        "money": float(_amount(told.money)),
        "fees": float(_amount(told.fees)),
        "reason": told.reason,
        "first_stop": about.price(told.first_stop) if told.first_stop else None,
    }


def transition(told: TradeTransition) -> dict[str, Any]:
    """Return a move of the trade's state machine."""
    return {
        "time": ms(told.ts_event),
        "source": told.source,
        "target": told.target,
        "event": told.event,
        "reason": told.reason,
    }


def trade_state(markets: Markets, market: Market, closed: int, transitions: int) -> dict[str, Any]:
    """Return the phase and the trade, and the newest finished trades and moves, newest first."""
    where = standing(markets, market)
    stories, about = market.stories, market.about
    status = strategy_status(market, where)
    return {
        "phase": str(where.story.phase),
        "trade": open_trade(market, where.story),
        "closed": [closed_trade(about, each) for each in _newest(stories.closed, closed)],
        "transitions": [transition(each) for each in _newest(stories.transitions, transitions)],
        "status": status["status"],
        "steps": status["steps"],
    }


def _newest(items: Any, count: int) -> list[Any]:
    return list(items)[: -count - 1 : -1] if count else []


def performance(market: Market) -> dict[str, Any]:
    """Return what the finished trades came to; sums of money are exact until they are told."""
    trades = list(market.stories.closed)
    net = [_amount(trade.money) for trade in trades]
    won = sum((each for each in net if each > 0), Decimal(0))
    lost = -sum((each for each in net if each < 0), Decimal(0))
    rs = [r for trade in trades if (r := known(trade.r_multiple)) is not None]
    curve, top, fall = Decimal(0), Decimal(0), Decimal(0)
    equity = []
    for trade, each in zip(trades, net, strict=True):
        curve += each
        top = max(top, curve)
        fall = max(fall, top - curve)
        equity.append({"time": ms(trade.closed), "net": float(curve)})
    counts, _ = np.histogram(np.clip(rs, _R_EDGES[0], _R_EDGES[-1]), _R_EDGES)
    return {
        "trades": len(trades),
        "wins": sum(each > 0 for each in net),
        "win_rate": sum(each > 0 for each in net) / len(net) if net else None,
        "net": float(sum(net, Decimal(0))),
        "gross_win": float(won),
        "gross_loss": float(lost),
        "profit_factor": float(won / lost) if lost else None,
        "mean_r": float(np.mean(rs)) if rs else None,
        "max_drawdown": float(fall),
        "fees": float(sum((_amount(trade.fees) for trade in trades), Decimal(0))),
        "currency": market.about.currency,
        "equity": equity,
        "r_histogram": [
            {"from": float(low), "to": float(high), "count": int(count)}
            for low, high, count in zip(_R_EDGES, _R_EDGES[1:], counts, strict=False)
        ],
        "by_grade": _by(trades, "grade"),
        "by_reason": _by(trades, "reason"),
    }


def _by(trades: Iterable[ClosedTrade], name: str) -> list[dict[str, Any]]:
    groups: dict[str, list[ClosedTrade]] = {}
    for trade in trades:
        groups.setdefault(getattr(trade, name), []).append(trade)
    told = []
    for value, own in sorted(groups.items()):
        net = [_amount(trade.money) for trade in own]
        rs = [r for trade in own if (r := known(trade.r_multiple)) is not None]
        told.append(
            {
                "name": value,
                "trades": len(own),
                "win_rate": sum(each > 0 for each in net) / len(own),
                "net": float(sum(net, Decimal(0))),
                "mean_r": float(np.mean(rs)) if rs else None,
            }
        )
    return told


def _amount(text: str) -> Decimal:
    return Decimal(text.split()[0])
