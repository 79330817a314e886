"""What passes between the state machine and the venue: working orders, reports, commands.

Every order has a key, a number that the machine gives out and never reuses; a shell keeps it in the
client order id, so that it survives a restart. `side` is the order's own side, +1 buy and -1 sell.
Prices are ticks, quantities lots, times ns.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from of_nautilus.decision.table import Kind, Phase


class Role(StrEnum):
    """What an order is for."""

    ENTRY = "ENTRY"
    STOP = "STOP"
    TARGET = "TARGET"
    EXIT = "EXIT"


class Status(StrEnum):
    """How far an open order has come.

    PENDING: sent. LIVE: accepted. CANCELING: its cancel was sent. STUCK: its cancel was refused; it
    is tried again at the next mark.
    """

    PENDING = "PENDING"
    LIVE = "LIVE"
    CANCELING = "CANCELING"
    STUCK = "STUCK"


@dataclass(frozen=True, slots=True)
class WorkingOrder:
    """An order that may still fill.

    `sent_ns`, `cancel_ns`: since when an answer to it, or to its cancel, is awaited: the first mark
    after it was sent, 0 until then. `asked`: whether the venue was asked what became of it.
    """

    key: int
    role: Role
    side: int
    qty: int
    price: int | None
    sent_ns: int = 0
    filled: int = 0
    status: Status = Status.PENDING
    cancel_ns: int = 0
    asked: bool = False

    @property
    def leaves(self) -> int:
        """The quantity that is still open."""
        return self.qty - self.filled

    @property
    def leaving(self) -> bool:
        """Whether a cancel is under way."""
        return self.status in (Status.CANCELING, Status.STUCK)


# Reports: what a shell tells the machine.


@dataclass(frozen=True, slots=True)
class Accepted:
    """The venue accepted an order."""

    key: int
    ts: int


@dataclass(frozen=True, slots=True)
class Filled:
    """A fill. `trade_id` tells a repeated report (empty: never a repeat); `fee` in money."""

    key: int
    role: Role
    side: int
    trade_id: str
    qty: int
    price: int
    ts: int
    fee: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        if self.qty < 1:
            raise ValueError(f"`qty` must be >= 1, was {self.qty}")
        if self.side not in (1, -1):
            raise ValueError(f"`side` must be +1 or -1, was {self.side}")


@dataclass(frozen=True, slots=True)
class Refused:
    """The venue rejected an order, or it was denied before it got there."""

    key: int
    ts: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Gone:
    """An order ended without (further) fills: canceled or expired."""

    key: int
    ts: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CancelRefused:
    """The venue refused to cancel an order."""

    key: int
    ts: int


@dataclass(frozen=True, slots=True)
class Resized:
    """The venue changed an order's quantity."""

    key: int
    qty: int
    ts: int


@dataclass(frozen=True, slots=True)
class PositionReport:
    """The net position, signed lots, after a change that none of our orders made."""

    qty: int
    price: int
    ts: int


@dataclass(frozen=True, slots=True)
class TakeOver:
    """A position that is not ours becomes ours at `price`: whoever asks for it wants it closed."""

    price: int
    ts: int


@dataclass(frozen=True, slots=True)
class CallOff:
    """The entry is not wanted any more, as far as it has not filled."""

    ts: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A closed bar: the time passes, and the prices may call for something."""

    ts: int
    price: int
    low: int
    high: int


Report = (
    Accepted
    | Filled
    | Refused
    | Gone
    | CancelRefused
    | Resized
    | PositionReport
    | TakeOver
    | CallOff
    | Mark
)


# Commands: what the machine asks of a shell.


@dataclass(frozen=True, slots=True)
class SubmitEntry:
    """Send the entry: at market if `price` is None, else a limit order."""

    key: int
    side: int
    qty: int
    price: int | None
    expires_ns: int | None


@dataclass(frozen=True, slots=True)
class PlaceStop:
    """Send a reduce-only stop-market order."""

    key: int
    side: int
    qty: int
    price: int


@dataclass(frozen=True, slots=True)
class PlaceTarget:
    """Send a reduce-only limit order."""

    key: int
    side: int
    qty: int
    price: int


@dataclass(frozen=True, slots=True)
class ExitMarket:
    """Send a reduce-only market order."""

    key: int
    side: int
    qty: int
    reason: str


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Cancel an order."""

    key: int
    role: Role


@dataclass(frozen=True, slots=True)
class QueryOrder:
    """Ask the venue what became of an order: nothing has been heard of it."""

    key: int
    role: Role


@dataclass(frozen=True, slots=True)
class Moved:
    """For the journal: a transition."""

    source: Phase
    target: Phase
    kind: Kind
    reason: str
    ts: int


@dataclass(frozen=True, slots=True)
class Note:
    """For the journal: something that moved nothing. `alarm`: somebody should look at it."""

    what: str
    ts: int
    numbers: tuple[tuple[str, float], ...] = ()
    reason: str = ""
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class Closed:
    """For the journal: a finished trade in exact sums.

    `side` of the trade; quantities in lots; sums of price times quantity in ticks times lots; P&L
    in ticks times lots is `sold_sum - bought_sum`. `fees` in money. `stop` is where the stop was
    last.
    """

    side: int
    bought_qty: int
    bought_sum: int
    sold_qty: int
    sold_sum: int
    fees: Decimal
    opened_ns: int
    closed_ns: int
    reason: str
    phase: Phase
    stop: int

    @property
    def pnl(self) -> int:
        """Profit before fees, in ticks times lots."""
        return self.sold_sum - self.bought_sum


OrderCommand = SubmitEntry | PlaceStop | PlaceTarget | ExitMarket | CancelOrder | QueryOrder
Command = OrderCommand | Moved | Note | Closed
