"""A dashboard's server as a process of its own, and its page in a browser."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from typing import Any

from tests.browser import until

DESK = {"width": 1280, "height": 800, "deviceScaleFactor": 1, "mobile": False}
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
MS = 10**6


class Server:
    """`of-nautilus WORDS` on a free port, which can be killed and started again."""

    def __init__(self, *words: str, **environment: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._command = [sys.executable, "-m", "of_nautilus", *words, "--port", str(port)]
        self._environment = os.environ | environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 120
        while True:
            try:
                self.get("/api/instruments")
                return
            except OSError:
                assert self._process.poll() is None, "the server ended"
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.1)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def get(self, path: str) -> Any:
        """Return what an endpoint answers."""
        with urllib.request.urlopen(self.url + path, timeout=20) as answer:
            return json.load(answer)

    def act(self, action: str, **more: Any) -> Any:
        """Let the replay do something."""
        request = urllib.request.Request(
            f"{self.url}/api/replay",
            json.dumps({"action": action, **more}).encode(),
            {"Content-Type": "application/json", "Origin": self.url},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def stand_at(self, ts: int) -> None:
        """Pause the replay at a moment, ns UTC."""
        self.act("pause")
        self.act("seek", time=ts // MS)


def show(browser: Any, server: Server, screen: str, device: dict[str, Any] = DESK) -> None:
    """Open a screen of the page anew, with nothing kept from before."""
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
    browser.get("about:blank")
    browser.execute_cdp_cmd(
        "Storage.clearDataForOrigin", {"origin": server.url, "storageTypes": "local_storage"}
    )
    browser.get(f"{server.url}/#{screen}")
    until(browser, "return window.app && app.screen && app.feed.connections > 0")
