"""OrderFlowStrategy: carries out what the trade manager decides, and tells it what came of it.

The manager (`decision.trader.TradeManager`) is pure. This shell turns published flow and order
events into its calls, its commands into orders, and what it notes into published journal data.

The entry goes alone, never as a bracket: brackets work in the backtest only. From its first fill
on a reduce-only stop rests at the venue. A stop is never modified: the new one is placed first, and
the old one canceled when it has been accepted.

Live, a timer watches over orders while no trade comes, and the position that the host knows of is
held against the fills of our own orders: what somebody else has done is told to the manager.
"""

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pandas as pd
from nautilus_trader.common.component import LiveClock
from nautilus_trader.common.data_topics import TopicCache
from nautilus_trader.model.data import TradeTick
from nautilus_trader.model.events import (
    OrderAccepted,
    OrderCanceled,
    OrderCancelRejected,
    OrderDenied,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderUpdated,
    PositionEvent,
)
from nautilus_trader.model.identifiers import ClientOrderId, InstrumentId, PositionId, StrategyId
from nautilus_trader.trading.strategy import Strategy

from of_nautilus.config import OrderFlowStrategyConfig
from of_nautilus.core.ticks import MarketScale
from of_nautilus.data import (
    FLATTEN,
    FLOW_TYPES,
    LIVE,
    OPERATION_TYPES,
    PAUSE,
    RESUME,
    STRATEGY_TYPES,
    About,
    ClosedTrade,
    DailyBias,
    EntryDecision,
    ExecutionTrouble,
    FeedStatus,
    FeedTrust,
    FootprintBar,
    JournalNote,
    LevelEvent,
    OperatorCommand,
    PatternSignal,
    SessionRoll,
    TradeTransition,
    data_type,
    listen,
    subscribe_book,
)
from of_nautilus.decision.framing import SessionProfile, freeze_session
from of_nautilus.decision.orders import (
    Accepted,
    CancelOrder,
    CancelRefused,
    Closed,
    Gone,
    Moved,
    Note,
    OrderCommand,
    PositionReport,
    QueryOrder,
    Refused,
    Report,
    Resized,
    Role,
)
from of_nautilus.decision.records import (
    Bar,
    EntryPlanned,
    EntryRefused,
    Framed,
    Halted,
    Output,
    Seen,
    TradeClosed,
)
from of_nautilus.decision.recovery import VenueView
from of_nautilus.decision.registry import LevelChange
from of_nautilus.decision.risk import Market
from of_nautilus.decision.trader import TradeManager
from of_nautilus.model.data import Forecast
from of_nautilus.orders import OwnOrders

# How often the manager sees to its limits: with an order or a position, and without. Live times are
# off by some ns: less a microsecond, a trade a whole second later is looked at in either case.
_BEAT_NS = 1_000_000_000
_CHECK_NS = _BEAT_NS - 1_000
_IDLE_CHECK_NS = 60 * _BEAT_NS - 1_000
_EXTERNAL = StrategyId("EXTERNAL")


