"""`of-nautilus study ofi`: published regressions of price on order flow, over a catalog."""

import argparse
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("study", choices=["ofi"], help="which study")
    parser.add_argument(
        "instrument", nargs="+", metavar="INSTRUMENT", help="such as BTCUSDT-PERP.BINANCE"
    )
    parser.add_argument(
        "--catalog", default="catalog", metavar="DIR", help="where the data are (%(default)s)"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Return the table by instrument, beside what was published."""
    from of_nautilus.cli.progress import progress
    from of_nautilus.errors import UserError
    from of_nautilus.model.dataset import read_events, scale_of
    from of_nautilus.model.study import PUBLISHED, bars_of, study

    figures: dict[str, Any] = {}
    for name in progress(args.instrument, "study", quiet=args.quiet):
        scale = scale_of(args.catalog, name)
        try:
            bars = bars_of(read_events(args.catalog, name, scale))
        except ValueError as error:
            raise UserError(str(error), name, todo="ingest a longer recording") from None
        told: dict[str, Any] = {"bars of 10 s": len(bars.move)}
        for row in study(bars):
            same, after = PUBLISHED[row.regressor]
            told["half hours"] = row.windows
            for when, interval, published in (
                ("same bar", row.same, same),
                ("next bar", row.next, after),
            ):
                told[f"{row.regressor}, {when}"] = {
                    "R2": interval.value,
                    "low": interval.low,
                    "high": interval.high,
                    "published": published,
                }
            if row.shifted is not None and row.carried is not None:
                told[f"{row.regressor}, next bar"]["flow of another time"] = {
                    "R2": row.shifted.value,
                    "low": row.shifted.low,
                    "high": row.shifted.high,
                }
                told[f"{row.regressor}, fitted before, tried after"] = {
                    "same bar": row.carried[0],
                    "next bar": row.carried[1],
                }
        figures[name] = told
    return figures
