"""The frozen configs of the Actor and the Strategy: plain values, so that JSON holds them."""

from decimal import Decimal

from nautilus_trader.config import ActorConfig, StrategyConfig
from nautilus_trader.model.identifiers import InstrumentId

from of_nautilus.engine import FlowConfig


class OrderFlowActorConfig(ActorConfig, frozen=True):
    """Config of `actor.OrderFlowActor`.

    Parameters
    ----------
    instrument_id : InstrumentId
        The market to read.
    flow : FlowConfig
        What the engine computes.
    journal : str, optional
        Catalog folder that the bars and signals are written to; absent, they are only published.
    """

    instrument_id: InstrumentId
    flow: FlowConfig = FlowConfig()
    journal: str | None = None


class OrderFlowStrategyConfig(StrategyConfig, frozen=True):
    """Config of `strategy.OrderFlowStrategy`.

    Parameters
    ----------
    instrument_id : InstrumentId
        The market to trade.
    size : Decimal
        Size of a position, base units, > 0.
    min_strength : float
        Weakest absorption to enter on, 0 to 100.
    stop_fraction, target_fraction : float
        Distance of stop and target from the entry as fractions of its price, > 0.
    """

    instrument_id: InstrumentId
    size: Decimal = Decimal("0.01")
    min_strength: float = 40.0
    stop_fraction: float = 0.003
    target_fraction: float = 0.006

    def __post_init__(self) -> None:
        for name in ("size", "stop_fraction", "target_fraction"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` must be > 0, was {getattr(self, name)}")
        if not 0 <= self.min_strength <= 100:
            raise ValueError(f"`min_strength` must be 0 to 100, was {self.min_strength}")
