"""TradeManager: one instrument's signals, bars and order reports go in, commands come out.

It joins framing, levels, score, risk, gates and lifecycle. It is pure: it knows no clock but the
time of its events and does no I/O. A shell translates: market data and order events into the calls
below, the returned order commands into orders, the rest into a journal.

Every call returns what is to be done, in order. The state is complete before the call returns, so a
shell may carry out commands that lead to further calls at once, or later, as long as it keeps their
order.
"""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from of_nautilus.decision.framing import Bias, Direction, Hook, Relation, SessionProfile, frame_bias
from of_nautilus.decision.gate import (
    SECOND,
    DayLedger,
    check_halt,
    entry_gate,
    record_trade,
    roll_day,
)
from of_nautilus.decision.levels import (
    Level,
    LevelKind,
    level_strength,
    qualified_levels,
    reach,
    watch_reach,
)
from of_nautilus.decision.lifecycle import at_rest, step
from of_nautilus.decision.orders import (
    Accepted,
    CallOff,
    Closed,
    Command,
    Filled,
    Mark,
    OrderCommand,
    Report,
    Role,
    TakeOver,
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
from of_nautilus.decision.recovery import VenueView, recover
from of_nautilus.decision.registry import LevelRecord, LevelRegistry
from of_nautilus.decision.risk import (
    Market,
    Refusal,
    check_stops,
    frame_stops,
    level_stops,
    percent_stops,
    position_size,
)
from of_nautilus.decision.score import Score, composite
from of_nautilus.decision.settings import EXIT_PATTERNS, Settings, TradeConfig, exit_warning, settle
from of_nautilus.decision.state import Event, Plan, State, event_rank
from of_nautilus.decision.status import Status, stand
from of_nautilus.decision.table import Kind, Phase


@dataclass(slots=True)
class _Story:
    """What made the present trade."""

    score: float = 0.0
    grade: str = ""
    signals: list[tuple[int, str, int, float]] = field(default_factory=list)


class TradeManager:
    """Trades one instrument.

    A shell keeps `equity` (money), `trusted` (whether book and feed are in order), `paused`
    (whether somebody wants no entries), `stopping` (whether its run is about to end) and
    `model_agreement` (in [-100, 100], positive if a model forecasts a rise) up to date.
    """

    def __init__(self, config: TradeConfig | None = None, market: Market | None = None) -> None:
        self.config = config or TradeConfig()
        self.market = market or Market()
        self.settings: Settings = settle(self.config)
        self.equity = Decimal(0)
        self.trusted = True
        self.paused = False
        self.stopping = False
        self.model_agreement = 0.0
        self.state = State()
        self.registry = LevelRegistry()
        self.sessions: list[SessionProfile] = []
        self.bias = Bias(Direction.NEUTRAL, 0.0)
        self.ledger = DayLedger()
        self._judged: DayLedger | None = None
        self.session_end_ns: int | None = None
        self._learned_end_ns: int | None = None
        self.price: int | None = None
        self.r1 = math.nan
        self.spread = self.settings.risk.spread_ticks
        self.last_entry_ns: int | None = None
        self._taken_key = 0
        self._filled_key = 0
        self._story = _Story()
        self._sent: deque[int] = deque()
        self._out: list[Output] = []

    # What a shell calls.

    def on_session(
        self, start_ns: int, end_ns: int, finished: SessionProfile | None = None
    ) -> list[Output]:
        """Open a session; `finished` is the one that has just ended, if it held any volume.

        A position left from the session before is closed. Where none is known, as after a start
        without a saved state, what is open may be of this one: it stays.
        """
        if self.session_end_ns is not None and start_ns >= self.session_end_ns:
            self._force_close(start_ns, "session_end")
        self.session_end_ns = end_ns
        self._frame(start_ns, finished)
        return self._flush()

    def on_bar(self, bar: Bar, seen: Iterable[Seen] = ()) -> list[Output]:
        """Take a closed bar and the patterns that its close brought, in any order."""
        low, high, close = int(bar.low), int(bar.high), int(bar.close)
        self.price = close
        self._new_day(bar.ts)
        self._read(bar)
        self._check_limits(bar.ts)
        self._mark(bar.ts, close, low, high)
        for signal in sorted(seen, key=self._rank):
            self._take(signal)
        self._watch(bar.ts, close)
        return self._flush()

    def learn_session(
        self, start_ns: int, end_ns: int, finished: SessionProfile | None = None
    ) -> list[Output]:
        """Take a session of the past, for its levels: what is open now is none of its business.

        Its end counts once the past is `learned`.
        """
        self._learned_end_ns = end_ns
        self._frame(start_ns, finished)
        return self._flush()

    def learn_bar(self, bar: Bar) -> list[Output]:
        """Take a bar of the past, for levels and usual range."""
        if not self.state.orders.position:
            self.price = int(bar.close)
        self._read(bar)
        return self._flush()

    def learned(self, ts: int) -> list[Output]:
        """End the past: the session that it ended in is the present one.

        A position of one that has ended meanwhile is closed.
        """
        if self.session_end_ns is not None and ts >= self.session_end_ns:
            self._force_close(ts, "session_end")
        if self._learned_end_ns is not None:
            self.session_end_ns, self._learned_end_ns = self._learned_end_ns, None
        return self._flush()

    def on_signal(self, signal: Seen) -> list[Output]:
        """Take a pattern that fired inside a bar."""
        self.price = int(signal.last)
        self._new_day(signal.ts)
        self._take(signal)
        return self._flush()

    def on_time(self, ts: int, price: int | None = None) -> list[Output]:
        """Let the time pass between bars: session end, expiries, retries, the day's loss.

        Which level is watched changes with a price only: with the market, not with a clock.
        """
        self.price = self.price if price is None else price
        self._new_day(ts)
        self._check_limits(ts)
        if self.price is not None:
            self._mark(ts, self.price, self.price, self.price)
        if price is not None:
            self._watch(ts, price)
        return self._flush()

    def on_report(self, report: Report) -> list[Output]:
        """Take a report of an order or of the position."""
        self._count_entry(report)
        self._step(report)
        return self._flush()

    def call_off(self, ts: int, reason: str) -> list[Output]:
        """Cancel a limit entry, or what is left of one; what fills before that is managed.

        An entry at market is at its end before a cancel could reach it.
        """
        plan = self.state.plan
        if plan is not None and plan.limit:
            self._step(CallOff(ts, reason))
        return self._flush()

    def close(self, ts: int, reason: str = "manual") -> list[Output]:
        """Cancel an entry in flight, or close the position."""
        self._force_close(ts, reason)
        return self._flush()

    def flatten(self, ts: int) -> list[Output]:
        """Pause, cancel and close all there is, also a position that somebody else has opened."""
        self.paused = True
        self._force_close(ts, "flatten")
        self._step(TakeOver(self.price or 0, ts))
        return self._flush()

    def add_level(self, kind: LevelKind, price: int, ts: int) -> list[Output]:
        """Follow a level that a bar showed: an unfinished auction, a stacked zone."""
        self._out += self.registry.add(Level(kind, price, 0, level_strength(kind, False), ts), ts)
        return self._flush()

    def recover(self, view: VenueView) -> list[Output]:
        """Go on from what the venue holds after a restart; see `recovery.recover`."""
        self.price = view.price
        plan = self.state.plan
        for fill in view.fills:
            self._count_entry(fill)
        self.state, commands = recover(self.state, view, self.settings.lifecycle)
        self._collect(commands, plan, view.ts)
        return self._flush()

    @property
    def idle(self) -> bool:
        """Whether there is no trade, nor an order or a position that might make one."""
        return self.state.phase in (Phase.NONE, Phase.WATCHING) and self.state.orders.idle

    def status(self, stale: bool = False) -> tuple[Status, tuple[bool, ...]]:
        """Return the instrument's status and its six steps."""
        return stand(
            self.state.phase,
            price=self.price,
            levels=self.registry.tradable(),
            r1=self.r1,
            has_profile=self.price is not None,
            has_frame=bool(self.sessions),
            stale=stale,
            config=self.settings.levels,
        )

    # Signals.

    def _rank(self, signal: Seen) -> int:
        """The place of a signal among those of one time: strong exits, initiatives, absorptions."""
        kinds = {"initiative": Kind.INIT_SAME, "absorption": Kind.ABSORPTION_OK}
        if signal.pattern in EXIT_PATTERNS:
            kind = exit_warning(signal.strength, self.settings.exit_thresholds[signal.pattern])
        else:
            kind = kinds.get(signal.pattern, Kind.SWEEP)
        return event_rank(Event(kind, signal.ts))

    def _take(self, signal: Seen) -> None:
        if signal.pattern == "absorption":
            self._absorption(signal)
            return
        if signal.pattern == "sweep":
            self._step(Event(Kind.SWEEP, signal.ts, reason=_told(signal)))
            return
        plan = self.state.plan
        if not self.state.in_trade or plan is None:
            return
        same = signal.side == plan.side
        if signal.pattern == "initiative":
            kind = Kind.INIT_SAME if same else Kind.INIT_OPP
        elif signal.pattern in EXIT_PATTERNS and not same:
            kind = exit_warning(signal.strength, self.settings.exit_thresholds[signal.pattern])
        else:
            return
        self._remember(signal)
        self._step(
            Event(kind, signal.ts, signal.last, signal.low, signal.high, reason=signal.pattern)
        )

    def _absorption(self, signal: Seen) -> None:
        """Turn an absorption into an entry, a warning, or a refusal."""
        if self.state.in_trade:
            self._opposite(signal)
            return
        if not self.idle:
            orders = self.state.orders
            numbers = (("open_orders", len(orders.working)), ("foreign", orders.foreign))
            self._refuse(signal, Refusal("busy", numbers))
            return
        records = self._levels_at(signal)
        if isinstance(records, Refusal):
            self._refuse(signal, records)
            return
        record, resting = self._allowed(records, signal.ts)
        level = record.level
        score = self._score(signal, level)
        if not score.enters:
            self._step(Event(Kind.ABSORPTION_LOW, signal.ts, reason=_told(signal)))
            refusal = Refusal(
                "score", (("raw", score.raw), ("min_score", self.settings.score.min_score))
            )
            self._refuse(signal, refusal, level, score)
            return
        refusal_or_plan = resting or self._gate(signal.ts) or self._plan(signal, level, score)
        if isinstance(refusal_or_plan, Refusal):
            self._refuse(signal, refusal_or_plan, level, score)
            return
        self._story = _Story(score.raw, score.grade)
        self._remember(signal)
        self._out.append(EntryPlanned(signal.ts, signal, level, score, refusal_or_plan))
        self._step(Event(Kind.ABSORPTION_OK, signal.ts, plan=refusal_or_plan, reason=_told(signal)))

    def _opposite(self, signal: Seen) -> None:
        """An entry signal against the trade is a warning."""
        plan = self.state.plan
        if not self.config.robust or plan is None or signal.side != -plan.side:
            return
        records = self._levels_at(signal)
        if isinstance(records, Refusal) or not self._score(signal, records[0].level).enters:
            return
        self._remember(signal)
        self._step(Event(Kind.EXIT_WARN_WEAK, signal.ts, reason="absorption"))

    def _levels_at(self, signal: Seen) -> list[LevelRecord] | Refusal:
        """The levels of the signal's side that it stands on, the strongest first, or why none."""
        if self.config.robust and not self.r1 > 0.0:
            return Refusal("not_ready")
        if not self.sessions:
            return Refusal("no_frame")
        around = reach(signal.last, self.r1, self.settings.levels)
        low, high = signal.low, signal.high
        if self.settings.levels.proximity == "percent":
            low = high = signal.last
        row = self.sessions[-1].ticks_per_row
        apart = max(float(row), 0.25 * self.r1) if self.config.robust else float(row)
        records = self.registry.candidates(
            signal.side, low - around, high + around, apart, signal.last
        )
        return records or Refusal("no_level", (("reach", around),))

    def _allowed(self, records: list[LevelRecord], ts: int) -> tuple[LevelRecord, Refusal | None]:
        """The first level that is not resting; if all are, the first, and why it rests."""
        limit = self.settings.gate.max_entries_per_level
        first: Refusal | None = None
        for record in records:
            refusal = None
            if limit is not None and record.entries >= limit:
                refusal = Refusal("level_entries", (("entries", record.entries),))
            elif ts < record.blocked_ns:
                refusal = Refusal("level_blocked", (("seconds", (record.blocked_ns - ts) / 1e9),))
            if refusal is None:
                return record, None
            first = first or refusal
        return records[0], first

    def _score(self, signal: Seen, level: Level) -> Score:
        return composite(
            signal.pattern,
            signal.strength,
            signal.side,
            level.strength,
            self.bias,
            signal.side * self.model_agreement,
            self.settings.score,
        )

    def _gate(self, ts: int) -> Refusal | None:
        if self.stopping:
            return Refusal("stopping")
        if self.paused:
            return Refusal("paused")
        if not self.trusted:
            return Refusal("not_trusted")
        outside_ns, settle_ns = self.state.orders.outside_ns, self.settings.lifecycle.settle_ns
        if outside_ns is not None and ts < outside_ns + settle_ns:
            return Refusal(
                "changed_outside", (("seconds", (outside_ns + settle_ns - ts) / SECOND),)
            )
        while self._sent and self._sent[0] <= ts - 60 * SECOND:
            self._sent.popleft()
        return entry_gate(
            ts,
            ledger=self.ledger,
            last_entry_ns=self.last_entry_ns,
            session_end_ns=self.session_end_ns,
            config=self.settings.gate,
            recent_orders=len(self._sent),
        )

    def _plan(self, signal: Seen, level: Level, score: Score) -> Plan | Refusal:
        risk, side = self.settings.risk, signal.side
        limit = self.config.entry == "limit"
        entry = signal.last - (side * self.config.limit_offset_ticks if limit else 0)
        cost = self.market.cost(entry, self.spread)
        if risk.stops == "level":
            if not self.r1 > 0.0:
                return Refusal("not_ready")
            targets = self.registry.targets()
            stop, target = level_stops(
                side, entry, level.price, self.r1, cost, targets, risk.min_rr
            )
        elif risk.stops == "frame":
            frame = self.sessions[-1]
            stop, target = frame_stops(side, frame.val, frame.vah)
        else:
            stop, target = percent_stops(side, entry)
        refusal = check_stops(side, entry, stop, target, cost, risk)
        if refusal is not None:
            return refusal
        qty = position_size(entry, stop, self.equity, self.market, risk)
        if isinstance(qty, Refusal):
            return qty
        return Plan(
            side=side,
            qty=qty,
            entry=entry,
            stop=stop,
            target=target,
            limit=limit,
            expires_ns=signal.ts + self.config.entry_expiry_ns,
            r1=self.r1 if self.r1 > 0.0 else 0.0,
            cost=cost,
            level=level.id,
            score=score.raw,
        )

    def _refuse(
        self,
        signal: Seen,
        refusal: Refusal,
        level: Level | None = None,
        score: Score | None = None,
    ) -> None:
        name = level.id if level is not None else ""
        self._out.append(EntryRefused(signal.ts, signal, refusal, name, score))

    def _remember(self, signal: Seen) -> None:
        self._story.signals.append((signal.ts, signal.pattern, signal.side, signal.strength))

    # Time, levels, limits.

    def _break_distance(self) -> float:
        """How far beyond a level a close breaks it: the distance of a stop there."""
        if not self.config.robust or not self.r1 > 0.0 or self.price is None:
            return math.inf
        return max(2.0 * self.r1, 3.0 * self.market.cost(self.price, self.spread))

    def _nearest(self, price: int, times: float = 1.0) -> Level | None:
        within = times * watch_reach(price, self.r1, self.settings.levels)
        return self.registry.nearest(price, within)

    def _watch(self, ts: int, price: int) -> None:
        """Watch the nearest level; let go of it at twice the distance."""
        if self.state.phase not in (Phase.NONE, Phase.WATCHING) or self._resting(ts):
            return
        level = self._nearest(price)
        if level is not None:
            if level.id != self.state.level or self.state.phase is Phase.NONE:
                self._step(Event(Kind.LEVEL_APPROACH, ts, price, level=level.id))
        elif self.state.phase is Phase.WATCHING and self._nearest(price, 2.0) is None:
            self._step(Event(Kind.LEVEL_LEFT, ts, price))

    def _frame(self, start_ns: int, finished: SessionProfile | None) -> None:
        """Read bias and levels of the sessions that have ended."""
        if finished is None:
            return
        self.sessions = [*self.sessions, finished][-6:]
        self.bias = frame_bias(self.sessions, self.settings.framing)
        levels = qualified_levels(
            self.sessions, self.bias, self.settings.levels, self.settings.framing
        )
        self._out.append(Framed(start_ns, finished, self.bias))
        self._out += self.registry.open_session(levels, start_ns, self.settings.levels.sessions)

    def _read(self, bar: Bar) -> None:
        """Hold a bar against the levels."""
        self.r1, self.spread = float(bar.r1), float(bar.spread)
        self._out += self.registry.on_bar(
            bar.open_ns,
            bar.ts,
            int(bar.low),
            int(bar.high),
            int(bar.close),
            self._break_distance(),
        )

    def _new_day(self, ts: int) -> None:
        self.ledger = roll_day(self.ledger, ts, self.equity)

    def _check_limits(self, ts: int) -> None:
        """Close what must not stay open: the day's halt, the session's end."""
        orders = self.state.orders
        if self.ledger is not self._judged or orders.bought_qty or orders.sold_qty:
            money = self.market.tick_value * self.state.open_pnl(self.price or 0) - orders.fees
            ledger = check_halt(self.ledger, money, self.settings.gate)
            if ledger.halt and not self.ledger.halt:
                self._out.append(Halted(ts, ledger.halt, ledger.realized, ledger.losses))
            # While nothing is bought or sold, only another ledger is judged otherwise.
            self.ledger = self._judged = ledger
        if self._resting(ts):
            self._force_close(ts, self.ledger.halt or "session_end")

    def _resting(self, ts: int) -> bool:
        """Whether nothing may be open: the day is halted, or the session is about to end."""
        end = self.session_end_ns
        ending = end is not None and ts >= end - self.settings.gate.flat_before_end_ns
        return ending or bool(self.ledger.halt)

    def _force_close(self, ts: int, reason: str) -> None:
        if self.state.phase not in (Phase.NONE, Phase.CLOSED):
            self._step(Event(Kind.FORCE_CLOSE, ts, self.price or 0, reason=reason))

    # The lifecycle.

    def _step(self, event: Event | Report) -> None:
        plan = self.state.plan
        self.state, commands = step(self.state, event, self.settings.lifecycle)
        self._collect(commands, plan, event.ts)

    def _mark(self, ts: int, price: int, low: int, high: int) -> None:
        if not at_rest(self.state, self.settings.lifecycle):
            self._step(Mark(ts, price, low, high))

    def _collect(self, commands: Iterable[Command], plan: Plan | None, ts: int) -> None:
        for command in commands:
            self._out.append(command)
            if isinstance(command, OrderCommand):
                self._sent.append(ts)
            elif isinstance(command, Closed):
                self._finish(command, plan)
        if self.state.done:
            self._step(Event(Kind.RESET, ts))

    def _count_entry(self, report: Report) -> None:
        """The cooldown begins when the venue takes an entry; the level counts its first fill."""
        key = self.state.orders.entry_key
        if isinstance(report, Accepted) and report.key == key > self._taken_key:
            self._taken_key = key
            self.last_entry_ns = report.ts
        elif isinstance(report, Filled) and report.role is Role.ENTRY and report.key == key:
            if key > self._taken_key:
                self._taken_key = key
                self.last_entry_ns = report.ts
            if key > self._filled_key and self.state.plan is not None:
                self._filled_key = key
                self.registry.entered(self.state.plan.level)

    def _finish(self, closed: Closed, plan: Plan | None) -> None:
        ours = plan if closed.side else None
        money = self.market.tick_value * closed.pnl - closed.fees
        self.ledger = record_trade(self.ledger, money)
        if ours is not None and closed.reason == "stop":
            until = closed.closed_ns + self.settings.gate.block_after_stop_ns
            self.registry.block(ours.level, until)
        bought = closed.bought_sum / closed.bought_qty if closed.bought_qty else math.nan
        sold = closed.sold_sum / closed.sold_qty if closed.sold_qty else math.nan
        entry, leave = (sold, bought) if closed.side < 0 else (bought, sold)
        qty = closed.sold_qty if closed.side < 0 else closed.bought_qty
        paid = closed.bought_sum if closed.side > 0 else -closed.sold_sum
        slippage = paid - closed.side * qty * ours.entry if ours is not None else 0
        # The first risk of a trade that was adopted is not known.
        known = ours is not None and not ours.adopted
        at_risk = abs(ours.entry - ours.stop) * qty if ours is not None and known else 0
        story = self._story if ours is not None else _Story()
        self._out.append(
            TradeClosed(
                closed=closed,
                entry=entry,
                exit=leave,
                qty=qty,
                plan=ours,
                pnl=closed.pnl,
                money=money,
                fees=closed.fees,
                r_multiple=closed.pnl / at_risk if at_risk else math.nan,
                slippage=slippage,
                score=story.score,
                grade=story.grade,
                signals=tuple(story.signals),
            )
        )
        if ours is not None:
            self._story = _Story()
        self._check_limits(closed.closed_ns)

    def _flush(self) -> list[Output]:
        out, self._out = self._out, []
        return out

    # Saving.

    def to_dict(self) -> dict[str, Any]:
        """Return everything that a restart needs, as plain values that JSON can hold."""
        return {
            "state": self.state.to_dict(),
            "registry": self.registry.to_dict(),
            "sessions": [session.to_dict() for session in self.sessions],
            "bias": asdict(self.bias),
            "ledger": self.ledger.to_dict(),
            "session_end_ns": self.session_end_ns,
            "price": self.price,
            "r1": None if math.isnan(self.r1) else self.r1,
            "spread": self.spread,
            "last_entry_ns": self.last_entry_ns,
            "paused": self.paused,
            "entry_keys": [self._taken_key, self._filled_key],
            "story": asdict(self._story),
        }

    def load(self, plain: dict[str, Any]) -> None:
        """Take over what `to_dict` returned, onto this manager's config."""
        self.state = State.from_dict(plain["state"])
        self.registry = LevelRegistry.from_dict(plain["registry"])
        self.sessions = [SessionProfile.from_dict(one) for one in plain["sessions"]]
        bias = plain["bias"]
        relation = bias["relation"]
        self.bias = Bias(
            Direction(bias["direction"]),
            bias["confidence"],
            None if relation is None else Relation(relation),
            Hook(bias["hook"]),
            tuple((name, value) for name, value in bias["reasons"]),
        )
        self.ledger = DayLedger.from_dict(plain["ledger"])
        self.session_end_ns = plain["session_end_ns"]
        self.price = plain["price"]
        self.r1 = math.nan if plain["r1"] is None else plain["r1"]
        self.spread = plain["spread"]
        self.last_entry_ns = plain["last_entry_ns"]
        self.paused = plain["paused"]
        self._taken_key, self._filled_key = plain["entry_keys"]
        story = plain["story"]
        signals = [
            (ts, pattern, side, strength) for ts, pattern, side, strength in story["signals"]
        ]
        self._story = _Story(story["score"], story["grade"], signals)


def _told(signal: Seen) -> str:
    side = "buy" if signal.side > 0 else "sell"
    return f"{signal.pattern} {side} {signal.strength:.1f}"
