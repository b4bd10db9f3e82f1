"""The page in a real browser, where one is installed: Debian's chromium and chromium-driver, and selenium."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlsel.coreset import Coreset
from rlsel.evaluation.comparison import Run, summarise
from rlsel.report.comparison_page import comparison_page
from rlsel.report.page import comparison_html, selection_html
from rlsel.report.page_data import SelectionPage, selection_page
from rlsel.report.seen import Seen
from rlsel.runs.comparison_files import RecordedComparison

selenium = pytest.importorskip("selenium.webdriver", reason="needs selenium")
if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
    pytest.skip("needs chromium and chromium-driver", allow_module_level=True)

from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402 - only where selenium is
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.select import Select  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

MARGIN = 14
"""Pixels between the border of the map and its outermost samples."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = selenium.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = selenium.Chrome(options=options, service=selenium.ChromeService(shutil.which("chromedriver")))
    driver.downloads = tmp_path_factory.mktemp("downloads")
    yield driver
    driver.quit()


@pytest.fixture
def shown(coreset: Coreset, seen: Seen) -> SelectionPage:
    return selection_page(coreset, seen)


@pytest.fixture
def page(browser: Any, shown: SelectionPage, seen: Seen, tmp_path: Path) -> Iterator[Any]:
    """The browser at the page of a selection, which must not complain."""
    open_page(browser, selection_html(shown, seen), tmp_path)
    yield browser
    assert browser.get_log("browser") == []


def open_page(browser: Any, html: str, folder: Path, *, width: int = 1280) -> None:
    file = folder / "report.html"
    file.write_text(html)
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(file.as_uri())


def wait(browser: Any, condition: Callable[[], bool]) -> None:
    WebDriverWait(browser, 5).until(lambda _: condition())


def text_of(browser: Any, selector: str) -> str:
    return str(browser.find_element(By.CSS_SELECTOR, selector).text)


def press(browser: Any, selector: str) -> None:
    browser.execute_script("arguments[0].click()", browser.find_element(By.CSS_SELECTOR, selector))


def rows(browser: Any) -> list[Any]:
    return list(browser.find_elements(By.CSS_SELECTOR, "#samples-table tbody tr"))


def test_the_legend_counts_and_filters_by_keyboard(page: Any, coreset: Coreset) -> None:
    sizes = np.bincount(coreset.labels[coreset.candidates])
    entries = page.find_elements(By.CSS_SELECTOR, "#classes-legend .entry")
    counts = [entry.find_element(By.CSS_SELECTOR, ".count").text for entry in entries]
    assert counts == [f"{kept} / {size}" for kept, size in zip(coreset.class_counts, sizes, strict=True)]
    wait(page, lambda: text_of(page, "#table-said") == "83 samples")
    entries[1].send_keys(Keys.SPACE)
    assert entries[1].get_attribute("aria-pressed") == "false"
    wait(page, lambda: text_of(page, "#table-said") == f"{83 - sizes[1]} samples")
    page.find_elements(By.CSS_SELECTOR, "#states .entry")[1].send_keys(Keys.ENTER)
    kept = len(coreset) - coreset.class_counts[1]
    wait(page, lambda: text_of(page, "#table-said") == f"{kept} samples")
    assert {row.find_elements(By.TAG_NAME, "td")[3].text for row in rows(page)} == {"kept"}


def test_the_slider_replays_the_selection_by_keyboard(page: Any, coreset: Coreset) -> None:
    assert text_of(page, "#ratio-said") == "0.40: 33 of 83, as this run"
    slider = page.find_element(By.ID, "ratio")
    for _ in range(5):
        slider.send_keys(Keys.ARROW_RIGHT)
    # five steps of 0.02; floor(0.5 x 83 + 0.5) = 42
    assert text_of(page, "#ratio-said") == "0.50: 42 of 83"
    kept = np.bincount(coreset.labels[coreset.at_ratio(0.5).indices])
    said = [entry.text.split()[0] for entry in page.find_elements(By.CSS_SELECTOR, "#classes-legend .count")]
    assert said == [str(count) for count in kept]


