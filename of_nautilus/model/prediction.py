"""A trained model, loaded from its card: one vector in, calibrated probabilities out."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from of_nautilus.core.record import Floats
from of_nautilus.errors import UserError
from of_nautilus.model.computer import ComputerConfig
from of_nautilus.model.features import COUNT, FEATURES_HASH
from of_nautilus.model.forest import Forest, parse_forest

CARD, CARD_VERSION = "card.json", 2
TARGETS = ("p_up_1m", "p_up_5m", "mag")


@dataclass(frozen=True, slots=True)
class Prediction:
    """Calibrated probability of a rise in one and in five minutes; the forecast of the next minute.

    `magnitude` is in basis points, its sign the direction.
    """

    p_up_1m: float
    p_up_5m: float
    magnitude: float


def probability(score: float, scale: float, offset: float) -> float:
    """Return `1 / (1 + exp(-(scale * score + offset)))`, Platt's calibration of a raw score."""
    x = scale * score + offset
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    return math.exp(x) / (1.0 + math.exp(x))


SILENT = Prediction(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class _Fold:
    """The models of a fold: each target's forest, with scale and offset of its calibration."""

    since: int
    models: tuple[tuple[Forest, float, float], ...]

    def predict(self, row: Floats) -> Prediction:
        (one, a, b), (five, c, d), (size, _, _) = self.models
        return Prediction(
            probability(one.score(row), a, b), probability(five.score(row), c, d), size.score(row)
        )


class Predictor:
    """Predicts with the models of a folder that `of-nautilus train` wrote.

    Each fold's models speak from the start of their test on, until the next fold's do; the last
    ones go on for ever. So nothing is ever forecast by a model that was trained on that time, and
    a backtest over the years of the training is out of sample too.

    Parameters
    ----------
    folder : path or str
        It holds `card.json` and the model files that the card names.

    Raises
    ------
    UserError
        If there is no card, it is of another version, its features are others than those that
        this package computes, or a file is missing or damaged.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        self.card = read_card(folder)
        self.instrument_id: str = self.card["instrument_id"]
        self.sampling = msgspec.convert(self.card["config"]["features"], ComputerConfig)
        self._folds = [_load(folder, entry) for entry in self.card["models"]]

    def predict(self, row: Floats, ts: int | None = None) -> Prediction:
        """Return the prediction for one vector of `features.NAMES`; NaN is a missing value.

        With a time (ns) it is that of the models that speak then, all NaN if none does; without
        one it is that of the last models.
        """
        if row.shape != (COUNT,):
            raise ValueError(f"`row` must have the shape ({COUNT},), was {row.shape}")
        for fold in reversed(self._folds):
            if ts is None or ts >= fold.since:
                return fold.predict(row)
        return SILENT


def _load(folder: Path, entry: dict[str, Any]) -> _Fold:
    models = []
    for target in TARGETS:
        told = entry[target]
        path = folder / told["file"]
        try:
            forest = parse_forest(path.read_text())
        except (OSError, ValueError, KeyError) as error:
            raise UserError(str(error), path, todo="train the model again") from None
        models.append((forest, told["scale"], told["offset"]))
    return _Fold(entry["since"], tuple(models))


def read_card(folder: str | Path) -> dict[str, Any]:
    """Return a model's card, if this package can use the model; else raise a `UserError`."""
    path = Path(folder) / CARD
    try:
        card: dict[str, Any] = json.loads(path.read_text())
    except OSError as error:
        raise UserError(f"{error.strerror}", path, todo="train a model first") from None
    except json.JSONDecodeError as error:
        raise UserError(f"no JSON ({error})", path, todo="train the model again") from None
    if card.get("version") != CARD_VERSION:
        raise UserError(
            f"a card of version {card.get('version')}, this is {CARD_VERSION}", path,
            todo="train the model again",
        )  # fmt: skip
    told = str(card.get("features", {}).get("sha256"))
    if told != FEATURES_HASH:
        raise UserError(
            f"features {told[:12]} are not those of this package, {FEATURES_HASH[:12]}", path,
            todo="train the model again",
        )  # fmt: skip
    return card
