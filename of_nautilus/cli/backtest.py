"""`of-nautilus backtest CONFIG`: what the host's own command runs, with a summary."""

import argparse
from functools import partial
from typing import Any

from of_nautilus.cli.progress import progress
from of_nautilus.cli.report import report_runs, reported


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("config", help="JSON file with a list of Nautilus backtest run configs")
    parser.add_argument("--report", metavar="DIR", help="write a page of what the journal kept")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Run every config of the file; return the figures, by run where there are several."""
    from of_nautilus.backtest import load_run_configs, run_backtest

    shown = partial(bar, quiet=args.quiet)
    configs = load_run_configs(args.config)
    if args.report:
        from of_nautilus.files import check_folder

        # Said before the run, not after it.
        reported(configs, args.config)
        check_folder(args.report, f"--report {args.report}")
    results = [run_backtest(one, progress=shown, where=args.config).figures for one in configs]
    if len(results) == 1:
        figures = with_units(results[0])
    else:
        figures = {f"run {i}": with_units(result) for i, result in enumerate(results, 1)}
    if args.report:
        figures["report"] = report_runs(configs, args.report, args.config)
    return figures


def bar(events: int, *, quiet: bool) -> Any:
    """Return a progress bar for a backtest."""
    return progress(desc="backtest", total=events, unit="ev", quiet=quiet)


def with_units(figures: dict[str, Any]) -> dict[str, Any]:
    """Return figures with the units that the printed summary shows."""
    units = {"seconds": "s", "fees": "paid", "net_pnl": "after fees"}
    shown = {
        name: (value, units[name]) if name in units and not isinstance(value, dict) else value
        for name, value in figures.items()
    }
    for name in ("net_pnl", "fees"):
        if isinstance(figures.get(name), dict):
            shown[name] = {code: (value, code) for code, value in figures[name].items()}
    return shown
