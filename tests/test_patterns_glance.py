"""The look at a closed bar rules out nothing that a detector would find."""

from collections import Counter
from decimal import Decimal

import numpy as np
import pytest

from of_nautilus.core.ticks import MarketScale
from of_nautilus.engine import FlowConfig, FlowEngine
from of_nautilus.engine.detect import Detector
from of_nautilus.engine.flow import signals_of
from of_nautilus.patterns import glance
from of_nautilus.patterns.signal import Pattern
from of_nautilus.patterns.thresholds import Rules

SCALE = MarketScale(Decimal("0.1"), Decimal("0.001"))
TRADES = 40_000
OF_BARS = (
    Pattern.EXHAUSTION,
    Pattern.DIVERGENCE,
    Pattern.STACKED_IMBALANCE,
    Pattern.UNFINISHED_AUCTION,
    Pattern.IMBALANCE_STREAK,
)


def signals(rules: Rules, session: str):
    random = np.random.default_rng(7)
    side = np.where(random.random(TRADES) < 0.5 + 0.4 * np.sin(np.arange(TRADES) / 150), 1, -1)
    price = 600_000 + np.cumsum(random.integers(-1, 2, TRADES) + (random.random(TRADES) < 0.05))
    size = random.integers(1, 200, TRADES) * (1 + (random.random(TRADES) < 0.02) * 30)
    ts = np.arange(TRADES, dtype=np.int64) * 3 * 10**9
    engine = FlowEngine(SCALE, FlowConfig(rules=rules, session=session, confirmations=True))
    return list(signals_of(engine.run_trades(ts, price, size, side.astype(np.int8))))


@pytest.mark.parametrize("rules", Rules)
@pytest.mark.parametrize("session", ["FULL_DAY", "15min"])
def test_looking_at_everything_finds_nothing_more(rules, session, monkeypatch) -> None:
    looked = signals(rules, session)
    judge = Detector.on_bar
    monkeypatch.setattr(
        Detector, "on_bar", lambda self, bar, seen: judge(self, bar, glance.EVERYTHING)
    )
    assert signals(rules, session) == looked
    found = Counter(signal.pattern for signal in looked)
    assert all(found[pattern] > 3 for pattern in OF_BARS), found
