"""The Redis server that the host's cache may have: its config, and whether it answers."""

import os
import socket
import ssl
from typing import Any

from of_nautilus.errors import UserError

PASSWORD_ENV, USERNAME_ENV = "REDIS_PASSWORD", "REDIS_USERNAME"
_HOST, _PORT, _TIMEOUT_S = "127.0.0.1", 6379, 5.0


def database_of(plain: dict[str, Any]) -> dict[str, Any] | None:
    """Return what a node's config says of its cache's database, None if it has none."""
    return (plain.get("cache") or {}).get("database")


def with_credentials(plain: dict[str, Any]) -> dict[str, Any]:
    """Return a node's config with the database's credentials, which the environment holds."""
    database = database_of(plain)
    password = os.environ.get(PASSWORD_ENV)
    if database is None or not password:
        return plain
    secret = {"username": os.environ.get(USERNAME_ENV), "password": password}
    return plain | {"cache": plain["cache"] | {"database": database | secret}}


def address(database: dict[str, Any]) -> tuple[str, int]:
    """Return where the database is: on this machine, if nothing else is said."""
    return database.get("host") or _HOST, database.get("port") or _PORT


def ping(database: dict[str, Any]) -> None:
    """Ask the database for a sign of life.

    Raises
    ------
    UserError
        If it cannot be reached, or refuses.
    """
    commands = [["PING"]]
    if password := os.environ.get(PASSWORD_ENV):
        username = os.environ.get(USERNAME_ENV)
        commands.insert(0, ["AUTH", *([username] if username else []), password])
    host, port = address(database)
    try:
        with socket.create_connection((host, port), _TIMEOUT_S) as plain:
            secured = database.get("ssl")
            talk = ssl.create_default_context().wrap_socket if secured else _as_it_is
            with talk(plain, server_hostname=host) as connection, connection.makefile("rb") as said:
                for command in commands:
                    connection.sendall(_encoded(command))
                    answer = said.readline().decode(errors="replace").strip()
                    if not answer.startswith("+"):
                        raise UserError(f"Redis at {host}:{port} says {answer[1:] or 'nothing'}")
    except OSError as error:
        raise UserError(f"Redis at {host}:{port} cannot be reached: {error}") from None


def _as_it_is(connection: socket.socket, *, server_hostname: str) -> socket.socket:
    return connection


def _encoded(words: list[str]) -> bytes:
    """Return a command in the server's protocol."""
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)
