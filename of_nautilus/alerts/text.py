"""What the texts of the alerts are made of: HTML with everything escaped that came from outside."""

import html
import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from nautilus_trader.core.datetime import unix_nanos_to_iso8601

from of_nautilus.alerts.memory import Market

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


def flow(of: int) -> str:
    """Return buy or sell."""
    return {1: "buy", -1: "sell"}.get(of, "unsided")


def head(title: str, market: Market, ts: int) -> str:
    """Return the first line of an alert."""
    return f"<b>{title} {safe(market.instrument_id)}</b>  {clock(ts)}"


def size(market: Market, lots: float) -> str:
    """Return lots as a size."""
    return f"{Decimal(lots) * market.lot:f}"


def terms(numbers: dict[str, Any]) -> str:
    """Return the terms of a sum, with their signs."""
    told = " ".join(f"{safe(name)} {float(term):+.1f}" for name, term in numbers.items())
    return told or "-"


def numbers(numbers: dict[str, Any], market: Market | None = None) -> str:
    """Return names and numbers; with a market, its lots as sizes."""
    lot = None if market is None else float(market.lot)

    def told(name: str, value: Any) -> str:
        if lot and name in _IN_LOTS and isinstance(value, int | float):
            value *= lot
        return f"{safe(name.replace('_', ' '))} {_plain(value)}"

    return ", ".join(told(name, value) for name, value in numbers.items())


def _plain(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else safe(value)


def level_name(market: Market, name: str) -> str:
    """Return a level's kind and price from its id, `KIND:ticks:time`."""
    parts = name.split(":")
    if len(parts) != 3 or not parts[1].lstrip("-").isdigit():
        return safe(name) or "-"
    return f"{safe(parts[0])} {price(market, int(parts[1]))}"


def signed(market: Market, lots: int) -> str:
    """Return lots as a size with its sign."""
    return f"{Decimal(lots) * market.lot:+f}"


def money(amount: str | Decimal, market: Market) -> str:
    """Return an amount with its currency."""
    return f"{Decimal(amount):.4f} {safe(market.currency)}".rstrip()


def joined(parts: Iterable[str]) -> str:
    """Return paragraphs."""
    return "\n\n".join(part for part in parts if part)
