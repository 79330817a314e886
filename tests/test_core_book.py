"""The L2 book against a book in two dictionaries, the host's own book, and the recorded market."""

import gzip
import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.data import BookOrder, OrderBookDelta
from nautilus_trader.model.enums import BookAction, BookType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.objects import Price, Quantity

from of_nautilus.core import book as book_
from of_nautilus.core.ladder import allocate_ladders, grow_far
from tests.naive.book import Delta, NaiveBook

LAST = book_.F_LAST


class Book:
    """A book and its arrays, stepped one delta at a time; grows as it is told."""

    def __init__(self, span: int = 64, far: int = 2, contiguous: bool = False) -> None:
        self.state, self.window, self.blocks, self.far = book_.new_book(span, far, contiguous)

    def step(self, delta: Delta, ts: int = 0) -> int:
        while True:
            code = book_.step_book(self.state, self.window, self.blocks, self.far, *delta, ts)
            if code != book_.GROW:
                return code
            self.far = grow_far(self.far)

    def run(self, rows: np.ndarray) -> None:
        at = 0
        while True:
            arrays = (self.state, self.window, self.blocks, self.far)
            at = book_.run_book(*arrays, rows, at, len(rows))
            if at == len(rows):
                return
            self.far = grow_far(self.far)

    def levels(self, side: int) -> list[tuple[int, int]]:
        rows = book_.levels(self.state, self.window, self.far, side)
        return [(int(price), int(size)) for price, size in rows]


def deltas(far_prices: bool = True) -> st.SearchStrategy[list[Delta]]:
    near = st.integers(-90, 90)
    price = st.one_of(near, near, st.integers(-100_000, 100_000)) if far_prices else near
    return st.lists(
        st.tuples(
            st.sampled_from([1, 1, 1, 2, 2, 3, 3, 4]),
            st.sampled_from([1, 2]),
            price,
            st.integers(1, 50),
            st.sampled_from([0, 0, LAST]),
            st.just(0),
        ),
        max_size=80,
    )


@pytest.mark.nojit
@settings(deadline=None, max_examples=150)
@given(deltas())
def test_levels_agree_with_two_dictionaries(stream: list[Delta]) -> None:
    ours, naive = Book(), NaiveBook()
    top = book_.new_top(3)
    for delta in stream:
        ended = ours.step(delta)
        naive.apply(delta)
        state = ours.state[0]
        for side in (0, 1):
            assert ours.levels(side) == naive.levels(side)
            assert state.levels[side] == len(naive.sides[side])
            assert state.total[side] == sum(naive.sides[side].values())
        if not ended:
            continue
        bid, ask = naive.bid, naive.ask
        if bid is not None:
            assert (state.bid, state.bid_size) == (bid, naive.sides[0][bid])
        if ask is not None:
            assert (state.ask, state.ask_size) == (ask, naive.sides[1][ask])
        book_.read_top(state, ours.window, ours.blocks, ours.far, top)
        for side, none in ((0, book_.NO_PRICE), (1, -book_.NO_PRICE)):
            expected = [*naive.levels(side)[:3], *[(none, 0)] * 3][:3]
            assert [tuple(row) for row in top[side].tolist()] == expected


@pytest.mark.nojit
@settings(deadline=None, max_examples=30)
@given(deltas())
def test_batch_leaves_the_bytes_of_the_stream(stream: list[Delta]) -> None:
    one, many = Book(), Book()
    for i, delta in enumerate(stream):
        one.step(delta, i)
    many.run(np.array([(*delta, i) for i, delta in enumerate(stream)], np.int64).reshape(-1, 7))
    assert one.state.tobytes() == many.state.tobytes()
    assert one.window.tobytes() == many.window.tobytes()
    assert one.far.tobytes() == many.far.tobytes()


@settings(deadline=None, max_examples=50)
@given(deltas())
def test_levels_agree_with_the_hosts_book(stream: list[Delta]) -> None:
    ours = Book()
    host = OrderBook(InstrumentId.from_str("X.Y"), BookType.L2_MBP)
    for action, side, price, size, flags, _ in stream:
        ours.step((action, side, price, size, flags, 0))
        order = BookOrder(OrderSide(side), Price(price, 0), Quantity(size, 0), 0)
        host.apply_delta(
            OrderBookDelta(host.instrument_id, BookAction(action), order, flags, 0, 0, 0)
        )
    for side, theirs in ((0, host.bids()), (1, host.asks())):
        assert ours.levels(side) == [(int(level.price), int(level.size())) for level in theirs]


