"""Makes the README's pictures with the tool: python scripts/pictures.py [folder]. Needs chromium and its driver.

A selection from the digits is made with its page, of which parts are photographed in a browser without a window. What
the selectors come to is drawn from recorded numbers by scripts/results_figure.py.
"""

from __future__ import annotations

import argparse
import base64
import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

FOLDER = Path(__file__).parent / "pictures"

WIDTH = 1120
"""Of the window, in pixels."""

SELECTION = ("select", "ratio=0.5", "dataset.label_noise=0.05", "report=true")
"""Some labels are made wrong, so that there is something to find."""

PARTS = {"map": ("#map", "#map .map"), "samples": ("#sheet-labels", "#sheet-labels")}
"""The pictures by name: where each begins and ends on the page."""

_MARGIN = 16
"""Pixels above and below a part."""

_COLOURS = 96
"""Of a picture: a palette shows text and charts as well as 24 bits do, in a third of the bytes."""


def rlsel(*arguments: str) -> Path:
    """Runs the program and returns the folder that it prints last."""
    command = [sys.executable, "-m", "rlsel", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - the lines above
    return Path(done.stdout.splitlines()[-1])


@contextmanager
def browser() -> Iterator[Chrome]:
    """Gives a browser without a window."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    window = {"width": WIDTH, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", window)
    try:
        yield driver
    finally:
        driver.quit()


def photograph(driver: Chrome, page: Path, first: str, last: str) -> bytes:
    """Takes a picture of a page from the top of one element to the bottom of another, as a small PNG file.

    Args:
        driver: The browser.
        page: The HTML file.
        first: CSS selector of the upper element.
        last: CSS selector of the lower one.
    """
    driver.get(page.absolute().as_uri())
    top, bottom = driver.execute_async_script(
        "const [first, last, done] = arguments; const box = (name) => document.querySelector(name)"
        ".getBoundingClientRect(); window.setTimeout(() => done([box(first).top, box(last).bottom]), 1000)",
        first,
        last,
    )
    clip = {"x": 0, "y": top - _MARGIN, "width": WIDTH, "height": bottom - top + 2 * _MARGIN, "scale": 1}
    taken = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    return shrunk(base64.b64decode(taken["data"]))


def shrunk(picture: bytes) -> bytes:
    """Returns a PNG file with a palette instead of 24 bits a pixel."""
    from PIL import Image

    small = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(_COLOURS).save(small, format="png", optimize=True)
    return small.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, help="where they are written")
    folder = parser.parse_args().folder
    if shutil.which("chromedriver") is None:
        parser.error("chromedriver must be installed: Debian has it as chromium-driver")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work, browser() as driver:
        page = rlsel(*SELECTION, f"run_dir={work}/run") / "report.html"
        for name, (first, last) in PARTS.items():
            (folder / f"{name}.png").write_bytes(photograph(driver, page, first, last))


if __name__ == "__main__":
    main()
