"""A venue double, a live node with the real strategy, and a script that says when to trade."""

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from nautilus_trader.config import ImportableActorConfig, ImportableStrategyConfig

from tests.venues.binance import BinanceDouble
from tests.venues.bybit import BybitDouble
from tests.venues.double import VenueDouble
from tests.venues.exchange import VenueOrder
from tests.venues.faults import Faults
from tests.venues.feed import Deliveries
from tests.venues.replay import node_config
from tests.venues.script import Prompter, script
from tests.venues.session import Recorded, Session
from tests.venues.stage import ForkedNode, stage

DOUBLES: dict[str, type[BinanceDouble] | type[BybitDouble]] = {
    "binance": BinanceDouble,
    "bybit": BybitDouble,
}
SIZE = Decimal("0.010")
# The role of the order that the task at hand is about.
_ROLE: ContextVar[str] = ContextVar("role", default="")
SECOND = 1_000_000_000
TRADE = {
    "risk": {
        "stops": "percent",
        "min_rr": 0.0,
        "max_cost_r": None,
        "sizing": "fixed",
        "fixed_qty": 10,
    },
    "gate": {
        "cooldown_ns": 0,
        "max_daily_loss": None,
        "max_losses": None,
        "max_entries_per_level": None,
        "block_after_stop_ns": 0,
        "max_orders_per_minute": None,
    },
    "score": {"min_score": 0.0},
    "lifecycle": {
        "robust": False,
        "query_after_ns": SECOND,
        "ack_timeout_ns": 3 * SECOND,
        "settle_ns": 2 * SECOND,
    },
}


