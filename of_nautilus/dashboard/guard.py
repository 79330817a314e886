"""Who may ask: hosts, origins, the token, sizes. A layer before everything that the server does."""

import hmac
import ipaddress
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.exceptions import HTTPException

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "of_nautilus_session"
MOST_BODY = 16_384
MOST_LOGINS = 64
MOST_GUESSES = 20
SESSION_S = 12 * 3600
_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        b"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"geolocation=(), camera=(), microphone=()"),
    (b"cache-control", b"no-store"),
]
_TOO_LONG = f"a request holds at most {MOST_BODY} bytes"
_LOGIN = "/api/login"
_FORM = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>of-nautilus</title>
<form method="post" action="/api/login"><label>Token <input name="token" type="password"
autocomplete="off" autofocus></label> <button>Enter</button></form></html>"""


class Sessions:
    """Who has shown the token. `token` None: nobody can.

    Guesses are counted: after `MOST_GUESSES` in a minute no token is looked at until it is over;
    sessions that have begun go on.
    """

    def __init__(self, token: str | None) -> None:
        self._token = token
        self._ends: dict[str, float] = {}
        self._guesses: deque[float] = deque(maxlen=MOST_GUESSES)

    @property
    def has_token(self) -> bool:
        """Whether there is a token to show."""
        return self._token is not None

    @property
    def is_shut(self) -> bool:
        """Whether there were too many guesses."""
        full = len(self._guesses) == MOST_GUESSES
        return full and time.monotonic() - self._guesses[0] < 60

    def is_token(self, shown: str) -> bool:
        """Whether this is the token; it takes as long for any that is not."""
        if self._token is None or self.is_shut:
            return False
        right = hmac.compare_digest(shown.encode(), self._token.encode())
        if not right:
            self._guesses.append(time.monotonic())
        return right

    def begin(self) -> str:
        """Return the cookie of a new session; the oldest ends where there are too many."""
        cookie = secrets.token_urlsafe(32)
        self._ends[cookie] = time.monotonic() + SESSION_S
        if len(self._ends) > MOST_LOGINS:
            del self._ends[next(iter(self._ends))]
        return cookie

    def holds(self, headers: dict[bytes, bytes]) -> bool:
        """Whether a request's headers show the token or the cookie of a session that goes on."""
        scheme, _, shown = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() == "bearer" and self.is_token(shown.strip()):
            return True
        for part in headers.get(b"cookie", b"").decode("latin-1").split(";"):
            name, _, value = part.strip().partition("=")
            if name == COOKIE and self._ends.get(value, 0.0) > time.monotonic():
                return True
        return False


class Guard:
    """Lets through what may pass to `app`, and puts its headers on every answer.

    A host that is neither a number nor one of `names` is refused: a page that made its own name
    point here would be of our origin else. An origin other than the host is refused for whatever
    could change something or hear. With `closed`, nothing but the login answers without the token.
    """

    def __init__(self, app: App, sessions: Sessions, names: Iterable[str], *, closed: bool) -> None:
        self._app, self._sessions, self._closed = app, sessions, closed
        self._names = {name.lower() for name in (*names, "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it be answered."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        # Once: a guess counts once.
        scope["authorized"] = self._sessions.holds(headers)
        refused = self._refusal(scope, headers)
        if refused is not None:
            await _refuse(scope, receive, send, *refused)
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        await self._app(scope, _Bounded(receive), _with_headers(send))

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[int, str] | None:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if not self._is_ours(host):
            return 421, f"this server does not go by the name {host!r}"
        asks = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        origin = headers.get(b"origin")
        if asks and origin is not None and urlsplit(origin.decode("latin-1")).netloc != host:
            return 403, "asked by a page of another origin"
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MOST_BODY:
            return 413, _TOO_LONG
        if self._closed and scope["path"] != _LOGIN and not scope["authorized"]:
            return 401, "the token is needed: log in at / or send it as a bearer"
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return True


class _Bounded:
    """A request's body that has the request refused where it is too long, its length untold."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._left = receive, MOST_BODY

    async def __call__(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise HTTPException(413, _TOO_LONG, {"connection": "close"})
        return message


def _with_headers(send: Send) -> Send:
    async def sends(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            own = {name for name, _ in message.get("headers", ())}
            message["headers"] = [
                *message.get("headers", ()),
                *(pair for pair in _HEADERS if pair[0] not in own),
            ]
        await send(message)

    return sends


async def _refuse(scope: Scope, receive: Receive, send: Send, code: int, why: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": why[:120]})
        return
    form = code == 401 and scope["path"] == "/" and scope["method"] == "GET"
    body = _FORM if form else msgspec.json.encode({"detail": why})
    kind = b"text/html; charset=utf-8" if form else b"application/json"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    if code in (401, 413):
        headers.append((b"connection", b"close"))
    await _with_headers(send)({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
