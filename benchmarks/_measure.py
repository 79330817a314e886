"""One benchmark's figures, and a figure as a line beside its bar."""

import operator
from collections.abc import Mapping
from importlib import import_module

RELATIONS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}

Bars = dict[str, tuple[str, float]]


def measure(name: str) -> tuple[dict[str, float], Bars]:
    """Run one benchmark; return its figures and their bars."""
    module = import_module(f"benchmarks.{name}")
    return module.run(), getattr(module, "BARS", {})


def line(name: str, value: float, bars: Mapping[str, tuple[str, float]]) -> tuple[str, bool]:
    """Return a figure beside its bar as text, and whether it keeps it."""
    text = f"  {name:36} {_number(value):>16}"
    if name not in bars:
        return text, True
    relation, bar = bars[name]
    kept = RELATIONS[relation](value, bar)
    return f"{text}  {relation} {_number(bar)}  {'kept' if kept else 'MISSED'}", kept


def _number(value: float) -> str:
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
