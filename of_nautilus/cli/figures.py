"""A command's figures: printed as aligned lines, written as one JSON object."""

import argparse
import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from of_nautilus.files import check_file, whole_file


def add_figure_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that every command with figures takes: `--json` and `--quiet`."""
    parser.add_argument(
        "--json", metavar="FILE", type=_json_path, help="write the figures to FILE as one object"
    )
    parser.add_argument(
        "--quiet", action="store_true", help="print no figures and no progress, only errors"
    )


def _json_path(text: str) -> Path:
    # Said before the work, not after it.
    return check_file(text, "--json")


def show(figures: Mapping[str, Any], args: argparse.Namespace) -> None:
    """Print `figures` to standard output, and write them where `--json` says.

    Parameters
    ----------
    figures : mapping
        Name to value; to a pair of value and unit; or to a mapping of these, which is indented.
    args : argparse.Namespace
        Has `json`, a path or None, and `quiet`, which prints nothing.

    """
    if args.json is not None:
        write_json(args.json, figures)
    if args.quiet:
        return
    rows = list(_rows(figures))
    names = max((len(name) for name, _, _ in rows), default=0)
    values = max((len(value) for _, value, _ in rows if len(value) < 24), default=0)
    for name, value, unit in rows:
        sys.stdout.write(f"{name:{names}}  {value:>{values}}  {unit}".rstrip() + "\n")


def write_json(path: Path, figures: Mapping[str, Any]) -> None:
    """Write `figures` to `path` as one JSON object, whole or not at all.

    Of a value with a unit the value is written; NaN and infinity, which JSON lacks, as null.
    """
    text = json.dumps(_plain(figures), indent=2, allow_nan=False) + "\n"
    with whole_file(path) as part:
        part.write_text(text)


def utc(ns: int) -> str | None:
    """Return a time in nanoseconds since 1970 as ISO text; None where there is none (0)."""
    import numpy as np

    return f"{np.datetime64(ns, 'ns')}Z" if ns else None


def _rows(figures: Mapping[str, Any], indent: str = "") -> Iterator[tuple[str, str, str]]:
    for name, figure in figures.items():
        if isinstance(figure, Mapping):
            yield indent + name, "", ""
            yield from _rows(figure, indent + "  ")
        else:
            value, unit = figure if isinstance(figure, tuple) else (figure, "")
            yield indent + name, _text(value), unit


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value)
    if value and not 1e-3 <= abs(value) < 1e15:
        return f"{value:.6g}"
    text = f"{value:.4f}"
    return text.rstrip("0").rstrip(".")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(figure) for name, figure in value.items()}
    if isinstance(value, tuple):
        return _plain(value[0])
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    # NumPy's scalars are numbers to every reader but json.
    return value.item() if hasattr(value, "item") else value
