"""Best quotes over time, for labels, costs and studies: the book alone, nothing read of it.

Where neither trade nor book spoke for longer than the features wait (`step.SILENCE`, a minute),
there are no data, and no quote from the last event on: a recorder that was down, or a closed
market. The recorded books, that of a thin coin too, never stood still for so long.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from of_nautilus.core import book as book_
from of_nautilus.core.ladder import grow_far
from of_nautilus.core.record import Floats, Ints
from of_nautilus.core.sessions import DAY
from of_nautilus.model.step import SILENCE


@dataclass(frozen=True)
class Quotes:
    """Best bid and ask (ticks) from each time on; both 0 while there is no book to be trusted."""

    ts: Ints
    bid: Ints
    ask: Ints

    @property
    def mid(self) -> Floats:
        """The mids in ticks, NaN without a trusted book."""
        return np.where(self.bid < self.ask, (self.bid + self.ask) / 2.0, np.nan)


@njit(cache=True)
def _put(out, filled, ts, bid, ask):  # type: ignore[no-untyped-def]
    """Write what holds from `ts` on, over what else was said of that time; return the rows."""
    if filled == 0 or out[filled - 1, 0] < ts:
        filled += 1
        out[filled - 1, 0] = ts
    out[filled - 1, 1] = bid
    out[filled - 1, 2] = ask
    return filled


@njit(cache=True)
def _withdraw(out, filled, heard, ts):  # type: ignore[no-untyped-def]
    """Withdraw the quote in force if nothing was heard for too long before `ts`; return the rows.

    Days are files: each one says so itself, and nothing of one follows from the next.
    """
    if filled == 0 or ts - heard <= SILENCE:
        return filled
    midnight = heard - heard % DAY + DAY
    if min(ts, midnight) - heard > SILENCE:
        filled = _put(out, filled, heard + 1, 0, 0)
    if ts >= midnight:
        filled = _put(out, filled, ts - ts % DAY, 0, 0)
    return filled


@njit(cache=True)
def _collect(state, window, blocks, far, events, out, start, filled, heard):  # type: ignore[no-untyped-def]
    """Write (ns, bid, ask) to `out` where they change: event reached, rows filled, last time."""
    book = state[0]
    for i in range(start, len(events)):
        event = events[i]
        filled = _withdraw(out, filled, heard, event[6])
        heard = max(heard, event[6])
        if event[0] == 0:
            continue
        if (
            book_.apply_delta(
                book, window, blocks, far,
                event[0], event[1], event[2], event[3], event[4], event[5], event[6],
            )
            < 0
        ):  # fmt: skip
            return i, filled, heard
        if not event[4] & 128:
            continue
        book_.end_batch(book, window, far)
        bid, ask = (book.bid, book.ask) if book.trusted else (0, 0)
        if filled == 0 or out[filled - 1, 1] != bid or out[filled - 1, 2] != ask:
            filled = _put(out, filled, book.ts, bid, ask)
    return len(events), filled, heard


def quotes_of(events: Ints, end: int | None = None) -> Quotes:
    """Return the best quotes of merged events (see `computer.merge_events`), as they change.

    `end` is how far the data reach, ns; up to the last event if not given.
    """
    state, window, blocks, far = book_.new_book()
    batches = int(np.count_nonzero((events[:, 0] > 0) & (events[:, 4] & book_.F_LAST > 0)))
    # A silence is told twice if a day ended in it; one more may come before the end.
    silences = 1 + int(np.count_nonzero(np.diff(events[:, 6]) > SILENCE))
    out = np.zeros((batches + 2 * silences, 3), np.int64)
    at = filled = heard = 0
    while True:
        at, filled, heard = _collect(state, window, blocks, far, events, out, at, filled, heard)
        if at == len(events):
            break
        far = grow_far(far)
    if end is not None:
        filled = _withdraw(out, filled, heard, end)
    told = out[:filled].T.copy()
    return Quotes(told[0], told[1], told[2])
