"""Made-up trades for property tests: bursts at one time, gaps, repeated prices, huge sizes."""

from hypothesis import settings
from hypothesis import strategies as st
from numba import config

from tests.recorded import Trades, columns

SECOND = 1_000_000_000


def examples(most: int) -> settings:
    """So many examples; a fifth of them without the compiler, where each takes far longer."""
    # Compiling takes longer than any deadline.
    return settings(deadline=None, max_examples=most // 5 if config.DISABLE_JIT else most)


quick = examples(60)

_waits = st.sampled_from([0, 0, 0, 1, SECOND // 10, SECOND, 10 * SECOND, 61 * SECOND])
_moves = st.sampled_from([0, 0, 0, 1, -1, 2, -3, 9, -90])
_sizes = st.one_of(st.integers(1, 5), st.integers(1, 1000), st.just(10**9))
_sides = st.sampled_from([1, 1, -1, -1, 0])


@st.composite
def tapes(draw: st.DrawFn, most: int = 80, least: int = 0, price: int | None = None) -> Trades:
    """Up to `most` trades in order of time, about one price."""
    ts = draw(st.integers(1, 100)) * SECOND
    if price is None:
        price = draw(st.sampled_from([5, 1000, 600_000, -40]))
    rows = []
    for wait, move, size, side in draw(
        st.lists(st.tuples(_waits, _moves, _sizes, _sides), min_size=least, max_size=most)
    ):
        ts += wait
        price += move
        rows.append((ts, price, size, side))
    return columns(rows)
