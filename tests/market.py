"""Runs that several tests share: an ingested session, a backtest over it."""

import json
from pathlib import Path
from typing import Any

from of_nautilus.actor import OrderFlowActor
from of_nautilus.backtest import RunResult, load_run_configs, run_backtest
from of_nautilus.ingest.binance_ws import ingest_binance_ws

CONFIGS = Path(__file__).parents[1] / "configs"
BTC = "BTCUSDT-PERP.BINANCE"


class CapturedFlow(OrderFlowActor):
    """The actor, with what it found in a form that leaves its process."""

    def on_stop(self) -> None:
        super().on_stop()
        assert self.engine is not None
        self.captured = {
            "bars": self.engine.bar_count,
            "bars_sha256": self.engine.bars_sha256,
            "state_sha256": self.engine.state_sha256,
            "signals": self.signals,
            "quality": self.engine.quality,
        }


def ingested(files: list[Path], instrument_id: str, catalog: Path) -> Path:
    """A catalog with recorded websocket files."""
    ingest_binance_ws([str(file) for file in files], instrument_id, str(catalog))
    return catalog


def actor(flow: dict[str, Any], instrument_id: str = BTC) -> dict[str, Any]:
    """The importable config of a `CapturedFlow`."""
    return {
        "actor_path": "tests.market:CapturedFlow",
        "config_path": "of_nautilus.config:OrderFlowActorConfig",
        "config": {"instrument_id": instrument_id, "flow": flow},
    }


def journal(catalog: Path, instrument_id: str = BTC) -> dict[str, Any]:
    """The importable config of a `Journal`."""
    return {
        "actor_path": "of_nautilus.journal:Journal",
        "config_path": "of_nautilus.config:JournalConfig",
        "config": {"instrument_ids": [instrument_id], "catalog": str(catalog)},
    }


def backtest(
    catalog: Path,
    folder: Path,
    instrument_id: str,
    actors: list[Any],
    strategies: list[Any] | None = None,
    **run: Any,
) -> RunResult:
    """Run `configs/demo_backtest.json` over another catalog and instrument."""
    (config,) = json.loads((CONFIGS / "demo_backtest.json").read_text())
    config["venues"][0]["name"] = instrument_id.rpartition(".")[2]
    for data in config["data"]:
        data |= {"catalog_path": str(catalog), "instrument_id": instrument_id}
    config["engine"] |= {"actors": actors, "strategies": strategies or []}
    path = folder / "run.json"
    path.write_text(json.dumps([config | run]))
    (loaded,) = load_run_configs(path)
    return run_backtest(loaded)


def demo_components() -> tuple[dict[str, Any], dict[str, Any]]:
    """The configs of actor and strategy in `configs/demo_backtest.json`."""
    (run,) = json.loads((CONFIGS / "demo_backtest.json").read_text())
    actors, strategies = run["engine"]["actors"], run["engine"]["strategies"]
    return actors[-1]["config"], strategies[0]["config"]
