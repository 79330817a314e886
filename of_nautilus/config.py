"""The frozen configs of the shells: plain values, so that JSON holds them."""

from nautilus_trader.config import ActorConfig, StrategyConfig
from nautilus_trader.model.identifiers import InstrumentId

from of_nautilus.decision.settings import TradeConfig
from of_nautilus.engine import FlowConfig


class OrderFlowActorConfig(ActorConfig, frozen=True):
    """Config of `actor.OrderFlowActor`.

    Parameters
    ----------
    instrument_id : InstrumentId
        The market to read.
    flow : FlowConfig
        What the engine computes.
    """

    instrument_id: InstrumentId
    flow: FlowConfig = FlowConfig()


class OrderFlowStrategyConfig(StrategyConfig, frozen=True):
    """Config of `strategy.OrderFlowStrategy`.

    Parameters
    ----------
    instrument_id : InstrumentId
        The market to trade.
    trade : TradeConfig
        How it is traded.
    flatten_on_stop : bool
        Whether a stop of the node closes the position. Otherwise it stays with its resting stop,
        and the next start goes on managing it.
    """

    instrument_id: InstrumentId
    trade: TradeConfig = TradeConfig()
    flatten_on_stop: bool = False


class JournalConfig(ActorConfig, frozen=True):
    """Config of `journal.Journal`.

    Parameters
    ----------
    instrument_ids : tuple of InstrumentId
        Whose data to keep.
    catalog : str
        Folder of the catalog that it is written to.
    part_rows : int
        After so many rows a part is written, >= 1.
    write_trades : bool
        Whether every closed trade is written at once.
    """

    instrument_ids: tuple[InstrumentId, ...]
    catalog: str = "catalog"
    part_rows: int = 100_000
    write_trades: bool = False

    def __post_init__(self) -> None:
        if self.part_rows < 1:
            raise ValueError(f"`part_rows` must be >= 1, was {self.part_rows}")
