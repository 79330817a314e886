"""Whether the venue's recent trades begin where the known past ends."""

from decimal import Decimal

import pytest
from nautilus_trader.model.data import TradeTick
from nautilus_trader.model.enums import AggressorSide
from nautilus_trader.model.identifiers import InstrumentId, TradeId
from nautilus_trader.model.objects import Price, Quantity

from of_nautilus.core.ticks import MarketScale
from of_nautilus.engine import FlowConfig, FlowEngine
from of_nautilus.live.config import LiveFlowConfig
from of_nautilus.live.flow import LiveFlow

MARKET = InstrumentId.from_str("BTCUSDT-LINEAR.BYBIT")
T0, MS = 1_700_000_000_000_000_000, 1_000_000


def tick(number: int) -> TradeTick:
    """The trade of this number, one a millisecond."""
    ts = T0 + number * MS
    price, size = Price(60_000, 1), Quantity(1, 3)
    return TradeTick(MARKET, price, size, AggressorSide.BUYER, TradeId(f"t{number}"), ts, ts)


def flow(last: int | None) -> LiveFlow:
    """A flow whose engine knows the trades up to this one."""
    made = LiveFlow(LiveFlowConfig(instrument_id=MARKET))
    made.engine = FlowEngine(MarketScale(Decimal("0.1"), Decimal("0.001")), FlowConfig())
    if last is not None:
        made.engine.on_tick(T0 + last * MS, 60_000.0, 1.0, 1)
        made._last_id = f"t{last}"
    return made


@pytest.mark.parametrize(
    ("last", "first", "trades", "since", "gaps"),
    [
        pytest.param(500, 400, 1_000, 500, 0, id="the newest thousand reach back to the past"),
        pytest.param(500, 501, 1_000, 500, 1, id="they begin after it, and are cut"),
        pytest.param(500, 700, 30, 500, 0, id="all since the past: the market was silent"),
        pytest.param(500, 900, 30, 800, 1, id="asked for an hour at most, and the past is older"),
        pytest.param(None, 400, 1_000, 0, 0, id="no past that could have a gap"),
    ],
)
def test_a_gap(last: int | None, first: int, trades: int, since: int, gaps: int) -> None:
    one = flow(last)
    one._look_for_gap([tick(first + i) for i in range(trades)], T0 + since * MS)
    assert one.gaps == gaps
    # The session that it lies in is not whole.
    assert one._complete == (not gaps)


def test_trades_known_by_other_ids_are_no_gap() -> None:
    one = flow(500)
    one._last_id = "a raw print's"
    one._look_for_gap([tick(500 + i) for i in range(1_000)], T0 + 500 * MS)
    assert one.gaps == 0
