"""When entries are allowed: cooldown, halts of the day, the session's end.

Times are event times, ns UTC. Exits, break-even moves and trailing are never held back.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache

import msgspec

from of_nautilus.decision.risk import Refusal

SECOND = 1_000_000_000
DAY = 86_400 * SECOND


class GateConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Limits on entries, each None (or 0) to switch it off.

    `cooldown_ns`: least time between accepted entries. `max_daily_loss`: share of the day's first
    equity in (0, 1], realized and open together. `max_losses`: losing trades in a row. Both end
    trading until the next UTC day. `no_entry_before_end_ns`, `flat_before_end_ns`: how long before
    a session's end entries stop and positions are closed. `max_entries_per_level`: a session.
    `block_after_stop_ns`: how long a level rests after a stop there. `max_orders_per_minute`: with
    so many commands to the venue in the last minute nothing is entered; what protects or ends a
    position is never held back.
    """

    cooldown_ns: int = 60 * SECOND
    max_daily_loss: float | None = 0.01
    max_losses: int | None = 5
    no_entry_before_end_ns: int = 600 * SECOND
    flat_before_end_ns: int = 300 * SECOND
    max_entries_per_level: int | None = 2
    block_after_stop_ns: int = 300 * SECOND
    max_orders_per_minute: int | None = 60

    def __post_init__(self) -> None:
        for name in (
            "cooldown_ns",
            "no_entry_before_end_ns",
            "flat_before_end_ns",
            "block_after_stop_ns",
        ):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must be >= 0, was {getattr(self, name)}")
        if self.max_daily_loss is not None and not 0.0 < self.max_daily_loss <= 1.0:
            raise ValueError(f"`max_daily_loss` must be in (0, 1], was {self.max_daily_loss}")
        for name in ("max_losses", "max_entries_per_level", "max_orders_per_minute"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be >= 1 or None, was {value}")


@dataclass(frozen=True, slots=True)
class DayLedger:
    """What a UTC day has brought: realized money, losses in a row, and why it was halted, if so."""

    day: int = -1
    equity: Decimal = Decimal(0)
    realized: Decimal = Decimal(0)
    losses: int = 0
    halt: str = ""

    def to_dict(self) -> dict[str, object]:
        """Return the ledger as plain values that JSON can hold."""
        return {
            "day": self.day,
            "equity": str(self.equity),
            "realized": str(self.realized),
            "losses": self.losses,
            "halt": self.halt,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, object]) -> "DayLedger":
        """Rebuild a ledger from `to_dict`."""
        money = {name: Decimal(str(plain[name])) for name in ("equity", "realized")}
        return cls(**(plain | money))  # type: ignore[arg-type]


def roll_day(ledger: DayLedger, now: int, equity: Decimal) -> DayLedger:
    """Begin a new ledger when `now` lies on a later UTC day; the day's first equity is kept."""
    day = now // DAY
    if day > ledger.day:
        return DayLedger(day=day, equity=equity)
    return ledger if ledger.equity else replace(ledger, equity=equity)


def record_trade(ledger: DayLedger, pnl: Decimal) -> DayLedger:
    """Add a closed trade's money, net of fees; a trade that is not a loss ends the streak."""
    losses = ledger.losses + 1 if pnl < 0 else 0
    return replace(ledger, realized=ledger.realized + pnl, losses=losses)


def check_halt(ledger: DayLedger, open_pnl: Decimal, config: GateConfig) -> DayLedger:
    """Halt the day if its loss or its streak has reached a limit; a halt stays until the next day.

    `halt` becomes "daily_loss" when realized plus open money is at or below
    `-max_daily_loss * equity`, "loss_streak" at `max_losses` losses in a row.
    """
    if ledger.halt:
        return ledger
    if config.max_daily_loss is not None and ledger.equity > 0:
        limit = -ledger.equity * _exact(config.max_daily_loss)
        if ledger.realized + open_pnl <= limit:
            return replace(ledger, halt="daily_loss")
    if config.max_losses is not None and ledger.losses >= config.max_losses:
        return replace(ledger, halt="loss_streak")
    return ledger


@cache
def _exact(share: float) -> Decimal:
    return Decimal(str(share))


def entry_gate(
    now: int,
    *,
    ledger: DayLedger,
    last_entry_ns: int | None,
    session_end_ns: int | None,
    config: GateConfig,
    recent_orders: int = 0,
) -> Refusal | None:
    """Return why no entry may be made at `now`, or None.

    Reasons: `halted` (with the number of losses and the money realized), `session_end`, `cooldown`,
    `order_rate` (`recent_orders`: commands of the last minute).
    The cooldown counts from the last entry that the venue accepted: a refused one does not start
    it.

    >>> gate = GateConfig()
    >>> entry_gate(59 * SECOND, ledger=DayLedger(), last_entry_ns=0, session_end_ns=None,
    ...            config=gate).reason
    'cooldown'
    """
    if ledger.halt:
        return Refusal(
            f"halted_{ledger.halt}",
            (("losses", ledger.losses), ("realized", float(ledger.realized))),
        )
    if session_end_ns is not None and now >= session_end_ns - config.no_entry_before_end_ns:
        return Refusal("session_end", (("seconds_left", (session_end_ns - now) / SECOND),))
    since = None if last_entry_ns is None else now - last_entry_ns
    # An acceptance may be told with a time after that of the newest trade.
    if since is not None and since < config.cooldown_ns and config.cooldown_ns:
        return Refusal("cooldown", (("seconds_since", since / SECOND),))
    if config.max_orders_per_minute is not None and recent_orders >= config.max_orders_per_minute:
        return Refusal("order_rate", (("orders", recent_orders),))
    return None
