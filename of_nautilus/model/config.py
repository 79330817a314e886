"""What `of-nautilus features`, `train` and `evaluate` read: one JSON file for all three."""

from pathlib import Path

import msgspec

from of_nautilus.errors import UserError
from of_nautilus.model.computer import ComputerConfig
from of_nautilus.model.rule import RuleConfig


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
    labels : str
        What a rise is: "return", the mid is above after the horizon; or "barrier", it was first
        `barrier` times the volatility above, and not below (the triple barrier).
    barrier : float
        In standard deviations of the mid over the horizon, by `rv_5m`, > 0; never narrower than
        the spread.
    tried_elsewhere : int
        Variants that were tried outside this folder, >= 0. Those of this folder are counted by
        themselves; all of them deflate the Sharpe ratio.
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
    labels: str = "return"
    barrier: float = 1.0
    tried_elsewhere: int = 0

    def __post_init__(self) -> None:
        if not self.fold_hours > 0:
            raise ValueError(f"`fold_hours` must be > 0, was {self.fold_hours}")
        if self.labels not in ("return", "barrier"):
            raise ValueError(f"`labels` must be 'return' or 'barrier', was {self.labels!r}")
        if not self.barrier > 0:
            raise ValueError(f"`barrier` must be > 0, was {self.barrier}")
        lows = (("train_folds", 1), ("test_folds", 1), ("delay_ms", 0), ("dead_zone_bps", 0),
                ("rounds", 1), ("threads", 1), ("tried_elsewhere", 0))  # fmt: skip
        for name, low in lows:
            if getattr(self, name) < low:
                raise ValueError(f"`{name}` must be >= {low}, was {getattr(self, name)}")


class EvaluateConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the trading rule is tried out through the host's engine.

    Parameters
    ----------
    rules : RuleConfig
        The rule. Each latency is run with entries at market and with limit orders, and with its
        cost gate on and off.
    latencies_ms : tuple of float
        From a decision to the venue, >= 0 each.
    maker_fee_bps, taker_fee_bps : float, optional
        Of the notional; the instrument's own if not given. Below 0 is a rebate.
    starting_balance : float
        Money in the instrument's settlement currency, > 0.
    """

    rules: RuleConfig
    latencies_ms: tuple[float, ...] = (0, 5, 15, 50, 100, 250)
    maker_fee_bps: float | None = None
    taker_fee_bps: float | None = None
    starting_balance: float = 100_000.0

    def __post_init__(self) -> None:
        if not self.latencies_ms or min(self.latencies_ms) < 0:
            raise ValueError(f"`latencies_ms` must hold times >= 0, was {self.latencies_ms}")
        if not self.starting_balance > 0:
            raise ValueError(f"`starting_balance` must be > 0, was {self.starting_balance}")


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
    evaluate : EvaluateConfig, optional
        Needed by `of-nautilus evaluate` alone.
    """

    catalog: str
    instrument_id: str
    folder: str
    features: ComputerConfig = ComputerConfig()
    warmup_days: int = 1
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig | None = None

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
