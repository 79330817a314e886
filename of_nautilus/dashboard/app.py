"""The server's pages and its REST side; every answer is of docs/dashboard.md."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pydantic
from fastapi import FastAPI, HTTPException, Query, Request, WebSocket
from fastapi import Path as InPath
from fastapi.exceptions import RequestValidationError
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from of_nautilus import __version__
from of_nautilus.core.footprint import ClosedBar
from of_nautilus.core.sessions import SECOND
from of_nautilus.dashboard import answers
from of_nautilus.dashboard.guard import COOKIE, Guard, Sessions
from of_nautilus.dashboard.hub import Hub
from of_nautilus.dashboard.market import MarketState
from of_nautilus.dashboard.parameters import (
    BadParameterError,
    UnknownSymbolError,
    the_market,
    the_rows,
    the_tf,
)
from of_nautilus.dashboard.sockets import by_bars, by_channels
from of_nautilus.dashboard.sources import RefusedError, Source
from of_nautilus.dashboard.units import ms
from of_nautilus.data import FLATTEN, PAUSE, RESUME
from of_nautilus.decision.status import rank

WEB = Path(__file__).parent / "web"
MOST_BARS, MOST_DAYS, MOST_PRINTS, MOST_LEVELS, MOST_HISTORY = 3_000, 30, 2_000, 25, 600
_COMMANDS = {"pause": PAUSE, "resume": RESUME, "flatten": FLATTEN}
_KINDS = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".html": "text/html",
}
_encode = msgspec.json.Encoder().encode

Symbol = Annotated[str, InPath(max_length=80, description="as /api/instruments names it")]
Count = Annotated[int, Query(ge=1, le=MOST_BARS)]
Tf = Annotated[int | None, Query(ge=1, le=86_400, description="seconds of a bar")]
Range = Annotated[
    int | None, Query(alias="range", ge=1, le=31_536_000, description="seconds up to the newest")
]
Rows = Annotated[int | None, Query(ge=1, le=10_000, description="ticks of a price row")]
Limit = Annotated[int, Query(ge=1, le=2_000)]


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


class _Json(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return _encode(content)


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
    hub = Hub(source, lambda hub: _stats(hub))
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
        default_response_class=_Json,
        responses={404: {"description": "no such instrument"}},
    )
    _add_pages(app)
    _add_markets(app, hub, commands=source.commands and sessions.has_token)
    _add_others(app, hub, sessions)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        told = "; ".join(
            f"{' '.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()
        )
        return _Json({"detail": told[:500]}, 422)

    @app.exception_handler(BadParameterError)
    async def bad(_: Request, error: BadParameterError) -> Response:
        return _Json({"detail": str(error)}, 404 if isinstance(error, UnknownSymbolError) else 422)

    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> Response:
        return _Json({"detail": str(error)}, 409)

    return Guard(app, sessions, names, closed=closed)


def _stats(hub: Hub) -> dict[str, Any]:
    source = hub.source
    live = source.kind == "live"
    return {
        "time": ms(source.now_ns),
        "uptime": int((time.monotonic() - hub.began) * 1000),
        "instruments": [
            answers.feed(market, source.now_ns, live=live, missed=source.missed(symbol))
            for symbol, market in source.markets.items()
        ],
        "clients": len(hub.clients) + hub.others,
        "messages": hub.messages,
    }


def _add_pages(app: FastAPI) -> None:
    chart = _chart_library()

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(WEB / "index.html")

    @app.get("/web/{name}", include_in_schema=False)
    async def part(name: str) -> Response:
        path = WEB / name
        if path.parent != WEB or path.suffix not in _KINDS or not path.is_file():
            raise HTTPException(404, f"no file {name[:60]!r}")
        return FileResponse(path, media_type=_KINDS[path.suffix])

    @app.get("/lightweight-charts.js", include_in_schema=False)
    async def charts() -> Response:
        return FileResponse(chart, media_type="text/javascript")

    @app.get("/api/docs", include_in_schema=False)
    async def described() -> Response:
        return HTMLResponse(_described(app.openapi()))


def _add_markets(app: FastAPI, hub: Hub, *, commands: bool) -> None:
    source = hub.source

    def bars(market: MarketState, count: int, tf: int | None, span: int | None) -> list[ClosedBar]:
        market.refresh()
        since = 0 if span is None else market.last_ts - span * SECOND
        return market.bars.at(the_tf(market, tf), MOST_BARS if span else count, since)

    @app.get("/api/instruments")
    async def instruments() -> Any:
        """List the markets and where each stands."""
        about = {"kind": source.kind, "name": source.name, "commands": commands}
        for market in source.markets.values():
            market.refresh()
        now = source.now_ns
        lines = [answers.instrument(market, now) for market in source.markets.values()]
        return _Json({"source": about, "instruments": lines})

    @app.get("/api/scanner")
    async def scanner() -> Any:
        """List the markets, those to look at first."""
        now = source.now_ns
        ordered = rank(market.row(now) for market in source.markets.values())
        rows = [answers.scanner_row(source.markets[row.symbol], now) for row in ordered]
        return _Json({"rows": rows})

    @app.get("/api/candles/{symbol}")
    async def candles(symbol: Symbol, count: Count = 500, tf: Tf = None, span: Range = None) -> Any:
        """Open, high, low, close, volume and delta by bar."""
        market = the_market(source, symbol)
        found = bars(market, count, tf, span)
        told = [market.bars.candle(bar) for bar in found]
        return _Json({"tf": the_tf(market, tf), "candles": told})

    @app.get("/api/delta/{symbol}")
    async def delta(symbol: Symbol, count: Count = 500, tf: Tf = None, span: Range = None) -> Any:
        """Delta and its running sum by bar."""
        market = the_market(source, symbol)
        told = answers.points(market.bars.candle(bar) for bar in bars(market, count, tf, span))
        return _Json({"tf": the_tf(market, tf), "points": told})

    @app.get("/api/footprint/{symbol}")
    async def footprint(
        symbol: Symbol,
        count: Annotated[int, Query(ge=1, le=500)] = 30,
        tf: Tf = None,
        span: Range = None,
        rows: Rows = None,
        ratio: Annotated[float, Query(ge=1, le=100)] = 3.0,
        least: Annotated[float | None, Query(ge=0, le=1e12)] = None,
    ) -> Any:
        """Bars with what was sold and bought at each price."""
        market = the_market(source, symbol)
        height = the_rows(market, rows)
        found = bars(market, count, tf, span)[-500:]
        return _Json(
            {
                "tf": the_tf(market, tf),
                "rows": height,
                "row_height": round(height * market.units.tick, market.units.price_digits + 3),
                "ratio": ratio,
                "least": least,
                "bars": market.bars.footprints(found, height, ratio, least),
            }
        )

    @app.get("/api/volume-profile/{symbol}")
    async def volume_profile(
        symbol: Symbol,
        days: Annotated[int, Query(ge=1, le=MOST_DAYS)] = 1,
        span: Range = None,
        rows: Rows = None,
    ) -> Any:
        """Volume by price of the newest sessions."""
        market = the_market(source, symbol)
        market.refresh()
        height = market.profile_rows if rows is None else the_rows(market, rows)
        told = answers.profiles(market, days, height)
        if span is not None:
            begin = ms(market.last_ts) - span * 1000
            told = [profile for profile in told if profile["end"] > begin]
        return _Json({"profiles": told})

    @app.get("/api/markers/{symbol}")
    async def markers(symbol: Symbol, count: Limit = 500, span: Range = None) -> Any:
        """Signals, oldest first, to be drawn on a chart."""
        market = the_market(source, symbol)
        since = 0 if span is None else market.last_ts - span * SECOND
        own = [card.signal for card in market.cards.values() if card.signal.ts_event > since]
        return _Json({"markers": [answers.signal(market, one) for one in own[-count:]]})

    @app.get("/api/signals/{symbol}")
    async def signals(symbol: Symbol, limit: Limit = 50) -> Any:
        """Signals with what became of each, the newest first."""
        market = the_market(source, symbol)
        own = [*market.cards.values()][: -limit - 1 : -1]
        return _Json({"signals": [answers.card(market, card) for card in own]})

    @app.get("/api/bias/{symbol}")
    async def bias(symbol: Symbol) -> Any:
        """The session's frame, and the levels that live."""
        return _Json(answers.bias(the_market(source, symbol)))

    @app.get("/api/trade/{symbol}")
    async def trade(symbol: Symbol, limit: Limit = 200) -> Any:
        """The trade that runs, those that are over, and what they came to."""
        return _Json(answers.trade(the_market(source, symbol), limit))

    @app.get("/api/strategy-status/{symbol}")
    async def strategy_status(symbol: Symbol) -> Any:
        """The six steps from a framed profile to a managed trade."""
        return _Json(answers.status(the_market(source, symbol), source.now_ns))

    @app.get("/api/orderbook/{symbol}")
    async def orderbook(
        symbol: Symbol,
        levels: Annotated[int, Query(ge=1, le=100)] = MOST_LEVELS,
        history: Annotated[int, Query(ge=0, le=MOST_HISTORY)] = 0,
    ) -> Any:
        """The book's best levels, and with `history` those of so many moments before."""
        market = the_market(source, symbol)
        seen = market.books
        told = answers.book(market, seen[-1] if seen else None, levels)
        if history:
            told["history"] = [answers.book(market, one, levels) for one in [*seen][-history:]]
        return _Json(told)

    @app.get("/api/tape/{symbol}")
    async def tape(
        symbol: Symbol,
        count: Annotated[int, Query(ge=1, le=MOST_PRINTS)] = 200,
        least: Annotated[float | None, Query(ge=0, le=1e12)] = None,
    ) -> Any:
        """Time and sales, the newest first, from a size of `least` on."""
        market = the_market(source, symbol)
        rows = market.prints
        if least is not None:
            rows = rows[rows["size"] >= market.units.lots(least)]
        large = market.units.size(market.large)
        return _Json({"large": large, "trades": answers.prints(market, rows[-count:])})

    @app.get("/api/microstructure/{symbol}")
    async def microstructure(symbol: Symbol) -> Any:
        """Measures of the tape and the book."""
        return _Json({"facts": answers.microstructure(the_market(source, symbol))})

    @app.get("/api/stats")
    async def stats() -> Any:
        """How the feeds and the server are."""
        return _Json(_stats(hub))


