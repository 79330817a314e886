"""`of-nautilus evaluate CONFIG`: the model's trading rule through the host's engine, with costs."""

import argparse
from typing import Any

from of_nautilus.cli.model_config import add_config
from of_nautilus.cli.progress import progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_config(parser)
    parser.add_argument(
        "--processes", type=int, default=2, metavar="N", help="runs at once (%(default)s)"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Run every latency and kind of entry; write them into the card, and return them."""
    from pathlib import Path

    from of_nautilus.errors import UserError
    from of_nautilus.files import folder_only
    from of_nautilus.model.card_files import write_card
    from of_nautilus.model.config import load_config
    from of_nautilus.model.evaluation import cases, conclusion, evaluate, wanted
    from of_nautilus.model.prediction import Predictor

    if args.processes < 1:
        raise UserError("must be >= 1", f"--processes {args.processes}")
    config = load_config(args.config)
    folder_only(config.catalog, f"{args.config}, `catalog`")
    asked = wanted(config)
    folder = Path(config.folder) / "model"
    card = Predictor(folder).card
    runs: list[dict[str, Any]] = []
    verdict = ""
    with progress(desc="evaluate", total=len(cases(asked)), unit="run", quiet=args.quiet) as shown:
        for done in evaluate(config, args.processes):
            runs.append(done)
            runs.sort(key=lambda r: (not r["cost_gate"], r["entry"] != "market", r["latency_ms"]))
            verdict = conclusion(runs)
            # What is done is kept if the rest is not waited for.
            fees = done["fees_bps"]
            card["evaluation"] = {"verdict": verdict, "fees_bps": fees, "runs": runs}
            write_card(folder, card)
            shown.update(1)
    figures: dict[str, Any] = {"card": str(folder / "card.md"), "after costs": verdict}
    for r in runs:
        gate = "paying calls" if r["cost_gate"] else "every call"
        figures[f"{r['entry']} entry, {r['latency_ms']:g} ms, {gate}"] = {
            "trades": r["trades"],
            "net": (r["net_bps"]["value"], "bps a trade"),
            "hit rate": r["hit_rate"],
            "hit rate to break even": r["break_even_hit_rate"],
        }
    return figures
