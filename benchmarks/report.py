"""The report of a day of a million trades: how long it takes to write and to open, how large.

Opening needs Chromium and its driver, and selenium; without them that figure is left out.
"""

import importlib.util
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from of_nautilus.demo.catalog import demo_instrument
from of_nautilus.ingest.columns import DAY_NS, TradeColumns
from of_nautilus.ingest.writer import CatalogWriter
from of_nautilus.report import write_report

TRADES = 1_000_000
START = 1_704_672_000 * 10**9
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
CAN_OPEN = bool(CHROMIUM and DRIVER and importlib.util.find_spec("selenium"))
BARS = {"report_seconds": ("<=", 10), "report_mb": ("<=", 15)}
if CAN_OPEN:
    BARS["report_open_seconds"] = ("<=", 3)
OPENED = """
const done = arguments[0];
report.ready.then(() => requestAnimationFrame(() => requestAnimationFrame(
  () => done(performance.now() / 1000))));
"""


def run() -> dict[str, float]:
    """Write the page of a million trades, the compiled functions being warm."""
    with tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder) / "few", Path(folder) / "many"
        _write(few, 20_000)
        _write(many, TRADES)
        write_report(few, few / "report.html")
        began = time.perf_counter()
        path = write_report(many, many / "report.html")
        found = {
            "report_seconds": time.perf_counter() - began,
            "report_mb": path.stat().st_size / 1e6,
        }
        if CAN_OPEN:
            found["report_open_seconds"] = min(open_seconds(path) for _ in range(3))
        return found


def open_seconds(path: Path) -> float:
    """Seconds from a fresh browser's request of a page until its chart is painted."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(word)
    browser = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        browser.set_window_size(1280, 1000)
        browser.set_script_timeout(60)
        browser.get(path.as_uri())
        return float(browser.execute_async_script(OPENED))
    finally:
        browser.quit()


def _write(catalog: Path, count: int) -> None:
    """Write a random walk of `count` trades over a day, some 20 dollars of range a minute."""
    rng = np.random.default_rng(7)
    ts = START + np.sort(rng.integers(0, DAY_NS, count))
    walk = 600_000 + np.cumsum(rng.integers(-8, 9, count))
    columns = TradeColumns(
        price_precision=1,
        size_precision=3,
        ts_event=ts,
        ts_init=ts + np.arange(count),
        price=walk.astype(np.int64),
        size=rng.integers(1, 3_000, count),
        side=rng.choice(np.array([-1, 1], np.int8), count),
        trade_id=np.arange(count),
    )
    with CatalogWriter(catalog, demo_instrument()) as writer:
        writer.write(columns)
