"""The report page in a real browser, headless: no error, no network, the catalog's numbers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from of_nautilus.data import FootprintBar
from of_nautilus.engine import FlowConfig, FlowEngine
from of_nautilus.engine.events import BarClosed
from of_nautilus.ingest.binance_ws import ingest_binance_ws
from of_nautilus.ingest.instruments import find_instrument
from of_nautilus.journal import Parts
from of_nautilus.report import read_bars, read_cells, write_report
from of_nautilus.report.footprint import display_rule
from tests import recorded
from tests.browser import colors, headless, picture, until
from tests.colors import luminance
from tests.report_catalog import (
    MINUTE,
    SCALE,
    START,
    books,
    trade,
    walk,
    write_journal,
    write_market,
)

pytestmark = pytest.mark.slow

TRADES = 12


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    market = walk(20_000, 300)
    folder = write_market(tmp_path_factory.mktemp("page") / "catalog", market, books(300))
    closed = [
        trade(k, START + (20 * k + 5) * MINUTE, START + (20 * k + 12) * MINUTE, price, price + move)
        for k in range(TRADES)
        for price, move in [(int(market.price[1_300 * k + 400]), 60 if k % 3 else -40)]
    ]
    write_journal(folder, market, closed)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from headless()


@pytest.fixture(scope="module")
def page(catalog: Path, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = write_report(catalog, tmp_path_factory.mktemp("out"))
    browser.set_window_size(1280, 1000)
    browser.get(path.as_uri())
    wait(browser, "report.ready")
    return browser


def wait(browser: Any, promise: str) -> Any:
    """The value of a promise in the page."""
    return browser.execute_async_script(
        f"const done = arguments[0]; Promise.resolve({promise}).then(done, (e) => done(String(e)))"
    )


def shown(browser: Any) -> dict[str, Any]:
    return browser.execute_script("return report.state.shown")


def test_the_pages_cells_equal_the_catalogs_at_every_height(page: Any, catalog: Path) -> None:
    bars = read_bars(catalog)
    for factor in page.execute_script("return report.page.levels.map((l) => l.factor)"):
        wide = bars.coarser(factor)
        reading = read_cells(wide, display_rule(wide))
        starts = wide.starts
        for i in (0, 63, 64, 130, len(bars) - 1):
            own = slice(starts[i], starts[i + 1])
            cells = wait(page, f"report.cells({i}, {factor})")
            assert cells["low"] == wide.low_row[i]
            assert cells["sold"] == wide.cells[own, 0].tolist()
            assert cells["bought"] == wide.cells[own, 1].tolist()
            assert cells["flags"] == reading.flags[own].tolist()
            assert cells["poc"] == reading.poc[i]


def test_zoom_goes_from_candles_to_cells_with_the_catalogs_numbers(
    page: Any, catalog: Path
) -> None:
    page.execute_script("document.getElementById('market').scrollIntoView()")
    wait(page, "report.view(-1, 300)")
    assert shown(page)["mode"] == "candles"
    assert colors(picture(page, "far")) > 50
    wait(page, "report.view(100, 150)")
    assert (shown(page)["mode"], shown(page)["text"]) == ("cells", False)
    assert colors(picture(page, "middle")) > 50
    wait(page, "report.view(119.6, 127.4)")
    now = shown(page)
    assert (now["mode"], now["text"]) == ("cells", True)
    assert (now["first"], now["last"]) == (120, 127)
    assert colors(picture(page, "near")) > 50
    drawn = page.execute_script(
        "const h = document.getElementById('chart').data.find((t) => t.type === 'heatmap');"
        "return {x: h.x, y: h.y, sizes: h.customdata.map((r) => r.map((c) => c && c.slice(0, 2)))}"
    )
    wide = read_bars(catalog).coarser(now["factor"])
    starts = wide.starts
    for column, i in enumerate(drawn["x"]):
        cells = [row[column] for row in drawn["sizes"] if row[column] is not None]
        assert cells == wide.cells[starts[i] : starts[i + 1], :2].tolist()
    digits = page.execute_script(
        "return report.page.levels.find((l) => l.factor === report.state.shown.factor).digits"
    )
    sold, bought = wide.cells[starts[122], :2] * wide.lot
    words = page.execute_script(
        "return [...document.querySelectorAll('#chart .heatmap-label')].map((t) => t.textContent)"
    )
    plain = {word.replace("◂", "").replace("▸", "") for word in words}
    assert f"{sold:.{digits}f} × {bought:.{digits}f}" in plain


def assert_every_trade_is_drawn(page: Any, count: int) -> None:
    wait(page, "report.view(-0.6, report.state.bars.open.length - 0.4)")
    for name in ("entries", "exits"):
        numbers = page.execute_script(
            f"return document.getElementById('chart').data.find((t) => t.name === '{name}')"
            ".customdata"
        )
        assert numbers == list(range(1, count + 1))
    stops = page.execute_script(
        "return document.getElementById('chart').data.find((t) => t.name === 'stops').y"
    )
    assert stops.count(None) == count


def assert_the_chart_shows_trade(page: Any, number: int, most: float = 40) -> None:
    """Wait until the chart stands at a trade; its drawing follows the click."""
    x0, x1 = page.execute_script(f"const t = report.page.trades[{number - 1}]; return [t.x0, t.x1]")
    reached = (
        "const [a, b] = document.getElementById('chart').layout.xaxis.range;"
        f"return a < {x0} && {x1} < b && b - a < {most} && report.state.trade === {number}"
    )
    until(page, reached)
    chosen = page.execute_script("return document.querySelector('tr.chosen').id")
    assert chosen == f"trade-{number}"


def test_every_trade_is_drawn_and_a_click_moves_the_chart_to_it(page: Any) -> None:
    assert_every_trade_is_drawn(page, TRADES)
    for number in (1, 7, TRADES):
        page.find_element("css selector", f"a[data-trade='{number}']").click()
        assert_the_chart_shows_trade(page, number)
    assert colors(picture(page, "trade")) > 50


def test_a_click_on_a_trade_in_the_chart_chooses_it(page: Any) -> None:
    from selenium.webdriver import ActionChains

    page.execute_script("document.getElementById('market').scrollIntoView()")
    wait(page, "report.view(60, 200)")
    x, y = page.execute_script(
        "const c = document.getElementById('chart'), l = c._fullLayout, t = report.page.trades[5];"
        "const box = c.getBoundingClientRect();"
        "return [box.left + l._size.l + l.xaxis.d2p(t.x0),"
        " box.top + l._size.t + l.yaxis.d2p(t.entry * report.page.tick)"
        " + (l._size.h * (1 - l.yaxis.domain[1]))]"
    )
    # The host of events is Plotly's drag layer, so that it must be a real mouse.
    actions = ActionChains(page, duration=50)
    actions.w3c_actions.pointer_action.move_to_location(round(x), round(y))
    actions.w3c_actions.pointer_action.pause(0.5)
    actions.w3c_actions.pointer_action.click()
    actions.perform()
    assert_the_chart_shows_trade(page, 6)


def test_keys_move_and_zoom(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    wait(page, "report.view(100, 120)")
    chart = page.find_element("id", "chart")

    def press(key: str) -> tuple[float, float]:
        before = page.execute_script("return report.state.range")
        chart.send_keys(key)
        until(page, "return String(report.state.range) !== String(arguments[0])", before)
        a, b = page.execute_script("return report.state.range")
        return a, b

    a, b = press(Keys.ARROW_RIGHT)
    assert (a, b) == pytest.approx((104, 124))
    a, b = press("+")
    assert b - a == pytest.approx(12)
    press("t")
    assert page.execute_script("return report.state.trade") >= 1
    a, b = press("0")
    assert b - a > 290


def test_a_keyboard_alone_reaches_and_works_everything(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    wait(page, "report.view(-1, 300)")
    page.execute_script("document.body.tabIndex = -1; document.body.focus(); scrollTo(0, 0)")
    seen = []
    focused = (
        "const e = document.activeElement, s = getComputedStyle(e);"
        "return [e.id || e.dataset.act || e.dataset.bars || e.dataset.trade || '',"
        " s.outlineStyle !== 'none' && s.outlineWidth !== '0px', e.textContent.trim()]"
    )
    for _ in range(60):
        page.switch_to.active_element.send_keys(Keys.TAB)
        name, outlined, text = page.execute_script(focused)
        assert outlined, (name, text)
        seen.append(name)
        if name == "3":
            break
    order = ["theme", "60", "+", "t", "rows", "show-trades", "chart", "1", "2", "3"]
    assert [name for name in seen if name in order] == order
    page.switch_to.active_element.send_keys(Keys.ENTER)
    assert_the_chart_shows_trade(page, 3)


def assert_colors_can_be_read(page: Any) -> None:
    """Text stands out from what is behind it: a contrast of 4.5, WCAG's level AA."""
    names = ["panel", "ink", "muted", "accent", "trade", "sell-cell", "even-cell", "buy-cell"]
    style = "getComputedStyle(document.documentElement).getPropertyValue('--' + n).trim()"
    found = page.execute_script(f"return arguments[0].map((n) => {style})", names)
    light = {name: luminance(color) for name, color in zip(names, found, strict=True)}
    for over, under in (
        *((name, "panel") for name in ("ink", "muted", "accent", "trade")),
        *(("ink", name) for name in ("sell-cell", "even-cell", "buy-cell")),
    ):
        high, low = sorted((light[over], light[under]), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, (over, under)


def test_dark_and_narrow_are_readable(page: Any) -> None:
    wait(page, "report.view(119.6, 127.4)")
    before = page.execute_script("return document.documentElement.dataset.theme")
    assert_colors_can_be_read(page)
    page.find_element("id", "theme").click()
    wait(page, "report.view(119.6, 127.4)")
    assert_colors_can_be_read(page)
    assert page.execute_script("return document.documentElement.dataset.theme") != before
    picture(page, "other-theme")
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True},
    )
    until(page, "return document.getElementById('chart')._fullLayout.width <= 390")
    wait(page, "report.view(121.5, 125.5)")
    page.execute_script("document.getElementById('market').scrollIntoView()")
    picture(page, "phone")
    wide = page.execute_script("return document.documentElement.scrollWidth")
    assert wide <= 390
    assert shown(page)["text"]
    letters = page.execute_script(
        "return document.getElementById('chart').data.find((t) => t.type === 'heatmap')"
        ".textfont.size"
    )
    assert letters >= 8
    # What is pressed with a thumb is large enough for it, and within the page.
    for tool in page.find_elements("css selector", ".tools button, .tools select, #theme"):
        box = tool.rect
        assert box["height"] >= 32
        assert 0 <= box["x"] <= box["x"] + box["width"] <= 390
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    page.find_element("id", "theme").click()


