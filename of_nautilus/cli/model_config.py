"""The argument that `features`, `train` and `evaluate` share: a model's config."""

import argparse

EXAMPLE = """\
{"catalog": "catalog", "instrument_id": "DEMO-PERP.SIM", "folder": "catalog/model",
 "features": {"session": "6h"},
 "train": {"fold_hours": 3, "train_folds": 4, "rounds": 200},
 "evaluate": {"rules": {"max_position": 1, "stop_ticks": 10}}}
"""


def add_config(parser: argparse.ArgumentParser) -> None:
    """Declare the argument, and show what may stand in the file."""
    parser.add_argument("config", help="JSON file with a model config")
    words = "a config, the same for features, train and evaluate (keys: of_nautilus.model.config):"
    parser.epilog = f"{words}\n{EXAMPLE}"
