"""What is there once a node is up is not looked at again by the collector of garbage."""

import asyncio
import gc
import sys

import pytest

from of_nautilus.live import pauses


def test_what_is_there_once_the_node_is_up_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "LOOK_S", 0.01)
    interval, asked = sys.getswitchinterval(), 0

    def is_up() -> bool:
        nonlocal asked
        asked += 1
        return asked == 3

    async def node() -> None:
        pauses.shorten_pauses(asyncio.get_running_loop(), is_up)
        assert sys.getswitchinterval() == pytest.approx(pauses.SWITCH_S)
        before = gc.get_freeze_count()
        while asked < 3:
            assert gc.get_freeze_count() == before
            await asyncio.sleep(0.005)
        assert gc.get_freeze_count() > before + 1_000

    try:
        asyncio.run(node())
        assert asked == 3
    finally:
        gc.unfreeze()
        sys.setswitchinterval(interval)
