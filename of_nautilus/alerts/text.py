"""The texts of the alerts: HTML with everything escaped that came from outside."""

import html
import json
import math
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from nautilus_trader.core.datetime import unix_nanos_to_iso8601

from of_nautilus.alerts.memory import ALL_CLEAR, WARMING, Day, Market, Memory, numbers_of
from of_nautilus.data import (
    ClosedTrade,
    DailyBias,
    EntryDecision,
    ExecutionTrouble,
    FeedStatus,
    FootprintBar,
    JournalNote,
    OperatorCommand,
    PatternSignal,
)

MAX_OUTSIDE = 300
# What the patterns count in lots.
_IN_LOTS = frozenset(
    (
        *("delta", "volume", "min_volume", "min_delta", "average_volume", "first_volume"),
        *("last_volume", "all_volume", "push", "min_push", "second_push", "usual_level_size"),
    )
)


def safe(text: object, longest: int = MAX_OUTSIDE) -> str:
    """Return text from outside as one line of HTML text, cut to `longest` characters.

    >>> safe("<b>stop</b>\\n& go")
    '&lt;b&gt;stop&lt;/b&gt; &amp; go'
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    if len(line) > longest:
        line = line[: longest - 1] + "…"
    return html.escape(line, quote=False)


def clock(ts: int) -> str:
    """Return a time of day, UTC."""
    return unix_nanos_to_iso8601(ts)[11:19] + " UTC"


def price(market: Market, ticks: float) -> str:
    """Return a price with as many decimals as the tick has; an average with one more.

    >>> price(Market("X", Decimal("0.10"), Decimal(1)), 59830)
    '5983.0'
    """
    if math.isnan(ticks):
        return "-"
    places = max(0, -int(market.tick.normalize().as_tuple().exponent))
    if float(ticks).is_integer():
        return f"{int(ticks) * market.tick:.{places}f}"
    return f"{Decimal(ticks) * market.tick:.{places + 1}f}"


def side(of: int) -> str:
    """Return LONG or SHORT."""
    return {1: "LONG", -1: "SHORT"}.get(of, "-")


def _flow(of: int) -> str:
    return {1: "buy", -1: "sell"}.get(of, "unsided")


def _head(title: str, market: Market, ts: int) -> str:
    return f"<b>{title} {safe(market.instrument_id)}</b>  {clock(ts)}"


def _size(market: Market, lots: float) -> str:
    return f"{Decimal(lots) * market.lot:f}"


def _terms(numbers: dict[str, Any]) -> str:
    """Return the terms of a sum, with their signs."""
    told = " ".join(f"{safe(name)} {float(term):+.1f}" for name, term in numbers.items())
    return told or "-"


def _numbers(numbers: dict[str, Any], market: Market | None = None) -> str:
    """Return names and numbers; with a market, its lots as sizes."""
    lot = None if market is None else float(market.lot)

    def told(name: str, value: Any) -> str:
        if lot and name in _IN_LOTS and isinstance(value, int | float):
            value *= lot
        return f"{safe(name.replace('_', ' '))} {_plain(value)}"

    return ", ".join(told(name, value) for name, value in numbers.items())


def _plain(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else safe(value)


def _level(market: Market, name: str) -> str:
    """Return a level's kind and price from its id, `KIND:ticks:time`."""
    parts = name.split(":")
    if len(parts) != 3 or not parts[1].lstrip("-").isdigit():
        return safe(name) or "-"
    return f"{safe(parts[0])} {price(market, int(parts[1]))}"


def bar_line(memory: Memory) -> str:
    """Return delta and volume of the last closed bar."""
    if not memory.bars:
        return "bar: none yet"
    bar: FootprintBar = memory.bars[-1]
    return (
        f"bar to {clock(bar.close_ts)}: delta {_signed(memory.market, bar.buy - bar.sell)}, "
        f"volume {_size(memory.market, bar.buy + bar.sell + bar.unclassified)}"
    )


def _signed(market: Market, lots: int) -> str:
    return f"{Decimal(lots) * market.lot:+f}"


def bias_line(bias: DailyBias | None) -> str:
    """Return a bias in a few words."""
    if bias is None:
        return "bias: none yet"
    return f"bias: {safe(bias.direction)} {bias.confidence:.0f}% ({safe(bias.shape)}-shape)"


