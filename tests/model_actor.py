"""The feature actor and a listener, in a form that leaves their process."""

from typing import Any

import numpy as np

from of_nautilus.model.actor import FeatureActor


class CapturedFeatures(FeatureActor):
    """The actor, with every vector as it was received from the message bus."""

    def on_start(self) -> None:
        super().on_start()
        self.received: list[Any] = []
        self.msgbus.subscribe("data.FeatureVector*", self.received.append)

    def on_stop(self) -> None:
        times = np.array([data.ts_event for data in self.received], np.int64)
        rows = np.array([data.row() for data in self.received])
        assert self.computer is not None
        self.captured = {"times": times, "rows": rows, "state": self.computer.digest()}


def feature_actor(instrument_id: str, **config: Any) -> dict[str, Any]:
    """The importable config of a `CapturedFeatures`."""
    return {
        "actor_path": "tests.model_actor:CapturedFeatures",
        "config_path": "of_nautilus.model.actor:FeatureActorConfig",
        "config": {"instrument_id": instrument_id, **config},
    }
