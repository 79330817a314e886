"""`of-nautilus check`: is the data of a catalog fit for order flow?"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from of_nautilus.cli.figures import write_json
from of_nautilus.cli.progress import progress, reporter

if TYPE_CHECKING:
    from of_nautilus.ingest.checks import DayReport

EXAMPLES = """\
columns, each only where it can be told:
  unordered  rows whose ts_init is below the one before
  late       rows whose ts_event is below one before
  off grid   prices and sizes that are no multiple of the increment
  gaps       silences over 5 s and over 99.9 in 100 of those before; longest s is the longest
  delay ms   median of ts_init less ts_event; below 0 the recorder's clock is behind
  orders     market orders: prints with one time and side, and ids that follow on
  repeats    trades with the id and the time of another
  size <= 0  trades of nothing
  lost ids   trade ids passed over, where ids are numbers that rise by one
  sided      share of trades that name their aggressor
  tick rule  share of those on the side that the tick rule gives them
  made up    trades that no venue has reported, made out of quotes
  crossed    books or quotes with a bid above the ask; locked: with a bid at the ask
  snapshots  times that the book begins anew
  untrusted  book changes after a sequence break and before the next snapshot

Below come, by day and ingest, the records of its files that are not in the catalog or are odd and
kept, as ingest counted them; nothing where another program wrote the catalog.

Exit codes: 0 fit, 1 unfit (the reasons go to standard error), 2 nothing to check.
"""

# Title of a column, and the report's field.
_COLUMNS = {
    "rows": "rows",
    "unordered": "out_of_order",
    "late": "event_time_backwards",
    "off grid": "off_grid",
    "gaps": "gaps",
    "longest s": "longest_gaps",
    "delay ms": "delay_ms",
    "orders": "orders",
    "repeats": "duplicates",
    "size <= 0": "not_positive",
    "lost ids": "missing_ids",
    "sided": "aggressor_share",
    "tick rule": "tick_rule_share",
    "made up": "synthetic",
    "crossed": "crossed",
    "locked": "locked",
    "snapshots": "snapshots",
    "untrusted": "untrusted",
}
_NOTES = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "catalog",
        nargs="?",
        default="catalog",
        metavar="CATALOG",
        help="a folder or an fsspec address (default: %(default)s)",
    )
    parser.add_argument("--instrument", metavar="ID", help="this one alone (default: all)")
    parser.add_argument(
        "--start",
        metavar="TIME",
        type=_start,
        help="from this day or UTC time on, such as 2024-08-08",
    )
    parser.add_argument(
        "--end", metavar="TIME", type=_end, help="to the end of this day, or to this UTC time"
    )


def run(args: argparse.Namespace) -> int:
    """Print the quality report by instrument, kind and day; return 1 where the data is unfit."""
    from of_nautilus.ingest.provenance import entry_text
    from of_nautilus.ingest.quality import check_catalog

    with progress(desc="check", total=0, unit="B", quiet=args.quiet) as bar:
        report = check_catalog(
            args.catalog, args.instrument, args.start, args.end, progress=reporter(bar)
        )
    if args.json is not None:
        write_json(args.json, report.to_dict())
    if not args.quiet:
        days = sorted(report.days, key=lambda day: (day.instrument_id, day.kind))
        for (instrument, kind), group in groupby(days, lambda day: (day.instrument_id, day.kind)):
            sided = report.aggressor.get(instrument) if kind == "trade_tick" else None
            aggressor = f", aggressor {sided}" if sided else ""
            sys.stdout.write(f"{instrument} {kind}{aggressor}\n{table(list(group))}\n")
        for instrument, entries in groupby(report.ingested, itemgetter("instrument_id")):
            lines = [f"  {e['day']}  {e['format']}  {entry_text(e)}\n" for e in entries]
            sys.stdout.write(f"{instrument} as ingested\n{''.join(lines)}\n")
        for note in report.notes[:_NOTES]:
            sys.stdout.write(f"note: {note}\n")
        if len(report.notes) > _NOTES:
            sys.stdout.write(f"note: {len(report.notes) - _NOTES} more notes, all in --json\n")
        if not report.unfit:
            sys.stdout.write("fit\n")
        sys.stdout.flush()
    for reason in report.unfit:
        sys.stderr.write(f"unfit: {reason}\n")
    return report.exit_code


def table(days: Sequence["DayReport"]) -> str:
    """Return the days of one kind as lines: a title, then one a day, indented by two."""
    columns = {
        title: [_cell(day, name) for day in days]
        for title, name in _COLUMNS.items()
        if any(getattr(day, name) is not None for day in days)
    }
    widths = [max(len(title), *map(len, cells)) for title, cells in columns.items()]
    rows = [
        ("day", tuple(columns)),
        *zip([d.day for d in days], zip(*columns.values(), strict=True), strict=True),
    ]
    return "".join(
        f"  {day:10}  {'  '.join(f'{c:>{w}}' for c, w in zip(cells, widths, strict=True))}\n"
        for day, cells in rows
    )


def _cell(day: "DayReport", name: str) -> str:
    value = getattr(day, name)
    if value is None:
        return "-"
    if name == "longest_gaps":
        return f"{max(seconds for _, seconds in value):.1f}" if value else "-"
    if name.endswith("_share"):
        return f"{value:.1%}"
    return f"{value:.1f}" if name == "delay_ms" else str(value)


def _start(text: str) -> int:
    return _moment(text)[0]


def _end(text: str) -> int:
    return _moment(text)[1]


def _moment(text: str) -> tuple[int, int]:
    """First and last ns (UTC where no zone is given) of a day or of a time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time, write 2024-08-08 or 2024-08-08T23:55"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    first = (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1) * 1_000
    day = 86_400 * 10**9
    return first, first + (day if len(text) <= len("2024-08-08") else 1_000) - 1
