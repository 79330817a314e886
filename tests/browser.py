"""A headless Chromium for tests of pages.

Needs Chromium and its driver (Debian: chromium, chromium-driver); skips, saying so, without them.
Screenshots go to the folder named by OF_NAUTILUS_SCREENSHOTS, if it is set.
"""

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image


def headless() -> Iterator[Any]:
    """Yield a browser with an empty profile; to be the body of a fixture."""
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


def until(browser: Any, said: str, *arguments: Any) -> None:
    """Wait for a script to return what is true."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 60, poll_frequency=0.1).until(
        lambda driver: driver.execute_script(said, *arguments), said
    )


def picture(browser: Any, name: str) -> Image.Image:
    """What the browser shows; kept as NAME.png if screenshots are."""
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
