"""Who was the aggressor of each trade, as a Nautilus indicator."""

import math
from typing import ClassVar

from nautilus_trader.model.data import QuoteTick

from of_nautilus.core.sessions import SECOND, SessionClock
from of_nautilus.core.tape import (
    Classification,
    grow_quotes,
    new_tape,
    next_session,
    step_quote,
    step_tape,
)
from of_nautilus.core.ticks import MarketScale, steps_of, whole_microseconds
from of_nautilus.indicators.base import Output, TradeIndicator


class TradeClassifier(TradeIndicator):
    """Tells who was the aggressor of each trade: +1 the buyer, -1 the seller, 0 nobody knows.

    In this order: the venue's flag; the quote rule of Lee and Ready, ``2 * price`` against
    ``bid + ask`` of the last quote at or before the trade; the tick rule, the sign of the last
    change of price. A trade at the midpoint, or with a quote that is locked, crossed or missing,
    goes to the tick rule; before the first change of price nobody knows. `update_raw` returns the
    side, to be handed on to other indicators in place of the feed's.

    Quotes come by `register_indicator_for_quote_ticks`, or `update_quote`.

    Parameters
    ----------
    scale : MarketScale
        The instrument's tick and lot.
    method : Classification, default LEE_READY
        How far the search goes: FLAG, TICK_RULE or LEE_READY.
    quote_lag : float, default 0
        A trade is held against the quote that was in force so many seconds before it, >= 0.
    flags : bool, default True
        Whether the venue's flags are heeded; without, all trades are judged by the rules.
    session : str, optional
        The tick rule forgets the last price at each start of this session; see
        `core.sessions.SessionClock`. Absent: it never does.

    Attributes
    ----------
    side : float
        Of the last trade: 1.0, -1.0 or 0.0; NaN before the first trade.
    buy, sell, unclassified : float
        Volume by side since the start, base units.
    counts : dict
        Trades that were told by flag, by quote and by tick, and the unknown ones.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Source: Lee and Ready (1991), Journal of Finance 46(2).

    Examples
    --------
    >>> from decimal import Decimal
    >>> tape = TradeClassifier(MarketScale(Decimal("0.1"), Decimal("1")))
    >>> tape.update_quote(0, 99.8, 100.2)
    >>> [tape.update_raw(1, price, 1.0, 0) for price in (99.9, 100.0, 100.1)]
    [-1, 1, 1]
    """

    OUTPUTS: ClassVar = {
        "side": Output("sign", sign=-1),
        "buy": Output("base", mirror="sell", scale=1),
        "sell": Output("base", mirror="buy", scale=1),
        "unclassified": Output("base", scale=1),
    }

    def __init__(
        self,
        scale: MarketScale,
        method: Classification = Classification.LEE_READY,
        quote_lag: float = 0.0,
        flags: bool = True,
        session: str | None = None,
    ) -> None:
        if not 0.0 <= quote_lag < math.inf:
            raise ValueError(f"`quote_lag` must be >= 0 and finite, was {quote_lag}")
        if method == Classification.FLAG and not flags:
            raise ValueError("`flags` must be True where `method` is FLAG, was False")
        try:
            self._clock = None if session is None else SessionClock(session)
        except ValueError as error:
            raise ValueError(str(error).replace("`spec`", "`session`")) from None
        super().__init__([method.name, quote_lag, flags])
        self._tick, self._lot = float(scale.tick), float(scale.lot)
        self._lots_per_unit = float(1 / scale.lot)
        self._method, self._lag, self._flags = method, round(quote_lag * SECOND), flags
        self._start()

    def _start(self) -> None:
        resets = self._clock is not None
        self._state, self._quotes = new_tape(self._method, self._lag, resets)
        # The next start or end of a session is due.
        self._quoted = self._due = 0
        self._lots = {1: 0, -1: 0, 0: 0}
        self._side = 0

    @property
    def side(self) -> float:
        """Of the last trade: 1.0 buyer, -1.0 seller, 0.0 unknown."""
        return self._when_ready(self._side)

    @property
    def buy(self) -> float:
        """Volume with a buyer as the aggressor, base units."""
        return self._volume(1)

    @property
    def sell(self) -> float:
        """Volume with a seller as the aggressor, base units."""
        return self._volume(-1)

    @property
    def unclassified(self) -> float:
        """Volume without a known aggressor, base units."""
        return self._volume(0)

    @property
    def counts(self) -> dict[str, int]:
        """How many trades were told how: `by_flag`, `by_quote`, `by_tick`, `unknown`."""
        names = ("by_flag", "by_quote", "by_tick", "unknown")
        return {name: int(self._state[name][0]) for name in names}

    def handle_quote_tick(self, tick: QuoteTick) -> None:
        """Update the indicator with a quote; one with an empty side tells nothing."""
        empty = tick.bid_size.raw == 0 or tick.ask_size.raw == 0
        bid, ask = tick.bid_price.as_double(), tick.ask_price.as_double()
        self.update_quote(tick.ts_event, bid, bid if empty else ask)

    def update_quote(self, ts: int, bid: float, ask: float) -> None:
        """Update with the best bid and ask in decimals; time that runs backwards stands still."""
        self._quoted = max(self._quoted, int(whole_microseconds(ts)))
        low, high = steps_of(bid, self._tick)[0], steps_of(ask, self._tick)[0]
        while step_quote(self._state, self._quotes, self._quoted, low, high) < 0:
            self._quotes = grow_quotes(self._state, self._quotes)
        self._seen(ready=False)

    def update_raw(self, ts: int, price: float, size: float, side: int) -> int:
        """Update with a trade in decimals and the venue's flag; return its side."""
        ts = int(whole_microseconds(ts))
        if self._clock is not None and ts >= self._due:
            start, end = self._clock.bounds(ts)
            self._due = end if start <= ts else start
            if start <= ts:
                next_session(self._state)
        ticks = steps_of(price, self._tick)[0]
        told = step_tape(self._state, self._quotes, ts, ticks, side if self._flags else 0)
        self._side = int(told)
        self._lots[self._side] += round(size * self._lots_per_unit)
        self._seen(ready=True)
        return self._side

    def _volume(self, side: int) -> float:
        return self._when_ready(round(self._lots[side] * self._lot, 12))

    def _reset(self) -> None:
        self._start()
