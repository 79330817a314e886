"""`of-nautilus ingest FORMAT FILE...`: recorded market data into a catalog."""

import argparse
from typing import Any

from of_nautilus.cli.figures import utc
from of_nautilus.cli.progress import progress, reporter

EXAMPLES = """\
example:
  of-nautilus ingest binance-ws day.gz --instrument BTCUSDT-PERP.BINANCE --catalog catalog

All files go in, or nothing does. The instrument is a known one, or is defined by the venue's own
metadata file, or by its two increments.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    from of_nautilus.ingest.formats import FORMATS

    parser.epilog = (
        "formats:\n"
        + "".join(f"  {name:16}  {format_.help}\n" for name, format_ in FORMATS.items())
        + "\n"
        + EXAMPLES
    )
    parser.add_argument("format", choices=FORMATS, metavar="FORMAT", help="one of those below")
    parser.add_argument("files", nargs="+", metavar="FILE", help="in the order of their recording")
    parser.add_argument("--instrument", required=True, metavar="ID", help="such as SYMBOL.VENUE")
    parser.add_argument(
        "--catalog", default="catalog", metavar="DIR", help="where to write (default: %(default)s)"
    )
    parser.add_argument(
        "--overlap",
        default="refuse",
        choices=("refuse", "replace", "append"),
        help="what to do where the catalog already holds that time (default: %(default)s)",
    )
    parser.add_argument("--metadata", metavar="FILE", help="the venue's list of instruments, JSON")
    parser.add_argument("--price-increment", metavar="N", help="the tick, such as 0.01")
    parser.add_argument("--size-increment", metavar="N", help="the lot, such as 0.001")
    for option in sorted({option for format_ in FORMATS.values() for option in format_.options}):
        users = [name for name, format_ in FORMATS.items() if option in format_.options]
        parser.add_argument(_flag(option), metavar="VALUE", help=f"for {', '.join(users)}")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Ingest the files; return what went in and what was left out."""
    from of_nautilus.errors import UserError
    from of_nautilus.ingest.formats import FORMATS
    from of_nautilus.ingest.instruments import find_instrument

    format_ = FORMATS[args.format]
    options = {}
    for option in {option for other in FORMATS.values() for option in other.options}:
        value = getattr(args, option)
        if value is None:
            continue
        if option not in format_.options:
            raise UserError(f"{args.format} takes no {_flag(option)}")
        options[option] = value
    instrument = find_instrument(
        args.instrument,
        metadata=args.metadata,
        price_increment=args.price_increment,
        size_increment=args.size_increment,
    )
    with progress(desc="ingest", total=0, unit="B", quiet=args.quiet) as bar:
        summary = format_.ingest(
            args.files,
            instrument,
            args.catalog,
            overlap=args.overlap,
            progress=reporter(bar),
            **options,
        )
    figures: dict[str, Any] = summary.to_dict()
    for name in ("first", "last"):
        figures[name] = utc(figures[name])
    figures["seconds"] = (figures["seconds"], "s")
    return {name: figure for name, figure in figures.items() if figure != {}}


def _flag(option: str) -> str:
    return "--" + option.replace("_", "-")