def test_the_lasso_selects_what_lies_in_it_for_download(page: Any, shown: SelectionPage, coreset: Coreset) -> None:
    canvas = page.find_element(By.ID, "plane")
    page.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", canvas)
    lasso = page.find_element(By.ID, "lasso")
    if lasso.get_attribute("aria-pressed") == "false":
        press(page, "#lasso")
    width, height = canvas.size["width"], canvas.size["height"]
    # a rectangle around the left half, inside the round corners; places are counted from the middle of the canvas
    edge = 6
    drag = ActionChains(page).move_to_element_with_offset(canvas, edge - width // 2, edge - height // 2)
    drag.click_and_hold().move_by_offset(width // 2 - edge, 0).move_by_offset(0, height - 2 * edge)
    drag.move_by_offset(edge - width // 2, 0).release().perform()
    across = MARGIN + (shown.map.across - shown.map.across.min()) / np.ptp(shown.map.across) * (width - 2 * MARGIN)
    expected = coreset.candidates[across < width // 2].tolist()
    assert 5 < len(expected) < 78
    wait(page, lambda: text_of(page, "#selection-title") == f"{len(expected)} selected")
    assert len(page.find_elements(By.CSS_SELECTOR, "#selection-grid .sample")) == len(expected)
    page.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(page.downloads)}
    )  # fmt: skip
    press(page, "#download")
    file = page.downloads / "positions.txt"
    wait(page, file.exists)
    assert [int(line) for line in file.read_text().splitlines()] == expected
    press(page, "#only-selected")
    wait(page, lambda: text_of(page, "#table-said") == f"{len(expected)} samples")


def test_all_that_is_shown_is_selected_without_a_pointer(page: Any, coreset: Coreset) -> None:
    page.find_elements(By.CSS_SELECTOR, "#states .entry")[0].send_keys(Keys.SPACE)
    page.find_element(By.ID, "select-shown").send_keys(Keys.ENTER)
    assert text_of(page, "#selection-title") == f"{83 - len(coreset)} selected"
    page.find_element(By.ID, "select-none").send_keys(Keys.ENTER)
    assert not page.find_element(By.ID, "selection").is_displayed()


def test_the_table_searches_and_sorts(page: Any, coreset: Coreset) -> None:
    search = page.find_element(By.ID, "search")
    search.send_keys("QUOTED")
    search.clear()
    search.send_keys("double")
    size = int((coreset.labels[coreset.candidates] == 1).sum())
    wait(page, lambda: text_of(page, "#table-said") == f"{size} samples")
    press(page, "#samples-table [data-name=position] button")
    positions = [int(row.find_elements(By.TAG_NAME, "td")[1].text) for row in rows(page)]
    expected = np.flatnonzero((coreset.labels == 1) & ~np.isnan(coreset.scores))
    assert positions == sorted(expected.tolist(), reverse=True)
    head = page.find_element(By.CSS_SELECTOR, "#samples-table [data-name=position]")
    assert head.get_attribute("aria-sort") == "descending"
    press(page, "#samples-table [data-name=position] button")
    assert int(rows(page)[0].find_elements(By.TAG_NAME, "td")[1].text) == expected.min()


def test_the_classes_are_sorted_by_a_click(page: Any, coreset: Coreset) -> None:
    press(page, "#classes thead th:nth-child(3) button")
    kept = [int(cell.text) for cell in page.find_elements(By.CSS_SELECTOR, "#classes tbody td:nth-child(3)")]
    assert kept == sorted(coreset.class_counts, reverse=True)


def test_a_picture_is_enlarged_and_closed(page: Any) -> None:
    page.find_element(By.CSS_SELECTOR, "#sheet-redundant .sample").send_keys(Keys.ENTER)
    dialog = page.find_element(By.ID, "enlarged")
    assert dialog.is_displayed()
    picture = dialog.find_element(By.CSS_SELECTOR, ".thumb")
    assert picture.size["width"] > 200
    assert "jpeg" in picture.value_of_css_property("background-image")
    dialog.find_element(By.TAG_NAME, "button").click()
    assert not dialog.is_displayed()


def test_every_colour_and_the_hover_work(page: Any) -> None:
    choice = Select(page.find_element(By.ID, "colour"))
    names = [option.get_attribute("value") for option in choice.options]
    assert names == ["class", "kept", "score", "distance", "coverage", "doubt"]
    looks = set()
    for name in names:
        choice.select_by_value(name)
        frame = "arguments[0](document.getElementById('plane').toDataURL())"
        looks.add(page.execute_async_script(f"requestAnimationFrame(() => requestAnimationFrame(() => {frame}))"))
    assert len(looks) == len(names), "each draws another map"
    canvas = page.find_element(By.ID, "plane")
    page.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", canvas)
    ActionChains(page).move_to_element(canvas).perform()


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(
    browser: Any, shown: SelectionPage, seen: Seen, tmp_path: Path, width: int
) -> None:
    open_page(browser, selection_html(shown, seen), tmp_path, width=width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.get_log("browser") == []


def test_a_comparison_is_sorted_and_fits_a_telephone(browser: Any, tmp_path: Path) -> None:
    runs = [
        Run(
            selector=name, ratio=ratio, seed=seed, model="m", accuracy=accuracy, top5=0.9, best_accuracy=0.9,
            worst_class_accuracy=0.1, select_seconds=1.0, train_seconds=2.0, peak_rss_bytes=1, num_train=2, steps=3,
            mislabelled_kept=None, corrupted_kept=None, thresholded=None,
        )
        for name, accuracy in (("random", 0.5), ("el2n", 0.6), ("moderate", 0.05))
        for ratio in (0.3, 0.5)
        for seed in (0, 1)
    ]  # fmt: skip
    settings = {
        "dataset": {"_target_": "rlsel.data.digits.Digits"},
        "selectors": ["random", "el2n", "moderate"], "ratios": [0.3, 0.5], "seeds": [0, 1], "budget": "steps",
    }  # fmt: skip
    recorded = RecordedComparison(
        folder=tmp_path, state="complete", settings=settings, runs=tuple(runs), summaries=tuple(summarise(runs, {}))
    )
    open_page(browser, comparison_html(comparison_page(recorded)), tmp_path, width=390)
    press(browser, "main thead th:nth-child(4) button")
    accuracies = [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, "main tbody td:nth-child(4)")]
    assert [text.split()[0] for text in accuracies] == ["60.00", "60.00", "50.00", "50.00", "5.00", "5.00"]
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    assert browser.get_log("browser") == []
