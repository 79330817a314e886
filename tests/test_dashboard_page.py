"""The dashboard's page in a real browser: the API's and the catalog's numbers, no error."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from of_nautilus.ingest.columns import TradeColumns
from of_nautilus.report import read_bars
from tests import many_catalog
from tests.browser import colors, headless, picture, until
from tests.colors import luminance
from tests.dashboards import DESK, MS, PHONE, Server, show
from tests.many_catalog import RANKED, write_many
from tests.report_catalog import (
    MINUTE,
    NAME,
    START,
    books,
    trade,
    walk,
    write_journal,
    write_market,
)

pytestmark = pytest.mark.slow

MINUTES = 240
SCREENS = (
    "market", "footprint", "profile", "flow", "book", "tape", "signals", "scanner", "performance",
    "data",
)  # fmt: skip


@pytest.fixture(scope="module")
def market() -> TradeColumns:
    return walk(16_000, MINUTES)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, market: TradeColumns) -> Path:
    folder = write_market(tmp_path_factory.mktemp("dash") / "catalog", market, books(MINUTES))
    closed = [
        trade(k, START + (20 * k + 5) * MINUTE, START + (20 * k + 12) * MINUTE, price, price + move)
        for k in range(8)
        for price, move in [(int(market.price[1_200 * k + 400]), 60 if k % 3 else -40)]
    ]
    write_journal(folder, market, closed)
    return folder


@pytest.fixture(scope="module")
def server(catalog: Path) -> Iterator[Server]:
    own = Server("replay", str(catalog))
    own.start()
    yield own
    own.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from headless()


# What says that a screen has been drawn with data.
DRAWN = {
    "market": "return app.probe.price?.bars.items.length > 60 && app.probe.book?.bids.length > 5"
    " && app.probe.status && app.probe.tape.prints.length > 20",
    "footprint": "return app.probe.footprint?.painter.mode === 'numbers'",
    "profile": "return app.probe.profile?.profiles[0]?.rows.length > 5",
    "flow": "return app.probe.flow?.points.items.length > 60",
    "book": "return app.probe.heatmap?.books.length > 1",
    "tape": "return document.querySelectorAll('.print').length > 50",
    "signals": "return document.querySelectorAll('.card').length > 2",
    "scanner": "return document.querySelectorAll('.scanner tbody tr').length === 1",
    "performance": "return app.probe.performance?.performance.trades > 3",
    "data": "return document.querySelectorAll('.data tbody tr').length === 1",
}


@pytest.mark.parametrize("device", [DESK, PHONE], ids=["desk", "phone"])
def test_each_screen_draws_without_an_error_and_fits(
    browser: Any, server: Server, device: dict[str, Any]
) -> None:
    server.stand_at(START + 180 * MINUTE)
    server.act("play")
    show(browser, server, "data", device)
    for screen in SCREENS:
        browser.execute_script("app.probe = {}; location.hash = arguments[0]", screen)
        until(browser, DRAWN[screen])
        time.sleep(0.3)  # a frame or two for what is drawn then
        assert colors(picture(browser, f"dashboard_{screen}_{device['width']}")) > 40, screen
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= device["width"], screen
        cut = browser.execute_script(
            "return [...document.querySelectorAll('.body')]"
            ".filter((each) => each.scrollWidth > each.clientWidth)"
            ".map((each) => each.parentElement.getAttribute('aria-label'))"
        )
        assert device is PHONE or cut == [], screen
    assert [entry["message"] for entry in browser.get_log("browser")] == []


def test_bars_equal_the_apis_and_a_recount_of_the_catalog(
    browser: Any, server: Server, market: TradeColumns
) -> None:
    at = START + 200 * MINUTE + MINUTE // 2
    server.stand_at(at)
    for tf in (60, 300):
        show(browser, server, "market")
        browser.execute_script(f"document.querySelector('[data-tf=\"{tf}\"]').click()")
        until(browser, "return app.tf === arguments[0] && app.probe.price.bars.items.length", tf)
        shown = browser.execute_script("return app.probe.price.bars.items")
        assert shown == server.get(f"/api/candles/{NAME}?tf={tf}&count=500")["candles"]
        past = market.ts_event <= at
        of_bar = market.ts_event[past] // (tf * 10**9) * tf * 1000
        assert [bar["time"] for bar in shown] == sorted(set(of_bar.tolist()))
        for bar in (*shown[:2], *shown[-2:]):
            mine = np.flatnonzero(of_bar == bar["time"])
            price, size, side = (
                column[mine] for column in (market.price, market.size, market.side)
            )
            ticks = [price[0], price.max(), price.min(), price[-1]]
            assert [bar[k] for k in ("open", "high", "low", "close")] == pytest.approx(
                [tick / 10 for tick in ticks], abs=1e-9
            )
            assert bar["volume"] == pytest.approx(size.sum() / 1000, abs=1e-9)
            assert bar["delta"] == pytest.approx((size * side).sum() / 1000, abs=1e-9)
            assert bar["trades"] == len(mine)
        drawn = browser.execute_script(
            "return app.probe.price.candles.data()"
            ".map((b) => [b.time * 1000, b.open, b.high, b.low, b.close])"
        )
        assert drawn == [
            [bar[k] for k in ("time", "open", "high", "low", "close")] for bar in shown
        ]


def test_cells_equal_the_catalogs_and_zoom_from_candles_to_numbers(
    browser: Any, server: Server, catalog: Path
) -> None:
    server.stand_at(START + 120 * MINUTE)
    bars = read_bars(catalog)
    show(browser, server, "footprint")
    until(browser, DRAWN["footprint"])
    for factor in (2, 10):
        browser.execute_script(
            "const rows = document.querySelector('[aria-label=\"Row height\"]');"
            "rows.value = arguments[0]; rows.dispatchEvent(new Event('change'))",
            factor,
        )
        until(
            browser,
            "return Math.abs(app.probe.footprint.painter.rowHeight - arguments[0]) < 1e-9",
            factor / 10,
        )
        wide = bars.coarser(factor)
        opened = {int(ts) // MS: k for k, ts in enumerate(wide.open_ts)}
        shown = browser.execute_script("return app.probe.footprint.bars.items.slice(-4, -1)")
        for bar in shown:
            k = opened[bar["time"]]
            cells = wide.cells[wide.starts[k] : wide.starts[k + 1]][::-1]
            cells = cells[cells.any(axis=1)]  # rows without a trade are left out
            assert [cell["bid"] for cell in bar["levels"]] == pytest.approx(
                (cells[:, 0] / 1000).tolist()
            )
            assert [cell["ask"] for cell in bar["levels"]] == pytest.approx(
                (cells[:, 1] / 1000).tolist()
            )
    for pixels, mode in ((6, "candles"), (30, "cells"), (110, "numbers")):
        browser.execute_script(
            "const f = app.probe.footprint; f.zoom(arguments[0] / f.view.barPx, 0)", pixels
        )
        until(browser, "return app.probe.footprint.painter.mode === arguments[0]", mode)
        assert colors(picture(browser, f"dashboard_footprint_{mode}")) > 40


def test_tape_profile_and_results_equal_the_catalogs(
    browser: Any, server: Server, market: TradeColumns
) -> None:
    at = START + 150 * MINUTE
    server.stand_at(at)
    past = market.ts_event <= at
    show(browser, server, "tape")
    until(browser, "return app.probe.tape?.prints.length >= 100")
    prints = browser.execute_script("return app.probe.tape.prints.slice(0, 100)")
    newest = np.flatnonzero(past)[::-1][:100]
    assert [p["price"] for p in prints] == pytest.approx((market.price[newest] / 10).tolist())
    assert [p["size"] for p in prints] == pytest.approx((market.size[newest] / 1000).tolist())
    assert [p["side"] for p in prints] == market.side[newest].tolist()
    show(browser, server, "profile")
    until(browser, DRAWN["profile"])
    profile = browser.execute_script("return app.probe.profile.profiles[0]")
    assert sum(row["volume"] for row in profile["rows"]) == pytest.approx(
        market.size[past].sum() / 1000
    )
    show(browser, server, "performance")
    until(browser, DRAWN["performance"])
    rows = browser.execute_script(
        "return [...document.querySelectorAll('[aria-label=\"Closed trades\"] tbody tr')]"
        ".map((r) => [...r.children].map((c) => c.textContent))"
    )
    closed = server.get(f"/api/trade/{NAME}?limit=500")
    done = [k for k in range(8) if START + (20 * k + 12) * MINUTE <= at]
    assert len(rows) == len(closed["closed"]) == len(done)
    assert closed["performance"]["net"] == pytest.approx(
        sum((6.0 if k % 3 else -4.0) - 0.5 for k in done)
    )


def test_a_marker_of_a_bars_close_stands_on_that_bar(browser: Any, server: Server) -> None:
    """And stays there when the next bar begins, at that very moment."""
    browser.get(server.url)
    places = browser.execute_script("""
        return import("/web/overlay.js").then(({ Overlay }) => {
          const bars = [0, 60000, 120000].map((time) => ({ time, end: time + 60000 }));
          const overlay = new Overlay(() => bars);
          const scale = {
            logicalToCoordinate: (bar) => 100 * bar,
            getVisibleLogicalRange: () => ({ from: 0, to: 2 }),
          };
          overlay.chart = { timeScale: () => scale };
          overlay.series = { priceToCoordinate: () => 50 };
          overlay.markers = [true, false].map((at_close) => (
            { time: 120000, at_close, price: 1, side: 1, strength: 50, pattern: "sweep" }
          ));
          const context = new Proxy({}, { get: () => () => {}, set: () => true });
          overlay.drawMarkers(context, 500, {});
          return overlay.spots.map((spot) => spot.x);
        });
    """)
    assert places == [100, 200]


def test_a_seek_shows_what_playing_would(browser: Any, server: Server) -> None:
    show(browser, server, "market")
    server.stand_at(START + 100 * MINUTE + MINUTE // 2)
    until(browser, "return app.probe.price.bars.items.length === 101")
    server.act("speed", speed=200)
    server.act("play")
    until(browser, "return app.probe.price.bars.items.length > 108")
    server.act("pause")
    time.sleep(0.5)
    played = browser.execute_script("return app.probe.price.bars.items")
    at = server.get("/api/replay")["time"]
    server.act("seek", time=at - 30 * 60_000)
    until(browser, "return app.probe.price.bars.items.length < arguments[0] - 20", len(played))
    server.act("seek", time=at)
    until(browser, "return app.probe.price.bars.items.length === arguments[0]", len(played))
    time.sleep(0.3)
    assert browser.execute_script("return app.probe.price.bars.items") == played


def test_a_hole_is_seen_and_mended(browser: Any, server: Server) -> None:
    server.stand_at(START + 90 * MINUTE)
    show(browser, server, "market")
    until(browser, DRAWN["market"])
    server.act("speed", speed=50)
    server.act("play")
    browser.execute_script(
        "for (const each of app.feed.subscriptions.values())"
        " if (each.what.channel === 'candle') each.seq -= 3"
    )
    until(browser, "return app.feed.resyncs > 0")
    before = len(browser.execute_script("return app.probe.price.bars.items"))
    until(browser, "return app.probe.price.bars.items.length > arguments[0]", before)
    server.act("pause")
    times = browser.execute_script("return app.probe.price.bars.items.map((b) => b.time)")
    assert times == list(range(times[0], times[-1] + 1, 60_000))


def test_keys_do_what_they_say(browser: Any, server: Server) -> None:
    from selenium.webdriver import ActionChains

    server.stand_at(START + 90 * MINUTE)
    show(browser, server, "market")
    until(browser, DRAWN["market"])

    def press(key: str) -> None:
        ActionChains(browser).send_keys(key).perform()

    press("2")
    until(browser, "return app.screen.name === 'footprint'")
    theme = browser.execute_script("return document.documentElement.dataset.theme")
    press("d")
    until(browser, "return document.documentElement.dataset.theme !== arguments[0]", theme)
    press("t")
    until(browser, "return app.tf === 300")
    press(" ")
    until(browser, "return app.replay.state.state === 'playing'")
    press(" ")
    until(browser, "return app.replay.state.state === 'paused'")
    press("?")
    until(browser, "return document.getElementById('keys').open")
    browser.find_element("css selector", "#keys [data-close]").click()
    press("1")
    until(browser, "return app.screen.name === 'market'")


def test_both_themes_can_be_read(browser: Any, server: Server) -> None:
    """Text stands out from what is behind it: a contrast of 4.5, WCAG's level AA."""
    show(browser, server, "market")
    style = "getComputedStyle(document.documentElement).getPropertyValue('--' + n).trim()"
    over = ("ink", "muted", "accent", "buy", "sell", "trade", "warn", "good")
    for _ in range(2):
        found = browser.execute_script(
            f"return arguments[0].map((n) => {style})", ["panel", "raised", *over]
        )
        panel, raised, *texts = (luminance(color) for color in found)
        for name, text in zip(over, texts, strict=True):
            for under in (panel, raised) if name in ("ink", "muted") else (panel,):
                high, low = sorted((text, under), reverse=True)
                assert (high + 0.05) / (low + 0.05) >= 4.5, name
        browser.find_element("id", "theme").click()


