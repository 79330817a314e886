"""`of-nautilus demo`: a synthetic market into a catalog, a backtest over it, a summary."""

import argparse
import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from of_nautilus.cli.progress import progress

CONFIG = Path("configs/demo_backtest.json")
SHIPPED = Path(__file__).parents[1] / "demo" / "run.json"
FEE = 0.00002


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--catalog", default="catalog", metavar="DIR", help="where the market goes (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=7, help="another market (%(default)s)")
    parser.add_argument(
        "--sessions", type=int, default=5, help="sessions of six hours (%(default)s)"
    )
    parser.add_argument(
        "--minutes", type=int, default=1, help="length of the bars that are read (%(default)s)"
    )
    parser.add_argument(
        "--fee", type=float, default=FEE, help="share of the price, a side (%(default)s)"
    )
    parser.add_argument("--report", metavar="DIR", help="where its page goes (the catalog)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Generate the market, run the demo's config over it, return the figures."""
    import time

    from of_nautilus.backtest import load_run_configs, run_backtest
    from of_nautilus.cli.backtest import bar, with_units
    from of_nautilus.cli.report import report_runs
    from of_nautilus.data import EntryDecision
    from of_nautilus.demo import DemoConfig, generate
    from of_nautilus.demo.catalog import write_catalog
    from of_nautilus.errors import UserError
    from of_nautilus.files import check_folder, folder_only
    from of_nautilus.journal import read_journal

    began = time.perf_counter()
    if args.minutes < 1 or 1440 % args.minutes:
        raise UserError(f"must divide a day, was {args.minutes}", "--minutes")
    if not 0 <= args.fee < 0.1:
        raise UserError(f"must be in [0, 0.1), was {args.fee}", "--fee")
    folder_only(args.catalog, "--catalog")
    check_folder(args.catalog, f"--catalog {args.catalog}")
    if args.report:
        check_folder(args.report, f"--report {args.report}")
    try:
        config = DemoConfig(seed=args.seed, sessions=args.sessions)
    except ValueError as error:
        raise UserError(str(error), "demo", todo="give another value") from None
    with progress(desc="market", total=1.0, unit="", quiet=args.quiet) as shown:
        market = generate(config, lambda done: shown.update(done - shown.n))
    write_catalog(market, Path(args.catalog), fee=f"{args.fee:.6f}")
    (loaded,) = load_run_configs(_config(args.catalog, args.minutes))
    result = run_backtest(loaded, progress=partial(bar, quiet=args.quiet))
    planted = [p for p in market.planted if not p.near_miss]
    figures = {"catalog": args.catalog, "planted": len(planted), **result.figures}
    figures["entry_signals"] = dict(Counter(read_journal(args.catalog, EntryDecision)["decision"]))
    figures["seconds"] = round(time.perf_counter() - began, 3)
    shown_at = report_runs([loaded], args.report or args.catalog, CONFIG)
    return {**with_units(figures), "report": ", ".join(shown_at)}


def _config(catalog: str, minutes: int) -> Path:
    """Return the run config, written first if it is not there or says other things.

    The planted sizes and the scripted day's limits are made for bars of a minute: longer ones take
    their sizes from the market, and the default limits.
    """
    runs = json.loads(SHIPPED.read_text())
    if catalog == "catalog" and minutes == 1 and CONFIG.is_file():
        return CONFIG
    for run_config in runs:
        for data in run_config["data"]:
            data["catalog_path"] = catalog
        for actor in run_config["engine"]["actors"]:
            if "catalog" in actor["config"]:
                actor["config"]["catalog"] = catalog
            if "flow" in actor["config"] and minutes != 1:
                session = actor["config"]["flow"]["session"]
                actor["config"]["flow"] = {"session": session, "bar_size": 60.0 * minutes}
        if minutes != 1:
            for strategy in run_config["engine"]["strategies"]:
                del strategy["config"]["trade"]["gate"]
    plain = catalog == "catalog" and minutes == 1
    path = CONFIG if plain else Path(catalog) / "demo_backtest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(runs, indent=2) + "\n")
    return path
