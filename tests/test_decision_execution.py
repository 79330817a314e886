"""Latency, queue position and slippage against their vectors."""

import numpy as np
import pytest

from of_nautilus.decision.execution import Queue, price_after, slippage
from tests.conftest import vectors


def test_latency_vectors() -> None:
    record = vectors("v13_execution")["latency"]
    inputs, expected = record["inputs"], record["expected"]
    times, _, asks = np.array(inputs["t_bid_ask"]).T
    fills = [price_after(times, asks, inputs["signal_t"], ms) for ms in inputs["latency_ms"]]
    assert fills == expected["buy_fill"]
    assert [fill - fills[0] for fill in fills] == expected["slippage_ticks"]


def test_queue_vectors() -> None:
    records = vectors("v13_execution")
    inputs = records["queue_fifo"]["inputs"]
    queue, places = Queue(inputs["ahead"], inputs["my_size"]), []
    for qty in inputs["trades"]:
        queue = queue.traded(qty)
        places.append([queue.ahead, queue.filled])
    assert places == records["queue_fifo"]["expected"]["ahead_filled"]

    inputs = records["queue_level_shrink"]["inputs"]
    queue, places = Queue(inputs["ahead"], inputs["my_size"]), []
    for event in inputs["events"]:
        qty = int(event.split()[-1])
        queue = queue.traded(qty) if event.startswith("trade") else queue.displayed(qty)
        places.append([queue.ahead, queue.filled])
    assert places == records["queue_level_shrink"]["expected"]["ahead_filled"]


def test_cost_vectors() -> None:
    record = vectors("v13_execution")["cost"]
    inputs, expected = record["inputs"], record["expected"]
    money, bps = slippage(1, inputs["decision_mid"], inputs["fill"], inputs["qty"])
    commission = inputs["qty"] * inputs["commission_per_share"]
    assert money == pytest.approx(expected["slippage_cash"])
    assert bps == pytest.approx(expected["slippage_bps"])
    assert commission == pytest.approx(expected["commission"])
    assert money + commission == pytest.approx(expected["total"])
    assert slippage(-1, 100.5, 101.0, 200)[0] == -100.0


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: price_after(np.array([5]), np.array([1]), 1, 3), "`decided`"),
        (lambda: price_after(np.array([5]), np.array([1]), 9, -1), "`latency`"),
        (lambda: Queue(-1, 5), "`ahead`"),
        (lambda: Queue(1, 5, 6), "`filled`"),
        (lambda: slippage(1, 0.0, 1.0, 1.0), "`decision_mid`"),
    ],
)
def test_bad_parameters(call, name: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=name):
        call()
