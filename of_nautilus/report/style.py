"""Colors, shapes and number formats that every picture shares.

Buying is blue and selling orange, a pair that people with any common color blindness tell apart;
whatever color says, a shape or a sign says too.
"""

from dataclasses import dataclass

BUY, SELL = "#1f77c4", "#d9660a"


@dataclass(frozen=True)
class Theme:
    """Colors of one page background."""

    template: str
    paper: str
    ink: str
    muted: str
    grid: str
    sell_cell: str
    even_cell: str
    buy_cell: str


LIGHT = Theme(
    "plotly_white", "#ffffff", "#1b2430", "#66707c", "#e4e8ee", "#f3a35c", "#f4f6f8", "#7db8ec"
)
DARK = Theme(
    "plotly_dark", "#12171e", "#e6ebf1", "#98a3b0", "#26303c", "#a3510c", "#1d252f", "#1c5f9e"
)

# A shape for each pattern, its buying and its selling form.
PATTERN_SHAPES = {
    "absorption": ("diamond", "diamond-open"),
    "initiative": ("triangle-up", "triangle-down"),
    "sweep": ("arrow-up", "arrow-down"),
    "exhaustion": ("x", "x-open"),
    "divergence": ("star-triangle-up", "star-triangle-down"),
    "stacked_imbalance": ("square", "square-open"),
    "unfinished_auction": ("hexagram", "hexagram-open"),
    "imbalance_streak": ("pentagon", "pentagon-open"),
}
# Okabe and Ito's palette, which the color-blind can tell apart.
PATTERN_COLORS = {
    "absorption": "#cc79a7",
    "initiative": "#009e73",
    "sweep": "#e69f00",
    "exhaustion": "#d55e00",
    "divergence": "#0072b2",
}
OTHER_COLOR = "#8c6bb1"


def theme(dark: bool) -> Theme:
    """Return the colors of a dark or light background."""
    return DARK if dark else LIGHT


def decimals_of(step: float) -> int:
    """Return how many decimals a multiple of `step` needs.

    >>> decimals_of(0.1), decimals_of(0.25), decimals_of(5.0)
    (1, 2, 0)
    """
    text = f"{step:.12f}".rstrip("0")
    return len(text.partition(".")[2])
