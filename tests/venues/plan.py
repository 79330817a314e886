"""An actor that shows patterns at certain trades, the same in a node and in a backtest."""

from typing import Any

from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import LiveClock
from nautilus_trader.config import ActorConfig
from nautilus_trader.model.data import TradeTick
from nautilus_trader.model.enums import BookType
from nautilus_trader.model.identifiers import InstrumentId

from of_nautilus.data import FootprintBar, PatternSignal, SessionRoll, data_type
from tests.venues.script import HOUR, framed


class PlanConfig(ActorConfig, frozen=True):  # type: ignore[misc, call-arg]
    """`steps`: at the trade of this id, a bar closes that shows this pattern on this side, and
    whose low and high are so many ticks away from its close. An absorption comes with the session
    whose value area ends there.
    """

    instrument_id: InstrumentId
    steps: tuple[tuple[int, str, int, int], ...]


class Plan(Actor):  # type: ignore[misc]
    """Publishes what an `OrderFlowActor` would, at the trades that its config names."""

    def __init__(self, config: PlanConfig) -> None:
        super().__init__(config)
        self._steps = {number: rest for number, *rest in config.steps}

    def on_start(self) -> None:
        self._tick = self.cache.instrument(self.config.instrument_id).price_increment.as_decimal()
        self.subscribe_trade_ticks(self.config.instrument_id)
        if isinstance(self.clock, LiveClock):
            self.subscribe_order_book_deltas(self.config.instrument_id, BookType.L2_MBP)

    def on_trade_tick(self, tick: TradeTick) -> None:
        step: Any = self._steps.get(int(tick.trade_id.value))
        if step is None:
            return
        pattern, side, away = step
        price, now = int(tick.price.as_decimal() / self._tick), tick.ts_event
        times = {"ts_event": now, "ts_init": tick.ts_init}
        times |= {"instrument_id": self.config.instrument_id, "tick": float(self._tick)}
        if pattern == "absorption":
            day = {"start": now, "end": now + 20 * HOUR}
            day |= {"finished_start": now - 24 * HOUR, "finished_end": now}
            self._publish(SessionRoll(**times, **day, **framed(side, price)))
        self._publish(
            PatternSignal(
                **times, pattern=pattern, side=side, price=price, strength=100.0, at_close=True
            )
        )
        self._publish(
            FootprintBar(
                **times,
                open_ts=now - HOUR // 60,
                close_ts=now,
                low=price - away,
                high=price + away,
                close=price,
                r1=20.0,
            )
        )

    def _publish(self, data: Any) -> None:
        self.publish_data(data_type(type(data), self.config.instrument_id), data)


def plan(instrument_id: str, steps: list[tuple[int, str, int, int]]) -> dict[str, Any]:
    """The importable config of a `Plan`."""
    return {
        "actor_path": "tests.venues.plan:Plan",
        "config_path": "tests.venues.plan:PlanConfig",
        "config": {"instrument_id": instrument_id, "steps": steps},
    }