def entry(data: EntryDecision, memory: Memory) -> str:
    """Return what an entry signal is made of, and the plan."""
    market = memory.market
    risk = abs(data.entry - data.stop)
    target = price(market, data.target) if data.target else "none"
    reward = f"{abs(data.target - data.entry) / risk:.2f}" if data.target and risk else "-"
    seen = memory.signals.get(data.pattern)
    own = numbers_of(seen.reasons) if seen is not None and seen.ts_event == data.ts_event else {}
    lines = [
        _head(f"ENTRY {side(data.side)}", market, data.ts_event),
        f"score {data.score:.1f} ({safe(data.grade)}) = {_terms(numbers_of(data.numbers))}",
        f"{safe(data.pattern)} {data.strength:.1f} at {_level(market, data.level)}",
        *([_numbers(own, market)] if own else []),
        bar_line(memory),
        bias_line(memory.bias),
        f"entry {price(market, data.entry)}, stop {price(market, data.stop)}, "
        f"target {target}, R:R {reward}",
        f"size {_size(market, data.quantity)}",
    ]
    return "\n".join(lines)


def filled(memory: Memory, ts: int) -> str:
    """Return at what price an entry was filled."""
    market, plan = memory.market, memory.plan
    way = side(plan.side) if plan is not None else "ENTRY"
    at = "" if math.isnan(memory.fill) else f"\n{memory.filled:f} at {price(market, memory.fill)}"
    return _head(f"FILLED {way}", market, ts) + at


def not_filled(memory: Memory, reason: str, ts: int) -> str:
    """Return that an entry came to nothing."""
    return (
        f"{_head('NO ENTRY', memory.market, ts)}\nthe order ended unfilled: {safe(reason) or '-'}"
    )


def protected(memory: Memory, stop: int, ts: int) -> str:
    """Return where the first stop of a trade rests."""
    return f"{_head('STOP RESTS', memory.market, ts)}\nat {price(memory.market, stop)}"


