"""The texts about a trade, from its entry to its result."""

import json
import math
from decimal import Decimal

from of_nautilus.alerts import text
from of_nautilus.alerts.market_texts import bias_line
from of_nautilus.alerts.memory import Memory, numbers_of
from of_nautilus.data import ClosedTrade, EntryDecision, FootprintBar


def entry(data: EntryDecision, memory: Memory) -> str:
    """Return what an entry signal is made of, and the plan."""
    market = memory.market
    risk = abs(data.entry - data.stop)
    target = text.price(market, data.target) if data.target else "none"
    reward = f"{abs(data.target - data.entry) / risk:.2f}" if data.target and risk else "-"
    seen = memory.signals.get(data.pattern)
    own = numbers_of(seen.reasons) if seen is not None and seen.ts_event == data.ts_event else {}
    terms = text.terms(numbers_of(data.numbers))
    lines = [
        text.head(f"ENTRY {text.side(data.side)}", market, data.ts_event),
        f"score {data.score:.1f} ({text.safe(data.grade)}) = {terms}",
        f"{text.safe(data.pattern)} {data.strength:.1f} at {text.level_name(market, data.level)}",
        *([text.numbers(own, market)] if own else []),
        bar_line(memory),
        bias_line(memory.bias),
        f"entry {text.price(market, data.entry)}, stop {text.price(market, data.stop)}, "
        f"target {target}, R:R {reward}",
        f"size {text.size(market, data.quantity)}",
    ]
    return "\n".join(lines)


def bar_line(memory: Memory) -> str:
    """Return delta and volume of the last closed bar."""
    if not memory.bars:
        return "bar: none yet"
    bar: FootprintBar = memory.bars[-1]
    delta = text.signed(memory.market, bar.buy - bar.sell)
    volume = text.size(memory.market, bar.buy + bar.sell + bar.unclassified)
    return f"bar to {text.clock(bar.close_ts)}: delta {delta}, volume {volume}"


def filled(memory: Memory, ts: int) -> str:
    """Return at what price an entry was filled."""
    market, plan = memory.market, memory.plan
    way = text.side(plan.side) if plan is not None else "ENTRY"
    at = (
        ""
        if math.isnan(memory.fill)
        else f"\n{memory.filled:f} at {text.price(market, memory.fill)}"
    )
    return text.head(f"FILLED {way}", market, ts) + at


def not_filled(memory: Memory, reason: str, ts: int) -> str:
    """Return that an entry came to nothing."""
    head = text.head("NO ENTRY", memory.market, ts)
    return f"{head}\nthe order ended unfilled: {text.safe(reason) or '-'}"


def protected(memory: Memory, stop: int, ts: int) -> str:
    """Return where the first stop of a trade rests."""
    return f"{text.head('STOP RESTS', memory.market, ts)}\nat {text.price(memory.market, stop)}"


def stop_moved(memory: Memory, title: str, before: int, stop: int, ts: int) -> str:
    """Return where a stop has gone, and what it secures."""
    market, plan = memory.market, memory.plan
    lines = [
        text.head(title, market, ts),
        f"stop {text.price(market, before) if before else '-'} → {text.price(market, stop)}",
    ]
    if plan is not None:
        entered = plan.entry if math.isnan(memory.fill) else memory.fill
        secured = plan.side * (stop - entered)
        risk = abs(plan.entry - plan.stop)
        lines.append(f"secures {secured:+.0f} ticks ({secured / risk:+.2f} R) before fees")
        if memory.stop_moves > 1:
            lines.append(f"step {memory.stop_moves} of the trail")
    return "\n".join(lines)


def exit_result(data: ClosedTrade, memory: Memory) -> str:
    """Return a finished trade's result, and its story."""
    market = memory.market
    won = "+" if Decimal(data.money) > 0 else ""
    minutes, seconds = divmod(max(0, data.closed - data.opened) // 1_000_000_000, 60)
    lines = [
        text.head(f"EXIT {text.side(data.side)}", market, data.ts_event),
        f"{text.safe(data.reason)} from {text.safe(data.phase)}, after {minutes} min {seconds} s",
        f"{text.price(market, data.entry)} → {text.price(market, data.exit)}, "
        f"size {text.size(market, data.quantity)}",
        f"{data.pnl_ticks:+.1f} ticks, {_r(data)}, before fees",
        f"net {won}{text.money(data.money, market)}, fees {text.money(data.fees, market)}",
    ]
    story = _story(data.signals)
    if story:
        lines.append(story)
    return "\n".join(lines)


def _r(data: ClosedTrade) -> str:
    if math.isnan(data.r_multiple):
        return "no plan"
    promised = "" if math.isnan(data.reward_to_risk) else f" of {data.reward_to_risk:.2f} planned"
    return f"{data.r_multiple:+.2f} R{promised}"


def _story(signals: str) -> str:
    try:
        seen = json.loads(signals)
        told = [
            f"{text.safe(name)} {text.flow(way)} {float(force):.0f}" for _, name, way, force in seen
        ]
    except (ValueError, TypeError):
        return ""
    return ", ".join(told)


def exit_warning(memory: Memory, pattern: str, strong: bool, ts: int) -> str:
    """Return which pattern speaks against the trade."""
    market, seen = memory.market, memory.signals.get(pattern)
    lines = [text.head("EXIT WARNING", market, ts)]
    if seen is None:
        lines.append(f"{text.safe(pattern)} against the trade")
    else:
        way = "up" if seen.side > 0 else "down"
        lines.append(
            f"{text.safe(pattern)} {text.flow(seen.side)} {seen.strength:.1f} "
            f"at {text.price(market, seen.price)}: the market may turn {way}"
        )
        told = text.numbers(numbers_of(seen.reasons), market)
        if told:
            lines.append(told)
    lines.append("strong: the trade is closed" if strong else "weak: the trade goes on")
    return "\n".join(lines)
