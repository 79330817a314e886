"""What `of-nautilus features` and `of-nautilus train` read: one JSON file for both."""

from pathlib import Path

import msgspec

from of_nautilus.errors import UserError
from of_nautilus.model.computer import ComputerConfig


class TrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a model is trained and judged.

    Parameters
    ----------
    fold_hours : float
        Length of a fold, hours, > 0: 24 for days.
    train_folds, test_folds : int
        Folds of a training window and of a test, >= 1.
    expanding : bool
        Whether every training window begins with the first fold.
    delay_ms : int
        From the features to the market, >= 0.
    dead_zone_bps : float
        Smaller moves have no direction, >= 0.
    rounds : int
        Most trees, >= 1; fewer where another 50 would not help.
    seed : int
    threads : int
        Of LightGBM while training, >= 1; the trees do not depend on it.
    trials : int
        How many variants were tried before this one, itself included, >= 1: it deflates the Sharpe
        ratio.
    """

    fold_hours: float = 24.0
    train_folds: int = 20
    test_folds: int = 1
    expanding: bool = True
    delay_ms: int = 50
    dead_zone_bps: float = 0.0
    rounds: int = 2000
    seed: int = 42
    threads: int = 2
    trials: int = 1

    def __post_init__(self) -> None:
        if not self.fold_hours > 0:
            raise ValueError(f"`fold_hours` must be > 0, was {self.fold_hours}")
        lows = (("train_folds", 1), ("test_folds", 1), ("delay_ms", 0), ("dead_zone_bps", 0),
                ("rounds", 1), ("threads", 1), ("trials", 1))  # fmt: skip
        for name, low in lows:
            if getattr(self, name) < low:
                raise ValueError(f"`{name}` must be >= {low}, was {getattr(self, name)}")


class ModelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model of one instrument.

    Parameters
    ----------
    catalog : str
        Folder or address of the data catalog.
    instrument_id : str
    folder : str
        Where features, models and the card go.
    features : ComputerConfig
    warmup_days : int
        Whole days before the first day of a run that only warm it up, >= 0.
    train : TrainConfig
    """

    catalog: str
    instrument_id: str
    folder: str
    features: ComputerConfig = ComputerConfig()
    warmup_days: int = 1
    train: TrainConfig = TrainConfig()

    def __post_init__(self) -> None:
        if self.warmup_days < 0:
            raise ValueError(f"`warmup_days` must be >= 0, was {self.warmup_days}")


def load_config(path: str | Path) -> ModelConfig:
    """Return the config in a JSON file.

    Raises
    ------
    UserError
        If it is not there, or holds a key or a value that the config has not.
    """
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=ModelConfig)
    except OSError as error:
        raise UserError(f"{error.strerror}", path, todo="name a model config") from None
    except (msgspec.DecodeError, ValueError) as error:
        raise UserError(str(error), path, todo="mend the config") from None
