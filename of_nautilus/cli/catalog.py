"""`of-nautilus catalog`: what a catalog holds."""

import argparse
import sys

from of_nautilus.cli.figures import utc, write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "catalog", nargs="?", default="catalog", metavar="DIR", help="default: %(default)s"
    )


def run(args: argparse.Namespace) -> int:
    """Print one line for each instrument and kind of data: rows, files, first and last time."""
    from of_nautilus.errors import UserError
    from of_nautilus.ingest.columns import file_range
    from of_nautilus.ingest.store import open_store

    store = open_store(args.catalog)
    held: dict[str, dict[str, dict[str, int | str | None]]] = {}
    for kind in store.names("data"):
        for instrument in store.names(f"data/{kind}"):
            folder = f"data/{kind}/{instrument}"
            names = [name for name in store.names(folder) if name.endswith(".parquet")]
            if not names:
                continue
            ranges = [file_range(name) for name in names]
            rows = 0
            for name in names:
                with store.open_parquet(f"{folder}/{name}") as file:
                    rows += file.metadata.num_rows
            held.setdefault(instrument, {})[kind] = {
                "rows": rows,
                "files": len(names),
                "first": utc(min(start for start, _ in ranges)),
                "last": utc(max(end for _, end in ranges)),
            }
    if not held:
        raise UserError("no data there", args.catalog, todo="ingest some, or run the demo, first")
    if args.json is not None:
        write_json(args.json, held)
    if args.quiet:
        return 0
    for instrument, kinds in held.items():
        sys.stdout.write(f"{instrument}\n")
        for kind, what in kinds.items():
            sys.stdout.write(
                f"  {kind:24}{what['rows']:>12} rows{what['files']:>6} files  "
                f"{what['first'] or '-'}  {what['last'] or '-'}\n"
            )
    return 0
