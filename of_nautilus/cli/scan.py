"""`of-nautilus scan CONFIG`: the signals of a backtest's actors, without the trading engine."""

import argparse
import sys
from pathlib import Path
from typing import Any

LEGEND = """\
best, worst: median of the largest move with and against the signal, ticks and multiples of the stop
(R, 2 usual bar ranges). target, stop: which barrier came first. net: mean result, ticks, after fees
and half the spread. mean R: before them, beside what random times and random sides give. groups:
signals closer than the horizon count as one. q: p value after the correction for many cells.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("config", help="JSON file with a list of Nautilus backtest run configs")
    parser.add_argument(
        "--signals", metavar="FILE", help="write the signals: .csv or .parquet, by its name"
    )
    parser.add_argument(
        "--report", action="store_true", help="what came after the signals, beside chance"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="of the report's draws (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Scan for every actor of every run; print and write the figures, by instrument."""
    from of_nautilus.backtest import load_run_configs
    from of_nautilus.cli.figures import show, write_json
    from of_nautilus.errors import UserError
    from of_nautilus.files import check_file
    from of_nautilus.scan import scan_run, signal_table

    if args.signals and Path(args.signals).suffix not in (".csv", ".parquet"):
        raise UserError("is neither .csv nor .parquet", f"--signals {args.signals}")
    if args.signals:
        check_file(args.signals, "--signals")
    if args.seed < 0:
        raise UserError(f"must be >= 0, was {args.seed}", "--seed")
    configs = load_run_configs(args.config)
    scans = [found for config in configs for found in scan_run(config, args.config)]
    if args.signals:
        write_table(signal_table(scans), Path(args.signals))
    names = [str(found.market.instrument.id) for found in scans]
    figures = [found.figures() for found in scans]
    show(by_name(names, figures), argparse.Namespace(json=None, quiet=args.quiet))
    if args.report:
        for found, told in zip(scans, figures, strict=True):
            report(found, told, args)
    if args.json is not None:
        write_json(args.json, by_name(names, figures))
    return 0


def report(found: Any, figures: dict[str, Any], args: argparse.Namespace) -> None:
    """Print the report card of a scan, and put it among its figures."""
    from of_nautilus.midprice import read_path
    from of_nautilus.outcomes import report_card

    instrument = found.market.instrument
    path = read_path(found.market, found.sessions)
    # In at market, out at market.
    fees = 2 * float(instrument.taker_fee)
    cells = report_card(found.found, path, fee_rate=fees, seed=args.seed)
    prices = {"trades": "trades, for want of quotes: their bounce between bid and ask is in it"}
    figures["prices"] = prices.get(path.basis, f"mid of the {path.basis}")
    figures["fees"] = fees
    figures["report"] = [cell.to_dict() for cell in cells]
    if not args.quiet:
        sys.stdout.write(card_text(str(instrument.id), figures["prices"], fees, cells))


def card_text(name: str, prices: str, fees: float, cells: list[Any]) -> str:
    """Return a report card as a table."""
    head = (
        f"\n{name}: moves of {prices}; fees {fees:.4%} a round trip\n"
        f"{'pattern':20}{'min':>4}{'n':>6}{'groups':>7}{'best':>8}{'worst':>8}{'best R':>8}"
        f"{'worst R':>8}{'target':>8}{'stop':>7}{'net':>9}{'net R':>8}{'mean R':>8}"
        f"{'95% interval':>17}{'times':>8}{'sides':>8}{'q':>7}  verdict\n"
    )
    lines = [
        f"{c.pattern:20}{c.minutes:>4}{c.signals:>6}{c.clusters:>7}{c.best_ticks:>8.1f}"
        f"{c.worst_ticks:>8.1f}{c.best_r:>8.2f}{c.worst_r:>8.2f}{c.target_first:>8.0%}"
        f"{c.stop_first:>7.0%}{c.net_ticks:>9.1f}{c.net_r:>8.2f}{c.mean_r:>8.3f}"
        f"{_interval(c):>17}{c.random_times:>8.3f}{c.random_sides:>8.3f}{c.q:>7.3f}"
        f"  {c.verdict}\n".replace("nan%", "  - ").replace("nan", "  -")
        for c in cells
    ]
    return head + "".join(lines) + LEGEND


def _interval(cell: Any) -> str:
    return f"{cell.low:.3f} {cell.high:.3f}" if cell.low == cell.low else "-"


def by_name(names: list[str], figures: list[dict[str, Any]]) -> dict[str, Any]:
    """Return figures by their instrument, numbered where one comes again."""
    named: dict[str, Any] = {}
    for at, (name, told) in enumerate(zip(names, figures, strict=True)):
        again = names[:at].count(name)
        named[f"{name} {again + 1}" if again else name] = told
    return named


def write_table(table: Any, path: Path) -> None:
    """Write an Arrow table whole or not at all."""
    import pyarrow.csv as csv
    import pyarrow.parquet as parquet

    from of_nautilus.files import whole_file

    with whole_file(path) as part:
        write = csv.write_csv if path.suffix == ".csv" else parquet.write_table
        write(table, part)
