"""The book over arrays: rebuilt alone, and with all that is read from it."""

import statistics
import time
from collections.abc import Callable

import numpy as np

from benchmarks._host import ROUNDS, market
from of_nautilus.core.book import F_LAST, new_book, run_book
from of_nautilus.core.book_flow import BookFlow
from of_nautilus.core.ladder import grow_far
from of_nautilus.core.record import Ints

BARS = {"book_batch_deltas_per_s": (">=", 3e6)}


def run() -> dict[str, float]:
    """Measure deltas a second in one batch, and the time of one call a venue message."""
    deltas = _deltas()
    ends = np.flatnonzero(deltas[:, 4] & F_LAST) + 1
    return {
        "book_batch_deltas_per_s": len(deltas) / _median(lambda: _book(deltas)),
        "book_flow_batch_deltas_per_s": len(deltas) / _median(lambda: BookFlow().apply(deltas)),
        "book_flow_message_us": _median(lambda: _messages(deltas, ends)) / len(ends) * 1e6,
    }


def _deltas() -> Ints:
    """The demo market's deltas as rows of `book.DELTA_COLUMNS`."""
    book = market().deltas
    side = np.where(book.side < 0, 2, book.side)
    flags = np.where(book.last, F_LAST, 0)
    columns = (book.action, side, book.price, book.size, flags, book.sequence, book.ts)
    return np.column_stack(columns).astype(np.int64)


def _book(deltas: Ints) -> None:
    state, window, blocks, far = new_book()
    at = 0
    while at < len(deltas):
        at = run_book(state, window, blocks, far, deltas, at, len(deltas))
        if at < len(deltas):
            far = grow_far(far)


def _messages(deltas: Ints, ends: Ints) -> None:
    flow, start = BookFlow(), 0
    for end in ends.tolist():
        flow.apply(deltas[start:end])
        start = end


def _median(work: Callable[[], None]) -> float:
    work()
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)
