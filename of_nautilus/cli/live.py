"""`of-nautilus live CONFIG`: look at all that a live node stands on, then run it."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from of_nautilus.errors import UserError

if TYPE_CHECKING:
    from of_nautilus.live.preflight import Check
    from of_nautilus.live.settings import LiveConfig

EXAMPLES = """\
examples:
  of-nautilus live configs/paper_binance.json              live data, simulated orders, no keys
  of-nautilus live configs/live_bybit.json --check         look, and start nothing

Keys come from the environment only: BINANCE_API_KEY and BINANCE_API_SECRET, BYBIT_API_KEY and
BYBIT_API_SECRET; for the testnet BINANCE_FUTURES_TESTNET_API_KEY, BYBIT_TESTNET_API_KEY and their
secrets. `"environment": "TESTNET"` in the config's execution client is the one field to change.
Ctrl-C stops the node: an open position keeps its stop at the venue, and the next start goes on.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = EXAMPLES
    parser.add_argument("config", help="JSON file with a Nautilus trading node config")
    parser.add_argument("--check", action="store_true", help="only look, start nothing")
    parser.add_argument(
        "--yes-trade-real-money",
        action="store_true",
        help="needed to start a config that trades real money",
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Make the checks, run the node until it is stopped; return what came of it."""
    from of_nautilus.live.node import run_node
    from of_nautilus.live.settings import load_live_config

    config = load_live_config(args.config)
    if config.real_money and not args.check and not args.yes_trade_real_money:
        raise UserError(
            "trades real money", args.config, todo="add --yes-trade-real-money, or --check to look"
        )
    checks = look(config, quiet=args.quiet)
    figures: dict[str, Any] = {"config": args.config, "real_money": config.real_money}
    if args.check:
        return {**figures, "checks": len(checks)}
    return {**figures, **run_node(config)}


def look(config: "LiveConfig", *, quiet: bool) -> "list[Check]":
    """Print the checks as they are made; raise if one refuses."""
    from of_nautilus.live.preflight import preflight, refusals

    checks = []
    for check in preflight(config):
        checks.append(check)
        if not quiet:
            sys.stdout.write(f"{check.verdict:7}  {check.name:12}  {check.text}\n")
            sys.stdout.flush()
    if refused := refusals(checks):
        raise UserError(f"not started: {refused}", config.path)
    return checks