def snapshot(bid: int = 100, ask: int = 101, sequence: int = 10) -> list[Delta]:
    return [
        (4, 0, 0, 0, 32, sequence),
        (1, 1, bid, 5, 32, sequence),
        (1, 2, ask, 6, 32 + LAST, sequence),
    ]


def stepped(*stream: Delta, contiguous: bool = False) -> Book:
    book = Book(contiguous=contiguous)
    for delta in stream:
        book.step(delta)
    return book


@pytest.mark.nojit
def test_trust_begins_with_a_snapshot() -> None:
    without = stepped((1, 1, 100, 5, 0, 1), (1, 2, 101, 5, LAST, 1)).state[0]
    assert (without.trusted, without.snapshots) == (0, 0)
    book = stepped(*snapshot()).state[0]
    assert (book.trusted, book.snapshots, book.epoch) == (1, 1, 1)
    unflagged = stepped((1, 1, 100, 5, 32, 1), (1, 2, 101, 5, 32 + LAST, 1)).state[0]
    assert unflagged.trusted == 1, "a snapshot into an empty book needs no CLEAR"


@pytest.mark.nojit
def test_a_break_of_the_sequence_ends_trust_until_the_next_snapshot() -> None:
    book = stepped(*snapshot(), (1, 1, 99, 5, LAST, 12), (1, 1, 98, 5, LAST, 11))
    state = book.state[0]
    assert (state.trusted, state.breaks, state.epoch) == (0, 1, 2)
    assert book.levels(0) == [(100, 5), (99, 5), (98, 5)], "the levels stay those of the host"
    for delta in snapshot(sequence=5):
        book.step(delta)
    assert (state.trusted, state.breaks, state.epoch) == (1, 1, 3)


@pytest.mark.nojit
def test_contiguous_sequences_must_not_skip() -> None:
    assert stepped(*snapshot(), (1, 1, 99, 5, LAST, 11), contiguous=True).state[0].breaks == 0
    assert stepped(*snapshot(), (1, 1, 99, 5, LAST, 12), contiguous=True).state[0].breaks == 1
    assert stepped(*snapshot(), (1, 1, 99, 5, LAST, 12)).state[0].breaks == 0


@pytest.mark.nojit
def test_a_crossed_or_locked_batch_is_counted_and_not_trusted() -> None:
    book = stepped(*snapshot(), (1, 1, 101, 1, 0, 11))
    assert book.state[0].trusted == 1, "inside a batch nothing is judged"
    book.step((1, 1, 102, 1, LAST, 11))
    assert (book.state[0].trusted, book.state[0].crossed) == (0, 1)
    book.step((3, 1, 102, 0, LAST, 12))
    assert (book.state[0].trusted, book.state[0].locked) == (0, 1)
    book.step((3, 1, 101, 0, LAST, 13))
    assert (book.state[0].trusted, book.state[0].breaks) == (1, 0)


@pytest.mark.nojit
def test_bad_deltas_are_counted_and_skipped() -> None:
    book = stepped(*snapshot(), (1, 0, 100, 9, 0, 0), (9, 1, 100, 9, 0, 0), (1, 1, 100, -9, 0, 0))
    assert book.state[0].bad_deltas == 3
    assert book.levels(0) == [(100, 5)]
    book.step((1, 1, 99, 1, 0, 0), ts=5)
    book.step((1, 1, 98, 1, LAST, 0), ts=4)
    assert (book.state[0].backwards, book.state[0].ts) == (1, 5)


@pytest.mark.nojit
def test_depth_pictures_replace_the_book() -> None:
    book = Book(far=4)
    for bid in (100, 90_000):
        asks = [(bid + 2, 7), (bid + 5, 8), (0, 0)]
        picture = np.array([[(bid, 5), (bid - 1, 6), (0, 0)], asks], np.int64)
        args = (book.state, book.window, book.blocks)
        assert book_.step_depth(*args, book.far[:, :2], picture, 1, 7) == book_.GROW
        assert book_.step_depth(*args, book.far, picture, 1, 7) == 0
        assert book.levels(0) == [(bid, 5), (bid - 1, 6)]
        assert book.levels(1) == [(bid + 2, 7), (bid + 5, 8)]
    state = book.state[0]
    assert (state.trusted, state.epoch, state.from_snapshots, state.batches) == (1, 1, 1, 2)
    book_.step_gap(book.state)
    assert state.trusted == 0
    book_.step_depth(*args, book.far, picture, 2, 8)
    assert (state.trusted, state.epoch) == (1, 3)


