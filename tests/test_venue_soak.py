"""A day and a half of a thin market through a live node: nothing lost, nothing leaked."""

import asyncio
from bisect import bisect_right
from pathlib import Path

import psutil
import pytest

from tests.market import actor, backtest, ingested
from tests.venues.binance import BinanceDouble
from tests.venues.components import tally
from tests.venues.replay import node_config, running_node, wait_for
from tests.venues.session import read_session

FLOW = {"bar_size": 300.0}
# At rest for a moment each time, as a market is that is not replayed thousands of times as fast.
MEASURED_H = range(1, 34, 4)


def own_threads(pid: int) -> int:
    """Count a process's threads but for those of the host's pool, which come and go with load."""
    names = [path.read_text().strip() for path in Path(f"/proc/{pid}/task").glob("*/comm")]
    return sum(name != "tokio-rt-worker" for name in names)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_34_hours_leak_nothing_and_find_what_the_backtest_finds(
    real_data: Path, tmp_path: Path
) -> None:
    days = ("20240723", "20240724", "20240725")
    files = [real_data / "binance" / f"spot_nexousdt_{day}.gz" for day in days]
    session = read_session(files)
    begin = session.events[0].time_ms
    times = [(event.time_ms - begin) / 3_600_000 for event in session.events]
    usage: list[tuple[float, int, int]] = []
    with BinanceDouble(session, lifetime_s=400) as double:
        market = double.instrument_id
        config = node_config("paper_binance.json", double, [actor(FLOW, market), tally(market)])
        with running_node(double, config) as node:
            process = psutil.Process(node.pid)

            async def measure() -> None:
                await asyncio.sleep(0.5)
                rss = process.memory_info().rss / 2**20
                usage.append((rss, process.num_fds(), own_threads(process.pid)))

            for hour in MEASURED_H:
                double.feed.at(bisect_right(times, hour), measure)
            double.feed.at(len(times) - 1, measure)
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
    print("MiB, files, threads:", *(f"{rss:.1f} {fds} {threads}" for rss, fds, threads in usage))
    (rss, fds, threads), *_, (rss_end, fds_end, threads_end) = usage
    assert rss_end - rss < 30, f"{rss:.0f} MiB after an hour, {rss_end:.0f} MiB at the end"
    assert (fds_end, threads_end) <= (fds + 2, threads + 2)
    catalog = ingested(files, "NEXOUSDT.BINANCE", tmp_path / "catalog")
    (tested,) = backtest(
        catalog, tmp_path, "NEXOUSDT.BINANCE", [actor(FLOW, "NEXOUSDT.BINANCE")]
    ).actors
    assert lived["bars"] == tested.engine.bar_count > 100
    assert lived["bars_sha256"] == tested.engine.bars_sha256
    assert lived["signals"] == tested.signals
