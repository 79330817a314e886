"""The configs of what a live node has beside the actors and strategies of a backtest."""

from nautilus_trader.config import ActorConfig
from nautilus_trader.model.identifiers import InstrumentId

from of_nautilus.config import OrderFlowActorConfig


class LiveFlowConfig(OrderFlowActorConfig, frozen=True):  # type: ignore[call-arg]
    """Config of `live.flow.LiveFlow`.

    Parameters
    ----------
    catalog : str, optional
        Folder of the catalog that past trades are read from; None for none.
    past_hours : float
        How far back, >= 0.
    recent : bool
        Whether the venue is then asked for what the catalog does not have.
    recent_minutes : float
        How far back the venue is asked, in (0, 60].
    requests_per_s : float
        How often the venue is asked at most, > 0.
    """

    catalog: str | None = "catalog"
    past_hours: float = 144.0
    recent: bool = True
    recent_minutes: float = 55.0
    requests_per_s: float = 1.5

    def __post_init__(self) -> None:
        if self.past_hours < 0:
            raise ValueError(f"`past_hours` must be >= 0, was {self.past_hours}")
        if not 0 < self.recent_minutes <= 60:
            raise ValueError(f"`recent_minutes` must be in (0, 60], was {self.recent_minutes}")
        if not self.requests_per_s > 0:
            raise ValueError(f"`requests_per_s` must be > 0, was {self.requests_per_s}")


class RecorderConfig(ActorConfig, frozen=True):  # type: ignore[call-arg]
    """Config of `live.recorder.Recorder`.

    Parameters
    ----------
    instrument_id : InstrumentId
        The market to record.
    catalog : str
        Folder of the catalog that it is written to.
    book : bool
        Whether its book is recorded too.
    part_secs : float
        How often a part is written, > 0: what a killed process loses at most.
    part_rows : int
        So many rows are a part, however short the time, >= 1.
    """

    instrument_id: InstrumentId
    catalog: str = "catalog"
    book: bool = True
    part_secs: float = 60.0
    part_rows: int = 200_000

    def __post_init__(self) -> None:
        if not self.part_secs > 0:
            raise ValueError(f"`part_secs` must be > 0, was {self.part_secs}")
        if self.part_rows < 1:
            raise ValueError(f"`part_rows` must be >= 1, was {self.part_rows}")


class StateKeeperConfig(ActorConfig, frozen=True):  # type: ignore[call-arg]
    """Config of `live.state.StateKeeper`.

    Parameters
    ----------
    path : str
        The file that holds the state.
    """

    path: str
