"""Keeps the interpreter's own pauses out of the way of an order.

Two of them are long. The collector of garbage looks at every object that is alive: some 200 ms once
a node is up, most of it for what was imported. And a thread that wants the interpreter, such as the
event loop while alerts are encoded, waits 5 ms by default before another makes way.
"""

import asyncio
import gc
import sys
from collections.abc import Callable

SWITCH_S = 0.0002
LOOK_S = 0.5


def shorten_pauses(loop: asyncio.AbstractEventLoop, is_up: Callable[[], bool]) -> None:
    """Let threads make way at once; and, once `is_up`, collect no more what is there by then."""
    sys.setswitchinterval(SWITCH_S)

    def look() -> None:
        if is_up():
            gc.collect()
            gc.freeze()
        else:
            loop.call_later(LOOK_S, look)

    loop.call_later(LOOK_S, look)