class Desk:
    """One venue and a node that trades there; use it as a context manager.

    `heard` and `say` are the script's; what is at the venue is in `at.exchange`.
    """

    def __init__(
        self,
        venue: str,
        session: Session,
        state: Path | None = None,
        trade: dict[str, Any] | None = None,
        feed: dict[str, Any] | None = None,
        database: dict[str, Any] | None = None,
    ) -> None:
        self.venue = venue
        session = replace(session, events=list(session.events))
        self.at: VenueDouble = DOUBLES[venue](session, speed=1, lifetime_s=300)
        self.at.needs |= {"user"}
        start = session.index("snapshot", 0)
        self.at.begin_at(start)
        self.at.feed.at(start, self._be_now)
        self.prompter = Prompter()
        self.node: ForkedNode | None = None
        self._since = 0
        self.wire = Wire(self.at)
        self.at.faults = self._faults = AimedFaults()
        self._take_in = self.at.new_order
        self.at.new_order = self._new_order  # type: ignore[method-assign]
        self._state, self._trade = state, TRADE | (trade or {})
        self._feed = feed or {}
        self._database = database

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.at)
            stack.enter_context(self.prompter)
            self.start()
            stack.callback(self._end)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *failed: Any) -> None:
        self._stack.__exit__(*failed)

    def _end(self) -> None:
        if self.node is not None and self.node.is_running():
            self.node.kill()

    def _be_now(self) -> None:
        """Let the session happen now: what is old is refused by adapters and by the guard."""
        events = self.at.session.events
        by_ms = self.at.now_ms() - events[self.at.feed.position].time_ms
        for i, event in enumerate(events):
            times = {name: event.message[name] + by_ms for name in "ET" if name in event.message}
            events[i] = replace(event, message=event.message | times)

    def config(self) -> dict[str, Any]:
        instrument_id = self.at.instrument_id
        actors = [
            ImportableActorConfig(
                actor_path="of_nautilus.live.feed_guard:FeedGuard",
                config_path="of_nautilus.config:FeedGuardConfig",
                config={
                    "instrument_id": instrument_id,
                    # A machine under load is seconds behind.
                    "feed": {"consecutive_trades": True, "max_skew_ns": 30 * SECOND} | self._feed,
                },
            ),
            script(instrument_id, self.prompter.ws_url),
        ]
        if self._state is not None:
            actors.append(
                ImportableActorConfig(
                    actor_path="of_nautilus.live.state:StateKeeper",
                    config_path="of_nautilus.live.config:StateKeeperConfig",
                    config={"path": str(self._state)},
                )
            )
        strategy = ImportableStrategyConfig(
            strategy_path="of_nautilus.strategy:OrderFlowStrategy",
            config_path="of_nautilus.config:OrderFlowStrategyConfig",
            config={
                "instrument_id": instrument_id,
                "order_id_tag": "001",
                "external_order_claims": [instrument_id],
                "trade": self._trade,
            },
        )
        config = node_config(
            f"live_{self.venue}.json", self.at, actors, [strategy], quick_checks=True
        )
        if self._database is not None:
            # It keeps each trader's things apart.
            config["trader_id"] = f"{self.venue.upper()}-001"
            config["cache"] = {"database": self._database}
        return config

    def start(self) -> None:
        """Start a node, and wait until it trades."""
        self._since = len(self.prompter.heard)
        self.node = stage().node(self.config(), f"{self.at.ws_url}/control")
        self.until(lambda: self.prompter.of("Ready", self._since), "ready", 90)
        self.until(lambda: self.at.exchange.book.update_id and self.is_live, "live", 60)

    def kill(self) -> None:
        """Kill the node."""
        assert self.node is not None
        self.node.kill()

    # -- what there is -------------------------------------------------------------------------

    @property
    def position(self) -> Decimal:
        """The account's position at the venue."""
        return self.at.exchange.position

    def open_orders(self, kind: str | None = None) -> list[VenueOrder]:
        return [o for o in self.at.exchange.open_orders() if kind in (None, o.kind)]

    @property
    def is_flat(self) -> bool:
        return not self.position and not self.open_orders()

    @property
    def is_protected(self) -> bool:
        """Whether one stop of the position's size rests at the venue."""
        stops = self.open_orders("STOP")
        return (
            self.position != 0
            and len(stops) == 1
            and stops[0].left == abs(self.position)
            and stops[0].side * self.position < 0
        )

    @property
    def is_live(self) -> bool:
        """Whether the feed is not suspended."""
        told = self.prompter.of("FeedStatus", self._since)
        return not told or told[-1]["state"] == "LIVE"

    def troubles(self, since: int = 0) -> list[str]:
        """The kinds of trouble that were told."""
        return [one["kind"] for one in self.prompter.of("ExecutionTrouble", since)]

    def status(self) -> dict[str, Any]:
        """What the node knows of position and open orders."""
        heard = len(self.prompter.heard)
        self.say("status")
        self.until(lambda: self.prompter.of("Status", heard), "status")
        return self.prompter.of("Status", heard)[0]

    # -- what happens --------------------------------------------------------------------------

    def say(self, do: str, **fields: int) -> None:
        self.prompter.say(do, **fields)

    def until(self, condition: Callable[[], Any], what: str, timeout_s: float = 30.0) -> float:
        """Wait for something; return how long it took, s."""
        begin = time.monotonic()
        while not condition():
            if time.monotonic() - begin > timeout_s:
                raise AssertionError(self._why(what))
            if self.node is not None and not self.node.is_running():
                raise AssertionError(f"the node is gone\n{self._why(what)}")
            time.sleep(0.01)
        return time.monotonic() - begin

    def _why(self, what: str) -> str:
        orders = [(o.client_id, o.kind, o.status) for o in self.at.exchange.orders.values()][-8:]
        log = self.node.log[-6000:] if self.node else ""
        heard = "\n".join(map(json.dumps, self.prompter.heard[-12:]))
        return (
            f"{self.venue}: never {what}; position {self.position}, orders {orders}\n{heard}\n{log}"
        )

    async def order_by_hand(self, side: int, size: Decimal) -> None:
        """Somebody trades on the account with the venue's own app."""
        order = self.at.exchange.accept(
            client_id=f"web-{len(self.at.exchange.orders)}", side=side, kind="MARKET", size=size
        )
        await self.at.exchange.place(order)

    def aim(self, switch: str, role: str) -> None:
        """Let a fault's switch (one that counts) meet the next order of a role."""
        self._faults.aims.append((switch, role))

    async def _new_order(self, **fields: Any) -> VenueOrder | None:
        _ROLE.set(fields["client_id"].rpartition("-")[2])
        return await self._take_in(**fields)

    def heal(self) -> None:
        """End all faults."""
        self.at.faults = self._faults = AimedFaults()
        self.at.feed.resume()

    def enter(self, side: int = 1) -> None:
        """Let a trade begin, and wait for its stop and target."""
        self.until(lambda: self.signal(side) != "changed_outside", "settled")
        self.until(lambda: self.is_protected and self.open_orders("LIMIT"), "in a trade")

    def signal(self, side: int = 1) -> str:
        """Let an entry signal come while the feed is live; return what became of it."""
        self.until(lambda: self.is_live, "live")
        heard = len(self.prompter.heard)
        self.say("absorption", side=side)
        self.until(lambda: self.prompter.of("EntryDecision", heard), "decided")
        return str(self.prompter.of("EntryDecision", heard)[0]["decision"])

    def flatten(self) -> None:
        """Have all closed, and entries allowed again."""
        self.say("FLATTEN")
        self.until(lambda: self.is_flat, "flat")
        self.until(self.is_agreed, "agreed")
        self.say("RESUME")

    def is_agreed(self) -> bool:
        """Whether the node's position and open orders are the venue's."""
        status = self.status()
        names = sorted(order.client_id for order in self.open_orders())
        return Decimal(status["position"]) == self.position and status["orders"] == names


