"""The frozen configs of the shells: plain values, so that JSON holds them."""

from nautilus_trader.config import ActorConfig, StrategyConfig
from nautilus_trader.model.identifiers import InstrumentId

from of_nautilus.decision.feed import FeedConfig
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
    book : bool
        Whether costs are reckoned with the book's spread at a bar's close; the book is subscribed
        to. Otherwise, and where there is no book, with `trade.risk.spread_ticks`.
    """

    instrument_id: InstrumentId
    trade: TradeConfig = TradeConfig()
    flatten_on_stop: bool = False
    book: bool = False


class FeedGuardConfig(ActorConfig, frozen=True):
    """Config of `live.feed_guard.FeedGuard`.

    Parameters
    ----------
    instrument_id : InstrumentId
        The market to watch.
    feed : FeedConfig
        What a good feed is.
    book : bool
        Whether the book is watched too; it is subscribed to.
    check_ns : int
        How often a live feed's silence is looked at, ns, >= 1.
    """

    instrument_id: InstrumentId
    feed: FeedConfig = FeedConfig()
    book: bool = True
    check_ns: int = 500_000_000

    def __post_init__(self) -> None:
        if self.check_ns < 1:
            raise ValueError(f"`check_ns` must be >= 1, was {self.check_ns}")


class JournalConfig(ActorConfig, frozen=True):
    """Config of `journal.Journal`.

    Parameters
    ----------
    instrument_ids : tuple of InstrumentId
        Whose data to keep.
    catalog : str
        Folder of the catalog that it is written to; no address.
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
        if "://" in self.catalog:
            raise ValueError(f"`catalog` must be a folder, was the address {self.catalog}")
