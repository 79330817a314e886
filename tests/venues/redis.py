"""A Redis server of a test's own, on 127.0.0.1."""

import shutil
import socket
import subprocess
import tempfile
import time
from typing import Any, Self

import pytest

PASSWORD = "not-to-be-seen-password-of-redis"


class RedisServer:
    """The server; use it as a context manager. It keeps nothing on the disk."""

    def __enter__(self) -> Self:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("redis-server is not installed: the cache's database is not tested")
        self._program = program
        self._folder = tempfile.TemporaryDirectory()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._folder.cleanup()

    @property
    def database(self) -> dict[str, Any]:
        """What a config says of it; the password comes from the environment."""
        return {"type": "redis", "host": "127.0.0.1", "port": self._port}

    def start(self) -> None:
        command = [self._program, "--port", str(self._port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--dir", self._folder.name, "--requirepass", PASSWORD]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        end = time.monotonic() + 10.0
        while time.monotonic() < end:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(0.02)
        raise RuntimeError("redis-server did not start")

    def stop(self) -> None:
        """Let it be gone from one moment to the next, with all that it held."""
        self._process.kill()
        self._process.wait()
