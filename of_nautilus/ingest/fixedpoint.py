"""Decimal values as integers: from text and floats, and to and from the catalog's 16 bytes."""

from typing import Any

import numpy as np
import pyarrow as pa
from nautilus_trader.core import nautilus_pyo3
from numba import njit
from numpy.typing import NDArray

from of_nautilus.ingest.errors import IngestError

DECIMALS = 16  # the host stores value * 10**16 as a little-endian signed 128-bit integer
BYTES = 16
WIRE_TYPE = pa.binary(BYTES)
_INVERSE_OF_5 = pow(5, -1, 2**64) - 2**64  # as a signed integer: 5 times it is 1 in 64 bits

_SLACK = 1e-6  # how far a product may be from a whole number, as long as it is small
_SMALL = 2.0**31
_SURE = 2.0**44  # below it a further decimal would show
_EXACT = 2.0**51  # below it a product of two doubles is still within half a unit


def require_high_precision() -> None:
    """Fail with one clear line where the installed host was built with 64-bit prices."""
    if nautilus_pyo3.PRECISION_BYTES != BYTES:
        raise IngestError(
            f"this NautilusTrader stores prices in {nautilus_pyo3.PRECISION_BYTES} bytes, "
            f"the catalog needs {BYTES}",
            todo="install a build with high precision (the default on Linux and macOS)",
        )


def encode(units: NDArray[np.int64], precision: int) -> pa.Array:
    """Integers in units of 10**-precision as the catalog's fixed-size binary column.

    Exact for every int64; `precision` is 0 to 16.
    """
    shift = DECIMALS - precision
    five = 5**shift
    low_high = np.empty((len(units), 2), np.int64)
    if len(units) and max(-int(units.min()), int(units.max())) > (2**63 - 1) // five:
        return _encode_wide(units, shift)
    fives = units * np.int64(five)  # times 10**shift is times 5**shift, then a shift of bits
    np.left_shift(fives, shift, out=low_high[:, 0])
    np.right_shift(fives, 64 - shift if shift else 63, out=low_high[:, 1])
    return pa.FixedSizeBinaryArray.from_buffers(
        WIRE_TYPE, len(units), [None, pa.py_buffer(low_high)]
    )


def _encode_wide(units: NDArray[np.int64], shift: int) -> pa.Array:
    """The same for values whose product with 5**shift leaves 64 bits: through Arrow's decimals."""
    wide = pa.array(units).cast(pa.decimal128(19, 0)).cast(pa.decimal128(19 + shift, shift))
    return pa.FixedSizeBinaryArray.from_buffers(WIRE_TYPE, len(units), wide.buffers())


def decode(column: pa.ChunkedArray | pa.Array, precision: int) -> NDArray[np.int64]:
    """A fixed-size binary column of the catalog as integers in units of 10**-precision."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    out = np.empty(len(column), np.int64)
    done = 0
    for chunk in chunks:
        size = len(chunk)
        words = np.frombuffer(chunk.buffers()[1], np.uint64)[2 * chunk.offset :]
        words.flags.writeable = False  # as most buffers are: one type for the compiler
        _narrow(words, DECIMALS - precision, out[done : done + size])
        done += size
    return out


@njit(cache=True)
def _narrow(words: NDArray[np.uint64], shift: int, out: NDArray[np.int64]) -> None:
    """Pairs of words, the lower first, over 10**shift: over 2**shift, then over 5**shift.

    An odd number has an inverse in 64 bits: to divide what is a multiple of it is to multiply.
    """
    inverse = np.int64(1)
    for _ in range(shift):
        inverse *= _INVERSE_OF_5
    if shift == 0:
        for i in range(len(out)):
            out[i] = np.int64(words[2 * i])
        return
    right, left = np.uint64(shift), np.uint64(64 - shift)
    for i in range(len(out)):
        twos = (words[2 * i] >> right) | (words[2 * i + 1] << left)
        out[i] = np.int64(twos) * inverse


def scaled(values: NDArray[np.float64], precision: int) -> tuple[NDArray[np.int64], int]:
    """Floats read from decimal text as integers in units of 10**-precision.

    Returns the integers and the index of the first value that is not finite, is too large to be
    exact, or has more decimals than `precision`; -1 where there is none.
    """
    exact = values * 10.0**precision
    units = np.rint(exact)
    with np.errstate(invalid="ignore"):
        exact -= units
    np.abs(exact, out=exact)
    largest = max(float(units.max(initial=0.0)), -float(units.min(initial=0.0)))
    if largest < _SMALL and exact.max(initial=0.0) <= _SLACK:  # false for NaN too
        return units.astype(np.int64), -1
    size = np.abs(units)
    with np.errstate(invalid="ignore"):
        good = (size < _EXACT) & (exact <= np.maximum(_SLACK, size * 2.0**-51))
    out = np.where(good, units, 0.0).astype(np.int64)
    for shift in range(1, precision + 1):  # large values are exact with fewer decimals only
        if good.all():
            break
        more = _with_fewer(values, precision, shift) & ~good
        out[more] = np.rint(values[more] * 10.0 ** (precision - shift)).astype(np.int64)
        out[more] *= 10**shift
        good |= more
    return out, -1 if good.all() else int(np.argmin(good))


def _with_fewer(values: NDArray[np.float64], precision: int, shift: int) -> NDArray[np.bool_]:
    """Which large values are whole in units of 10**(shift - precision), and fit 64 bits."""
    part = values * 10.0 ** (precision - shift)
    with np.errstate(invalid="ignore"):
        whole = np.abs(part - np.rint(part)) <= np.maximum(_SLACK, np.abs(part) * 2.0**-51)
        large = np.abs(values) * 10.0**precision >= _EXACT
        fits = (np.abs(part) < _SURE) & (np.abs(values) * 10.0**precision < 2.0**63)
    return np.asarray(whole & large & fits)


def to_grid(
    units: NDArray[np.int64], precision: int, increment: Any
) -> tuple[NDArray[np.int64], int]:
    """Integers in units of 10**-precision as whole increments (ticks or lots), floored.

    Parameters
    ----------
    units : NDArray[np.int64]
        Prices or sizes, as a column holds them.
    precision : int
        The column's number of decimals.
    increment : Price or Quantity
        The instrument's `price_increment` or `size_increment`.

    Returns
    -------
    tuple[NDArray[np.int64], int]
        The ticks or lots, and how many values were not on the grid.

    Examples
    --------
    >>> from nautilus_trader.model.objects import Price
    >>> to_grid(np.array([6180030, 6180035]), 2, Price.from_str("0.10"))
    (array([618003, 618003]), 1)

    """
    step = increment_units(increment, precision)
    if step == 1:
        return units, 0
    steps, rest = np.divmod(units, np.int64(step))
    return steps, int(np.count_nonzero(rest))


def increment_units(increment: Any, precision: int) -> int:
    """An increment in units of 10**-precision.

    Raises
    ------
    IngestError
        If the increment has more decimals than `precision` can hold.

    """
    step, rest = divmod(int(increment.raw), 10 ** (DECIMALS - precision))
    if rest or step <= 0:
        raise IngestError(f"an increment of {increment} does not fit {precision} decimals")
    return step