class OrderFlowStrategy(Strategy):
    """Trades the order flow of one instrument, one position at a time."""

    def __init__(self, config: OrderFlowStrategyConfig) -> None:
        super().__init__(config)
        self.manager: TradeManager | None = None
        self.trades: list[ClosedTrade] = []
        self._todo: deque[Output] = deque()
        self._busy = False
        self._at_close: list[PatternSignal] = []
        self._ids: dict[int, ClientOrderId] = {}
        self._rested: set[ClientOrderId] = set()
        self._left_over: set[ClientOrderId] = set()
        self._saved: bytes | None = None
        self._next_check = 0
        self._last = 0
        self._newest: TradeTick | None = None
        self._tick_ts = self._tick_init = 0
        self._exposed: ExecutionTrouble | None = None
        self._feed = FeedTrust()
        self._fee_told = False

    # -- life -------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Take up what the venue holds, and subscribe to market and flow."""
        instrument_id = self.config.instrument_id
        instrument = self.cache.instrument(instrument_id)
        if instrument is None:
            self.log.error(f"instrument not found: instrument_id={instrument_id}")
            self.stop()
            return
        self._instrument = instrument
        # The host keeps one object for an account, and that up to date.
        self._account, self._account_events = None, -1
        self._scale = MarketScale(
            instrument.price_increment.as_decimal(), instrument.size_increment.as_decimal()
        )
        self._about = About(
            instrument_id, str(self.id), float(self._scale.tick), float(self._scale.lot)
        )
        self._types = {kind: data_type(kind, instrument_id) for kind in STRATEGY_TYPES}
        self._own = OwnOrders(
            self.order_factory,
            instrument,
            self._scale,
            tag=str(self.id).rpartition("-")[2],
            now_ns=self.clock.timestamp_ns(),
            ids=self._ids,
        )
        self.manager = self._new_manager(_market(instrument, self._scale))
        if self._saved is not None:
            self.manager.load(msgspec.json.decode(self._saved))
        self._update_equity()
        self._recover()
        for kind in self._listens_to():
            listen(self, kind, instrument_id)
        self._subscribe_trades(instrument_id)
        if isinstance(self.config, OrderFlowStrategyConfig) and self.config.book:
            subscribe_book(self, instrument_id)
        self.msgbus.subscribe(f"events.position.{_EXTERNAL}", self.on_position_event)
        self._live = isinstance(self.clock, LiveClock)
        self._check_position(self._now())
        if self._live:
            loop = asyncio.get_running_loop()
            # The host's live timers run on a thread of their own.
            self.clock.set_timer(
                "guard",
                pd.Timedelta(nanoseconds=_BEAT_NS),
                callback=lambda _: loop.call_soon_threadsafe(self._beat),
            )

    def _subscribe_trades(self, instrument_id: InstrumentId) -> None:
        """Subscribe to trades, and take them from the bus itself.

        On the way through `handle_trade_tick` the host looks for the indicators of each trade, and
        that takes longer than what a strategy does with nearly all of them. Who registers an
        indicator for trades with this strategy calls `subscribe_trade_ticks` once more.
        """
        self.subscribe_trade_ticks(instrument_id)
        topic = TopicCache().get_trades_topic(instrument_id)
        self.msgbus.unsubscribe(topic, self.handle_trade_tick)
        self.msgbus.subscribe(topic, self.on_trade_tick)

    def _new_manager(self, market: Market) -> TradeManager:
        """Return who decides."""
        return TradeManager(self.config.trade, market)

    def _listens_to(self) -> tuple[type[Any], ...]:
        """Return the types of data that the manager's decisions need."""
        uses_model = self.manager is not None and self.manager.settings.score.uses_model
        heard = (*FLOW_TYPES, *OPERATION_TYPES)
        return (*heard, Forecast) if uses_model else heard

    def wind_down(self) -> None:
        """Enter nothing more; leave a position to its stop, or close it if the config says so.

        A node does this before its stop: from then on the host tells of no order's fate.
        """
        if self.manager is None or self.manager.stopping:
            return
        self.manager.stopping = True
        now = self._now()
        if self.config.flatten_on_stop:
            self._do(self.manager.close(now, "stopped"))
        else:
            self._do(self.manager.call_off(now, "stopped"))

    @property
    def settled(self) -> bool:
        """Whether no entry, exit or cancel is under way, and what is open is protected."""
        if self.manager is None:
            return True
        state = self.manager.state
        under_way = any(
            order.leaving or order.role in (Role.ENTRY, Role.EXIT) for order in state.orders.working
        )
        unclosed = self.config.flatten_on_stop and state.orders.position != 0
        return state.protected and not under_way and not unclosed

    def on_stop(self) -> None:
        """Wind down, where nobody has seen to it before."""
        self.wind_down()

    def on_save(self) -> dict[str, bytes]:
        """Return the state that a restart goes on from."""
        if self.manager is None:
            return {}
        return {"of_state": msgspec.json.encode(self.manager.to_dict())}

    def on_load(self, state: dict[str, bytes]) -> None:
        """Keep a saved state for the start."""
        self._saved = state.get("of_state")

    def on_reset(self) -> None:
        """Forget everything."""
        self.manager = None
        self.trades.clear()
        self._todo.clear()
        self._at_close.clear()
        self._ids.clear()
        self._rested.clear()
        self._left_over.clear()
        self._saved = None
        self._next_check = self._last = self._tick_ts = self._tick_init = 0
        self._newest = None
        self._exposed = None
        self._feed = FeedTrust()

    # -- the market -------------------------------------------------------------------------------

    def on_trade_tick(self, tick: TradeTick) -> None:
        """Let the manager see to its limits, once a second while anything is open."""
        self._newest = tick
        if tick.ts_event < self._next_check or self.manager is None or not self.is_running:
            return
        self._tick_ts, self._tick_init = tick.ts_event, tick.ts_init
        self._check(tick.ts_event)

    def _beat(self) -> None:
        """Live, once a second: watch over the orders while no trade comes."""
        try:
            if not self.is_running:
                return
            now = self._now()
            self._check_position(now)
            self._cancel_left_over()
            if self.manager is not None and now >= self._next_check:
                # The next check of a trade stays where it is: it must not depend on a clock.
                self._update_equity()
                self._do(self.manager.on_time(now))
        except Exception as error:
            # The event loop would only log it.
            self.log.exception("guard failed", error)
            self.shutdown_system(f"guard of {self.id} failed: {error!r}")

    def _cancel_left_over(self) -> None:
        """Cancel what an earlier run left, once nothing can be without a stop for it."""
        if not self._left_over or self.manager is None:
            return
        state = self.manager.state
        if state.protected and not state.orders.foreign:
            for name in self._left_over:
                order = self.cache.order(name)
                if order is not None and not order.is_closed:
                    self.cancel_order(order)
            self._left_over.clear()

    def _now(self) -> int:
        """Return the event time: that of the last trade looked at, and what has passed since."""
        now = self.clock.timestamp_ns()
        return self._tick_ts + now - self._tick_init if self._tick_init else now

    def _check(self, ts: int) -> None:
        assert self.manager is not None
        self._next_check = ts + (_IDLE_CHECK_NS if self.manager.idle else _CHECK_NS)
        self._update_equity()
        self._do(self.manager.on_time(ts, self._last_price() or None))

    def _last_price(self) -> int:
        """Return the newest price, ticks; 0 before any. It is decoded when somebody asks."""
        if self._newest is not None:
            # The nearest tick, of the host's integers: what a decimal costs is paid every second.
            step = self._instrument.price_increment.raw
            self._last = (2 * self._newest.price.raw + step) // (2 * step)
            self._newest = None
        return self._last

    def on_data(self, data: Any) -> None:
        """Take what the flow publishes."""
        if self.manager is None:
            return
        if isinstance(data, PatternSignal):
            if data.at_close:
                self._at_close.append(data)
            else:
                last = self._last_price() or data.price
                self._do(self.manager.on_signal(_seen(data, data.price, data.price, last)))
        elif isinstance(data, FootprintBar):
            self._take_bar(data)
        elif isinstance(data, SessionRoll):
            finished = _finished(data, self.manager)
            self._do(self.manager.on_session(data.start, data.end, finished))
        elif isinstance(data, Forecast):
            self.manager.model_agreement = data.agreement
        elif isinstance(data, FeedStatus):
            self.manager.trusted = self._feed.hear(data)
            if not self.manager.trusted:
                self._do(self.manager.call_off(self._now(), "not_trusted"))
        elif isinstance(data, OperatorCommand):
            self._obey(data)

    def on_past(self, data: Any) -> None:
        """Take what the flow tells of the past, before it tells of the present."""
        if self.manager is None:
            return
        if isinstance(data, FootprintBar):
            spread = self.manager.settings.risk.spread_ticks
            self._do(self.manager.learn_bar(_bar(data, spread)))
        elif isinstance(data, SessionRoll):
            finished = _finished(data, self.manager)
            self._do(self.manager.learn_session(data.start, data.end, finished))
        elif isinstance(data, FeedStatus) and data.state == LIVE:
            self._do(self.manager.learned(self._now()))
            self._next_check = 0

    def _obey(self, command: OperatorCommand) -> None:
        """Pause, go on, or close all there is."""
        assert self.manager is not None
        self.log.info(f"operator: action={command.action} source={command.source}")
        if command.action in (PAUSE, RESUME):
            self.manager.paused = command.action == PAUSE
            if self.manager.paused:
                self._do(self.manager.call_off(self._now(), "paused"))
        elif command.action == FLATTEN:
            self._do(self.manager.flatten(self._now()))
        else:
            self.log.error(f"operator: unknown action={command.action}")

    def _take_bar(self, data: FootprintBar) -> None:
        assert self.manager is not None
        self._last = data.close
        self._update_equity()
        signals, self._at_close = self._at_close, []
        seen = [_seen(signal, data.low, data.high, data.close) for signal in signals]
        self._do(self.manager.on_bar(_bar(data, self._spread()), seen))

    def _spread(self) -> float:
        """Return the book's spread in ticks, a tick at least; what the config says without one."""
        assert self.manager is not None
        if self.config.book:
            book = self.cache.order_book(self.config.instrument_id)
            bid, ask = (book.best_bid_price(), book.best_ask_price()) if book else (None, None)
            if bid is not None and ask is not None:
                step = self._instrument.price_increment.raw
                return max(1.0, float(round((ask.raw - bid.raw) / step)))
        return float(self.manager.settings.risk.spread_ticks)

    # -- order events -----------------------------------------------------------------------------

    def on_order_accepted(self, event: OrderAccepted) -> None:
        """Tell the manager; and the journal, where a stop rests now."""
        if self._own.is_left_over(event.client_order_id):
            # The host has learned of it after the start.
            self.log.warning(f"order of an earlier run: {event.client_order_id}")
            self._left_over.add(event.client_order_id)
            return
        self._report(event, lambda key: Accepted(key, event.ts_event))
        role = self._own.role(event.client_order_id)
        # Binance accepts a stop once more when it is triggered.
        if role is Role.STOP and event.client_order_id not in self._rested:
            self._rested.add(event.client_order_id)
            order = self.cache.order(event.client_order_id)
            numbers = {
                "price": self._own.ticks(order.trigger_price.as_decimal()),
                "quantity": self._scale.to_lots(order.quantity.as_decimal()),
            }
            self._do([Note("stop_rests", event.ts_event, tuple(numbers.items()))])

    def on_order_filled(self, event: OrderFilled) -> None:
        """Tell the manager, in ticks and lots, with the fee."""
        fill = self._own.filled(event)
        if fill is None:
            self._check_position(self._now())
        elif self.manager is not None:
            if not self._own.tells_fee(event) and not self._fee_told:
                self._fee_told = True
                self.log.warning(f"fees are estimated: paid in {event.commission.currency.code}")
            self._do(self.manager.on_report(fill))

    def on_order_rejected(self, event: OrderRejected) -> None:
        """Tell the manager."""
        self._report(event, lambda key: Refused(key, event.ts_event, str(event.reason)))

    def on_order_denied(self, event: OrderDenied) -> None:
        """Tell the manager."""
        self._report(event, lambda key: Refused(key, event.ts_event, str(event.reason)))

    def on_order_canceled(self, event: OrderCanceled) -> None:
        """Tell the manager."""
        self._report(event, lambda key: Gone(key, event.ts_event, "canceled"))

    def on_order_expired(self, event: OrderExpired) -> None:
        """Tell the manager."""
        self._report(event, lambda key: Gone(key, event.ts_event, "expired"))

    def on_order_cancel_rejected(self, event: OrderCancelRejected) -> None:
        """Tell the manager."""
        self._report(event, lambda key: CancelRefused(key, event.ts_event))

    def on_order_updated(self, event: OrderUpdated) -> None:
        """Tell the manager."""
        lots = self._scale.to_lots(event.quantity.as_decimal())
        self._report(event, lambda key: Resized(key, lots, event.ts_event))

    def on_position_event(self, event: PositionEvent) -> None:
        """Hold the position against our orders' fills: of a fill the host has told before."""
        if self.is_running:
            self._check_position(self._now())

    def _report(self, event: Any, made: Any) -> None:
        key = self._own.key(event.client_order_id)
        if key is not None and self.manager is not None:
            report: Report = made(key)
            self._do(self.manager.on_report(report))

    def _check_position(self, ts: int) -> None:
        """Tell the manager of a position that the fills of its orders do not explain."""
        if self.manager is None:
            return
        orders = self.manager.state.orders
        signed = sum(
            position.signed_decimal_qty()
            for position in self.cache.positions_open(instrument_id=self.config.instrument_id)
            if position.strategy_id in (self.id, _EXTERNAL)
        )
        lots = int(signed / self._scale.lot)
        if lots != orders.position + orders.foreign:
            price = self._last_price() or self.manager.price or 0
            self._do(self.manager.on_report(PositionReport(lots, price, ts)))

    # -- carrying out -----------------------------------------------------------------------------

    def _do(self, outputs: Sequence[Output]) -> None:
        """Carry out what the manager decided, in order, also where one thing leads to the next."""
        if not outputs and not self._todo and self._exposed is None:
            return
        self._todo.extend(outputs)
        if self._busy:
            return
        self._busy = True
        try:
            while self._todo:
                output = self._todo.popleft()
                self._next_check = 0
                if isinstance(output, OrderCommand):
                    self._order(output)
                else:
                    self._publish(output)
            self._tell_if_safe()
        finally:
            self._busy = False

    def _tell_if_safe(self) -> None:
        """Say so when a position that trouble had left without a stop is protected or gone."""
        trouble, manager = self._exposed, self.manager
        if trouble is None or manager is None or not manager.state.protected:
            return
        self._exposed = None
        now = self.clock.timestamp_ns()
        position = manager.state.orders.position
        safe = ExecutionTrouble(
            ts_event=now,
            ts_init=now,
            **self._about.fields(),
            kind="protected" if position else "flat",
            text=trouble.kind,
            position=position,
            protected=True,
            numbers=json.dumps({"seconds": (now - trouble.ts_init) / 1e9}),
        )
        self.log.info(f"{safe.kind}: after={safe.text} numbers={safe.numbers}")
        self.publish_data(self._types[ExecutionTrouble], safe)

    def _order(self, command: OrderCommand) -> None:
        if isinstance(command, CancelOrder):
            order = self.cache.order(self._own.id(command.key, command.role))
            if order is not None and not order.is_closed:
                self.cancel_order(order)
            return
        if isinstance(command, QueryOrder):
            order = self.cache.order(self._own.id(command.key, command.role))
            # A simulated venue has nothing to tell beyond what it has told.
            if self._live and order is not None and not order.is_closed:
                self.query_order(order)
            return
        order = self._own.made(command)
        self.submit_order(order, position_id=self._reduced() if order.is_reduce_only else None)

    def _reduced(self) -> PositionId | None:
        """Return the position that a reduce-only order is for, where the account hedges.

        Such an account opens a position with each order that names none; a netting one has a single
        position, which the venue finds by itself. The host may keep that in parts: what came from
        outside by another name than its own fills. An order that named one part would be refused
        for the other's sake.
        """
        instrument_id = self.config.instrument_id
        for position in self.cache.positions_open(instrument_id=instrument_id, strategy_id=self.id):
            name = str(position.id)
            if not name.startswith(f"{instrument_id}-") or name.endswith(("-LONG", "-SHORT")):
                return position.id
        return None

    def _publish(self, output: Output) -> None:
        ts = self.clock.timestamp_ns()
        data: Any
        match output:
            case TradeClosed():
                data = ClosedTrade.of(output, self._about, ts)
                self.trades.append(data)
            case Moved():
                data = TradeTransition.of(output, self._about, ts)
            case EntryPlanned() | EntryRefused():
                data = EntryDecision.of(output, self._about, ts)
            case Framed():
                data = DailyBias.of(output, self._about, ts)
            case LevelChange():
                data = LevelEvent.of(output, self._about, ts)
            case Note(alarm=True):
                data = self._trouble(output, ts)
            case Note() | Halted():
                data = JournalNote.of(output, self._about, ts)
                if data.alarm:
                    self.log.warning(f"{data.what}: reason={data.reason} numbers={data.numbers}")
            case Closed():
                return  # `TradeClosed` follows, with what made it
            case _:
                raise TypeError(f"nothing is known to be done about {type(output).__name__}")
        self.publish_data(self._types[type(data)], data)

    def _trouble(self, note: Note, ts: int) -> ExecutionTrouble:
        assert self.manager is not None
        state = self.manager.state
        trouble = ExecutionTrouble.of(note, state.orders.position, state.protected, self._about, ts)
        if not state.protected and self._exposed is None:
            self._exposed = trouble
        self.log.warning(
            f"{note.what}: reason={note.reason} position={trouble.position} "
            f"protected={trouble.protected} numbers={trouble.numbers}"
        )
        return trouble

    # -- small things -----------------------------------------------------------------------------

    def _recover(self) -> None:
        """Go on with the position and the orders that are there, after a restart."""
        assert self.manager is not None
        instrument_id = self.config.instrument_id
        known = self.manager.state.orders
        orders_told = self.cache.orders(instrument_id=instrument_id, strategy_id=self.id)
        fills = self._own.missed(orders_told, known.working, known.seen)
        found = self.cache.orders_open(instrument_id=instrument_id, strategy_id=self.id)
        taken = [self._own.take_over(order) for order in found]
        orders = tuple(order for order in taken if order is not None)
        positions = self.cache.positions_open(instrument_id=instrument_id, strategy_id=self.id)
        if not orders and not positions and self._saved is None:
            return
        signed = sum((position.signed_decimal_qty() for position in positions), Decimal(0))
        entry = positions[0].avg_px_open if positions else 0.0
        self._do(
            self.manager.recover(
                VenueView(
                    position=int(signed / self._scale.lot),
                    entry=round(entry / float(self._scale.tick)),
                    price=self.manager.price or round(entry / float(self._scale.tick)),
                    orders=orders,
                    ts=self.clock.timestamp_ns(),
                    fills=fills,
                )
            )
        )

    def _update_equity(self) -> None:
        """Tell the manager the account's money, if anything has happened to it since."""
        if self._account is None:
            self._account = self.portfolio.account(self._instrument.venue)
        if self._account is None or self.manager is None:
            return
        events = self._account.event_count
        if events == self._account_events:
            return
        self._account_events = events
        total = self._account.balance_total(self._instrument.get_settlement_currency())
        if total is not None:
            self.manager.equity = total.as_decimal()


