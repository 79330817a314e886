"""Live nodes by fork: what takes seconds to import is imported once.

`stage()` is the process that has everything loaded, and forks a node for each config that it is
given; see `tests.venues.node`. It ends with the tests.
"""

import atexit
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.compiling import compile_once

ROOT = Path(__file__).parents[2]


def without_keys() -> dict[str, str]:
    """Return the environment without any venue's keys."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("BINANCE", "BYBIT"))}


@cache
def stage() -> "Stage":
    """Return the one that all tests of this process share."""
    made = Stage()
    atexit.register(made.close)
    return made


class Stage:
    """The process that forks nodes. No venue's keys come to them from the environment."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._process = subprocess.Popen(
            # A thread of pyarrow's allocator is there, and does not mind the forks.
            [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "tests.venues.stage"],
            cwd=ROOT,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._count, self._lock = 0, threading.Lock()

    def close(self) -> None:
        """End it; nodes that it has forked go on."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()

    def node(self, config: Mapping[str, Any], control: str) -> "ForkedNode":
        """Start a node, in the environment that the test has now."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._count += 1
            base = Path(self._folder.name) / str(self._count)
            log, out = base.with_suffix(".log"), base.with_suffix(".pickle")
            order = {
                "config": config,
                "control": control,
                "log": str(log),
                "out": str(out),
                "environment": without_keys(),
            }
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return ForkedNode(int(self._process.stdout.readline()), log, out)


class ForkedNode:
    """A node that runs in a fork of the stage."""

    def __init__(self, pid: int, log: Path, out: Path) -> None:
        self.pid = pid
        self._log, self._out = log, out

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def kill(self) -> None:
        """Kill the node with no chance to clean up, if it is there."""
        if self.is_running():
            os.kill(self.pid, signal.SIGKILL)
            self._await_end(20)

    def stop(self) -> dict[str, Any]:
        """Stop the node as a user would, with SIGINT, and return what was captured."""
        if self.is_running():
            os.kill(self.pid, signal.SIGINT)
            self._await_end(60)
        if not self._out.exists():
            raise RuntimeError(f"the node failed\n{self.log[-4000:]}")
        captured: dict[str, Any] = pickle.loads(self._out.read_bytes())
        return captured

    def _await_end(self, timeout_s: float) -> None:
        end = time.monotonic() + timeout_s
        while self.is_running():
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                raise RuntimeError(f"the node did not stop\n{self.log[-4000:]}")
            time.sleep(0.01)

    def is_running(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True


def _run(order: dict[str, Any]) -> None:
    """Be a node."""
    from tests.venues.node import run

    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.clear()
    os.environ.update(order["environment"])
    run(json.dumps(order["config"]).encode(), Path(order["out"]), order["control"])


def main() -> None:
    """Fork a node for each line that comes in, and print its process id."""
    compile_once()

    import nautilus_trader.adapters.binance.factories
    import nautilus_trader.adapters.bybit.factories  # noqa: F401

    import of_nautilus.live.node  # noqa: F401
    import tests.venues.node  # noqa: F401
    from tests.venues import script

    # Compiled code is loaded before the forks, too.
    script.framed(1, 600_000)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            sys.stdin.close()
            code = 1
            try:
                _run(json.loads(line))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
