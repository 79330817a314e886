"""MicrostructureStrategy: trades the forecasts of a model, in backtest and live.

It carries out what `trader.ForecastTrader` decides, in the way `OrderFlowStrategy` does: the entry
goes alone, a stop rests at the venue from its first fill on. A `FeatureActor` with a model must
publish the forecasts.
"""

from typing import Any

from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.identifiers import InstrumentId

from of_nautilus.data import OPERATION_TYPES
from of_nautilus.decision.risk import Market
from of_nautilus.decision.trader import TradeManager
from of_nautilus.model.data import Forecast
from of_nautilus.model.rule import RuleConfig
from of_nautilus.model.trader import ForecastTrader
from of_nautilus.strategy import OrderFlowStrategy


class MicrostructureStrategyConfig(StrategyConfig, frozen=True):  # type: ignore[call-arg]
    """Config of `MicrostructureStrategy`.

    Parameters
    ----------
    instrument_id : InstrumentId
        The market to trade.
    rules : RuleConfig
        How forecasts are traded.
    flatten_on_stop : bool
        Whether a stop of the node closes the position. Otherwise it stays with its resting stop,
        and the next start goes on managing it.
    """

    instrument_id: InstrumentId
    rules: RuleConfig
    flatten_on_stop: bool = False


class MicrostructureStrategy(OrderFlowStrategy):
    """Trades a model's forecasts of one instrument, one position at a time."""

    def __init__(self, config: MicrostructureStrategyConfig) -> None:
        super().__init__(config)

    def _new_manager(self, market: Market) -> TradeManager:
        instrument, rules = self._instrument, self.config.rules
        entry = instrument.maker_fee if rules.entry == "limit" else instrument.taker_fee
        fees = 1e4 * (float(entry) + float(instrument.taker_fee))
        lots = int(round(rules.max_position / float(self._scale.lot), 6))
        return ForecastTrader(rules, market, lots, fees)

    def _listens_to(self) -> tuple[type[Any], ...]:
        return (Forecast, *OPERATION_TYPES)

    def on_data(self, data: Any) -> None:
        """Take a forecast, or what is said of the feed and by the operator."""
        if not isinstance(data, Forecast):
            super().on_data(data)
        elif isinstance(self.manager, ForecastTrader):
            self._update_equity()
            self._do(self.manager.on_forecast(data))
