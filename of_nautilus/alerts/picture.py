"""A picture drawn in a process of its own: neither its time nor its memory are the node's.

Run as a script, this file reads a pickled path and then pickled `(bars, options)` from its standard
input, calls the function that the path names, and writes the picture to its standard output.
"""

import asyncio
import importlib
import os
import pickle
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

PATIENCE_S = 60.0


async def draw(path: str, bars: Sequence[Any], **options: Any) -> bytes | None:
    """Return a picture of some bars, None if it could not be made.

    Parameters
    ----------
    path : str
        `module:function`; see `report.picture.footprint_png` for its arguments.
    bars : items of ClosedBar
    options
        The function's other arguments.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", __file__),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [*sys.path, os.getcwd()]))},
    )
    try:
        request = pickle.dumps(path) + pickle.dumps((list(bars), options))
        picture, _ = await asyncio.wait_for(process.communicate(request), PATIENCE_S)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return picture if process.returncode == 0 and picture else None


def main() -> None:
    """Draw what the standard input asks for."""
    # Whatever trades on this machine goes first.
    if hasattr(os, "nice"):
        os.nice(10)
    module, _, name = pickle.load(sys.stdin.buffer).partition(":")
    function = getattr(importlib.import_module(module), name)
    bars, options = pickle.load(sys.stdin.buffer)
    sys.stdout.buffer.write(function(bars, **options))


if __name__ == "__main__":
    main()
