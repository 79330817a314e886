"""Z-score of a whole number against whole samples of the past."""

import numpy as np
from numba import njit


@njit(cache=True)
def z_score(samples, value, minimum=30):  # type: ignore[no-untyped-def]
    """Return (value - mean) / standard deviation, with n - 1; 0 if the samples do not vary.

    NaN with fewer than `minimum` samples (>= 2).

    >>> round(z_score(np.array([1, 1, 1, 2, 1, 1, 3, 1, 1, 2]), 3, 10), 5)
    2.28831
    """
    count = len(samples)
    if count < minimum:
        return np.nan
    total = 0
    for sample in samples:
        total += sample
    mean = total / count
    square = 0.0
    for sample in samples:
        square += (sample - mean) * (sample - mean)
    return (value - mean) / np.sqrt(square / (count - 1)) if square > 0 else 0.0