def stop_moved(memory: Memory, title: str, before: int, stop: int, ts: int) -> str:
    """Return where a stop has gone, and what it secures."""
    market, plan = memory.market, memory.plan
    lines = [
        _head(title, market, ts),
        f"stop {price(market, before) if before else '-'} → {price(market, stop)}",
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
        _head(f"EXIT {side(data.side)}", market, data.ts_event),
        f"{safe(data.reason)} from {safe(data.phase)}, after {minutes} min {seconds} s",
        f"{price(market, data.entry)} → {price(market, data.exit)}, "
        f"size {_size(market, data.quantity)}",
        f"{data.pnl_ticks:+.1f} ticks, {_r(data)}, before fees",
        f"net {won}{_money(data.money, market)}, fees {_money(data.fees, market)}",
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
        told = [f"{safe(name)} {_flow(way)} {float(force):.0f}" for _, name, way, force in seen]
    except (ValueError, TypeError):
        return ""
    return ", ".join(told)


def _money(amount: str | Decimal, market: Market) -> str:
    return f"{Decimal(amount):.4f} {safe(market.currency)}".rstrip()


def exit_warning(memory: Memory, pattern: str, strong: bool, ts: int) -> str:
    """Return which pattern speaks against the trade."""
    market, seen = memory.market, memory.signals.get(pattern)
    lines = [_head("EXIT WARNING", market, ts)]
    if seen is None:
        lines.append(f"{safe(pattern)} against the trade")
    else:
        way = "up" if seen.side > 0 else "down"
        lines.append(
            f"{safe(pattern)} {_flow(seen.side)} {seen.strength:.1f} "
            f"at {price(market, seen.price)}: the market may turn {way}"
        )
        told = _numbers(numbers_of(seen.reasons), market)
        if told:
            lines.append(told)
    lines.append("strong: the trade is closed" if strong else "weak: the trade goes on")
    return "\n".join(lines)


def daily_bias(data: DailyBias, memory: Memory) -> str:
    """Return a session's frame and its levels."""
    market = memory.market
    how = ", ".join(safe(word) for word in (data.relation, data.hook) if word and word != "NONE")
    lines = [
        _head("DAILY BIAS", market, data.ts_event),
        f"{safe(data.direction)} {data.confidence:.0f}% = {_terms(numbers_of(data.reasons))}",
        f"{safe(data.shape)}-shape" + (f", {how}" if how else ""),
        f"POC {price(market, data.poc)}, VAL {price(market, data.val)}, "
        f"VAH {price(market, data.vah)}",
        *([f"levels:\n{levels(memory)}"] if memory.levels else []),
    ]
    return "\n".join(lines)


def levels(memory: Memory) -> str:
    """Return the levels, the highest first."""
    market = memory.market
    found = sorted(memory.levels.values(), key=lambda level: -level.price)
    return "\n".join(
        f"{price(market, level.price)} {safe(level.kind)} {_flow(level.side)} "
        f"{level.strength:.0f}".replace(" unsided", "")
        for level in found
    )


def feed(data: FeedStatus, memory: Memory, live: bool) -> str:
    """Return that a feed has gone or come back, or how far the reading of the past is."""
    if data.reason == WARMING:
        head = _head("WARM" if live else "WARMING UP", memory.market, data.ts_event)
        return head + ("" if live else "\nthe past is read first: no entries until then")
    if live:
        seconds = max(0, data.ts_event - data.since) / 1e9 if data.since else 0.0
        head = _head("FEED IS BACK", memory.market, data.ts_event)
        return f"{head}\nafter {seconds:.1f} s ({safe(data.reason)})"
    return (
        f"{_head('FEED SUSPENDED', memory.market, data.ts_event)}\n"
        f"{safe(data.reason)}, for the {_nth(data.count)} time: no entries; "
        "an open position keeps its resting stop"
    )


def _nth(count: int) -> str:
    ending = "th" if 10 <= count % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(count % 10, "th")
    return f"{count}{ending}"


def execution(data: ExecutionTrouble, memory: Memory) -> str:
    """Return what went wrong with an order, and whether the position is safe."""
    market = memory.market
    held = "flat"
    if data.position:
        safety = "protected" if data.protected else "NOT PROTECTED"
        held = f"position {_signed(market, data.position)}, {safety}"
    title = "SAFE AGAIN" if data.kind in ALL_CLEAR else "TROUBLE"
    head = _head(title, market, data.ts_event)
    return _trouble(head, data.kind, data.text, data.numbers) + f"\n{held}"


def note(data: JournalNote, memory: Memory) -> str:
    """Return an alarm of the strategy's, such as the day's halt."""
    title = _head(safe(data.what, 20).upper(), memory.market, data.ts_event)
    return _trouble(title, data.what, data.reason, data.numbers)


def _trouble(head: str, what: str, why: str, numbers: str) -> str:
    lines = [head, safe(what) + (f": {safe(why)}" if why else "")]
    told = _numbers(numbers_of(numbers))
    return "\n".join([*lines, told] if told else lines)


def operator(data: OperatorCommand, memory: Memory) -> str:
    """Return that somebody gave a command."""
    head = _head(safe(data.action, 20), memory.market, data.ts_event)
    return f"{head}\nasked by {safe(data.source) or 'somebody'}"


def signal(data: PatternSignal, memory: Memory) -> str:
    """Return a pattern with its numbers."""
    head = _head(f"{safe(data.pattern)} {_flow(data.side)}", memory.market, data.ts_event)
    at = f"{data.strength:.1f} at {price(memory.market, data.price)}"
    return f"{head}\n{at}\n{_numbers(numbers_of(data.reasons), memory.market)}"


def summary(day: Day, market: Market) -> str:
    """Return what a day has brought for one market."""
    trades = day.trades
    won = sum(Decimal(trade.money) > 0 for trade in trades)
    fees = sum((Decimal(trade.fees) for trade in trades), Decimal(0))
    total_r = sum(trade.r_multiple for trade in trades if not math.isnan(trade.r_multiple))
    date = unix_nanos_to_iso8601(day.number * 86_400_000_000_000)[:10]
    lines = [f"<b>SUMMARY {safe(market.instrument_id)}</b>  {date}"]
    if trades:
        lines.append(
            f"{len(trades)} trades, {won} won, net {_money(day.money, market)}, "
            f"fees {_money(fees, market)}, {total_r:+.2f} R before fees"
        )
    else:
        lines.append("no trades")
    for name, counts in (
        ("signals", day.signals),
        ("not entered", day.refused),
        ("feed suspended", day.suspensions),
        ("trouble", day.troubles),
    ):
        if counts:
            lines.append(f"{name}: {_counts(counts)}")
    return "\n".join(lines)


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{safe(name)} {count}" for name, count in sorted(counts.items()))


def joined(parts: Iterable[str]) -> str:
    """Return paragraphs."""
    return "\n\n".join(part for part in parts if part)
