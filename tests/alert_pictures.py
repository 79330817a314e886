"""What draws in the tests of the alerts: light, as it is loaded in a process of its own."""

from typing import Any


def plain(bars: list[Any], **options: Any) -> bytes:
    """A picture that names what it got."""
    return f"{len(bars)} bars to {bars[-1].close_ts} {sorted(options)}".encode()
