"""`of-nautilus replay`: a recorded market, or the demo's, as it went, on a dashboard."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from of_nautilus.cli.figures import utc
from of_nautilus.errors import UserError
from of_nautilus.files import folder_only

FIGURES = False
DAYS = 3
EXAMPLES = """\
examples:
  of-nautilus replay                        the demo market, with its trades; no set-up
  of-nautilus replay catalog --speed 50     what a catalog holds, with its journal
  of-nautilus replay catalog --start 2026-01-05 --end 2026-01-07 --at 2026-01-06T14:30
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = EXAMPLES
    parser.add_argument("catalog", nargs="?", metavar="CATALOG", help="absent: the demo market")
    parser.add_argument(
        "--instrument", action="append", metavar="ID", help="of those in the catalog only this"
    )
    parser.add_argument("--start", metavar="TIME", help="data from here on (the last three days)")
    parser.add_argument("--end", metavar="TIME", help="data up to here (the newest)")
    parser.add_argument("--at", metavar="TIME", help="where to begin (the last session)")
    parser.add_argument(
        "--speed", type=float, default=10, metavar="TIMES", help="1 to 200 (%(default)s)"
    )
    add_address(parser)


def add_address(parser: argparse.ArgumentParser) -> None:
    """Declare where a dashboard serves."""
    parser.add_argument("--host", default="127.0.0.1", help="address to serve on (%(default)s)")
    parser.add_argument(
        "--port", type=int, default=8080, help="port to serve on, 0 for a free one (%(default)s)"
    )
    parser.add_argument(
        "--name", action="append", default=[], help="a host name that browsers use for it"
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing")


def needs_extra() -> None:
    """Raise if the optional packages are not installed."""
    from importlib.util import find_spec

    missing = [
        name for name in ("fastapi", "uvicorn", "websockets", "litecharts") if not find_spec(name)
    ]
    if missing:
        raise UserError(
            f"not installed: {', '.join(missing)}",
            "dashboard",
            todo="install the extra: pip install 'of-nautilus[dashboard]'",
        )


def run(args: argparse.Namespace) -> int:
    """Serve until it is stopped."""
    needs_extra()
    if not 1 <= args.speed <= 200:
        raise UserError(f"must be 1 to 200, was {args.speed:g}", "--speed")
    from of_nautilus.dashboard.server import serve

    if args.catalog is None:
        import tempfile

        with tempfile.TemporaryDirectory(prefix="of-nautilus-") as folder:
            _make_demo(folder, quiet=args.quiet)
            source = _source(Path(folder), args, "demo")
            serve(source, args.host, args.port, tuple(args.name), quiet=args.quiet)
    else:
        source = _source(Path(args.catalog), args, "replay")
        serve(source, args.host, args.port, tuple(args.name), quiet=args.quiet)
    return 0


def _source(catalog: Path, args: argparse.Namespace, kind: str) -> Any:
    from of_nautilus.dashboard.recorded import RecordedMarket, catalog_markets
    from of_nautilus.dashboard.replay import ReplaySource

    folder_only(args.catalog or catalog)
    if not (catalog / "data").is_dir():
        raise UserError("no catalog there", str(catalog), todo="run the demo or ingest data first")
    start, end = _time(args.start, "--start"), _time(args.end, "--end")
    markets = catalog_markets(catalog, start, end)
    if args.instrument:
        known = {str(market.instrument.id) for market in markets}
        for name in args.instrument:
            if name not in known:
                raise UserError(
                    f"has no trades of {name}", str(catalog), todo=f"name one of {sorted(known)}"
                )
        markets = [m for m in markets if str(m.instrument.id) in args.instrument]
    if start is None:
        start = _days_before(markets, end)
        markets = [replace(market, start=start) for market in markets]
    recorded = [RecordedMarket(market) for market in markets]
    silent = [one.symbol for one in recorded if not len(one.trades)]
    recorded = [one for one in recorded if len(one.trades)]
    if not recorded:
        raise UserError("no trades there in that time", str(catalog), todo="ingest some first")
    if silent and not args.quiet:
        sys.stderr.write(
            f"left out: {', '.join(silent)}, without trades in that time; name an earlier --start,"
            " or --instrument\n"
        )
    name = "demo market" if kind == "demo" else catalog.resolve().name
    at, last = _time(args.at, "--at"), max(one.end for one in recorded)
    if at is not None and at > last:
        raise UserError(
            f"the data end at {utc(last)}", f"--at {args.at}", todo="name an earlier time"
        )
    return ReplaySource(recorded, name, kind, at, args.speed)


def _days_before(markets: Sequence[Any], end: int | None) -> int | None:
    """Return when the last `DAYS` days of markets' trades begin: what is played is in memory."""
    from of_nautilus.core.sessions import DAY
    from of_nautilus.ingest.columns import TradeColumns, data_files
    from of_nautilus.ingest.store import open_store

    if end is None:
        ends = [
            last
            for market in markets
            for _, _, last in data_files(
                open_store(market.catalog), TradeColumns, str(market.instrument.id)
            )
        ]
        end = max(ends, default=None)
    return None if end is None else end - DAYS * DAY


def _make_demo(folder: str, *, quiet: bool) -> None:
    """Make the demo's market and what the demo's strategy did in it."""
    from of_nautilus.cli import demo

    words = argparse.ArgumentParser()
    demo.add_arguments(words)
    args = words.parse_args(["--catalog", folder])
    args.quiet = quiet
    demo.run(args)


def _time(text: str | None, option: str) -> int | None:
    import pandas as pd

    if text is None:
        return None
    try:
        moment = pd.Timestamp(text)
    except ValueError:
        raise UserError(f"{text!r} is no time", option, todo="write 2026-01-05T14:30") from None
    return int((moment.tz_localize("UTC") if moment.tzinfo is None else moment).value)
