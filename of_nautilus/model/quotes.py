"""Best quotes over time, for labels, costs and studies: the book alone, nothing read of it."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from of_nautilus.core import book as book_
from of_nautilus.core.ladder import grow_far
from of_nautilus.core.record import Floats, Ints


@dataclass(frozen=True)
class Quotes:
    """Best bid and ask (ticks) from each time on; both 0 while the book cannot be trusted."""

    ts: Ints
    bid: Ints
    ask: Ints

    @property
    def mid(self) -> Floats:
        """The mids in ticks, NaN without a trusted book."""
        return np.where(self.bid < self.ask, (self.bid + self.ask) / 2.0, np.nan)


@njit(cache=True)
def _collect(state, window, blocks, far, events, out, start, filled):  # type: ignore[no-untyped-def]
    """Write (ns, bid, ask) to `out` where they change: event reached, rows filled."""
    book = state[0]
    for i in range(start, len(events)):
        event = events[i]
        if event[0] == 0:
            continue
        if (
            book_.apply_delta(
                book, window, blocks, far,
                event[0], event[1], event[2], event[3], event[4], event[5], event[6],
            )
            < 0
        ):  # fmt: skip
            return i, filled
        if not event[4] & 128:
            continue
        book_.end_batch(book, window, far)
        bid, ask = (book.bid, book.ask) if book.trusted else (0, 0)
        if filled > 0 and out[filled - 1, 1] == bid and out[filled - 1, 2] == ask:
            continue
        if filled == 0 or out[filled - 1, 0] != book.ts:
            filled += 1
        out[filled - 1, 0] = book.ts
        out[filled - 1, 1] = bid
        out[filled - 1, 2] = ask
    return len(events), filled


def quotes_of(events: Ints) -> Quotes:
    """Return the best quotes of merged events (see `computer.merge_events`), as they change."""
    state, window, blocks, far = book_.new_book()
    batches = int(np.count_nonzero((events[:, 0] > 0) & (events[:, 4] & book_.F_LAST > 0)))
    out = np.zeros((batches + 1, 3), np.int64)
    at = filled = 0
    while True:
        at, filled = _collect(state, window, blocks, far, events, out, at, filled)
        if at == len(events):
            break
        far = grow_far(far)
    told = out[:filled].T.copy()
    return Quotes(told[0], told[1], told[2])
