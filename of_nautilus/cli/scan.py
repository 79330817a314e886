"""`of-nautilus scan CONFIG`: the signals of a backtest's actors, without the trading engine."""

import argparse
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("config", help="JSON file with a list of Nautilus backtest run configs")
    parser.add_argument(
        "--signals", metavar="FILE", help="write the signals: .csv or .parquet, by its name"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Scan for every actor of every run; return the figures, by instrument."""
    from of_nautilus.backtest import load_run_configs
    from of_nautilus.errors import UserError
    from of_nautilus.scan import scan_run, signal_table

    if args.signals and Path(args.signals).suffix not in (".csv", ".parquet"):
        raise UserError("is neither .csv nor .parquet", f"--signals {args.signals}")
    scans = [found for config in load_run_configs(args.config) for found in scan_run(config)]
    if args.signals:
        write_table(signal_table(scans), Path(args.signals))
    return by_name([(str(s.market.instrument.id), s.figures()) for s in scans])


def by_name(figures: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Return figures by their instrument, numbered where one comes twice."""
    named: dict[str, Any] = {}
    for instrument_id, what in figures:
        again = sum(name.split(" ")[0] == instrument_id for name in named)
        named[f"{instrument_id} {again + 1}" if again else instrument_id] = what
    return named


def write_table(table: Any, path: Path) -> None:
    """Write an Arrow table whole or not at all."""
    import pyarrow.csv as csv
    import pyarrow.parquet as parquet

    part = path.with_name(f".{path.name}.tmp")
    try:
        write = csv.write_csv if path.suffix == ".csv" else parquet.write_table
        write(table, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