def test_a_killed_server_is_missed_and_comes_back_without_a_gap(
    browser: Any, server: Server
) -> None:
    server.stand_at(START + 90 * MINUTE)
    show(browser, server, "market")
    until(browser, DRAWN["market"])
    browser.get_log("browser")
    server.kill()
    until(browser, "return !document.getElementById('stale').hidden")
    server.start()
    until(browser, "return document.getElementById('stale').hidden && app.feed.connections === 2")
    server.stand_at(START + 130 * MINUTE + MINUTE // 2)
    until(browser, "return app.probe.price.bars.items.length === 131")
    shown = browser.execute_script("return app.probe.price.bars.items")
    assert shown == server.get(f"/api/candles/{NAME}?tf=60&count=500")["candles"]
    # The browser itself tells of each refused connection; nothing else may have failed.
    other = [
        entry["message"]
        for entry in browser.get_log("browser")
        if "ERR_CONNECTION" not in entry["message"] and "WebSocket" not in entry["message"]
    ]
    assert other == []


# -- several instruments --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    own = Server("replay", str(write_many(tmp_path_factory.mktemp("many") / "catalog")))
    own.start()
    yield own
    own.kill()


AT_THE_END = START + many_catalog.MINUTES * MINUTE
LINES = (
    "return [...document.querySelectorAll('.scanner tbody tr')]"
    ".map((r) => [...r.children].map((c) => c.textContent))"
)


@pytest.mark.parametrize("device", [DESK, PHONE], ids=["desk", "phone"])
def test_the_scanner_ranks_all_instruments_by_the_apis_numbers(
    browser: Any, many: Server, device: dict[str, Any]
) -> None:
    many.stand_at(AT_THE_END)
    show(browser, many, "scanner", device)
    until(browser, f"return ({LINES[7:]}).length === arguments[0]", len(RANKED))
    rows = many.get("/api/scanner")["rows"]
    assert {row["symbol"]: (row["status"], row["priority"]) for row in rows} == RANKED
    about = {one["symbol"]: one for one in many.get("/api/instruments")["instruments"]}
    lines = browser.execute_script(LINES)
    assert [line[0] for line in lines] == list(RANKED) == [row["symbol"] for row in rows]
    for line, row in zip(lines, rows, strict=True):
        own = about[row["symbol"]]
        assert own["status"] == row["status"]
        assert own["last"] == row["last"]
        digits = own["price_digits"]
        there = [f"{row[name]:,.{digits}f}" if row[name] else "–" for name in ("last", "nearest")]
        assert [line[4], line[6]] == there
        assert line[1] == row["status"].lower().replace("_", " ")
        assert line[2] == "".join("●" if done else "○" for done in row["steps"])
        away = "–" if row["distance_ticks"] is None else f"{row['distance_ticks']:,}"
        assert [line[3], line[7], line[8]] == [str(row["priority"]), away, str(row["levels"])]
    for _ in range(2):  # dark and light
        theme = browser.execute_script("return document.documentElement.dataset.theme")
        picture(browser, f"dashboard_scanner_many_{theme}_{device['width']}")
        hidden = browser.execute_script(
            "const body = document.querySelector('.scanner .body');"
            "return body.scrollWidth - body.clientWidth"
        )
        assert hidden <= 0, "a column is cut off"
        browser.find_element("id", "theme").click()
    assert [entry["message"] for entry in browser.get_log("browser")] == []


def test_an_instrument_is_opened_by_click_and_by_key_and_alone_is_heard(
    browser: Any, many: Server
) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    def press(key: str) -> None:
        ActionChains(browser).send_keys(key).perform()

    def opened(symbol: str) -> None:
        until(
            browser,
            "return app.screen.name === 'market' && app.instrument.symbol === arguments[0]"
            " && app.probe.price.bars.items.length",
            symbol,
        )
        shown = browser.execute_script("return app.probe.price.bars.items")
        assert shown == many.get(f"/api/candles/{symbol}?tf=60&count=500")["candles"]
        (own,) = (o for o in many.get("/api/instruments")["instruments"] if o["symbol"] == symbol)
        last = f"{own['last']:,.{own['price_digits']}f}"
        until(browser, "return document.getElementById('last').textContent === arguments[0]", last)
        assert browser.execute_script("return document.getElementById('symbol').value") == symbol
        # Of the others their trades alone are heard, for the alerts.
        heard = browser.execute_script(
            "return [...app.feed.subscriptions.values()].map((each) => each.what)"
            ".filter((each) => each.channel !== 'trade_state').map((each) => each.symbol)"
        )
        assert set(heard) == {symbol, "*"}

    many.stand_at(AT_THE_END)
    show(browser, many, "scanner")
    until(browser, f"return ({LINES[7:]}).length === arguments[0]", len(RANKED))
    browser.find_element("css selector", "[data-symbol='XRP-PERP.SIM']").click()
    opened("XRP-PERP.SIM")
    press("]")
    opened(next(iter(many_catalog.MARKETS)))  # after the last one the first
    press("8")
    until(browser, f"return app.screen.name === 'scanner' && ({LINES[7:]}).length")
    press(Keys.ARROW_UP)
    press(Keys.ARROW_UP)
    focused = "return document.activeElement.dataset.symbol"
    assert browser.execute_script(focused) == "BTCUSDT-PERP.BINANCE"
    # The rows are drawn anew every two seconds: who chooses one keeps it.
    browser.execute_script("app.probe.scanner = null")
    until(browser, "return app.probe.scanner")
    assert browser.execute_script(focused) == "BTCUSDT-PERP.BINANCE"
    press(Keys.ENTER)
    opened("BTCUSDT-PERP.BINANCE")
    assert browser.execute_script("return app.alerts.all.length") == 0
    many.act("seek", time=(START + 84 * MINUTE + MINUTE // 2) // MS)
    until(browser, "return app.probe.price.bars.items.length === 85")
    many.act("speed", speed=200)
    many.act("play")
    until(browser, "return app.alerts.all.some((each) => each.text === arguments[0])",
          "ETH-PERP.SIM: position open")  # fmt: skip
    assert [entry["message"] for entry in browser.get_log("browser")] == []
