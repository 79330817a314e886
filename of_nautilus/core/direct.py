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
        Its first arguments: arrays that are contiguous and stay where they are, or named tuples of
        such.
    *example
        Values of the types that all calls will pass for the rest. They are not looked at again:
        an integer stands for integers, a float also for integers.
    """
    # Without the compiler the function is a plain one.
    if hasattr(function, "compile"):
        function = _machine_code(function, *(_kind(value) for value in (*owned, *example)))
    return partial(function, *owned)


def _kind(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.dtype, value.ndim
    if isinstance(value, tuple):
        return type(value), tuple(map(_kind, value))
    return type(value)


def _example(kind: Any) -> Any:
    if not isinstance(kind, tuple):
        return kind()
    made, of = kind
    return made(*map(_example, of)) if isinstance(of, tuple) else np.zeros((1,) * of, made)


@cache
def _machine_code(function: Any, *kinds: Any) -> Callable[..., Any]:
    return function.compile(tuple(typeof(_example(kind)) for kind in kinds))