def test_bad_parameters_are_named() -> None:
    with pytest.raises(ValueError, match="`span` must be a positive multiple of 64, was 65"):
        book_.new_book(span=65)
    with pytest.raises(ValueError, match="`far` must be >= 1, was 0"):
        allocate_ladders(64, 0)
    with pytest.raises(ValueError, match="`depth` must be >= 1, was 0"):
        book_.new_top(0)


def number(text: str) -> int:
    """A decimal without its point: ticks of 0.01, lots of 0.001."""
    return int(text.replace(".", ""))


@lru_cache(maxsize=1)
def recorded(path: Path) -> tuple[np.ndarray, dict[int, tuple[int, int, int, int]], np.ndarray]:
    """The deltas of a recorded market from its snapshot on, its tickers by update id, its trades.

    A trade's row: how many deltas had arrived, ns, price, lots, aggressor.

    Ticks of 0.10, lots of 0.001. As the venue asks: messages older than the snapshot are dropped,
    the first one kept spans its id, and each next one continues the one before.
    """
    rows: list[tuple[int, ...]] = []
    tickers = {}
    messages = []
    trades = []
    snapshot_id, last = 0, 0
    with gzip.open(path, "rt") as lines:
        for line in lines:
            message = json.loads(line.split(" ", 1)[1])
            messages.append(message.get("data", message))
    for message in messages:
        if "lastUpdateId" in message:
            snapshot_id = message["lastUpdateId"]
            rows.append((4, 0, 0, 0, 32, snapshot_id, message["T"]))
            sides = ((1, message["bids"]), (2, message["asks"]))
            break
    for side, quotes in sides:
        for price, size in quotes:
            rows.append((1, side, number(price) // 10, number(size), 32, snapshot_id, message["T"]))
    rows[-1] = (*rows[-1][:4], 32 + LAST, *rows[-1][5:])
    for message in messages:
        if message.get("e") == "bookTicker":
            quote = (message["b"], message["B"], message["a"], message["A"])
            bid, bid_size, ask, ask_size = map(number, quote)
            tickers[message["u"]] = (bid // 10, bid_size, ask // 10, ask_size)
        if last and message.get("e") == "trade" and message["X"] == "MARKET":
            price, lots = number(message["p"]) // 10, number(message["q"])
            side = -1 if message["m"] else 1
            trades.append((len(rows), message["T"] * 1_000_000, price, lots, side))
        if message.get("e") != "depthUpdate" or message["u"] < snapshot_id:
            continue
        assert message["U"] <= snapshot_id if not last else message["pu"] == last
        last = message["u"]
        for side, quotes in ((1, message["b"]), (2, message["a"])):
            for price, size in quotes:
                lots = number(size)
                action = 2 if lots else 3
                rows.append((action, side, number(price) // 10, lots, 0, last, message["T"]))
        rows[-1] = (*rows[-1][:4], LAST, *rows[-1][5:])
    table = np.array(rows, np.int64)
    table[:, 6] *= 1_000_000
    return table, tickers, np.array(trades, np.int64)


@pytest.fixture(scope="module")
def btcusdt(real_data: Path) -> tuple[np.ndarray, dict, np.ndarray]:
    return recorded(real_data / "binance" / "usdm_btcusdt_20240808.gz")


def test_best_quotes_equal_the_recorded_ticker_and_never_cross(btcusdt: tuple) -> None:
    rows, tickers, _ = btcusdt
    book = Book(32_768, 4_096)
    ends = np.flatnonzero(rows[:, 4] & LAST) + 1
    state = book.state[0]
    compared = start = 0
    for end in ends:
        book.run(rows[start:end])
        start = end
        assert state.trusted == 1
        ticker = tickers.get(int(state.sequence))
        if ticker is not None:
            compared += 1
            assert (state.bid, state.bid_size, state.ask, state.ask_size) == ticker
    assert (state.crossed, state.locked, state.breaks, state.bad_deltas) == (0, 0, 0, 0)
    assert state.batches == len(ends)
    assert compared > 500, compared
    naive = NaiveBook().apply_all(map(tuple, rows[:, :6].tolist()))
    assert [book.levels(side) for side in (0, 1)] == [naive.levels(side) for side in (0, 1)]
