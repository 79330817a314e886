"""The REST side about markets: each endpoint, and what may be asked of it."""

import time
from typing import Annotated, Any

from fastapi import FastAPI, Query
from fastapi import Path as InPath

from of_nautilus.core.footprint import ClosedBar
from of_nautilus.core.sessions import SECOND
from of_nautilus.dashboard import answers
from of_nautilus.dashboard.hub import Hub
from of_nautilus.dashboard.market import MarketState
from of_nautilus.dashboard.parameters import the_market, the_rows, the_tf
from of_nautilus.dashboard.replies import Json
from of_nautilus.dashboard.units import ms
from of_nautilus.decision.status import rank

MOST_BARS, MOST_DAYS, MOST_PRINTS, MOST_LEVELS, MOST_HISTORY = 3_000, 30, 2_000, 25, 600

Symbol = Annotated[str, InPath(max_length=80, description="as /api/instruments names it")]
Count = Annotated[int, Query(ge=1, le=MOST_BARS)]
Tf = Annotated[int | None, Query(ge=1, le=86_400, description="seconds of a bar")]
Range = Annotated[
    int | None, Query(alias="range", ge=1, le=31_536_000, description="seconds up to the newest")
]
Rows = Annotated[int | None, Query(ge=1, le=10_000, description="ticks of a price row")]
Limit = Annotated[int, Query(ge=1, le=2_000)]


def add_markets(app: FastAPI, hub: Hub, *, commands: bool) -> None:
    """Add the endpoints to an application."""
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
        return Json({"source": about, "instruments": lines})

    @app.get("/api/scanner")
    async def scanner() -> Any:
        """List the markets, those to look at first."""
        now = source.now_ns
        ordered = rank(market.row(now) for market in source.markets.values())
        rows = [answers.scanner_row(source.markets[row.symbol], now) for row in ordered]
        return Json({"rows": rows})

    @app.get("/api/candles/{symbol}")
    async def candles(symbol: Symbol, count: Count = 500, tf: Tf = None, span: Range = None) -> Any:
        """Open, high, low, close, volume and delta by bar."""
        market = the_market(source, symbol)
        found = bars(market, count, tf, span)
        told = [market.bars.candle(bar) for bar in found]
        return Json({"tf": the_tf(market, tf), "candles": told})

    @app.get("/api/delta/{symbol}")
    async def delta(symbol: Symbol, count: Count = 500, tf: Tf = None, span: Range = None) -> Any:
        """Delta and its running sum by bar."""
        market = the_market(source, symbol)
        told = answers.points(market.bars.candle(bar) for bar in bars(market, count, tf, span))
        return Json({"tf": the_tf(market, tf), "points": told})

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
        return Json(
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
        """Volume by price of the newest sessions, or with `range` of that time alone."""
        market = the_market(source, symbol)
        market.refresh()
        height = market.profile_rows if rows is None else the_rows(market, rows)
        if span is None:
            told = answers.profiles(market, days, height)
        else:
            told = answers.profile_since(market, market.last_ts - span * SECOND, height)
        return Json({"profiles": told})

    @app.get("/api/markers/{symbol}")
    async def markers(symbol: Symbol, count: Limit = 500, span: Range = None) -> Any:
        """Signals, oldest first, to be drawn on a chart."""
        market = the_market(source, symbol)
        since = 0 if span is None else market.last_ts - span * SECOND
        own = [card.signal for card in market.cards.values() if card.signal.ts_event > since]
        return Json({"markers": [answers.signal(market, one) for one in own[-count:]]})

    @app.get("/api/signals/{symbol}")
    async def signals(symbol: Symbol, limit: Limit = 50) -> Any:
        """Signals with what became of each, the newest first."""
        market = the_market(source, symbol)
        own = [*market.cards.values()][: -limit - 1 : -1]
        return Json({"signals": [answers.card(market, card) for card in own]})

    @app.get("/api/bias/{symbol}")
    async def bias(symbol: Symbol) -> Any:
        """The session's frame, and the levels that live."""
        return Json(answers.bias(the_market(source, symbol)))

    @app.get("/api/trade/{symbol}")
    async def trade(symbol: Symbol, limit: Limit = 200) -> Any:
        """The trade that runs, those that are over, and what they came to."""
        return Json(answers.trade(the_market(source, symbol), limit))

    @app.get("/api/strategy-status/{symbol}")
    async def strategy_status(symbol: Symbol) -> Any:
        """The six steps from a framed profile to a managed trade."""
        return Json(answers.status(the_market(source, symbol), source.now_ns))

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
        return Json(told)

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
        return Json({"large": large, "trades": answers.prints(market, rows[-count:])})

    @app.get("/api/microstructure/{symbol}")
    async def microstructure(symbol: Symbol) -> Any:
        """Measures of the tape and the book."""
        return Json({"facts": answers.microstructure(the_market(source, symbol))})

    @app.get("/api/stats")
    async def stats() -> Any:
        """How the feeds and the server are."""
        return Json(stats_of(hub))


def stats_of(hub: Hub) -> dict[str, Any]:
    """Return `/api/stats`."""
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
