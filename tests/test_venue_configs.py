"""The node configs decode, and name factories that the host's builder can use."""

import json
from pathlib import Path

import pytest
from nautilus_trader.common.config import ActorFactory
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.trading.config import StrategyFactory

CONFIGS = Path(__file__).parents[1] / "configs"


@pytest.mark.parametrize("name", ["paper_binance", "live_binance", "paper_bybit", "live_bybit"])
def test_a_node_config_decodes_and_all_that_it_names_can_be_made(name: str) -> None:
    config = TradingNodeConfig.parse((CONFIGS / f"{name}.json").read_bytes())
    for client in [*config.data_clients.values(), *config.exec_clients.values()]:
        client.create()
        assert callable(client.factory.create().create)
    for actor in config.actors:
        ActorFactory.create(actor)
    for strategy in config.strategies:
        StrategyFactory.create(strategy)
    for client in config.exec_clients.values():
        sandbox = "sandbox" in client.path
        assert (client.factory.create().__name__ == "SandboxLiveExecClientFactory") == sandbox


def test_each_node_has_a_name_of_its_own_and_can_be_watched() -> None:
    nodes = [json.loads(path.read_text()) for path in CONFIGS.glob("*.json")]
    nodes = [node for node in nodes if "data_clients" in node]
    assert len({node["trader_id"] for node in nodes}) == len(nodes) == 5
    for node in nodes:
        names = {actor["actor_path"].rpartition(":")[2] for actor in node["actors"]}
        assert {"DashboardFeed", "Alerts", "Journal"} <= names


@pytest.mark.parametrize("name", ["live_binance", "live_bybit"])
def test_real_money_needs_a_live_environment_and_holds_no_keys(name: str) -> None:
    text = (CONFIGS / f"{name}.json").read_text()
    assert "api_key" not in text
    assert "api_secret" not in text
