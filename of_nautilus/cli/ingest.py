"""`of-nautilus ingest FORMAT FILE...`: recorded market data into a catalog."""

import argparse
from typing import Any

from of_nautilus.cli.figures import utc
from of_nautilus.cli.progress import progress, reporter

EXAMPLES = """\
example:
  of-nautilus ingest binance-ws day.gz --instrument BTCUSDT-PERP.BINANCE --catalog catalog

All files go in, or nothing does. The instrument is defined by the venue's own metadata file, by its
two increments, by the catalog, or is a known one: the first of these that there is.
"""

# What a format may take beyond files, instrument, catalog and overlap.
OPTIONS: dict[str, dict[str, Any]] = {
    "date": {"metavar": "DAY", "help": "the day (YYYY-MM-DD) that the file's name does not hold"},
    "timezone": {"metavar": "ZONE", "help": "zone of times without one, such as Europe/Athens"},
    "columns": {
        "metavar": "FIELD=NAME",
        "type": lambda text: tuple(text.split("=", 1)),
        "nargs": "+",
        "help": "the file's own names, such as time=ts price=px",
    },
    "kind": {"choices": ("trades", "quotes"), "help": "what a row is"},
    "delimiter": {"metavar": "CHAR", "help": "between the fields of a CSV file"},
    "synthetic": {
        "action": "store_true",
        "default": None,
        "help": "make trades out of changes of the bid",
    },
    "all_conditions": {
        "action": "store_true",
        "default": None,
        "help": "keep every print, whatever its sale conditions",
    },
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    from of_nautilus.ingest.formats import FORMATS

    width = max(map(len, FORMATS))
    lines = [f"  {name:{width}}  {format_.help}\n" for name, format_ in FORMATS.items()]
    parser.epilog = f"formats:\n{''.join(lines)}\n{EXAMPLES}"
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
    for option, how in OPTIONS.items():
        users = [name for name, format_ in FORMATS.items() if option in format_.options]
        parser.add_argument(_flag(option), **{**how, "help": f"{', '.join(users)}: {how['help']}"})


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Ingest the files; return what went in and what was left out."""
    from inspect import signature

    from of_nautilus.errors import UserError
    from of_nautilus.ingest.formats import FORMATS
    from of_nautilus.ingest.instruments import find_instrument

    format_ = FORMATS[args.format]
    ingest = format_.ingest
    options = {name: value for name in OPTIONS if (value := getattr(args, name)) is not None}
    needed = {
        name
        for name, parameter in signature(ingest).parameters.items()
        if name in OPTIONS and parameter.default is parameter.empty
    }
    if unknown := options.keys() - set(format_.options):
        raise UserError(f"{args.format} takes no {_flag(min(unknown))}")
    if missing := needed - options.keys():
        raise UserError(f"{args.format} needs {_flag(min(missing))}")
    if "columns" in options:
        if wrong := [pair[0] for pair in options["columns"] if len(pair) != 2]:
            raise UserError(f"{wrong[0]!r} is no FIELD=NAME", "--columns")
        options["columns"] = dict(options["columns"])
    if (args.price_increment is None) != (args.size_increment is None):
        raise UserError("one increment without the other", todo="give both or none")
    instrument = find_instrument(
        args.instrument,
        metadata=args.metadata,
        price_increment=args.price_increment,
        size_increment=args.size_increment,
        catalog=args.catalog,
    )
    with progress(desc="ingest", total=0, unit="B", quiet=args.quiet) as bar:
        summary = ingest(
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
