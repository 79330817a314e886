"""Best prices of a price-level book, followed only as far as to see it crossed or locked."""

import numba as nb
import numpy as np

from of_nautilus.ingest.columns import CLEAR, DELETE, F_LAST, DeltaColumns

_MAX_TICKS = 20_000_000


class BookCheck:
    """Counts crossed and locked books over any number of pieces, on dense ladders of ticks."""

    def __init__(self) -> None:
        self._low = 0
        self._sizes = np.zeros((2, 0), np.int64)
        self._best = np.array([-1, -1], np.int64)

    def add(self, piece: DeltaColumns, step: int) -> tuple[int, int]:
        """Crossed and locked books after whole messages."""
        ticks = piece.price // step
        named = piece.action != CLEAR
        if named.any():
            self._cover(int(ticks[named].min()), int(ticks[named].max()))
        return _follow(
            piece.action,
            piece.side,
            ticks - self._low,
            piece.size,
            piece.flags,
            self._sizes,
            self._best,
        )

    def _cover(self, low: int, high: int) -> None:
        """Widen the ladders; prices absurdly far away are left out."""
        width = self._sizes.shape[1]
        if width and low >= self._low and high < self._low + width:
            return
        if width:
            low, high = min(low, self._low), max(high, self._low + width - 1)
        high = min(high, low + _MAX_TICKS)
        sizes = np.zeros((2, high - low + 1), np.int64)
        shift = self._low - low
        sizes[:, shift : shift + width] = self._sizes
        self._best[self._best >= 0] += shift
        self._low, self._sizes = low, sizes


@nb.njit(cache=True)
def _follow(action, side, tick, size, flags, sizes, best):  # type: ignore[no-untyped-def]
    crossed = locked = 0
    width = sizes.shape[1]
    for i in range(len(action)):
        if action[i] == CLEAR:
            sizes[:, :] = 0
            best[:] = -1
        elif 0 <= tick[i] < width:
            k = 0 if side[i] > 0 else 1
            t = tick[i]
            new = 0 if action[i] == DELETE else size[i]
            sizes[k, t] = new
            if new > 0:
                if best[k] < 0 or (k == 0 and t > best[0]) or (k == 1 and t < best[1]):
                    best[k] = t
            elif t == best[k]:
                step = -1 if k == 0 else 1
                while 0 <= t < width and sizes[k, t] == 0:
                    t += step
                best[k] = t if 0 <= t < width else -1
        if flags[i] & F_LAST and best[0] >= 0 and best[1] >= 0:
            crossed += best[0] > best[1]
            locked += best[0] == best[1]
    return crossed, locked
