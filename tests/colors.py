"""How bright colors are, and how far apart, also to the color-blind."""

import numpy as np
from numpy.typing import NDArray

# What a person without one kind of cone sees of linear RGB (Machado, Oliveira, Fernandes 2009).
BLIND = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = _TO_XYZ.sum(axis=1)


def linear(color: str) -> NDArray[np.float64]:
    """The linear RGB of "#rrggbb"."""
    values = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def luminance(color: str) -> float:
    """Relative luminance, 0 to 1."""
    return float(_TO_XYZ[1] @ linear(color))


def distance(one: str, other: str, blindness: str | None = None) -> float:
    """The difference of two colors in CIELAB (1976); 2 is just seen, 100 is black to white."""
    labs = []
    for color in (one, other):
        rgb = linear(color)
        if blindness:
            rgb = np.clip(np.array(BLIND[blindness]) @ rgb, 0, 1)
        ratio = _TO_XYZ @ rgb / _WHITE
        f = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
        labs.append([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])
    return float(np.linalg.norm(np.subtract(*labs)))
