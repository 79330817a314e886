"""The answers to what somebody asks: status, levels, the trade, the ranking of the markets."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from of_nautilus.alerts import market_texts, text
from of_nautilus.alerts.memory import Holding, Market, Memory
from of_nautilus.data import LIVE
from of_nautilus.decision.status import STEPS, rank

_ENTRIES = {True: "paused", False: "allowed", None: "not paused since the start"}
_Held = Mapping[str, Holding]


def status(memories: Iterable[Memory], held: _Held, now: int) -> str:
    """Return where each market stands, with its six steps."""
    return text.joined(_status(memory, _holding(held, memory), now) for memory in memories)


def _status(memory: Memory, holding: Holding, now: int) -> str:
    row = memory.row(now, holding)
    marks = [f"{'✓' if done else '·'} {name}" for name, done in zip(STEPS, row.steps, strict=True)]
    feed = memory.feed
    lines = [
        f"<b>{text.safe(row.symbol)}  {row.status}</b>  {text.clock(now)}",
        *marks,
        f"feed: {'live' if feed is None or feed.state == LIVE else text.safe(feed.reason)}, "
        f"last heard {text.clock(memory.last_ts) if memory.last_ts else 'never'}",
        f"entries: {_ENTRIES[memory.paused]}",
        market_texts.bias_line(memory.bias),
        f"today: {len(memory.day.trades)} trades, net {memory.day.money:.4f} "
        f"{text.safe(memory.market.currency)}".rstrip(),
    ]
    return "\n".join(lines)


def levels(memories: Iterable[Memory]) -> str:
    """Return each market's qualified levels, around the last price."""
    return text.joined(_levels(memory) for memory in memories)


def _levels(memory: Memory) -> str:
    name = text.safe(memory.market.instrument_id)
    price = memory.price
    at = "-" if price is None else text.price(memory.market, price)
    told = market_texts.levels(memory) or "no levels known since the start"
    return f"<b>LEVELS {name}</b>  last {at}\n{told}"


def trade(memories: Iterable[Memory], held: _Held) -> str:
    """Return each market's open position and the orders that guard it, from the node's cache."""
    return text.joined(_trade(memory, _holding(held, memory)) for memory in memories)


def _trade(memory: Memory, holding: Holding) -> str:
    market, quantity = memory.market, holding.quantity
    name = text.safe(market.instrument_id)
    if not quantity:
        orders = f", {holding.open_orders} open orders" if holding.open_orders else ""
        return f"<b>TRADE {name}</b>\nno position{orders}"
    lines = [
        f"<b>TRADE {name}</b>  {text.side(1 if quantity > 0 else -1)} {abs(quantity):f}",
        f"{memory.phase_with(holding)}, entered at {_price(market, holding.average)}",
        f"stop {_price(market, holding.stop) if holding.stop else 'NONE RESTS'}, "
        f"target {_price(market, holding.target)}",
    ]
    last = None if memory.price is None else memory.price * market.tick
    if last is not None and holding.average is not None:
        open_ticks = (last - holding.average) / market.tick * (1 if quantity > 0 else -1)
        way = f"last {_price(market, last)}: {open_ticks:+.1f} ticks"
        plan = memory.plan
        if plan is not None and plan.entry != plan.stop:
            way += f", {open_ticks / abs(plan.entry - plan.stop):+.2f} R"
        lines.append(way + " before fees")
    return "\n".join(lines)


def _price(market: Market, price: Decimal | None) -> str:
    return "-" if price is None else text.price(market, float(price / market.tick))


def scanner(memories: Sequence[Memory], held: _Held, now: int) -> str:
    """Return all markets, those that need a look first."""
    rows = rank(memory.row(now, _holding(held, memory)) for memory in memories)
    lines = [
        f"{row.priority:>3} {text.safe(row.symbol)} {row.status} {sum(row.steps)}/{len(STEPS)}"
        for row in rows
    ]
    return "\n".join([f"<b>SCANNER</b>  {text.clock(now)}", *lines])


def _holding(held: _Held, memory: Memory) -> Holding:
    name = memory.market.instrument_id
    return held.get(name, Holding(name))
