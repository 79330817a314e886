"""`of-nautilus report`: one HTML page of what a catalog's journal and market hold."""

import argparse
from pathlib import Path
from typing import Any

EXAMPLES = """\
examples:
  of-nautilus report                                   catalog/ to report.html
  of-nautilus report --catalog DIR --out run.html --export figures
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "--catalog", default="catalog", metavar="DIR", help="what to report on (%(default)s)"
    )
    parser.add_argument("--instrument", metavar="ID", help="where the catalog holds several")
    parser.add_argument(
        "--out", default="report.html", metavar="FILE", help="the page, or its folder (%(default)s)"
    )
    parser.add_argument(
        "--export", metavar="DIR", help="footprint, profile, signals and trades as files too"
    )
    parser.add_argument(
        "--format", choices=("csv", "parquet"), default="csv", help="of the export (%(default)s)"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Write the page; return where it is and how large."""
    import time

    from of_nautilus.report import export, write_report

    began = time.perf_counter()
    path = write_report(args.catalog, args.out, args.instrument)
    figures: dict[str, Any] = {"report": str(path), "size": (path.stat().st_size / 1e6, "MB")}
    if args.export:
        written = export(args.catalog, Path(args.export), args.instrument, form=args.format)
        figures["exported"] = [str(file) for file in written]
    figures["seconds"] = (round(time.perf_counter() - began, 3), "s")
    return figures
