"""The trading rule through the host's engine: latency, queue position, fees, and what is left.

Every run replays the whole catalog with a `FeatureActor` and a `MicrostructureStrategy`, the same
two that trade live. The models of each fold speak only from the start of their test on, so what is
traded is out of sample.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.backtest.models import LatencyModel, MakerTakerFeeModel
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.data import OrderBookDelta, OrderBookDeltas, TradeTick
from nautilus_trader.model.enums import AccountType, BookType, OmsType
from nautilus_trader.model.objects import Money
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from of_nautilus.core.record import Floats, Ints
from of_nautilus.core.sessions import SECOND
from of_nautilus.data import ClosedTrade, JournalNote
from of_nautilus.errors import UserError
from of_nautilus.model import metrics
from of_nautilus.model.actor import FeatureActor, FeatureActorConfig
from of_nautilus.model.config import EvaluateConfig, ModelConfig
from of_nautilus.model.days import days_a_year, days_of
from of_nautilus.model.labels import MS, mid_as_of
from of_nautilus.model.metrics import Interval, mean_interval
from of_nautilus.model.prediction import read_card
from of_nautilus.model.strategy import MicrostructureStrategy, MicrostructureStrategyConfig

MARKOUTS_S = (1, 5, 60)
_LEVERAGE = Decimal(10)


@dataclass(frozen=True)
class Case:
    """One way to run the rule."""

    latency_ms: float
    entry: str
    cost_gate: bool


def cases(config: EvaluateConfig) -> list[Case]:
    """Return every latency with every kind of entry, with and without the cost gate."""
    return [
        Case(latency, entry, gate)
        for gate in (True, False)
        for entry in ("market", "limit")
        for latency in config.latencies_ms
    ]


def wanted(config: ModelConfig) -> EvaluateConfig:
    """Return the config's part on evaluation; a `UserError` if it has none."""
    if config.evaluate is None:
        raise UserError("no `evaluate` in the model config", todo="add it, with its `rules`")
    return config.evaluate


def evaluate(config: ModelConfig, processes: int) -> Iterator[dict[str, Any]]:
    """Run every case; yield what came of each as it is done."""
    todo = cases(wanted(config))
    if processes == 1:
        yield from (run_case(config, case) for case in todo)
        return
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        for done in as_completed([pool.submit(run_case, config, case) for case in todo]):
            yield done.result()


@lru_cache(maxsize=1)
def _market(catalog: str, instrument_id: str) -> tuple[Any, list[Any]]:
    """Return the instrument and its trades and messages of the book, in order of arrival."""
    held = ParquetDataCatalog(catalog)
    instruments = held.instruments(instrument_ids=[instrument_id])
    if not instruments:
        raise UserError(f"no instrument {instrument_id}", catalog, todo="ingest it first")
    deltas = held.query(OrderBookDelta, identifiers=[instrument_id])
    messages = OrderBookDeltas.batch(deltas) if deltas else []
    trades = held.query(TradeTick, identifiers=[instrument_id])
    if not messages or not trades:
        raise UserError(
            f"no {'trades' if messages else 'book'} of {instrument_id}", catalog,
            todo="ingest trades and order book deltas",
        )  # fmt: skip
    # Stable: where both came at once the trade is first, as in the features' batch.
    return instruments[0], sorted([*trades, *messages], key=lambda data: data.ts_init)


def _with_fees(instrument: Any, config: EvaluateConfig) -> Any:
    told = type(instrument).to_dict(instrument)
    for name in ("maker", "taker"):
        fee = getattr(config, f"{name}_fee_bps")
        if fee is not None:
            told[f"{name}_fee"] = str(round(fee / 1e4, 10))
    return type(instrument).from_dict(told)


def run_case(config: ModelConfig, case: Case) -> dict[str, Any]:
    """Run one case and sum it up."""
    asked = wanted(config)
    instrument, data = _market(config.catalog, config.instrument_id)
    instrument = _with_fees(instrument, asked)
    lot = instrument.size_increment.as_decimal()
    if asked.rules.max_position < lot:
        raise UserError(
            f"`max_position` must be at least the lot of {lot}, was {asked.rules.max_position:g}",
            config.instrument_id, todo="mend `evaluate.rules` in the config",
        )  # fmt: skip
    engine = BacktestEngine(
        BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), run_analysis=False)
    )
    try:
        currency = instrument.get_settlement_currency()
        engine.add_venue(
            venue=instrument.id.venue,
            oms_type=OmsType.NETTING,
            account_type=AccountType.MARGIN,
            starting_balances=[Money(asked.starting_balance, currency)],
            default_leverage=_LEVERAGE,
            book_type=BookType.L2_MBP,
            fee_model=MakerTakerFeeModel(),
            latency_model=LatencyModel(base_latency_nanos=int(case.latency_ms * MS)),
            bar_execution=False,
            trade_execution=True,
            queue_position=True,
            liquidity_consumption=True,
        )
        engine.add_instrument(instrument)
        engine.add_data(data)
        folder = str(Path(config.folder) / "model")
        actor = FeatureActor(FeatureActorConfig(instrument_id=instrument.id, model=folder))
        rules = msgspec.structs.replace(asked.rules, entry=case.entry, cost_gate=case.cost_gate)
        strategy = MicrostructureStrategy(
            MicrostructureStrategyConfig(instrument_id=instrument.id, rules=rules)
        )
        engine.add_actor(actor)
        engine.add_strategy(strategy)
        notes: list[JournalNote] = []
        engine.kernel.msgbus.subscribe("data.JournalNote*", notes.append)
        engine.run()
        market = _Past(config)
        since = min(entry["since"] for entry in read_card(folder)["models"])
        told = summary(
            strategy.trades,
            notes,
            market,
            market.days(since),
            config.features.session,
            float(instrument.multiplier),
        )
    finally:
        engine.dispose()
    return {
        "latency_ms": case.latency_ms,
        "entry": case.entry,
        "cost_gate": case.cost_gate,
        "fees_bps": {"maker": 1e4 * float(instrument.maker_fee),
                     "taker": 1e4 * float(instrument.taker_fee)},
        **told,
    }  # fmt: skip


