"""`of-nautilus report`: one HTML page of what a catalog's journal and market hold."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

EXAMPLES = """\
examples:
  of-nautilus report                                   catalog/ to report.html
  of-nautilus report --catalog DIR --out run.html --export figures
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "--catalog", default="catalog", metavar="DIR", help="what to report on (%(default)s)"
    )
    parser.add_argument("--instrument", metavar="ID", help="where the catalog holds several")
    parser.add_argument(
        "--out", default="report.html", metavar="FILE", help="the page, or its folder (%(default)s)"
    )
    parser.add_argument(
        "--balance",
        action="append",
        default=[],
        metavar="MONEY",
        help='what the account began with, such as "100_000 USDT": charts of returns too',
    )
    parser.add_argument(
        "--export", metavar="DIR", help="footprint, profile, signals and trades as files too"
    )
    parser.add_argument(
        "--format", choices=("csv", "parquet"), default="csv", help="of the export (%(default)s)"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Write the page; return where it is and how large."""
    import time

    from of_nautilus.files import check_folder, folder_only
    from of_nautilus.report import export, write_report

    began = time.perf_counter()
    folder_only(args.catalog, "--catalog")
    page = Path(args.out).suffix.lower() in (".html", ".htm")
    check_folder(Path(args.out).parent if page else args.out, f"--out {args.out}")
    if args.export:
        check_folder(args.export, f"--export {args.export}")
    for text in args.balance:
        _check_money(text, args.catalog)
    path = write_report(args.catalog, args.out, args.instrument, balances=args.balance)
    figures: dict[str, Any] = {"report": str(path), "size": (path.stat().st_size / 1e6, "MB")}
    if args.export:
        written = export(args.catalog, Path(args.export), args.instrument, form=args.format)
        figures["exported"] = [str(file) for file in written]
    figures["seconds"] = (round(time.perf_counter() - began, 3), "s")
    return figures


def report_runs(
    configs: Iterable[Any], folder: str | Path, where: object = "run config"
) -> list[str]:
    """Write a page for each instrument that a journal of these run configs kept; return them."""
    from of_nautilus.report import write_report

    return [
        str(write_report(catalog, Path(folder) / f"{stem}.html", name, balances=balances))
        for k, (catalog, name, balances) in enumerate(reported(configs, where))
        for stem in ["report" if not k else f"report_{k + 1}"]
    ]


def reported(configs: Iterable[Any], where: object) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return what the journals of run configs keep: catalog, instrument, first balances."""
    from of_nautilus.errors import UserError

    kept = [
        (actor.config.get("catalog", "catalog"), name, _balances(config, name))
        for config in configs
        for actor in (config.engine.actors if config.engine else ())
        if actor.actor_path == "of_nautilus.journal:Journal"
        for name in actor.config.get("instrument_ids", ())
    ]
    if not kept:
        raise UserError("no journal among the actors to report on", where, todo="add a Journal")
    return list(dict.fromkeys(kept))


def _balances(config: Any, instrument_id: str) -> tuple[str, ...]:
    """What a run config's account at the instrument's venue begins with."""
    venue = instrument_id.rpartition(".")[2]
    return tuple(b for v in config.venues if v.name == venue for b in v.starting_balances)


def _check_money(text: str, catalog: str) -> None:
    from nautilus_trader.model.objects import Currency, Money
    from nautilus_trader.persistence.catalog import ParquetDataCatalog

    from of_nautilus.errors import UserError

    # Asked before: the host takes any word for a currency, and knows it from then on.
    code = text.rpartition(" ")[2]
    known = Currency.from_internal_map(code) is not None
    try:
        Money.from_str(text)
    except ValueError:
        raise UserError(f"{text!r} is no amount", "--balance", todo='write "1000 USDT"') from None
    if not known:
        held = {str(one.quote_currency) for one in ParquetDataCatalog(catalog).instruments()}
        if code not in held:
            todo = f"write one such as {', '.join(sorted(held)) or 'USDT'}"
            raise UserError(f"no currency {code!r} is known", "--balance", todo=todo)
