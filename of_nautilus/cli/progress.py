"""A progress bar for what takes more than two seconds."""

import sys
from collections.abc import Callable, Iterable
from typing import Any


def progress(
    iterable: Iterable[Any] | None = None,
    desc: str = "",
    *,
    total: float | None = None,
    unit: str = "it",
    quiet: bool = False,
) -> Any:
    """Wrap `iterable`, or count by hand up to `total`, with a bar on standard error.

    The bar shows up after two seconds, and only where standard error is a terminal and `quiet`
    is not set. What comes back is a tqdm: a context manager, iterable, with `update(n)`.
    """
    from tqdm import tqdm

    return tqdm(
        iterable,
        desc=desc,
        total=total,
        unit=unit,
        unit_scale=iterable is None,
        delay=2,
        leave=False,
        disable=quiet or not sys.stderr.isatty(),
    )


def reporter(bar: Any) -> Callable[[int, int], None]:
    """Return what moves `bar` when it is called with the part done and the whole."""

    def report(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return report
