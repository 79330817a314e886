"""Calls of compiled functions without the dispatcher.

Numba looks at the type of every argument of every call, which costs more than most steps do: half a
microsecond for a structured array. A caller that owns its arrays knows their types, and may call
the machine code for them.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from numba import carray, config, njit, typeof, types
from numba.core import cgutils
from numba.extending import intrinsic


def direct(function: Any, owned: tuple[Any, ...], *example: Any) -> Callable[..., Any]:
    """Return a compiled function with its first arguments filled in, to be called directly.

    Parameters
    ----------
    function
        Decorated with `njit`.
    owned
        Its first arguments: arrays that are contiguous and stay where they are, named tuples of
        such, or their `Places`, which the caller must keep.
    *example
        Values of the types that all calls will pass for the rest. They are not looked at again:
        an integer stands for integers, a float also for integers.
    """
    # Without the compiler the function is a plain one.
    if hasattr(function, "compile"):
        owned = tuple(one.address if isinstance(one, Places) else one for one in owned)
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


class Places:
    """Where some arrays lie: all that compiled code needs to find them, as one number.

    Handing over an array costs 50 ns, for the allocation that counts its references, and counting
    them in the compiled code costs again; an address is an integer. The arrays are kept here, have
    at most three dimensions, must be contiguous, and stay where they are.
    """

    def __init__(self, *arrays: np.ndarray[Any, Any]) -> None:
        self.arrays = arrays
        rows = [(a.ctypes.data, *a.shape, *(1,) * (3 - a.ndim)) for a in arrays]
        self._table = np.array(rows, np.int64)
        self.address = int(self._table.ctypes.data)


@intrinsic
def _pointer(typing, address):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate


@njit(inline="always")
def _place(address, i):  # type: ignore[no-untyped-def]
    table = carray(_pointer(address), (i + 1, 4), np.int64)
    return _pointer(table[i, 0]), table[i, 1], table[i, 2], table[i, 3]


@njit(inline="always")
def _array_at(address, i, dtype):  # type: ignore[no-untyped-def]
    start, length, _, _ = _place(address, i)
    return carray(start, length, dtype)


@njit(inline="always")
def _table_at(address, i, dtype):  # type: ignore[no-untyped-def]
    start, rows, columns, _ = _place(address, i)
    return carray(start, (rows, columns), dtype)


@njit(inline="always")
def _cube_at(address, i, dtype):  # type: ignore[no-untyped-def]
    start, layers, rows, columns = _place(address, i)
    return carray(start, (layers, rows, columns), dtype)


def _array_of(places: Places, i: int, dtype: Any) -> Any:
    return places.arrays[i]


# Array `i`, of a dtype and of one, two or three dimensions, of the `Places` that `direct` handed
# over.
array_at = _array_of if config.DISABLE_JIT else _array_at
table_at = _array_of if config.DISABLE_JIT else _table_at
cube_at = _array_of if config.DISABLE_JIT else _cube_at


@njit(inline="always")
def _table_within(array, start, rows, columns):  # type: ignore[no-untyped-def]
    first = np.int64(array.ctypes.data) + start * array.itemsize
    return carray(_pointer(first), (rows, columns), array.dtype)


def _view_within(array: Any, start: int, rows: int, columns: int) -> Any:
    return array[start : start + rows * columns].reshape((rows, columns))


# The part of a flat array from `start` on as a table. It does not keep the array alive: to cut and
# reshape one that does costs more than a step.
table_within = _view_within if config.DISABLE_JIT else _table_within
