"""`of-nautilus download VENUE SYMBOL`: files of a venue's public archive, one a day."""

import argparse
import re
from collections.abc import Callable
from datetime import date
from typing import Any

from of_nautilus.cli.progress import progress

EXAMPLES = """\
example:
  of-nautilus download binance BTCUSDT --from 2024-08-08 --to 2024-08-10 --kind aggTrades

binance and bybit are their linear futures. A file appears under its name once it is whole and
checked; what an interrupt or a failure leaves is a .part file, which the same command continues.
Days that are there already are not fetched again.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    from of_nautilus.ingest.download import ARCHIVES

    venues: dict[str, list[str]] = {}
    for venue, kind in ARCHIVES:
        venues.setdefault(venue, []).append(kind)
    width = max(map(len, venues))
    lines = [f"  {venue:{width}}  {', '.join(kinds)}\n" for venue, kinds in venues.items()]
    parser.epilog = f"venues and kinds:\n{''.join(lines)}\n{EXAMPLES}"
    parser.add_argument("venue", choices=venues, metavar="VENUE", help="one of those below")
    parser.add_argument(
        "symbol", metavar="SYMBOL", type=_symbol, help="the venue's own, such as BTCUSDT"
    )
    parser.add_argument(
        "--from", required=True, dest="first", metavar="DATE", type=_day, help="first day (UTC)"
    )
    parser.add_argument(
        "--to", dest="last", metavar="DATE", type=_day, help="last day (default: the first)"
    )
    parser.add_argument(
        "--kind", metavar="KIND", help="one of those below (default: the venue's first)"
    )
    parser.add_argument(
        "--folder", default="downloads", metavar="DIR", help="where to (default: %(default)s)"
    )
    parser.add_argument(
        "--base-url", metavar="URL", type=_address, help="another server with the same paths"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Fetch the files; return what is there now."""
    from of_nautilus.ingest.download import ARCHIVES, download

    kind = args.kind or next(kind for venue, kind in ARCHIVES if venue == args.venue)
    with progress(desc="download", unit="B", quiet=args.quiet) as bar:
        summary = download(
            args.venue,
            args.symbol,
            args.first,
            args.last or args.first,
            kind,
            args.folder,
            args.base_url,
            progress=_reporter(bar),
        )
    figures = summary.to_dict() | {
        "files": len(summary.files),
        "missing": ", ".join(summary.missing) or None,
        "bytes": (summary.bytes, "B"),
        "seconds": (round(summary.seconds, 3), "s"),
    }
    return {"folder": args.folder, "kind": kind} | figures


def _reporter(bar: Any) -> Callable[[int, int, int], None]:
    """Return what shows files and bytes: the length of a file is known only once it begins."""

    def report(finished: int, wanted: int, size: int) -> None:
        bar.set_description_str(f"{finished} of {wanted} files", refresh=False)
        bar.update(size - bar.n)

    return report


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day, write 2024-08-08") from None


def _symbol(text: str) -> str:
    if not re.fullmatch(r"[\w-]+", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is no symbol, write it like BTCUSDT")
    return text


def _address(text: str) -> str:
    if not re.match(r"https?://[^/\s]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no address, write http://host:port")
    return text
