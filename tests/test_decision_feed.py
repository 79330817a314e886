"""The feed watch: each fault is counted once, suspends the feed, and lets it go again."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from of_nautilus.decision.feed import SECOND, Fault, FeedChange, FeedConfig, FeedWatch

MS = 1_000_000
STRICT = FeedConfig(consecutive_trades=True, consecutive_book=True)


class Feed:
    """A feed of a trade and a change of the book by turns, every 100 ms, and what it changes."""

    def __init__(self, config: FeedConfig = STRICT) -> None:
        self.watch = FeedWatch(config)
        self.now = 1_000 * SECOND
        self.number = self.sequence = 100
        self.told: list[FeedChange] = []
        self.take(self.watch.on_book(self.now, self.now, 100, snapshot=True, bid=10, ask=11))

    def take(self, change: FeedChange | None) -> None:
        if change is not None:
            self.told.append(change)

    def trade(self, *, skip: int = 0, number: int | None = None, late: int = 0) -> None:
        self.now += 100 * MS
        if number is None:
            self.number += 1 + skip
            number = self.number
        self.take(self.watch.on_trade(self.now - late, self.now, str(number)))

    def book(self, *, skip: int = 0, snapshot: bool = False, bid: int = 10, ask: int = 11) -> None:
        self.now += 100 * MS
        self.sequence += 1 + skip
        self.take(
            self.watch.on_book(
                self.now, self.now, self.sequence, snapshot=snapshot, bid=bid, ask=ask
            )
        )

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 5)):
            self.trade()
            self.book()

    @property
    def states(self) -> list[tuple[bool, str]]:
        return [(change.live, change.fault.value) for change in self.told]


def test_a_good_feed_is_never_suspended() -> None:
    feed = Feed()
    feed.run(60)
    assert feed.told == []
    assert not feed.watch.counts


def both(fault: str) -> list[tuple[bool, str]]:
    return [(False, fault), (True, fault)]


def test_passed_over_trades() -> None:
    feed = Feed()
    feed.run(2)
    feed.trade(skip=3)
    began = feed.now
    feed.run(2)
    assert feed.states == both("gap")
    assert feed.watch.missed_trades == 3
    assert feed.told[1].since == began
    assert SECOND <= feed.told[1].ts - began <= SECOND + 200 * MS


def test_a_trade_that_comes_twice_and_one_that_comes_late() -> None:
    feed = Feed()
    feed.run(2)
    feed.trade(number=feed.number)
    feed.run(2)
    assert feed.states == both("duplicate")
    feed.trade(skip=1)
    feed.trade(number=feed.number - 1)
    feed.run(2)
    assert feed.states[2:] == both("gap")
    assert dict(feed.watch.counts) == {"duplicate": 1, "gap": 1, "disorder": 1}


def test_time_that_runs_backwards() -> None:
    feed = Feed()
    feed.run(2)
    feed.trade(late=500 * MS)
    assert feed.states == [(False, "disorder")]


def test_ids_that_are_no_numbers_are_known_again() -> None:
    watch = FeedWatch()
    for i, name in enumerate(["a-1", "b-2", "a-1"]):
        watch.on_trade(i, i, name)
    assert dict(watch.counts) == {"duplicate": 1}


def test_a_broken_book_waits_for_its_snapshot() -> None:
    feed = Feed()
    feed.run(2)
    feed.book(skip=1)
    feed.run(20)
    assert feed.states == [(False, "sequence")]
    feed.book(snapshot=True)
    feed.run(2)
    assert feed.states == both("sequence")
    assert dict(feed.watch.counts) == {"sequence": 1, "rebuilt": 1}


def test_a_crossed_book_is_one_fault_until_it_is_right() -> None:
    feed = Feed()
    feed.run(2)
    for _ in range(30):
        feed.book(bid=11)
        feed.trade()
    assert feed.states == [(False, "crossed")]
    feed.run(2)
    assert feed.states == both("crossed")
    assert dict(feed.watch.counts) == {"crossed": 1}


def test_a_book_that_stays_wrong_is_asked_for_anew() -> None:
    feed, asked = Feed(), []
    feed.run(2)
    feed.book(bid=12)
    began = feed.now
    for _ in range(50):
        feed.trade()
        if feed.watch.wants_snapshot(feed.now):
            asked.append((feed.now - began - 100 * MS) / SECOND)
    assert asked == [2.0, 4.0]
    feed.book()
    assert not feed.watch.wants_snapshot(feed.now + SECOND)


def test_a_second_snapshot_tells_of_a_lost_connection() -> None:
    feed = Feed()
    feed.run(2)
    feed.book(snapshot=True)
    feed.run(2)
    assert feed.states == both("rebuilt")


def test_a_venue_whose_clock_is_wrong() -> None:
    feed = Feed()
    feed.run(1)
    for _ in range(5):
        feed.now += 100 * MS
        feed.number += 1
        ahead = feed.now + 3 * SECOND
        feed.take(feed.watch.on_trade(ahead, feed.now, str(feed.number)))
    assert feed.states == [(False, "skew")]
    assert feed.watch.counts["skew"] == 1
    old = FeedWatch(FeedConfig(max_skew_ns=None))
    assert old.on_trade(0, 10**18, "1") is None


def test_silence_is_seen_by_the_timer_or_at_its_end_but_counted_once() -> None:
    for timed in (True, False):
        feed = Feed()
        feed.run(2)
        silent_from = feed.now
        feed.now += 8 * SECOND
        if timed:
            for ts in range(silent_from, feed.now, SECOND // 2):
                feed.take(feed.watch.on_time(ts))
            assert feed.told[0].ts - silent_from == 5.5 * SECOND
            assert feed.watch.on_time(feed.now) is None
        feed.run(2)
        assert feed.states == both("stale")
        assert dict(feed.watch.counts) == {"stale": 1}


def test_a_book_that_never_comes_while_trades_go_on() -> None:
    watch, trades_alone = FeedWatch(FeedConfig()), FeedWatch(FeedConfig(), book=False)
    told = []
    for i in range(100):
        now = (1_000 + i) * SECOND
        told.append(watch.on_trade(now, now, str(i)))
        assert trades_alone.on_trade(now, now, str(i)) is None
    (change,) = [one for one in told if one is not None]
    assert (change.live, change.fault, change.ts) == (False, Fault.STALE, 1_006 * SECOND)
    assert not watch.live
    assert watch.wants_snapshot(now) is False
    assert watch.wants_snapshot(now + 3 * SECOND)
    # It comes at last.
    now += 3 * SECOND
    assert watch.on_book(now, now, 1, snapshot=True, bid=10, ask=11) is None
    change = watch.on_trade(now + SECOND, now + SECOND, "100")
    assert change is not None
    assert change.live


def test_a_book_that_stands_still_while_trades_go_on() -> None:
    feed = Feed()
    feed.run(2)
    for _ in range(60):
        feed.trade()
    assert feed.states == [(False, "stale")]
    feed.run(2)
    assert feed.states == both("stale")
    assert dict(feed.watch.counts) == {"stale": 1}


def test_a_market_without_trades_is_none_the_worse() -> None:
    feed = Feed()
    feed.run(2)
    for _ in range(100):
        feed.book()
    assert feed.told == []


def test_a_market_that_is_often_silent_may_be() -> None:
    rng = random.Random(1)
    watch, now = FeedWatch(book=False), 0
    for i in range(3_000):
        now += rng.choice([SECOND, SECOND, 9 * SECOND])
        watch.on_trade(now, now, str(i))
    usual = watch.counts["stale"]
    assert usual >= 300
    for i in range(3_000, 4_000):
        now += rng.choice([SECOND, SECOND, 9 * SECOND])
        watch.on_trade(now, now, str(i))
    assert watch.counts["stale"] == usual, "nine seconds are usual here"
    assert watch.on_time(now + 9 * SECOND) is None
    assert watch.on_time(now + 10 * SECOND) is not None


STEPS = st.lists(
    st.sampled_from(["good"] * 8 + ["gap", "duplicate", "crossed", "snapshot", "skip", "silence"]),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(STEPS, st.booleans())
def test_whatever_comes(steps: list[str], timer: bool) -> None:
    feed, expected, crossed = Feed(), 0, False
    feed.run(1)
    for step in steps:
        match step:
            case "good":
                feed.trade()
                feed.book()
                crossed = False
            case "gap":
                feed.trade(skip=2)
                feed.book()
                expected, crossed = expected + 1, False
            case "duplicate":
                feed.trade(number=feed.number)
                feed.book()
                expected, crossed = expected + 1, False
            case "crossed":
                feed.book(bid=12)
                expected += not crossed
                crossed = True
            case "snapshot":
                feed.book(snapshot=True)
                expected += 1
                crossed = False
            case "skip":
                feed.book(skip=1)
                expected += 1
                crossed = False
            case _:
                feed.now += 6 * SECOND
                if timer:
                    feed.take(feed.watch.on_time(feed.now))
                feed.book()
                expected, crossed = expected + 1, False
        # Suspended and live by turns, and live only without anything wrong.
        assert [change.live for change in feed.told] == [i % 2 == 1 for i in range(len(feed.told))]
        assert feed.watch.live == (len(feed.told) % 2 == 0)
    assert feed.watch.counts.total() == expected
    if not expected:
        assert feed.told == []
    feed.book(snapshot=True)
    feed.run(3)
    assert feed.watch.live, "good again, and not let go"


@pytest.mark.parametrize("seed", range(5))
def test_two_watches_of_one_feed_say_the_same(seed: int) -> None:
    def whole() -> tuple[list[FeedChange], dict[str, Any]]:
        rng, feed = random.Random(seed), Feed()
        for _ in range(300):
            feed.trade(skip=int(rng.random() < 0.05))
            feed.book(skip=int(rng.random() < 0.05), snapshot=rng.random() < 0.1)
        return feed.told, dict(feed.watch.counts)

    told, counts = whole()
    assert (told, counts) == whole()
    assert len(told) >= 4


@pytest.mark.parametrize(
    ("field", "value"),
    [("stale_ns", 0), ("calm_ns", -1), ("max_skew_ns", 0), ("rebuild_ns", 0)],
)
def test_a_bad_setting_is_named(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"`{field}`.*was {value}"):
        FeedConfig(**{field: value})


def test_every_fault_has_a_name_of_its_own() -> None:
    assert len({fault.value for fault in Fault}) == len(Fault) == 8
