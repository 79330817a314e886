"""A node's stop: first its strategies wind down, and whatever fails, it stops."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from of_nautilus.live import node as module


class Strategy:
    """What a node's stop asks of a strategy."""

    is_running = True

    def __init__(self, told: list[str], name: str, settles_after: int = 0, fails: bool = False):
        self._told, self._name, self._fails = told, name, fails
        self._looks = settles_after
        say = lambda *words: told.append(f"{name} said {words[0][:7]}")  # noqa: E731
        self.log = SimpleNamespace(exception=say, error=say)

    def wind_down(self) -> None:
        if self._fails:
            raise ValueError("no such phase")
        self._told.append(f"{self._name} winds down")

    @property
    def settled(self) -> bool:
        self._looks -= 1
        return self._looks < 0


def stopped(told: list[str], strategies: list[Any], times: int = 1) -> None:
    """Let a node with these strategies be stopped."""

    async def stop() -> None:
        told.append("node stops")

    async def main() -> None:
        kernel = SimpleNamespace(loop=asyncio.get_running_loop(), stop_async=stop)
        module._wind_down_first(SimpleNamespace(kernel=kernel), strategies)  # type: ignore[arg-type]
        await asyncio.gather(*(kernel.stop_async() for _ in range(times)))

    asyncio.run(main())


def test_a_node_stops_once_all_is_settled() -> None:
    told: list[str] = []
    stopped(told, [Strategy(told, "A", settles_after=3), Strategy(told, "B")], times=3)
    assert told == ["A winds down", "B winds down", "node stops"]


def test_a_strategy_that_fails_keeps_no_node_from_its_stop() -> None:
    told: list[str] = []
    stopped(told, [Strategy(told, "A", fails=True), Strategy(told, "B")])
    assert told == ["A said not wou", "B winds down", "node stops"]


def test_what_does_not_settle_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SETTLE_S", 0.1)
    monkeypatch.setattr(module, "_traded", lambda *_: {})
    told: list[str] = []
    stopped(told, [Strategy(told, "A", settles_after=10**9)])
    assert told == ["A winds down", "A said stopped", "node stops"]