def _add_others(app: FastAPI, hub: Hub, sessions: Sessions) -> None:
    source = hub.source

    @app.get("/api/replay")
    async def replay() -> Any:
        """Where the replay stands."""
        told = source.replay()
        if told is None:
            raise HTTPException(404, "this is a live node, not a replay")
        return _Json(told)

    @app.post("/api/replay", responses={409: {"description": "cannot be done now"}})
    async def act(act: Act) -> Any:
        """Play, pause, step, seek, or set the speed."""
        source.act(act.action, act.time, act.speed)
        return _Json(source.replay())

    @app.get("/api/session")
    async def session(request: Request) -> Any:
        """Whether the token was shown, and whether there are commands."""
        commands = source.commands and sessions.has_token
        return _Json({"authorized": request.scope["authorized"], "commands": commands})

    @app.post("/api/login", responses={401: {"description": "not the token"}})
    async def login(request: Request) -> Response:
        """Show the token, as JSON `{"token": ...}` or as a form; the answer sets a cookie."""
        form = request.headers.get("content-type", "").startswith("application/x-www-form")
        shown = await (_of_form if form else _of_json)(request)
        if not sessions.is_token(shown):
            await asyncio.sleep(0.5)
            raise HTTPException(401, "that is not the token")
        answer = RedirectResponse("/", 303) if form else _Json({"authorized": True})
        answer.set_cookie(COOKIE, sessions.begin(), httponly=True, samesite="strict")
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
        return _Json({"asked": command.action, "symbols": symbols})

    @app.websocket("/ws")
    async def channels(socket: WebSocket) -> None:
        await by_channels(socket, hub)

    @app.websocket("/ws/orderflow")
    async def orderflow(socket: WebSocket) -> None:
        await by_bars(socket, hub)


