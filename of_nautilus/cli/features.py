"""`of-nautilus features CONFIG`: the model's features of every day of a catalog, as Parquet."""

import argparse
from typing import Any

from of_nautilus.cli.model_config import add_config
from of_nautilus.cli.progress import progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_config(parser)
    parser.add_argument(
        "--processes", type=int, default=2, metavar="N", help="days at once (%(default)s)"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Write the features; return how many there are."""
    import time

    from of_nautilus.errors import UserError
    from of_nautilus.model.config import load_config
    from of_nautilus.model.dataset import plan_runs, write_features
    from of_nautilus.model.features import FEATURES_HASH

    if args.processes < 1:
        raise UserError("must be >= 1", f"--processes {args.processes}")
    config = load_config(args.config)
    began = time.perf_counter()
    days = sum(len(r.days) for r in plan_runs(config.catalog, config.instrument_id, 0))
    rows = 0
    with progress(desc="features", total=days, unit="day", quiet=args.quiet) as shown:
        for _, vectors in write_features(config, args.processes):
            rows += vectors
            shown.update(1)
    return {
        "folder": config.folder,
        "days": days,
        "vectors": rows,
        "features_sha256": FEATURES_HASH,
        "seconds": (round(time.perf_counter() - began, 3), "s"),
    }
