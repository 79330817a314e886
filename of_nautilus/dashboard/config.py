"""The config of the node's side of the dashboard."""

from nautilus_trader.config import ActorConfig
from nautilus_trader.model.identifiers import InstrumentId


class DashboardFeedConfig(ActorConfig, frozen=True):
    """Config of `dashboard.actor.DashboardFeed`.

    Parameters
    ----------
    instrument_ids : tuple of InstrumentId
        The markets to show, at most 255.
    folder : str
        Where the channel's files are; each node has its own. They take
        40 MB a market, of 8 at most.
    book : bool
        Whether the book is shown too; it is subscribed to.
    book_ms : int
        How often a book is told at most, ms of event time, >= 1.
    check_ms : int
        How often the node looks for commands, ms, >= 1.
    """

    instrument_ids: tuple[InstrumentId, ...]
    folder: str = "state/dashboard"
    book: bool = True
    book_ms: int = 250
    check_ms: int = 500

    def __post_init__(self) -> None:
        if not 1 <= len(self.instrument_ids) <= 255:
            count = len(self.instrument_ids)
            raise ValueError(f"`instrument_ids` must hold 1 to 255, was {count} of them")
        for name in ("book_ms", "check_ms"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be >= 1, was {getattr(self, name)}")
