"""`of-nautilus train CONFIG`: the model of an instrument, judged out of sample, with its card."""

import argparse
from typing import Any

from of_nautilus.cli.model_config import add_config
from of_nautilus.cli.progress import progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_config(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Train fold by fold, writing models and card after each; return what the card says."""
    import time
    from pathlib import Path

    from of_nautilus.model.card import make_card
    from of_nautilus.model.card_files import tried, write_card, write_fold
    from of_nautilus.model.config import load_config
    from of_nautilus.model.dataset import read_features
    from of_nautilus.model.training import FoldResult, folds_of, label, leaks, shuffled_ic, walk

    began = time.perf_counter()
    config = load_config(args.config)
    data = read_features(config)
    known = label(data, config)
    suspects = leaks(data, config)
    folds = folds_of(data, known, config)
    folder = Path(config.folder) / "model"
    others = tried(folder)
    done: list[FoldResult] = []
    with progress(desc="train", total=2 * len(folds), unit="fold", quiet=args.quiet) as shown:

        def on_fold(number: int, of: int, result: FoldResult) -> None:
            done.append(result)
            write_fold(folder, number, result)
            write_card(folder, make_card(data, known, config, done, of, suspects, None, others))
            shown.update(1)

        walk(data, known, config, on_fold)
        shuffled = shuffled_ic(data, known, folds, config, lambda: shown.update(1))
        card = make_card(data, known, config, done, len(folds), suspects, shuffled, others)
        write_card(folder, card)
    told = card["all"]
    return {
        "folder": str(folder),
        "verdict": card["verdict"],
        "folds": len(folds),
        "test_rows": told["test_rows"],
        "ic_1m": told["mag"]["ic"],
        "ic_5m": told["p_up_5m"]["ic"],
        "auc_1m": told["p_up_1m"]["auc"],
        "auc_5m": told["p_up_5m"]["auc"],
        "shuffled_ic": card["shuffled_labels"],
        "leak_suspects": len(suspects),
        "seconds": (round(time.perf_counter() - began, 3), "s"),
    }
