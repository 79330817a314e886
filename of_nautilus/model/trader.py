"""ForecastTrader: the trading rule of the model, as a trade manager.

Entries come from forecasts; everything else is the manager's own: orders and their reports, the
stop, the day's limits, the session's end, recovery, the journal.
"""

import math
from dataclasses import replace
from typing import Protocol

from of_nautilus.decision.orders import Filled, Mark, Note, Report, Role
from of_nautilus.decision.records import Output
from of_nautilus.decision.risk import Market, Refusal, RiskConfig, position_size
from of_nautilus.decision.settings import TradeConfig
from of_nautilus.decision.state import Event, LifecycleConfig, Plan
from of_nautilus.decision.table import Kind, Phase
from of_nautilus.decision.trader import TradeManager
from of_nautilus.model.rule import Action, RuleConfig, decide, must_exit, pays, stop_price

_SECOND = 1_000_000_000
_FAR = 1 << 62


class Outlook(Protocol):
    """What a forecast says; see `data.Forecast`."""

    ts_event: int
    p_up_1m: float
    p_up_5m: float
    magnitude: float
    ofi_z: float
    bid: int
    ask: int
    session_end: int


class ForecastTrader(TradeManager):
    """Trades one instrument by the forecasts of a model.

    Parameters
    ----------
    rules : RuleConfig
    market : Market
    max_lots : int
        `rules.max_position` in lots.
    fees_bps : float
        Fees of a round trip, basis points: of the entry as it is made, and of a taker's exit.

    Raises
    ------
    ValueError
        If `max_lots` is less than one.
    """

    def __init__(self, rules: RuleConfig, market: Market, max_lots: int, fees_bps: float) -> None:
        if max_lots < 1:
            raise ValueError(
                f"`max_position` must be at least the size increment, was {rules.max_position}"
            )
        super().__init__(
            TradeConfig(
                gate=rules.gate, lifecycle=LifecycleConfig(robust=False), entry=rules.entry,
                entry_expiry_ns=int(rules.entry_expiry_s * _SECOND),
            ),
            market,
        )  # fmt: skip
        self.rules = rules
        self._size = RiskConfig(sizing="fixed", fixed_qty=max_lots)
        self._fees = fees_bps
        self._p_up = math.nan
        self._spread = 1

    def on_forecast(self, told: Outlook) -> list[Output]:
        """Take a forecast: let go of a position that it speaks against, or enter by it."""
        ts, bid, ask = told.ts_event, told.bid, told.ask
        known = bid < ask
        self.session_end_ns = told.session_end
        self._p_up = told.p_up_1m
        plan = self.state.plan
        if known:
            self._spread = ask - bid
            self.price = ask if plan is not None and plan.side < 0 else bid
        self._new_day(ts)
        self._check_limits(ts)
        if self.price is not None:
            self._step(Mark(ts, self.price, self.price, self.price))
        self._leave(ts)
        if known:
            self._consider(told)
        return self._flush()

    def on_time(self, ts: int, price: int | None = None) -> list[Output]:
        """Let the time pass between forecasts."""
        self._leave(ts)
        return super().on_time(ts, price)

    def on_report(self, report: Report) -> list[Output]:
        """Take a report; the stop follows the entry's fills."""
        if isinstance(report, Filled) and report.role is Role.ENTRY:
            self._follow(report)
        return super().on_report(report)

    def _follow(self, fill: Filled) -> None:
        """Put the stop where the entry's average fill wants it, rounded away from it."""
        orders, plan = self.state.orders, self.state.plan
        if plan is None or fill.key != orders.entry_key or fill.trade_id in orders.seen:
            return
        if plan.side > 0:
            entry = (orders.bought_sum + fill.qty * fill.price) // (orders.bought_qty + fill.qty)
        else:
            total = orders.sold_sum + fill.qty * fill.price
            entry = -(-total // (orders.sold_qty + fill.qty))
        stop = stop_price(plan.side, entry, self._spread, self.rules.stop_ticks)
        self.state = replace(self.state, stop=stop)

    def _leave(self, ts: int) -> None:
        plan = self.state.plan
        if not self.state.in_trade or plan is None:
            return
        end, rules = self.session_end_ns, self.rules
        reason = must_exit(
            plan.side, ts - self.state.orders.opened_ns, self._p_up,
            _FAR if end is None else end - ts,
            int(rules.shortest_hold_s * _SECOND), int(rules.longest_hold_s * _SECOND),
        )  # fmt: skip
        if reason is not None:
            self._step(Event(Kind.FORCE_CLOSE, ts, self.price or 0, reason=reason))

    def _consider(self, told: Outlook) -> None:
        """Enter if the rule says so, nothing is open, and it pays."""
        rules, ts = self.rules, told.ts_event
        if self.state.phase not in (Phase.NONE, Phase.WATCHING) or not self.state.orders.idle:
            return
        action = decide(
            told.p_up_1m, told.p_up_5m, told.ofi_z, long=rules.long, short=rules.short,
            threshold=rules.threshold, extreme=rules.extreme,
        )  # fmt: skip
        if action is Action.FLAT:
            return
        numbers = {
            "side": float(action.side),
            "p_up_1m": told.p_up_1m,
            "p_up_5m": told.p_up_5m,
            "magnitude": told.magnitude,
            "ofi_z": told.ofi_z,
            "bid": float(told.bid),
            "ask": float(told.ask),
        }
        outcome = self._cost(told) or self._gate(ts) or self._made(action.side, told)
        if isinstance(outcome, Refusal):
            reason = f"{action} {outcome.reason}"
            self._out.append(Note("call_refused", ts, tuple(numbers.items()), reason))
            return
        self._out.append(Note("call_planned", ts, tuple(numbers.items()), str(action)))
        self._story.signals[:] = [(ts, str(action), action.side, 100.0 * told.p_up_1m)]
        self._step(Event(Kind.ABSORPTION_OK, ts, plan=outcome, reason=str(action)))

    def _cost(self, told: Outlook) -> Refusal | None:
        """Return what the forecast lacks to pay for the trade, or None."""
        half = (told.ask - told.bid) / (told.ask + told.bid) * 1e4
        slippage = self.rules.slippage_bps
        if not self.rules.cost_gate or pays(told.magnitude, half, self._fees, slippage):
            return None
        return Refusal("cost", (("forecast", told.magnitude), ("cost", half + self._fees)))

    def _made(self, side: int, told: Outlook) -> Plan | Refusal:
        limit = self.rules.entry == "limit"
        entry = told.ask if (side > 0) != limit else told.bid
        spread = told.ask - told.bid
        stop = stop_price(side, entry, spread, self.rules.stop_ticks)
        if not limit and abs(entry - stop) <= spread:
            # It would trigger as it is placed.
            return Refusal("stop_in_spread", (("spread", spread), ("stop", abs(entry - stop))))
        qty = position_size(entry, stop, self.equity, self.market, self._size)
        if isinstance(qty, Refusal):
            return qty
        return Plan(
            side=side,
            qty=qty,
            entry=entry,
            stop=stop,
            limit=limit,
            expires_ns=told.ts_event + self.config.entry_expiry_ns,
        )
