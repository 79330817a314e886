"""A catalog of five instruments, each at another place in its trade, and each of another tick."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from of_nautilus.core.ticks import MarketScale
from of_nautilus.data import (
    DailyBias,
    EntryDecision,
    FootprintBar,
    LevelEvent,
    SessionRoll,
    TradeTransition,
)
from of_nautilus.engine import BarClosed, FlowConfig, FlowEngine, SessionStarted
from of_nautilus.ingest.instruments import perpetual
from of_nautilus.ingest.writer import CatalogWriter
from of_nautilus.journal import Parts
from tests.report_catalog import MINUTE, START, books, walk

MINUTES = 90
SILENT_AFTER = 40  # minutes, of AVAX
# Base, tick, lot; in the order of their names.
MARKETS = {
    "AVAXUSDT-PERP.BINANCE": ("AVAX", "0.001", "1"),
    "BTCUSDT-PERP.BINANCE": ("BTC", "0.1", "0.001"),
    "ETH-PERP.SIM": ("ETH", "0.01", "0.001"),
    "SOL-PERP.SIM": ("SOL", "0.00001", "0.1"),
    "XRP-PERP.SIM": ("XRP", "0.0001", "1"),
}
# Where each stands at the end, those to look at first.
RANKED = {
    "ETH-PERP.SIM": ("IN_TRADE", 118),
    "XRP-PERP.SIM": ("WATCHING", 69),
    "BTCUSDT-PERP.BINANCE": ("WAITING_FOR_PRICE", 40),
    "SOL-PERP.SIM": ("NO_LEVELS", 20),
    "AVAXUSDT-PERP.BINANCE": ("OFFLINE", 5),
}


def write_many(catalog: Path) -> Path:
    """Write the markets and what was published of them."""
    for k, (name, (base, tick, lot)) in enumerate(MARKETS.items()):
        instrument = perpetual(name, base, "USDT", tick, lot, raw_symbol=base)
        increments = instrument.price_increment, instrument.size_increment
        scale = MarketScale(*(each.as_decimal() for each in increments))
        minutes = SILENT_AFTER if base == "AVAX" else MINUTES
        digits = {
            "price_precision": instrument.price_precision,
            "size_precision": instrument.size_precision,
        }
        trades = replace(walk(40 * minutes, minutes, seed=10 + k), **digits)
        with CatalogWriter(catalog, instrument) as writer:
            writer.write(trades)
            writer.write(replace(books(minutes, seed=20 + k), **digits))
        parts = Parts(catalog)
        engine = FlowEngine(scale, FlowConfig())
        for event in engine.run_trades(trades.ts_event, trades.price, trades.size, trades.side):
            match event:
                case BarClosed():
                    parts.add(FootprintBar.of(event, instrument.id, scale, event.bar.close_ts))
                case SessionStarted():
                    parts.add(SessionRoll.of(event, None, instrument.id, scale, event.ts))
        about: dict[str, Any] = {"instrument_id": instrument.id, "tick": float(tick)}
        for kind, minute, told in _story(base, int(trades.price[-1])):
            ts = START + minute * MINUTE
            parts.add(kind(ts_event=ts, ts_init=ts, strategy_id="S-001", **about, **told))
        parts.write(START + 10**18)
    return catalog


def _story(base: str, last: int) -> Iterator[tuple[type[Any], int, dict[str, Any]]]:
    """What a strategy says: class, minute, fields."""
    if base == "SOL":
        return
    yield DailyBias, 0, {"direction": "LONG", "confidence": 60.0, "shape": "P", "poc": last}
    far = {"BTC": 5_000, "XRP": 1}.get(base, 400)
    for kind, side in (("VAL", 1), ("VAH", -1)):
        level = {"level": kind, "kind": kind, "price": last - side * far, "side": side}
        yield LevelEvent, 0, {"what": "born", "strength": 50.0, **level}
    if base == "XRP":
        yield TradeTransition, 85, {"source": "NONE", "target": "WATCHING"}
    if base == "ETH":
        numbers = {"strength": 72.0, "score": 61.0, "normalized": 64.0, "quantity": 2_000}
        prices = {"price": last - 400, "entry": last - 20, "stop": last - 320, "target": last + 600}
        words = {"decision": "planned", "pattern": "absorption", "grade": "B", "level": "VAL"}
        yield EntryDecision, 85, {"side": 1, "numbers": "{}", **numbers, **prices, **words}
        yield TradeTransition, 85, {"source": "ABSORPTION_DETECTED", "target": "POSITION_OPEN"}
