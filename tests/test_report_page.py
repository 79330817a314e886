"""The report page in a real browser, headless: no error, no network, the catalog's numbers.

Needs Chromium and its driver (Debian: chromium, chromium-driver); skips, saying so, without them.
Screenshots go to the folder named by OF_NAUTILUS_SCREENSHOTS, if it is set.
"""

import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from of_nautilus.report import read_bars, read_cells, write_report
from of_nautilus.report.footprint import display_rule
from tests.report_catalog import MINUTE, START, books, trade, walk, write_journal, write_market

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
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    chromedriver = shutil.which("chromedriver")
    if not chromium or not chromedriver:
        pytest.skip("no chromium and chromedriver here: install Debian's chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(chromedriver))
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


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


def picture(browser: Any, name: str) -> Image.Image:
    png = browser.get_screenshot_as_png()
    if folder := os.environ.get("OF_NAUTILUS_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"{name}.png").write_bytes(png)
    return Image.open(io.BytesIO(png)).convert("RGB")


def colors(image: Image.Image) -> int:
    """How many colors a picture has: an empty pane has a handful."""
    found = image.getcolors(1 << 24)
    assert found is not None
    return len(found)


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


def test_every_trade_is_drawn_and_a_click_moves_the_chart_to_it(page: Any) -> None:
    wait(page, "report.view(-1, 300)")
    for name in ("entries", "exits"):
        numbers = page.execute_script(
            f"return document.getElementById('chart').data.find((t) => t.name === '{name}')"
            ".customdata"
        )
        assert numbers == list(range(1, TRADES + 1))
    for number in (1, 7, TRADES):
        page.execute_script(f"document.querySelector('a[data-trade=\"{number}\"]').click()")
        wait(page, "new Promise((done) => setTimeout(done, 400))")
        a, b = page.execute_script("return document.getElementById('chart').layout.xaxis.range")
        x0, x1 = page.execute_script(
            f"const t = report.page.trades[{number - 1}]; return [t.x0, t.x1]"
        )
        assert a < x0 < x1 < b
        assert b - a < 40
        assert page.execute_script("return document.querySelector('tr.chosen').id") == (
            f"trade-{number}"
        )
    assert colors(picture(page, "trade")) > 50


def test_keys_move_and_zoom(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    wait(page, "report.view(100, 120)")
    chart = page.find_element("id", "chart")

    def press(key: str) -> tuple[float, float]:
        chart.send_keys(key)
        wait(page, "new Promise((done) => setTimeout(done, 300))")
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


def test_dark_and_narrow_are_readable(page: Any) -> None:
    wait(page, "report.view(119.6, 127.4)")
    before = page.execute_script("return document.documentElement.dataset.theme")
    page.find_element("id", "theme").click()
    wait(page, "new Promise((done) => setTimeout(done, 400))")
    assert page.execute_script("return document.documentElement.dataset.theme") != before
    picture(page, "other-theme")
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True},
    )
    wait(page, "new Promise((done) => setTimeout(done, 900))")
    wait(page, "report.view(121.5, 125.5)")
    page.execute_script("document.getElementById('market').scrollIntoView()")
    picture(page, "phone")
    wide = page.execute_script("return document.documentElement.scrollWidth")
    assert wide <= 390
    assert shown(page)["text"]
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    page.find_element("id", "theme").click()


def test_nothing_failed_and_nothing_was_asked_of_a_network(page: Any) -> None:
    for k in range(0, 6000, 600):
        page.execute_script(f"scrollTo(0, {k})")
        wait(page, "new Promise((done) => setTimeout(done, 120))")
    empty = page.execute_script(
        "return [...document.querySelectorAll('.figure')].filter((f) => !f.children.length).length"
    )
    assert empty == 0
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
