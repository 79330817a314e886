"""A day and a half of a thin market through a live node: nothing lost, nothing leaked."""

import asyncio
from pathlib import Path

import psutil
import pytest

from tests.market import actor, backtest, ingested
from tests.venues.binance import BinanceDouble
from tests.venues.components import tally
from tests.venues.replay import node_config, running_node, wait_for
from tests.venues.session import read_session

FLOW = {"bar_size": 300.0}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_34_hours_leak_nothing_and_find_what_the_backtest_finds(
    real_data: Path, tmp_path: Path
) -> None:
    days = ("20240723", "20240724", "20240725")
    files = [real_data / "binance" / f"spot_nexousdt_{day}.gz" for day in days]
    session = read_session(files)
    begin = session.events[0].time_ms
    hour = next(i for i, e in enumerate(session.events) if e.time_ms > begin + 3_600_000)
    usage: list[tuple[float, int, int]] = []
    with BinanceDouble(session, lifetime_s=400) as double:
        market = double.instrument_id
        config = node_config("paper_binance.json", double, [actor(FLOW, market), tally(market)])
        with running_node(double, config) as node:
            process = psutil.Process(node.process.pid)

            async def measure() -> None:
                await asyncio.sleep(0.5)
                rss = process.memory_info().rss / 2**20
                usage.append((rss, process.num_fds(), process.num_threads()))

            double.feed.at(hour, measure)
            double.feed.at(len(session.events) - 1, measure)
            wait_for(double, node, 300)
            captured = node.stop().values()
        sent = double.feed.sent
    counts = next(found for found in captured if "trades" in found)
    lived = next(found for found in captured if "bars_sha256" in found)
    assert counts["trades"] == sent["trade"] == 18_817
    assert sent["depth"] == 99_030
    # The snapshot is one more; messages that came with or before it are in it.
    assert sent["depth"] - 10 < counts["messages"] <= sent["depth"] + 1
    assert counts["tasks_at_end"] <= counts["tasks_at_start"] + 2
    (rss, fds, threads), (rss_end, fds_end, threads_end) = usage
    assert rss_end - rss < 30, f"{rss:.0f} MiB after an hour, {rss_end:.0f} MiB at the end"
    assert (fds_end, threads_end) <= (fds + 2, threads + 2)
    catalog = ingested(files, "NEXOUSDT.BINANCE", tmp_path / "catalog")
    (tested,) = backtest(
        catalog, tmp_path, "NEXOUSDT.BINANCE", [actor(FLOW, "NEXOUSDT.BINANCE")]
    ).actors
    assert lived["bars"] == tested.engine.bar_count > 100
    assert lived["bars_sha256"] == tested.engine.bars_sha256
    assert lived["signals"] == tested.signals
