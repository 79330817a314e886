"""`of-nautilus catalog`: what a catalog holds."""

import argparse
import sys
from typing import Any

from of_nautilus.cli.figures import utc, write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "catalog",
        nargs="?",
        default="catalog",
        metavar="DIR",
        help="a folder or an fsspec address (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Print a line for each instrument and kind of data: rows, files, size, first and last time."""
    from of_nautilus.errors import UserError
    from of_nautilus.ingest.listing import list_catalog

    held: dict[str, dict[str, dict[str, Any]]] = {}
    for entry in list_catalog(args.catalog):
        held.setdefault(entry.instrument_id or "(no instrument)", {})[entry.kind] = {
            "rows": entry.rows,
            "files": entry.files,
            "bytes": entry.bytes,
            "first": utc(entry.first),
            "last": utc(entry.last),
        }
    if not held:
        raise UserError("no data there", args.catalog, todo="ingest some, or run the demo, first")
    if args.json is not None:
        write_json(args.json, held)
    if args.quiet:
        return 0
    width = max(len(kind) for kinds in held.values() for kind in kinds)
    for instrument, kinds in held.items():
        sys.stdout.write(f"{instrument}\n")
        for kind, what in kinds.items():
            sys.stdout.write(
                f"  {kind:{width}}{what['rows']:>12} rows{what['files']:>6} files"
                f"{what['bytes'] / 1e6:>10.2f} MB  {what['first'] or '-'}  {what['last'] or '-'}\n"
            )
    return 0
