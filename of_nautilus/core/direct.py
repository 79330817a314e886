"""Calls of compiled functions without the dispatcher.

Numba looks at the type of every argument of every call, which costs more than most steps do: half a
microsecond for a structured array. A caller that owns its arrays knows their types, and may call
the machine code for them.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from numba import typeof


def direct(function: Any, owned: tuple[Any, ...], *example: Any) -> Callable[..., Any]:
    """Return a compiled function with its first arguments filled in, to be called directly.

    Parameters
    ----------
    function
        Decorated with `njit`.
    owned
        Its first arguments: arrays that are contiguous and stay where they are.
    *example
        Values of the types that all calls will pass for the rest. They are not looked at again:
        an integer stands for integers, a float also for integers.
    """
    # Without the compiler the function is a plain one.
    if hasattr(function, "compile"):
        function = _machine_code(function, *(_kind(value) for value in (*owned, *example)))
    return partial(function, *owned)


def _kind(value: Any) -> Any:
    return (value.dtype, value.ndim) if isinstance(value, np.ndarray) else type(value)


@cache
def _machine_code(function: Any, *kinds: Any) -> Callable[..., Any]:
    examples = (
        np.zeros((1,) * kind[1], kind[0]) if isinstance(kind, tuple) else kind() for kind in kinds
    )
    return function.compile(tuple(typeof(example) for example in examples))
