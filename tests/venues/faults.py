"""The switches by which a test makes a venue double misbehave."""

from dataclasses import dataclass


@dataclass(slots=True)
class Faults:
    """What the venue does wrong from now on; a count is used up one request or order at a time.

    Attributes:
        http_delay_s: each REST answer comes so much later.
        rate_limited: so many next REST requests are answered "too many requests".
        refused_lists: so many next requests for lists of open stops (Binance) or orders (Bybit) are
            answered "too many requests".
        clock_skew_ms: the venue's clock is so far ahead.
        order_delay_s: an order reaches the venue so much later.
        lost_orders: so many next orders never reach the venue, and nothing is answered.
        lost_answers: so many next orders reach it, but neither answer nor acceptance comes back.
        refused_orders: so many next orders are refused.
        refused_stops: so many next stops are refused.
        partial_then_gone: the next order is filled by half, its events are told, then the
            client's user sockets close and the other half is filled unheard.
        repeated_fills: each fill is told so many times more.
        lost_fills: so many next fills are not told.
    """

    http_delay_s: float = 0.0
    rate_limited: int = 0
    refused_lists: int = 0
    clock_skew_ms: int = 0
    order_delay_s: float = 0.0
    lost_orders: int = 0
    lost_answers: int = 0
    refused_orders: int = 0
    refused_stops: int = 0
    partial_then_gone: bool = False
    repeated_fills: int = 0
    lost_fills: int = 0

    def take(self, name: str) -> bool:
        """Use up one of a count; whether there was one."""
        left: int = getattr(self, name)
        if left > 0:
            setattr(self, name, left - 1)
        return left > 0


@dataclass(slots=True)
class Rights:
    """How the venue's account is set up, and what its key may do."""

    may_trade: bool = True
    may_withdraw: bool = False
    hedge_mode: bool = False
