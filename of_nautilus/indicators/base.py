"""What the indicators share: decoding the host's objects, and saying what the outputs are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nautilus_trader.indicators.base import Indicator
from nautilus_trader.model.data import TradeTick

from of_nautilus.core.sessions import SessionClock
from of_nautilus.core.ticks import whole_microseconds

# By the host's AggressorSide: none, buyer, seller.
SIDES = (0, 1, -1)


@dataclass(frozen=True, slots=True)
class Output:
    """What an output is, and how it answers to a change of the market.

    Attributes
    ----------
    unit : str
        "base" (units of the instrument), "price", "quote", "ticks", "ratio", "count", "ns", ...
    sign : int
        1: the same when buyers and sellers change places; -1: of the opposite sign; 0: neither.
    mirror : str
        The output that it becomes (times `sign`) when buyers and sellers change places; its own
        name if empty.
    scale : int
        The power of k by which it grows when all sizes are k times as large.
    shift : int or None
        How many times the shift it moves by when all prices are shifted; None for what is relative
        to the price and so answers otherwise.
    """

    unit: str
    sign: int = 1
    mirror: str = ""
    scale: int = 0
    shift: int | None = 0


class FlowIndicator(Indicator):
    """An indicator that says what its outputs are.

    Every name in `OUTPUTS` is a property: NaN until `initialized`, finite from then on.
    """

    OUTPUTS: ClassVar[dict[str, Output]] = {}

    def _when_ready(self, value: float) -> float:
        return float(value) if self.initialized else math.nan

    def _seen(self, *, ready: bool) -> None:
        """Take note of an input, and of whether the outputs are now readings."""
        if not self.has_inputs:
            self._set_has_inputs(True)
        if ready and not self.initialized:
            self._set_initialized(True)


class TradeIndicator(FlowIndicator):
    """An indicator of trades; `register_indicator_for_trade_ticks` feeds it.

    `handle_trade_tick` only decodes; `update_raw` computes, from ns UTC, a price and a size in
    decimals and a side of +1 (buyer was the aggressor), -1 or 0.
    """

    def handle_trade_tick(self, tick: TradeTick) -> None:
        """Update the indicator with a trade."""
        self.update_raw(
            tick.ts_event,
            tick.price.as_double(),
            tick.size.as_double(),
            SIDES[tick.aggressor_side],
        )

    def update_raw(self, ts: int, price: float, size: float, side: int) -> Any:
        """Update the indicator with a trade in decimals."""
        raise NotImplementedError


class SessionIndicator(TradeIndicator):
    """An indicator of a session's trades; those outside any session are counted and left out.

    What it says of a session stands until the first trade of the next one.

    Parameters
    ----------
    clock : SessionClock
        When a session starts and ends.
    params : sequence
        What tells this indicator from others of its class, for the host.

    Attributes
    ----------
    outside_session : int
        Trades that were left out.
    """

    def __init__(self, clock: SessionClock, params: Sequence[object]) -> None:
        super().__init__(list(params))
        self._clock = clock
        self._forget_session()

    def _forget_session(self) -> None:
        self.outside_session = 0
        # The session that is open: by times as they come, which may be up to 500 ns off.
        self._first = self._end = 0
        # When it ends, or else when the next one starts.
        self._due = 0

    def _opens(self, ts: int) -> bool:
        """Return whether a trade outside the open session opens the next one; count it if not.

        To be asked where ``not _first <= ts < _end``, and so seldom: it costs more than an update.
        """
        ts = int(whole_microseconds(ts))
        if ts >= self._due:
            start, end = self._clock.bounds(ts)
            if start <= ts:
                self._first, self._end, self._due = start - 500, end - 500, end
                self._open_session(start)
                return True
            self._due = start
        self.outside_session += 1
        self._seen(ready=False)
        return False

    def _open_session(self, start: int) -> None:
        """Start anew, ns UTC."""
        raise NotImplementedError

    def _reset(self) -> None:
        self._forget_session()
