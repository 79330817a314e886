"""`of-nautilus status`: where each instrument of a catalog stands, those to look at first."""

import argparse
import sys
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--catalog", default="catalog", metavar="DIR", help="default: %(default)s")
    parser.add_argument(
        "--at",
        metavar="TIME",
        help="how late it is, ISO 8601 in UTC, for OFFLINE alone: all else is as of the last data",
    )
    parser.add_argument(
        "--stale-minutes",
        type=float,
        default=5.0,
        metavar="N",
        help="silence that is OFFLINE (default: %(default)g)",
    )


def run(args: argparse.Namespace) -> int:
    """Print a line for each instrument, and the six steps."""
    from of_nautilus.cli.figures import utc, write_json
    from of_nautilus.core.sessions import MINUTE
    from of_nautilus.decision.status import STEPS
    from of_nautilus.errors import UserError
    from of_nautilus.files import folder_only
    from of_nautilus.scanner import standings

    if not args.stale_minutes > 0:
        raise UserError(f"must be > 0, was {args.stale_minutes}", "--stale-minutes")
    folder_only(args.catalog, "--catalog")
    at = None if args.at is None else _nanos(args.at)
    found = standings(args.catalog, at, round(args.stale_minutes * MINUTE))
    if args.json is not None:
        plain: list[dict[str, Any]] = [standing.to_dict() for standing in found]
        told = {row["instrument_id"]: row | {"last": utc(row["last_ts"])} for row in plain}
        write_json(args.json, told)
    if args.quiet:
        return 0
    width = max(len(standing.row.symbol) for standing in found)
    sys.stdout.write(
        f"{'instrument':{width}}  {'status':18}{'priority':>8}  {'steps':6}{'levels':>8}"
        f"{'last':>12}{'nearest':>12}\n"
    )
    for standing in found:
        row = standing.row
        steps = "".join(str(i) if done else "." for i, done in enumerate(row.steps, 1))
        sys.stdout.write(
            f"{row.symbol:{width}}  {row.status:18}{row.priority:>8}  {steps:6}"
            f"{standing.levels:>8}{_ticks(standing.last_price):>12}"
            f"{_ticks(standing.nearest_level):>12}\n"
        )
    steps = ", ".join(f"{i} {name}" for i, name in enumerate(STEPS, 1))
    sys.stdout.write(f"steps: {steps}; prices in ticks\n")
    return 0


def _ticks(price: int | None) -> str:
    return "-" if price is None else str(price)


def _nanos(text: str) -> int:
    import numpy as np

    from of_nautilus.errors import UserError

    try:
        return int(np.datetime64(text.removesuffix("Z"), "ns").astype(np.int64))
    except ValueError:
        raise UserError(
            "is no ISO 8601 time", f"--at {text}", todo="write 2024-01-08T09:30"
        ) from None
