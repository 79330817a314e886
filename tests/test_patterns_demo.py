"""The detectors find what is planted in the synthetic market, and not what nearly is."""

from decimal import Decimal

import msgspec
import numpy as np
import pytest
from nautilus_trader.config import msgspec_decoding_hook

from of_nautilus.config import OrderFlowActorConfig
from of_nautilus.core.ticks import MarketScale
from of_nautilus.demo.market import generate
from of_nautilus.engine import FlowEngine, signals_of
from tests.market import demo_components

MINUTE = 60 * 10**9
HOLD = 6 * 10**9  # an absorption at a row speaks up this much later at most
KINDS = {
    "absorption_m1": ("absorption", 1),
    "absorption_m2": ("absorption", 2),
    "initiative": ("initiative", None),
    "sweep": ("sweep", None),
    "exhaustion": ("exhaustion", None),
    "divergence": ("divergence", None),
}


@pytest.fixture(scope="module")
def market():
    return generate()


@pytest.fixture(scope="module")
def signals(market):
    # What the Actor is given in the demo's run, whose sizes lie between planted and near misses.
    plain, _ = demo_components()
    config = msgspec.convert(plain, OrderFlowActorConfig, dec_hook=msgspec_decoding_hook)
    engine = FlowEngine(MarketScale(Decimal("0.1"), Decimal("0.001")), config.flow)
    trades = market.trades
    events = engine.run_trades(trades.ts, trades.price, trades.size, trades.side.astype(np.int8))
    return list(signals_of(events))


def tells(signal, planted):
    """Whether a signal is about this: its side, within the bar that completes it."""
    return signal.side == planted.side and (
        planted.ts_end - MINUTE < signal.ts <= planted.ts_end + HOLD
    )


@pytest.mark.parametrize("kind", KINDS)
def test_found_and_not_mistaken(market, signals, kind):
    pattern, method = KINDS[kind]
    seen = [s for s in signals if s.pattern == pattern and s.reasons.get("method") == method]
    planted = [p for p in market.planted if p.kind == kind and not p.near_miss]
    missed = [p for p in market.planted if p.kind == kind and p.near_miss]
    assert len(planted) >= 5
    assert missed
    recall = np.mean([any(tells(s, p) for s in seen) for p in planted])
    precision = np.mean([any(tells(s, p) for p in planted) for s in seen])
    assert recall >= 0.9
    assert precision >= 0.8
    assert not [p for p in missed if any(tells(s, p) for s in seen)]
