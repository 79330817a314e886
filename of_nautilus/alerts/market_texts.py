"""The texts about a market and its day, its feed, its orders, and who gave a command."""

import math
from collections import Counter
from decimal import Decimal

from nautilus_trader.core.datetime import unix_nanos_to_iso8601

from of_nautilus.alerts import text
from of_nautilus.alerts.memory import ALL_CLEAR, WARMING, Day, Market, Memory, numbers_of
from of_nautilus.data import (
    DailyBias,
    ExecutionTrouble,
    FeedStatus,
    JournalNote,
    OperatorCommand,
    PatternSignal,
)


def bias_line(bias: DailyBias | None) -> str:
    """Return a bias in a few words."""
    if bias is None:
        return "bias: none yet"
    return (
        f"bias: {text.safe(bias.direction)} {bias.confidence:.0f}% ({text.safe(bias.shape)}-shape)"
    )


def daily_bias(data: DailyBias, memory: Memory) -> str:
    """Return a session's frame and its levels."""
    market = memory.market
    how = ", ".join(
        text.safe(word) for word in (data.relation, data.hook) if word and word != "NONE"
    )
    terms = text.terms(numbers_of(data.reasons))
    lines = [
        text.head("DAILY BIAS", market, data.ts_event),
        f"{text.safe(data.direction)} {data.confidence:.0f}% = {terms}",
        f"{text.safe(data.shape)}-shape" + (f", {how}" if how else ""),
        f"POC {text.price(market, data.poc)}, VAL {text.price(market, data.val)}, "
        f"VAH {text.price(market, data.vah)}",
        *([f"levels:\n{levels(memory)}"] if memory.levels else []),
    ]
    return "\n".join(lines)


def levels(memory: Memory) -> str:
    """Return the levels, the highest first."""
    market = memory.market
    found = sorted(memory.levels.values(), key=lambda level: -level.price)
    return "\n".join(
        f"{text.price(market, level.price)} {text.safe(level.kind)} {text.flow(level.side)} "
        f"{level.strength:.0f}".replace(" unsided", "")
        for level in found
    )


def feed(data: FeedStatus, memory: Memory, live: bool) -> str:
    """Return that a feed has gone or come back, or how far the reading of the past is."""
    if data.reason == WARMING:
        head = text.head("WARM" if live else "WARMING UP", memory.market, data.ts_event)
        return head + ("" if live else "\nthe past is read first: no entries until then")
    if live:
        seconds = max(0, data.ts_event - data.since) / 1e9 if data.since else 0.0
        head = text.head("FEED IS BACK", memory.market, data.ts_event)
        return f"{head}\nafter {seconds:.1f} s ({text.safe(data.reason)})"
    return (
        f"{text.head('FEED SUSPENDED', memory.market, data.ts_event)}\n"
        f"{text.safe(data.reason)}, for the {_nth(data.count)} time: no entries; "
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
        held = f"position {text.signed(market, data.position)}, {safety}"
    title = "SAFE AGAIN" if data.kind in ALL_CLEAR else "TROUBLE"
    head = text.head(title, market, data.ts_event)
    return _trouble(head, data.kind, data.text, data.numbers) + f"\n{held}"


def note(data: JournalNote, memory: Memory) -> str:
    """Return an alarm of the strategy's, such as the day's halt."""
    title = text.head(text.safe(data.what, 20).upper(), memory.market, data.ts_event)
    return _trouble(title, data.what, data.reason, data.numbers)


def _trouble(head: str, what: str, why: str, numbers: str) -> str:
    lines = [head, text.safe(what) + (f": {text.safe(why)}" if why else "")]
    told = text.numbers(numbers_of(numbers))
    return "\n".join([*lines, told] if told else lines)


def operator(data: OperatorCommand, memory: Memory) -> str:
    """Return that somebody gave a command."""
    head = text.head(text.safe(data.action, 20), memory.market, data.ts_event)
    return f"{head}\nasked by {text.safe(data.source) or 'somebody'}"


def signal(data: PatternSignal, memory: Memory) -> str:
    """Return a pattern with its numbers."""
    head = text.head(
        f"{text.safe(data.pattern)} {text.flow(data.side)}", memory.market, data.ts_event
    )
    at = f"{data.strength:.1f} at {text.price(memory.market, data.price)}"
    return f"{head}\n{at}\n{text.numbers(numbers_of(data.reasons), memory.market)}"


def summary(day: Day, market: Market) -> str:
    """Return what a day has brought for one market."""
    trades = day.trades
    won = sum(Decimal(trade.money) > 0 for trade in trades)
    fees = sum((Decimal(trade.fees) for trade in trades), Decimal(0))
    total_r = sum(trade.r_multiple for trade in trades if not math.isnan(trade.r_multiple))
    date = unix_nanos_to_iso8601(day.number * 86_400_000_000_000)[:10]
    lines = [f"<b>SUMMARY {text.safe(market.instrument_id)}</b>  {date}"]
    if trades:
        lines.append(
            f"{len(trades)} trades, {won} won, net {text.money(day.money, market)}, "
            f"fees {text.money(fees, market)}, {total_r:+.2f} R before fees"
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
    return ", ".join(f"{text.safe(name)} {count}" for name, count in sorted(counts.items()))
