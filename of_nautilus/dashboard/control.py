"""What changes something: the replay's controls, the token, commands for the node."""

from typing import Any, Literal
from urllib.parse import parse_qs

import pydantic
from fastapi import FastAPI, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from of_nautilus.dashboard.guard import COOKIE, SESSION_S, Sessions
from of_nautilus.dashboard.parameters import BadParameterError, the_market
from of_nautilus.dashboard.replies import Json
from of_nautilus.dashboard.sources import Source
from of_nautilus.data import FLATTEN, PAUSE, RESUME

_COMMANDS = {"pause": PAUSE, "resume": RESUME, "flatten": FLATTEN}


class Login(pydantic.BaseModel):
    """Shows the token."""

    token: str = pydantic.Field(max_length=512)


class Command(pydantic.BaseModel):
    """Asks something of the node's strategies; `symbol` "*" for all markets."""

    action: Literal["pause", "resume", "flatten"]
    symbol: str = pydantic.Field("*", max_length=80)
    confirm: bool = False


class Act(pydantic.BaseModel):
    """Lets the replay do something; `time` in ms UTC for seek, `speed` for speed."""

    action: Literal["play", "pause", "step", "seek", "speed"]
    time: int | None = pydantic.Field(None, ge=0, le=9_000_000_000_000)
    speed: float | None = pydantic.Field(None, ge=1, le=200)


def add_control(app: FastAPI, source: Source, sessions: Sessions) -> None:
    """Add the endpoints to an application."""

    @app.get("/api/replay")
    async def replay() -> Any:
        """Where the replay stands."""
        told = source.replay()
        if told is None:
            raise HTTPException(404, "this is a live node, not a replay")
        return Json(told)

    @app.post("/api/replay", responses={409: {"description": "cannot be done now"}})
    async def act(act: Act) -> Any:
        """Play, pause, step, seek, or set the speed."""
        source.act(act.action, act.time, act.speed)
        return Json(source.replay())

    @app.get("/api/session")
    async def session(request: Request) -> Any:
        """Whether the token was shown, and whether there are commands."""
        commands = source.commands and sessions.has_token
        return Json({"authorized": request.scope["authorized"], "commands": commands})

    @app.post(
        "/api/login",
        responses={
            401: {"description": "not the token"},
            429: {"description": "too many wrong tokens"},
        },
    )
    async def login(request: Request) -> Response:
        """Show the token, as JSON `{"token": ...}` or as a form; the answer sets a cookie."""
        form = request.headers.get("content-type", "").startswith("application/x-www-form")
        shown = await (_of_form if form else _of_json)(request)
        if sessions.is_shut:
            raise HTTPException(429, "too many wrong tokens; wait a minute")
        if not sessions.is_token(shown):
            raise HTTPException(401, "that is not the token")
        answer = RedirectResponse("/", 303) if form else Json({"authorized": True})
        answer.set_cookie(
            COOKIE, sessions.begin(), max_age=SESSION_S, httponly=True, samesite="strict"
        )
        return answer

    @app.post(
        "/api/command",
        responses={
            401: {"description": "the token is needed"},
            409: {"description": "cannot be done now"},
        },
    )
    async def command(command: Command, request: Request) -> Any:
        """Pause, resume or flatten; needs the token and `confirm`."""
        if not request.scope["authorized"]:
            raise HTTPException(401, "commands need the token")
        if not command.confirm:
            raise BadParameterError("`confirm` must be true")
        named = source.markets if command.symbol == "*" else (command.symbol,)
        symbols = tuple(the_market(source, symbol).symbol for symbol in named)
        source.ask(_COMMANDS[command.action], symbols)
        return Json({"asked": command.action, "symbols": symbols})


async def _of_json(request: Request) -> str:
    try:
        return Login.model_validate_json(await request.body()).token
    except pydantic.ValidationError:
        raise BadParameterError('the body must be {"token": "..."}') from None


async def _of_form(request: Request) -> str:
    fields = parse_qs((await request.body()).decode(errors="replace"))
    return fields.get("token", [""])[0]
