"""The doubles' matching engine, by itself."""

import asyncio
from collections.abc import Coroutine
from decimal import Decimal
from typing import Any

import pytest

from tests.venues.exchange import Exchange, Happening, RefusedError, VenueFill, VenueOrder

SNAPSHOT = {
    "lastUpdateId": 10,
    "bids": [["99.00", "1.000"], ["98.00", "2.000"], ["90.00", "5.000"]],
    "asks": [["101.00", "1.000"], ["102.00", "2.000"], ["110.00", "5.000"]],
}


class Told:
    """An exchange, and all that it has told."""

    def __init__(self) -> None:
        self.what: list[tuple[str, str]] = []
        self.exchange = Exchange(
            self.hear, lambda: 1, taker=Decimal("0.001"), maker=Decimal("0.0005")
        )
        self.exchange.book.load(SNAPSHOT)
        self.exchange.last = Decimal(100)

    async def hear(self, what: Happening, order: VenueOrder, fill: VenueFill | None) -> None:
        self.what.append((what, order.client_id))

    def place(self, name: str, side: int, size: str, **fields: Any) -> VenueOrder:
        fields = {"kind": "MARKET"} | fields
        order = self.exchange.accept(client_id=name, side=side, size=Decimal(size), **fields)
        run(self.exchange.place(order))
        return order

    def print(self, price: str, size: str = "1") -> None:
        run(self.exchange.print(Decimal(price), Decimal(size)))


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(coroutine)


def test_a_market_order_walks_the_book_and_pays_the_taker_rate() -> None:
    told = Told()
    order = told.place("a", 1, "2")
    assert told.what == [("NEW", "a"), ("TRADE", "a"), ("TRADE", "a")]
    assert (order.status, order.average) == ("FILLED", Decimal("101.5"))
    assert (told.exchange.position, told.exchange.entry) == (2, Decimal("101.5"))
    assert told.exchange.wallet == Decimal(10_000) - Decimal("0.203")


def test_what_the_book_does_not_hold_expires() -> None:
    told = Told()
    order = told.place("a", -1, "9")
    assert (order.status, order.filled) == ("EXPIRED", 8)
    assert told.what[-1] == ("EXPIRED", "a")


def test_a_resting_limit_is_filled_by_prints_at_or_through_it_up_to_their_size() -> None:
    told = Told()
    order = told.place("a", 1, "2", kind="LIMIT", price=Decimal(100))
    told.print("100.01")
    assert order.filled == 0
    told.print("100", "0.5")
    assert (order.status, order.filled) == ("PARTIALLY_FILLED", Decimal("0.5"))
    told.print("95", "9")
    assert (order.status, order.average) == ("FILLED", 100)
    assert [fill.maker for fill in told.exchange.fills] == [True, True]


def test_a_stop_triggers_on_a_print_and_takes_from_the_book() -> None:
    told = Told()
    told.place("entry", 1, "1")
    stop = told.place("stop", -1, "1", kind="STOP", trigger=Decimal(99), reduce_only=True)
    told.print("99.01")
    assert stop.status == "NEW"
    told.print("99")
    assert (stop.status, stop.average, told.exchange.position) == ("FILLED", 99, 0)
    assert told.what[-2:] == [("TRIGGERED", "stop"), ("TRADE", "stop")]
    assert told.exchange.fills[-1].realized == -2


def test_reduce_only_never_turns_the_position_around() -> None:
    told = Told()
    told.place("entry", 1, "1")
    order = told.place("exit", -1, "3", reduce_only=True)
    assert (order.filled, told.exchange.position) == (1, 0)
    with pytest.raises(RefusedError, match="reduce only"):
        told.place("again", -1, "1", reduce_only=True)


def test_a_position_may_turn_around() -> None:
    told = Told()
    told.place("a", 1, "1")
    told.place("b", -1, "3")
    assert (told.exchange.position, told.exchange.entry) == (-2, 98)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"kind": "STOP", "trigger": Decimal(101)}, "would trigger"),
        ({"kind": "LIMIT", "price": Decimal(98), "time_in_force": "GTX"}, "post only"),
        ({"kind": "LIMIT", "price": Decimal(105), "client_id": "rests"}, "duplicate id"),
    ],
)
def test_what_a_venue_refuses(fields: dict[str, Any], reason: str) -> None:
    told = Told()
    told.place("rests", -1, "1", kind="LIMIT", price=Decimal(105))
    name = fields.pop("client_id", "new")
    with pytest.raises(RefusedError, match=reason):
        told.place(name, -1, "1", **fields)


def test_a_canceled_order_cannot_be_canceled_again() -> None:
    told = Told()
    order = told.place("a", -1, "1", kind="LIMIT", price=Decimal(105))
    run(told.exchange.cancel(order))
    assert told.what[-1] == ("CANCELED", "a")
    with pytest.raises(RefusedError, match="unknown order"):
        run(told.exchange.cancel(order))


def test_the_book_changes_with_the_depth_messages_that_are_newer() -> None:
    told = Told()
    book = told.exchange.book
    book.apply({"u": 10, "b": [["99.00", "0"]], "a": []})
    assert book.top(1, 1) == [("99.00", "1.000")]
    book.apply({"u": 11, "b": [["99.00", "0.000"], ["98.50", "3.000"]], "a": [["100.50", "1.000"]]})
    assert book.top(1, 2) == [("98.50", "3.000"), ("98.00", "2.000")]
    assert book.top(-1, 1) == [("100.50", "1.000")]