class _Past:
    """Days and mids over time, as `of-nautilus features` left them."""

    def __init__(self, config: ModelConfig) -> None:
        from of_nautilus.model.dataset import read_features

        data = read_features(config)
        self._ts, self._mid = data.quotes.ts, data.quotes.mid
        self._sampled, self._session = data.ts, config.features.session

    def at(self, ts: Ints) -> Floats:
        """Return the mids in force, ticks."""
        return mid_as_of(self._ts, self._mid, ts)

    def days(self, since: int) -> Ints:
        """Return the days with data from a time on."""
        return np.unique(days_of(self._sampled[self._sampled >= since], self._session))


def summary(
    trades: list[ClosedTrade],
    notes: list[JournalNote],
    mids: Any,
    tested: Ints,
    session: str,
    multiplier: float,
) -> dict[str, Any]:
    """Return what a run's calls and trades came to; all in basis points of the entry's price.

    A price times a size is worth `multiplier` of it in money.

    `tested` holds the days on which the rule could trade (see `days_of`); those without a trade
    came to 0. `hit_rate` counts trades that earned before fees, and `break_even_hit_rate` is what
    it would have to be: (mean loss + fees) / (mean win + mean loss).
    """
    planned = {n.ts_event: json.loads(n.numbers) for n in notes if n.what == "call_planned"}
    refused = Counter(n.reason.split()[-1] for n in notes if n.what == "call_refused")
    # An entry that filled after it had been given up is closed at once, and is no call's trade.
    held = [trade for trade in trades if trade.quantity and trade.side]
    value = multiplier * np.array([t.quantity * t.lot * t.tick * t.entry for t in held])
    side = np.array([t.side for t in held], np.int64)
    entry = np.array([t.entry for t in held])
    opened = np.array([t.opened for t in held], np.int64)
    gross = np.array([t.pnl_ticks / t.entry * 1e4 for t in held])
    fees = np.array([float(t.fees) for t in held]) / np.maximum(value, 1e-300) * 1e4
    net = gross - fees
    calls = [planned.get(json.loads(t.signals)[0][0]) for t in held]
    decided = np.array([(c["bid"] + c["ask"]) / 2 if c else math.nan for c in calls])
    slippage = side * (entry - decided) / decided * 1e4
    closed = days_of(np.array([t.closed for t in held], np.int64), session)
    days = np.union1d(tested, closed)
    daily = {
        name: np.bincount(np.searchsorted(days, closed), part, len(days))
        for name, part in (("gross", gross), ("net", net))
    }
    wins, losses = gross[gross > 0], -gross[gross <= 0]
    told: dict[str, Any] = {
        "calls": len(planned) + sum(refused.values()),
        "refused": dict(sorted(refused.items())),
        "orders": len(planned),
        "trades": len(held),
        "late_fills": len(trades) - len(held),
        "fill_rate": len(held) / len(planned) if planned else math.nan,
        "gross_bps": _plain(mean_interval(gross)),
        "fees_paid_bps": _mean(fees),
        "net_bps": _plain(mean_interval(net)),
        "net_money": float(sum(Decimal(t.money) for t in trades)),
        "hit_rate": _mean(gross > 0),
        "break_even_hit_rate": (
            metrics.break_even_hit_rate(_mean(wins), _mean(losses), max(0.0, _mean(fees)))
            if len(wins) and len(losses) and _mean(losses) > 0 else math.nan
        ),
        "slippage_bps": _mean(slippage),
        "held_s": _mean(np.array([(t.closed - t.opened) / SECOND for t in held])),
        "exits": dict(Counter(t.reason for t in held)),
        "days": len(days),
        "sharpe_gross": metrics.sharpe(daily["gross"], days_a_year(session)),
        "sharpe_net": metrics.sharpe(daily["net"], days_a_year(session)),
        "max_drawdown_bps": metrics.max_drawdown(net),
        "losing_days": metrics.losing_days(daily["net"]),
    }  # fmt: skip
    for span in MARKOUTS_S:
        later = mids.at(opened + span * SECOND)
        told[f"markout_{span}s_bps"] = _mean(side * (later - entry) / entry * 1e4)
    return told


def _mean(values: Any) -> float:
    values = np.asarray(values, float)
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else math.nan


def _plain(interval: Interval) -> dict[str, float]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def conclusion(runs: list[dict[str, Any]]) -> str:
    """Return in words what the runs say."""
    traded = [run for run in runs if run["trades"]]
    if not traded:
        return "the rule made no trade"
    sure = [run for run in traded if run["net_bps"]["low"] > 0 and run["trades"] >= 30]
    best = max(traded, key=lambda run: run["net_bps"]["value"])
    where = f"entries by {best['entry']} order, {best['latency_ms']:g} ms, cost gate " + (
        "on" if best["cost_gate"] else "off"
    )
    if not sure:
        return (
            f"no case earns its costs beyond doubt; the best one makes"
            f" {best['net_bps']['value']:.2f} bps a trade after fees in {best['trades']} trades"
            f" ({where})"
        )
    return (
        f"{len(sure)} of {len(runs)} cases earn their costs; the best one makes"
        f" {best['net_bps']['value']:.2f} bps a trade after fees in {best['trades']} trades"
        f" ({where}); chance finds one of forty"
    )
