"""What may be asked: symbols, timeframes, row heights."""

from of_nautilus.core.sessions import DAY, SECOND
from of_nautilus.dashboard.market import MarketState
from of_nautilus.dashboard.sources import Source

MOST_ROWS = 10_000


class BadParameterError(ValueError):
    """A parameter that cannot be met; the text says which, what it must be and what it was."""


class UnknownSymbolError(BadParameterError):
    """A symbol that the source does not have."""


def the_market(source: Source, symbol: str) -> MarketState:
    """Return the market of a symbol."""
    market = source.markets.get(symbol)
    if market is None:
        held = ", ".join(source.markets) or "none"
        raise UnknownSymbolError(f"no instrument {symbol[:60]!r} here; there is {held}")
    return market


def the_tf(market: MarketState, tf: int | None) -> int:
    """Return a timeframe in seconds, the market's own for None."""
    own = market.bars.seconds
    if tf is None:
        return own
    if not 0 < tf <= DAY // SECOND or tf % own:
        raise BadParameterError(f"`tf` must be a multiple of {own} s up to a day, was {tf}")
    return tf


def the_rows(market: MarketState, rows: int | None) -> int:
    """Return a row height in ticks, the market's own for None."""
    own = market.bars.row_ticks
    if rows is None:
        return own
    if not 0 < rows <= MOST_ROWS or rows % own:
        raise BadParameterError(
            f"`rows` must be a multiple of {own} ticks up to {MOST_ROWS}, was {rows}"
        )
    return rows