async def _of_json(request: Request) -> str:
    try:
        return Login.model_validate_json(await request.body()).token
    except pydantic.ValidationError:
        raise BadParameterError('the body must be {"token": "..."}') from None


async def _of_form(request: Request) -> str:
    from urllib.parse import parse_qs

    fields = parse_qs((await request.body()).decode(errors="replace"))
    return fields.get("token", [""])[0]


def _chart_library() -> Path:
    """Return the unmodified lightweight-charts of TradingView (Apache 2.0) in `litecharts`."""
    spec = find_spec("litecharts")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "js" / "lightweight-charts.js"


def _described(described: dict[str, Any]) -> str:
    """Return the API as a page without scripts."""
    parts = []
    for path, methods in described["paths"].items():
        for method, about in methods.items():
            asked = "".join(
                f"<li><code>{escape(p['name'])}</code> {escape(p.get('description', ''))}"
                f"<small> {escape(_limits(p['schema']))}</small></li>"
                for p in about.get("parameters", ())
            )
            parts.append(
                f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
                f"<p>{escape(about.get('description', ''))}</p><ul>{asked}</ul>"
            )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>of-nautilus API</title>'
        '<link rel="stylesheet" href="/web/page.css"><main><h1>API</h1>'
        '<p>As OpenAPI: <a href="/api/openapi.json">openapi.json</a></p>'
        f"{''.join(parts)}</main></html>"
    )


def _limits(schema: dict[str, Any]) -> str:
    own = next((s for s in schema.get("anyOf", ()) if s.get("type") != "null"), schema)
    words = [str(own.get("type", ""))]
    words += [f"{name} {own[name]}" for name in ("minimum", "maximum", "maxLength") if name in own]
    if schema.get("default") is not None:
        words.append(f"default {schema['default']}")
    return ", ".join(words)
