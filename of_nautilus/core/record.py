"""State records: what a concept remembers, as one flat NumPy structured record.

A concept's state is one element of a structured array. Its step function, compiled by Numba, takes
that one-element array and scalars, so one trade from Python and ten million in a loop run the same
code and leave the same bytes. Resetting is zeroing, saving is `tobytes`, comparing is hashing.
"""

import hashlib
from typing import Any

import numpy as np

# A one-element structured array; the field types are the dtype's business.
State = np.ndarray[tuple[int], np.dtype[Any]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]
Bytes = np.ndarray[Any, np.dtype[np.int8]]

INT = np.dtype("i8")
FLOAT = np.dtype("f8")


def record(*fields: Any) -> np.dtype[Any]:
    """Return a record dtype whose fields read as attributes, with and without the compiler.

    Raises
    ------
    ValueError
        If a field has the name of an attribute of NumPy's scalars: only the compiler would find it.
    """
    for name, *_ in fields:
        if hasattr(np.record, name):
            raise ValueError(f"`name` must not be an attribute of numpy.record, was {name!r}")
    return np.dtype((np.record, np.dtype(list(fields))))


def allocate(dtype: np.dtype[Any]) -> State:
    """Return one zeroed record as a one-element array, the form that step functions take."""
    return np.zeros(1, dtype)


def digest(*arrays: np.ndarray[Any, Any]) -> str:
    """Return the SHA-256 of the arrays' bytes, in order."""
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()
