"""`of-nautilus calibrate`: thresholds from a market's past, or of a preset, as a config."""

import argparse
import sys
from pathlib import Path
from typing import Any

# What a value is called inside, and the option that gives it.
_OPTIONS = {
    "symbol": "--preset",
    "spec": "--session",
    "bar_size": "--bar-seconds",
    "sessions": "--sessions",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "config", nargs="?", help="run configs: every OrderFlowActor gets thresholds of its own"
    )
    parser.add_argument("--catalog", metavar="DIR", help="without CONFIG: where the trades are")
    parser.add_argument("--instrument", metavar="ID", help="without CONFIG: whose")
    parser.add_argument(
        "--session", default="FULL_DAY", metavar="S", help="without CONFIG (default: %(default)s)"
    )
    parser.add_argument(
        "--bar-seconds", type=float, default=60.0, metavar="N", help="without CONFIG (default: 60)"
    )
    parser.add_argument(
        "--sessions", type=int, default=5, metavar="N", help="finished ones to use (default: 5)"
    )
    parser.add_argument("--preset", metavar="NAME", help="print the flow config of a known market")
    parser.add_argument("--out", metavar="FILE", help="write the config to FILE, not to the output")


def run(args: argparse.Namespace) -> int:
    """Print or write a config; say what it was drawn from."""
    from of_nautilus.cli.figures import show
    from of_nautilus.errors import UserError

    given = [args.config is not None, args.catalog is not None, args.preset is not None]
    if sum(given) != 1 or (args.catalog is None) != (args.instrument is None):
        raise UserError("give CONFIG, or --catalog and --instrument, or --preset", "calibrate")
    if args.out is not None:
        from of_nautilus.files import check_file

        check_file(args.out, "--out")
    figures: dict[str, Any] = {}
    try:
        if args.preset is not None:
            config = _preset(args.preset)
        elif args.config is not None:
            config, figures = _of_runs(args.config, args.sessions)
        else:
            config, figures = _of_market(args)
    except ValueError as error:
        raise UserError(_by_option(error), "calibrate", todo="give another value") from None
    _write(config, args.out)
    if figures:
        show(figures, args if args.out else argparse.Namespace(json=args.json, quiet=True))
    return 0


def _by_option(error: ValueError) -> str:
    """Return what is wrong with a value by the option that gave it."""
    text = f"{error}"
    for name, option in _OPTIONS.items():
        text = text.replace(f"`{name}`", option)
    return text


def _preset(name: str) -> Any:
    import msgspec

    from of_nautilus.instruments import flow_config

    return msgspec.to_builtins(flow_config(name))


def _of_market(args: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    import msgspec

    from of_nautilus.calibrate import calibrate
    from of_nautilus.engine import FlowConfig
    from of_nautilus.errors import UserError
    from of_nautilus.ingest.instruments import held_definition
    from of_nautilus.scan import Market

    instrument = held_definition(args.catalog, args.instrument)
    if instrument is None:
        raise UserError(f"no instrument {args.instrument}", args.catalog, todo="ingest it first")
    flow = FlowConfig(session=args.session, bar_size=args.bar_seconds)
    found = calibrate(Market(args.catalog, instrument), flow, args.sessions)
    config = {"instrument_id": args.instrument, "flow": msgspec.to_builtins(found.flow)}
    return config, {args.instrument: _told(found)}


def _of_runs(path: str, sessions: int) -> tuple[Any, dict[str, Any]]:
    import json

    import msgspec

    from of_nautilus.backtest import load_run_configs
    from of_nautilus.calibrate import calibrate
    from of_nautilus.scan import flow_actors, is_flow_actor, market_of

    loaded = load_run_configs(path)
    runs = json.loads(Path(path).read_text())
    figures: dict[str, Any] = {}
    for run_config, raw in zip(loaded, runs, strict=True):
        places = [a for a in raw["engine"]["actors"] if is_flow_actor(a["actor_path"])]
        for actor, place in zip(flow_actors(run_config, path), places, strict=True):
            found = calibrate(market_of(run_config, actor, path), actor.flow, sessions)
            place["config"]["flow"] = msgspec.to_builtins(found.flow)
            figures[str(actor.instrument_id)] = _told(found)
    return runs, figures


def _told(found: Any) -> dict[str, Any]:
    from of_nautilus.cli.figures import utc

    figures: dict[str, Any] = found.figures()
    return figures | {name: utc(figures[name]) for name in ("first", "last")}


def _write(config: Any, out: str | None) -> None:
    import json

    text = json.dumps(config, indent=2) + "\n"
    if out is None:
        sys.stdout.write(text)
        return
    from of_nautilus.files import whole_file

    with whole_file(Path(out)) as part:
        part.write_text(text)
