"""Live nodes by fork: what takes seconds to import is imported once.

`Stage` starts one process that has everything loaded and forks a node for each config that it is
given. A node is built as by `of-nautilus live`, and run as by `tests.venues.node`.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.compiling import compile_once
from tests.venues.replay import ROOT


class Stage:
    """The process that forks nodes; use it as a context manager."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        without_keys = {
            k: v for k, v in os.environ.items() if not k.startswith(("BINANCE", "BYBIT"))
        }
        self._process = subprocess.Popen(
            # A thread of pyarrow's allocator is there, and does not mind the forks.
            [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "tests.venues.stage"],
            cwd=ROOT,
            env=without_keys | {"OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._count, self._lock = 0, threading.Lock()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._folder.cleanup()

    def node(self, config: Mapping[str, Any], control: str) -> "ForkedNode":
        """Start a node."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._count += 1
            log = Path(self._folder.name) / f"{self._count}.log"
            order = {"config": config, "control": control, "log": str(log)}
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return ForkedNode(int(self._process.stdout.readline()), log)


class ForkedNode:
    """A node that runs in a fork of the stage."""

    def __init__(self, pid: int, log: Path) -> None:
        self.pid = pid
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def kill(self) -> None:
        """Kill the node with no chance to clean up."""
        os.kill(self.pid, signal.SIGKILL)
        self._await_end(20)

    def stop(self) -> None:
        """Stop the node as a user would, with SIGINT."""
        os.kill(self.pid, signal.SIGINT)
        self._await_end(60)

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
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    from nautilus_trader.config import TradingNodeConfig

    from of_nautilus.live.node import build_node
    from tests.venues.node import Progress

    node = build_node(TradingNodeConfig.parse(json.dumps(order["config"])))
    loop = node.get_event_loop()
    answering = loop.create_task(Progress(node).tell(order["control"]))
    try:
        node.run()
        answering.cancel()
    finally:
        node.dispose()


def main() -> None:
    """Fork a node for each line that comes in, and print its process id."""
    compile_once()

    import nautilus_trader.adapters.binance.factories
    import nautilus_trader.adapters.bybit.factories  # noqa: F401

    import of_nautilus.live.node  # noqa: F401
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
