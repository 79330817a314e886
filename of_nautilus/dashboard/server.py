"""Runs a dashboard's server until it is stopped."""

import ipaddress
import os
import socket
import sys

import uvicorn

from of_nautilus.dashboard.app import make_app
from of_nautilus.dashboard.sockets import MOST_MESSAGE
from of_nautilus.dashboard.sources import Source
from of_nautilus.errors import UserError

TOKEN = "OF_NAUTILUS_DASHBOARD_TOKEN"
LEAST_TOKEN = 16
MOST_HTTP = 1_024  # connections of all kinds


def serve(
    source: Source, host: str, port: int, names: tuple[str, ...] = (), *, quiet: bool = False
) -> None:
    """Serve a source on an address until Ctrl-C.

    The token comes from the environment (`OF_NAUTILUS_DASHBOARD_TOKEN`); an address that others
    can reach needs one.

    Raises
    ------
    UserError
        If the token is missing or short, or the address cannot be had.
    """
    token = os.environ.get(TOKEN) or None
    if token is not None and len(token) < LEAST_TOKEN:
        raise UserError(f"has less than {LEAST_TOKEN} characters", TOKEN, todo="take a longer one")
    closed = not _is_loopback(host)
    if closed and token is None:
        raise UserError(f"needed to serve on {host}", TOKEN, todo="set it, or serve on 127.0.0.1")
    bound = _bound(host, port)
    app = make_app(source, token=token, names=names, closed=closed)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="websockets-sansio",
        ws_max_size=MOST_MESSAGE,
        ws_max_queue=8,
        ws_per_message_deflate=False,
        h11_max_incomplete_event_size=16_384,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=2,
        limit_concurrency=MOST_HTTP,
        backlog=512,
    )
    if not quiet:
        at = bound.getsockname()
        name = f"[{at[0]}]" if ":" in at[0] else at[0]
        sys.stdout.write(f"serving {source.name} on http://{name}:{at[1]}  (Ctrl-C ends it)\n")
        sys.stdout.flush()
    uvicorn.Server(config).run(sockets=[bound])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bound(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65_535:
        raise UserError(f"must be 0 to 65535, was {port}", "--port")
    try:
        kind, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(kind)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        raise UserError(
            f"cannot serve there: {error}", f"{host}:{port}", todo="give another --port"
        ) from None
    return bound
