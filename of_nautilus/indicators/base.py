"""What the indicators share: decoding the host's objects into ticks, lots and sides."""

from typing import Any

from nautilus_trader.indicators.base import Indicator
from nautilus_trader.model.data import TradeTick

# By the host's AggressorSide: none, buyer, seller.
SIDES = (0, 1, -1)


class TradeIndicator(Indicator):
    """An indicator of trades.

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
