"""What a live node does when something breaks: always a protected or a flat position, and told.

Two nodes run with the real strategy, feed guard and adapters, one a venue; each fault happens on
both at once. `enter`, `say` and `flatten` of a `Desk` play the market and the operator; what is
asserted of positions and orders is what the venue has.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from tests.venues.desk import SIZE, Desk
from tests.venues.exchange import VenueOrder
from tests.venues.redis import PASSWORD, RedisServer
from tests.venues.session import Session, read_session

pytestmark = pytest.mark.slow
VENUES = ("binance", "bybit")
type Scenario = Callable[[Desk], float]


class Desks:
    """A desk at each venue; `times` holds how long each took to recover, s."""

    def __init__(self, desks: list[Desk]) -> None:
        self._desks = desks
        self.times: dict[str, list[tuple[str, float]]] = {}

    def __call__(self, scenario: Scenario) -> None:
        """Let a fault happen at both venues; what it left is closed, and agreed upon."""

        def whole(desk: Desk) -> float:
            try:
                took = scenario(desk)
            finally:
                desk.heal()
            desk.flatten()
            return took

        with ThreadPoolExecutor(len(self._desks)) as pool:
            running = [(desk, pool.submit(whole, desk)) for desk in self._desks]
        took = [(desk.venue, future.result()) for desk, future in running]
        self.times[os.environ["PYTEST_CURRENT_TEST"].partition("::")[2]] = took


@pytest.fixture(scope="module")
def session(real_data: Path) -> Session:
    return read_session(real_data / "binance" / "usdm_btcusdt_20240808.gz")


@contextmanager
def opened(desks: list[Desk]) -> Iterator[None]:
    """Start these at once."""
    with ExitStack() as stack, ThreadPoolExecutor(len(desks)) as pool:
        for desk in pool.map(Desk.__enter__, desks):
            stack.push(desk.__exit__)
        yield


@pytest.fixture(scope="module")
def desks(session: Session) -> Iterator[Desks]:
    made = [Desk(venue, session) for venue in VENUES]
    with opened(made):
        both = Desks(made)
        yield both
        tell_times(both)


def tell_times(desks: Desks) -> None:
    for name, took in desks.times.items():
        print(f"{name:45}", *(f"{venue} {seconds:5.2f} s" for venue, seconds in took))


def told(desk: Desk, since: int, kind: str) -> Callable[[], bool]:
    return lambda: kind in desk.troubles(since)


def heard(desk: Desk) -> int:
    return len(desk.prompter.heard)


def feed_told(desk: Desk, since: int) -> list[tuple[str, str]]:
    return [(one["state"], one["reason"]) for one in desk.prompter.of("FeedStatus", since)]


def suspended(desk: Desk, since: int, *reasons: str) -> float:
    """Wait until the feed is suspended for one of the reasons and live again; how long it was."""
    desk.until(lambda: len(feed_told(desk, since)) >= 2 and desk.is_live, "live again")
    first, *_ = feed_told(desk, since)
    assert first[0] == "SUSPENDED"
    assert first[1] in reasons, first
    states = desk.prompter.of("FeedStatus", since)
    return float(states[-1]["ts_event"] - states[0]["since"]) / 1e9


def silenced(desk: Desk) -> int:
    """Let the feed fall silent until it is found stale; return since when that is to be heard.

    A feed that is suspended for something else as it falls silent is let go on first.
    """
    desk.until(lambda: desk.is_live, "live")
    since = heard(desk)
    desk.at.feed.pause()
    desk.until(lambda: feed_told(desk, since), "suspended")
    if feed_told(desk, since)[0] == ("SUSPENDED", "stale"):
        return since
    desk.at.feed.resume()
    return silenced(desk)


# -- entries ---------------------------------------------------------------------------------------


def test_entry_refused(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        since = heard(desk)
        desk.aim("refused_orders", "ENTRY")
        assert desk.signal() == "planned"
        took = desk.until(told(desk, since, "entry_refused"), "told")
        assert desk.is_flat
        desk.enter()
        return took

    desks(scenario)


def test_entry_lost_on_its_way(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        since = heard(desk)
        desk.aim("lost_orders", "ENTRY")
        assert desk.signal() == "planned"
        took = desk.until(lambda: desk.troubles(since), "told")
        # Nothing is entered until it is known that the first one is not there.
        took += desk.until(lambda: desk.signal() == "planned", "given up")
        desk.until(lambda: desk.is_protected, "in a trade")
        return took

    desks(scenario)


def test_entry_without_an_answer(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        desk.aim("lost_answers", "ENTRY")
        assert desk.signal() == "planned"
        took = desk.until(lambda: desk.is_protected, "protected")
        desk.until(desk.is_agreed, "agreed")
        return took

    desks(scenario)


def test_entry_that_comes_late(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        fills = len(desk.at.exchange.fills)
        desk.at.faults.order_delay_s = 2.5
        assert desk.signal() == "planned"
        desk.until(lambda: any(o.status == "PENDING" for o in orders(desk)), "on its way")
        desk.at.faults.order_delay_s = 0.0
        desk.until(lambda: len(desk.at.exchange.fills) > fills, "filled")
        return desk.until(lambda: desk.is_flat or desk.is_protected, "safe")

    desks(scenario)


def orders(desk: Desk) -> list[VenueOrder]:
    return list(desk.at.exchange.orders.values())


def test_half_an_entry_then_the_private_stream_is_gone(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        desk.at.faults.partial_then_gone = True
        assert desk.signal() == "planned"
        took = desk.until(lambda: desk.is_protected and desk.position == SIZE, "protected whole")
        desk.until(desk.is_agreed, "agreed")
        return took

    desks(scenario)


def test_fill_that_is_never_told(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        desk.at.faults.lost_fills = 1
        assert desk.signal() == "planned"
        took = desk.until(lambda: desk.is_protected, "protected")
        desk.until(desk.is_agreed, "agreed")
        return took

    desks(scenario)


def test_fill_told_twice(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        desk.at.faults.repeated_fills = 1
        assert desk.signal() == "planned"
        took = desk.until(lambda: desk.is_protected, "protected")
        desk.at.faults.repeated_fills = 0
        desk.until(desk.is_agreed, "agreed")
        assert desk.is_protected
        assert desk.position == SIZE
        return took

    desks(scenario)


# -- stops, targets, exits -------------------------------------------------------------------------


def test_stop_refused(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        since = heard(desk)
        desk.aim("refused_stops", "STOP")
        assert desk.signal() == "planned"
        desk.until(told(desk, since, "stop_lost"), "told")
        took = desk.until(lambda: desk.is_flat, "flat")
        desk.until(told(desk, since, "flat"), "told to be flat")
        return took

    desks(scenario)


def test_stop_lost_on_its_way(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        since = heard(desk)
        desk.aim("lost_orders", "STOP")
        assert desk.signal() == "planned"
        desk.until(lambda: desk.position, "filled")
        took = desk.until(lambda: desk.is_flat, "flat")
        assert {"stop_lost", "stop_silent"} & set(desk.troubles(since))
        return took

    desks(scenario)


def test_stop_without_an_answer(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        desk.aim("lost_answers", "STOP")
        assert desk.signal() == "planned"
        desk.until(lambda: desk.is_protected, "protected")
        took = desk.until(lambda: desk.open_orders("LIMIT"), "going on")
        assert desk.is_protected
        return took

    desks(scenario)


def test_stop_canceled_by_the_venue(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        desk.enter()
        since = heard(desk)
        desk.at.call(desk.at.cancel_stops())
        took = desk.until(lambda: desk.is_flat, "flat")
        desk.until(told(desk, since, "flat"), "told to be flat")
        assert desk.troubles(since)[0] == "stop_lost"
        return took

    desks(scenario)


def test_target_refused(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        since = heard(desk)
        desk.aim("refused_orders", "TARGET")
        assert desk.signal() == "planned"
        took = desk.until(told(desk, since, "target_lost"), "told")
        assert desk.is_protected
        return took

    desks(scenario)


def test_exit_refused(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        desk.enter()
        since = heard(desk)
        desk.aim("refused_orders", "EXIT")
        desk.say("FLATTEN")
        desk.until(told(desk, since, "exit_refused"), "told")
        return desk.until(lambda: desk.is_flat, "flat")

    desks(scenario)


def test_exit_lost_on_its_way(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        desk.enter()
        since = heard(desk)
        desk.aim("lost_orders", "EXIT")
        desk.say("FLATTEN")
        took = desk.until(lambda: desk.troubles(since), "told")
        return took + desk.until(lambda: desk.is_flat, "flat")

    desks(scenario)


# -- the position ----------------------------------------------------------------------------------


def test_position_closed_from_outside(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        desk.enter()
        since = heard(desk)
        desk.at.call(desk.at.trade_outside(-SIZE))
        took = desk.until(lambda: desk.is_flat, "flat")
        assert "position_outside" in desk.troubles(since)
        return took

    desks(scenario)


@pytest.mark.parametrize("change", ["-0.004", "0.005"], ids=["reduced", "grown"])
def test_position_changed_from_outside(desks: Desks, change: str) -> None:
    def scenario(desk: Desk) -> float:
        desk.enter()
        since = heard(desk)
        desk.at.call(desk.at.trade_outside(Decimal(change)))
        took = desk.until(lambda: desk.is_protected, "protected in its new size")
        assert desk.position == SIZE + Decimal(change)
        assert "position_outside" in desk.troubles(since)
        return took

    desks(scenario)


def test_position_turned_from_outside(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        desk.enter()
        since = heard(desk)
        desk.at.call(desk.at.trade_outside(Decimal("-0.025")))
        took = desk.until(told(desk, since, "position_outside"), "told")
        took += desk.until(lambda: not desk.open_orders(), "without orders")
        # The rest is somebody else's: it is left to them, and nothing is entered beside it.
        # Also while the host may believe otherwise, until it has asked the venue again.
        begun = time.monotonic()
        while time.monotonic() < begun + 3.0:
            assert desk.signal() in ("busy", "changed_outside")
        assert desk.signal() == "busy"
        assert desk.position == Decimal("-0.015")
        return took

    desks(scenario)


def test_position_opened_from_outside(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        since = heard(desk)
        desk.at.call(desk.order_by_hand(1, Decimal("0.007")))
        took = desk.until(told(desk, since, "foreign_position"), "told")
        assert desk.signal() == "busy"
        assert desk.position == Decimal("0.007")
        return took

    desks(scenario)


# -- connections -----------------------------------------------------------------------------------


def test_private_stream_lost_in_a_trade(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        desk.enter()
        desk.at.call(desk.at.kick_users())
        took = desk.until(lambda: desk.at.users, "connected")
        assert desk.is_protected
        desk.until(desk.is_agreed, "agreed")
        return took

    desks(scenario)


def test_stop_filled_while_the_private_stream_is_lost(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        desk.enter()

        async def missed() -> None:
            await desk.at.kick_users()
            (stop,) = desk.open_orders("STOP")
            await desk.at.exchange.print(stop.trigger, Decimal(1))

        desk.at.call(missed())
        assert desk.position == 0
        took = desk.until(lambda: desk.is_flat, "flat")
        return took + desk.until(desk.is_agreed, "agreed")

    desks(scenario)


def test_too_many_requests_while_closing(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        desk.enter()
        desk.at.faults.rate_limited = 3
        desk.say("FLATTEN")
        took = desk.until(lambda: desk.is_flat, "flat")
        desk.at.faults.rate_limited = 0
        return took

    desks(scenario)


def test_queries_of_the_position_refused(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        desk.enter()
        since = heard(desk)
        desk.at.faults.rate_limited = 100
        # The host asks for positions, orders and fills once a second.
        desk.until(lambda: desk.at.faults.rate_limited <= 94, "asked")
        assert desk.is_protected
        desk.at.faults.rate_limited = 0
        assert desk.troubles(since) == []
        return desk.until(desk.is_agreed, "agreed")

    desks(scenario)


def test_lists_of_open_orders_refused(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        desk.enter()
        since = heard(desk)
        desk.at.faults.refused_lists = 100
        assert desk.node is not None
        # The host is told, at its start as here, and believes no list that is not whole.
        told_host = "Failed to generate order status reports"
        desk.until(lambda: told_host in desk.node.log, "told")
        assert desk.is_protected
        desk.at.faults.refused_lists = 0
        assert desk.troubles(since) == []
        return desk.until(desk.is_agreed, "agreed")

    desks(scenario)


def test_answers_that_take_seconds(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        desk.at.faults.http_delay_s = 1.5
        assert desk.signal() == "planned"
        desk.until(lambda: desk.position, "filled")
        took = desk.until(lambda: desk.is_flat or desk.is_protected, "safe")
        desk.at.faults.http_delay_s = 0.0
        return took

    desks(scenario)


def test_venue_whose_clock_is_ahead(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        desk.enter()
        desk.at.faults.clock_skew_ms = 60_000
        time.sleep(0.5)
        assert desk.is_protected
        desk.at.faults.clock_skew_ms = 0
        return desk.until(desk.is_agreed, "agreed")

    desks(scenario)


# -- the feed --------------------------------------------------------------------------------------


def test_market_streams_lost_in_a_trade(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        desk.enter()
        since = heard(desk)
        desk.at.call(desk.at.kick_market())
        took = suspended(desk, since, "gap", "rebuilt", "stale")
        assert desk.is_protected
        return took

    desks(scenario)


def test_trades_lost(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        since = heard(desk)
        desk.wire.lost_trades = 2
        desk.until(lambda: feed_told(desk, since), "suspended")
        desk.say("absorption")
        desk.until(lambda: desk.prompter.of("EntryDecision", since), "decided")
        assert desk.prompter.of("EntryDecision", since)[0]["decision"] == "not_trusted"
        return suspended(desk, since, "gap")

    desks(scenario)


def test_trade_that_comes_twice(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        since = heard(desk)
        desk.wire.repeated_trades = 1
        return suspended(desk, since, "duplicate")

    desks(scenario)


def test_book_that_is_crossed(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        desk.enter()
        since = heard(desk)
        desk.wire.crossed_changes = 1
        took = suspended(desk, since, "crossed")
        assert desk.is_protected
        assert '"rebuilt"' in desk.prompter.of("FeedStatus", since)[-1]["counts"], "asked for"
        return took

    desks(scenario)


def test_change_of_the_book_lost(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        desk.enter()
        since = heard(desk)
        desk.wire.lost_changes = 1
        took = suspended(desk, since, "rebuilt", "crossed")
        assert desk.is_protected
        return took

    desks(scenario)


def test_snapshot_of_the_book_refused(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        since = heard(desk)
        desk.at.faults.rate_limited = 6
        desk.at.call(desk.at.kick_market())
        took = suspended(desk, since, "gap", "rebuilt", "stale")
        desk.until(lambda: "rebuilt" in desk.prompter.of("FeedStatus", since)[-1]["counts"], "new")
        desk.at.faults.rate_limited = 0
        return took

    desks(scenario)


def test_feed_that_falls_silent_while_the_stop_is_canceled(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        desk.enter()
        since = silenced(desk)
        assert desk.is_protected
        desk.aim("refused_orders", "EXIT")
        desk.at.call(desk.at.cancel_stops())
        # No trade comes that would drive the node.
        took = desk.until(lambda: desk.is_flat, "flat")
        desk.at.feed.resume()
        suspended(desk, since, "stale")
        assert '"stale"' in desk.prompter.of("FeedStatus", since)[-1]["counts"]
        return took

    desks(scenario)


# -- the operator ----------------------------------------------------------------------------------


def test_pause_and_resume(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        desk.enter()
        desk.say("PAUSE")
        assert desk.is_protected
        desk.at.call(desk.at.cancel_stops())
        took = desk.until(lambda: desk.is_flat, "managed on")
        # Flat at the venue, the node may still await the end of its target.
        desk.until(lambda: desk.signal() != "busy", "nothing open")
        assert desk.signal() == "paused"
        desk.say("RESUME")
        desk.enter()
        return took

    desks(scenario)


def test_stopped_while_an_entry_is_on_its_way(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        desk.at.faults.order_delay_s = 1.0
        assert desk.signal() == "planned"
        desk.until(lambda: any(o.status == "PENDING" for o in orders(desk)), "on its way")
        assert desk.node is not None
        begin = time.monotonic()
        desk.node.stop()
        took = time.monotonic() - begin
        assert desk.is_protected
        desk.heal()
        desk.start()
        desk.until(desk.is_agreed, "agreed")
        assert desk.is_protected
        return took

    desks(scenario)


def test_killed_in_a_trade_without_a_state(desks: Desks) -> None:
    def scenario(desk: Desk) -> float:
        # The account's fills do not add up to its position, as where it is older than they are.
        desk.enter()
        desk.at.call(desk.at.trade_outside(-SIZE))
        desk.until(lambda: desk.is_flat, "flat")
        desk.enter()
        there = {order.client_id for order in desk.open_orders()}
        desk.kill()
        begin = time.monotonic()
        desk.start()
        took = time.monotonic() - begin
        # Nor does the past, which is told in no time, end a trade that it knows nothing of.
        since = heard(desk)
        desk.say("past")
        desk.until(lambda: desk.prompter.of("SessionRoll", since), "told")
        desk.until(desk.is_agreed, "agreed")
        assert desk.position == SIZE
        assert {order.client_id for order in desk.open_orders()} == there
        assert desk.troubles(since) == []
        return took

    desks(scenario)


# -- kill -9 ---------------------------------------------------------------------------------------

# What is going on when the node is killed, and for how long it has been going on at most, s.
MOMENTS = {
    "entering": ("absorption", 0.06),
    "protecting": ("absorption", 0.01),
    "in the trade": ("", 0.2),
    "moving the stop": ("initiative", 0.06),
    "closing": ("FLATTEN", 0.06),
}


@pytest.fixture(scope="module")
def kept(session: Session, tmp_path_factory) -> Iterator[tuple[Desks, list[Desk]]]:
    """Desks whose nodes keep their state in a file."""
    folder = tmp_path_factory.mktemp("kept")
    made = [Desk(venue, session, state=folder / venue / "state") for venue in VENUES]
    with opened(made):
        both = Desks(made)
        yield both, made
        tell_times(both)


@pytest.mark.parametrize("seed", [1])
def test_kill_at_ten_moments_of_a_trade(kept, seed: int) -> None:
    def killed(desk: Desk) -> list[str]:
        rng = random.Random(f"{seed} {desk.venue}")
        lines = []
        for name, (do, longest) in MOMENTS.items():
            if do != "absorption":
                desk.enter()
            desk.until(lambda: desk.is_live, "live")
            if do:
                desk.say(do, ticks=50)
            if name == "protecting":
                desk.until(lambda: desk.position, "filled")
            delay = rng.uniform(0.0, longest)
            time.sleep(delay)
            desk.kill()
            left = f"{desk.position} and {[o.kind for o in desk.open_orders()]}"
            begin = time.monotonic()
            desk.start()
            desk.until(lambda: desk.is_flat or desk.is_protected, "safe")
            took = time.monotonic() - begin
            desk.until(desk.is_agreed, "agreed")
            kept = "protected" if desk.is_protected else "flat"
            desk.flatten()
            lines.append(
                f"{desk.venue:8} {name:16} after {delay * 1e3:4.0f} ms, left {left}: "
                f"{kept} {took:.2f} s after the restart"
            )
        return lines

    with ThreadPoolExecutor(2) as pool:
        lines = [line for found in pool.map(killed, kept[1]) for line in found]
    print(f"seed {seed}", *lines, sep="\n")
    assert len(lines) == 10


def test_stop_that_fills_while_the_node_is_down(kept) -> None:
    desks, _ = kept

    def scenario(desk: Desk) -> float:
        desk.enter()
        (stop,) = desk.open_orders("STOP")
        desk.kill()
        desk.at.call(desk.at.exchange.print(stop.trigger, SIZE))
        assert not desk.position
        assert stop.filled == SIZE
        since = heard(desk)
        begin = time.monotonic()
        desk.start()
        took = time.monotonic() - begin
        # Booked at the price at which it filled, and as what it was.
        desk.until(lambda: desk.prompter.of("ClosedTrade", since), "closed")
        (trade,) = desk.prompter.of("ClosedTrade", since)
        assert trade["reason"] == "stop"
        assert trade["exit"] * trade["tick"] == pytest.approx(float(stop.value / SIZE))
        desk.until(lambda: desk.is_flat, "flat")
        return took

    desks(scenario)


@pytest.fixture(scope="module")
def kept_in_redis(session: Session, tmp_path_factory) -> Iterator[tuple]:
    """Desks whose nodes have a database, that database, and the folder of their state files."""
    folder = tmp_path_factory.mktemp("redis")
    with RedisServer() as server:
        database = server.database | {"password": PASSWORD}
        made = [
            Desk(venue, session, state=folder / venue / "state", database=database)
            for venue in VENUES
        ]
        with opened(made):
            both = Desks(made)
            yield both, server, folder
            tell_times(both)


def test_kill_with_a_database_and_the_state_file_lost(kept_in_redis) -> None:
    desks, _, folder = kept_in_redis

    def scenario(desk: Desk) -> float:
        desk.enter()
        desk.kill()
        (folder / desk.venue / "state").unlink()
        left, orders = desk.position, {o.client_id for o in desk.open_orders()}
        begin = time.monotonic()
        desk.start()
        took = time.monotonic() - begin
        desk.until(desk.is_agreed, "agreed")
        # The trade goes on: what was there is there, and no second position beside it.
        assert (desk.position, {o.client_id for o in desk.open_orders()}) == (left, orders)
        assert desk.is_protected
        assert desk.node is not None
        assert "state taken up: from=database" in desk.node.log
        assert PASSWORD not in desk.node.log
        return took

    desks(scenario)


def test_database_lost_in_a_trade(kept_in_redis) -> None:
    desks, server, _ = kept_in_redis

    def scenario(desk: Desk) -> float:
        desk.enter()
        server.stop()
        begin = time.monotonic()
        # A stop that is gone shows that the node still acts.
        desk.at.call(desk.at.cancel_stops())
        desk.until(lambda: desk.is_flat, "flat")
        took = time.monotonic() - begin
        desk.until(lambda: desk.signal() == "planned", "entered again")
        desk.until(lambda: desk.is_protected, "in a trade")
        return took

    desks(scenario)