class AimedFaults(Faults):
    """Faults of which some wait for the next order of a role: `aims` are (switch, role)."""

    def __init__(self) -> None:
        super().__init__()
        self.aims: list[tuple[str, str]] = []

    def take(self, name: str) -> bool:
        aim = (name, _ROLE.get())
        if aim in self.aims:
            self.aims.remove(aim)
            return True
        return super().take(name)


class Wire:
    """What the market streams lose, repeat or falsify: a count is used up message by message.

    A change is worth losing when the bid falls to where nobody notices it: only from the ask that
    then comes below can a venue without numbered changes' node see that its book is wrong.
    """

    def __init__(self, at: VenueDouble) -> None:
        self.lost_trades = self.repeated_trades = self.lost_changes = 0
        self.crossed_changes = 0
        self._at = at
        self._bid = Decimal(0)
        self._whole = at.deliveries
        at.deliveries = self._deliveries  # type: ignore[method-assign]

    def _deliveries(self, event: Recorded) -> Deliveries:
        out = self._whole(event)
        if event.kind == "trade":
            if self._take("lost_trades"):
                return []
            if self._take("repeated_trades"):
                return out * 2
        elif event.kind == "depth" and out:
            if self._is_fall_through() and self._take("lost_changes"):
                return []
            if self._take("crossed_changes"):
                return [(channel, self._crossed(text)) for channel, text in out]
        return out

    def _is_fall_through(self) -> bool:
        """Whether the best ask has come down to where the best bid was before this change."""
        before, book = self._bid, self._at.exchange.book
        self._bid = Decimal(book.top(1, 1)[0][0])
        return Decimal(book.top(-1, 1)[0][0]) <= before

    def _take(self, name: str) -> bool:
        left: int = getattr(self, name)
        if left > 0:
            setattr(self, name, left - 1)
        return left > 0

    def _crossed(self, text: str) -> str:
        """The message with a bid above every ask."""
        message = json.loads(text)
        price = f"{Decimal(self._at.exchange.book.top(-1, 1)[0][0]) + 500:.2f}"
        message["data"]["b"] = [*message["data"]["b"], [price, "1.000"]]
        return json.dumps(message)