def _market(instrument: Any, scale: MarketScale) -> Market:
    """Return what an order must satisfy and what a round trip of takers costs."""
    lots = scale.to_lots
    return Market(
        tick_value=scale.tick * scale.lot * instrument.multiplier.as_decimal(),
        min_qty=max(1, lots(instrument.min_quantity.as_decimal()))
        if instrument.min_quantity
        else 1,
        max_qty=lots(instrument.max_quantity.as_decimal()) if instrument.max_quantity else None,
        min_notional=instrument.min_notional.as_decimal()
        if instrument.min_notional
        else Decimal(0),
        fee_rate=2.0 * max(0.0, float(instrument.taker_fee)),
    )


def _bar(data: FootprintBar, spread: float) -> Bar:
    return Bar(data.open_ts, data.close_ts, data.low, data.high, data.close, data.r1, spread)


def _seen(signal: PatternSignal, low: int, high: int, last: int) -> Seen:
    return Seen(
        ts=signal.ts_event,
        pattern=signal.pattern,
        side=signal.side,
        price=signal.price,
        strength=signal.strength,
        low=low,
        high=high,
        last=last,
    )


def _finished(roll: SessionRoll, manager: TradeManager) -> SessionProfile | None:
    """Return the session that has ended, None if nothing was traded in it."""
    if not roll.volumes:
        return None
    return freeze_session(
        start_ns=roll.finished_start,
        end_ns=roll.finished_end,
        high=roll.high,
        low=roll.low,
        close=roll.close,
        low_row=roll.low_row,
        ticks_per_row=roll.ticks_per_row,
        volumes=roll.rows(),
        complete=roll.complete,
        config=manager.settings.framing,
    )
