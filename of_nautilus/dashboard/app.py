"""The server's application: pages, REST, websockets, and the guard before them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request, WebSocket
from fastapi.exceptions import RequestValidationError
from starlette.responses import Response

from of_nautilus import __version__
from of_nautilus.dashboard.control import add_control
from of_nautilus.dashboard.guard import Guard, Sessions
from of_nautilus.dashboard.hub import Hub
from of_nautilus.dashboard.pages import add_pages
from of_nautilus.dashboard.parameters import BadParameterError, UnknownSymbolError
from of_nautilus.dashboard.replies import Json
from of_nautilus.dashboard.rest import add_markets, stats_of
from of_nautilus.dashboard.sockets import by_bars, by_channels
from of_nautilus.dashboard.sources import RefusedError, Source


def make_app(
    source: Source, *, token: str | None = None, names: tuple[str, ...] = (), closed: bool = False
) -> Guard:
    """Return the server's application.

    Parameters
    ----------
    source : Source
        What is shown.
    token : str, optional
        What commands need; without one there are none.
    names : tuple of str
        Names of hosts that it answers to, besides numbers and localhost.
    closed : bool
        Whether everything needs the token.
    """
    hub = Hub(source, stats_of)
    sessions = Sessions(token)

    @contextlib.asynccontextmanager
    async def goes_on(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(hub.run())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    app = FastAPI(
        title="of-nautilus dashboard",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=goes_on,
        default_response_class=Json,
        responses={404: {"description": "no such instrument"}},
    )
    add_pages(app)
    add_markets(app, hub, commands=source.commands and sessions.has_token)
    add_control(app, source, sessions)

    @app.websocket("/ws")
    async def channels(socket: WebSocket) -> None:
        await by_channels(socket, hub)

    @app.websocket("/ws/orderflow")
    async def orderflow(socket: WebSocket) -> None:
        await by_bars(socket, hub)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        told = "; ".join(
            f"{' '.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()
        )
        return Json({"detail": told[:500]}, 422)

    @app.exception_handler(BadParameterError)
    async def bad(_: Request, error: BadParameterError) -> Response:
        return Json({"detail": str(error)}, 404 if isinstance(error, UnknownSymbolError) else 422)

    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> Response:
        return Json({"detail": str(error)}, 409)

    return Guard(app, sessions, names, closed=closed)
