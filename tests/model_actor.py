"""The feature actor with what it published, in a form that leaves its process; a tiny model."""

import json
from pathlib import Path
from typing import Any

import lightgbm
import msgspec
import numpy as np

from of_nautilus.model.actor import FeatureActor
from of_nautilus.model.computer import ComputerConfig
from of_nautilus.model.features import COUNT, FEATURES_HASH, INDEX, NAMES
from of_nautilus.model.prediction import CARD, CARD_VERSION, TARGETS
from of_nautilus.strategy import OrderFlowStrategy

FORECAST = ("ts_event", "p_up_1m", "p_up_5m", "magnitude", "ofi_z", "bid", "ask", "session_end")


class CapturedFeatures(FeatureActor):
    """The actor, with every vector and forecast as it was received from the message bus."""

    def on_start(self) -> None:
        super().on_start()
        self.vectors: list[Any] = []
        self.forecasts: list[Any] = []
        self.notes: list[Any] = []
        for topic, held in (
            ("FeatureVector", self.vectors),
            ("Forecast", self.forecasts),
            ("JournalNote", self.notes),
        ):
            self.msgbus.subscribe(f"data.{topic}*", held.append)

    def on_stop(self) -> None:
        assert self.computer is not None
        self.captured = {
            "times": np.array([data.ts_event for data in self.vectors], np.int64),
            "rows": np.array([data.row() for data in self.vectors]),
            "state": self.computer.digest(),
            "forecasts": np.array(
                [[getattr(data, name) for name in FORECAST] for data in self.forecasts]
            ),
            "notes": [(note.ts_event, note.what, note.reason) for note in self.notes],
        }


def feature_actor(instrument_id: str, **config: Any) -> dict[str, Any]:
    """The importable config of a `CapturedFeatures`."""
    return {
        "actor_path": "tests.model_actor:CapturedFeatures",
        "config_path": "of_nautilus.model.actor:FeatureActorConfig",
        "config": {"instrument_id": instrument_id, **config},
    }


def microstructure(instrument_id: str, **rules: Any) -> dict[str, Any]:
    """The importable config of a `MicrostructureStrategy`."""
    return {
        "strategy_path": "of_nautilus.model.strategy:MicrostructureStrategy",
        "config_path": "of_nautilus.model.strategy:MicrostructureStrategyConfig",
        "config": {"instrument_id": instrument_id, "rules": rules, "order_id_tag": "M01"},
    }


def tiny_model(folder: Path, instrument_id: str, since: int = 0, **sampling: Any) -> str:
    """A model that takes the best level's imbalance for the future, in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(4_000, COUNT))
    rows[:, INDEX["imb_l1"]] = rng.uniform(-1, 1, 4_000)
    target = 30.0 * rows[:, INDEX["imb_l1"]]
    models: dict[str, Any] = {"since": since}
    for name in TARGETS:
        data = lightgbm.Dataset(rows, target, feature_name=list(NAMES))
        params = {"verbosity": -1, "num_threads": 1, "num_leaves": 8, "learning_rate": 0.5}
        text = lightgbm.train(params, data, 4).model_to_string()
        (folder / f"{name}.txt").write_text(text)
        models[name] = {"file": f"{name}.txt", "scale": 0.05, "offset": 0.0}
    card = {
        "version": CARD_VERSION,
        "instrument_id": instrument_id,
        "features": {"sha256": FEATURES_HASH},
        "config": {"features": msgspec.to_builtins(ComputerConfig(**sampling))},
        "models": [models],
    }
    (folder / CARD).write_text(json.dumps(card))
    return str(folder)


class ToldStrategy(OrderFlowStrategy):
    """The strategy, with every decision on an entry that it published."""

    def on_start(self) -> None:
        self.decisions: list[Any] = []
        self.msgbus.subscribe("data.EntryDecision*", self.decisions.append)
        super().on_start()