def test_nothing_failed_and_nothing_was_asked_of_a_network(page: Any) -> None:
    for figure in page.find_elements("class name", "figure"):
        page.execute_script("arguments[0].scrollIntoView()", figure)
        until(page, "return arguments[0].children.length", figure)
    assert page.get_log("browser") == []
    asked = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    addresses = [
        message["params"]["request"]["url"]
        for message in asked
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert [a for a in addresses if not a.startswith(("file:", "data:", "blob:"))] == []


def test_pages_with_nothing_to_show_open_without_an_error(
    browser: Any, tmp_path: Path, page: Any
) -> None:
    for name, count in (("one", 20), ("none", 6_000)):
        folder = write_market(tmp_path / name, walk(count, 1 if name == "one" else 60))
        if name == "none":
            write_journal(folder, walk(count, 60), [])
            for kind in ("custom_footprint_bar", "trade_tick"):
                for file in (folder / "data" / kind).rglob("*.parquet"):
                    file.unlink()
        path = write_report(folder, tmp_path / f"{name}.html", "DEMO-PERP.SIM")
        browser.get(path.as_uri())
        assert wait(browser, "report.ready.then(() => 'ready')") == "ready"
        assert browser.get_log("browser") == []


PERP = "BTCUSDT-PERP.BINANCE"
BAR_NS = 5 * 10**9
SESSION_TRADES = 8


@pytest.fixture(scope="module")
def session(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recorded session with a journal: bars of 5 seconds, and trades at its own prices."""
    folder = tmp_path_factory.mktemp("session") / "catalog"
    file = real_data / "binance" / "usdm_btcusdt_20240808.gz"
    ingest_binance_ws([file], PERP, folder)
    market, _ = recorded.bitcoin(real_data)
    instrument = find_instrument(PERP)
    engine = FlowEngine(SCALE, FlowConfig.bars_only(bar_size=5.0))
    parts = Parts(folder)
    for event in engine.run_trades(*market):
        if isinstance(event, BarClosed):
            parts.add(FootprintBar.of(event, instrument.id, SCALE, event.bar.close_ts))
    for k in range(SESSION_TRADES):
        first, last = 2_000 * k + 1_500, 2_000 * k + 3_200
        item = trade(
            k,
            int(market.ts[first]),
            int(market.ts[last]),
            int(market.price[first]),
            int(market.price[last]),
        )
        item.instrument_id = instrument.id
        parts.add(item)
    parts.write(int(market.ts[-1]) + 1)
    return folder


@pytest.fixture(scope="module")
def session_page(session: Path, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = write_report(session, tmp_path_factory.mktemp("session_out"))
    browser.set_window_size(1280, 1000)
    browser.get(path.as_uri())
    wait(browser, "report.ready")
    page_of_it = browser.execute_script("return report.page.trades.length")
    assert page_of_it == SESSION_TRADES
    return browser


def test_the_recorded_sessions_cells_are_a_recount_of_the_recording(
    session_page: Any, real_data: Path
) -> None:
    market, _ = recorded.bitcoin(real_data)
    page = session_page
    opened = wait(page, "report.state.bars.open_ts.map(Number)")
    opened = [opened[str(k)] for k in range(len(opened))] if isinstance(opened, dict) else opened
    for factor in page.execute_script("return report.page.levels.map((l) => l.factor)"):
        for i in (0, 20, len(opened) - 1):
            own = market.ts // BAR_NS * BAR_NS == round(opened[i] * 1e6)
            rows = market.price[own] // factor
            cells = wait(page, f"report.cells({i}, {factor})")
            assert cells["low"] == rows.min()
            for side, name in ((-1, "sold"), (1, "bought")):
                mine = market.side[own] == side
                counted = np.bincount(
                    rows[mine] - rows.min(), market.size[own][mine], len(cells[name])
                )
                assert cells[name] == counted.tolist()


def test_the_recorded_session_is_drawn_at_three_zooms(session_page: Any, session: Path) -> None:
    page = session_page
    page.execute_script("document.getElementById('market').scrollIntoView()")
    for name, view, mode in (
        ("session-far", "report.view(-0.6, report.state.bars.open.length + 4)", "candles"),
        ("session-middle", "report.view(20, 45)", "cells"),
        ("session-near", "report.view(29.6, 36.4)", "cells"),
    ):
        wait(page, view)
        assert shown(page)["mode"] == mode
        assert colors(picture(page, name)) > 50
    now = shown(page)
    assert now["text"]
    drawn = page.execute_script(
        "const h = document.getElementById('chart').data.find((t) => t.type === 'heatmap');"
        "return {x: h.x, sizes: h.customdata.map((r) => r.map((c) => c && c.slice(0, 2)))}"
    )
    wide = read_bars(session).coarser(now["factor"])
    for column, i in enumerate(drawn["x"]):
        cells = [row[column] for row in drawn["sizes"] if row[column] is not None]
        assert cells == wide.cells[wide.starts[i] : wide.starts[i + 1], :2].tolist()


def test_the_recorded_sessions_trades_are_drawn_and_chosen(session_page: Any) -> None:
    page = session_page
    assert_every_trade_is_drawn(page, SESSION_TRADES)
    for number in (1, SESSION_TRADES):
        page.find_element("css selector", f"a[data-trade='{number}']").click()
        assert_the_chart_shows_trade(page, number, 60)
    assert page.get_log("browser") == []
