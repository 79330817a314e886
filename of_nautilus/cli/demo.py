"""`of-nautilus demo`: a synthetic market into a catalog, a backtest over it, a summary."""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

from of_nautilus.cli.progress import progress

CONFIG = Path("configs/demo_backtest.json")
SHIPPED = Path(__file__).parents[1] / "demo" / "run.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--catalog", default="catalog", metavar="DIR", help="where the market goes (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=7, help="another market (%(default)s)")
    parser.add_argument(
        "--sessions", type=int, default=5, help="sessions of six hours (%(default)s)"
    )
    parser.add_argument("--report", metavar="DIR", help="where its page goes (the catalog)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Generate the market, run the demo's config over it, return the figures."""
    import time

    from of_nautilus.backtest import load_run_configs, run_backtest
    from of_nautilus.cli.backtest import bar, with_units
    from of_nautilus.cli.report import report_runs
    from of_nautilus.demo import DemoConfig, generate
    from of_nautilus.demo.catalog import write_catalog
    from of_nautilus.errors import UserError

    began = time.perf_counter()
    try:
        config = DemoConfig(seed=args.seed, sessions=args.sessions)
    except ValueError as error:
        raise UserError(str(error), "demo", todo="give another value") from None
    with progress(desc="market", total=1.0, unit="", quiet=args.quiet) as shown:
        market = generate(config, lambda done: shown.update(done - shown.n))
    write_catalog(market, Path(args.catalog))
    (loaded,) = load_run_configs(_config(args.catalog))
    result = run_backtest(loaded, progress=partial(bar, quiet=args.quiet))
    planted = [p for p in market.planted if not p.near_miss]
    figures = {"catalog": args.catalog, "planted": len(planted), **result.figures}
    figures["seconds"] = round(time.perf_counter() - began, 3)
    shown_at = report_runs([loaded], args.report or args.catalog)
    return {**with_units(figures), "report": ", ".join(shown_at)}


def _config(catalog: str) -> Path:
    """Return the run config, written first if it is not there or names another catalog."""
    runs = json.loads(SHIPPED.read_text())
    if catalog == "catalog" and CONFIG.is_file():
        return CONFIG
    for run_config in runs:
        for data in run_config["data"]:
            data["catalog_path"] = catalog
        for actor in run_config["engine"]["actors"]:
            if "catalog" in actor["config"]:
                actor["config"]["catalog"] = catalog
    path = CONFIG if catalog == "catalog" else Path(catalog) / "demo_backtest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(runs, indent=2) + "\n")
    return path
